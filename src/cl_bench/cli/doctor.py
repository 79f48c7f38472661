"""``cl-bench doctor``: whether this installation can run, one finding per check."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cl_bench.benchmark.errors import UserError, in_one_line

State = Literal["ok", "warn", "fail"]
ARITHMETICS = ("fp32", "tf32", "bf16", "fp16")  # most digits first
TOO_LITTLE, LITTLE = 1, 10  # GiB of disk: no run fits; decoded images of MTIL do not


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        state: ``warn`` where runs are possible, but not all of them.
        words: one sentence.
        facts: the same for programs.
    """

    state: State
    words: str
    facts: dict[str, Any] = field(default_factory=dict)


def _python() -> Finding:
    import cl_bench

    facts = {"cl_bench": cl_bench.__version__, "python": platform.python_version()}
    return Finding("ok", f"cl-bench {facts['cl_bench']}, Python {facts['python']}", facts)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    facts, gib = {"free_bytes": free}, free / 2**30
    if gib < TOO_LITTLE:
        return Finding("fail", f"only {free / 2**20:.0f} MiB of disk are free here", facts)
    words = f"{gib:.0f} GiB of disk free here"
    if gib < LITTLE:
        return Finding("warn", f"{words}: enough for mini, not for decoded images of MTIL", facts)
    return Finding("ok", words, facts)


def _data_root() -> Finding:
    from cl_bench.datasets.mtil.layout import missing_files
    from cl_bench.experiment.suites import environment_root

    root = environment_root()
    if not root:
        words = "no data root (CL_BENCH_DATA is not set): the default suite is mini"
        return Finding("ok", words, {"root": None, "found": []})
    if not root.is_dir():
        facts = {"root": str(root), "found": []}
        return Finding("fail", f"data root: CL_BENCH_DATA={root} is not a folder", facts)
    missing = missing_files(root)
    found = [name for name, files in missing.items() if not files]
    words = f"data root {root}: {len(found)} of {len(missing)} MTIL data sets found"
    words += f" ({', '.join(found)})" if found else ""
    facts = {"root": str(root), "found": found}
    if len(found) == len(missing):
        return Finding("ok", words, facts)
    return Finding("warn", f"{words}; `cl-bench data status` says what belongs where", facts)


def _torch() -> Finding:
    import open_clip
    import torch

    cuda = torch.cuda.is_available()
    where = f"GPU {torch.cuda.get_device_name()}" if cuda else "CPU only"
    threads = torch.get_num_threads()
    facts = {
        "torch": str(torch.__version__),
        "open_clip": open_clip.__version__,
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "threads": threads,
    }
    versions = f"torch {torch.__version__}, open_clip {open_clip.__version__}"
    return Finding("ok", f"{versions}; {where}, {threads} threads", facts)


def _speed() -> Finding:
    import torch

    from cl_bench.benchmark.product_rate import product_rate
    from cl_bench.benchmark.records.circumstances import physical_memory

    devices = [{"device": "cpu", "memory_bytes": physical_memory()}]
    for i in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(i).total_memory
        devices.append({"device": f"cuda:{i}", "memory_bytes": memory})
    for of in devices:
        on_gpu = str(of["device"]).startswith("cuda")
        for precision in ARITHMETICS:
            has_it = precision != "tf32" or (on_gpu and torch.cuda.is_tf32_supported())
            of[precision] = product_rate(str(of["device"]), precision) if has_it else None
    return Finding("ok", "; ".join(map(_in_words, devices)), {"devices": devices})


def _in_words(of: dict[str, Any]) -> str:
    """A device's rates and memory."""
    rates = [f"{name} {of[name]:,.0f}" for name in ARITHMETICS if of[name]]
    gib = of["memory_bytes"] / 2**30
    return f"{of['device']}: {', '.join(rates)} GFLOP/s in matrix products, {gib:.0f} GiB"


def _embedded() -> Finding:
    from cl_bench.datasets.backbones import load
    from cl_bench.datasets.mini.domains import DOMAINS, draw
    from cl_bench.datasets.mini.suite import tiny_clip

    size = load(tiny_clip(), "cpu").image_size
    images = sum(len(draw(name, "test")[1]) for name in DOMAINS)
    facts = {"test_images": images, "image_size": size}
    words = f"mini suite: {images:,} test images drawn, {size} px tiny CLIP loaded"
    return Finding("ok", words, facts)


CHECKS: dict[str, Callable[[], Finding]] = {  # those that take long last
    "python": _python,
    "disk": _disk,
    "data root": _data_root,
    "torch": _torch,
    "speed": _speed,
    "mini": _embedded,
}


def findings(begins: Callable[[str], None]) -> Iterator[tuple[str, Finding]]:
    """Every check's name and what it found; a check that breaks has failed.

    Args:
        begins: hears a check's name before it begins.
    """
    for name, check in CHECKS.items():
        begins(name)
        try:
            yield name, check()
        except (UserError, ImportError, OSError, RuntimeError) as error:
            yield name, Finding("fail", f"{name}: {in_one_line(error)}")
