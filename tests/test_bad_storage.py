"""Every file of a run, cut at every eighth and with single flipped bits: named, or nothing is changed by it."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from answered import answer
from changed_records import FINISHED, KILLED
from PIL import Image

from cl_bench.benchmark.record import read_run
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.records.damage import damage
from cl_bench.benchmark.records.ledger import files_of
from cl_bench.datasets.images import cache
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.store import Store

EIGHTHS, BITS = range(8), 24
FILES = [(run, name) for run in (FINISHED, KILLED) for name in files_of(run)]
FILES.append((FINISHED, "ledger.json"))


def spoilt(whole: bytes, name: str) -> list[tuple[str, bytes]]:
    """The file cut at every eighth, and with one bit flipped; what was done, in words."""
    draw, found = random.Random(name), []
    for eighth in EIGHTHS:
        found.append((f"cut at {eighth}/8", whole[: len(whole) * eighth // 8]))
    for bit in (draw.randrange(8 * len(whole)) for _ in range(BITS)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        found.append((f"bit {bit}", bytes(content)))
    return found


def told(run: Path) -> str:
    """Everything that is said of the run, wherever it is read."""
    return "; ".join(
        [*damage(run, checkpoints=True), *check_run(run), answer(lambda: read_run(run)) or ""]
    )


@pytest.mark.parametrize(("run", "name"), FILES, ids=[f"{r.name[:5]} {n}" for r, n in FILES])
def test_no_spoilt_file_passes_without_a_word(run: Path, name: str, tmp_path: Path) -> None:
    """The log of a killed run may end anywhere behind its last row: a kill does that, too."""
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    honest, whole = read_run(copy), (copy / name).read_bytes()
    for what, content in spoilt(whole, name):
        (copy / name).write_bytes(content)
        words = told(copy)
        if Path(name).name in words or "ledger.json" in words:
            continue
        assert (run, name) == (KILLED, "events.jsonl"), f"{what} is not named: {words}"
        there = read_run(copy)
        assert there.matrix == honest.matrix, what
        assert there.events == honest.events[: len(there.events)], what
    (copy / name).write_bytes(whole)
    assert damage(copy, checkpoints=True) == []


def bitmap(folder: Path) -> Listing:
    folder.mkdir()
    draw = np.random.default_rng(0)
    for i in range(70):
        Image.fromarray(draw.integers(0, 256, (4, 4, 3), np.uint8)).save(folder / f"{i:03d}.bmp")
    return Listing(tuple(sorted(folder.iterdir())), np.zeros(70, np.int64), ("a",))


@pytest.mark.parametrize("suffix", [".pixels", ".json"])
def test_no_spoilt_cache_gives_another_pixel(suffix: str, tmp_path: Path) -> None:
    listing, store = bitmap(tmp_path / "images"), Store(tmp_path / "cache")

    def pixels() -> torch.Tensor:
        return store.images("toy", listing, 4).pixels

    right = pixels().clone()
    (file,) = (tmp_path / "cache").glob(f"*{suffix}")
    whole = file.read_bytes()
    for what, content in spoilt(whole, suffix):
        file.unlink()  # another file: a checked one is not read again
        file.write_bytes(content)
        words = answer(pixels)
        assert words is not None and "is damaged; delete it and" in words, what
    file.unlink()
    file.write_bytes(whole)
    assert torch.equal(pixels(), right)


def test_what_a_stopped_process_left_of_a_cache_gives_no_other_pixel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spoilt in any way, it is checked and made anew."""
    listing, append = bitmap(tmp_path / "images"), cache._append
    right = Store().images("toy", listing, 4).pixels
    monkeypatch.setattr(cache, "SAVED_EVERY", 1)
    for suffix in (".partial", ".progress"):
        for i, (what, content) in enumerate(spoilt(b"\0" * 4000, suffix)):
            store, parts = Store(tmp_path / f"cache{suffix}{i}"), []

            def killed(*arguments: object, parts: list[int] = parts) -> None:
                if parts:
                    raise KeyboardInterrupt
                parts.append(1)
                append(*arguments)  # type: ignore[arg-type]

            with monkeypatch.context() as patch:
                patch.setattr(cache, "_append", killed)
                with pytest.raises(KeyboardInterrupt):
                    store.images("toy", listing, 4)
            assert store.folder is not None
            (file,) = store.folder.glob(f"*{suffix}")
            whole = file.read_bytes()
            mask = content.ljust(len(whole), b"\0")
            cut = len(whole) * len(content) // 4000
            file.write_bytes(bytes(a ^ b for a, b in zip(whole, mask, strict=False))[:cut])
            assert torch.equal(store.images("toy", listing, 4).pixels, right), (suffix, what)
