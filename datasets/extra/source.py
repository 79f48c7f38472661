"""Extra data of a method that was found, before it is loaded. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cl_bench.benchmark.errors import UserError

if TYPE_CHECKING:
    from cl_bench.datasets.images.store import Store


@dataclass(frozen=True)
class Source:
    """Extra data that was found, before it is loaded.

    Attributes:
        about: one line that pins the content, wherever it lies.
        load: brings it; takes the image size, the device and where decoded images are kept. Of
            functions that a process can send to another.
        count: how many images or texts it has, of pairs those of the task with the most; takes no time.
    """

    about: str
    load: Callable[[int, str, Store], object]
    count: Callable[[], int] = int


@dataclass(frozen=True)
class TaskNames:
    """The tasks of a run's suite.

    Attributes:
        learned: in their order.
        others: those that the run leaves out.
    """

    learned: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def missing(need: str, option: str, what: str) -> UserError:
    """The error for a need that no option meets."""
    return UserError(f"the method needs {need}: set {option} {what}")
