"""CIFAR-100's pickles are read without running code that they may hold."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtil_fixtures import copy_one, make_mtil
from mtil_writers import python2_pickle

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.readers import read


@pytest.fixture(scope="module")
def look_alikes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mtil")
    make_mtil(root)
    return root


class Code:
    """Pickles into a call that leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


def test_a_pickle_with_code_in_it_is_not_run(look_alikes: Path, tmp_path: Path) -> None:
    copy_one("CIFAR100", look_alikes, tmp_path)
    trace = tmp_path / "trace"
    harmful = pickle.dumps({"data": Code(trace)})
    (tmp_path / "cifar-100-python" / "train").write_bytes(harmful)
    with pytest.raises(UserError, match=r"train is damaged: it wants to call posix\.mkdir, which"):
        read("CIFAR100", tmp_path, "train")
    assert not trace.exists()
    pickle.loads(harmful)  # as torchvision would
    assert trace.exists(), "the check can tell"


def test_an_array_of_objects_is_not_built(look_alikes: Path, tmp_path: Path) -> None:
    copy_one("CIFAR100", look_alikes, tmp_path)
    objects = python2_pickle({"data": np.array([["x"]], dtype=object), "fine_labels": [0]})
    (tmp_path / "cifar-100-python" / "train").write_bytes(objects)
    with pytest.raises(UserError, match="train is damaged: it holds an array of 'O8' instead of"):
        read("CIFAR100", tmp_path, "train")
