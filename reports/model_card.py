"""What must be known of exported weights, in Markdown, made from a run's record. No torch."""

from __future__ import annotations

from statistics import fmean

from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.command import reproduce
from cl_bench.reports.runs.metrics import NAMES, judged_metrics
from cl_bench.reports.runs.names import circumstances, protocol, suite_in_words
from cl_bench.reports.runs.numbers import plain


def model_card(run: RunResult, learned: int, sha256: str, weights: str, load: str) -> str:
    """The card of the weights after ``learned`` tasks.

    Args:
        run: their run.
        learned: tasks that were learned then.
        sha256: of the checkpoint that they were made from.
        weights: name of their file.
        load: Python code that loads them.
    """
    config = run.config
    before = config.start.tasks if config.start else ()
    tasks = ", ".join((*before, *config.tasks[:learned]))
    lines = [
        f"# {weights}",
        "",
        f"A CLIP that learned {tasks} with {config.method}: {learned} of the {len(config.tasks)} tasks of its run"
        f"{', the others before it' if before else ''}.",
        "",
        f"- Suite: {suite_in_words(config)}",
        f"- {circumstances(config)}",
        f"- Training: seed {config.seed}, {protocol(config)}",
        f"- Run: digest {config.digest()}, status {run.manifest.stands}, {run.manifest.first.code}",
        f"- Checkpoint: after {learned} tasks, SHA-256 {sha256}",
        *(f"- Uses {need}: {source}" for need, source in config.extra_data.items()),
        *(f"- Note: {words}" for words in (*config.caveats, *run.remarks)),
        "",
        "## Loading",
        "",
        "```python",
        load,
        "```",
        "",
        *_accuracies(run, learned),
        "## Made by",
        "",
        f"    {reproduce(run)}",
        "",
        "## Licence",
        "",
        f"These weights are made from {config.backbone.name} ({config.backbone.weights}) and from the images of "
        f"{tasks}. The licences of those weights and data sets apply; cl-bench adds none and grants none.",
        "",
    ]
    return "\n".join(lines)


def _accuracies(run: RunResult, learned: int) -> list[str]:
    """The row of the matrix that these weights gave, task by task, and the metrics where all are learned."""
    row, before = run.matrix.rows[learned - 1], run.matrix.zero_shot
    lines = [
        "## Accuracies in per cent",
        "",
        "| Task | Learned | Before | Now |",
        "|---|---|---|---|",
    ]
    for place, task in enumerate(run.config.tasks):
        known = "yes" if place < learned else "no"
        lines.append(f"| {task} | {known} | {plain(before[place], 2)} | {plain(row[place], 2)} |")
    lines += [f"| mean | | {plain(fmean(before), 2)} | {plain(fmean(row), 2)} |", ""]
    metrics = run.metrics()
    if learned == len(run.config.tasks):
        names = [name for name in judged_metrics(run.config) if name in metrics]
        said = (f"{NAMES[name]} {plain(metrics[name], 2)}" for name in names)
        lines += [f"Of the whole run: {', '.join(said)}.", ""]
    return lines
