"""What was asked for, before anything is resolved: the one declaration of every option of a run.

The options of ``cl-bench run``, ``sweep`` and ``resume``, the keys of a ``--config`` file and the
command that repeats a run are derived from the fields of :class:`Choices`. No torch.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from cl_bench.benchmark.classified_over import Named
from cl_bench.benchmark.config import Settings
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.interval import Interval
from cl_bench.benchmark.records.checkpoints import Keep
from cl_bench.benchmark.user_file import first_problem

Preset = Literal["paper", "fair"]
PLAIN = (int, float, bool, Path)
RUNS = Path("runs")  # where runs are kept unless one says otherwise
T = TypeVar("T")


@dataclass(frozen=True)
class Written:
    """How a choice is written on the command line, where its name and type do not say it.

    Attributes:
        value: what stands for its value in ``--help``.
        name: of the option, without hyphens in front.
    """

    value: str | None = None
    name: str | None = None


def _images_or_auto(said: str | None) -> str | None:
    if said is None or said == "auto" or (said.isdecimal() and int(said) > 0):
        return said
    raise ValueError("write a number of images from 1 up, or auto")


def _interval(said: str | None) -> str | None:
    if said is not None:
        Interval.of(said)
    return said


def _path_in_words(said: object) -> object:
    return str(said) if isinstance(said, Path) else said


Folder = Annotated[Path | None, Written("DIR")]
File = Annotated[Path | None, Written("FILE")]


class Choices(Settings):
    """One run as it was asked for; ``None`` where nothing was said. Kept with the run."""

    method: str | None = None
    """See `cl-bench list methods`. (default: keeplora)"""
    order: str | None = None
    """I, II, or task names with commas. (default: I)"""
    suite: str | None = None
    """mini, mtil, another of `list suites`, or FILE.toml. (default: mtil where CL_BENCH_DATA is set, else mini)"""
    backbone: str | None = None
    """tiny-clip, or NAME:WEIGHTS. (default: the suite's)"""
    seed: Annotated[int, Field(ge=0)] = 0
    """Random seed. (default: 0)"""
    device: str | None = None
    """cpu, cuda, cuda:1. (default: a GPU if there is one)"""
    precision: str | None = None
    """fp32, bf16, fp16 or tf32. (default: the preset's, else the suite's)"""
    preset: Preset | None = None
    """paper: the method's published budget, prompts, augmentation, precision. fair: one for all.
    (default: the suite's)"""
    overrides: Annotated[tuple[str, ...], Written("KEY=VALUE", "set")] = ()
    """Change one setting; may be repeated."""
    plugin: File = None
    """A Python file with a method of your own."""
    data_root: Folder = None
    """Folder of the MTIL data sets. (default: CL_BENCH_DATA)"""
    cache: Folder = None
    """Where decoded images are kept. (default: beside the data sets)"""
    protocol: Named | None = None
    """mtil: an image is classified over its task's classes. seen: over those of all tasks learned so far.
    x-tail: over all tasks'. (default: the suite's)"""
    namesakes: Literal["one", "apart"] | None = None
    """Under seen and x-tail, classes of one name in several tasks: one class, or counted apart, as published.
    (default: the suite's, else one)"""
    held_out: Annotated[str | None, Written("all|none|NAMES")] = None
    """Data sets of the suite to evaluate beside the tasks and never to learn. (default: those of a suite
    file, none of a built-in suite)"""
    retrieval: Annotated[str | None, Written("all|none|NAMES")] = None
    """Captioned pictures of the suite to search by text and the other way, and never to learn. (default: those
    of a suite file, none of a built-in suite)"""
    shots: Annotated[int | None, Field(ge=1), Written("N")] = None
    """Train on N images of every class."""
    imbalance: Annotated[float | None, Field(ge=1), Written("RATIO")] = None
    """Train on a long tail of every task's classes: the most frequent one has RATIO times the images of the
    least frequent one."""
    task_imbalance: Annotated[float | None, Field(ge=1), Written("RATIO")] = None
    """Train on a smaller share of some tasks' images, down to 1/RATIO."""
    clients: Annotated[int | None, Field(ge=1), Written("N")] = None
    """Share each task's training images among N clients that train in turn and are averaged; with --rounds."""
    rounds: Annotated[int | None, Field(ge=1), Written("R")] = None
    """With --clients: average what they trained R times in a task."""
    client_alpha: Annotated[float | None, Field(ge=0.001, le=1_000_000), Written("A")] = None
    """With --clients: how much their classes are alike; small: few classes each. (default: 1)"""
    skip_broken: bool = False
    """Leave unreadable images out; recorded."""
    partial_data: bool = False
    """Run on the part of the data sets that is there; recorded."""
    reference_images: Folder = None
    """Folder of images that belong to no task."""
    reference_texts: File = None
    """Captions: .txt, .tsv, .csv, .json or .jsonl."""
    reference_pairs: Folder = None
    """Folder of image-text pairs with a table pairs.csv."""
    selector_weights: File = None
    """torchvision's AlexNet weights."""
    tasks: Annotated[int | None, Written("N")] = None
    """Learn the first N tasks only."""
    micro_batch: Annotated[
        str | None,
        Field(coerce_numbers_to_str=True),
        AfterValidator(_images_or_auto),
        Written("N|auto"),
    ] = None
    """Keep the activations of N images of a batch at a time in training: less memory, more time, same
    gradients; `auto`: of as many as fit. (default: all)"""
    checkpoint_every: Annotated[
        str | None,
        Field(coerce_numbers_to_str=True),
        AfterValidator(_interval),
        Written("N|Mm|Ss|off"),
    ] = None
    """Keep where the run stands within a task every N steps, M minutes (10m) or S seconds (30s); off:
    keep whole tasks alone. (default: 10m)"""
    start_from: Annotated[str | None, BeforeValidator(_path_in_words), Written("RUN[:after-K]")] = (
        None
    )
    """Begin with the state of another run of the same method, after all or K of its tasks, instead of the
    pre-trained model."""
    keep: Keep | None = None
    """Which checkpoints stay: all, that is one after every task; last; none, once the run is finished.
    (default: last)"""
    scores: Annotated[int | None, Field(ge=1), Written("N")] = None
    """Keep the N best classes of every test image with their logits, after every task. (default: none)"""
    deterministic: bool = False
    """On a GPU take kernels that give the same bits in every run, and are slower; recorded."""
    relative: dict[str, str] = Field(default_factory=dict)
    """In a run's record: where named files lie as seen from its directory, by option."""

    @model_validator(mode="after")
    def _nothing_is_empty(self) -> Self:
        for name, value in self:
            if value == "":  # of a shell's variable that is not set: no wish for the default
                raise ValueError(f"{name} is empty: name one, or leave it out")
        return self


OPTIONS = tuple(name for name in Choices.model_fields if name != "relative")


def kind_of(field: FieldInfo) -> type:
    """What a choice is, apart from ``None``: ``str``, ``int``, ``float``, ``bool``, ``Path`` or ``tuple``."""
    annotation: Any = field.annotation
    plain = next((kind for kind in (*get_args(annotation), annotation) if kind in PLAIN), None)
    return plain or (tuple if get_origin(annotation) is tuple else str)


def written(field: FieldInfo) -> Written:
    """How a choice is written."""
    return next((said for said in field.metadata if isinstance(said, Written)), Written())


def option_name(name: str) -> str:
    """The option of ``cl-bench run`` for the choice called ``name``, without hyphens in front."""
    return written(Choices.model_fields[name]).name or name.replace("_", "-")


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """``key=value`` pairs; a value is read as TOML where it is TOML, else as a string.

    Raises:
        UserError: a pair has no ``=``, or is more than one line.
    """
    given: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair[:99]!r} is not key=value")
        if len(pair.splitlines()) > 1:  # TOML would take the next line for another key
            raise UserError(f"--set {pair[:99]!r} is more than one line; write --set for each")
        try:
            given[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except (ValueError, RecursionError):  # no TOML, or beyond what Python reads of it
            given[key.strip()] = value.strip()
    return given


def choices_of(given: Mapping[str, Any]) -> Choices:
    """The choices with the given values, checked.

    Records from before November 2026 hold three of them in a table ``references``.

    Raises:
        UserError: a value is impossible.
    """
    table = given.get("references")
    older = table if isinstance(table, dict) else {}
    values = {name: value for name, value in given.items() if name != "references"}
    return validated(lambda: Choices.model_validate({**values, **older}))


def validated(build: Callable[[], T]) -> T:
    """What ``build`` makes.

    Raises:
        UserError: a value does not fit its setting.
    """
    try:
        return build()
    except ValidationError as error:
        raise UserError(f"setting {first_problem(error)}") from error
