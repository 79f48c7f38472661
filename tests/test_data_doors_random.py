"""Whatever classes and files are called: what comes out is what went in, or an error says why not."""

from __future__ import annotations

import csv
import functools
import itertools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import open_clip
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_suite import write_image, write_suite
from torch import Tensor

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.own.suite_file import read_suite
from cl_bench.datasets.task_spec import FolderSource, TaskSpec

AWKWARD = (
    "NA", "None", "nan", "", " ", "001", "010", "1e3", "-", "#", "true", "hot_dog", "hot dog", "Hot dog", "caf\u00e9",
    "cafe\u0301", " cat", "cat ", "a,b", 'a"b', "a'b", "a;b", "a\tb", "a\\b", "{}", "{0}", "%s", "a&amp;b", "=1+1",
    ".hidden", "._cat", "__MACOSX", "Thumbs.db", "\ufeffa", "\u200b", "日本", "🐈", "con", "..", "a.png", "a\nb",
)  # fmt: skip
REASONS = ("two or more", "is empty", "have the same prompt", "both have the name")
CONTROL = {chr(i) for i in (*range(32), *range(127, 160), 0x2028, 0x2029)}
LETTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp"))
ODD_LETTERS = st.sampled_from("aAé1_ -&\u0301\u00a0\t\x85")
NAMES = st.one_of(
    st.sampled_from(AWKWARD),
    st.text(LETTERS, min_size=1, max_size=10),
    st.text(ODD_LETTERS, max_size=4),
)
CLASSES = st.dictionaries(NAMES, st.integers(2, 3), min_size=2, max_size=4)
QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
NUMBERS = itertools.count()  # all images differ
SYSTEMS = ("__MACOSX", "Thumbs.db")


def read(folder: Path, task: str) -> TaskSpec | str:
    """The task, or what the user is told."""
    try:
        (spec,) = read_suite(write_suite(folder, f'name = "t"\n{task}')).tasks
    except UserError as error:
        return str(error)
    return spec


def labels(spec: TaskSpec) -> Counter[tuple[str, str]]:
    """Class and file name of every image."""
    assert isinstance(spec.source, FolderSource)
    entries = (*spec.source.train, *spec.source.test)
    return Counter((spec.classnames[c], Path(path).name) for path, c in entries)


def called(label: str) -> str:
    """What the class of a folder or a list is called in prompts."""
    return label.strip("_").replace("_", " ")


@functools.cache
def tokenizer() -> Callable[[list[str]], Tensor]:
    return open_clip.get_tokenizer("ViT-B-16")  # type: ignore[no-any-return]


def impossible(labels: Iterable[str]) -> bool:
    """Whether these classes cannot be a task, found by other means than the product's."""
    names = [called(label) for label in labels]
    if any(name != name.strip() or not name or set(name) & CONTROL for name in names):
        return True
    tokens = tokenizer()([f"a photo of a {name}." for name in names])
    return len({tuple(row) for row in tokens.tolist()}) < max(2, len(names))


def check(found: TaskSpec | str, expected: Counter[tuple[str, str]], labels_in: list[str]) -> None:
    """Either everything came out as it went in, or one line says why not."""
    if isinstance(found, str):
        assert impossible(labels_in) and "\n" not in found
        assert any(words in found for words in REASONS), found
    else:
        assert not impossible(labels_in) and labels(found) == expected


@QUICK
@given(CLASSES)
def test_image_lists(classes: dict[str, int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, expected = Path(name), Counter[tuple[str, str]]()
        with (folder / "list.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "class"])
            for c, (label, count) in enumerate(classes.items()):
                for i in range(count):
                    write_image(folder / f"{c}-{i}.png", next(NUMBERS))
                    writer.writerow([f"{c}-{i}.png", label])
                    expected[called(label), f"{c}-{i}.png"] += 1
        found = read(folder, 'list = "list.csv"')
    check(found, expected, list(classes))


def is_data(label: str) -> bool:
    """Whether a folder of that name is a class."""
    return not label.startswith(".") and label not in SYSTEMS


def possible(name: str) -> bool:
    """Whether a folder can have that name."""
    return "/" not in name and name not in ("", ".", "..") and len(name.encode()) < 250


@QUICK
@given(CLASSES)
def test_folders(classes: dict[str, int]) -> None:
    classes = {label: count for label, count in classes.items() if possible(label)}
    with tempfile.TemporaryDirectory() as name:
        folder, expected = Path(name), Counter[tuple[str, str]]()
        (folder / "images").mkdir()
        for c, (label, count) in enumerate(classes.items()):
            for i in range(count):
                write_image(folder / "images" / label / f"{c}-{i}.png", next(NUMBERS))
                if is_data(label):
                    expected[called(label), f"{c}-{i}.png"] += 1
        found = read(folder, 'images = "images"')
    check(found, expected, [c for c in classes if is_data(c)])


@pytest.mark.parametrize("names", [("NA", "None"), ("001", "010"), ("{}", "%s"), ("a,b", 'a"b')])
def test_these_names_are_no_errors(names: tuple[str, str], tmp_path: Path) -> None:
    """The properties above hold by more than errors."""
    for i, label in enumerate((*names, *names, *names)):
        write_image(tmp_path / "images" / label / f"{i}.png", i)
    found = read(tmp_path, 'images = "images"')
    assert isinstance(found, TaskSpec) and set(found.classnames) == set(names)
