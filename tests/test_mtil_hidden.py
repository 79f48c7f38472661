"""Hidden files and folders, and what systems leave behind, are no data in any MTIL folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from mtil_fixtures import make_mtil

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.mtil.readers import read_both
from cl_bench.datasets.mtil.status import status

NAMES = list(facts()["datasets"])


def litter(folder: Path) -> None:
    """Leave in every folder what macOS, notebooks and Windows leave, images among it."""
    for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        (place / ".DS_Store").write_bytes(b"\0")
        (place / "Thumbs.db").write_bytes(b"\0")
        images = [*place.glob("*.jpg")][:1]
        for hidden in (".ipynb_checkpoints", "__MACOSX", ".cache"):
            (place / hidden).mkdir()
            for image in images:
                shutil.copy(image, place / hidden / image.name)
        for image in images:
            shutil.copy(image, place / f"._{image.name}")


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    clean = tmp_path_factory.mktemp("clean")
    make_mtil(clean)
    littered = tmp_path_factory.mktemp("littered") / "root"
    shutil.copytree(clean, littered)
    litter(littered)
    return clean, littered


@pytest.mark.parametrize("name", NAMES)
def test_nothing_hidden_is_data(name: str, roots: tuple[Path, Path]) -> None:
    clean, littered = roots
    for ours, theirs in zip(read_both(name, littered), read_both(name, clean), strict=True):
        assert ours.classnames == theirs.classnames
        assert np.array_equal(ours.targets, theirs.targets)
        if isinstance(theirs.images, np.ndarray):
            assert np.array_equal(ours.images, theirs.images)
        else:
            assert [Path(p).relative_to(littered) for p in ours.images] == [
                Path(p).relative_to(clean) for p in theirs.images
            ]
    assert status(name, littered).train == status(name, clean).train


def test_a_list_that_names_a_hidden_file_is_refused(
    roots: tuple[Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(roots[1] / "dtd", tmp_path / "dtd")
    hidden = next((tmp_path / "dtd/dtd/images/banded").glob("._*.jpg"))
    file = tmp_path / "dtd/dtd/labels/train1.txt"
    file.write_text(f"{file.read_text()}banded/{hidden.name}\n")
    with pytest.raises(UserError, match=r"names .*/\._\w+\.jpg, which is hidden and so no data"):
        read_both("DTD", tmp_path)
