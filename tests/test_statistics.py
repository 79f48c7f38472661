"""Noise and more than noise: exact tests, corrections, and what the reports make of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from command_line import cl_bench
from written_run import write_row, write_run

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.ledger import write_ledger
from cl_bench.benchmark.record import RunFolder, read_run, write_json
from cl_bench.reports import significance, tables
from cl_bench.reports.compare import Group, group
from cl_bench.reports.statistics import compare_all, holm, mcnemar


def test_mcnemar_is_exact() -> None:
    assert mcnemar(10, 2) == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert mcnemar(2, 10) == mcnemar(10, 2)
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1.0
    assert mcnemar(5, 0) == pytest.approx(2 / 2**5)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []


def rewrite(path: Path, right: int, start: int = 0) -> None:
    """Let the finished run classify ``right`` images of every task right, from ``start`` on."""
    run = read_run(path)
    targets = run.targets()
    predicted = {}
    for task, true in targets.items():
        hits = np.zeros(len(true), bool)
        hits[start : start + right] = True
        predicted[task] = np.where(hits, true, (true + 1) % 10).astype(np.uint16)
    rows = (*run.matrix.rows[:-1], tuple(100.0 * right / len(t) for t in targets.values()))
    changed = type(run.matrix)(run.matrix.tasks, run.matrix.zero_shot, rows)
    write_row(RunFolder(path), len(rows), predicted, changed)
    write_ledger(path)


@pytest.fixture
def compared(tmp_path: Path) -> Group:
    """Best: 38 of 40 right. Near: 36, a subset. Far: 8, none of which the others get right alone."""
    for name, right, start in (("best", 38, 0), ("near", 36, 0), ("far", 8, 30)):
        rewrite(write_run(tmp_path, name), right, start)
    (only,) = group([read_run(path.parent) for path in tmp_path.rglob("config.json")])
    return only


def test_pairs_are_counted_on_the_same_images(compared: Group) -> None:
    near, far, third = compare_all(compared).pairs
    assert (near.a, near.b, near.only_a, near.only_b) == ("best", "near", 6, 0)
    assert near.p == pytest.approx(2 / 2**6) and near.difference == pytest.approx((5.0,))
    assert (far.a, far.b, far.only_a, far.only_b) == ("best", "far", 90, 0)
    assert (third.a, third.b, third.only_a, third.only_b) == ("near", "far", 90, 6)
    assert near.corrected == near.p and near.significant, "the largest p is not corrected"
    assert far.corrected == pytest.approx(3 * far.p)


def test_a_difference_within_noise_is_marked(compared: Group) -> None:
    rewrite(compared.rows[[r.label for r in compared.rows].index("near")].runs[0].path, 37)
    (again,) = group([read_run(run.path) for row in compared.rows for run in row.runs])
    assert again.tests.alike == {"best", "near"}
    shown = tables.markdown([again])
    assert re.search(r"\| best .*\*\*95\.00\*\* ≈ \|", shown)
    assert re.search(r"\| near .*92\.50</u> ≈ \|", shown)
    assert not re.search(r"\| far .*≈", shown)
    assert r"95.00} $\approx$" in tables.latex([again])
    text = significance.CHAPTER.markdown([again])
    assert "| near | 1 | 2.50 | 3 | 0 | 0.250 | ≈ not told apart |" in text
    assert "| far | 1 | 75.00 | 90 | 0 | \\< 0.001 | more than noise |" in text
    header, *lines = significance.CHAPTER.csv([again]).splitlines()
    assert header.endswith("a,b,seeds,difference,interval95,only_a,only_b,p,p_holm")
    assert len(lines) == 3


def test_lost_predictions_spoil_nothing_else(compared: Group) -> None:
    lost = next(row for row in compared.rows if row.label == "near").runs[0].path
    (lost / "predictions" / "after-03.npz").unlink()
    (pair,) = compared.tests.pairs
    assert (pair.a, pair.b, pair.only_a, pair.only_b) == ("best", "far", 90, 0)
    assert pair.corrected == pair.p, "what was not tested corrects nothing"
    text = significance.CHAPTER.markdown([compared])
    assert "| far | 1 |" in text and "Not tested: near, seed 0: " in text
    assert "after-03.npz is missing" in text
    assert significance.CHAPTER.csv([compared]).count("\n") == 2


def test_without_its_predictions_the_best_is_still_the_best(compared: Group) -> None:
    """Then nobody is told apart from it, and the next row is not called the best."""
    best = next(row for row in compared.rows if row.label == "best").runs[0].path
    few = {task: np.zeros(3, np.uint16) for task in compared.config.tasks}
    for name in ("targets", "after-03"):
        np.savez(best / "predictions" / f"{name}.npz", **few)  # type: ignore[arg-type]
    assert compared.tests.best == "best" and compared.tests.alike == frozenset()
    assert [(pair.a, pair.b) for pair in compared.tests.pairs] == [("near", "far")]
    text = significance.CHAPTER.markdown([compared])
    assert (
        "Best Last" not in text
        and "its predictions are of 9 test images, those of other runs of 120" in text
    )


def test_uncommitted_code_is_shown_and_not_ranked(tmp_path: Path) -> None:
    for name in ("clean", "dirty", "third"):
        path = write_run(tmp_path, name)
        if name == "dirty":
            rewrite(path, 40)
            manifest = json.loads((path / "manifest.json").read_text())
            manifest["sessions"][0]["git"]["dirty"] = True
            write_json(path / "manifest.json", manifest)
            write_ledger(path)
    (only,) = group([read_run(path.parent) for path in tmp_path.rglob("config.json")])
    assert not any(label == "dirty" for label, _ in only.places)
    shown = tables.markdown([only])
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


def test_compare_on_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (0, 1, 2):
        rewrite(write_run(tmp_path / "a", "best", seed), 38)
        rewrite(write_run(tmp_path / "b", "worse", seed), 20)
    assert cl_bench(monkeypatch, "compare", str(tmp_path / "a"), str(tmp_path / "b")) == 0
    shown = capsys.readouterr().out
    assert re.search(r"mean .* 95\.0 +50\.0 +-45\.0 ± 0\.0 +< 0\.001", shown), shown
    assert "mean of the seeds [0, 1, 2]" in shown and "nothing is known" not in shown
    one = next((tmp_path / "a").iterdir())
    assert cl_bench(monkeypatch, "compare", str(one), str(tmp_path / "b")) == 0
    assert "nothing is known of how much other seeds" in " ".join(capsys.readouterr().out.split())


def test_what_must_not_be_compared_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a = write_run(tmp_path / "a")
    for changes, words in (
        ({"order": "II"}, "their order differs"),
        ({"tasks": ("x", "y")}, "their tasks differs"),
        ({"protocol": Protocol(labels="all")}, "their label space differs"),
        ({"seed": 7}, "none shared"),
    ):
        b = write_run(tmp_path / f"b{words}", **changes)  # type: ignore[arg-type]
        assert cl_bench(monkeypatch, "compare", str(a), str(b)) == 2
        assert words in capsys.readouterr().err
    other = write_run(tmp_path / "rules", protocol=Protocol(prompts="ensemble"))
    assert cl_bench(monkeypatch, "compare", str(a), str(other)) == 0
    assert "under different rules" in capsys.readouterr().out
    assert cl_bench(monkeypatch, "compare", str(tmp_path / "rules"), str(tmp_path)) == 2
    assert "several methods or settings" in capsys.readouterr().err


def test_why_names_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b", seed=1, method_settings={"rank": 8})
    manifest = json.loads((b / "manifest.json").read_text())
    manifest["sessions"][0]["git"]["commit"] = "fedcba"
    write_json(b / "manifest.json", manifest)
    write_ledger(b)
    assert cl_bench(monkeypatch, "why", str(a), str(b)) == 0
    shown = capsys.readouterr().out
    assert re.search(r"configuration +method_settings\.rank +4 +8", shown)
    assert re.search(r"seed +0 +1", shown) and re.search(
        r"code +git\.commit +0123\w+ +fedcba", shown
    )
    assert "processor" not in shown
    same = write_run(tmp_path / "same")
    assert cl_bench(monkeypatch, "why", str(a), str(same)) == 0
    assert "Nothing differs, the accuracies included" in capsys.readouterr().out
    rewrite(same, 40)
    assert cl_bench(monkeypatch, "why", str(a), str(same)) == 0
    assert "Nothing differs but the accuracies" in capsys.readouterr().out
    unfinished = write_run(tmp_path / "unfinished", learned=1)
    assert cl_bench(monkeypatch, "why", str(a), str(unfinished)) == 0
    assert re.search(r"state +status +finished +running", capsys.readouterr().out)
