"""``cl-bench compare --json``; docs/json.md names the keys."""

from __future__ import annotations

from typing import Any

from cl_bench.reports.statistics.side_by_side import Pair, Side, SideBySide
from cl_bench.reports.statistics.verdicts import Verdict


def compared(found: SideBySide) -> dict[str, Any]:
    """Two methods side by side as an object; accuracies in per cent, differences in points."""
    config = found.a.config
    return {
        "suite": config.suite.name,
        "order": config.order,
        "tasks": config.tasks,
        "a": _side(found.a),
        "b": _side(found.b),
        "warnings": found.warnings,
        "metrics": {
            metric: {
                **_pair(pair),
                "tasks": {part: _pair(of) for part, of in found.tasks.get(metric, {}).items()},
            }
            for metric, pair in found.metrics.items()
        },
    }


def _side(side: Side) -> dict[str, Any]:
    config = side.config
    return {
        "path": str(side.path),
        "method": config.method,
        "method_settings": config.method_settings,
        "preset": config.preset,
        "seeds": side.seeds,
        "runs": [str(run.path) for run in side.runs],
    }


def _pair(pair: Pair) -> dict[str, Any]:
    judgement, d = pair.judgement, pair.judgement.difference
    interval = judgement.interval
    return {
        "a": pair.a,
        "b": pair.b,
        "difference": pair.difference,
        "p_images": d.images.p,
        "p_both": d.both.p if d.both else None,
        "level": judgement.level,
        "interval": interval and sorted(pair.sign * end for end in interval),
        "verdict": judgement.verdict.name,
        "higher": None if judgement.verdict is Verdict.alike else judgement.a,
    }
