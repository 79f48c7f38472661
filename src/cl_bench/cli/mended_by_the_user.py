"""Which errors end in one line without a traceback: what a user can mend, here or by other settings."""

from __future__ import annotations

from cl_bench.benchmark.errors import UserError, in_one_line, is_out_of_memory
from cl_bench.cli.refused_by_the_system import refused_by_the_system


def mended_by_the_user(error: Exception) -> str | None:
    """What to tell the user; ``None`` where the error is a fault of ours.

    An ``OSError`` is a folder that cannot be written, or a full disk.
    """
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return refused_by_the_system(error)
    if is_out_of_memory(error):
        return f"no memory is left ({in_one_line(error)[:200]}): a smaller batch_size or rank needs less"
    return None
