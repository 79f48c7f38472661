"""Data sets that are evaluated beside the tasks and never learned: no method ever sees them as images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.evaluate import accuracy, predict_all
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.randomness import drawing_apart
from cl_bench.benchmark.task import LabelSpace


@dataclass(frozen=True)
class HeldOut:
    """A data set that is never learned.

    Attributes:
        name: of the data set.
        labels: its own classes with all their prompts; under X-TAIL, too, it is classified over these alone.
        test: its images.
    """

    name: str
    labels: LabelSpace
    test: Images


@dataclass(frozen=True)
class HeldOutSets:
    """All that a run has of them; it may have none.

    Attributes:
        sets: in the order of their columns.
    """

    sets: Sequence[HeldOut] = ()

    def predict(self, method: Method, protocol: Protocol) -> dict[str, Tensor]:
        """The predicted classes of every set's images, int64 [N] by name.

        What is drawn at random afterwards is what would have been drawn without.
        """
        if not self.sets:
            return {}
        device, first = method.clip.device, protocol.prompts == "first"
        spaces = {s.name: s.labels.first_prompts() if first else s.labels for s in self.sets}
        tests = {s.name: s.test.to(device) for s in self.sets}
        with drawing_apart(device):
            return predict_all(method, spaces, tests, protocol.precision)

    def accuracies(self, predictions: Mapping[str, Tensor]) -> dict[str, float] | None:
        """Of a row, in per cent by name; nothing where there are no sets."""
        true = self.targets()
        return {name: accuracy(predictions[name], true[name]) for name in true} or None

    def targets(self) -> dict[str, Tensor]:
        """The true classes of every set's images, int64 [N] by name."""
        return {s.name: s.test.targets for s in self.sets}

    def fingerprints(self) -> dict[str, str]:
        """Of every set's images and classes, by name."""
        return {s.name: s.test.fingerprint for s in self.sets}

    def left_out(self) -> dict[str, tuple[str, ...]]:
        """The files that could not be read, by the name of the set."""
        return {s.name: s.test.left_out for s in self.sets if s.test.left_out}
