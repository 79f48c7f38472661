"""A real disk that is full or read-only: one line, and all goes on once there is room."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from answered import answer
from command_line import cl_bench
from fail_anywhere import FILES, failed
from test_failing_disk import listing, pixels, undisturbed

from cl_bench.benchmark.record import read_run
from cl_bench.benchmark.records.claims import check_run

__all__ = ["listing", "undisturbed"]  # fixtures


def mount(*words: str) -> None:
    subprocess.run(("mount", *words), check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory with 16 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mount("-t", "tmpfs", "-o", "size=16k", "none", str(folder))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may mount no file system")
    try:
        yield folder
    finally:
        subprocess.run(("umount", "-l", str(folder)), check=True)


def resized(disk: Path, size: str) -> None:
    mount("-o", f"remount,size={size}", str(disk))


def test_a_run_on_a_disk_that_fills_goes_on_with_room(disk: Path, undisturbed: Path) -> None:
    """The disk is full at one place after the other, up to the room that the run takes."""
    path, ended = disk / "run", 0
    for size in (16, 32, 64, 96, 128, 256, 512, 4000):
        resized(disk, f"{size}k")
        if (words := failed(path)) is None:
            break
        ended += 1
        assert len(words.splitlines()) == 1 and "No space left" in words, words
    assert ended >= 3
    assert read_run(path).finished and check_run(path) == []
    for name in FILES:
        assert (path / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_a_cache_on_a_disk_that_fills_goes_on_with_room(
    disk: Path, listing: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = pixels(listing, None)  # type: ignore[arg-type]
    words = answer(lambda: pixels(listing, disk / "cache"))  # type: ignore[arg-type]
    assert words is None or re.search("No space left|has 0.0 GiB left", words)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 2**40))  # type: ignore[attr-defined]
    (disk / "other").write_bytes(b"0" * 4096)
    words = answer(lambda: pixels(listing, disk / "cache-2"))  # type: ignore[arg-type]
    assert words is not None and re.search(r"cache of toy .*No space left.*--cache DIR", words)
    resized(disk, "10m")
    for _ in range(2):
        assert right.equal(pixels(listing, disk / "cache-2"))  # type: ignore[arg-type]


def test_a_read_only_folder_is_read_and_not_written(
    disk: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Reading works as ever; what must write there says so in one line."""
    resized(disk, "10m")
    run = disk / undisturbed.name
    shutil.copytree(undisturbed, run)
    monkeypatch.chdir(tmp_path)
    mount("-o", "remount,ro", str(disk))
    for typed in (("show", run), ("show", "--check", run), ("why", run, run)):
        assert cl_bench(monkeypatch, *map(str, typed)) == 0
        capsys.readouterr()
    new = ("run", "--method", "zero-shot", "--suite", "mini", "--tasks", "1", "--out", disk / "new")
    for typed in (("resume", run), new, ("report", run, "--out", disk / "report")):
        assert cl_bench(monkeypatch, *map(str, typed)) == 2
        error = capsys.readouterr().err.strip()
        assert len(error.splitlines()) == 1 and str(disk) in error, error
        assert "Read-only file system" in error, error
