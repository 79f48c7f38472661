"""What a bench keeps: figures with the machine and the versions they were measured on; and as a table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bench.figures import Figure

from cl_bench.benchmark.records.circumstances import session


@dataclass(frozen=True)
class Part:
    """What one script gave.

    Attributes:
        name: of the script, or of a part of one.
        figures: in their order; of one that died, those before.
        seconds: that it took; ``None`` where that is not known.
        problem: why it did not end well; empty where it did.
    """

    name: str
    figures: Sequence[Figure]
    seconds: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class Bench:
    """A whole bench.

    Attributes:
        size: at tiny sizes it shows only that everything runs.
        parts: in their order.
        notes: arithmetic behind figures that are calculated.
        gpu: its name, where one was measured.
    """

    size: Literal["full", "tiny"]
    parts: Sequence[Part]
    notes: Sequence[str] = field(default=())
    gpu: str | None = None

    @property
    def failed(self) -> list[Part]:
        """Those that did not end well."""
        return [part for part in self.parts if part.problem]

    def content(self) -> dict[str, Any]:
        """As JSON has it."""
        circumstances = session(threads=_threads(), gpu=self.gpu)
        git, hardware = circumstances.git, circumstances.hardware
        return {
            "when": circumstances.started,
            "size": self.size,
            "machine": {
                "cpu": hardware.cpu,
                "cores": hardware.cores,
                "memory_gib": round((hardware.memory or 0) / 2**30),
                "gpu": hardware.gpu,
                "threads": hardware.threads,
                "platform": circumstances.platform,
            },
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
                {"name": p.name, "seconds": p.seconds, "problem": p.problem} for p in self.parts
            ],
            "notes": list(self.notes),
        }


def _threads() -> int:
    """Cores that the scripts may use."""
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))


def table(content: Mapping[str, Any]) -> str:
    """A bench's content as Markdown."""
    machine, versions = content["machine"], content["versions"]
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
        "| script | took | |",
        "| --- | --: | --- |",
        *(_script(of) for of in content["scripts"]),
        *(["", *content["notes"]] if content["notes"] else []),
    ]  # fmt: skip
    return "\n".join(rows)


def _row(of: Mapping[str, Any]) -> str:
    figure = Figure(**{k: v for k, v in of.items() if k not in ("script", "met")})
    state = {True: "met", False: "**missed**", None: ""}[figure.met]
    return f"| {figure.name} | {figure.measured} | {figure.wanted or 'reported'} | {state} |"


def _script(of: Mapping[str, Any]) -> str:
    seconds = "" if of["seconds"] is None else f"{of['seconds']:.0f} s"
    problem = f"**failed**: {of['problem']}" if of["problem"] else ""
    return f"| {of['name']} | {seconds} | {problem} |"
