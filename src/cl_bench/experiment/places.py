"""Where the files lie that a run was given: a run, its data and its suite file may move together.

A run keeps every path twice: absolute, and as seen from its own directory.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.experiment.choices import OPTIONS, Choices, kind_of, option_name
from cl_bench.experiment.start import run_and_place

PATHS = tuple(name for name in OPTIONS if kind_of(Choices.model_fields[name]) is Path)
NEEDS_NOTHING_THERE = "cache"  # a folder that is made where it is missing


def recorded(choices: Choices, suite: str, run: Path) -> Choices:
    """The choices as the run in ``run`` keeps them.

    Args:
        choices: as typed, with paths relative to the current folder.
        suite: the name that stands for the suite where none was typed.
        run: the run's directory.
    """
    home, paths = run.resolve(), named_files(choices)
    absolute = {name: Path(os.path.abspath(path)) for name, path in paths.items()}
    relative = {name: os.path.relpath(path.resolve(), home) for name, path in paths.items()}
    return _placed(choices, absolute).model_copy(
        update={"suite": _placed(choices, absolute).suite or suite, "relative": relative}
    )


def found_again(choices: Choices, run: Path, given: Mapping[str, Path]) -> Iterator[Choices]:
    """The recorded choices with paths where files are now, the likeliest first.

    That is as seen from the run's directory, then where they were. More than one comes only where
    something lies in both places.

    Args:
        choices: of the run's configuration.
        run: its directory.
        given: by option, where the user says that a file is.

    Raises:
        UserError: a file is in neither place; names both, and the option to give.
    """
    places = {
        name: [given[name]] if name in given else _places(name, path, choices, run)
        for name, path in named_files(choices).items()
    }
    if unused := given.keys() - places.keys():
        raise UserError(f"{_option(min(unused))} was not given when the run began")
    for paths in itertools.product(*places.values()):
        yield _placed(choices, dict(zip(places, paths, strict=True)))


def named_files(choices: Choices) -> dict[str, Path]:
    """Every file and folder that the choices name, by its option."""
    files = {name: getattr(choices, name) for name in PATHS}
    if choices.suite is not None and choices.suite.endswith(".toml"):
        files["suite"] = Path(choices.suite)
    if choices.start_from is not None:
        files["start_from"] = run_and_place(choices.start_from)[0]
    weights = file_of(choices.backbone or "")
    if weights is not None and ("backbone" in choices.relative or weights.is_file()):
        files["backbone"] = weights
    return {name: path for name, path in files.items() if path is not None}


def file_of(backbone: str) -> Path | None:
    """What stands behind the name in ``NAME:WEIGHTS``, as a path."""
    _, colon, weights = backbone.partition(":")
    return Path(weights) if colon and weights else None


def _places(name: str, path: Path, choices: Choices, run: Path) -> list[Path]:
    """Where the file may be now: one or two places that exist."""
    known = [path]
    if name in choices.relative:
        known.insert(0, Path(os.path.normpath(run.resolve() / choices.relative[name])))
    there = [place for place in dict.fromkeys(known) if place.is_file() or place.is_dir()]
    if there or name == NEEDS_NOTHING_THERE:
        return there or known[:1]
    where = f"neither {known[0]} nor {known[1]}" if len(set(known)) > 1 else f"no {path}"
    hint = "" if path.is_absolute() else " in the folder where the run was started, or"
    raise UserError(
        f"what the run needs is gone: {where} exists; put it back, or resume{hint} "
        f"with {_option(name)}"
    )


def _placed(choices: Choices, paths: Mapping[str, Path]) -> Choices:
    """The choices with other paths."""
    changes: dict[str, object] = {name: path for name, path in paths.items() if name in PATHS}
    if "suite" in paths:
        changes["suite"] = str(paths["suite"])
    if "start_from" in paths and choices.start_from is not None:
        _, learned = run_and_place(choices.start_from)
        after = "" if learned is None else f":after-{learned}"
        changes["start_from"] = f"{paths['start_from']}{after}"
    if "backbone" in paths and choices.backbone is not None:
        changes["backbone"] = f"{choices.backbone.partition(':')[0]}:{paths['backbone']}"
    return choices.model_copy(update=changes)


def _option(name: str) -> str:
    value = "NAME:FILE" if name == "backbone" else "PATH"
    return f"--{option_name(name)} {value}"
