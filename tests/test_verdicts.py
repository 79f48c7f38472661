"""What a table says of its rows: who is best, who cannot be told apart from it, what was not tested."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rewritten_run import rewrite
from written_run import write_run

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.record import read_run, write_json
from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.reports.runs.group import Group, group
from cl_bench.reports.statistics.verdicts import Judged, Verdict, judge
from cl_bench.reports.tables import differences, main


def only_group(root: Path) -> Group:
    (found,) = group([read_run(path.parent) for path in sorted(root.rglob("config.json"))])
    return found


@pytest.fixture
def compared(tmp_path: Path) -> Judged:
    """Best: 38 of 40 right. Near: 37, a subset. Far: 8, none of which the others get right alone."""
    for name, right, start in (("best", 38, 0), ("near", 37, 0), ("far", 8, 30)):
        for seed in (0, 1, 2):
            rewrite(write_run(tmp_path, name, seed), right, start)
    return judge(only_group(tmp_path))


def test_every_pair_is_judged_in_every_figure(compared: Judged) -> None:
    for metric in ("transfer", "average", "last"):
        pairs = {frozenset((p.a, p.b)) for p in compared.pairs[metric]}
        assert len(pairs) == 3 and all(p.difference.points >= 0 for p in compared.pairs[metric])
    last = {frozenset((p.a, p.b)): p for p in compared.pairs["last"]}
    near, far = last[frozenset(("best", "near"))], last[frozenset(("best", "far"))]
    assert near.difference.points == pytest.approx(2.5) and near.verdict is Verdict.alike
    assert far.difference.points == pytest.approx(75.0) and far.verdict is Verdict.higher
    assert (far.a, far.b) == ("best", "far")
    assert compared.verdicts("last") == {"near": Verdict.alike, "far": Verdict.higher}
    assert len(compared.tasks["last"]) == 2 * 3, "the best against two others on three tasks"
    assert len(compared.tasks["transfer"]) == 2 * 2, "the first task has no Transfer"


def test_what_cannot_be_told_apart_is_marked_in_every_format(compared: Judged) -> None:
    shown = main.markdown([compared])
    assert re.search(r"\| best .*\*\*95\.0\*\* ≈ \|", shown)
    assert re.search(r"\| near .*92\.5</u> ≈ \|", shown)
    last_of_far = next(line for line in shown.splitlines() if line.startswith("| far"))
    assert "| 20.0 |" in last_of_far, "no mark: it is lower"
    assert r"95.0} $\approx$" in main.latex([compared])
    text = differences.CHAPTER.markdown([compared])
    assert "### Last, best: best" in text
    assert re.search(r"\| near \| \+2\.5 \| 0\.250 .* \| -\d.* to \+\d.* \| cannot be told", text)
    assert re.search(r"\| far \| \+75.* \| \+\d+.* to \+\d+.* \| higher \|", text)
    lines = list(csv.DictReader(io.StringIO(differences.CHAPTER.csv([compared]))))
    assert len([x for x in lines if x["metric"] == "last" and not x["task"]]) == 3
    for line in lines:
        without_zero = float(line["low"]) > 0 or float(line["high"]) < 0
        assert (line["verdict"] == "higher") == without_zero, line


def test_two_seeds_are_not_enough_for_a_verdict_on_seeds(tmp_path: Path) -> None:
    for name, right in (("best", 38), ("far", 8)):
        for seed in (0, 1):
            rewrite(write_run(tmp_path, name, seed), right)
    judged = judge(only_group(tmp_path))
    assert judged.verdicts("last") == {"far": Verdict.images}
    text = differences.CHAPTER.markdown([judged])
    assert "| unknown | higher on these images, seeds unknown |" in text
    far = next(x for x in main.markdown([judged]).splitlines() if x.startswith("| far"))
    assert "20.0</u> °" in far and " ± " not in far


def test_one_row_alone_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    write_run(tmp_path, "alone")
    judged = judge(only_group(tmp_path))
    assert "Nothing to compare." in differences.CHAPTER.markdown([judged])
    assert differences.CHAPTER.csv([judged]).count("\n") == 1
    assert "**" not in main.markdown([judged]).split("| alone")[1], "it has beaten nobody"


def test_what_no_seed_changes_has_no_interval(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        write_run(tmp_path, "lora", seed)
    shown = main.markdown([judge(only_group(tmp_path))])
    cells = next(line for line in shown.splitlines() if line.startswith("| lora")).split(" | ")
    assert " ± " in cells[2] and " ± " in cells[4], "Transfer and Last"
    above = next(line for line in shown.splitlines() if line.startswith("| zero-shot")).split(" | ")
    assert all(re.fullmatch(r"\d\d\.\d", cell) for cell in above[2:5]), "the backbone's: no seed"


def test_lost_predictions_spoil_nothing_else(compared: Judged) -> None:
    for run in next(row for row in compared.group.rows if row.label == "near").runs:
        (run.path / "predictions" / "after-03.npz").unlink()
    again = judge(compared.group)
    (pair,) = again.pairs["last"]
    assert {pair.a, pair.b} == {"best", "far"}
    assert pair.level == 0.05, "what was not tested corrects nothing"
    text = differences.CHAPTER.markdown([again])
    assert "| far |" in text and "Not tested: near, seed 0: " in text
    assert "after-03.npz is missing" in text


def test_other_test_images_are_not_compared(compared: Judged) -> None:
    """A run whose true classes differ was made on other data, whatever its digest says."""
    run = next(row for row in compared.group.rows if row.label == "far").runs[0]
    for name in ["targets", *(f"after-{i:02d}" for i in range(4))]:
        with np.load(run.path / "predictions" / f"{name}.npz") as arrays:
            turned = {task: values[::-1] for task, values in arrays.items()}
        np.savez(run.path / "predictions" / f"{name}.npz", **turned)
    again = judge(compared.group)
    assert again.untested == ("far, seed 0: its test images are not those of the other runs",)
    assert again.verdicts("last")["far"] is Verdict.images, "two seeds are left of three"


def test_without_its_predictions_the_best_is_still_the_best(compared: Judged) -> None:
    """Then nobody is told apart from it, and the next row is not called the best."""
    for run in next(row for row in compared.group.rows if row.label == "best").runs:
        (run.path / "predictions" / "targets.npz").unlink()
    again = judge(compared.group)
    assert again.best("last") == "best" and again.verdicts("last") == {}
    (pair,) = again.pairs["last"]
    assert {pair.a, pair.b} == {"near", "far"}
    assert "Last, best" not in differences.CHAPTER.markdown([again])


def test_uncommitted_code_is_shown_and_not_ranked(tmp_path: Path) -> None:
    for name in ("clean", "dirty", "third"):
        path = write_run(tmp_path, name)
        if name == "dirty":
            rewrite(path, 40)
            manifest = json.loads((path / "manifest.json").read_text())
            manifest["sessions"][0]["git"]["dirty"] = True
            write_json(path / "manifest.json", manifest)
            write_ledger(path)
    only = only_group(tmp_path)
    assert not any(label == "dirty" for label, _ in only.places)
    shown = main.markdown([judge(only)])
    assert "| dirty (dirty tree) |" in shown
    assert "dirty was made from a source tree with uncommitted changes" in shown


def test_other_questions_are_other_groups(tmp_path: Path) -> None:
    write_run(tmp_path, preset="paper")
    write_run(tmp_path, preset="paper", protocol=Protocol(labels="all"))
    write_run(tmp_path, preset="paper", protocol=Protocol(shots=5))
    groups = group([read_run(path.parent) for path in tmp_path.rglob("config.json")])
    assert len(groups) == 3
    words = "\n".join(g.details for g in groups)
    assert (
        "over the classes of all tasks (X-TAIL)" in words and "5 training images a class" in words
    )


def test_runs_that_cannot_be_checked_are_counted_under_the_table(tmp_path: Path) -> None:
    write_run(tmp_path, "lora", 0)
    write_run(tmp_path, "lora", 1, sealed=False)
    shown = main.markdown([judge(only_group(tmp_path))])
    assert "- 1 of 2 runs were made before runs had ledgers" in shown


def test_remarks_on_the_data_stand_under_the_table(tmp_path: Path) -> None:
    path = write_run(tmp_path)
    manifest = json.loads((path / "manifest.json").read_text())
    remark = "toy-a: 3 test images are training images, too"
    write_json(path / "manifest.json", manifest | {"remarks": [remark]})
    write_ledger(path)
    assert f"- {remark}" in main.markdown([judge(only_group(tmp_path))])


def test_under_paper_the_precision_is_a_methods_own(tmp_path: Path) -> None:
    """fp16 as published and a fallback to fp32 stand in one table, on rows that say so."""
    write_run(tmp_path / "gpu", "keeplora", preset="paper", protocol=Protocol(precision="fp16"))
    write_run(tmp_path / "cpu", "keeplora", preset="paper", caveats=("computed in fp32",))
    write_run(tmp_path / "cpu", "zscl", preset="paper")
    g = only_group(tmp_path)
    labels = {row.label for row in g.rows}
    assert labels == {"keeplora (precision=fp16)", "keeplora (precision=fp32)", "zscl"}
    assert "computed in fp32" in g.notes and "augmentation and precision" in g.details


DOCS = Path(__file__).parents[1] / "docs"


def test_the_documented_verdicts_follow_from_the_intervals_beside_them() -> None:
    seen = []
    for line in (DOCS / "mini-differences.md").read_text().splitlines():
        if found := re.search(r"\| ([+-]\S+) to ([+-]\S+) \| ([\w ]+) \|$", line):
            low, high, verdict = float(found[1]), float(found[2]), found[3]
            assert (verdict == "higher") == (low > 0) and low <= high, line
            seen.append(verdict)
    assert set(seen) == {"higher", "cannot be told apart"} and len(seen) > 30
