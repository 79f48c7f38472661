"""Centres of each class among its images' features, and what they say of an image (LADA)."""

from __future__ import annotations

import warnings

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

STARTS, SEED = 10, 42  # of k-means (published code)


def centres_of(features: Tensor, targets: Tensor, classes: int, most: int) -> tuple[Tensor, Tensor]:
    """Cluster the images of every class by k-means.

    Args:
        features: unit features [N, D].
        targets: their classes, int64 [N].
        classes: C.
        most: centres of a class; one with fewer images has as many as images.

    Returns:
        Centres, float32 [C, k, D], not normalised, and which of them there are, bool [C, k]; the others
        are 0. Both on the features' device.
    """
    from sklearn.cluster import KMeans  # a second to import, for one method
    from sklearn.exceptions import ConvergenceWarning

    own = [features[targets == c].double().cpu().numpy() for c in range(classes)]
    k = min(most, max(map(len, own)))
    centres = torch.zeros(classes, k, features.shape[1])
    held = torch.zeros(classes, k, dtype=torch.bool)
    with threadpool_limits(1), warnings.catch_warnings():  # the order of sums is that of one thread
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal images: some centres are equal
        for c, of_class in enumerate(own):
            count = min(k, len(of_class))
            if count > 0:
                found = KMeans(count, n_init=STARTS, random_state=SEED).fit(of_class)
                centres[c, :count] = torch.from_numpy(found.cluster_centers_).float()
                held[c, :count] = True
    return centres.to(features.device), held.to(features.device)


def nearness(features: Tensor, centres: Tensor, held: Tensor, alpha: float, beta: float) -> Tensor:
    """α Σ exp(-β(1 - f·w)) over the centres w of every class, [B, C].

    Args:
        features: unit features [B, D].
        centres: [C, k, D].
        held: which of them there are, bool [C, k].
        alpha: weight.
        beta: sharpness.
    """
    C, k, D = centres.shape
    cosines = (features @ centres.reshape(C * k, D).T).reshape(len(features), C, k)
    return alpha * (held * (-beta * (1 - cosines)).exp()).sum(dim=-1)
