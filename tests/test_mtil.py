"""MTIL from files to a finished run, on look-alikes laid out exactly like the real data sets."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from command_line import cl_bench
from mtil_fixtures import make_mtil

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import read_run
from cl_bench.benchmark.records.claims import check_run
from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.streams import build_stream
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve

NAMES = list(facts()["datasets"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mtil")
    make_mtil(folder)
    return folder


@pytest.fixture
def own_root(root: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    shutil.copytree(root, tmp_path / "own", ignore=shutil.ignore_patterns("cl-bench-cache"))
    return tmp_path / "own"


def arguments(root: Path, out: Path, *more: str) -> list[str]:
    return [
        "run", "--suite", "mtil", "--data-root", str(root), "--partial-data",
        "--backbone", "tiny-clip", "--preset", "fair", "--set", "steps=2", "--device", "cpu",
        "--out", str(out), *more,
    ]  # fmt: skip


@pytest.mark.parametrize(("order", "method"), [("I", "lora"), ("II", "zero-shot")])
def test_the_whole_suite_runs(
    order: str, method: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = arguments(root, tmp_path, "--order", order, "--method", method)
    assert cl_bench(monkeypatch, *command) == 0
    (path,) = tmp_path.glob(f"mtil-{order}/{method}/*")
    result = read_run(path)
    assert result.finished and check_run(path) == []
    assert list(result.config.tasks) == facts()["orders"][order]
    assert "ON PARTIAL DATA" in result.config.suite.about
    assert len(list((root / "cl-bench-cache").glob("*.pixels"))) == 18, "nine sets are files"


def test_training_crops_as_published_run_on_files(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = arguments(root, tmp_path, "--method", "finetune", "--tasks", "2")
    assert cl_bench(monkeypatch, *command, "--set", "augment=random_resized_crop") == 0
    (path,) = tmp_path.glob("mtil-I-2tasks/finetune/*")
    assert read_run(path).finished


def test_a_small_open_clip_model_runs_at_its_own_size(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = arguments(root, tmp_path, "--method", "lora", "--order", "MNIST,Food", "--tasks", "1")
    assert cl_bench(monkeypatch, *command, "--backbone", "ViT-S-32-alt:random") == 0
    assert list((root / "cl-bench-cache").glob("*-224-*.json")) == [], "MNIST needs no cache"


def test_fewer_images_than_published_need_to_be_asked_for(root: Path) -> None:
    plan = resolve(Choices(suite="mtil", method="lora", backbone="tiny-clip", device="cpu"))
    with pytest.raises(UserError, match="StanfordCars has 6 training images where 8,144 belong"):
        build_stream("mtil", plan.tasks[9:10], 32, data_root=root)


def test_a_wrong_class_name_stops_the_run(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = resolve(Choices(suite="mtil", method="lora", backbone="tiny-clip", device="cpu"))
    spec = next(task for task in plan.tasks if task.name == "DTD")
    smaller = spec.model_copy(update={"train_size": 6, "test_size": 3})
    with pytest.raises(UserError, match=r"DTD has a class 'polka-dotted' where 'blotchy' belongs"):
        build_stream("mtil", [smaller], 32, data_root=own_root)


def test_broken_images_stop_a_run_or_are_recorded(
    own_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    victim = sorted((own_root / "eurosat" / "2750").rglob("*.jpg"))[0]
    victim.write_bytes(victim.read_bytes()[:200])
    command = arguments(
        own_root, tmp_path / "runs", "--method", "zero-shot", "--order", "EuroSAT,MNIST"
    )
    assert cl_bench(monkeypatch, *command) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(rf"error: the image {re.escape(str(victim))} cannot be read: .*\n", error)
    assert cl_bench(monkeypatch, *command, "--skip-broken") == 0
    (path,) = (tmp_path / "runs").glob("*/zero-shot/*")
    result = read_run(path)
    assert result.manifest.left_out == {"EuroSAT": (str(victim),)}
    assert any("left out" in caveat for caveat in result.config.caveats)
    assert result.config.protocol.broken == "skip"


STATES = {
    "empty": (lambda root: shutil.rmtree(root) or root.mkdir(), r"Aircraft +missing +3,334"),
    "half": (
        lambda root: (root / "food-101/meta/train.json").unlink(),
        r"food-101/meta/train\.json is missing",
    ),
    "counts": (lambda root: None, r"CIFAR100 +wrong +6 of 50,000 +3 of 10,000 +3 of 100"),
    "by hand": (
        lambda root: shutil.rmtree(root / "stanford_cars"),
        r"StanfordCars\n  belongs at .*\n  to get it: by hand: .*ModelScope",
    ),
    "damaged": (
        lambda root: (root / "flowers-102/setid.mat").write_bytes(b"?"),
        r"Flowers\n  .*setid\.mat",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STATES)
def test_status_says_what_is_there(
    case: str, own_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, words = STATES[case]
    spoil(own_root)
    assert cl_bench(monkeypatch, "data", "status", "--data-root", str(own_root)) == 1
    shown = capsys.readouterr().out
    assert re.search(words, shown), shown
    assert "Traceback" not in shown


def test_verify_lists_every_broken_image(
    own_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data", "verify", "--data-root", str(own_root)]
    assert cl_bench(monkeypatch, *command) == 0
    assert "no broken images" in capsys.readouterr().out
    images = sorted((own_root / "dtd").rglob("*.jpg"))
    for path in (images[0], images[-1]):
        path.write_bytes(b"")
    assert cl_bench(monkeypatch, *command, "dtd") == 1
    shown = capsys.readouterr().out
    assert str(images[0]) in shown and str(images[-1]) in shown and "2 broken images" in shown


def test_cache_and_sample(
    own_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "sheets"
    assert (
        cl_bench(monkeypatch, "data", "sample", "--data-root", str(own_root), "--out", str(out))
        == 0
    )
    assert {path.stem for path in out.iterdir()} == set(NAMES)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in out.iterdir())
    cache = tmp_path / "cache"
    command = ["data", "cache", "Food", "--data-root", str(own_root), "--cache", str(cache)]
    assert cl_bench(monkeypatch, *command, "--image-size", "32") == 0
    assert sorted(path.suffix for path in cache.iterdir()) == [
        ".json", ".json", ".lock", ".lock", ".pixels", ".pixels",
    ]  # fmt: skip
    capsys.readouterr()
    assert cl_bench(monkeypatch, "data", "prepare", "EuroSAT", "--data-root", str(own_root)) == 0
    assert "EuroSAT: is there already" in capsys.readouterr().out


def test_zero_shot_is_compared_with_what_is_known(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data", "zero-shot", "MNIST", "--data-root", str(root), "--backbone", "tiny-clip"]
    assert cl_bench(monkeypatch, *command, "--device", "cpu") == 0
    assert re.search(r"MNIST +3 +[\d.]+ +59\.4 +not as expected", capsys.readouterr().out)


def test_names_and_roots_are_checked(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CL_BENCH_DATA", raising=False)
    for command, words in {
        ("status",): "Give --data-root DIR or set CL_BENCH_DATA",
        (
            "cache",
            "Foods",
            "--data-root",
            str(root),
        ): "unknown data set 'Foods': did you mean 'Food'",
        ("verify", "--data-root", str(root / "MNIST")): "there is no data set under",
    }.items():
        assert cl_bench(monkeypatch, "data", *command) == 2
        assert words in capsys.readouterr().err


PLANS = [
    ("keeplora", "I", 43_160, 983_040, "keeplora"),
    ("keeplora", "II", 27_988, 983_040, "keeplora"),
    ("zscl", "I", 11_011, 149_620_736, "zscl"),
    ("zscl", "II", 11_011, 149_620_736, "zscl"),
    ("moe-adapters", "I", 11_011, 44_301_312, "zscl"),
    ("moe-adapters", "II", 11_011, 44_301_312, "zscl"),
]


@pytest.mark.parametrize(("method", "order", "steps", "trainable", "wording"), PLANS)
def test_the_published_plan_is_shown(
    method: str, order: str, steps: int, trainable: int, wording: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for i in range(64):
        (tmp_path / f"{i}.jpg").touch()
    (tmp_path / "captions.txt").write_text("\n".join(map(str, range(64))))
    command = ["run", "--suite", "mtil", "--method", method, "--order", order, "--dry-run"]
    command += ["--reference-images", str(tmp_path), "--backbone", "tiny-clip", "--device", "cpu"]
    command += ["--reference-texts", str(tmp_path / "captions.txt")]
    assert cl_bench(monkeypatch, *command, "--selector-weights", str(tmp_path / "0.jpg")) == 0
    shown = capsys.readouterr().out
    assert f"total     {steps:,} optimizer steps of 64 images" in shown
    assert f"trains    {trainable:,} weights" in shown
    for name, known in facts()["datasets"].items():
        line = next(line for line in shown.splitlines() if re.match(rf" +\d+ +{name} ", line))
        assert f"{known['classes']:3d} classes, {known['test']:6,d} test images" in line
        assert line.endswith(f'"{known["templates"][wording][0]}"')
