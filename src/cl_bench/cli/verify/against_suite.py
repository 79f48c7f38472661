"""What a run claims of its suite and settings, held against the definitions that are here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.classified_over import classified_over
from cl_bench.benchmark.counted import counted
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.namesakes import indices_of
from cl_bench.benchmark.records.circumstances import session
from cl_bench.benchmark.records.claims import NotCheckable
from cl_bench.cli.verify.installed import Installed, choices_of_run
from cl_bench.datasets.held_out import content_digest
from cl_bench.experiment.places import found_again
from cl_bench.experiment.resolve import resolve


def _suite(about: Installed) -> str:
    recorded, here = about.run.config.suite, about.digest
    if (about.suite.name, here) != (recorded.name, recorded.digest):
        raise UserError(
            f"the run is on {recorded.name} {recorded.digest}; what is here is {about.suite.name} {here}"
        )
    return f"{recorded.name} {recorded.digest}, {len(about.suite.tasks)} tasks as defined here"


def _tasks(about: Installed) -> str:
    config = about.run.config
    order = ",".join(config.tasks) if config.order == "custom" else config.order
    _, tasks = about.suite.order(order)
    if tuple(task.name for task in tasks)[: len(config.tasks)] != config.tasks:
        raise UserError(f"the run's tasks are not those of order {config.order}")
    here = {spec.name: content_digest(about.suite, spec) for spec in about.held_out}
    if here != config.held_out:
        raise UserError("the run's held-out sets are not those that are here")
    beside = f", {counted(len(here), 'held-out set')} as defined here" if here else ""
    searched = {spec.name: content_digest(about.suite, spec) for spec in about.retrieval}
    if searched != config.retrieval:
        raise UserError("the run's retrieval sets are not those that are here")
    beside += f", {counted(len(searched), 'retrieval set')} as defined here" if searched else ""
    return f"{len(config.tasks)} tasks as in order {config.order}{beside}"


def _label_space(about: Installed) -> str:
    run = about.run
    rows = range(len(run.matrix.rows) + 1)
    tasks, p = run.config.tasks, run.config.protocol
    names = {spec.name: spec.classnames for spec in about.specs}
    indices = indices_of(names, p.labels, p.namesakes)
    _must_be_among({task: indices[task] for task in tasks}, run.targets(), "a true")
    for learned in rows:
        over = {task: classified_over(task, tasks, learned, p.labels) for task in tasks}
        among = {task: [i for other in over[task] for i in indices[other]] for task in tasks}
        _must_be_among(among, run.predictions(learned), "a predicted")
        if run.manifest.scores:
            kept = {task: of.classes for task, of in run.scores(learned).items()}
            _must_be_among(among, kept, "a scored")
    if beside := {spec.name: len(spec.classnames) for spec in about.held_out}:
        own = {name: range(classes) for name, classes in beside.items()}
        _must_be_among(own, run.held_out_targets(), "a true")
        for learned in rows:
            _must_be_among(own, run.held_out_predictions(learned), "a predicted")
    return "every true and predicted class is one of the suite's"


def _must_be_among(
    among: Mapping[str, Sequence[int]], kept: Mapping[str, NDArray[np.uint16]], which: str
) -> None:
    """Raise where a class of a data set is none of those that its images are classified over."""
    for name, classes in among.items():
        if odd := set(np.unique(kept[name]).tolist()).difference(classes):
            raise UserError(
                f"{which} class of {name}, {min(odd)}, is none of the {len(classes)} that its images are "
                "classified over"
            )


def _settings(about: Installed) -> str:
    run = about.run
    choices = choices_of_run(run)
    if choices.plugin is not None:
        raise NotCheckable("its method is in a plug-in, and no code of a run is executed")
    try:
        plans = [resolve(c) for c in found_again(choices, run.path, {})]
    except UserError as reason:
        raise NotCheckable(f"the plan cannot be made here: {reason}") from reason
    if any(plan.config.digest() == run.config.digest() for plan in plans):
        return "what was typed leads to this configuration with the code that is here"
    here, there = session(), run.manifest.first
    if (here.cl_bench, here.git) != (there.cl_bench, there.git):
        raise NotCheckable("what was typed leads to another configuration, but the code is another")
    raise UserError("what was typed does not lead to this configuration")


PROOFS: dict[str, Callable[[Installed], str]] = {
    "suite": _suite,
    "tasks": _tasks,
    "label space": _label_space,
    "settings": _settings,
}
