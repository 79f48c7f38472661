"""Images: from the cache against decoding, caching on all cores against one, opening all of MTIL.

And what it costs to tell files by their bytes: the first time, and when their digests are remembered.

The photographs are drawn (500 px, JPEG); MTIL is eleven layouts with as many files as the published
ones, all empty, whose cached images are two pixels wide.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import LabelSpace, Pixels, Task, TrainingTask
from cl_bench.datasets.images import cache, image_files
from cl_bench.datasets.images.content import digests_of
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.remembered import folder_of_memory
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.mtil.layout import facts, names_in_files
from cl_bench.datasets.mtil.readers import read_both

sys.path.insert(0, str(Path(__file__).parent.parent))
from mtil_pictures import Maker
from mtil_writers import WRITERS

PHOTOGRAPHS = 768
SIZE = 224


class EmptyFiles(Maker):
    """Layouts without pictures."""

    def pixels(self, c: int, side: int) -> np.ndarray:
        return np.zeros((side, side, 3), np.uint8)

    def photo(self, path: Path, c: int, kind: str = "", side: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def main() -> None:
    torch.set_num_threads(1)  # so that normalising does not blur what reading takes
    for measure in (photographs, mtil):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["CL_BENCH_CACHE"] = str(Path(folder) / "memory")
            measure(Path(folder) / "data")


def photographs(folder: Path) -> None:
    listing = draw(folder / "images")
    paths = [Path(str(path)) for path in listing.images]
    size = sum(path.stat().st_size for path in paths)
    print(
        f"reading photographs for their digests: {size / 1e6 / timed(lambda: digests_of(paths)):,.0f} MB/s"
    )
    seconds, all_cores = {}, os.sched_getaffinity(0)
    for threads in (1, len(all_cores)):
        cache.DECODERS = threads  # type: ignore[attr-defined]
        os.sched_setaffinity(0, sorted(all_cores)[:threads])  # the writing thread counts, too
        place = folder / f"cache{threads}"
        seconds[threads] = timed(lambda place=place: Store(place).images("photos", listing, SIZE))
    (one, alone), *more = seconds.items()
    for threads, together in more:
        print(
            f"caching {PHOTOGRAPHS} photographs of 500 px: {alone:.2f} s on {one} core, "
            f"{together:.2f} s on {threads}: {alone / together:.2f}x"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of this process: {peak:.2f} GiB")
    images = Store(folder / f"cache{one}").images("photos", listing, SIZE)
    cached = min(timed(lambda: epoch(images)) for _ in range(3))
    decoding = min(timed(lambda: Store().images("photos", listing, SIZE)) for _ in range(2))
    print(
        f"an epoch from the cache {PHOTOGRAPHS / cached:,.0f} images/s, decoding "
        f"{PHOTOGRAPHS / decoding:,.0f} images/s on all cores: {decoding / cached:.1f}x"
    )


def draw(folder: Path) -> Listing:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for i in range(PHOTOGRAPHS):
        coarse = generator.integers(0, 256, (25, 33, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC)
        picture.save(folder / f"{i:04d}.jpg", quality=90)
    return Listing(tuple(sorted(folder.iterdir())), np.zeros(PHOTOGRAPHS, np.int64), ("a", "b"))


def epoch(images: Images) -> None:
    """One shuffled pass over a task's uint8 batches, as training reads them."""
    labels = LabelSpace.from_templates(("a", "b"), ("{}",))
    normalise = Bytes(SIZE, torch.zeros(1), torch.zeros(1))
    task = TrainingTask(Task("t", labels, images, images), normalise, 64, torch.Generator())
    for batch in task.epoch():
        assert batch.images.shape[1:] == (3, SIZE, SIZE)


class Bytes(Pixels):
    """Leaves the batch as it is: what follows is the same for both and runs on the device."""

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels


def mtil(root: Path) -> None:
    for name, known in facts()["datasets"].items():
        per_class = [known[split] // known["classes"] for split in ("train", "test")]
        WRITERS[name](
            root, EmptyFiles(list(names_in_files(name)), *per_class, np.random.default_rng())
        )
    paths = [Path(place, name) for place, _, names in os.walk(root) for name in names]
    time.sleep(3)  # younger files are not remembered
    cold = timed(lambda: digests_of(paths))
    warm = min(timed(lambda: digests_of(paths)) for _ in range(2))
    memory = sum(file.stat().st_size for file in folder_of_memory().rglob("*.json")) / 2**20
    print(
        f"digests of {len(paths):,} files: {cold:.1f} s where all are read (empty ones), {warm:.1f} s "
        f"where they are remembered ({memory:.0f} MiB)"
    )
    image_files.decode = lambda path, size, **how: np.zeros((3, size, size), np.uint8)
    open_all(root)
    image_files.decode = None  # type: ignore[assignment]  # nothing may be decoded now
    time.sleep(3)
    open_all(root)  # reads the cached pixels through, once
    seconds = min(timed(lambda: open_all(root)) for _ in range(2))
    print(f"opening all eleven data sets ({len(paths):,} files) from the cache: {seconds:.1f} s")
    shutil.rmtree(root / "cache")


def open_all(root: Path) -> None:
    store = Store(root / "cache")
    for name, known in facts()["datasets"].items():
        for split, listing in zip(("train", "test"), read_both(name, root), strict=True):
            images = store.images(f"{name}-{split}", listing, 2, known.get("native_size"))
            assert (len(images) and images.known_digest) or isinstance(listing.images, np.ndarray)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
