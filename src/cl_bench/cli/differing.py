"""In which settings a run differs from its method's, suite's and preset's own. No torch.

It follows from the run's configuration: how a setting was typed makes no difference.
"""

from __future__ import annotations

from pathlib import Path

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.manifest import Manifest
from cl_bench.experiment.choices import Choices, choices_of, parse_overrides
from cl_bench.experiment.class_names import suite_of_run
from cl_bench.experiment.places import found_again
from cl_bench.experiment.resolve import resolve
from cl_bench.reports.runs.flat_config import Scalar, flat_config

ELSEWHERE = {  # said beside them, or following from what is said
    "method", "order", "suite", "seed", "device", "tasks", "task_count", "suite_digest", "run_digest",
    "comparison_key", "backbone_sha256", "bound", "plugin", "labels", "steps_total", "cl_bench",
    "code_commit", "code_dirty", "preset", "shots",
}  # fmt: skip


def differing(config: RunConfig, run: Path) -> dict[str, Scalar]:
    """The settings by the keys of :func:`flat_config`, each with the run's own value.

    Where the usual values are not known (the method is a plug-in, or a file or the suite is gone), these
    are the settings that were typed.

    Args:
        config: of the run.
        run: its directory.
    """
    own = flat_config(config, Manifest())
    try:
        usual = None if config.plugin else _usual(config, run)
    except UserError:
        usual = None
    if usual is None:
        typed = parse_overrides(choices_of(config.choices).overrides)
        return {key: own[key] for key in typed if key in own}
    before = flat_config(usual, Manifest())
    found = {key: value for key, value in own.items() if value != before.get(key, ...)}
    gone = {key.partition("/")[0]: None for key in before if key not in own}
    kept = {key.partition("/")[0] for key in own}
    differs = {key: value for key, value in found.items() if key not in ELSEWHERE}
    differs |= {key: None for key in gone if key not in kept}
    return _choice_of_rules(config, run) | differs


def _usual(config: RunConfig, run: Path) -> RunConfig:
    """The run as it would be if nothing but method, tasks, preset and number of images were named."""
    kept = choices_of(config.choices)
    order = config.order if config.order != "custom" else ",".join(config.tasks)
    plain = Choices(
        method=config.method,
        order=order,
        tasks=len(config.tasks),
        seed=config.seed,
        preset="fair" if config.preset == "fair" else "paper",
        suite=kept.suite or config.suite.name,
        shots=config.protocol.shots,
        data_root=kept.data_root,
        partial_data=kept.partial_data,
        reference_images=kept.reference_images,
        reference_texts=kept.reference_texts,
        selector_weights=kept.selector_weights,
        relative=kept.relative,
    )
    return resolve(next(found_again(plain, run, {})), device=config.device).config


def _choice_of_rules(config: RunConfig, run: Path) -> dict[str, Scalar]:
    """Preset, images a class and number of tasks, where they are not the suite's."""
    suite = suite_of_run(config, run)
    few = config.protocol.shots
    usual = "fair" if few is not None else suite.preset
    whole = len(suite.orders.get(config.order, config.tasks))
    said: dict[str, tuple[Scalar, Scalar]] = {
        "preset": (config.preset, usual),
        "shots": (few, suite.protocol.shots),
        "tasks": (len(config.tasks), whole),
    }
    return {key: value for key, (value, other) in said.items() if value != other}
