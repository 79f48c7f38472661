"""Small methods, one for each thing that a method can reach; the tests run them as a plug-in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Classifier, Method, MethodConfig
from cl_bench.benchmark.task import Batch, LabelSpace


class PromptTuning(Method):
    """Frozen CLIP; learned tokens at the first two blocks of each tower, carried from task to task."""

    class Config(MethodConfig):
        count: int = 2
        """Tokens per block."""

    def __init__(self, clip: Clip, config: Config, assets: Assets) -> None:
        super().__init__(clip, config, assets)
        generator = torch.Generator().manual_seed(0)
        self.tokens = {
            tower: nn.Parameter(
                torch.randn(2, 1, config.count, blocks[0].width, generator=generator) / 50
            )
            for tower, blocks in clip.attentions().items()
        }

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        return self.tokens.values()

    def loss(self, batch: Batch) -> Tensor:
        images = self.clip.encode_images(batch.images, self.tokens["v"])
        classes = self.clip.encode_classes(batch.labels, self.tokens["t"])
        return F.cross_entropy(self.clip.logits(images, classes), batch.targets)

    def classifier(self, labels: LabelSpace) -> Classifier:
        classes = self.clip.encode_classes(labels, self.tokens["t"])
        return lambda images: self.clip.logits(
            self.clip.encode_images(images, self.tokens["v"]), classes
        )

    def state_dict(self) -> dict[str, Any]:
        return {tower: tokens.detach() for tower, tokens in self.tokens.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for tower, tokens in self.tokens.items():
            tokens.data.copy_(state[tower])
