"""Zero-shot CLIP's settings."""

from cl_bench.benchmark.method_config import MethodConfig


class ZeroShotConfig(MethodConfig):
    """Nothing is learned, so there is nothing to set."""
