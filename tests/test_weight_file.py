"""A weight file is read whole and as it is, or refused by name in one line; never half, never guessed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file
from tiny_pair import CONFIG, add_tiny_pair, tiny_state, tiny_tensors
from torch import Tensor

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.backbones import load, parse
from cl_bench.datasets.pretrained.weight_file import read_weights


@pytest.fixture
def tiny_pair(monkeypatch: pytest.MonkeyPatch) -> str:
    return add_tiny_pair(monkeypatch)


State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    return tiny_tensors()


def prefixed(prefix: str) -> Callable[[State], dict[str, Any]]:
    return lambda state: {prefix + name: tensor for name, tensor in state.items()}


READ: dict[str, Callable[[State], dict[str, Any]]] = {
    "plain": dict,
    "state_dict beside an optimizer": lambda s: {
        "epoch": 3, "name": "run", "state_dict": s,
        "optimizer": {"state": {0: {"step": torch.ones(1)}}, "param_groups": [{"lr": 0.1}]},
    },
    "model": lambda s: {"model": s},
    "model_state_dict": lambda s: {"model_state_dict": s, "loss": 1.5},
    "any other key": lambda s: {"net": s},
    "module.": prefixed("module."),
    "_orig_mod.": prefixed("_orig_mod."),
    "both": lambda s: {"state_dict": prefixed("module._orig_mod.")(s)},
    "logit scale of shape [1]": lambda s: s | {"logit_scale": s["logit_scale"].reshape(1)},
}  # fmt: skip


@pytest.mark.parametrize("how", READ)
def test_the_same_weights_come_out_however_they_were_wrapped(
    how: str, state: State, tiny_pair: str, tmp_path: Path
) -> None:
    file = tmp_path / "weights.pt"
    torch.save(READ[how](state), file)
    loaded = load(parse(f"{tiny_pair}-gelu:{file}"), "cpu").model.state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_fp32(dtype: torch.dtype, tiny_pair: str, tmp_path: Path) -> None:
    stored = {name: tensor.to(dtype) for name, tensor in tiny_tensors().items()}
    file = tmp_path / "weights.safetensors"
    save_file(stored, file)
    loaded = load(parse(f"{tiny_pair}-gelu:{file}"), "cpu").model.state_dict()
    for name, tensor in loaded.items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, stored[name].float())


def test_the_content_decides_and_not_the_ending(state: State, tmp_path: Path) -> None:
    save_file(state, tmp_path / "safetensors.pt")
    torch.save(state, tmp_path / "torch.safetensors")
    torch.save(state, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    for file in tmp_path.iterdir():
        assert read_weights(file).keys() == state.keys(), file.name


def spoilt(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[State], dict[str, Any]]:
    return lambda state: state | {name: change(state[name].clone())}


def without(*names: str) -> Callable[[State], dict[str, Any]]:
    return lambda state: {name: t for name, t in state.items() if name not in names}


def first(value: float) -> Callable[[Tensor], Tensor]:
    def change(tensor: Tensor) -> Tensor:
        tensor.view(-1)[0] = value
        return tensor

    return change


REFUSED: dict[str, tuple[Callable[[State], Any], str]] = {
    "Hugging Face's names": (
        lambda s: {"vision_model.encoder.layers.0.weight": s["visual.proj"], "logit_scale": torch.ones(1)},
        r"has Hugging Face's names .*open_clip_model.safetensors",
    ),
    "a tensor missing": (without("ln_final.bias"), r"another architecture \(ln_final.bias missing\)"),
    "the text tower missing": (
        lambda s: {n: t for n, t in s.items() if n.startswith("visual.")},
        r"another architecture \(.* and \d+ more missing\)",
    ),
    "a tensor too many": (
        lambda s: s | {"logit_bias": torch.zeros(())}, r"\(logit_bias unknown to the model\)",
    ),
    "timm's tower": (
        lambda s: {n.replace("visual.", "visual.trunk."): t for n, t in s.items()},
        r"missing; visual.trunk.\S+.* unknown to the model",
    ),
    "another width": (
        spoilt("visual.proj", lambda t: t[:, :8]),
        r"another architecture \(visual.proj is \[32, 8\] there and \[32, 16\] in the model\)",
    ),
    "another image size": (
        spoilt("visual.positional_embedding", lambda t: torch.cat([t, t[:5]])),
        r"visual.positional_embedding is \[10, 32\] there and \[5, 32\] in the model",
    ),
    "another context": (
        spoilt("positional_embedding", lambda t: t[:64]),
        r"positional_embedding is \[64, 16\] there and \[77, 16\] in the model",
    ),
    "not a number": (spoilt("ln_final.weight", first(float("nan"))), r"not finite in ln_final.weight"),
    "infinite": (spoilt("logit_scale", first(float("inf"))), r"not finite in logit_scale"),
    "8-bit integers": (spoilt("visual.proj", lambda t: t.to(torch.int8)), r"visual.proj as torch.int8"),
    "8-bit floats": (
        spoilt("visual.proj", lambda t: t.to(torch.float8_e4m3fn)), r"visual.proj as torch.float8",
    ),
    "two sets": (
        lambda s: {"state_dict": s, "state_dict_ema": s}, r"several sets of weights \(state_dict, state_dict_ema\)",
    ),
    "an optimizer alone": (lambda s: {"optimizer": {"state": {}}}, r"holds no weights"),
    "nothing": (lambda s: {}, r"holds no weights"),
    "a list": (lambda s: list(s.values()), r"holds a list, not named tensors"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_by_name(what: str, state: State, tiny_pair: str, tmp_path: Path) -> None:
    make, message = REFUSED[what]
    file = tmp_path / "weights.pt"
    torch.save(make(state), file)
    with pytest.raises(UserError, match=message) as error:
        load(parse(f"{tiny_pair}-gelu:{file}"), "cpu")
    assert str(file) in str(error.value) and len(str(error.value).splitlines()) == 1


def test_the_models_that_would_fit_are_named(tiny_pair: str, tmp_path: Path) -> None:
    vision = CONFIG["vision_cfg"] | {"image_size": 48}  # type: ignore[operator]
    torch.save(open_clip.CLIP(**CONFIG | {"vision_cfg": vision}).state_dict(), tmp_path / "48.pt")
    file = tiny_state(tmp_path, "pt")
    with pytest.raises(UserError, match=f"shapes of {tiny_pair} and {tiny_pair}-quickgelu$"):
        load(parse(f"ViT-S-32-alt:{file}"), "cpu")
    with pytest.raises(UserError, match=r"positional_embedding is .* in the model\)$"):
        load(parse(f"{tiny_pair}-gelu:{tmp_path / '48.pt'}"), "cpu")


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
@pytest.mark.parametrize("eighths", [0, 3, 7])
def test_a_file_that_was_cut_is_refused(kind: str, eighths: int, tmp_path: Path) -> None:
    file = tiny_state(tmp_path, kind)
    file.write_bytes(file.read_bytes()[: file.stat().st_size * eighths // 8])
    with pytest.raises(UserError, match=r"is damaged|is no weight file") as error:
        read_weights(file)
    assert str(file) in str(error.value) and len(str(error.value).splitlines()) == 1


OTHER_FILES = {
    "an error page": (b"<!DOCTYPE html><html>404</html>", "is no weight file"),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
    "a JSON file": (b'{"model_cfg": {"embed_dim": 512}}', "is no weight file"),
    "a few bytes": (b"abc", "is no weight file"),
}


@pytest.mark.parametrize("what", OTHER_FILES)
def test_a_file_that_holds_no_weights_is_named(what: str, tmp_path: Path) -> None:
    content, message = OTHER_FILES[what]
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_weights(tmp_path / "weights.pt")


def test_an_archive_of_something_else_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", w=np.zeros(3))
    with pytest.raises(UserError, match=r"weights\.npz is damaged"):
        read_weights(tmp_path / "weights.npz")


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_byte_never_ends_in_a_traceback(seed: int, tmp_path: Path) -> None:
    """Behind the header a changed byte is a changed weight; the run pins the file by its hash."""
    small = {"a": torch.ones(4, 4), "b": torch.zeros(3)}
    draw = np.random.default_rng(seed)
    for kind in ("safetensors", "pt"):
        file = tmp_path / f"weights.{kind}"
        save_file(small, file) if kind == "safetensors" else torch.save(small, file)
        content = bytearray(file.read_bytes())
        content[draw.integers(len(content))] ^= 1 << int(draw.integers(8))
        file.write_bytes(content)
        with contextlib.suppress(UserError):  # anything else fails the test
            assert read_weights(file)
