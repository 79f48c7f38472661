"""The same image in training and in test: a test of memory, not of learning."""

from __future__ import annotations

from cl_bench.benchmark.images import Images


def in_both(task: str, train: Images, test: Images) -> str | None:
    """How many test images are training images as well, in words; ``None`` where none is.

    They are told by their bytes. Published data sets have some, so that this is no error.

    Args:
        task: its name.
        train: what is trained on.
        test: what accuracies are measured on.
    """
    trained = {image.digest: image.name for image in train.origins}
    shared = [image for image in test.origins if image.digest in trained]
    if not shared:
        return None
    first = shared[0]
    are = "is" if len(shared) == 1 else "are"
    return (
        f"{task}: {len(shared):,} of {len(test):,} test images {are} byte for byte among its "
        f"{len(train):,} training images (the first: {first.name}, in training "
        f"{trained[first.digest]})"
    )
