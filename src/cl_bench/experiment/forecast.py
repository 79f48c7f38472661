"""What a plan will take on this machine, before any of it is done: stand-ins for its images, and its method."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from cl_bench.benchmark.assets import Assets, Pairs
from cl_bench.benchmark.classified_over import classified_over
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.estimate.expected import TaskSize
from cl_bench.benchmark.estimate.forecast import foresee, foresee_checkpoints, foresee_memory
from cl_bench.benchmark.estimate.foreseen import Forecast, Memory, Run
from cl_bench.benchmark.estimate.rehearsal import BATCHES, Rules
from cl_bench.benchmark.estimate.scale import Growth
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.task import LabelSpace, Task, TaskStream
from cl_bench.datasets import backbones
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.streams import build_stream
from cl_bench.datasets.task_spec import TaskSpec
from cl_bench.experiment.large_matrices import large_matrices
from cl_bench.experiment.resolve import Plan
from cl_bench.experiment.train_size import train_size

REFERENCES = 128, 128  # images or texts of the first play, and more of the second
ROUNDS = 2, 20  # of an inner loop
TEST_IMAGES = 64  # of a stand-in
PAIRED = ("image-text pairs", "reference images with classes")  # needs that are met by `Pairs`
PICTURED = ("reference images", *PAIRED)  # needs whose images are not decoded for a play


def forecast(plan: Plan) -> Forecast:
    """What a run of the plan takes, measured and calculated in a few seconds; nothing is kept of it.

    Raises:
        UserError: what the method needs cannot be loaded.
    """
    cast = _Cast(plan)
    return foresee(_run(plan, cast), cast)


def forecast_memory(plan: Plan) -> Memory:
    """What a run of the plan holds at its peak, counted in a few seconds; raises as above."""
    cast = _Cast(plan)
    return foresee_memory(_run(plan, cast), cast)


def forecast_checkpoints(plan: Plan) -> tuple[int, ...]:
    """Bytes of the checkpoint after every task of the plan, counted; raises as above."""
    cast = _Cast(plan)
    return foresee_checkpoints(_run(plan, cast), cast)


def _run(plan: Plan, cast: _Cast) -> Run:
    config = plan.config
    classes = [len(task.classnames) for task in plan.tasks]
    rules = Rules(
        config.recipe, config.protocol, config.budget.batch_size, config.budget.steps,
        keeps_images="earlier images" in config.extra_data,
    )  # fmt: skip
    return Run(
        rules=rules,
        tasks=_sizes(plan),
        prompts=tuple(classes),
        classes=max(classes) if config.protocol.labels == "own" else sum(classes),
        references=_references(plan),
        rounds=_rounds(plan),
        pixels=_pixels(plan, cast.image_size),
        device=config.device,
        matrices=large_matrices(plan, cast.features),
        played=large_matrices(plan, cast.features, BATCHES * config.budget.batch_size),
        stored=_stored(plan, cast.features),
    )


def _stored(plan: Plan, features: int) -> tuple[int, ...]:
    """Bytes of the method's state after each task, where the method says what it makes of all images."""
    each = (large_matrices(plan, features, tasks=n) for n in range(1, len(plan.tasks) + 1))
    return tuple(int(matrices.stored) for matrices in each if matrices is not None)


def _sizes(plan: Plan) -> tuple[TaskSize, ...]:
    """How large the tasks are; the first stands for the prompts of all."""
    steps = plan.config.budget.steps
    first, *others = (
        TaskSize(train_size(task, plan.config), task.test_size, steps[task.name], prompts=0)
        for task in plan.tasks
    )
    # every row has the held-out and retrieval sets, too; only sums over the tasks are made of these two
    images = first.test + sum(held.test_size for held in plan.held_out)
    images += sum(of.pictures for of in plan.retrieval)
    return (replace(first, test=images, prompts=_prompts_of_a_row(plan)), *others)


def _prompts_of_a_row(plan: Plan) -> int:
    """How many prompts are encoded for a row of the matrix, in the mean over the rows.

    A label space that tasks share in a row is encoded once.
    """
    protocol = plan.config.protocol
    count = {
        of.name: len(of.classnames) * (len(of.templates) if protocol.prompts == "ensemble" else 1)
        for of in (*plan.tasks, *plan.held_out)
    }
    tasks = plan.config.tasks
    rows = [
        {classified_over(task, tasks, learned, protocol.labels) for task in tasks}
        for learned in range(len(tasks) + 1)
    ]
    of_tasks = fmean(sum(count[task] for over in row for task in over) for row in rows)
    captions = sum(len(of.captions) for of in plan.retrieval)
    return round(of_tasks) + sum(count[held.name] for held in plan.held_out) + captions


def _labels(task: TaskSpec) -> LabelSpace:
    return LabelSpace.from_templates(task.classnames, task.templates)


def _pixels(plan: Plan, size: int) -> int:
    """Bytes of images in memory; those of a cache, which MTIL's data root always has, stay on the disk."""
    in_memory = [t for t in plan.tasks if plan.cache is None and t.source.kind != "mtil"]
    beside = [h.test_size for h in plan.held_out] + [r.pictures for r in plan.retrieval]
    never_learned = sum(beside) if plan.cache is None else 0
    images = sum(train_size(t, plan.config) + t.test_size for t in in_memory)
    return (images + never_learned) * 3 * size**2


def _references(plan: Plan) -> dict[str, Growth]:
    """Of the reference images and texts that the method uses."""
    small = max(REFERENCES[0], plan.config.budget.batch_size)
    return {
        need: Growth.to(source.count(), small, REFERENCES[1])
        for need, source in plan.sources.items()
        if source.count() > 0
    }


def _rounds(plan: Plan) -> dict[str, Growth]:
    settings = plan.config.method_settings
    return {name: Growth.to(settings[name], *ROUNDS) for name in plan.entry.Config.repeats}


@dataclass(frozen=True)
class _Cast:
    """Models, methods and images that stand in for a plan's."""

    plan: Plan

    def outline(self) -> Clip:
        return backbones.outline(self.plan.config.backbone)

    @cached_property
    def _loaded(self) -> Clip:
        """With random weights where those of a tag may not be here yet; a file is checked."""
        backbone = self.plan.config.backbone
        unknown = backbone.model_copy(update={"weights": backbones.RANDOM})
        return backbones.load(backbone if backbone.sha256 else unknown, self.plan.config.device)

    def clip(self) -> Clip:
        return copy.deepcopy(self._loaded)

    def stream(self, which: Sequence[int], real: bool) -> TaskStream:
        tasks = [self.plan.tasks[i] for i in which]
        batch = self.plan.config.budget.batch_size
        sizes = [train_size(task, self.plan.config) for task in tasks]
        # whole batches, as most steps have; a task that is smaller than one has that
        most = BATCHES if real else 2
        counts = [n if n < batch else min(most, -(-n // batch)) * batch for n in sizes]
        if real and all(task.source.kind.startswith("mini") for task in tasks):
            drawn = build_stream("drawn", tasks, self.image_size).tasks
            made = [_cut(task, count) for task, count in zip(drawn, counts, strict=True)]
        else:
            make, size = _noise if real else _blank, self.image_size
            made = [_stand_in(*of, size, make) for of in zip(tasks, counts, strict=True)]
        return TaskStream("stand-ins", tuple(made))

    @cached_property
    def image_size(self) -> int:
        """Side of the backbone's input in pixels."""
        return self.outline().image_size

    @cached_property
    def features(self) -> int:
        """Numbers of an image's feature."""
        return int(self.outline().model.visual.output_dim)

    def method(self, clip: Clip, sizes: Mapping[str, int], stream: TaskStream) -> Method:
        entry, config = self.plan.entry, self.plan.config
        rounds = {name: sizes[name] for name in entry.Config.repeats}
        settings = entry.Config.model_validate(config.method_settings | rounds)
        return entry.method(clip, settings, self._assets(clip, settings.needs(), sizes, stream))

    def _assets(
        self, clip: Clip, needs: Sequence[str], sizes: Mapping[str, int], stream: TaskStream
    ) -> Assets:
        real = 0 not in next(clip.parameters()).stride()

        def pictures(count: int) -> Images:
            pixels = (_noise if real else _blank)(count, clip.image_size)
            return Images(pixels, torch.zeros(count, dtype=torch.int64))

        loaded: dict[Any, Any] = {
            need: source.load(clip.image_size, self.plan.config.device if real else "cpu", Store())
            for need, source in self.plan.sources.items()
            if need not in PICTURED
        }
        images = pictures(sizes["reference images"]) if "reference images" in needs else None
        paired = next((sizes[need] for need in PAIRED if need in needs), None)
        return Assets(
            images=images,
            texts=loaded.get("reference texts", ())[: sizes.get("reference texts")],
            selector=loaded.get("selector"),
            stream=stream if "all tasks" in needs else None,
            pairs=None if paired is None else _pairs(pictures(paired), stream),
        )


def _pairs(images: Images, stream: TaskStream) -> Pairs:
    """Pairs for every task, with prompts that are about as long as others."""
    count = len(images)
    prompts = tuple(f"a photo of a thing, number {i}." for i in range(count))
    return Pairs(images, prompts, {task.name: torch.arange(count) for task in stream.tasks})


def _stand_in(spec: TaskSpec, train: int, size: int, make: Callable[[int, int], Tensor]) -> Task:
    classes, few = len(spec.classnames), min(spec.test_size, TEST_IMAGES)
    of, test = (Images(make(n, size), torch.arange(n) % classes) for n in (train, few))
    return Task(spec.name, _labels(spec), of, test)


def _cut(task: Task, count: int) -> Task:
    """A task with a few of its training images, of all classes."""
    few = torch.linspace(0, len(task.train) - 1, min(count, len(task.train))).long()
    return Task(task.name, task.labels, task.train.subset(few), task.test)


def _noise(count: int, size: int) -> Tensor:
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8)


def _blank(count: int, size: int) -> Tensor:
    return torch.zeros(1, dtype=torch.uint8).expand(count, 1, size, size)
