"""Seconds by phase, and the peak of memory."""

from __future__ import annotations

import itertools
import resource
import sys

import pytest
import torch

from cl_bench.benchmark import cost
from cl_bench.benchmark.cost import Stopwatch, peak_memory

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that shows 0, 1, 3, 6, 10, ... whenever it is read: the k-th interval lasts k."""
    readings = itertools.accumulate(itertools.count())
    monkeypatch.setattr(cost.time, "perf_counter", lambda: float(next(readings)))


@pytest.mark.usefixtures("clock")
def test_phases_add_up_and_the_time_between_them_counts_for_none() -> None:
    watch = Stopwatch(CPU)
    for phase in ("train", "evaluate", "train"):
        with watch.phase(phase):
            pass
    assert watch.seconds == {"train": 1.0 + 5.0, "evaluate": 3.0}


@pytest.mark.usefixtures("clock")
def test_a_phase_that_fails_is_not_counted() -> None:
    watch = Stopwatch(CPU)
    with pytest.raises(ValueError, match="stop"), watch.phase("train"):
        raise ValueError("stop")
    assert watch.seconds == {}


def test_peak_memory_is_in_bytes() -> None:
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    peak = peak_memory(CPU)
    assert peak.keys() == {"process"}
    assert before <= peak["process"] < 2**40
    assert peak["process"] > 2**26, "torch alone takes more than 64 MiB"
