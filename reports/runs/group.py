"""Which runs may be compared, which are seeds of one row, and who comes first."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.names import circumstances, protocol, suite_in_words

METRICS = {
    "transfer": "Transfer",
    "average": "Average",
    "last": "Last",
    "zero_shot": "Zero-shot",
    "learned": "Learning acc.",
    "forgetting": "Forgetting",
    "backward_transfer": "BWT",
    "forward_transfer": "FWT",
}
HELD_OUT = {  # means over the held-out data sets; they are in no other metric
    "held_out_before": "Held-out before",
    "held_out_lowest": "Held-out lowest",
    "held_out_last": "Held-out last",
}
RETRIEVAL = {  # recall at 1, means over both ways and the retrieval sets; they are in no other metric
    "retrieval_before": "Retrieval before",
    "retrieval_lowest": "Retrieval lowest",
    "retrieval_last": "Retrieval last",
}
MAIN = ("transfer", "average", "last")  # the benchmark's own
HEADLINE = "average"  # the metric that rows are sorted by
LOWER_IS_BETTER = frozenset({"forgetting"})
NOT_RANKED = frozenset({"zero_shot"})  # it belongs to the backbone, not to the method
DECIMALS = 1  # means that are alike to so many share a place
ALL_TASKS = "all tasks"  # the need of a method that trains on every task from the start

Settings = dict[tuple[str, str], str]  # (table, key) -> value as JSON


@dataclass(frozen=True)
class Row:
    """One method with one choice of settings, its seeds taken together.

    Attributes:
        label: the method and, where it has namesakes in the group, as few settings as tell them
            apart.
        differs: every setting in which the namesakes differ, in words; empty without namesakes.
        runs: its finished runs, by seed.
    """

    label: str
    differs: str
    runs: tuple[RunResult, ...]

    def mean(self, metric: str) -> float | None:
        """The mean over seeds, or ``None`` where the metric does not exist (one task)."""
        values = self.values(metric)
        return fmean(values) if values else None

    @property
    def bound(self) -> bool:
        """Whether this is a reference that learns by other rules than the methods."""
        return self.runs[0].config.bound

    @property
    def untrained(self) -> bool:
        """Whether no accuracy of any run ever left zero-shot."""
        return all(set(run.matrix.rows) == {run.matrix.zero_shot} for run in self.runs)

    @property
    def dirty(self) -> bool:
        """Whether one of its runs was made from a source tree with uncommitted changes."""
        return any(run.manifest.dirty for run in self.runs)

    @cached_property
    def name(self) -> str:
        """The label, why it is not ranked, and whether an accuracy of one of its runs was at chance."""
        kept_out = " (bound)" if self.bound else " (dirty tree)" if self.dirty else ""
        collapse = " (collapse)" if any(run.collapses for run in self.runs) else ""
        return f"{self.label}{kept_out}{collapse}"

    def values(self, metric: str) -> tuple[float, ...]:
        """The metric of every seed; of a model that saw all tasks from the start, Last alone."""
        if ALL_TASKS in self.runs[0].config.extra_data and metric != "last":
            return ()
        metrics = (run.matrix.metrics() for run in self.runs)
        return tuple(m[metric] for m in metrics if metric in m)

    def held_out(self, metric: str) -> tuple[float, ...]:
        """One of ``HELD_OUT`` of every seed; empty where the runs have no held-out sets."""
        metrics = (run.held_out.metrics() for run in self.runs)
        return tuple(m[metric] for m in metrics if metric in m)

    def held_out_curve(self, name: str) -> list[tuple[float, ...]]:
        """Of every seed the accuracy on a held-out set: before anything was learned, then after each task."""
        return list(zip(*(run.held_out.curves()[name] for run in self.runs), strict=True))

    def retrieval(self, metric: str) -> tuple[float, ...]:
        """One of ``RETRIEVAL`` of every seed; empty where the runs have no retrieval sets."""
        metrics = (run.retrieval.metrics() for run in self.runs)
        return tuple(m[metric] for m in metrics if metric in m)

    def retrieval_curve(self, name: str, recall: str) -> list[tuple[float, ...]]:
        """Of every seed a recall in a retrieval set: before anything was learned, then after each task."""
        return list(zip(*(run.retrieval.curve(name, recall) for run in self.runs), strict=True))


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
        for metric in [f for f in METRICS if f not in NOT_RANKED and len(ranked) > 1]:
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
        by_settings[repr(sorted(_settings(run.config).items()))].append(run)
    settings = [_settings(runs[0].config) for runs in by_settings.values()]
    differing = [k for k in _keys(settings) if len({s.get(k) for s in settings}) > 1]
    telling = _telling(differing, settings)
    rows = []
    for runs, own in zip(by_settings.values(), settings, strict=True):
        short, method = _in_words(telling, own), runs[0].config.method
        label = f"{method} ({short})" if short else method
        rows.append(Row(label, _in_words(differing, own), tuple(runs)))
    return rows


def _settings(config: RunConfig) -> Settings:
    """Everything that a result may depend on within a group, seed and device aside."""
    steps = {f"steps of {task}": n for task, n in config.budget.steps.items()}
    passes = {
        f"passes over {task}": n for task, n in config.passes.items()
    }  # steps: each seed's own
    budget = passes or steps
    tables = {
        "method": config.method_settings,
        "recipe": config.recipe.model_dump(),
        "budget": {"batch_size": config.budget.batch_size, **budget},
        "protocol": config.protocol.model_dump(),
        "extra data": config.extra_data,
        "backbone": config.backbone.model_dump(),
        "plug-in": {"plugin": config.plugin[:12]} if config.plugin else {},
    }
    return {
        (table, key): json.dumps(value, sort_keys=True)
        for table, values in tables.items()
        for key, value in values.items()
    }


def evidence_of(config: RunConfig) -> tuple[str, ...]:
    """Equal for runs that are one seed of one row, however they were recorded."""
    own = repr(sorted(_settings(config).items()))
    return config.comparison_key(), config.method, own, str(config.seed)


def _keys(settings: Sequence[Settings]) -> list[tuple[str, str]]:
    """Every key of any of the settings, in the order in which configurations hold them."""
    return list(dict.fromkeys(key for own in settings for key in own))


def _telling(keys: list[tuple[str, str]], settings: Sequence[Settings]) -> list[tuple[str, str]]:
    """Some of ``keys`` that are enough to tell the settings apart.

    A key declared late goes first: a method declares a switch that stands for others (``variant``)
    before these.
    """
    kept = list(keys)
    for key in reversed(keys):
        rest = [k for k in kept if k != key]
        if len({tuple(own.get(k) for k in rest) for own in settings}) == len(settings):
            kept = rest
    return kept


def _in_words(keys: Sequence[tuple[str, str]], settings: Settings) -> str:
    """``key=value`` pairs; a key that two tables hold is named with its table."""
    times = Counter(key for _, key in keys)
    return ", ".join(
        f"{key if times[key] == 1 else f'{table}.{key}'}={_value(settings.get((table, key)))}"
        for table, key in keys
    )


def _value(encoded: str | None) -> str:
    if encoded is None:
        return "(absent)"
    value = json.loads(encoded)
    return value if isinstance(value, str) else encoded
