"""Which data sets of a suite are evaluated beside the tasks and never learned. No torch."""

from __future__ import annotations

from typing import Any

from cl_bench.benchmark.config import digest_of
from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.datasets.suite import ALL, NONE, Suite, TaskSpec


def chosen_held_out(suite: Suite, said: str | None) -> tuple[TaskSpec, ...]:
    """The held-out data sets of a run, in the suite's order.

    Args:
        suite: that brings them.
        said: ``all``, ``none``, names separated by commas, or nothing.

    Raises:
        UserError: a name is unknown or stands twice, or the suite has none.
    """
    if said is None:
        return suite.held_out if suite.always_held_out else ()
    if said == NONE:
        return ()
    if not suite.held_out:
        raise UserError(
            f"--held-out {said}: suite {suite.name} has no held-out data sets; a suite file has them "
            "under [[held_out]] (docs/held-out.md)"
        )
    if said == ALL:
        return suite.held_out
    names = [_find(suite, name.strip()) for name in said.split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise UserError(f"--held-out {said!r} names {'a set twice' if names else 'no set'}")
    return tuple(spec for spec in suite.held_out if spec.name in names)


def _find(suite: Suite, name: str) -> str:
    """The full name of a held-out set."""
    known = {suite.key(spec.name): spec.name for spec in suite.held_out}
    if suite.key(name) not in known:
        raise unknown(f"held-out set of suite {suite.name}", name, [ALL, NONE, *known.values()])
    return known[suite.key(name)]


def content_digest(suite: Suite, spec: TaskSpec) -> str:
    """Over classes, prompts and images of a held-out set."""
    content: dict[str, Any] = {"version": suite.version, "data set": spec.identity()}
    return digest_of(content)
