"""Comma-separated values: as many digits as numbers carry, no name that is taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.names import asks, label_space
from cl_bench.reports.runs.numbers import carried
from cl_bench.reports.tables import escape

Value = str | int | float | None

GROUP_HEADER = (
    "suite", "about", "suite_digest", "order", "tasks", "backbone", "precision", "preset",
    "prompts", "augment", "label_space", "asks",
)  # fmt: skip


def group_values(g: Group) -> tuple[Value, ...]:
    """What a group's runs have in common, under ``GROUP_HEADER``."""
    c = g.config
    p = c.protocol
    rules: tuple[str, ...] = (p.precision, c.preset, p.prompts, p.augment)
    if c.preset == "paper":
        rules = ("own", c.preset, "own", "own")
    return (
        c.suite.name, c.suite.about, c.suite.digest, c.order, len(c.tasks), c.backbone.name, *rules,
        label_space(c), asks(c),
    )  # fmt: skip


def to_csv(header: Sequence[str], lines: Iterable[Sequence[Value]]) -> str:
    """A file's text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_cell(name) for name in header])
    for line in lines:
        writer.writerow([_cell(value) for value in line])
    return text.getvalue()


def _cell(value: Value) -> Value:
    if isinstance(value, str):
        return escape.spreadsheet(value)
    return carried(value) if isinstance(value, float) else value
