"""A mixture of small adapters beside one transformer block's MLP, dispatched in two batched products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cl_bench.benchmark.precision import at_least_float32, full_precision

NOISE_FLOOR = 0.01  # ε of the noise's standard deviation
OUTPUT_SCALE = 0.1  # of every expert (published code)
NO_ROUTER = -1


class Experts(nn.Module):
    """y = Σ_{e ∈ top-k} g_e·0.1·up_e(dropout(relu(down_e h))) for every token of a sample.

    The gate reads the sample's first token, r = h[:, 0]: z = r W_g, in training plus noise of
    standard deviation softplus(r W_n) + 0.01; g = softmax over the k largest z. Each sample's k
    experts are gathered into one [k·m, d] matrix, so that a forward pass is two batched products
    whatever the number of experts, and nothing waits for the device.

    As in the published code, an expert that no sample of a step chose stays as it is in that step,
    and so do its moments in Adam. An optimizer skips a parameter without a gradient, but never a part
    of one. So every expert has parameters of its own. Their storage is shared with one tensor [E, ...]
    per weight (each parameter is a view of its row), because the gathering needs one tensor: the
    optimizer writes through the views, and no copy has to be kept up to date.

    Attributes:
        down_weight, down_bias: [E, m, d], [E, m], m the bottleneck.
        up_weight, up_bias: [E, d, m], [E, d].
        w_gate, w_noise: one [d, E] per router.
        frozen: bool [E], experts that are not trained any more.
        counts: int64 [E], how often each was chosen since ``begin``.
        router: which router gates; ``NO_ROUTER`` leaves the block as it was pre-trained.
        routers: a router for every sample of a batch instead, int64 [B]; outside of training.
        noisy: whether noise and dropout are drawn.
        chosen_now: int64 [E], how often each was chosen in the last training step.
        trains_now: per expert, whether the step's gradient reaches it. Whoever knows ``chosen_now``
            before the backward pass sets it; who learns it later calls ``rest`` afterwards.
    """

    def __init__(
        self,
        d: int,
        experts: int,
        bottleneck: int,
        top_k: int,
        dropout: float,
        device: torch.device,
    ) -> None:
        """All zero: the zero function."""
        super().__init__()
        self.top_k, self.dropout = top_k, dropout
        shapes = {
            "down_weight": (bottleneck, d), "down_bias": (bottleneck,),
            "up_weight": (d, bottleneck), "up_bias": (d,),
        }  # fmt: skip
        self._windows: dict[str, list[nn.Parameter]] = {}
        for name, shape in shapes.items():
            whole = torch.zeros(experts, *shape, device=device)
            self.register_buffer(name, whole)
            self._windows[name] = [nn.Parameter(window, False) for window in whole]
        self.w_gate, self.w_noise = nn.ParameterList(), nn.ParameterList()
        self.register_buffer("frozen", torch.zeros(experts, dtype=torch.bool, device=device))
        self.register_buffer("counts", torch.zeros(experts, dtype=torch.int64, device=device))
        self.down_weight: Tensor
        self.frozen: Tensor
        self.counts: Tensor
        self.router, self.noisy = NO_ROUTER, False
        self.routers: Tensor | None = None
        self.chosen_now = self.counts
        self.trains_now = [True] * experts

    def draw_start(self) -> None:
        """Down weights Kaiming-uniform with a = √5; everything else stays zero."""
        start = torch.empty(self.down_weight.shape)  # on the CPU: the same on every device
        bound = self.down_weight.shape[-1] ** -0.5
        self.down_weight.copy_(start.uniform_(-bound, bound))

    def add_router(self) -> None:
        """Another router, its gates and noise at zero."""
        experts, _, d = self.down_weight.shape
        for routers in (self.w_gate, self.w_noise):
            routers.append(nn.Parameter(self.down_weight.new_zeros(d, experts), False))

    def begin(self, router: int) -> None:
        """Train the experts that are not frozen, and ``router``; count choices from zero."""
        self.counts.zero_()
        self.go_on(router)

    def go_on(self, router: int) -> None:
        """The same in the middle of a task, where choices are counted already."""
        self.router, self.noisy = router, True
        for parameter in self.trained():
            parameter.requires_grad_(True)

    def trained(self) -> list[nn.Parameter]:
        """What trains under the current router."""
        frozen = self.frozen.tolist()
        experts = [
            p for ps in self._windows.values() for p, f in zip(ps, frozen, strict=True) if not f
        ]
        return [*experts, self.w_gate[self.router], self.w_noise[self.router]]

    def end(self, freeze: int) -> None:
        """Freeze the ``freeze`` experts chosen most often (some may be frozen already)."""
        for parameter in self.trained():
            parameter.requires_grad_(False).grad = None
        self.router, self.noisy = NO_ROUTER, False
        self.frozen[self.counts.topk(freeze).indices] = True

    def rest(self, chosen: Sequence[int]) -> None:
        """Take the gradient from experts that were ``chosen`` zero times: no step moves them then."""
        for parameters in self._windows.values():
            for parameter, times in zip(parameters, chosen, strict=True):
                if times == 0:
                    parameter.grad = None

    @property
    def idle(self) -> bool:
        """Whether the block is to stay as it was pre-trained, for all samples."""
        return self.router == NO_ROUTER and self.routers is None

    def _whole(self, name: str) -> Tensor:
        """A weight of all experts, [E, ...], whose gradient goes to the experts' own parameters."""
        whole: Tensor = getattr(self, name)
        if not self.noisy:
            return whole
        joined: Tensor = _Joined.apply(self, whole, *self._windows[name])
        return joined

    def gates(self, r: Tensor) -> tuple[Tensor, Tensor]:
        """Chosen experts, int64 [B, k], and their shares, [B, k], for gate inputs [B, d]."""
        if self.routers is not None:
            return self._gates_of_each(r, self.routers)
        z = r @ self.w_gate[self.router]  # [B, E]
        if self.noisy:
            spread = F.softplus(r @ self.w_noise[self.router]) + NOISE_FLOOR
            z = z + self.draw_noise(z) * spread
        top, chosen = z.topk(self.top_k, dim=-1)
        return chosen, top.softmax(dim=-1)

    def _gates_of_each(self, r: Tensor, routers: Tensor) -> tuple[Tensor, Tensor]:
        """The same, every sample by its own router; shares of zero where it has none."""
        z = r @ torch.stack(list(self.w_gate))  # [routers, B, E]
        samples = torch.arange(len(r), device=r.device)
        top, chosen = z[routers.clamp_min(0), samples].topk(self.top_k, dim=-1)
        return chosen, top.softmax(dim=-1) * (routers != NO_ROUTER)[:, None]

    def draw_noise(self, like: Tensor) -> Tensor:
        """Standard normal ε, [B, E]."""
        return torch.randn_like(like)

    def drop(self, a: Tensor, chosen: Tensor) -> Tensor:
        """Dropout on the bottleneck units a [B, L, k·m] of the ``chosen`` experts [B, k]."""
        return F.dropout(a, self.dropout)

    def forward(self, h: Tensor) -> Tensor:
        """The mixture y [B, L, d] of the block's residual stream h [B, L, d]."""
        _, m, d = self.down_weight.shape
        with full_precision(h.device):  # experts near each other would tie in 16 bits
            chosen, g = self.gates(at_least_float32(h[:, 0]))  # [B, k]
        if self.noisy:
            zeros = torch.zeros_like(self.counts)
            self.chosen_now = zeros.scatter_add(0, chosen.flatten(), (g > 0).long().flatten())
            self.counts += self.chosen_now
        down = F.embedding(chosen, self._whole("down_weight").flatten(1))  # [B, k, md]
        up = F.embedding(chosen, self._whole("up_weight").flatten(1)).unflatten(-1, (d, m))
        down_bias = F.embedding(chosen, self._whole("down_bias")).flatten(1)[:, None]  # [B, 1, km]
        a = torch.baddbmm(down_bias, h, down.view(len(h), -1, d).mT).relu()  # [B, L, km]
        if self.noisy:
            a = self.drop(a, chosen)
        share = (OUTPUT_SCALE * g).to(a.dtype)  # [B, k]
        a = (a.unflatten(-1, (-1, m)) * share[:, None, :, None]).flatten(-2)  # [B, L, km]
        bias = torch.bmm(share[:, None], F.embedding(chosen, self._whole("up_bias")))  # [B, 1, d]
        return torch.baddbmm(bias, a, up.mT.flatten(1, 2))


class _Joined(torch.autograd.Function):
    """Hands out the tensor of all experts as if it were computed from the experts' own parameters.

    Autograd does not know that the parameters are views of that tensor, so their gradients are
    assigned here: row e of its gradient to expert e. An expert that is frozen or was not chosen gets
    ``None`` and no zeros: with zeros, Adam would still move it by its moments.
    """

    @staticmethod
    def forward(ctx: Any, experts: Experts, whole: Tensor, *windows: Tensor) -> Tensor:
        ctx.experts, ctx.needed = experts, [w.requires_grad for w in windows]
        return whole.view_as(whole)  # a new tensor object, as autograd asks of an output; no copy

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        wanted = zip(gradients[0], ctx.needed, ctx.experts.trains_now, strict=True)
        return (None, None, *(g if needed and now else None for g, needed, now in wanted))


def attach(block: nn.Module, experts: Experts) -> None:
    """Add the mixture to what a block of CLIP computes: h + mlp(ln_2 h) + y(h).

    The experts read h itself, without the LayerNorm.
    """
    seen: list[Tensor] = []

    def remember(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not experts.idle:
            seen.append(inputs[0])

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        return output + experts(seen.pop()) if seen else None

    block.ln_2.register_forward_hook(remember)  # type: ignore[union-attr]
    block.mlp.register_forward_hook(add)  # type: ignore[union-attr]
