"""The names of the classes that a recorded run chose between. No torch."""

from __future__ import annotations

from pathlib import Path

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.suite import Suite
from cl_bench.experiment.choices import Choices, choices_of
from cl_bench.experiment.places import found_again
from cl_bench.experiment.suites import suite_of

Class = tuple[str, str]
"""Task and class name."""


def class_names(config: RunConfig, suite: Suite) -> dict[str, tuple[Class, ...]]:
    """By task, the classes of its label space, in the order in which predictions count them.

    Where a task is classified over more than its own, predictions count in one way after every task: by the
    classes of all tasks one after the other.

    Args:
        config: of the run.
        suite: that it was made on.
    """
    own = {name: tuple((name, one) for one in suite.task(name).classnames) for name in config.tasks}
    if config.protocol.labels == "own":
        return own
    return dict.fromkeys(own, tuple(one for classes in own.values() for one in classes))


def suite_of_run(config: RunConfig, run: Path) -> Suite:
    """The suite that the run was made on, as it is found now, with its own backbone.

    Args:
        config: of the run.
        run: its directory.

    Raises:
        UserError: it is not found, or its digest is another.
    """
    kept = choices_of(config.choices)
    named = Choices(
        suite=kept.suite or config.suite.name,
        data_root=kept.data_root if kept.partial_data else None,
        partial_data=kept.partial_data,
        relative={k: v for k, v in kept.relative.items() if k in ("suite", "data_root")},
    )
    for there in found_again(named, run, {}):
        suite = suite_of(there)[0]
        on_backbone = suite.model_copy(update={"backbone": config.backbone})
        if on_backbone.identify().digest == config.suite.digest:
            return suite
    raise UserError(
        f"{run}: its suite {config.suite.name} is not what it was: its digest is no longer "
        f"{config.suite.digest}, so the names of its classes are not known"
    )
