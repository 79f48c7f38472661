"""What a run is going to learn, as a Markdown table."""

from __future__ import annotations

from cl_bench.benchmark.config import RunConfig
from cl_bench.reports.runs.names import circumstances, protocol, suite_in_words
from cl_bench.reports.runs.numbers import grouped


def plan_in_markdown(config: RunConfig) -> str:
    """The run in words, and per task its steps, learning rate and the images of these steps."""
    batch = config.budget.batch_size
    lines = [
        f"{config.method}, order {config.order}, seed {config.seed} on {suite_in_words(config)}",
        "",
        f"{circumstances(config)}: {protocol(config)}",
        "",
        f"| n | task | steps | learning rate | images (steps x {batch}) |",
        "| ---: | --- | ---: | ---: | ---: |",
    ]
    for n, task in enumerate(config.tasks, start=1):
        steps, lr = config.budget.steps[task], config.recipe.lr_of(task)
        lines.append(f"| {n} | {task} | {grouped(steps)} | {lr:g} | {grouped(steps * batch)} |")
    return "\n".join(lines)
