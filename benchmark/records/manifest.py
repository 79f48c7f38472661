"""Where a run comes from and how it stands: ``manifest.json``, its fields and their types. No torch.

What older manifests lack is optional here. One from before ledgers may hold anything: what is not in its
form is not known of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records import ledger
from cl_bench.benchmark.records.checkpoints import USUAL, Keep
from cl_bench.benchmark.records.files import read_json, write_json
from cl_bench.benchmark.records.secrets import without_secrets
from cl_bench.benchmark.records.versions import must_be_known

NAME = "manifest.json"
MANIFEST_VERSION = 2  # 1: manifests from before they had types; they do not say so
Status = Literal["running", "finished", "failed"]


class Recorded(BaseModel):
    """A part of the manifest; an unknown name is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class Git(Recorded):
    """The source tree."""

    commit: str
    """Hexadecimal name of the commit."""
    dirty: bool
    """Whether there were uncommitted changes."""


class Hardware(Recorded):
    """The machine."""

    cpu: str | None = None
    """Name of the processor."""
    cores: int | None = None
    """Number of processor cores."""
    memory: int | None = None
    """Physical memory in bytes."""
    device: str | None = None
    """Device that the run computed on, as torch names it."""
    threads: int | None = None
    """Number of processor threads that torch used; sums may be rounded otherwise with another number."""
    gpu: str | None = None
    """Name of the GPU, where there was one."""
    tf32: bool | None = None
    """Whether the GPU rounded factors to TF32 in steps and evaluation; not there without a GPU."""
    processes: int | None = None
    """Number of processes that computed together, each with as many threads; not there: one."""

    def known(self) -> dict[str, str | int]:
        """What the manifest says, by name."""
        return self.model_dump(exclude_none=True)


class Session(Recorded):
    """One process that worked on the run."""

    started: str | None = None
    """Date and time of its beginning, ISO 8601."""
    command: tuple[str, ...] = ()
    """The command that was typed, with `***` in the place of a key, token or password."""
    cl_bench: str | None = None
    """Version of cl-bench."""
    git: Git | None = None
    """The source tree; `null` where cl-bench was installed as a package."""
    python: str | None = None
    """Version of Python."""
    platform: str | None = None
    """Operating system and kind of processor."""
    packages: dict[str, str | None] = Field(default_factory=dict)
    """Versions of the packages that matter; `null` where one is not installed."""
    hardware: Hardware = Hardware()
    """The machine."""
    micro_batch: int | None = None
    """Number of images that went through a tower at once in training; not there: the whole batch."""
    deterministic: bool | None = None
    """Whether kernels were taken that give the same bits in every run; not there: those of torch's choice."""

    @property
    def code(self) -> str:
        """Version and commit in words."""
        version = f"cl-bench {self.cl_bench}"
        if self.git is None:
            return f"{version}, commit not known"
        tree = "with uncommitted changes (dirty)" if self.git.dirty else "without changes"
        return f"{version}, commit {self.git.commit} {tree}"


class Fingerprints(NamedTuple):
    """Digests of a task's images and classes."""

    train: str
    test: str


class ClassImages(NamedTuple):
    """A class and how many of its images were trained on."""

    name: str
    train: int


class Manifest(Recorded):
    """The run."""

    schema_version: Annotated[int, Field(ge=1, le=MANIFEST_VERSION)] = 1
    """Version of the manifest's form; 1 where it is not there."""
    status: Status | None = None
    """`running` (also of a killed run), `finished` or `failed`."""
    reason: str | None = None
    """Why the run failed."""
    digest: str | None = None
    """Digest of the configuration; not there before ledgers."""
    data: dict[str, Fingerprints] = Field(default_factory=dict)
    """Two digests for every task: of its training images and of its test images, with their classes."""
    classes: dict[str, tuple[ClassImages, ...]] = Field(default_factory=dict)
    """For every task, name and training images of each class, in the order of their indices; only where
    classes or tasks were made rare."""
    held_out: dict[str, str] = Field(default_factory=dict)
    """Digest of the test images of every held-out data set, with their classes."""
    retrieval: dict[str, str] = Field(default_factory=dict)
    """Digest of the pictures of every retrieval set, with their captions."""
    remarks: tuple[str, ...] = ()
    """What was found in the data when the run began, one line each."""
    left_out: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Image files that could not be read, by task, held-out data set or retrieval set."""
    sessions: tuple[Session, ...] = ()
    """Every process that worked on the run, in order."""
    keep: Keep | None = None
    """Which checkpoints stay: `all`, `last`, or `none` once the run is finished; not there: the last one."""
    scores: Annotated[int, Field(ge=1)] | None = None
    """How many of the best classes of every test image are kept with their logits; not there: none."""
    ledger: Literal[1] | None = None
    """Version of the ledger that the run has or will have; not there before ledgers."""

    @property
    def keeps(self) -> Keep:
        """Which checkpoints stay."""
        return self.keep or USUAL

    @property
    def stands(self) -> str:
        """The status in words."""
        return self.status or "not known"

    @property
    def first(self) -> Session:
        """The session in which the run began."""
        return self.sessions[0] if self.sessions else Session()

    @property
    def dirty(self) -> bool:
        """Whether a part of the run was made from a source tree with uncommitted changes."""
        return any(session.git is not None and session.git.dirty for session in self.sessions)


def write_manifest(run: Path, manifest: Manifest) -> None:
    """Keep the manifest; say that a ledger belongs to the run, and add a digest of all of it.

    The secrets in a command that was typed are not kept.
    """
    versions = {"schema_version": MANIFEST_VERSION, "ledger": ledger.VERSION}
    sessions = tuple(
        session.model_copy(update={"command": without_secrets(session.command)})
        for session in manifest.sessions
    )
    kept = manifest.model_copy(update={"sessions": sessions})
    write_content(run, kept.model_dump(mode="json") | versions)


def write_content(run: Path, content: Mapping[str, Any]) -> None:
    """Write a manifest's content with its digest."""
    write_json(run / NAME, {**content, "sha256": _digest(content)})


def read_manifest(run: Path) -> Manifest:
    """Read ``manifest.json`` of a run's directory.

    A manifest from before ledgers holds no digest. One that names a ledger and is of a finished run
    may do without: the ledger holds it.

    Raises:
        UserError: it is missing, damaged, or of a newer version; names the field.
    """
    content = read_json(run / NAME)
    said = content.pop("sha256", None)
    needed = "ledger" in content and content.get("status") != "finished"
    try:
        is_said = said == _digest(content)
    except RecursionError as error:
        raise UserError(f"{run / NAME} is damaged: {error}") from error
    if not is_said and (said is not None or needed):
        raise UserError(f"{run / NAME} is damaged: its content is not what its own digest says")
    must_be_known(run / NAME, content.get("schema_version"), MANIFEST_VERSION)
    must_be_known(run / ledger.NAME, content.get("ledger"), ledger.VERSION)
    return _typed(run, content)


def _typed(run: Path, content: dict[str, Any]) -> Manifest:
    """The content in its form; of one from before ledgers as much as is in it."""
    try:
        return Manifest.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        odd = str(first["loc"][0]) if where else None
        if odd in content and "ledger" not in content and not (run / ledger.NAME).is_file():
            return _typed(run, {name: of for name, of in content.items() if name != odd})
        raise UserError(
            f"{run / NAME} is damaged, or not in its form: {where}: {first['msg']}"
        ) from error


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def is_finished(path: Path) -> bool:
    """Whether a directory holds a run that has ended well."""
    there = (path / "manifest.json").exists()
    return there and read_manifest(path).status == "finished"
