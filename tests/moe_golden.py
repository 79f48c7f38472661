"""The recorded MoE-Adapters, and the published code's random draws put in the place of ours."""

from __future__ import annotations

import numpy as np
import open_clip
import torch
from golden_clip import golden_clip, recorded
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import LabelSpace
from cl_bench.methods.experts import Experts
from cl_bench.methods.moe_adapters import MoEAdapters, MoEAdaptersConfig

GOLD, FACTS = recorded("moe_adapters")
E, K, M = FACTS["experts"], FACTS["top_k"], FACTS["bottleneck"]
TOWERS = {"image": "v", "text": "t"}
EXPERT_NAMES = ("down_weight", "down_bias", "up_weight", "up_bias")
LABELS = LabelSpace(tuple("abcdef"), tuple((c,) for c in "abcdef"))


def deep_clip(blocks: int) -> Clip:
    """The tiny CLIP; with twelve blocks, block i is its block i mod 3."""
    tiny = golden_clip()
    if blocks == 3:
        return tiny
    _, facts = recorded("tiny_clip")
    config = facts["open_clip"]
    for tower in ("vision_cfg", "text_cfg"):
        config[tower]["layers"] = blocks
    model = open_clip.CLIP(**config)
    state = {}
    for name, tensor in tiny.model.state_dict().items():
        if "resblocks." not in name:
            state[name] = tensor
            continue
        before, _, after = name.partition("resblocks.")
        place, _, rest = after.partition(".")
        for i in range(int(place), blocks, 3):
            state[f"{before}resblocks.{i}.{rest}"] = tensor
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert set(missing) <= {"attn_mask"} and not unexpected
    return Clip(model, tiny.tokenizer)


def loaded(tokens: Tensor, blocks: int = 3) -> MoEAdapters:
    """The method with the recorded experts and routers; its tokenizer gives ``tokens``."""
    clip = deep_clip(blocks)
    clip.tokenizer = lambda prompts: tokens.long()
    config = MoEAdaptersConfig(
        experts=E, top_k=K, bottleneck=M, dropout=FACTS["dropout"],
        label_smoothing=FACTS["label_smoothing"], routing="batch",
    )  # fmt: skip
    anchor = Images(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), torch.zeros(1).long())
    method = MoEAdapters(clip, config, Assets(images=anchor, selector=lambda x: x.flatten(1)))
    for tower, key in TOWERS.items():
        for i, experts in enumerate(method.experts[key]):
            with torch.no_grad():
                for name in EXPERT_NAMES:
                    getattr(experts, name).copy_(GOLD[f"experts/{tower}/{name}"][i % 3])
                for router in range(FACTS["routers"]):
                    experts.add_router()
                    for name in ("w_gate", "w_noise"):
                        getattr(experts, name)[router].copy_(
                            GOLD[f"router/{tower}/{name}"][i % 3, router]
                        )
    return method


def replay(experts: Experts, noise: Tensor, chosen: Tensor, bits: Tensor) -> None:
    """Use recorded draws: ε [B, E]; keep bits [B, K, L, M / 8] of the ``chosen`` experts [B, K]."""
    keep = torch.from_numpy(np.unpackbits(bits.numpy(), axis=-1)).float()  # [B, K, L, M]

    def drop(a: Tensor, ours: Tensor) -> Tensor:
        slots = (chosen[:, None, :] == ours[:, :, None]).int().argmax(dim=-1)  # [B, K]
        mine = keep[torch.arange(len(keep))[:, None], slots][:, :, : a.shape[1]]  # [B, K, L, M]
        return a * mine.movedim(1, 2).flatten(-2) / (1 - experts.dropout)

    experts.draw_noise = lambda like: noise  # type: ignore[method-assign]
    experts.drop = drop  # type: ignore[method-assign]


def watch(experts: Experts) -> dict[str, Tensor]:
    """Keep the gate's last input and its last shares, [B, E]."""
    seen: dict[str, Tensor] = {}
    original = experts.gates

    def gates(r: Tensor) -> tuple[Tensor, Tensor]:
        chosen, g = original(r)
        seen["router_input"] = r.detach()
        seen["gates"] = torch.zeros(len(r), E).scatter(1, chosen, g.detach())
        return chosen, g

    experts.gates = gates  # type: ignore[method-assign]
    return seen
