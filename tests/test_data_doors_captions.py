"""Captions: JSON is read, another ending hides nothing, no caption is cut or swallowed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.extra.captions_file import read_captions

COCO = {
    "info": {"description": "COCO 2017 Dataset"},
    "licenses": [],
    "images": [{"id": 9, "file_name": "000000000009.jpg"}],
    "annotations": [
        {"image_id": 9, "id": 661611, "caption": "A dog, running.\n"},
        {"image_id": 9, "id": 661612, "caption": 'A "brown" dog.'},
    ],
}
KARPATHY = {
    "images": [
        {"split": "train", "sentences": [{"tokens": ["a"], "raw": "A dog, running."}]},
        {"split": "restval", "sentences": [{"tokens": ["a"], "raw": 'A "brown" dog.'}]},
    ],
    "dataset": "coco",
}
EXPECTED = ("A dog, running.", 'A "brown" dog.')
UNDERSTOOD = {
    "captions_train2017.json": json.dumps(COCO),
    "dataset_coco.json": json.dumps(KARPATHY, indent=1),
    "strings.json": json.dumps(EXPECTED),
    "objects.json": json.dumps([{"caption": text, "url": "x"} for text in EXPECTED]),
    "strings.jsonl": "".join(json.dumps(text) + "\n" for text in EXPECTED),
    "objects.jsonl": "\n".join(json.dumps({"id": 1, "text": text}) for text in EXPECTED),
    "one column.csv": 'caption\n"A dog, running."\n"A ""brown"" dog."\n',
    "quotes mean nothing.tsv": 'title\tid\nA dog, running.\t1\nA "brown" dog.\t2\n',
}


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_every_layout_gives_the_same_captions(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(UNDERSTOOD[name])
    assert read_captions(tmp_path / name) == (EXPECTED, 0)


NAMED = {
    "coco.txt": (json.dumps(COCO), "holds JSON; give it the ending .json"),
    "list.txt": (json.dumps(EXPECTED, indent=2), "holds JSON; give it the ending .json"),
    "Flickr8k.token.txt": ("1.jpg#0\tA dog\n1.jpg#1\tA cat\n", "a table, .* the ending .tsv"),
    "captions.txt": ("image,caption\n1.jpg,A dog\n", "a table, .* the ending .csv"),
    "megabyte.txt": ("word " * 200_000, "1 of 1 entries .* the first is line 1"),
    "long.json": (json.dumps(["x" * 2001]), "1 of 1 entries have no caption of 1 to 2,000 characters"),
    "instances.json": (
        json.dumps({"images": [], "annotations": [{"bbox": [0], "category_id": 1}]}), "without any caption"
    ),
    "config.json": ('{"model": "x"}', r"another layout \(model\); known are COCO's captions"),
    "number.json": ("3", r"another layout \(int\)"),
    "broken.json": ('{"annotations": [', "is no JSON"),
    "broken.jsonl": ('"a"\nb\n', "line 2, is no JSON"),
    "tabs.tsv": ("caption\tid\nA dog\t1\nA cat\tand\t2\n", "1 of 2 entries .* the first is line 3"),
    "commas.csv": ("id,caption\n1,A dog, running\n", "1 of 1 entries .* the first is line 2"),
    "quote.csv": ('id,caption\n1,"A dog\n2,A cat\n', r"line \d: unexpected end of data"),
    "inches.csv": ('id,caption\n1,"A 5" dog"\n', "line 2: ',' expected after '\"'"),
    "empty.json": ("[]", "without any caption"),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_what_is_not_understood_is_named(name: str, tmp_path: Path) -> None:
    content, message = NAMED[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message) as error:
        read_captions(tmp_path / name)
    assert name in str(error.value) and "\n" not in str(error.value)
    assert len(str(error.value)) < 900


def test_a_few_entries_without_a_caption_are_counted(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(
        json.dumps([f"caption {i}" for i in range(199)] + ["x" * 3000])
    )
    captions, left_out = read_captions(tmp_path / "c.json")
    assert len(captions) == 199 and left_out == 1
