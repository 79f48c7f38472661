"""The sentences above a table: never more than the verdict, and no ratio of two machines' seconds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from rewritten_run import rewrite
from written_run import write_run

from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.record import RunResult, read_run, write_json
from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.benchmark.records.matrix_file import write_matrix
from cl_bench.reports.runs.group import group
from cl_bench.reports.statistics.verdicts import Judged, judge
from cl_bench.reports.tables import main
from cl_bench.reports.tables.answer import answer
from cl_bench.reports.tables.definitions import DEFINITIONS

BEST = re.compile(r"\bbest\b", re.IGNORECASE)


def judged(root: Path) -> Judged:
    (found,) = group([read_run(path.parent) for path in sorted(root.rglob("config.json"))])
    return judge(found)


def written(root: Path, seeds: int = 3, **right: int) -> Judged:
    """Methods whose Last is so many images of 40, alike in all else but chance."""
    for name, count in right.items():
        for seed in range(seeds):
            rewrite(write_run(root, name, seed), count)
    return judged(root)


def about_last(found: Judged) -> str:
    return "".join(re.findall(r"\w+ has the \w+ Last, .*", answer(found)[2]))


def test_best_is_said_only_where_the_verdict_is_higher_than_all(tmp_path: Path) -> None:
    words = about_last(written(tmp_path, good=38, poor=20))
    assert words.startswith(
        "good has the best Last, 95.0: poor, the next, has 50.0 (difference +45"
    )
    assert words.endswith("Verdict: higher than poor.")


def test_what_cannot_be_told_apart_is_never_called_best(tmp_path: Path) -> None:
    words = about_last(written(tmp_path, good=38, near=37, poor=8))
    assert words.startswith("good has the highest Last, 95.0: near, the next, has 92.5")
    low, high = (float(end) for end in re.findall(r"interval (\S+) to (\S+)\)", words)[0])
    assert low < 0 < high
    assert words.endswith("Verdict: it cannot be told apart from near; higher than poor.")
    assert not BEST.search(words)


def test_two_seeds_claim_these_images_only(tmp_path: Path) -> None:
    words = about_last(written(tmp_path, seeds=2, good=38, poor=8))
    assert words.endswith("Verdict: higher on these images, seeds unknown, than poor.")
    assert not BEST.search(words) and "interval" not in words


def test_a_row_whose_runs_were_not_all_tested_has_no_verdict(tmp_path: Path) -> None:
    whole = written(tmp_path, good=38, poor=20)
    first = next(p.parent for p in tmp_path.rglob("config.json") if "good" in p.read_text())
    (first / "predictions" / "after-03.npz").unlink()
    found = judge(whole.group)
    words = about_last(found)
    assert words.endswith("(difference not tested). Verdict: not tested against poor.")
    assert not BEST.search(words)
    table = main.main_table(found)
    column = table.header.index("Verdict (Average)")
    assert "not tested" in {row[column].text for row in table.rows}
    assert any("Not tested: good, seed" in note for note in table.notes)
    assert not any(cell.remark for row in table.rows for cell in row), "no mark without a test"


def test_the_verdict_column_agrees_with_the_marks(tmp_path: Path) -> None:
    found = written(tmp_path, good=38, near=37, poor=1)
    table = main.main_table(found)
    average, verdict = (table.header.index(n) for n in ("Average", "Verdict (Average)"))
    for row in table.rows:
        expected = {"≈": {"cannot be told apart", "highest mean"}, "": {"lower", "best"}}
        assert row[verdict].text in expected[row[average].remark]


def test_one_method_alone_is_compared_with_none(tmp_path: Path) -> None:
    (words,) = answer(written(tmp_path, alone=30))
    assert words == "alone is the only ranked method: there is none to compare it with."


def test_costs_are_those_of_the_log_and_ratios_are_theirs(tmp_path: Path) -> None:
    found = written(tmp_path, good=38, poor=20)
    cost, (first, second) = answer(found)[1], found.group.rows
    assert cost.startswith(f"Cost of {first.label}, and relative to {second.label}: ")
    assert "0.01 MiB stored (1.0 times)" in cost and cost.count(" times)") >= 2


def take(run: RunResult, seconds: float) -> None:
    """Let a run have trained so long on every task."""
    lines = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    for line in lines:
        if line["event"] == "learned":
            line["seconds"]["train"] = seconds
    (run.path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_ledger(run.path)


@pytest.mark.parametrize(("seconds", "overlap"), [(5.0, True), (100.0, False)])
def test_times_that_overlap_have_no_ratio(tmp_path: Path, seconds: float, overlap: bool) -> None:
    """Runs of one method that share a machine with others differ as much as two methods do."""
    first, second = written(tmp_path, good=38, poor=20).group.rows
    for run in first.runs:
        take(run, seconds * (1 + run.config.seed))
    for run in second.runs:
        take(run, 6.0)
    cost = answer(judged(tmp_path))[1]
    if overlap:
        assert "600 s of learning" not in cost
        assert "no ratio: the times of single runs overlap, 15 to 45 s and 18 to 18 s" in cost
    else:
        assert "600 s of learning (33 times)" in cost


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cpu": "another"}, "(no ratio: measured on 2 different machines"),
        ({"threads": 8}, "(no ratio: measured on 2 different machines"),
        ({"cpu": None}, "(no ratio: not every run recorded its machine"),
    ],
)
def test_seconds_of_two_machines_have_no_ratio(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    written(tmp_path, good=38, poor=20)
    path = next(p.parent for p in tmp_path.rglob("config.json") if "poor" in p.read_text())
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["sessions"][0]["hardware"] |= change
    write_json(path / "manifest.json", manifest)
    write_ledger(path)
    found = judged(tmp_path)
    cost = answer(found)[1]
    assert reason in cost and cost.count(" times)") == 2
    assert any(note.startswith("The times do not compare") for note in main.main_table(found).notes)


def test_zero_shot_stands_above_and_says_where_it_differs(tmp_path: Path) -> None:
    found = written(tmp_path, good=38, poor=20)
    plain = main.main_table(found).above
    assert plain[0].text == "zero-shot" and re.fullmatch(r"\d\d\.\d", plain[3].text)
    path = next(p.parent for p in tmp_path.rglob("config.json") if "poor" in p.read_text())
    of = read_run(path).matrix
    write_matrix(path, AccuracyMatrix(of.tasks, (10.0,) * 3, of.rows))
    write_ledger(path)
    table = main.main_table(judged(tmp_path))
    assert table.above[3].text == f"10.0 to {plain[3].text}"
    assert any("Zero-shot differs" in note for note in table.notes)


def test_every_column_of_the_main_table_is_explained(tmp_path: Path) -> None:
    header = main.main_table(written(tmp_path, good=38, poor=20)).header
    assert set(header) - set(DEFINITIONS) == {"Method"}
