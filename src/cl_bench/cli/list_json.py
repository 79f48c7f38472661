"""``cl-bench list ... --json``: one object per name; docs/json.md names the keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.cli.inspect import cards, known_licences

if TYPE_CHECKING:
    from cl_bench.datasets.task_spec import TaskSpec

Objects = Iterable[dict[str, Any]]


def listed(what: str, method: str | None, suite: str, plugin: Path | None) -> Objects:
    """What ``cl-bench list`` shows, as objects; arguments as those of the command.

    Raises:
        UserError: a name is wrong.
    """
    match what:
        case "methods":
            return _methods()
        case "suites":
            return _suites()
        case "orders":
            return _orders(suite)
        case "datasets":
            return _datasets(suite)
        case "backbones":
            return _backbones()
        case "licences":
            return map(asdict, known_licences())
        case _:
            return _settings(what, method, suite, plugin)


def _methods() -> Objects:
    for name, card in cards().items():
        yield {"name": name, **card.model_dump(mode="json")}


def _suites() -> Objects:
    from cl_bench.datasets.catalog import BUILT_IN

    made = ((name, make()) for name, make in BUILT_IN.items())
    return ({"name": name, "about": s.about, "digest": s.identify().digest} for name, s in made)


def _orders(suite: str) -> Objects:
    from cl_bench.datasets.catalog import find_suite

    return ({"name": name, "tasks": tasks} for name, tasks in find_suite(suite).orders.items())


def _datasets(suite: str) -> Objects:
    from cl_bench.datasets.catalog import find_suite

    of = find_suite(suite)
    for task in of.tasks:
        yield _classified("task", task)
    for held_out in of.held_out:
        yield _classified("held-out", held_out)
    for searched in of.retrieval:
        yield {
            "name": searched.name,
            "kind": "retrieval",
            "classes": None,
            "train_images": None,
            "test_images": searched.pictures,
            "captions": len(searched.captions),
            "prompt": None,
        }


def _classified(kind: str, spec: TaskSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "kind": kind,
        "classes": len(spec.classnames),
        "train_images": spec.train_size if kind == "task" else None,
        "test_images": spec.test_size,
        "captions": None,
        "prompt": spec.templates[0],
    }


def _backbones() -> Objects:
    from cl_bench.datasets.mini.suite import TINY
    from cl_bench.datasets.pretrained.architectures import all_models, obstacle

    yield {"name": TINY, "runs": True, "reason": None}
    for name in all_models():
        reason = obstacle(name)
        yield {"name": name, "runs": reason is None, "reason": reason}


def _settings(what: str, method: str | None, suite: str, plugin: Path | None) -> Objects:
    from cl_bench.cli.list_settings import chosen_settings

    return map(asdict, chosen_settings(what, method, suite, plugin))
