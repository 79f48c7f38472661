"""How what a user gave is answered."""

from __future__ import annotations

from collections.abc import Callable

from cl_bench.benchmark.errors import UserError


def answer(act: Callable[[], object]) -> str | None:
    """The words in which ``act`` refuses, one line; ``None`` where it does not. Other errors pass."""
    try:
        act()
    except UserError as error:
        words = str(error)
    else:
        return None
    assert words and len(words.splitlines()) == 1, words
    return words
