"""What one of several processes does in a test: ``group_worker.py WORK FOLDER``, started by ``together.py``.

Every process is given a folder of its own: only the first one's may be written to.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.processes import first, group, sums
from cl_bench.benchmark.records.events import Event, Step
from cl_bench.benchmark.stopping import Stopped

LOSSES = (
    "keeplora-kd",
    "zscl",
    "gift",
    "o-lora",
    "joint",
)  # of every kind that a batch is shared for
# Of every family: adapters, distillation, experts, closed form, prompts by density.
METHODS = ("lora", "keeplora", "zscl", "moe-adapters", "rail", "diki")
BESIDE = {"keeplora": {"held_out": "all", "retrieval": "all"}}  # evaluated beside the tasks


def learn(folder: Path) -> None:
    """Each of the methods learns two tasks, and keeps states in them; begun runs are continued."""
    from small_run import small_plan, small_run

    for name in METHODS:
        small_run(small_plan(name, **BESIDE.get(name, {})), folder / name, every="3")
    shared_gradients(Path(f"{folder}.json"))


def score(folder: Path) -> None:
    """The best classes of the test images of two tasks, which nothing is learned of."""
    from small_run import small_plan, small_run

    small_run(small_plan("zero-shot", scores=4), folder)


def shared_gradients(file: Path) -> None:
    """How far gradients of a shared batch are from those of the whole batch, by method."""
    from one_step import WAYS, apart, gradients

    shared = WAYS["shared"]
    differ = {name: apart(gradients(name, shared), gradients(name)) for name in LOSSES}
    file.write_text(json.dumps(differ))


def disagree(folder: Path) -> None:
    torch.rand(1 + group.rank())
    first.must_agree(lambda: "the same", "after 1 tasks")


def fail_alone(folder: Path) -> None:
    if group.rank() == 1:
        raise UserError("the disk of this one is full")
    sums.add_up(torch.ones(2))


def stop(folder: Path) -> None:
    """One of them is told to stop."""
    from small_run import small_plan, small_run

    def listen(event: Event) -> None:
        if isinstance(event, Step):
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        small_run(small_plan("lora", overrides=("steps=13",)), folder, listen=listen, every="10m")
    except Stopped as stopped:
        folder.with_suffix(".json").write_text(json.dumps(str(stopped)))


def die(folder: Path) -> None:
    if group.rank() == 1:
        os._exit(9)
    sums.add_up(torch.ones(2))


def hang(folder: Path) -> None:
    if group.rank() == 1:
        time.sleep(60)
    sums.add_up(torch.ones(2))


def lead_into_an_error(folder: Path) -> None:
    first.led(lambda: (folder / "missing").read_text())


def taken(folder: Path, turn: int) -> bool:
    """Whether this process finds that the first one has had this turn, which takes a while."""
    mark = folder.parent / f"turn{turn}"
    if group.leads():
        time.sleep(1)
        mark.touch()
    return mark.exists()


def primitives(folder: Path) -> None:
    """Sums, parts, gradients and what the first process says, seen from every process."""
    whole, sparse, idle = (torch.nn.Parameter(torch.zeros(2)) for _ in range(3))
    whole.grad = torch.tensor([1.0, 3.0]) * (1 + group.rank())
    if group.rank() == 1:
        sparse.grad = torch.ones(2)
    sums.average_gradients([whole, sparse, idle])
    part = sums.part_of(5)
    turned = []
    for turn in range(2):
        with first.in_turn():
            turned.append(taken(folder, turn))
    seen = {
        "sum": sums.add_up(torch.arange(6).view(2, 3).T.clone()).tolist(),
        "part": [part.start, part.stop],
        "led": first.led(lambda: f"from {group.rank()}"),
        "turn": turned,
        "gradients": [whole.grad.tolist(), sparse.grad.tolist(), idle.grad],  # type: ignore[union-attr]
    }
    Path(f"{folder}.json").write_text(json.dumps(seen))


WORK: dict[str, Callable[[Path], None]] = {
    of.__name__: of
    for of in (learn, score, disagree, fail_alone, stop, die, hang, lead_into_an_error, primitives)
}


def main() -> None:
    work, folder = sys.argv[1:]
    try:
        with group.joined():
            WORK[work](Path(folder, f"process{group.rank()}"))
    except (UserError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
