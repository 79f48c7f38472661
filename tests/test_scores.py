"""The best classes of every test image: those of the predictions, whoever computed them, and checked again."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_run import fresh, small_plan, small_run, small_stream
from together import together
from torch import Tensor

from cl_bench.api.run import Run
from cl_bench.benchmark.errors import NotFiniteError, UserError
from cl_bench.benchmark.evaluate import predict_all, score_all
from cl_bench.benchmark.label_spaces import label_spaces
from cl_bench.benchmark.record import RunFolder, RunResult, read_run
from cl_bench.benchmark.records.arrays_file import read_arrays, write_arrays
from cl_bench.benchmark.records.claims import check_run, judged, record_claims
from cl_bench.benchmark.records.events import Evaluated, Event
from cl_bench.benchmark.records.kept_scores import KeptScores, wrong_scores
from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.benchmark.run import Listener, run
from cl_bench.benchmark.scores import best, unpacked
from cl_bench.benchmark.task import TaskStream
from cl_bench.cli.verify.against_suite import PROOFS
from cl_bench.cli.verify.installed import installed
from cl_bench.experiment.disk import of_scores
from cl_bench.experiment.resolve import Plan
from cl_bench.reports.report import write_report
from cl_bench.reports.tables.calibration import calibration_error

HASTE = ("rank=2", "steps=1", "batch_size=4")
TOP = 4


class KilledError(Exception):
    """Stands for the kill of a process."""


def plan(scores: int | None, **choices: str) -> Plan:
    return small_plan("lora", overrides=HASTE, scores=scores, **choices)


@functools.cache
def few() -> TaskStream:
    """Two tasks of a few images."""
    return TaskStream(
        "mini",
        tuple(
            replace(t, train=t.train.subset(torch.arange(8)), test=t.test.subset(torch.arange(20)))
            for t in small_stream(plan(None)).tasks
        ),
    )


def learn(of: Plan, path: Path, listen: Listener = lambda event: None) -> RunResult:
    make = functools.partial(fresh, of)
    return run(of.config, make, few(), RunFolder(path), listen, keeps=of.keeps)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return learn(plan(TOP), tmp_path_factory.mktemp("scores") / "run")


def test_the_first_one_is_the_prediction_and_the_run_is_the_same(
    kept: RunResult, tmp_path: Path
) -> None:
    plain = learn(plan(None), tmp_path)
    assert plain.config.digest() == kept.config.digest() and plain.matrix == kept.matrix
    assert not (tmp_path / "scores").exists() and plain.manifest.scores is None
    assert check_run(kept.path) == check_run(tmp_path) == []
    assert "scores" not in {claim.name for claim in record_claims(tmp_path)}
    assert {c.name: c.verdict for c in record_claims(kept.path)}["scores"] == "proven"
    for learned in range(3):
        scores, predicted = kept.scores(learned), kept.predictions(learned)
        for task in kept.config.tasks:
            assert np.array_equal(predicted[task], plain.predictions(learned)[task])
            assert np.array_equal(scores[task].classes[:, 0], predicted[task])
            assert scores[task].classes.shape == (20, TOP)


def test_confidences_are_the_softmax_over_all_classes() -> None:
    of, tasks = plan(None, protocol="x-tail"), few().tasks
    method, spaces = fresh(of), label_spaces(of.config.protocol, few())
    tests = {task.name: task.test for task in tasks}
    found = score_all(method, spaces.after(1), tests, "fp32", TOP)
    with torch.no_grad():
        for name, images in tests.items():
            space = spaces.after(1)[name]
            logits = method.classifier(space)(method.clip.normaliser()(images.pixels))
            values, classes = logits.topk(TOP)
            assert torch.equal(found[name].classes, classes)
            assert torch.equal(found[name].logits, values)
            of_first = (found[name].logits[:, 0] - found[name].log_sum).exp()
            torch.testing.assert_close(of_first, logits.softmax(-1).amax(-1))
    assert all(
        torch.equal(found[name].classes[:, 0], classes)
        for name, classes in predict_all(method, spaces.after(1), tests, "fp32").items()
    )


def test_ties_fall_as_argmax_has_them_and_few_classes_are_all() -> None:
    logits = torch.tensor([[1.0, 3.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    scores = unpacked(best(logits, 9))
    assert torch.equal(scores.classes, torch.tensor([[1, 2, 3, 0], [0, 1, 2, 3]]))
    assert torch.equal(scores.classes[:, 0], logits.argmax(-1))
    torch.testing.assert_close(scores.log_sum, logits.logsumexp(-1))


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_what_is_not_finite_ends_the_run_as_without_scores(odd: float) -> None:
    of = plan(None)
    method, spaces = fresh(of), label_spaces(of.config.protocol, few()).after(0)
    tests = {task.name: task.test for task in few().tasks}

    def broken(images: Tensor) -> Tensor:
        return torch.full((len(images), 10), odd)

    method.classifier = lambda labels: broken  # type: ignore[method-assign,assignment]
    with pytest.raises(NotFiniteError):
        score_all(method, spaces, tests, "fp32", TOP)


def kill_after(rows: int) -> Listener:
    def listen(event: Event) -> None:
        if isinstance(event, Evaluated) and event.learned == rows:
            raise KilledError

    return listen


def test_a_killed_run_ends_with_the_same_files_and_does_not_change_what_it_keeps(
    kept: RunResult, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        learn(plan(TOP), tmp_path, kill_after(1))
    with pytest.raises(UserError, match="was begun with --scores 4, not with --scores 5"):
        learn(plan(5), tmp_path)
    learn(plan(None), tmp_path)
    for file in (kept.path / "scores").iterdir():
        assert file.read_bytes() == (tmp_path / "scores" / file.name).read_bytes()
    with pytest.raises(UserError, match="was begun with --scores 4"):
        learn(plan(2), kept.path)


@pytest.mark.parametrize("which", ["classes", "logits"])
def test_a_file_that_is_lost_is_missed_before_the_run_goes_on(which: str, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        learn(plan(TOP), tmp_path, kill_after(2))
    (tmp_path / "scores" / f"after-00-{which}.npz").unlink()
    with pytest.raises(UserError, match=f"after-00-{which}.npz is missing"):
        learn(plan(TOP), tmp_path)


def test_scores_of_other_predictions_are_false_even_under_a_new_ledger(
    kept: RunResult, tmp_path: Path
) -> None:
    learn(plan(TOP), tmp_path)
    file = RunFolder(tmp_path).score_classes(1)
    classes = read_arrays(file)
    write_arrays(file, {task: of[:, ::-1] for task, of in classes.items()})
    write_ledger(tmp_path)
    (words,) = check_run(tmp_path)
    assert "row 1: the first of the best classes of" in words
    assert read_run(kept.path).finished


def test_a_scored_class_that_the_suite_lacks_is_false(kept: RunResult) -> None:
    about = installed(kept)
    assert judged("label space", PROOFS["label space"], about).verdict == "proven"
    wrong = {task: replace(of, classes=of.classes + 90) for task, of in kept.scores(1).items()}
    odd = replace(about, run=_with_scores(kept, wrong))
    claim = judged("label space", PROOFS["label space"], odd)
    assert claim.verdict == "false" and "a scored class of" in claim.words


def _with_scores(run: RunResult, scores: dict[str, KeptScores]) -> RunResult:
    class Other(RunResult):
        def scores(self, learned: int) -> dict[str, KeptScores]:
            return scores

    return Other(run.path, run.config, run.manifest, run.matrix)


def row(**changes: object) -> tuple[dict[str, KeptScores], dict[str, np.ndarray]]:
    good = KeptScores(
        np.array([[1, 0]], np.uint16), np.array([[2, 1]], np.float32), np.array([2.5], np.float32)
    )
    return {"a": replace(good, **changes)}, {"a": np.array([1], np.uint16)}


def test_what_is_wrong_with_scores_is_said() -> None:
    assert wrong_scores(*row(), 2) is None
    for changes, words in (
        ({"logits": np.array([[1, 2]], np.float32)}, "not in the order"),
        ({"log_sum": np.array([2.1], np.float32)}, "less than that of its best"),
        ({"log_sum": np.array([np.nan], np.float32)}, "less than that of its best"),
        ({"classes": np.array([[0, 1]], np.uint16)}, "not the predicted ones"),
    ):
        assert words in str(wrong_scores(*row(**changes), 2))
    assert "1 were asked for" in str(wrong_scores(*row(), 1))
    assert "other tasks" in str(wrong_scores({}, row()[1], 2))


def test_the_namesakes_of_all_tasks_are_counted_as_predictions_are(tmp_path: Path) -> None:
    of = plan(TOP, protocol="x-tail")
    found = learn(of, tmp_path)
    assert check_run(tmp_path) == []
    assert found.scores(2)[of.config.tasks[0]].classes.shape == (20, TOP)


def test_two_processes_write_the_files_of_one(tmp_path: Path) -> None:
    alone = small_run(small_plan("zero-shot", scores=TOP), tmp_path / "alone")
    assert [ended.code for ended in together("score", tmp_path)] == [0, 0]
    files = sorted((alone.path / "scores").iterdir())
    assert len(files) == 6
    for file in files:
        assert file.read_bytes() == (tmp_path / "process0" / "scores" / file.name).read_bytes()
    assert not (tmp_path / "process1" / "scores").exists()


def test_the_calibration_error_is_that_of_the_definition() -> None:
    confidence = np.array([0.05, 0.30, 1 / 3, 0.34, 0.95, 1.0, 0.0])
    right = np.array([False, True, False, True, True, False, False])
    # bins of 1/15: (0.05, 0.0), (0.30, 1/3), (0.34), (0.95, 1.0)
    gaps = [abs(0 - 0.05), abs(1 - 0.30 - 1 / 3), abs(1 - 0.34), abs(1 - 0.95 - 1.0)]
    assert calibration_error(confidence, right) == pytest.approx(100 * sum(gaps) / 7)
    assert calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0
    half = np.tile([True, False], 50)
    assert calibration_error(np.full(100, 0.5), half) == pytest.approx(0, abs=1e-9)


def test_the_report_has_a_chapter_only_where_scores_are_kept(
    kept: RunResult, tmp_path: Path
) -> None:
    learn(plan(None), tmp_path / "without")
    write_report([tmp_path / "without"], tmp_path / "a")
    assert not (tmp_path / "a" / "calibration.csv").exists()
    write_report([kept.path], tmp_path / "b")
    lines = (tmp_path / "b" / "calibration.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 * 2, "rows of every task before anything is learned, and after each"
    task = kept.config.tasks[1]
    of = kept.scores(2)[task]
    expected = calibration_error(of.confidence, of.classes[:, 0] == kept.targets()[task])
    assert f"{expected:.1f}" in (tmp_path / "b" / "calibration.md").read_text()


def test_scores_are_read_from_python(kept: RunResult, tmp_path: Path) -> None:
    opened, (task, _) = Run(kept), kept.config.tasks
    assert np.array_equal(opened.scores(task, after=1).classes[:, 0], opened.predictions(task, 1))
    with pytest.raises(UserError, match="rows after 0 to 2 tasks"):
        opened.scores(task, after=3)
    with pytest.raises(UserError, match="keeps no scores"):
        Run(learn(plan(None), tmp_path)).scores(task, after=0)


def test_the_plan_says_what_scores_take(kept: RunResult) -> None:
    few_images = kept.path / "scores"
    found = sum(file.stat().st_size for file in few_images.iterdir())
    of = plan(TOP)
    share = 40 / sum(task.test_size for task in of.tasks)
    headers = 6 * 2 * 250  # of two arrays in each of six files, which few images do not outweigh
    assert of_scores(of) * share == pytest.approx(found - headers, rel=0.35)
    assert of_scores(plan(None)) == 0
