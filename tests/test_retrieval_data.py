"""Which captioned pictures are searched: those of mini, of suite files, in Flickr30k's and COCO's layouts.

What would be wrong without a word: a picture of a task or of another split; captions of one picture given to another;
captions that are dropped; a caption that was trained on; pictures that cannot be found because no caption is theirs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from own_suite import write_classes, write_image, write_suite
from PIL import Image

from cl_bench.benchmark.assets import Assets, Pairs
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.retrieval import RetrievalSets
from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.checks.shared_images import retrieval_must_share_no_picture
from cl_bench.datasets.checks.shared_texts import shared_texts
from cl_bench.datasets.checks.suite_check import check_suite
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.mini.captioned import draw_captioned
from cl_bench.datasets.mini.long import mini_long_suite
from cl_bench.datasets.mini.suite import mini_suite
from cl_bench.datasets.retrieval_images import load_captioned, load_retrieval
from cl_bench.datasets.retrieval_set import PictureFiles, RetrievalSpec
from cl_bench.experiment.assemble import assemble
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import Plan, resolve


def test_they_are_in_no_digest_of_a_suite() -> None:
    for suite in (mini_suite(), mini_long_suite()):
        assert [s.name for s in suite.retrieval] == ["mini-Captions"]
        assert suite.identify() == suite.model_copy(update={"retrieval": ()}).identify()


def pictures(folder: Path, count: int = 10, seed: int = 500) -> list[str]:
    names = [f"{i:02d}.png" for i in range(count)]
    for i, name in enumerate(names):
        write_image(folder / name, seed + i)
    return names


def table(names: Sequence[str], each: int = 2) -> list[str]:
    return [f"{name},thing {name} said {j} times" for name in names for j in range(each)]


def own(folder: Path, said: str, name: str = "album") -> Path:
    write_classes(folder / "train", {"cat": 2, "dog": 2}, seed=1)
    write_classes(folder / "test", {"cat": 1, "dog": 1}, seed=11)
    pets = 'name = "pets"\ntrain = "train"\ntest = "test"\n'
    return write_suite(folder, f'{pets}\n[[retrieval]]\nname = "{name}"\n{said}')


LISTED = 'pictures = "album"\ncaptions = "captions.csv"'


def listed(folder: Path, change: Callable[[list[str]], list[str]] = list) -> Path:
    """A suite with ten pictures of two captions each; ``change`` may spoil the lines of the table."""
    lines = change(table(pictures(folder / "album")))
    (folder / "captions.csv").write_text("\n".join(["image,caption", *lines]) + "\n")
    return own(folder, LISTED)


def plan(file: Path, **choices: Any) -> Plan:
    return resolve(Choices(suite=str(file), method="zero-shot", device="cpu", **choices))


def spec_of(file: Path) -> RetrievalSpec:
    (spec,) = find_suite(str(file)).retrieval
    return spec


def test_a_folder_with_a_table_is_searched_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    file = listed(tmp_path)
    plans = {said: plan(file, retrieval=said) for said in (None, "all", "none", "Album")}
    assert [list(p.config.retrieval) for p in plans.values()] == [
        ["album"],
        ["album"],
        [],
        ["album"],
    ]
    (album,) = assemble(plans[None]).retrieval.sets
    assert len(album.test) == 10 and len(album.captions) == 20
    for caption, picture in zip(album.captions, album.pictures.tolist(), strict=True):
        assert album.test.called(picture).endswith(caption.split()[1])
    digest = plans[None].config.retrieval["album"]
    write_image(tmp_path / "album" / "03.png", seed=99)
    changed = plan(file).config
    assert changed.retrieval["album"] != digest and changed.suite == plans[None].config.suite
    (tmp_path / "captions.csv").write_text(
        (tmp_path / "captions.csv").read_text().replace("said 1", "said one")
    )
    assert plan(file).config.retrieval["album"] not in (digest, changed.retrieval["album"])


def test_lines_of_json_say_the_same_as_a_table(tmp_path: Path) -> None:
    file = listed(tmp_path)
    before = spec_of(file)
    lines = [
        {
            "image": f"./{i:02d}.png",
            "caption": [f" thing {i:02d}.png said {j} times" for j in (0, 1)],
        }
        for i in range(10)
    ]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    file.write_text(file.read_text().replace(".csv", ".jsonl"))
    assert spec_of(file) == before


def karpathy(dataset: str, names: Sequence[str], captions: int = 5, **of: Any) -> dict[str, Any]:
    """As the splits of Flickr30k and COCO are published, with a picture of another split in front."""
    images = [{"filename": "other.png", "split": "train", "imgid": 0, "sentences": [{"raw": "x"}]}]
    for i, name in enumerate(names):
        sentences = [
            {"tokens": ["a"], "raw": f"{name} is {j}", "imgid": i, "sentid": j}
            for j in range(captions)
        ]
        images.append({"filename": name, "split": "test", "imgid": i, "sentences": sentences, **of})
    return {"images": images, "dataset": dataset}


def layout(folder: Path, content: Mapping[str, Any], kind: str, more: str = "") -> Path:
    (folder / "said.json").write_text(json.dumps(content))
    return own(folder, f'pictures = "album"\ncaptions = "said.json"\nlayout = "{kind}"\n{more}')


def test_flickr30ks_layout_is_its_test_split(tmp_path: Path) -> None:
    names = pictures(tmp_path / "album", 12)
    spec = spec_of(layout(tmp_path, karpathy("flickr30k", names[:10]), "flickr30k"))
    assert isinstance(spec.source, PictureFiles) and spec.source.files == tuple(names[:10])
    assert len(spec.captions) == 50 and spec.captions[7] == (1, "01.png is 2")


def test_cocos_layout_by_karpathy_has_folders_and_counts_five_captions(tmp_path: Path) -> None:
    names = pictures(tmp_path / "album" / "val2014")
    content = karpathy("coco", names, captions=6, filepath="val2014", cocoid=1)
    suite = find_suite(str(layout(tmp_path, content, "coco")))
    (spec,) = suite.retrieval
    assert isinstance(spec.source, PictureFiles) and spec.source.files[0] == "val2014/00.png"
    assert len(spec.captions) == 50
    assert any(
        "10 captions behind the first 5 of a picture are not used" in r for r in suite.remarks
    )


def annotations(names: Sequence[str]) -> dict[str, Any]:
    """As COCO's captions_val2017.json: pictures in one order, what is said of them in another."""
    said = [
        {"image_id": 100 + i, "id": 10 * j + i, "caption": f"{name} is {j}\n"}
        for j in range(2)
        for i, name in reversed(list(enumerate(names)))
    ]
    images = [{"id": 100 + i, "file_name": name, "height": 8} for i, name in enumerate(names)]
    return {"info": {}, "images": images, "annotations": said}


def test_cocos_own_annotations_are_joined_by_the_pictures_numbers(tmp_path: Path) -> None:
    names = pictures(tmp_path / "album")
    spec = spec_of(layout(tmp_path, annotations(names), "coco"))
    assert spec.captions == tuple(
        (i, f"{name} is {j}") for i, name in enumerate(names) for j in (0, 1)
    )


def _fewer(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("09")]


WRONG_TABLES: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "unknown picture": (lambda x: [*x, "10.png,a thing"], r"captions\.csv, line 22, names '10\.png', which does not exist"),
    "empty caption": (lambda x: [*x, "09.png, "], r"line 22: a caption has 1 to 2,000 characters, not 0"),
    "long caption": (lambda x: [*x, f"09.png,{'a' * 2001}"], r"not 2,001"),
    "end of text": (lambda x: [*x, "09.png,a <end_of_text> b"], r"line 22: the caption holds '<end_of_text>'"),
    "picture without": (_fewer, r"captions\.csv has no caption of 09\.png, a picture of .*album"),
    "said twice": (lambda x: [*x, x[-1]], r"line 22: 09\.png has the caption .* already"),
    "no picture": (lambda x: [*x, ",a thing"], r"line 22: the column 'image' is empty"),
    "no image": (lambda x: [*x, "a.txt,a thing"], r"line 22, names a\.txt, whose ending"),
    "cells": (lambda x: [*x, "09.png,a,b"], r"line 22, has 3 cells"),
    "nothing": (lambda x: [], r"has no caption of 00\.png"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG_TABLES)
def test_a_wrong_table_is_one_line(kind: str, tmp_path: Path) -> None:
    change, words = WRONG_TABLES[kind]
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "a.txt").write_text("no picture")
    file = listed(tmp_path, change)
    with pytest.raises(UserError, match=words) as caught:
        find_suite(str(file))
    assert str(caught.value).startswith("retrieval set album: ") and "\n" not in str(caught.value)
    problems = check_suite(str(file), None, lambda *_: None).problems
    assert any(re.search(words, said) for said in problems)


WRONG_FILES = {
    'pictures = "nowhere"\ncaptions = "captions.csv"': r"the folder of pictures .*nowhere does not exist",
    'pictures = "album"\ncaptions = "no.csv"': r"the captions file .*no\.csv does not exist",
    'pictures = "album"\ncaptions = "no.jsonl"': r"the captions file .*no\.jsonl does not exist",
    'pictures = "album"\ncaptions = "no.txt"': r"ends in '\.txt'; known are",
    'pictures = "album"\ncaptions = "said.json"': r"ends in '\.json': name its layout",
    'pictures = "album"\ncaptions = "split.csv"': r"has the columns image, caption, split; it needs image and caption",
    'pictures = "album"\ncaptions = "bad.jsonl"': r"bad\.jsonl, line 2: caption: Field required",
    'pictures = "album"\ncaptions = "torn.jsonl"': r"torn\.jsonl, line 1: Invalid JSON",
    'pictures = "album"\ncaptions = "more.jsonl"': r"more\.jsonl, line 1: split: Extra inputs are not permitted",
    f'{LISTED}\nsplit = "test"': r"`split` has no meaning without `layout`",
    f'{LISTED}\nlayout = "flickr"': r"unknown layout of captions 'flickr': did you mean 'flickr30k'",
    f'{LISTED}\nlayout = "coco"': r"captions\.csv is not in the layout coco: Invalid JSON",
    f'{LISTED}\ntemplates = ["a {{}}"]': r"templates",
    'pictures = "few"\ncaptions = "few.csv"': r"9 pictures are too few for recall at 10",
}  # fmt: skip


@pytest.mark.parametrize("said", WRONG_FILES)
def test_a_wrong_set_is_one_line(said: str, tmp_path: Path) -> None:
    listed(tmp_path)
    nine = pictures(tmp_path / "few", 9, seed=700)
    (tmp_path / "few.csv").write_text("\n".join(["image,caption", *table(nine)]))
    (tmp_path / "said.json").write_text("{}")
    (tmp_path / "split.csv").write_text("image,caption,split\n00.png,a,test\n")
    (tmp_path / "bad.jsonl").write_text(
        '{"image": "00.png", "caption": "a"}\n{"image": "01.png"}\n'
    )
    (tmp_path / "torn.jsonl").write_text('{"image": "00.png", "cap')
    (tmp_path / "more.jsonl").write_text('{"image": "00.png", "caption": "a", "split": "val"}')
    file = own(tmp_path, said)
    with pytest.raises(UserError, match=WRONG_FILES[said]) as caught:
        find_suite(str(file))
    assert "\n" not in str(caught.value)


def _without(content: dict[str, Any]) -> dict[str, Any]:
    content["images"][3]["sentences"] = []
    return content


NAMES = [f"{i:02d}.png" for i in range(10)]
WRONG_LAYOUTS = [
    (karpathy("flickr8k", NAMES), "flickr30k", "", r"is of 'flickr8k', not of flickr30k"),
    (karpathy("coco", NAMES), "flickr30k", "", r"is of 'coco', not of flickr30k"),
    (karpathy("coco", NAMES), "coco", 'split = "val"', r"has no split 'val'; it has test, train"),
    (karpathy("coco", ["no.png", *NAMES, "x.png"]), "coco", "", r"names no\.png and 1 others, not to be found in"),
    (_without(karpathy("coco", NAMES)), "coco", "", r"said\.json: 02\.png has no caption"),
    (karpathy("coco", [*NAMES, "00.png"]), "coco", "", r"00\.png stands there twice"),
    (annotations(NAMES), "coco", 'split = "test"', r"has no splits: leave out `split`"),
    (annotations(NAMES), "flickr30k", "", r"not in the layout flickr30k: dataset: Field required"),
    (annotations(NAMES) | {"images": []}, "coco", "", r"a caption of the picture 100, which is not among"),
    ({"images": 3, "dataset": "coco"}, "coco", "", r"not in the layout coco: images: "),
    ([], "coco", "", r"not in the layout coco"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "kind", "more", "words"), WRONG_LAYOUTS)
def test_a_file_of_another_layout_or_split_is_one_line(
    content: Any, kind: str, more: str, words: str, tmp_path: Path
) -> None:
    pictures(tmp_path / "album")
    file = layout(tmp_path, content, kind, more)
    with pytest.raises(UserError, match=words) as caught:
        find_suite(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["pets", "Own-Pets", "all", "none"])
def test_a_name_that_is_taken_is_refused(name: str, tmp_path: Path) -> None:
    listed(tmp_path)
    words = "the names" if "ets" in name else "has the name of a word of --retrieval"
    with pytest.raises(UserError, match=words):
        find_suite(str(own(tmp_path, LISTED, name)))


def test_a_wrong_name_on_the_command_line_is_one_line(tmp_path: Path) -> None:
    file = listed(tmp_path)
    for said, words in {
        "albun": "unknown retrieval set of suite own 'albun': did you mean 'album'",
        "album,ALBUM": "names a set twice",
        ",": "names no set",
    }.items():
        with pytest.raises(UserError, match=words):
            plan(file, retrieval=said)
    with pytest.raises(UserError, match=r"suite mtil has no retrieval sets; .*\[\[retrieval\]\]"):
        resolve(Choices(suite="mtil", method="lora", retrieval="all", device="cpu"))


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_copy_of_a_tasks_image_is_refused_before_anything_is_learned(
    split: str, tmp_path: Path
) -> None:
    file = listed(tmp_path)
    (tmp_path / "album" / "04.png").write_bytes((tmp_path / split / "dog" / "0.png").read_bytes())
    part = "training" if split == "train" else "test"
    words = f"the retrieval set album shares an image with the {part} images of pets: 04.png"
    with pytest.raises(UserError, match=words):
        find_suite(str(file))
    assert any(words in said for said in check_suite(str(file), None, lambda *_: None).problems)


def test_a_copy_in_another_format_is_refused_too(tmp_path: Path) -> None:
    file = listed(tmp_path, lambda lines: [*lines, "copy.bmp,a copy"])
    Image.open(tmp_path / "train" / "cat" / "1.png").save(tmp_path / "album" / "copy.bmp")
    with pytest.raises(UserError, match=r"album shares an image with the training images of pets"):
        assemble(plan(file))
    assemble(plan(file, retrieval="none"))


def test_pictures_that_are_learned_with_beside_the_tasks_count_as_well() -> None:
    spec = mini_suite().retrieval[0]
    album = load_captioned(spec, 32, Store())
    some = Images(album.test.pixels[:3], torch.arange(3))
    for assets, words in (
        (Assets(images=some), "the reference images"),
        (Assets(pairs=Pairs(some, ("x", "y", "z"), {})), "the image-text pairs"),
    ):
        with pytest.raises(
            UserError, match=f"retrieval set mini-Captions shares an image with {words}"
        ):
            retrieval_must_share_no_picture(RetrievalSets((album,)), [], assets)


def test_captions_that_the_method_reads_besides_are_counted(tmp_path: Path) -> None:
    album = load_captioned(mini_suite().retrieval[0], 32, Store())
    sets, text = RetrievalSets((album,)), album.captions[5]
    assert shared_texts(sets, Assets(texts=("another",))) == ()
    (words,) = shared_texts(sets, Assets(texts=(f"{text} ", "another")))
    assert "1 captions are among the texts" in words and text in words


def test_what_cannot_be_told_apart_or_is_cut_is_said(tmp_path: Path) -> None:
    long = "word " * 100
    file = listed(
        tmp_path, lambda lines: [*lines, "08.png,a thing", "09.png,A  thing", f"09.png,{long}"]
    )
    (tmp_path / "album" / "01.png").write_bytes((tmp_path / "album" / "00.png").read_bytes())
    remarks = find_suite(str(file)).remarks
    assert any("1 texts stand more than once, for example 'a thing'" in r for r in remarks)
    assert any(
        "1 pictures have the bytes of another one, for example 00.png and 01.png" in r
        for r in remarks
    )
    said = [c for c in plan(file).config.caveats if "captions are longer" in c]
    assert len(said) == 1 and "retrieval set album: 1 of 23 captions" in said[0]
    assert not any("captions are longer" in c for c in plan(file, retrieval="none").config.caveats)


def test_captions_that_a_method_would_take_for_a_learned_task_are_refused(tmp_path: Path) -> None:
    file = listed(tmp_path, lambda lines: [*lines, "09.png,cat", "09.png,dog"])
    with pytest.raises(
        UserError, match=r"captions of the retrieval set album are the class names of pets"
    ):
        assemble(plan(file))
    assert assemble(plan(file, retrieval="none"))


def test_a_picture_that_cannot_be_read_takes_its_captions_along(tmp_path: Path) -> None:
    file = listed(tmp_path, lambda lines: [*lines, "extra.png,an extra"])
    (tmp_path / "album" / "extra.png").write_bytes(b"")
    write_image(tmp_path / "album" / "extra.png", 900)
    (tmp_path / "album" / "03.png").write_bytes(b"no image")
    spec = spec_of(file)
    with pytest.raises(UserError, match=r"03\.png"):
        load_retrieval([spec], 32, Store())
    album = load_captioned(spec, 32, Store(broken="skip"))
    assert len(album.test) == 10 and len(album.captions) == 19 and len(album.test.left_out) == 1
    for caption, picture in zip(album.captions[:-1], album.pictures.tolist(), strict=False):
        assert album.test.called(picture).endswith(caption.split()[1])
    (tmp_path / "album" / "04.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="9 pictures that can be read, too few for recall at 10"):
        load_captioned(spec_of(file), 32, Store(broken="skip"))


def test_captions_that_are_one_text_to_the_tokenizer_are_one_class() -> None:
    album = load_captioned(mini_suite().retrieval[0], 32, Store())
    said = ("A  Dog", "a cat", "a dog ", "a bird") * (len(album.captions) // 4)
    labels, paired = replace(album, captions=said).classes(open_clip.get_tokenizer("ViT-B-16"))
    assert labels.classnames == ("A  Dog", "a cat", "a bird") and paired.texts == 3
    assert labels.prompts == (("A  Dog",), ("a cat",), ("a bird",))
    assert paired.columns.tolist() == [0, 1, 0, 2] * (len(said) // 4)
    assert torch.equal(paired.images, album.pictures)


def test_more_pairs_than_are_compared_are_refused() -> None:
    spec = mini_suite().retrieval[0].model_dump()
    with pytest.raises(
        ValueError, match=r"make 384,000,000 pairs; at most 268,435,456 are compared"
    ):
        RetrievalSpec.model_validate({**spec, "pictures": 10**6})


def test_two_sets_of_one_content_have_one_fingerprint_and_others_have_others() -> None:
    album = load_captioned(mini_suite().retrieval[0], 32, Store())
    again = load_captioned(mini_suite().retrieval[0], 32, Store())
    assert album.fingerprint == again.fingerprint
    moved = replace(album, pictures=album.pictures.roll(1))
    other = replace(album, captions=(*album.captions[:-1], "another"))
    assert len({album.fingerprint, moved.fingerprint, other.fingerprint}) == 3
    assert np.array_equal(album.test.pixels.numpy(), draw_captioned())
