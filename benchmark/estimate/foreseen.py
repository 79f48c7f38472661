"""What is to be foreseen of a run, who plays it in small, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.estimate.expected import TaskSize
from cl_bench.benchmark.estimate.rehearsal import Rules
from cl_bench.benchmark.estimate.scale import Growth
from cl_bench.benchmark.estimate.shapes import KINDS, Amounts
from cl_bench.benchmark.large_matrices import LargeMatrices
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.task import TaskStream


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
