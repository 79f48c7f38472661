"""Every call that writes fails once: one line, nothing wrong is left, and all goes on with room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from answered import answer
from fail_anywhere import calls, faults, learn
from failing_disk import ERRORS, failing_disk
from PIL import Image

from cl_bench.datasets.images import cache as module
from cl_bench.datasets.images import content, remembered
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.store import Store

COUNT, SIDE = 130, 6  # three parts


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    folder, draw = tmp_path / "images", np.random.default_rng(0)
    folder.mkdir()
    for i in range(COUNT):
        Image.fromarray(draw.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(
            folder / f"{i:03d}.bmp"
        )
    return Listing(tuple(sorted(folder.iterdir())), np.arange(COUNT) % 2, ("a", "b"))


def pixels(listing: Listing, folder: Path | None) -> torch.Tensor:
    return Store(folder).images("toy", listing, SIDE).pixels


def test_a_cache_survives_the_failure_of_every_call(
    listing: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVED_EVERY", 1)
    right = pixels(listing, None)
    with failing_disk(tmp_path / "counted") as disk:
        pixels(listing, tmp_path / "counted")
    kinds = {kind for kind, _ in disk.calls}
    assert kinds >= {"mkdir", "open", "write", "flush", "truncate", "fsync", "replace", "unlink"}
    for n in range(len(disk.calls)):
        folder = tmp_path / f"cache-{n}"
        with failing_disk(folder, n, ERRORS[n % len(ERRORS)]):
            words = answer(lambda f=folder: pixels(listing, f))  # type: ignore[misc]
        assert words is not None and words.startswith("cannot write the cache of toy in"), (
            disk.calls[n]
        )
        assert str(folder) in words and "--cache DIR" in words
        assert torch.equal(pixels(listing, folder), right), (n, disk.calls[n])
        assert torch.equal(pixels(listing, folder), right), "the cache as it is now"
        left = {p.suffix for p in folder.iterdir() if not p.name.startswith(".")}
        note = {".progress"} if disk.calls[n][0] == "unlink" else set()  # of a whole cache
        assert left - note == {".pixels", ".json", ".lock"}


def test_a_memory_that_cannot_be_written_changes_no_digest(
    listing: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be remembered is read again; nothing half is believed."""
    files = [Path(str(p)) for p in listing.images][:5]
    monkeypatch.setenv("CL_BENCH_CACHE", str(tmp_path / "none"))
    monkeypatch.setattr(remembered, "SETTLED", -(10**18))  # every file is old enough
    right = content.digests_of(files)
    monkeypatch.setenv("CL_BENCH_CACHE", str(tmp_path / "counted"))
    with failing_disk(tmp_path / "counted") as disk:
        content.digests_of(files)
    assert {"mkdir", "replace"} <= {kind for kind, _ in disk.calls}
    for n in range(len(disk.calls)):
        monkeypatch.setenv("CL_BENCH_CACHE", str(tmp_path / f"memory-{n}"))
        with failing_disk(tmp_path / f"memory-{n}", n, ERRORS[n % len(ERRORS)]):
            assert content.digests_of(files) == right
        assert content.digests_of(files) == right


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learn(tmp_path_factory.mktemp("undisturbed") / "run").path


def test_a_run_ends_the_same_after_a_failure_on_any_of_its_files(
    undisturbed: Path, tmp_path: Path
) -> None:
    """On each file another call, with another error; `make soak` tries all calls with all errors."""
    made = calls(tmp_path / "counted")
    names = list(dict.fromkeys(name for _, name in made))
    assert len(names) > 10
    for i, name in enumerate(names):
        of_file = [n for n, (_, where) in enumerate(made) if where == name]
        n, error = of_file[i % len(of_file)], ERRORS[i % len(ERRORS)]
        assert faults(tmp_path / f"run-{i}", n, error, undisturbed) == [], made[n]
