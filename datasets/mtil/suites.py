"""The suites on the MTIL data sets: MTIL itself, X-TAIL, and either on what data there is. No torch."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.layout import facts, missing_files, names_in_prompts
from cl_bench.datasets.suite import Suite
from cl_bench.datasets.task_spec import MtilSource, TaskSpec

FOLDER = Path(__file__).parent


def mtil_suite() -> Suite:
    """Eleven data sets, each classified over its own classes (Zheng et al. 2023, ZSCL)."""
    known = facts()
    return Suite(
        tasks=[_task(name) for name in known["datasets"]],
        orders=known["orders"],
        **_settings("suite.toml"),
    )


def x_tail_suite() -> Suite:
    """Ten data sets, few shots, classified over the classes of all (Xu et al. 2024, RAIL)."""
    settings = _settings("x_tail.toml")
    names = settings["orders"]["I"]
    return Suite(tasks=[_task(name) for name in names], **settings)


def _settings(file: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / file).read_text())


def _task(name: str) -> TaskSpec:
    known = facts()["datasets"][name]
    return TaskSpec(
        name=name,
        classnames=names_in_prompts(name),
        templates=tuple(known["templates"]["keeplora"]),
        other_templates={"zscl": tuple(known["templates"]["zscl"])},
        source=MtilSource(dataset=name, native=known.get("native_size")),
        train_size=known["train"],
        test_size=known["test"],
    )


def on_what_is_there(suite: Suite, root: Path) -> Suite:
    """The suite on those of its data sets that lie below ``root``, with the images they have.

    For trying things out on subsets: classes, sizes and so the digest are those of the files.

    Raises:
        UserError: none of them is there, or one is damaged.
    """
    missing = missing_files(root)
    names = [task.name for task in suite.tasks if not missing.get(task.name, [""])]
    if not names:
        raise UserError(f"--partial-data: none of the data sets of {suite.name} is under {root}")
    orders = {o: tuple(t for t in tasks if t in names) for o, tasks in suite.orders.items()}
    return suite.model_copy(
        update={
            "about": f"{suite.about}; ON PARTIAL DATA, not comparable with published results",
            "tasks": tuple(partial_task(name, root) for name in names),
            "orders": orders,
        }
    )


@cache
def partial_task(name: str, root: Path) -> TaskSpec:
    """A data set below ``root`` with the classes and images that are there.

    Raises:
        UserError: it is missing or damaged.
    """
    from cl_bench.datasets.mtil.readers import read_both

    train, test = read_both(name, root)
    changes = {
        "classnames": train.classnames,
        "train_size": len(train.targets),
        "test_size": len(test.targets),
        "source": MtilSource(dataset=name, root=root, native=_task(name).source.native),  # type: ignore[union-attr]
    }
    return _task(name).model_copy(update=changes)
