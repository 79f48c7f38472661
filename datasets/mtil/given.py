"""The archives in a folder that a user gave: found by name or by checksum, and never changed."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.images.visible import files_below
from cl_bench.datasets.mtil.archives import Archive, archives
from cl_bench.datasets.mtil.copies.parquet import ParquetFile, parquet_files
from cl_bench.datasets.mtil.fetch import Say, digest, not_used

ENDINGS = frozenset({".zip", ".tar", ".gz", ".tgz", ".mat"})


class Given:
    """A folder and the archives below it.

    Attributes:
        folder: the folder.
    """

    def __init__(self, folder: Path, say: Say, downloads: Path | None = None) -> None:
        """Look at what is there.

        Args:
            folder: the folder.
            say: hears of files that have the name of an archive and another content, in one line.
            downloads: what was fetched before counts, too.

        Raises:
            UserError: it is no folder, or there is nothing in it.
        """
        if not folder.is_dir():
            words = (
                "give the folder that holds it" if folder.exists() else "there is no such folder"
            )
            raise UserError(f"--from {folder}: {words}")
        if not any(folder.iterdir()):
            raise UserError(f"--from {folder}: the folder is empty")
        self.folder = folder
        files = [*files_below(folder), *(files_below(downloads) if downloads else ())]
        self._files = [file for file in files if file.suffix.lower() in ENDINGS]
        self._say = say
        self._digests: dict[tuple[Path, str], str] = {}
        self._faults: set[str] = set()

    def find(self, part: Archive) -> tuple[Archive, Path] | None:
        """A packing of ``part`` with its file: by its name, else under another one by its checksum.

        Raises:
            UserError: a file cannot be read.
        """
        for packing in part.packings():
            for file in self._files:
                if file.name.lower() == packing.file.lower() and self._is(packing, file):
                    return packing, file
        for packing in part.packings():
            kind, digits = packing.checksum()
            for file in self._under_other_names:
                if _plain(file.name) == _plain(packing.file) and self._digest(file, kind) == digits:
                    return packing, file
        return None

    def holds(self, file: Path) -> bool:
        """Whether a file lies below the folder, not among what was fetched before."""
        return file.is_relative_to(self.folder)

    def named(self, name: str) -> list[Path]:
        """The archives and lists of that name, whatever they hold."""
        return [file for file in self._files if file.name == name]

    @cached_property
    def _under_other_names(self) -> list[Path]:
        """Files that are not called as any published one; only these are read to be told."""
        every = (part for parts in archives().values() for part in parts)
        known = {packing.file.lower() for part in every for packing in part.packings()}
        return [file for file in self._files if file.name.lower() not in known]

    @cached_property
    def parquet(self) -> tuple[tuple[ParquetFile, ...], ...]:
        """The Parquet files of every copy; those that cannot be used are said."""
        copies: dict[Path, list[ParquetFile]] = {}
        for file in parquet_files(self.folder):
            if isinstance(file, UserError):
                self._say(str(file))
            else:
                copies.setdefault(file.top, []).append(file)
        return tuple(map(tuple, copies.values()))

    def _is(self, packing: Archive, file: Path) -> bool:
        kind, digits = packing.checksum()
        if (found := self._digest(file, kind)) == digits:
            return True
        fault = not_used(packing, file, found)
        if fault not in self._faults:
            self._faults.add(fault)
            self._say(fault)
        return False

    def _digest(self, file: Path, kind: str) -> str:
        if (file, kind) not in self._digests:
            self._digests[file, kind] = digest(file, kind)
        return self._digests[file, kind]


def _plain(name: str) -> bool:
    """Whether a file of that name is no archive but a list as it is."""
    return name.lower().endswith(".mat")
