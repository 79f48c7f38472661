"""``cl-bench verify``: what runs claim, computed again. No code of a run is executed."""

from __future__ import annotations

from collections import Counter

import typer

from cl_bench.cli.options import Runs

COLOURS = {"proven": "green", "not checkable here": "yellow", "false": "bold red"}


def verify(runs: Runs = None) -> None:
    """Compute again all that runs claim, one line per claim; exit code 1 if one is false."""
    from rich.markup import escape

    from cl_bench.benchmark.errors import UserError
    from cl_bench.cli.console import console
    from cl_bench.cli.verify.claims import all_claims
    from cl_bench.experiment.choices import RUNS
    from cl_bench.reports.runs.find import find_runs

    where = runs or [RUNS]
    found = find_runs(where)
    if not found:
        raise UserError(f"no runs under {', '.join(map(str, where))}")
    counts: Counter[str] = Counter()
    for path in found:
        console.print(escape(str(path)), style="bold", soft_wrap=True)
        for claim in all_claims(path):
            counts[claim.verdict] += 1
            verdict = f"[{COLOURS[claim.verdict]}]{claim.verdict:18s}[/]"
            words = escape(" ".join(claim.words.split()))
            console.print(
                f"  {verdict}  {claim.name:18s}  {words}", soft_wrap=True, highlight=False
            )
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in COLOURS)
    console.print(f"{len(found)} run{'s' if len(found) > 1 else ''}, claims: {said}")
    if counts["false"]:
        raise typer.Exit(1)
