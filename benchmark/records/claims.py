"""What a run's directory claims, and what of it can be proven from the directory alone. No torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from cl_bench.benchmark.errors import UserError, in_one_line
from cl_bench.benchmark.record import RunFolder, RunResult, open_run
from cl_bench.benchmark.records import damage
from cl_bench.benchmark.records.accuracies_follow import accuracies_follow
from cl_bench.benchmark.records.checkpoints import kept_after
from cl_bench.benchmark.records.collapses import must_follow
from cl_bench.benchmark.records.events import Evaluated, Finished, Learned, Saved, Started, those
from cl_bench.benchmark.records.files import read_json, sha256_of
from cl_bench.benchmark.records.ledger import NAME, read_ledger
from cl_bench.benchmark.records.migrations import recorded_digest
from cl_bench.benchmark.records.order import must_be_in_order
from cl_bench.benchmark.records.score_claim import scores_follow

Verdict = Literal["proven", "not checkable here", "false"]
BEFORE_LEDGERS = "the run was made before ledgers"
T = TypeVar("T")


@dataclass(frozen=True)
class Claim:
    """A statement about a run.

    Attributes:
        name: what it is about.
        verdict: whether it holds.
        words: what was found, in one line.
    """

    name: str
    verdict: Verdict
    words: str


class NotCheckable(Exception):  # noqa: N818 (no error: a proof that lacks its means)
    """What a claim is about is not here, or was not recorded; says why."""


def judged(name: str, prove: Callable[[T], str], about: T) -> Claim:
    """The claim that ``prove`` tries to prove.

    Args:
        name: of the claim.
        prove: returns what it found; raises ``UserError`` where the claim is false.
        about: handed to ``prove``.
    """
    try:
        return Claim(name, "proven", prove(about))
    except NotCheckable as reason:
        return Claim(name, "not checkable here", str(reason))
    except (UserError, OSError) as error:
        return Claim(name, "false", str(error))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # a stranger's files may hold anything
        words = (
            f"a file of the run is not in its form: {type(error).__name__}: {in_one_line(error)}"
        )
        return Claim(name, "false", words)


def record_claims(path: Path) -> list[Claim]:
    """Everything that the directory of a run can prove or disprove by itself."""
    ledger = judged("ledger", _ledger, path)
    try:
        run = open_run(path)
    except UserError as error:
        return [ledger, Claim("record", "false", str(error))]
    return [ledger, *(judged(name, prove, run) for name, prove in proofs_of(run).items())]


def check_run(path: Path) -> list[str]:
    """Everything wrong with a run's directory, in words; empty where it is whole and finished."""
    return [claim.words for claim in record_claims(path) if claim.verdict == "false"]


def _ledger(path: Path) -> str:
    damage.must_be_whole(path, checkpoints=True)
    if damage.is_sealed(path):
        files = read_ledger(path).files.values()
        total = sum(entry.bytes for entry in files)
        return f"all {len(files)} files are those in {NAME}, {total:,} bytes"
    if damage.is_checkable(path):
        raise NotCheckable(
            f"the run is not finished and has no {NAME} yet; its log holds its files"
        )
    raise NotCheckable(f"{BEFORE_LEDGERS}: that its files are unchanged cannot be checked")


def _config(run: RunResult) -> str:
    digest = recorded_digest(run.path, run.config)
    started = next((event.digest for event in those(run.events[:1], Started)), None)
    others = {"the log": started, "manifest.json": run.manifest.digest or digest}
    if named := re.fullmatch(r"seed\d+-([0-9a-f]{12})", run.path.resolve().name):
        others["the directory's name"] = named[1]
    wrong = [f"{where} says {other}" for where, other in others.items() if other != digest]
    if wrong and run.config.backbone.is_file and not run.checkable:
        raise NotCheckable(f"{BEFORE_LEDGERS}, when digests held the path of the weights")
    if wrong:
        raise UserError(f"the digest of config.json is {digest}, {'; '.join(wrong)}")
    return f"its digest {digest} is that of {', '.join(others)}"


def _metrics(run: RunResult) -> str:
    summary = read_json(run.path / "matrix.json")
    if not summary.keys() >= {"rows", "metrics"} or not isinstance(summary["metrics"], dict):
        raise UserError("matrix.json is damaged: its rows or metrics are missing")
    again = run.matrix.metrics_as_in(summary["metrics"])
    ahead = len(summary["rows"]) - len(run.matrix.rows)
    if ahead and not (run.manifest.status == "running" and ahead == 1):
        raise UserError("matrix.json has other rows than matrix.csv")
    if not ahead and summary["metrics"] != again:
        raise UserError("the metrics in matrix.json do not follow from the matrix")
    return (
        f"{len(again)} metrics in matrix.json follow from the matrix, which is that of matrix.csv"
    )


def _rows(run: RunResult) -> str:
    rows = [
        (i, dict(zip(run.matrix.tasks, row, strict=True)))
        for i, row in enumerate((run.matrix.zero_shot, *run.matrix.rows))
    ]
    logged = [(event.learned, event.accuracies) for event in those(run.events, Evaluated)]
    if logged[: len(rows)] != rows or (run.finished and len(logged) > len(rows)):
        raise UserError("the evaluations in the log are not the rows of the matrix")
    must_follow(RunFolder(run.path), run.config, run.events, len(run.matrix.rows))
    return f"the log holds {len(rows)} evaluations, those of the matrix, in its order"


def _training(run: RunResult) -> str:
    tasks = run.config.tasks[: len(run.matrix.rows)]
    learned = those(run.events, Learned)[: len(tasks)]
    if [(event.learned, event.task) for event in learned] != list(enumerate(tasks, start=1)):
        raise UserError("the tasks in the log are not those of the configuration in its order")
    budget = run.config.budget.steps
    for event in learned:
        expected = budget[event.task] if event.trainable_parameters else 0
        if event.steps != expected:
            raise UserError(
                f"the log has {event.steps} steps on {event.task}, the budget {expected}"
            )
    must_be_in_order(run.path / "events.jsonl", run.events, run.config.tasks)
    steps = sum(event.steps for event in learned)
    return f"{len(tasks)} tasks in the order of config.json, {steps:,} steps as in its budget"


def _end(run: RunResult) -> str:
    if not run.finished:
        raise UserError(f"{run.path} is not finished: status {run.manifest.status!r}")
    ends = those(run.events[-1:], Finished)
    if not ends or ends[0].metrics != run.matrix.metrics_as_in(ends[0].metrics):
        raise UserError("the log does not end with the metrics of the matrix")
    return "the log ends with the metrics of the matrix"


def _checkpoint(run: RunResult) -> str:
    kept = kept_checkpoints(run)
    files = {learned: RunFolder(run.path).checkpoint(learned) for learned in kept}
    if missing := [file for file in files.values() if not file.is_file()]:
        raise UserError("; ".join(f"{file} is missing" for file in missing))
    saved = {event.learned: event.sha256 for event in those(run.events, Saved)}
    if not run.checkable or not all(saved.get(learned) for learned in kept):
        raise NotCheckable(f"{BEFORE_LEDGERS}: the log says nothing of the checkpoint's content")
    for learned, file in files.items():
        if saved[learned].get(file.relative_to(run.path).as_posix()) != sha256_of(file):
            raise UserError(f"{file} is not the one that the log saw written")
    if len(files) > 1:
        return f"{len(files)} checkpoints, one after every task, are those that the log saw written"
    return f"{files[kept[0]].name} is the one that the log saw written"


def kept_checkpoints(run: RunResult) -> range:
    """After how many tasks the run has a checkpoint: there is at least one.

    Raises:
        NotCheckable: it has none, as it should be.
    """
    learned = len(run.matrix.rows)
    if not learned:
        raise NotCheckable("no task is learned yet")
    kept = kept_after(run.manifest.keeps, learned, finished=run.manifest.status == "finished")
    if not kept:
        raise NotCheckable("--keep none: the checkpoint was deleted when the run was finished")
    return kept


def _code(run: RunResult) -> str:
    known = dict.fromkeys(session.code for session in run.manifest.sessions)
    raise NotCheckable(f"by its own words made by {'; then '.join(known)}")


PROOFS: dict[str, Callable[[RunResult], str]] = {
    "config": _config,
    "accuracies": accuracies_follow,
    "metrics": _metrics,
    "log: rows": _rows,
    "log: training": _training,
    "log: end": _end,
    "checkpoint": _checkpoint,
    "code": _code,
}


def proofs_of(run: RunResult) -> dict[str, Callable[[RunResult], str]]:
    """What the run's directory can prove of itself, by claim; scores where it keeps some."""
    return PROOFS | ({"scores": scores_follow} if run.manifest.scores else {})
