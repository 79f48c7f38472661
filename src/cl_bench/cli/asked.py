"""What ``run`` is asked for: by a config file, and by what is typed, which goes before it. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cl_bench.benchmark.errors import UserError
from cl_bench.cli.dashboards import BoardOptions
from cl_bench.cli.several import must_be_orders, orders_asked, seeds_asked
from cl_bench.experiment.choices import OPTIONS, RUNS, Choices, choices_of
from cl_bench.experiment.config_file import read_config_file


@dataclass(frozen=True)
class Asked:
    """The runs of one command.

    Attributes:
        choices: what they have in common.
        seeds: one run for each.
        orders: one run for each; that of ``choices`` where there is none.
        boards: where they are shown, as values of :class:`BoardOptions`.
        out: the folder that was named.
    """

    choices: Choices
    seeds: list[int]
    orders: list[str]
    boards: dict[str, Any]
    out: Path | None

    @property
    def folder(self) -> Path:
        """Below which the runs get their directories."""
        return self.out or RUNS


def asked_for(
    given: Mapping[str, Any],
    boards: Mapping[str, Any],
    orders: str | None,
    seeds: str | None,
    config: Path | None,
    out: Path | None,
) -> Asked:
    """What is asked for.

    Args:
        given: choices that were typed.
        boards: options of dashboards that were typed.
        orders: what was typed behind ``--orders``.
        seeds: what was typed behind ``--seeds``.
        config: a file with more of all that.
        out: the folder that was typed.

    Raises:
        UserError: a name or value is wrong.
    """
    also = ("orders", "seeds", "out", *BoardOptions.model_fields)
    file = read_config_file(config, also) if config else {}
    of_run = {name: value for name, value in file.items() if name in OPTIONS} | dict(given)
    of_run["overrides"] = (*file.get("overrides", ()), *given.get("overrides", ()))
    of_boards = {name: file[name] for name in BoardOptions.model_fields if name in file}
    several = orders_asked(given, orders, config, file)
    if several:
        of_run["order"] = several[0]
    choices = choices_of(of_run)
    must_be_orders(choices, several)
    folder = file.get("out")
    if folder is not None and not (isinstance(folder, str) and folder.strip()):
        raise UserError(f'{config}: out must be a folder such as "runs", not {folder!r}')
    return Asked(
        choices,
        seeds_asked(given, seeds, config, file),
        several,
        of_boards | dict(boards),
        out or (Path(folder) if folder else None),
    )
