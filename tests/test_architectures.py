"""Every name of open_clip's list either runs here, and then as open_clip computes it, or says why not."""

from __future__ import annotations

from typing import Any

import open_clip
import pytest
import torch
from command_line import cl_bench

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.backbones import parse
from cl_bench.datasets.pretrained.architectures import (
    all_models,
    names_that_fit,
    obstacle,
    runnable_models,
)


def shrunk(name: str) -> open_clip.CLIP:
    """A model of the same kind with one narrow block in each tower."""
    config: dict[str, Any] = open_clip.get_model_config(name)
    v, t = config["vision_cfg"], config["text_cfg"]
    if isinstance(v["layers"], list):
        v |= {"layers": [1, 1, 1, 1], "width": 16, "image_size": 64}
    else:
        v |= {"layers": 1, "width": 32, "head_width": 16, "image_size": 2 * v["patch_size"]}
    t |= {"layers": 1, "width": 32, "heads": 2}
    if "hf_tokenizer_name" in t:
        t |= {"vocab_size": 50, "hf_tokenizer_name": None}
    return open_clip.CLIP(**config | {"embed_dim": 16})


@torch.no_grad()
def test_what_runs_computes_what_open_clip_computes() -> None:
    assert len(runnable_models()) > 20 and "ViT-B-16-quickgelu" in runnable_models()
    prompts = ["a photo of a cat", "a very long photo of many things, all in a row"]
    for name in runnable_models():
        torch.manual_seed(0)
        model = shrunk(name)
        images = torch.randn(2, 3, *model.visual.image_size)
        tokenizer = open_clip.get_tokenizer(name)
        tokens = tokenizer(prompts)
        f_v, f_t = model.encode_image(images, normalize=True), model.encode_text(tokens, True)
        clip = Clip(model, tokenizer)
        assert clip.context_length == tokens.shape[1] == 77, name
        torch.testing.assert_close(clip.encode_images(images), f_v, atol=1e-5, rtol=0, msg=name)
        torch.testing.assert_close(clip.encode_prompts(prompts), f_t, atol=1e-5, rtol=0, msg=name)


def test_what_does_not_run_is_refused_in_one_line_that_says_why() -> None:
    refused = [name for name in all_models() if obstacle(name)]
    assert len(refused) + len(runnable_models()) == len(all_models())
    for name in refused:
        with pytest.raises(UserError, match=r"does not run here: it") as error:
            parse(f"{name}:openai")
        assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ViT-B-16-SigLIP", "its image tower is timm's vit_base_patch16_siglip_224"),
        ("RN50", "its image tower is a ResNet"),
        ("coca_ViT-B-32", "it has a third tower"),
        ("roberta-ViT-B-32", "its text tower is Hugging Face's roberta-base"),
        ("ViT-L-14-CLIPA", "its text needs Hugging Face's tokenizer bert-base-uncased"),
        ("ViT-H-14-worldwide", "its text needs Hugging Face's tokenizer facebook/xlm-v-base"),
        ("ViT-M-16-alt", "its image tower scales what every block adds"),
    ],
)
def test_the_reasons(
    name: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "run", "--suite", "mini", "--backbone", f"{name}:random") == 2
    error = capsys.readouterr().err
    assert why in error and len(error.strip().splitlines()) == 1, error


@pytest.mark.parametrize("name", ["RN50", "ViT-L-14-CLIPA", "ViT-H-14-worldwide", "ViT-M-16-alt"])
def test_clip_itself_refuses_what_it_would_compute_otherwise(name: str) -> None:
    with pytest.raises(UserError, match="cl-bench needs a"):
        Clip(shrunk(name), open_clip.get_tokenizer("ViT-B-16"))


def test_a_setting_that_nobody_knows_yet_is_an_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    config = open_clip.get_model_config("ViT-B-16")
    config["text_cfg"]["new_pooling"] = True
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-new", config)
    assert obstacle("ViT-new") == "its configuration sets new_pooling"


def test_the_list_offers_what_runs_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "list", "backbones") == 0
    shown = capsys.readouterr().out.split()
    assert set(runnable_models()) <= set(shown)
    assert not [name for name in all_models() if obstacle(name) and name in shown]


def test_shapes_tell_the_models_that_fit() -> None:
    with torch.device("meta"):
        for name in ("ViT-B-16", "ViT-L-14-336", "ViT-S-32-alt"):
            model = open_clip.CLIP(**open_clip.get_model_config(name))
            fitting = names_that_fit(model.state_dict())
            assert name in fitting and {n.removesuffix("-quickgelu") for n in fitting} == {name}
    assert names_that_fit({"w": torch.zeros(1)}) == []
