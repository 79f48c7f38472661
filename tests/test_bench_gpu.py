"""The GPU bench runs to its end without a GPU, at tiny sizes, and gives all that it promises."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from bench.arithmetic import PRECISIONS, arithmetic, check
from bench.every_method import LEFT_OUT, cases
from bench.figures import Figure
from bench.gpu import measured
from bench.published_time import Rates, in_words, seconds_by_part
from bench.random_task import backbone

from cl_bench.benchmark.precision import autocast
from cl_bench.methods.catalog import BUILT_IN, find_method

ROOT = Path(__file__).parents[1]
# What the project needs elsewhere and a bare GPU machine may lack.
MISSING = (
    "typer", "rich", "wandb", "matplotlib", "sklearn", "scipy", "jinja2", "pooch", "tensorboardX",
    "ray", "submitit", "pyarrow", "pytest", "hypothesis",
)  # fmt: skip
ON_A_BARE_MACHINE = f"""
import runpy, sys

sys.modules.update(dict.fromkeys({MISSING}))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_it_runs_to_its_end_and_gives_what_it_promises(tmp_path: Path) -> None:
    file = tmp_path / "gpu.json"
    script = str(ROOT / "tests" / "bench" / "gpu.py")
    words = [script, "--tiny", "--device", "cpu", "--json", str(file)]
    run = subprocess.run(
        [sys.executable, "-c", ON_A_BARE_MACHINE, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    kept = json.loads(file.read_text())
    assert not [s for s in kept["scripts"] if s["problem"] or s["left_out"]]
    found = {f["name"]: f for f in kept["figures"]}
    for figure in found.values():
        assert math.isfinite(figure["value"])
        assert figure["value"] > 0 or figure["unit"] == "waits", figure
    missing = [name for name in promised() if name not in found]
    assert not missing
    assert len(kept["notes"]) == 2 and all("minutes" in note for note in kept["notes"])
    assert all(name in run.stdout for name in found), "the table shows all of them"


def promised() -> Iterator[str]:
    """Names of figures."""

    def words(classes: int, precision: str) -> str:
        return f"tiny CLIP, 2 images, {classes} classes, {precision}, cpu"

    for precision in ("fp32", "tf32", "bf16", "fp16"):
        for classes in (3, 5):
            sizes = words(classes, precision)
            yield f"KeepLoRA's step ({sizes})"
            yield f"KeepLoRA's step against the plain loop's ({sizes})"
            yield f"KeepLoRA's step: share of the bound ({sizes})"
        sizes = words(3, precision)
        yield f"evaluation: share of the bare image tower (4 images in all, {sizes})"
        for what in ("gradient pass", "feature pass"):
            yield f"{what} against the plain loop's (2 batches, {sizes})"
    yield "projection core of a task, 28 matrices (tiny CLIP, cpu)"
    yield "waits a step of KeepLoRA"
    for order in ("I", "II"):
        yield f"published experiment, order {order}, projected (fp16, cpu)"
    for name in ("keeplora", "lora", "zscl", "moe-adapters", "joint", "inflora"):
        kind = find_method(name).method
        same = [n for n in BUILT_IN if find_method(n).method is kind]
        yield f"step of {same[-1]} ({words(3, 'fp32')}) against KeepLoRA's plain loop"


def test_at_full_size_every_method_is_measured_in_every_precision() -> None:
    every = cases((100, 397))
    found = {(case.method, case.precision, case.classes) for case in every}
    assert found == {
        (m, p, c) for m in BUILT_IN if m not in LEFT_OUT for p in PRECISIONS for c in (100, 397)
    }
    assert len(found) == len(every) and set(PRECISIONS) == {"fp32", "tf32", "bf16", "fp16"}


def figures(*values: float) -> Iterator[Figure]:
    for value in values:
        if value < 0:
            raise RuntimeError("the device is lost\nat line 3")
        yield Figure(f"figure {value}", value, "s")


def test_what_is_cut_off_or_fails_leaves_what_it_has_and_is_named() -> None:
    *before, last = measured("part", lambda: figures(1, 2), 99)
    assert [len(part.figures) for part in before] == [1, 2]
    assert all(part.left_out == "the rest" for part in before), "if the process ends here"
    assert not last.problem and not last.left_out and len(last.figures) == 2
    (last,) = measured("part", lambda: figures(1, 2), 1e-9)
    assert len(last.figures) == 1 and "what follows 'figure 1'" in last.left_out
    (last,) = measured("part", lambda: figures(1, 2), 0)
    assert not last.figures and last.left_out == "all of it"
    *_, last = measured("part", lambda: figures(1, -1, 2), 99)
    assert len(last.figures) == 1 and last.problem == "RuntimeError: the device is lost"


NOTHING = {"gradient_batch": 0.0, "feature_batch": 0.0, "core": 0.0, "image": 0.0, "prompt": 0.0}


@pytest.mark.parametrize(("order", "steps"), [("I", 43_160), ("II", 27_988)])
def test_the_published_steps_are_counted(order: str, steps: int) -> None:
    parts = seconds_by_part(order, Rates({100: 1.0, 397: 1.0}, **NOTHING))
    assert parts["steps"] == pytest.approx(steps)
    assert sum(parts.values()) == pytest.approx(steps)


def test_every_part_of_the_published_experiment_is_counted() -> None:
    ones = Rates({100: 1.0, 397: 1.0}, **dict.fromkeys(NOTHING, 1.0))
    parts = seconds_by_part("I", ones)
    assert parts["projection cores"] == 11
    assert parts["test images"] == 12 * 97_209  # before the first task, and after each
    assert parts["test classes"] == 12 * 1_201
    assert parts["gradient passes"] == parts["feature passes"] == 4_985
    assert "= " in in_words("I", ones) and "43,160" not in in_words("I", ones)


def test_a_step_lies_on_the_line_through_both_measured_ones() -> None:
    rates = Rates({100: 1.0, 400: 4.0}, **NOTHING)
    assert [rates.step(c) for c in (100, 200, 400)] == [1.0, 2.0, 4.0]
    assert rates.step(10) == 1.0, "never less than the faster one"
    assert Rates({100: 4.0, 400: 1.0}, **NOTHING).step(397) == 4.0


@pytest.mark.parametrize("asked", PRECISIONS)
@pytest.mark.parametrize("used", PRECISIONS)
def test_a_time_is_never_kept_under_another_precision(asked: str, used: str) -> None:
    clip = backbone(tiny=True)
    x = torch.zeros(1, 3, 32, 32)

    def step() -> None:
        with arithmetic(used) as called, autocast("cpu", called):
            clip.encode_images(x)

    if asked == used:
        check(asked, "cpu", step)
    else:
        with pytest.raises(ValueError, match=f"{asked} was asked for"):
            check(asked, "cpu", step)
    with pytest.raises(ValueError, match="computed in"):
        check(asked, "cpu", lambda: None)
