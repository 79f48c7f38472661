"""The suite that a run names, as it is defined here, and the images that are here."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.record import RunResult
from cl_bench.benchmark.records.claims import NotCheckable
from cl_bench.datasets.catalog import BUILT_IN, find_suite
from cl_bench.datasets.held_out import chosen_held_out, chosen_retrieval
from cl_bench.datasets.mini.suite import TINY
from cl_bench.datasets.retrieval_set import RetrievalSpec
from cl_bench.datasets.suite import Suite
from cl_bench.datasets.task_spec import MtilSource, TaskSpec
from cl_bench.experiment.choices import Choices, choices_of
from cl_bench.experiment.places import found_again
from cl_bench.experiment.suites import cache_folder, environment_root, suite_of

if TYPE_CHECKING:
    from cl_bench.benchmark.images import Images
    from cl_bench.benchmark.retrieval import Captioned


@dataclass(frozen=True)
class Installed:
    """A run beside what is here.

    Attributes:
        run: the run.
        suite: of the run's suite's name, as defined here.
    """

    run: RunResult
    suite: Suite

    @property
    def specs(self) -> tuple[TaskSpec, ...]:
        """The run's tasks by the definition that is here."""
        return tuple(self.suite.task(name) for name in self.run.config.tasks)

    @property
    def held_out(self) -> tuple[TaskSpec, ...]:
        """The run's held-out sets by the definition that is here, with the run's prompts.

        Raises:
            UserError: one is not in the suite that is here.
        """
        config = self.run.config
        if not config.held_out:
            return ()
        chosen = chosen_held_out(self.suite, ",".join(config.held_out))
        return tuple(spec.worded(config.protocol.wording) for spec in chosen)

    @property
    def retrieval(self) -> tuple[RetrievalSpec, ...]:
        """The run's retrieval sets by the definition that is here; raises as ``held_out`` does."""
        names = self.run.config.retrieval
        return chosen_retrieval(self.suite, ",".join(names)) if names else ()

    def images(self, spec: TaskSpec) -> tuple[Images, Images]:
        """The training and the test images of a task, all of them.

        Data root and cache are this machine's: nothing is written where a stranger's record says.
        """
        return _images(spec.model_dump_json(), *self._where())

    def held_out_images(self, spec: TaskSpec) -> Images:
        """The images of a held-out set; as above."""
        return _test_images(spec.model_dump_json(), *self._where())

    def captioned(self, spec: RetrievalSpec) -> Captioned:
        """The pictures of a retrieval set with their captions; as above."""
        size, broken, _, cache = self._where()
        return _captioned(spec, size, broken, cache)

    def _where(self) -> tuple[int, str, Path | None, Path | None]:
        """The side of the images, what becomes of broken ones, data root and cache."""
        root, config = environment_root(), self.run.config
        size = _image_size(config.backbone.name)
        return size, config.protocol.broken, root, cache_folder(Choices(), root)

    @property
    def digest(self) -> str:
        """Of the suite that is here, on the run's own backbone."""
        changed = self.suite.model_copy(update={"backbone": self.run.config.backbone})
        return changed.identify().digest


def installed(run: RunResult) -> Installed:
    """The run with the suite that its choices name, as it is here.

    Raises:
        NotCheckable: the suite is not here.
        UserError: the choices are no choices, or the suite file is wrong.
    """
    choices = choices_of_run(run)
    if choices.suite in BUILT_IN and not choices.partial_data:
        return Installed(run, find_suite(choices.suite))
    kept = {name: getattr(choices, name) for name in ("suite", "data_root", "relative")}
    lean = Choices(**kept, partial_data=choices.partial_data)
    found = [Installed(run, suite_of(there)[0]) for there in found_again(lean, run.path, {})]
    return next((f for f in found if f.digest == run.config.suite.digest), found[0])


def choices_of_run(run: RunResult) -> Choices:
    """What was typed, for a machine without a GPU."""
    choices = choices_of({**run.config.choices, "device": "cpu", "seed": run.config.seed})
    return choices.model_copy(update={"suite": choices.suite or run.config.suite.name})


@functools.cache
def _image_size(backbone: str) -> int:
    from cl_bench.benchmark.config import Backbone
    from cl_bench.datasets import backbones
    from cl_bench.datasets.mini.suite import tiny_clip
    from cl_bench.datasets.pretrained.architectures import runnable_models

    if backbone not in (TINY, *runnable_models()):  # a name may also be an address
        raise NotCheckable(f"{backbone} is no model that open_clip brings")
    known = tiny_clip() if backbone == TINY else Backbone(name=backbone, weights=backbones.RANDOM)
    return backbones.load(known, "cpu").image_size


@functools.lru_cache(maxsize=32)  # several runs are on the same images
def _images(
    spec: str, size: int, broken: str, root: Path | None, cache: Path | None
) -> tuple[Images, Images]:
    from cl_bench.datasets.images.store import Store
    from cl_bench.datasets.streams import load_splits

    task = _that_is_here(spec, root)
    return load_splits(task, size, Store(cache, broken), root)  # type: ignore[arg-type]


@functools.lru_cache(maxsize=32)
def _test_images(
    spec: str, size: int, broken: str, root: Path | None, cache: Path | None
) -> Images:
    from cl_bench.datasets.images.store import Store
    from cl_bench.datasets.streams import load_test

    task = _that_is_here(spec, root)
    return load_test(task, size, Store(cache, broken), root)  # type: ignore[arg-type]


@functools.lru_cache(maxsize=32)
def _captioned(spec: RetrievalSpec, size: int, broken: str, cache: Path | None) -> Captioned:
    from cl_bench.datasets.images.store import Store
    from cl_bench.datasets.retrieval_images import load_captioned

    return load_captioned(spec, size, Store(cache, broken))  # type: ignore[arg-type]


def _that_is_here(spec: str, root: Path | None) -> TaskSpec:
    """A data set, if its images are on this machine."""
    task = TaskSpec.model_validate_json(spec)
    source = task.source
    if isinstance(source, MtilSource):
        there = source.root or root
        if there is None or not there.is_dir():
            raise NotCheckable(f"the images of {task.name} are not here; set CL_BENCH_DATA=FOLDER")
    return task
