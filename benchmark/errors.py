"""Errors that users can correct: the message says what was given, what is allowed and what to do."""

from __future__ import annotations

from collections.abc import Iterable

from cl_bench.benchmark.near_names import near_names

NO_MEMORY = ("can't allocate memory", "out of memory")  # as torch says it of a CPU and of a GPU


class UserError(Exception):
    """Something the user can mend. The command line prints it in one line, without a traceback."""


class NotFiniteError(UserError):
    """A loss, a gradient, a weight or a prediction became infinite or not a number."""


def unknown(kind: str, name: str, known: Iterable[str], meant: str | None = None) -> UserError:
    """The error for a name that is not in a catalogue, with known names that are near.

    Args:
        kind: what the name stands for, e.g. ``"method"``.
        name: what the user wrote.
        known: every name that would have been accepted.
        meant: what to write, where the name is what others call something that is here.
    """
    names = sorted(known)
    close = near_names(name, names)
    hint = f": did you mean {' or '.join(map(repr, close))}?" if close else "."
    hint = f": write {meant}." if meant else hint
    return UserError(f"unknown {kind} {name!r}{hint} Known: {', '.join(names)}.")


def missing_extra(what: str, extra: str) -> UserError:
    """The error for a package that only an optional part of cl-bench needs."""
    return UserError(f"{what} needs an extra: pip install 'cl-bench[{extra}]'")


def in_one_line(error: BaseException) -> str:
    """What another library says of its error: the first line, or the error's name without one."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was too small, of a GPU or of the processor, for which torch has no error of its own."""
    said = any(words in str(error) for words in NO_MEMORY)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and said)
