"""A method's state on disk comes back as it was; what is damaged is refused."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cl_bench.benchmark.checkpoint import count_finite, load_checkpoint, save_checkpoint
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.records import files
from cl_bench.benchmark.records.events import Finished

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool)
TENSORS = st.builds(
    lambda shape, dtype, seed: (
        100 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    ).to(dtype),
    st.lists(st.integers(0, 4), max_size=3),
    st.sampled_from(DTYPES),
    st.integers(0, 99),
)
VALUES = st.integers(-(10**15), 10**15) | st.floats(allow_nan=False) | st.text() | st.booleans()
NAMES = st.text("abcXYZ0123456789_+.- é", min_size=1, max_size=8)
STATES = st.dictionaries(
    NAMES,
    TENSORS | VALUES | st.lists(VALUES, max_size=3),
    max_size=4,
)
NESTED = st.dictionaries(NAMES, st.dictionaries(NAMES, STATES.filter(bool), min_size=1, max_size=2))


def flat(state: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(state, dict):
        return {prefix: state}
    return {k: v for name in state for k, v in flat(state[name], f"{prefix}/{name}").items()}


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return type(one) is type(other) and one == other


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STATES, NESTED)
def test_a_nested_state_comes_back(
    tmp_path: Path, plain: dict[str, Any], nested: dict[str, Any]
) -> None:
    state = {"plain": plain, "nested": nested, "learned": 3}
    numbers = save_checkpoint(tmp_path / "state", state)
    found, expected = flat(load_checkpoint(tmp_path / "state")), flat(state)
    assert found.keys() == expected.keys()
    assert all(equal(found[key], expected[key]) for key in expected)
    tensors = [v for v in expected.values() if isinstance(v, torch.Tensor)]
    assert numbers == sum(t.numel() for t in tensors)


def test_views_of_one_tensor_are_kept_each_by_itself(tmp_path: Path) -> None:
    whole = torch.arange(12.0).view(3, 4)
    state = {"row": whole[1], "column": whole[:, 2], "turned": whole.T}
    assert save_checkpoint(tmp_path / "state", state) == 4 + 3 + 12
    found = load_checkpoint(tmp_path / "state")
    assert all(torch.equal(found[name], part) for name, part in state.items())


def test_trained_parameters_come_back_as_plain_tensors(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.randn(3))
    save_checkpoint(tmp_path / "state", {"w": weight})
    found = load_checkpoint(tmp_path / "state")["w"]
    assert torch.equal(found, weight.detach()) and not found.requires_grad


@pytest.mark.parametrize("keep", [0, 7, 60, -1])
def test_a_file_that_is_cut_off_is_refused(keep: int, tmp_path: Path) -> None:
    file = tmp_path / "state"
    save_checkpoint(file, {"w": torch.ones(50), "learned": 1})
    file.write_bytes(file.read_bytes()[:keep])
    for read in (load_checkpoint, count_finite):
        with pytest.raises(UserError, match=r"cannot read the checkpoint .*state: "):
            read(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the checkpoint .*nothing"):
        load_checkpoint(tmp_path / "nothing")


def test_numbers_are_counted_and_those_that_are_not_finite_found(tmp_path: Path) -> None:
    file = tmp_path / "state"
    save_checkpoint(file, {"a": {"w": torch.ones(2, 3)}, "b": torch.arange(4), "learned": 1})
    assert count_finite(file) == 10
    for bad in (float("nan"), float("inf"), float("-inf")):
        save_checkpoint(file, {"a": {"w": torch.tensor([1.0, bad])}, "b": torch.ones(2)})
        with pytest.raises(UserError, match="a/w holds a number that is not finite"):
            count_finite(file)


def test_an_older_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "state"
    save_checkpoint(file, {"w": torch.ones(1000)})
    with pytest.raises(TypeError):
        save_checkpoint(file, {"w": torch.zeros(1), "no JSON": object()})
    assert torch.equal(load_checkpoint(file)["w"], torch.ones(1000))
    assert [path.name for path in tmp_path.iterdir()] == ["state"], "nothing half is left"


@pytest.mark.parametrize("call", ["fsync", "write", "rename"])
def test_a_full_disk_is_not_filled_by_what_could_not_be_written(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state"
    save_checkpoint(file, {"w": torch.ones(1000)})

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        match call:
            case "fsync":
                full.setattr(files.os, "fsync", refuse)
            case "write":
                full.setattr(Path, "open", refuse)
            case "rename":
                full.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="No space left"):
            save_checkpoint(file, {"w": torch.zeros(1000)})
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert torch.equal(load_checkpoint(file)["w"], torch.ones(1000))


def test_a_disk_that_is_full_is_said_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as told:
        save_checkpoint(tmp_path / "state", {"a": torch.ones(1)})
    assert told.value.filename == str(tmp_path / "state")
    with pytest.raises(OSError, match="No space left") as told:
        RunFolder(tmp_path).log(Finished(metrics={}))
    assert told.value.filename == str(RunFolder(tmp_path).events)
