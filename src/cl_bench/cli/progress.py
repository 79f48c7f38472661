"""What a run shows while it runs: a bar with the time left, or plain lines where no one watches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.records.events import (
    Collapsed,
    Evaluated,
    Event,
    Learned,
    Listener,
    Resumed,
    Step,
)
from cl_bench.cli.console import warn
from cl_bench.datasets.progress import ProgressCallback
from cl_bench.reports.runs.names import first_row


@contextmanager
def shown(console: Console, config: RunConfig) -> Iterator[Listener]:
    """Follow a run.

    Args:
        console: where to show it.
        config: of the run.

    Yields:
        What to hand to the runner as its listener.
    """
    steps = config.budget.steps
    lines = _Lines(console, steps, first_row(config))
    if not console.is_terminal:
        yield lines.hear
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps, left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        whole = bar.add_task("first evaluation", total=sum(steps.values()))

        def hear(event: Event) -> None:
            lines.hear(event)
            bar.update(whole, completed=lines.done)
            if isinstance(event, Step):
                bar.update(whole, description=f"learning {event.task}")
            elif isinstance(event, Learned):
                bar.update(whole, description=f"evaluating after {event.task}")

        yield hear


@contextmanager
def progress_of_files(console: Console) -> Iterator[ProgressCallback]:
    """Follow work on files, as their decoding: a bar per work and data set.

    Yields:
        What to hand to a store; where no one watches it says a line per finished work.
    """
    if not console.is_terminal:
        yield (
            lambda what, done, total: (
                console.print(f"{what}: {total:,} done") if done == total else None
            )
        )
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bars:
        known: dict[str, TaskID] = {}

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in known:
                known[what] = bars.add_task(what, total=total)
            bars.update(known[what], completed=done)

        yield on_progress


class _Lines:
    """One line per task, and the time left as far as the pace so far tells."""

    def __init__(self, console: Console, steps: dict[str, int], first: str) -> None:
        self._console, self._steps, self._first = console, steps, first
        self._names = list(steps)
        self._loss = float("nan")
        self._start, self._resumed_at = time.monotonic(), 0
        self.done = 0  # optimizer steps, those of tasks learned earlier included

    def hear(self, event: Event) -> None:
        match event:
            case Resumed():
                self._resume(event)
            case Step():
                self._loss = event.loss
                self.done = self._before(self._names.index(event.task)) + event.step
            case Learned():
                self.done = self._before(event.learned)
                self._learned = event
            case Collapsed():
                warn(f"alert  {event.words}")
            case Evaluated():
                self._row(event)

    def _resume(self, event: Resumed) -> None:
        self.done = self._resumed_at = self._before(event.learned) + (event.steps_done or 0)
        within = ""
        if event.steps_done is not None:
            within = f" and {event.steps_done} steps of {self._names[event.learned]}"
        self._console.print(f"continuing after {event.learned} learned tasks{within}")
        if event.set_aside:
            warn(f"note   {event.set_aside}: the run goes on from a state before it")

    def _before(self, learned: int) -> int:
        return sum(self._steps[name] for name in self._names[:learned])

    def _row(self, event: Evaluated) -> None:
        accuracies = event.accuracies
        mean = sum(accuracies.values()) / len(accuracies)
        total = len(self._names)
        if event.learned == 0:
            text = f"[ 0/{total}] {self._first}"
        else:
            name, took = self._names[event.learned - 1], self._learned
            text = f"[{event.learned:2d}/{total}] {name}: {accuracies[name]:.1f} % just learned"
            if took.steps:
                text += f", {took.steps} steps, loss {self._loss:.3f}"
            if took.skipped_steps:
                text += f", {took.skipped_steps} steps skipped (fp16 overflow)"
        text += f"; mean of all {total}: {mean:.1f} %{self._left(event.learned)}"
        self._console.print(text, soft_wrap=True)

    def _left(self, learned: int) -> str:
        """Time left; each evaluation is taken into account by its share of the past."""
        gone, total = self.done - self._resumed_at, sum(self._steps.values())
        if gone <= 0 or learned == len(self._names):
            return ""
        seconds = (time.monotonic() - self._start) / gone * (total - self.done)
        return (
            f"; about {max(1, round(seconds / 60))} min left"
            if seconds > 60
            else (f"; about {round(seconds)} s left")
        )
