"""What the page says about a single run."""

from __future__ import annotations

import json
from dataclasses import dataclass

from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.command import reproduce
from cl_bench.reports.runs.metrics import NAMES
from cl_bench.reports.runs.names import (
    circumstances,
    first_row,
    protocol,
    short_names,
    suite_in_words,
)
from cl_bench.reports.runs.numbers import plain

STEP = 5  # per cent; the page's style has a colour for each


@dataclass(frozen=True)
class Accuracy:
    """A cell of the matrix: its number, and the names of its looks in the page's style."""

    text: str
    looks: str


@dataclass(frozen=True)
class RunView:
    """A run as the page shows it.

    Attributes:
        anchor: where links to it lead.
        title: which run it is.
        run: the run.
        status: finished, or what it is instead.
        facts: names and values of where its metrics come from.
        command: repeats it.
        columns: the tasks' short names.
        matrix: zero-shot and one row per learned task: its name and its accuracies.
        metrics: name and value of every metric.
        config: everything that was resolved before it began, as JSON.
        manifest: provenance, as JSON.
    """

    anchor: str
    title: str
    run: RunResult
    status: str
    facts: tuple[tuple[str, str], ...]
    command: str
    columns: tuple[str, ...]
    matrix: tuple[tuple[str, tuple[Accuracy, ...]], ...]
    metrics: tuple[tuple[str, str], ...]
    config: str
    manifest: str


def view_run(slug: str, run: RunResult) -> RunView:
    """Everything about a run in words, nothing of it escaped yet."""
    config, metrics = run.config, run.metrics()
    names = short_names(run.matrix.tasks)
    rows = (run.matrix.zero_shot, *run.matrix.rows)
    return RunView(
        anchor=f"run-{slug}",
        title=f"{config.method}, {config.suite.name}, order {config.order}, seed {config.seed}",
        run=run,
        status=status_in_words(run),
        facts=_facts(run),
        command=reproduce(run),
        columns=tuple(names),
        matrix=tuple(
            (name, tuple(_accuracy(a, i - 1 - j) for j, a in enumerate(row)))
            for i, (name, row) in enumerate(
                zip((first_row(config), *(f"after {n}" for n in names)), rows, strict=False)
            )
        ),
        metrics=tuple(
            (first_row(config).capitalize() if f == "zero_shot" else n, plain(metrics[f], 2))
            for f, n in NAMES.items()
            if f in metrics
        ),
        config=_json(config.model_dump(mode="json")),
        manifest=_json(run.manifest.model_dump(mode="json", exclude_none=True)),
    )


def status_in_words(run: RunResult) -> str:
    """``finished``, or the status with how far the run came and why it stopped."""
    if run.finished:
        return "finished"
    reason = run.manifest.reason
    learned = f"{len(run.matrix.rows)} of {len(run.matrix.tasks)} tasks learned"
    return f"{run.manifest.stands}, {learned}{f', {reason}' if reason else ''}"


def _facts(run: RunResult) -> tuple[tuple[str, str], ...]:
    """Suite, rules, code and machine; what the manifest lacks is left out."""
    config = run.config
    first = run.manifest.first
    known = {
        "suite": suite_in_words(config),
        "circumstances": circumstances(config),
        "protocol": protocol(config),
        "digest of the configuration": config.digest(),
        "code": first.code if first.cl_bench else None,
        "started": first.started,
        "python": first.python,
        "hardware": ", ".join(f"{k} {v}" for k, v in first.hardware.known().items()),
        "folder": run.path.as_posix(),
    }
    extra = [(f"uses {need}", source) for need, source in config.extra_data.items()]
    notes = [("note", words) for words in (*config.beware, *run.remarks, *run.collapses)]
    return (*((k, str(v)) for k, v in known.items() if v), *extra, *notes)


def _accuracy(value: float, age: int) -> Accuracy:
    """``age``: how many tasks ago the cell's task was learned, below 0 if it was not."""
    state = "now" if age == 0 else "later" if age < 0 else ""
    return Accuracy(plain(value), f"c{round(value / STEP)} {state}".strip())


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False)
