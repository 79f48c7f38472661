"""A method as Python sees it: what it is, and every setting with its values and their sources. No torch."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.experiment.choices import validated
from cl_bench.methods.catalog import MethodCard, MethodEntry, find_method

if TYPE_CHECKING:
    from cl_bench.experiment.settings import Setting


@dataclass(frozen=True)
class MethodInfo:
    """A method that can be run.

    Attributes:
        entry: its class and its published settings.
    """

    entry: MethodEntry

    @property
    def name(self) -> str:
        """On the command line and in ``cl_bench.run``."""
        return self.entry.name

    @property
    def card(self) -> MethodCard:
        """What it is: ``about``, ``paper``, ``year``, ``needs``, ``trainable``, ...

        Of a method of one's own without a table ``[about]``, ``about`` is its class's first line.
        """
        said = self.entry.settings.get("about")
        if said is not None:
            return validated(lambda: MethodCard.model_validate(said))
        words = (inspect.getdoc(self.entry.method) or "").partition("\n")[0]
        return MethodCard(about=words, bound=self.entry.bound, told_task=self.entry.told_task)

    def settings(self, suite: str = "mini") -> tuple[Setting, ...]:
        """Every setting: table, name, type, range, default, values with sources, and one sentence.

        Args:
            suite: whose budget and protocol stand under ``fair``; a name or a suite file.

        Raises:
            UserError: there is no such suite.
        """
        from cl_bench.datasets.catalog import find_suite
        from cl_bench.experiment.settings import settings_of

        return settings_of(self.entry, find_suite(suite))

    def __repr__(self) -> str:
        """Its name and what it is, in one line."""
        return f"<Method {self.name}: {self.card.about}>"


def method(name: str, plugin: Path | str | None = None) -> MethodInfo:
    """The method called ``name``.

    Args:
        name: as ``list_methods`` has it, or of a class of ``plugin``.
        plugin: a Python file with a method of one's own.

    Raises:
        UserError: there is no such method, or the file cannot be loaded.
    """
    return MethodInfo(find_method(name, None if plugin is None else Path(plugin)))
