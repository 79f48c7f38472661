"""One change of a model and masks in the place of many: against a loop over scalars, and numpy's bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cl_bench.methods.bit_masks import packed, unpacked
from cl_bench.methods.unified_deltas import UnifiedDeltas

Numbers = dict[str, list[float]]


def by_scalars(deltas: list[Numbers]) -> tuple[Numbers, list[dict[str, list[bool]]], list[float]]:
    """δ_U, the masks and the rescalers, one scalar after the other."""
    unified: Numbers = {name: [] for name in deltas[0]}
    masks: list[dict[str, list[bool]]] = [{name: [] for name in deltas[0]} for _ in deltas]
    for name in deltas[0]:
        for of in zip(*(delta[name] for delta in deltas), strict=True):
            sign = 1 if sum(of) / len(of) > 0 else -1
            unified[name].append(sign * max((abs(d) for d in of if d * sign > 0), default=0.0))
            for mask, d in zip(masks, of, strict=True):
                mask[name].append(d * sign > 0)
    rescalers = []
    for mask, delta in zip(masks, deltas, strict=True):
        whole = sum(sum(map(abs, d)) / len(d) for d in delta.values())
        left = sum(
            sum(abs(u) for u, m in zip(unified[name], mask[name], strict=True) if m) / len(of)
            for name, of in unified.items()
        )
        rescalers.append(whole / left if left else 0.0)
    return unified, masks, rescalers


def drawn(seed: int) -> dict[str, Tensor]:
    """A change of three tensors; some of its numbers are exactly zero."""
    generator = torch.Generator().manual_seed(seed)
    shapes: dict[str, tuple[int, ...]] = {"a": (3, 5), "b": (7,), "c": (2, 2, 3)}
    made = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return {name: d.masked_fill(d.abs() < 0.3, 0) for name, d in made.items()}


def listed(delta: dict[str, Tensor]) -> Numbers:
    return {name: d.double().flatten().tolist() for name, d in delta.items()}


def test_unifying_is_that_of_a_loop_over_scalars_also_of_what_was_unified_before() -> None:
    found, known = UnifiedDeltas({}), list[Numbers]()
    for seed in range(4):
        found, known = found.extended(drawn(seed)), [*known, listed(drawn(seed))]
        unified, masks, rescalers = by_scalars(known)
        for name, expected in unified.items():
            assert found.unified[name].flatten().tolist() == pytest.approx(expected, rel=1e-5)
        for expert, mask, r in zip(found.experts, masks, rescalers, strict=True):
            assert expert.rescaler == pytest.approx(r, rel=1e-5)
            for name, bits in mask.items():
                shape = found.unified[name].shape
                assert unpacked(expert.masks[name], shape).flatten().tolist() == bits
        known = [  # what is left of each: old experts drift with every unification
            {name: [r * u * m for u, m in zip(unified[name], mask[name], strict=True)]
             for name in unified}
            for mask, r in zip(masks, rescalers, strict=True)
        ]  # fmt: skip
        for expert, left in zip(found.experts, known, strict=True):
            for name, expected in left.items():
                delta = expert.delta(name, found.unified[name])
                assert delta.flatten().tolist() == pytest.approx(expected, rel=1e-5)


def test_one_task_alone_is_its_own_model() -> None:
    (expert,) = (found := UnifiedDeltas({}).extended(drawn(0))).experts
    assert expert.rescaler == 1.0
    for name, delta in drawn(0).items():
        assert torch.equal(expert.delta(name, found.unified[name]), delta)


def test_a_change_that_is_nothing_or_loses_every_sign_leaves_finite_numbers() -> None:
    small, large = {"a": torch.full((4,), 0.5)}, {"a": torch.full((4,), -2.0)}
    found = UnifiedDeltas({}).extended(small).extended(large).extended({"a": torch.zeros(4)})
    assert [expert.rescaler for expert in found.experts] == [0.0, 1.0, 0.0]
    deltas = [expert.delta("a", found.unified["a"]) for expert in found.experts]
    assert [float(d.sum()) for d in deltas] == [0.0, -8.0, 0.0]


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_packed_masks_are_the_masks(bits: list[bool]) -> None:
    mask = torch.tensor(bits)
    assert packed(mask).tolist() == np.packbits(np.array(bits)).tolist()
    assert unpacked(packed(mask), mask.shape).tolist() == bits
    square = mask.expand(3, len(bits))
    assert torch.equal(unpacked(packed(square), square.shape), square)
