"""Tasks from a CSV or Parquet file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.own.image_lists import read_image_list
from cl_bench.datasets.own.suite_file import read_suite
from cl_bench.datasets.streams import build_stream

SUITE = """
name = "listed"
about = "listed: two colours"
backbone = "tiny-clip"
epochs = 1
[[tasks]]
name = "colours"
list = "{file}"
templates = ["a {{}} square."]
"""


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    rows = []
    for i, (name, colour) in enumerate({"red": (200, 0, 0), "dark_blue": (0, 0, 90)}.items()):
        for k in range(5):
            path = f"pictures/{name}{k}.png"
            (tmp_path / "pictures").mkdir(exist_ok=True)
            Image.new("RGB", (20, 20), colour).save(tmp_path / path)
            rows.append((path, name, i, ("train", "train", "test", "val", "train")[k]))
    return pd.DataFrame(rows, columns=["path", "class_name", "label", "split"])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_list_becomes_a_task(suffix: str, table: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / f"index.{suffix}"
    table.to_csv(file, index=False) if suffix == "csv" else table.to_parquet(file)
    (tmp_path / "suite.toml").write_text(SUITE.format(file=file.name))
    (spec,) = read_suite(tmp_path / "suite.toml").tasks
    assert spec.classnames == ("dark blue", "red") and (spec.train_size, spec.test_size) == (6, 2)
    (task,) = build_stream("listed", [spec], 32).tasks
    red = task.train.targets == 1
    assert int(task.train.pixels[red][:, 0].min()) == 200
    assert int(task.train.pixels[~red][:, 2].max()) == 90


def test_without_splits_a_share_is_held_out(table: pd.DataFrame, tmp_path: Path) -> None:
    table.drop(columns="split").to_csv(tmp_path / "index.csv", index=False)
    files = read_image_list(tmp_path / "index.csv", test_share=0.4, seed=0)
    assert [len(paths) for paths in files.test] == [2, 2]
    assert not set(files.train[0]) & set(files.test[0])


def test_what_is_wrong_is_named(table: pd.DataFrame, tmp_path: Path) -> None:
    def complaint(changed: pd.DataFrame) -> str:
        changed.to_csv(tmp_path / "index.csv", index=False)
        with pytest.raises(UserError) as error:
            read_image_list(tmp_path / "index.csv", 0.2, 0)
        return str(error.value)

    assert "needs `path` and `class`" in complaint(table.drop(columns=["class_name", "label"]))
    missing = table.assign(path=table["path"].replace("pictures/red0.png", "pictures/red9.png"))
    assert "line 2, names 'pictures/red9.png', which does not exist" in complaint(missing)
    assert "no test image of the class 'red'" in complaint(
        table[(table["class_name"] != "red") | (table["split"] != "test")]
    )
    with pytest.raises(UserError, match="does not exist"):
        read_image_list(tmp_path / "none.csv", 0.2, 0)
    (tmp_path / "bad.parquet").write_bytes(b"PAR0")
    with pytest.raises(UserError, match=r"bad\.parquet cannot be read"):
        read_image_list(tmp_path / "bad.parquet", 0.2, 0)


def test_fingerprints_follow_the_files(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "index.csv", index=False)
    (tmp_path / "suite.toml").write_text(SUITE.format(file="index.csv"))
    before = read_suite(tmp_path / "suite.toml").identify().digest
    Image.fromarray(np.zeros((99, 99, 3), np.uint8)).save(tmp_path / "pictures/red0.png")
    assert read_suite(tmp_path / "suite.toml").identify().digest != before
