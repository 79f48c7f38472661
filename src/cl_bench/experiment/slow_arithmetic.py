"""What whoever waits for a run should know of its arithmetic. Torch is imported where it is measured."""

from __future__ import annotations

from cl_bench.benchmark.config import RunConfig

WORTH_SAYING = 1.2  # times as long; below it, other load on the machine measures as much


def slow_arithmetic(config: RunConfig) -> tuple[str, ...]:
    """A note where 16 bits take longer than fp32 on this processor; measured in less than a second."""
    precision = config.protocol.precision
    if config.device != "cpu" or precision not in ("bf16", "fp16"):
        return ()
    from cl_bench.benchmark.product_rate import product_rate

    times = product_rate("cpu", "fp32") / product_rate("cpu", precision)
    if times < WORTH_SAYING:
        return ()
    return (
        f"{precision} takes {times:.1f} times as long as fp32 on this processor (measured on products "
        "of ViT-B/16's size): --precision fp32 is faster here",
    )
