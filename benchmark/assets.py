"""What a method may use besides the current task's training images. It must declare each need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import TaskStream


@dataclass(frozen=True)
class Pairs:
    """Images and what each shows, in words; they belong to no task's data.

    Attributes:
        images: N of them (their targets mean nothing).
        prompts: one for each image.
        rows: per task, which pairs it is learned with, int64 [n].
    """

    images: Images
    prompts: tuple[str, ...]
    rows: Mapping[str, Tensor]

    def of(self, task: str) -> tuple[Images, tuple[str, ...]]:
        """The images that a task is learned with, and their prompts."""
        rows = self.rows[task]
        return self.images.subset(rows), tuple(self.prompts[i] for i in rows.tolist())


@dataclass(frozen=True)
class Assets:
    """The extra data of a run; what the method did not declare is absent.

    Attributes:
        images: reference images that belong to no task (their targets mean nothing).
        texts: reference sentences.
        selector: a frozen image encoder of its own, from normalised images [B, 3, S, S] to what an
            auto-selector looks at, [B, F].
        stream: every task from the start; only for bounds.
        pairs: images with prompts, e.g. what a generator made of the prompts.
    """

    images: Images | None = None
    texts: tuple[str, ...] = ()
    selector: Callable[[Tensor], Tensor] | None = None
    stream: TaskStream | None = None
    pairs: Pairs | None = None
