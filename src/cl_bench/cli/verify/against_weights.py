"""What a run claims of its weights, those it began with and those it ended with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.benchmark.records.claims import NotCheckable, kept_checkpoints
from cl_bench.benchmark.records.files import sha256_of
from cl_bench.datasets.mini.suite import TINY, tiny_clip


def _weights_are_finite(run: RunResult) -> str:
    from cl_bench.benchmark.checkpoint import count_finite

    folder = RunFolder(run.path)
    numbers = [count_finite(folder.checkpoint(learned)) for learned in kept_checkpoints(run)]
    several = f" in {len(numbers)} checkpoints" if len(numbers) > 1 else ""
    return f"{sum(numbers):,} numbers{several}, all finite"


def _backbone(run: RunResult) -> str:
    backbone = run.config.backbone
    if backbone.name == TINY:
        if backbone != tiny_clip():
            raise UserError(f"the record's {TINY} ({backbone.sha256}) is not the one shipped here")
        _load_shipped()  # compares the digest
        return f"{TINY}: the file shipped here has the recorded SHA-256"
    if not backbone.is_file:
        raise NotCheckable(f"the record holds no digest of {backbone.name}:{backbone.weights}")
    file = Path(backbone.weights)
    if not file.is_file():
        raise NotCheckable(f"{file} is not here")
    if sha256_of(file) != backbone.sha256:
        raise UserError(f"{file} is not the weight file that the run began with")
    return f"{file} has the recorded SHA-256"


@functools.cache
def _load_shipped() -> None:
    from cl_bench.datasets import backbones

    backbones.load(tiny_clip(), "cpu")


PROOFS: dict[str, Callable[[RunResult], str]] = {
    "checkpoint content": _weights_are_finite,
    "backbone": _backbone,
}
