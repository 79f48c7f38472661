"""The auto-selector against numbers recorded from the published code (ddas).

Tolerances are those recorded with the goldens.
"""

from __future__ import annotations

import pytest
import torch
from golden_clip import images
from moe_golden import FACTS, GOLD, loaded
from torch import Tensor

from cl_bench.benchmark.task import LabelSpace
from cl_bench.methods.auto_selector import AutoEncoder, AutoSelector, fit, route
from cl_bench.methods.experts import NO_ROUTER
from cl_bench.methods.moe_adapters import MoEAdapters


def encoders() -> list[AutoEncoder]:
    """The twelve recorded auto-encoders: four trained, eight at their random start."""
    made = []
    for k in range(FACTS["ddas"]["n_autoencoders"]):
        encoder = AutoEncoder(64, 10).requires_grad_(False)
        put(encoder, k, "")
        made.append(encoder)
    return made


def put(encoder: AutoEncoder, k: int, moment: str) -> None:
    with torch.no_grad():
        encoder.enc.weight.copy_(GOLD[f"ddas/enc_weight{moment}"][k])
        encoder.enc.bias.copy_(GOLD[f"ddas/enc_bias{moment}"][k])
        encoder.dec.weight.copy_(GOLD[f"ddas/dec_weight{moment}"][k])
        encoder.dec.bias.copy_(GOLD[f"ddas/dec_bias{moment}"][k])


BATCHES: dict[str, dict[str, object]] = FACTS["ddas"]["batches"]


class TestSelector:
    """ddas: auto-encoders, routing and the classifiers of every router."""

    @pytest.mark.parametrize("k", range(FACTS["ddas"]["trained"]))
    def test_training(self, k: int) -> None:
        facts, encoder = FACTS["ddas"], AutoEncoder(64, 10)
        put(encoder, k, "_init")
        z = GOLD["ddas/train_features"][k].sigmoid().split(facts["batch_size"])
        features = (z[i % len(z)] for i in range(facts["steps"]))
        losses = fit(encoder, features, facts["steps"], facts["batches_per_epoch"], facts["lr0"])
        gap = torch.tensor(losses, dtype=torch.float64) - GOLD["ddas/train_loss"][k]
        assert gap.abs().max() < 1e-7
        for name, ours in (("enc_weight", encoder.enc.weight), ("dec_bias", encoder.dec.bias)):
            assert (ours - GOLD[f"ddas/{name}"][k]).abs().max() < 2e-6

    @pytest.mark.parametrize("name", BATCHES)
    def test_routing(self, name: str) -> None:
        z = GOLD[f"ddas/{name}/features"].sigmoid()
        errors = torch.stack([e.errors(z).mean() for e in encoders()])[:, None]
        assert (errors[:, 0].double() - GOLD[f"ddas/{name}/ae_loss"]).abs().max() < 1e-7
        expected: dict[str, int] = BATCHES[name]["router_id_by_threshold"]  # type: ignore[assignment]
        for threshold, router in expected.items():
            assert route(errors, float(threshold)).tolist() == [router]

    @pytest.mark.parametrize("name", BATCHES)
    def test_classification(self, name: str) -> None:
        x = images(GOLD[f"ddas/{name}/images"])
        method, labels = self.ready(GOLD[f"ddas/{name}/features"])
        router: int = BATCHES[name]["router_id"]  # type: ignore[assignment]
        assert method.selector.choose(x, 128).tolist() == [router] * 8
        method._use(router)
        with torch.no_grad():
            assert (
                method.clip.model.visual(x) - GOLD[f"ddas/{name}/image_features"]
            ).abs().max() < 2e-5
        method._use(NO_ROUTER)
        predicted = method.classifier(labels)(x).argmax(dim=-1)
        hits = predicted == GOLD[f"ddas/{name}/labels"].long()
        assert 100 * hits.float().mean().item() == BATCHES[name]["top1_percent"]

    def test_classifiers_of_every_router(self) -> None:
        method, labels = self.ready(GOLD["ddas/T1/features"])
        for router in range(-1, FACTS["routers"]):
            method._use(router)
            with torch.no_grad():
                ours = method.clip.encode_classes(labels).T  # [D, C]
            assert (ours - GOLD["ddas/classifier"][router + 1]).abs().max() < 2e-5

    def ready(self, features: Tensor) -> tuple[MoEAdapters, LabelSpace]:
        """The method with all auto-encoders, whose selector gives ``features``; its classes."""
        tokens = GOLD["ddas/prompt_tokens"].flatten(0, 1)  # two prompts for each of six classes
        method = loaded(tokens)
        method.selector = AutoSelector(lambda x: features, 10, threshold=0.0655)
        method.selector.encoders = encoders()
        return method, LabelSpace(tuple("abcdef"), (("", ""),) * 6)
