"""The circumstances of this process, as a manifest keeps them: code, packages, machine. No torch."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

import cl_bench
from cl_bench.benchmark.records.manifest import Git, Hardware, Session

PACKAGES = ("torch", "torchvision", "open_clip_torch", "numpy", "safetensors", "scikit-learn")


def session(
    *,
    device: str | None = None,
    threads: int | None = None,
    gpu: str | None = None,
    tf32: bool | None = None,
    processes: int = 1,
    micro_batch: int | None = None,
    deterministic: bool | None = None,
) -> Session:
    """The circumstances of one process that works on a run; a resumed run has several.

    Args:
        device: that it computes on.
        threads: of the processor, that torch uses.
        gpu: its name.
        tf32: whether the GPU rounds factors to TF32.
        processes: how many compute together.
        micro_batch: images that go through a tower at once in training.
        deterministic: whether kernels are taken that give the same bits in every run.
    """
    return Session(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=tuple(sys.argv),
        cl_bench=cl_bench.__version__,
        git=_git(),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages={name: _version(name) for name in PACKAGES},
        hardware=Hardware(
            cpu=_cpu(),
            cores=os.cpu_count(),
            memory=physical_memory(),
            device=device,
            threads=threads,
            gpu=gpu,
            tf32=tf32,
            processes=processes if processes > 1 else None,
        ),
        micro_batch=micro_batch,
        deterministic=deterministic,
    )


@cache
def digest_of_code() -> str:
    """SHA-256 of the sources of what learns, hexadecimal: a state within a task fits these alone.

    Read once: what this process runs does not change with the files.
    """
    digest = hashlib.sha256()
    for folder in ("benchmark", "methods"):
        root = (Path(cl_bench.__file__).parent / folder).resolve()
        for file in sorted(root.rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def _git() -> Git | None:
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
    return Git(commit=commit, dirty=bool(changes))


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


def physical_memory() -> int:
    """Of this machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
