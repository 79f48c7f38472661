"""Which data sets and captioned pictures of a suite are evaluated beside the tasks and never learned. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from cl_bench.benchmark.config import digest_of
from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.datasets.retrieval_set import RetrievalSpec
from cl_bench.datasets.suite import ALL, NONE, Suite
from cl_bench.datasets.task_spec import TaskSpec

S = TypeVar("S", TaskSpec, RetrievalSpec)


@dataclass(frozen=True)
class Kind:
    """Of sets that are evaluated and never learned.

    Attributes:
        option: that names them, without hyphens in front.
        words: what one is called.
        table: where a suite file has them.
    """

    option: str
    words: str
    table: str


HELD_OUT = Kind("held-out", "held-out data set", "[[held_out]] (docs/held-out.md)")
RETRIEVAL = Kind("retrieval", "retrieval set", "[[retrieval]] (docs/retrieval.md)")


def chosen_held_out(suite: Suite, said: str | None) -> tuple[TaskSpec, ...]:
    """The held-out data sets of a run, in the suite's order; arguments and errors as of ``chosen_retrieval``."""
    return _chosen(suite, suite.held_out, HELD_OUT, said)


def chosen_retrieval(suite: Suite, said: str | None) -> tuple[RetrievalSpec, ...]:
    """The retrieval sets of a run, in the suite's order.

    Args:
        suite: that brings them.
        said: ``all``, ``none``, names separated by commas, or nothing.

    Raises:
        UserError: a name is unknown or stands twice, or the suite has none.
    """
    return _chosen(suite, suite.retrieval, RETRIEVAL, said)


def _chosen(suite: Suite, there: tuple[S, ...], kind: Kind, said: str | None) -> tuple[S, ...]:
    if said is None:
        return there if suite.always_held_out else ()
    if said == NONE:
        return ()
    if not there:
        raise UserError(
            f"--{kind.option} {said}: suite {suite.name} has no {kind.words}s; a suite file has them "
            f"under {kind.table}"
        )
    if said == ALL:
        return there
    known = [spec.name for spec in there]
    names = [_find(suite, known, kind, name.strip()) for name in said.split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise UserError(f"--{kind.option} {said!r} names {'a set twice' if names else 'no set'}")
    return tuple(spec for spec in there if spec.name in names)


def _find(suite: Suite, names: Sequence[str], kind: Kind, name: str) -> str:
    """The full name of a set."""
    known = {suite.key(full): full for full in names}
    if suite.key(name) not in known:
        words = kind.words.replace("data set", "set")
        raise unknown(f"{words} of suite {suite.name}", name, [ALL, NONE, *known.values()])
    return known[suite.key(name)]


def content_digest(suite: Suite, spec: TaskSpec | RetrievalSpec) -> str:
    """Over everything that the results on a held-out or retrieval set depend on but the method."""
    content: dict[str, Any] = {"version": suite.version, "data set": spec.identity()}
    return digest_of(content)
