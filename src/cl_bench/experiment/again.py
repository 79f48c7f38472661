"""From the record of a run to the plan that it came from, wherever its files are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cl_bench.benchmark.config import NOT_IN_DIGEST, RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.experiment.arithmetic import one_each
from cl_bench.experiment.changed import differences
from cl_bench.experiment.choices import choices_of
from cl_bench.experiment.places import found_again
from cl_bench.experiment.resolve import Plan, resolve


def resolve_again(config: RunConfig, run: Path, given: Mapping[str, Path]) -> Plan:
    """The plan that ``config`` came from.

    Args:
        config: of the run.
        run: its directory.
        given: by option, where the user says that a file lies now.

    Raises:
        UserError: a file is gone, or the same choices lead to another run now: code, suite file or
            data changed.
    """
    device = one_each(config.device)
    choices = choices_of({**config.choices, "device": device, "seed": config.seed})
    problems = []
    for there in found_again(choices, run, given):
        try:
            plan = resolve(there)
        except UserError as error:
            problems.append(UserError(f"the run cannot be continued: {error}"))
            continue
        # Of a plug-in, older records say nothing.
        plugin = plan.config.plugin if config.plugin else None
        now = plan.config.model_copy(update={"plugin": plugin, "choices": config.choices})
        if now.digest() == config.digest():
            return replace(plan, config=now, folder=run)
        problems.append(_changed(now, config))
    raise problems[0]


def _changed(now: RunConfig, then: RunConfig) -> UserError:
    """Says in what a run differs from the one that it was to be."""
    a, b = (c.model_dump(mode="json", exclude=set(NOT_IN_DIGEST)) for c in (now, then))
    return UserError(
        f"the run cannot be continued: its {', '.join(differences(b, a))} would not be what it began "
        "with. The code, the suite file or its data has changed since."
    )
