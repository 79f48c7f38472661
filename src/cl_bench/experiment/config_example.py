"""A ``--config`` file that repeats a run and shows everything else that could be set. No torch."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from cl_bench.experiment.choices import OPTIONS, Choices, option_name, parse_overrides, written
from cl_bench.experiment.settings import Setting, settings_of
from cl_bench.experiment.settle import settle
from cl_bench.experiment.toml_value import toml_value

HEAD = """\
# A run of cl-bench. Run it: cl-bench run --config THIS-FILE
# What stands behind a # is not set; the words above it say what it is.
"""


def config_example(choices: Choices, further: Mapping[str, Any]) -> str:
    """The text of the file.

    Args:
        choices: what is set in it.
        further: keys that are no choices of one run, with their values, such as ``out``.

    Raises:
        UserError: a choice is wrong.
    """
    settled = settle(choices)
    settings = settings_of(settled.entry, settled.suite)
    lines = [HEAD, *(f"{key} = {toml_value(value)}" for key, value in further.items())]
    for name in OPTIONS:
        if name != "overrides":
            lines += _option(name, getattr(choices, name), unset=f"{name}s" in further)
    lines += ["", "[set]  # settings of the method, its optimizer, budget and protocol"]
    given = parse_overrides(choices.overrides)
    lines += [f"{key} = {toml_value(value)}" for key, value in given.items()]
    preset = settled.said.preset
    for setting in settings:
        if setting.option.startswith("--set") and setting.name not in given:
            lines += _setting(setting, preset)
    return "\n".join(lines) + "\n"


def _option(name: str, value: Any, unset: bool) -> Iterator[str]:
    """An option's words, and its value or what could stand there."""
    field, key = Choices.model_fields[name], option_name(name).replace("-", "_")
    yield ""
    yield from _comment(field.description or "")
    if unset or value is None or value is False:
        yield f"# {key} = {'true' if value is False else written(field).value or '...'}"
    else:
        yield f"{key} = {toml_value(value if isinstance(value, bool | int) else str(value))}"


def _setting(setting: Setting, preset: str) -> Iterator[str]:
    """A setting's words and its value under the run's preset, as a comment."""
    value = setting.paper if preset != "fair" and setting.paper else setting.fair
    yield ""
    yield from _comment(f"{setting.about} ({setting.kind} {setting.range}".rstrip() + ")")
    shown = "..." if value.value is None else toml_value(value.value)
    yield f"# {setting.name} = {shown}  # {value.source}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), 100)]
