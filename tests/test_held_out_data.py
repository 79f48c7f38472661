"""Which images are held out: those of mini, of suite files, in ImageNet's layout; and what is refused.

That pretraining shows none of mini's is proven in test_mini.py.

What would be wrong without a word: an image that was trained on; training images
of a list that are evaluated; two classes of one name, of which one is never predicted; an ImageNet folder whose
classes are counted from another first one.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from own_suite import HEAD, write_classes, write_image, write_list, write_suite
from PIL import Image

from cl_bench.benchmark.assets import Assets, Pairs
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.held_out import HeldOut, HeldOutSets
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import LabelSpace, Task
from cl_bench.datasets import backbones
from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.checks.shared_images import must_share_no_image
from cl_bench.datasets.checks.suite_check import check_suite
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.mini.captions import GENERAL
from cl_bench.datasets.mini.held_out import HELD_OUT, draw_held_out
from cl_bench.datasets.mini.pretrain import concepts, normalised
from cl_bench.datasets.mini.suite import mini_suite, tiny_clip
from cl_bench.datasets.own.imagenet import class_names, prompts, synsets
from cl_bench.datasets.streams import load_held_out
from cl_bench.datasets.suite import Suite
from cl_bench.datasets.task_spec import FolderSource
from cl_bench.experiment.assemble import assemble
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve

TASK = 'name = "pets"\ntrain = "train"\ntest = "test"'
HELD = '\n[[held_out]]\nname = "zoo"\n'


def own(folder: Path, held_out: str, head: str = HEAD) -> Path:
    """A suite file with one task of two classes and a held-out set."""
    if not (folder / "train").exists():
        write_classes(folder / "train", {"cat": 2, "dog": 2}, seed=1)
        write_classes(folder / "test", {"cat": 1, "dog": 1}, seed=11)
    return write_suite(folder, TASK + HELD + held_out, head=head)


def test_zero_shot_on_them_is_above_chance_and_below_the_ceiling() -> None:
    import open_clip

    known = {concept for _, concept in concepts()}
    model = backbones.load(tiny_clip(), "cpu").model
    for name, domain in HELD_OUT.items():
        assert set(domain.classnames) <= known and set(domain.templates) <= set(GENERAL)
        images, labels = draw_held_out(name)
        words = [domain.templates[0].format(c) for c in domain.classnames]
        with torch.no_grad():
            text = model.encode_text(open_clip.tokenize(words), normalize=True)
            seen = model.encode_image(normalised(torch.from_numpy(images)), normalize=True)
        right = 100 * float(((seen @ text.T).argmax(1).numpy() == labels).mean())
        assert 3 * 100 / 12 < right < 80, (name, right)


def test_mini_stays_what_it_was_and_evaluates_them_only_where_asked_for() -> None:
    suite = mini_suite()
    without = suite.model_copy(update={"held_out": ()})
    assert suite.identify() == without.identify()
    assert resolve(Choices(suite="mini", device="cpu")).held_out == ()
    names = [s.name for s in resolve(Choices(suite="mini", device="cpu", held_out="all")).held_out]
    assert names == ["mini-Signs", "mini-Mosaics"]
    assert {*suite.task("mini-DTD").classnames}.isdisjoint(HELD_OUT["mini-Signs"].classnames)


def test_a_suite_files_sets_are_evaluated_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    write_classes(tmp_path / "zoo", {"lion": 2, "puma_": 3}, seed=21)
    file = own(tmp_path, 'test = "zoo"\nclassnames = { lion = "old lion" }\ntemplates = ["one {}"]')
    (spec,) = find_suite(str(file)).held_out
    assert spec.classnames == ("old lion", "puma") and spec.templates == ("one {}",)
    assert (spec.train_size, spec.test_size) == (0, 5)
    plans = {
        said: resolve(Choices(suite=str(file), method="zero-shot", device="cpu", held_out=said))
        for said in (None, "all", "none", "zoo")
    }
    assert {said: list(p.config.held_out) for said, p in plans.items()} == {
        None: ["zoo"], "all": ["zoo"], "none": [], "zoo": ["zoo"],
    }  # fmt: skip
    experiment = assemble(plans[None])
    (held,) = experiment.held_out.sets
    assert held.test.targets.tolist() == [0, 0, 1, 1, 1] and held.labels.prompts[0] == (
        "one old lion",
    )
    write_image(tmp_path / "zoo" / "lion" / "0.png", seed=99)
    changed = resolve(Choices(suite=str(file), method="zero-shot", device="cpu"))
    assert changed.config.digest() != plans[None].config.digest(), "another image, another digest"
    assert changed.config.suite == plans[None].config.suite


def test_of_a_list_only_test_images_are_taken(tmp_path: Path) -> None:
    (tmp_path / "z").mkdir()
    lines = ["a.png,lion,train", "b.png,lion,test", "c.png,puma,test", "d.png,puma,val"]
    write_list(tmp_path / "z", lines)
    for seed, name in enumerate("abcd"):
        write_image(tmp_path / "z" / f"{name}.png", 40 + seed)
    suite = find_suite(str(own(tmp_path, 'list = "z/list.csv"')))
    (spec,) = suite.held_out
    assert isinstance(spec.source, FolderSource)
    assert [Path(path).name for path, _ in spec.source.test] == ["b.png", "c.png"]
    assert any("1 images of the split 'train' are not used" in words for words in suite.remarks)


def test_every_image_of_a_list_without_splits_is_a_test_image(tmp_path: Path) -> None:
    (tmp_path / "z").mkdir()
    write_list(tmp_path / "z", ["a.png,lion", "b.png,lion", "c.png,puma"], header="path,class")
    for seed, name in enumerate("abc"):
        write_image(tmp_path / "z" / f"{name}.png", 40 + seed)
    (spec,) = find_suite(str(own(tmp_path, 'list = "z/list.csv"'))).held_out
    assert spec.test_size == 3


def imagenet(folder: Path, *names: str) -> Path:
    return write_classes(folder / "val", dict.fromkeys(names, 1), seed=60)


def test_imagenets_names_stand_in_the_order_of_its_sorted_synsets() -> None:
    names = class_names()
    assert len(names) == 1_000 and list(names) == sorted(names) == list(synsets())
    facts = {
        "n01440764": "tench", "n02123045": "tabby cat", "n04146614": "school bus",
        "n07747607": "orange", "n15075141": "toilet paper",
    }  # fmt: skip
    assert {synset: names[synset] for synset in facts} == facts
    assert len(prompts()) == 80 and prompts()[0] == "a photo of a {}."
    assert all(p.count("{}") == 1 for p in prompts()) and len(set(prompts())) == 80


def test_imagenets_folder_is_read_by_name(tmp_path: Path) -> None:
    imagenet(tmp_path, "n15075141", "n01440764", "n04146614")
    suite = find_suite(str(own(tmp_path, 'layout = "imagenet"\nbelow = "val"')))
    (spec,) = suite.held_out
    assert spec.classnames == ("tench", "school bus", "toilet paper")
    assert spec.templates == prompts()
    assert any("3 of ImageNet's 1,000 synsets" in words for words in suite.remarks)


def test_two_synsets_of_one_name_are_one_class_and_that_is_said(tmp_path: Path) -> None:
    imagenet(tmp_path, "n04355933", "n04356056", "n01440764")
    suite = find_suite(str(own(tmp_path, 'layout = "imagenet"\nbelow = "val"')))
    (spec,) = suite.held_out
    assert spec.classnames == ("tench", "sunglasses") and spec.test_size == 3
    assert isinstance(spec.source, FolderSource)
    assert sorted(c for _, c in spec.source.test) == [0, 1, 1]
    assert any("n04355933 and n04356056 are one class" in words for words in suite.remarks)


def test_a_layout_of_mtil_is_read_or_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"held-out set zoo: unknown layout 'imagnet'"):
        find_suite(str(own(tmp_path, 'layout = "imagnet"')))


WRONG = {
    'test = "nowhere"': r"held-out set zoo: the image folder .*nowhere does not exist",
    'test = "zoo"\nlist = "list.csv"': r"give one of `test`, `list` and `layout`",
    'test = "zoo"\nbelow = "x"': r"`below` has no meaning beside `test`",
    'test = "zoo"\ntrain = "zoo"': r"train",
    'test = "zoo"\ntest_share = 0.5': r"test_share",
    'test = "zoo"\nexclude = ["puma"]': r"holds 1 class folders",
    'test = "zoo"\nclassnames = { lion = "puma" }': r"both have the name 'puma'",
    'test = "alike"': r"'Big_cat' .* and 'big cat' .* have the same prompt",
    'test = "empty"': r"holds no image",
    'layout = "imagenet"\nbelow = "zoo"': r"zoo/lion is none of ImageNet's 1,000 synsets",
}


@pytest.mark.parametrize("said", WRONG)
def test_a_wrong_set_is_one_line(said: str, tmp_path: Path) -> None:
    write_classes(tmp_path / "zoo", {"lion": 1, "puma": 1}, seed=21)
    write_classes(tmp_path / "alike", {"Big_cat": 1, "big cat": 1}, seed=31)
    write_classes(tmp_path / "empty", {"lion": 1}, seed=41)
    (tmp_path / "empty" / "puma").mkdir()
    file = own(tmp_path, said)
    with pytest.raises(UserError, match=WRONG[said]) as caught:
        find_suite(str(file))
    assert len(str(caught.value).splitlines()) == 1
    if "nowhere" in said:
        problems = check_suite(str(file), None, lambda *_: None).problems
        assert any("nowhere" in words for words in problems)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pets", "a task and a held-out set"),
        ("Own-Pets", "a task and a held-out set"),
        ("all", "word"),
    ],
)
def test_a_name_that_is_taken_is_refused(name: str, words: str, tmp_path: Path) -> None:
    write_classes(tmp_path / "zoo", {"lion": 1, "puma": 1}, seed=21)
    file = own(tmp_path, 'test = "zoo"')
    file.write_text(file.read_text().replace('name = "zoo"', f'name = "{name}"'))
    with pytest.raises(UserError, match=words):
        find_suite(str(file))


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_copy_of_a_tasks_image_is_refused_before_anything_is_learned(
    split: str, tmp_path: Path
) -> None:
    write_classes(tmp_path / "zoo", {"lion": 2, "puma": 2}, seed=21)
    twin = tmp_path / split / "dog" / "0.png"
    (tmp_path / "zoo" / "puma" / "copy.png").write_bytes(b"")
    file = own(tmp_path, 'test = "zoo"')
    (tmp_path / "zoo" / "puma" / "copy.png").write_bytes(twin.read_bytes())
    part = "training" if split == "train" else "test"
    words = f"the held-out set zoo shares an image with the {part} images of pets: .*copy.png"
    with pytest.raises(UserError, match=words):
        find_suite(str(file))
    assert any(
        re.search(words, said) for said in check_suite(str(file), None, lambda *_: None).problems
    )


def test_a_copy_in_another_format_is_refused_too(tmp_path: Path) -> None:
    """Other bytes, the same pixels."""
    write_classes(tmp_path / "zoo", {"lion": 2, "puma": 2}, seed=21)
    file = own(tmp_path, 'test = "zoo"')
    Image.open(tmp_path / "train" / "cat" / "1.png").save(tmp_path / "zoo" / "lion" / "copy.bmp")
    plan = resolve(Choices(suite=str(file), method="zero-shot", device="cpu"))
    with pytest.raises(UserError, match=r"zoo shares an image with the training images of pets"):
        assemble(plan)
    assemble(resolve(Choices(suite=str(file), method="zero-shot", device="cpu", held_out="none")))


def test_images_that_are_learned_with_beside_the_tasks_count_as_well() -> None:
    def images(seed: int, channels: int = 3) -> Images:
        drawn = np.random.default_rng(seed).integers(0, 256, (2, channels, 8, 8), dtype=np.uint8)
        return Images(torch.from_numpy(drawn), torch.arange(2))

    labels = LabelSpace(("a", "b"), (("a",), ("b",)))
    task = Task("t", labels, images(1), images(2))
    held = HeldOutSets((HeldOut("h", labels, images(3)),))
    must_share_no_image(held, [task], Assets(images=images(4)))
    must_share_no_image(HeldOutSets(), [task], Assets())
    grey = images(5, channels=1)
    coloured = replace(grey, pixels=grey.pixels.expand(-1, 3, -1, -1))
    for of, assets, words in (
        (task, Assets(images=images(3)), "the reference images"),
        (task, Assets(pairs=Pairs(images(3), ("x", "y"), {})), "the image-text pairs"),
        (Task("t", labels, images(1), images(3)), Assets(), "the test images of t"),
        (Task("t", labels, images(3), images(2)), Assets(), "the training images of t"),
    ):
        with pytest.raises(UserError, match=f"h shares an image with {words}: image 1 is image 1"):
            must_share_no_image(held, [of], assets)
    with pytest.raises(UserError, match="shares an image"):
        must_share_no_image(
            HeldOutSets((HeldOut("h", labels, grey),)), [task], Assets(images=coloured)
        )


def test_a_set_without_an_image_that_can_be_read_is_refused(tmp_path: Path) -> None:
    write_classes(tmp_path / "zoo", {"lion": 1, "puma": 1}, seed=21)
    for file in (tmp_path / "zoo").rglob("*.png"):
        file.write_bytes(b"no image")
    suite: Suite = find_suite(str(own(tmp_path, 'test = "zoo"')))
    with pytest.raises(UserError, match=r"cannot be read|no image|decode"):
        load_held_out(suite.held_out, 32, Store())
    with pytest.raises(UserError, match="zoo has no test image that can be read"):
        load_held_out(suite.held_out, 32, Store(broken="skip"))


def test_who_knows_tasks_by_their_names_is_not_asked_for_a_namesake(tmp_path: Path) -> None:
    write_classes(tmp_path / "zoo", {"cat": 1, "dog": 1}, seed=21)
    file = own(tmp_path, 'test = "zoo"')
    with pytest.raises(UserError, match=r"pets and zoo are the same: .*--held-out"):
        resolve(Choices(suite=str(file), method="individual", device="cpu"))
    assert resolve(Choices(suite=str(file), method="lora", device="cpu")).config.held_out
