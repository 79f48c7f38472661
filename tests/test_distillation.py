"""The soft cross-entropy against its definition, its minimum and its gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cl_bench.methods.distillation import soft_cross_entropy


def logits(seed: int) -> torch.Tensor:
    return 3 * torch.randn(7, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("T", [1.0, 2.0, 5.0])
def test_it_is_the_divergence_and_the_teachers_entropy_times_t_squared(T: float) -> None:
    teacher, student = logits(0), logits(1)
    p = (teacher / T).softmax(dim=-1)
    divergence = F.kl_div((student / T).log_softmax(-1), p, reduction="batchmean")
    entropy = -(p * p.log()).sum(dim=-1).mean()
    found = soft_cross_entropy(teacher, student, T)
    torch.testing.assert_close(found, T**2 * (divergence + entropy))


@pytest.mark.parametrize("T", [1.0, 2.0])
def test_it_is_smallest_where_the_student_equals_the_teacher(T: float) -> None:
    teacher = logits(0)
    least = soft_cross_entropy(teacher, teacher, T)
    for seed in range(1, 6):
        assert soft_cross_entropy(teacher, teacher + 0.1 * logits(seed), T) > least
    same = teacher.clone().requires_grad_(True)
    soft_cross_entropy(teacher, same, T).backward()
    assert same.grad is not None and same.grad.abs().max() < 1e-12


def test_the_gradient_is_t_times_the_difference_of_the_softened_predictions() -> None:
    teacher, student, T = logits(0), logits(1).requires_grad_(True), 4.0
    soft_cross_entropy(teacher, student, T).backward()
    difference = (student / T).softmax(dim=-1) - (teacher / T).softmax(dim=-1)
    torch.testing.assert_close(student.grad, T * difference.detach() / len(teacher))


def test_adding_a_constant_to_an_images_logits_changes_nothing() -> None:
    teacher, student = logits(0), logits(1)
    shifted = soft_cross_entropy(teacher + 5, student - 3, 2.0)
    torch.testing.assert_close(shifted, soft_cross_entropy(teacher, student, 2.0))
