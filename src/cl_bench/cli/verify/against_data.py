"""What a run claims of its images, held against the data that is here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.namesakes import counted_as
from cl_bench.benchmark.records.manifest import Fingerprints
from cl_bench.cli.verify.installed import Installed
from cl_bench.datasets.suite import TaskSpec


def _test_images(about: Installed) -> str:
    protocol, truth, start = about.run.config.protocol, about.run.targets(), 0
    of_all = protocol.labels == "all"
    names = [name for spec in about.specs for name in spec.classnames]
    one = counted_as(names) if protocol.namesakes == "one" else range(len(names))
    for spec in about.specs:
        _, test = about.images(spec)
        found = test.targets.numpy() + start * of_all
        if not np.array_equal(truth[spec.name], np.take(one, found) if of_all else found):
            raise UserError(
                f"the true classes of {spec.name} are not those of the data that is here"
            )
        if _recorded(about, spec).test != test.fingerprint:
            raise UserError(f"the test images of {spec.name} are not those that are here")
        start += len(spec.classnames)
    beside = _held_out_images(about)
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
    return f" and {len(recorded)} held-out sets" if recorded else ""


def _training_images(about: Installed) -> str:
    import torch

    from cl_bench.datasets.few_shot import choose

    config, rows = about.run.config, about.run.shots()
    if (rows is None) != (config.protocol.shots is None):
        raise UserError("shots.npz does not go with the configuration")
    for spec in about.specs:
        train, _ = about.images(spec)
        if rows is not None and config.protocol.shots is not None:
            drawn = choose(train.targets.numpy(), config.protocol.shots, config.seed, spec.name)
            if not np.array_equal(rows[spec.name], drawn):
                raise UserError(f"shots.npz: the images of {spec.name} are not those of the seed")
            train = train.subset(torch.from_numpy(drawn))
        if _recorded(about, spec).train != train.fingerprint:
            raise UserError(f"the training images of {spec.name} are not those that are here")
    few = f", the {config.protocol.shots} of a class that the seed draws" if rows else ""
    return f"pixels and classes of {len(about.specs)} tasks are those of the data that is here{few}"


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
