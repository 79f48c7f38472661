"""What is wrong with a data set's files is named in one line."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtil_fixtures import copy_one, make_mtil
from mtil_writers import python2_pickle
from scipy.io import savemat
from spoiled_files import at, cut, edit, edit_json, edit_mat, put, remove

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.readers import read

AIR = "fgvc-aircraft-2013b/data"
CAL = "caltech101/101_ObjectCategories"
PET = "oxford-iiit-pet/annotations"
LIST = f"{AIR}/images_variant_train.txt"
WRONG: list[tuple[str, Callable[[Path], Any], str]] = [
    # a list names an image that is not there
    (
        "Aircraft",
        remove(f"{AIR}/images/*.jpg"),
        r"images_variant_train\.txt, line 1, names .*/images/10000\d\d\.jpg, which is not there \(6 images are missing in all\)",
    ),
    (
        "DTD",
        edit("dtd/dtd/labels/train1.txt", lambda t: [*t, "banded/no.jpg"]),
        r"train1\.txt, line 7, names .*banded/no\.jpg, which is not there; unpack",
    ),
    (
        "Food",
        remove("food-101/images/hot_dog/*.jpg"),
        r"train\.json, class hot_dog, names .*hot_dog/\d+\.jpg, which is not there \(2 ",
    ),
    ("Flowers", remove("flowers-102/jpg/*.jpg"), r"setid\.mat, trnid 1, names .*image_0000\d\.jpg"),
    ("OxfordPet", remove("oxford-iiit-pet/images/*.jpg"), r"trainval\.txt, line 1, names"),
    (
        "StanfordCars",
        remove("stanford_cars/cars_train/00002.jpg"),
        r"cars_train_annos\.mat, annotation 2, names .*00002\.jpg",
    ),
    (
        "Caltech101",
        remove(f"{CAL}/Faces/image_0001.jpg"),
        r"Faces/image_0001\.jpg is missing, though",
    ),
    # class folders
    ("Caltech101", remove(f"{CAL}/Faces/*"), r"the class folder .*/Faces holds no image"),
    ("EuroSAT", remove("eurosat/2750/Forest/*"), r"the class folder .*/2750/Forest holds no image"),
    (
        "SUN397",
        remove("SUN397/a/apse/indoor/*"),
        r"the class folder .*/SUN397/a/apse/indoor holds no image",
    ),
    ("Caltech101", put(f"{CAL}/Faces/notes.txt"), r"Faces/notes\.txt is no image of the data set"),
    ("Caltech101", put(f"{CAL}/notes.txt"), r"101_ObjectCategories/notes\.txt is no class folder"),
    (
        "DTD",
        edit("dtd/dtd/labels/train1.txt", lambda t: [*t, "banded/._banded_0001.jpg"]),
        r"train1\.txt, line 7, names .*/banded/\._banded_0001\.jpg, which is not there",
    ),
    # damaged files
    (
        "Flowers",
        cut("flowers-102/imagelabels.mat"),
        r"flowers-102/imagelabels\.mat is damaged: .*; fetch it again",
    ),
    ("Flowers", cut("flowers-102/setid.mat"), r"flowers-102/setid\.mat is damaged"),
    (
        "Flowers",
        lambda root: savemat(root / "flowers-102/setid.mat", {"x": 1}),
        r"setid\.mat holds no 'trnid'",
    ),
    (
        "StanfordCars",
        cut("stanford_cars/devkit/cars_train_annos.mat"),
        r"cars_train_annos\.mat is damaged",
    ),
    ("StanfordCars", cut("stanford_cars/devkit/cars_meta.mat", 0), r"cars_meta\.mat is damaged"),
    ("Food", cut("food-101/meta/train.json", 20), r"meta/train\.json is damaged: .*column"),
    ("Food", cut("food-101/meta/test.json", 20), r"meta/test\.json is damaged"),
    (
        "Food",
        edit_json("food-101/meta/train.json", list),
        r"train\.json does not map classes to lists of images",
    ),
    (
        "CIFAR100",
        cut("cifar-100-python/train"),
        r"cifar-100-python/train is damaged: .*; fetch it again",
    ),
    ("CIFAR100", cut("cifar-100-python/meta", 0), r"cifar-100-python/meta is damaged"),
    (
        "CIFAR100",
        put("cifar-100-python/train", pickle.dumps([1])),
        "train is damaged: it holds no dictionary",
    ),
    (
        "CIFAR100",
        put("cifar-100-python/train", python2_pickle({"data": 1})),
        "cannot read .*/train and .*/meta: .*fetch the data set again",
    ),
    (
        "MNIST",
        cut("MNIST/raw/train-images-idx3-ubyte", 500),
        r"train-images-idx3-ubyte is damaged: .*; fetch it again",
    ),
    ("MNIST", cut("MNIST/raw/train-labels-idx1-ubyte", 6), r"train-labels-idx1-ubyte is damaged"),
    (
        "MNIST",
        put("MNIST/raw/train-labels-idx1-ubyte", struct.pack(">2I2B", 0x801, 2, 0, 1)),
        r"train-images-idx3-ubyte has 6 images and 2 labels",
    ),
    (
        "Aircraft",
        edit(LIST, lambda t: [t[0], "", *t[1:]]),
        r"images_variant_train\.txt, line 2: '' is not `<image> <variant>`",
    ),
    (
        "DTD",
        edit("dtd/dtd/labels/test1.txt", lambda t: [*t, "banded"]),
        r"test1\.txt, line 4: 'banded' is not `<class>/<image>`",
    ),
    (
        "OxfordPet",
        edit(f"{PET}/trainval.txt", lambda t: ["# a head", *t]),
        r"trainval\.txt, line 1: '# a head' is not `<image> ",
    ),
    (
        "Aircraft",
        lambda root: (root / LIST).write_bytes(b"\xff\xfe\x00"),
        r"images_variant_train\.txt is damaged: .*decode",
    ),
    (
        "DTD",
        edit("dtd/dtd/labels/train1.txt", lambda t: []),
        "only one of .*train1.txt and .*test1.txt has the class 'banded'",
    ),
    (
        "CIFAR100",
        put(
            "cifar-100-python/train",
            python2_pickle({"data": np.zeros((0, 3072), np.uint8), "fine_labels": []}),
        ),
        "cifar-100-python/train names no image",
    ),
    # classes
    (
        "Aircraft",
        edit(LIST, lambda t: [t[0], f"{t[1].split()[0]} Concorde", *t[2:]]),
        r"images_variant_train\.txt, line 2: .*variants\.txt has no class 'Concorde'",
    ),
    (
        "Aircraft",
        edit(f"{AIR}/variants.txt", lambda t: [*t, t[0]]),
        r"variants\.txt names the class '707-320' twice",
    ),
    (
        "Aircraft",
        edit(f"{AIR}/variants.txt", lambda t: [*t, ""]),
        r"variants\.txt has a class without a name",
    ),
    (
        "SUN397",
        edit("SUN397/ClassName.txt", lambda t: t[1:]),
        r"ClassName\.txt has no class '/a/abbey', but there is .*/a/abbey/sun_\w+\.jpg",
    ),
    (
        "SUN397",
        edit("SUN397/ClassName.txt", lambda t: ["abbey", *t[1:]]),
        r"ClassName\.txt, line 1: 'abbey' is not `/<letter>/<class>`",
    ),
    (
        "Flowers",
        edit_mat("flowers-102/imagelabels.mat", "labels", at((0, slice(None)), 103)),
        r"setid\.mat, trnid 1: there is no class number 103 among 102",
    ),
    (
        "Flowers",
        edit_mat("flowers-102/setid.mat", "trnid", at((0, 0), 999)),
        r"setid\.mat names image 999, but .*imagelabels\.mat has 11 labels",
    ),
    (
        "StanfordCars",
        edit_mat(
            "stanford_cars/devkit/cars_meta.mat",
            "class_names",
            at((0, 1), np.array(["AM General Hummer SUV 2000"])),
        ),
        r"names the class 'AM General Hummer SUV 2000' twice",
    ),
    (
        "OxfordPet",
        edit(f"{PET}/trainval.txt", lambda t: [t[0], "Bengal_1 " + t[0].split(" ", 1)[1], *t[2:]]),
        r"trainval\.txt, line 2: class \d+ is '\w+' here and '\w+' above",
    ),
    (
        "DTD",
        edit("dtd/dtd/labels/test1.txt", lambda t: [s for s in t if "woven" not in s]),
        "only one of .* has the class 'woven'; fetch both again",
    ),
    (
        "Food",
        edit_json("food-101/meta/test.json", lambda d: d | {"soup": []}),
        r"only one of .*train\.json and .*test\.json has the class 'soup'",
    ),
]


@pytest.fixture(scope="module")
def look_alikes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mtil")
    make_mtil(root)
    return root


@pytest.mark.parametrize(("dataset", "spoil", "words"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_named_in_one_line(
    dataset: str, spoil: Callable[[Path], Any], words: str, look_alikes: Path, tmp_path: Path
) -> None:
    copy_one(dataset, look_alikes, tmp_path)
    spoil(tmp_path)
    with pytest.raises(UserError, match=words) as caught:
        read(dataset, tmp_path, "train")
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)
