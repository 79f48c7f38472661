"""MoE-Adapters without the host: what it costs that nobody reads whom the device chose.

One vision block of ViT-B/16 in training, 22 experts, top 2: an expert that no sample chose must rest with
its moments. As it is, the host reads the choice during the backward pass and takes the gradients away. The
other way asks nothing: all experts take the step, and those that should rest are restored from copies.
Then a batch of test images whose routers differ: as it is, in one go, each by its own router; the other way
is a pass for every router that the host finds in the batch.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from cl_bench.methods.experts import Experts

ROUTERS = 11


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    device = torch.device(options.device)
    h = torch.randn(options.batch_size, 197, 768, device=device)
    read, restored = Step(rest, h), Step(restore, h)
    ways = {"read": read.take, "restored": restored.take}
    report("a training step", ways, options.repeats, options.device)
    pairs = zip(read.experts.trained(), restored.experts.trained(), strict=True)
    print(
        f"largest difference of a weight: {max(float((a - b).abs().max()) for a, b in pairs):.1e}"
    )
    routed(h, options.repeats, options.device)


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
def routed(h: Tensor, repeats: int, device: str) -> None:
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

    print(f"largest difference: {(together() - split()).abs().max().item():.1e}")
    report("a test batch by 11 routers", {"together": together, "split": split}, repeats, device)


def report(what: str, ways: dict[str, Callable[[], object]], repeats: int, device: str) -> None:
    """Time both ways in turn; the first time warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, work in ways.items():
            start = time.perf_counter()
            work()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - start)
    (a, fast), (b, slow) = ((name, statistics.median(s[1:])) for name, s in seconds.items())
    print(f"{what} on {device}: {a} {fast:.3f} s, {b} {slow:.3f} s: {slow / fast:.2f}x")


if __name__ == "__main__":
    main()
