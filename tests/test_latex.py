"""LaTeX and CSV of a report: read back by readers of their own."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import latex_reader
import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_run import write_run

from cl_bench.benchmark.record import read_run
from cl_bench.reports.report import write_report
from cl_bench.reports.runs.metrics import METRICS
from cl_bench.reports.runs.numbers import carried
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.tables import escape
from cl_bench.reports.tables.csv_file import to_csv
from cl_bench.reports.tables.table import Cell, Table, latex

NASTY = "a_b & 50% {of} $x$ \\ #1 ~ ^ <i> -3"
TASKS = ("toy-a", "toy-b", "toy-c")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three methods of three seeds, one with a bad name, in two orders."""
    root = tmp_path_factory.mktemp("latex")
    for method in ("lora", "zscl", NASTY):
        for seed in (0, 1, 2):
            write_run(root / "runs", method, seed, TASKS, caveats=(f"beware of {NASTY}",))
    write_run(root / "runs", "lora", 0, TASKS[::-1], order="II")
    monkey = pytest.MonkeyPatch()
    monkey.setattr("cl_bench.reports.report._write_pictures_and_page", lambda *_: [])
    write_report([root / "runs"], root / "out")
    monkey.undo()
    return root / "out"


@pytest.mark.parametrize("name", ["table", "per_task", "differences", "cost", "literature"])
def test_latex_can_be_read(name: str, out: Path) -> None:
    found = latex_reader.read((out / f"{name}.tex").read_text())
    assert len(found.labels) == len(set(found.labels)) == len(found.tables)
    assert len(found.tables) >= (0 if name == "literature" else 1)
    assert all(re.fullmatch(r"tab:[\w+:-]+", label) for label in found.labels)
    if name == "table":
        assert found.labels == ["tab:main:toy-I-fair", "tab:main:toy-II-fair"]
        assert found.notes > 2


def test_labels_of_two_groups_with_one_name_differ(tmp_path: Path) -> None:
    for images in (20, 30):
        steps = {"batch_size": 4, "steps": dict.fromkeys(TASKS, images)}
        write_run(tmp_path / "runs", "lora", 0, TASKS, images=images, budget=steps)
    write_report([tmp_path / "runs"], tmp_path / "out")
    labels = latex_reader.read((tmp_path / "out" / "per_task.tex").read_text()).labels
    assert len(labels) == len(set(labels)) == 12


def test_minus_signs_stand_in_math_mode_and_hyphens_do_not(out: Path) -> None:
    for file in out.glob("*.tex"):
        for table in latex_reader.read(file.read_text()).tables:
            for row in table:
                for cell in row[1:]:
                    assert not re.search(r"(?<![\w$-])-\d", cell), cell
    assert escape.latex("moe-adapters, 95-115 steps, 1e-3") == "moe-adapters, 95-115 steps, 1e-3"
    assert escape.latex("-0.6 ± 0.5 (-1.2 to +0.4)") == r"$-$0.6 $\pm$ 0.5 ($-$1.2 to +0.4)"
    assert r"\textbf{$-$0.6}" in "".join(
        latex(Table(("a", "b"), ((Cell("x"), Cell("-0.6", 1)),)), "c", "tab:x")
    )


@pytest.mark.parametrize(
    "broken",
    [r"\begin{table}", r"\textbf{a", "$1", "a_b", r"\foo{}", r"\pm",
     "\\begin{table}\n\\begin{threeparttable}\n\\begin{tabular}{lr}\n1 \\\\\n\\end{tabular}\n"
     "\\end{threeparttable}\n\\end{table}"],
)  # fmt: skip
def test_the_reader_refuses_what_latex_would(broken: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        latex_reader.read(broken)


@given(st.text(max_size=30))
def test_any_name_can_be_read(name: str) -> None:
    lines = latex(Table(("a", "b"), ((Cell(name), Cell("-1.0")),)), name, "tab:x", (name,))
    assert len(latex_reader.read("\n".join(lines)).tables) == 1


def test_sheets_hold_what_numbers_carry_and_no_more(out: Path) -> None:
    for file in out.glob("*.csv"):
        with file.open() as lines:
            cells = [cell for line in csv.reader(lines) for cell in line]
        for cell in cells:
            assert cell != "-0.0"
            if re.fullmatch(r"-?\d+\.\d+", cell):
                value = float(cell)
                digits = cell.split(".")[1]
                few = len(digits) <= 4 if abs(value) >= 1 else len(digits.lstrip("0")) <= 4
                assert few, f"{file.name}: {cell}"


def test_a_sheets_means_are_those_of_its_runs(out: Path) -> None:
    with (out / "runs.csv").open() as lines:
        runs = [x for x in csv.DictReader(lines) if x["method"] == "lora" and x["order"] == "I"]
    with (out / "table.csv").open() as lines:
        (row,) = [x for x in csv.DictReader(lines) if x["method"] == "lora" and x["order"] == "I"]
    for metric in METRICS:
        values = tuple(float(x[metric]) for x in runs)
        spread = Spread(values)
        assert float(row[metric]) == pytest.approx(spread.mean, abs=2e-4)
    for x in runs:
        exact = read_run(Path(x["run"])).matrix.metrics()
        assert all(float(x[m]) == pytest.approx(exact[m], abs=5e-5) for m in METRICS)


@given(st.floats(-1e4, 1e4))
def test_rounding_keeps_the_sign_and_what_leaves_out_zero(value: float) -> None:
    found = carried(value)
    assert (found > 0, found < 0) == (value > 0, value < 0)
    assert found == pytest.approx(value, rel=1e-3)
    assert "-0.0\n" not in to_csv(("a",), [(value * 0.0,)])
