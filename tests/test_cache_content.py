"""A cache serves the pixels of these very bytes, or says in one line that it cannot."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.images import cache as module
from cl_bench.datasets.images import cache_check, content
from cl_bench.datasets.images.cache import of_other_versions
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.sidecar import read_sidecar
from cl_bench.datasets.images.store import Store

COUNT = 70  # two parts
SIDE = 8


def photos(folder: Path, seed: int, names: str = "{:03d}.bmp") -> Listing:
    """Uncompressed files: all of one size, whatever they show."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    for i in range(COUNT):
        pixels = draw.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / names.format(i))
    return Listing(tuple(sorted(folder.iterdir())), np.arange(COUNT) % 2, ("a", "b"))


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    return photos(tmp_path / "one", 0)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """All files are old enough for what is known of them to be remembered."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 10_000_000_000)


def pixels_of(store: Store, listing: Listing) -> torch.Tensor:
    return store.images("toy", listing, SIDE).pixels


def test_data_sets_of_equal_names_and_sizes_share_no_pixels(
    listing: Listing, tmp_path: Path
) -> None:
    other, store = photos(tmp_path / "two", 1), Store(tmp_path / "cache")
    assert [p.name for p in other.images] == [p.name for p in listing.images]  # type: ignore[union-attr]
    assert {p.stat().st_size for p in (*listing.images, *other.images)} == {listing.images[0].stat().st_size}  # type: ignore[union-attr]  # fmt: skip
    for one in (listing, other, listing):
        assert torch.equal(pixels_of(store, one), pixels_of(Store(), one))


@pytest.mark.usefixtures("later")
def test_bytes_that_change_at_equal_size_and_time_get_new_pixels(
    listing: Listing, tmp_path: Path
) -> None:
    store, path = Store(tmp_path / "cache"), Path(str(listing.images[5]))
    before, about = pixels_of(store, listing), path.stat()
    assert torch.equal(before, pixels_of(store, listing))
    time.sleep(0.02)
    Image.new("RGB", (SIDE, SIDE), "red").save(path)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert path.stat().st_size == about.st_size
    after = pixels_of(store, listing)
    assert torch.equal(after, pixels_of(Store(), listing))
    assert [i for i in range(COUNT) if not torch.equal(before[i], after[i])] == [5]


def test_the_same_bytes_in_the_same_order_share_a_cache(listing: Listing, tmp_path: Path) -> None:
    store, other = Store(tmp_path / "cache"), photos(tmp_path / "two", 0, "photo {:03d}.bmp")
    assert torch.equal(pixels_of(store, listing), pixels_of(store, other))
    assert len(list((tmp_path / "cache").glob("*.pixels"))) == 1
    backwards = other.subset(np.arange(COUNT)[::-1])
    assert torch.equal(pixels_of(store, backwards), pixels_of(Store(), listing).flip(0))


def flipped(path: Path, bit: int) -> None:
    """Flip a bit and leave the time of the last change as it was."""
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))
    os.utime(path, (1e9, 1e9))


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("bit", [0, 99_999, COUNT * 3 * SIDE * SIDE * 8 - 1])
def test_a_flipped_bit_of_cached_pixels_is_found(
    bit: int, listing: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "cache")
    right = pixels_of(store, listing)
    (path,) = (tmp_path / "cache").glob("*.pixels")
    os.utime(path, (1e9, 1e9))
    assert torch.equal(pixels_of(store, listing), right)
    with monkeypatch.context() as patch:
        patch.setattr(cache_check, "wrong_parts", lambda *_: 1 / 0)
        assert torch.equal(pixels_of(store, listing), right), "a checked file is not read again"
    shutil.copytree(tmp_path / "cache", tmp_path / "copied")
    flipped(tmp_path / "copied" / path.name, bit)
    with pytest.raises(UserError, match=r"^the cache .*copied.*\.pixels is damaged; delete it and"):
        pixels_of(Store(tmp_path / "copied"), listing)
    time.sleep(0.02)
    flipped(path, bit)
    with pytest.raises(
        UserError, match=r"^the cache .*\.pixels is damaged; delete it and .*\.json"
    ):
        pixels_of(store, listing)


def test_a_damaged_sidecar_is_one_clear_line(listing: Listing, tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    right = pixels_of(store, listing)
    (sidecar,) = (tmp_path / "cache").glob("*.json")
    whole = sidecar.read_bytes()
    contents = [whole[:n] for n in (0, len(whole) // 2, len(whole) - 3)]
    for bit in range(3, 8 * len(whole), 211):
        spoilt = bytearray(whole)
        spoilt[bit // 8] ^= 1 << bit % 8
        contents.append(bytes(spoilt))
    about = json.loads(whole)
    contents += [json.dumps(about | {"left_out": [3]}).encode(), b"[]", b"{}"]
    for damaged in contents:
        sidecar.write_bytes(damaged)
        with pytest.raises(UserError) as raised:
            pixels_of(store, listing)
        assert str(raised.value) == (
            f"the cache {sidecar.with_suffix('.pixels')} is damaged; delete it and {sidecar.name}, "
            "and run again"
        )
    sidecar.write_bytes(whole)
    assert torch.equal(pixels_of(store, listing), right)


def stopped_half_way(store: Store, listing: Listing, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Leave a cache with its first part written; returns the partial file."""
    append, written = module._append, []

    def killed(*arguments: object) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(append(*arguments))  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(module, "SAVED_EVERY", 1)
        patch.setattr(module, "_append", killed)
        with pytest.raises(KeyboardInterrupt):
            pixels_of(store, listing)
    assert store.folder is not None
    (partial,) = store.folder.glob("*.partial")
    assert partial.with_suffix(".progress").exists()
    return partial


SPOILS: dict[str, Callable[[Path], object]] = {
    "partial flipped": lambda partial: flipped(partial, 1234),
    "partial cut": lambda partial: partial.write_bytes(partial.read_bytes()[:-1]),
    "progress flipped": lambda partial: flipped(partial.with_suffix(".progress"), 1234),
    "progress cut": lambda partial: partial.with_suffix(".progress").write_bytes(b"{"),
    "nothing": lambda partial: None,
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_what_a_stopped_process_left_is_checked_before_it_is_continued(
    spoil: str, listing: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "cache")
    SPOILS[spoil](stopped_half_way(store, listing, monkeypatch))
    assert torch.equal(pixels_of(store, listing), pixels_of(Store(), listing))
    (sidecar,) = (tmp_path / "cache").glob("*.json")
    assert read_sidecar(sidecar).count == COUNT


def test_files_that_change_while_they_are_decoded_stop_the_cache(
    listing: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the new pixels would be served for the old bytes, should these come back."""
    append = module._append

    def meanwhile(*arguments: object) -> None:
        append(*arguments)  # type: ignore[arg-type]
        Image.new("RGB", (SIDE, SIDE), "red").save(listing.images[69])

    monkeypatch.setattr(module, "_append", meanwhile)
    with pytest.raises(UserError, match=r"images of toy were changed while they were decoded"):
        pixels_of(Store(tmp_path / "cache"), listing)
    assert [p.suffix for p in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_file_that_cannot_be_read_at_all_is_left_out_on_request(
    listing: Listing, tmp_path: Path
) -> None:
    path = Path(str(listing.images[2]))
    path.unlink()
    path.mkdir()
    store = Store(tmp_path / "cache", "skip")
    for _ in range(2):
        images = store.images("toy", listing, SIDE)
        assert images.left_out == (str(path),) and len(images) == COUNT - 1
    readable = [Path(str(p)) for p in listing.images if p != path]
    assert [images.called(i) for i in range(COUNT - 1)] == [str(p) for p in readable]
    assert tuple(images.digests) == content.digests_of(readable)
    with pytest.raises(UserError, match=r"002\.bmp is no file"):
        pixels_of(Store(tmp_path / "cache"), listing)


def test_caches_of_other_versions_and_damaged_ones_are_listed(
    listing: Listing, tmp_path: Path
) -> None:
    pixels_of(Store(tmp_path), listing)
    (tmp_path / "a-8-0123.json").write_text('{"format": 1, "pillow": "11.0"}')
    (tmp_path / "b-8-0123.json").write_text("{")
    old, damaged = of_other_versions(tmp_path)
    assert "a-8-0123.pixels was made in format 1 with Pillow 11.0, this is format 2" in old
    assert "b-8-0123.pixels is damaged; delete it and b-8-0123.json" in damaged
