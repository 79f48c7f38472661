"""A user's mistake, worded for the user: what was given, what is allowed, how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend. The command line prints it in one line, without a traceback."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in a catalogue, with the nearest known names.

    Args:
        kind: what the name stands for, e.g. ``"method"``.
        name: what the user wrote.
        known: every name that would have been accepted.
    """
    names = sorted(known)
    lowered = {n.lower(): n for n in names}
    close = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(lowered[c]) for c in close)}? " if close else ""
    return UserError(f"unknown {kind} {name!r}: {hint}Known: {', '.join(names)}.")
