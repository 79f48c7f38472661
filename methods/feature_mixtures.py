"""A mixture of Gaussians for the features of each class, drawn from instead of its images (LADA)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

SEED = 42  # published code
LEAST_VARIANCE = 1e-6  # sklearn's, also of a class with a single image


@dataclass(frozen=True)
class Mixtures:
    """Spherical Gaussians of C classes; those that a class does not have have weight 0, mean 0, variance 1.

    Attributes:
        means: float32 [C, m, D].
        variances: of every number of a feature, float32 [C, m].
        weights: their shares of their class, float32 [C, m].
    """

    means: Tensor
    variances: Tensor
    weights: Tensor

    @classmethod
    def fitted(cls, features: Tensor, targets: Tensor, classes: int, components: int) -> Mixtures:
        """Fit a mixture to every class.

        Args:
            features: not normalised, [N, D].
            targets: their classes, int64 [N].
            classes: C.
            components: of a class; one with fewer images has as many as images.
        """
        own = [features[targets == c].double().cpu().numpy() for c in range(classes)]
        m = min(components, max(map(len, own)))
        means = torch.zeros(classes, m, features.shape[1])
        variances, weights = torch.ones(classes, m), torch.zeros(classes, m)
        for c, of_class in enumerate(own):
            count = min(m, len(of_class))
            if count > 0:
                parts = [torch.from_numpy(part).float() for part in _fitted(of_class, count)]
                means[c, :count], variances[c, :count], weights[c, :count] = parts
        return cls(*(t.to(features.device) for t in (means, variances, weights)))

    @classmethod
    def together(cls, several: Sequence[Mixtures]) -> Mixtures:
        """The classes of several, one after the other, with as many components as the largest."""
        m = max(of.weights.shape[1] for of in several)
        return cls(
            torch.cat([padded(of.means, m, 0.0) for of in several]),
            torch.cat([padded(of.variances, m, 1.0) for of in several]),
            torch.cat([padded(of.weights, m, 0.0) for of in several]),
        )

    def drawn(self) -> Tensor:
        """One feature from every component, not normalised, [C, m, D]."""
        return self.means + self.variances.sqrt()[..., None] * torch.randn_like(self.means)


def padded(x: Tensor, count: int, value: float) -> Tensor:
    """``x`` [C, k, ...] with ``count`` in the place of k, filled up with a value."""
    more = x.new_full((len(x), count - x.shape[1], *x.shape[2:]), value)
    return torch.cat([x, more], dim=1)


def _fitted(features: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], ...]:
    """Means [m, D], variances [m] and weights [m] of one class."""
    if len(features) == 1:
        return features, np.array([LEAST_VARIANCE]), np.ones(1)
    from sklearn.exceptions import ConvergenceWarning  # a second to import, for one method
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(
        count, covariance_type="spherical", random_state=SEED, reg_covar=LEAST_VARIANCE
    )
    with threadpool_limits(1), warnings.catch_warnings():  # the order of sums is that of one thread
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(features)
    return mixture.means_, mixture.covariances_, mixture.weights_
