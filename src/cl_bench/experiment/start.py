"""The state of another run that a run begins with: found, and refused where it would mean something else. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cl_bench.benchmark.config import Backbone, RunConfig, Start
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.find_checkpoint import KeptCheckpoint, find_checkpoint

OPTION = "--start-from"
BEHIND = re.compile(r"(?P<run>.+):after-(?P<learned>\d+)")
NOT_HANDED_ON = {  # needs of a method whose state holds more than a later run has
    "earlier images": "keeps images of the tasks that it has learned, which this run does not load",
    "all tasks": "learns all tasks of a run from the start",
}


@dataclass(frozen=True)
class FoundStart:
    """What a run begins with.

    Attributes:
        start: as its configuration names it.
        file: the checkpoint.
        run: the configuration of the run that wrote it.
    """

    start: Start
    file: Path
    run: RunConfig


def run_and_place(said: str) -> tuple[Path, int | None]:
    """The run's directory and the number of tasks in ``RUN`` or ``RUN:after-k``."""
    named = None if Path(said).is_dir() else BEHIND.fullmatch(said)
    return (Path(named["run"]), int(named["learned"])) if named else (Path(said), None)


def find_start(said: str) -> FoundStart:
    """The state that ``--start-from`` names.

    Raises:
        UserError: it is no finished run, is damaged, or has no such checkpoint.
    """
    path, after = run_and_place(said)
    try:
        kept = find_checkpoint(path, after)
    except UserError as error:
        raise UserError(f"{OPTION} {said}: {error}") from error
    _must_be_finished(said, kept)
    config = kept.run.config
    before = config.start.tasks if config.start else ()
    start = Start(
        run=config.digest(),
        learned=kept.learned,
        tasks=(*before, *config.tasks[: kept.learned]),
        sha256=kept.sha256,
    )
    return FoundStart(start, kept.file, config)


def _must_be_finished(said: str, kept: KeptCheckpoint) -> None:
    """Raise where the run goes on, and may delete the checkpoint, or has failed."""
    manifest = kept.run.manifest
    if manifest.status == "failed":
        raise UserError(
            f"{OPTION} {said}: the run has failed ({manifest.reason}); start from a finished one"
        )
    if manifest.status != "finished":
        raise UserError(
            f"{OPTION} {said}: the run is not finished; `cl-bench resume {kept.run.path}` goes on with it"
        )


def must_be_one_method(found: FoundStart, said: str, now: dict[str, Any]) -> None:
    """Check that the state is of the method, the settings and the backbone that go on with it.

    Args:
        found: the state.
        said: what was typed.
        now: of the run that begins: ``method``, ``plugin``, ``backbone``, ``method_settings``, ``extra_data``.

    Raises:
        UserError: says what differs.
    """
    for need, words in NOT_HANDED_ON.items():
        if need in now["extra_data"]:
            raise UserError(
                f"{OPTION} {said}: {now['method']} {words}; it has no state to start from"
            )
    then = found.run
    pairs: dict[str, tuple[Any, Any]] = {
        "method": (then.method, now["method"]),
        "the plug-in's SHA-256": (then.plugin, now["plugin"]),
        "backbone": (_pinned(then.backbone), _pinned(now["backbone"])),
        "selector": (then.extra_data.get("selector"), now["extra_data"].get("selector")),
    }
    theirs, ours = then.method_settings, now["method_settings"]
    pairs |= {name: (theirs.get(name), ours.get(name)) for name in {**theirs, **ours}}
    differing = [f"{name} {a} there, {b} here" for name, (a, b) in pairs.items() if a != b]
    if differing:
        raise UserError(f"{OPTION} {said}: that run is of another method: {'; '.join(differing)}")


def _pinned(backbone: Backbone) -> str:
    """A backbone in words that are equal for equal weights, wherever they lie."""
    content = backbone.identity()
    return " ".join(str(content[name]) for name in ("name", "weights", "sha256") if content[name])


def must_be_new(found: FoundStart, said: str, tasks: Sequence[str]) -> None:
    """Check that no task of the run is learned in the state already.

    What stands before a task's own row would be no accuracy of a task that is not learned yet: Transfer
    and the first row would say so nevertheless.

    Raises:
        UserError: names the tasks.
    """
    if again := [task for task in tasks if task in found.start.tasks]:
        raise UserError(
            f"{OPTION} {said}: that state has learned {', '.join(again)} already, and a run measures how tasks "
            "are learned for the first time: leave them out with --order or --held-out"
        )


def caveat(found: FoundStart) -> str:
    """What a reader of the run's accuracies must know."""
    return (
        f"begins with the state of {found.start.in_words}: zero-shot, where it is said of this run, and Transfer "
        "are of that model, not of the pre-trained backbone; tasks learned before are in no metric, and no image is "
        "classified over their classes"
    )
