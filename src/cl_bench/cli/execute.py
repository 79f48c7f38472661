"""``run`` and ``resume``: load the model, build the stream, find the method, run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.estimate import estimate
from cl_bench.benchmark.opening import finished_run, is_finished, must_be_of
from cl_bench.benchmark.record import RunFolder, RunResult, read_config
from cl_bench.benchmark.records.events import Event
from cl_bench.benchmark.run import run
from cl_bench.benchmark.task import LabelSpace
from cl_bench.cli.choices import Choices
from cl_bench.cli.console import console
from cl_bench.cli.dashboards import Dashboards
from cl_bench.cli.places import recorded
from cl_bench.cli.plan import Plan, make_plan
from cl_bench.cli.plan_again import plan_again
from cl_bench.cli.progress import shown, telling
from cl_bench.datasets import backbones
from cl_bench.datasets.catalog import check_data
from cl_bench.datasets.extra.references import load_assets
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.streams import Shots, build_stream
from cl_bench.reports.figures.heat_map import save_heat_map
from cl_bench.reports.sinks.follow import following
from cl_bench.reports.terminal.show import render

if TYPE_CHECKING:
    from cl_bench.benchmark.method import Method


def run_command(
    choices: Choices, seeds: list[int], out: Path, dry_run: bool, boards: Dashboards
) -> None:
    """One run per seed, or the plan of the first."""
    plans = [make_plan(choices, seed) for seed in seeds]
    if dry_run:
        _show_plan(plans[0], len(seeds))
        return
    for plan in plans:
        path = directory(plan, out)
        kept = recorded(choices, plan.suite.name, path).model_dump(mode="json")
        config = plan.config.model_copy(update={"choices": kept})
        _execute(replace(plan, config=config), RunFolder(path), boards)


def resume_command(path: Path, given: Mapping[str, Path], boards: Dashboards) -> None:
    """Continue the run in ``path``, with what the user says of where its files are now."""
    if is_finished(path):  # then none of the files is needed that it was made from
        _show_finished(RunFolder(path))
        return
    plan = plan_again(read_config(path), path, given)
    _execute(plan, RunFolder(path), boards)


def directory(plan: Plan, out: Path) -> Path:
    """Where a run is kept below ``out``."""
    c = plan.config
    order = c.order if len(c.tasks) == len(plan.suite.tasks) else f"{c.order}-{len(c.tasks)}tasks"
    return out / f"{c.suite.name}-{order}" / c.method / f"seed{c.seed}-{c.digest()}"


def _execute(plan: Plan, folder: RunFolder, boards: Dashboards) -> None:
    config, sinks = plan.config, boards.sinks()
    console.print(f"suite  {config.suite.about}")
    console.print(
        f"run    {config.method}, order {config.order}, {len(config.tasks)} tasks, "
        f"seed {config.seed}, preset {config.preset}, {config.protocol.precision} on {config.device}",
        soft_wrap=True,
    )
    console.print(f"model  {backbones.about(config.backbone)}", soft_wrap=True)
    for caveat in config.caveats:
        console.print(f"note   {caveat}", soft_wrap=True, markup=False)
    console.print(f"files  {folder.path}", soft_wrap=True)
    if is_finished(folder.path):
        must_be_of(folder.path, config)
        _show_finished(folder)
        return
    check_data(plan.suite, plan.data_root)
    clip = backbones.load(config.backbone, config.device)
    settings = plan.entry.method.Config.model_validate(config.method_settings)
    shots = Shots(config.protocol.shots, config.seed) if config.protocol.shots else None
    size = clip.image_size
    with telling(console) as tell:
        store = Store(plan.cache, config.protocol.broken, tell)
        stream = build_stream(config.suite.name, plan.tasks, size, store, plan.data_root, shots)
        stream = replace(stream, remarks=(*plan.suite.remarks, *stream.remarks))
        needs = settings.needs()
        assets = load_assets(plan.sources, needs, stream, size, config.device, store)
    for remark in stream.remarks:
        console.print(f"note   {remark}", soft_wrap=True, markup=False)

    def make_method() -> Method:
        return plan.entry.method(clip, settings, assets)

    with (
        shown(console, config.budget.steps) as show,
        following(folder.path, sinks, _complain) as follow,
    ):

        def listen(event: Event) -> None:
            show(event)
            follow(event)

        result = run(config, make_method, stream, folder, listen)
        save_heat_map(result, result.picture)  # dashboards take it along
    _show_result(result)


def _complain(words: str) -> None:
    console.print(words, style="yellow", soft_wrap=True, markup=False)


def _show_finished(folder: RunFolder) -> None:
    with folder.locked():
        result = finished_run(folder.path)
    console.print("this run is finished already; nothing was done")
    save_heat_map(result, result.picture)
    _show_result(result)


def _show_result(result: RunResult) -> None:
    console.print(render(result))
    console.print(f"picture  {result.picture}", soft_wrap=True)


def _show_plan(plan: Plan, seeds: int) -> None:
    """``--dry-run``: what would be learned, and what it is expected to take here."""
    config, budget, steps = plan.config, plan.config.budget, plan.config.budget.steps
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
    for i, task in enumerate(plan.tasks, start=1):
        console.print(
            f"{i:5d}     {task.name:20s} {steps[task.name]:6,d} steps, lr "
            f"{config.recipe.lr_of(task.name):g}, {task.train_size:7,d} images "
            f"({steps[task.name] / -(-task.train_size // budget.batch_size):.3g} epochs); "
            f"{len(task.classnames):3d} classes, {task.test_size:6,d} test images; "
            f'"{task.templates[0]}"',
            soft_wrap=True,
        )
    console.print(
        f"total     {sum(steps.values()):,} optimiser steps of {budget.batch_size} images"
    )
    # The cost does not depend on the weights: those of a tag may not be here yet. A file is checked.
    unknown = config.backbone.model_copy(update={"weights": backbones.RANDOM})
    clip = backbones.load(config.backbone if config.backbone.sha256 else unknown, config.device)
    first = plan.tasks[0]
    labels = LabelSpace.from_templates(first.classnames, first.templates)
    evaluated = (len(plan.tasks) + 1) * sum(task.test_size for task in plan.tasks)
    cost = estimate(clip, labels, budget.batch_size, sum(steps.values()), evaluated)
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
