"""Why two runs differ: configuration, code, data, packages, hardware, one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cl_bench.benchmark.record import read_config, read_matrix
from cl_bench.benchmark.records.manifest import Session, read_manifest

LONGEST = 44  # characters of a value
NOT_THERE = "(absent)"
Facts = dict[tuple[str, str], str]  # (kind, key) -> value in words


def why(a: Path, b: Path) -> RenderableType:
    """Everything that differs between two runs, finished or not, as a table.

    Raises:
        UserError: one of them is no run.
    """
    ours, theirs = _facts(a), _facts(b)
    keys = list(dict.fromkeys([*ours, *theirs]))
    differing = [k for k in keys if ours.get(k, NOT_THERE) != theirs.get(k, NOT_THERE)]
    heading = Text(f"a  {a}\nb  {b}\n")
    if not differing:
        return Group(heading, Text(_verdict(a, b)))
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "a", "b"):
        table.add_column(column, overflow="fold", no_wrap=column in ("", "what"))
    kind = ""
    for key in differing:
        shown = key[0] if key[0] != kind else ""
        kind = key[0]
        values = (facts.get(key, NOT_THERE) for facts in (ours, theirs))
        table.add_row(Text(shown, style="bold"), Text(key[1]), *map(_short, values))
    return Group(heading, table)


def _verdict(a: Path, b: Path) -> str:
    same = _accuracies(a) == _accuracies(b)
    if same:
        return "Nothing differs, the accuracies included."
    return (
        "Nothing differs but the accuracies: the number of threads, the device's own rounding or a file "
        "that was changed by hand."
    )


def _accuracies(path: Path) -> object:
    file = path / "matrix.csv"
    return (read_matrix(file).zero_shot, read_matrix(file).rows) if file.exists() else None


def _short(value: str) -> Text:
    return Text(value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…")


def _facts(path: Path) -> Facts:
    """What a run is and how it came about, flat."""
    config = read_config(path).model_dump(mode="json", exclude={"choices", "schema_version"})
    manifest = read_manifest(path)
    facts = manifest.model_dump(mode="json", include={"status", "reason", "remarks", "left_out"})
    last = manifest.sessions[-1] if manifest.sessions else Session()
    session = last.model_dump(mode="json")
    kinds: dict[str, Mapping[str, Any]] = {
        "configuration": config,
        "state": {name.replace("_", " "): value for name, value in facts.items() if value},
        "data": {
            f"{task}, {part}": digest
            for task, digests in manifest.data.items()
            for part, digest in digests._asdict().items()
        },
        "code": {name: session[name] for name in ("cl_bench", "git", "python")},
        "packages": session["packages"],
        "hardware": last.hardware.known() | {"platform": last.platform},
    }
    return {
        (kind, key): value for kind, values in kinds.items() for key, value in _flat(values, "")
    }


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value if isinstance(value, str) else json.dumps(value)
