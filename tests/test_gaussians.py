"""Gaussians of a task's features: their densities are scipy's, whatever the number of images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden_clip import golden_clip
from scipy.stats import multivariate_normal
from test_residual_prefix import drawn
from toy_task import toy

from cl_bench.methods.gaussians import Gaussian, Moments

FLOOR = 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_densities_are_scipy_s(seed: int) -> None:
    D, features = 6, drawn(40, 6, seed=seed)
    covariance = np.cov(features[:20].numpy().T) + 1e-7 * np.eye(D)
    stored = torch.tensor(covariance).float()
    mean = features[:20].mean(dim=0).float()
    found = Gaussian.of(mean, stored, 1e-7).log_density(features)
    expected = multivariate_normal(mean.double().numpy(), stored.double().numpy()).logpdf(
        features.numpy()
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-11)


def test_a_degenerate_covariance_has_the_floor_s_density() -> None:
    """Five points in 12 dimensions: float32 leaves variances of either sign where the floor belongs."""
    points = drawn(5, 12, seed=1)
    covariance = np.cov(points.numpy().T) + 1e-7 * np.eye(12)
    made = Gaussian.of(points.mean(dim=0).float(), torch.tensor(covariance).float(), 1e-7)
    assert made.variances.min() >= 1e-7
    expected = multivariate_normal(points.mean(dim=0).numpy(), covariance).logpdf(points.numpy())
    np.testing.assert_allclose(made.log_density(points).numpy(), expected, rtol=0.02)


def test_a_task_s_gaussian_is_that_of_its_original_features() -> None:
    clip = golden_clip()
    made = Moments.of(clip, toy(0, clip.normaliser())).gaussian(FLOOR, "toy0")
    batches = toy(0, clip.normaliser()).epoch()
    with torch.no_grad():
        f = torch.cat([clip.encode_images(b.images) for b in batches]).double().numpy()
    np.testing.assert_allclose(made.mean.numpy(), f.mean(axis=0), atol=1e-7)
    expected = np.cov(f.T) + FLOOR * np.eye(f.shape[1])
    np.testing.assert_allclose(made.covariance.numpy(), expected, atol=1e-8)
    assert made.covariance.dtype == torch.float32
