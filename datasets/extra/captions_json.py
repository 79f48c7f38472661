"""Captions in JSON: COCO's annotations, Karpathy's sentences, or plain lists. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cl_bench.benchmark.errors import UserError

CAPTION_KEYS = ("caption", "title", "text", "raw")
LAYOUTS = (
    "COCO's captions ({\"annotations\": [{\"caption\": ...}]}), Karpathy's ({\"images\": [{\"sentences\": "
    "[{\"raw\": ...}]}]}), and lists of strings or of objects with a `caption`"
)  # fmt: skip


Entry = tuple[str, str | None]  # where it stands, in words; its caption, if it has one


def captions_of_json(text: str) -> list[Entry]:
    """The captions of a ``.json`` file in its order.

    Raises:
        UserError: it is no JSON, or of another layout.
    """
    content = _parsed(text, "")
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        entries = content["annotations"]
    elif isinstance(content, dict) and isinstance(content.get("images"), list):
        entries = list(_sentences(content["images"]))
    elif isinstance(content, list):
        entries = content
    else:
        keys = ", ".join(content) if isinstance(content, dict) else type(content).__name__
        raise UserError(f"holds JSON of another layout ({keys}); known are {LAYOUTS}")
    captions = [(f"entry {i}", _caption(entry)) for i, entry in enumerate(entries, start=1)]
    if not any(caption for _, caption in captions):
        raise UserError(f"holds JSON without any caption; known are {LAYOUTS}")
    return captions


def captions_of_jsonl(text: str) -> list[Entry]:
    """The captions of a ``.jsonl`` file: one string or one object with a `caption` per line.

    Raises:
        UserError: a line is no JSON.
    """
    lines = enumerate(text.split("\n"), start=1)
    return [
        (f"line {i}", _caption(_parsed(line, f", line {i}, "))) for i, line in lines if line.strip()
    ]


def is_json(text: str) -> bool:
    """Whether a text is a JSON list or object, whatever its file is called."""
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}is no JSON: {error}") from error


def _sentences(images: list[Any]) -> Iterator[Any]:
    for image in images:
        sentences = image.get("sentences") if isinstance(image, dict) else None
        yield from sentences if isinstance(sentences, list) else (None,)


def _caption(entry: Any) -> str | None:
    if isinstance(entry, dict):
        entry = next((entry[key] for key in CAPTION_KEYS if key in entry), None)
    return entry if isinstance(entry, str) else None
