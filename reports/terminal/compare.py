"""Two methods, or two runs, side by side on the terminal: data set by data set, and what it amounts to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from cl_bench.reports.runs.metrics import MAIN, NAMES
from cl_bench.reports.runs.names import circumstances, short_names
from cl_bench.reports.runs.numbers import plain
from cl_bench.reports.statistics.side_by_side import Pair, Side, SideBySide
from cl_bench.reports.statistics.verdicts import Verdict
from cl_bench.reports.tables.differences import difference_in_words, interval_in_words, p_in_words

MARKS = {Verdict.higher: "*", Verdict.images: "°", Verdict.alike: "\u00a0"}  # as wide as the others
NOTE = (
    "*: the two can be told apart on this data set, for other test images and other seeds (5 % for all data "
    "sets of a metric together, after Holm); °: on these test images, seeds unknown."
)
UNBROKEN = 10_000  # characters
NONE = ("-", "-", "-\u00a0")  # the first data set has no Transfer


def compare(found: SideBySide) -> RenderableType:
    """Transfer, Average and Last of both, data set by data set, and what may be said of them."""
    heading = Text(f"a  {_name(found.a)}\nb  {_name(found.b)}\n{circumstances(found.a.config)}\n")
    warnings = [Text(words + "\n", style="yellow") for words in found.warnings]
    sentences = [_sentence(NAMES[metric], pair) for metric, pair in found.metrics.items()]
    return Group(heading, *warnings, _Tables(found), Text(NOTE + "\n", style="dim"), *sentences)


def _name(side: Side) -> str:
    variant = side.config.method_settings.get("variant")
    return (
        f"{side.config.method}{f' ({variant})' if variant else ''}, preset {side.config.preset}, "
        f"seed{'s' if len(side.seeds) > 1 else ''} {', '.join(map(str, side.seeds))}"
    )


@dataclass(frozen=True)
class _Tables:
    """Data sets down; a, b and their difference across: of all metrics, or one after the other.

    Attributes:
        found: both sides.
    """

    found: SideBySide

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One table where it fits without a broken line."""
        of_tasks = [metric for metric in self.found.tasks if metric in MAIN]
        whole = _table(self.found, of_tasks)
        unbroken = Measurement.get(console, options.update(width=UNBROKEN), whole).maximum
        if unbroken <= options.max_width:
            yield whole
        else:
            yield from (_table(self.found, [metric]) for metric in of_tasks)
        beside = [metric for metric in self.found.tasks if metric not in MAIN]
        for metric in beside:
            yield from (Text(""), _table(self.found, [metric]))


def _table(found: SideBySide, metrics: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("data set", overflow="fold")  # gives way before a number does
    for metric in metrics:
        for column in (f"{NAMES[metric]} a", "b", "b - a"):
            table.add_column(column, justify="right", no_wrap=True)
    config = found.a.config
    every = (*config.tasks, *config.held_out, *config.retrieval)
    parts = [part for part in every if any(part in found.tasks[metric] for metric in metrics)]
    for name, part in zip(short_names(parts), parts, strict=True):
        pairs = (found.tasks[metric].get(part) for metric in metrics)
        table.add_row(name, *(cell for pair in pairs for cell in (_cells(pair) if pair else NONE)))
    return table


def _cells(pair: Pair) -> tuple[str, str, str]:
    """a, b, and b minus a with its mark."""
    shown = difference_in_words(pair.difference, pair.judgement)
    return plain(pair.a), plain(pair.b), shown + MARKS[pair.judgement.verdict]


def _sentence(metric: str, pair: Pair) -> Text:
    """The metric over all data sets: the three questions apart, then the verdict."""
    judgement, d = pair.judgement, pair.judgement.difference
    ours, theirs = (d.b, d.a) if pair.sign == 1 else (d.a, d.b)
    verdict = str(judgement.verdict)
    if judgement.verdict is not Verdict.alike:
        verdict = f"{judgement.a} is {verdict}"
    return Text.assemble(
        (
            f"{metric}  b - a {difference_in_words(pair.difference, judgement)}: {verdict}\n",
            "bold",
        ),
        f"  these images  p {p_in_words(d.images.p)} for other test images of the same data sets\n",
        f"  other seeds   a {ours.words()}, b {theirs.words()}{'' if d.both else ': unknown'}\n",
        f"  both          {interval_in_words(judgement, pair.sign)}",
        " (95 % interval)\n" if d.both else "\n",
    )
