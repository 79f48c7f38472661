"""The published precision where the device can, said where it cannot; no fp16 trouble is hidden."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from command_line import cl_bench
from small_run import fresh, small_plan, small_run, small_stream
from test_train import Toy, training_task
from torch import Tensor

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.errors import NotFiniteError, UserError
from cl_bench.benchmark.evaluate import predict
from cl_bench.benchmark.record import read_json
from cl_bench.benchmark.records.events import Event, Learned, Step, those
from cl_bench.benchmark.task import Batch
from cl_bench.benchmark.train import Progress, train
from cl_bench.experiment import resolve as planning
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import Plan, resolve
from cl_bench.methods.catalog import BUILT_IN, find_method

MIXED = {"keeplora", "keeplora+", "keeplora++", "keeplora-kd", "lora", "diki", "iap", "lada"}
STEADY = Recipe(lr=0.01, weight_decay=0, schedule="constant")


def on(
    device: str, method: str, monkeypatch: pytest.MonkeyPatch, preset: str = "paper", **more: object
) -> Plan:
    """A plan as it is made on a machine with that device."""
    monkeypatch.setattr(planning, "choose_device", lambda name: name or device)
    return resolve(Choices(suite="mini", method=method, preset=preset, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("method", BUILT_IN)
def test_every_method_says_its_published_precision(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = find_method(method).settings["paper"]["protocol"]["precision"]
    assert published == ("fp16" if method in MIXED else "fp32")
    for device in ("cuda", "cuda:1"):
        config = on(device, method, monkeypatch).config
        assert (config.protocol.precision, config.preset) == (published, "paper")
        assert not [c for c in config.caveats if "fp32" in c]
    assert on("cuda", method, monkeypatch, "fair").config.protocol.precision == "fp32"


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_a_device_that_cannot_is_said_plainly(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = on(device, "keeplora", monkeypatch).config
    assert (config.protocol.precision, config.preset) == ("fp32", "paper")
    (caveat,) = config.caveats
    assert caveat.startswith(f"computed in fp32: the device {device} cannot do the planned fp16")
    assert not on(device, "zscl", monkeypatch).config.caveats
    assert config.digest() != on("cuda", "keeplora", monkeypatch).config.digest()


@pytest.mark.parametrize(
    ("device", "typed", "preset"),
    [
        ("cuda", "fp16", "paper"), ("cuda", "fp32", "custom"), ("cuda", "bf16", "custom"),
        ("cpu", "fp16", "paper"), ("cpu", "fp32", "custom"),
    ],
)  # fmt: skip
def test_a_typed_precision_wins_and_is_then_the_users(
    device: str, typed: str, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = on(device, "keeplora", monkeypatch, precision=typed).config
    assert (config.protocol.precision, config.preset, config.caveats) == (typed, preset, ())
    fair = on(device, "keeplora", monkeypatch, "fair", precision=typed).config
    assert (fair.protocol.precision, fair.preset) == (typed, "fair")


def test_the_plan_on_the_screen_says_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", "--suite", "mini", "--preset", "paper", "--device", "cpu", "--dry-run"]
    assert cl_bench(monkeypatch, *arguments) == 0
    assert "note      computed in fp32: the device cpu" in capsys.readouterr().out


def test_a_sweep_finds_runs_that_another_device_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from cl_bench.benchmark.record import write_json

    made = tmp_path / on("cuda", "keeplora", monkeypatch).folder.relative_to("runs")
    write_json(made / "manifest.json", {"status": "finished"})
    monkeypatch.setattr(planning, "choose_device", lambda name: name or "cpu")
    arguments = [
        "sweep", "--methods", "keeplora,zscl", "--orders", "I", "--suite", "mini", "--preset",
        "paper", "--out", str(tmp_path), "--dry-run",
    ]  # fmt: skip
    assert cl_bench(monkeypatch, *arguments) == 0
    assert "1 done, 0 begun, 1 waiting" in capsys.readouterr().out


class Steep(Toy):
    """A loss whose gradient is finite, but times 65,536 too large for fp16."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def loss(self, batch: Batch) -> Tensor:
        self.steps += 1
        return (self.weight.half() * self.slope).float() + 0 * self.weight


def test_a_step_that_fp16_skips_is_counted_and_is_no_divergence() -> None:
    method, reports = Steep(40.0), list[Progress]()
    trained = train(method, training_task(), STEADY, 20, "fp16", reports.append)
    # 40 * 65,536 / 2^k fits below 65,504 from k = 6 on.
    assert trained.skipped_steps == 6 and trained.steps == method.steps == 20
    assert method.weight.item() == pytest.approx(1 - 14 * 0.01, abs=1e-3), "14 steps were taken"
    assert all(math.isfinite(report.loss) for report in reports)
    assert (
        train(Steep(40.0), training_task(), STEADY, 20, "fp32", reports.append).skipped_steps == 0
    )


class NoGradient(Toy):
    """A finite loss whose gradient is not a number, as of the square root at zero."""

    def loss(self, batch: Batch) -> Tensor:
        self.steps += 1
        return ((self.weight - self.weight.detach()).abs().sqrt() * 0).sum()


@pytest.mark.parametrize("steps", [3, 20])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_gradient_that_is_never_finite_is_divergence(steps: int, precision: str) -> None:
    """fp16 would skip every step and leave the model as it was, with a finite loss throughout."""
    with pytest.raises(NotFiniteError, match="on task 'toy'"):
        train(NoGradient(), training_task(), STEADY, steps, precision, lambda report: None)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_infinite_loss_stops_the_run_in_every_precision(precision: str) -> None:
    with pytest.raises(NotFiniteError, match="nan on task 'toy' at step 7"):
        train(Toy(spoil_at=7), training_task(), STEADY, 15, precision, lambda report: None)


class LastGradient(Toy):
    """Only the gradient of the last step is spoilt: no later loss tells."""

    def loss(self, batch: Batch) -> Tensor:
        self.steps += 1
        bad = (self.weight - self.weight.detach()).abs().sqrt() * 0
        return self.weight**2 + (bad if self.steps == 15 else 0)


def test_a_weight_spoilt_by_the_last_step_is_found() -> None:
    with pytest.raises(NotFiniteError, match="after the last step on task 'toy'"):
        train(LastGradient(), training_task(), STEADY, 15, "fp32", lambda report: None)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_predictions_of_a_diverged_model_are_no_accuracy(value: float) -> None:
    plan = small_plan("zero-shot")
    method, task = fresh(plan), small_stream(plan).tasks[0]
    with torch.no_grad():
        method.clip.model.visual.proj[0, 0] = value
    with pytest.raises(NotFiniteError, match="the predictions are not finite"):
        predict(method.classifier(task.labels), task.test, method.clip.normaliser())


def test_sixteen_bits_train_close_to_fp32_and_log_what_they_skipped(tmp_path: Path) -> None:
    losses, skipped = {}, {}
    for precision in ("fp32", "bf16", "fp16"):
        events: list[Event] = []
        plan = small_plan("keeplora", tasks=1, precision=precision)
        small_run(plan, tmp_path / precision, listen=events.append)
        config = read_json(tmp_path / precision / "config.json")
        assert config["protocol"]["precision"] == precision
        losses[precision] = [e.loss for e in those(events, Step)]
        (skipped[precision],) = [e.skipped_steps for e in those(events, Learned)]
    assert losses["bf16"] != losses["fp32"] == pytest.approx(losses["bf16"], rel=0.02)
    # The scale starts at 65,536. It overflows in no step: logits and their gradient are in float32.
    assert losses["fp16"] != losses["fp32"] == pytest.approx(losses["fp16"], rel=0.02)
    assert skipped == {"fp32": 0, "bf16": 0, "fp16": 0}


def test_a_diverged_run_ends_as_failed(tmp_path: Path) -> None:
    plan = small_plan("finetune", overrides=("lr=1e30",))
    with pytest.raises(UserError, match="Last good checkpoint: none"):
        small_run(plan, tmp_path / "run")
    assert read_json(tmp_path / "run" / "manifest.json")["status"] == "failed"
