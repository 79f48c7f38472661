"""An archive writes below its folder or not at all: no path, link or device in it leads elsewhere."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from answered import answer

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.unpack import unpack

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"x", **about: object) -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(content) if about.get("type", tarfile.REGTYPE) == tarfile.REGTYPE else 0
    for field, value in about.items():
        setattr(info, field, value)
    return info, content


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    return member(name, b"", type=kind, linkname=to)


OUT = "../../out/evil"
TARS: dict[str, Callable[[Path], list[Member]]] = {
    "a path that climbs": lambda out: [member(OUT)],
    "a path that climbs from a folder": lambda out: [member(f"a/b/../../{OUT}")],
    "a link that climbs": lambda out: [link("a", "../../out"), member("a/evil")],
    "an absolute link": lambda out: [link("a", str(out)), member("a/evil")],
    "a link through a link": lambda out: [
        link("a", "."), link("a/b", "../../out"), member("a/b/evil"),
    ],
    "a hard link that climbs": lambda out: [link("a", "../../out/kept", tarfile.LNKTYPE)],
    "an absolute hard link": lambda out: [link("a", str(out / "kept"), tarfile.LNKTYPE)],
    "a character device": lambda out: [member("a", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "a block device": lambda out: [member("a", b"", type=tarfile.BLKTYPE, devmajor=7, devminor=0)],
    "a pipe": lambda out: [member("a", b"", type=tarfile.FIFOTYPE)],
}  # fmt: skip


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder that no archive may reach; a file in it keeps its content."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "kept").write_bytes(b"kept")
    return folder


def untouched(out: Path) -> bool:
    return [p.name for p in out.iterdir()] == ["kept"] and (out / "kept").read_bytes() == b"kept"


@pytest.mark.parametrize("packed", ["w", "w:gz", "w:xz"])
@pytest.mark.parametrize("what", TARS)
def test_a_tar_that_leads_out_is_refused(what: str, packed: str, out: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", packed) as archive:  # type: ignore[call-overload]
        for info, content in TARS[what](out):
            archive.addfile(info, io.BytesIO(content))
    with pytest.raises(
        UserError, match=r"a\.tar holds a path that leads out of its folder"
    ) as error:
        unpack(tmp_path / "a.tar", tmp_path / "into" / "deep")
    assert untouched(out) and len(str(error.value).splitlines()) == 1


def test_an_absolute_path_in_a_tar_is_taken_below_the_folder(out: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in (str(out / "kept"), f"/{out / 'evil'}"):
            info, content = member(name)
            archive.addfile(info, io.BytesIO(content))
    unpack(tmp_path / "a.tar", tmp_path / "into")
    assert untouched(out)
    assert (tmp_path / "into" / str(out / "kept").lstrip("/")).read_bytes() == b"x"


def test_a_tar_gives_no_file_another_owner_or_right(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info, content = member("tool", mode=0o6777)
        archive.addfile(info, io.BytesIO(content))
    unpack(tmp_path / "a.tar", tmp_path / "into")
    assert not (tmp_path / "into" / "tool").stat().st_mode & (stat.S_ISUID | stat.S_ISGID | 0o022)


ZIPS = {
    "a path that climbs": "../../out/evil", "from a folder": "a/b/../../../../out/evil",
    "an absolute path": "/tmp/out/evil", "with backslashes": "..\\..\\out\\evil",
    "with both": "a\\../..\\../out/evil", "two slashes": "//tmp/out/evil",
}  # fmt: skip


@pytest.mark.parametrize("what", ZIPS)
def test_a_zip_that_leads_out_is_refused(what: str, out: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("first", "x")
        archive.writestr(ZIPS[what], "x")
    with pytest.raises(UserError, match=r"a\.zip holds .*leads out of its folder"):
        unpack(tmp_path / "a.zip", tmp_path / "into" / "deep")
    assert untouched(out) and not list((tmp_path / "into" / "deep").iterdir()), "nothing at all"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_device_in_a_zip_is_a_plain_file(kind: int, out: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("a")
        info.create_system, info.external_attr = 3, (kind | 0o777) << 16
        archive.writestr(info, str(out))
    unpack(tmp_path / "a.zip", tmp_path / "into")
    made = tmp_path / "into" / "a"
    assert made.is_file() and not made.is_symlink() and made.read_text() == str(out)


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:xz", "w:bz2", "zip"])
def test_a_damaged_archive_is_one_line(kind: str, tmp_path: Path) -> None:
    """Cut at every eighth and single flipped bits; what is fetched has its digest checked before."""
    file, draw = tmp_path / "a", np.random.default_rng(0)
    content = draw.integers(0, 4, 3000, np.uint8).tobytes()
    if kind == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("one", content)
    else:
        with tarfile.open(file, kind) as tarred:  # type: ignore[call-overload]
            tarred.addfile(member("one", content)[0], io.BytesIO(content))
    whole = file.read_bytes()
    spoilt = [whole[: len(whole) * n // 8] for n in range(1, 8)]
    for bit in draw.integers(0, 8 * len(whole), 40).tolist():
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        spoilt.append(bytes(changed))
    for i, damaged in enumerate(spoilt):
        file.write_bytes(damaged)
        words = answer(lambda i=i: unpack(file, tmp_path / f"into-{i}"))  # type: ignore[misc]
        assert words is None or str(file) in words
