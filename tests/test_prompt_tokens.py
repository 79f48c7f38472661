"""Prompt tokens in both towers, against a forward pass written out over open_clip's own modules."""

from __future__ import annotations

from typing import Any

import open_clip
import pytest
import torch
import torch.nn.functional as F
from golden_clip import golden_clip, images, recorded
from torch import Tensor, nn

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.task import LabelSpace
from cl_bench.benchmark.tokens import cut_padding

PROBE, FACTS = recorded("tiny_clip")
TOKENS = PROBE["probe/tokens"].long()
IMAGES = images(PROBE["probe/images"])
BLOCKS, P = 3, 4


def plain_model(clip: Clip) -> open_clip.CLIP:
    """The same weights in the library's own model, with its own attention."""
    model = open_clip.CLIP(**FACTS["open_clip"]).eval()
    model.load_state_dict(clip.model.state_dict())
    return model


def drawn(tower: str, *shape: int) -> Tensor:
    width = golden_clip().attentions()[tower][0].width
    return torch.randn(*shape, width, generator=torch.Generator().manual_seed(5)) / 4


def image_features_by_hand(model: open_clip.CLIP, x: Tensor, prompts: list[Tensor]) -> Tensor:
    """``prompts``: per block [B, P, d]; blocks beyond them keep what came out of the last one."""
    v = model.visual
    x = v.conv1(x).flatten(2).mT
    x = torch.cat([v.class_embedding.expand(len(x), 1, -1), x], dim=1) + v.positional_embedding
    x = v.ln_pre(torch.cat([x[:, :1], prompts[0], x[:, 1:]], dim=1))
    for i, block in enumerate(v.transformer.resblocks):
        if 0 < i < len(prompts):
            x = torch.cat([x[:, :1], prompts[i], x[:, 1 + prompts[i].shape[1] :]], dim=1)
        x = block(x)
    return F.normalize(v.ln_post(x)[:, 0] @ v.proj, dim=-1)


def text_features_by_hand(model: open_clip.CLIP, tokens: Tensor, prompts: list[Tensor]) -> Tensor:
    """One text at a time, without padding: its last position is its end-of-text token."""
    features = []
    for n, ids in enumerate(tokens):
        ids = ids[: int(ids.argmax()) + 1]
        x = model.token_embedding(ids) + model.positional_embedding[: len(ids)]
        x = torch.cat([x[:1], prompts[0][n], x[1:]])[None]
        mask = torch.full((x.shape[1], x.shape[1]), float("-inf")).triu(1)
        for i, block in enumerate(model.transformer.resblocks):
            if 0 < i < len(prompts):
                own = prompts[i][n]
                x = torch.cat([x[:, :1], own[None], x[:, 1 + len(own) :]], dim=1)
            x = block(x, attn_mask=mask)
        features.append(model.ln_final(x)[0, -1] @ model.text_projection)
    return torch.stack(features)


def spread(prompts: Tensor, samples: int) -> list[Tensor]:
    """Every accepted shape as one [B, P, d] per block."""
    whole = prompts if prompts.ndim == 4 else prompts.expand(samples, -1, -1)[None]
    return [own.expand(samples, -1, -1) for own in whole]


SHAPES = {
    "shared": (P,),
    "one": (1, P),
    "own": (len(TOKENS), P),
    "deep": (2, 1, P),
    "deep, own, all blocks": (BLOCKS, len(TOKENS), P),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@torch.no_grad()
def test_the_text_tower_is_the_one_written_out(shape: tuple[int, ...]) -> None:
    clip = golden_clip()
    prompts = drawn("t", *shape)
    expected = text_features_by_hand(plain_model(clip), TOKENS, spread(prompts, len(TOKENS)))
    found = clip.encode_text(TOKENS, prompts)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
    assert (found - clip.encode_text(TOKENS)).abs().max() > 1e-2


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@torch.no_grad()
def test_the_vision_tower_is_the_one_written_out(shape: tuple[int, ...]) -> None:
    clip, some = golden_clip(), IMAGES[:1].repeat(len(TOKENS), 1, 1, 1)
    some = some + torch.randn(some.shape, generator=torch.Generator().manual_seed(6))
    prompts = drawn("v", *shape)
    expected = image_features_by_hand(plain_model(clip), some, spread(prompts, len(some)))
    found = clip.encode_images(some, prompts)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
    assert (found - clip.encode_images(some)).abs().max() > 1e-2


@pytest.mark.parametrize("shape", [(0,), (1, 0), (2, 1, 0)])
@torch.no_grad()
def test_no_prompt_tokens_leave_every_bit(shape: tuple[int, ...]) -> None:
    clip = golden_clip()
    for tokens in (TOKENS, cut_padding(TOKENS)):
        found = clip.encode_text(tokens, drawn("t", *shape))
        assert torch.equal(found, clip.encode_text(tokens))
    assert torch.equal(clip.encode_images(IMAGES, drawn("v", *shape)), clip.encode_images(IMAGES))


@torch.no_grad()
def test_cutting_the_padding_stays_exact() -> None:
    """Also for a text in longer and in shorter company."""
    clip, prompts = golden_clip(), drawn("t", P)
    whole = clip.encode_text(TOKENS, prompts)
    torch.testing.assert_close(clip.encode_text(cut_padding(TOKENS), prompts), whole)
    alone = torch.cat([clip.encode_text(cut_padding(row[None]), prompts) for row in TOKENS])
    torch.testing.assert_close(alone, whole, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_nothing_before_a_position_sees_what_follows_it() -> None:
    """The mask is shifted along: prompt tokens do not see the text, the text sees them all."""
    clip = golden_clip()
    flows: list[Tensor] = []
    other = TOKENS.clone()
    other[:, 1] = other[:, 1] % 400 + 1  # the first word
    with clip.attentions()["t"][-1].watch(lambda flow: flows.append(flow.out)):
        clip.encode_text(TOKENS, prompts := drawn("t", P))
        clip.encode_text(other, prompts)
        prompts[-1] += 1
        clip.encode_text(TOKENS, prompts)
    first, reworded, moved = flows
    assert first.shape[1] == cut_padding(TOKENS).shape[1] + P
    assert torch.equal(first[:, : 1 + P], reworded[:, : 1 + P])
    assert not torch.equal(first[:, 1 + P], reworded[:, 1 + P])
    assert torch.equal(first[:, :P], moved[:, :P])
    assert all((first[:, i] != moved[:, i]).any() for i in range(P, first.shape[1]))


@pytest.mark.parametrize("shape", [(P,), (len(TOKENS), P), (BLOCKS, 1, P)])
@pytest.mark.parametrize("tower", ["v", "t"])
def test_gradients_reach_every_prompt_token_and_nothing_else(
    tower: str, shape: tuple[int, ...]
) -> None:
    clip = golden_clip().requires_grad_(False)
    prompts = nn.Parameter(drawn(tower, *shape))
    features = encode(clip, tower, prompts)
    (features * torch.linspace(-1, 1, features.shape[-1])).sum().backward()
    assert prompts.grad is not None
    assert bool((prompts.grad.abs().sum(dim=-1) > 0).all())
    assert all(p.grad is None for p in clip.parameters())


def encode(clip: Clip, tower: str, prompts: Tensor) -> Tensor:
    """As many images as there are texts."""
    if tower == "t":
        return clip.encode_text(TOKENS, prompts)
    return clip.encode_images(IMAGES[:1].expand(len(TOKENS), -1, -1, -1), prompts)


WRONG = {
    "samples": ((3, P), "prompt tokens for 3 samples, but [0-9]+ are encoded"),
    "blocks": ((BLOCKS + 1, 1, P), "prompt tokens for 4 blocks, but the tower has 3"),
    "dimensions": ((1, 1, 1, P), "prompt tokens are 5-dimensional"),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("tower", ["v", "t"])
def test_prompt_tokens_that_do_not_fit_are_refused(
    tower: str, case: tuple[tuple[int, ...], str]
) -> None:
    shape, words = case
    with pytest.raises(ValueError, match=words):
        encode(golden_clip(), tower, drawn(tower, *shape))
    with pytest.raises(ValueError, match="width 5 do not fit a tower of width"):
        encode(golden_clip(), tower, torch.zeros(P, 5))


def test_a_text_too_long_for_its_prompt_tokens_is_refused_and_one_that_fits_is_not() -> None:
    """Cutting the text instead would classify by half a name."""
    clip = golden_clip()
    length = cut_padding(TOKENS).shape[1]
    room = clip.context_length - length
    assert clip.encode_text(TOKENS, drawn("t", room)).isfinite().all()
    with pytest.raises(
        UserError, match=rf"^{room + 1} prompt tokens and a text of {length} tokens"
    ):
        clip.encode_text(TOKENS, drawn("t", room + 1))


def test_nothing_stays_behind_after_an_error() -> None:
    """A tower that kept its prompt tokens would give other features ever after."""
    clip = golden_clip()
    before = clip.encode_images(IMAGES), clip.encode_text(TOKENS)

    def stop(flow: Any) -> None:
        raise RuntimeError("stop")

    for tower in ("v", "t"):
        with clip.attentions()[tower][1].watch(stop), pytest.raises(RuntimeError, match="stop"):
            encode(clip, tower, drawn(tower, 2, 1, P))
    assert torch.equal(clip.encode_images(IMAGES), before[0])
    assert torch.equal(clip.encode_text(TOKENS), before[1])


@pytest.mark.parametrize("tower", ["v", "t"])
@torch.no_grad()
def test_sixteen_bit_arithmetic_is_that_of_the_tower_without_them(tower: str) -> None:
    """One 32-bit token in a 16-bit sequence would turn all the blocks to 32 bits."""
    clip, seen = golden_clip(), list[torch.dtype]()
    blocks = clip.blocks()[tower]
    for block in blocks:
        block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        encode(clip, tower, drawn(tower, 0))
        encode(clip, tower, drawn(tower, BLOCKS, 1, P))
    assert seen[: len(blocks)] == seen[len(blocks) :]


@torch.no_grad()
def test_classes_are_encoded_with_them_over_every_template() -> None:
    clip, prompts = golden_clip(), drawn("t", P)
    labels = LabelSpace.from_templates(("cat", "dog"), ("a {}.", "a photo of one {} more"))
    found = clip.encode_classes(labels, prompts)
    texts = [clip.tokenize([prompt]) for own in labels.prompts for prompt in own]
    features = torch.cat([F.normalize(clip.encode_text(t, prompts), dim=-1) for t in texts])
    expected = F.normalize(features.unflatten(0, (2, 2)).mean(dim=1), dim=-1)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert (found - clip.encode_classes(labels)).abs().max() > 1e-2
