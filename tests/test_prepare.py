"""Fetching data sets from a server on this machine: whole and checked, or not at all."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import shutil
import tarfile
import threading
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil import unpack as unpacking
from cl_bench.datasets.mtil.archives import Archive, Source, archives, only_by_hand
from cl_bench.datasets.mtil.layout import facts, missing_files
from cl_bench.datasets.mtil.prepare import prepare
from cl_bench.datasets.mtil.unpack import unpack


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "served"
    folder.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
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


def archive(file: str, md5: str, *urls: str, into: str = "eurosat", **more: object) -> Archive:
    sources = [Source(url=url, read_in="this test") for url in urls]
    return Archive.model_validate(
        {"file": file, "md5": md5, "into": into, "sources": sources, **more}
    )


def get(name: str, root: Path, *parts: Archive) -> list[str]:
    """Fetch a data set; returns what was said."""
    said: list[str] = []
    prepare(name, parts, root, said.append)
    return said


def test_all_eleven_are_described() -> None:
    known = archives()
    assert known.keys() == facts()["datasets"].keys()
    assert [n for n, parts in known.items() if only_by_hand(parts)] == ["StanfordCars", "SUN397"]
    for part in [part for parts in known.values() for part in parts]:
        for packing in part.packings():
            assert packing.sources and {
                len(packing.md5 or "0" * 32),
                len(packing.sha256 or "0" * 64),
            } == {32, 64}
            assert all(source.read_in for source in packing.sources)
    assert sum(part.lists for part in known["StanfordCars"]) == 2


def test_an_archive_without_a_checksum_is_no_archive() -> None:
    with pytest.raises(ValueError, match="give `md5` or `sha256`"):
        Archive(file="a.tgz")


def test_fetch_check_unpack(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    md5 = tar(folder / "EuroSAT.tgz", EUROSAT)
    root = tmp_path / "data"
    assert get("EuroSAT", root, archive("EuroSAT.tgz", md5, f"{address}/EuroSAT.tgz")) == []
    assert (root / "eurosat/2750/Forest/Forest_1.jpg").read_text() == "tree"
    assert not missing_files(root)["EuroSAT"]
    assert {path.name for path in root.iterdir()} == {"eurosat", ".downloads"}


def test_sources_are_tried_in_turn(server: tuple[Path, str], tmp_path: Path) -> None:
    """A dead address, a file with other content, then the right one under another name."""
    folder, address = server
    tar(folder / "EuroSAT.tgz", {"2750/Forest/Forest_1.jpg": "another tree"})
    md5 = tar(folder / "copy.tgz", EUROSAT)
    urls = [f"{address}/{file}" for file in ("gone.tgz", "EuroSAT.tgz", "copy.tgz")]
    gone, other = get("EuroSAT", tmp_path, archive("EuroSAT.tgz", md5, *urls))
    assert gone.startswith(f"cannot fetch {urls[0]}: 404") and "\n" not in gone
    assert other.startswith(f"cannot fetch {urls[1]}: ") and "hash" in other
    assert (tmp_path / "eurosat/2750/Forest/Forest_1.jpg").read_text() == "tree"


def test_another_packing_has_a_checksum_and_a_layout_of_its_own(
    server: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = server
    md5 = tar(folder / "EuroSAT_RGB.tgz", {"EuroSAT_RGB/2750/Forest/Forest_1.jpg": "tree"})
    tar(folder / "inner.tgz", EUROSAT)
    with zipfile.ZipFile(folder / "outer.zip", "w") as outer:
        outer.write(folder / "inner.tgz", "packed/inner.tgz")
    other = archive(
        "outer.zip",
        hashlib.md5((folder / "outer.zip").read_bytes()).hexdigest(),
        f"{address}/outer.zip",
        inner="packed/inner.tgz",
    )
    first = archive("EuroSAT_RGB.tgz", md5, f"{address}/gone.tgz", others=[other])
    (said,) = get("EuroSAT", tmp_path, first)
    assert "gone.tgz: 404" in said
    assert (tmp_path / "eurosat/2750/Forest/Forest_1.jpg").read_text() == "tree"


def test_an_archive_inside_an_archive(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    tar(folder / "inner.tgz", {"101_ObjectCategories/ant/image_0001.jpg": "ant"})
    with zipfile.ZipFile(folder / "caltech.zip", "w") as outer:
        outer.write(folder / "inner.tgz", "caltech-101/101_ObjectCategories.tar.gz")
    part = archive(
        "caltech.zip",
        hashlib.md5((folder / "caltech.zip").read_bytes()).hexdigest(),
        f"{address}/caltech.zip",
        into="caltech101",
        inner="caltech-101/101_ObjectCategories.tar.gz",
    )
    get("Caltech101", tmp_path, part)
    ant = tmp_path / "caltech101/101_ObjectCategories/ant/image_0001.jpg"
    assert ant.read_text() == "ant" and not (tmp_path / "caltech101/caltech-101").exists()


def test_a_wrong_checksum_leaves_nothing(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    tar(folder / "EuroSAT.tgz", EUROSAT)
    part = archive("EuroSAT.tgz", "0" * 32, f"{address}/EuroSAT.tgz")
    with pytest.raises(UserError, match=r"cannot fetch EuroSAT\.tgz: .*EuroSAT\.tgz: .*hash"):
        get("EuroSAT", tmp_path / "data", part)
    assert missing_files(tmp_path / "data")["EuroSAT"]
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


def test_when_all_fail_one_line_names_every_address_its_reason_and_the_remedy(
    server: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = server
    tar(folder / "other.tgz", EUROSAT)
    urls = [f"{address}/gone.tgz", f"{address}/other.tgz"]
    part = archive("EuroSAT.tgz", "0" * 32, *urls, by_hand="a shelf holds it")
    with pytest.raises(UserError) as stopped:
        get("EuroSAT", tmp_path, part)
    words = str(stopped.value)
    assert f"{urls[0]}: 404" in words and f"{urls[1]}: MD5 hash" in words and "\n" not in words
    assert words.endswith(
        "Get EuroSAT.tgz by other means (a shelf holds it), then run "
        "`cl-bench data prepare EuroSAT --from FOLDER`, the folder that holds them"
    )


def test_a_download_that_is_there_is_used_if_its_checksum_is_right(
    server: tuple[Path, str], tmp_path: Path
) -> None:
    md5 = tar(server[0] / "EuroSAT.tgz", EUROSAT)
    downloads = tmp_path / "data" / ".downloads"
    downloads.mkdir(parents=True)
    (server[0] / "EuroSAT.tgz").rename(downloads / "EuroSAT.tgz")
    part = archive("EuroSAT.tgz", md5, f"{server[1]}/gone.tgz")
    assert get("EuroSAT", tmp_path / "data", part) == []
    tar(downloads / "EuroSAT.tgz", {"2750/Forest/Forest_1.jpg": "another tree"})
    shutil.rmtree(tmp_path / "data" / "eurosat")
    with pytest.raises(
        UserError, match=r"EuroSAT\.tgz is not used: its MD5 is .*; .*gone\.tgz: 404"
    ):
        get("EuroSAT", tmp_path / "data", part)
    assert not (tmp_path / "data" / "eurosat").exists()


def test_half_a_data_set_never_takes_its_place(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    md5 = tar(folder / "flowers.tgz", {"jpg/image_00001.jpg": "flower"})
    root = tmp_path / "data"
    part = archive("flowers.tgz", md5, f"{address}/flowers.tgz", into="flowers-102")
    with pytest.raises(UserError, match=r"lacks flowers-102/imagelabels\.mat"):
        get("Flowers", root, part)
    assert {path.name for path in root.iterdir()} == {".downloads"}


def test_a_full_disk_leaves_nothing(
    server: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    md5 = tar(server[0] / "EuroSAT.tgz", EUROSAT)
    part = archive("EuroSAT.tgz", md5, f"{server[1]}/EuroSAT.tgz")
    free = namedtuple("free", "free")(3)
    with monkeypatch.context() as patched:
        patched.setattr(unpacking.shutil, "disk_usage", lambda _: free)
        with pytest.raises(
            UserError, match=r"has 0\.0 GiB free, but 0\.0 GiB are needed; make room"
        ):
            get("EuroSAT", tmp_path / "data", part)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(unpacking.shutil, "copy", full)
    (server[0] / "setid.mat").write_bytes(b"mat")
    with pytest.raises(UserError, match=r"no room to unpack .*setid\.mat; make room there"):
        unpack(server[0] / "setid.mat", tmp_path / "raw")
    assert {path.name for path in (tmp_path / "data").iterdir()} == {".downloads"}


def test_what_lies_in_the_place_already_is_not_touched(
    server: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = server
    md5 = tar(folder / "EuroSAT.tgz", EUROSAT)
    (tmp_path / "eurosat").mkdir()
    part = archive("EuroSAT.tgz", md5, f"{address}/EuroSAT.tgz")
    with pytest.raises(UserError, match=r"eurosat is there but not whole; remove it"):
        get("EuroSAT", tmp_path, part)
    assert not list((tmp_path / "eurosat").iterdir())


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
