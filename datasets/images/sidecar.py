"""The JSON file beside cached pixels: what they were made of, how far they are, what they must be."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from cl_bench.benchmark.config import Settings, digest_of
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.images import HASHED
from cl_bench.benchmark.record import read_json, write_json


class Sidecar(Settings):
    """A cache file, whole or in the making; a digest of these fields is written with them."""

    name: str
    """Of data set and split, for people."""
    recipe: dict[str, str | int]
    """All that the pixels depend on."""
    size: int
    """Side of the images in pixels."""
    done: int = 0
    """Files decoded or left out so far."""
    parts: tuple[str, ...] = ()
    """The digests of the pixels of every ``HASHED`` files."""
    left_out: tuple[int, ...] = ()
    """Files that could not be read, as indices."""

    @property
    def count(self) -> int:
        """Images in the cache file."""
        return self.done - len(self.left_out)

    def rows(self) -> list[range]:
        """The images of each part."""
        starts = range(0, self.done, HASHED)
        before = [i - sum(n < i for n in self.left_out) for i in starts]
        return [range(a, b) for a, b in zip(before, [*before[1:], self.count], strict=True)]

    def grown(self, digest: str, files: int, left_out: list[int]) -> Sidecar:
        """The same with one part more."""
        return self.model_copy(
            update={
                "done": self.done + files,
                "parts": (*self.parts, digest),
                "left_out": (*self.left_out, *left_out),
            }
        )

    def write(self, path: Path) -> None:
        """Write it atomically."""
        content = self.model_dump(mode="json")
        write_json(path, content | {"digest": digest_of(content)})


def read_sidecar(path: Path) -> Sidecar:
    """Read what ``Sidecar.write`` wrote.

    Raises:
        UserError: the file is not as it was written; says how to mend it.
    """
    try:
        content = read_json(path)
        if content.pop("digest", None) != digest_of(content):
            raise UserError(f"{path} is damaged: it is not as it was written")
        return Sidecar.model_validate(content)
    except (UserError, ValidationError) as error:
        raise damaged(path) from error


def damaged(sidecar: Path) -> UserError:
    """The error for a cache of which one of the two files was changed."""
    pixels = sidecar.with_suffix(".pixels")
    return UserError(f"the cache {pixels} is damaged; delete it and {sidecar.name}, and run again")
