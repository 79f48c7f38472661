"""The command that repeats a run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from cl_bench.benchmark.record import RunResult

OF_CONFIG = ("suite", "method", "order", "seed")  # the configuration knows them better
NOT_TYPED = (
    "relative",
    "cache",
)  # made by the recording run; a folder of the machine, not of the run


def reproduce(run: RunResult) -> str:
    """``cl-bench run ...`` with what the user chose for this run, quoted for a shell.

    Made from the configuration: the command that was typed may have started several seeds, or have
    read some choices from a file. The folder for results is left to the default.
    """
    config, choices = run.config, _flat(run.config.choices)
    order = config.order if config.order != "custom" else ",".join(config.tasks)
    values = {
        "suite": choices.get("suite") or config.suite.name,
        "method": config.method,
        "order": choices.get("order") or order,
        "seed": config.seed,
    }
    values |= {
        "set" if name == "overrides" else name: value
        for name, value in choices.items()
        if name not in (*OF_CONFIG, *NOT_TYPED) and name.isidentifier()
    }
    return shlex.join(["cl-bench", "run", *option_words(values)])


def _flat(choices: Mapping[str, object]) -> dict[str, object]:
    """The recorded choices by option; older records hold some in a table of their own."""
    table = choices.get("references")
    older = table if isinstance(table, dict) else {}
    return {**{k: v for k, v in choices.items() if k != "references"}, **older}


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
