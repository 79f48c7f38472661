"""Verdicts on what is evaluated beside the matrix: held-out sets, retrieval sets, the classes seen so far.

What would be wrong without a word: a row that is called the best though its interval holds 0; captions of one
picture counted as so many separate pictures; a number of the sample that is not the table's; what learning never
touched called unknown for other seeds.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rewritten_run import rewrite
from rich.console import Console
from written_beside import ALBUM, IMAGES, SETS, write_run_beside
from written_run import write_run

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.cli.compare_json import compared
from cl_bench.reports.runs.group import group
from cl_bench.reports.runs.metrics import judged_metrics
from cl_bench.reports.statistics.difference import difference
from cl_bench.reports.statistics.outcomes import (
    MetricOutcomes,
    RunOutcomes,
    gather,
    outcomes_of,
)
from cl_bench.reports.statistics.side_by_side import side_by_side
from cl_bench.reports.statistics.verdicts import Judged, Verdict, judge, judge_family
from cl_bench.reports.tables import differences, held_out, incremental, main, retrieval, sheets
from cl_bench.reports.terminal.compare import compare

Array = NDArray[np.float64]
BESIDE = ("held_out_last", "retrieval_last")


def judged_below(root: Path) -> Judged:
    (found,) = group([read_run(path.parent) for path in sorted(root.rglob("config.json"))])
    return judge(found)


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    """Kept: nothing is lost. Near: one image and one picture less. Lost: 30 of 40."""
    for seed in (0, 1, 2):
        for name, last in (("kept", 38), ("near", 37), ("lost", 8)):
            rows = (38, 36, 30, last)
            write_run_beside(tmp_path, name, seed, rows, rows)
    return judged_below(tmp_path)


def test_the_outcomes_of_images_give_the_numbers_of_the_table(judged: Judged) -> None:
    assert judged_metrics(judged.group.config) == ("transfer", "average", "last", *BESIDE)
    for row in judged.group.rows:
        of_runs = [outcomes_of(run) for run in row.runs]
        for metric in judged_metrics(judged.group.config):
            gathered = gather(of_runs, metric)
            assert gathered.seeds.mean() == pytest.approx(row.mean(metric)), metric
            means = [100 * float(of_part.mean()) for of_part in gathered.images]
            assert np.mean(means) == pytest.approx(row.mean(metric)), metric
    assert gather(of_runs, "held_out_last").tasks == SETS
    assert gather(of_runs, "retrieval_last").tasks == (ALBUM,)


@pytest.mark.parametrize("metric", BESIDE)
def test_rows_are_told_apart_where_they_differ(judged: Judged, metric: str) -> None:
    assert judged.best(metric) == "kept"
    assert judged.verdicts(metric) == {"near": Verdict.alike, "lost": Verdict.higher}
    for pair in judged.pairs[metric]:
        assert pair.interval is not None
        assert (pair.verdict is Verdict.higher) == (pair.interval[0] > 0)


def test_captions_of_a_picture_are_one_sample(judged: Judged) -> None:
    """120 captions of 40 pictures weigh as 40: the error is that of 40 differing images."""
    rows = {row.label: [outcomes_of(run) for run in row.runs] for row in judged.group.rows}
    kept, lost = (gather(rows[label], "retrieval_last") for label in ("kept", "lost"))
    assert kept.images[0].shape == (IMAGES,)
    d = 100 * (kept.images[0] - lost.images[0])
    by_hand = (d.var(ddof=1) / IMAGES + 100.0**2 / IMAGES**2) ** 0.5
    assert difference(kept, lost).images.error == pytest.approx(by_hand, rel=1e-6)


def test_every_table_marks_what_cannot_be_told_apart(judged: Judged) -> None:
    shown = main.markdown([judged])
    kept = next(line for line in shown.splitlines() if line.startswith("| kept"))
    assert kept.count("**95.0** ≈") == 2, "the last columns of held-out and retrieval sets"
    near = next(line for line in shown.splitlines() if line.startswith("| near"))
    assert near.count("92.5</u> ≈") == 2
    assert "kept has the highest Held-out last, 95.0: near, the next, has 92.5" in shown
    lost = next(line for line in shown.splitlines() if line.startswith("| lost"))
    assert "| 20.0 |" in lost
    zero_shot = next(line for line in shown.splitlines() if line.startswith("| zero-shot"))
    assert zero_shot.count("95.0") == 6, "before, lowest and last of both"
    for chapter in (held_out.CHAPTER, retrieval.CHAPTER):
        assert "**95.0** ≈" in chapter.markdown([judged])
    text = differences.CHAPTER.markdown([judged])
    assert "### Held-out last, best: kept" in text and "### Retrieval last, best: kept" in text
    assert "### Held-out last, set by set, best: kept" in text
    lines = list(csv.DictReader(io.StringIO(differences.CHAPTER.csv([judged]))))
    assert {line["metric"] for line in lines} >= set(BESIDE)
    for line in lines:
        without_zero = float(line["low"]) > 0 or float(line["high"]) < 0
        assert (line["verdict"] == "higher") == without_zero, line
    assert "held_out_last_interval95" in sheets.rows_csv([judged.group]).splitlines()[0]


def test_what_learning_never_touched_needs_no_seeds(tmp_path: Path) -> None:
    """One seed of a method with frozen towers: its held-out numbers are known for every seed."""
    for name, rows in (("frozen", (38, 38, 38, 38)), ("other", (38, 38, 38, 38))):
        write_run_beside(tmp_path, name, 0, rows, rows)
    judged = judged_below(tmp_path)
    (pair,) = judged.pairs["held_out_last"]
    assert pair.verdict is Verdict.alike and pair.interval is not None
    (pair,) = judged.pairs["last"]
    assert pair.interval is None, "the tasks were learned: other seeds are unknown"


def test_an_image_that_changes_sides_was_touched(tmp_path: Path) -> None:
    """As many right before and after, but not the same ones."""
    path = write_run_beside(tmp_path, "lora", 0, (38,) * 4, (38,) * 4)
    file = path / "held_out" / "after-03.npz"
    with np.load(file) as arrays:
        turned = dict(arrays)
    true = np.arange(IMAGES, dtype=np.uint16) % 10
    turned["signs"] = np.where(np.arange(IMAGES) >= 2, true, (true + 1) % 10).astype(np.uint16)
    np.savez(file, **turned)
    write_ledger(path)
    of = outcomes_of(read_run(path))
    assert of.metrics["held_out_last"].trained and not of.metrics["retrieval_last"].trained


def test_a_run_that_goes_on_has_no_result_on_them(tmp_path: Path) -> None:
    run = read_run(write_run_beside(tmp_path, "lora", 0, (38, 36, 30, 20), (38, 36, 30, 20)))
    assert run.metrics()["held_out_last"] == run.metrics()["retrieval_last"] == pytest.approx(50)
    going_on = RunResult(run.path, run.config, run.manifest, run.matrix.after(2))
    beside = set(going_on.metrics()) - set(going_on.matrix.metrics())
    assert beside == {"held_out_before", "retrieval_before"}


@pytest.mark.parametrize(
    ("folder", "words"),
    [("held_out", "accuracies on held-out sets after 3"), ("retrieval", "recalls at 1 after 3")],
)
def test_files_that_do_not_give_the_numbers_are_refused(
    tmp_path: Path, folder: str, words: str
) -> None:
    path = write_run_beside(tmp_path, "lora", 0, (38, 36, 30, 20), (38, 36, 30, 20))
    (path / folder / "after-03.npz").write_bytes((path / folder / "after-00.npz").read_bytes())
    write_ledger(path)
    with pytest.raises(UserError, match=f"{words}.* do not follow from its"):
        outcomes_of(read_run(path))


@pytest.mark.parametrize(
    ("file", "name", "words"),
    [
        ("held_out/after-02", "boards", "held_out does not hold every data set"),
        ("retrieval/after-02", f"{ALBUM}/text_to_image", "retrieval does not hold every data set"),
        ("retrieval/pictures", ALBUM, "retrieval does not hold every data set"),
    ],
)
def test_files_without_a_set_are_named(tmp_path: Path, file: str, name: str, words: str) -> None:
    path = write_run_beside(tmp_path, "lora", 0, (38, 36, 30, 20), (38, 36, 30, 20))
    with np.load(path / f"{file}.npz") as arrays:
        kept = {part: values for part, values in arrays.items() if part != name}
    np.savez(path / f"{file}.npz", **(kept or {"other": np.zeros(1, np.uint32)}))
    write_ledger(path)
    with pytest.raises(UserError, match=words):
        outcomes_of(read_run(path))


def test_captions_of_other_pictures_are_found(tmp_path: Path) -> None:
    path = write_run_beside(tmp_path, "lora", 0, (38, 36, 30, 20), (38, 36, 30, 20))
    np.savez(path / "retrieval" / "pictures.npz", **{ALBUM: np.arange(7, dtype=np.uint32)})
    write_ledger(path)
    with pytest.raises(UserError, match="ranks of other captions than album has"):
        outcomes_of(read_run(path))


def test_two_methods_side_by_side_are_judged_on_them_too(tmp_path: Path) -> None:
    for name, last in (("kept", 38), ("lost", 8)):
        for seed in (0, 1, 2):
            write_run_beside(tmp_path / name, name, seed, (38, 36, 30, last), (38, 36, 30, last))
    found = side_by_side(tmp_path / "kept", tmp_path / "lost")
    assert set(found.tasks["held_out_last"]) == set(SETS)
    console = Console(width=100, record=True)
    console.print(compare(found))
    said = console.export_text()
    assert re.search(r"Held-out last  b - a -75: a is higher", said)
    assert re.search(r"signs +95\.0 +20\.0 +-75", said)


def test_another_set_of_images_is_another_question(judged: Judged) -> None:
    run = judged.group.rows[0].runs[0]
    for name in ("targets", *(f"after-{i:02d}" for i in range(4))):
        with np.load(run.path / "held_out" / f"{name}.npz") as arrays:
            turned = {part: values[::-1] for part, values in arrays.items()}
        np.savez(run.path / "held_out" / f"{name}.npz", **turned)
    assert len(judge(judged.group).untested) == 1


# --- over the classes seen so far


def seen(root: Path, method: str, seed: int, right: int) -> RunResult:
    path = write_run(root, method, seed, protocol=Protocol(labels="seen"))
    rewrite(path, right)
    return read_run(path)


def test_incremental_accuracy_has_verdicts(tmp_path: Path) -> None:
    for name, right in (("best", 38), ("near", 37), ("far", 2)):
        for seed in (0, 1, 2):
            seen(tmp_path / name, name, seed, right)
    judged = judged_below(tmp_path)
    assert judged.verdicts("incremental_last") == {"near": Verdict.alike, "far": Verdict.higher}
    for row in judged.group.rows:
        for metric in ("incremental", "incremental_last"):
            gathered = gather([outcomes_of(run) for run in row.runs], metric)
            assert gathered.seeds.mean() == pytest.approx(row.mean(metric)), metric
    assert not judged.tasks.get("incremental"), "of a single task it is no accuracy"
    found = side_by_side(tmp_path / "best", tmp_path / "far")
    said = compared(found)["metrics"]["incremental_last"]
    assert said["verdict"] == "higher" and said["b"] == pytest.approx(5.0) and said["tasks"] == {}
    assert "**95.0** ≈" in incremental.CHAPTER.markdown([judged])
    assert "Last of all images" in main.markdown([judged])


def test_incremental_accuracy_counts_tasks_by_their_images(tmp_path: Path) -> None:
    """By hand: three tasks of 40 images; after m tasks, right / (40 m); the mean over m."""
    run = seen(tmp_path, "lora", 0, 20)
    by_hand = [np.mean(row[:m]) for m, row in enumerate(run.matrix.rows, start=1)]
    assert run.metrics()["incremental"] == pytest.approx(np.mean(by_hand))
    assert run.metrics()["incremental_last"] == pytest.approx(50.0)
    shares = outcomes_of(run).metrics["incremental"].shares
    # an image of the first task that is right after each of three tasks: 40 (1/40 + 1/80 + 1/120)
    assert max(shares["toy-a"]) == pytest.approx(1 + 1 / 2 + 1 / 3)
    assert max(shares["toy-c"]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed_moves", [0.0, 0.3])
def test_retrieval_is_rarely_called_higher_where_there_is_no_difference(seed_moves: float) -> None:
    """128 pictures; a picture's captions are found together more often than not; three seeds of two equal methods."""
    draw = np.random.default_rng(7)
    higher = 0
    for _ in range(300):
        easy = draw.normal(0.8, 1.5, 128)
        known = {
            name: gather(_drawn_runs(draw, easy, seed_moves), "retrieval_last") for name in "ab"
        }
        (pair,) = judge_family([("a", "b", None)], known)
        higher += pair.verdict is Verdict.higher
    assert higher / 300 <= 0.07


def _drawn_runs(draw: np.random.Generator, easy: Array, moves: float) -> list[RunOutcomes]:
    own, runs = easy + draw.normal(0, 1, len(easy)), []
    for _ in range(3):
        chance = 1 / (1 + np.exp(-(own + draw.normal(0, moves))))
        to_text, to_image = draw.random(128) < chance, draw.random((3, 128)) < chance
        shares = {ALBUM: ((to_text + to_image.mean(axis=0)) / 2).astype(np.float32)}
        runs.append(RunOutcomes({"retrieval_last": MetricOutcomes(shares, trained=True)}, ""))
    return runs
