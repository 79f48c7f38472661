"""More memory than there is: one line, as for every mistake that other settings mend."""

from __future__ import annotations

import pytest
import torch
from command_line import cl_bench

from cl_bench.benchmark.errors import UserError
from cl_bench.cli.mended_by_the_user import mended_by_the_user


def test_torch_s_own_words_of_a_cpu_without_memory_are_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    words = mended_by_the_user(caught.value)
    assert words is not None and words.startswith("no memory is left (") and "\n" not in words


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore"),
        OSError("no space left"),
        UserError("a mistake"),
    ],
)
def test_what_a_user_can_mend_is_one_line(error: Exception) -> None:
    words = mended_by_the_user(error)
    assert words and "\n" not in words


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), RecursionError(), ValueError("x")]
)
def test_a_fault_of_ours_is_not_hidden(error: Exception) -> None:
    assert mended_by_the_user(error) is None


def test_a_rank_that_fits_into_no_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    settings = (
        "--set",
        "rank=2000000000",
        "--set",
        "steps=1",
        "--suite",
        "mini",
        "--device",
        "cpu",
    )
    arguments = ("run", "--method", "lora", "--tasks", "1", "--out", str(tmp_path), *settings)
    assert cl_bench(monkeypatch, *arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert (
        error.startswith("error: the memory of cpu is too small (")
        and "smaller batch_size" in error
    )
