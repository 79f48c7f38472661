"""Copies in other layouts: brought into the published one image by image, or refused with a reason.

What would be wrong without a word, and is tried here: labels off by one, classes in another order, a test
image in training, a copy that was divided anew, a Parquet file with fewer rows, images written anew.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from command_line import cl_bench
from held_copies import (
    by_name,
    images_of,
    write_class_folders,
    write_lists,
    write_parquet,
)
from mtil_published import let_it_be_published, parts_of, write_published
from own_suite import HEAD
from PIL import Image

from cl_bench.benchmark.errors import UserError
from cl_bench.cli import data_work
from cl_bench.datasets.mtil.copies.class_names import known_classes, plain
from cl_bench.datasets.mtil.copies.held import RefusedCopyError, part_of
from cl_bench.datasets.mtil.given import Given
from cl_bench.datasets.mtil.layout import names_in_files
from cl_bench.datasets.mtil.readers import read_both
from cl_bench.datasets.mtil.take import NothingFoundError, take
from cl_bench.datasets.own.suite_file import read_suite

CONVERTED = ("EuroSAT", "Flowers", "StanfordCars", "SUN397")
LISTED = ("Flowers", "StanfordCars")


@pytest.fixture(scope="module")
def look_alikes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mtil")
    write_published(root)
    return root


@pytest.fixture
def published(look_alikes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    let_it_be_published(look_alikes, tmp_path / "facts", monkeypatch)
    return look_alikes


@pytest.fixture
def held(tmp_path: Path) -> Path:
    return tmp_path / "held"


def taken(name: str, published: Path, held: Path) -> tuple[str, list[str]]:
    """Take a copy; returns what was said in the end, and on the way."""
    said: list[str] = []
    root = held.parent / "data"
    words = take(name, parts_of(name, published), Given(held, said.append), root)
    return words, said


def refused(name: str, published: Path, held: Path, words: str) -> RefusedCopyError:
    """Make sure that a copy is refused in one line with ``words``, and that nothing is left."""
    with pytest.raises(RefusedCopyError) as stopped:
        taken(name, published, held)
    message = str(stopped.value)
    assert f"cannot be matched to the published {name}, so it is refused: " in message
    assert words in message and "\n" not in message, message
    assert str(held) in message and ".unpacking" not in message
    assert not list((held.parent / "data").iterdir())
    return stopped.value


def is_the_published_one(name: str, published: Path, held: Path) -> None:
    """The copy reads as the original: the same files with the same bytes, classes and splits."""
    root = held.parent / "data"
    for copy, original in zip(read_both(name, root), read_both(name, published), strict=True):
        assert copy.classnames == original.classnames
        assert copy.targets.tolist() == original.targets.tolist()
        assert isinstance(copy.images, tuple) and isinstance(original.images, tuple)
        for mine, theirs in zip(copy.images, original.images, strict=True):
            assert mine.relative_to(root) == theirs.relative_to(published)
            assert mine.read_bytes() == theirs.read_bytes()


def of_list(name: str, published: Path, held: Path) -> None:
    if name in LISTED:
        write_lists(name, published, held / "lists")


@pytest.mark.parametrize(
    ("name", "divided"),
    [
        *((name, True) for name in CONVERTED),
        ("EuroSAT", False),
        ("Flowers", False),
        ("SUN397", False),
    ],
)
def test_class_folders_by_name(name: str, divided: bool, published: Path, held: Path) -> None:
    write_class_folders(images_of(name, published), held / "a" / "b", by_name(name), divided)
    of_list(name, published, held)
    words, said = taken(name, published, held)
    assert (
        words.startswith(f"brought from {held / 'a' / 'b'} into the published layout") and not said
    )
    is_the_published_one(name, published, held)


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("first", [0, 1])
def test_class_folders_by_number_are_compared_with_the_published_lists(
    name: str, first: int, published: Path, held: Path
) -> None:
    write_class_folders(images_of(name, published), held, lambda c: str(c + first))
    of_list(name, published, held)
    taken(name, published, held)
    is_the_published_one(name, published, held)


@pytest.mark.parametrize("name", LISTED)
def test_classes_in_another_order_are_refused(name: str, published: Path, held: Path) -> None:
    """As where folders are numbered by the alphabet, not by the lists."""
    order = [2, 1, 4, 3]
    write_class_folders(images_of(name, published), held, lambda c: str(order[c]))
    of_list(name, published, held)
    refused(name, published, held, "but the copy says '")


@pytest.mark.parametrize("name", LISTED)
def test_labels_off_by_one_are_refused(name: str, published: Path, held: Path) -> None:
    names = names_in_files(name)
    write_class_folders(
        images_of(name, published), held, lambda c: by_name(name)((c + 1) % len(names))
    )
    of_list(name, published, held)
    refused(name, published, held, "but the copy says '")


@pytest.mark.parametrize("name", LISTED)
def test_without_the_published_lists_nothing_is_believed(
    name: str, published: Path, held: Path
) -> None:
    write_class_folders(images_of(name, published), held / "copy", by_name(name))
    error = refused(name, published, held, "must lie below")
    task = tomllib.loads(error.suite)["tasks"][0]
    assert task == {
        "name": "copy",
        "train": str(held / "copy" / "train"),
        "test": str(held / "copy" / "test"),
    }


def test_a_list_of_another_content_is_not_believed(published: Path, held: Path) -> None:
    write_class_folders(images_of("Flowers", published), held / "copy", by_name("Flowers"))
    of_list("Flowers", published, held)
    file = held / "lists" / "setid.mat"
    file.write_bytes(file.read_bytes() + b" ")
    refused("Flowers", published, held, "the published setid.mat must lie below")


def test_a_flower_in_another_part_stays_in_its_published_split(published: Path, held: Path) -> None:
    """The number of the image decides, not the copy's own division: no test image gets into training."""
    other = {"train": "test", "test": "train"}
    images = [(file, c, other[part]) for file, c, part in images_of("Flowers", published)]
    write_class_folders(images, held, by_name("Flowers"))
    of_list("Flowers", published, held)
    taken("Flowers", published, held)
    is_the_published_one("Flowers", published, held)


def test_a_test_car_among_the_training_cars_is_refused(published: Path, held: Path) -> None:
    images = images_of("StanfordCars", published)
    write_class_folders(images, held, by_name("StanfordCars"))
    of_list("StanfordCars", published, held)
    file, c, _ = next(image for image in images if image[2] == "test")
    name = by_name("StanfordCars")(c)
    (held / "test" / name / file.name).rename(held / "train" / name / "00099.jpg")
    refused("StanfordCars", published, held, f"{file.name}, which is not there")


def test_cars_that_were_divided_anew_are_refused(published: Path, held: Path) -> None:
    """Numbered anew in each part: every name is there, but not what the lists say of it."""
    numbers = {"train": 0, "test": 0}
    for i, (file, c, _) in enumerate(sorted(images_of("StanfordCars", published))):
        part = "train" if i % 5 < 3 else "test"
        numbers[part] += 1
        target = held / part / by_name("StanfordCars")(c) / f"{numbers[part]:05d}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    of_list("StanfordCars", published, held)
    refused("StanfordCars", published, held, "but the copy says '")


@pytest.mark.parametrize("name", ["EuroSAT", "SUN397"])
def test_half_of_a_data_set_that_is_split_here_is_refused(
    name: str, published: Path, held: Path
) -> None:
    """SUN397's 50/50 splits, EuroSAT's training part alone: another split would be drawn."""
    images = [image for image in images_of(name, published) if image[2] == "train"]
    write_class_folders(images, held / "copy", by_name(name))
    refused(name, published, held, "it has 16 images where 20 belong")


def test_an_image_in_a_wrong_class_folder_is_refused(published: Path, held: Path) -> None:
    write_class_folders(images_of("EuroSAT", published), held / "copy", by_name("EuroSAT"), False)
    (held / "copy/Forest/Forest_1.jpg").rename(held / "copy/Highway/Forest_1.jpg")
    error = refused("EuroSAT", published, held, "of another class than 'Highway'")
    assert tomllib.loads(error.suite)["tasks"][0]["images"] == str(held / "copy")


def test_a_copy_beside_its_own_parts_is_refused(published: Path, held: Path) -> None:
    """The same image twice."""
    images = images_of("EuroSAT", published)
    write_class_folders(images, held, by_name("EuroSAT"))
    file, c, part = images[0]
    other = "test" if part == "train" else "train"
    (held / other / by_name("EuroSAT")(c)).mkdir(exist_ok=True)
    shutil.copy(file, held / other / by_name("EuroSAT")(c) / file.name)
    refused("EuroSAT", published, held, "have the same published name")


def test_a_gap_in_the_numbers_is_refused(published: Path, held: Path) -> None:
    write_class_folders(images_of("EuroSAT", published), held, by_name("EuroSAT"), False)
    (held / "Forest/Forest_5.jpg").rename(held / "Forest/Forest_7.jpg")
    refused("EuroSAT", published, held, "there is no Forest_6.jpg, but later ones are there")


@pytest.mark.parametrize("name", CONVERTED)
def test_other_file_names_are_refused(name: str, published: Path, held: Path) -> None:
    write_class_folders(images_of(name, published), held, by_name(name))
    of_list(name, published, held)
    file = next(held.rglob("*.jpg"))
    file.rename(file.with_name("picture.jpg"))
    refused(name, published, held, "picture.jpg is not called as published")


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (
            "Flowers",
            lambda image: image.resize((32, 32)),
            "its images were scaled: all have 32 x 32",
        ),
        (
            "EuroSAT",
            lambda image: image.resize((224, 224)),
            "one has 224 x 224 pixels, not 64 x 64",
        ),
        ("SUN397", None, "is a PNG file"),
    ],
)
def test_images_that_were_written_anew_are_refused(
    name: str,
    change: Callable[[Image.Image], Image.Image] | None,
    words: str,
    published: Path,
    held: Path,
) -> None:
    write_class_folders(images_of(name, published), held, by_name(name))
    of_list(name, published, held)
    for file in held.rglob("*.jpg"):
        with Image.open(file) as image:
            changed = change(image) if change else image.convert("RGB")
        changed.save(file, "JPEG" if change else "PNG")
    refused(name, published, held, words)


def test_two_copies_are_not_mixed(published: Path, held: Path) -> None:
    for place in ("a", "b"):
        write_class_folders(images_of("EuroSAT", published), held / place, by_name("EuroSAT"))
    with pytest.raises(UserError, match=rf"{held}/a and {held}/b both hold it; give --from one"):
        taken("EuroSAT", published, held)


def test_flat_folders_of_cars_with_the_lists(published: Path, held: Path) -> None:
    """As the archives unpack, twice as deep, and the lists elsewhere."""
    for part in ("train", "test"):
        place = held / f"cars_{part}" / f"cars_{part}"
        shutil.copytree(published / "stanford_cars" / f"cars_{part}", place)
    of_list("StanfordCars", published, held)
    taken("StanfordCars", published, held)
    is_the_published_one("StanfordCars", published, held)


def test_cars_smaller_than_their_boxes_are_refused(published: Path, held: Path) -> None:
    write_class_folders(images_of("StanfordCars", published), held, by_name("StanfordCars"))
    of_list("StanfordCars", published, held)
    for i, file in enumerate(sorted((held / "test").rglob("*.jpg"))):
        with Image.open(file) as image:
            changed = image.resize((30 + i, 30))
        changed.save(file)
    refused("StanfordCars", published, held, "the boxes of 8 of 8 images in cars_test are larger")


def test_data_sets_without_a_rule_are_refused(published: Path, held: Path) -> None:
    write_class_folders(images_of("Food", published), held / "food", by_name("Food"))
    refused("Food", published, held, "of Food only the published files are read")


@pytest.mark.parametrize("name", CONVERTED)
@pytest.mark.parametrize("order", ["published", "reversed"])
def test_parquet_goes_by_names_whatever_their_order(
    name: str, order: str, published: Path, held: Path
) -> None:
    names = list(names_in_files(name))[:: 1 if order == "published" else -1]
    last = len(names) - 1
    write_parquet(
        images_of(name, published),
        held / "copy",
        names,
        label=lambda c: c if order == "published" else last - c,
        path=lambda f: str(f.relative_to(published / "SUN397") if name == "SUN397" else f.name),
    )
    of_list(name, published, held)
    words, said = taken(name, published, held)
    assert words.startswith(f"brought from {held / 'copy'}") and said == []
    is_the_published_one(name, published, held)


@pytest.mark.parametrize("name", ["EuroSAT", *LISTED])
def test_parquet_with_names_in_another_order_than_its_labels_is_refused(
    name: str, published: Path, held: Path
) -> None:
    write_parquet(images_of(name, published), held, names_in_files(name)[::-1])
    of_list(name, published, held)
    refused(name, published, held, "the copy says")


def test_parquet_with_labels_from_1_is_refused(published: Path, held: Path) -> None:
    images = images_of("EuroSAT", published)
    write_parquet(images, held, names_in_files("EuroSAT"), label=lambda c: c + 1)
    with pytest.raises(
        UserError, match=r"row \d+, has the label 4, but the 4 classes are numbered from 0"
    ):
        taken("EuroSAT", published, held)


@pytest.mark.parametrize(
    ("folders", "words"),
    [("images/{}", ""), ("EuroSAT/2750/{}", ""), ("Highway", "of another class than 'Highway'")],
)
def test_folders_in_the_paths_of_parquet_files(
    folders: str, words: str, published: Path, held: Path
) -> None:
    """Those that are no class are no claim; a class must be the image's."""
    write_parquet(
        images_of("EuroSAT", published),
        held,
        names_in_files("EuroSAT"),
        path=lambda f: f"{folders.format(f.parent.name)}/{f.name}",
    )
    if words:
        refused("EuroSAT", published, held, words)
    else:
        taken("EuroSAT", published, held)
        is_the_published_one("EuroSAT", published, held)


def test_parquet_of_another_data_set_is_named(published: Path, held: Path) -> None:
    names = ["cat", "dog", "mouse", "owl"]
    write_parquet(images_of("EuroSAT", published), held / "pets", names)
    with pytest.raises(
        NothingFoundError, match=r"in .*pets have 4 classes: cat, dog, mouse, \.\.\."
    ):
        taken("EuroSAT", published, held)


def test_parquet_with_fewer_rows_is_refused(published: Path, held: Path) -> None:
    images = images_of("EuroSAT", published)
    write_parquet(images[1:], held, names_in_files("EuroSAT"))
    refused("EuroSAT", published, held, "it has 19 images where 20 belong")


def test_parquet_without_file_names_is_refused(published: Path, held: Path) -> None:
    for name, path in (("EuroSAT", None), ("SUN397", "sun_abc.jpg")):
        write_parquet(
            images_of(name, published), held / name, names_in_files(name), path=lambda _, p=path: p
        )
    refused("EuroSAT", published, held, "row 1, has no file name")
    error = refused("SUN397", published, held, "lies in no class folder, so that its label cannot")
    assert "write those of the Parquet files into class folders" in error.suite
    tomllib.loads(error.suite)


@pytest.mark.parametrize(
    "where", ["README.md", "README.md of a list", "dataset_info.json", "names.txt"]
)
def test_names_may_stand_beside_the_parquet_files(where: str, published: Path, held: Path) -> None:
    names = names_in_files("EuroSAT")
    write_parquet(images_of("EuroSAT", published), held, names, features=False)
    label = {"name": "label", "dtype": {"class_label": {"names": dict(enumerate(names))}}}
    info = {"config_name": "a", "features": [{"name": "image", "dtype": "image"}, label]}
    text = {
        "README.md": f"---\n{yaml.safe_dump({'dataset_info': info})}---\n# EuroSAT\n",
        "README.md of a list": f"---\n{yaml.safe_dump({'dataset_info': [info]})}---\n",
        "dataset_info.json": json.dumps({"features": {"label": {"names": names}}}),
        "names.txt": "".join(f"{n}\n" for n in names),
    }[where]
    (held / where.split(" ")[0]).write_text(text)
    taken("EuroSAT", published, held)
    is_the_published_one("EuroSAT", published, held)


def test_parquet_with_class_names_as_labels(published: Path, held: Path) -> None:
    names = names_in_files("EuroSAT")
    images = images_of("EuroSAT", published)
    write_parquet(images, held, names, label=lambda c: names[c], features=False)
    taken("EuroSAT", published, held)
    is_the_published_one("EuroSAT", published, held)


@pytest.mark.parametrize(
    "card", ["---\n- a\n---\n", "---\n{\n---\n", "---\ndataset_info: 3\n---\n"]
)
def test_a_card_that_cannot_be_read_is_one_line(card: str, published: Path, held: Path) -> None:
    names = names_in_files("EuroSAT")
    write_parquet(images_of("EuroSAT", published), held, names, features=False)
    (held / "README.md").write_text(card)
    said: list[str] = []
    with pytest.raises(NothingFoundError):
        take(
            "EuroSAT",
            parts_of("EuroSAT", published),
            Given(held, said.append),
            held.parent / "data",
        )
    assert all(line.startswith(f"{held}/README.md names no classes of 'label': ") for line in said)
    assert len(said) == 2 and not any("\n" in line for line in said)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), "is not used: it cannot be read: "),
        (
            lambda file: pq.write_table(pa.table({"picture": [1], "label": [0]}), file),
            "is not used: it has the columns picture, label, but an image copy has `image`",
        ),
        (
            lambda file: pq.write_table(
                pa.table({"image": [{"bytes": b"", "path": ""}], "label": [0]}), file
            ),
            "is not used: its labels are numbers, and neither it nor README.md",
        ),
    ],
)
def test_parquet_that_cannot_be_used_is_one_line(
    spoil: Callable[[Path], object], words: str, published: Path, held: Path
) -> None:
    write_parquet(images_of("EuroSAT", published), held, names_in_files("EuroSAT"))
    for file in (held / "data").iterdir():
        spoil(file)
    said: list[str] = []
    given = Given(held, said.append)
    with pytest.raises(NothingFoundError):
        take("EuroSAT", parts_of("EuroSAT", published), given, held.parent / "data")
    assert len(said) == 2 and all(words in line and "\n" not in line for line in said), said


def test_parquet_damaged_in_its_middle_leaves_nothing(published: Path, held: Path) -> None:
    write_parquet(images_of("EuroSAT", published), held, names_in_files("EuroSAT"))
    file = held / "data" / "train-00000-of-00001.parquet"
    content = bytearray(file.read_bytes())
    content[4:400] = bytes(396)
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"train-00000-of-00001\.parquet") as stopped:
        taken("EuroSAT", published, held)
    assert "\n" not in str(stopped.value)
    assert not list((held.parent / "data").iterdir())


@pytest.mark.parametrize("name", CONVERTED)
def test_no_two_classes_are_written_alike(name: str) -> None:
    names = names_in_files(name)
    assert len({plain(n) for n in names}) == len(names)
    known = known_classes(name)
    assert [known[plain(n)] for n in names] == list(range(len(names)))


def test_parts_by_name() -> None:
    names = {"cars_train": "train", "Testing": "test", "valid": "val", "test-00001-of-2": "test"}
    names |= {"latest": "", "restrained": "", "2750": "", "images": ""}
    assert {name: part_of(name) for name in names} == names


def test_the_command_offers_a_suite_of_ones_own(
    published: Path,
    held: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The lines below the refusal make a suite that is read."""
    images = [image for image in images_of("SUN397", published) if image[2] == "train"]
    both = [
        (file, c, part)
        for i, (file, c, _) in enumerate(images)
        for part in ("train", "test")
        if (i % 2 == 0) == (part == "train")
    ]
    write_class_folders(both, held / "sun", by_name("SUN397"))
    monkeypatch.setattr(data_work, "archives", lambda: {"SUN397": parts_of("SUN397", published)})
    line = ("data", "prepare", "SUN397", "--from", str(held), "--data-root", str(held.parent / "d"))
    assert cl_bench(monkeypatch, *line) == 1
    shown = capsys.readouterr().out
    assert "SUN397: " in shown and "it has 16 images where 20 belong. As a task of" in shown
    suite = held.parent / "suite.toml"
    suite.write_text(HEAD + shown[shown.index("[[tasks]]") : shown.index("`cl-bench data status`")])
    read = read_suite(suite)
    assert [(task.name, task.train_size, task.test_size) for task in read.tasks] == [("sun", 8, 8)]
