"""Groups of runs that differ in nothing but the order of their tasks."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cl_bench.benchmark.config import RunConfig
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.row import Row
from cl_bench.reports.runs.row_settings import evidence_of

FEWEST_ORDERS = 3  # below, the spread over orders is unknown


@dataclass(frozen=True)
class OrderStudy:
    """The same tasks in several orders, under the same rules.

    Attributes:
        groups: by the name of their order.
        rows: by a row's label, its row of every order that it was run in.
    """

    groups: Mapping[str, Group]
    rows: Mapping[str, Mapping[str, Row]]

    @property
    def config(self) -> RunConfig:
        """Of one of its runs; only its order and digest are not those of all."""
        return next(iter(self.groups.values())).config


def order_studies(groups: Sequence[Group]) -> list[OrderStudy]:
    """All studies of at least ``FEWEST_ORDERS`` orders."""
    together: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        if group.ranked:
            together[_but_for_the_order(group.config)].append(group)
    return [_study(of) for of in together.values() if len(of) >= FEWEST_ORDERS]


def _but_for_the_order(config: RunConfig) -> str:
    asked = json.loads(config.comparison_key())
    del asked["order"]
    asked["tasks"] = sorted(asked["tasks"])
    return json.dumps(asked, sort_keys=True)


def _study(groups: Iterable[Group]) -> OrderStudy:
    named = _by_order(groups)
    rows: dict[tuple[str, ...], dict[str, Row]] = defaultdict(dict)
    for order, group in named.items():
        for row in group.ranked:
            _, *own, _ = evidence_of(row.runs[0].config)
            rows[tuple(own)][order] = row
    # A row's label tells it apart within its group; the longest one does so in all of them.
    labels = [max((row.label for row in of.values()), key=len) for of in rows.values()]
    times, seen = Counter(labels), Counter[str]()
    found = {}
    for label, of in zip(labels, rows.values(), strict=True):
        seen[label] += 1
        found[f"{label} #{seen[label]}" if times[label] > 1 else label] = of
    return OrderStudy(named, found)


def _by_order(groups: Iterable[Group]) -> dict[str, Group]:
    """By name, those with a number by it; orders of one's own are numbered."""
    own, named = 0, {}
    for group in sorted(groups, key=lambda g: (_as_number(g.config.order), g.config.tasks)):
        own += group.config.order == "custom"
        named[f"custom-{own}" if group.config.order == "custom" else group.config.order] = group
    return named


def _as_number(order: str) -> tuple[str, int]:
    words, _, number = order.rpartition("-")
    return (words, int(number)) if number.isdecimal() else (order, 0)
