"""What a run's log says: every event with its fields, their types and their units. No torch.

A log holds its version in its first event. What older logs lack is optional here, with what it means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

# 3: a collapse was not said. 2: runs went on from whole tasks alone. 1: events without types; it does not say so
LOG_VERSION = 4
NOT_IN_1 = frozenset(  # or not in all of them
    {"sha256", "step_flops", "skipped_steps", "kept_images", "kept_bytes"}
)

OPTIONAL = frozenset({"steps_done", "set_aside", "matrix_gflops", "held_out", "retrieval"})

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Percent = Annotated[float, Field(ge=0, le=100)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Phase = Annotated[str, Field(pattern="^(prepare|train|consolidate)$")]
"""Of learning a task, in their order."""
Kind = Annotated[str, Field(pattern="^(learned|forgotten|zero-shot|held-out)$")]
"""Whose accuracy is at chance."""
Where = Annotated[str, Field(pattern="^(process|gpu)$")]
"""Whose memory."""


class Logged(BaseModel):
    """What every event holds. Numbers are finite; text or a truth value in place of one is an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    event: str
    """The kind of event."""
    time: Seconds = 0.0
    """When it was logged, in seconds since 1970 UTC; 0 until it is."""


class Started(Logged):
    """The run began; always the first event."""

    event: Literal["started"] = "started"
    schema_version: Annotated[int, Field(ge=1, le=LOG_VERSION)] = LOG_VERSION
    """Version of the log's form; 1 where it is not there."""
    digest: str
    """Digest of the configuration."""
    sha256: dict[str, Sha256] = Field(default_factory=dict)
    """SHA-256 of the files written before it, by path below the run; empty before ledgers."""


class Resumed(Logged):
    """Another process continues the run; what was logged after the state that it begins with is gone."""

    event: Literal["resumed"] = "resumed"
    learned: Count
    """Number of tasks that are learned already."""
    steps_done: Count | None = None
    """Number of steps of the next task that are done already; not there: it begins anew."""
    set_aside: str | None = None
    """Why a state that was kept within the next task is not gone on from; not there: there was none, or it is."""


class Step(Logged):
    """Training goes on; logged every ten steps and after a task's last."""

    event: Literal["step"] = "step"
    task: str
    """Name of the task being learned."""
    step: Annotated[int, Field(ge=1)]
    """Number of optimizer steps on this task so far."""
    steps: Annotated[int, Field(ge=1)]
    """Number of optimizer steps that the task gets."""
    loss: float
    """Mean loss over the steps since the last event of this kind."""
    lr: Annotated[float, Field(ge=0)]
    """Learning rate of this step; of the first group of parameters."""


class Learned(Logged):
    """A task is learned: what it took."""

    event: Literal["learned"] = "learned"
    task: str
    """Name of the task."""
    learned: Annotated[int, Field(ge=1)]
    """Number of tasks learned, this one included."""
    steps: Count
    """Number of optimizer steps on it; 0 where nothing trains."""
    step_flops: Count | None = None
    """Floating-point operations of the first step's loss and gradient, as torch counts them; not
    there in logs from before they were counted."""
    skipped_steps: Count = 0
    """How many of `steps` changed nothing, as the scaled fp16 gradient overflowed. Logs without it
    are from before gradients were scaled: no step was skipped."""
    seconds: dict[Phase, Seconds]
    """Wall-clock seconds of the phases `prepare`, `train` and `consolidate`."""
    matrix_gflops: Annotated[float, Field(gt=0)] | None = None
    """Billions of floating-point operations a second in a matrix product of ViT-B/16 in the run's
    precision, measured on its device, times the number of processes; not there where nothing trains."""
    images_drawn: Count
    """Training images that the method and its training asked for, repeats included."""
    trainable_parameters: Count
    """How many numbers training may change during this task."""
    peak_memory: dict[Where, Count]
    """Highest use in bytes since the process began: `process`, and `gpu` where there is one."""
    diagnostics: dict[str, Annotated[float, Field(allow_inf_nan=True)]]
    """The method's own numbers; these alone may be infinite or not a number."""


class Saved(Logged):
    """The method's state is in a checkpoint."""

    event: Literal["saved"] = "saved"
    learned: Annotated[int, Field(ge=1)]
    """Number of tasks learned."""
    stored_parameters: Count
    """How many numbers the checkpoint holds."""
    bytes: Count
    """Size of the checkpoint in bytes."""
    bytes_added: int
    """How much larger it is than the one before, in bytes; the first counts whole."""
    kept_images: Count = 0
    """Training images of tasks learned so far that the method keeps; logs without it are of methods
    that could keep none."""
    kept_bytes: Count = 0
    """What these images take as 8-bit pixels, uncompressed; not in `bytes`."""
    sha256: dict[str, Sha256] = Field(default_factory=dict)
    """SHA-256 of the checkpoint, by path below the run; empty before ledgers."""


class Collapsed(Logged):
    """An accuracy is at chance since the last task was learned; logged before its row. The run goes on."""

    event: Literal["collapsed"] = "collapsed"
    learned: Annotated[int, Field(ge=1)]
    """Number of tasks learned."""
    task: str
    """Name of the task, or of the held-out data set."""
    kind: Kind
    """`learned`: the last task itself; `forgotten`: a task learned before; `zero-shot`: one not learned yet;
    `held-out`: a data set that is never learned."""
    accuracy: Percent
    """On its images, in per cent."""
    chance: Percent
    """What guesses would reach, in per cent."""
    images: Annotated[int, Field(ge=1)]
    """Number of its test images."""

    @property
    def words(self) -> str:
        """In one line."""
        who = {
            "learned": f"{self.task}, just learned, is at chance",
            "forgotten": f"{self.task}, learned before, fell to chance",
            "zero-shot": f"{self.task}, not learned yet, fell to chance",
            "held-out": f"the held-out set {self.task} fell to chance",
        }[self.kind]
        found = f"{self.accuracy:.1f} % of {self.images:,} images (guesses: {self.chance:.1f} %)"
        return f"collapse after task {self.learned}: {who}: {found}"


class Evaluated(Logged):
    """All tasks' test images are classified: a row of the matrix."""

    event: Literal["evaluated"] = "evaluated"
    learned: Count
    """Number of tasks learned; 0: zero-shot."""
    accuracies: dict[str, Percent]
    """Accuracy on every task of the run, in their order, in per cent."""
    held_out: dict[str, Percent] | None = None
    """Accuracy on every held-out data set, in their order, in per cent; not there: the run has none."""
    retrieval: dict[str, dict[str, Percent]] | None = None
    """For every retrieval set, in their order, recall at 1, 5 and 10 both ways, in per cent; not there: the
    run has none."""
    seconds: Seconds
    """Wall-clock seconds of the evaluation, that of held-out data sets and retrieval sets included."""
    sha256: dict[str, Sha256] = Field(default_factory=dict)
    """SHA-256 of the row's predictions, by path below the run; empty before ledgers."""


class Finished(Logged):
    """Every task is learned and evaluated; always the last event of a finished run."""

    event: Literal["finished"] = "finished"
    metrics: dict[str, float]
    """Metrics of the whole matrix, by name."""


Event = Annotated[
    Started | Resumed | Step | Learned | Saved | Collapsed | Evaluated | Finished,
    Field(discriminator="event"),
]
Listener = Callable[[Event], None]
"""Receives every event of a run as it is logged."""
E = TypeVar("E", bound=Logged)
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def event_of(line: Mapping[str, Any], version: int = 1) -> Event:
    """The event that a line of a log holds, of this version of logs or an older one.

    Args:
        line: its fields, without the check sum.
        version: of the log; what one of version 1 lacks is filled.

    Raises:
        ValueError: it is no event, or of a newer log; names the field.
    """
    kind = line.get("event")
    if kind == "started":
        line = {"schema_version": 1, **line}
        _must_be_known(line["schema_version"])
    try:
        event = EVENT.validate_python(line)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise ValueError(f"event {kind!r} is not known") from error
        field = ".".join(str(part) for part in first["loc"][1:])
        raise ValueError(f"event {kind!r}: {field}: {first['msg']}") from error
    filled = type(event).model_fields.keys() - event.model_fields_set
    if lacking := filled - OPTIONAL - (NOT_IN_1 if version == 1 else set()):
        raise ValueError(f"event {kind!r}: {min(lacking)}: Field required")
    return event


def _must_be_known(version: object) -> None:
    """Raise where a log is of a version that is not out yet; its fields may mean something else."""
    if isinstance(version, int) and version > LOG_VERSION:
        raise ValueError(
            f"the log is of version {version}, and this cl-bench reads versions up to "
            f"{LOG_VERSION}: use the cl-bench that made it, or a newer one"
        )


def those(events: Iterable[Event], kind: type[E]) -> list[E]:
    """The events of one kind, in their order."""
    return [event for event in events if isinstance(event, kind)]
