"""The whole report as one HTML file that needs no server and no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from cl_bench.benchmark.record import RunResult
from cl_bench.reports.page.run_view import RunView, status_in_words, view_run
from cl_bench.reports.plots.gallery import Picture
from cl_bench.reports.runs.find import LeftOut
from cl_bench.reports.runs.metrics import MAIN, NAMES
from cl_bench.reports.runs.names import short_names
from cl_bench.reports.runs.numbers import plain
from cl_bench.reports.runs.slugs import study_slugs
from cl_bench.reports.runs.studies import OrderStudy
from cl_bench.reports.statistics.verdicts import Judged, Verdict
from cl_bench.reports.tables import orders
from cl_bench.reports.tables.answer import answer
from cl_bench.reports.tables.chapter import Chapter
from cl_bench.reports.tables.definitions import DEFINITIONS
from cl_bench.reports.tables.main import READING, SEPARATE, main_table
from cl_bench.reports.tables.table import Cell, Table

TEMPLATES = Path(__file__).parent / "templates"
ROOM_FOR_PICTURES = 9_000_000  # bytes before they grow by a third in base64


@dataclass(frozen=True)
class GroupView:
    """A group as the page shows it.

    Attributes:
        anchor: where links to it lead.
        short: its name in the navigation.
        judged: the runs that may be compared, and what may be said of them.
        tasks: their short names in order.
        answer: what the table amounts to, in sentences.
        table: every metric of every method, with verdict and cost.
        chapters: heading, how to read it, and the tables of each chapter.
        pictures: file name, caption and data URI of each that found room.
        left_to_files: names of the pictures that did not.
        not_ranked: its unfinished runs, in words.
    """

    anchor: str
    short: str
    judged: Judged
    tasks: tuple[str, ...]
    answer: tuple[str, ...]
    table: Table
    chapters: tuple[tuple[str, str, Sequence[Table]], ...]
    pictures: tuple[tuple[str, str, str], ...]
    left_to_files: tuple[str, ...]
    not_ranked: tuple[str, ...]


@dataclass(frozen=True)
class StudyView:
    """Orders of the same tasks as the page shows them.

    Attributes:
        anchor: where links to it lead.
        title: the suite, the number of orders and of tasks.
        tables: the methods, and their pairs.
        pictures: as of a group.
    """

    anchor: str
    title: str
    tables: tuple[Table, ...]
    pictures: tuple[tuple[str, str, str], ...]


def render_page(
    groups: Sequence[tuple[str, Judged, Sequence[Picture]]],
    studies: Sequence[tuple[OrderStudy, Picture | None]],
    runs: Sequence[tuple[str, RunResult]],
    left_out: Sequence[LeftOut],
    chapters: Sequence[Chapter],
    plots: Path,
) -> str:
    """The page as text; the same runs give the same bytes.

    Args:
        groups: slug, runs and written pictures of every group.
        studies: orders of the same tasks, with the written picture.
        runs: every run with the slug that it is known by.
        left_out: run directories that could not be read, each with the reason.
        chapters: what else is said of every group.
        plots: the folder of the pictures; their SVG is embedded.
    """
    room = ROOM_FOR_PICTURES
    sections = []
    for slug, judged, pictures in groups:
        section = _view_group(slug, judged, pictures, chapters, plots, room)
        room -= sum(len(uri) for _, _, uri in section.pictures) * 3 // 4
        sections.append(section)
    slugs = study_slugs([study for study, _ in studies])
    study_views = [
        _view_study(slug, study, picture, plots, room)
        for slug, (study, picture) in zip(slugs, studies, strict=True)
    ]
    run_views = [view_run(slug, run) for slug, run in runs]
    script, style = (_source(name) for name in ("report.js", "report.css"))
    return _template().render(
        script=script,
        style=style,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        winners=_winners(sections),
        counts=_counts(groups, runs, left_out),
        groups=sections,
        studies=study_views,
        orders_title=orders.TITLE,
        orders_reading=orders.READING,
        runs=run_views,
        runs_table=_runs_table(run_views),
        left_out=[(path.as_posix(), reason) for path, reason in left_out],
        definitions=DEFINITIONS,
        reading=READING.format(best="in bold", second="underlined"),
        separate=SEPARATE,
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text()


def _view_group(
    slug: str,
    judged: Judged,
    pictures: Sequence[Picture],
    chapters: Sequence[Chapter],
    plots: Path,
    room: int,
) -> GroupView:
    group, config = judged.group, judged.group.config
    embedded, left = _embed(pictures, plots, room)
    return GroupView(
        anchor=f"group-{slug}",
        short=f"{config.suite.name}, order {config.order}, {config.preset}",
        judged=judged,
        tasks=tuple(short_names(config.tasks)),
        answer=answer(judged),
        table=main_table(judged),
        chapters=tuple((c.title, c.reading, c.tables(judged)) for c in chapters),
        pictures=tuple(embedded),
        left_to_files=tuple(left),
        not_ranked=tuple(
            f"{run.config.method}, seed {run.config.seed}: {status_in_words(run)}"
            for run in group.unfinished
        ),
    )


def _view_study(
    slug: str, study: OrderStudy, picture: Picture | None, plots: Path, room: int
) -> StudyView:
    embedded, _ = _embed([picture] if picture else [], plots, room)
    return StudyView(
        anchor=f"study-{slug}",
        title=orders.titled(study),
        tables=(orders.study_table(study), orders.pairs_table(study)),
        pictures=tuple(embedded),
    )


def _embed(
    pictures: Sequence[Picture], plots: Path, room: int
) -> tuple[list[tuple[str, str, str]], list[str]]:
    """File name, caption and data URI of the pictures that find room, and names of the others."""
    embedded, left = [], []
    for picture in pictures:
        svg = (plots / f"{picture.name}.svg").read_bytes()
        if len(svg) > room:
            left.append(picture.name)
            continue
        room -= len(svg)
        uri = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
        embedded.append((picture.name, picture.caption, uri))
    return embedded, left


def _winners(sections: Sequence[GroupView]) -> Table:
    """Per group, the highest mean of each metric and whose it is."""
    placed = {metric for section in sections for _, metric in section.judged.group.places}
    metrics = [metric for metric in NAMES if metric in placed]
    rows = []
    for section in sections:
        best = [_best(section.judged, metric) for metric in metrics]
        rows.append((Cell(section.short, link=section.anchor), *best))
    return Table(("Runs compared", *(NAMES[f] for f in metrics)), tuple(rows))


def _best(judged: Judged, metric: str) -> Cell:
    """The highest of a metric, and how many others cannot be told apart from it."""
    group = judged.group
    rows = [row for row in group.rows if group.places.get((row.label, metric)) == 1]
    mean = rows[0].mean(metric) if rows else None
    if mean is None:
        return Cell("-")
    alike = sum(verdict is Verdict.alike for verdict in judged.verdicts(metric).values())
    others = f", ≈ {_many(alike, 'other')}" if alike else ""
    return Cell(f"{plain(mean)}  {', '.join(row.label for row in rows)}{others}", value=mean)


def _counts(
    groups: Sequence[tuple[str, Judged, Sequence[Picture]]],
    runs: Sequence[tuple[str, RunResult]],
    left_out: Sequence[LeftOut],
) -> str:
    finished = sum(run.finished for _, run in runs)
    methods = len({run.config.method for _, run in runs})
    return (
        f"{_many(len(runs), 'run')} of {_many(methods, 'method')} in "
        f"{_many(len(groups), 'table')}: {finished} finished, {len(runs) - finished} not finished "
        f"and not ranked, {len(left_out)} left out."
    )


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _runs_table(runs: Sequence[RunView]) -> Table:
    header = ("Method", "Suite", "Order", "Preset", "Seed", "Status", "Transfer", "Average", "Last")
    rows = []
    for view in runs:
        config, metrics = view.run.config, view.run.matrix.metrics()
        shown = [metrics.get(f) for f in MAIN]
        names = (config.suite.name, config.order, config.preset, str(config.seed), view.status)
        rows.append(
            (
                Cell(config.method, link=view.anchor),
                *map(Cell, names),
                *(Cell("-") if v is None else Cell(plain(v, 2), value=v) for v in shown),
            )
        )
    return Table(header, tuple(rows))
