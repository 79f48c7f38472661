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

ALSO = ("orders", "seeds", "out", *BoardOptions.model_fields)  # keys that are no choices of one run


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
    """What is asked for by options, under their names, and by the file behind ``--config``.

    Raises:
        UserError: a name or value is wrong.
    """
    file = read_config_file(config, ALSO) if config else {}
    of_run = {name: value for name, value in file.items() if name in OPTIONS} | dict(given)
    of_run["overrides"] = (*file.get("overrides", ()), *given.get("overrides", ()))
    of_boards = {name: file[name] for name in BoardOptions.model_fields if name in file}
    several = orders_asked(given, orders, config, file)
    if several:
        of_run["order"] = several[0]
    choices = choices_of(of_run)
    must_be_orders(choices, several)
    each = seeds_asked(given, seeds, config, file)
    return Asked(choices, each, several, of_boards | dict(boards), out or _folder_in(config, file))


def _folder_in(config: Path | None, file: Mapping[str, Any]) -> Path | None:
    """The folder for runs that a config file names."""
    folder = file.get("out")
    if folder is None:
        return None
    if not isinstance(folder, str) or not folder.strip():
        raise UserError(f'{config}: out must be a folder such as "runs", not {folder!r}')
    return Path(folder)
