"""Comma-separated values: full precision, and no name that a spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from cl_bench.reports.runs.group import Group
from cl_bench.reports.tables import escape

Value = str | int | float | None

GROUP_HEADER = (
    "suite", "about", "suite_digest", "order", "tasks", "backbone", "precision", "preset",
    "prompts", "augment",
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
    )  # fmt: skip


def to_csv(header: Sequence[str], lines: Iterable[Sequence[Value]]) -> str:
    """A file's text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for line in lines:
        writer.writerow([escape.spreadsheet(c) if isinstance(c, str) else c for c in line])
    return text.getvalue()
