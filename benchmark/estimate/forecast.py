"""What a run will take: its method played in small, without content or for real, and scaled to the run."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.cost import peak_memory
from cl_bench.benchmark.estimate.expected import (
    PICTURE,
    TaskSize,
    by_phase,
    bytes_of_image,
    memory_peak,
    record_bytes,
)
from cl_bench.benchmark.estimate.rates import measure_rates, seconds_per_stored_byte
from cl_bench.benchmark.estimate.rehearsal import Parts, Rehearsal, Rules, as_seconds
from cl_bench.benchmark.estimate.scale import (
    Growth,
    added,
    corrected,
    of_every_task,
    representatives,
)
from cl_bench.benchmark.estimate.shapes import KINDS, Amounts, ShapesOnly
from cl_bench.benchmark.large_matrices import LargeMatrices
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.task import TaskStream

AFFORDABLE = 6.0  # seconds of a play for real, by the machine's rates
STEPS = {"counted": 2, "real": 5, "brief": 2, "untrained": 0}  # of every played task
BYTES = ("state", "trainable", "held", "saved", "saved image")  # the parts that are no work


class Cast(Protocol):
    """Who plays: models, methods and stand-ins for the run's images."""

    def outline(self) -> Clip:
        """The backbone without content, on the CPU; called inside ``ShapesOnly``."""

    def clip(self) -> Clip:
        """A fresh pre-trained backbone on the run's device."""

    def stream(self, which: Sequence[int], real: bool) -> TaskStream:
        """Some of the run's tasks with a few images each; with content where they are ``real``."""

    def method(self, clip: Clip, sizes: Mapping[str, int], stream: TaskStream) -> Method:
        """The run's method with extra data and inner loops of these sizes."""


@dataclass(frozen=True)
class Run:
    """What is to be foreseen.

    Attributes:
        rules: by what it learns.
        tasks: how large they are.
        prompts: of every task's own classes: those are trained with.
        classes: of its largest label space.
        references: how many reference images and texts there are, by name.
        rounds: of the method's inner loops, by the setting that says how many.
        pixels: bytes of its images as they are kept in memory.
        device: where it computes.
        matrices: what the method makes of all images together, if it says so.
        played: the same of the few images that a play has.
        stored: where there are such matrices, bytes of the method's state after each task.
    """

    rules: Rules
    tasks: tuple[TaskSize, ...]
    prompts: tuple[int, ...]
    classes: int
    references: dict[str, Growth]
    rounds: dict[str, Growth]
    pixels: int
    device: str
    matrices: LargeMatrices | None = None
    played: LargeMatrices | None = None
    stored: tuple[int, ...] = ()

    @property
    def grown(self) -> dict[str, Growth]:
        """The sizes beside the tasks that are smaller in a play."""
        return {n: g for n, g in (self.references | self.rounds).items() if g.larger > g.small}

    @property
    def beyond(self) -> tuple[int, Amounts]:
        """Bytes held at once, and work, of its matrices beyond those of a play."""
        if self.matrices is None or self.played is None:
            return 0, np.zeros(len(KINDS))
        flops = self.matrices.flops - self.played.flops
        return self.matrices.at_once - self.played.at_once, np.array([flops, 0.0, 0.0, 0.0])

    def brief(self, name: str) -> str:
        """How a play is made that tells what grows with a size: inner loops are not in training."""
        return "untrained" if name in self.rounds else "brief"


@dataclass(frozen=True)
class Memory:
    """What a run holds at its peak: of the GPU where there is one, else of the process.

    Attributes:
        peak: in bytes, with the activations of a whole training batch.
        image: bytes of it for each image of the batch.
    """

    peak: int
    image: float

    def with_images(self, at_once: int, batch: int) -> int:
        """The peak where activations of a few images of each batch are kept at once."""
        return int(self.peak - (batch - at_once) * self.image)


@dataclass(frozen=True)
class Forecast:
    """What a run will take.

    Attributes:
        seconds: by phase.
        work: by phase, amounts by ``KINDS``.
        memory: at the peak.
        checkpoints: bytes of the checkpoint after every task; while another is written, there are two.
        records: bytes of everything else.
        measured: seconds that measuring took.
        is_played: whether the run's own steps were measured, or calculated by the machine's rates.
        matrices: what the method makes of all images together, if it says so; in the figures above.
    """

    seconds: dict[str, float]
    work: dict[str, Amounts]
    memory: Memory
    checkpoints: tuple[int, ...]
    records: int
    measured: float
    is_played: bool
    matrices: LargeMatrices | None = None

    @property
    def checkpoint(self) -> int:
        """Bytes of the last checkpoint."""
        return self.checkpoints[-1]


def foresee(run: Run, cast: Cast) -> Forecast:
    """Count a run's work, measure this machine, and put both together."""
    counter = ShapesOnly()
    process = peak_memory(torch.device("cpu"))["process"]
    base = 0 if run.device.startswith("cuda") else process + run.pixels
    counted = _count(run, cast, counter)
    start = time.perf_counter()
    rates, per_byte = _rates(run, cast), seconds_per_stored_byte()
    parts = [_in_seconds(those, rates) for those in counted.parts]
    is_played = float(counted.short @ rates) <= AFFORDABLE
    if is_played:
        parts = corrected(parts, _measure(run, cast, counted, rates))
    measured = time.perf_counter() - start
    seconds = by_phase(parts, run.tasks, run.rules.batch_size)
    seconds["consolidate"] = seconds["consolidate"] + run.beyond[1] @ rates
    work = by_phase(counted.parts, run.tasks, run.rules.batch_size)
    work["consolidate"] = work["consolidate"] + run.beyond[1]
    states = _states(run, parts)
    return Forecast(
        seconds={phase: float(s[0]) for phase, s in seconds.items()}
        | {"save": per_byte * sum(states)},
        work=work,
        memory=_memory(run, counted, counter.largest, base),
        checkpoints=states,
        records=record_bytes(run.tasks, run.classes) + PICTURE,
        measured=measured,
        is_played=is_played,
        matrices=run.matrices,
    )


def foresee_checkpoints(run: Run, cast: Cast) -> tuple[int, ...]:
    """Count the bytes of the checkpoint after every task, without a measurement."""
    return _states(run, _count(run, cast, ShapesOnly()).parts)


def _states(run: Run, parts: Sequence[Parts]) -> tuple[int, ...]:
    """Bytes of the method's state after every task; what a play stores may depend on its few images."""
    return run.stored or tuple(int(of["state"][0]) for of in parts[1:])


def foresee_memory(run: Run, cast: Cast) -> Memory:
    """Count what a run takes beyond what this process holds now, without a measurement."""
    counter = ShapesOnly()
    base = 0 if run.device.startswith("cuda") else run.pixels
    return _memory(run, _count(run, cast, counter), counter.largest, base)


def _memory(run: Run, counted: _Counted, largest: int, base: int) -> Memory:
    averaged = run.rules.protocol.clients is not None
    of_tensors = memory_peak(counted.parts, run.rules.recipe, largest, averaged)
    return Memory(base + of_tensors + run.beyond[0], bytes_of_image(counted.parts))


@dataclass(frozen=True)
class _Counted:
    """Work of a run.

    Attributes:
        parts: of the start and of every task, at full sizes.
        references: in it, what reference images and texts add beyond those of a play, for each need.
        short: about what a play for real takes.
    """

    parts: list[Parts]
    references: list[list[Parts]]
    short: Amounts


def _count(run: Run, cast: Cast, counter: ShapesOnly) -> _Counted:
    """Play without content."""
    which = representatives(run.prompts)
    stream = cast.stream(which, real=False)
    play = _Play(_in_16_bit(run), cast.method, lambda: counter.work.copy(), is_real=False)
    references = []
    with counter, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of gradients without content: their strides
        parts = play(cast.outline, stream, {}, "counted")
        short = counter.work * (min(2, len(which)) / len(which) * STEPS["real"] / STEPS["counted"])
        two = replace(stream, tasks=stream.tasks[:2])
        base = play(cast.outline, two, {}, "brief") if run.grown else []
        for name, growth in run.grown.items():
            larger = play(cast.outline, two, {name: growth.larger}, run.brief(name))
            more = list(map(growth.beyond, base, larger))
            references += [more] if name in run.references else []
            parts = added(parts, more + [more[-1]] * (len(parts) - len(more)))
    every = [parts[0], *of_every_task(parts[1:], which, run.prompts)]
    return _Counted(every, references, short)


def _in_16_bit(run: Run) -> Run:
    """With bfloat16 in the place of float16: numbers as short, and no scale that would skip steps."""
    protocol = run.rules.protocol
    if protocol.precision != "fp16":
        return run
    other = protocol.model_copy(update={"precision": "bf16"})
    return replace(run, rules=replace(run.rules, protocol=other))


def _measure(run: Run, cast: Cast, counted: _Counted, rates: Amounts) -> list[Parts]:
    """Seconds of the start and of the first two tasks; reference data beyond a few by the rates."""
    stream = cast.stream(range(min(2, len(run.tasks))), real=True)
    meter = as_seconds(torch.device(run.device), time.perf_counter)
    play = _Play(run, cast.method, meter, is_real=True)
    parts = base = play(cast.clip, stream, {}, "real")
    for name, growth in run.grown.items():
        if name in run.rounds:
            larger = play(cast.clip, stream, {name: growth.larger}, "untrained")
            parts = added(parts, list(map(growth.beyond, base, larger)))
    for more in counted.references:
        parts = added(parts, [_in_seconds(of, rates) for of in more[: len(parts)]])
    return parts


@dataclass(frozen=True)
class _Play:
    """Plays a run in small, again and again."""

    run: Run
    make: Callable[[Clip, Mapping[str, int], TaskStream], Method]
    meter: Callable[[], Amounts]
    is_real: bool

    def __call__(
        self, clip: Callable[[], Clip], stream: TaskStream, sizes: Mapping[str, int], how: str
    ) -> list[Parts]:
        """Play with sizes other than the small ones; ``how`` is a key of ``STEPS``."""
        every = self.run.references | self.run.rounds
        small = {name: growth.small for name, growth in every.items()}
        model = clip()
        rehearsal = Rehearsal(
            self.run.rules,
            self.meter,
            STEPS[how],
            is_whole=how in ("counted", "real"),
            is_real=self.is_real,
        )
        return rehearsal.play(lambda: self.make(model, {**small, **sizes}, stream), stream)


def _rates(run: Run, cast: Cast) -> Amounts:
    with ShapesOnly():
        clip = cast.outline()
    tokens, width = clip.model.visual.positional_embedding.shape
    precision = run.rules.protocol.precision
    return measure_rates(clip.blocks()["v"][0], tokens, width, run.device, precision)


def _in_seconds(parts: Parts, rates: Amounts) -> Parts:
    """Work as the machine's rates have it; bytes stay bytes."""
    return {part: of if part in BYTES else np.atleast_1d(of @ rates) for part, of in parts.items()}
