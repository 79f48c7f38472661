"""What a method makes of all training images together: it must fit, and no rehearsal in small shows it. No torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunSizes:
    """How large a run is.

    Attributes:
        images: training images of every task, in their order.
        classes: of every task.
        features: numbers of an image's feature.
    """

    images: tuple[int, ...]
    classes: tuple[int, ...]
    features: int


@dataclass(frozen=True)
class LargeMatrices:
    """Matrices whose size a run decides.

    Attributes:
        at_once: bytes that are held at a time, at the most, besides the model and its activations.
        stored: bytes of the method's whole state after the last task.
        flops: floating-point operations on them in a whole run; one in float64 counts twice.
        what: which ones, with their sizes, for people.
        remedy: what to do where memory is too small for them.
    """

    at_once: int
    stored: int
    flops: float
    what: str
    remedy: str
