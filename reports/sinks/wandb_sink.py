"""Weights & Biases: live while a run lasts, or a whole run written offline."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.record import RunResult, read_config
from cl_bench.benchmark.records.manifest import read_manifest
from cl_bench.benchmark.records.secrets import without_secrets
from cl_bench.reports.runs.flat_config import Scalar, comparison_hash, flat_config
from cl_bench.reports.runs.run_name import run_name
from cl_bench.reports.sinks.picture import picture_of
from cl_bench.reports.sinks.points import Point, curves
from cl_bench.reports.sinks.predictions import Class
from cl_bench.reports.sinks.wandb_content import (
    BESIDE_TASKS,
    matrix_table,
    predictions_table,
    record_of,
)

if TYPE_CHECKING:
    import wandb

Mode = Literal["online", "offline"]
PATIENCE = 10.0  # seconds that W&B may ask for a key where none is set
ON_TASKS = ("accuracy/*", "metrics/*", "cost/*", "method/*", "collapsed/*")


@dataclass(frozen=True)
class Place:
    """Where on W&B, and what of a run goes there.

    Attributes:
        mode: ``online``, or ``offline`` for `wandb sync` later.
        project: of the run.
        entity: user or team; W&B's default without.
        tags: more of them.
        group: in the place of the one that says which runs may be compared.
        name: in the place of the one made of method, order, seed and settings.
        notes: a text about the run.
        machine: send what W&B itself records of this machine and the working directory's git state;
            only true of a run that is being made here and now.
        checkpoints: send the method's state, too.
        report: an HTML report to send with the run.
    """

    mode: Mode
    project: str = "cl-bench"
    entity: str | None = None
    tags: tuple[str, ...] = ()
    group: str | None = None
    name: str | None = None
    notes: str | None = None
    machine: bool = False
    checkpoints: bool = False
    report: Path | None = None


@dataclass(frozen=True)
class About:
    """What the run's own directory does not say of it.

    Attributes:
        differs: the settings that are not as usual, for its name.
        classes: by task, the classes that its images are classified over; with them the predictions
            are sent.
    """

    differs: Mapping[str, Scalar] = field(default_factory=dict)
    classes: Mapping[str, Sequence[Class]] | None = None


class WandbSink:
    """One run on W&B under an identity of its own, whichever process writes it.

    W&B counts what it is sent: point n is its step n; the matrix of a finished run comes as one step
    more, and its predictions as another. So a continued run begins there where it broke off. Offline
    runs cannot be continued; the earlier copy of one is replaced.
    """

    def __init__(self, place: Place, about: About | None = None) -> None:
        """Connect to nothing yet."""
        self._place, self._about = place, about or About()
        self._run: wandb.Run | None = None
        self._count = 0  # points of the run seen so far

    def __str__(self) -> str:
        """For messages."""
        return f"W&B ({self._place.mode})"

    def begin(self, path: Path) -> None:
        """Open the run, or the one that W&B has of the same identity."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # W&B's own, of this machine
        import wandb

        self._config = read_config(path)
        c, place = self._config, self._place
        identity = run_id(c)
        if "WANDB_SWEEP_ID" in os.environ:  # an agent of a W&B sweep gives its runs their names
            identity = os.environ["WANDB_RUN_ID"]
        if place.mode == "offline":
            for earlier in path.glob(f"wandb/offline-run-*-{identity}"):
                shutil.rmtree(earlier)
        self._run = wandb.init(
            mode=place.mode,
            dir=path,
            id=identity,
            resume="allow" if place.mode == "online" else None,
            project=place.project,
            entity=place.entity,
            name=place.name or run_name(c, self._about.differs),
            notes=place.notes,
            group=place.group or f"{c.suite.name}-{c.order}-{comparison_hash(c)}",
            job_type=c.method,
            tags=[c.method, f"order {c.order}", c.backbone.name, f"seed {c.seed}", c.preset, *place.tags],
            config=flat_config(c, read_manifest(path)),
            settings=_settings(place.machine),
        )  # fmt: skip
        self._define_axes()

    def _define_axes(self) -> None:
        """Say over what each number is drawn; no pattern covers another's names."""
        assert self._run is not None
        beside = [f"{folder}/*" for folder in BESIDE_TASKS if getattr(self._config, folder)]
        axes = {
            "train/step": ("train/loss", "train/lr", "train/task"),
            "task/learned": (*ON_TASKS, *beside),
            **{f"train/{task}/step": (f"train/{task}/*",) for task in curves(self._config)},
        }
        for axis, names in axes.items():
            self._run.define_metric(axis)
            for name in names:
                self._run.define_metric(name, step_metric=axis)

    def write(self, number: int, point: Point) -> None:
        """Log a point as W&B's step ``number``."""
        own = {"step": point.step, **point.of_task} if point.curve else {}
        of_task = {f"train/{point.curve}/{name}": value for name, value in own.items()}
        if point.alert:
            self._alert(number, point.alert)
        self._log(number, {point.axis: point.at, **point.values, **of_task})
        self._count = number + 1

    def _alert(self, step: int, words: str) -> None:
        """Tell whoever W&B tells of the run's alerts, once."""
        assert self._run is not None
        if step >= self._run.starting_step:
            self._run.alert("Collapse", words, level="WARN")

    def _log(self, step: int, values: dict[str, Any]) -> None:
        """Log what W&B has not got yet."""
        assert self._run is not None
        if step >= self._run.starting_step:
            self._run.log(values, step=step)

    def end(self, result: RunResult | None) -> None:
        """Add summary, matrix, predictions and record of a finished run, and close it."""
        import wandb

        assert self._run is not None
        if result is not None:
            self._run.summary.update(result.metrics())
            picture = wandb.Image(str(picture_of(result)))
            self._log(self._count, {"matrix": matrix_table(result), "matrix_picture": picture})
            if self._about.classes is not None:
                table = predictions_table(result, self._about.classes)
                self._log(self._count + 1, {"predictions": table})
            name = f"run-{run_id(self._config)}"
            place = self._place
            self._run.log_artifact(record_of(result, name, place.checkpoints, place.report))
        self._run.finish(exit_code=0 if result is not None else 1)


def run_id(config: RunConfig) -> str:
    """The identity of a run on W&B: the same configuration and seed, the same run."""
    return f"clb-{hashlib.sha256(config.digest().encode()).hexdigest()[:12]}"


def _settings(machine: bool) -> wandb.Settings:
    """How W&B's client works: neither code nor screen; of the machine all that it records, or nothing."""
    import wandb

    # not passed where they are wanted: the user's own WANDB_DISABLE_GIT and the like decide
    off: dict[str, Any] = {} if machine else {
        "x_disable_stats": True, "x_disable_meta": True, "x_disable_machine_info": True,
        "x_save_requirements": False, "disable_git": True, "host": "", "username": "", "email": "",
    }  # fmt: skip
    trains = parent_process()
    return wandb.Settings(
        silent=True, console="off", save_code=False, disable_code=True, login_timeout=PATIENCE,
        **({"x_stats_pid": trains.pid} if machine and trains is not None and trains.pid else {}),
        **(_remote() if machine else {}),
        **off,
    )  # fmt: skip


def _remote() -> dict[str, str]:
    """The address of the working directory's git remote without who may open it.

    W&B leaves a password out, and sends a user name that is a token.
    """
    asked = ("git", "config", "--get", "remote.origin.url")
    try:
        said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"git_remote_url": without_secrets((said,))[0]}
