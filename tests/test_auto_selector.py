"""The auto-selector: what it reconstructs, how its rate falls, and whom it sends an image to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import pytest
import torch
from torch import Tensor

from cl_bench.methods import auto_selector
from cl_bench.methods.auto_selector import AutoEncoder, AutoSelector, fit, route


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def made(seed: int = 0) -> AutoEncoder:
    torch.manual_seed(seed)
    return AutoEncoder(12, 4)


def test_an_encoder_computes_what_its_formula_says() -> None:
    encoder, z = made(), uniform(5, 12)
    hidden = (z @ encoder.enc.weight.T + encoder.enc.bias).clamp_min(0)
    expected = torch.sigmoid(hidden @ encoder.dec.weight.T + encoder.dec.bias)
    torch.testing.assert_close(encoder(z), expected)
    torch.testing.assert_close(encoder.errors(z), ((expected - z) ** 2).mean(dim=1))


def test_training_lowers_the_error_of_what_was_shown_and_ends_frozen() -> None:
    encoder, z = made(), uniform(8, 12)
    before = encoder.errors(z).mean()
    losses = fit(encoder, repeat(z), 40, steps_per_epoch=4, lr=0.01)
    assert len(losses) == 40 and losses[0] == pytest.approx(float(before.detach()))
    assert encoder.errors(z).mean() < 0.9 * before
    assert not any(p.requires_grad for p in encoder.parameters())


def test_the_rate_is_a_tenth_from_every_tenth_epoch_on(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[float] = []
    step = torch.optim.Adam.step

    def noted(self: torch.optim.Adam, *arguments: object) -> object:
        used.append(self.param_groups[0]["lr"])
        return step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(auto_selector.torch.optim.Adam, "step", noted)
    fit(made(), repeat(uniform(4, 12)), 65, steps_per_epoch=3, lr=0.02)
    assert used == [0.02 * 0.1 ** (step // 30) for step in range(65)], "bit for bit"


def test_it_draws_exactly_as_many_batches_as_it_makes_steps() -> None:
    drawn = 0

    def batches() -> Iterator[Tensor]:
        nonlocal drawn
        while True:
            drawn += 1
            yield uniform(4, 12, seed=drawn)

    fit(made(), batches(), 7, steps_per_epoch=2, lr=0.01)
    assert drawn == 7


def test_the_smallest_error_wins_unless_it_is_the_references_or_too_large() -> None:
    errors = torch.tensor([[0.3, 0.1, 0.3, 0.5], [0.1, 0.2, 0.4, 0.5], [0.2, 0.3, 0.2, 0.4]])
    assert route(errors, threshold=0.35).tolist() == [0, -1, 1, -1]
    assert route(errors, threshold=1.0).tolist() == [0, -1, 1, 1]
    assert route(errors, threshold=0.05).tolist() == [-1, -1, -1, -1]


@pytest.fixture
def selector() -> AutoSelector:
    """It knows two distributions beside the reference set's."""
    selector = AutoSelector(lambda images: images.flatten(1).logit(), hidden=4, threshold=1.0)
    for k, level in enumerate((0.5, 0.1, 0.9)):
        encoder = selector.encoder(k, torch.full((1, 3, 2, 2), 0.5))
        with torch.no_grad():
            for parameter in encoder.parameters():
                parameter.zero_()
            encoder.dec.bias.fill_(torch.tensor(level).logit())  # always reconstructs `level`
    return selector


def test_every_image_goes_to_the_router_of_its_distribution(selector: AutoSelector) -> None:
    images = torch.tensor([0.1, 0.9, 0.5, 0.88, 0.15]).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    assert selector.choose(images, together=1).tolist() == [0, 1, -1, 1, 0]


def test_images_routed_together_share_the_router_of_their_mean_error(
    selector: AutoSelector,
) -> None:
    images = torch.tensor([0.1, 0.1, 0.5, 0.9, 0.9]).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    assert selector.choose(images, together=3).tolist() == [0, 0, 0, 1, 1]
    assert selector.choose(images[:4], together=3).tolist() == [0, 0, 0, 1], "a last, short part"


def test_features_are_sigmoids_in_float32_and_encoders_of_their_width() -> None:
    selector = AutoSelector(lambda images: images.flatten(1).double(), hidden=3, threshold=1.0)
    images = torch.randn(2, 3, 2, 2)
    z = selector.features(images)
    assert z.dtype == torch.float32
    torch.testing.assert_close(z, images.flatten(1).sigmoid())
    encoder = selector.encoder(2, images)
    assert len(selector.encoders) == 3 and selector.encoder(2, images) is encoder
    assert encoder.enc.weight.shape == (3, 12)
