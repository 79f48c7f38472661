"""What a bench keeps: figures with the machine and the versions they were measured on; and as a table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal

from bench.figures import Figure

from cl_bench.benchmark.records.circumstances import session
from cl_bench.benchmark.records.manifest import Hardware, Session

Size = Literal["full", "tiny"]


@dataclass(frozen=True)
class Part:
    """What one script gave.

    Attributes:
        name: of the script, or of a part of one.
        figures: in their order; of one that died, those before.
        seconds: that it took.
        problem: why it did not end well; empty where it did.
        left_out: what a limit of time left out; empty where nothing was.
    """

    name: str
    figures: Sequence[Figure]
    seconds: float
    problem: str = ""
    left_out: str = ""


@dataclass(frozen=True)
class Bench:
    """A whole bench.

    Attributes:
        size: at tiny sizes it shows only that everything runs.
        parts: in their order.
        notes: arithmetic behind figures that are calculated.
        gpu: its name, where one was measured.
    """

    size: Size
    parts: Sequence[Part]
    notes: Sequence[str] = field(default=())
    gpu: str | None = None

    @property
    def failed(self) -> list[Part]:
        """Those that did not end well."""
        return [part for part in self.parts if part.problem]

    def content(self) -> dict[str, Any]:
        """As JSON has it."""
        circumstances = _circumstances(self.gpu)
        git = circumstances.git
        return {
            "when": circumstances.started,
            "size": self.size,
            "machine": {**_machine(circumstances.hardware), "platform": circumstances.platform},
            "versions": {
                "cl_bench": circumstances.cl_bench,
                "commit": git and git.commit + (" and changes" if git.dirty else ""),
                "python": circumstances.python,
                **circumstances.packages,
            },
            "figures": [
                {"script": part.name, **asdict(f), "met": f.met}
                for part in self.parts
                for f in part.figures
            ],
            "scripts": [
                {"name": p.name, "seconds": p.seconds, "problem": p.problem, "left_out": p.left_out}
                for p in self.parts
            ],
            "notes": list(self.notes),
        }


@cache
def _circumstances(gpu: str | None) -> Session:
    """Looked up once: a file may be written after every figure."""
    return session(threads=_threads(), gpu=gpu)


def _machine(hardware: Hardware) -> dict[str, str | int | None]:
    return {
        "cpu": hardware.cpu,
        "cores": hardware.cores,
        "memory_gib": round((hardware.memory or 0) / 2**30),
        "gpu": hardware.gpu,
        "threads": hardware.threads,
    }


def _threads() -> int:
    """Cores that the scripts may use."""
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))


def table(content: Mapping[str, Any]) -> str:
    """A bench's content as Markdown."""
    machine, versions = content["machine"], content["versions"]
    left = [f"{of['name']}: {of['left_out']}" for of in content["scripts"] if of["left_out"]]
    rows = [
        f"{machine['gpu'] or 'no GPU'}; {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['threads']} threads, {machine['memory_gib']} GiB; torch {versions['torch']}, "
        f"cl-bench {versions['cl_bench']}, commit {versions['commit']}; {content['when']}",
        *(["Tiny sizes: this shows that everything runs, and nothing else."]
          if content["size"] == "tiny" else []),
        "",
        "| | measured | wanted | |",
        "| --- | --: | --: | --- |",
        *(_row(of) for of in content["figures"]),
        "",
        f"Missed: {sum(f['met'] is False for f in content['figures'])} of "
        f"{sum(f['met'] is not None for f in content['figures'])}.\n",
        f"Took: {'; '.join(map(_took, content['scripts']))}.",
        *(f"\nFailed: {of['name']}: {of['problem']}" for of in content["scripts"] if of["problem"]),
        *(["\nLeft out by the limit of time: " + "; ".join(left) + "."] if left else []),
        *(["", *content["notes"]] if content["notes"] else []),
    ]  # fmt: skip
    return "\n".join(rows)


def _row(of: Mapping[str, Any]) -> str:
    figure = Figure(**{k: v for k, v in of.items() if k not in ("script", "met")})
    state = {True: "met", False: "**missed**", None: ""}[figure.met]
    return f"| {figure.name} | {figure.measured} | {figure.wanted or 'reported'} | {state} |"


def _took(of: Mapping[str, Any]) -> str:
    return f"{of['name']} {of['seconds']:.0f} s"
