"""GELU or QuickGELU: told by the tag, the archive or the name, else asked for; said and recorded."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
from command_line import cl_bench
from tiny_pair import add_tiny_pair, tiny_state
from torch import nn

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.quick_gelu import QuickGELU
from cl_bench.datasets.backbones import load, parse
from cl_bench.datasets.pretrained.activation import activation
from cl_bench.datasets.pretrained.architectures import runnable_models
from cl_bench.datasets.pretrained.tags import tags_of
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve


@pytest.fixture
def tiny_pair(monkeypatch: pytest.MonkeyPatch) -> str:
    return add_tiny_pair(monkeypatch)


def test_every_tag_gets_the_activation_it_was_trained_with() -> None:
    quick = {"openai", "metaclip_400m", "metaclip_fullcc", "dfn2b", "dfn5b"}
    seen = set()
    for name in runnable_models():
        for tag in open_clip.list_pretrained_tags_by_model(name):
            trained = bool(open_clip.get_pretrained_cfg(name, tag).get("quick_gelu"))
            chosen = parse(f"{name}:{tag}").name
            assert (activation(chosen) == "QuickGELU") == trained, f"{name}:{tag}"
            assert bool(open_clip.get_model_config(chosen).get("quick_gelu")) == trained
            seen |= {tag} if trained else set()
    assert quick <= seen


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("ViT-B-16-quickgelu:laion2b_s34b_b88k", "ViT-B-16:laion2b_s34b_b88k"),
        ("ViT-B-16-gelu:openai", "ViT-B-16-quickgelu:openai"),
        ("ViT-B-32-gelu:laion400m_e32", "ViT-B-32-quickgelu:laion400m_e32"),
        ("ViT-H-14-378-gelu:dfn5b", "ViT-H-14-378-quickgelu:dfn5b"),
    ],
)
def test_a_name_that_contradicts_its_tag_is_refused(text: str, right: str) -> None:
    with pytest.raises(UserError, match=rf"trained with .*write --backbone {right}$"):
        parse(text)


def test_gelu_may_be_said_where_the_tag_says_it() -> None:
    plain = parse("ViT-B-16:laion2b_s34b_b88k")
    assert parse("ViT-B-16-gelu:laion2b_s34b_b88k") == plain and plain.name == "ViT-B-16"
    assert parse("ViT-B-16-gelu:random") == parse("ViT-B-16:random")


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_a_file_that_does_not_tell_is_asked_about(
    kind: str, tiny_pair: str, tmp_path: Path
) -> None:
    file = tiny_state(tmp_path, kind)
    with pytest.raises(UserError) as asked:
        parse(f"{tiny_pair}:{file}")
    words = str(asked.value)
    assert f"--backbone {tiny_pair}-quickgelu:{file}" in words, "the answer can be copied"
    assert f"{tiny_pair}-gelu:{file}" in words and len(words.splitlines()) == 1
    for answer, gelu in (("-quickgelu", QuickGELU), ("-gelu", nn.GELU)):
        backbone = parse(f"{tiny_pair}{answer}:{file}")
        assert backbone.name == f"{tiny_pair}{answer}", "recorded in the name that tables show"
        clip = load(backbone, "cpu")
        for tower in clip.blocks().values():
            assert all(type(block.mlp.gelu) is gelu for block in tower)


def test_a_name_of_a_file_proves_nothing(tiny_pair: str, tmp_path: Path) -> None:
    file = tiny_state(tmp_path, "safetensors").rename(tmp_path / "openai-quickgelu.safetensors")
    with pytest.raises(UserError, match="does not tell"):
        parse(f"{tiny_pair}:{file}")


def test_a_model_without_a_twin_is_not_asked_about(tmp_path: Path) -> None:
    file = tiny_state(tmp_path, "safetensors")
    assert parse(f"ViT-S-32-alt:{file}").name == "ViT-S-32-alt"
    assert parse(f"ViT-S-32-alt-gelu:{file}").name == "ViT-S-32-alt"
    for name in ("ViT-S-32-alt-quickgelu", "ViT-B-16-quickgelu-gelu"):
        with pytest.raises(UserError, match="unknown backbone"):
            parse(f"{name}:{file}")


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_openais_state_dict_is_never_run_with_gelu(tiny_pair: str, tmp_path: Path) -> None:
    constants = {n: torch.tensor(7) for n in ("input_resolution", "context_length", "vocab_size")}
    file = tiny_state(tmp_path, "pt", **constants)
    load(parse(f"{tiny_pair}-quickgelu:{file}"), "cpu")
    with pytest.raises(UserError, match="OpenAI's archive, whose models use QuickGELU"):
        load(parse(f"{tiny_pair}-gelu:{file}"), "cpu")


def test_the_screen_says_the_activation(
    tiny_pair: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tiny_state(tmp_path, "safetensors")
    options = ["--suite", "mini", "--tasks", "1", "--set", "steps=2", "--device", "cpu"]
    for answer, words in (("-quickgelu", "QuickGELU"), ("-gelu", "GELU")):
        backbone = ["--backbone", f"{tiny_pair}{answer}:{file}"]
        assert cl_bench(monkeypatch, "run", *options, *backbone, "--dry-run") == 0
        line = f"{tiny_pair}{answer}, weights {file}, {words}\n"
        assert f"backbone  {line}" in capsys.readouterr().out
        out = ["--method", "zero-shot", "--out", str(tmp_path / "runs")]
        assert cl_bench(monkeypatch, "run", *options, *backbone, *out) == 0
        assert f"model  {line}" in capsys.readouterr().out
    assert cl_bench(monkeypatch, "run", *options, "--dry-run") == 0
    assert "tiny-clip, weights shipped, QuickGELU" in capsys.readouterr().out


def test_images_prepared_otherwise_are_a_caveat(monkeypatch: pytest.MonkeyPatch) -> None:
    def caveats(backbone: str) -> tuple[str, ...]:
        choices = Choices(suite="mini", method="lora", backbone=backbone, device="cpu")
        return resolve(choices).config.caveats

    assert caveats("ViT-B-16:openai") == caveats("tiny-clip") == ()
    assert caveats("ViT-L-14:laion2b_s32b_b82k") == (), "its tag brings its pixel statistics"
    (squashed,) = caveats("ViT-H-14:dfn5b")
    assert "(squash)" in squashed


def test_a_file_does_not_tell_its_pixel_statistics(tmp_path: Path) -> None:
    file = tiny_state(tmp_path, "safetensors")
    choices = Choices(suite="mini", method="lora", device="cpu")
    name = "ViT-L-14-gelu"
    assert len({config["mean"] for config in tags_of(name).values()}) == 2
    config = resolve(choices.model_copy(update={"backbone": f"{name}:{file}"})).config
    assert "laion2b_s32b_b82k were trained with others" in config.caveats[0]
    config = resolve(choices.model_copy(update={"backbone": f"ViT-B-16-gelu:{file}"})).config
    assert config.caveats == ()


def test_pixel_statistics_are_those_of_the_weights(tiny_pair: str) -> None:
    clip = load(parse(f"{tiny_pair}:random"), "cpu")
    assert clip.pixel_mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    model = open_clip.create_model(tiny_pair)
    model.visual.preprocess_cfg |= {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
    from cl_bench.benchmark.clip import Clip

    normalise = Clip(model, open_clip.get_tokenizer(tiny_pair)).normaliser()
    pixels = torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)
    torch.testing.assert_close(normalise(pixels), torch.full((1, 3, 32, 32), 2.0))
