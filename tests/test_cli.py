"""The command line as a user meets it: names, settings, plans, mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import filelock
import pytest
from command_line import cl_bench
from small_run import fresh, small_plan, small_run
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import read_run
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.records.manifest import read_manifest, write_manifest
from cl_bench.benchmark.task import Batch
from cl_bench.cli import app
from cl_bench.methods.finetune import FineTune

MISTAKES = {
    "--method keeplor": r"unknown method 'keeplor': did you mean 'keeplora'",
    "--suite minni": r"unknown suite 'minni': did you mean 'mini'",
    "--order III": r"unknown order .* 'III'",
    "--order Aircraft,Aircraft": r"names a task twice",
    "--order Aircraft,Birds": r"unknown task of suite mini 'Birds'",
    "--backbone ViT-B-17:openai": r"unknown backbone 'ViT-B-17': did you mean 'ViT-B-16'",
    "--backbone ViT-B-16": r"needs weights: ViT-B-16:openai",
    "--set rnak=4": r"unknown setting of keeplora 'rnak': did you mean 'rank'",
    "--set rank=none": r"setting rank: Input should be a valid integer.*'none'",
    "--set rank=0": r"setting rank: Input should be greater than or equal to 1 \(given: 0\)",
    "--set variant=best": r"setting variant: Input should be 'released' or 'paper'",
    "--set rank": r"'rank' is not key=value",
    "--set text_feature_share=1.5": r"setting text_feature_share: .* less than or equal to 1",
    "--set feature_share=0.9": r"'feature_share': did you mean '(text|vision)_feature_share' or",
    "--set prompts=all": r"setting prompts: Input should be 'first' or 'ensemble'",
    "--precision fp8": r"setting precision: Input should be 'fp32', 'bf16', 'fp16' or 'tf32'",
    "--tasks 12": r"the order has 11 tasks",
    "--protocol y-tail": r"setting protocol: Input should be 'mtil', 'seen' or 'x-tail'",
    "--partial-data": r"--partial-data needs --data-root",
    "--device tpu": r"the device 'tpu' cannot be used here",
    "--seeds 1,x": r"not a list of whole numbers",
    "--seeds 1,1": r"must be different numbers",
    "--config none.toml": r"config file none.toml does not exist",
    "--plugin none.py": r"plug-in none.py does not exist",
    "--suite none.toml": r"suite file none.toml does not exist",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_a_mistake_is_one_line(
    arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CL_BENCH_DATA", raising=False)
    assert cl_bench(monkeypatch, "run", *arguments.split()) == 2
    error = capsys.readouterr().err
    assert re.search(MISTAKES[arguments], error), error
    assert len(error.strip().splitlines()) == 1 and "Traceback" not in error


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["cl-bench", "--debug", "run", "--method", "x"])
    with pytest.raises(UserError):
        app.main()


@pytest.mark.parametrize(("order", "steps"), [("I", "43,160"), ("II", "27,988")])
def test_published_budget_of_keeplora(
    order: str, steps: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--suite", "mtil", "--method", "keeplora", "--order", order, "--dry-run"]
    # a small model stands in for the seconds that timing ViT-B/16 takes
    assert cl_bench(monkeypatch, "run", *arguments, "--backbone", "tiny-clip") == 0
    assert f"total     {steps} optimizer steps of 64 images" in capsys.readouterr().out


def test_mtil_without_data_says_what_belongs_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "eurosat" / "2750").mkdir(parents=True)
    monkeypatch.setenv("CL_BENCH_DATA", str(tmp_path))
    assert cl_bench(monkeypatch, "run", "--method", "zero-shot", "--out", str(tmp_path)) == 2
    error = capsys.readouterr().err
    assert re.search(r"EuroSAT +found", error)
    assert f"under {tmp_path}" in error
    assert re.search(r"MNIST +missing MNIST/raw/train-images-idx3-ubyte, ", error)
    assert error.count("missing") == 10
    assert not (tmp_path / "mtil-I").exists()


def test_config_file_and_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        'method = "lora"\nsuite = "mini"\norder = "II"\ntasks = 2\n[set]\nrank = 4\nepochs = 3\n'
    )
    assert cl_bench(monkeypatch, "run", "--config", str(file), "--set", "rank=2", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert (
        re.search(r"^\* rank +2 +\(not 16\)$", shown, re.M)
        and "(3 epochs)" in shown
        and "mini-StanfordCars" in shown
    )
    file.write_text("metod = 'lora'\n")
    assert cl_bench(monkeypatch, "run", "--config", str(file)) == 2
    assert "did you mean 'method'" in capsys.readouterr().err
    file.write_text('method = "lora"\nseeds = ["a"]\n')
    assert cl_bench(monkeypatch, "run", "--config", str(file)) == 2
    assert "run.toml: seeds must be whole numbers such as [0, 1, 2]" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["run --suite mini --method zero-shot", "sweep --methods zero-shot --suite mini"]
)
def test_a_folder_that_cannot_be_written_is_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "file").write_text("in the way")
    typed = [*command.split(), "--tasks", "1", "--out", str(tmp_path / "file")]
    assert cl_bench(monkeypatch, *typed) == 2
    error = capsys.readouterr().err.strip()
    assert str(tmp_path / "file") in error and len(error.splitlines()) == 1


@pytest.mark.parametrize("what", ["methods", "suites", "orders", "datasets", "backbones"])
def test_lists(
    what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "list", what) == 0
    expected = {
        "methods": "keeplora", "suites": "mtil", "orders": "mini-StanfordCars > mini-Food",
        "datasets": "mini-MNIST", "backbones": "ViT-B-16-quickgelu",
    }  # fmt: skip
    assert expected[what] in capsys.readouterr().out.replace("\n", " ")


def test_run_in_use_by_another_process(tmp_path: Path) -> None:
    plan = small_plan("zero-shot")
    tmp_path.mkdir(exist_ok=True)
    with (
        filelock.FileLock(tmp_path / ".lock"),
        pytest.raises(UserError, match="in use by another process"),
    ):
        small_run(plan, tmp_path)


def test_run_of_another_version_is_not_continued(tmp_path: Path) -> None:
    plan = small_plan("zero-shot")
    small_run(plan, tmp_path)
    manifest = read_manifest(tmp_path)
    older = manifest.first.model_copy(update={"cl_bench": "0.0.1"})
    changes = {"status": "running", "sessions": (older,)}
    write_manifest(tmp_path, manifest.model_copy(update=changes))
    (tmp_path / "ledger.json").unlink()
    before = (tmp_path / "matrix.csv").read_bytes()
    with pytest.raises(UserError, match=r"was made by cl-bench 0\.0\.1"):
        small_run(plan, tmp_path)
    assert (tmp_path / "matrix.csv").read_bytes() == before


@pytest.mark.parametrize("name", ["config.json", "manifest.json", "matrix.csv"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_damaged_file_is_named(name: str, damage: str, tmp_path: Path) -> None:
    small_run(small_plan("zero-shot"), tmp_path)
    file = tmp_path / name
    if damage == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        file.unlink()
    with pytest.raises(UserError, match=name):
        read_run(tmp_path)
    assert name in check_run(tmp_path)[0]


def test_check_finds_a_wrong_accuracy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = small_run(small_plan("zero-shot"), tmp_path)
    assert cl_bench(monkeypatch, "show", "--check", str(tmp_path)) == 0
    for name in ("matrix.csv", "matrix.json"):
        honest = (tmp_path / name).read_text()
        assert repr(run.matrix.rows[0][0]) in honest
        (tmp_path / name).write_text(honest.replace(repr(run.matrix.rows[0][0]), "99.9"))
    assert cl_bench(monkeypatch, "show", "--check", str(tmp_path)) == 2
    assert "does not follow from its predictions" in capsys.readouterr().err


class Diverging(FineTune):
    """Full fine-tuning whose loss becomes infinite in the second task."""

    tasks = 0

    def before_task(self, task: object) -> None:
        super().before_task(task)  # type: ignore[arg-type]
        self.tasks += 1

    def loss(self, batch: Batch) -> Tensor:
        loss = super().loss(batch)
        return loss / 0 if self.tasks == 2 else loss


def test_infinite_loss_stops_with_the_last_good_checkpoint(tmp_path: Path) -> None:
    plan = small_plan("finetune")

    def diverging() -> Diverging:
        settings = plan.entry.method.Config.model_validate(plan.config.method_settings)
        return Diverging(fresh(plan).clip, settings, Assets())

    with pytest.raises(UserError, match=r"task 'mini-Food' at step 1\b.*after-01\.safetensors"):
        small_run(plan, tmp_path, diverging)
    assert json.loads((tmp_path / "manifest.json").read_text())["status"] == "failed"


EXAMPLE = Path(__file__).parents[1] / "examples" / "methods" / "norm_tuning.py"


def test_the_documented_plugin_runs_and_is_short(tmp_path: Path) -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 50
    plan = small_plan("norm-tuning", plugin=EXAMPLE, overrides=("pull=0.5", "lr=1e-2", "steps=40"))
    assert plan.config.method_settings == {"pull": 0.5}
    result = small_run(plan, tmp_path)
    assert result.finished and result.matrix.rows[0] != result.matrix.zero_shot
    with pytest.raises(UserError, match="did you mean 'norm-tuning'"):
        small_plan("norm-tunning", plugin=EXAMPLE)
