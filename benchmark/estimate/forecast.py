"""What a run will take: its method played in small, without content or for real, and scaled to the run."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.cost import peak_memory
from cl_bench.benchmark.estimate.expected import (
    PICTURE,
    by_phase,
    bytes_of_image,
    memory_peak,
    record_bytes,
)
from cl_bench.benchmark.estimate.foreseen import Cast, Forecast, Memory, Run
from cl_bench.benchmark.estimate.rates import measure_rates, seconds_per_stored_byte
from cl_bench.benchmark.estimate.rehearsal import Parts, Rehearsal, as_seconds
from cl_bench.benchmark.estimate.scale import (
    added,
    corrected,
    of_every_task,
    representatives,
)
from cl_bench.benchmark.estimate.shapes import Amounts, ShapesOnly
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.task import TaskStream

AFFORDABLE = 6.0  # seconds of a play for real, by the machine's rates
STEPS = {"counted": 2, "real": 5, "brief": 2, "untrained": 0}  # of every played task
BYTES = ("state", "trainable", "held", "saved", "saved image")  # the parts that are no work


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
