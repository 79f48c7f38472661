"""Zero-shot accuracies beside those that the data sets are known to give."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.table import Table

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.config import Backbone
from cl_bench.benchmark.evaluate import accuracy, predict
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.method_config import MethodConfig
from cl_bench.benchmark.task import LabelSpace
from cl_bench.datasets import backbones
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.listings import list_splits
from cl_bench.datasets.mtil import layout
from cl_bench.datasets.streams import native_size
from cl_bench.datasets.task_spec import TaskSpec

FAR = 0.5  # points: an independent re-run differed by 0.4 at most


def check_zero_shot(
    specs: Sequence[TaskSpec], backbone: Backbone, device: str, cache: Path
) -> Table:
    """Classify every test set with the pretrained model and all prompts of a class.

    Args:
        specs: the data sets.
        backbone: the model.
        device: where to.
        cache: of decoded images.
    """
    expected = tomllib.loads((Path(layout.__file__).parent / "zero_shot.toml").read_text())
    clip = backbones.load(backbone, device)
    method, store = Method(clip, MethodConfig(), Assets()), Store(cache)
    table = Table(box=None, pad_edge=False)
    for column in ("data set", "images", "zero-shot", "expected", ""):
        table.add_column(column, justify="left" if column in ("data set", "") else "right")
    for spec in specs:
        _, listing = list_splits(spec)
        name = f"{spec.name}-test"
        images = store.images(name, listing, clip.image_size, native_size(spec))
        with torch.no_grad():
            classify = method.classifier(LabelSpace.from_templates(spec.classnames, spec.templates))
        found = accuracy(predict(classify, images, clip.normaliser()), images.targets)
        known = expected[spec.name]
        verdict = "[green]as expected" if abs(found - known) <= FAR else "[red]not as expected"
        table.add_row(spec.name, f"{len(images):,}", f"{found:.1f}", f"{known:.1f}", verdict)
    return table
