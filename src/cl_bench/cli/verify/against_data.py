"""What a run claims of its images, held against the data that is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.counted import counted
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.namesakes import indices_of
from cl_bench.benchmark.records.manifest import Fingerprints
from cl_bench.cli.verify.installed import Installed
from cl_bench.datasets.task_spec import TaskSpec


def _test_images(about: Installed) -> str:
    protocol, truth = about.run.config.protocol, about.run.targets()
    names = {spec.name: spec.classnames for spec in about.specs}
    indices = indices_of(names, protocol.labels, protocol.namesakes)
    for spec in about.specs:
        _, test = about.images(spec)
        if not np.array_equal(truth[spec.name], np.take(indices[spec.name], test.targets.numpy())):
            raise UserError(
                f"the true classes of {spec.name} are not those of the data that is here"
            )
        if _recorded(about, spec).test != test.fingerprint:
            raise UserError(f"the test images of {spec.name} are not those that are here")
    beside = _held_out_images(about) + _captioned(about)
    return f"true classes and pixels of {len(about.specs)} tasks{beside} are those of the data that is here"


def _held_out_images(about: Installed) -> str:
    """Hold those of held-out sets against the data that is here; how many sets there are, in words."""
    recorded = about.run.manifest.held_out
    if recorded.keys() != about.run.config.held_out.keys():
        raise UserError("manifest.json and config.json name different held-out sets")
    truth = about.run.held_out_targets() if recorded else {}
    for spec in about.held_out:
        test = about.held_out_images(spec)
        if not np.array_equal(truth[spec.name], test.targets.numpy()):
            raise UserError(
                f"the true classes of {spec.name} are not those of the data that is here"
            )
        if recorded[spec.name] != test.fingerprint:
            raise UserError(
                f"the images of the held-out set {spec.name} are not those that are here"
            )
    return f" and {counted(len(recorded), 'held-out set')}" if recorded else ""


def _captioned(about: Installed) -> str:
    """Hold retrieval sets against the data that is here; how many there are, in words."""
    recorded = about.run.manifest.retrieval
    if recorded.keys() != about.run.config.retrieval.keys():
        raise UserError("manifest.json and config.json name different retrieval sets")
    kept = about.run.retrieval_pictures() if recorded else {}
    for spec in about.retrieval:
        here = about.captioned(spec)
        if not np.array_equal(kept[spec.name], here.pictures.numpy()):
            raise UserError(
                f"the pictures of the captions of {spec.name} are not those of the data that is here"
            )
        if recorded[spec.name] != here.fingerprint:
            raise UserError(f"the retrieval set {spec.name} is not the one that is here")
    return f" and {counted(len(recorded), 'retrieval set')}" if recorded else ""


def _training_images(about: Installed) -> str:
    import torch

    rows, drawn = about.run.shots(), _drawn(about)
    if (rows is None) != (drawn is None):
        raise UserError("shots.npz does not go with the configuration")
    targets = {}
    for spec in about.specs:
        train, _ = about.images(spec)
        if rows is not None and drawn is not None:
            if not np.array_equal(rows[spec.name], drawn[spec.name]):
                raise UserError(f"shots.npz: the images of {spec.name} are not those of the seed")
            train = train.subset(torch.from_numpy(drawn[spec.name]))
        if _recorded(about, spec).train != train.fingerprint:
            raise UserError(f"the training images of {spec.name} are not those that are here")
        targets[spec.name] = train.targets.numpy()
    _must_be_the_counts(about, targets)
    shared = _shared_as_drawn(about, targets)
    shots = about.run.config.protocol.shots
    few = f", the {shots or 'numbers'} of a class that the seed draws" if rows else ""
    return f"pixels and classes of {len(about.specs)} tasks are those of the data that is here{few}{shared}"


def _must_be_the_counts(about: Installed, targets: Mapping[str, NDArray[np.int64]]) -> None:
    """Hold the images of every class by the manifest against the classes of those that are trained on."""
    counts = {}
    for spec in about.specs:
        kept = np.bincount(targets[spec.name], minlength=len(spec.classnames)).tolist()
        counts[spec.name] = tuple(zip(spec.classnames, kept, strict=True))
    if about.run.manifest.classes != (counts if about.run.config.protocol.is_imbalanced else {}):
        raise UserError(
            "manifest.json: the training images of the classes are not those that are drawn"
        )


def _shared_as_drawn(about: Installed, targets: Mapping[str, NDArray[np.int64]]) -> str:
    """Hold the clients of the images that are trained on against the seed's; how many, in words."""
    from cl_bench.datasets.client_split import ClientSplit

    config, kept = about.run.config, about.run.clients()
    split = ClientSplit.of(config.protocol, config.seed)
    if (kept is None) != (split is None):
        raise UserError("clients.npz does not go with the configuration")
    if kept is None or split is None:
        return ""
    for task, of in targets.items():
        if not np.array_equal(kept[task], split.choose(of, task)):
            raise UserError(f"clients.npz: the clients of {task} are not those of the seed")
    return f", shared by {split.clients} clients as the seed draws"


def _drawn(about: Installed) -> dict[str, NDArray[np.int64]] | None:
    """Which of the training images that are here the run's rules and seed draw; ``None``: all."""
    from cl_bench.datasets.few_shot import choose
    from cl_bench.datasets.imbalance import Imbalance

    config = about.run.config
    shots, imbalance = config.protocol.shots, Imbalance.of(config.protocol, config.seed)
    if shots is None and imbalance is None:
        return None
    targets = {spec.name: about.images(spec)[0].targets.numpy() for spec in about.specs}
    if shots is not None:
        return {task: choose(of, shots, config.seed, task) for task, of in targets.items()}
    classes = {spec.name: len(spec.classnames) for spec in about.specs}
    there = {t: np.bincount(of, minlength=classes[t]).tolist() for t, of in targets.items()}
    return imbalance.choose(targets, imbalance.counts(there)) if imbalance else None


def _recorded(about: Installed, spec: TaskSpec) -> Fingerprints:
    """The fingerprints of a task's images by the manifest."""
    data = about.run.manifest.data
    if spec.name not in data:
        raise UserError(f"manifest.json says nothing of the images of {spec.name}")
    return data[spec.name]


PROOFS: dict[str, Callable[[Installed], str]] = {
    "test images": _test_images,
    "training images": _training_images,
}
