"""What a run is: every setting resolved, validated and hashed. No torch."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cl_bench.benchmark.errors import UserError


class Settings(BaseModel):
    """Frozen, validated settings; an unknown name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Recipe(Settings):
    """How the runner optimises a method's trainable parameters: AdamW and its schedule."""

    lr: Annotated[float, Field(gt=0)] = 1e-3
    """Learning rate; the maximum where the schedule varies it."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decoupled weight decay of AdamW."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """AdamW's second decay rate; the first is 0.9 unless the schedule cycles it."""
    schedule: Literal["onecycle", "constant"] = "onecycle"
    """``onecycle``: torch's OneCycleLR with its defaults, beta1 cycling 0.95-0.85-0.95 included."""


class Budget(Settings):
    """How long to train, for every method alike."""

    batch_size: Annotated[int, Field(ge=1)]
    """Training images per step."""
    epochs: dict[str, Annotated[int, Field(ge=1)]]
    """Passes over the training images, per task."""


class Protocol(Settings):
    """How accuracies are measured."""

    prompts: Literal["first", "ensemble"] = "first"
    """Evaluate with each class's first prompt, or the normalised mean of all its prompts."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Arithmetic of training and evaluation; 16-bit means autocast over float32 weights."""


class Backbone(Settings):
    """Which CLIP a run starts from."""

    name: str
    """An open_clip model name, or the path of a model configuration (JSON)."""
    weights: str
    """A tag that open_clip knows, the path of a weight file, or ``random``."""
    sha256: str | None = None
    """Of the weight file; checked when it is loaded."""


class SuiteId(Settings):
    """Names a suite and pins its content."""

    name: str
    about: str
    """One line in words, shown wherever results are."""
    digest: str
    """Over tasks, prompts, data, backbone, budget and protocol; equal digests may be ranked."""


class RunConfig(Settings):
    """One run, resolved: ``config.json`` of its directory."""

    schema_version: Literal[1] = 1
    """Of a run directory's files."""
    suite: SuiteId
    backbone: Backbone
    protocol: Protocol
    order: str
    """``I``, ``II`` or ``custom``."""
    tasks: tuple[str, ...]
    """Task names in the order in which they are learned."""
    method: str
    method_settings: dict[str, Any]
    """The method's hyper-parameters, defaults included."""
    recipe: Recipe
    budget: Budget
    seed: Annotated[int, Field(ge=0)]
    device: str
    choices: dict[str, Any] = Field(default_factory=dict)
    """What the user typed; from it a resumed run finds its suite file and plug-in again."""

    def digest(self) -> str:
        """Twelve hexadecimal digits that differ where results may differ (not with the device)."""
        return digest_of(self.model_dump(mode="json", exclude={"device", "choices"}))


def digest_of(value: Any) -> str:
    """The first twelve hexadecimal digits of SHA-256 over canonical JSON."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a file that the user wrote.

    Args:
        path: the file.
        what: what it is to the user, e.g. ``"suite file"``.

    Raises:
        UserError: it is missing or not TOML; names it.
    """
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(f"the {what} {path} does not exist") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"the {what} {path} cannot be read: {error}") from error
