"""A run on the terminal: its matrix in colour, its figures, what it cost."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cl_bench.benchmark.record import ZERO_SHOT, RunResult
from cl_bench.reports.names import short_names

FIGURES = {
    "transfer": "Transfer",
    "average": "Average",
    "last": "Last",
    "zero_shot": "zero-shot",
    "learned": "just learned",
    "forgetting": "forgetting",
    "backward_transfer": "backward transfer",
}
# accuracy from, colour: from dark to light, so that it reads without colour vision
SCALE = ((80, "bold green"), (60, "green"), (40, "yellow"), (0, "red"))


def render(run: RunResult) -> RenderableType:
    """Everything that `cl-bench show` says about a run, 100 columns wide for eleven tasks."""
    config = run.config
    status = "finished" if run.finished else run.manifest.get("reason") or "not finished"
    heading = Text.assemble(
        (f"{config.method}", "bold"),
        f", order {config.order}, seed {config.seed}, {config.backbone.name}, {status}\n",
        (config.suite.about, "italic"),
        f"  (suite digest {config.suite.digest})",
    )
    return Group(heading, _matrix(run), _figures(run), *_cost(run), *_subspaces(run))


def _matrix(run: RunResult) -> Table:
    """One column per task, numbered; the rows name the tasks behind the numbers."""
    names = short_names(run.matrix.tasks)
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("after learning", no_wrap=True)
    for i in range(1, len(names) + 1):
        table.add_column(str(i), justify="right", no_wrap=True)
    rows = (run.matrix.zero_shot, *run.matrix.rows)
    for i, row in enumerate(rows):
        name = ZERO_SHOT if i == 0 else f"{i:2d} {names[i - 1]}"
        table.add_row(name, *(_cell(a, framed=j == i) for j, a in enumerate(row, start=1)))
    return table


def _cell(accuracy: float, framed: bool) -> Text:
    colour = next(style for limit, style in SCALE if accuracy >= limit)
    return Text(f"{accuracy:.1f}", style=f"{colour} reverse" if framed else colour)


def _figures(run: RunResult) -> Text:
    """The figures of the matrix, the three of the benchmark first."""
    figures = run.matrix.metrics()
    text = Text()
    for key, name in FIGURES.items():
        if key in figures:
            style = "bold" if key in ("transfer", "average", "last") else ""
            text.append(f"{name} ").append(f"{figures[key]:.2f}   ", style=style)
    if "zero_shot_transfer" in figures:
        text.append(f"(zero-shot over Transfer's tasks {figures['zero_shot_transfer']:.2f})")
    return text


def _of(run: RunResult, event: str) -> list[dict[str, Any]]:
    return [e for e in run.events if e["event"] == event]


def _cost(run: RunResult) -> list[Text]:
    """Seconds by phase, memory and parameters."""
    learned, saved = _of(run, "learned"), _of(run, "saved")
    if not learned or not saved:
        return []
    seconds: dict[str, float] = defaultdict(float)
    for event in learned:
        for phase, value in event["seconds"].items():
            seconds[phase] += value
    seconds["evaluate"] = sum(e["seconds"] for e in _of(run, "evaluated"))
    phases = ", ".join(f"{phase} {value:.1f} s" for phase, value in seconds.items())
    memory = ", ".join(
        f"{name} {bytes_ / 2**30:.2f} GiB" for name, bytes_ in learned[-1]["peak_memory"].items()
    )
    added = fmean(e["bytes_added"] for e in saved) / 2**20
    return [
        Text(f"cost: {phases}; images drawn {sum(e['images_drawn'] for e in learned):,}"),
        Text(
            f"      peak memory {memory}; trainable {learned[-1]['trainable_parameters']:,}, "
            f"stored {saved[-1]['stored_parameters']:,} parameters, {added:.2f} MiB added per task"
        ),
    ]


def _subspaces(run: RunResult) -> list[Text]:
    """Protected dimensions per tower after the last task, for methods that report them."""
    learned = _of(run, "learned")
    ranks: dict[str, list[float]] = defaultdict(list)
    for key, value in (learned[-1]["diagnostics"] if learned else {}).items():
        if key.startswith("subspace/"):
            ranks[key.removeprefix("subspace/").partition(".")[0]].append(value)
    towers = {"v": "vision", "t": "text"}
    return [
        Text(
            f"protected dimensions, {towers.get(tower, tower)} tower: "
            f"mean {fmean(of):.0f}, from {min(of):.0f} to {max(of):.0f}"
        )
        for tower, of in ranks.items()
    ]
