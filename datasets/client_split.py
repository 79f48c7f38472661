"""Which client has which training image, where a task's images are shared among clients. No torch.

Hsu, Qi and Brown: Measuring the effects of non-identical data distribution for federated visual classification,
2019 (arXiv 1909.06335): a client's classes are drawn from q ~ Dir(alpha * p), p being the task's shares of
classes, and all clients have equally many images.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError

ALPHA = 1.0  # where none is asked for


@dataclass(frozen=True)
class ClientSplit:
    """How images are shared. Neither the method, nor test images, nor the order of the tasks decide anything.

    Attributes:
        clients: how many there are.
        alpha: concentration of the Dirichlet distribution.
        seed: of the run.
    """

    clients: int
    alpha: float
    seed: int

    @classmethod
    def of(cls, protocol: Protocol, seed: int) -> ClientSplit | None:
        """What a run's protocol asks for; ``None`` where that is nothing."""
        if protocol.clients is None:
            return None
        return cls(protocol.clients, protocol.client_alpha or ALPHA, seed)

    def choose(self, targets: NDArray[np.int64], task: str) -> NDArray[np.int64]:
        """Give every image to one client.

        Clients take turns; each draws a class from its own shares among the classes of which images are left,
        and takes the next of that class's images, which are in random order. So two clients differ by one
        image at most.

        Args:
            targets: class of every training image, int64 [N].
            task: its name.

        Returns:
            For each image its client, 0 to ``clients`` - 1, int64 [N].

        Raises:
            UserError: there are more clients than images.
        """
        if self.clients > len(targets):
            raise too_many(self.clients, task, len(targets))
        draw = random.Random(f"{self.seed}/{task}/clients")
        left = [draw.sample(of, len(of)) for of in _by_class(targets)]
        prior = [len(of) / len(targets) for of in left]
        logs = [_dirichlet([self.alpha * p for p in prior], draw) for _ in range(self.clients)]
        weights = [_of_classes_left(of, left) for of in logs]
        owner = np.empty(len(targets), dtype=np.int64)
        for i in range(len(targets)):
            client = i % self.clients
            label = draw.choices(range(len(left)), weights[client])[0]
            owner[left[label].pop()] = client
            if not left[label] and i < len(targets) - 1:
                weights = [_of_classes_left(of, left) for of in logs]
        return owner


def too_many(clients: int, task: str, images: int) -> UserError:
    """What to say where some client would have no image of a task."""
    return UserError(
        f"--clients {clients}: {task} has {images} training images, and every client needs one; write "
        f"--clients {images} or less"
    )


def _by_class(targets: NDArray[np.int64]) -> list[list[int]]:
    """The rows of every class that has some."""
    return [np.flatnonzero(targets == label).tolist() for label in np.unique(targets)]


def _dirichlet(concentration: list[float], draw: random.Random) -> list[float]:
    """Logarithms of one draw, but for a summand: small concentrations give shares below the smallest float.

    A Gamma(a) is a Gamma(a + 1) times u ** (1 / a), u being uniform.
    """
    return [
        math.log(draw.gammavariate(a + 1, 1)) + math.log(1 - draw.random()) / a
        for a in concentration
    ]


def _of_classes_left(logs: list[float], left: list[list[int]]) -> list[float]:
    """A client's shares, up to a factor, of the classes that have images left; 0 for the others."""
    most = max(log for log, of in zip(logs, left, strict=True) if of)
    return [math.exp(log - most) if of else 0.0 for log, of in zip(logs, left, strict=True)]
