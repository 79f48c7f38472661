"""Methods on images without content: what a step or a pass takes depends on shapes alone."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from cl_bench.benchmark.assets import Assets, Pairs
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.task import LabelSpace, Task, TaskStream, TrainingTask
from cl_bench.datasets import backbones
from cl_bench.methods.catalog import find_method

LARGE, TINY = "ViT-B-16-quickgelu:random", "tiny-clip"
PLACES = (
    "abbey", "airport terminal", "alley", "aquarium", "attic", "bakery shop", "bamboo forest",
    "basement", "beach", "bedroom", "bridge", "butchers shop", "campsite", "canyon", "car interior",
    "castle", "cathedral", "classroom", "coast", "corridor", "courtyard", "dam", "desert", "diner",
    "elevator shaft", "factory", "field", "forest path", "garden", "gas station", "harbor", "kitchen",
    "library", "lighthouse", "market", "museum", "office", "playground", "pond", "swimming pool",
)  # fmt: skip
KINDS = (
    "indoor", "outdoor", "old", "public", "small", "industrial", "natural", "home", "hotel", "city",
)  # fmt: skip
BRIEF = {"moe-adapters": {"selector_steps": 1, "reference_steps": 1}}  # what is no training step


def backbone(tiny: bool, device: str = "cpu") -> Clip:
    """ViT-B/16 with random weights, or the tiny CLIP."""
    return backbones.load(backbones.parse(TINY if tiny else LARGE), device)


@cache
def classnames(count: int) -> tuple[str, ...]:
    """At most 400 names, about as long as SUN397's, whose own come with its files."""
    return tuple(f"{kind} {place}" for place in PLACES for kind in KINDS)[:count]


def random_task(clip: Clip, images: int, classes: int) -> Task:
    """Random images of every class in turn, on the model's device, for training and for testing."""
    draw = torch.Generator().manual_seed(0)
    shape = (images, 3, clip.image_size, clip.image_size)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=draw).to(clip.device)
    kept = Images(pixels, torch.arange(images) % classes)
    labels = LabelSpace.from_templates(classnames(classes), ("a photo of a {}.",))
    return Task(f"random-{classes}", labels, kept, kept)


def as_seen(clip: Clip, task: Task, batch_size: int) -> TrainingTask:
    """The task as a method sees it; the same order of images each time."""
    draw = torch.Generator().manual_seed(0)
    return TrainingTask(task, clip.normaliser(), batch_size, draw, earlier=())


def made(name: str, clip: Clip, task: Task, **settings: Any) -> Method:
    """A method of the catalogue around ``clip``, with the task's images as its extra data."""
    entry = find_method(name)
    chosen = entry.defaults("config", "fair", "") | BRIEF.get(name, {}) | settings
    rows = {task.name: torch.arange(len(task.train))}
    pairs = Pairs(task.train, tuple(f"a photo of number {i}." for i in rows[task.name]), rows)
    stream = TaskStream("random", (task,))
    assets = Assets(task.train, classnames(400), _selector, stream, pairs)
    return entry.method(clip, entry.method.Config(**chosen), assets)


def _selector(images: Tensor) -> Tensor:
    return images[:, :, ::8, ::8].flatten(1)
