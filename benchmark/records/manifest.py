"""Where a run comes from: code, packages, hardware, command; kept in ``manifest.json``. No torch."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import cl_bench
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.files import read_json, write_json
from cl_bench.benchmark.records.ledger import VERSION

NAME = "manifest.json"
PACKAGES = ("torch", "torchvision", "open_clip_torch", "numpy", "safetensors", "scikit-learn")


def write_manifest(run: Path, values: Mapping[str, Any]) -> None:
    """Keep ``values``; say that a ledger belongs to the run, and add a digest of all of it."""
    content = {k: v for k, v in values.items() if k != "sha256"} | {"ledger": VERSION}
    write_json(run / NAME, content | {"sha256": _digest(content)})


def read_manifest(run: Path) -> dict[str, Any]:
    """Read ``manifest.json`` of a run's directory.

    A manifest from before ledgers holds no digest. One that names a ledger and is of a finished run
    may do without: the ledger holds it.

    Raises:
        UserError: it is missing or damaged.
    """
    content = read_json(run / NAME)
    said = content.pop("sha256", None)
    needed = "ledger" in content and content.get("status") != "finished"
    if said != _digest(content) and (said is not None or needed):
        raise UserError(f"{run / NAME} is damaged: its content is not what its own digest says")
    return content


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def session(hardware: dict[str, Any]) -> dict[str, Any]:
    """The circumstances of one process that works on a run; a resumed run has several.

    Args:
        hardware: what the caller knows of the device.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "cl_bench": cl_bench.__version__,
        "git": _git(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: _version(name) for name in PACKAGES},
        "hardware": {"cpu": _cpu(), "cores": os.cpu_count(), "memory": _memory(), **hardware},
    }


def _git() -> dict[str, Any] | None:
    """Commit and state of the source tree; ``None`` for an installed package."""
    root = Path(__file__).resolve().parents[2]
    try:
        commit = subprocess.run(
            ["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changes = subprocess.run(
            ["git", "-C", root, "status", "--porcelain"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "dirty": bool(changes)}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _memory() -> int:
    """Physical memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
