"""Whatever classes and files are called: what comes out is what went in, or an error says why not."""

from __future__ import annotations

import csv
import itertools
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_suite import write_image, write_suite

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.suite import FolderSource, TaskSpec
from cl_bench.datasets.suite_file import read_suite

AWKWARD = (
    "NA", "None", "nan", "", " ", "001", "010", "1e3", "-", "#", "true", "hot_dog", "hot dog", "Hot dog", "caf\u00e9",
    "cafe\u0301", " cat", "cat ", "a,b", 'a"b', "a'b", "a;b", "a\tb", "a\\b", "{}", "{0}", "%s", "a&amp;b", "=1+1",
    ".hidden", "._cat", "__MACOSX", "Thumbs.db", "\ufeffa", "\u200b", "日本", "🐈", "con", "..", "a.png", "a\nb",
)  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(AWKWARD),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=0, max_size=12),
)
CLASSES = st.dictionaries(NAMES, st.integers(2, 3), min_size=1, max_size=4)
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
NUMBERS = itertools.count()


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


def explained(words: str, classes: dict[str, int]) -> bool:
    """Whether an error is one line that names one of the classes, or says that there are too few."""
    named = [n for name in classes for n in (name, name.replace("_", " ")) if repr(n) in words]
    few = any(text in words for text in ("needs two or more", "is empty", "holds no image"))
    return "\n" not in words and bool(named or few)


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
                    expected[label.replace("_", " "), f"{c}-{i}.png"] += 1
        found = read(folder, 'list = "list.csv"')
    assert explained(found, classes) if isinstance(found, str) else labels(found) == expected


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
                if not label.startswith(".") and label not in ("__MACOSX", "Thumbs.db"):
                    expected[label.replace("_", " "), f"{c}-{i}.png"] += 1
        found = read(folder, 'images = "images"')
    assert explained(found, classes) if isinstance(found, str) else labels(found) == expected


@pytest.mark.parametrize("names", [("NA", "None"), ("001", "010"), ("{}", "%s"), ("a,b", 'a"b')])
def test_these_names_are_no_errors(names: tuple[str, str], tmp_path: Path) -> None:
    """The properties above hold by more than errors."""
    for i, label in enumerate((*names, *names, *names)):
        write_image(tmp_path / "images" / label / f"{i}.png", i)
    found = read(tmp_path, 'images = "images"')
    assert isinstance(found, TaskSpec) and set(found.classnames) == set(names)
