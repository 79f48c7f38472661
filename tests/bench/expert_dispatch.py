"""MoE-Adapters' expert mixture at ViT-B/16 size, against a loop over the experts.

One vision block (197 tokens of width 768) in training: 22 experts, top 2, forward and backward. The
loop gathers each expert's samples on the host, as the published dispatcher does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from cl_bench.methods.experts import OUTPUT_SCALE, Experts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.manual_seed(0)
    experts = Experts(768, 22, 64, 2, dropout=0.0, device=torch.device(options.device))
    for whole in (experts.down_weight, experts.up_weight):
        whole.normal_(std=0.03)
    experts.add_router()
    experts.begin(0)
    h = torch.randn(options.batch_size, 197, 768, device=options.device, requires_grad=True)
    noise = torch.randn(options.batch_size, 22, device=options.device)
    experts.draw_noise = lambda like: noise  # type: ignore[method-assign]

    def dispatched() -> Tensor:
        y = experts(h)
        experts.trains_now = [n > 0 for n in experts.chosen_now.tolist()]
        return y

    def looped() -> Tensor:
        return loop(experts, h, noise)

    gap = (dispatched() - looped()).abs().max().item()
    seconds: dict[str, list[float]] = {"loop": [], "dispatch": []}
    for _ in range(options.repeats + 1):
        for name, forward in (("loop", looped), ("dispatch", dispatched)):
            seconds[name].append(_timed(forward, h, options.device))
    middle = {name: sorted(s[1:])[options.repeats // 2] for name, s in seconds.items()}
    print(
        f"22 experts, top 2, {options.batch_size} images on {options.device}: loop "
        f"{middle['loop']:.3f} s, dispatch {middle['dispatch']:.3f} s forward and backward: "
        f"{middle['loop'] / middle['dispatch']:.2f}x; largest difference {gap:.1e}"
    )
    if options.device.startswith("cuda"):
        torch.cuda.set_sync_debug_mode("error")
        experts(h).sum().backward()
        torch.cuda.set_sync_debug_mode("default")
        print("the dispatch waited for the GPU nowhere, forward or backward")


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


def _timed(forward: Callable[[], Tensor], h: Tensor, device: str) -> float:
    h.grad = None
    start = time.perf_counter()
    forward().square().mean().backward()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
