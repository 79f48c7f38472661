"""A run as it is shown before, while and after it lasts."""

from __future__ import annotations

from pathlib import Path

from cl_bench.benchmark.opening import must_be_of
from cl_bench.benchmark.record import RunResult
from cl_bench.benchmark.records.events import Event
from cl_bench.benchmark.records.manifest import is_finished
from cl_bench.cli.console import console
from cl_bench.cli.dashboards import Dashboards
from cl_bench.cli.progress import progress_of_files, shown
from cl_bench.datasets import backbones
from cl_bench.experiment.assemble import assemble
from cl_bench.experiment.resolve import Plan
from cl_bench.experiment.run import read_finished
from cl_bench.reports.plots.heat_map import save_heat_map
from cl_bench.reports.sinks.follow import following
from cl_bench.reports.terminal.show import render


def show_run(plan: Plan, boards: Dashboards) -> None:
    """Run a plan, or continue it, with everything that is to be seen of it."""
    config, sinks = plan.config, boards.sinks(plan.config, plan.folder)
    _show_beginning(plan)
    if is_finished(plan.folder):
        must_be_of(plan.folder, config)
        show_finished(plan.folder)
        return
    with progress_of_files(console) as on_progress:
        experiment = assemble(plan, on_progress)
    for remark in experiment.stream.remarks:
        console.print(f"note   {remark}", soft_wrap=True, markup=False)
    with (
        shown(console, config.budget.steps) as show,
        following(plan.folder, sinks, _complain) as follow,
    ):

        def listen(event: Event) -> None:
            show(event)
            follow(event)

        result = experiment.run(listen)
        save_heat_map(result, result.picture)  # dashboards take it along
    _show_result(result)


def _show_beginning(plan: Plan) -> None:
    config = plan.config
    console.print(f"suite  {config.suite.about}")
    console.print(
        f"run    {config.method}, order {config.order}, {len(config.tasks)} tasks, "
        f"seed {config.seed}, preset {config.preset}, {config.protocol.precision} on {config.device}",
        soft_wrap=True,
    )
    console.print(f"model  {backbones.about(config.backbone)}", soft_wrap=True)
    for caveat in config.caveats:
        console.print(f"note   {caveat}", soft_wrap=True, markup=False)
    console.print(f"files  {plan.folder}", soft_wrap=True)


def _complain(words: str) -> None:
    console.print(words, style="yellow", soft_wrap=True, markup=False)


def show_finished(folder: Path) -> None:
    """Show a run that was finished before."""
    result = read_finished(folder)
    console.print("this run is finished already; nothing was done")
    save_heat_map(result, result.picture)
    _show_result(result)


def _show_result(result: RunResult) -> None:
    console.print(render(result))
    console.print(f"picture  {result.picture}", soft_wrap=True)
