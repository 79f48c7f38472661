"""What can be typed next: values of options and arguments, for shells. No torch.

Every function takes what is typed so far and, where it matters, what was typed before.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import typer

from cl_bench.benchmark.classified_over import LABELS_OF
from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.checkpoints import Keep
from cl_bench.experiment.choices import RUNS, Choices, Preset
from cl_bench.experiment.schema_words import KINDS

if TYPE_CHECKING:
    from cl_bench.datasets.suite import Suite

Words = list[str]
Help = list[tuple[str, str]]
MOST_FOLDERS = 2_000  # looked into: a shell waits
DEPTH = 5  # folders below which a run lies: runs/sweep/suite-order/method/seed


def methods(incomplete: str) -> Help:
    """Names of methods; a plug-in is not looked into, which would bring torch."""
    from cl_bench.methods.catalog import known_methods

    found = {name: card.about for name, card in known_methods().items()}
    return [(name, about) for name, about in found.items() if name.startswith(incomplete)]


def several_methods(incomplete: str) -> Words:
    """The same in a list with commas."""
    before, last = _list_so_far(incomplete)
    return [before + name for name, _ in methods(last)]


def suites(incomplete: str) -> Words:
    """Built-in suites, and suite files."""
    from cl_bench.datasets.catalog import BUILT_IN

    return [*_starting(BUILT_IN, incomplete), *_files(incomplete, ".toml")]


def orders(ctx: typer.Context, incomplete: str) -> Words:
    """Orders of the suite, and its tasks for a list of them."""
    suite = _suite(ctx)
    if suite is None:
        return []
    return _next(incomplete, [task.name for task in suite.tasks], [*suite.orders])


def several_orders(ctx: typer.Context, incomplete: str) -> Words:
    """Orders of the suite in a list with commas."""
    suite = _suite(ctx)
    return [] if suite is None else _next(incomplete, [*suite.orders])


def held_out(ctx: typer.Context, incomplete: str) -> Words:
    """Words of ``--held-out``, and the suite's held-out sets in a list with commas."""
    from cl_bench.datasets.suite import ALL, NONE

    suite = _suite(ctx)
    if suite is None:
        return []
    return _next(incomplete, [spec.name for spec in suite.held_out], [ALL, NONE])


def retrieval(ctx: typer.Context, incomplete: str) -> Words:
    """Words of ``--retrieval``, and the suite's retrieval sets in a list with commas."""
    from cl_bench.datasets.suite import ALL, NONE

    suite = _suite(ctx)
    if suite is None:
        return []
    return _next(incomplete, [spec.name for spec in suite.retrieval], [ALL, NONE])


def _next(incomplete: str, names: Words, alone: Words | None = None) -> Words:
    """The next word of a list with commas: names that are not in it yet; words that stand alone begin none."""
    before, last = _list_so_far(incomplete)
    left = [name for name in names if name not in before.split(",")]
    return [before + name for name in _starting(left if before else [*(alone or []), *left], last)]


def backbones(incomplete: str) -> Words:
    """Models, and behind a colon the tags of their weights."""
    from cl_bench.datasets.mini.suite import TINY
    from cl_bench.datasets.pretrained.architectures import runnable_models
    from cl_bench.datasets.pretrained.open_clip_tables import pretrained_tags

    name, colon, tag = incomplete.partition(":")
    if colon:
        return [f"{name}:{known}" for known in _starting(pretrained_tags(name), tag)]
    return _starting([TINY, *(f"{model}:" for model in runnable_models())], name)


def settings(ctx: typer.Context, incomplete: str) -> Help:
    """Settings of the method that was named, each with ``=``; behind it, values where they are few."""
    from cl_bench.experiment.settings import find_settings

    method, suite = ctx.params.get("method") or "keeplora", ctx.params.get("suite") or "mini"
    try:
        found = find_settings(method, suite)
    except UserError:
        return []
    settable = {s.name: s for s in found if s.option.startswith("--set")}
    name, equals, _ = incomplete.partition("=")
    if not equals:
        return [(f"{s.name}=", s.about) for s in settable.values() if s.name.startswith(name)]
    kind = settable[name].kind if name in settable else ""
    words = _starting((f"{name}={word}" for word in _named_values(kind)), incomplete)
    return [(word, "") for word in words]


def _named_values(kind: str) -> Words:
    """The values that a kind of setting has by name: none of numbers and texts."""
    words = re.split(r", | or ", kind)
    plain = set(KINDS.values()) | {"any value"}
    return [word for word in words if word not in plain and ":" not in word]


def datasets(incomplete: str) -> Words:
    """Names of the MTIL data sets."""
    from cl_bench.datasets.mtil.layout import facts

    return _starting(facts()["datasets"], incomplete)


def runs(incomplete: str) -> Words:
    """Directories of runs below the folder that is typed so far, or below ``runs``."""
    folder, slash, _ = incomplete.rpartition("/")
    above = folder + slash or f"{RUNS}/"
    found = sorted(path.relative_to(above) for path in _runs_below(Path(above)))
    return _starting((f"{above}{path}" for path in found if path.parts), incomplete)


def one_of(*words: str) -> Callable[[str], Words]:
    """Some words."""
    return lambda incomplete: _starting(words, incomplete)


OF_CHOICES: dict[
    str, Callable[..., Words | Help]
] = {  # by choice; files are completed by the shell
    "method": methods,
    "suite": suites,
    "order": orders,
    "backbone": backbones,
    "overrides": settings,
    "preset": one_of(*get_args(Preset)),
    "precision": one_of(*get_args(Protocol.model_fields["precision"].annotation)),
    "protocol": one_of(*LABELS_OF),
    "namesakes": one_of("one", "apart"),
    "held_out": held_out,
    "retrieval": retrieval,
    "start_from": runs,
    "keep": one_of(*get_args(Keep)),
    "device": one_of("cpu", "cuda"),
    "wandb": one_of("online", "offline", "disabled"),
    "orders": several_orders,
    "launcher": one_of("local", "slurm", "ray"),
    "emit": one_of("wandb"),
}


def _starting(known: Iterable[str], incomplete: str) -> Words:
    return [name for name in known if name.startswith(incomplete)]


def _list_so_far(incomplete: str) -> tuple[str, str]:
    """What stands before the last name of a list with commas, the comma with it, and that name."""
    before, comma, last = incomplete.rpartition(",")
    return before + comma, last


def _files(incomplete: str, ending: str) -> Words:
    folder, slash, _ = incomplete.rpartition("/")
    found = sorted(file.name for file in Path(folder + slash).glob(f"*{ending}"))
    return _starting((folder + slash + name for name in found), incomplete)


def _suite(ctx: typer.Context) -> Suite | None:
    """The suite that was named before, or the default one."""
    from cl_bench.experiment.suites import suite_of

    typed = {name: ctx.params.get(name) for name in ("suite", "data_root")}
    try:
        return suite_of(Choices(**{name: value for name, value in typed.items() if value}))[0]
    except UserError:
        return None


def _runs_below(top: Path) -> Iterator[Path]:
    """Run directories, whose own folders are not looked into; the first ones where there are many folders."""
    waiting = deque([(top, 0)])
    for _ in range(MOST_FOLDERS):
        if not waiting:
            return
        folder, depth = waiting.popleft()
        try:
            inside = list(os.scandir(folder))
        except OSError:
            continue
        if any(entry.name == "config.json" for entry in inside):
            yield folder
        elif depth < DEPTH:
            waiting += [(Path(entry.path), depth + 1) for entry in inside if entry.is_dir()]
