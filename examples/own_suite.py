"""Draw a small suite of one's own: `python examples/own_suite.py digits`.

Handwritten digits of scikit-learn as PNG files, one folder per class, and the suite file beside them.
"""

import sys
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_digits

SUITE = """\
name = "digits"
about = "digits: handwritten, in two tasks"
backbone = "tiny-clip"                    # for real work: "ViT-B-16-quickgelu:openai"
batch_size = 32
steps = 150

[[tasks]]
name = "low"
images = "low"                            # low/zero/*.png, low/one/*.png, ...
test_share = 0.2                          # or two folders: train = "...", test = "..."
templates = ['a photo of the number: "{}".']

[[tasks]]
name = "high"
images = "high"
test_share = 0.2
templates = ['a photo of the number: "{}".']
"""
TASKS = {
    "low": ("zero", "one", "two", "three", "four"),
    "high": ("five", "six", "seven", "eight", "nine"),
}


def main(folder: Path) -> None:
    """Write every digit to TASK/CLASS/NUMBER.png."""
    digits = load_digits()
    places = [Path(task, name) for task, names in TASKS.items() for name in names]
    for place in places:
        (folder / place).mkdir(parents=True)
    for number, (grey, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        image = Image.fromarray((grey * 255 / 16).astype("uint8"))
        image.resize((32, 32), Image.Resampling.BICUBIC).save(
            folder / places[digit] / f"{number}.png"
        )
    (folder / "digits.toml").write_text(SUITE)
    print(f"{len(digits.images):,} images and {folder / 'digits.toml'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
