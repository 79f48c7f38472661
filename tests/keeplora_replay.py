"""KeepLoRA learns the recorded tasks, with the published implementation's draws in the place of ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from golden_clip import golden_clip, images, recorded
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.optimizer import make_optimizer
from cl_bench.benchmark.task import Batch, LabelSpace
from cl_bench.methods.configs.keeplora import KeepLoRAConfig
from cl_bench.methods.features import BatchMean, watching
from cl_bench.methods.keeplora import KeepLoRA
from cl_bench.methods.low_rank import LowRank

GOLD, FACTS = recorded("keeplora")
MATRICES: list[str] = FACTS["matrices"]
TASKS: list[str] = FACTS["tasks"]
PROBE = {d: torch.cos(torch.arange(d).float()) for d in (64, 128)}


class RecordedTask:
    """Stands in for a training task: the recorded batches in the recorded orders."""

    def __init__(self, name: str) -> None:
        self.name = name
        prompts = [f"{name}/{row}" for row in range(len(GOLD[f"{name}/tokens"]))]
        self.labels = LabelSpace(tuple(prompts), tuple((p,) for p in prompts))
        self.order = "order_gradient"

    def __len__(self) -> int:
        return len(GOLD[f"{self.name}/labels"])

    def epoch(self, *, drop_last: bool = False, plain: bool = False) -> Iterator[Batch]:
        pixels = images(GOLD[f"{self.name}/images"])
        targets = GOLD[f"{self.name}/labels"].long()
        for rows in GOLD[f"{self.name}/{self.order}"].long().split(FACTS["batch_size"]):
            yield Batch(pixels[rows], targets[rows], self.labels, rows)


def recorded_tokens(prompts: list[str]) -> Tensor:
    """The tokenizer: ``T1/3`` is the fourth recorded prompt of task T1."""
    rows = [prompt.split("/") for prompt in prompts]
    return torch.stack([GOLD[f"{task}/tokens"][int(row)] for task, row in rows]).long()


@dataclass
class Seen:
    """What was measured in one task, by the names of the goldens."""

    numbers: dict[str, list[float]] = field(
        default_factory=lambda: {"loss": [], "lr": [], "beta1": []}
    )
    tensors: dict[str, Tensor] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)


def factors(method: KeepLoRA) -> dict[str, tuple[LowRank, int]]:
    """The update and its slot, by matrix name such as ``v.0.q``."""
    updates = [update for update, _ in method.adapters._pairs]
    return {name: (updates[i // 4], i % 4) for i, name in enumerate(MATRICES)}


def weights(clip: Clip, prefix: str) -> dict[str, Tensor]:
    return {
        f"{prefix}/{name}": t.clone()
        for name, t in clip.model.state_dict().items()
        if "in_proj_weight" in name or "out_proj.weight" in name
    }


def ranks(method: KeepLoRA) -> dict[str, int]:
    return {k.removeprefix("subspace/"): int(v) for k, v in method.diagnostics().items()}


def play(substitute: bool) -> tuple[dict[str, int], dict[str, Tensor], dict[str, Seen]]:
    """Run both tasks; with ``substitute``, train from the recorded A and B0.

    Returns:
        The ranks and bases of the weight subspaces, and what was seen in each task.
    """
    clip = golden_clip()
    clip.tokenizer = recorded_tokens  # type: ignore[assignment]
    method = KeepLoRA(clip, KeepLoRAConfig(rank=FACTS["rank"]), Assets())
    start = bases(method)
    first_ranks = ranks(method)
    seen = {}
    for name in TASKS:
        seen[name] = learn(method, RecordedTask(name), substitute)
    return first_ranks, start, seen


def bases(method: KeepLoRA) -> dict[str, Tensor]:
    """The protected directions of every matrix, [d, k]."""
    found = {}
    for i, name in enumerate(MATRICES):
        subspaces = method.protected[name[0]]
        row = i % (len(MATRICES) // 2)
        found[name] = subspaces.U[row, :, : int(subspaces.rank[row])].clone()
    return found


def learn(method: KeepLoRA, task: RecordedTask, substitute: bool) -> Seen:
    seen, clip = Seen(), method.clip
    gradients = method._mean_gradients(task)  # type: ignore[arg-type]
    for i, name in enumerate(MATRICES):
        seen.tensors[f"gradient/{name}"] = gradients[name[0]][i % (len(MATRICES) // 2)]
    method.before_task(task)  # type: ignore[arg-type]
    for name, (update, slot) in factors(method).items():
        seen.tensors[f"A/{name}"] = update.A[slot].detach().clone()
        seen.tensors[f"B0/{name}"] = update.B_start[slot].clone()
        if substitute:
            update.A.data[slot] = GOLD[f"{task.name}/A/{name}"]
            for B in (update.B.data, update.B_start):
                B[slot] = GOLD[f"{task.name}/B0/{name}"]
    subtracted(method, seen)
    train(method, task, seen)
    before = bases(method)
    task.order = "order_feature"
    method.after_task(task)  # type: ignore[arg-type]
    seen.tensors |= weights(clip, "weights_merged")
    seen.ranks = ranks(method)
    for name, U in bases(method).items():
        seen.tensors[f"subspace_new/{name}"] = U[:, before[name].shape[1] :]
    features(method, task, seen)
    for other in TASKS:
        with torch.no_grad():
            classify = method.classifier(RecordedTask(other).labels)
            seen.tensors[f"test_logits/{other}"] = classify(images(GOLD[f"{other}/test_images"]))
    return seen


def subtracted(method: KeepLoRA, seen: Seen) -> None:
    """W' = W - s(AB0)^T, which the product never forms: B_start stands for it."""
    seen.tensors |= weights(method.clip, "weights_subtracted")
    towers = {"v": "visual.transformer", "t": "transformer"}
    for name, (update, slot) in factors(method).items():
        tower, block, _ = name.split(".")
        key = f"weights_subtracted/{towers[tower]}.resblocks.{block}.attn."
        delta = update.scaling * (update.A[slot] @ update.B_start[slot]).detach().T
        if slot == 3:
            seen.tensors[f"{key}out_proj.weight"] -= delta
        else:
            d = len(delta)
            seen.tensors[f"{key}in_proj_weight"][slot * d : (slot + 1) * d] -= delta


def train(method: KeepLoRA, task: RecordedTask, seen: Seen) -> None:
    task.order = "order_train"
    batches = list(task.epoch())
    epochs = FACTS["epochs"][TASKS.index(task.name)]
    steps = epochs * len(batches)
    optimizer, schedule = make_optimizer(
        list(method.trainable_parameters()), Recipe(), Recipe().lr, steps, len(batches)
    )
    assert schedule is not None
    for step in range(steps):
        batch, group = batches[step % len(batches)], optimizer.param_groups[0]
        seen.numbers["lr"].append(group["lr"])
        seen.numbers["beta1"].append(group["betas"][0])
        if step in (0, 1, steps - 1):
            with torch.no_grad():
                classes = method.clip.encode_classes(task.labels)
                logits = method.clip.logits(method.clip.encode_images(batch.images), classes)
            seen.tensors[f"train_logits/{step}"] = logits
        optimizer.zero_grad()
        loss = method.loss(batch)
        loss.backward()
        seen.numbers["loss"].append(loss.item())
        if step == 0:
            for name, (update, slot) in factors(method).items():
                assert update.B.grad is not None
                seen.tensors[f"B_grad/0/{name}"] = update.B.grad[slot].clone()
        optimizer.step()
        schedule.step()
        if step in (0, 1, steps - 1):
            for name, (update, slot) in factors(method).items():
                seen.tensors[f"B_after/{step}/{name}"] = update.B[slot].detach().clone()


def features(method: KeepLoRA, task: RecordedTask, seen: Seen) -> None:
    """M of every matrix with the merged weights: vision as batch means, text in one forward."""
    attentions = method.clip.attentions()
    with torch.no_grad(), watching(attentions["v"], BatchMean) as vision:
        for batch in task.epoch():
            method.clip.encode_images(batch.images)
    prompts = [prompt for (prompt,) in task.labels.prompts]
    with torch.no_grad(), watching(attentions["t"], BatchMean) as text:
        method.clip.encode_text(method.clip.tokenize(prompts))
    for name in MATRICES:
        tower, block, matrix = name.split(".")
        of = (vision if tower == "v" else text)[int(block)]["out" if matrix == "o" else "in"]
        assert isinstance(of, BatchMean) and of.mean is not None
        tokens = of.mean.shape[0] * of.mean.shape[1]
        # [B, L, d] -> [d, L * B], position-major as recorded
        seen.tensors[f"features/{name}"] = of.mean.transpose(0, 1).flatten(0, 1).T / tokens
