"""A method's settings file, with what it takes over from the file that it extends.

``extends`` names a built-in method, or the settings file of a plug-in (``FILE.toml``, relative to the
file that names it). The two are merged table by table, and the extending file wins. ``[about]``
describes one method, so it is never taken over. ``without`` lists what is not taken over, as dotted
paths such as ``"mini.config"`` or ``"paper.recipe.lr_per_task"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.benchmark.user_file import read_toml

FOLDER = Path(__file__).parent
TABLES = ("config", "recipe", "budget", "protocol")
Table = dict[str, Any]


def read_settings(path: Path) -> Table:
    """The settings of ``path`` with everything that it takes over.

    Raises:
        UserError: the file, or one that it extends, is missing or wrong.
    """
    return _read(path, ())


def _read(path: Path, children: tuple[Path, ...]) -> Table:
    if path in children:
        names = " -> ".join(file.name for file in (*children, path))
        raise UserError(f"the settings file {path} extends itself: {names}")
    own = read_toml(path, "settings file")
    parent, without = own.pop("extends", None), own.pop("without", [])
    _check_tables(own, path)
    if parent is None:
        if without:
            raise UserError(f"the settings file {path} has `without`, but extends no other")
        return own
    inherited = _read(_find(parent, path), (*children, path))
    inherited.pop("about", None)
    _take_out(inherited, without, path)
    _check_that_own_values_count(own, inherited, path)
    return _merged(inherited, own)


def file_of(path: Path, place: str, key: str) -> Path:
    """The file that gives a value of :func:`read_settings`: ``path``, or one that it extends.

    Args:
        path: the settings file.
        place: the table of the value as a dotted name, e.g. ``paper.config``.
        key: of the value.

    Raises:
        UserError: none of the files has such a value.
    """
    own: Any = read_toml(path, "settings file")
    table = own
    for name in place.split("."):
        table = table.get(name, {})
    if key in table:
        return path
    if "extends" not in own:
        raise UserError(f"the settings file {path} has no {key} in [{place}]")
    return file_of(_find(own["extends"], path), place, key)


def _check_tables(own: Mapping[str, Any], path: Path) -> None:
    """Raise for a table that nothing would ever read."""
    for name, table in own.items():
        if not isinstance(table, dict):
            raise UserError(f"the settings file {path}: {name} must stand in a table")
        if name not in ("about", "published", *TABLES):  # ``paper``, or the name of a suite
            for inner in table:
                if inner not in TABLES:
                    known = ", ".join(f"[{name}.{t}]" for t in TABLES)
                    raise UserError(
                        f"the settings file {path}: [{name}] holds {inner!r}; known: {known}"
                    )


def _find(parent: Any, child: Path) -> Path:
    """The file that ``extends`` names."""
    if not isinstance(parent, str):
        raise UserError(f"the settings file {child}: extends must be one name in quotes")
    if parent.endswith(".toml"):
        return (child.parent / parent).resolve()
    known = {path.stem: path for path in FOLDER.glob("*.toml")}
    if parent not in known:
        wrong = unknown("method", parent, [*known, "a file FILE.toml"])
        raise UserError(f"the settings file {child}, extends: {wrong}")
    return known[parent]


def _take_out(inherited: Table, without: Any, path: Path) -> None:
    """Delete what ``without`` lists; a name that is not there is a mistake."""
    if not isinstance(without, list) or not all(isinstance(w, str) for w in without):
        raise UserError(f"the settings file {path}: without must be a list of names in quotes")
    for dotted in without:
        *tables, last = dotted.split(".")
        table: Any = inherited
        for name in tables:
            table = table.get(name) if isinstance(table, dict) else None
        if not isinstance(table, dict) or last not in table:
            raise UserError(f"the settings file {path}, without: {dotted!r} is not taken over")
        del table[last]


def _check_that_own_values_count(own: Table, inherited: Table, path: Path) -> None:
    """Raise where a value of this file would lose to one taken over for a preset or a suite.

    A value for ``paper`` or for a suite replaces the general one, also where it was taken over.
    """
    for special in inherited.keys() - {*TABLES, "published"}:
        for name, values in inherited[special].items():
            for key in own.get(name, {}).keys() & values.keys():
                if key not in own.get(special, {}).get(name, {}):
                    raise UserError(
                        f"the settings file {path}: {key} of [{name}] would be replaced by {values[key]!r}, "
                        f"taken over for {special}; give it in [{special}.{name}], too, or add "
                        f'without = ["{special}.{name}.{key}"]'
                    )


def _merged(inherited: Mapping[str, Any], own: Mapping[str, Any]) -> Table:
    """Both, table by table; ``own`` wins."""
    merged = dict(inherited)
    for name, value in own.items():
        below = merged.get(name)
        if isinstance(below, dict) and isinstance(value, dict):
            value = _merged(below, value)
        merged[name] = value
    return merged
