"""Two methods, or two runs, side by side on the terminal: data set by data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.reports.compare import interval, plus_minus
from cl_bench.reports.names import circumstances, protocol, short_names
from cl_bench.reports.report import find_runs
from cl_bench.reports.significance import in_words
from cl_bench.reports.statistics import LEVEL, holm, mcnemar

COLUMNS = ("data set", "Transfer a", "b", "b - a", "Last a", "b", "b - a", "p")
Runs = dict[int, RunResult]  # seed -> run


def compare(a: Path, b: Path) -> RenderableType:
    """Transfer and Last of both, data set by data set, and what is more than noise.

    Args:
        a: a run, or a folder with several seeds of one method.
        b: another.

    Raises:
        UserError: there is no finished run, or the two must not be compared.
    """
    first, second = _runs(a), _runs(b)
    _must_agree(first, second)
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise UserError(
            f"{a} has the seeds {sorted(first)} and {b} has {sorted(second)}: none shared"
        )
    pairs = [(first[seed], second[seed]) for seed in shared]
    names = [_name(runs[shared[0]]) for runs in (first, second)]
    heading = Text(f"a  {names[0]}\nb  {names[1]}\n{circumstances(pairs[0][0].config)}\n")
    seeds = f"seed {shared[0]}" if len(shared) == 1 else f"mean of the seeds {shared}"
    few = "; nothing is known of how much other seeds would change" if len(shared) < 3 else ""
    note = f"{seeds}. p: exact McNemar test on the images, after Holm; below {LEVEL:g} in bold{few}"
    return Group(heading, *_warning(pairs[0]), _table(pairs), Text(note, style="dim"))


def _runs(path: Path) -> Runs:
    """The finished runs at or below ``path``, all of one method with one choice of settings."""
    runs = [run for run in map(read_run, find_runs([path])) if run.finished]
    if not runs:
        raise UserError(f"no finished run under {path}")
    if len({(r.config.method, str(r.config.method_settings), r.config.order) for r in runs}) > 1:
        raise UserError(f"{path} holds runs of several methods or settings; name one of them")
    return {run.config.seed: run for run in runs}


def _must_agree(first: Runs, second: Runs) -> None:
    a, b = (next(iter(runs.values())).config for runs in (first, second))
    facts = {
        "suite": (a.suite.digest, b.suite.digest),
        "order": (a.order, b.order),
        "tasks": (a.tasks, b.tasks),
        "label space": (a.protocol.labels, b.protocol.labels),
    }
    for what, (x, y) in facts.items():
        if x != y:
            raise UserError(f"the two must not be compared: their {what} differs ({x} and {y})")


def _warning(pair: tuple[RunResult, RunResult]) -> list[Text]:
    rules = [f"preset {run.config.preset}, {protocol(run.config)}" for run in pair]
    if rules[0] == rules[1]:
        return []
    return [Text(f"under different rules: a {rules[0]}; b {rules[1]}\n", style="yellow")]


def _name(run: RunResult) -> str:
    c = run.config
    variant = c.method_settings.get("variant")
    return f"{c.method}{f' ({variant})' if variant else ''}, preset {c.preset}"


def _table(pairs: Sequence[tuple[RunResult, RunResult]]) -> Table:
    tasks = pairs[0][0].matrix.tasks
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "data set" else "right")
    wrong = [_disagreements(a, b) for a, b in pairs]
    counts = [np.sum([w[j] for w in wrong], axis=0) for j in range(len(tasks))]  # [2] per task
    p = holm([mcnemar(int(x), int(y)) for x, y in counts])
    for j, name in enumerate(short_names(tasks)):
        table.add_row(name, *_transfer(pairs, j), *_last(pairs, j), _p(p[j]))
    whole = np.sum(counts, axis=0)
    table.add_row()
    figures = [[run.matrix.metrics() for run in pair] for pair in pairs]
    cells = [_three([[m.get(f) for m in pair] for pair in figures]) for f in ("transfer", "last")]
    table.add_row("mean", *cells[0], *cells[1], _p(mcnemar(int(whole[0]), int(whole[1]))))
    return table


def _transfer(pairs: Sequence[tuple[RunResult, RunResult]], j: int) -> list[str]:
    if j == 0:
        return ["-", "-", "-"]  # nothing is learned before it
    return _three([[run.matrix.transfer_per_task[j - 1] for run in pair] for pair in pairs])


def _last(pairs: Sequence[tuple[RunResult, RunResult]], j: int) -> list[str]:
    return _three([[run.matrix.last_per_task[j] for run in pair] for pair in pairs])


def _three(values: Sequence[Sequence[float | None]]) -> list[str]:
    """Means of a and b over the pairs, and their difference with its interval."""
    known = [(x, y) for x, y in values if x is not None and y is not None]
    if not known:
        return ["-", "-", "-"]
    differences = [y - x for x, y in known]
    shown = plus_minus(fmean(differences), interval(differences), 1, "+")
    return [f"{fmean(x for x, _ in known):.1f}", f"{fmean(y for _, y in known):.1f}", shown]


def _p(p: float) -> Text:
    return Text(in_words(p), style="bold" if p < LEVEL else "")


def _disagreements(a: RunResult, b: RunResult) -> list[tuple[int, int]]:
    """Per task, how many test images only a, and only b, classifies right in the end."""
    true = a.targets()
    last = len(a.matrix.rows)
    ours, theirs = a.predictions(last), b.predictions(last)
    hits = [(ours[t] == true[t], theirs[t] == true[t]) for t in a.matrix.tasks]
    return [(int((x & ~y).sum()), int((y & ~x).sum())) for x, y in hits]
