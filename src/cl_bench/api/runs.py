"""A collection of runs: chosen from, tabulated, compared, reported. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from cl_bench.api.run import Run
from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.reports.runs.find import LeftOut, read_runs
from cl_bench.reports.runs.group import group
from cl_bench.reports.runs.metrics import METRICS, metrics_beside
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.statistics.verdicts import judge
from cl_bench.reports.tables.differences import CHAPTER

if TYPE_CHECKING:
    import pandas as pd

IDENTITY = ("suite", "order", "preset", "method", "seed", "backbone", "precision", "digest")


@dataclass(frozen=True)
class Runs(Sequence[Run]):
    """Runs in the order of their directories; a copy of a run is there once.

    Attributes:
        runs: those that could be read.
        left_out: the others, each with the reason.
    """

    runs: tuple[Run, ...]
    left_out: tuple[LeftOut, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> Run | Runs:
        """One run, or some of them."""
        return Runs(self.runs[index]) if isinstance(index, slice) else self.runs[index]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        """One run after another."""
        return iter(self.runs)

    def filter(self, **wanted: Any) -> Runs:
        """The runs with these values.

        Args:
            **wanted: names of columns of ``to_frame`` that tell a run, such as ``method="lora"``,
                ``order="II"``, ``seed=0``; a list, tuple or set stands for any of its values.

        Raises:
            UserError: a name is unknown.
        """
        if odd := [name for name in wanted if name not in (*IDENTITY, "finished")]:
            raise unknown("column to filter by", odd[0], (*IDENTITY, "finished"))
        kept = [
            run for run in self.runs if all(_is(_identity(run)[n], v) for n, v in wanted.items())
        ]
        return Runs(tuple(kept), self.left_out)

    def to_frame(self) -> pd.DataFrame:
        """One line per run: what it is, its metrics (empty until it is finished) and its cost."""
        import pandas as pd

        names = (*METRICS, *metrics_beside(*(run.config for run in self.runs)))
        lines = [
            {**_identity(run), **{m: run.metrics.get(m) for m in names}, **asdict(run.cost)}
            for run in self.runs
        ]
        return pd.DataFrame(
            lines, index=pd.Index([str(run.path) for run in self.runs], name="path")
        )

    def table(self) -> pd.DataFrame:
        """One line per method of every group of runs that may be compared; means over seeds.

        A column ``NAME ±`` is half of the mean's 95 % interval over seeds, from three seeds on.
        """
        import pandas as pd

        lines = []
        for g in group(run.result for run in self.runs):
            for row in g.rows:
                line: dict[str, Any] = {"group": g.title, "method": row.label, "n": len(row.runs)}
                for metric in (*METRICS, *metrics_beside(g.config)):
                    spread = Spread(row.values(metric))
                    line |= {metric: spread.mean, f"{metric} ±": spread.half}
                lines.append(line)
        return pd.DataFrame(lines)

    def differences(self) -> pd.DataFrame:
        """Every pair of methods that may be compared: difference, errors, p values and the verdict.

        A verdict is ``higher``, ``images`` (higher on these images; seeds unknown) or ``alike``:
        docs/statistics.md says what they mean.
        """
        import pandas as pd

        lines = []
        for judged in map(judge, group(run.result for run in self.runs)):
            lines += [(judged.group.title, *line) for line in CHAPTER.lines(judged)]
        return pd.DataFrame(lines, columns=["group", *CHAPTER.header])

    def report(self, out: Path | str = "report", style: str = "screen") -> Path:
        """Write tables, plots and one HTML page, as ``cl-bench report`` does; returns the page.

        Args:
            out: the folder to write into.
            style: of the pictures: ``screen``, or ``paper`` for the columns of a paper.

        Raises:
            UserError: there is no run, or no such style.
        """
        from cl_bench.reports.report import write_report

        if not self.runs:
            raise UserError("there are no runs to report")
        write_report([run.path for run in self.runs], Path(out), style)
        return Path(out) / "report.html"


def load(*paths: Path | str) -> Runs:
    """Every run at or below some folders; by default below ``runs``.

    Raises:
        UserError: there is no run, or none that can be read.
    """
    found, left_out = read_runs([Path(path) for path in paths or ("runs",)])
    return Runs(tuple(Run(result) for result in found), tuple(left_out))


def _identity(run: Run) -> dict[str, Any]:
    c = run.config
    values = (
        c.suite.name, c.order, c.preset, c.method, c.seed, c.backbone.name, c.protocol.precision,
        c.digest(),
    )  # fmt: skip
    return {**dict(zip(IDENTITY, values, strict=True)), "finished": run.finished}


def _is(value: object, wanted: object) -> bool:
    return (
        value in wanted if isinstance(wanted, list | tuple | set | frozenset) else value == wanted
    )
