"""How many cases the property tests try: few and always the same in CI, more in a long run.

``CL_BENCH_FUZZ=100 pytest tests/test_fuzz_*.py`` tries a hundred times as many, and others every time.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("CL_BENCH_FUZZ", "1"))


def cases(count: int) -> settings:
    """A property that is tried on so many cases."""
    return settings(
        max_examples=count * TIMES,
        derandomize=TIMES == 1,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
