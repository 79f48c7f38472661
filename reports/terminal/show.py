"""A run on the terminal: its matrix in colour, its metrics, what it cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

from rich.console import Group, RenderableType
from rich.text import Text

from cl_bench.benchmark.record import RECALL_AT, WAYS, RunResult, recall_name
from cl_bench.benchmark.records.events import Event, Learned, those
from cl_bench.reports.runs.cost import PHASES, Cost
from cl_bench.reports.runs.metrics import HELD_OUT, INCREMENTAL, MAIN, METRICS, NAMES, RETRIEVAL
from cl_bench.reports.runs.names import circumstances, first_row, protocol, suite_in_words
from cl_bench.reports.runs.numbers import plain
from cl_bench.reports.terminal.matrix import Matrix

TOWERS = {"v": "vision", "t": "text"}


def render(run: RunResult) -> RenderableType:
    """Everything that `cl-bench show` says about a run.

    Args:
        run: finished or not; a run whose events are lost is shown without its cost.
    """
    matrix, events = Matrix(run.matrix, first_row(run.config)), run.known_events
    return Group(_heading(run), matrix, _metrics(run), *_cost(Cost.of(events)), *_subspaces(events))


def _heading(run: RunResult) -> Text:
    config = run.config
    return Text.assemble(
        (config.method, "bold"),
        f" on {suite_in_words(config)}\n",
        f"seed {config.seed} on {config.device}, {circumstances(config)}: {protocol(config)}\n",
        *(f"{need}: {source}\n" for need, source in config.extra_data.items()),
        *((f"note: {caveat}\n", "yellow") for caveat in (*config.beware, *run.remarks)),
        *((f"alert: {words}\n", "bold red") for words in run.collapses),
        *_status(run),
        "\n",
    )


def _status(run: RunResult) -> list[tuple[str, str]]:
    if run.finished:
        return [("finished", "green")]
    status, reason = run.manifest.stands, run.manifest.reason
    learned = f"{len(run.matrix.rows)} of {len(run.matrix.tasks)} tasks learned"
    words = f"{'stopped or running' if status == 'running' else status}, {learned}"
    return [(words, "bold red"), (f": {reason}" if reason else "", "red")]


def _metrics(run: RunResult) -> Text:
    """The metrics of the matrix: the three of the benchmark, then the others."""
    metrics = run.metrics()
    others = [name for name in METRICS if name not in MAIN]
    first = first_row(run.config).capitalize()
    lines = [_line(metrics, MAIN, "bold"), _line(metrics, others, "", {"zero_shot": first})]
    if "zero_shot_transfer" in metrics:
        same = f"{first} over the same tasks as Transfer {plain(metrics['zero_shot_transfer'], 2)}"
        lines.append(Text(same))
    lines += [_line(metrics, tuple(INCREMENTAL), ""), *_held_out(run), *_retrieval(run)]
    return Text("\n").join(line for line in lines if line)


def _held_out(run: RunResult) -> list[Text]:
    """The means over the held-out sets, then every set before anything was learned and at last."""
    sets, rows = run.held_out.sets, run.held_out.rows
    if not sets or not rows:
        return []
    each = zip(sets, rows[0], rows[-1], strict=True)
    words = ", ".join(f"{name} {plain(a, 2)} to {plain(b, 2)}" for name, a, b in each)
    return [_line(run.held_out.metrics(), tuple(HELD_OUT), ""), Text(f"Held-out sets: {words}")]


def _retrieval(run: RunResult) -> list[Text]:
    """The means of recall at 1, then every set both ways before anything was learned and at last."""
    sets, rows = run.retrieval.sets, run.retrieval.rows
    if not sets or not rows:
        return []
    lines = [_line(run.retrieval.metrics(), tuple(RETRIEVAL), "")]
    for name in sets:
        for way, said in WAYS.items():
            curves = [(k, run.retrieval.curve(name, recall_name(way, k))) for k in RECALL_AT]
            words = ", ".join(f"R@{k} {plain(c[0], 2)} to {plain(c[-1], 2)}" for k, c in curves)
            lines.append(Text(f"{name}, {said}: {words}"))
    return lines


def _line(
    metrics: Mapping[str, float],
    names: Sequence[str],
    style: str,
    called: Mapping[str, str] | None = None,
) -> Text:
    """Those of ``names`` that exist, side by side; ``called``: those with another name than usual."""
    known = NAMES | dict(called or {})
    return Text("   ").join(
        Text.assemble(f"{known[name]} ", (plain(metrics[name], 2), style))
        for name in names
        if name in metrics
    )


def _cost(cost: Cost) -> list[Text]:
    """Seconds by phase, memory, parameters and bytes."""
    if cost.trainable_least is None or cost.trainable_most is None:
        return []  # no task is learned
    seconds = {phase: getattr(cost, f"{phase}_seconds") for phase in PHASES}
    memory = {"process": cost.process_memory, "gpu": cost.gpu_memory}
    phases = ", ".join(f"{phase} {duration(s)}" for phase, s in seconds.items() if s is not None)
    peaks = ", ".join(f"{where} {size(b)}" for where, b in memory.items() if b is not None)
    lines = [
        f"time         {phases}; {cost.images_drawn:,} images drawn",
        *_speed(cost),
        f"peak memory  {peaks}",
        f"parameters   {_span(cost.trainable_least, cost.trainable_most)} trainable per task",
    ]
    if cost.first_bytes is not None and cost.last_bytes is not None:
        lines[-1] += f", {cost.stored_parameters:,} stored"
        lines.append(f"stored       {_stored(cost.first_bytes, cost.bytes_added, cost.last_bytes)}")
    if cost.kept_images and cost.kept_bytes:
        kept = f"{cost.kept_images:,} images of learned tasks, {size(cost.kept_bytes)}"
        lines.append(f"kept         {kept} as 8-bit pixels")
    return [Text(line) for line in lines]


def _speed(cost: Cost) -> list[str]:
    """How well training used its device; nothing of a log that does not hold it."""
    if cost.matrix_share is None:
        return []
    share = plain(100 * cost.matrix_share, 1)
    return [f"speed        training at {share} % of the device's rate of matrix products"]


def _stored(first: float, added: float | None, last: float) -> str:
    """The first checkpoint holds the whole model; what a task adds shows from the second on."""
    text = f"{size(first)} after the first task"
    if added is not None:
        text += f", then {size(added)} more per task: {size(last)} at the end"
    return text


def _span(low: float, high: float) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def duration(seconds: float) -> str:
    """Seconds in words: ``12.3 s``, ``4 min 05 s``, ``3 h 07 min``."""
    if seconds < 60:
        return f"{plain(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes} min {rest:02d} s"
        if minutes < 60
        else f"{minutes // 60} h {minutes % 60:02d} min"
    )


def size(count: float) -> str:
    """Bytes in words: ``117.2 KiB``, ``2.0 GiB``."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{plain(count, 0 if unit == 'B' else 1)} {unit}"
        count /= 1024
    return f"{plain(count)} GiB"


def _subspaces(events: Sequence[Event]) -> list[Text]:
    """Protected dimensions per tower after the last task, for methods that report them."""
    learned = those(events, Learned)
    ranks: dict[str, list[float]] = defaultdict(list)
    for key, value in (learned[-1].diagnostics if learned else {}).items():
        if key.startswith("subspace/"):
            ranks[key.removeprefix("subspace/").partition(".")[0]].append(value)
    towers = [
        f"{TOWERS.get(tower, tower)} {plain(fmean(of))} on average over {len(of)} matrices "
        f"({plain(min(of), 0)} to {plain(max(of), 0)})"
        for tower, of in ranks.items()
    ]
    return [Text(f"protected    dimensions: {'; '.join(towers)}")] if towers else []
