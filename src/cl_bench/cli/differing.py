"""In which settings a run differs from its method's, suite's and preset's own. No torch.

It follows from the run's configuration: how a setting was typed makes no difference.
"""

from __future__ import annotations

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.manifest import Manifest
from cl_bench.datasets.suite import Suite
from cl_bench.experiment.choices import choices_of, parse_overrides
from cl_bench.experiment.usual import usual_config
from cl_bench.reports.runs.flat_config import Scalar, flat_config

ELSEWHERE = {  # said beside them, or following from what is said
    "preset", "shots", "device", "suite_digest", "run_digest", "comparison_key", "backbone_sha256",
    "labels", "steps_total",
}  # fmt: skip


def differing(config: RunConfig, suite: Suite | None) -> dict[str, Scalar]:
    """The settings by the keys of :func:`flat_config`, each with the run's own value.

    Where the usual values are not known (the method is a plug-in, or the suite is gone), these are the
    settings that were typed.

    Args:
        config: of the run.
        suite: that it was made on, with the suite's own backbone, if it is known.
    """
    own = flat_config(config, Manifest())
    if suite is None or config.plugin:
        return _typed(config, own)
    try:
        usual = flat_config(usual_config(config, suite), Manifest())
    except UserError:
        return _typed(config, own)
    differs = {
        key: value
        for key, value in own.items()
        if key not in ELSEWHERE and value != usual.get(key, ...)
    }
    tables = {key.partition("/")[0] for key in own}
    gone = {table: None for key in usual if (table := key.partition("/")[0]) not in tables}
    return _choice_of_rules(config, suite) | differs | gone


def _typed(config: RunConfig, own: dict[str, Scalar]) -> dict[str, Scalar]:
    """The settings that were named, with the values that the run has."""
    typed = parse_overrides(choices_of(config.choices).overrides)
    return {key: own[key] for key in typed if key in own}


def _choice_of_rules(config: RunConfig, suite: Suite) -> dict[str, Scalar]:
    """Preset, images a class and number of tasks, where they are not the suite's."""
    few = config.protocol.shots
    said: dict[str, tuple[Scalar, Scalar]] = {
        "preset": (config.preset, "fair" if few is not None else suite.preset),
        "shots": (few, suite.protocol.shots),
        "tasks": (len(config.tasks), len(suite.orders.get(config.order, config.tasks))),
    }
    return {key: value for key, (value, usual) in said.items() if value != usual}
