"""The table of predictions: its rows are the matrix's last row, in words, in the run's label space."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from own_suite import write_classes, write_suite
from small_run import small_plan, small_run, small_stream
from written_run import write_run

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.class_names import class_names, suite_of_run
from cl_bench.experiment.resolve import resolve
from cl_bench.reports.sinks.predictions import Row, prediction_rows


@pytest.fixture(scope="module", params=["mtil", "x-tail"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    path = tmp_path_factory.mktemp(request.param) / "run"
    return small_run(small_plan("lora", protocol=request.param), path)


def rows_of(run: RunResult) -> list[Row]:
    return prediction_rows(run, class_names(run.config, suite_of_run(run.config, run.path)))


def test_the_rows_give_the_last_row_of_the_matrix(finished: RunResult) -> None:
    rows = rows_of(finished)
    for task, accuracy in zip(finished.matrix.tasks, finished.matrix.rows[-1], strict=True):
        right = [row[5] for row in rows if row[0] == task]
        assert 100 * sum(right) / len(right) == pytest.approx(accuracy)
        assert [row[1] for row in rows if row[0] == task] == list(range(len(right)))
        assert 0 < sum(right) < len(right), "else the test could not tell"


def test_right_is_what_the_words_say(finished: RunResult) -> None:
    """Under X-TAIL an image may be taken for a class of another task; under MTIL never."""
    rows = rows_of(finished)
    for task, _, true, predicted, of, right in rows:
        assert right == ((task, true) == (of, predicted))
    apart = {row[0] != row[4] for row in rows}
    assert apart == ({False, True} if finished.config.protocol.labels == "all" else {False})


def test_true_classes_are_those_of_the_test_images(finished: RunResult) -> None:
    plan = small_plan("lora")
    rows = rows_of(finished)
    for task in small_stream(plan).tasks:
        names = [task.labels.classnames[i] for i in task.test.targets.tolist()]
        assert [row[2] for row in rows if row[0] == task.name] == names


def test_classes_of_another_label_space_are_refused(finished: RunResult) -> None:
    """As few classes as one task has, for predictions over those of both."""
    classes = class_names(finished.config, suite_of_run(finished.config, finished.path))
    few = {task: space[:2] for task, space in classes.items()}
    with pytest.raises(UserError, match="these are the classes of another label space"):
        prediction_rows(finished, few)


def test_a_suite_that_changed_gives_no_names(tmp_path: Path) -> None:
    plan = small_plan("lora")
    fields = plan.config.model_dump(mode="json")
    fields["suite"]["digest"] = "0" * 12
    path = write_run(tmp_path, tasks=plan.config.tasks)
    (path / "config.json").write_text(json.dumps(fields))
    with pytest.raises(UserError, match="its suite mini is not what it was"):
        suite_of_run(plan.config.model_validate(fields), path)
    with pytest.raises(UserError, match="unknown suite 'toy'"):
        suite_of_run(read_run(write_run(tmp_path / "toy")).config, path)


def test_a_suite_of_ones_own_is_found_where_it_is_now_and_only_as_it_was(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for split in ("train", "test"):
        write_classes(home / "pets" / split, {"cat": 3, "dog": 2}, seed=len(split))
    file = write_suite(home, 'name = "pets"\ntrain = "pets/train"\ntest = "pets/test"')
    plan = resolve(
        Choices(suite=str(file), method="lora", order="pets", device="cpu"), home / "out"
    )
    moved = home.rename(tmp_path / "moved")
    run = moved / plan.folder.relative_to(home)
    run.mkdir(parents=True)
    suite = suite_of_run(plan.config, run)
    assert class_names(plan.config, suite) == {"pets": (("pets", "cat"), ("pets", "dog"))}
    (moved / "pets" / "train" / "dog").rename(moved / "pets" / "train" / "hound")
    (moved / "pets" / "test" / "dog").rename(moved / "pets" / "test" / "hound")
    with pytest.raises(UserError, match="its suite own is not what it was"):
        suite_of_run(plan.config, run)
