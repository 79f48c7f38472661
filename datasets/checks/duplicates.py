"""Test images that are training images, too: a model can know their answer by heart."""

from __future__ import annotations

from cl_bench.benchmark.images import Images


def in_both(task: str, train: Images, test: Images) -> str | None:
    """How many test images are training images as well, in words; ``None`` where none is.

    Two images are the same if their bytes are. Published data sets have some, so this is no error.

    Args:
        task: its name.
        train: what is trained on.
        test: what accuracies are measured on.
    """
    trained = {digest: i for i, digest in enumerate(train.digests)}
    shared = [i for i, digest in enumerate(test.digests) if digest in trained]
    if not shared:
        return None
    first, twin = shared[0], trained[test.digests[shared[0]]]
    are = "is" if len(shared) == 1 else "are"
    return (
        f"{task}: {len(shared):,} of {len(test):,} test images {are} byte for byte among its "
        f"{len(train):,} training images (the first: {test.called(first)}, in training "
        f"{train.called(twin)})"
    )
