"""SD-LoRA: the directions of earlier LoRAs stay, their magnitudes are learned again.

Wu et al. 2025, "SD-LoRA: Scalable Decoupled Low-Rank Adaptation for Class Incremental Learning", ICLR,
arXiv 2501.13198; published code WuYichen-97/SD-Lora-CL. Adapted to CLIP: KeepLoRA's slots (q, k, v, o of
both towers) for a vision transformer's q and v; the magnitudes are shared by both towers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.attention import Adapter
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.plain_weights import PlainWeights
from cl_bench.benchmark.task import TrainingTask
from cl_bench.methods.configs.sd_lora import SDLoRAConfig
from cl_bench.methods.finite import must_be_finite
from cl_bench.methods.low_rank import PROJECTIONS, fresh_factor, out_update, qkv_update

START = 0.8  # of every magnitude (published code)


@torch.no_grad()
def _with_directions(clip: Clip, state: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The weights of every block with the learned factors in them: W + (A B)ᵀ, summed in float64."""
    names = {id(weight): name for name, weight in clip.weights().items()}
    weights: dict[str, Tensor] = {}
    for i, block in enumerate(a for blocks in clip.attentions().values() for a in blocks):
        A, B = (state[factor][str(i)].double() for factor in ("A_old", "B_used"))
        delta = (A @ B).mT  # [4, out, in]
        parts = ((block.in_proj_weight, delta[:3].flatten(0, 1)), (block.out_proj.weight, delta[3]))
        for weight, added in parts:
            weights[names[id(weight)]] = (weight.cpu().double() + added).to(weight.dtype)
    return weights


class SDLoRA(Method):
    """ΔW = Σ_{τ<t} α_τ·A_τB_τ/(‖A_τ‖‖B_τ‖) + α_t·A_tB_t: A_t, B_t and every α are trained.

    The sum over τ is one product of factors concatenated along the rank, with B's rows scaled by α.
    """

    Config = SDLoRAConfig
    plain_weights: ClassVar[PlainWeights | None] = _with_directions
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: SDLoRAConfig, assets: Assets) -> None:
        """No direction is known yet."""
        super().__init__(clip, config, assets)
        self.config = config
        self.blocks = [a for attentions in clip.attentions().values() for a in attentions]
        self.attached: list[RemovableHandle] = []
        # Per block, earlier tasks' unit-norm factors: A [4, d, r·(t − 1)] and B [4, r·(t − 1), d].
        self.A_old = [torch.zeros(4, a.width, 0, device=clip.device) for a in self.blocks]
        self.B_old = [torch.zeros(4, 0, a.width, device=clip.device) for a in self.blocks]
        self.B_used = list(self.B_old)  # what is evaluated: B_old times the trained magnitudes
        self.A_new: list[nn.Parameter] = []  # per block, of the task being learned: [4, d, r]
        self.B_new: list[nn.Parameter] = []  # [4, r, d]
        # α of earlier tasks: shared by all matrices (released), or one for each (paper).
        columns = 1 if config.variant == "released" else len(PROJECTIONS) * len(self.blocks)
        self.alpha_old = nn.Parameter(torch.zeros(0, columns, device=clip.device), False)

    def before_task(self, task: TrainingTask) -> None:
        """A new LoRA beside the old ones: A random, B zero."""
        r, n, device = self.config.rank, len(PROJECTIONS), self.clip.device
        if self.config.variant == "released":
            self.alpha_old.data.fill_(START)
        self.alpha_old.requires_grad_(len(self.alpha_old) > 0)
        self.alpha_new = nn.Parameter(torch.tensor(START, device=device))
        self.A_new = [nn.Parameter(fresh_factor(n, a.width, r).to(device)) for a in self.blocks]
        self.B_new = [nn.Parameter(torch.zeros(n, r, a.width, device=device)) for a in self.blocks]
        self._use_all()

    def _use_all(self) -> None:
        """Put old and new factors beside the weights of every block, as they are at the time."""
        self._attach([partial(self._factors, i) for i in range(len(self.blocks))])

    def _factors(self, i: int) -> tuple[Tensor, Tensor]:
        """A and α·B of block ``i``, old and new side by side: [4, d, r·t], [4, r·t, d]."""
        A = torch.cat([self.A_old[i], self.A_new[i]], dim=-1)
        return A, torch.cat([self._scaled_old(i), self.alpha_new * self.B_new[i]], dim=-2)

    def _scaled_old(self, i: int) -> Tensor:
        """α_τ·B_τ of block ``i`` for every earlier task, [4, r·(t − 1), d]."""
        tasks, columns = self.alpha_old.shape
        own = self.alpha_old if columns == 1 else self.alpha_old[:, 4 * i : 4 * i + 4]
        alpha = own.expand(tasks, 4).repeat_interleave(self.config.rank, dim=0)  # [r·(t − 1), 4]
        return alpha.T[..., None] * self.B_old[i]

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """The new A and B, and every magnitude."""
        old = (self.alpha_old,) if len(self.alpha_old) else ()
        return (*self.A_new, *self.B_new, self.alpha_new, *old)

    @torch.no_grad()
    def after_task(self, task: TrainingTask) -> None:
        """Split the new LoRA into directions and magnitudes; keep what was trained for evaluation."""
        norms = []
        for i, (A, B) in enumerate(zip(self.A_new, self.B_new, strict=True)):
            norm_A = A.norm(dim=(-2, -1), keepdim=True)  # [4, 1, 1]
            norm_B = B.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-12)
            self.B_used[i] = torch.cat([self._scaled_old(i), self.alpha_new * norm_A * B], dim=-2)
            self.A_old[i] = torch.cat([self.A_old[i], A / norm_A], dim=-1)
            self.B_old[i] = torch.cat([self.B_old[i], B / norm_B], dim=-2)
            norms.append((norm_A * norm_B).flatten())
        must_be_finite({"the norm of a low-rank update": torch.cat(norms)}, task.name)
        released = self.config.variant == "released"
        added = self.alpha_new[None] if released else self.alpha_new * torch.cat(norms)
        self.alpha_old = nn.Parameter(torch.cat([self.alpha_old, added[None]]), False)
        self.A_new, self.B_new = [], []
        self._use()

    def _use(self) -> None:
        """Put the learned factors beside the weights of every block."""
        pairs = zip(self.A_old, self.B_used, strict=True)
        self._attach([partial(lambda A, B: (A, B), A, B) for A, B in pairs])

    def _attach(self, factors: Sequence[Callable[[], tuple[Tensor, Tensor]]]) -> None:
        """Add h A B to every block, with the factors as they are at the time; nothing else stays."""
        for handle in self.attached:
            handle.remove()
        self.attached = [a.add(_adapter(of)) for a, of in zip(self.blocks, factors, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Directions, magnitudes, and the scaled B that is evaluated; CLIP's weights stay.

        Within a task, the new factors and their magnitude, too.
        """
        factors = {"A_old": self.A_old, "B_old": self.B_old, "B_used": self.B_used}
        new = {"A_new": self.A_new, "B_new": self.B_new}
        alphas = {"alpha_old": self.alpha_old} | (
            {"alpha_new": self.alpha_new} if self.A_new else {}
        )
        return {name: alpha.detach() for name, alpha in alphas.items()} | {
            name: {str(i): f.detach() for i, f in enumerate(of)}
            for name, of in (factors | new).items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        device, blocks = self.clip.device, range(len(self.blocks))
        self.alpha_old = nn.Parameter(state["alpha_old"].to(device), False)
        self.A_old = [state["A_old"][str(i)].to(device) for i in blocks]
        self.B_old = [state["B_old"][str(i)].to(device) for i in blocks]
        self.B_used = [state["B_used"][str(i)].to(device) for i in blocks]
        if "alpha_new" not in state:
            self._use()
            return
        self.alpha_old.requires_grad_(len(self.alpha_old) > 0)
        self.alpha_new = nn.Parameter(state["alpha_new"].to(device))
        self.A_new = [nn.Parameter(state["A_new"][str(i)].to(device)) for i in blocks]
        self.B_new = [nn.Parameter(state["B_new"][str(i)].to(device)) for i in blocks]
        self._use_all()

    def diagnostics(self) -> dict[str, float]:
        """Mean magnitude of every earlier task's update: ``magnitude/<place in the order>``."""
        means = self.alpha_old.mean(dim=-1).tolist()
        return {f"magnitude/{i}": alpha for i, alpha in enumerate(means, start=1)}


def _adapter(factors: Callable[[], tuple[Tensor, Tensor]]) -> Adapter:
    return Adapter(
        to_qkv=lambda x: qkv_update(x, *factors()), to_out=lambda h: out_update(h, *factors())
    )
