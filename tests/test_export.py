"""Exported weights classify as the method did, or nothing is exported."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from command_line import cl_bench
from small_run import EXAMPLES, fresh, small_plan, small_run, small_stream
from tiny_pair import add_tiny_pair, tiny_state
from torch import Tensor

from cl_bench.benchmark.checkpoint import load_checkpoint, save_checkpoint
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.plain_weights import PlainWeights, merged_weights, plain_weights
from cl_bench.benchmark.randomness import seed_everything
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.benchmark.train import train
from cl_bench.datasets import backbones
from cl_bench.experiment.resolve import Plan
from cl_bench.methods.catalog import BUILT_IN, find_method
from cl_bench.methods.lora import LoRA

PLAIN = {  # what is no plain CLIP is refused; a new method is in neither list by itself
    "zero-shot", "finetune", "lora", "keeplora", "keeplora++", "keeplora-kd", "zscl", "wc", "lwf", "lwf-vr",
    "wise-ft", "o-lora", "inflora", "sd-lora", "codyra", "gpm", "gift", "er", "joint",
}  # fmt: skip
OTHERS = {
    "keeplora+",
    "moe-adapters",
    "rail",
    "rail-dual",
    "diki",
    "iap",
    "condu",
    "condu-lora",
    "lada",
    "individual",
}
MERGED = {"sd-lora": 2e-4}  # its sum of weights is rounded once more; of logits near 30
HASTE = ("steps=3", "batch_size=8", "lr=0.01")


@torch.no_grad()
def logits(classify: Classifier, clip: Clip, task: Task) -> Tensor:
    return classify(clip.normaliser()(task.test.pixels[:16]))


def learn(plan: Plan, method: Method, task: Task) -> None:
    generator = seed_everything(0, task.name)
    earlier = () if "earlier images" in plan.config.extra_data else None
    training = TrainingTask(task, method.clip.normaliser(), 8, generator, earlier=earlier)
    method.before_task(training)
    train(method, training, plan.config.recipe, 2, "fp32", lambda progress: None)
    method.after_task(training)


@pytest.mark.parametrize("name", [*BUILT_IN, *EXAMPLES])
def test_exported_weights_classify_as_the_method_or_are_refused(name: str, tmp_path: Path) -> None:
    plan = small_plan(name)
    declared = "plain_weights" in vars(plan.entry.method)
    if not declared:
        assert name not in PLAIN
        return
    method, tasks = fresh(plan), small_stream(plan).tasks
    for task in tasks:
        few = torch.arange(0, len(task.train), 2)[:16]
        learn(plan, method, Task(task.name, task.labels, task.train.subset(few), task.test))
    save_checkpoint(tmp_path / "state", method.state_dict())
    clip = backbones.load(plan.config.backbone, "cpu")
    found = plain_weights(plan.entry.method, clip, load_checkpoint(tmp_path / "state"))
    assert (found is not None) == (name in PLAIN)
    if found is None:
        return
    clip.model.load_state_dict(found)
    for labels in (tasks[0].labels, tasks[1].labels, LabelSpace.union([t.labels for t in tasks])):
        told, own = method.classifier(labels), Method.classifier(_of(clip), labels)
        assert torch.allclose(
            logits(own, clip, tasks[0]),
            logits(told, clip, tasks[0]),
            rtol=0,
            atol=MERGED.get(name, 0),
        )


def _of(clip: Clip) -> Method:
    """The frozen method around a model: it classifies as a plain CLIP."""
    return Method(clip, None, None)  # type: ignore[arg-type]


def test_every_method_of_the_catalog_is_known_here() -> None:
    assert set(BUILT_IN) == PLAIN | OTHERS and not PLAIN & OTHERS


def test_the_weights_of_a_trained_method_are_not_the_pre_trained_ones() -> None:
    """The comparison above could else be one of two untouched models."""
    plan = small_plan("sd-lora")
    method, (task, _) = fresh(plan), small_stream(plan).tasks
    before = logits(method.classifier(task.labels), method.clip, task)
    learn(plan, method, task)
    after = logits(method.classifier(task.labels), method.clip, task)
    assert (after - before).abs().max() > 10 * MERGED["sd-lora"]


def test_a_subclass_says_it_anew() -> None:
    class Other(LoRA):
        def classifier(self, labels: LabelSpace) -> Classifier:
            return lambda images: torch.zeros(len(images), len(labels.classnames))

    plan = small_plan("lora")
    clip = backbones.load(plan.config.backbone, "cpu")
    assert plain_weights(LoRA, clip, {}) is not None
    assert plain_weights(Other, clip, {}) is None and plain_weights(Method, clip, {}) is None
    declared: PlainWeights | None = LoRA.plain_weights
    assert declared is merged_weights


@pytest.fixture(scope="module")
def run_on_tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "kept"
    small_run(small_plan("lora", keep="all", overrides=HASTE), path)
    return path


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch) -> Any:
    return partial(cl_bench, monkeypatch, "export")


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
@pytest.mark.parametrize("after", [1, 2])
def test_the_file_is_the_model_after_so_many_tasks(
    after: int, suffix: str, run_on_tiny_clip: Path, tmp_path: Path, export: Any
) -> None:
    file, plan = tmp_path / f"tiny.{suffix}", small_plan("lora", overrides=HASTE)
    assert export(str(run_on_tiny_clip), "--after", str(after), "--out", str(file)) == 0
    model = open_clip.CLIP(**backbones._tiny_config()).eval()
    open_clip.load_checkpoint(model, str(file))
    method, task = fresh(plan), small_stream(plan).tasks[0]
    method.load_state_dict(load_checkpoint(RunFolder(run_on_tiny_clip).checkpoint(after)))
    with torch.no_grad():
        images = method.clip.normaliser()(task.test.pixels[:16])
        texts = method.clip.tokenize([of[0] for of in task.labels.prompts])
        as_open_clip = model(images, texts)
        features, classes, scale = as_open_clip[:3]
        expected = method.classifier(task.labels.first_prompts())(images)
    torch.testing.assert_close(scale * features @ classes.T, expected, rtol=0, atol=1e-4)
    card = file.with_name(f"{file.name}.md").read_text()
    first, second = plan.config.tasks
    learned = first if after == 1 else f"{first}, {second}"
    assert f"learned {learned} with lora: {after} of the 2 tasks of its run." in card
    for words in (
        plan.config.digest(),
        plan.suite.name,
        "cl-bench run",
        "## Licence",
        f'"{file.name}"',
    ):
        assert words in card


def test_another_backbone_takes_it_by_name_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, export: Any
) -> None:
    name = f"{add_tiny_pair(monkeypatch)}-quickgelu"
    began = f"{name}:{tiny_state(tmp_path, 'safetensors')}"
    plan = small_plan("finetune", tasks=1, backbone=began, overrides=HASTE)
    small_run(plan, tmp_path / "run")
    file = tmp_path / "learned.safetensors"
    assert export(str(tmp_path / "run"), "--out", str(file)) == 0
    method, (task,) = fresh(plan), small_stream(plan).tasks
    method.load_state_dict(load_checkpoint(RunFolder(tmp_path / "run").checkpoint(1)))
    ours = backbones.load(backbones.parse(f"{name}:{file}"), "cpu")
    theirs, _, _ = open_clip.create_model_and_transforms(name, pretrained=str(file))
    expected = logits(method.classifier(task.labels), method.clip, task)
    assert torch.equal(logits(Method.classifier(_of(ours), task.labels), ours, task), expected)
    wrapped = Clip(theirs, ours.tokenizer)
    assert torch.equal(logits(Method.classifier(_of(wrapped), task.labels), ours, task), expected)
    assert (
        f'"{name}", pretrained="learned.safetensors"' in (tmp_path / f"{file.name}.md").read_text()
    )


def test_a_method_that_is_no_plain_clip_says_so(
    tmp_path: Path, export: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    small_run(small_plan("rail", tasks=1), tmp_path / "run")
    assert export(str(tmp_path / "run"), "--out", str(tmp_path / "w.pt")) == 2
    said = capsys.readouterr().err
    assert "rail is no plain CLIP" in said and said.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_mistakes_are_one_line_and_write_nothing(
    tmp_path: Path, run_on_tiny_clip: Path, export: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there.pt").write_bytes(b"mine")
    (tmp_path / "card.pt.md").write_text("mine")
    run = str(run_on_tiny_clip)
    for words, said in {
        (run, "--out", f"{tmp_path}/w.bin"): "its name must end in .safetensors or .pt",
        (run, "--out", f"{tmp_path}/there.pt"): "exists",
        (run, "--out", f"{tmp_path}/card.pt"): "exists",
        (run, "--out", f"{tmp_path}/no/w.pt"): "there is no folder",
        (
            run,
            "--out",
            f"{tmp_path}/w.pt",
            "--after",
            "0",
        ): "no checkpoint after 0 tasks: it has learned 2",
        (run, "--out", f"{tmp_path}/w.pt", "--after", "99"): "no checkpoint after 99 tasks",
        (str(tmp_path), "--out", f"{tmp_path}/w.pt"): "is no run",
    }.items():
        assert export(*words) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["card.pt.md", "there.pt"]


def test_what_was_not_kept_or_is_damaged_is_not_exported(
    tmp_path: Path, export: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    small_run(small_plan("lora", overrides=HASTE), tmp_path / "run")
    run, out = str(tmp_path / "run"), str(tmp_path / "w.pt")
    assert export(run, "--out", out, "--after", "1") == 2
    assert (
        "--keep last, and it has the one after 2; a run with --keep all" in capsys.readouterr().err
    )
    file = RunFolder(tmp_path / "run").checkpoint(2)
    file.write_bytes(file.read_bytes()[:-1] + b"\x00\x01")
    assert export(run, "--out", out) == 2
    assert "after-02.safetensors is damaged" in capsys.readouterr().err


def test_every_name_of_a_class_declares_alike() -> None:
    assert {n for n in BUILT_IN if find_method(n).method.plain_weights} == PLAIN | {"keeplora+"}
