"""What a run cost, from its log: the one reading that tables and figures share."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from cl_bench.benchmark.record import RunResult

PHASES = ("prepare", "train", "consolidate", "evaluate")
Events = list[dict[str, Any]]


def of_run(run: RunResult) -> dict[str, float]:
    """Every figure that the run's log holds, in parameters, bytes, seconds and images."""
    try:
        events = [e for e in run.events if isinstance(e, dict)]
        learned, saved, evaluated = (
            [e for e in events if e.get("event") == kind]
            for kind in ("learned", "saved", "evaluated")
        )
        figures = {**_learning(learned), **_storage(saved)}
        if evaluated:
            figures["evaluate_seconds"] = sum(e["seconds"] for e in evaluated)
        return figures
    except (OSError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return {}  # a log that is lost or was written by hand costs nothing but its own line


def _learning(learned: Events) -> dict[str, float]:
    if not learned:
        return {}
    figures: dict[str, float] = {
        "trainable_parameters": fmean(e["trainable_parameters"] for e in learned),
        "images_drawn": sum(e["images_drawn"] for e in learned),
    }
    if counted := [e["step_flops"] for e in learned if "step_flops" in e]:
        figures["step_flops"] = fmean(counted)
    for phase in PHASES[:-1]:
        figures[f"{phase}_seconds"] = sum(e["seconds"].get(phase, 0.0) for e in learned)
    for where in ("process", "gpu"):
        if peaks := [e["peak_memory"][where] for e in learned if where in e["peak_memory"]]:
            figures[f"{where}_memory"] = max(peaks)
    return figures


def _storage(saved: Events) -> dict[str, float]:
    if not saved:
        return {}
    figures = {"stored_parameters": float(saved[-1]["stored_parameters"])}
    if len(saved) > 1:
        figures["bytes_added"] = fmean(e["bytes_added"] for e in saved[1:])
    return figures
