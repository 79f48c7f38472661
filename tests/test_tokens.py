"""Tokens of a label space: made once, and never those of another space or another tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from golden_clip import golden_clip
from torch import Tensor

from cl_bench.benchmark import tokens
from cl_bench.benchmark.task import LabelSpace
from cl_bench.benchmark.tokens import LabelTokens, cut_padding

LIKE = torch.zeros(())


class Words:
    """A tokenizer that counts its calls: one id a word, the largest at the end."""

    def __init__(self, shift: int = 0) -> None:
        self.calls, self.shift = 0, shift

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        self.calls += 1
        made = torch.zeros(len(prompts), 12, dtype=torch.int64)
        for row, prompt in zip(made, prompts, strict=True):
            ids = [1 + self.shift + len(word) for word in prompt.split()]
            row[: len(ids) + 1] = torch.tensor([*ids, 99])
        return made


def space(*names: str, templates: tuple[str, ...] = ("a {}.",)) -> LabelSpace:
    return LabelSpace.from_templates(names, templates)


def test_they_are_made_once_and_cut_to_the_longest() -> None:
    known, words = LabelTokens(), Words()
    first = known.of(space("cat", "old oak"), words, LIKE)
    assert known.of(space("cat", "old oak"), words, LIKE) is first and words.calls == 1
    assert torch.equal(first[0], cut_padding(Words()(["a cat.", "a old oak."])))
    assert first[0].shape == (2, 4) and first[0].is_contiguous()


def test_an_ensemble_comes_in_parts_in_the_order_of_the_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "PROMPTS_AT_ONCE", 3)
    parts = LabelTokens().of(space("x", "yy", templates=("{}", "a {}")), Words(), LIKE)
    assert [part.shape for part in parts] == [(3, 3), (1, 3)], "each part as long as it must be"
    assert [row.tolist() for part in parts for row in part] == [
        [2, 99, 0], [2, 2, 99], [3, 99, 0], [2, 3, 99],
    ]  # fmt: skip


def test_other_prompts_another_tokenizer_and_another_device_get_their_own() -> None:
    known, words, other = LabelTokens(), Words(), Words(shift=5)
    before = known.of(space("cat"), words, LIKE)[0]
    assert not torch.equal(known.of(space("goldfish"), words, LIKE)[0], before)
    assert torch.equal(known.of(space("cat"), other, LIKE)[0][:, :2], before[:, :2] + 5)
    assert known.of(space("cat"), words, LIKE.to("meta"))[0].device.type == "meta"
    assert words.calls == 3 and other.calls == 1


def test_a_list_that_was_changed_is_not_taken_for_what_it_was() -> None:
    known, words, prompts = LabelTokens(), Words(), ["a cat"]
    labels = LabelSpace(("cat",), (prompts,))  # type: ignore[arg-type]
    before = known.of(labels, words, LIKE)[0]
    prompts[0] = "a goldfish"
    assert not torch.equal(known.of(labels, words, LIKE)[0], before)


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "SPACES_KEPT", 2)
    known, words = LabelTokens(), Words()
    for name in ("a", "b", "c", "c", "b"):
        known.of(space(name), words, LIKE)
    assert words.calls == 3 and len(known._known) == 2
    known.of(space("a"), words, LIKE)
    assert words.calls == 4


@torch.no_grad()
def test_classes_have_the_features_of_their_prompts_bit_by_bit() -> None:
    clip, labels = golden_clip(), space("cat", "a large old oak", "boat")
    for _ in range(2):
        features = torch.nn.functional.normalize(
            clip.encode_prompts([prompt for (prompt,) in labels.prompts]), dim=-1
        )
        assert torch.equal(clip.encode_classes(labels), features)
    before = clip.encode_classes(labels)
    standard = clip.tokenizer
    clip.tokenizer = lambda prompts: standard(["something else"] * len(prompts))
    assert not torch.equal(clip.encode_classes(labels), before)
