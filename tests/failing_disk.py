"""A disk on which the n-th call that changes something below a folder fails."""

from __future__ import annotations

import builtins
import errno
import io
import os
import pathlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

ERRORS = (errno.ENOSPC, errno.EACCES, errno.EDQUOT, errno.EIO, errno.EROFS)


class Disk:
    """Counts the calls below a folder.

    Attributes:
        calls: what was called on which file, in order.
    """

    def __init__(self, folder: Path, failing: int | None, number: int) -> None:
        self.folder, self.failing, self.number = str(folder.resolve()), failing, number
        self.calls: list[tuple[str, str]] = []

    def call(self, name: str, path: object) -> None:
        """Count a call, and fail where it is its turn."""
        if not os.path.abspath(os.fsdecode(path)).startswith(self.folder):  # type: ignore[arg-type]
            return
        self.calls.append((name, os.path.basename(os.fsdecode(path))))  # type: ignore[arg-type]
        if len(self.calls) - 1 == self.failing:
            named = () if name in ("write", "flush", "fsync", "truncate") else (str(path),)
            raise OSError(self.number, os.strerror(self.number), *named)


class File:
    """A file that is written to, on such a disk."""

    def __init__(self, disk: Disk, path: object, file: Any) -> None:
        self._disk, self._path, self._file = disk, path, file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: Any) -> int:
        """Half of what is to be written is, where it fails."""
        try:
            self._disk.call("write", self._path)
        except OSError:
            self._file.write(content[: len(content) // 2])
            self._file.flush()
            raise
        return int(self._file.write(content))

    def flush(self) -> None:
        self._disk.call("flush", self._path)
        self._file.flush()

    def truncate(self, size: int | None = None) -> int:
        self._disk.call("truncate", self._path)
        return int(self._file.truncate(size))


@contextmanager
def failing_disk(
    folder: Path, failing: int | None = None, number: int = errno.ENOSPC
) -> Iterator[Disk]:
    """Let call ``failing`` below ``folder`` fail with error ``number``; without one, only count."""
    disk = Disk(folder, failing, number)
    really_open, really_sync = io.open, os.fsync

    def opened(file: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        writes = isinstance(file, (str, Path)) and set(mode) & set("wax+")
        if writes:
            disk.call("open", file)
        made = really_open(file, mode, *rest, **more)
        return File(disk, file, made) if writes else made

    def synced(descriptor: int) -> None:
        disk.call("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        really_sync(descriptor)

    def counted(name: str, really: Callable[..., Any]) -> Callable[..., Any]:
        def called(path: Any, *rest: Any, **more: Any) -> Any:
            disk.call(name, path)
            return really(path, *rest, **more)

        return called

    with mock.patch.object(io, "open", opened), mock.patch.object(builtins, "open", opened), \
            mock.patch.object(os, "fsync", synced), \
            mock.patch.object(os, "replace", counted("replace", os.replace)), \
            mock.patch.object(pathlib.Path, "mkdir", counted("mkdir", Path.mkdir)), \
            mock.patch.object(pathlib.Path, "unlink", counted("unlink", Path.unlink)):  # fmt: skip
        yield disk
