"""``--dry-run``: what would be learned, and what it is expected to take here."""

from __future__ import annotations

from cl_bench.benchmark.estimate import Estimate, estimate
from cl_bench.benchmark.task import LabelSpace
from cl_bench.cli.console import console
from cl_bench.datasets import backbones
from cl_bench.experiment.resolve import Plan


def show_plan(plan: Plan, seeds: int) -> None:
    """Show the plan of one of ``seeds`` runs, and what each of them will cost."""
    _show_settings(plan)
    _show_tasks(plan)
    config, cost = plan.config, _estimate(plan)
    hours = (cost.train_seconds + cost.evaluate_seconds) / 3600
    duration = f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"
    console.print(
        f"expected  about {duration} per seed on {config.device}, if a step trains all weights on one "
        "batch (adapters take less, distillation takes more) "
        f"(training {cost.train_seconds:,.0f} s, evaluation {cost.evaluate_seconds:,.0f} s), "
        f"{cost.memory / 2**30:.1f} GiB of memory, {cost.disk / 2**20:,.0f} MiB of disk; "
        f"{seeds} seed{'s' if seeds > 1 else ''}. Nothing was trained.",
        soft_wrap=True,
    )


def _show_settings(plan: Plan) -> None:
    config = plan.config
    console.print(f"suite     {config.suite.about} (digest {config.suite.digest})")
    console.print(f"preset    {config.preset}; {config.protocol.model_dump()}")
    console.print(f"method    {config.method} {config.method_settings}", soft_wrap=True)
    for need, source in config.extra_data.items():
        console.print(f"needs     {need}: {source}", soft_wrap=True)
    for note in (*config.caveats, *plan.suite.remarks):
        console.print(f"note      {note}", soft_wrap=True, markup=False)
    trainable = plan.entry.settings.get("about", {}).get("trainable")
    if trainable is not None:
        console.print(f"trains    {trainable:,} weights of a ViT-B/16 under its default settings")
    console.print(f"recipe    {config.recipe.model_dump()}", soft_wrap=True)
    console.print(f"backbone  {backbones.about(config.backbone)}", soft_wrap=True)


def _show_tasks(plan: Plan) -> None:
    recipe, budget, steps = plan.config.recipe, plan.config.budget, plan.config.budget.steps
    for i, task in enumerate(plan.tasks, start=1):
        console.print(
            f"{i:5d}     {task.name:20s} {steps[task.name]:6,d} steps, lr "
            f"{recipe.lr_of(task.name):g}, {task.train_size:7,d} images "
            f"({steps[task.name] / -(-task.train_size // budget.batch_size):.3g} epochs); "
            f"{len(task.classnames):3d} classes, {task.test_size:6,d} test images; "
            f'"{task.templates[0]}"',
            soft_wrap=True,
        )
    console.print(
        f"total     {sum(steps.values()):,} optimizer steps of {budget.batch_size} images"
    )


def _estimate(plan: Plan) -> Estimate:
    """Measured with random weights where those of a tag may not be here yet; a file is checked."""
    config, first = plan.config, plan.tasks[0]
    unknown = config.backbone.model_copy(update={"weights": backbones.RANDOM})
    clip = backbones.load(config.backbone if config.backbone.sha256 else unknown, config.device)
    labels = LabelSpace.from_templates(first.classnames, first.templates)
    evaluated = (len(plan.tasks) + 1) * sum(task.test_size for task in plan.tasks)
    steps = sum(config.budget.steps.values())
    return estimate(clip, labels, config.budget.batch_size, steps, evaluated)
