"""Every file of a run, cut at every eighth and with single flipped bits: named, or nothing is changed by it."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from answered import answer
from changed_records import FINISHED, KILLED

from cl_bench.benchmark.record import read_run
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.records.damage import damage
from cl_bench.benchmark.records.ledger import files_of

EIGHTHS, BITS = range(8), 24
FILES = [(run, name) for run in (FINISHED, KILLED) for name in files_of(run)]
FILES.append((FINISHED, "ledger.json"))


def spoilt(whole: bytes, name: str) -> list[tuple[str, bytes]]:
    """The file cut at every eighth, and with one bit flipped; what was done, in words."""
    draw, found = random.Random(name), []
    for eighth in EIGHTHS:
        found.append((f"cut at {eighth}/8", whole[: len(whole) * eighth // 8]))
    for bit in (draw.randrange(8 * len(whole)) for _ in range(BITS)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        found.append((f"bit {bit}", bytes(content)))
    return found


def told(run: Path) -> str:
    """Everything that is said of the run, wherever it is read."""
    return "; ".join(
        [*damage(run, checkpoints=True), *check_run(run), answer(lambda: read_run(run)) or ""]
    )


@pytest.mark.parametrize(("run", "name"), FILES, ids=[f"{r.name[:5]} {n}" for r, n in FILES])
def test_no_spoilt_file_passes_without_a_word(run: Path, name: str, tmp_path: Path) -> None:
    """The log of a killed run may end anywhere behind its last row: a kill does that, too."""
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    honest, whole = read_run(copy), (copy / name).read_bytes()
    for what, content in spoilt(whole, name):
        (copy / name).write_bytes(content)
        words = told(copy)
        if Path(name).name in words or "ledger.json" in words:
            continue
        assert (run, name) == (KILLED, "events.jsonl"), f"{what} is not named: {words}"
        there = read_run(copy)
        assert there.matrix == honest.matrix, what
        assert there.events == honest.events[: len(there.events)], what
    (copy / name).write_bytes(whole)
    assert damage(copy, checkpoints=True) == []
