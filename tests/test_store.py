"""The cache of decoded images: equal to decoding, atomic, resumable, never taken for another."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.datasets.few_shot import choose
from cl_bench.datasets.images import cache as module
from cl_bench.datasets.images import image_files
from cl_bench.datasets.images.cache import of_other_versions
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.store import Store

COUNT = 150  # three parts of 64


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    draw = np.random.default_rng(0)
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(COUNT):
        shape = (int(draw.integers(17, 40)), int(draw.integers(17, 40)), 3)
        Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{i:03d}.png")
    return Listing(tuple(sorted(folder.iterdir())), np.arange(COUNT) % 3, ("a", "b", "c"))


def crops(images: Images) -> list[torch.Tensor]:
    labels = LabelSpace.from_templates(("a", "b", "c"), ("{}",))
    normalise = Pixels(16, torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    generator = torch.Generator().manual_seed(0)
    task = TrainingTask(Task("t", labels, images, images), normalise, 32, generator, cropped=True)
    return [batch.images for batch in task.epoch()]


def sidecar(store: Store, listing: Listing) -> Path:
    assert store.folder is not None
    return store.files("toy", listing.images, 16).sidecar(store.folder)  # type: ignore[arg-type]


def files(folder: Path) -> set[str]:
    return {path.suffix for path in folder.iterdir()} - {".lock"}


def test_cached_equals_decoded(listing: Listing, tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    decoded = Store().images("toy", listing, 16)
    store = Store(tmp_path / "cache", on_progress=lambda *progress: heard.append(progress))
    made, opened = (store.images("toy", listing, 16) for _ in range(2))
    for images in (made, opened):
        assert torch.equal(images.pixels, decoded.pixels)
        assert torch.equal(images.targets, decoded.targets)
        assert images.fingerprint == decoded.fingerprint
        assert np.array_equal(np.asarray(images.original(7)), np.asarray(decoded.original(7)))  # type: ignore[misc]
    assert files(tmp_path / "cache") == {".pixels", ".json"}
    done = [64, 128, COUNT]
    decoding = [progress for progress in heard if progress[0] == "decoding toy"]
    assert decoding == [("decoding toy", n, COUNT) for n in done], "the second time nothing is"
    for ours, theirs in zip(crops(opened), crops(decoded), strict=True):
        assert torch.equal(ours, theirs), "random crops do not come from the cache"
    rows = torch.tensor([140, 3])
    assert torch.equal(opened.take(rows), decoded.pixels[rows])


def test_native_pixels_are_not_cached(tmp_path: Path) -> None:
    grey = np.arange(2 * 5 * 5, dtype=np.uint8).reshape(2, 5, 5)
    images = Store(tmp_path / "cache").images(
        "toy", Listing(grey, np.array([0, 1]), ("a", "b")), 16
    )
    assert images.pixels.shape == (2, 1, 5, 5) and not (tmp_path / "cache").exists()
    colour = np.zeros((2, 5, 5, 3), np.uint8)
    colour[..., 2] = 9
    images = Store().images("toy", Listing(colour, np.array([0, 1]), ("a", "b")), 16)
    assert images.pixels.shape == (2, 3, 5, 5) and int(images.pixels[:, 2].min()) == 9


def test_small_native_files_stay_small(tmp_path: Path) -> None:
    for i in range(3):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.png")
    listing = Listing(tuple(sorted(tmp_path.glob("*.png"))), np.zeros(3, np.int64), ("a",))
    images = Store(tmp_path / "cache").images("toy", listing, 16, native=8)
    assert images.pixels.shape == (3, 3, 8, 8)
    assert Store().images("toy", listing, 4, native=8).pixels.shape == (3, 3, 4, 4)


@pytest.mark.parametrize("parts", [0, 1, 2])
def test_a_killed_process_is_continued(
    parts: int, listing: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after ``parts`` saved parts and while it appends the next one."""
    monkeypatch.setattr(module, "SAVED_EVERY", 1)
    monkeypatch.setattr(module, "DECODERS", 1)
    decoded = Store().images("toy", listing, 16)
    appended = 0
    append = module._append

    def killed(out: object, part: np.ndarray, *rest: object) -> None:
        nonlocal appended
        if appended == parts:
            append(out, part[: len(part) // 2], *rest)  # type: ignore[arg-type]
            raise KeyboardInterrupt
        appended += 1
        append(out, part, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_append", killed)
    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path / "cache").images("toy", listing, 16)
    assert ".json" not in files(tmp_path / "cache") and ".pixels" not in files(tmp_path / "cache")
    monkeypatch.setattr(module, "_append", append)
    seen: list[int] = []
    real = image_files.decode
    monkeypatch.setattr(
        image_files, "decode", lambda p, *a, **k: seen.append(1) or real(p, *a, **k)
    )
    images = Store(tmp_path / "cache").images("toy", listing, 16)
    assert torch.equal(images.pixels, decoded.pixels)
    assert images.fingerprint == decoded.fingerprint
    assert len(seen) == COUNT - 64 * parts
    assert files(tmp_path / "cache") == {".pixels", ".json"}


def replaced(listing: Listing) -> Listing:
    Image.new("RGB", (50, 50)).save(listing.images[0])
    return listing


def other_pillow(listing: Listing) -> Listing:
    return listing


CHANGES: dict[str, Callable[[Listing], Listing]] = {
    "a file of another size": replaced,
    "other files": lambda listing: listing.subset(np.arange(COUNT - 1)),
    "another Pillow": other_pillow,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_cache_of_something_else_is_not_used(
    change: str, listing: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "cache")
    before = sidecar(store, listing)
    store.images("toy", listing, 16)
    assert of_other_versions(tmp_path / "cache") == []
    if change == "another Pillow":
        monkeypatch.setattr(module.PIL, "__version__", "0.1")
        (words,) = of_other_versions(tmp_path / "cache")
        assert str(before.with_suffix(".pixels")) in words and "not used; delete it" in words
    changed = CHANGES[change](listing)
    after = sidecar(store, changed)
    assert before.exists() and not after.exists()


def test_broken_images_stop_or_are_left_out_on_request(listing: Listing, tmp_path: Path) -> None:
    bad = (Path(str(listing.images[3])), Path(str(listing.images[100])))
    for path in bad:
        path.write_bytes(path.read_bytes()[:60])
    for folder in (None, tmp_path / "cache"):
        with pytest.raises(UserError, match=r"003\.png cannot be read"):
            Store(folder).images("toy", listing, 16)
        images = Store(folder, "skip").images("toy", listing, 16)
        assert len(images) == COUNT - 2 and images.left_out == tuple(map(str, bad))
        kept = torch.from_numpy(np.delete(listing.targets, [3, 100]))
        assert torch.equal(images.targets, kept)
        whole = images.original(3)  # type: ignore[misc]
        with Image.open(listing.images[4]) as fifth:
            assert np.array_equal(np.asarray(whole), np.asarray(fifth)), "rows move up"


def test_a_full_disk_is_named_before_and_while_writing(
    listing: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil._ntuple_diskusage(10, 10, 0)  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: full)
        with pytest.raises(UserError, match=r"toy needs 0\.0 GiB in .*has 0\.0 GiB left.*--cache"):
            Store(tmp_path / "cache").images("toy", listing, 16)

    full_now = OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(module, "_append", lambda *_: (_ for _ in ()).throw(full_now))
        with pytest.raises(
            UserError, match=r"cache of toy .*No space left.*run again to continue.*--cache DIR"
        ):
            Store(tmp_path / "cache").images("toy", listing, 16)
    decoded = Store().images("toy", listing, 16)
    assert torch.equal(Store(tmp_path / "cache").images("toy", listing, 16).pixels, decoded.pixels)


def test_a_damaged_cache_is_named(listing: Listing, tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    store.images("toy", listing, 16)
    (pixels,) = (tmp_path / "cache").glob("*.pixels")
    pixels.write_bytes(pixels.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"\.pixels is damaged; delete it"):
        store.images("toy", listing, 16)


def test_few_shots_are_the_same_for_a_seed() -> None:
    targets = np.arange(300) % 7
    chosen = choose(targets, 5, 0, "Aircraft")
    assert np.array_equal(np.bincount(targets[chosen]), [5] * 7)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert np.array_equal(chosen, choose(targets, 5, 0, "Aircraft"))
    assert not np.array_equal(chosen, choose(targets, 5, 1, "Aircraft"))
    assert not np.array_equal(chosen, choose(targets, 5, 0, "DTD"))
    few = choose(np.array([0, 0, 0, 1]), 2, 0, "x")
    assert 3 in few and len(few) == 3, "a class with fewer images gives all"


def test_few_shots_are_these_ones() -> None:
    """Pinned: another Python or library must not choose others."""
    assert choose(np.arange(40) % 2, 3, 0, "DTD").tolist() == [6, 9, 13, 14, 16, 21]
