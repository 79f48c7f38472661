"""Every claim of a run: what its directory proves, and what is held against suite, data and weights.

A run's folder may come from a stranger: its files are read within bounds, and none is executed.
"""

from __future__ import annotations

from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import open_run
from cl_bench.benchmark.records.claims import Claim, NotCheckable, judged, record_claims
from cl_bench.benchmark.records.ledger import files_of
from cl_bench.cli.verify import against_data, against_start, against_suite, against_weights
from cl_bench.cli.verify.installed import installed

MOST_BYTES = 2**35  # of one file: 32 GiB


def all_claims(path: Path) -> list[Claim]:
    """Everything that the run in ``path`` claims and that can be looked into."""
    folder = judged("folder", _folder, path)
    if folder.verdict == "false":
        return [folder]  # nothing in it is opened
    claims = [folder, *record_claims(path)]
    try:
        run = open_run(path)
    except UserError:
        return claims  # said already
    claims += [judged(name, prove, run) for name, prove in against_weights.PROOFS.items()]
    if run.config.start is not None:
        claims.append(judged("start", against_start.prove, run))
    proofs = against_suite.PROOFS | against_data.PROOFS
    try:
        about = installed(run)
    except (NotCheckable, UserError) as reason:
        return [*claims, Claim("suite", "not checkable here", str(reason))]
    return [*claims, *(judged(name, prove, about) for name, prove in proofs.items())]


def _folder(path: Path) -> str:
    sizes = files_of(path)
    if too_large := next((name for name, size in sizes.items() if size > MOST_BYTES), None):
        raise UserError(
            f"{path / too_large} has more than {MOST_BYTES:,} bytes: no run writes that"
        )
    return f"{len(sizes)} plain files, none leads elsewhere"
