"""What a run's log says about its tasks, as far as it can be read."""

from __future__ import annotations

from typing import Any

from cl_bench.benchmark.record import RunResult


def learned_events(run: RunResult) -> list[dict[str, Any]]:
    """The ``learned`` event of every task; empty where the log is lost or is not one."""
    try:
        events = run.events
    except (OSError, UnicodeDecodeError):
        return []
    return [e for e in events if isinstance(e, dict) and e.get("event") == "learned"]


def numbers(values: object) -> dict[str, float]:
    """The entries of a table in an event that are numbers."""
    if not isinstance(values, dict):
        return {}
    return {str(k): float(v) for k, v in values.items() if isinstance(v, int | float)}
