"""Which runs may be compared, which are seeds of one row, and who comes first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.metrics import LOWER_IS_BETTER, NAMES, NOT_RANKED
from cl_bench.reports.runs.names import circumstances, protocol, suite_in_words
from cl_bench.reports.runs.row import Row
from cl_bench.reports.runs.row_settings import (
    differing_keys,
    settings_in_words,
    settings_of,
    telling_keys,
)

DECIMALS = 1  # means that are alike to so many share a place


@dataclass(frozen=True)
class Group:
    """Runs that may be compared: those with one ``RunConfig.comparison_key``.

    Attributes:
        config: of one of its runs; stands for what all have in common.
        rows: the finished runs, best Average first, the bounds last.
        unfinished: runs that have no final metrics; they are named, never ranked.
    """

    config: RunConfig
    rows: tuple[Row, ...]
    unfinished: tuple[RunResult, ...]

    @property
    def title(self) -> str:
        """The suite in words."""
        return suite_in_words(self.config)

    @property
    def details(self) -> str:
        """All else that the runs have in common, in one line."""
        rules = (
            "every method under its own published budget, prompts, augmentation and precision"
            if self.config.preset == "paper"
            else protocol(self.config)
        )
        return f"{circumstances(self.config)}: {rules}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about single rows: what they use, and what to beware of."""
        lines: dict[str, None] = {}
        for row in self.rows:
            config = row.runs[0].config
            for need, source in config.extra_data.items():
                lines[f"{config.method} uses {need}: {source}"] = None
            for run in row.runs:
                lines |= dict.fromkeys((*run.config.beware, *run.remarks))
                of_run = f"{row.label}, seed {run.config.seed}"
                lines |= dict.fromkeys(f"{of_run}: {words}" for words in run.collapses)
        for row in self.rows:
            if row.dirty:
                words = "was made from a source tree with uncommitted changes and is not ranked"
                lines[f"{row.label} {words}"] = None
        runs = [run for row in self.rows for run in row.runs]
        if old := sum(not run.checkable for run in runs):
            words = f"{old} of {len(runs)} runs were made before runs had ledgers"
            lines[f"{words}: that their files are unchanged cannot be checked"] = None
        if any(row.bound for row in self.rows):
            lines["bounds learn by other rules than the methods and are not ranked"] = None
        return tuple(lines)

    @property
    def ranked(self) -> list[Row]:
        """The rows that may win: methods, from committed code."""
        return [row for row in self.rows if not row.bound and not row.dirty]

    @cached_property
    def places(self) -> dict[tuple[str, str], int]:
        """(row label, metric) -> 1 for the best and 2 for the second of the group.

        Empty where there is one row only: it has beaten nobody.
        """
        places: dict[tuple[str, str], int] = {}
        ranked = self.ranked
        for metric in [f for f in NAMES if f not in NOT_RANKED and len(ranked) > 1]:
            means = {
                r.label: round(m, DECIMALS) for r in ranked if (m := r.mean(metric)) is not None
            }
            ranking = sorted(set(means.values()), reverse=metric not in LOWER_IS_BETTER)
            for label, value in means.items():
                if value in ranking[:2]:
                    places[label, metric] = ranking.index(value) + 1
        return places


def group(runs: Iterable[RunResult]) -> list[Group]:
    """Sort runs into groups that may be compared, and each group into rows."""
    together: dict[str, list[RunResult]] = defaultdict(list)
    for run in runs:
        together[run.config.comparison_key()].append(run)
    return [_group(together[key]) for key in sorted(together)]


def _group(runs: list[RunResult]) -> Group:
    by_method: dict[str, list[RunResult]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: (run.config.seed, run.config.digest())):
        if run.finished:
            by_method[run.config.method].append(run)
    rows = [row for namesakes in by_method.values() for row in _rows(namesakes)]
    rows.sort(key=lambda row: (row.bound, -(row.mean("average") or 0.0), row.label))
    return Group(runs[0].config, tuple(rows), tuple(r for r in runs if not r.finished))


def _rows(namesakes: list[RunResult]) -> list[Row]:
    """The rows of one method: runs that differ in seed and device alone share one."""
    by_settings: dict[str, list[RunResult]] = defaultdict(list)
    for run in namesakes:
        by_settings[repr(sorted(settings_of(run.config).items()))].append(run)
    settings = [settings_of(runs[0].config) for runs in by_settings.values()]
    differing = differing_keys(settings)
    telling = telling_keys(differing, settings)
    rows = []
    for runs, own in zip(by_settings.values(), settings, strict=True):
        short, method = settings_in_words(telling, own), runs[0].config.method
        label = f"{method} ({short})" if short else method
        rows.append(Row(label, settings_in_words(differing, own), tuple(runs)))
    return rows
