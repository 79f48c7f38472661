"""OpenAI's archives are read as torch reads them, and their program is never run."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import open_clip
import pytest
import torch
from tiny_pair import CONFIG

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.pretrained.torchscript_file import read_torchscript
from cl_bench.datasets.pretrained.weight_file import read_weights

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning"
)


class Writes(torch.nn.Module):
    """Makes a file while torch loads it."""

    def __init__(self, trace: str) -> None:
        super().__init__()
        self.w, self.trace = torch.nn.Parameter(torch.ones(2)), trace

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.w

    @torch.jit.export
    def __getstate__(self) -> tuple[torch.Tensor, str, bool]:
        return self.w, self.trace, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, str, bool]) -> None:
        made = torch.from_file(state[1], True, 10)
        self.w, self.trace, self.training = state[0] + made.sum(), state[1], state[2]


def test_a_program_in_an_archive_is_not_run(tmp_path: Path) -> None:
    file, trace = tmp_path / "weights.pt", tmp_path / "trace"
    torch.jit.script(Writes(str(trace))).save(str(file))
    with pytest.raises(UserError, match=r"weights\.pt does not hold plain tensors .* never run"):
        read_weights(file)
    assert not trace.exists()
    torch.jit.load(str(file))
    assert trace.exists(), "the check can tell"


class Mixed(torch.nn.Module):
    """Everything that a module may hold beside parameters and buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = torch.nn.Parameter(torch.randn(3, 4).half())
        self.register_buffer("count", torch.tensor(77))
        self.register_buffer("turned", torch.randn(4, 3).T[1:])
        self.mask = torch.ones(2)  # neither
        self.sizes, self.names = [1, 2], ["a", "b"]
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Linear(2, 2))
        self.empty = torch.nn.Parameter(torch.zeros(0, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x) * self.sizes[0] + self.mask


def clip() -> torch.jit.ScriptModule:
    model = open_clip.CLIP(**CONFIG).eval()
    images, texts = torch.zeros(1, 3, 32, 32), torch.zeros(1, 77, dtype=torch.int64)
    return torch.jit.trace(model, (images, texts), check_trace=False, strict=False)  # type: ignore[no-any-return]


MODULES = {"scripted": lambda: torch.jit.script(Mixed()), "a traced CLIP": clip}


@pytest.mark.parametrize("how", MODULES)
def test_the_tensors_are_those_that_torch_reads(how: str, tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    MODULES[how]().save(str(file))
    expected, found = torch.jit.load(str(file)).state_dict(), read_torchscript(file)
    assert found.keys() == expected.keys() and len(found) > 3
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name


def rewritten(file: Path, member: str, content: bytes) -> None:
    """Give an archive another member in the place of one."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, old in members.items():
            archive.writestr(name, content if name.endswith(member) else old)


class Code:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.trace,)


def test_a_pickle_in_an_archive_calls_nothing(tmp_path: Path) -> None:
    file, trace = tmp_path / "weights.pt", tmp_path / "trace"
    torch.jit.script(Mixed()).save(str(file))
    rewritten(file, "/data.pkl", pickle.dumps(Code(trace), 2))
    with pytest.raises(UserError, match="does not hold plain tensors"):
        read_weights(file)
    assert not trace.exists()


def test_an_archive_cut_anywhere_is_named(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    torch.jit.script(Mixed()).save(str(file))
    whole = file.read_bytes()
    for eighth in range(8):
        file.write_bytes(whole[: len(whole) * eighth // 8])
        with pytest.raises(UserError, match=r"weights\.pt (is damaged|is no weight file)"):
            read_weights(file)


def test_a_flipped_bit_of_a_number_is_named(tmp_path: Path) -> None:
    """The archive holds a check sum of each storage."""
    file = tmp_path / "weights.pt"
    torch.jit.script(Mixed()).save(str(file))
    whole = file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        numbers = archive.read(next(n for n in archive.namelist() if n.endswith("/data/0")))
    place = whole.index(numbers)
    for bit in range(0, 8 * len(numbers), 17):
        spoilt = bytearray(whole)
        spoilt[place + bit // 8] ^= 1 << bit % 8
        file.write_bytes(spoilt)
        with pytest.raises(UserError, match=r"weights\.pt is damaged"):
            read_weights(file)
