"""What a run's log says: every event with its fields, their types and their units. No torch.

A log holds its version in its first event. What older logs lack is optional here, with what it means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

LOG_VERSION = 2  # 1: logs before the events had types; their first event does not say so

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Percent = Annotated[float, Field(ge=0, le=100)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Phase = Literal["prepare", "train", "consolidate"]
"""Of learning a task, in their order."""
Where = Literal["process", "gpu"]
"""Whose memory."""


class Logged(BaseModel):
    """What every event has. Numbers are finite, and no text, truth value or fraction stands for one."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    event: str
    """Which event it is."""
    time: Seconds = 0.0
    """Since 1 January 1970 UTC, when it was logged, in seconds; 0 of an event that is not in a log."""


class Started(Logged):
    """The run began; always the first event."""

    event: Literal["started"] = "started"
    schema_version: Annotated[int, Field(ge=1, le=LOG_VERSION)] = LOG_VERSION
    """Of the log; 1 where an older log does not say it."""
    digest: str
    """Of the configuration."""
    sha256: dict[str, Sha256] = Field(default_factory=dict)
    """Of the files written before it, by their path below the run; empty before ledgers."""


class Resumed(Logged):
    """Another process took the run up; what was logged after the last row is gone."""

    event: Literal["resumed"] = "resumed"
    learned: Count
    """Tasks that are learned already."""


class Step(Logged):
    """Training goes on; logged every ten steps and after a task's last."""

    event: Literal["step"] = "step"
    task: str
    """Which is being learned."""
    step: Annotated[int, Field(ge=1)]
    """Optimiser steps on this task so far."""
    steps: Annotated[int, Field(ge=1)]
    """Optimiser steps that the task gets."""
    loss: float
    """Mean over the steps since the last event of this kind."""
    lr: Annotated[float, Field(ge=0)]
    """Learning rate of this step."""


class Learned(Logged):
    """A task is learned: what it took."""

    event: Literal["learned"] = "learned"
    task: str
    """Which."""
    learned: Annotated[int, Field(ge=1)]
    """Tasks learned, this one included."""
    steps: Count
    """Optimiser steps on it; 0 where nothing trains."""
    step_flops: Count | None = None
    """Floating-point operations of the first step's loss and gradient, as torch counts them; none in
    logs from before they were counted."""
    skipped_steps: Count = 0
    """How many of ``steps`` changed nothing, as the scaled fp16 gradient overflowed. Logs without it
    are from before gradients were scaled: no step was skipped."""
    seconds: dict[Phase, Seconds]
    """Wall-clock time of every phase."""
    images_drawn: Count
    """Training images that the method and its training asked for, repeats included."""
    trainable_parameters: Count
    """Numbers that training may change during this task."""
    peak_memory: dict[Where, Count]
    """Highest use in bytes since the process began; without ``gpu`` on the CPU."""
    diagnostics: dict[str, Annotated[float, Field(allow_inf_nan=True)]]
    """The method's own numbers; these alone may be infinite or not a number."""


class Saved(Logged):
    """The method's state is in a checkpoint."""

    event: Literal["saved"] = "saved"
    learned: Annotated[int, Field(ge=1)]
    """Tasks learned."""
    stored_parameters: Count
    """Numbers in the checkpoint."""
    bytes: Count
    """Size of the checkpoint."""
    bytes_added: int
    """How much larger it is than the one before, in bytes; the first counts whole."""
    kept_images: Count = 0
    """Training images of tasks learned so far that the method keeps; logs without it are of methods
    that could keep none."""
    kept_bytes: Count = 0
    """What these images take as 8-bit pixels, uncompressed; not in ``bytes``."""
    sha256: dict[str, Sha256] = Field(default_factory=dict)
    """Of the checkpoint, by its path below the run; empty before ledgers."""


class Evaluated(Logged):
    """All tasks' test images are classified: a row of the matrix."""

    event: Literal["evaluated"] = "evaluated"
    learned: Count
    """Tasks learned; 0: zero-shot."""
    accuracies: dict[str, Percent]
    """Of every task of the run, in their order, in per cent."""
    seconds: Seconds
    """Wall-clock time of the evaluation."""
    sha256: dict[str, Sha256] = Field(default_factory=dict)
    """Of the row's predictions, by their path below the run; empty before ledgers."""


class Finished(Logged):
    """Every task is learned and evaluated; always the last event of a finished run."""

    event: Literal["finished"] = "finished"
    metrics: dict[str, float]
    """Of the whole matrix, by name."""


Event = Annotated[
    Started | Resumed | Step | Learned | Saved | Evaluated | Finished,
    Field(discriminator="event"),
]
E = TypeVar("E", bound=Logged)
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def event_of(line: Mapping[str, Any]) -> Event:
    """The event that a line of a log holds, of this version of logs or an older one.

    Args:
        line: its fields, without the check sum.

    Raises:
        ValueError: it is no event, or of a newer log; names the field.
    """
    kind, version = line.get("event"), line.get("schema_version", 1)
    if kind == "started":
        if isinstance(version, int) and version > LOG_VERSION:
            raise ValueError(
                f"the log is of version {version}, and this cl-bench reads versions up to "
                f"{LOG_VERSION}: use the cl-bench that made it, or a newer one"
            )
        line = {**line, "schema_version": version}
    if "time" not in line:
        raise ValueError(f"event {kind!r}: time: Field required")
    try:
        return EVENT.validate_python(line)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise ValueError(f"event {kind!r} is not known") from error
        field = ".".join(str(part) for part in first["loc"][1:])
        raise ValueError(f"event {kind!r}: {field}: {first['msg']}") from error


def those(events: Iterable[Event], kind: type[E]) -> list[E]:
    """The events of one kind, in their order."""
    return [event for event in events if isinstance(event, kind)]
