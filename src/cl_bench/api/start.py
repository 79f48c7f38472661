"""Runs are started and continued from Python: the choices and the code of ``cl-bench run``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cl_bench.api.run import Run
from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.benchmark.interval import Interval
from cl_bench.benchmark.records.events import Listener
from cl_bench.experiment.choices import OPTIONS, Choices, choices_of
from cl_bench.methods.catalog import BUILT_IN, name_of


def run(
    method: str | type = "keeplora",
    *,
    settings: Mapping[str, Any] | None = None,
    out: Path | str = "runs",
    listen: Listener | None = None,
    **options: Any,
) -> Run:
    """Let a method learn a suite's tasks in order, or continue such a run; a finished one is read.

    What a reader of the results must know is said as a :class:`RunWarning` before anything is learned.

    Args:
        method: its name, or a class of your own in a Python file; the run records the file.
        settings: changes of single settings, as ``--set`` has them: ``{"rank": 8, "lr": 1e-3}``.
        out: the folder below which the run gets its directory.
        listen: receives every event; by default a progress bar is shown.
        **options: the options of ``cl-bench run`` under their names here:
            {options}

    Raises:
        UserError: an option or a setting is wrong, data is missing, or the directory is damaged.
    """
    from cl_bench.api.caller import Caller
    from cl_bench.experiment.resolve import resolve
    from cl_bench.experiment.run import carry_out

    if odd := [name for name in options if name not in KEYWORDS]:
        raise unknown("option", odd[0], KEYWORDS)
    given = {**options, **_method(method, options), "overrides": _pairs(settings or {})}
    return Run(carry_out(resolve(choices_of(given), Path(out)), Caller(listen)))


def resume(
    path: Path | str,
    *,
    listen: Listener | None = None,
    checkpoint_every: str | int | None = None,
    **moved: Path | str,
) -> Run:
    """Continue a run that was interrupted, in the middle of a task, too; a finished one is read.

    Args:
        path: its directory.
        listen: receives every event; by default a progress bar is shown.
        checkpoint_every: as of ``run``; by default as the run began.
        **moved: by option (``data_root``, ``suite``, ...), where a file lies now that was moved.

    Raises:
        UserError: it cannot be continued as what it began.
    """
    from cl_bench.api.caller import Caller
    from cl_bench.experiment.run import carry_on

    given = {name: Path(place) for name, place in moved.items()}
    every = choices_of({"checkpoint_every": checkpoint_every}).checkpoint_every
    return Run(carry_on(Path(path), given, Caller(listen), Interval.of(every) if every else None))


KEYWORDS = tuple(name for name in OPTIONS if name not in ("method", "overrides"))
run.__doc__ = str(run.__doc__).replace(
    "{options}",
    "\n            ".join(
        f"``{name}``: {' '.join((Choices.model_fields[name].description or '').split())}"
        for name in KEYWORDS
    ),
)


def _method(method: str | type, options: Mapping[str, Any]) -> dict[str, Any]:
    """The choices that name a method, given by name or as a class."""
    if isinstance(method, str):
        return {"method": method}
    if "plugin" in options:
        raise UserError("give the method as a class, or by name with plugin=FILE, not both")
    name = name_of(method)
    if name in BUILT_IN:
        return {"method": name}
    try:
        file = Path(inspect.getfile(method))
    except (TypeError, OSError):
        file = Path()
    if method.__module__ == "__main__" or not file.is_file():  # a plug-in's file is run: no script
        raise UserError(
            f"{method.__name__} is defined in a script or notebook, and a run must be able to find "
            "its method again: put the class into a Python file of its own and import it"
        )
    return {"method": name, "plugin": file}


def _pairs(settings: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{key}={json.dumps(value)}" for key, value in settings.items())
