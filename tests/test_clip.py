"""CLIP: recorded features, exact short cuts, and what is computed how often."""

from __future__ import annotations

import open_clip
import pytest
import torch
from golden_clip import golden_clip, images, recorded
from torch import Tensor, nn

from cl_bench.benchmark.attention import Attention
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.task import Batch, LabelSpace
from cl_bench.benchmark.tokens import cut_padding

PROBE, _ = recorded("tiny_clip")
LABELS = LabelSpace.from_templates(("cat", "big_dog"), ("a photo of a {}.", "the {}"))


def batch(clip: Clip) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(
        torch.randn(4, 3, clip.image_size, clip.image_size, generator=generator),
        torch.tensor([0, 1, 1, 0]),
        LABELS.first_prompts(),
        torch.arange(4),
    )


@torch.no_grad()
def test_recorded_features() -> None:
    clip = golden_clip()
    features = clip.model.visual(images(PROBE["probe/images"]))
    assert (features - PROBE["probe/image_features"]).abs().max() < 2e-5
    features = clip.encode_text(PROBE["probe/tokens"].long())
    assert (features - PROBE["probe/text_features"]).abs().max() < 2e-5


def test_cutting_the_padding_is_exact_for_features_and_gradients() -> None:
    tokens = PROBE["probe/tokens"].long()
    short = cut_padding(tokens)
    assert short.shape[1] < 77 and bool((tokens[:, short.shape[1] :] == 0).all())
    results: list[tuple[Tensor, dict[str, Tensor]]] = []
    for variant in (tokens, short):
        clip = golden_clip()
        features = clip.encode_text(variant)
        (features * torch.linspace(-1, 1, features.shape[1])).sum().backward()
        gradients = {n: p.grad for n, p in clip.model.named_parameters() if p.grad is not None}
        results.append((features.detach(), gradients))
    (full, full_gradients), (cut, cut_gradients) = results
    assert (full - cut).abs().max() < 1e-6
    assert full_gradients.keys() == cut_gradients.keys() and len(full_gradients) > 30
    for name, gradient in full_gradients.items():
        scale = gradient.abs().max() + 1e-6
        assert (gradient - cut_gradients[name]).abs().max() / scale < 1e-4, name


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_the_librarys(causal: bool) -> None:
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(32, 4, batch_first=True)
    nn.init.normal_(theirs.in_proj_bias)
    x = torch.randn(3, 7, 32)
    mask = torch.full((7, 7), float("-inf")).triu(1) if causal else None
    expected = theirs(x, x, x, need_weights=False, attn_mask=mask)[0]
    ours = Attention(theirs)
    assert (ours(x, attn_mask=mask)[0] - expected).abs().max() < 1e-6
    assert set(ours.state_dict()) == set(theirs.state_dict())


@torch.no_grad()
def test_ensemble_is_the_normalised_mean_of_normalised_features() -> None:
    clip = golden_clip()
    assert LABELS.prompts[1] == ("a photo of a big dog.", "the big dog")
    by_hand = []
    for prompts in LABELS.prompts:
        features = torch.cat([clip.encode_text(clip.tokenize([prompt])) for prompt in prompts])
        mean = nn.functional.normalize(features, dim=-1).mean(dim=0)
        by_hand.append(mean / mean.norm())
    assert (clip.encode_classes(LABELS) - torch.stack(by_hand)).abs().max() < 1e-6


def count_text_passes(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    passes: list[int] = []
    original = clip.encode_text
    monkeypatch.setattr(
        clip,
        "encode_text",
        lambda tokens, *more: passes.append(len(tokens)) or original(tokens, *more),
    )
    return passes


def test_a_teachers_text_features_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = golden_clip().requires_grad_(False)
    passes = count_text_passes(clip, monkeypatch)
    first = clip.frozen_classes(LABELS)
    assert clip.frozen_classes(LABELS) is first and len(passes) == 1
    other = LabelSpace(LABELS.classnames[:1], LABELS.prompts[:1])
    assert len(clip.frozen_classes(other)) == 1 and len(passes) == 2


def test_a_hook_on_the_text_tower_gets_its_gradient() -> None:
    """Nothing in the model shows that a hook adapts it: the loss must see it all the same."""
    clip = golden_clip().requires_grad_(False)
    scale = torch.ones((), requires_grad=True)
    last = clip.blocks()["t"][-1]
    last.register_forward_hook(lambda module, inputs, x: x + scale * torch.arange(x.shape[-1]))
    clip.cross_entropy(batch(clip)).backward()
    assert scale.grad is not None and scale.grad.abs() > 0
    first = clip.cross_entropy(batch(clip))
    with torch.no_grad():
        scale.mul_(0.5)
    assert clip.cross_entropy(batch(clip)) != first, "no features of an earlier step"


def test_only_changed_tensors_are_kept_and_they_come_back() -> None:
    clip = golden_clip()
    assert clip.changed_state() == {}
    with torch.no_grad():
        clip.attentions()["t"][1].out_proj.weight.mul_(2)
        clip.model.visual.proj.add_(1)
    changed = {name: t.clone() for name, t in clip.changed_state().items()}
    assert set(changed) == {
        "visual.proj",
        "transformer.resblocks.1.attn.out_proj.weight",
    }
    fresh = golden_clip()
    fresh.load_changed_state(changed)
    assert all(
        torch.equal(t, fresh.model.state_dict()[n]) for n, t in clip.model.state_dict().items()
    )
    with pytest.raises(ValueError, match="no tensors named nonsense"):
        fresh.load_changed_state({"nonsense": torch.zeros(1)})


def test_a_model_of_another_kind_is_refused() -> None:
    model = open_clip.CustomTextCLIP(
        embed_dim=8,
        vision_cfg={"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "head_width": 8},
        text_cfg={"vocab_size": 50, "context_length": 5, "width": 16, "heads": 2, "layers": 1},
    )
    with pytest.raises(UserError, match="is a CustomTextCLIP"):
        Clip(model, open_clip.get_tokenizer("ViT-B-16"))


def test_real_architecture_has_the_published_number_of_trainable_parameters() -> None:
    """4 x r x d numbers a block: 983,040 for ViT-B/16 at rank 16 (specification, section 2)."""
    config = open_clip.get_model_config("ViT-B-16-quickgelu")
    vision, text = config["vision_cfg"], config["text_cfg"]
    assert sum(4 * 16 * c["width"] * c["layers"] for c in (vision, text)) == 983_040
