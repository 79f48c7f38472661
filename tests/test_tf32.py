"""fp32 means float32 on every GPU; TF32 is computed where it is asked for, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from command_line import cl_bench
from small_run import fresh, small_plan, small_stream
from torch import Tensor

from cl_bench.benchmark import precision as arithmetic
from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.precision import full_precision, tf32_products
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.records.circumstances import session
from cl_bench.benchmark.run import run
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask
from cl_bench.experiment.arithmetic import must_compute
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve


def allowed() -> tuple[bool, bool]:
    """For products, for convolutions."""
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture(autouse=True)
def as_torch_begins() -> Iterator[None]:
    """Convolutions in TF32, products not; the tests leave it so."""
    assert allowed() == (False, True)
    yield
    assert allowed() == (False, True), "a run gives back what it found"


class Asking(Method):
    """Notes what is allowed wherever the runner calls a method."""

    def __init__(self, plain: Method) -> None:
        self.clip, self.seen = plain.clip, dict[str, set[tuple[bool, bool]]]()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def note(self, where: str) -> None:
        self.seen.setdefault(where, set()).add(allowed())

    def before_task(self, task: TrainingTask) -> None:
        self.note("passes")

    def trainable_parameters(self) -> tuple[torch.nn.Parameter]:
        return (self.weight,)

    def loss(self, batch: Batch) -> Tensor:
        self.note("steps")
        self.clip.logits(self.clip.encode_images(batch.images), torch.eye(3, self.width()))
        loss = self.weight.square()
        loss.register_hook(lambda gradient: self.note("steps"))
        return loss

    def width(self) -> int:
        return int(self.clip.model.visual.output_dim)

    def after_step(self, step: int) -> None:
        self.note("between steps")

    def after_task(self, task: TrainingTask) -> None:
        self.note("passes")

    def classifier(self, labels: LabelSpace):  # type: ignore[no-untyped-def]
        self.note("evaluation")
        return super().classifier(labels)


@pytest.mark.parametrize(("precision", "fast"), [("fp32", False), ("bf16", False), ("tf32", True)])
def test_steps_and_evaluation_alone_may_be_in_tf32(
    precision: str, fast: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cl_bench.experiment.resolve.must_compute", lambda *of: None)
    plan = small_plan("zero-shot", tasks=1, precision=precision)
    method = Asking(fresh(plan))
    run(plan.config, lambda: method, small_stream(plan), RunFolder(tmp_path), lambda event: None)
    off, on = {(False, False)}, {(fast, fast)}
    assert method.seen == {"passes": off, "steps": on, "between steps": off, "evaluation": on}
    assert json.loads((tmp_path / "config.json").read_text())["protocol"]["precision"] == precision


def test_what_decides_is_computed_outside_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = fresh(small_plan("zero-shot", tasks=1)).clip
    seen: list[tuple[bool, bool]] = []
    plain = arithmetic.at_least_float32
    monkeypatch.setattr(
        "cl_bench.benchmark.clip.at_least_float32", lambda x: seen.append(allowed()) or plain(x)
    )
    with tf32_products(True):
        clip.logits(torch.eye(2, 64), torch.eye(3, 64))
        with full_precision(torch.device("cpu")):
            assert allowed() == (False, False)
        assert allowed() == (True, True)
    assert seen == [(False, False)] * 2


def test_an_error_inside_gives_back_what_was_set() -> None:
    for block in (tf32_products(True), full_precision(torch.device("cpu"))):
        with pytest.raises(ZeroDivisionError), block:
            _ = 1 / 0


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda"])
def test_a_device_without_it_is_refused(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device == "cuda")
    monkeypatch.setattr(torch.cuda, "is_tf32_supported", lambda: False)
    with pytest.raises(UserError, match=f"the device {device} has no TF32: write --precision fp32"):
        must_compute(device, "tf32")
    for precision in ("fp32", "bf16", "fp16"):
        must_compute(device, precision)


def test_the_command_line_refuses_it_on_this_cpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in ("run --dry-run", "run", "sweep --methods lora --orders I --dry-run"):
        asked = [*line.split(), "--suite", "mini", "--precision", "tf32", "--device", "cpu"]
        assert cl_bench(monkeypatch, *asked) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "the device cpu has no TF32" in said


def test_a_sweep_may_plan_it_for_another_machine() -> None:
    asked = Choices(suite="mini", method="lora", precision="tf32")
    assert resolve(asked, device="cuda").config.protocol.precision == "tf32"


def test_a_gpu_s_record_says_it_and_a_cpu_s_has_nothing_to_say() -> None:
    assert session(device="cuda:0", gpu="a GPU", tf32=True).hardware.tf32 is True
    assert session(device="cpu").hardware.tf32 is None
    assert "tf32" not in session(device="cpu").hardware.known()


def test_the_digest_tells_it_and_those_of_before_stay() -> None:
    assert Protocol().precision == "fp32" and Protocol(precision="tf32").precision == "tf32"
    plan = small_plan("lora")
    other = plan.config.model_copy(update={"protocol": Protocol(precision="tf32")})
    assert plan.config.digest() != other.digest()
