"""What a run claims about its suite, data and weights, held against those that are here.

A run's folder may come from a stranger: its files are read within bounds, and none is executed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cl_bench.benchmark.claims import Claim, NotCheckable, judged, record_claims
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.ledger import files_of
from cl_bench.benchmark.manifest import session
from cl_bench.benchmark.record import RunFolder, RunResult, open_run
from cl_bench.cli.choices import Choices, validated
from cl_bench.cli.places import found_again
from cl_bench.cli.plan import cache_folder, environment_root, make_plan, suite_of
from cl_bench.datasets.catalog import BUILT_IN, find_suite
from cl_bench.datasets.mini.suite import TINY
from cl_bench.datasets.suite import Suite, TaskSpec

if TYPE_CHECKING:
    from cl_bench.benchmark.images import Images

MOST_BYTES = 2**35  # of one file: 32 GiB


def all_claims(path: Path) -> list[Claim]:
    """Everything that the run in ``path`` claims and that can be looked into."""
    folder = judged("folder", _folder, path)
    if folder.verdict == "false":
        return [folder]  # nothing in it is opened
    claims = [folder, *record_claims(path)]
    try:
        run = open_run(path)
    except UserError:
        return claims  # said already
    claims += [judged(name, prove, run) for name, prove in ALONE.items()]
    try:
        about = _suite_of(run)
    except (NotCheckable, UserError) as reason:
        return [*claims, Claim("suite", "not checkable here", str(reason))]
    return [*claims, *(judged(name, prove, about) for name, prove in AGAINST_SUITE.items())]


@dataclass(frozen=True)
class _Installed:
    """A run, and the suite of its name as it is defined here."""

    run: RunResult
    suite: Suite
    choices: Choices

    @property
    def specs(self) -> tuple[TaskSpec, ...]:
        """The run's tasks by the definition that is here."""
        return tuple(self.suite.task(name) for name in self.run.config.tasks)

    def images(self, spec: TaskSpec) -> tuple[Images, Images]:
        """The training and the test images of a task, all of them."""
        root = self.choices.data_root or environment_root()
        cache = cache_folder(self.choices, root)
        config = self.run.config
        size = _image_size(config.backbone.name)
        return _images(spec.model_dump_json(), size, config.protocol.broken, root, cache)


def _folder(path: Path) -> str:
    sizes = files_of(path)
    if too_large := next((name for name, size in sizes.items() if size > MOST_BYTES), None):
        raise UserError(
            f"{path / too_large} has more than {MOST_BYTES:,} bytes: no run writes that"
        )
    return f"{len(sizes)} plain files, none leads elsewhere"


def _weights_are_finite(run: RunResult) -> str:
    from cl_bench.benchmark.checkpoint import count_finite

    if not run.matrix.rows:
        raise NotCheckable("no task is learned yet")
    numbers = count_finite(RunFolder(run.path).checkpoint(len(run.matrix.rows)))
    return f"{numbers:,} numbers, all finite"


def _backbone(run: RunResult) -> str:
    from cl_bench.benchmark.files import sha256_of
    from cl_bench.datasets import backbones
    from cl_bench.datasets.mini.suite import tiny_clip

    backbone = run.config.backbone
    if backbone.name == TINY:
        if backbone != tiny_clip():
            raise UserError(f"the record's {TINY} ({backbone.sha256}) is not the one shipped here")
        backbones.load(backbone, "cpu")  # compares the digest
        return f"{TINY}: the file shipped here has the recorded SHA-256"
    if not backbone.is_file:
        raise NotCheckable(f"the record holds no digest of {backbone.name}:{backbone.weights}")
    file = Path(backbone.weights)
    if not file.is_file():
        raise NotCheckable(f"{file} is not here")
    if sha256_of(file) != backbone.sha256:
        raise UserError(f"{file} is not the weight file that the run began with")
    return f"{file} has the recorded SHA-256"


def _settings(run: RunResult) -> str:
    choices = _choices(run)
    if choices.plugin is not None:
        raise NotCheckable("its method is in a plug-in, and no code of a run is executed")
    try:
        plans = [make_plan(c, run.config.seed) for c in found_again(choices, run.path, {})]
    except UserError as reason:
        raise NotCheckable(f"the plan cannot be made here: {reason}") from reason
    if any(plan.config.digest() == run.config.digest() for plan in plans):
        return "what was typed leads to this configuration with the code that is here"
    here, there = session({}), run.manifest["sessions"][0]
    if any(here[key] != there.get(key) for key in ("cl_bench", "git")):
        raise NotCheckable("what was typed leads to another configuration, but the code is another")
    raise UserError("what was typed does not lead to this configuration")


def _choices(run: RunResult) -> Choices:
    """What was typed, for a machine without a GPU."""
    choices = validated(lambda: Choices(**{**run.config.choices, "device": "cpu"}))
    return choices.model_copy(update={"suite": choices.suite or run.config.suite.name})


def _suite_of(run: RunResult) -> _Installed:
    """The run with the suite that its choices name, as it is here.

    Raises:
        NotCheckable: the suite is not here.
        UserError: the choices are no choices, or the suite file is wrong.
    """
    choices = _choices(run)
    kept = {name: getattr(choices, name) for name in ("suite", "data_root", "cache", "relative")}
    lean = Choices(**kept, partial_data=choices.partial_data)
    if choices.suite in BUILT_IN and not choices.partial_data:
        suite = find_suite(choices.suite)
        try:
            return _Installed(run, suite, next(found_again(lean, run.path, {})))
        except UserError:  # its data is not here
            return _Installed(run, suite, lean.model_copy(update={"data_root": None}))
    found = [
        _Installed(run, suite_of(there)[0], there) for there in found_again(lean, run.path, {})
    ]
    return next((f for f in found if _digest(f) == run.config.suite.digest), found[0])


def _digest(about: _Installed) -> str:
    """Of the suite that is here, on the run's own backbone."""
    changed = about.suite.model_copy(update={"backbone": about.run.config.backbone})
    return changed.identify().digest


def _suite(about: _Installed) -> str:
    recorded, here = about.run.config.suite, _digest(about)
    if (about.suite.name, here) != (recorded.name, recorded.digest):
        raise UserError(
            f"the run is on {recorded.name} {recorded.digest}; what is here is {about.suite.name} {here}"
        )
    return f"{recorded.name} {recorded.digest}, {len(about.suite.tasks)} tasks as defined here"


def _tasks(about: _Installed) -> str:
    config = about.run.config
    order = config.order if config.order in about.suite.orders else ",".join(config.tasks)
    _, tasks = about.suite.order(order)
    if tuple(task.name for task in tasks)[: len(config.tasks)] != config.tasks:
        raise UserError(f"the run's tasks are not those of order {config.order}")
    return f"{len(config.tasks)} tasks as in order {config.order}"


def _label_space(about: _Installed) -> str:
    sizes = {spec.name: len(spec.classnames) for spec in about.specs}
    if about.run.config.protocol.labels == "all":
        sizes = dict.fromkeys(sizes, sum(sizes.values()))
    rows = range(len(about.run.matrix.rows) + 1)
    for where in (about.run.targets(), *map(about.run.predictions, rows)):
        if odd := [n for n, classes in sizes.items() if int(where[n].max(initial=0)) >= classes]:
            raise UserError(f"a class index of {odd[0]} is beyond its {sizes[odd[0]]} classes")
    return "every true and predicted class is one of the suite's"


def _test_images(about: _Installed) -> str:
    truth, start = about.run.targets(), 0
    recorded, of_all = about.run.manifest["data"], about.run.config.protocol.labels == "all"
    for spec in about.specs:
        _, test = about.images(spec)
        if not np.array_equal(truth[spec.name], test.targets.numpy() + start * of_all):
            raise UserError(
                f"the true classes of {spec.name} are not those of the data that is here"
            )
        if recorded[spec.name][1] != test.fingerprint:
            raise UserError(f"the test images of {spec.name} are not those that are here")
        start += len(spec.classnames)
    return f"true classes and pixels of {len(about.specs)} tasks are those of the data that is here"


def _training_images(about: _Installed) -> str:
    import torch

    from cl_bench.datasets.few_shot import choose

    config, recorded = about.run.config, about.run.manifest["data"]
    rows = about.run.shots()
    if (rows is None) != (config.protocol.shots is None):
        raise UserError("shots.npz does not go with the configuration")
    for spec in about.specs:
        train, _ = about.images(spec)
        if rows is not None and config.protocol.shots is not None:
            drawn = choose(train.targets.numpy(), config.protocol.shots, config.seed, spec.name)
            if not np.array_equal(rows[spec.name], drawn):
                raise UserError(f"shots.npz: the images of {spec.name} are not those of the seed")
            train = train.subset(torch.from_numpy(drawn))
        if recorded[spec.name][0] != train.fingerprint:
            raise UserError(f"the training images of {spec.name} are not those that are here")
    few = f", the {config.protocol.shots} of a class that the seed draws" if rows else ""
    return f"pixels and classes of {len(about.specs)} tasks are those of the data that is here{few}"


@functools.cache
def _image_size(backbone: str) -> int:
    from cl_bench.benchmark.config import Backbone
    from cl_bench.datasets import backbones
    from cl_bench.datasets.mini.suite import tiny_clip

    known = tiny_clip() if backbone == TINY else Backbone(name=backbone, weights=backbones.RANDOM)
    return backbones.load(known, "cpu").image_size


@functools.lru_cache(maxsize=32)  # several runs are on the same images
def _images(
    spec: str, size: int, broken: str, root: Path | None, cache: Path | None
) -> tuple[Images, Images]:
    from cl_bench.datasets.store import Store
    from cl_bench.datasets.streams import load_splits
    from cl_bench.datasets.suite import MtilSource

    task = TaskSpec.model_validate_json(spec)
    source = task.source
    if isinstance(source, MtilSource):
        there = source.root or root
        if there is None or not there.is_dir():
            raise NotCheckable(f"the images of {task.name} are not here; set CL_BENCH_DATA=FOLDER")
    return load_splits(task, size, Store(cache, broken), root)  # type: ignore[arg-type]


ALONE: dict[str, Callable[[RunResult], str]] = {
    "checkpoint content": _weights_are_finite,
    "backbone": _backbone,
    "settings": _settings,
}
AGAINST_SUITE: dict[str, Callable[[_Installed], str]] = {
    "suite": _suite,
    "tasks": _tasks,
    "label space": _label_space,
    "test images": _test_images,
    "training images": _training_images,
}
