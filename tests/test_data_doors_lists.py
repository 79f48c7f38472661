"""Image lists: every line is used or named, and nothing is taken for something else."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from own_suite import write_image, write_list, write_suite

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.own.folders import Files
from cl_bench.datasets.own.image_lists import read_image_list
from cl_bench.datasets.own.suite_file import read_suite

TRAIN_AND_TEST = ("a1.png,a,train", "a2.png,a,test", "b1.png,b,train", "b2.png,b,test")


def read(file: Path) -> Files:
    return read_image_list(file, 0.2, 0)


def both(*names: str) -> list[str]:
    """A training and a test image of each class."""
    return [f"{i}{s}.png,{name},{s}" for i, name in enumerate(names) for s in ("train", "test")]


NAMES = (("NA", "None"), ("null", "nan", "n/a", "#N/A"), ("001", "010"), ("1", "1.0"),
         ("True", "False"), ("1e3", "-0"), ("a b", "a_c"), ("é", "日本"), ("2020-01-01", "1_000"))  # fmt: skip


@pytest.mark.parametrize("names", NAMES)
def test_classes_are_what_is_written(names: tuple[str, ...], tmp_path: Path) -> None:
    files = read(write_list(tmp_path, both(*names)))
    assert files.classes == tuple(sorted(names))
    for name, train, test in zip(files.classes, files.train, files.test, strict=True):
        number = names.index(name)
        assert [p.name for p in (*train, *test)] == [f"{number}train.png", f"{number}test.png"]
    suite = read_suite(write_suite(tmp_path, 'name = "t"\nlist = "list.csv"'))
    assert suite.tasks[0].classnames == tuple(name.replace("_", " ") for name in sorted(names))


WRONG = {
    "an empty class": (("c.png,,train",), r"line 6: the column 'class' is empty"),
    "an empty path": ((",a,train",), r"line 6: the column 'path' is empty"),
    "an unknown split": (("c.png,a,0",), r"line 6: unknown split '0'; known are train"),
    "an empty split": (("c.png,a,",), r"line 6: unknown split ''"),
    "a cell too many": (("c.png,a,train,x",), r"line 6, has 4 cells where the header has 3"),
    "a cell too few": (("c.png,a",), r"line 6, has 2 cells where the header has 3"),
    "in train and test": (("a1.png,a,test",), r"line 6 \(a test\): a1.png stands on line 2 \(a train\)"),
    "in two classes": (("./a1.png,b,train",), r"line 6 \(b train\): ./a1.png stands on line 2 \(a train"),
    "on two lines": (("x/../a1.png,a,train",), r"line 6 .* stands on line 2"),
    "an open quote": (('c.png,"a,train',), r"line \d+: unexpected end of data"),
    "a quote inside": (('c.png,"a"b,train',), r"line 6: ',' expected after '\"'"),
    "backslashes": ((r"x\c.png,a,train",), r"line 6, names 'x\\\\c.png', .* not by backslashes"),
    "a hidden file": (("._c.png,a,train",), r"line 6, names ._c.png: ._c.png is hidden"),
    "a hidden folder": ((".ipynb_checkpoints/c.png,a,train",), r"line 6, .* is hidden"),
    "what a Mac packs": (("__MACOSX/c.png,a,train",), r"__MACOSX is hidden"),
    "only in training": (("c.png,c,train",), r"has no test image of the class 'c'"),
    "only in validation": (("c.png,c,val",), r"has no training image of the class 'c'"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_line_that_cannot_be_used_is_named(case: str, tmp_path: Path) -> None:
    lines, message = WRONG[case]
    (tmp_path / "x").mkdir()
    file = write_list(tmp_path, [*TRAIN_AND_TEST, *(x for x in lines if "\\" not in x)])
    file.write_text("\n".join(["path,class,split", *TRAIN_AND_TEST, *lines]) + "\n")
    with pytest.raises(UserError, match=message) as error:
        read(file)
    assert str(file) in str(error.value) and "\n" not in str(error.value)


HEADERS = {
    "a column twice": ("path,class,class", r"two columns 'class'"),
    "semicolons": ("path;class;split", r"one column, 'path;class;split'; a .csv has commas"),
    "no path": ("file,class,split", r"needs `path` and `class`"),
    "empty": ("", r"is empty"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_is_not_understood_is_named(case: str, tmp_path: Path) -> None:
    header, message = HEADERS[case]
    file = write_list(tmp_path, TRAIN_AND_TEST if header else (), header)
    with pytest.raises(UserError, match=message):
        read(file)


def test_a_header_in_capitals_is_the_same_header(tmp_path: Path) -> None:
    files = read(write_list(tmp_path, TRAIN_AND_TEST, "Path, Class ,SPLIT"))
    assert [path.name for path in files.test[0]] == ["a2.png"], "the split is not drawn anew"


def test_one_class_is_no_task(tmp_path: Path) -> None:
    for lines in (both("a"), ()):
        with pytest.raises(UserError, match=r"has [01] classes; a task needs two"):
            read(write_list(tmp_path, lines))


def test_lines_of_a_validation_split_are_counted(tmp_path: Path) -> None:
    lines = (*TRAIN_AND_TEST, "c.png,a,val", "d.png,b,VAL", "e.png,b,validation")
    write_list(tmp_path, lines)
    suite = read_suite(write_suite(tmp_path, 'name = "t"\nlist = "list.csv"'))
    assert suite.remarks == (
        "task t: list.csv: 2 images of the split 'val' are not used",
        "task t: list.csv: 1 images of the split 'validation' are not used",
    )
    assert (suite.tasks[0].train_size, suite.tasks[0].test_size) == (2, 2)


def test_columns_that_may_have_been_meant_are_said(tmp_path: Path) -> None:
    lines = ("a1.png,a,train", "a2.png,a,test", "b1.png,b,train", "b2.png,b,test")
    files = read(write_list(tmp_path, lines, "path,class,subset"))
    assert "not used: subset" in files.remarks[0] and files.drawn


def parquet(tmp_path: Path, classes: pa.Array) -> Path:
    names = [f"{i}.png" for i in range(len(classes))]
    for i, name in enumerate(names):
        write_image(tmp_path / name, i)
    splits = ["train", "test"] * (len(names) // 2)
    pq.write_table(
        pa.table({"path": names, "class": classes, "split": splits}), tmp_path / "l.parquet"
    )
    return tmp_path / "l.parquet"


def test_parquet_columns_become_the_strings_they_stand_for(tmp_path: Path) -> None:
    for classes, expected in (
        (pa.array([7, 7, 10, 10]), ("10", "7")),
        (pa.array(["NA", "NA", "None", "None"]), ("NA", "None")),
        (pa.array(["b", "b", "a", "a"]).dictionary_encode(), ("a", "b")),
    ):
        assert read(parquet(tmp_path, classes)).classes == expected
    frame = pd.read_parquet(tmp_path / "l.parquet")
    frame.assign(**{"class": pd.Categorical(["x", "x", "y", "y"])}).to_parquet(
        tmp_path / "p.parquet"
    )
    assert read(tmp_path / "p.parquet").classes == ("x", "y")


def test_parquet_columns_that_are_no_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"row 4: the column 'class' is empty"):
        read(parquet(tmp_path, pa.array(["a", "a", "b", None])))
    for classes, kind in (([1.0, 1.0, 2.0, 2.0], "double"), ([True, True, False, False], "bool")):
        with pytest.raises(
            UserError, match=f"column 'class' is of the type {kind}: write it as text"
        ):
            read(parquet(tmp_path, pa.array(classes)))
    with pytest.raises(UserError, match=r"row 1: the column 'class' is empty"):
        read(parquet(tmp_path, pa.nulls(4)))


def test_paths_may_be_absolute_and_climb_out(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "suite"
    folder.mkdir()
    lines = [f"../outside/{line}" for line in TRAIN_AND_TEST[:2]]
    lines += [f"{outside}/{line}" for line in TRAIN_AND_TEST[2:]]
    for i, line in enumerate(lines):
        write_image(folder / line.partition(",")[0], i)
    (folder / "l.tsv").write_text("\n".join(["path,class,split", *lines]).replace(",", "\t"))
    suite = read_suite(write_suite(folder, 'name = "t"\nlist = "l.tsv"'))
    source = suite.tasks[0].source
    assert source.kind == "folder" and source.train == (
        ("../outside/a1.png", 0), ("../outside/b1.png", 1),
    )  # fmt: skip


def test_an_ending_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.xlsx").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"ends in '.xlsx'; known are .csv, .tsv and .parquet"):
        read(tmp_path / "list.xlsx")
