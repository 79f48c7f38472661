"""PNG and TIFF files written by hand: kinds of pixels that Pillow reads but does not write."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
GREY, COLOUR, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 4, 6  # PNG's colour types
SHORT, LONG = 3, 4  # TIFF's field types


def png(samples: NDArray[np.unsignedinteger], colour: int, *chunks: bytes) -> bytes:
    """A PNG of samples [H, W] or [H, W, C], with 8 or 16 bits as their dtype has."""
    height, width = samples.shape[:2]
    big_endian = samples.astype(samples.dtype.newbyteorder(">"))
    rows = b"".join(b"\0" + row.tobytes() for row in big_endian)
    header = struct.pack(">IIBBBBB", width, height, 8 * samples.itemsize, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            png_chunk(b"IHDR", header),
            *chunks,
            png_chunk(b"IDAT", zlib.compress(rows)),
            png_chunk(b"IEND"),
        ]
    )


def png_chunk(kind: bytes, content: bytes = b"") -> bytes:
    """One part of a PNG."""
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def tiff(
    data: bytes,
    width: int,
    bits: int,
    *,
    channels: int = 1,
    photometric: int = 1,
    sample_format: int = 1,
    alpha: int | None = None,
) -> bytes:
    """A little-endian TIFF of one row.

    Args:
        data: its samples.
        width: in pixels.
        bits: of a sample.
        channels: samples per pixel.
        photometric: 0 white is zero, 1 black is zero, 2 RGB, 5 CMYK, 8 CIELAB.
        sample_format: 1 unsigned, 2 signed, 3 floating point.
        alpha: what the last channel is: 0 nothing, 1 premultiplied alpha, 2 alpha.
    """
    fields: list[tuple[int, int, list[int]]] = [
        (256, LONG, [width]), (257, LONG, [1]), (258, SHORT, [bits] * channels), (259, SHORT, [1]),
        (262, SHORT, [photometric]), (273, LONG, [0]), (277, SHORT, [channels]), (278, LONG, [1]),
        (279, LONG, [len(data)]), (339, SHORT, [sample_format] * channels),
    ]  # fmt: skip
    if alpha is not None:
        fields.append((338, SHORT, [alpha]))
    fields.sort()
    after = 8 + 2 + 12 * len(fields) + 4
    long = [values for _, kind, values in fields if len(values) * {SHORT: 2, LONG: 4}[kind] > 4]
    pixels_at = after + sum(2 * len(values) for values in long)
    directory, rest = struct.pack("<H", len(fields)), b""
    for tag, kind, values in fields:
        numbers = [pixels_at] if tag == 273 else values
        raw = b"".join(struct.pack("<H" if kind == SHORT else "<I", number) for number in numbers)
        place = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack("<I", after + len(rest))
        rest += raw if len(raw) > 4 else b""
        directory += struct.pack("<HHI", tag, kind, len(numbers)) + place
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 0) + rest + data
