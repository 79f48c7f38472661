"""A retrieval set before its pictures are loaded. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cl_bench.benchmark.config import Settings
from cl_bench.benchmark.recall import RECALL_AT

FEWEST = max(RECALL_AT)  # pictures: of fewer, recall at 10 says nothing
MOST_SCORES = (
    2**28
)  # pictures times captions: a GiB of scores; COCO's 5,000 test pictures need half of that

NAME = r"^[\w.+-]([\w.+ -]*[\w.+-])?$"


class DrawnPictures(Settings):
    """Pictures drawn by the package itself."""

    kind: Literal["mini-captions"] = "mini-captions"


class PictureFiles(Settings):
    """Image files, listed and pinned by ``fingerprint``."""

    kind: Literal["files"] = "files"
    root: Path
    files: tuple[str, ...]
    """Paths below ``root``."""
    fingerprint: str
    """SHA-256 over paths and content, in order."""


class RetrievalSpec(Settings):
    """Pictures and their captions."""

    name: Annotated[str, Field(pattern=NAME)]
    captions: tuple[tuple[int, str], ...]
    """Of every caption the place of its picture, and its text."""
    pictures: int
    source: Annotated[DrawnPictures | PictureFiles, Field(discriminator="kind")]

    @model_validator(mode="after")
    def _can_be_searched(self) -> RetrievalSpec:
        if self.pictures < FEWEST:
            raise ValueError(
                f"{self.pictures} pictures are too few for recall at {FEWEST}: give {FEWEST} at least"
            )
        if (scores := self.pictures * len(self.captions)) > MOST_SCORES:
            raise ValueError(
                f"{self.pictures:,} pictures and {len(self.captions):,} captions make {scores:,} pairs; at "
                f"most {MOST_SCORES:,} are compared: take a part of them"
            )
        return self

    def identity(self) -> dict[str, Any]:
        """What distinguishes its content, wherever its files lie."""
        return self.model_dump(mode="json", exclude={"source": {"root"}})
