"""What a method may use besides the current task's training images. It must declare each need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import TaskStream


@dataclass(frozen=True)
class Assets:
    """The extra data of a run; what the method did not declare is absent.

    Attributes:
        images: reference images that belong to no task (their targets mean nothing).
        texts: reference sentences.
        selector: a frozen image encoder of its own, from normalised images [B, 3, S, S] to what an
            auto-selector looks at, [B, F].
        stream: every task from the start; only for bounds.
    """

    images: Images | None = None
    texts: tuple[str, ...] = ()
    selector: Callable[[Tensor], Tensor] | None = None
    stream: TaskStream | None = None
