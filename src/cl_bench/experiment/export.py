"""A method's state as plain weights that open_clip loads, where the method is a plain CLIP."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.config import Backbone
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult
from cl_bench.benchmark.records.files import sha256_of, write_atomically
from cl_bench.benchmark.records.find_checkpoint import KeptCheckpoint
from cl_bench.experiment.choices import Choices, choices_of
from cl_bench.experiment.loading import loading_code
from cl_bench.experiment.places import file_of, found_again
from cl_bench.methods.catalog import MethodEntry, find_method

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".safetensors", ".pt")


def check_target(out: Path, card: Path) -> None:
    """Check where weights and their card are to be written, before anything is loaded.

    Raises:
        UserError: the form is not known, something is there already, or the folder is missing.
    """
    if out.suffix not in SUFFIXES:
        raise UserError(f"--out {out}: its name must end in {' or '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.parent}")
    if there := [file for file in (out, card) if file.exists()]:
        raise UserError(f"{there[0]} exists: name another file with --out, or delete it")


@dataclass(frozen=True)
class PlainClip:
    """A CLIP that classifies as a method did.

    Attributes:
        weights: by open_clip's names.
        loading: Python code that loads them from their file.
    """

    weights: dict[str, Tensor]
    loading: str


def plain_clip(kept: KeptCheckpoint, file: str) -> PlainClip:
    """The plain CLIP that classifies as the run's method did; ``file``: what its file will be called.

    Raises:
        UserError: the method is no plain CLIP; its plug-in or the backbone's weights are gone or others.
    """
    entry, backbone = _method_and_backbone(kept.run)
    from cl_bench.benchmark.checkpoint import load_checkpoint
    from cl_bench.benchmark.plain_weights import plain_weights
    from cl_bench.datasets import backbones

    clip = backbones.load(backbone, "cpu")
    weights = plain_weights(entry.method, clip, load_checkpoint(kept.file))
    if weights is None:
        raise UserError(
            f"{entry.name} is no plain CLIP after {kept.learned} tasks of {kept.run.path}: it classifies by more "
            "than the weights of the two towers, or does not declare otherwise (plain_weights in "
            "docs/adding-a-method.md), so no file that open_clip loads would classify as it does"
        )
    code = loading_code(kept.run.config.backbone, file, clip.pixel_mean, clip.pixel_std)
    return PlainClip(weights, code)


def _method_and_backbone(run: RunResult) -> tuple[MethodEntry, Backbone]:
    """The run's method and the weights it began with, wherever their files are now."""
    config = run.config
    said = choices_of({**config.choices, "device": "cpu", "seed": config.seed})
    lean = Choices(backbone=said.backbone, plugin=said.plugin, relative=said.relative)
    there = next(iter(found_again(lean, run.path, {})))
    entry = find_method(config.method, there.plugin)
    if there.plugin is not None and sha256_of(there.plugin) != config.plugin:
        raise UserError(f"{there.plugin} has changed since {run.path} was made with it")
    if not config.backbone.is_file:
        return entry, config.backbone
    moved = file_of(there.backbone or "") or Path(config.backbone.weights)
    return entry, config.backbone.model_copy(update={"weights": str(moved.resolve())})


def write_weights(out: Path, weights: Mapping[str, Tensor]) -> None:
    """Write weights as ``out``'s ending says: safetensors, or torch's form; whole or not at all."""
    tensors = {name: tensor.contiguous().clone() for name, tensor in weights.items()}
    if out.suffix == ".safetensors":
        from safetensors.torch import save

        write_atomically(out, save(tensors))
        return
    import torch

    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    write_atomically(out, buffer.getvalue())
