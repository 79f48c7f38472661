"""Weights by tag and file: the right activation, no code run from a file, mistakes named."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from tiny_pair import add_tiny_pair, tiny_tensors

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.quick_gelu import QuickGELU
from cl_bench.datasets.backbones import load, parse


@pytest.fixture
def tiny_pair(monkeypatch: pytest.MonkeyPatch) -> str:
    return add_tiny_pair(monkeypatch)


SMALL = "ViT-S-32-alt"  # the smallest two-transformer CLIP that open_clip knows


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = open_clip.create_model(SMALL)
    return {k: v.clone() for k, v in model.state_dict().items()}


def test_tags_choose_their_activation() -> None:
    assert parse("ViT-B-16:openai").name == "ViT-B-16-quickgelu"
    assert parse("ViT-B-16-quickgelu:openai").name == "ViT-B-16-quickgelu"
    assert parse("ViT-B-16:laion2b_s34b_b88k").name == "ViT-B-16"


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_a_local_file_is_loaded_and_pinned(
    kind: str, state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    file = tmp_path / f"weights.{kind}"
    save_file(state, file) if kind == "safetensors" else torch.save(state, file)
    backbone = parse(f"{SMALL}:{file}")
    assert backbone.sha256 is not None
    clip = load(backbone, "cpu")
    assert torch.equal(clip.model.visual.proj, state["visual.proj"])
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(UserError, match="is not the one the run began with"):
        load(backbone, "cpu")


class Tensors(torch.nn.Module):
    """Tensors under their names and the three constants, as OpenAI's archives hold them."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        super().__init__()
        for name, tensor in state.items():
            owner: torch.nn.Module = self
            *path, last = name.split(".")
            for part in path:
                if not hasattr(owner, part):
                    owner.add_module(part, torch.nn.Module())
                owner = getattr(owner, part)
            owner.register_buffer(last, tensor.half())
        for constant in ("input_resolution", "context_length", "vocab_size"):
            self.register_buffer(constant, torch.tensor(7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_openais_archive(tiny_pair: str, tmp_path: Path) -> None:
    state, file = tiny_tensors(), tmp_path / "ViT-tiny.pt"
    torch.jit.script(Tensors(state)).save(str(file))
    assert parse(f"ViT-B-16:{file}").name == "ViT-B-16-quickgelu", "OpenAI trained with QuickGELU"
    clip = load(parse(f"{tiny_pair}:{file}"), "cpu")
    assert clip.model.visual.proj.dtype == torch.float32
    assert torch.equal(clip.model.visual.proj, state["visual.proj"].half().float())
    assert isinstance(clip.blocks()["v"][0].mlp.gelu, QuickGELU)  # type: ignore[union-attr]
    for name in (f"{tiny_pair}-gelu", SMALL):
        with pytest.raises(UserError, match=f"whose models use QuickGELU, but {name} uses GELU"):
            parse(f"{name}:{file}")


def test_a_file_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "evil",))  # type: ignore[return-value]

    for name, write in (("pickle.pt", pickle.dumps(Evil())), ("torch.pt", None)):
        file = tmp_path / name
        file.write_bytes(write) if write else torch.save({"w": Evil()}, file)
        with pytest.raises(UserError, match="does not hold plain tensors"):
            load(parse(f"{SMALL}:{file}"), "cpu")
    assert not (tmp_path / "evil").exists()


def test_weights_of_another_architecture_are_named(
    state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    file = tmp_path / "weights.safetensors"
    save_file({**state, "visual.proj": torch.zeros(3, 5)}, file)
    with pytest.raises(UserError, match=r"another architecture \(.*visual\.proj"):
        load(parse(f"{SMALL}:{file}"), "cpu")


def test_quick_gelu_reaches_every_block() -> None:
    clip = load(parse("ViT-B-32-quickgelu:random"), "cpu")
    for tower in clip.blocks().values():
        assert all(isinstance(block.mlp.gelu, QuickGELU) for block in tower)


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    for weights, problem in (
        (str(tmp_path), "is a folder: name the file in it"),
        (str(tmp_path / "none.pt"), "does not exist"),
        ("none.safetensors", "does not exist"),
    ):
        with pytest.raises(UserError, match=f"the weight file {weights} {problem}"):
            parse(f"ViT-B-16:{weights}")


def test_a_tag_nobody_knows_is_named_before_anything_is_fetched() -> None:
    with pytest.raises(
        UserError, match=r"unknown weights of ViT-B-16 'openia': did you mean 'openai'"
    ):
        parse("ViT-B-16:openia")


@pytest.mark.parametrize("name", ["openai", "random"])
def test_a_file_that_is_called_as_a_tag_is_not_taken_for_either(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"write ViT-B-16:\./{name} for the file"):
        parse(f"ViT-B-16:{name}")
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    assert parse(f"ViT-B-16:{name}").weights == name


def test_the_tiny_clip_takes_no_other_weights() -> None:
    with pytest.raises(UserError, match="brings its own weights: leave 'openai' out"):
        parse("tiny-clip:openai")


def test_a_context_of_another_length_is_used(
    tiny_pair: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = open_clip.get_model_config(tiny_pair)
    config["text_cfg"]["context_length"] = 16
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-short", config)
    clip = load(parse("ViT-short:random"), "cpu")
    long = "a photo of " + "very " * 40 + "many things"
    assert clip.context_length == 16 and clip.tokenize([long]).shape == (1, 16)
    assert int(clip.tokenize([long])[0, -1]) == 49407, "the end of the text is kept"
    assert clip.encode_prompts([long, "a cat"]).isfinite().all()
