"""The embedded suite: eleven drawn domains in MTIL's two orders, on the shipped tiny CLIP."""

from __future__ import annotations

import json
from pathlib import Path

from cl_bench.benchmark.config import Backbone
from cl_bench.datasets.budget_rule import BudgetRule
from cl_bench.datasets.mini import captioned
from cl_bench.datasets.mini.domains import DOMAINS, PER_CLASS, Domain
from cl_bench.datasets.mini.held_out import HELD_OUT
from cl_bench.datasets.mini.held_out import PER_CLASS as HELD_OUT_PER_CLASS
from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.retrieval_set import DrawnPictures, RetrievalSpec
from cl_bench.datasets.suite import Suite
from cl_bench.datasets.task_spec import MiniSource, TaskSpec

TINY = "tiny-clip"


def tiny_clip() -> Backbone:
    """The shipped tiny CLIP, pinned by the hash that its recipe records."""
    recipe = json.loads((Path(__file__).parent / "tiny_clip.recipe.json").read_text())
    return Backbone(name=TINY, weights="shipped", sha256=recipe["sha256"])


def _spec(name: str, domain: Domain, train: int, test: int) -> TaskSpec:
    """A domain's data set, of so many training and test images a class."""
    classes = len(domain.classnames)
    return TaskSpec(
        name=name,
        classnames=domain.classnames,
        templates=domain.templates,
        source=MiniSource(domain=name),
        train_size=train * classes,
        test_size=test * classes,
    )


def _captions() -> RetrievalSpec:
    """The captioned pictures of its world."""
    return RetrievalSpec(
        name=captioned.NAME,
        captions=captioned.captions(),
        pictures=len(captioned.captioned_things()),
        source=DrawnPictures(),
    )


def mini_suite() -> Suite:
    """Stands for MTIL where there is no data: same names prefixed ``mini-``, same orders."""
    tasks = tuple(_spec(n, d, PER_CLASS["train"], PER_CLASS["test"]) for n, d in DOMAINS.items())
    held_out = tuple(_spec(n, d, 0, HELD_OUT_PER_CLASS) for n, d in HELD_OUT.items())
    return Suite(
        name="mini",
        about="mini: eleven small drawn image domains and a tiny CLIP, embedded; not MTIL itself",
        tasks=tasks,
        held_out=held_out,
        retrieval=(_captions(),),
        orders={o: tuple(f"mini-{t}" for t in names) for o, names in facts()["orders"].items()},
        backbone=tiny_clip(),
        budget=BudgetRule(batch_size=32, epochs=5),
    )
