"""A run as it would be if its settings were the usual ones. No torch."""

from __future__ import annotations

from cl_bench.benchmark.config import RunConfig
from cl_bench.datasets.suite import Suite
from cl_bench.experiment.arithmetic import computed_on
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.merge import merge
from cl_bench.experiment.resolve import budget_of
from cl_bench.methods.catalog import find_method


def usual_config(config: RunConfig, suite: Suite) -> RunConfig:
    """The run if nothing but its method, tasks, preset and number of images had been named.

    Args:
        config: of the run, whose method is built in.
        suite: that it was made on, with the suite's own backbone.

    Raises:
        UserError: there is no such method any more.
    """
    preset, shots = "fair" if config.preset == "fair" else "paper", config.protocol.shots
    choices = Choices.model_validate({"preset": preset, "shots": shots})
    said = merge(choices, {}, find_method(config.method), suite)
    tasks = tuple(suite.task(name) for name in config.tasks)
    usual = {
        "backbone": suite.backbone,
        "protocol": computed_on(config.device, said.protocol, typed=False)[0],
        "method_settings": said.method.model_dump(mode="json"),
        "recipe": said.recipe,
        "budget": budget_of(said.budget, suite, config.order, tasks),
    }
    return config.model_copy(update=usual)
