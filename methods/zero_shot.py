"""Zero-shot CLIP: nothing is learned. The reference that Transfer is measured against."""

from typing import ClassVar

from cl_bench.benchmark.method import Method
from cl_bench.benchmark.plain_weights import PlainWeights, merged_weights
from cl_bench.methods.configs.zero_shot import ZeroShotConfig


class ZeroShot(Method):
    """The pre-trained model, unchanged (Radford et al. 2021, arXiv 2103.00020)."""

    Config = ZeroShotConfig
    plain_weights: ClassVar[PlainWeights | None] = merged_weights
    bound: ClassVar[bool] = True
