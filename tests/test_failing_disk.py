"""Every call that writes fails once: one line, nothing wrong is left, and all goes on with room."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from answered import answer
from failing_disk import ERRORS, failing_disk
from PIL import Image
from small_run import fresh, small_plan, small_stream

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.run import run
from cl_bench.benchmark.task import TaskStream
from cl_bench.datasets.images import cache as module
from cl_bench.datasets.images import content, remembered
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.store import Store
from cl_bench.experiment.resolve import Plan

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


@functools.cache
def planned() -> tuple[Plan, TaskStream]:
    plan = small_plan("lora", tasks=1, overrides=("rank=1", "steps=1", "lr=0.05"))
    few = torch.arange(8)
    tasks = (
        replace(t, train=t.train.subset(few), test=t.test.subset(few))
        for t in small_stream(plan).tasks
    )
    return plan, TaskStream("mini", tuple(tasks))


def learn(path: Path) -> RunResult:
    plan, stream = planned()
    return run(plan.config, lambda: fresh(plan), stream, RunFolder(path), lambda event: None)


def failed(path: Path) -> str | None:
    """In which words a run ends, as the command line prints them."""
    try:
        learn(path)
    except (UserError, OSError) as error:
        return str(error)
    return None


FILES = (
    "matrix.csv",
    "predictions/after-01.npz",
    "checkpoints/after-01.safetensors",
    "config.json",
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learn(tmp_path_factory.mktemp("undisturbed") / "run").path


def test_a_run_ends_the_same_after_a_failure_on_any_of_its_files(
    undisturbed: Path, tmp_path: Path
) -> None:
    """On each file another call, with another error; then there is room again."""
    with failing_disk(tmp_path / "counted") as disk:
        learn(tmp_path / "counted")
    names = list(dict.fromkeys(name for _, name in disk.calls))
    assert len(names) > 10
    for i, name in enumerate(names):
        of_file = [n for n, (_, where) in enumerate(disk.calls) if where == name]
        n, path = of_file[i % len(of_file)], tmp_path / f"run-{i}"
        with failing_disk(path, n, ERRORS[i % len(ERRORS)]):
            words = failed(path)
        assert words is not None and len(words.splitlines()) == 1, disk.calls[n]
        assert learn(path).finished and check_run(path) == [], disk.calls[n]
        for file in FILES:
            assert (path / file).read_bytes() == (undisturbed / file).read_bytes(), disk.calls[n]
