"""Every file that a data set needs is missed by its name, and nothing is written meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from mtil_fixtures import copy_one, make_mtil

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.mtil.readers import read

FACTS = facts()["datasets"]


@pytest.fixture(scope="module")
def look_alikes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mtil")
    make_mtil(root)
    return root


def test_nothing_is_written_where_there_is_nothing_to_read(tmp_path: Path) -> None:
    for dataset, known in FACTS.items():
        with pytest.raises(
            UserError, match=rf"^{dataset} needs .*{known['required'][0]}, which is"
        ):
            read(dataset, tmp_path, "train")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="unknown data set 'Foods': did you mean 'Food'"):
        read("Foods", tmp_path, "train")


@pytest.mark.parametrize("dataset", FACTS)
def test_every_required_file_is_missed(dataset: str, look_alikes: Path, tmp_path: Path) -> None:
    copy_one(dataset, look_alikes, tmp_path)
    read(dataset, tmp_path, "test")
    for required in FACTS[dataset]["required"]:
        hidden = (tmp_path / required).rename(tmp_path / "hidden")
        with pytest.raises(
            UserError, match=f"{dataset} needs {tmp_path / required}, which is miss"
        ):
            read(dataset, tmp_path, "test")
        hidden.rename(tmp_path / required)
