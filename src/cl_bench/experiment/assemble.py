"""From a plan to what is run: the model, the images, what the method needs, and the method itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.held_out import HeldOutSets
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.randomness import seed_everything
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.benchmark.records.events import Listener
from cl_bench.benchmark.retrieval import RetrievalSets
from cl_bench.benchmark.rows import Division
from cl_bench.benchmark.run import run
from cl_bench.benchmark.task import TaskStream
from cl_bench.datasets import backbones
from cl_bench.datasets.catalog import check_data
from cl_bench.datasets.checks.captions_as_classes import must_be_no_classes
from cl_bench.datasets.checks.shared_images import (
    must_share_no_image,
    retrieval_must_share_no_picture,
)
from cl_bench.datasets.checks.shared_texts import shared_texts
from cl_bench.datasets.client_split import ClientSplit
from cl_bench.datasets.extra.references import load_assets
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.imbalance import Imbalance
from cl_bench.datasets.progress import ProgressCallback, silent
from cl_bench.datasets.retrieval_images import load_retrieval
from cl_bench.datasets.streams import Shots, build_stream, load_held_out
from cl_bench.experiment.memory import must_fit
from cl_bench.experiment.resolve import Plan


@dataclass
class MethodFactory:
    """Makes the method of a run: every call a fresh one, around a pre-trained model of its own.

    It can be sent to another process.

    Attributes:
        plan: what the method is.
        assets: what it may use besides the tasks; shared by all instances, which only read it.
        loaded: a model that is loaded already; the first instance takes it.
    """

    plan: Plan
    assets: Assets
    loaded: Clip | None = None

    def __call__(self) -> Method:
        """A fresh instance on the run's device."""
        config, method = self.plan.config, self.plan.entry.method
        clip = self.loaded or backbones.load(config.backbone, config.device)
        self.loaded = None
        seed_everything(config.seed, config.method)  # for a method that draws when it is built
        return method(clip, method.Config.model_validate(config.method_settings), self.assets)

    def __reduce__(self) -> tuple[Callable[..., MethodFactory], tuple[Plan, Assets]]:
        """Leave the loaded model here: the other process loads its own."""
        return MethodFactory, (self.plan, self.assets)


@dataclass(frozen=True)
class Experiment:
    """A run with everything that it needs.

    Attributes:
        plan: what it is.
        stream: its tasks with their images.
        make_method: makes its method.
        held_out: what is evaluated beside the tasks; the method never gets at its images.
        retrieval: captioned pictures that are searched beside them, likewise.
    """

    plan: Plan
    stream: TaskStream
    make_method: MethodFactory
    held_out: HeldOutSets = HeldOutSets()  # noqa: RUF009 (frozen)
    retrieval: RetrievalSets = RetrievalSets()  # noqa: RUF009 (frozen)

    def run(self, listen: Listener, images_at_once: int | None = None) -> RunResult:
        """Run it in its directory, or continue what the directory holds; see ``benchmark/run.py``.

        Args:
            listen: receives every logged event.
            images_at_once: as of ``rows.Division``.
        """
        plan, folder = self.plan, RunFolder(self.plan.folder)
        division = Division(shared=True, images_at_once=images_at_once)
        make, stream, beside = self.make_method, self.stream, (self.held_out, self.retrieval)
        return run(
            plan.config, make, stream, folder, listen, division, plan.interval, *beside, plan.keeps, plan.start,
        )  # fmt: skip


def assemble(plan: Plan, on_progress: ProgressCallback = silent) -> Experiment:
    """Load the model, then the images: a wrong weight file shows before hours of decoding.

    Args:
        plan: what is to be run.
        on_progress: hears of the progress of decoding.

    Raises:
        UserError: data or weights are missing or not what they should be, or memory is too small for
            what the method makes of all images.
    """
    config = plan.config
    check_data(plan.suite, plan.data_root)
    clip = backbones.load(config.backbone, config.device)
    must_fit(plan, clip.model.visual.output_dim)
    shots = Shots(config.protocol.shots, config.seed) if config.protocol.shots else None
    size, store = clip.image_size, Store(plan.cache, config.protocol.broken, on_progress)
    rare = Imbalance.of(config.protocol, config.seed)
    split = ClientSplit.of(config.protocol, config.seed)
    name, root = config.suite.name, plan.data_root
    stream = build_stream(name, plan.tasks, size, store, root, shots, rare, split)
    method = plan.entry.Config.model_validate(config.method_settings)
    images = {task.name: task.train_images_of_classes() for task in stream.tasks}
    own = method.remarks(images, clip.model.visual.output_dim)
    stream = replace(stream, remarks=(*plan.suite.remarks, *stream.remarks, *own))
    needs = method.needs()
    assets = load_assets(plan.sources, needs, stream, size, config.device, store)
    held_out = load_held_out(plan.held_out, size, store, root)
    must_share_no_image(held_out, stream.tasks, assets)
    retrieval = load_retrieval(plan.retrieval, size, store)
    retrieval_must_share_no_picture(retrieval, stream.tasks, assets)
    must_be_no_classes(retrieval, stream.tasks, clip.tokenizer)
    stream = replace(stream, remarks=(*stream.remarks, *shared_texts(retrieval, assets)))
    return Experiment(plan, stream, MethodFactory(plan, assets, clip), held_out, retrieval)
