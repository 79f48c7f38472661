"""``--config``: a TOML file with options as keys; what is typed goes before it. No torch."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.benchmark.user_file import first_problem, read_toml
from cl_bench.experiment.choices import OPTIONS, Choices, option_name
from cl_bench.experiment.settings import settable_names
from cl_bench.experiment.spellings import option_meant, setting_meant
from cl_bench.experiment.toml_value import toml_value

KEYS = {option_name(name).replace("-", "_"): name for name in OPTIONS}  # as in the file -> a choice


def read_config_file(path: Path, also: Collection[str] = ()) -> dict[str, Any]:
    """Read a file whose keys are those of :class:`Choices`, with a table ``[set]`` for the settings.

    Args:
        path: the file.
        also: further keys, whose values the caller checks.

    Returns:
        By choice, and by further key, what the file gives.

    Raises:
        UserError: the file is missing or damaged, has an unknown key, or a value of another type.
    """
    raw = read_toml(path, "config file")
    for key in raw:
        if key not in KEYS and key not in also:
            raise unknown(f"key in {path}", key, [*KEYS, *also], _meant(key))
    given = {KEYS.get(key, key): value for key, value in raw.items()}
    if "overrides" in given:
        given["overrides"] = _pairs(path, given["overrides"])
    chosen = {name: value for name, value in given.items() if name in OPTIONS}
    try:  # strictly, and from JSON: there a path is a string (and a date of TOML no value at all)
        Choices.model_validate_json(
            json.dumps(chosen, default=lambda date: [str(date)]), strict=True
        )
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}") from error
    return given


def _meant(key: str) -> str | None:
    """What to write for a key that others use, or for a setting."""
    if option := option_meant(key):
        return f"{option.split()[0].removeprefix('--').replace('-', '_')} = ..."
    setting = setting_meant(key) or key
    return f"{setting} below a line [set]" if setting in settable_names() else None


def _pairs(path: Path, table: Any) -> tuple[str, ...]:
    """The settings of the table ``[set]`` as one would type them."""
    if not isinstance(table, dict):
        raise UserError(f"{path}: set must be a table of settings, as in [set] lr = 1e-3")
    return tuple(f"{key}={toml_value(value)}" for key, value in table.items())
