"""Fetching data sets from a server on this machine: whole and checked, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.layout import facts, missing_files
from cl_bench.datasets.mtil.prepare import Archive, archives, prepare, unpack


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "served"
    folder.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def tar(path: Path, members: dict[str, str]) -> str:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return hashlib.md5(path.read_bytes()).hexdigest()


EUROSAT = {"2750/Forest/Forest_1.jpg": "tree"}


def test_all_eleven_are_described() -> None:
    known = archives()
    assert known.keys() == facts()["datasets"].keys()
    assert [n for n, parts in known.items() if any(p.by_hand for p in parts)] == ["StanfordCars"]
    assert [n for n, parts in known.items() for p in parts if p.url and not p.md5] == ["Aircraft"]


def test_fetch_check_unpack(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    md5 = tar(folder / "EuroSAT.tgz", EUROSAT)
    root = tmp_path / "data"
    part = Archive(url=f"{address}/EuroSAT.tgz", md5=md5, into="eurosat")
    prepare("EuroSAT", [part], root)
    assert (root / "eurosat/2750/Forest/Forest_1.jpg").read_text() == "tree"
    assert not missing_files(root)["EuroSAT"]
    assert {path.name for path in root.iterdir()} == {"eurosat", ".downloads"}


def test_an_archive_inside_an_archive(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    tar(folder / "inner.tgz", {"101_ObjectCategories/ant/image_0001.jpg": "ant"})
    with zipfile.ZipFile(folder / "caltech.zip", "w") as archive:
        archive.write(folder / "inner.tgz", "caltech-101/101_ObjectCategories.tar.gz")
    part = Archive(
        url=f"{address}/caltech.zip",
        into="caltech101",
        inner="caltech-101/101_ObjectCategories.tar.gz",
    )
    prepare("Caltech101", [part], tmp_path)
    ant = tmp_path / "caltech101/101_ObjectCategories/ant/image_0001.jpg"
    assert ant.read_text() == "ant" and not (tmp_path / "caltech101/caltech-101").exists()


def test_a_wrong_checksum_leaves_nothing(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    tar(folder / "EuroSAT.tgz", EUROSAT)
    part = Archive(url=f"{address}/EuroSAT.tgz", md5="0" * 32, into="eurosat")
    with pytest.raises(UserError, match=r"cannot fetch .*EuroSAT\.tgz: .*hash"):
        prepare("EuroSAT", [part], tmp_path / "data")
    assert missing_files(tmp_path / "data")["EuroSAT"]
    assert not list((tmp_path / "data" / ".downloads").glob("*.tgz"))


def test_a_dead_address_is_named(server: tuple[Path, str], tmp_path: Path) -> None:
    part = Archive(url=f"{server[1]}/gone.tgz", into="eurosat")
    with pytest.raises(UserError, match=r"cannot fetch .*gone\.tgz: 404.*by other means into"):
        prepare("EuroSAT", [part], tmp_path / "data")


def test_by_hand(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"StanfordCars must be fetched by hand: .*ModelScope"):
        prepare("StanfordCars", archives()["StanfordCars"], tmp_path)


def test_half_a_data_set_never_takes_its_place(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    md5 = tar(folder / "flowers.tgz", {"jpg/image_00001.jpg": "flower"})
    root = tmp_path / "data"
    part = Archive(url=f"{address}/flowers.tgz", md5=md5, into="flowers-102")
    with pytest.raises(UserError, match=r"lacks flowers-102/imagelabels\.mat"):
        prepare("Flowers", [part], root)
    assert not (root / "flowers-102").exists()


def test_what_lies_in_the_place_already_is_not_touched(
    server: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = server
    md5 = tar(folder / "EuroSAT.tgz", EUROSAT)
    (tmp_path / "eurosat").mkdir()
    part = Archive(url=f"{address}/EuroSAT.tgz", md5=md5, into="eurosat")
    with pytest.raises(UserError, match=r"eurosat is there but not whole; remove it"):
        prepare("EuroSAT", [part], tmp_path)


def test_paths_that_climb_are_refused(tmp_path: Path) -> None:
    tar(tmp_path / "climbing.tgz", {"../../evil.txt": "x"})
    with zipfile.ZipFile(tmp_path / "climbing.zip", "w") as archive:
        archive.writestr("a/../../evil.txt", "x")
    for name in ("climbing.tgz", "climbing.zip"):
        with pytest.raises(UserError, match=rf"{name} holds .*out of its folder"):
            unpack(tmp_path / name, tmp_path / "into" / "deep")
    assert not list(tmp_path.rglob("evil.txt"))


def test_single_files_and_damaged_archives(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "labels-ubyte.gz", "wb") as out:
        out.write(b"123")
    unpack(tmp_path / "labels-ubyte.gz", tmp_path / "raw")
    assert (tmp_path / "raw" / "labels-ubyte").read_bytes() == b"123"
    (tmp_path / "setid.mat").write_bytes(b"mat")
    unpack(tmp_path / "setid.mat", tmp_path / "raw")
    assert (tmp_path / "raw" / "setid.mat").read_bytes() == b"mat"
    broken = (tmp_path / "labels-ubyte.gz").read_bytes()[:-6]
    (tmp_path / "broken.gz").write_bytes(broken)
    with pytest.raises(UserError, match=r"broken\.gz cannot be unpacked"):
        unpack(tmp_path / "broken.gz", tmp_path / "raw")
