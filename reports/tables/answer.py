"""What a table amounts to, in sentences made from its numbers: who is ahead, is it real, at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from cl_bench.reports.runs.cost import Cost
from cl_bench.reports.runs.machines import why_times_differ
from cl_bench.reports.runs.metrics import HEADLINE, NAMES
from cl_bench.reports.runs.numbers import grouped, plain, times
from cl_bench.reports.runs.row import Row
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.statistics.verdicts import Judged, Judgement, Verdict
from cl_bench.reports.tables.differences import difference_in_words, interval_in_words

NAMED = 3  # methods; of more, the number is given


def answer(judged: Judged) -> tuple[str, ...]:
    """Average with its verdict, what it costs, and every other metric with verdicts; empty without a ranked row."""
    if not judged.group.ranked:
        return ()
    rows = _by_mean(judged, HEADLINE)
    if len(rows) < 2:
        (row,) = judged.group.ranked[:1]
        return (f"{row.label} is the only ranked method: there is none to compare it with.",)
    others = [_standing(judged, metric) for metric in judged.pairs if metric != HEADLINE]
    return (_standing(judged, HEADLINE), _cost(rows[0], rows[1]), " ".join(filter(None, others)))


def _by_mean(judged: Judged, metric: str) -> list[Row]:
    """The ranked rows that have this metric, the highest mean first."""
    known = [(mean, row) for row in judged.group.ranked if (mean := row.mean(metric)) is not None]
    return [row for _, row in sorted(known, key=lambda pair: -pair[0])]


def judgement(judged: Judged, metric: str, one: Row, other: Row) -> Judgement | None:
    """What was found of two rows; ``None`` where the test did not use every run of both."""
    for pair in judged.pairs.get(metric, ()):
        if (pair.a, pair.b) in ((one.label, other.label), (other.label, one.label)):
            used = {
                pair.a: len(pair.difference.a.values),
                pair.b: len(pair.difference.b.values),
            }
            whole = all(used[row.label] == len(row.runs) for row in (one, other))
            return pair if whole else None
    return None


def _standing(judged: Judged, metric: str) -> str:
    """Who has the highest mean of a metric and what the statistics say of it."""
    rows = _by_mean(judged, metric)
    if len(rows) < 2:
        return ""
    first, others = rows[0], rows[1:]
    found = {row.label: judgement(judged, metric, first, row) for row in others}
    of = {label: None if pair is None else pair.verdict for label, pair in found.items()}
    gap = _gap(metric, others[0], found[others[0].label])
    words = f"{NAMES[metric]}, {Spread(first.values(metric)).words()}"
    if set(of.values()) == {Verdict.higher}:
        return f"{first.label} has the best {words}: {gap}. Verdict: higher than {_all(others)}."
    return f"{first.label} has the highest {words}: {gap}. Verdict: {_verdicts(of)}."


def _all(others: Sequence[Row]) -> str:
    return others[0].label if len(others) == 1 else f"all {len(others)} others"


def _gap(metric: str, other: Row, pair: Judgement | None) -> str:
    """By how much the next one is behind, with the interval of the verdict."""
    behind = f"{other.label}, the next, has {Spread(other.values(metric)).words()}"
    if pair is None:
        return f"{behind} (difference not tested)"
    points = difference_in_words(pair.difference.points, pair)
    if pair.interval is None:
        return f"{behind} (difference {points})"
    return f"{behind} (difference {points}, interval {interval_in_words(pair)})"


def _verdicts(of: dict[str, Verdict | None]) -> str:
    """Every verdict with those that it is about, the weakest first."""
    words = {
        Verdict.alike: f"it {Verdict.alike} from",
        None: "not tested against",
        Verdict.images: "higher on these images, seeds unknown, than",
        Verdict.higher: "higher than",
    }
    return "; ".join(
        f"{text} {_names(labels)}"
        for verdict, text in words.items()
        if (labels := [label for label, found in of.items() if found is verdict])
    )


def _names(labels: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and 4 others``."""
    kept = list(labels[:NAMED])
    if len(labels) > NAMED:
        kept = [*labels[: NAMED - 1], f"{len(labels) - NAMED + 1} others"]
    return kept[0] if len(kept) == 1 else f"{', '.join(kept[:-1])} and {kept[-1]}"


def _cost(first: Row, other: Row) -> str:
    """What the first row costs and how often it costs what the other does."""
    ours, theirs = Cost.of_runs(first.runs), Cost.of_runs(other.runs)
    parts = [
        f"{_amount(ours.trainable_parameters, 1)} trainable parameters a task"
        f"{_share(ours.trainable_parameters, theirs.trainable_parameters)}",
        f"{_amount(ours.last_bytes, 2**20)} MiB stored{_share(ours.last_bytes, theirs.last_bytes)}",
        f"{_amount(ours.learning_seconds, 1)} s of learning{_time(first, other)}",
    ]
    return f"Cost of {first.label}, and relative to {other.label}: {', '.join(parts)}."


def _time(first: Row, other: Row) -> str:
    """How often the time of the other; or why there is no such number."""
    ours, theirs = (
        [Cost.of(run.known_events).learning_seconds for run in row.runs] for row in (first, other)
    )
    a, b = ([s for s in seconds if s is not None] for seconds in (ours, theirs))
    if len(a) < len(ours) or len(b) < len(theirs):
        return ""
    if reason := why_times_differ((*first.runs, *other.runs)):
        return f" (no ratio: {reason})"
    if max(min(a), min(b)) <= min(max(a), max(b)):
        ranges = " and ".join(f"{grouped(min(of))} to {grouped(max(of))} s" for of in (a, b))
        return f" (no ratio: the times of single runs overlap, {ranges})"
    return _share(fmean(a), fmean(b))


def _amount(value: float | None, unit: int) -> str:
    if value is None:
        return "an unknown number of"
    return grouped(value) if unit == 1 else plain(value / unit, 2)


def _share(ours: float | None, theirs: float | None) -> str:
    """`` (1.3 times)``; empty where a ratio means nothing."""
    return f" ({times(ours / theirs)} times)" if ours and theirs else ""
