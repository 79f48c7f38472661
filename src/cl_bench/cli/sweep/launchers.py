"""Which engine starts the runs of a sweep: this machine, SLURM or Ray."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.cli.sweep import local, ray, slurm
from cl_bench.cli.sweep.job import Ended, Job

NAMES = ("local", "slurm", "ray")


@dataclass(frozen=True)
class Launcher:
    """An engine and what one run asks of it.

    Attributes:
        name: of the engine.
        resources: what a run needs, in the engine's own names.
        jobs: runs at a time; the engine's default without.
    """

    name: str
    resources: Mapping[str, Any]
    jobs: int | None

    def launch(self, jobs: Sequence[Job], out: Path, device: str | None, ended: Ended) -> None:
        """Run all jobs to their end."""
        match self.name:
            case "slurm":
                array = {} if self.jobs is None else {"slurm_array_parallelism": self.jobs}
                slurm.launch(jobs, out / "sweep" / "slurm", {**array, **self.resources}, ended)
            case "ray":
                gpus = {"num_gpus": 0} if device == "cpu" else {}
                ray.launch(jobs, self.jobs, {**gpus, **self.resources}, ended)
            case _:
                local.launch(jobs, self.jobs or 1, _gpus(device), ended)


def find_launcher(name: str, resources: Sequence[str], jobs: int | None) -> Launcher:
    """The launcher that the options ask for.

    Raises:
        UserError: there is none of that name, or it takes no such options.
    """
    if name not in NAMES:
        raise unknown("launcher", name, NAMES)
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs {jobs}: give 1 or more")
    if name == "local" and resources:
        raise UserError(
            "--resource is for --launcher slurm and ray; on one machine there is --jobs"
        )
    return Launcher(name, dict(map(_pair, resources)), jobs)


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise UserError(f"--resource {text!r} is not KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _gpus(device: str | None) -> list[str]:
    """The visible GPUs where runs may be spread over several."""
    if device not in (None, "cuda"):
        return []
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(i) for i in range(torch.cuda.device_count())]
    return names if len(names) > 1 else []
