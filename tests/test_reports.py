"""Reports: which runs stand side by side, what is marked best, and what a name cannot break."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from written_run import write_row

from cl_bench.benchmark.config import Backbone, Budget, Protocol, Recipe, RunConfig, SuiteId
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.record import RunFolder, read_run, write_json
from cl_bench.benchmark.records.events import Evaluated
from cl_bench.reports.plots.heat_map import save_heat_map
from cl_bench.reports.report import write_report
from cl_bench.reports.runs.group import group
from cl_bench.reports.runs.names import short_names
from cl_bench.reports.tables import escape
from cl_bench.reports.terminal.show import render

TASKS = ("toy-a", "toy-b")


def make_run(root: Path, method: str, seed: int, rows: list[list[float]], **changes: Any) -> Path:
    """Write a run directory with the given rows after a zero-shot row of 50 %."""
    fields: dict[str, Any] = {
        "suite": SuiteId(name="toy", about="toy: two tasks", digest="d" * 12),
        "backbone": Backbone(name="tiny", weights="none"),
        "protocol": Protocol(),
        "order": "I",
        "tasks": TASKS,
        "method": method,
        "method_settings": {},
        "recipe": Recipe(),
        "budget": Budget(batch_size=4, steps=dict.fromkeys(TASKS, 1)),
        "seed": seed,
        "device": "cpu",
    }
    config = RunConfig(**(fields | changes))
    folder = RunFolder(root / f"{method}-{seed}-{config.digest()}")
    folder.path.mkdir(parents=True)
    write_json(folder.path / "config.json", config.model_dump(mode="json"))
    status = "finished" if len(rows) == len(config.tasks) else "running"
    write_json(folder.path / "manifest.json", {"status": status, "sessions": []})
    folder.write_targets({t: np.zeros(100, np.uint16) for t in config.tasks})
    zero = (50.0,) * len(config.tasks)
    for learned, row in enumerate([list(zero), *rows]):
        matrix = AccuracyMatrix(config.tasks, zero, tuple(map(tuple, rows[:learned])))
        folder.log(Evaluated(learned=learned, accuracies={}, seconds=1.0))
        predicted = {t: np.arange(100) >= a for t, a in zip(config.tasks, row, strict=True)}
        small = {t: p.astype(np.uint16) for t, p in predicted.items()}
        write_row(folder, learned, small, matrix)
    return folder.path


def rows(learned: float, transfer: float, last: float) -> list[list[float]]:
    return [[learned, transfer], [last, learned]]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two seeds of method good, one of bad, on the same suite."""
    root = tmp_path / "runs"
    make_run(root, "good", 0, rows(90, 60, 80))
    make_run(root, "good", 1, rows(92, 64, 86))
    make_run(root, "bad", 0, rows(95, 40, 50))
    return root


def test_rows_are_means_with_their_interval_and_the_best_is_bold(
    runs: Path, tmp_path: Path
) -> None:
    write_report([runs], tmp_path / "out")
    table = (tmp_path / "out" / "table.md").read_text()
    line = next(line for line in table.splitlines() if line.startswith("| good"))
    assert "**62.0 (60.0 to 64.0)** |" in line and "| 2 |" in line, "two seeds: no interval"
    bad = next(line for line in table.splitlines() if line.startswith("| bad"))
    assert "<u>40.0</u> °" in bad and "**95.0**" in bad, "bad learns better and transfers worse"
    make_run(runs, "good", 2, rows(91, 62, 83))
    write_report([runs], tmp_path / "out")
    table = (tmp_path / "out" / "table.md").read_text()
    # t(0.975, 2) = 4.303; Transfer 60, 62, 64: s = 2, half width 4.303 * 2 / sqrt 3 = 4.97
    assert "**62.0 ± 5.0**" in table
    (section,) = group([read_run(p) for p in sorted(runs.iterdir())])
    assert [row.label for row in section.rows] == ["good", "bad"]


def test_csv_has_full_precision_and_latex_its_marks(runs: Path, tmp_path: Path) -> None:
    write_report([runs], tmp_path / "out")
    with (tmp_path / "out" / "runs.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {(x["method"], x["seed"]) for x in lines} == {("good", "0"), ("good", "1"), ("bad", "0")}
    good = next(x for x in lines if (x["method"], x["seed"]) == ("good", "1"))
    assert float(good["average"]) == (92 + 64 + 86 + 92) / 4
    latex = (tmp_path / "out" / "table.tex").read_text()
    assert r"\toprule" in latex and r"\textbf{62.0" in latex and r"\underline{40.0}" in latex


@pytest.mark.parametrize("name", ["table", "per_task", "differences", "cost"])
def test_every_table_is_there_in_every_format(name: str, runs: Path, tmp_path: Path) -> None:
    make_run(runs, "a_b", 0, rows(70, 30, 40))
    write_report([runs], tmp_path / "out")
    markdown, latex, sheet = (
        (tmp_path / "out" / f"{name}.{kind}").read_text() for kind in ("md", "tex", "csv")
    )
    page = (tmp_path / "out" / "report.html").read_text()
    tables = [part for part in page.split("<table")[1:] if "<td>a_b</td>" in part]
    assert len(tables) == 1 + (1 + 2 + 2) + 6 + 1, "main, differences, per task, cost"
    assert "| a\\_b |" in markdown and "a_b" in sheet
    body = latex[latex.index(r"\toprule") : latex.index(r"\bottomrule")]
    widths = {line.count(" & ") for line in body.splitlines() if line.endswith(r"\\")}
    assert len(widths) == 1 and r"a\_b & " in body
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") >= 1


@pytest.mark.parametrize(
    "change",
    [
        {"suite": SuiteId(name="toy", about="toy", digest="e" * 12)},
        {"order": "II"},
        {"tasks": TASKS[::-1]},
        {"protocol": Protocol(precision="bf16")},
    ],
)
def test_what_is_not_comparable_is_never_ranked_together(
    change: dict[str, Any], runs: Path
) -> None:
    make_run(runs, "better", 0, rows(99, 99, 99), **change)
    sections = group([read_run(p) for p in sorted(runs.iterdir())])
    assert sorted(len(s.rows) for s in sections) == [1, 2]
    marked = next(s for s in sections if len(s.rows) == 2)
    assert marked.places["good", "transfer"] == 1


def test_settings_tell_namesakes_apart(runs: Path) -> None:
    make_run(runs, "good", 0, rows(91, 61, 81), recipe=Recipe(lr=0.5))
    (section,) = group([read_run(p) for p in sorted(runs.iterdir())])
    labels = [row.label for row in section.rows if row.label.startswith("good")]
    assert len(labels) == 2 and all("lr" in label for label in labels)


def test_unfinished_and_damaged_runs_are_named_and_not_ranked(runs: Path, tmp_path: Path) -> None:
    make_run(runs, "half", 0, [[99.0, 99.0]])
    broken = make_run(runs, "broken", 0, rows(99, 99, 99))
    (broken / "matrix.csv").write_text("nonsense")
    report = write_report([runs], tmp_path / "out")
    assert [path.name for path, _ in report.left_out] == [broken.name]
    table = (tmp_path / "out" / "table.md").read_text()
    assert "| half" not in table and "half, seed 0: status running, 1 of 2 tasks" in table
    assert "matrix.csv is damaged" in table


def test_a_copy_of_a_run_is_no_further_seed(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(next(runs.glob("bad-*")), tmp_path / "copy" / "bad")
    report = write_report([runs, tmp_path / "copy"], tmp_path / "out")
    assert len(report.left_out) == 1 and "repeats" in report.left_out[0][1]


def test_no_run_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no runs under .*cl-bench run"):
        write_report([tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_same_runs_same_bytes_and_pictures_that_open(runs: Path, tmp_path: Path) -> None:
    first = write_report([runs], tmp_path / "1")
    second = write_report([runs], tmp_path / "2")
    assert len(first.files) == len(second.files) > 6 + 3 * 3
    for a, b in zip(first.files, second.files, strict=True):
        assert a.read_bytes() == b.read_bytes(), a.name
    for picture in (tmp_path / "1" / "plots").glob("*.png"):
        with Image.open(picture) as image:
            assert min(image.size) > 300
            assert len(np.unique(np.asarray(image.convert("L")))) > 20
    svg = next((tmp_path / "1" / "plots").glob("good*.svg"), None) or next(
        (tmp_path / "1" / "plots").glob("*.svg")
    )
    assert svg.read_text().startswith("<?xml")


def test_names_cannot_break_a_table() -> None:
    assert escape.spreadsheet("=1+1").startswith("'")
    assert "|" not in escape.markdown("a|b").replace("\\|", "")
    assert escape.latex("50%_a&b") == r"50\%\_a\&b"
    assert short_names(["mini-A", "mini-B"]) == ["A", "B"]
    assert short_names(["A", "mini-B"]) == ["A", "mini-B"]


def test_terminal_shows_matrix_figures_and_status(runs: Path) -> None:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(render(read_run(next(runs.glob("good-1*")))))
        shown = console.export_text()
    assert "toy: two tasks" in shown and "zero-shot" in shown
    assert "64.0" in shown and "Transfer 64.00" in shown and "finished" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_heat_map_of_an_unfinished_run_says_so(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path, "half", 0, [[99.0, 99.0]]))
    save_heat_map(run, tmp_path / "half.svg")
    assert (tmp_path / "half.svg").stat().st_size > 5000
    assert json.loads((run.path / "manifest.json").read_text())["status"] == "running"


def test_presets_are_never_ranked_together(tmp_path: Path) -> None:
    ensemble = Protocol(prompts="ensemble", augment="random_resized_crop")
    make_run(tmp_path / "runs", "a", 0, rows(90, 60, 80))
    make_run(tmp_path / "runs", "a", 1, rows(90, 60, 80), preset="paper", protocol=ensemble)
    make_run(tmp_path / "runs", "b", 0, rows(80, 60, 80), preset="paper")
    make_run(tmp_path / "runs", "b", 1, rows(80, 60, 80), preset="custom", protocol=ensemble)
    longer = Budget(batch_size=4, steps=dict.fromkeys(TASKS, 2))
    make_run(tmp_path / "runs", "b", 2, rows(80, 60, 80), budget=longer)
    groups = group([read_run(p) for p in sorted((tmp_path / "runs").iterdir())])
    members = sorted(sorted(row.label for row in g.rows) for g in groups)
    assert members == [["a"], ["a", "b"], ["b"], ["b"]]
    paper = next(g for g in groups if g.config.preset == "paper")
    assert "own published budget" in paper.details


def test_bounds_stand_last_and_win_nothing(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "good", 0, rows(90, 60, 80))
    make_run(tmp_path / "runs", "bad", 0, rows(85, 55, 70))
    joint = {"bound": True, "extra_data": {"all tasks": "from the start"}, "caveats": ("beware",)}
    make_run(tmp_path / "runs", "joint", 0, rows(99, 99, 99), **joint)
    (section,) = group([read_run(p) for p in sorted((tmp_path / "runs").iterdir())])
    assert [row.label for row in section.rows] == ["good", "bad", "joint"]
    assert section.places["good", "last"] == 1 and ("joint", "last") not in section.places
    write_report([tmp_path / "runs"], tmp_path / "out")
    table = (tmp_path / "out" / "table.md").read_text()
    line = next(line for line in table.splitlines() if line.startswith("| joint"))
    assert line.split(" | ")[:5] == ["| joint (bound)", "1", "-", "-", "99.0"]
    text = (tmp_path / "out" / "per_task.md").read_text()
    of_joint = [line for line in text.splitlines() if line.startswith("| joint")]
    assert ["99.0" in line for line in of_joint] == [False, False, True, False, False, False]
    assert "- beware" in table and "joint uses all tasks: from the start" in table
    assert "beware." in (tmp_path / "out" / "table.tex").read_text()
