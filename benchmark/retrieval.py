"""Captioned pictures that are searched by text and the other way, and never learned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.precision import autocast, tf32_products
from cl_bench.benchmark.randomness import drawing_apart
from cl_bench.benchmark.ranks import Paired, ranks_of
from cl_bench.benchmark.recall import Ranks
from cl_bench.benchmark.task import LabelSpace
from cl_bench.benchmark.tokens import Tokenizer


@dataclass(frozen=True)
class Captioned:
    """Pictures with their captions.

    Attributes:
        name: of the set.
        test: the pictures, N.
        captions: M texts, each as it is put to the text tower.
        pictures: of every caption the picture that it belongs to, int64 [M].
    """

    name: str
    test: Images
    captions: tuple[str, ...]
    pictures: Tensor

    def classes(self, tokenizer: Tokenizer) -> tuple[LabelSpace, Paired]:
        """Every text once, as a class with that one prompt, and which caption is which class.

        Captions that a tokenizer reads as one text (case and spaces make no difference to CLIP's) are one class: so
        they have the same score to the last bit.
        """
        ids = [row.tobytes() for row in tokenizer(list(self.captions)).numpy()]
        texts: dict[bytes, str] = {}
        for row, caption in zip(ids, self.captions, strict=True):
            texts.setdefault(row, caption)
        place = {row: i for i, row in enumerate(texts)}
        names = tuple(texts.values())
        labels = LabelSpace(names, tuple((text,) for text in names))
        return labels, Paired(torch.tensor([place[row] for row in ids]), self.pictures)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over pictures, captions and what belongs to what."""
        content = [self.test.fingerprint, self.pictures.tolist(), self.captions]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclass(frozen=True)
class RetrievalSets:
    """All that a run has of them; it may have none.

    Attributes:
        sets: in the order of their columns.
    """

    sets: Sequence[Captioned] = ()

    def ranks(self, method: Method, protocol: Protocol) -> dict[str, Ranks]:
        """The ranks in every set, by name, for the scores of the method's own classifier.

        What is drawn at random afterwards is what would have been drawn without.

        Raises:
            NotFiniteError: the model has diverged.
        """
        if not self.sets:
            return {}
        device, precision = method.clip.device, protocol.precision
        normalise, found = method.clip.normaliser(), {}
        tf32 = precision == "tf32"
        with (
            drawing_apart(device), torch.no_grad(), autocast(device.type, precision), tf32_products(tf32),
        ):  # fmt: skip
            for s in self.sets:
                labels, paired = s.classes(method.clip.tokenizer)
                classify, pictures = method.classifier(labels), s.test.to(device)
                found[s.name] = ranks_of(classify, pictures, paired, normalise)
        return found

    def pictures(self) -> dict[str, Tensor]:
        """Of every caption its picture, int64 [M], by the name of the set."""
        return {s.name: s.pictures for s in self.sets}

    def fingerprints(self) -> dict[str, str]:
        """Of every set's pictures and captions, by name."""
        return {s.name: s.fingerprint for s in self.sets}

    def left_out(self) -> dict[str, tuple[str, ...]]:
        """The files that could not be read, by the name of the set."""
        return {s.name: s.test.left_out for s in self.sets if s.test.left_out}


def recalls_of(ranks: Mapping[str, Ranks]) -> dict[str, dict[str, float]] | None:
    """The recalls in every set, in per cent; nothing where there are no sets."""
    return {name: of.recalls() for name, of in ranks.items()} or None
