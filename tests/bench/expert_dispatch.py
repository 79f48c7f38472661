"""MoE-Adapters' expert mixture at ViT-B/16 size, against a loop over the experts.

One vision block (197 tokens of width 768) in training: 22 experts, top 2, forward and backward. The
loop gathers each expert's samples on the host, as the published dispatcher does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone
from bench.timing import in_turn

from cl_bench.methods.experts import OUTPUT_SCALE, Experts


def measure(
    tiny: bool = False, device: str = "cpu", batch_size: int = 64, repeats: int = 5
) -> Iterator[Figure]:
    """The loop's time in units of the dispatch's."""
    batch_size, repeats = (2, 1) if tiny else (batch_size, repeats)
    experts = mixture(device)
    h = torch.randn(batch_size, 197, 768, device=device, requires_grad=True)
    noise = torch.randn(batch_size, 22, device=device)
    experts.draw_noise = lambda like: noise  # type: ignore[method-assign]

    def dispatched() -> Tensor:
        y = experts(h)
        experts.trains_now = [n > 0 for n in experts.chosen_now.tolist()]
        return y

    def looped() -> Tensor:
        return loop(experts, h, noise)

    gap = (dispatched() - looped()).abs().max().item()
    assert gap < 1e-4, f"the two ways differ by {gap:.1e}"
    ways = {"loop": _both_ways(looped, h), "dispatch": _both_ways(dispatched, h)}
    taken = in_turn(ways, repeats, device)
    sizes = f"22 experts, top 2, {batch_size} images, {device}"
    yield Figure.of(f"expert dispatch, forward and backward ({sizes})", taken["dispatch"], "s")
    name = f"expert dispatch against a loop over experts ({sizes})"
    yield Figure.ratio(name, taken["loop"], taken["dispatch"], "x", "> 1")
    if device.startswith("cuda"):
        torch.cuda.set_sync_debug_mode("error")
        experts(h).sum().backward()
        torch.cuda.set_sync_debug_mode("default")
        print("the dispatch waited for the GPU nowhere, forward or backward")


def mixture(device: str) -> Experts:
    torch.manual_seed(0)
    experts = Experts(768, 22, 64, 2, dropout=0.0, device=torch.device(device))
    for whole in (experts.down_weight, experts.up_weight):
        whole.normal_(std=0.03)
    experts.add_router()
    experts.begin(0)
    return experts


def loop(experts: Experts, h: Tensor, noise: Tensor) -> Tensor:
    """The same mixture, one expert after the other."""
    r = h[:, 0]
    z = r @ experts.w_gate[0] + noise * (F.softplus(r @ experts.w_noise[0]) + 0.01)
    top, chosen = z.topk(2, dim=-1)
    g = torch.zeros_like(z).scatter(1, chosen, top.softmax(dim=-1))
    y = torch.zeros_like(h)
    for e in range(g.shape[1]):
        rows = g[:, e].nonzero().flatten()  # waits for the device
        if len(rows):
            down, db, up, ub = (experts._windows[n][e] for n in experts._windows)
            out = F.linear(F.linear(h[rows], down, db).relu(), up, ub)
            y = y.index_add(0, rows, g[rows, e, None, None] * OUTPUT_SCALE * out)
    return y


def _both_ways(forward: Callable[[], Tensor], h: Tensor) -> Callable[[], None]:
    def work() -> None:
        h.grad = None
        forward().square().mean().backward()

    return work


if __name__ == "__main__":
    run_alone(measure, __doc__)
