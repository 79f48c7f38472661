"""What the user typed: options, a TOML file, ``--set`` pairs; checked, nothing resolved."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from cl_bench.benchmark.config import Settings, first_problem, read_toml
from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.datasets.extra.references import ReferenceFiles

Preset = Literal["paper", "fair"]
T = TypeVar("T")


class Choices(Settings):
    """What the user chose, before defaults; ``None`` where nothing was said. Kept with the run."""

    method: str | None = None
    order: str | None = None
    suite: str | None = None
    backbone: str | None = None
    device: str | None = None
    precision: str | None = None
    preset: Preset | None = None
    plugin: Path | None = None
    tasks: int | None = None
    data_root: Path | None = None
    cache: Path | None = None
    protocol: Literal["mtil", "x-tail"] | None = None
    shots: int | None = None
    skip_broken: bool = False
    partial_data: bool = False
    references: ReferenceFiles = ReferenceFiles()
    overrides: tuple[str, ...] = ()
    relative: dict[str, str] = Field(default_factory=dict)
    """In a run's record: where named files lie as seen from its directory, by option."""


def read_config_file(path: Path) -> dict[str, Any]:
    """Read ``--config``: option names as keys, overrides in ``[set]``.

    Raises:
        UserError: the file is missing, damaged or holds an unknown key.
    """
    raw = read_toml(path, "config file")
    allowed = {
        "method": str, "order": str, "suite": str, "backbone": str, "device": str,
        "precision": str, "preset": str, "plugin": str, "tasks": int, "data_root": str,
        "cache": str, "protocol": str, "shots": int,
        "reference_images": str, "reference_texts": str, "selector_weights": str,
        "seeds": list, "out": str, "set": dict,
    }  # fmt: skip
    for key, value in raw.items():
        if key not in allowed:
            raise unknown(f"key in {path}", key, allowed)
        if not isinstance(value, allowed[key]) or isinstance(value, bool):
            kind = allowed[key].__name__
            raise UserError(f"{path}: {key} must be of type {kind}, not {value!r}")
    seeds = raw.get("seeds", [])
    if not all(type(seed) is int for seed in seeds):
        raise UserError(f"{path}: seeds must be whole numbers such as [0, 1, 2], not {seeds!r}")
    return raw


def choices_of(chosen: Mapping[str, Any], overrides: tuple[str, ...]) -> Choices:
    """What the user typed, checked; every option under its own name.

    Raises:
        UserError: a value is impossible.
    """
    references = {key: chosen.get(key) for key in ReferenceFiles.model_fields}
    others = {key: value for key, value in chosen.items() if key not in references}
    return validated(lambda: Choices(**others, references=references, overrides=overrides))


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """``key=value`` pairs; a value is read as TOML where it is TOML, else as a string.

    Raises:
        UserError: a pair has no ``=``.
    """
    given: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair!r} is not key=value")
        try:
            given[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            given[key.strip()] = value.strip()
    return given


def validated(build: Callable[[], T]) -> T:
    """What ``build`` makes.

    Raises:
        UserError: a value does not fit its setting.
    """
    try:
        return build()
    except ValidationError as error:
        raise UserError(f"setting {first_problem(error)}") from error
