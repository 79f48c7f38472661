"""Copies of the recorded runs with a changed log or manifest, whole by their sums and digests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.benchmark.records.manifest import write_content
from cl_bench.benchmark.records.run_log import line_of

RECORDED = Path(__file__).parent / "data" / "runs-of-2026-11"
FINISHED, KILLED = RECORDED / "seed0-a6556c47105f", RECORDED / "seed1-ed7fc3c060e4"
Lines = list[dict[str, Any]]


def copied(run: Path, folder: Path) -> Path:
    path = folder / run.name
    shutil.copytree(run, path)
    return path


def lines_of(run: Path) -> Lines:
    return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]


def with_log(run: Path, lines: Lines) -> Path:
    """Give the run another log, each line with the sum that fits it; a finished run a ledger, too."""
    bare = ({name: of for name, of in line.items() if name != "crc32"} for line in lines)
    (run / "events.jsonl").write_bytes(b"".join(map(line_of, bare)))
    if (run / "ledger.json").exists():
        write_ledger(run)
    return run


def with_manifest(run: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    content = json.loads((run / "manifest.json").read_text())
    del content["sha256"]
    change(content)
    write_content(run, content)
    if (run / "ledger.json").exists():
        write_ledger(run)
    return run
