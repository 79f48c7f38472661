"""Events have types: what is not in its form is named by its field, and never read as something else."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from cl_bench.benchmark.records.events import (
    LOG_VERSION,
    Collapsed,
    Evaluated,
    Event,
    Finished,
    Learned,
    Resumed,
    Saved,
    Started,
    Step,
    event_of,
    those,
)

SHA256 = "0" * 64
LEARNED = Learned(
    time=2.0, task="a", learned=1, steps=10, step_flops=1000, seconds={"train": 1.5},
    images_drawn=320, trainable_parameters=64, peak_memory={"process": 2**30}, diagnostics={},
)  # fmt: skip
EVENTS: list[Event] = [
    Started(time=1.0, digest="0123456789ab", sha256={"config.json": SHA256}),
    Resumed(time=1.0, learned=0),
    Step(time=1.0, task="a", step=10, steps=10, loss=-0.5, lr=0.0),
    LEARNED,
    Saved(time=1.0, learned=1, stored_parameters=64, bytes=256, bytes_added=-10),
    Collapsed(time=1.0, learned=1, task="a", kind="learned", accuracy=10.0, chance=12.5, images=80),
    Evaluated(time=1.0, learned=0, accuracies={"a": 50.0, "b": 100.0}, seconds=0.5),
    Finished(time=1.0, metrics={"last": 50.0, "backward_transfer": -1.0}),
]


def line_of(event: Event) -> dict[str, Any]:
    return event.model_dump(mode="json")


def without(event: Event, *fields: str) -> dict[str, Any]:
    return {k: v for k, v in line_of(event).items() if k not in fields}


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.event)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    assert event_of(line_of(event)) == event
    assert list(line_of(event))[:2] == ["event", "time"]
    with pytest.raises(ValidationError, match="frozen"):
        setattr(event, "time", 2.0)  # noqa: B010 (a plain assignment is refused before it runs)


def test_every_kind_is_tried_and_every_field_says_what_it_is() -> None:
    assert {type(e) for e in EVENTS} == {
        Started, Resumed, Step, Learned, Saved, Collapsed, Evaluated, Finished
    }  # fmt: skip
    for event in EVENTS:
        for name, field in type(event).model_fields.items():
            assert name == "event" or field.description, f"{event.event}.{name}"


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.event)
def test_a_missing_or_unknown_field_is_named(event: Event) -> None:
    optional = {"schema_version", "sha256", "step_flops", "skipped_steps", "event"}
    optional |= {
        "kept_images",
        "kept_bytes",
        "steps_done",
        "set_aside",
        "matrix_gflops",
        "held_out",
        "retrieval",
    }
    for name in line_of(event).keys() - optional:
        with pytest.raises(ValueError, match=f"^event '{event.event}': {name}: Field required$"):
            event_of(without(event, name))
    with pytest.raises(ValueError, match=f"^event '{event.event}': shoes: Extra inputs are not"):
        event_of(line_of(event) | {"shoes": 1})


@pytest.mark.parametrize(
    ("place", "field", "value"),
    [
        (2, "loss", math.nan),
        (2, "loss", math.inf),
        (2, "loss", "0.5"),
        (2, "lr", True),
        (2, "step", 1.5),
        (2, "step", 0),
        (3, "learned", "1"),
        (3, "learned", 0),
        (3, "trainable_parameters", None),
        (3, "trainable_parameters", -1),
        (3, "step_flops", math.nan),
        (3, "seconds", 1.5),
        (3, "seconds", {"train": math.nan}),
        (3, "seconds", {"sleep": 1.0}),
        (3, "peak_memory", {"process": "much"}),
        (3, "diagnostics", {"rank": None}),
        (4, "bytes_added", math.inf),
        (4, "sha256", {"checkpoints/after-01.safetensors": "short"}),
        (4, "sha256", None),
        (5, "accuracies", {"a": 100.5}),
        (5, "accuracies", {"a": math.nan}),
        (5, "accuracies", [50.0]),
        (6, "metrics", {"last": math.nan}),
        (0, "schema_version", "2"),
        (0, "digest", 7),
        (1, "time", math.nan),
    ],
)
def test_a_value_that_is_no_such_thing_is_named(place: int, field: str, value: object) -> None:
    event = EVENTS[place]
    with pytest.raises(ValueError, match=f"^event '{event.event}': {field}"):
        event_of(line_of(event) | {field: value})


@pytest.mark.parametrize("kind", ["stopped", "", None, 3, ["step"], {}])
def test_an_unknown_event_is_named(kind: object) -> None:
    with pytest.raises(ValueError, match="is not known"):
        event_of(line_of(EVENTS[2]) | {"event": kind})


def test_what_older_logs_lack_is_what_it_was() -> None:
    old = event_of(without(EVENTS[0], "schema_version", "sha256"))
    assert isinstance(old, Started) and (old.schema_version, old.sha256) == (1, {})
    learned = event_of(without(LEARNED, "step_flops", "skipped_steps"))
    assert isinstance(learned, Learned)
    assert (learned.step_flops, learned.skipped_steps) == (None, 0)  # not counted; none skipped
    saved = event_of(without(EVENTS[4], "kept_images", "kept_bytes"))
    assert isinstance(saved, Saved) and (saved.kept_images, saved.kept_bytes) == (0, 0)


def test_what_only_older_logs_lack_is_missed_in_this_version() -> None:
    for event, field in (
        (LEARNED, "step_flops"),
        (LEARNED, "skipped_steps"),
        (EVENTS[4], "sha256"),
    ):
        assert event_of(without(event, field), version=1)
        with pytest.raises(ValueError, match=f": {field}: Field required"):
            event_of(without(event, field), version=LOG_VERSION)


def test_a_newer_log_is_refused_by_its_version_whatever_else_it_holds() -> None:
    newer = line_of(EVENTS[0]) | {"schema_version": LOG_VERSION + 1, "shoes": 2}
    with pytest.raises(ValueError, match=f"log is of version {LOG_VERSION + 1}, and this cl-bench"):
        event_of(newer)


def test_a_methods_own_numbers_may_be_infinite() -> None:
    odd = event_of(line_of(LEARNED) | {"diagnostics": {"spread": math.inf}})
    assert isinstance(odd, Learned) and odd.diagnostics == {"spread": math.inf}


def test_events_of_one_kind_keep_their_order() -> None:
    rows = [Evaluated(learned=learned, accuracies={"a": 1.0}, seconds=0.0) for learned in (2, 0, 1)]
    assert [e.learned for e in those([rows[0], LEARNED, *rows[1:]], Evaluated)] == [2, 0, 1]
