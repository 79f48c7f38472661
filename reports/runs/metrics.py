"""The metrics that reports show: their names, which rank methods, and which a group of runs has."""

from __future__ import annotations

from cl_bench.benchmark.config import RunConfig

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
INCREMENTAL = {  # over the classes seen so far, every test image once
    "incremental": "Incremental",
    "incremental_last": "Last of all images",
}
BEFORE = {  # each metric of a set: the one of before anything was learned
    metric: next(iter(of_sets)) for of_sets in (HELD_OUT, RETRIEVAL) for metric in of_sets
}
NAMES = METRICS | HELD_OUT | RETRIEVAL | INCREMENTAL
MAIN = ("transfer", "average", "last")  # the benchmark's own
HEADLINE = "average"  # the metric that rows are sorted by
LOWER_IS_BETTER = frozenset({"forgetting"})
NOT_RANKED = (
    frozenset(  # of the backbone, not of the method; the lowest is of another task for every method
        {"zero_shot", "held_out_before", "held_out_lowest", "retrieval_before", "retrieval_lowest"}
    )
)


def metrics_beside(*configs: RunConfig) -> tuple[str, ...]:
    """The metrics of what any of some runs evaluates beside the accuracy matrix, in the order of ``NAMES``."""
    beside = (
        (HELD_OUT, any(config.held_out for config in configs)),
        (RETRIEVAL, any(config.retrieval for config in configs)),
        (INCREMENTAL, any(config.protocol.labels == "seen" for config in configs)),
    )
    return tuple(metric for names, evaluated in beside if evaluated for metric in names)


def judged_metrics(config: RunConfig) -> tuple[str, ...]:
    """The metrics that have verdicts: the three main ones, and those of what else the runs evaluate."""
    return (*MAIN, *(m for m in metrics_beside(config) if m not in NOT_RANKED))
