"""What a run is called among others: method, order, seed, and the settings that are not as usual."""

from __future__ import annotations

import json
from collections.abc import Mapping

from cl_bench.benchmark.config import RunConfig
from cl_bench.reports.runs.flat_config import Scalar
from cl_bench.reports.runs.names import clip, short_names

LONGEST = 128  # characters that W&B takes
LONGEST_VALUE = 32  # characters


def run_name(config: RunConfig, differs: Mapping[str, Scalar]) -> str:
    """``keeplora II seed0 rank=8``, in at most 128 characters.

    What finds no room is left out whole; the name then ends in the run's digest, which tells it apart.

    Args:
        config: of the run.
        differs: its settings that are not the method's, the suite's or the preset's own.
    """
    name = f"{clip(config.method, LONGEST_VALUE)} {_order(config)} seed{config.seed}"
    words = [f"{key}={_word(value)}" for key, value in differs.items()]
    if len(" ".join([name, *words])) <= LONGEST:
        return " ".join([name, *words])
    end = f"… {config.digest()}"
    for word in words:
        if len(f"{name} {word} {end}") <= LONGEST:
            name = f"{name} {word}"
    return f"{name} {end}"


def _order(config: RunConfig) -> str:
    if config.order != "custom":
        return config.order
    return clip(",".join(short_names(config.tasks)), LONGEST_VALUE)


def _word(value: Scalar) -> str:
    if value is None:
        return "none"
    return clip(value if isinstance(value, str) else json.dumps(value), LONGEST_VALUE)
