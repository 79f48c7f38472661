"""A log that is whole, but not in its form, is named with line and field; nothing is guessed.

The wrong results that this keeps away: a number read from the wrong event, a task counted twice, a
missing number taken for 0, a newer record read by halves.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest
from changed_records import FINISHED, KILLED, Lines, copied, lines_of, with_log
from command_line import cl_bench

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.records.damage import damage
from cl_bench.benchmark.records.events import LOG_VERSION, event_of
from cl_bench.benchmark.records.run_log import line_of
from cl_bench.reports.runs.find import read_runs
from cl_bench.reports.sinks.follow import _tail
from cl_bench.reports.sinks.sink import replay

# The log: 0 started, 1 evaluated, 2 and 3 step, 4 learned, 5 saved, 6 evaluated, 7 resumed, ...
ODD: dict[str, tuple[int, dict[str, object], str]] = {
    "a loss that is no number": (2, {"loss": math.nan}, r"line 3 of .*'step': loss: .*finite"),
    "a loss in words": (2, {"loss": "low"}, r"line 3 of .*'step': loss: .*valid number"),
    "a count with a fraction": (4, {"steps": 11.5}, r"line 5 of .*'learned': steps"),
    "no count": (4, {"trainable_parameters": None}, r"line 5 of .*: trainable_parameters"),
    "fewer than none": (4, {"images_drawn": -1}, r"line 5 of .*'learned': images_drawn"),
    "seconds of no phase": (4, {"seconds": {"rest": 1.0}}, r"line 5 of .*'learned': seconds"),
    "seconds without end": (6, {"seconds": math.inf}, r"line 7 of .*'evaluated': seconds"),
    "an accuracy above 100": (
        6, {"accuracies": {"mini-StanfordCars": 101.0, "mini-Food": 1.0}}, r"line 7 of .*accuracies"
    ),
    "another field": (5, {"shoes": 2}, r"line 6 of .*'saved': shoes: Extra inputs"),
    "another event": (5, {"event": "stored"}, r"line 6 of .*event 'stored' is not known"),
    "a newer log": (
        0, {"schema_version": LOG_VERSION + 1, "shoes": 2}, rf"the log is of version {LOG_VERSION + 1}, and this cl-bench"
    ),
}  # fmt: skip
MISSING = {2: "task", 4: "peak_memory", 5: "bytes", 6: "accuracies", 0: "digest", 3: "time"}


def odd_lines(run: Path, name: str) -> Lines:
    lines = lines_of(run)
    place, change, _ = ODD[name]
    lines[place] |= change
    return lines


@pytest.mark.parametrize("run", [FINISHED, KILLED], ids=["finished", "killed"])
@pytest.mark.parametrize("name", ODD)
def test_an_event_that_is_not_in_its_form_is_named(name: str, run: Path, tmp_path: Path) -> None:
    path = with_log(copied(run, tmp_path), odd_lines(run, name))
    with pytest.raises(UserError, match=ODD[name][2]) as said:
        read_run(path)
    assert "\n" not in str(said.value) and "events.jsonl" in str(said.value)
    assert any(re.search(ODD[name][2], words) for words in check_run(path))


@pytest.mark.parametrize("place", MISSING)
def test_a_missing_field_is_named(place: int, tmp_path: Path) -> None:
    lines = lines_of(FINISHED)
    del lines[place][MISSING[place]]
    path = with_log(copied(FINISHED, tmp_path), lines)
    with pytest.raises(UserError, match=rf"line {place + 1} of .*: {MISSING[place]}: Field req"):
        read_run(path)


def test_a_log_of_this_version_holds_what_older_ones_lack(tmp_path: Path) -> None:
    lines = lines_of(FINISHED)
    lines[0]["schema_version"] = LOG_VERSION
    for line in lines:
        if line["event"] == "saved":
            line |= {"kept_images": 0, "kept_bytes": 0}
    path = with_log(copied(FINISHED, tmp_path), lines)
    assert read_run(path).events[0].event == "started"
    del lines[5]["sha256"]
    with pytest.raises(UserError, match=r"line 6 of .*'saved': sha256: Field required"):
        read_run(with_log(path, lines))


def test_events_are_written_as_they_were() -> None:
    """Byte by byte, but for what is new: the log's version, and what a method keeps of earlier tasks."""
    for run in (FINISHED, KILLED):
        for number, line in enumerate((run / "events.jsonl").read_bytes().splitlines()):
            fields = json.loads(line)
            del fields["crc32"]
            again = event_of(fields).model_dump(exclude_none=True)
            assert again.pop("schema_version", None) == (None if number else 1)
            kept = {again.pop(name, None) for name in ("kept_images", "kept_bytes")}
            assert kept == ({0} if fields["event"] == "saved" else {None})
            assert line_of(again) == line + b"\n"


def test_commands_end_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a loss in words"
    path = with_log(copied(KILLED, tmp_path / "runs"), odd_lines(KILLED, name))
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    assert len(before) == 9
    for command in ("show", "resume"):
        assert cl_bench(monkeypatch, command, str(path)) == 2
        error = " ".join(capsys.readouterr().err.split())
        assert re.search(ODD[name][2], error) and "Traceback" not in error
    assert all(file.read_bytes() == content for file, content in before.items())
    copied(FINISHED, tmp_path / "runs")
    good, left_out = read_runs([tmp_path / "runs"])
    assert [run.path.name for run in good] == [FINISHED.name]
    ((_, reason),) = left_out
    assert re.search(ODD[name][2], reason)


OUT_OF_ORDER: dict[str, tuple[Callable[[Lines], Lines], int]] = {
    "a task that is learned twice": (lambda e: [*e[:7], *e[2:]], 8),
    "a step of another task": (lambda e: [*e[:3], e[8], *e[3:]], 4),
    "a step twice": (lambda e: [*e[:3], *e[2:]], 4),
    "steps that go back": (lambda e: [*e[:2], e[3], e[2], *e[4:]], 4),
    "a checkpoint twice": (lambda e: [*e[:6], *e[5:]], 7),
    "no checkpoint": (lambda e: [*e[:5], *e[6:]], 6),
    "tasks that changed places": (lambda e: [*e[:2], *e[8:13], *e[2:8], *e[13:]], 3),
    "a row twice": (lambda e: [*e[:2], *e[1:]], 3),
    "no zero-shot row": (lambda e: [e[0], *e[2:]], 2),
    "two beginnings": (lambda e: [e[0], *e], 2),
    "no beginning": (lambda e: e[1:], 1),
    "something behind the end": (lambda e: [*e, e[-1]], 15),
    "resumed after more tasks": (lambda e: [*e[:7], e[7] | {"learned": 2}, *e[8:]], 8),
    "a row of other tasks": (
        lambda e: [e[0], e[1] | {"accuracies": {"mini-Food": 83.5}}, *e[2:]], 2
    ),
    "a row whose tasks changed places": (
        lambda e: [e[0], e[1] | {"accuracies": {"mini-Food": 83.5, "mini-StanfordCars": 66.5}}, *e[2:]], 2
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OUT_OF_ORDER)
def test_an_event_at_a_place_where_no_run_writes_it_is_named(name: str, tmp_path: Path) -> None:
    change, number = OUT_OF_ORDER[name]
    lines = lines_of(FINISHED)
    assert len(lines) == 14 and lines[7]["event"] == "resumed"
    path = with_log(copied(FINISHED, tmp_path), change(lines))
    with pytest.raises(UserError, match=rf"line {number} of .*events\.jsonl is damaged"):
        read_run(path)
    assert check_run(path)


def test_an_unfinished_run_out_of_order_is_damaged(tmp_path: Path) -> None:
    lines = lines_of(KILLED)
    path = with_log(copied(KILLED, tmp_path), [*lines[:3], *lines[2:]])
    (words,) = damage(path, checkpoints=True)
    assert words.startswith("line 4 of ") and "events.jsonl is damaged: 'step' of task" in words


class Counting:
    """A sink that counts the points it is sent."""

    def __init__(self) -> None:
        self.written = 0

    def begin(self, path: Path) -> None:
        """Open nothing."""

    def write(self, number: int, point: object) -> None:
        """Count it."""
        self.written += 1

    def end(self, result: RunResult | None) -> None:
        """Close nothing."""


def test_nothing_of_a_damaged_log_is_sent(tmp_path: Path) -> None:
    path = with_log(copied(FINISHED, tmp_path), odd_lines(FINISHED, "seconds without end"))
    sink = Counting()
    with pytest.raises(UserError, match="line 7 of"):
        replay(path, sink)
    assert sink.written == 0
    replay(FINISHED, sink)
    assert sink.written == 11


def test_a_log_that_is_followed_stops_at_its_first_damaged_line(tmp_path: Path) -> None:
    path = with_log(copied(KILLED, tmp_path), odd_lines(KILLED, "no count"))
    followed = _tail(path / "events.jsonl", get_context("spawn").Event(), 0.0)
    assert [next(followed).event for _ in range(4)] == ["started", "evaluated", "step", "step"]
    with pytest.raises(UserError, match=r"line 5 of .*'learned': trainable_parameters"):
        next(followed)


def test_a_followed_line_is_checked_by_its_sum(tmp_path: Path) -> None:
    path = copied(KILLED, tmp_path)
    text = (path / "events.jsonl").read_text()
    (path / "events.jsonl").write_text(text.replace('"learned": 0, "acc', '"learned": 1, "acc'))
    followed = _tail(path / "events.jsonl", get_context("spawn").Event(), 0.0)
    assert next(followed).event == "started"
    with pytest.raises(UserError, match=r"line 2 of .*its check sum does not fit it"):
        next(followed)
