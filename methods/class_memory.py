"""What is kept of the classes of a learned task (LADA)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cl_bench.methods.feature_mixtures import Mixtures, padded


@dataclass(frozen=True)
class ClassMemory:
    """C classes.

    Attributes:
        texts: their unit text features, [C, D].
        centres: of the second classifier, [C, k, D].
        held: which centres there are, bool [C, k].
        mixtures: of their image features.
    """

    texts: Tensor
    centres: Tensor
    held: Tensor
    mixtures: Mixtures

    @classmethod
    def together(cls, several: Sequence[ClassMemory]) -> ClassMemory:
        """The classes of several, one after the other."""
        k = max(of.held.shape[1] for of in several)
        return cls(
            texts=torch.cat([of.texts for of in several]),
            centres=torch.cat([padded(of.centres, k, 0) for of in several]),
            held=torch.cat([padded(of.held, k, False) for of in several]),
            mixtures=Mixtures.together([of.mixtures for of in several]),
        )

    def tensors(self) -> dict[str, Tensor]:
        """All of it, by name."""
        mixtures = {f"mixture_{name}": tensor for name, tensor in vars(self.mixtures).items()}
        return {"texts": self.texts, "centres": self.centres, "held": self.held} | mixtures

    @classmethod
    def of(cls, tensors: Mapping[str, Any], device: torch.device) -> ClassMemory:
        """Undo ``tensors``."""
        here = {name: tensors[name].to(device) for name in tensors if name != "classnames"}
        parts = ("means", "variances", "weights")
        mixtures = Mixtures(*(here.pop(f"mixture_{part}") for part in parts))
        return cls(**here, mixtures=mixtures)
