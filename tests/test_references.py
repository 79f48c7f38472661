"""Extra data: what is found, what is missing, and how a wrong file is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import alexnet as torchvision_alexnet

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.extra.captions_file import read_captions
from cl_bench.datasets.extra.references import find_sources
from cl_bench.datasets.extra.selectors import alexnet, tiny_tokens
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.mini.domains import DOMAINS, draw
from cl_bench.datasets.mini.references import reference_images, reference_texts
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve

CAPTIONS = {
    "flickr.tsv": "1.jpg#0\ta dog .\n1.jpg#1\ta brown dog .\n",
    "cc3m.tsv": 'a "dog"\thttp://x/1.jpg\na brown dog\thttps://x/2.jpg\n',
    "header.tsv": "title\tfilepath\na dog\t1.jpg\na brown dog\t2.jpg\n",
    "table.csv": 'id,caption\n1,a dog\n2,"a brown dog, running"\n',
    "plain.txt": "a dog\n\na brown dog\n",
}


@pytest.mark.parametrize("name", CAPTIONS)
def test_known_formats(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(CAPTIONS[name])
    captions, skipped = read_captions(tmp_path / name)
    assert len(captions) == 2 and skipped == 0
    assert "dog" in captions[0] and captions[1].startswith("a brown dog")


def test_a_few_malformed_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    lines = [f"{i}.jpg#0\tcaption {i}" for i in range(200)]
    lines[7] = "8.jpg#0"
    (tmp_path / "c.tsv").write_text("\n".join(lines))
    captions, skipped = read_captions(tmp_path / "c.tsv")
    assert len(captions) == 199 and skipped == 1
    (source,) = find_sources(
        ("reference texts",), Choices(reference_texts=tmp_path / "c.tsv"), "x", "x", 8
    ).values()
    assert "199 captions" in source.about and "1 malformed" in source.about


WRONG_CAPTIONS = {
    "no tab.tsv": ("just words\n" * 10, "in no known format"),
    "half.tsv": ("1.jpg#0\tgood\n" * 5 + "2.jpg#0\n" * 5, "5 of 10 entries .* the first is line 6"),
    "names.csv": ("image,label\n1,dog\n", "in no known format"),
    "captions.xml": ("<a/>", "the ending '.xml'"),
    "image.txt": (b"\xff\xd8\xff\xe0\x80", "cannot be read"),
}


@pytest.mark.parametrize("name", WRONG_CAPTIONS)
def test_wrong_captions_are_named_in_one_line(name: str, tmp_path: Path) -> None:
    content, message = WRONG_CAPTIONS[name]
    raw = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(UserError, match=message) as error:
        read_captions(tmp_path / name)
    assert name in str(error.value) and "\n" not in str(error.value)


def test_missing_needs_name_the_option_to_set() -> None:
    for need, option in (
        ("reference images", "--reference-images FOLDER"),
        ("reference texts", "--reference-texts FILE"),
        ("selector", "--selector-weights FILE"),
    ):
        with pytest.raises(UserError, match=option):
            find_sources((need,), Choices(), "mtil", "ViT-B-16", 8)  # type: ignore[arg-type]


def test_a_run_without_its_needs_stops_before_training() -> None:
    with pytest.raises(UserError, match="--reference-images"):
        resolve(Choices(suite="mtil", method="zscl"))


def test_too_few_are_counted(tmp_path: Path) -> None:
    for i in range(3):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / f"{i}.png")
    files = Choices(reference_images=tmp_path)
    with pytest.raises(UserError, match="holds 3 images; a step uses 8 at once"):
        find_sources(("reference images",), files, "mini", "tiny-clip", 8)
    (source,) = find_sources(("reference images",), files, "mini", "tiny-clip", 3).values()
    loaded = source.load(32, "cpu", Store())
    assert loaded.pixels.shape == (3, 3, 32, 32)  # type: ignore[attr-defined]
    (tmp_path / "few.txt").write_text("one\ntwo\n")
    texts = Choices(reference_texts=tmp_path / "few.txt")
    with pytest.raises(UserError, match="holds 2 captions"):
        find_sources(("reference texts",), texts, "mini", "tiny-clip", 8)
    nowhere = Choices(reference_images=tmp_path / "nowhere")
    with pytest.raises(UserError, match="nowhere is not a folder"):
        find_sources(("reference images",), nowhere, "mini", "tiny-clip", 8)


def test_alexnet_conv5_before_its_relu(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torchvision_alexnet(weights=None).eval()
    torch.save(model.state_dict(), tmp_path / "alexnet.pth")
    x = torch.randn(2, 3, 224, 224)
    encoded = alexnet(tmp_path / "alexnet.pth", "cpu")(x)
    assert encoded.shape == (2, 43_264) and (encoded < 0).any()
    with torch.no_grad():
        torch.testing.assert_close(encoded.relu(), model.features[:-1](x).flatten(1))


@pytest.mark.parametrize("damage", ["shape", "other", "text", "pickle"])
def test_wrong_alexnet_weights_are_one_line(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    state = torchvision_alexnet(weights=None).state_dict()
    if damage == "shape":
        state["features.0.weight"] = torch.zeros(64, 3, 5, 5)
    if damage in ("shape", "other"):
        torch.save(state if damage == "shape" else {"x": torch.zeros(1)}, path)
    elif damage == "text":
        path.write_text("not weights")
    else:
        torch.save(Path("code"), path)  # an object: would run code where pickles are trusted
    with pytest.raises(
        UserError, match=r"weights\.pth does not hold torchvision's AlexNet"
    ) as error:
        alexnet(path, "cpu")
    assert "\n" not in str(error.value)


def test_minis_own_set_shares_no_image_with_the_tasks() -> None:
    own = {image.tobytes() for image in reference_images()}
    assert len(own) == len(reference_images()) >= 256
    for domain in DOMAINS:
        for split in ("train", "test"):
            assert not own & {image.tobytes() for image in draw(domain, split)[0]}  # type: ignore[arg-type]
    assert len(set(reference_texts())) == len(reference_texts()) >= 256
    assert (reference_images() == reference_images()).all()


def test_the_shipped_selector_is_frozen_and_small() -> None:
    encode = tiny_tokens("cpu")
    encoded = encode(torch.randn(2, 3, 32, 32))
    assert encoded.shape == (2, 16 * 192) and not encoded.requires_grad
