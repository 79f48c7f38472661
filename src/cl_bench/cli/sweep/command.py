"""``cl-bench sweep``: plan every cell, run what is not done, say what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import read_json, write_json
from cl_bench.benchmark.records.damage import damage, is_checkable, is_sealed
from cl_bench.benchmark.records.lock import held
from cl_bench.benchmark.records.manifest import read_manifest
from cl_bench.cli.console import console, made, warn
from cl_bench.cli.several import no_task_alone
from cl_bench.cli.sweep.grid import Cell
from cl_bench.cli.sweep.job import Job
from cl_bench.cli.sweep.launchers import Launcher
from cl_bench.cli.sweep.sweep import Sweep
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve
from cl_bench.experiment.settle import settle

State = Literal["done", "failed", "begun", "waiting"]


def sweep_command(sweep: Sweep, launcher: Launcher, retry_failed: bool, dry_run: bool) -> bool:
    """Run every cell that is not done; returns whether all are done then.

    Raises:
        UserError: a cell cannot be planned, or the folder holds another sweep.
    """
    paths = _planned(sweep)
    states = {cell: _state(where, sweep.log(cell)) for cell, where in paths.items()}
    _show(sweep, states)
    todo = [
        cell
        for cell, state in states.items()
        if state in ("begun", "waiting") or (state == "failed" and retry_failed)
    ]
    if dry_run:
        return True
    sweep.folder.mkdir(parents=True, exist_ok=True)
    with held(sweep.folder / ".lock", f"the sweep in {sweep.folder}"):
        _remember(sweep)
        _launch(sweep, launcher, todo)
        return _summary(sweep, paths)


def _launch(sweep: Sweep, launcher: Launcher, cells: Sequence[Cell]) -> None:
    """Run ``cells`` to their end, and say of each how it went."""
    options = (*sweep.common, *sweep.dashboards)
    here = Path.cwd()
    jobs = [
        Job(cell.name, tuple(cell.arguments(options, sweep.out)), here / sweep.log(cell), here)
        for cell in cells
    ]
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("runs"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("runs", total=len(jobs))

        def ended(job: Job, well: bool) -> None:
            console.print(f"{'done' if well else 'FAILED':7s}{job.name}", soft_wrap=True)
            progress.advance(bar)

        try:
            launcher.launch(jobs, here / sweep.folder, sweep.choices.device, ended)
        except KeyboardInterrupt:
            console.print("stopped; the same command continues")
            raise


def _planned(sweep: Sweep) -> dict[Cell, tuple[Path, ...]]:
    """Every cell's run directory; so every mistake shows before anything starts.

    Where no device is named, a cell may run on another machine than this one, and a published
    precision that only some devices have then leads to another directory: all of them are listed.
    """
    several = len({cell.order for cell in sweep.cells}) > 1
    for cell in sweep.cells:  # without torch: a mistake in the last shows as fast as in the first
        with _named(cell):
            settled = settle(_choices(sweep, cell))
            if several:
                no_task_alone(cell.order, settled.order)
    paths: dict[Cell, tuple[Path, ...]] = {}
    for cell in sweep.cells:
        choices = _choices(sweep, cell)
        with _named(cell):
            plans = [resolve(choices, sweep.out)]
            if not choices.device and plans[0].config.preset != "fair":
                plans += [resolve(choices, sweep.out, device) for device in ("cpu", "cuda")]
        if same := next((other for other in paths if paths[other][0] == plans[0].folder), None):
            raise UserError(f"{cell.name} is the same run as {same.name}: name one of them")
        paths[cell] = tuple(dict.fromkeys(plan.folder for plan in plans))
    return paths


def _choices(sweep: Sweep, cell: Cell) -> Choices:
    """What is asked for in one cell."""
    changes = {
        "method": cell.method,
        "order": cell.order,
        "seed": cell.seed,
        "overrides": (*cell.own, *sweep.choices.overrides),
    }
    return sweep.choices.model_copy(update=changes)


@contextmanager
def _named(cell: Cell) -> Iterator[None]:
    """Let a mistake say whose it is."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{cell.name}: {error}") from error


def _state(paths: tuple[Path, ...], log: Path) -> State:
    path = next((path for path in paths if path.exists()), paths[0])
    if (path / "manifest.json").exists():
        try:
            status = read_manifest(path).status
        except UserError:  # damaged: `_damage` says how
            return "failed"
        if status == "finished":
            if is_checkable(path) and not is_sealed(path):
                return "begun"  # killed just before its ledger
            return "failed" if damage(path, checkpoints=False) else "done"
        if status == "failed":
            return "failed"
    if _reason(log):
        return "failed"
    return "begun" if (path / "config.json").exists() else "waiting"


def _reason(log: Path) -> str | None:
    """The error that a process ended with, if it did."""
    if not log.exists():
        return None
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines[-1:] if line.startswith("error:") or "Error" in line]
    return errors[0] if errors else None


def _damage(paths: tuple[Path, ...]) -> str:
    """What is wrong with a run that was begun, in words."""
    begun = (path for path in paths if (path / "manifest.json").exists())
    return "; ".join(words for path in begun for words in damage(path, checkpoints=False))


def _remember(sweep: Sweep) -> None:
    """Keep the grid; another one must not share the folder."""
    file = sweep.folder / "sweep.json"
    if file.exists() and (earlier := read_json(file)) != sweep.grid:
        raise UserError(
            f"{file} is of another sweep ({len(earlier.get('cells', []))} runs); choose another --out"
        )
    write_json(file, sweep.grid)


def _show(sweep: Sweep, states: dict[Cell, State]) -> None:
    counts = {s: sum(state == s for state in states.values()) for s in ("done", "failed", "begun")}
    waiting = len(states) - sum(counts.values())
    console.print(
        f"{len(states)} runs in {sweep.out}: {counts['done']} done, {counts['begun']} begun, "
        f"{waiting} waiting, {counts['failed']} failed",
        soft_wrap=True,
    )


def _summary(sweep: Sweep, paths: dict[Cell, tuple[Path, ...]]) -> bool:
    """Name what failed, and why."""
    states = {cell: _state(where, sweep.log(cell)) for cell, where in paths.items()}
    _show(sweep, states)
    failed: Sequence[Cell] = [cell for cell, state in states.items() if state != "done"]
    for cell in failed:
        reason = _damage(paths[cell]) or _reason(sweep.log(cell)) or f"see {sweep.log(cell)}"
        warn(f"  {cell.name}: {reason}")
    if failed:
        warn("--retry-failed runs them again")
    for where in (paths[cell] for cell in states if cell not in failed):
        made(next(path for path in where if path.exists()))
    return not failed
