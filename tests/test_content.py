"""Digests of files: never an old one for new bytes, whatever happens to the memory of them."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.images import content as module
from cl_bench.datasets.images import remembered
from cl_bench.datasets.images.content import digests_of

SETTLED = 10_000_000_000
"""By how much the clock is put forward, so that files just written count as old."""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Seventy files in two folders, in an order that mixes them."""
    for i in range(70):
        path = tmp_path / "data" / "ab"[i % 2] / f"{i:02d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([i]) * 100)
    return sorted((tmp_path / "data").rglob("*.bin"), key=lambda path: path.name)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """All files are old enough to be remembered."""
    real = time.time_ns
    monkeypatch.setattr(module.time, "time_ns", lambda: real() + SETTLED)


@contextmanager
def reading() -> Iterator[list[str]]:
    """Collects the names of the files that are read meanwhile."""
    seen: list[str] = []
    real = module._hash
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            module, "_hash", lambda file: seen.append(os.path.basename(file)) or real(file)
        )
        yield seen


def test_digests_are_those_of_the_bytes_in_the_order_asked_for(files: list[Path]) -> None:
    heard: list[tuple[str, int, int]] = []
    digests = digests_of(files, lambda *progress: heard.append(progress))
    assert digests == tuple(sha256(path) for path in files)
    assert heard[-1] == ("reading files", 70, 70)
    few = [files[3], files[1], files[3]]
    assert digests_of(few) == (digests[3], digests[1], digests[3])
    assert digests_of([]) == ()


@pytest.mark.usefixtures("later")
def test_a_file_is_read_once(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with reading() as first:
        digests = digests_of(files)
    with reading() as second:
        assert digests_of(files) == digests
        monkeypatch.chdir(files[0].parent)
        assert digests_of([Path(files[0].name)]) == digests[:1], "as seen from elsewhere"
    assert len(first) == 70 and second == []


@pytest.mark.usefixtures("later")
def test_files_of_a_folder_are_remembered_beside_each_other(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_EVERY", 8)
    monkeypatch.setattr(module, "PART", 4)
    digests_of(files[:20])
    with reading() as seen:
        digests_of(files)
    assert len(seen) == 50
    files[0].unlink()
    files[2].touch()  # something to be written down
    digests_of(files[1:])
    assert files[0].name not in remembered.recall(str(files[0].parent)), "gone and forgotten"


def same_size_same_mtime(path: Path) -> None:
    before = path.stat()
    path.write_bytes(b"?" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def another_file_in_its_place(path: Path) -> None:
    before, other = path.stat(), path.with_name("other")
    other.write_bytes(b"!" * before.st_size)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def a_link_elsewhere(path: Path) -> None:
    target = path.with_name("target")
    target.write_bytes(b"+" * path.stat().st_size)
    path.unlink()
    path.symlink_to(target)


CHANGES: list[Callable[[Path], object]] = [
    same_size_same_mtime,
    another_file_in_its_place,
    a_link_elsewhere,
    lambda path: path.write_bytes(b"longer" * 100),
    lambda path: path.write_bytes(b""),
]


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("change", CHANGES)
def test_changed_bytes_get_a_new_digest(
    change: Callable[[Path], object], files: list[Path]
) -> None:
    before = digests_of(files)
    time.sleep(0.02)  # beyond a tick of the file system's clock
    change(files[5])
    after = digests_of(files)
    assert after[5] == sha256(files[5]) != before[5]
    assert [i for i in range(70) if after[i] != before[i]] == [5]


def test_a_young_file_is_not_remembered(files: list[Path]) -> None:
    """Within a clock's tick a second change leaves the times of the first."""
    digests_of(files[:1])
    about = files[0].stat()
    assert remembered.recall(str(files[0].parent)) == {}
    files[0].write_bytes(b"*" * about.st_size)
    assert digests_of(files[:1]) == (sha256(files[0]),)


@pytest.mark.usefixtures("later")
def test_a_change_while_the_file_is_read_is_seen_the_next_time(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = hashlib.file_digest

    def changed_meanwhile(opened: object, kind: str) -> object:
        result = real(opened, kind)  # type: ignore[call-overload]
        time.sleep(0.02)
        files[0].write_bytes(b"%" * 100)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(module.hashlib, "file_digest", changed_meanwhile)
        digests_of(files[:1])
    assert digests_of(files[:1]) == (sha256(files[0]),)


def memory_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.json"))


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.mark.usefixtures("later")
def test_a_damaged_memory_never_gives_a_wrong_digest(
    files: list[Path], digests_in_tmp: Path
) -> None:
    right = digests_of(files)
    whole = {path: path.read_bytes() for path in memory_files(digests_in_tmp)}
    assert len(whole) == 2
    for damage in (
        *((lambda p, bit=bit: flip(p, bit)) for bit in range(5, 40_000, 1999)),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(whole[path][: len(whole[path]) // 2]),
        lambda path: path.write_bytes(b"[]"),
        lambda path: path.write_bytes(b"\xff\n\xff"),
    ):
        for path, content in whole.items():
            path.write_bytes(content)
            damage(path)
        assert digests_of(files) == right
    assert {path: path.read_bytes() for path in memory_files(digests_in_tmp)} == whole, "mended"


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("place", ["a file", "a folder in the file's place", "below a file"])
def test_without_a_place_for_the_memory_files_are_read_again(
    place: str, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a read-only home (whoever runs tests as root may write anywhere)."""
    right, blocked = digests_of(files), tmp_path / "blocked"
    if place == "a folder in the file's place":
        for path in memory_files(remembered.folder_of_memory()):
            path.unlink()
            path.mkdir()
    else:
        blocked.write_text("")
        below = blocked / "x" if place == "below a file" else blocked
        monkeypatch.setenv("CL_BENCH_CACHE", str(below))
    with reading() as seen:
        assert digests_of(files) == digests_of(files) == right
    assert len(seen) == 140


@pytest.mark.usefixtures("later")
def test_processes_do_not_spoil_each_others_memory(files: list[Path], digests_in_tmp: Path) -> None:
    right = digests_of(files)
    wrong: list[object] = []

    def work(start: int) -> None:
        for i in range(start, start + 20):
            for path in memory_files(digests_in_tmp):
                path.unlink(missing_ok=True)
            if digests_of(files[i:]) != right[i:]:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 5, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert [p for p in digests_in_tmp.rglob("*") if p.is_file() and p.suffix != ".json"] == []


def test_names_of_every_kind(tmp_path: Path) -> None:
    names = ["a\nb", "ä", b"\xff.png".decode("utf-8", "surrogateescape"), '"', "a\\b", "NA"]
    for name in names:
        (tmp_path / name).write_text(repr(name))
        os.utime(tmp_path / name, (1e9, 1e9))
    paths = [tmp_path / name for name in names]
    with pytest.MonkeyPatch.context() as patch:
        real = time.time_ns
        patch.setattr(module.time, "time_ns", lambda: real() + SETTLED)
        right = tuple(sha256(path) for path in paths)
        assert digests_of(paths) == right
        with reading() as seen:
            assert digests_of(paths) == right
    assert seen == []


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    for name, words in (
        ("missing", "cannot be read: No such file"),
        ("dangling", "cannot be read: No such file"),
        ("folder", "is no file"),
        ("pipe", "is no file"),
    ):
        with pytest.raises(UserError, match=rf"/{name} {words}"):
            digests_of([tmp_path / name])


def test_the_memory_lies_in_the_users_cache_folder(
    digests_in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert remembered.folder_of_memory() == digests_in_tmp
    monkeypatch.setenv("CL_BENCH_CACHE", "/else")
    assert remembered.folder_of_memory() == Path("/else/digests")
