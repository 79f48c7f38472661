"""``data prepare --from FOLDER``: archives and unpacked copies that somebody has, checked; the folder stays as it is."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
from command_line import cl_bench
from mtil_fixtures import copy_one
from mtil_published import let_it_be_published, packed, parts_of, write_published
from PIL import Image

from cl_bench.benchmark.errors import UserError
from cl_bench.cli import data_work
from cl_bench.datasets.mtil import unpack as unpacking
from cl_bench.datasets.mtil.archives import Archive
from cl_bench.datasets.mtil.given import Given
from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.mtil.readers import read_both
from cl_bench.datasets.mtil.take import NothingFoundError, take

NAMES = list(facts()["datasets"])


@pytest.fixture(scope="module")
def look_alikes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mtil")
    write_published(root)
    return root


@pytest.fixture
def published(look_alikes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    let_it_be_published(look_alikes, tmp_path / "facts", monkeypatch)
    return look_alikes


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder: when it was written, and its bytes."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def taken(name: str, parts: tuple[Archive, ...], held: Path, root: Path) -> tuple[str, list[str]]:
    """Take a data set; returns what was said in the end, and on the way. ``held`` stays as it is."""
    said: list[str] = []
    before = state(held)
    try:
        return take(name, parts, Given(held, said.append), root), said
    finally:
        assert state(held) == before
        assert not list(root.glob(".unpacking*"))


@pytest.mark.parametrize("file", ["EuroSAT.zip", "eurosat.ZIP", "deep/er/download (1).zip"])
def test_an_archive_is_found_by_its_name_or_by_its_checksum(
    file: str, published: Path, tmp_path: Path
) -> None:
    part = packed("EuroSAT", published, tmp_path / "EuroSAT.zip")
    held = tmp_path / "held" / file
    held.parent.mkdir(parents=True)
    (tmp_path / "EuroSAT.zip").rename(held)
    words, said = taken("EuroSAT", (part,), tmp_path / "held", tmp_path / "data")
    assert words == f"unpacked from {held}" and said == []
    assert len(read_both("EuroSAT", tmp_path / "data")[0].targets) == 16


def test_an_archive_with_another_content_is_never_used(published: Path, tmp_path: Path) -> None:
    (tmp_path / "held").mkdir()
    packed("EuroSAT", published, tmp_path / "held" / "EuroSAT.zip")
    part = Archive(file="EuroSAT.zip", md5="0" * 32)
    said: list[str] = []
    given = Given(tmp_path / "held", said.append)
    with pytest.raises(NothingFoundError, match="there is nothing of it below"):
        take("EuroSAT", (part,), given, tmp_path / "data")
    (line,) = said
    assert line.startswith(f"{tmp_path}/held/EuroSAT.zip is not used: its MD5 is ")
    assert not (tmp_path / "data" / "eurosat").exists()


def test_what_was_fetched_before_counts_too(published: Path, tmp_path: Path) -> None:
    held, downloads = tmp_path / "held", tmp_path / "data" / ".downloads"
    held.mkdir()
    downloads.mkdir(parents=True)
    images = packed("Flowers", published, downloads / "Flowers.zip")
    shutil.copy(published / "flowers-102" / "setid.mat", held)
    parts = (images, parts_of("Flowers", published)[2])
    given = Given(held, print, downloads)
    words = take("Flowers", parts, given, tmp_path / "data")
    assert words == f"unpacked from {downloads / 'Flowers.zip'}, {held / 'setid.mat'}"


def test_what_was_fetched_before_alone_is_nothing_of_the_folder(
    published: Path, tmp_path: Path
) -> None:
    downloads = tmp_path / "data" / ".downloads"
    downloads.mkdir(parents=True)
    (tmp_path / "held" / "a").mkdir(parents=True)
    shutil.copy(published / "flowers-102" / "setid.mat", downloads)
    given = Given(tmp_path / "held", print, downloads)
    with pytest.raises(NothingFoundError):
        take("Flowers", parts_of("Flowers", published), given, tmp_path / "data")


def test_a_part_that_lacks_is_named(published: Path, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.mkdir()
    shutil.copy(published / "flowers-102" / "setid.mat", held)
    with pytest.raises(
        UserError, match=r"setid\.mat is there, but below .* there is no Flowers\.zip"
    ):
        taken("Flowers", parts_of("Flowers", published), held, tmp_path / "data")
    assert not (tmp_path / "data" / "flowers-102").exists()


@pytest.mark.parametrize("name", NAMES)
def test_an_unpacked_copy_is_copied_and_read_as_the_original(
    name: str, published: Path, tmp_path: Path
) -> None:
    held, root = tmp_path / "held", tmp_path / "data"
    copy_one(name, published, held / "somewhere")
    (top,) = (held / "somewhere").iterdir()
    top.rename(top.with_name("other name"))
    (top.with_name("other name") / ".DS_Store").write_bytes(b"left by a system")
    words, _ = taken(name, parts_of(name, published), held, root)
    assert str(held) in words and not list(root.rglob(".DS_Store"))
    for copy, original in zip(read_both(name, root), read_both(name, published), strict=True):
        assert copy.classnames == original.classnames
        assert copy.targets.tolist() == original.targets.tolist()
        if isinstance(copy.images, tuple) and isinstance(original.images, tuple):
            assert [p.relative_to(root) for p in copy.images] == [
                p.relative_to(published) for p in original.images
            ]


def test_a_copy_with_fewer_images_is_refused(published: Path, tmp_path: Path) -> None:
    copy_one("Caltech101", published, tmp_path / "held")
    folder = tmp_path / "held" / "caltech101" / "101_ObjectCategories"
    last = sorted((folder / "Faces").iterdir())[-1]
    last.unlink()
    with pytest.raises(
        UserError,
        match=rf"{folder} is not the published Caltech101: 15 training images where 16 belong$",
    ):
        taken("Caltech101", parts_of("Caltech101", published), tmp_path / "held", tmp_path / "data")
    assert not (tmp_path / "data" / "caltech101").exists()


def test_a_copy_with_a_changed_list_is_refused(published: Path, tmp_path: Path) -> None:
    copy_one("Flowers", published, tmp_path / "held")
    file = tmp_path / "held" / "flowers-102" / "setid.mat"
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(
        UserError, match=rf"is not the published Flowers: {file} is not used: its MD5"
    ):
        taken("Flowers", parts_of("Flowers", published), tmp_path / "held", tmp_path / "data")


def test_a_copy_in_the_published_layout_whose_images_were_scaled_is_refused(
    published: Path, tmp_path: Path
) -> None:
    copy_one("DTD", published, tmp_path / "held")
    for file in (tmp_path / "held").rglob("*.jpg"):
        Image.new("RGB", (224, 224)).save(file)
    with pytest.raises(
        UserError, match=r"is not the published DTD: its images were scaled: all have"
    ):
        taken("DTD", parts_of("DTD", published), tmp_path / "held", tmp_path / "data")
    assert not (tmp_path / "data" / "dtd").exists()


def test_the_archive_comes_before_the_unpacked_copy(published: Path, tmp_path: Path) -> None:
    held = tmp_path / "held"
    copy_one("DTD", published, held)
    part = packed("DTD", published, held / "DTD.zip")
    next((held / "dtd").rglob("*.jpg")).write_bytes(b"spoiled")
    words, _ = taken("DTD", (part,), held, tmp_path / "data")
    assert words == f"unpacked from {held / 'DTD.zip'}"
    assert b"spoiled" not in [p.read_bytes() for p in (tmp_path / "data").rglob("*.jpg")]


def test_a_disk_that_is_too_small_leaves_nothing(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_one("DTD", published, tmp_path / "held")
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 6, 3))
    with pytest.raises(UserError, match=r"0\.0 GiB free, but 0\.0 GiB are needed; make room there"):
        taken("DTD", parts_of("DTD", published), tmp_path / "held", tmp_path / "data")
    assert not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize("name", ["DTD", "MNIST", "EuroSAT"])
def test_a_disk_that_fills_up_leaves_nothing(
    name: str, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders, single files and class folders are copied by three functions."""
    copy_one(name, published, tmp_path / "held")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(UserError, match=rf"^{name} cannot be brought to .*: .*No space left") as e:
        taken(name, parts_of(name, published), tmp_path / "held", tmp_path / "data")
    assert "\n" not in str(e.value) and not list((tmp_path / "data").iterdir())


def test_a_few_folders_of_the_same_names_are_no_copy(published: Path, tmp_path: Path) -> None:
    for name in ("Faces", "pictures", "music", "lamp"):
        (tmp_path / "held" / name).mkdir(parents=True)
    with pytest.raises(NothingFoundError):
        taken("Caltech101", parts_of("Caltech101", published), tmp_path / "held", tmp_path / "data")


def test_the_command(
    published: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    held, root = tmp_path / "held", tmp_path / "data"
    held.mkdir()
    parts = {name: parts_of(name, published) for name in NAMES}
    parts["DTD"] = (packed("DTD", published, held / "DTD.zip"),)
    copy_one("Food", published, held)
    monkeypatch.setattr(data_work, "archives", lambda: parts)
    line = ("data", "prepare", "--from", str(held), "--data-root", str(root))
    assert cl_bench(monkeypatch, *line) == 0
    shown = capsys.readouterr().out
    assert f"DTD: unpacked from {held}/DTD.zip" in shown and f"Food: copied from {held}" in shown
    assert "MNIST" not in shown
    assert cl_bench(monkeypatch, *line[:2], "DTD", "MNIST", *line[2:]) == 2
    assert "it holds nothing of MNIST" in capsys.readouterr().err
    shutil.rmtree(root / "dtd")
    assert cl_bench(monkeypatch, *line[:2], "DTD", "MNIST", *line[2:]) == 1
    assert f"MNIST: there is nothing of it below {held}" in capsys.readouterr().out
    assert (root / "dtd").is_dir()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda held: None, "there is no such folder"),
        (lambda held: held.write_text("a file"), "give the folder that holds it"),
        (lambda held: held.mkdir(), "the folder is empty"),
        (lambda held: (held / "holiday").mkdir(parents=True), "it holds nothing of Aircraft, "),
    ],
)
def test_a_folder_without_anything_is_one_line(
    make: object,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    held, root = tmp_path / "held", tmp_path / "data"
    make(held)  # type: ignore[operator]
    line = ("data", "prepare", "--from", str(held), "--data-root", str(root))
    assert cl_bench(monkeypatch, *line) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: --from {held}: {words}")
    assert not root.exists() or not list(root.iterdir())
