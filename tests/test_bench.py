"""The bench: its figures, and that a script that dies is not overlooked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from bench import all as whole
from bench.figures import Figure
from bench.kept import Bench, Part, table

HERE = Path(whole.__file__).parent


@pytest.mark.parametrize(
    ("wanted", "met", "missed"),
    [
        ("<= 3", 3.0, 3.01),
        (">= 3", 3.0, 2.99),
        ("< 3", 2.99, 3.0),
        ("> 3", 3.01, 3.0),
        ("= 3", 3.0, 3.01),
    ],
)
def test_whether_a_figure_is_as_wanted(wanted: str, met: float, missed: float) -> None:
    assert Figure("a", met, "x", wanted=wanted).met is True
    assert Figure("a", missed, "x", wanted=wanted).met is False
    assert "met" in str(Figure("a", met, "x", wanted=wanted))
    assert "missed" in str(Figure("a", missed, "x", wanted=wanted))


def test_nothing_wanted_is_neither_met_nor_missed() -> None:
    assert Figure("a", 3, "s").met is None
    assert str(Figure("a", 3, "s")) == "a: 3 s"


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": float("nan")},
        {"value": float("inf")},
        {"value": -1.0},
        {"low": 2.0, "high": 3.0},
        {"low": float("nan"), "high": 3.0},
        {"low": 0.5},
        {"high": 2.0},
        {"wanted": "3"},
        {"wanted": "=> 3"},
        {"wanted": "<= three"},
        {"unit": "%"},
    ],
)
def test_what_is_no_figure_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Figure(**{"name": "a", "value": 1.0, "unit": "s", **wrong})


def test_repeats_give_median_and_quartiles_and_ratios_are_taken_pair_by_pair() -> None:
    assert Figure.of("a", [1, 2, 3, 4, 100], "s") == Figure("a", 3, "s", 1.5, 52)
    assert Figure.of("a", [3, 1, 2], "s") == Figure("a", 2, "s", 1, 3)
    assert Figure.ratio("a", [2, 8], [1, 2], "x") == Figure("a", 3, "x", 2, 4)
    assert Figure.ratio("a", [1], [2], "%", ">= 1") == Figure("a", 50, "%", wanted=">= 1")
    assert Figure.of("a", [7], "s") == Figure("a", 7, "s"), "once is no spread"
    with pytest.raises(ValueError, match="zip"):
        Figure.ratio("a", [1, 2], [1], "x")


def test_every_script_is_run() -> None:
    commands = {f.stem for f in HERE.glob("*.py") if "__main__" in f.read_text()}
    started_by_another = {"shared_steps"}
    assert commands - {"all", "gpu"} - started_by_another == set(whole.SCRIPTS)
    assert len(whole.SCRIPTS) == len(set(whole.SCRIPTS)) >= 15


FINE = 'yield Figure("fine", float(Path(__file__).with_name("value").read_text()), "s")'
ENDS = {
    "fine": FINE,
    "dies": 'yield Figure("before it died", 1, "s")\n    raise RuntimeError("broken")',
    "hangs": "import time\n    time.sleep(99)\n    yield",
    "empty": "yield from ()",
    "twice": 'yield Figure("one", 1, "s")\n    yield Figure("one", 2, "s")',
    "nothing": 'yield Figure("nan", float("nan"), "s")',
}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs all.py on small scripts."""
    for name, body in ENDS.items():
        (tmp_path / f"{name}.py").write_text(
            f"import sys\nfrom pathlib import Path\nsys.path.insert(0, {str(HERE.parent)!r})\n"
            "from bench.figures import Figure, run_alone\n"
            f"def measure(tiny: bool = False):\n    {body}\nrun_alone(measure, '')\n"
        )
    (tmp_path / "value").write_text("1")
    monkeypatch.setattr(whole, "HERE", tmp_path)
    monkeypatch.setattr(whole, "LIMIT", 20)

    def run(scripts: tuple[str, ...], *options: str) -> int:
        monkeypatch.setattr(whole, "SCRIPTS", scripts)
        file = str(tmp_path / "bench.json")
        monkeypatch.setattr("sys.argv", ["all.py", "--json", file, *options])
        return whole.main()

    return run


def test_a_script_that_dies_is_named_and_the_others_go_on(
    bench: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert bench(("dies", "empty", "twice", "nothing", "fine")) == 1
    seen = capfd.readouterr()
    for name in ("dies", "twice", "nothing"):
        assert f"failed: {name}: it ended with code 1" in seen.err
        assert f"Failed: {name}: it ended with code 1" in seen.out
    assert "failed: empty: it measured nothing" in seen.err
    assert "failed: fine" not in seen.err
    kept = json.loads((tmp_path / "bench.json").read_text())
    assert {f["name"] for f in kept["figures"]} == {"before it died", "one", "fine"}
    assert [s["name"] for s in kept["scripts"] if not s["problem"]] == ["fine"]
    assert {"cpu", "cores", "memory_gib", "gpu"} < kept["machine"].keys() and kept["when"]
    assert {"python", "torch", "open_clip_torch", "cl_bench", "commit"} < kept["versions"].keys()


def test_a_script_that_hangs_is_ended_and_named(
    bench: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(whole, "LIMIT", 0.5)
    assert bench(("hangs",)) == 1
    assert "failed: hangs: it took more than 0.5 s and was ended" in capfd.readouterr().err


def test_what_got_slower_is_said_and_the_exit_code_is_1(
    bench: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = tmp_path / "before.json"
    assert bench(("fine",), "--json", str(before)) == 0
    (tmp_path / "value").write_text("1.05")
    assert bench(("fine",), "--against", str(before)) == 0
    (tmp_path / "value").write_text("2")
    capfd.readouterr()
    assert bench(("fine",), "--against", str(before)) == 1
    assert "worse: fine: 1 s -> 2 s" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is no bench's file"),
        ("not JSON", "is no bench's file"),
        ("[]", "is no bench's file"),
        ('{"size": "full"}', "is no bench's file"),
        ('{"size": "tiny", "figures": []}', "its sizes are tiny, asked for now are full ones"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_measured(
    bench: Callable[..., int],
    tmp_path: Path,
    text: str | None,
    words: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "before.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SystemExit, match=words) as refused:
        bench(("fine",), "--against", str(file))
    assert refused.value.code != 0 and not capfd.readouterr().out


def test_a_table_shows_what_was_missed_failed_and_left_out() -> None:
    parts = [
        Part("one", [Figure("a", 2, "x", 1, 3, ">= 3"), Figure("b", 5, "s")], 7.0),
        Part("two", [], 8.0, problem="broken"),
        Part("three", [], 9.0, left_out="all of it"),
    ]
    shown = table(Bench("tiny", parts, notes=["1 + 1 = 2"]).content())
    for words in (
        "| a | 2 x (1 to 3) | >= 3 | **missed** |",
        "| b | 5 s | reported |  |",
        "Missed: 1 of 1.",
        "Took: one 7 s; two 8 s; three 9 s.",
        "Failed: two: broken",
        "Left out by the limit of time: three: all of it.",
        "1 + 1 = 2",
        "Tiny sizes",
    ):
        assert words in shown, shown


def test_figures_come_back_from_json_as_they_were() -> None:
    figure = Figure("a", 2, "x", 1, 3, ">= 3")
    assert Figure(**json.loads(json.dumps(asdict(figure)))) == figure
