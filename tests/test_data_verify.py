"""``data verify``: files that changed without a trace, and cached pixels that are not the files'."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import cl_bench
from mtil_pictures import Maker, classnames
from mtil_writers import WRITERS

from cl_bench.benchmark.config import digest_of
from cl_bench.benchmark.images import digest_of_pixels
from cl_bench.datasets.images import remembered


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One small data set whose files are old enough to be remembered."""
    WRITERS["DTD"](tmp_path, Maker(classnames("DTD", 2), 2, 1, np.random.default_rng(0)))
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 10_000_000_000)
    return tmp_path


def verified(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    code = cl_bench(monkeypatch, "data", "verify", "DTD", "--data-root", str(root))
    return code, capsys.readouterr().out


def cached(root: Path, monkeypatch: pytest.MonkeyPatch, split: str = "train") -> Path:
    size = ("--image-size", "16")
    assert cl_bench(monkeypatch, "data", "cache", "DTD", "--data-root", str(root), *size) == 0
    (pixels,) = (root / "cl-bench-cache").glob(f"DTD-{split}-16-*.pixels")
    return pixels


FINE = "no broken images; changed behind equal size and time: none; wrong caches: none\n"


def test_a_whole_data_set_has_no_problems(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for make in (lambda: None, lambda: cached(root, monkeypatch)):
        make()
        capsys.readouterr()
        code, shown = verified(root, monkeypatch, capsys)
        assert code == 0 and shown.endswith(FINE)


@pytest.mark.parametrize("trace", ["the time of the change of the file's record", "none"])
def test_bytes_that_changed_behind_equal_size_and_time_are_found_once(
    trace: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With no trace at all, as a disk that fails does it: what is remembered is made to agree."""
    cached(root, monkeypatch)
    path = sorted((root / "dtd" / "dtd" / "images").rglob("*.jpg"))[0]
    about, content = path.stat(), bytearray(path.read_bytes())
    content[-20] ^= 1
    time.sleep(0.02)
    path.write_bytes(content)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    if trace == "none":
        known = remembered.recall(str(path.parent))
        entry = [remembered.stamp(path.stat()), known[path.name][1]]
        remembered.remember(str(path.parent), {path.name: entry})
    capsys.readouterr()
    code, shown = verified(root, monkeypatch, capsys)
    assert code == 1 and f"\n{path} holds other bytes than before" in f"\n{shown}"
    assert "no broken images; changed behind equal size and time: 1; wrong caches: none" in shown
    before = {p.name for p in (root / "cl-bench-cache").glob("*.pixels")}
    cached(root, monkeypatch, "test")
    assert {p.name for p in (root / "cl-bench-cache").glob("*.pixels")} > before, "new pixels"
    capsys.readouterr()
    assert verified(root, monkeypatch, capsys)[1].endswith(FINE)


def test_pixels_that_do_not_follow_from_the_file_are_found(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even where the two files of the cache agree with each other."""
    path = cached(root, monkeypatch)
    pixels = np.fromfile(path, np.uint8).reshape(4, 3, 16, 16)
    pixels[2, 1, 5, 5] ^= 1
    pixels.tofile(path)
    for forged in (False, True):
        if forged:
            about = json.loads(path.with_suffix(".json").read_text())
            del about["digest"]
            about["parts"] = [digest_of_pixels(pixels)]
            about["digest"] = digest_of(about)
            path.with_suffix(".json").write_text(json.dumps(about))
        code, shown = verified(root, monkeypatch, capsys)
        assert (
            code == 1 and f"{path}: the pixels of 1 images do not follow from their files" in shown
        )
        assert "the first /" in shown and "wrong caches: 1" in shown


def test_damaged_caches_and_broken_images_are_listed_together(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = (cached(root, monkeypatch, split) for split in ("train", "test"))
    train.write_bytes(b"short")
    test.with_suffix(".json").write_text("{")
    victim = sorted((root / "dtd" / "dtd" / "images").rglob("*.jpg"))[0]
    capsys.readouterr()
    code, shown = verified(root, monkeypatch, capsys)
    assert (
        code == 1 and shown.count("is damaged; delete it and") == 2 and "wrong caches: 2" in shown
    )
    victim.write_bytes(b"no image")
    code, shown = verified(root, monkeypatch, capsys)
    assert f"the image {victim} cannot be read: it is no image\n" in shown
    assert "1 broken images" in shown and "Traceback" not in shown
