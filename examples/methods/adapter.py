"""An adapter: `cl-bench run --plugin examples/methods/adapter.py --method bottleneck --order II`."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from cl_bench.benchmark.attention import Adapter
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.method_config import MethodConfig
from cl_bench.benchmark.task import TrainingTask


class Bottleneck(Method):
    """out + U relu(D h) in the last vision blocks; U and D learn task after task, CLIP stays frozen."""

    class Config(MethodConfig):
        rank: Annotated[int, Field(ge=1)] = 8
        """Width r of the bottleneck."""
        blocks: Annotated[int, Field(ge=1)] = 2
        """How many of the vision tower's last blocks get one."""

    def __init__(self, clip: Clip, config: Config, assets: Any) -> None:
        super().__init__(clip, config, assets)
        self.pairs = nn.ModuleList()
        for attention in clip.attentions()["v"][-config.blocks :]:
            down = nn.Linear(attention.width, config.rank, bias=False)  # D [r, d], random
            up = nn.Linear(config.rank, attention.width, bias=False)  # U [d, r]
            nn.init.zeros_(up.weight)  # so that nothing changes before something is learned
            pair = nn.Sequential(down, nn.ReLU(), up).to(clip.device)
            attention.add(Adapter(to_out=pair))
            self.pairs.append(pair)

    def trainable_parameters(self) -> list[nn.Parameter]:
        return list(self.pairs.parameters())

    def after_task(self, task: TrainingTask) -> None:
        self.pairs.zero_grad(set_to_none=True)

    def diagnostics(self) -> dict[str, float]:
        with torch.no_grad():
            return {"largest_u": max(float(pair[2].weight.abs().max()) for pair in self.pairs)}

    def state_dict(self) -> dict[str, Any]:
        pairs: dict[str, Tensor] = self.pairs.state_dict()
        return super().state_dict() | {"pairs": pairs}

    def load_state_dict(self, state: Any) -> None:
        super().load_state_dict(state)
        self.pairs.load_state_dict(state["pairs"])
