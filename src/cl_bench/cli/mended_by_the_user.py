"""Which errors end in one line without a traceback: what a user can mend, here or by other settings."""

from __future__ import annotations

from cl_bench.benchmark.errors import UserError, in_one_line

NO_MEMORY = ("can't allocate memory", "out of memory")  # as torch says it of a CPU and of a GPU


def mended_by_the_user(error: Exception) -> str | None:
    """What to tell the user; ``None`` where the error is a fault of ours.

    An ``OSError`` is a folder that cannot be written, or a full disk.
    """
    if isinstance(error, UserError | OSError):
        return str(error)
    words = in_one_line(error)
    if isinstance(error, MemoryError) or any(said in words for said in NO_MEMORY):
        return f"no memory is left ({words[:200]}): a smaller batch_size or rank needs less"
    return None
