"""Where a run stands within a task, as a file: whole, of this task and this code, or not gone on from.

The file's name holds the SHA-256 of its content, so the two are renamed into place together. At most two
such files are there at a time: one that is being written, and the last that is whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cl_bench.benchmark.checkpoint import Snapshot, load_checkpoint
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.files import sha256_of, write_atomically

_NAME = re.compile(r"within-(?P<task>\d+)-step-(?P<step>\d+)-(?P<sha256>[0-9a-f]{64})\.safetensors")
Owner = Mapping[str, str | int]


@dataclass(frozen=True)
class MidTask:
    """A task that is learned in part.

    Attributes:
        step: optimizer steps done on it.
        seconds: what its phases took so far.
        method: the method's state, and that of the images kept of earlier tasks; empty with ``training``.
        training: the state of its training; empty: all is as the task before left it.
        passes: what passes over the task's images have added up since that state.
    """

    step: int
    seconds: Mapping[str, float]
    method: Mapping[str, Any]
    training: Mapping[str, Any]
    passes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prepared(self) -> bool:
        """Whether ``before_task`` is over."""
        return bool(self.training)

    def snapshot(self, owner: Owner) -> Snapshot:
        """A copy of it as a file holds it, with what it belongs to: run, task, code, device.

        The passes are not in it: ``pass_states.PassStates`` has copies of theirs.
        """
        state = {"owner": owner, "step": self.step, "seconds": self.seconds}
        return Snapshot.of({**state, "method": self.method, "training": self.training})


def write(folder: Path, place: int, step: int, snapshot: Snapshot) -> Path:
    """Keep a state; those before it go once it is whole.

    Args:
        folder: of the run's checkpoints.
        place: of the task in the order, from 1.
        step: optimizer steps done on it.
        snapshot: the state.
    """
    content = snapshot.packed()
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"within-{place:02d}-step-{step:06d}-{digest}.safetensors"
    write_atomically(path, content)
    drop(folder, besides=path)
    return path


def kept(folder: Path) -> list[Path]:
    """The states that are kept in a folder, the latest first."""
    named = ((_NAME.fullmatch(path.name), path) for path in folder.glob("within-*.safetensors"))
    found = [((int(n["task"]), int(n["step"])), path) for n, path in named if n is not None]
    return [path for _, path in sorted(found, reverse=True)]


def drop(folder: Path, besides: Path | None = None) -> None:
    """Delete the states that are kept, and what a kill left of one that was being written."""
    for path in (*kept(folder), *folder.glob(".within-*.partial")):
        if path != besides:
            path.unlink(missing_ok=True)


def read(path: Path, owner: Owner) -> MidTask:
    """Read a state.

    Args:
        path: the file.
        owner: what it must belong to.

    Raises:
        UserError: it is damaged, or belongs to something else; says in what.
    """
    named = _NAME.fullmatch(path.name)
    if named is None or sha256_of(path) != named["sha256"]:
        raise UserError(f"{path.name} is damaged: its SHA-256 is not the one in its name")
    state = load_checkpoint(path)
    found = state.get("owner", {})
    if odd := [name for name in owner if found.get(name) != owner[name]]:
        raise UserError(f"{path.name} is of another {odd[0]}")
    parts = (
        state.get(name, {}) for name in ("method", "training", "passes")
    )  # {} is not in a file
    return MidTask(state["step"], state.get("seconds", {}), *parts)
