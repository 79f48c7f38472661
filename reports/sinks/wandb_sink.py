"""Weights & Biases: live while a run lasts, or a whole run written offline."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cl_bench.benchmark.config import RunConfig, digest_of
from cl_bench.benchmark.record import ZERO_SHOT, RunResult, read_config
from cl_bench.benchmark.records.manifest import read_manifest
from cl_bench.reports.sinks.points import Point

if TYPE_CHECKING:
    import wandb

Mode = Literal["online", "offline"]
PATIENCE = 10.0  # seconds that W&B may ask for a key where none is set
RECORD = (
    "config.json",
    "manifest.json",
    "matrix.csv",
    "matrix.json",
    "events.jsonl",
    "predictions",
)


@dataclass(frozen=True)
class Place:
    """Where on W&B, and what of a run goes there.

    Attributes:
        mode: ``online``, or ``offline`` for `wandb sync` later.
        project: of the run.
        entity: user or team; W&B's default without.
        tags: more of them.
        checkpoints: send the method's state, too.
        report: an HTML report to send with the run.
    """

    mode: Mode
    project: str = "cl-bench"
    entity: str | None = None
    tags: tuple[str, ...] = ()
    checkpoints: bool = False
    report: Path | None = None


class WandbSink:
    """One run on W&B under an identity of its own, whichever process writes it.

    W&B counts what it is sent: point n is its step n, and the matrix of a finished run comes as one
    step more. So a continued run begins there where it broke off. Offline runs cannot be continued;
    the earlier copy of one is replaced.
    """

    def __init__(self, place: Place) -> None:
        """Connect to nothing yet."""
        self._place = place
        self._run: wandb.Run | None = None
        self._count = 0  # points of the run seen so far

    def __str__(self) -> str:
        """For messages."""
        return f"W&B ({self._place.mode})"

    def begin(self, path: Path) -> None:
        """Open the run, or the one that W&B has of the same identity."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # W&B's own, of this machine
        import wandb

        self._path, self._config = path, read_config(path)
        c, place = self._config, self._place
        manifest = read_manifest(path).model_dump(mode="json")
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
            name=f"{c.method} {c.order} seed{c.seed}",
            group=f"{c.suite.name}-{c.order}-{protocol_hash(c)}",
            job_type=c.method,
            tags=[c.method, f"order {c.order}", c.backbone.name, f"seed {c.seed}", c.preset, *place.tags],
            config={"run": c.model_dump(mode="json"), "manifest": manifest},
            # nothing of the machine, its environment or its screen beside what the run recorded
            settings=wandb.Settings(
                silent=True, console="off", x_disable_stats=True, x_disable_meta=True,
                disable_git=True, save_code=False, disable_code=True, login_timeout=PATIENCE,
            ),
        )  # fmt: skip
        for axis, names in {"train/step": ("train/*",), "task/learned": ON_TASKS}.items():
            self._run.define_metric(axis)
            for name in names:
                self._run.define_metric(name, step_metric=axis)

    def write(self, number: int, point: Point) -> None:
        """Log a point as W&B's step ``number``."""
        self._log(number, {point.axis: point.at, **point.values})
        self._count = number + 1

    def _log(self, step: int, values: dict[str, Any]) -> None:
        """Log what W&B has not got yet."""
        assert self._run is not None
        if step >= self._run.starting_step:
            self._run.log(values, step=step)

    def end(self, result: RunResult | None) -> None:
        """Add summary, matrix and record of a finished run, and close it."""
        import wandb

        assert self._run is not None
        if result is not None:
            self._run.summary.update(result.matrix.metrics())
            picture = _picture(result)
            table = wandb.Table(columns=["learned", *result.matrix.tasks], data=matrix_rows(result))
            self._log(self._count, {"matrix": table, "matrix_picture": wandb.Image(str(picture))})
            self._run.log_artifact(self._record(result))
        self._run.finish(exit_code=0 if result is not None else 1)

    def _record(self, result: RunResult) -> wandb.Artifact:
        import wandb

        artifact = wandb.Artifact(f"run-{run_id(self._config)}", type="run")
        names = (*RECORD, *(["checkpoints"] if self._place.checkpoints else []))
        for path in (result.path / name for name in names):
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                artifact.add_file(str(file), file.relative_to(result.path).as_posix())
        if self._place.report is not None:
            artifact.add_file(str(self._place.report), "report.html")
        return artifact


ON_TASKS = ("accuracy/*", "metrics/*", "cost/*", "method/*")


def _picture(result: RunResult) -> Path:
    """The matrix as a picture: the one that the run drew at its end, else a fresh one."""
    picture, matrix = result.picture, result.path / "matrix.csv"
    if not picture.exists() or picture.stat().st_mtime < matrix.stat().st_mtime:
        from cl_bench.reports.plots.heat_map import save_heat_map  # a second beside a short run

        save_heat_map(result, picture)
    return picture


def run_id(config: RunConfig) -> str:
    """The identity of a run on W&B: the same configuration and seed, the same run."""
    return f"clb-{hashlib.sha256(config.digest().encode()).hexdigest()[:12]}"


def protocol_hash(config: RunConfig) -> str:
    """Eight digits that are equal where results may be compared."""
    return digest_of(config.comparison_key())[:8]


def matrix_rows(result: RunResult) -> list[list[str | float]]:
    """The accuracy matrix with its row names."""
    names = [ZERO_SHOT, *result.matrix.tasks]
    rows = [result.matrix.zero_shot, *result.matrix.rows]
    return [[name, *row] for name, row in zip(names, rows, strict=False)]
