"""Which files the eleven data sets consist of, and where they are fetched (``archives.toml``). No torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import model_validator

from cl_bench.benchmark.config import Settings
from cl_bench.benchmark.user_file import read_toml

ARCHIVES = Path(__file__).parent / "archives.toml"


class Source(Settings):
    """An address of a file."""

    url: str
    read_in: str
    """Where the address was read."""
    dead: str | None = None
    """Who reports it dead; it is tried all the same."""


class Archive(Settings):
    """A file to get and to unpack."""

    file: str
    """Its name."""
    md5: str | None = None
    sha256: str | None = None
    into: str = ""
    inner: str | None = None
    lists: bool = False
    """It says which image is of which class or split."""
    sources: tuple[Source, ...] = ()
    others: tuple[Archive, ...] = ()
    """The same content in other packings."""
    by_hand: str | None = None
    """Where else people say it is."""

    @model_validator(mode="after")
    def _has_a_checksum(self) -> Archive:
        if not (self.md5 or self.sha256):
            raise ValueError("give `md5` or `sha256`")
        return self

    def packings(self) -> tuple[Archive, ...]:
        """This file, then the same content in other packings."""
        return (self, *self.others)

    def checksum(self) -> tuple[str, str]:
        """Its kind, ``md5`` or ``sha256``, and its digits."""
        return ("sha256", self.sha256) if self.sha256 else ("md5", self.md5 or "")

    def addresses(self) -> Iterator[tuple[Archive, Source]]:
        """Every address of every packing, in the order to try them."""
        return ((packing, source) for packing in self.packings() for source in packing.sources)


def archives(path: Path = ARCHIVES) -> dict[str, tuple[Archive, ...]]:
    """What each data set consists of."""
    return {
        name: tuple(Archive.model_validate(entry) for entry in entries)
        for name, entries in read_toml(path, "list of archives").items()
    }


def only_by_hand(parts: tuple[Archive, ...]) -> str | None:
    """Where people find a data set of which a part has no address that is not reported dead."""
    if all(any(source.dead is None for _, source in part.addresses()) for part in parts):
        return None
    return elsewhere(parts)


def elsewhere(parts: tuple[Archive, ...]) -> str | None:
    """Where else people say the files of a data set are."""
    return next((part.by_hand for part in parts if part.by_hand), None)
