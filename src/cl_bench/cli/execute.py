"""``run`` and ``resume``: every choice is resolved before anything that takes long is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import typer

from cl_bench.benchmark.interval import Interval
from cl_bench.benchmark.processes.group import joined
from cl_bench.benchmark.record import read_config
from cl_bench.benchmark.stopping import STOPPED, Stopped
from cl_bench.cli.dashboards import Dashboards
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve


def run_command(
    choices: Choices,
    seeds: Sequence[int],
    out: Path,
    dry_run: bool,
    boards: Dashboards,
    orders: Sequence[str] = (),
    estimates: bool = True,
) -> None:
    """One run per seed and order, or the plans of the first seed's with what each will take.

    Raises:
        UserError: a choice is wrong, or data is missing.
    """
    of_order = [choices.model_copy(update={"order": order}) for order in orders] or [choices]
    each = product(seeds, of_order)
    asked = [one.model_copy(update={"seed": seed}) for seed, one in each]
    with _saying_where_it_stops(), joined():
        plans = [resolve(one, out, needs_data=not dry_run) for one in asked]
        if dry_run:
            from cl_bench.cli.dry_run import show_plan

            for plan in plans[: len(plans) // len(seeds)]:
                show_plan(plan, len(seeds), estimates)
            return
        from cl_bench.cli.live import Terminal
        from cl_bench.experiment.run import carry_out

        for plan in plans:
            carry_out(plan, Terminal(boards))


def resume_command(
    path: Path, given: Mapping[str, Path], boards: Dashboards, every: str | None
) -> None:
    """Continue the run in ``path``, with what the user says of where its files are now.

    Args:
        path: the run's directory.
        given: by option, where a file lies now.
        boards: where the run is shown.
        every: ``--checkpoint-every``, if it was typed.
    """
    with _saying_where_it_stops(), joined():
        read_config(path)  # a mistake is answered before what shows a run is imported
        from cl_bench.cli.live import Terminal
        from cl_bench.experiment.run import carry_on

        carry_on(path, given, Terminal(boards), Interval.of(every) if every else None)


@contextmanager
def _saying_where_it_stops() -> Iterator[None]:
    """Give a run that was told to stop its line and its exit code."""
    try:
        yield
    except Stopped as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(STOPPED) from None
