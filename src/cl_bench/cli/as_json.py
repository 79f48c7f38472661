"""What commands print under ``--json``; docs/json.md names the keys."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cl_bench.benchmark.record import RunResult

AsJson = Annotated[bool, typer.Option("--json", help="As JSON; docs/json.md names the keys.")]


def print_json(value: Any) -> None:
    """Print a value; numbers that JSON does not have (an undefined metric) become ``null``."""
    typer.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def run_as_json(run: RunResult) -> dict[str, Any]:
    """A run as ``cl-bench show --json`` prints it; accuracies in per cent."""
    matrix = run.matrix
    return {
        "path": str(run.path),
        "status": run.manifest.stands,
        "finished": run.finished,
        "checkable": run.checkable,
        "config": run.config.model_dump(mode="json"),
        "digest": run.config.digest(),
        "remarks": run.remarks,
        "tasks": matrix.tasks,
        "zero_shot": matrix.zero_shot,
        "rows": matrix.rows,
        "held_out": run.held_out.curves(),
        "retrieval": run.retrieval.curves(),
        "metrics": run.metrics(),  # of an unfinished run the zero-shot mean alone
        "so_far": matrix.so_far(),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
