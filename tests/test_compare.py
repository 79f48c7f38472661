"""`compare` and `why`: two methods or two runs side by side, and what must not be set side by side."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import cl_bench
from rewritten_run import rewrite
from written_run import write_run

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.record import write_json
from cl_bench.benchmark.records.ledger import write_ledger


def test_the_three_questions_are_answered_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (0, 1, 2):
        rewrite(write_run(tmp_path / "a", "best", seed), 38)
        rewrite(write_run(tmp_path / "b", "worse", seed + 5), 20)
    assert cl_bench(monkeypatch, "compare", str(tmp_path / "a"), str(tmp_path / "b")) == 0
    shown = capsys.readouterr().out
    assert re.search(
        r"a +best, preset fair, seeds 0, 1, 2\nb +worse, preset fair, seeds 5, 6, 7", shown
    )
    last = shown[shown.index("Last  b - a") :]
    assert last.startswith("Last  b - a -45.0: a is higher\n"), shown
    assert "these images  p < 0.001" in last
    assert "other seeds   a 95.0, b 50.0\n" in last, "no seed changes the last row of either"
    low, high = (float(x) for x in re.findall(r"both +(\S+) to (\S+) \(95 %", last)[0])
    assert low < -45.0 < high < 0
    assert shown.count("-45*") == 3, "on every data set"
    one = next((tmp_path / "a").iterdir())
    assert cl_bench(monkeypatch, "compare", str(one), str(tmp_path / "b")) == 0
    last = capsys.readouterr().out.split("Last  b - a")[1]
    assert last.startswith(" -45.0: a is higher on these images, seeds unknown")
    assert "other seeds   a 95.0, b 50.0: unknown" in last and re.search(r"both +unknown\n", last)


def test_noise_is_called_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (0, 1, 2):
        rewrite(write_run(tmp_path / "a", "best", seed), 38)
        rewrite(write_run(tmp_path / "b", "near", seed), 37)
    assert cl_bench(monkeypatch, "compare", str(tmp_path / "a"), str(tmp_path / "b")) == 0
    last = capsys.readouterr().out.split("Last  b - a")[1]
    assert last.startswith(" -2.5: cannot be told apart\n")
    low, high = (float(x) for x in re.findall(r"both +(\S+) to (\S+) \(95 %", last)[0])
    assert low < 0 < high


def test_what_must_not_be_compared_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a = write_run(tmp_path / "a")
    for changes, words in (
        ({"order": "II"}, "their order differs"),
        ({"tasks": ("x", "y")}, "their tasks differs"),
        ({"protocol": Protocol(labels="all")}, "their label space differs"),
        ({"protocol": Protocol(precision="bf16")}, "their precision differs (fp32 and bf16)"),
        ({"protocol": Protocol(shots=5)}, "their images a class differs"),
        ({"images": 30}, "their test images differ"),
    ):
        b = write_run(tmp_path / f"b{words}", **changes)  # type: ignore[arg-type]
        assert cl_bench(monkeypatch, "compare", str(a), str(b)) == 2
        assert words in capsys.readouterr().err
    other = write_run(tmp_path / "rules", protocol=Protocol(prompts="ensemble"))
    assert cl_bench(monkeypatch, "compare", str(a), str(other)) == 0
    assert "under different rules" in capsys.readouterr().out
    assert cl_bench(monkeypatch, "compare", str(tmp_path / "rules"), str(tmp_path)) == 2
    assert "several methods or settings" in capsys.readouterr().err


def test_what_is_left_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (0, 1):
        write_run(tmp_path / "a", "best", seed)
        write_run(tmp_path / "b", "worse", seed)
    broken = next((tmp_path / "b").iterdir()) / "matrix.csv"
    broken.write_text("nothing")
    assert cl_bench(monkeypatch, "compare", str(tmp_path / "a"), str(tmp_path / "b")) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "left out" in shown and "matrix.csv" in shown.replace(" ", "")


def test_comparing_loads_no_plots(tmp_path: Path) -> None:
    code = (
        "import sys; from cl_bench.reports.terminal import compare; "
        "sys.exit('matplotlib' in sys.modules)"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(root / "src")})
    assert done.returncode == 0


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
