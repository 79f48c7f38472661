"""Every kind of pixels that a file can hold: brought to 8-bit RGB by a stated rule, or refused by name."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_bytes import COLOUR, COLOUR_ALPHA, GREY, GREY_ALPHA, png, png_chunk, tiff
from PIL import Image

from cl_bench.datasets.images.decode import BrokenImageError, decode, open_original
from cl_bench.datasets.images.pixel_rules import RULES

ROOT = Path(__file__).parents[1]
WIDE = np.array([0, 255, 256, 32768, 65280, 65535], np.uint16)
HIGH = [0, 0, 1, 128, 255, 255]
"""The high bytes of ``WIDE``. Clipped, all but the first would be white."""
LITTLE = WIDE.astype("<u2").tobytes()
BIG = WIDE.astype(">u2").tobytes()
GREY_16 = WIDE[None]
TRANSPARENT_GREY = png_chunk(b"tRNS", struct.pack(">H", 32768))


def channels(count: int) -> np.ndarray:
    """[1, 6, count], all channels equal."""
    return np.repeat(GREY_16[..., None], count, axis=2)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def first_row(content: bytes, folder: Path) -> list[list[int]]:
    (folder / "image.bin").write_bytes(content)
    image = open_original(folder / "image.bin")
    assert image.mode == "RGB"
    return np.asarray(image)[0].tolist()


BEYOND_8_BITS = {
    "grey PNG": (png(GREY_16, GREY), HIGH),
    "grey PNG with one transparent value": (png(GREY_16, GREY, TRANSPARENT_GREY), HIGH),
    "colour PNG": (png(channels(3), COLOUR), HIGH),
    "grey PNG with alpha": (png(channels(2), GREY_ALPHA), HIGH),
    "colour PNG with alpha": (png(channels(4), COLOUR_ALPHA), HIGH),
    "grey TIFF": (tiff(LITTLE, 6, 16), HIGH),
    "grey TIFF, big-endian": (saved(Image.frombytes("I;16B", (6, 1), BIG), "TIFF"), HIGH),
    "colour TIFF": (tiff(channels(3).tobytes(), 6, 16, channels=3, photometric=2), HIGH),
    "colour TIFF with alpha": (
        tiff(channels(4).tobytes(), 6, 16, channels=4, photometric=2, alpha=2), HIGH,
    ),
    "grey TIFF of 12 bits": (
        tiff(bytes([0x00, 0x0F, 0xFF, 0x80, 0x0F, 0x00]), 4, 12), [0, 255, 128, 240],
    ),
    "grey JPEG 2000": (saved(Image.fromarray(GREY_16), "JPEG2000", irreversible=False), HIGH),
    "grey PGM": (b"P5 6 1 65535\n" + BIG, HIGH),
    "grey PGM of 10 bits": (
        b"P5 4 1 1023\n" + np.array([0, 255, 512, 1023], ">u2").tobytes(), [0, 63, 128, 255],
    ),
    "grey PGM as text": (b"P2 4 1 65535\n0 255 32768 65535\n", [0, 0, 128, 255]),
    "colour PPM": (b"P6 6 1 65535\n" + channels(3).astype(">u2").tobytes(), [0, 1, 1, 128, 254, 255]),
}  # fmt: skip


@pytest.mark.parametrize("kind", BEYOND_8_BITS)
def test_more_than_8_bits_are_scaled_to_the_full_range(kind: str, tmp_path: Path) -> None:
    content, expected = BEYOND_8_BITS[kind]
    assert first_row(content, tmp_path) == [[value] * 3 for value in expected]


SIGNED = np.array([-32768, 0, 32767], "<i2").tobytes()
FLOATS = np.array([0, 0.5, 1], "<f4").tobytes()
REFUSED = {
    "16 bits, signed": (tiff(SIGNED, 3, 16, sample_format=2), "signed or floating-point"),
    "8 bits, signed": (tiff(b"\x80\x00\x7f", 3, 8, sample_format=2), "signed or floating-point"),
    "32 bits": (tiff(bytes(12), 3, 32), r"whole numbers beyond 8 bits \(mode 'I' of TIFF\)"),
    "32 bits, signed": (tiff(bytes(12), 3, 32, sample_format=2), "signed or floating-point"),
    "floating-point TIFF": (tiff(FLOATS, 3, 32, sample_format=3), "signed or floating-point"),
    "floating-point PFM": (b"Pf 3 1 -1.0\n" + FLOATS, r"floating-point numbers \(mode 'F' of PPM\)"),
    "16 bits, 0 is white": (tiff(LITTLE, 6, 16, photometric=0), "16-bit TIFF in which 0 is not black"),
    "premultiplied grey": (tiff(b"\x10\x20", 1, 8, channels=2, alpha=1), r"alpha \(mode 'La'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_range_that_nothing_defines_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    content, words = REFUSED[kind]
    with pytest.raises(
        BrokenImageError, match=rf"image\.bin cannot be read: .*{words}.*convert it to 8 or 16 bits"
    ) as raised:
        first_row(content, tmp_path)
    assert "\n" not in str(raised.value)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


PHOTO = Image.fromarray(noise(20, 30, 3))
TRANSPARENT = Image.fromarray(noise(20, 30, 4))
INDEXED = PHOTO.convert("P")
EIGHT_BITS = {
    "1": saved(PHOTO.convert("1"), "PNG"),
    "L": saved(PHOTO.convert("L"), "JPEG"),
    "LA": saved(TRANSPARENT.convert("LA"), "PNG"),
    "P": saved(INDEXED, "PNG"),
    "P with transparency": saved(INDEXED, "PNG", transparency=7),
    "P with alpha values": saved(INDEXED, "PNG", transparency=bytes(range(256))),
    "L with transparency": saved(PHOTO.convert("L"), "PNG", transparency=9),
    "RGB with transparency": saved(PHOTO, "PNG", transparency=(1, 2, 3)),
    "1 with transparency": saved(PHOTO.convert("1"), "PNG", transparency=0),
    "PA": saved(TRANSPARENT.convert("PA"), "TIFF"),
    "RGB": saved(PHOTO, "WEBP", lossless=True),
    "RGBA": saved(TRANSPARENT, "PNG"),
    "RGBA premultiplied": tiff(bytes([16, 32, 48, 64] * 3), 3, 8, channels=4, photometric=2, alpha=1),
    "CMYK": saved(PHOTO.convert("CMYK"), "TIFF"),
    "CMYK of Adobe": saved(PHOTO.convert("CMYK"), "JPEG"),
    "YCbCr": saved(PHOTO.convert("YCbCr"), "TIFF"),
    "LAB": saved(PHOTO.convert("LAB"), "TIFF"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize("kind", EIGHT_BITS)
def test_8_bits_are_converted_as_torchvisions_data_sets_do(kind: str, tmp_path: Path) -> None:
    """That is ``Image.open(...).convert("RGB")``, which drops alpha and shows what is below it."""
    path = tmp_path / "image"
    path.write_bytes(EIGHT_BITS[kind])
    with Image.open(path) as image:
        assert image.mode == kind.split()[0] or kind in ("PA", "1 with transparency"), image.mode
        reference = image.convert("RGB")
    assert np.array_equal(np.asarray(open_original(path)), np.asarray(reference))


def test_cmyk_of_adobe_is_not_shown_as_its_negative(tmp_path: Path) -> None:
    """Adobe writes CMYK inverted, plain or as YCCK; both mean what the picture was."""
    picture = Image.new("RGB", (16, 16), (200, 40, 90))
    plain = saved(picture.convert("CMYK"), "JPEG", quality=100)
    marker = plain.index(b"Adobe") + 11
    assert plain[marker] in (0, 2)
    assert np.allclose(first_row(plain, tmp_path)[0], (200, 40, 90), atol=2)
    # YCCK keeps Y, Cb and Cr of the inks, which for this picture are 255 - red, green, blue
    inks = Image.new("RGB", (16, 16), (55, 215, 165)).convert("YCbCr")
    stored = [*inks.split(), Image.new("L", (16, 16), 255)]
    inverted = Image.merge("CMYK", [part.point(lambda v: 255 - v) for part in stored])
    ycck = bytearray(saved(inverted, "JPEG", quality=100))
    ycck[ycck.index(b"Adobe") + 11] = 2
    assert np.allclose(first_row(bytes(ycck), tmp_path)[0], (200, 40, 90), atol=3)


RED, BLUE = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_of_several_frames_is_taken(form: str, tmp_path: Path) -> None:
    content = saved(RED, form, save_all=True, append_images=[BLUE])
    with Image.open(io.BytesIO(content)) as image:
        assert image.n_frames == 2  # type: ignore[attr-defined]
    assert np.allclose(first_row(content, tmp_path)[0], (255, 0, 0), atol=3)


def test_orientation_is_not_applied(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(saved(PHOTO, "JPEG", exif=turned))
    assert open_original(tmp_path / "a.jpg").size == PHOTO.size


def test_every_mode_of_pillow_has_one_rule_and_is_documented() -> None:
    page = (ROOT / "docs" / "images.md").read_text()
    assert set(Image.MODES) <= RULES.keys()
    for mode in RULES:
        assert f"`{mode}`" in page, mode


def test_a_mode_of_a_later_pillow_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(RULES, "RGB")
    with pytest.raises(BrokenImageError, match="pixels of mode 'RGB' have no rule"):
        first_row(saved(PHOTO, "PNG"), tmp_path)


FORMS = {
    "JPEG": {}, "PNG": {}, "BMP": {}, "WEBP": {}, "TIFF": {"compression": "tiff_lzw"}, "PPM": {},
    "GIF": {},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_cut_file_is_broken_or_gives_every_pixel(form: str, tmp_path: Path) -> None:
    content, path = saved(PHOTO, form, **FORMS[form]), tmp_path / "cut"
    path.write_bytes(content)
    whole, broken = np.asarray(open_original(path)), 0
    lengths = range(0, len(content), max(1, len(content) // 60))
    for length in lengths:
        path.write_bytes(content[:length])
        try:
            assert np.array_equal(np.asarray(open_original(path)), whole)
        except BrokenImageError:
            broken += 1
    assert broken >= 0.9 * len(lengths)


def test_flipped_bits_never_end_in_a_traceback(tmp_path: Path) -> None:
    draw, path = np.random.default_rng(1), tmp_path / "flipped"
    contents = [saved(PHOTO, form, **options) for form, options in FORMS.items()]
    contents += [content for content, _ in BEYOND_8_BITS.values()]
    broken = 0
    for i in range(240):
        content = bytearray(contents[i % len(contents)])
        content[draw.integers(min(len(content), 200))] ^= 1 << draw.integers(8)
        path.write_bytes(content)
        try:
            open_original(path)
        except BrokenImageError:
            broken += 1
    assert broken > 60


def test_an_image_beyond_pillows_limit_is_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    row = png(np.zeros((1, 1), np.uint8), GREY)
    path.write_bytes(row.replace(row[8:33], png_chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0))))  # fmt: skip
    with pytest.raises(BrokenImageError) as raised:
        open_original(path)
    assert str(raised.value) == (
        f"the image {path} cannot be read: it has more pixels than the 178,956,970 that Pillow "
        "reads; make it smaller"
    )


def test_an_image_that_pillow_warns_of_is_read_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    PHOTO.save(path)
    code = (
        "from PIL import Image\n"
        "from cl_bench.datasets.images.pixel_rules import to_rgb\n"
        f"Image.MAX_IMAGE_PIXELS = 400\nprint(to_rgb(Image.open({str(path)!r})).size)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
    )
    assert (done.stdout, done.stderr) == ("(30, 20)\n", "")


def test_long_and_narrow_images(tmp_path: Path) -> None:
    """What fits into memory at the backbone's size is read; what does not is named."""
    for size in ((1, 5000), (5000, 1)):
        Image.new("RGB", size, "red").save(tmp_path / "long.png")
        pixels = decode(tmp_path / "long.png", 32)
        assert pixels.shape == (3, 32, 32) and pixels[0].min() == 255 and pixels[1:].max() == 0
        with pytest.raises(BrokenImageError, match=r"5000.* too long and narrow.* 1,120,000; cut"):
            decode(tmp_path / "long.png", 224)


def test_no_width_or_no_bytes(tmp_path: Path) -> None:
    empty = png(np.zeros((1, 1), np.uint8), GREY)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 5, 8, 0, 0, 0, 0))
    for content in (b"", empty.replace(empty[8:33], header)):
        with pytest.raises(BrokenImageError, match="cannot be read"):
            first_row(content, tmp_path)
