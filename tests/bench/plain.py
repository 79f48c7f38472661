"""KeepLoRA as published code computes it, step by step, written from the equations.

Nothing is computed twice as fast for being clever here: prompts are made tokens and encoded on all 77
positions for every batch, q, k and v are three products, the gradient pass takes the gradient of every
parameter and adds it up on the CPU, features are collected by hooks, one matrix for each of q, k, v and
o. That it computes what cl-bench computes is tested (tests/test_plain_loop.py).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU
from torch import Tensor, nn

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.task import Batch, LabelSpace
from cl_bench.methods.keeplora import KeepLoRA

Factors = Mapping[str, tuple[Tensor, Tensor]]  # by tower: A [4L, d, r] and B [4L, r, d]


class Projection(nn.Module):
    """One of q, k, v and o: y = x Wᵀ + b, while a task is learned with s·(x A) B beside it."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
        self.A: Tensor | None = None
        self.B: nn.Parameter | None = None
        self.scaling = 0.0

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight, self.bias)
        return y if self.B is None else y + self.scaling * (x @ self.A @ self.B)

    def adapt(self, A: Tensor, B: Tensor, scaling: float) -> None:
        """Put a low-rank product beside the weight and take it out of the weight: W ← W − s(AB)ᵀ."""
        self.A, self.B, self.scaling = A.clone(), nn.Parameter(B.clone()), scaling
        with torch.no_grad():
            self.weight.sub_(scaling * (A @ B).T)


class SelfAttention(nn.Module):
    """Four projections around attention; called as open_clip's blocks call theirs."""

    def __init__(self, in_proj: Tensor, in_bias: Tensor, out: nn.Linear, heads: int) -> None:
        super().__init__()
        self.q, self.k, self.v = (
            Projection(w, b) for w, b in zip(in_proj.chunk(3), in_bias.chunk(3), strict=True)
        )
        self.o, self.heads = Projection(out.weight.detach(), out.bias.detach()), heads

    def forward(
        self,
        x: Tensor,
        key: Tensor,
        value: Tensor,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        q, k, v = (
            p(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.q, self.k, self.v)
        )
        if attn_mask is not None:
            attn_mask = attn_mask.to(q.dtype)
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
        return self.o(h.transpose(1, 2).flatten(-2)), None


@dataclass(frozen=True)
class Running:
    """What has been collected at one projection: M [d, tokens of a batch], and over how many tokens."""

    M: Tensor
    seen: int


class PlainLoop:
    """A model of its own with the weights of ``clip``, and what is done with it."""

    def __init__(self, clip: Clip) -> None:
        self.model = copy.deepcopy(clip.model).requires_grad_(False)
        self.tokenizer, self.device = clip.tokenizer, clip.device
        towers = {"v": self.model.visual.transformer, "t": self.model.transformer}
        for tower in towers.values():
            for block in tower.resblocks:
                of = block.attn
                weight, bias = of.in_proj_weight.detach(), of.in_proj_bias.detach()
                block.attn = SelfAttention(weight, bias, of.out_proj, of.heads)
                block.mlp.gelu = QuickGELU()
        self.model.requires_grad_(False)
        self.towers = {name: [b.attn for b in tower.resblocks] for name, tower in towers.items()}

    def projections(self, tower: str) -> list[Projection]:
        """q, k, v and o of every block."""
        return [p for a in self.towers[tower] for p in (a.q, a.k, a.v, a.o)]

    def classes(self, labels: LabelSpace) -> Tensor:
        """Prompts made tokens and encoded on all positions: unit features [C, D]."""
        tokens = self.tokenizer([prompts[0] for prompts in labels.prompts]).to(self.device)
        features: Tensor = self.model.encode_text(tokens, normalize=True)
        return features

    def logits(self, images: Tensor, labels: LabelSpace) -> Tensor:
        """[B, C], the classes encoded anew."""
        features = self.model.encode_image(images, normalize=True)
        scaled: Tensor = self.model.logit_scale.exp() * features @ self.classes(labels).T
        return scaled

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy."""
        return F.cross_entropy(self.logits(batch.images, batch.labels), batch.targets)

    def adapt(self, factors: Factors, scaling: float) -> list[nn.Parameter]:
        """Begin a task; returns every B."""
        for tower, (As, Bs) in factors.items():
            for projection, A, B in zip(self.projections(tower), As, Bs, strict=True):
                projection.adapt(A, B, scaling)
        every = [p for tower in factors for p in self.projections(tower)]
        return [p.B for p in every if p.B is not None]

    def gradients(self, batches: Iterable[Batch]) -> dict[str, Tensor]:
        """The mean gradient of q, k, v and o, [4L, in, out] by tower; taken of every parameter."""
        self.model.requires_grad_(True)
        total: dict[str, Tensor] = {}
        count = 0
        for batch in batches:
            self.model.zero_grad()
            self.loss(batch).backward()
            for name, p in self.model.named_parameters():
                if p.grad is not None:
                    gradient = p.grad.detach().cpu()
                    total[name] = total[name] + gradient if name in total else gradient.clone()
            count += 1
        names = {id(p): name for name, p in self.model.named_parameters()}
        self.model.requires_grad_(False).zero_grad()
        return {
            tower: torch.stack([total[names[id(p.weight)]].T for p in self.projections(tower)])
            / count
            for tower in self.towers
        }

    @torch.no_grad()
    def features(self, batches: Iterable[Batch], labels: LabelSpace) -> dict[str, list[Running]]:
        """Collect the inputs of q, k, v and o: M ← n/(n+N)·M + Xᵀ/(n+N) over the batches, by tower."""
        collected: dict[Projection, Running] = {}

        def collect(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            assert isinstance(module, Projection)
            X = inputs[0].transpose(0, 1).flatten(0, 1)  # [L·B, d], position after position
            of = collected.get(module, Running(torch.zeros_like(X.T), 0))
            now = of.seen + len(X)
            collected[module] = Running(of.seen / now * of.M + X.T / now, now)

        every = [*self.projections("v"), *self.projections("t")]
        with ExitStack() as hooks:
            for projection in every:
                hooks.enter_context(projection.register_forward_pre_hook(collect))
            for batch in batches:
                self.model.encode_image(batch.images)
            self.classes(labels)
        return {tower: [collected[p] for p in self.projections(tower)] for tower in self.towers}

    @torch.no_grad()
    def predict(self, batches: Iterable[Tensor], labels: LabelSpace) -> Tensor:
        """The most likely class of every image; the classes are encoded for every batch."""
        return torch.cat([self.logits(x, labels).argmax(dim=-1).cpu() for x in batches])


def factors_of(method: KeepLoRA) -> Factors:
    """Where KeepLoRA's adapters stand, in a task: for a plain loop that begins there, too."""
    updates = iter([update for update, _ in method.adapters._pairs])
    found = {}
    for tower, blocks in method.clip.attentions().items():
        own = [next(updates) for _ in blocks]
        A, B = (torch.cat([getattr(u, name).detach() for u in own]) for name in "AB")
        found[tower] = (A, B)
    return found


def training_step(
    loop: PlainLoop, trained: Sequence[nn.Parameter], precision: str, lr: float = 1e-3
) -> Callable[[Batch], None]:
    """A step of AdamW on every B; with 16 bits under autocast, in fp16 with a scaled loss."""
    optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=0.01)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    scaler = torch.amp.GradScaler(loop.device.type, enabled=precision == "fp16")

    def step(batch: Batch) -> None:
        optimizer.zero_grad()
        with torch.autocast(loop.device.type, dtype=dtype, enabled=dtype is not None):
            loss = loop.loss(batch)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    return step
