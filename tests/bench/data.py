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
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cl_bench.benchmark.images import Images
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.datasets.images import cache, image_files
from cl_bench.datasets.images.content import digests_of
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.remembered import folder_of_memory
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.mtil.layout import facts, names_in_files
from cl_bench.datasets.mtil.readers import read_both

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench.figures import Figure, run_alone
from mtil_pictures import Maker
from mtil_writers import WRITERS

SIZE = 224


class EmptyFiles(Maker):
    """Layouts without pictures."""

    def pixels(self, c: int, side: int) -> np.ndarray:
        return np.zeros((side, side, 3), np.uint8)

    def photo(self, path: Path, c: int, kind: str = "", side: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def measure(tiny: bool = False) -> Iterator[Figure]:
    """Photographs, then all of MTIL's files; where ``tiny``, a few of either."""
    torch.set_num_threads(1)  # so that normalising does not blur what reading takes
    for part, count in ((photographs, 64 if tiny else 768), (mtil, 1 if tiny else 0)):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["CL_BENCH_CACHE"] = str(Path(folder) / "memory")
            yield from part(Path(folder) / "data", count)


def photographs(folder: Path, count: int) -> Iterator[Figure]:
    listing = draw(folder / "images", count)
    paths = [Path(str(path)) for path in listing.images]
    size = sum(path.stat().st_size for path in paths)
    rate = size / 1e6 / timed(lambda: digests_of(paths))
    yield Figure("reading photographs for their digests", rate, "MB/s")
    seconds, all_cores = {}, os.sched_getaffinity(0)
    for threads in (1, len(all_cores)):
        cache.DECODERS = threads  # type: ignore[attr-defined]
        os.sched_setaffinity(0, sorted(all_cores)[:threads])  # the writing thread counts, too
        place = folder / f"cache{threads}"
        seconds[threads] = timed(lambda place=place: Store(place).images("photos", listing, SIZE))
    (one, alone), *more = seconds.items()
    for threads, together in more:
        name = f"caching {count} photographs of 500 px on {threads} cores against one"
        yield Figure(name, alone / together, "x", wanted=">= 1.7")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    yield Figure("peak memory of caching photographs", peak, "GiB", wanted="<= 1")
    images = Store(folder / f"cache{one}").images("photos", listing, SIZE)
    cached = [timed(lambda: epoch(images)) for _ in range(3)]
    decoding = [timed(lambda: Store().images("photos", listing, SIZE)) for _ in range(3)]
    for what, taken in (("from the cache", cached), ("decoded on all cores", decoding)):
        yield Figure.of(f"photographs {what}", [count / s for s in taken], "images/s")
    name = "an epoch of photographs from the cache against decoding them"
    yield Figure.ratio(name, decoding, cached, "x", ">= 10")


def draw(folder: Path, count: int) -> Listing:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for i in range(count):
        coarse = generator.integers(0, 256, (25, 33, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC)
        picture.save(folder / f"{i:04d}.jpg", quality=90)
    return Listing(tuple(sorted(folder.iterdir())), np.zeros(count, np.int64), ("a", "b"))


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


def mtil(root: Path, images: int) -> Iterator[Figure]:
    """Of every class as many images as it has, or ``images``."""
    for name, known in facts()["datasets"].items():
        per_class = [images or known[split] // known["classes"] for split in ("train", "test")]
        WRITERS[name](
            root, EmptyFiles(list(names_in_files(name)), *per_class, np.random.default_rng())
        )
    paths = [Path(place, name) for place, _, names in os.walk(root) for name in names]
    time.sleep(3)  # younger files are not remembered
    cold = timed(lambda: digests_of(paths))
    warm = [timed(lambda: digests_of(paths)) for _ in range(2)]
    memory = sum(file.stat().st_size for file in folder_of_memory().rglob("*.json")) / 1e6
    yield Figure(f"digests of {len(paths):,} empty files, all read", cold, "s")
    yield Figure.of(f"digests of {len(paths):,} files, all remembered", warm, "s")
    yield Figure(f"what is remembered of {len(paths):,} files", memory, "MB")
    image_files.decode = lambda path, size, **how: np.zeros((3, size, size), np.uint8)
    open_all(root)
    image_files.decode = None  # type: ignore[assignment]  # nothing may be decoded now
    time.sleep(3)
    open_all(root)  # reads the cached pixels through, once
    seconds = [timed(lambda: open_all(root)) for _ in range(2)]
    name = f"opening all eleven data sets ({len(paths):,} files) from the cache"
    yield Figure.of(name, seconds, "s", "< 5")
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
    run_alone(measure, __doc__)
