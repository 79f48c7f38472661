"""How a batch of pictures is drawn: the suite's own look, and the looks used for pretraining."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Style:
    """The look of ``N`` pictures; every array has one entry per picture.

    Attributes:
        tint: [N, 3, 3] colour mixing applied to the finished picture.
        outline: [N] strength of the dark contour around every shape, 0..1.
        ink: [N, 3] colour of the contours.
        wash: [N] how far every fill fades towards the paper, 0..1.
        paper: [N, 3] colour of the paper.
        relief: [N] how much darker shapes get towards their edges, 0..1.
        noise: [N] standard deviation of the pixel noise.
        clutter: [N] whether something stands in front of the subject, 0 or 1.
        pose: how far turn, size and place may stray, relative to the domain's range, 0..1.
        natural: whether subjects stand in the surroundings of their domain or on plain paper.
    """

    tint: Array
    outline: Array
    ink: Array
    wash: Array
    paper: Array
    relief: Array
    noise: Array
    clutter: Array
    pose: float
    natural: bool


def photo(count: int, rng: np.random.Generator) -> Style:
    """Return the suite's look: natural colours and surroundings, light from one side, noise."""
    hue = rng.normal(0, 0.10, count)
    return Style(
        tint=tint(hue, rng.uniform(0.75, 1.15, count)),
        outline=np.zeros(count),
        ink=np.zeros((count, 3)),
        wash=np.zeros(count),
        paper=rng.uniform(0.75, 1.0, (count, 3)),
        relief=rng.uniform(0.15, 0.45, count),
        noise=rng.uniform(0.01, 0.045, count),
        clutter=(rng.random(count) < 0.1).astype(np.float64),
        pose=0.35,  # a photographer frames the subject
        natural=True,
    )


def artwork(count: int, rng: np.random.Generator, natural: bool) -> Style:
    """Return a pretraining look: drawings, prints and cut-outs in shifted colours."""
    grey = rng.random(count) < 0.15
    lines = rng.random(count) < 0.6
    sketch = lines & (rng.random(count) < 0.5)
    dark = rng.random(count) < 0.25
    ink = np.where(
        dark[:, None], rng.uniform(0.7, 1.0, (count, 3)), rng.uniform(0, 0.3, (count, 3))
    )
    paper = np.where(
        dark[:, None], rng.uniform(0.0, 0.35, (count, 3)), rng.uniform(0.55, 1.0, (count, 3))
    )
    return Style(
        tint=tint(rng.normal(0, 0.45, count), np.where(grey, 0.0, rng.uniform(0.6, 1.5, count))),
        outline=np.where(lines, rng.uniform(0.5, 1.0, count), 0.0),
        ink=ink,
        wash=np.where(sketch, rng.uniform(0.6, 1.0, count), rng.uniform(0.0, 0.25, count)),
        paper=paper,
        relief=np.zeros(count),
        noise=rng.uniform(0.0, 0.02, count),
        clutter=np.zeros(count),
        pose=1.0,
        natural=natural,
    )


def tint(hue: Array, saturation: Array) -> Array:
    """Return [N, 3, 3] matrices that turn colours by ``hue`` (radians) and scale saturation."""
    grey = np.full((3, 3), 1 / 3)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    cos, sin = (saturation * f(hue) for f in (np.cos, np.sin))
    chroma = np.eye(3) - grey
    return np.asarray(grey + cos[:, None, None] * chroma + sin[:, None, None] * across)
