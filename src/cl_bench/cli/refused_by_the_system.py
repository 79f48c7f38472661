"""What to tell of a folder that cannot be written, or a full disk."""

from __future__ import annotations

import errno


def refused_by_the_system(error: OSError) -> str:
    """One line: the file, the reason, and for a disk without room what to do."""
    if not error.strerror:
        return str(error)
    about = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{about}; what is written stays: make room, and the same command goes on"
    return about
