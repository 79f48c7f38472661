"""Rare classes and rare tasks: which images are trained on, what the record says of them, who is compared with whom.

What would be wrong without a word: methods of one seed that learn other images; a frequent class that is so by
its index, by test images or by the order of the tasks; a ratio that is not reached though the images are there;
a class without images; a record that names images or numbers that were not used; steps that follow from
images that are not trained on; a digest that stays while the images change, or changes while they stay; runs
that are ranked with those of another imbalance, or whose seeds are not taken together.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import cl_bench
from own_suite import HEAD, write_classes, write_suite

from cl_bench.benchmark.config import Protocol, RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.benchmark.records.arrays_file import read_arrays, write_arrays
from cl_bench.benchmark.records.events import Learned, those
from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.benchmark.records.manifest import write_content
from cl_bench.benchmark.task import TaskStream
from cl_bench.cli.differing import differing
from cl_bench.cli.verify.claims import all_claims
from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.imbalance import Imbalance
from cl_bench.datasets.listings import images_of_classes
from cl_bench.datasets.streams import build_stream
from cl_bench.experiment.assemble import assemble
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import Plan, resolve
from cl_bench.experiment.run import run_experiment
from cl_bench.experiment.train_size import train_size
from cl_bench.reports.literature.beside import why_not
from cl_bench.reports.runs.group import group
from cl_bench.reports.runs.names import circumstances

TASKS = ("mini-MNIST", "mini-EuroSAT")
AVAILABLE = {"a": [60] * 8, "b": [60] * 5, "c": [40, 25, 31, 60]}


def asked(**choices: Any) -> Choices:
    usual = {"suite": "mini", "method": "lora", "order": ",".join(TASKS), "device": "cpu"}
    return Choices(**{**usual, **choices})


def plan(**choices: Any) -> Plan:
    return resolve(asked(**choices))


def stream(imbalance: Imbalance | None, tasks: tuple[str, ...] = TASKS) -> TaskStream:
    suite = find_suite("mini")
    return build_stream("mini", [suite.task(t) for t in tasks], 32, imbalance=imbalance)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    choices = asked(imbalance=10, overrides=("epochs=1", "rank=1"))
    return run_experiment(choices, out=tmp_path_factory.mktemp("runs"))


def test_classes_follow_the_rule_and_test_images_stay_whole() -> None:
    whole, rare = stream(None), stream(Imbalance(10, None, 0))
    rule = [int(60 * 10 ** (-c / 9) + 1e-9) for c in range(10)]
    for before, after in zip(whole.tasks, rare.tasks, strict=True):
        counts = after.train_images_of_classes()
        assert sorted(counts, reverse=True) == rule == [60, 46, 35, 27, 21, 16, 12, 10, 7, 6]
        assert after.test.fingerprint == before.test.fingerprint and after.test.rows is None
        rows = after.train.rows
        assert rows is not None and len(set(rows.tolist())) == sum(rule)
        assert after.train.targets.tolist() == before.train.targets[rows].tolist()
    first, second = (task.train_images_of_classes() for task in rare.tasks)
    assert first != second and first != rule, "each task has its own frequent classes, by no index"


def test_methods_and_orders_of_one_seed_learn_the_same_images() -> None:
    def rows(**choices: Any) -> dict[str, list[int]]:
        made = assemble(plan(imbalance=10, task_imbalance=3, **choices)).stream.tasks
        return {t.name: t.train.rows.tolist() for t in made if t.train.rows is not None}

    lora = rows()
    assert set(lora) == set(TASKS)
    assert rows(method="zero-shot", order=",".join(TASKS[::-1])) == lora
    assert all(rows(seed=1)[task] != lora[task] for task in TASKS)


def test_tasks_keep_their_share_of_every_class() -> None:
    kept = Imbalance(None, 10, 3).counts({t: [60] * 8 for t in "abcd"})
    assert sorted(of[0] for of in kept.values()) == [6, 12, 27, 60]
    assert all(len(set(of)) == 1 for of in kept.values())
    frequent = {
        max(made, key=lambda task: made[task][0])
        for seed in range(20)
        for made in [Imbalance(None, 10, seed).counts({t: [60] * 8 for t in "abcd"})]
    }
    assert frequent == set("abcd"), "the seed draws who is frequent"
    backwards = Imbalance(None, 10, 3).counts({t: [60] * 8 for t in "dcba"})
    assert backwards == kept, "not the order in which tasks are learned"


def test_no_class_is_left_without_images_and_a_remark_says_where_one_was_kept() -> None:
    both = Imbalance(10, 30, 0)
    kept = both.counts(AVAILABLE)
    assert all(n >= 1 for of in kept.values() for n in of)
    remarks = both.remarks(AVAILABLE)
    assert remarks
    for words in remarks:
        task = words[0]
        most = max(kept[task])
        assert re.fullmatch(
            r"\w: \d of \d classes keep one training image where --task-imbalance 30 asks for less; its classes "
            rf"have {f'{most} to 1' if most > 1 else '1 each'}",
            words,
        )
    assert Imbalance(10, None, 0).remarks(AVAILABLE) == ()
    alike = Imbalance(None, 100, 0).remarks({"a": [60] * 8, "b": [60] * 5})
    assert len(alike) == 1 and alike[0].endswith("its classes have 1 each")


@pytest.mark.parametrize("seed", range(5))
def test_too_much_is_refused_with_the_most_that_is_possible(seed: int) -> None:
    with pytest.raises(UserError, match=r"leaves a class of \w without images") as caught:
        Imbalance(1000, None, seed).counts(AVAILABLE)
    most = float(re.findall(r"write --imbalance ([\d.]+) or less", str(caught.value))[0])
    assert min(n for of in Imbalance(most, None, seed).counts(AVAILABLE).values() for n in of) == 1
    with pytest.raises(UserError):
        Imbalance(most + 0.02, None, seed).counts(AVAILABLE)
    with pytest.raises(UserError, match="one of its 2 classes has no training image"):
        Imbalance(None, 2, seed).counts({"bare": [3, 0]})


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"imbalance": 100}, r"--imbalance 100 leaves a class of mini-MNIST without images: it has 10 "
         r"classes of 60 training images; .* write --imbalance 60 or less"),
        ({"imbalance": 10, "shots": 5}, "--imbalance and --shots 5 both say"),
        ({"task_imbalance": 10, "shots": 5}, "--task-imbalance and --shots 5 both say"),
        ({"task_imbalance": 10, "tasks": 1}, "there is one task only"),
        ({"imbalance": 10, "preset": "paper"}, "no long-tailed budgets; use --preset fair with --imbalance"),
        ({"task_imbalance": 10, "preset": "paper"}, "--preset fair with --task-imbalance"),
        ({"suite": "x-tail", "order": "I", "imbalance": 10}, "--imbalance and --shots 16 both say"),
        ({"suite": "mtil", "order": "I", "imbalance": 10}, "suite mtil needs 11 data sets on disk"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_training(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        plan(**choices)


@pytest.mark.parametrize("value", ["0.5", "nan", "inf", "-3", "ten", ""])
@pytest.mark.parametrize("option", ["--imbalance", "--task-imbalance"])
def test_a_ratio_is_a_number_from_one_up(
    option: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "run", "--suite", "mini", option, value) == 2
    said = capsys.readouterr().err
    assert option.strip("-").replace("-", "_") in said.replace("-", "_")
    assert "Traceback" not in said


def test_files_that_cannot_be_read_are_not_counted_as_a_classes_images(tmp_path: Path) -> None:
    """The counts are those of the images that are there, not of the list."""
    for split in ("train", "test"):
        write_classes(tmp_path / split, {"ant": 6, "bee": 6, "cat": 6}, seed=len(split))
    file = write_suite(tmp_path, 'name = "t"\ntrain = "train"\ntest = "test"')
    spec = find_suite(str(file)).task("t")
    assert images_of_classes(spec) == (6, 6, 6)
    for i in range(6):
        (tmp_path / "train" / "bee" / f"{i}.png").write_bytes(b"broken")
        store = Store(None, "skip")
        if i < 5:
            (task,) = build_stream("own", [spec], 32, store, imbalance=Imbalance(1, None, 0)).tasks
            assert task.train_images_of_classes() == [5 - i] * 3
        else:
            with pytest.raises(UserError, match="t: one of its 3 classes has no training image"):
                build_stream("own", [spec], 32, store, imbalance=Imbalance(1, None, 0))


FILE = HEAD + "[protocol]\nimbalance = 4\ntask_imbalance = 2\n"


def test_a_suite_file_asks_for_it_as_the_options_do(tmp_path: Path) -> None:
    """The same numbers and the same images, whoever says so; a method's command line may say otherwise."""
    for name, seed in (("one", 0), ("two", 500)):
        for part, count in (("train", 8), ("test", 2)):
            classes = dict.fromkeys("abcd", count)
            write_classes(tmp_path / name / part, classes, seed + 100 * (part == "test"))
    tasks = [f'name = "{n}"\ntrain = "{n}/train"\ntest = "{n}/test"' for n in ("one", "two")]
    plain = write_suite(tmp_path, *tasks).rename(tmp_path / "plain.toml")
    own = write_suite(tmp_path, *tasks, head=FILE)
    usual = {"method": "lora", "order": "I", "overrides": ("steps=2",)}
    typed = plan(suite=str(plain), imbalance=4, task_imbalance=2, **usual).config
    read = plan(suite=str(own), **usual).config
    assert read.training_images == typed.training_images
    assert sum(read.training_images.values()) < 64 and read.protocol == typed.protocol
    assert plan(suite=str(own), imbalance=2, **usual).config.protocol.imbalance == 2
    assert read.digest() == typed.digest(), "one question, however it is asked"
    assert "classes imbalanced 4 : 1, tasks imbalanced 2 : 1" in circumstances(read)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("imbalance = 0.5", "imbalance: .*greater than or equal to 1"),
        ("imbalance = 9", "--imbalance 9.* at most|imbalance 9"),
        ("imbalance = 2\nshots = 2", "both say how many images of a class"),
        ("task_imbalance = true", "task_imbalance"),
    ],
)
def test_a_suite_file_that_asks_for_too_much_is_refused_in_one_line(
    tmp_path: Path, head: str, words: str
) -> None:
    write_classes(tmp_path / "t" / "train", dict.fromkeys("ab", 8))
    write_classes(tmp_path / "t" / "test", dict.fromkeys("ab", 2), 100)
    task = 'name = "t"\ntrain = "t/train"\ntest = "t/test"'
    own = write_suite(tmp_path, task, head=f"{HEAD}[protocol]\n{head}\n")
    with pytest.raises(UserError, match=words) as error:
        plan(suite=str(own), order="I", overrides=("steps=2",))
    assert "\n" not in str(error.value)


def test_the_listed_numbers_are_those_of_the_drawn_images() -> None:
    for task in stream(None, (*TASKS, "mini-DTD")).tasks:
        spec = find_suite("mini").task(task.name)
        assert list(images_of_classes(spec)) == task.train_images_of_classes()


def test_steps_and_forecasts_follow_from_the_images_that_are_trained_on() -> None:
    config = plan(imbalance=10).config
    assert config.training_images == dict.fromkeys(TASKS, 240)
    assert config.passes == dict.fromkeys(TASKS, 5)
    assert config.budget.steps == dict.fromkeys(TASKS, 5 * 8)  # 240 images in batches of 32
    assert plan().config.budget.steps == dict.fromkeys(TASKS, 5 * 19)
    assert [train_size(task, config) for task in plan().tasks] == [240, 240]
    typed = plan(imbalance=10, overrides=("steps=7",)).config
    assert set(typed.budget.steps.values()) == {7} and typed.passes == {}


def test_digests_tell_the_images_apart_and_are_else_as_they_were() -> None:
    chosen: list[dict[str, Any]] = [
        {}, {"imbalance": 1}, {"imbalance": 10}, {"imbalance": 10.5}, {"task_imbalance": 10},
        {"imbalance": 10, "task_imbalance": 10}, {"imbalance": 10, "seed": 1},
    ]  # fmt: skip
    configs = [plan(**choices, overrides=("steps=9",)).config for choices in chosen]
    assert len({config.digest() for config in configs}) == len(chosen)
    assert configs[2].digest() == plan(imbalance=10.0, overrides=("steps=9",)).config.digest()
    keys = [config.comparison_key() for config in configs]
    assert len(set(keys[:6])) == 6 and keys[6] == keys[2]
    before = configs[0].model_dump(mode="json")
    for name in ("imbalance", "task_imbalance"):
        assert name not in keys[0] and name.replace("_", " ") not in keys[0]
        del before["protocol"][name]
    for name in ("training_images", "passes"):
        del before[name]
    old = RunConfig.model_validate(before)
    assert (old.digest(), old.comparison_key()) == (configs[0].digest(), keys[0])


def test_seeds_with_other_rare_tasks_are_compared() -> None:
    """Their steps differ, the rule does not."""
    configs = [plan(task_imbalance=10, seed=seed).config for seed in range(4)]
    assert len({json.dumps(config.budget.steps) for config in configs}) > 1
    assert len({config.comparison_key() for config in configs}) == 1
    other = plan(task_imbalance=10, overrides=("epochs=2",)).config
    assert other.comparison_key() != configs[0].comparison_key()


def test_the_record_holds_what_was_trained_on(run: RunResult) -> None:
    again = stream(Imbalance(10, None, 0))
    rows = run.shots()
    assert rows is not None
    for task in again.tasks:
        assert task.train.rows is not None
        assert rows[task.name].tolist() == task.train.rows.tolist()
        counts = [c.train for c in run.manifest.classes[task.name]]
        assert counts == task.train_images_of_classes()
        assert [c.name for c in run.manifest.classes[task.name]] == list(task.labels.classnames)
        assert run.manifest.data[task.name].train == task.train.fingerprint
    drawn = [event.images_drawn for event in those(run.events, Learned)]
    assert drawn == [240, 240], "one pass over the images that are kept"
    assert len(run.targets()[TASKS[0]]) == 200, "test images stay"


def test_a_balanced_run_says_nothing_of_it() -> None:
    config = plan().config
    assert Imbalance.of(config.protocol, 0) is None
    assert (config.training_images, config.passes) == ({}, {})
    assert "imbalanced" not in circumstances(config)


def test_it_is_named_wherever_a_run_is(run: RunResult) -> None:
    both = plan(imbalance=10, task_imbalance=2.5).config
    assert circumstances(both).endswith("classes imbalanced 10 : 1, tasks imbalanced 2.5 : 1")
    assert differing(run.config, find_suite("mini"))["imbalance"] == 10
    assert "steps" not in differing(plan(imbalance=10).config, find_suite("mini"))
    assert "5 passes over a task's images, 32 a step" in group_details(
        plan(imbalance=10).config, run
    )


def group_details(config: RunConfig, run: RunResult) -> str:
    (made,) = group([RunResult(run.path, config, run.manifest, run.matrix)])
    return made.details


def test_no_published_row_stands_beside_it() -> None:
    suite = find_suite("mtil")
    whole = {"suite": suite.identify(), "backbone": suite.backbone, "order": "I", "preset": "paper"}
    tasks = tuple(task.name for task in suite.tasks)
    protocols = (Protocol(), Protocol(imbalance=10), Protocol(task_imbalance=10))
    config = plan().config.model_copy(update={**whole, "tasks": tasks})
    said = [why_not(config.model_copy(update={"protocol": p})) for p in protocols]
    assert said[0] is None and all("another question" in (words or "") for words in said[1:])


def test_an_honest_run_is_proven(run: RunResult) -> None:
    verdicts = {claim.name: claim.verdict for claim in all_claims(run.path)}
    assert {name for name, of in verdicts.items() if of != "proven"} == {"code"}


def rows_of_another_seed(path: Path) -> None:
    made = stream(Imbalance(10, None, 1)).tasks
    write_arrays(path / "shots.npz", {t.name: t.train.rows.numpy() for t in made})  # type: ignore[union-attr]


def other_counts(path: Path) -> None:
    content = json.loads((path / "manifest.json").read_text())
    content.pop("sha256")
    first, last = content["classes"][TASKS[0]][0], content["classes"][TASKS[0]][-1]
    first[1], last[1] = last[1], first[1]
    write_content(path, content)


@pytest.mark.parametrize("forge", [rows_of_another_seed, other_counts])
def test_a_forged_record_is_false(
    forge: Callable[[Path], None], run: RunResult, tmp_path: Path
) -> None:
    path = tmp_path / run.path.name
    shutil.copytree(run.path, path)
    forge(path)
    write_ledger(path)
    verdicts = {claim.name: claim.verdict for claim in all_claims(path)}
    assert verdicts["training images"] == "false"


def test_a_record_without_its_counts_is_not_shown(run: RunResult, tmp_path: Path) -> None:
    path = tmp_path / run.path.name
    shutil.copytree(run.path, path)
    content = json.loads((path / "manifest.json").read_text())
    content.pop("sha256")
    content["classes"] = {}
    write_content(path, content)
    write_ledger(path)
    with pytest.raises(UserError, match="the training images of the classes are missing"):
        read_run(path)


def test_runs_of_two_ratios_are_not_compared(
    run: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    choices = asked(imbalance=20, method="zero-shot", overrides=("epochs=1",))
    other = run_experiment(choices, out=tmp_path)
    assert cl_bench(monkeypatch, "compare", str(run.path), str(other.path)) == 2
    assert "their imbalance of classes differs" in capsys.readouterr().err
    kept = read_arrays(other.path / "shots.npz")
    assert np.unique([len(rows) for rows in kept.values()]).tolist() == [sum(
        int(60 * 20 ** (-c / 9) + 1e-9) for c in range(10)
    )]  # fmt: skip
