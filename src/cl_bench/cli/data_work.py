"""What ``cl-bench data`` does that takes long: fetch, read and decode whole data sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.cli.console import console, made, silenced, warn
from cl_bench.cli.progress import progress_of_files
from cl_bench.datasets.checks.verify import Problems, verify_images
from cl_bench.datasets.images.cache import of_other_versions
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.mtil.archives import archives
from cl_bench.datasets.mtil.copies.held import RefusedCopyError
from cl_bench.datasets.mtil.given import Given
from cl_bench.datasets.mtil.layout import missing_files
from cl_bench.datasets.mtil.prepare import DOWNLOADS, prepare
from cl_bench.datasets.mtil.readers import read_both
from cl_bench.datasets.mtil.take import NothingFoundError, take
from cl_bench.datasets.streams import load_splits
from cl_bench.datasets.task_spec import TaskSpec

TAKEN = "taken are its archives and copies of it (docs/data-sources.md)"


def fetch_all(names: Sequence[str], root: Path, quiet: bool) -> bool:
    """Fetch what is not below ``root``; returns whether all of it is there then."""
    root.mkdir(parents=True, exist_ok=True)
    well = True
    with silenced(quiet):
        for name in names:
            if not missing_files(root)[name]:
                console.print(f"{name}: is there already")
                continue
            try:
                prepare(name, archives()[name], root, _warns_of(name))
                console.print(f"{name}: fetched")
            except UserError as error:
                warn(f"{name}: {error}")
                well = False
        console.print("`cl-bench data status` checks counts and classes")
        made(root)
    return well


def take_all(names: Sequence[str], folder: Path, root: Path, quiet: bool, named: bool) -> bool:
    """Take what ``folder`` holds to ``root``; returns whether all went well.

    Args:
        names: of data sets.
        folder: of the user, with archives or copies.
        root: the data root.
        quiet: say only what is wrong.
        named: the user named the data sets, so that each of them must be there.

    Raises:
        UserError: the folder is missing or empty, or holds nothing of any of them.
    """
    with silenced(quiet):
        given = Given(folder, warn, root / DOWNLOADS)
        root.mkdir(parents=True, exist_ok=True)
        lacking = [name for name in names if missing_files(root)[name]]
        for name in names:
            if name not in lacking:
                console.print(f"{name}: is there already")
        taken = [_take_one(name, given, root, named) for name in lacking]
        if lacking and all(well is None for well in taken):
            raise UserError(f"--from {folder}: it holds nothing of {', '.join(lacking)}; {TAKEN}")
        console.print("`cl-bench data status` checks counts and classes")
        made(root)
    return all(well or (well is None and not named) for well in taken)


def _take_one(name: str, given: Given, root: Path, named: bool) -> bool | None:
    """Whether it went well; ``None`` where the folder holds nothing of the data set."""
    try:
        words = take(name, archives()[name], given, root)
    except NothingFoundError as error:
        if named:
            warn(f"{name}: {error}")
        return None
    except RefusedCopyError as error:
        warn(f"{name}: {error}. As a task of a suite of your own (docs/suites.md):\n{error.suite}")
        return False
    except UserError as error:
        warn(f"{name}: {error}")
        return False
    console.print(f"{name}: {words}", soft_wrap=True, markup=False)
    return True


def _warns_of(name: str) -> Callable[[str], None]:
    return lambda words: warn(f"{name}: {words}")


def verify_all(names: Sequence[str], root: Path, cache: Path, quiet: bool) -> bool:
    """Read every image and say which are wrong; returns whether none is."""
    found = Problems([], [], [])
    with silenced(quiet):
        with progress_of_files(console) as on_progress:
            for name in names:
                for listing, split in zip(read_both(name, root), ("train", "test"), strict=True):
                    more = verify_images(f"{name}-{split}", listing, cache, on_progress)
                    for kind, problems in zip(found, more, strict=True):
                        kind += problems
        for problem in (*found.broken, *found.changed, *found.cached):
            warn(problem)
        console.print(
            f"{len(found.broken) or 'no'} broken images; changed behind equal size and time: "
            f"{len(found.changed) or 'none'}; wrong caches: {len(found.cached) or 'none'}",
            soft_wrap=True,
        )
    return not any(found)


def decode_all(
    specs: Sequence[TaskSpec], folder: Path, image_size: int, skip_broken: bool, quiet: bool
) -> None:
    """Decode every image into the cache in ``folder``, and say how large that is then."""
    with silenced(quiet):
        with progress_of_files(console) as on_progress:
            store = Store(folder, "skip" if skip_broken else "stop", on_progress)
            for spec in specs:
                for images in load_splits(spec, image_size, store):
                    for path in images.left_out:
                        warn(f"left out {path}")
        for words in of_other_versions(folder):
            warn(words)
        used = sum(file.stat().st_size for file in folder.glob("*")) if folder.is_dir() else 0
        console.print(f"{folder} holds {used / 2**30:.2f} GiB", soft_wrap=True)
        made(folder)
