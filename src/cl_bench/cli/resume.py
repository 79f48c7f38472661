"""``cl-bench resume``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cl_bench.cli.dashboards import BoardOptions
from cl_bench.cli.options import Quiet, RunPath, takes
from cl_bench.experiment.choices import Choices, choices_of
from cl_bench.experiment.places import PATHS, file_of
from cl_bench.experiment.start import run_and_place


@takes("given", Choices, ("suite", "backbone", "start_from", *PATHS, "checkpoint_every"))
@takes("boards", BoardOptions, BoardOptions.model_fields)
def resume(
    run_dir: RunPath,
    given: dict[str, Any],
    boards: dict[str, Any],
    quiet: Quiet = False,
) -> None:
    """Continue a run that was interrupted; the result is the same as without interruption.

    Options of `run` say where its files are now, if neither the run nor they stayed in place.
    """
    from cl_bench.cli.console import silenced
    from cl_bench.cli.dashboards import chosen
    from cl_bench.cli.execute import resume_command

    every = choices_of({"checkpoint_every": given.pop("checkpoint_every", None)}).checkpoint_every
    moved = {
        name: file_of(value)
        if name == "backbone"
        else run_and_place(value)[0]
        if name == "start_from"
        else Path(value)
        for name, value in given.items()
    }
    places = {name: path for name, path in moved.items() if path is not None}
    with silenced(quiet):
        resume_command(run_dir, places, chosen(boards), every)
