"""Published results: every number with its setting, its source, and the split it was measured on."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from cl_bench.benchmark.matrix import AccuracyMatrix

FOLDER = Path(__file__).parent
MEAN = "mean"  # over the data sets

Split = Literal["ZSCL", "CoOp", "unknown"]
Origin = Literal["reported", "copied", "reproduced", "second-hand"]


@dataclass(frozen=True)
class Published:
    """One published number.

    Attributes:
        method: as the source calls it.
        order: ``I``, ``II`` or what else the source used.
        metric: ``transfer``, ``average``, ``last``, ``zero_shot`` or ``matrix:<i>:<trained>``.
        dataset: its name, or ``mean``.
        value: per cent, as printed.
        setting: ``full``, ``5-shot``, ...
        status: ``authors-data``, ``paper-table``, ``paper-text`` (its abstract or text) or ``secondary-summary``.
        source: paper with table, or file with commit.
    """

    method: str
    order: str
    metric: str
    dataset: str
    value: float
    setting: str
    status: str
    source: str

    @property
    def split(self) -> Split:
        """On whose split of the data sets it was measured; the families never share a table."""
        facts = _facts()
        if self.setting in facts["split_of_setting"]:
            return facts["split_of_setting"][self.setting]  # type: ignore[no-any-return]
        for split, methods in facts["splits"].items():
            if self.method in methods:
                return split  # type: ignore[no-any-return]
        return "unknown"

    @property
    def origin(self) -> Origin:
        """Whether the source reports its own method, copied the number, or ran the method again."""
        if self.status == "authors-data":
            return "reported"
        if self.status == "secondary-summary":
            return "second-hand"
        own = [of for name, of in _facts()["own"].items() if self.source.startswith(name)]
        if any(self.method in methods for methods in own):
            return "reported"
        again = "replication" in self.source or "†" in self.method
        return "reproduced" if again else "copied"


@cache
def published() -> tuple[Published, ...]:
    """Every number of ``results.csv``, in its order."""
    with (FOLDER / "results.csv").open(newline="", encoding="utf-8") as file:
        _, *lines = csv.reader(file)
    return tuple(
        Published(method, order, metric, dataset, float(value), *rest)
        for method, order, metric, dataset, value, *rest in lines
    )


def means(order: str, setting: str) -> Iterator[tuple[Published, dict[str, float]]]:
    """Transfer, Average and Last of every published row of an order and a setting.

    A row is what one source says of one method; sources that give single data sets alone are left out.

    Yields:
        One of the row's numbers, for whose it is, and metric -> mean over the data sets.
    """
    rows: dict[tuple[str, str], list[Published]] = {}
    for p in published():
        if p.order == order and p.setting == setting and p.dataset == MEAN:
            rows.setdefault((p.method, p.source), []).append(p)
    for row in rows.values():
        yield row[0], {p.metric: p.value for p in row}


@cache
def reported_matrices() -> dict[tuple[str, str], AccuracyMatrix]:
    """(method, order) -> the whole matrices that ZSCL's authors published, rounded to 0.01.

    Source: Thunderbeee/ZSCL, ``mtil/results/*.npy`` (commit b96e714); the zero-shot row is the one
    of their notebook.
    """
    content = json.loads((FOLDER / "zscl_matrices.json").read_text())
    zero_shot = {
        p.dataset: p.value
        for p in published()
        if (p.method, p.metric, p.order) == ("Zero-shot", "zero_shot", "I")
    }
    found = {}
    for name, entry in content.items():
        method, order = name.split(" / order ")
        tasks = tuple(entry["datasets"])
        rows = tuple(tuple(row) for row in entry["matrix_rows_after_task"])
        first = tuple(zero_shot[task] for task in tasks)
        found[method, {"1": "I", "2": "II"}[order]] = AccuracyMatrix(tasks, first, rows)
    return found


def comparable_suite() -> tuple[str, tuple[str, str]]:
    """Digest of the suite, and name and weights of the backbone, that published rows stand for."""
    name, weights = _facts()["backbone"]
    return _facts()["suite_digest"], (name, weights)


def published_name(method: str) -> str | None:
    """What the literature calls a method of ours; ``None`` where it has no counterpart."""
    return _facts()["beside"].get(method)  # type: ignore[no-any-return]


@cache
def _facts() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "splits.toml").read_text(encoding="utf-8"))
