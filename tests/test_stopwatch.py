"""Seconds by phase, the peak of memory, and what a run is expected to take."""

from __future__ import annotations

import itertools
import resource
import sys

import pytest
import torch
from golden_clip import golden_clip

from cl_bench.benchmark import cost
from cl_bench.benchmark.cost import Stopwatch, peak_memory
from cl_bench.benchmark.estimate import estimate
from cl_bench.benchmark.task import LabelSpace

CPU = torch.device("cpu")
LABELS = LabelSpace.from_templates(("cat", "oak"), ("a {}.", "the {}."))


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


@pytest.mark.usefixtures("clock")
def test_an_estimate_scales_the_second_of_two_calls() -> None:
    """The calls last 1 and 3 s for training steps, then 5 and 7 s for looks at a batch."""
    clip = golden_clip()
    numbers = sum(t.numel() * t.element_size() for t in clip.state_dict().values())
    found = estimate(clip, LABELS, batch_size=4, steps=100, evaluated_images=40)
    assert found.train_seconds == 100 * 3.0
    assert found.evaluate_seconds == 40 / 4 * 7.0
    assert found.disk == 2 * numbers
    assert found.memory == peak_memory(CPU)["process"]


def test_an_estimate_leaves_the_model_as_it_was() -> None:
    clip = golden_clip().requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in clip.state_dict().items()}
    estimate(clip, LABELS, batch_size=2, steps=1, evaluated_images=1)
    assert all(p.grad is None and not p.requires_grad for p in clip.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in clip.state_dict().items())
