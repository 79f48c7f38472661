"""MoE-Adapters without the host: what it costs that nobody reads whom the device chose.

One vision block of ViT-B/16 in training, 22 experts, top 2: an expert that no sample chose must rest with
its moments. As it is, the host reads the choice during the backward pass and takes the gradients away. The
other way asks nothing: all experts take the step, and those that should rest are restored from copies.
Then a batch of test images whose routers differ: as it is, in one go, each by its own router; the other way
is a pass for every router that the host finds in the batch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone
from bench.timing import in_turn

from cl_bench.methods.experts import Experts

ROUTERS = 11


def measure(
    tiny: bool = False, device: str = "cpu", batch_size: int = 16, repeats: int = 5
) -> Iterator[Figure]:
    """The other way's time in units of ours."""
    batch_size, repeats = (2, 1) if tiny else (batch_size, repeats)
    h = torch.randn(batch_size, 197, 768, device=device)
    read, restored = Step(rest, h), Step(restore, h)
    taken = in_turn({"read": read.take, "restored": restored.take}, repeats, device)
    gap = max(
        float((a - b).abs().max())
        for a, b in zip(read.experts.trained(), restored.experts.trained(), strict=True)
    )
    assert gap < 1e-4, f"the two ways differ by {gap:.1e}"
    sizes = f"22 experts, {batch_size} images, {device}"
    name = f"expert choice read by the host, against all experts stepping ({sizes})"
    yield Figure.ratio(name, taken["restored"], taken["read"], "x", "> 1")
    yield routed(h, repeats, device)


def mixture(device: torch.device) -> Experts:
    torch.manual_seed(0)
    experts = Experts(768, 22, 64, 2, dropout=0.0, device=device)
    for whole in (experts.down_weight, experts.up_weight):
        whole.normal_(std=0.03)
    for _ in range(ROUTERS):
        experts.add_router()
        experts.w_gate[-1].data.normal_()
    return experts


class Step:
    """Forward, backward and AdamW of one block, in one of two ways."""

    def __init__(self, way: Callable[[Step], None], h: Tensor) -> None:
        self.experts, self.h, self._way = mixture(h.device), h, way
        self.experts.begin(0)
        draw = torch.Generator(h.device).manual_seed(0)  # the same for both ways
        self.experts.draw_noise = lambda like: torch.randn(  # type: ignore[method-assign]
            like.shape, generator=draw, device=like.device
        )
        self.experts.w_noise[0].data.normal_(std=0.1, generator=draw)
        self.optimizer = torch.optim.AdamW(self.experts.trained(), lr=1e-3, fused=True)
        for p in self.experts.trained():
            moments = {name: torch.zeros_like(p) for name in ("exp_avg", "exp_avg_sq")}
            self.optimizer.state[p] = {"step": torch.zeros((), device=p.device), **moments}

    def take(self) -> None:
        self.optimizer.zero_grad()
        self.experts(self.h).square().mean().backward()
        self._way(self)


def rest(step: Step) -> None:
    """As it is."""
    step.experts.rest(step.experts.chosen_now.tolist())
    step.optimizer.step()


def restore(step: Step) -> None:
    """Everything takes the step; what should rest gets back its weight, its moments and its count."""
    moved = step.experts.chosen_now > 0
    kept = [
        (x, x.detach().clone(), moved[e])
        for windows in step.experts._windows.values()
        for e, parameter in enumerate(windows)
        for x in (parameter, *step.optimizer.state[parameter].values())
    ]
    step.optimizer.step()
    with torch.no_grad():
        for x, before, move in kept:
            x.copy_(torch.where(move, x, before))


@torch.no_grad()
def routed(h: Tensor, repeats: int, device: str) -> Figure:
    """A batch by as many routers as there are."""
    experts = mixture(h.device)
    routers = torch.arange(len(h), device=h.device) % ROUTERS

    def together() -> Tensor:
        experts.routers = routers
        y = experts(h)
        experts.routers = None
        return y

    def split() -> Tensor:
        y = torch.empty_like(h)
        for router in routers.unique().tolist():
            experts.router = router
            mine = routers == router
            y[mine] = experts(h[mine])
        return y

    gap = (together() - split()).abs().max().item()
    assert gap < 1e-4, f"the two ways differ by {gap:.1e}"
    taken = in_turn({"together": together, "split": split}, repeats, device)
    name = (
        f"a test batch by {ROUTERS} routers in one go, against router by router ({len(h)} images)"
    )
    return Figure.ratio(name, taken["split"], taken["together"], "x", "> 1")


if __name__ == "__main__":
    run_alone(measure, __doc__)
