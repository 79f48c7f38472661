"""``run`` and ``resume``: every choice is resolved before anything that takes long is imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cl_bench.benchmark.record import read_config
from cl_bench.benchmark.records.manifest import is_finished
from cl_bench.cli.dashboards import Dashboards
from cl_bench.experiment.again import resolve_again
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve


def run_command(
    choices: Choices,
    seeds: list[int],
    out: Path,
    dry_run: bool,
    boards: Dashboards,
    estimates: bool = True,
) -> None:
    """One run per seed, or the plan of the first and, unless not wanted, what it will take."""
    per_seed = [choices.model_copy(update={"seed": seed}) for seed in seeds]
    plans = [resolve(each, out, needs_data=not dry_run) for each in per_seed]
    if dry_run:
        from cl_bench.cli.dry_run import show_plan

        show_plan(plans[0], len(seeds), estimates)
        return
    from cl_bench.cli.live import show_run

    for plan in plans:
        show_run(plan, boards)


def resume_command(path: Path, given: Mapping[str, Path], boards: Dashboards) -> None:
    """Continue the run in ``path``, with what the user says of where its files are now."""
    if is_finished(path):  # then none of the files is needed that it was made from
        from cl_bench.cli.live import show_finished

        show_finished(path)
        return
    plan = resolve_again(read_config(path), path, given)
    from cl_bench.cli.live import show_run

    show_run(plan, boards)
