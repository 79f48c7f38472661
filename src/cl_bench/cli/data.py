"""``cl-bench data``: what is there, fetch it, check it, cache it, look at it.

Names are looked at before anything is imported that takes seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.cli.as_json import AsJson
from cl_bench.cli.check import check
from cl_bench.cli.completion import datasets
from cl_bench.cli.options import Quiet

if TYPE_CHECKING:
    from cl_bench.datasets.task_spec import TaskSpec

app = typer.Typer(no_args_is_help=True, help="Data sets and suites: fetch, check, cache, look at.")
Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="Data sets. (default: all eleven)", metavar="[NAME]...", autocompletion=datasets
    ),
]
Root = Annotated[
    Path | None, typer.Option(help="Their folder. (default: CL_BENCH_DATA)", metavar="DIR")
]
Cache = Annotated[
    Path | None,
    typer.Option(
        help="Of decoded images. (default: beside the data sets)",
        metavar="DIR",
        envvar="CL_BENCH_CACHE",  # as for runs
    ),
]
Size = Annotated[int, typer.Option(min=1, help="Side of the backbone's input in pixels.")]
CACHE = "cl-bench-cache"
app.command()(check)


@app.command()
def status(names: Names = None, data_root: Root = None, as_json: AsJson = False) -> None:
    """Say what is found, missing or wrong, and where each file belongs; exit code 1 if one is not whole."""
    root, known = _root(data_root), _known(names)
    from cl_bench.cli.data_table import print_notes, print_status_json, print_table
    from cl_bench.datasets.mtil.status import status as look

    states = [look(name, root) for name in known]
    if as_json:
        print_status_json(root, states)
    else:
        print_table(root, states)
        print_notes(states)
    if any(state.state != "found" for state in states):
        raise typer.Exit(1)


@app.command()
def prepare(
    names: Names = None,
    data_root: Root = None,
    given: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Take archives and copies that are below it; no network.", metavar="DIR"
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Fetch what can be fetched, check it, unpack it; say what must be fetched by hand."""
    root, known = _root(data_root), _known(names)
    from cl_bench.cli.data_work import fetch_all, take_all

    if given is None:
        well = fetch_all(known, root, quiet)
    else:
        well = take_all(known, given, root, quiet, named=names is not None)
    if not well:
        raise typer.Exit(1)


@app.command()
def verify(
    names: Names = None, data_root: Root = None, cache: Cache = None, quiet: Quiet = False
) -> None:
    """Read every image and list those that are broken, have changed, or are cached wrongly."""
    root = _root(data_root)
    there = _there(names, root)
    from cl_bench.cli.data_work import verify_all

    if not verify_all(there, root, cache or root / CACHE, quiet):
        raise typer.Exit(1)


@app.command()
def cache(
    names: Names = None,
    data_root: Root = None,
    cache: Cache = None,
    image_size: Size = 224,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave unreadable images out; recorded.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Decode every data set once, so that runs start at once; continues where it was stopped."""
    root = _root(data_root)
    specs = _specs(names, root)
    from cl_bench.cli.data_work import decode_all

    decode_all(specs, cache or root / CACHE, image_size, skip_broken, quiet)


@app.command()
def sample(
    names: Names = None,
    data_root: Root = None,
    out: Annotated[Path, typer.Option(help="Where to write.", metavar="DIR")] = Path("samples"),
    image_size: Size = 224,
) -> None:
    """Write a sheet of images per data set, as the model gets them, to look at."""
    root = _root(data_root)
    there = _there(names, root)
    from cl_bench.cli.console import console
    from cl_bench.datasets.images.contact_sheet import save_contact_sheet, spread
    from cl_bench.datasets.images.store import Store
    from cl_bench.datasets.mtil.readers import read

    for name in there:
        listing = read(name, root, "train")
        title = (
            f"{name}: {len(listing.targets):,} training images, {len(listing.classnames)} classes"
        )
        few = listing.subset(spread(listing.targets))
        images = Store().images(name, few, image_size)
        save_contact_sheet(title, few.classnames, images, out / f"{name}.png")
        console.print(out / f"{name}.png", soft_wrap=True)


@app.command("zero-shot")
def zero_shot(
    names: Names = None,
    data_root: Root = None,
    cache: Cache = None,
    backbone: Annotated[str, typer.Option(help="NAME:WEIGHTS.")] = "ViT-B-16-quickgelu:openai",
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1.")] = None,
) -> None:
    """Compare zero-shot accuracies with those expected of CLIP ViT-B/16: is everything right?"""
    from cl_bench.datasets.backbones import parse
    from cl_bench.experiment.arithmetic import choose_device

    root = _root(data_root)
    there, clip, device = _there(names, root), parse(backbone), choose_device(device)
    from cl_bench.cli.console import console
    from cl_bench.cli.sanity import check_zero_shot

    specs = _specs(there, root)
    console.print(check_zero_shot(specs, clip, device, cache or root / CACHE))


def _root(given: Path | None) -> Path:
    from cl_bench.experiment.suites import environment_root

    root = given or environment_root()
    if not root:
        raise UserError("where are the data sets? Give --data-root DIR or set CL_BENCH_DATA=DIR")
    return root


def _known(names: list[str] | None) -> list[str]:
    """The named data sets, or all; case does not matter."""
    from cl_bench.datasets.mtil.layout import facts

    known = {name.lower(): name for name in facts()["datasets"]}
    for name in names or []:
        if name.lower() not in known:
            raise unknown("data set", name, known.values())
    return [known[name.lower()] for name in names] if names else list(known.values())


def _there(names: list[str] | None, root: Path) -> list[str]:
    """The named data sets, or all whose files are there."""
    from cl_bench.datasets.mtil.layout import missing_files

    if names:
        return _known(names)
    missing = missing_files(root)
    there = [name for name in _known(None) if not missing[name]]
    if not there:
        raise UserError(f"there is no data set under {root}; `cl-bench data status` says more")
    return there


def _specs(names: list[str] | None, root: Path) -> list[TaskSpec]:
    """Data sets as they are on disk, whole or not."""
    from cl_bench.datasets.mtil.suites import partial_task

    return [partial_task(name, root.resolve()) for name in _there(names, root)]
