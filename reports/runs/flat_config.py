"""A run's configuration as single values by name, as dashboards search and sort them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cl_bench.benchmark.config import Budget, Protocol, Recipe, RunConfig, digest_of
from cl_bench.benchmark.records.manifest import Manifest

Scalar = str | int | float | bool | None
MOST = 32  # entries of a table or list that are written out; of a longer one its digest
OF_CL_BENCH = (*Recipe.model_fields, *Budget.model_fields, *Protocol.model_fields, "steps_total")


def flat_config(config: RunConfig, manifest: Manifest) -> dict[str, Scalar]:
    """Everything that was decided before a run, and the code that made it.

    A key is the setting's own name. A setting of the method that has the name of one of cl-bench's is
    called ``method/NAME``; an entry of a table ``TABLE/ENTRY``. No setting has a slash in its name, so
    no two keys meet.
    """
    known = {**_of_run(config, manifest), **_of_rules(config)}
    taken = {*known, *OF_CL_BENCH}
    own = {
        f"method/{name}" if name in taken else name: value
        for name, value in config.method_settings.items()
    }
    extra = {"extra_data": config.extra_data} if config.extra_data else {}
    return dict(_entries({**known, **own, **extra}))


def comparison_hash(config: RunConfig) -> str:
    """Eight digits that are equal where results may be compared."""
    return digest_of(config.comparison_key())[:8]


def _of_run(config: RunConfig, manifest: Manifest) -> dict[str, Any]:
    """What the run is, and where it comes from."""
    trees = [session.git for session in manifest.sessions if session.git is not None]
    return {
        "method": config.method,
        "order": config.order,
        "suite": config.suite.name,
        "seed": config.seed,
        "preset": config.preset,
        "backbone": config.backbone.name,
        "backbone_weights": config.backbone.identity()["weights"],
        "backbone_sha256": config.backbone.sha256,
        "device": config.device,
        "bound": config.bound,
        "plugin": config.plugin,
        "tasks": list(config.tasks),
        "task_count": len(config.tasks),
        **({"held_out": list(config.held_out)} if config.held_out else {}),
        **({"retrieval": list(config.retrieval)} if config.retrieval else {}),
        **({"start": f"{config.start.run} after {config.start.learned}"} if config.start else {}),
        "suite_digest": config.suite.digest,
        "run_digest": config.digest(),
        "comparison_key": comparison_hash(config),
        "cl_bench": manifest.first.cl_bench,
        "code_commit": list(dict.fromkeys(tree.commit for tree in trees)) or None,
        "code_dirty": manifest.dirty,
    }


def _of_rules(config: RunConfig) -> dict[str, Any]:
    """Recipe, budget and protocol; ``steps`` is one number where every task has the same."""
    steps = config.budget.steps
    alike = set(steps.values())
    return {
        **config.recipe.model_dump(mode="json"),
        "batch_size": config.budget.batch_size,
        "steps": alike.pop() if len(alike) == 1 else steps,
        "steps_total": sum(steps.values()),
        "protocol": config.protocol.name,
        **config.protocol.model_dump(mode="json"),
    }


def _entries(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Scalar]]:
    """Every value of a table under its key; what is long is one value."""
    for name, value in table.items():
        key = f"{before}{name}"
        if isinstance(value, dict | list | tuple) and len(value) > MOST:
            yield key, f"{len(value)} entries, digest {digest_of(value)}"
        elif isinstance(value, dict):
            yield from _entries(value, f"{key}/")
        elif isinstance(value, list | tuple):
            yield key, ",".join(map(_word, value))
        else:
            yield key, value


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
