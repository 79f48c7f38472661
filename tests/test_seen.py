"""``--protocol seen``: an image is classified over the classes of all tasks learned so far."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from small_run import fresh, small_plan, small_run, small_stream
from test_label_spaces import stream
from written_run import write_run

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.label_spaces import label_spaces
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.benchmark.records.claims import check_run
from cl_bench.cli.verify.claims import all_claims
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.forecast import _prompts_of_a_row
from cl_bench.experiment.resolve import resolve
from cl_bench.reports.plots.incremental import draw_incremental
from cl_bench.reports.plots.look import LOOKS
from cl_bench.reports.report import write_report
from cl_bench.reports.runs.group import group
from cl_bench.reports.runs.incremental import incremental_curves
from cl_bench.reports.runs.names import circumstances, short_names


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunResult]:
    """One method under the three protocols."""
    folder = tmp_path_factory.mktemp("seen")
    return {
        protocol: small_run(small_plan("lora", tasks=3, protocol=protocol), folder / protocol)
        for protocol in ("mtil", "seen", "x-tail")
    }


def test_the_classes_are_those_of_learned_tasks_and_an_images_own() -> None:
    made = stream([2, 1, 3])
    found = label_spaces(Protocol(labels="seen"), made)
    own = [list(task.labels.classnames) for task in made.tasks]
    expected = {
        0: [own[0], own[1], own[2]],
        1: [own[0], own[0] + own[1], own[0] + own[2]],
        2: [own[0] + own[1], own[0] + own[1], own[0] + own[1] + own[2]],
        3: [own[0] + own[1] + own[2]] * 3,
    }
    for learned, spaces in expected.items():
        assert [list(s.classnames) for s in found.after(learned).values()] == spaces


def test_tasks_with_the_same_classes_share_one_space() -> None:
    """It is encoded once for all of them only if it is the same."""
    spaces = label_spaces(Protocol(labels="seen"), stream([2, 1, 3])).after(2)
    assert spaces["task 0"] is spaces["task 1"]


def test_it_begins_as_mtil_and_ends_as_x_tail(runs: dict[str, RunResult]) -> None:
    """The silent fault: a class chosen in one row is counted from another task's first class."""
    seen, own, everything = (runs[name] for name in ("seen", "mtil", "x-tail"))
    assert seen.matrix.zero_shot == own.matrix.zero_shot
    assert seen.matrix.rows[-1] == everything.matrix.rows[-1]
    assert seen.matrix.rows[0][0] == own.matrix.rows[0][0], "the first task alone is seen"
    last, of_all = seen.predictions(3), everything.predictions(3)
    assert all(np.array_equal(last[task], of_all[task]) for task in last)
    truth = everything.targets()
    assert all(np.array_equal(of, truth[task]) for task, of in seen.targets().items())
    assert seen.matrix.rows[1] != own.matrix.rows[1], "else the test could not tell"


def test_rows_are_those_of_a_plain_classification(tmp_path: Path) -> None:
    plan = small_plan("zero-shot", tasks=3, protocol="seen")
    result = small_run(plan, tmp_path / "run")
    clip, tasks = fresh(plan).clip, small_stream(plan).tasks
    for learned, row in enumerate((result.matrix.zero_shot, *result.matrix.rows)):
        for j, task in enumerate(tasks):
            others = [t for t in tasks[:learned] if t.name != task.name]
            with torch.no_grad():
                x = clip.encode_images(
                    clip.normaliser()(task.test.take(torch.arange(len(task.test))))
                )
                own, *theirs = (
                    x @ clip.encode_classes(t.labels.first_prompts()).T for t in (task, *others)
                )
            right = own.argmax(dim=1) == task.test.targets
            for scores in theirs:
                right &= own.max(dim=1).values > scores.max(dim=1).values
            assert row[j] == pytest.approx(100 * right.float().mean().item(), abs=1e-4)


def test_it_is_proven_and_another_class_is_found(runs: dict[str, RunResult]) -> None:
    run = runs["seen"]
    assert check_run(run.path) == []
    verdicts = {claim.name: claim.verdict for claim in all_claims(run.path)}
    assert verdicts["label space"] == "proven"
    assert verdicts["accuracies"] == "proven"


def test_a_class_that_was_not_seen_is_no_prediction(tmp_path: Path) -> None:
    run = small_run(small_plan("zero-shot", tasks=3, protocol="seen"), tmp_path / "run")
    file = run.path / "predictions" / "after-01.npz"
    with np.load(file) as kept:
        changed = dict(kept)
    first, third = run.config.tasks[0], run.config.tasks[2]
    changed[first][0] = run.targets()[third][0]  # wrong before and after: the accuracy is the same
    np.savez(file, **changed)
    claims = {claim.name: claim for claim in all_claims(run.path)}
    assert claims["label space"].verdict == "false"
    assert f"a predicted class of {first}" in claims["label space"].words


def test_runs_of_another_label_space_are_another_question(runs: dict[str, RunResult]) -> None:
    configs = {name: run.config for name, run in runs.items()}
    assert len({config.digest() for config in configs.values()}) == 3
    assert len({config.comparison_key() for config in configs.values()}) == 3
    words = {name: circumstances(config) for name, config in configs.items()}
    assert "over the classes of all tasks learned so far" in words["seen"]
    assert "over the classes of an image's own task (MTIL)" in words["mtil"]
    assert "over the classes of all tasks (X-TAIL)" in words["x-tail"]


def test_a_method_that_is_told_its_classes_has_no_such_run() -> None:
    with pytest.raises(UserError, match=r"individual is told .* --protocol seen"):
        small_plan("individual", protocol="seen")


def test_classes_of_one_name_count_as_one_where_nothing_is_said() -> None:
    plan = resolve(
        Choices(suite="mini-long", method="lora", device="cpu", protocol="seen", tasks=12)
    )
    assert plan.config.protocol.namesakes == "one"


@pytest.mark.parametrize("protocol", ["mtil", "x-tail", "seen"])
def test_prompts_of_a_row_are_counted(protocol: str) -> None:
    """Per row of ``seen`` with tasks of sizes a, b, c: a+b+c; a + (a+b) + (a+c); (a+b) + (a+b+c); a+b+c."""
    plan = small_plan("lora", tasks=3, protocol=protocol)
    a, b, c = (len(task.classnames) for task in plan.tasks)
    whole = a + b + c
    rows = {
        "mtil": [whole] * 4,
        "x-tail": [whole] * 4,
        "seen": [whole, 3 * a + b + c, 2 * a + 2 * b + c, whole],
    }[protocol]
    assert _prompts_of_a_row(plan) == round(sum(rows) / 4)


def test_incremental_accuracy_counts_every_image_once() -> None:
    """The silent fault: the mean over tasks, in which an image of a small task weighs more."""
    matrix = AccuracyMatrix(("a", "b"), (50.0, 50.0), ((80.0, 50.0), (60.0, 90.0)))
    assert matrix.incremental([10, 30]) == pytest.approx((80.0, 100 * (6 + 27) / 40))


def test_a_report_has_the_accuracy_over_the_classes_seen(
    runs: dict[str, RunResult], tmp_path: Path
) -> None:
    out = tmp_path / "report"
    write_report([run.path for run in runs.values()], out)
    lines = list(csv.DictReader((out / "incremental.csv").read_text().splitlines()))
    seen = runs["seen"]
    assert [int(line["learned_tasks"]) for line in lines] == [1, 2, 3]
    truth = seen.targets()
    for learned, line in enumerate(lines, start=1):
        predicted = seen.predictions(learned)
        right = [predicted[t] == truth[t] for t in seen.config.tasks[:learned]]
        assert float(line["accuracy"]) == pytest.approx(
            100 * np.concatenate(right).mean(), abs=1e-3
        )
        assert line["label_space"] == "over the classes of all tasks learned so far"
    table = (out / "table.md").read_text()
    assert table.count("| zero-shot, own classes |") == 1 and table.count("| zero-shot |") == 2
    assert table.count("It is no reference for Average, Last and FWT") == 1
    words = (out / "incremental.md").read_text()
    assert words.count("No run classifies its images") == 2, "of the two other protocols"
    assert "Over the classes seen so far" in (out / "report.html").read_text()


@pytest.mark.parametrize("style", ["screen", "paper"])
def test_its_picture_shows_every_method(tmp_path: Path, style: str) -> None:
    for method in ("lora", "zscl"):
        write_run(tmp_path, method, protocol=Protocol(labels="seen"))
    (of_all,) = group([read_run(path) for path in tmp_path.iterdir()])
    figure = draw_incremental(of_all, look=LOOKS[style])
    assert figure is not None
    lines = [np.asarray(line.get_ydata()) for line in figure.axes[0].lines]
    for row in of_all.rows:
        (curve,) = incremental_curves(row)
        assert any(np.allclose(curve, line) for line in lines if len(line) == len(curve))


def test_without_such_a_run_a_report_has_no_such_chapter(
    runs: dict[str, RunResult], tmp_path: Path
) -> None:
    write_report([runs["mtil"].path], tmp_path / "report")
    assert not list((tmp_path / "report").rglob("*incremental*"))


def test_parts_of_a_task_keep_its_name() -> None:
    assert short_names(["CIFAR100-1", "CIFAR100-2"]) == ["CIFAR100-1", "CIFAR100-2"]
    assert short_names(["mini-Food-1", "mini-Food-2"]) == ["Food-1", "Food-2"]
    assert short_names(["mini-Food", "mini-DTD"]) == ["Food", "DTD"]
