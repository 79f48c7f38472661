"""A processor that is slower in 16 bits than in fp32 is said, once, before anything is learned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from command_line import cl_bench
from small_run import small_plan

from cl_bench.benchmark import product_rate as measuring
from cl_bench.benchmark.product_rate import product_rate
from cl_bench.benchmark.record import read_json
from cl_bench.experiment.slow_arithmetic import slow_arithmetic

NOTE = (
    "fp16 takes 20.0 times as long as fp32 on this processor (measured on products of ViT-B/16's "
    "size): --precision fp32 is faster here"
)
RATES = {"fp32": 100.0, "bf16": 300.0, "fp16": 5.0}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """A processor with bf16 instructions and none of fp16; yields what was measured of it."""
    asked: list[tuple[str, str]] = []

    def rate(device: str, precision: str) -> float:
        asked.append((device, precision))
        return RATES[precision]

    monkeypatch.setattr(measuring, "product_rate", rate)
    return asked


def test_it_is_said_where_it_is_so_and_nowhere_else(measured: list[tuple[str, str]]) -> None:
    notes = {p: slow_arithmetic(small_plan("lora", precision=p).config) for p in RATES}
    assert notes == {"fp32": (), "bf16": (), "fp16": (NOTE,)}
    assert measured == [("cpu", "fp32"), ("cpu", "bf16"), ("cpu", "fp32"), ("cpu", "fp16")]
    on_gpu = small_plan("lora", precision="fp16").config.model_copy(update={"device": "cuda:1"})
    assert slow_arithmetic(on_gpu) == () and len(measured) == 4, "nothing is measured for a GPU"


@pytest.mark.parametrize(("rate", "said"), [(84.0, False), (80.0, True)])
def test_a_small_difference_is_not_worth_a_word(
    rate: float, said: bool, measured: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RATES, "bf16", rate)
    assert bool(slow_arithmetic(small_plan("lora", precision="bf16").config)) is said


@pytest.mark.parametrize("quiet", [False, True])
def test_a_run_says_it_once_and_keeps_it_nowhere(
    quiet: bool,
    tmp_path: Path,
    measured: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = [
        "run", "--suite", "mini", "--method", "zero-shot", "--tasks", "1", "--device", "cpu",
        "--precision", "fp16", "--out", str(tmp_path), *(["--quiet"] if quiet else []),
    ]  # fmt: skip
    assert cl_bench(monkeypatch, *line) == 0
    said = capsys.readouterr()
    note = f"note   {NOTE}"
    assert (said.err if quiet else said.out).count(note) == 1
    if not quiet:
        assert said.out.index("files  ") < said.out.index(note) < said.out.index("picture  ")
    (config,) = tmp_path.rglob("config.json")
    assert read_json(config)["caveats"] == []
    assert "times as long" not in (config.parent / "manifest.json").read_text()
    assert cl_bench(monkeypatch, *line) == 0
    said = capsys.readouterr()
    assert note not in said.out + said.err, "a finished run computes nothing"


def test_a_rate_is_of_products_of_that_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[torch.dtype] = []

    def took(a: torch.Tensor, b: torch.Tensor) -> float:
        assert a.shape == (197, 768) and b.shape == (768, 3072)
        used.append(a.dtype)
        return 0.5 if a.dtype == torch.float16 else 0.04

    monkeypatch.setattr(measuring, "_seconds", took)
    operations = 2 * 197 * 768 * 3072
    assert product_rate("cpu", "fp32") == pytest.approx(operations / 0.04 / 1e9)
    assert product_rate("cpu", "fp16") == pytest.approx(operations / 0.5 / 1e9)
    assert used == [torch.float32] * 3 + [torch.float16], "what is slow is not done again"


def test_a_real_measurement_is_positive_and_finite() -> None:
    for precision in ("fp32", "bf16", "fp16"):
        assert 0 < product_rate("cpu", precision) < float("inf")
