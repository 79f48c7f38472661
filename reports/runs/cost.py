"""What a run cost, from its log: the one reading that tables, pictures and the terminal share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from statistics import fmean

from cl_bench.benchmark.record import RunResult
from cl_bench.benchmark.records.events import Evaluated, Event, Learned, Saved, those

PHASES = ("prepare", "train", "consolidate", "evaluate")


@dataclass(frozen=True)
class Cost:
    """What a run cost, or several in the mean; ``None``: a log does not hold it, for every task.

    Attributes:
        trainable_parameters: numbers that train in one task, mean over tasks.
        trainable_least: of the task with the fewest.
        trainable_most: of the task with the most.
        stored_parameters: numbers in the last checkpoint.
        first_bytes: size of the checkpoint after the first task.
        last_bytes: size of the last checkpoint, in bytes.
        bytes_added: what a task adds to the checkpoint, mean from the second task on.
        kept_images: training images of learned tasks that the method keeps, at the end.
        kept_bytes: what they take as 8-bit pixels, uncompressed; in no other metric.
        prepare_seconds: before training, all tasks together; seconds are of wall-clock time.
        train_seconds: training, all tasks together.
        consolidate_seconds: after training, all tasks together.
        evaluate_seconds: evaluation, all rows together, the zero-shot one included.
        images_drawn: training images handed out, all tasks together, repeats included.
        step_flops: floating-point operations of a task's first step, mean over tasks.
        matrix_share: of the rate at which the device multiplies matrices, what training used.
        process_memory: the process's highest use, in bytes.
        gpu_memory: the GPU's highest use, in bytes; of the tasks that one was used for.
    """

    trainable_parameters: float | None = None
    trainable_least: float | None = None
    trainable_most: float | None = None
    stored_parameters: float | None = None
    first_bytes: float | None = None
    last_bytes: float | None = None
    bytes_added: float | None = None
    kept_images: float | None = None
    kept_bytes: float | None = None
    prepare_seconds: float | None = None
    train_seconds: float | None = None
    consolidate_seconds: float | None = None
    evaluate_seconds: float | None = None
    images_drawn: float | None = None
    step_flops: float | None = None
    matrix_share: float | None = None
    process_memory: float | None = None
    gpu_memory: float | None = None

    @property
    def learning_seconds(self) -> float | None:
        """All but evaluation."""
        return _sum([self.prepare_seconds, self.train_seconds, self.consolidate_seconds])

    @property
    def memory(self) -> float | None:
        """In bytes: the GPU's, of a run without one the process's."""
        return self.process_memory if self.gpu_memory is None else self.gpu_memory

    @classmethod
    def of(cls, events: Sequence[Event]) -> Cost:
        """What a log says, be the run finished or not; without events nothing is known."""
        learned, saved = those(events, Learned), those(events, Saved)
        trainable = [event.trainable_parameters for event in learned]
        seconds = {phase: _sum([e.seconds.get(phase) for e in learned]) for phase in PHASES[:-1]}
        peaks = {
            where: [e.peak_memory[where] for e in learned if where in e.peak_memory]
            for where in ("process", "gpu")
        }
        return cls(
            trainable_parameters=_mean(trainable),
            trainable_least=min(trainable, default=None),
            trainable_most=max(trainable, default=None),
            stored_parameters=saved[-1].stored_parameters if saved else None,
            first_bytes=saved[0].bytes if saved else None,
            last_bytes=saved[-1].bytes if saved else None,
            bytes_added=_mean([event.bytes_added for event in saved[1:]]),
            kept_images=saved[-1].kept_images if saved else None,
            kept_bytes=saved[-1].kept_bytes if saved else None,
            prepare_seconds=seconds["prepare"],
            train_seconds=seconds["train"],
            consolidate_seconds=seconds["consolidate"],
            evaluate_seconds=_sum([event.seconds for event in those(events, Evaluated)]),
            images_drawn=_sum([event.images_drawn for event in learned]),
            step_flops=_mean([event.step_flops for event in learned]),
            matrix_share=_matrix_share(learned),
            process_memory=max(peaks["process"], default=None),
            gpu_memory=max(peaks["gpu"], default=None),
        )

    @classmethod
    def of_runs(cls, runs: Iterable[RunResult]) -> Cost:
        """The mean over runs, as the seeds of one row."""
        return cls.mean(cls.of(run.known_events) for run in runs)

    @classmethod
    def mean(cls, costs: Iterable[Cost]) -> Cost:
        """The mean of several runs; what one of them does not hold is not known of them all."""
        every = list(costs)
        names = [field.name for field in fields(cls)]
        return cls(**{name: _mean([getattr(cost, name) for cost in every]) for name in names})


def _matrix_share(learned: Sequence[Learned]) -> float | None:
    """Operations of all steps, as a share of those that the device's rate allows in their time."""
    trained = [event for event in learned if event.steps > 0]
    done = _sum([e.steps * e.step_flops if e.step_flops else None for e in trained])
    possible = _sum(
        [1e9 * e.matrix_gflops * e.seconds["train"] if e.matrix_gflops else None for e in trained]
    )
    return None if done is None or not possible else done / possible


def _sum(values: Sequence[float | None]) -> float | None:
    """The sum; ``None`` where there is nothing to add or something is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean; ``None`` where there is nothing to average or something is not known."""
    total = _sum(values)
    return None if total is None else fmean(value for value in values if value is not None)
