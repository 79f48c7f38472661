"""A folder of runs with one bad one: it is named or survived, and the rest of the report is made."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import cl_bench
from written_run import write_run

from cl_bench.benchmark.config import SuiteId
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import read_run
from cl_bench.reports.report import write_report
from cl_bench.reports.sinks.points import points

EVIL = (
    "<script>alert(1)</script>", "=1+1", "@SUM(A1)", "a|b*c_d`e`", r"50% & $x$ \input{/etc/passwd} {#}~^",
    "two\nlines", "naïve – 模型", '"><img src=x onerror=alert(1)>',
)  # fmt: skip


def cut(file: str, share: float = 0.5) -> Callable[[Path], None]:
    """Keep the first half of a file."""

    def damage(run: Path) -> None:
        content = (run / file).read_bytes()
        (run / file).write_bytes(content[: int(len(content) * share)])

    return damage


def put(file: str, content: str | bytes) -> Callable[[Path], None]:
    """Replace a file's content."""

    def damage(run: Path) -> None:
        (run / file).write_bytes(content.encode() if isinstance(content, str) else content)

    return damage


def hole(run: Path) -> None:
    """Empty one entry of the matrix."""
    lines = (run / "matrix.csv").read_text().splitlines()
    cells = lines[2].split(",")
    cells[2] = ""
    lines[2] = ",".join(cells)
    (run / "matrix.csv").write_text("\n".join(lines) + "\n")


def without_a_row(run: Path) -> None:
    """Leave out the row after the first task."""
    lines = (run / "matrix.csv").read_text().splitlines(keepends=True)
    (run / "matrix.csv").write_text("".join(lines[:2] + lines[3:]))


LEFT_OUT = {
    "config cut off": (cut("config.json"), "config.json"),
    "config foreign": (put("config.json", '{"model": "bert", "lr": 1e-3}'), "config.json"),
    "config a list": (put("config.json", "[1, 2, 3]"), "config.json"),
    "config binary": (put("config.json", b"\xff\xfe\x00\x01"), "config.json"),
    "config empty": (put("config.json", ""), "config.json"),
    "manifest cut off": (cut("manifest.json"), "manifest.json"),
    "manifest a list": (put("manifest.json", "[]"), "manifest.json"),
    "manifest gone": (lambda run: (run / "manifest.json").unlink(), "manifest.json"),
    "matrix cut off": (cut("matrix.csv", 0.7), "matrix.csv"),
    "matrix with a hole": (hole, "matrix.csv"),
    "matrix without a row": (without_a_row, "matrix.csv"),
    "matrix not a number": (put("matrix.csv", "learned,toy-a\nzero-shot,NaN\n"), "matrix.csv"),
    "matrix foreign": (put("matrix.csv", "epoch;loss\n1;0.5\n"), "matrix.csv"),
    "matrix gone": (lambda run: (run / "matrix.csv").unlink(), "matrix.csv"),
    "log foreign": (put("events.jsonl", '{"epoch": 1}\n[1]\n"x"\n'), "events.jsonl"),
    "log binary": (put("events.jsonl", b"\x00\xff\n"), "events.jsonl"),
}
SURVIVED: dict[str, Callable[[Path], None]] = {
    "log cut off": cut("events.jsonl"),
    "log foreign": put("events.jsonl", '{"epoch": 1}\n{}\n'),
    "log gone": lambda run: (run / "events.jsonl").unlink(),
    "predictions damaged": put("predictions/after-03.npz", b"PK\x03\x04nonsense"),
    "predictions gone": lambda run: (run / "predictions" / "after-03.npz").unlink(),
    "targets of other images": lambda run: np.savez(
        run / "predictions" / "targets.npz", **{"toy-a": np.zeros(3, np.uint16)}
    ),
    "manifest foreign": put("manifest.json", '{"status": "finished", "sessions": "none"}'),
    "a status of its own": put("manifest.json", '{"status": ["?"], "sessions": []}'),
}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs of two methods; the last one is about to be damaged."""
    for method, seed in (("good", 0), ("other", 0)):
        write_run(tmp_path / "runs", method, seed)
    return tmp_path / "runs"


def made(runs: Path, out: Path) -> tuple[str, list[tuple[Path, str]]]:
    """The table of the report, and what was left out; every file is there and holds something."""
    report = write_report([runs], out)
    assert all(file.stat().st_size > 0 for file in report.files)
    assert (out / "report.html").read_text().rstrip().endswith("</html>")
    table = (out / "table.md").read_text()
    assert "\n| good |" in table and "\n| other |" in table
    return table, list(report.left_out)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_run_that_cannot_be_read_is_named_with_its_file(
    name: str, runs: Path, tmp_path: Path
) -> None:
    damage, file = LEFT_OUT[name]
    bad = write_run(runs, "bad", sealed=False)
    damage(bad)
    table, left_out = made(runs, tmp_path / "out")
    assert [path for path, _ in left_out] == [bad]
    assert file in left_out[0][1] and "\n" not in left_out[0][1]
    assert "| bad" not in table and "## Left out" in table


@pytest.mark.parametrize("name", [*LEFT_OUT, *SURVIVED])
def test_with_a_ledger_every_damage_is_named(name: str, tmp_path: Path) -> None:
    damage = SURVIVED[name] if name in SURVIVED else LEFT_OUT[name][0]
    bad = write_run(tmp_path, "bad")
    damage(bad)
    with pytest.raises(UserError, match=r"ledger\.json"):
        read_run(bad)


def test_a_run_without_its_configuration_is_left_out_by_name(runs: Path, tmp_path: Path) -> None:
    bad = write_run(runs, "bad")
    (bad / "config.json").unlink()
    _, left_out = made(runs, tmp_path / "out")
    assert [path for path, _ in left_out] == [bad] and "config.json is missing" in left_out[0][1]


@pytest.mark.parametrize("name", SURVIVED)
def test_a_run_from_before_ledgers_with_a_bad_side_file_stays(
    name: str, runs: Path, tmp_path: Path
) -> None:
    bad = write_run(runs, "bad", sealed=False)
    SURVIVED[name](bad)
    table, left_out = made(runs, tmp_path / "out")
    assert not left_out
    assert "| bad |" in table or "bad, seed 0: status" in table


def test_names_that_are_markup_are_only_names(tmp_path: Path) -> None:
    for i, name in enumerate(EVIL):
        suite = SuiteId(name=name, about=f"{name} suite", digest=str(i) * 12)
        write_run(tmp_path / "runs", name, tasks=(f"{name} 1", f"{name} 2"), suite=suite)
    out = tmp_path / "out"
    report = write_report([tmp_path / "runs"], out)
    assert not report.left_out
    page = (out / "report.html").read_text()
    assert page.count("<script") == 1 and "<img src=x" not in page and "alert(1)&lt;" in page
    for file in out.glob("*.csv"):
        for line in csv.reader(io.StringIO(file.read_text())):
            assert not any(cell[:1] in tuple("=+@") for cell in line if not _number(cell)), line
    for file in out.glob("*.tex"):
        body = [x for x in file.read_text().splitlines() if not x.startswith("%")]
        assert not any(r"\input" in line or "50% " in line for line in body), file
    widths = {}
    for line in (out / "table.md").read_text().splitlines():
        if line.startswith("| "):
            widths[line.replace("\\|", "").count("|")] = line
    assert len(widths) == 1, widths


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_suites_and_copies_stand_apart(runs: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "elsewhere", "good", 0)
    write_run(runs, "good", 0, suite=SuiteId(name="two", about="another", digest="e" * 12))
    report = write_report([runs, tmp_path / "elsewhere"], tmp_path / "out")
    assert len(report.left_out) == 1 and "repeats" in report.left_out[0][1]
    table = (tmp_path / "out" / "table.md").read_text()
    assert table.count("\n## ") == 2 + 1, "two suites, and what was left out"


def test_commands_answer_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write_run(tmp_path / "runs", "bad")
    good = write_run(tmp_path / "runs", "good")
    (bad / "config.json").write_text("{")
    (tmp_path / "empty").mkdir()
    for command in (
        ["show", str(bad)], ["why", str(good), str(bad)], ["compare", str(good), str(bad)],
        ["report", str(bad)], ["report", str(tmp_path / "empty")], ["show", str(tmp_path / "none")],
        ["sync", str(bad)], ["resume", str(bad)],
    ):  # fmt: skip
        assert cl_bench(monkeypatch, *command) == 2, command
        error = capsys.readouterr().err.strip()
        assert error.startswith("error: ") and len(error.splitlines()) == 1, (command, error)


def test_a_foreign_log_says_nothing_on_a_dashboard(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, "good"))
    events = [json.loads(line) for line in ('{"epoch": 1}', '{"event": "of a later version"}')]
    assert list(points(run.config, events)) == []
