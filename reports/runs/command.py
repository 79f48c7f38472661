"""The command that repeats a run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from cl_bench.benchmark.record import RunResult

# As `cl-bench run` names them, in the order in which they are shown.
OPTIONS = (
    "preset", "backbone", "precision", "device", "plugin", "tasks", "data_root", "protocol", "shots",
    "reference_images", "reference_texts", "selector_weights",
)  # fmt: skip
SWITCHES = ("skip_broken", "partial_data")


def reproduce(run: RunResult) -> str:
    """``cl-bench run ...`` with what the user chose for this run, quoted for a shell.

    Made from the configuration: the command that was typed may have started several seeds, or have
    read some choices from a file. The folder for results is left to the default.
    """
    config, choices = run.config, run.config.choices
    order = config.order if config.order != "custom" else ",".join(config.tasks)
    references, overrides = choices.get("references"), choices.get("overrides")
    chosen = {**choices, **(references if isinstance(references, dict) else {})}
    values = {
        "suite": choices.get("suite") or config.suite.name,
        "method": config.method,
        "order": choices.get("order") or order,
        "seed": config.seed,
        **{name: chosen.get(name) for name in OPTIONS},
        **{name: choices.get(name) is True for name in SWITCHES},
        "set": overrides if isinstance(overrides, list | tuple) else (),
    }
    return shlex.join(["cl-bench", "run", *option_words(values)])


def option_words(values: Mapping[str, object]) -> list[str]:
    """Options as one would type them.

    Args:
        values: by name; a switch is ``True``, an option that is repeated is a sequence. What is
            ``None`` or ``False`` was not given.
    """
    words = []
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif value is not None and value is not False:
            several = value if isinstance(value, list | tuple) else [value]
            words += [word for one in several for word in (option, str(one))]
    return words
