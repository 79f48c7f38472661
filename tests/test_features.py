"""Gram matrices of what flows into q, k, v and o, against the sums that they stand for."""

from __future__ import annotations

import pytest
import torch
from golden_clip import golden_clip
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.methods.features import BatchMean, Gram, gram, task_grams, watching

# A batch's products are float32, and processors add them in other orders.
ROUNDED = {"rtol": 1e-6, "atol": 1e-6}
LABELS = LabelSpace.from_templates(("cat", "an old steam engine", "oak"), ("a photo of a {}.",))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def toy_task(clip: Clip, count: int = 8) -> TrainingTask:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images = Images(pixels, torch.arange(count) % 3)
    return TrainingTask(
        Task("toy", LABELS, images, images), clip.normaliser(), 4, torch.Generator(), cropped=True
    )


@pytest.mark.parametrize("count", [1, 5, 2_048, 5_000])
def test_a_gram_matrix_is_the_sum_of_products_to_float64s_digits(count: int) -> None:
    x = normal(count, 6)
    found = gram(x)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, x.double().T @ x.double(), rtol=1e-5, atol=1e-6 * count)


def test_a_gram_matrix_ends_16_bit_arithmetic_and_needs_no_numbers() -> None:
    x = normal(300, 4)
    with torch.autocast("cpu", torch.bfloat16):
        inside = gram(x)
    assert torch.equal(inside, gram(x))
    assert gram(x.to("meta")).shape == (4, 4), "torch's meta device has no autocast"


def test_sums_add_up_over_batches_of_any_size() -> None:
    statistic, parts = Gram(), (normal(3, 2, 5, seed=1), normal(1, 2, 5, seed=2))
    for part in parts:
        statistic.add(part)
    together = torch.cat([part.flatten(0, 1) for part in parts])
    torch.testing.assert_close(statistic.gram(), gram(together), **ROUNDED)


def test_features_that_do_not_count_are_left_out() -> None:
    x, keep = normal(3, 4, 5), torch.arange(4) <= torch.tensor([[0], [3], [1]])
    statistic = Gram(keep)
    statistic.add(x)
    expected = torch.cat([x[0, :1], x[1], x[2, :2]])
    torch.testing.assert_close(statistic.gram(), gram(expected), **ROUNDED)


def test_a_batch_mean_is_element_by_element() -> None:
    statistic, parts = BatchMean(), [normal(3, 2, 5, seed=i) for i in range(4)]
    for part in parts:
        statistic.add(part)
    mean = torch.stack(parts).mean(dim=0)
    torch.testing.assert_close(statistic.gram(), gram(mean.flatten(0, 1)), **ROUNDED)


def test_a_statistic_without_features_is_no_matrix_of_zeros() -> None:
    for statistic in (Gram(), BatchMean()):
        with pytest.raises(AssertionError, match="no features"):
            statistic.gram()


def test_a_watched_block_hands_over_the_input_of_q_k_and_v() -> None:
    clip, images = golden_clip(), normal(2, 3, 32, 32)

    seen: list[Tensor] = []
    ln = clip.blocks()["v"][0].ln_1
    handle = ln.register_forward_hook(lambda module, given, output: seen.append(output))  # type: ignore[operator, union-attr]
    with watching(clip.attentions()["v"], Gram) as statistics, torch.no_grad():
        clip.encode_images(images)
    handle.remove()
    (expected,) = seen
    assert len(statistics) == len(clip.blocks()["v"])
    d = expected.shape[-1]
    torch.testing.assert_close(statistics[0]["in"].gram(), gram(expected.reshape(-1, d)))
    assert statistics[0]["out"].gram().shape == (d, d)


def test_a_tasks_matrices_come_in_the_order_q_k_v_o_and_q_k_v_share_theirs() -> None:
    clip = golden_clip()
    task = toy_task(clip)
    found = task_grams(clip, task)
    for tower, attentions in clip.attentions().items():
        d = attentions[0].width
        assert found[tower].shape == (4 * len(attentions), d, d)
        per_block = found[tower].unflatten(0, (-1, 4))
        assert torch.equal(per_block[:, 0], per_block[:, 1])
        assert torch.equal(per_block[:, 0], per_block[:, 2])
        assert not torch.equal(per_block[:, 0], per_block[:, 3])
    assert task.images_drawn == 8


def test_a_last_partial_batch_is_left_out_and_crops_are_not_drawn() -> None:
    clip = golden_clip()
    task, shorter = toy_task(clip, 10), toy_task(clip, 8)
    task_grams(clip, task)
    assert task.images_drawn == 8
    first, again = (task_grams(clip, toy_task(clip))["v"] for _ in range(2))
    torch.testing.assert_close(first, again, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(first, task_grams(clip, shorter)["v"], rtol=1e-6, atol=1e-6)


def test_padding_counts_only_where_it_is_asked_for() -> None:
    clip = golden_clip()
    prompts, padded = (task_grams(clip, toy_task(clip), padded=p)["t"] for p in (False, True))
    tokens = clip.tokenize([prompts[0] for prompts in LABELS.prompts])
    own = int((tokens.argmax(dim=-1) + 1).sum())
    with watching(clip.attentions()["t"], lambda: Gram()) as all_positions, torch.no_grad():
        clip.encode_text(tokens)
    torch.testing.assert_close(padded[0], all_positions[0]["in"].gram())
    assert own < tokens.numel()
    assert prompts[0].trace() < padded[0].trace()
