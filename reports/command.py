"""The command that repeats a run."""

from __future__ import annotations

import shlex

from cl_bench.benchmark.record import RunResult

# As `cl-bench run` names them, in the order in which they are shown.
OPTIONS = (
    "preset", "backbone", "precision", "device", "plugin", "tasks", "data_root", "protocol", "shots",
)  # fmt: skip
SWITCHES = ("skip_broken", "partial_data")


def reproduce(run: RunResult) -> str:
    """``cl-bench run ...`` with what the user chose for this run, quoted for a shell.

    Made from the configuration: the command that was typed may have started several seeds, or have
    read some choices from a file. The folder for results is left to the default.
    """
    config, choices = run.config, run.config.choices
    order = config.order if config.order != "custom" else ",".join(config.tasks)
    words = ["cl-bench", "run"]
    words += ["--suite", str(choices.get("suite") or config.suite.name)]
    words += ["--method", config.method]
    words += ["--order", str(choices.get("order") or order)]
    words += ["--seed", str(config.seed)]
    references = choices.get("references")
    chosen = {**choices, **(references if isinstance(references, dict) else {})}
    for name in (*OPTIONS, "reference_images", "reference_texts", "selector_weights"):
        if chosen.get(name) is not None:
            words += [f"--{name.replace('_', '-')}", str(chosen[name])]
    words += [f"--{name.replace('_', '-')}" for name in SWITCHES if choices.get(name) is True]
    overrides = choices.get("overrides")
    for pair in overrides if isinstance(overrides, list | tuple) else ():
        words += ["--set", str(pair)]
    return shlex.join(words)
