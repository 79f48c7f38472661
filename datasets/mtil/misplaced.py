"""What lies one folder off, under another name or behind a dead link, and how to mend it. No torch."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from cl_bench.datasets.mtil.home import Home, folders, folders_in, home
from cl_bench.datasets.mtil.layout import facts, names_in_files

NUMBERED = 20  # folders named by numbers tell Flowers sorted by class
WITH_LETTERS = "SUN397"  # has a folder per letter, of which only the first is a required part
Command = tuple[str | Path, ...]


def misplaced(name: str, root: Path) -> list[str]:
    """What was found of data set ``name`` where it does not belong, in words, with commands.

    To be asked where the data set is missing or wrong.
    """
    if not root.is_dir():
        return []
    where = home(name, root)
    notes = [*_dead_links(name, root)]
    if place := _place(root, where):
        moves = _moves(name, place, where)
        notes.append(_note(f"{name} was found in {place}, but belongs in {where.folder}", *moves))
    else:
        notes += [*_parts_apart(where), *_doubled(where)]
    if name == "Flowers":
        notes += _flowers_by_class(root, where)
    return notes


def _dead_links(name: str, root: Path) -> Iterator[str]:
    required = [root / path for path in facts()["datasets"][name]["required"]]
    for path in sorted({p for needed in required for p in (needed, *needed.parents)}):
        if path.is_symlink() and not path.exists():
            yield f"{path} is a link to {os.readlink(path)}, which is not there"


def _place(root: Path, where: Home) -> Path | None:
    """The folder that holds the data set, if it is not the right one."""
    if where.folder.is_dir() and where.is_in(where.folder):
        return None
    return next((place for place in folders(root) if where.is_in(place)), None)


def _moves(name: str, place: Path, where: Home) -> list[Command]:
    """The folder moves as a whole, unless the right one lies in it."""
    right = where.folder
    away = right.with_name(f"{right.name}.moved")
    make_room: Command = ("mkdir", "-p", right.parent)
    if right in place.parents:
        return [("mv", right, away), ("mv", away / place.relative_to(right), right)]
    if place not in right.parents:
        blocked = os.path.lexists(right)
        return [("mv", right, away) if blocked else make_room, ("mv", place, right)]
    if where.parts and name != WITH_LETTERS:
        found = [(where.part_in(place, part), right / part) for part in where.parts]
        return [("mkdir", "-p", right), *(("mv", path, part) for path, part in found if path)]
    if place == where.top:
        away = place.with_name(f"{place.name}.moved")
        return [("mv", place, away), make_room, ("mv", away, right)]
    return []  # other things lie there, too: a person must say which ones belong to the data set


def _parts_apart(where: Home) -> Iterator[str]:
    """Parts that lie elsewhere in the data set's own folder, or under another name."""
    for part in where.parts:
        right = where.folder / part
        if right.exists() or not where.top.is_dir():
            continue
        found = (where.part_in(place, part) for place in folders(where.top))
        if path := next((path for path in found if path), None):
            yield _note(
                f"{path} belongs at {right}", ("mkdir", "-p", right.parent), ("mv", path, right)
            )


def _doubled(where: Home) -> Iterator[str]:
    """Parts that hold a folder of their own name, as some archives make them."""
    for part in where.parts:
        outer = where.folder / part
        inner, away = outer / part, outer.with_name(f"{part}.moved")
        if inner.is_dir():
            yield _note(
                f"{outer} holds another folder {part}, whose content belongs in the first",
                ("mv", outer, away),
                ("mv", away / part, outer),
            )


def _flowers_by_class(root: Path, where: Home) -> Iterator[str]:
    """Moving files does not help here: what tells their classes and splits are the published lists."""
    names = frozenset(names_in_files("Flowers"))
    for place in folders(root):
        inside = {path.name for path in folders_in(place)}
        if len(inside & names) >= NUMBERED or sum(n.isdigit() for n in inside) >= NUMBERED:
            yield (
                f"{place} holds flowers sorted into class folders; MTIL reads the original archive: "
                f"{', '.join(where.parts)} in {where.folder} (`cl-bench data prepare Flowers`). If their "
                "numbers are the published ones, `--from` takes them (docs/data-sources.md)"
            )
            return


def _note(words: str, *commands: Command) -> str:
    lines = [" ".join(shlex.quote(str(word)) for word in command) for command in commands]
    return f"{words}. To mend it: {' && '.join(lines)}" if lines else f"{words}; move it there"
