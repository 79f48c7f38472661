"""Reads what W&B wrote offline: LevelDB's log format around protocol buffers."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

BLOCK, HEAD, MAGIC = 32_768, 7, 7  # bytes


def records(path: Path) -> Iterator[Any]:
    """Every record of a ``.wandb`` file; one that is still being written is left out."""
    content = path.read_bytes()
    place, parts = MAGIC, b""
    while place + HEAD <= len(content):
        room = BLOCK - place % BLOCK
        if room < HEAD:  # the rest of a block too small for a head is padding
            place += room
            continue
        length, kind = struct.unpack_from("<HB", content, place + 4)  # behind the checksum
        if place + HEAD + length > len(content):
            return
        parts += content[place + HEAD : place + HEAD + length]
        place += HEAD + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def history(path: Path) -> list[dict[str, Any]]:
    """Every logged step as a dictionary."""
    return [
        {
            item.key or "/".join(item.nested_key): json.loads(item.value_json)
            for item in r.history.item
        }
        for r in records(path)
        if r.WhichOneof("record_type") == "history"
    ]
