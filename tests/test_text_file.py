"""Text files that people made: their encoding is understood or named, in every reader."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path

import pytest
from own_suite import HEAD, write_classes

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.text_file import read_text
from cl_bench.datasets.extra.captions_file import read_captions
from cl_bench.datasets.own.image_lists import read_image_list
from cl_bench.datasets.own.suite_file import read_suite
from cl_bench.experiment.config_file import read_config_file

WRITTEN: dict[str, Callable[[str], bytes]] = {
    "utf-8": lambda text: text.encode(),
    "utf-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "utf-16 little": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "utf-16 big": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "utf-32": lambda text: codecs.BOM_UTF32_LE + text.encode("utf-32-le"),
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
    "old mac": lambda text: text.replace("\n", "\r").encode(),
    "all of Windows": lambda t: codecs.BOM_UTF16_LE + t.replace("\n", "\r\n").encode("utf-16-le"),
}
UNREADABLE = {
    "latin-1": ("ok\ncafé\n".encode("latin-1"), "line 2 holds the byte 0xE9, which is no UTF-8"),
    "cp1252": ("a\r\nb\r\n“quoted”\r\n".encode("cp1252"), "line 3 holds the byte 0x93"),
    "utf-16 without a mark": ("a\nb\n".encode("utf-16-le"), "line 1 holds the byte 0x00"),
    "half of utf-16": (codecs.BOM_UTF16_LE + b"a\0\n\0b", "line 2 holds the byte 0x62, which is no UTF"),
    "a NUL": (b"one\ntwo\0\n", "line 2 holds the byte 0x00"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0", "line 1 holds the byte 0x89"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_every_reader_understands_it(name: str, tmp_path: Path) -> None:
    def put(file: str, text: str) -> Path:
        (tmp_path / file).write_bytes(WRITTEN[name](text))
        return tmp_path / file

    assert read_text(put("a.txt", "é\nb\n"), "file") == "é\nb\n"
    assert read_captions(put("c.txt", "a café\na dog\n"))[0] == ("a café", "a dog")
    assert read_captions(put("c.csv", "caption,id\na café,1\na dog,2\n"))[0] == ("a café", "a dog")
    assert read_captions(put("c.json", '["a café", "a dog"]'))[0] == ("a café", "a dog")
    assert read_config_file(put("run.toml", 'method = "lora"\n')) == {"method": "lora"}
    write_classes(tmp_path, {"café": 3, "dog": 3})
    rows = "".join(f"{c}/{i}.png,{c}\n" for c in ("café", "dog") for i in range(3))
    listed = read_image_list(put("list.csv", f"path,class\n{rows}"), 0.3, 0)
    assert listed.classes == ("café", "dog")
    suite = read_suite(put("s.toml", f'{HEAD}[[tasks]]\nname = "t"\nlist = "list.csv"\n'))
    assert suite.tasks[0].classnames == ("café", "dog")


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_text_is_named_with_byte_and_line(name: str, tmp_path: Path) -> None:
    content, words = UNREADABLE[name]
    for file, read in (
        ("s.toml", read_suite), ("r.toml", read_config_file), ("c.txt", read_captions),
        ("c.csv", read_captions), ("c.json", read_captions),
        ("l.csv", lambda path: read_image_list(path, 0.2, 0)),
    ):  # fmt: skip
        (tmp_path / file).write_bytes(content)
        with pytest.raises(UserError, match=words) as error:
            read(tmp_path / file)  # type: ignore[operator]
        assert file in str(error.value) and "\n" not in str(error.value)


def test_only_ends_of_lines_end_a_line(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("one\u2028line\x0cof\x85text\nanother\n")
    assert read_captions(tmp_path / "c.txt")[0] == ("one\u2028line\x0cof\x85text", "another")
