"""A run's settings as they would be if none had been typed. No torch."""

from __future__ import annotations

from cl_bench.benchmark.config import RunConfig
from cl_bench.datasets.suite import Suite
from cl_bench.experiment.arithmetic import computed_on
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.merge import Merged, merge
from cl_bench.experiment.resolve import budget_of
from cl_bench.methods.catalog import MethodEntry, find_method


def usual_settings(config: RunConfig, suite: Suite, entry: MethodEntry) -> Merged:
    """What method, suite and preset give, and few images a class where that was asked for."""
    preset = "fair" if config.preset == "fair" else "paper"
    choices = Choices.model_validate({"preset": preset, "shots": config.protocol.shots})
    return merge(choices, {}, entry, suite)


def usual_config(config: RunConfig, suite: Suite) -> RunConfig:
    """The run if nothing but its method, tasks, preset and number of images had been named.

    Args:
        config: of the run, whose method is built in.
        suite: that it was made on, with the suite's own backbone.

    Raises:
        UserError: there is no such method any more.
    """
    said = usual_settings(config, suite, find_method(config.method))
    tasks = tuple(suite.task(name) for name in config.tasks)
    usual = {
        "backbone": suite.backbone,
        "protocol": computed_on(config.device, said.protocol, typed=False)[0],
        "method_settings": said.method.model_dump(mode="json"),
        "recipe": said.recipe,
        "budget": budget_of(said.budget, suite, config.order, tasks, config.training_images),
    }
    return config.model_copy(update=usual)
