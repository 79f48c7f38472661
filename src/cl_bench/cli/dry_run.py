"""``--dry-run``: what would be learned, with which settings, and what it is expected to take here."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table

from cl_bench.benchmark.errors import in_one_line
from cl_bench.benchmark.records.checkpoints import USUAL
from cl_bench.cli.console import console
from cl_bench.datasets import backbones
from cl_bench.datasets.task_spec import TaskSpec
from cl_bench.experiment.disk import in_bytes, kept_in_words, of_scores
from cl_bench.experiment.resolve import Plan
from cl_bench.experiment.set_values import SetValue, set_values
from cl_bench.experiment.setting_words import TITLES
from cl_bench.experiment.train_size import train_size
from cl_bench.reports.runs.names import asks

if TYPE_CHECKING:
    from cl_bench.benchmark.estimate.foreseen import Forecast, Memory

PHASES = {
    "start": "start of the method",
    "prepare": "preparation",
    "train": "training",
    "consolidate": "consolidation",
    "evaluate": "evaluation",
    "save": "checkpoints",
}
NAME, VALUE, WIDTH = 24, 14, 79
ONE_LINE = 160  # columns for all that is said of a task


def show_plan(plan: Plan, seeds: int, estimates: bool) -> None:
    """Show the plan of one of ``seeds`` runs and, where ``estimates``, what each of them will take."""
    _show_head(plan)
    _show_values(plan)
    _show_tasks(plan)
    if estimates:
        _show_expected(plan, seeds)
    console.print("Nothing was trained.")


def _say(label: str, text: str) -> None:
    """A line that the terminal may fold; its words stay as they are."""
    console.print(f"{label:9s} {text}", soft_wrap=True, markup=False)


def _fold(label: str, text: str) -> None:
    """Words on as many lines as they need."""
    indent = 10 * " "
    for line in textwrap.wrap(f"{label:9s} {text}", WIDTH, subsequent_indent=indent):
        console.print(line, markup=False, soft_wrap=True)


def _show_head(plan: Plan) -> None:
    config = plan.config
    _fold("suite", f"{config.suite.about} (digest {config.suite.digest})")
    _say("method", f"{config.method}, preset {config.preset}, order {config.order}")
    _say("backbone", backbones.about(config.backbone))
    _say("device", f"{config.device}, {config.protocol.precision}")
    for need, source in config.extra_data.items():
        _say("needs", f"{need}: {source}")
    for note in (*config.beware, *plan.suite.remarks):
        _fold("note", note)
    trainable = plan.entry.settings.get("about", {}).get("trainable")
    if trainable is not None:
        _say("trains", f"{trainable:,} weights of a ViT-B/16 under its default settings")


def _show_values(plan: Plan) -> None:
    """Settings by table; a star marks what is not the preset's."""
    values = set_values(plan)
    for table, of in groupby(values, lambda value: value.table):
        console.print(f"\n{table}: {TITLES[table]}", style="bold", markup=False)
        for value in of:
            _show_value(value)
    changed = sum(value.usual is not None for value in values)
    words = f"* changed: {changed} of {len(values)}" if changed else "No setting is changed."
    console.print(f"\n{words}", markup=False)


def _show_value(value: SetValue) -> None:
    mark = " " if value.usual is None else "*"
    said = value.value if value.usual is None else f"{value.value:{VALUE}s} (not {value.usual})"
    lines = textwrap.wrap(
        f"{mark} {value.name:{NAME}s} {said}", WIDTH, subsequent_indent=" " * (NAME + 3)
    )
    for line in lines:
        console.print(line, style="bold" if value.usual is not None else None, markup=False)


def _show_tasks(plan: Plan) -> None:
    gap = f"\n{30 * ' '}" if console.is_terminal and console.width < ONE_LINE else " "
    for i, task in enumerate(plan.tasks, start=1):
        console.print(
            f"{i:5d}     {task.name:20s} {_training(plan, task)};{gap}"
            f"{len(task.classnames):3d} classes, {task.test_size:6,d} test images; "
            f'"{task.templates[0]}"',
            soft_wrap=True,
            markup=False,
        )
    for held in plan.held_out:
        words = f"{len(held.classnames)} classes, {held.test_size:,} test images; never learned"
        _say("held out", f"{held.name}: {words}")
    for of in plan.retrieval:
        words = f"{of.pictures:,} pictures, {len(of.captions):,} captions; never learned"
        _say("retrieval", f"{of.name}: {words}")
    budget = plan.config.budget
    steps = f"{sum(budget.steps.values()):,} optimizer steps of {budget.batch_size} images"
    if plan.config.protocol.clients:
        steps += f", shared by {asks(plan.config)}"
    _say(
        "total", steps if _takes_steps(plan) else "no optimizer step: nothing trains by a gradient"
    )


def _training(plan: Plan, task: TaskSpec) -> str:
    """The steps of a task, and its images."""
    recipe, budget = plan.config.recipe, plan.config.budget
    images = train_size(task, plan.config)
    if not _takes_steps(plan):
        return f"{images:7,d} images"
    steps = budget.steps[task.name]
    return (
        f"{steps:6,d} steps, lr {recipe.lr_of(task.name):g}, {images:7,d} images "
        f"({steps / -(-images // budget.batch_size):.3g} epochs)"
    )


def _takes_steps(plan: Plan) -> bool:
    """Whether anything trains by a gradient, as far as the method's card says."""
    return bool(plan.entry.settings.get("about", {}).get("trainable") != 0)


def _show_expected(plan: Plan, seeds: int) -> None:
    """Measure, calculate, and show it; a plan that cannot be foreseen is no mistake of the user's."""
    console.print("\nmeasuring this machine and the method's steps, for some seconds ...")
    from cl_bench.experiment.forecast import forecast

    try:
        found = forecast(plan)
    except Exception as error:  # whatever a method's code raises where it cannot be played
        _fold("expected", f"not known: {in_one_line(error)}")
        return
    console.print(_phases(found))
    _show_totals(plan, found, seeds)


def _phases(found: Forecast) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for title in ("expected", "time", "TFLOP", "GiB moved"):
        table.add_column(title, justify="left" if title == "expected" else "right")
    for phase, title in PHASES.items():
        flops, moved = ("", "")
        if (work := found.work.get(phase)) is not None:
            flops, moved = _figure(work[0] / 1e12), _figure(work[2] / 2**30)
        table.add_row(title, duration(found.seconds[phase]), flops, moved)
    table.add_row("together", duration(sum(found.seconds.values())), style="bold")
    return table


def _show_totals(plan: Plan, found: Forecast, seeds: int) -> None:
    from cl_bench.experiment.memory import refusal

    device = plan.config.device
    how, good = (
        ("the method's own steps, measured on this machine", "within 30 % on mini")
        if found.is_played
        else ("counted operations and this machine's speed, measured", "a rough figure")
    )
    _fold("memory", _memory(plan, found.memory))
    if words := refusal(plan, found.matrices):
        _fold("refused", f"here, such a run would not start: {words}")
    _fold(
        "disk",
        f"{kept_in_words(plan.keeps.checkpoints or USUAL, found.checkpoints)}, "
        f"{in_bytes(found.records)} of results, log and picture"
        + (f", {in_bytes(scores)} of scores" if (scores := of_scores(plan)) else ""),
    )
    if seeds > 1:
        together = duration(seeds * sum(found.seconds.values()))
        _fold(
            "seeds", f"{seeds}: {together} one after the other, each with its own memory and disk"
        )
    _fold(
        "estimate",
        f"made from {how} for {found.measured:.1f} s on {device}; {good} while nothing else "
        "computes. Reading and decoding image files is not in it.",
    )


def _memory(plan: Plan, memory: Memory) -> str:
    """At the peak, and what a smaller part of a batch would change."""
    batch, said = plan.config.budget.batch_size, plan.micro_batch
    peak, parts = (
        memory.peak,
        f"{in_bytes(int(memory.image))} for each of {batch} images in a batch",
    )
    if said is not None and said != "auto" and plan.entry.method.row_by_row:
        peak, parts = memory.with_images(int(said), batch), f"--micro-batch {said}"
    return f"about {in_bytes(peak)} at the peak, on {plan.config.device} ({parts})"


def duration(seconds: float) -> str:
    """In the unit that fits."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:,.1f} days"


def _figure(amount: float) -> str:
    """Three digits, or all before the point."""
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"
