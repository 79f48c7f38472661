"""What got slower, or larger, since other figures were kept: beyond the noise, and on the same machine.

The noise. A figure's spread is what its repeats say (their quartiles; the least and the most of fewer than
four), but at least 5 % to either side, since a machine is not the same on two days; 15 % where it was
measured once. A figure is worse where the two spreads do not touch and the value is on the wrong side.
Counts have no noise.

Another machine. Seconds, rates and sizes are compared on the same processor, cores, memory and GPU alone;
across machines only ratios and counts are, and the first line says so. A figure of another unit, and a
run at tiny sizes against a whole one, are never compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bench.figures import COUNTS, RATIOS, Figure
from bench.kept import Size

REPEATED, ONCE = 0.05, 0.15  # least spread to either side, as a share of the value
MACHINE = ("cpu", "cores", "memory_gib", "gpu", "threads")


@dataclass(frozen=True)
class Compared:
    """What a comparison found.

    Attributes:
        lines: for people, what is worse first.
        worse: names of the figures that got worse beyond the noise.
    """

    lines: tuple[str, ...]
    worse: tuple[str, ...]


def earlier(file: Path, size: Size) -> dict[str, Any]:
    """An earlier bench's content.

    Raises:
        SystemExit: there is none, or it was measured at other sizes; one line says so.
    """
    try:
        content: dict[str, Any] = json.loads(file.read_text())
        kept, _ = content["size"], figures_of(content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"--against {file} is no bench's file: {error!r}") from error
    if kept != size:
        raise SystemExit(f"--against {file}: its sizes are {kept}, asked for now are {size} ones")
    return content


def told(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Print what a comparison found; whether something got worse."""
    compared = compare(now, before)
    print(f"\nagainst figures of {before['when']}:", *compared.lines, sep="\n")
    return bool(compared.worse)


def compare(now: Mapping[str, Any], before: Mapping[str, Any]) -> Compared:
    """Hold a bench's content (``all.py --json``) against an earlier one's of the same size."""
    assert now["size"] == before["size"]
    others = _differences(now["machine"], before["machine"], MACHINE)
    figures, known = figures_of(now), figures_of(before)
    pairs = [(f, known[name]) for name, f in figures.items() if name in known]
    left = [f for f, old in pairs if f.unit != old.unit or (others and not _is_portable(f))]
    compared = [(f, old) for f, old in pairs if f not in left]
    worse = [(f, old) for f, old in compared if is_worse(f, old)]
    better = [(f, old) for f, old in compared if is_worse(old, f)]
    lines = [
        *_about(others, now, before),
        *(f"worse: {f.name}: {old.measured} -> {f.measured}" for f, old in worse),
        *(f"better: {f.name}: {old.measured} -> {f.measured}" for f, old in better),
        f"within the noise: {len(compared) - len(worse) - len(better)} figures",
        *(f"not compared: {f.name} ({f.unit})" for f in left),
        *(f"new: {f.name}: {f.measured}" for name, f in figures.items() if name not in known),
        *(f"missing: {name}: {old.measured}" for name, old in known.items() if name not in figures),
    ]
    return Compared(tuple(lines), tuple(f.name for f, _ in worse))


def figures_of(content: Mapping[str, Any]) -> dict[str, Figure]:
    """Its figures by script and name."""
    kept = [name.name for name in fields(Figure)]
    return {
        f"{of['script']}, {of['name']}": Figure(**{name: of[name] for name in kept})
        for of in content["figures"]
    }


def is_worse(now: Figure, before: Figure) -> bool:
    """Whether ``now`` is worse than ``before`` by more than both spreads."""
    (low, high), (old_low, old_high) = spread(now), spread(before)
    return low > old_high if now.less_is_better else high < old_low


def spread(figure: Figure) -> tuple[float, float]:
    """Between what the value may be."""
    if figure.unit in COUNTS:
        return figure.value, figure.value
    least = figure.value * (ONCE if figure.low is None else REPEATED)
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    return min(low, figure.value - least), max(high, figure.value + least)


def _is_portable(figure: Figure) -> bool:
    return figure.unit in (*RATIOS, *COUNTS)


def _about(others: list[str], now: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    """What else differs."""
    if others:
        yield "another machine, so ratios and counts alone are compared: " + "; ".join(others)
    versions = _differences(now["versions"], before["versions"], sorted(now["versions"]))
    if versions:
        yield "versions: " + "; ".join(versions)


def _differences(
    now: Mapping[str, Any], before: Mapping[str, Any], names: tuple[str, ...] | list[str]
) -> list[str]:
    return [
        f"{name} {before.get(name)} -> {now.get(name)}"
        for name in names
        if now.get(name) != before.get(name)
    ]
