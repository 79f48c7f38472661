"""A run as it is shown before, while and after it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cl_bench.benchmark.record import RunResult
from cl_bench.benchmark.records.events import Event, Listener
from cl_bench.cli.console import console, made, warn
from cl_bench.cli.dashboards import Dashboards
from cl_bench.cli.progress import progress_of_files, shown
from cl_bench.datasets import backbones
from cl_bench.datasets.progress import ProgressCallback
from cl_bench.experiment.audience import Audience
from cl_bench.experiment.resolve import Plan
from cl_bench.reports.plots.heat_map import save_heat_map
from cl_bench.reports.sinks.follow import following
from cl_bench.reports.terminal.show import render


class Terminal(Audience):
    """Shows everything that is to be seen of a run, and sends it to dashboards.

    Args:
        boards: the dashboards.
    """

    def __init__(self, boards: Dashboards) -> None:
        super().__init__()
        self._boards, self._said = boards, set[str]()

    def planned(self, plan: Plan) -> None:
        """Show what will be done, once its dashboards are known."""
        config = plan.config
        self._sinks = self._boards.sinks(config, plan.folder)
        console.print(f"suite  {config.suite.about}", soft_wrap=True, markup=False)
        console.print(
            f"run    {config.method}, order {config.order}, {len(config.tasks)} tasks, "
            f"seed {config.seed}, preset {config.preset}, {config.protocol.precision} on {config.device}",
            soft_wrap=True,
        )
        console.print(f"model  {backbones.about(config.backbone)}", soft_wrap=True)
        for caveat in config.beware:
            self.remark(caveat)
        console.print(f"files  {plan.folder}", soft_wrap=True, markup=False)

    @contextmanager
    def files(self) -> Iterator[ProgressCallback]:
        """Show the progress of decoding."""
        with progress_of_files(console) as on_progress:
            yield on_progress

    def remark(self, words: str) -> None:
        """Say it once."""
        if words not in self._said:
            self._said.add(words)
            warn(f"note   {words}")

    @contextmanager
    def learning(self, plan: Plan) -> Iterator[Listener]:
        """Show the progress of learning; dashboards follow."""
        with (
            shown(console, plan.config) as show,
            following(plan.folder, self._sinks, warn) as follow,
        ):

            def listen(event: Event) -> None:
                show(event)
                follow(event)

            yield listen

    def learned(self, result: RunResult) -> None:
        """Draw the picture: dashboards take it along."""
        save_heat_map(result, result.picture)

    def shown(self, result: RunResult, before: bool) -> None:
        """Show the result."""
        if before:
            console.print("this run is finished already; nothing was done")
            save_heat_map(result, result.picture)
        if console.quiet:  # else they stand in what is shown
            for words in (*result.config.beware, *result.remarks, *result.collapses):
                self.remark(words)
        console.print(render(result))
        console.print(f"picture  {result.picture}", soft_wrap=True, markup=False)
        made(result.path)
