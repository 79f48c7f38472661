"""Two toy tasks learned by any method, on the host or on a stand-in for a GPU, watched all the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import open_clip
import torch
from disturbing import DEVICE, Seen
from stand_in_device import OnDevice, StandIn, host_copy
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets, Pairs
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.earlier_images import EarlierImages
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.precision import autocast
from cl_bench.benchmark.randomness import seed_everything
from cl_bench.benchmark.task import LabelSpace, Task, TaskStream
from cl_bench.benchmark.train import Training
from cl_bench.methods.catalog import find_method

STEPS, BATCH, IMAGES = 3, 4, 6  # a pass over a task has two batches, so that another one begins
NAMES = (("cat", "a tall old oak", "boat"), ("fish", "the small house at a lake", "moon"))

VISION = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 2, "head_width": 16}
TEXT = {"context_length": 20, "vocab_size": 60, "width": 32, "layers": 2, "heads": 2}

SMALL: dict[str, dict[str, Any]] = {
    "moe-adapters": {
        "experts": 5, "bottleneck": 4, "selector_steps": 3, "reference_steps": 3, "threshold": 1.0,
    },
    "rail": {"hidden": 12},
}  # fmt: skip

GUARDED = {"step", "loss", "after_backward", "after_step", "classifier"}
# A batch is handed over in a step, and by three methods in the loss: from pinned memory, unwaited for.
HANDED_OVER = ("hand_over.py", "pixels.py")

Make = Callable[[Clip, Assets], Method]


@dataclass(frozen=True)
class Played:
    """What two tasks left behind.

    Attributes:
        state: the method's, on the host.
        losses: of every step.
        logits: of every task's images, after the second task.
        seen: what would have disturbed a GPU.
        tokenised: in which phase prompts were made tokens, call by call.
    """

    state: Mapping[str, Any]
    losses: Sequence[float]
    logits: Sequence[Tensor]
    seen: Sequence[Seen]
    tokenised: Sequence[str]


class Watch:
    """Names the phases of a play; without a stand-in, nothing else happens."""

    def __init__(self, stand_in: StandIn | None) -> None:
        self.stand_in = stand_in
        self.tokenised: list[str] = []

    def tokenizer(self, prompts: Sequence[str]) -> Tensor:
        """One id a word, between those of start and end."""
        self.tokenised.append(self.stand_in.now if self.stand_in else "")
        tokens = torch.zeros(len(prompts), TEXT["context_length"], dtype=torch.int64)
        for row, prompt in zip(tokens, prompts, strict=True):
            ids = [1 + sum(map(ord, word)) % 57 for word in prompt.split()]
            row[: len(ids) + 2] = torch.tensor([58, *ids, 59])
        return tokens

    def during(self, phase: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """``work``, as a phase."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.stand_in.phase(phase) if self.stand_in else nullcontext():
                return work(*args, **kwargs)

        return watched


def known(name: str, **more: Any) -> tuple[Make, Recipe]:
    """A method of the catalogue with small settings, and its recipe."""
    entry = find_method(name)
    settings = entry.defaults("config", "fair", "") | SMALL.get(name, {}) | more
    config, method = entry.Config.model_validate(settings), entry.method
    recipe = Recipe.model_validate(entry.defaults("recipe", "fair", ""))
    return lambda clip, assets: method(clip, config, assets), recipe


def played(
    make: Make,
    recipe: Recipe,
    precision: str,
    stand_in: StandIn | None,
    resident: bool = True,
    names: Sequence[tuple[str, ...]] = NAMES,
) -> Played:
    """Learn the tasks in turn.

    Args:
        make: the method.
        recipe: of its optimizer.
        precision: as ``train`` takes it.
        stand_in: where the model is, entered already; ``None``: on the host.
        resident: whether the tasks' images lie on the device, too.
        names: the classes of every task.
    """
    watch = Watch(stand_in)
    clip, selector = tiny_models(watch)
    if stand_in is not None:
        clip.to(DEVICE)
        selector.to(DEVICE)
    tasks = tuple(toy_task(i, of, resident and stand_in is not None) for i, of in enumerate(names))
    method = make(clip, toy_assets(tasks, selector))
    kept = EarlierImages(TaskStream("toys", tasks), declared=True)
    losses = [
        loss for task in tasks for loss in _learn(method, task, kept, recipe, precision, watch)
    ]
    logits = [_logits(method, task, precision, watch) for task in tasks]
    seen = tuple(stand_in.seen) if stand_in else ()
    return Played(host_copy(method.state_dict()), losses, logits, seen, watch.tokenised)


def tiny_models(watch: Watch) -> tuple[Clip, nn.Module]:
    """A CLIP of two thin layers, and what an auto-selector looks through: always the same weights."""
    torch.manual_seed(5)
    model = open_clip.CLIP(embed_dim=16, vision_cfg=VISION, text_cfg=TEXT, quick_gelu=True)
    clip = Clip(model, watch.tokenizer)
    selector: nn.Module = nn.Sequential(nn.Flatten(), nn.Linear(3072, 12)).requires_grad_(False)
    return clip, selector


def toy_task(number: int, names: tuple[str, ...], on_device: bool) -> Task:
    draw = torch.Generator().manual_seed(number)
    pixels = torch.randint(256, (IMAGES, 3, 32, 32), generator=draw, dtype=torch.uint8)
    images = Images(OnDevice(pixels) if on_device else pixels, torch.arange(IMAGES) % 3)
    labels = LabelSpace.from_templates(names, ("a photo of a {}.",))
    return Task(f"toy{number}", labels, images, images)


def toy_assets(tasks: tuple[Task, ...], selector: nn.Module) -> Assets:
    draw = torch.Generator().manual_seed(9)
    pixels = torch.randint(256, (14, 3, 32, 32), generator=draw, dtype=torch.uint8)
    images = Images(pixels, torch.zeros(14, dtype=torch.int64))
    texts = ("a red cat", "two boats", "an oak")
    prompts = tuple(texts[i % 3] for i in range(14))
    rows = {task.name: torch.arange(i, 14 - i) for i, task in enumerate(tasks)}
    stream, pairs = TaskStream("toys", tasks), Pairs(images, prompts, rows)
    return Assets(images, texts, selector, stream, pairs)


def _learn(
    method: Method,
    task: Task,
    kept: EarlierImages,
    recipe: Recipe,
    precision: str,
    watch: Watch,
) -> list[float]:
    generator = seed_everything(0, task.name)
    training = kept.open(task, method.clip.normaliser(), BATCH, generator, cropped=False)
    method.before_task(training)
    losses: list[float] = []
    if any(True for _ in method.trainable_parameters()):
        losses = _train(method, Training(method, training, recipe, STEPS, precision), watch)
    method.after_task(training)
    kept.close(training)
    return losses


def _train(method: Method, training: Training, watch: Watch) -> list[float]:
    for name in ("loss", "after_backward", "after_step"):
        setattr(method, name, watch.during(name, getattr(type(method), name).__get__(method)))
    watch.during("first step", training.take_step)()
    for _ in range(STEPS - 1):
        watch.during("step", training.take_step)()
    losses: list[float] = torch.stack(training._losses).tolist()
    training.result()
    return losses


@torch.no_grad()
def _logits(method: Method, task: Task, precision: str, watch: Watch) -> Tensor:
    images = method.clip.normaliser()(task.test.pixels)
    with autocast(method.clip.device.type, precision):
        classify = method.classifier(task.labels)
        logits = watch.during("classifier", classify)(images)
        assert torch.equal(watch.during("classifier", classify)(images), logits)
    return host_copy(logits)  # type: ignore[no-any-return]


def guarded(of: Played) -> list[Seen]:
    """What disturbs the device in a guarded phase, without what is handed over."""
    return [
        seen
        for seen in of.seen
        if seen.phase in GUARDED
        and not (seen.kind == "copy" and seen.where.startswith(HANDED_OVER))
    ]
