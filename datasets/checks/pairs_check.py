"""Check a folder of image-text pairs before a run: what would stop it, and what is worth a look. No torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_bench.benchmark.prefetch import prefetch
from cl_bench.datasets.extra.listed_pairs import is_black
from cl_bench.datasets.extra.pairs_table import Pair, read_pairs
from cl_bench.datasets.images.content import digests_of
from cl_bench.datasets.images.decode import BrokenImageError, decode
from cl_bench.datasets.images.image_files import DECODERS
from cl_bench.datasets.progress import ProgressCallback

SIZE = 224  # of the images that are looked at
EVERY_TASK = "every task"


@dataclass(frozen=True)
class PairsCheck:
    """What was found.

    Attributes:
        counts: task -> its pairs and its different prompts.
        problems: what would stop a run.
        notes: what may be right, but should be looked at.
    """

    counts: dict[str, tuple[int, int]]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def check_pairs(folder: Path, on_progress: ProgressCallback) -> PairsCheck:
    """Read the table and decode every image.

    Args:
        folder: of the pairs.
        on_progress: hears of the images that are read.

    Raises:
        UserError: the table cannot be used.
    """
    pairs = read_pairs(folder)
    prompts: defaultdict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        prompts[pair.task or EVERY_TASK].append(pair.prompt)
    counts = {task: (len(of), len(set(of))) for task, of in prompts.items()}
    return PairsCheck(counts, _problems(pairs, on_progress), _same_bytes(pairs, on_progress))


def _problems(pairs: Sequence[Pair], on_progress: ProgressCallback) -> tuple[str, ...]:
    """Images that cannot be read or show nothing."""
    files = list(dict.fromkeys(pair.file for pair in pairs))
    found = []
    for i, problem in enumerate(prefetch(_problem, files, DECODERS), start=1):
        found += [problem] if problem else []
        on_progress("decoding pairs", i, len(files))
    return tuple(found)


def _problem(file: Path) -> str | None:
    try:
        black = is_black(decode(file, SIZE))
    except BrokenImageError as error:
        return str(error)
    return f"the image {file} is black: take it and its rows out" if black else None


def _same_bytes(pairs: Sequence[Pair], on_progress: ProgressCallback) -> tuple[str, ...]:
    """Images that stand for several prompts under other names, of which one at most can be right."""
    files = [pair.file for pair in pairs]
    first: dict[str, Pair] = {}
    found = []
    for pair, digest in zip(pairs, digests_of(files, on_progress), strict=True):
        before = first.setdefault(digest, pair)
        if before.prompt != pair.prompt:
            found.append((before, pair))
    if not found:
        return ()
    a, b = found[0]
    return (
        f"{len(found)} images have the bytes of one with another prompt, for example {a.file.name} "
        f"({a.prompt!r}) and {b.file.name} ({b.prompt!r})",
    )
