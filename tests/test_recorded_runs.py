"""Two runs made on 26 November 2026, before events and manifests had types: read as on that day.

``seed0`` was killed in its second task, resumed and finished; ``seed1`` was killed and left. What is
expected of them was written down by the code that made them.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from changed_records import FINISHED, KILLED, RECORDED
from command_line import cl_bench
from rich.console import Console

from cl_bench.benchmark.record import read_run
from cl_bench.cli.verify.claims import all_claims
from cl_bench.reports.runs.cost import Cost
from cl_bench.reports.sinks.points import points
from cl_bench.reports.terminal.show import render

BOTH = pytest.mark.parametrize("path", [FINISHED, KILLED], ids=["finished", "killed"])


def expected_of(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RECORDED / "expected.json").read_text())[path.name]
    return content


@BOTH
def test_the_terminal_shows_what_it_showed(path: Path) -> None:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(render(read_run(path)))
    lines = captured.get().splitlines()
    expected = expected_of(path)["shown"]
    assert len(expected) == (8 if path is FINISHED else 7)
    assert [line for line in lines if line in expected] == expected


@BOTH
def test_cost_and_points_are_the_numbers_of_that_day(path: Path) -> None:
    run, expected = read_run(path), expected_of(path)
    cost = {
        name: value
        for name, value in asdict(Cost.of(run.known_events)).items()
        if value is not None
    }
    later = {
        "trainable_least",
        "trainable_most",
        "first_bytes",
        "last_bytes",  # these four ``show`` showed
        "kept_images",
        "kept_bytes",
    }
    assert {name: cost[name] for name in cost.keys() - later} == expected["cost"]
    derived = ("metrics/", "train/task")  # from what is compared: the accuracies, the axis
    found = [
        [p.axis, p.at, {k: v for k, v in p.values.items() if not k.startswith(derived)}]
        for p in points(run.config, run.events)
    ]
    assert found == expected["points"] and len(found) == (11 if path is FINISHED else 7)


def test_no_claim_of_the_finished_run_is_false_and_none_is_less_proven() -> None:
    verdicts = Counter(claim.verdict for claim in all_claims(FINISHED))
    # the code, and for other code than that of the day what was typed need not lead to the same run
    assert verdicts["false"] == 0 and verdicts["proven"] >= 16 and verdicts.total() == 18


def test_the_killed_run_claims_nothing_false_but_to_have_ended() -> None:
    false = [claim.name for claim in all_claims(KILLED) if claim.verdict == "false"]
    assert false == ["log: end"]


def test_a_report_ranks_the_finished_run_and_names_the_killed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cl_bench(monkeypatch, "report", str(RECORDED), "--out", str(tmp_path / "report")) == 0
    text = (tmp_path / "report" / "table.md").read_text()
    assert (
        "| sd-lora | 1 | 83.5 | 71.2 | 67.8 | - | 9,218 | 0.11 | 1 | 74.8 | 14.0 | -14.0 |" in text
    )
    assert "| zero-shot |  | 83.5 | 75.0 | 75.0 |" in text
    cost = (tmp_path / "report" / "cost.md").read_text()
    assert "| sd-lora | 1 | 9,218 | 27,650 | 0.05 | 0 | 1 | 0 | 1 | 768 | 4.16 | 1.09 | - |" in cost
    assert "Left out" not in text
    assert "sd-lora, seed 1: status running, 1 of 2 tasks learned" in text


def test_the_killed_run_is_resumed_and_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / KILLED.name
    shutil.copytree(KILLED, run)
    before = read_run(run).matrix
    assert cl_bench(monkeypatch, "resume", str(run)) == 0
    after = read_run(run)
    assert after.finished and after.matrix.rows[:1] == before.rows
    assert after.matrix.zero_shot == before.zero_shot
    assert not [claim for claim in all_claims(run) if claim.verdict == "false"]


def test_the_record_says_nothing_of_the_machine_but_its_processor() -> None:
    for path in (FINISHED, KILLED):
        words = "".join((path / n).read_text() for n in ("config.json", "manifest.json"))
        assert "/root" not in words and "/home" not in words and "/tmp" not in words
