"""A folder of runs in, tables and pictures out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_bench.benchmark.errors import unknown
from cl_bench.benchmark.record import RunResult, write_atomically
from cl_bench.reports.literature import beside
from cl_bench.reports.page.page import render_page
from cl_bench.reports.plots.difference import shared_span
from cl_bench.reports.plots.gallery import (
    files_of,
    group_pictures,
    run_picture,
    study_picture,
    write_pictures,
)
from cl_bench.reports.plots.look import LOOKS, Look
from cl_bench.reports.runs.along import is_long
from cl_bench.reports.runs.classes import is_imbalanced
from cl_bench.reports.runs.find import LeftOut, read_runs
from cl_bench.reports.runs.group import group
from cl_bench.reports.runs.incremental import is_incremental
from cl_bench.reports.runs.slugs import group_slugs, safe, study_slugs
from cl_bench.reports.runs.studies import OrderStudy, order_studies
from cl_bench.reports.statistics.verdicts import Judged, judge
from cl_bench.reports.tables import (
    along,
    calibration,
    cost,
    differences,
    figures,
    held_out,
    imbalance,
    incremental,
    main,
    orders,
    per_class,
    per_task,
    retrieval,
    sheets,
)
from cl_bench.reports.tables.chapter import Chapter

USUAL = (differences.CHAPTER, per_task.CHAPTER, cost.CHAPTER, beside.CHAPTER)
OF_IMBALANCE = (imbalance.CHAPTER, per_class.CHAPTER)


@dataclass(frozen=True)
class Report:
    """What a report consists of.

    Attributes:
        files: what was written.
        left_out: run directories that are not in it, each with the reason in words.
    """

    files: tuple[Path, ...]
    left_out: tuple[LeftOut, ...]


def write_report(paths: Sequence[Path], out: Path, style: str = "screen") -> Report:
    """Write tables and pictures of every run at or below ``paths``.

    ``table`` compares the methods, ``per_task`` does so task by task; ``differences`` says which
    differences are real, ``cost`` what it takes and ``literature`` what others published; with held-out data
    sets ``held_out`` says what becomes of these, with retrieval sets ``retrieval`` of those, from twenty tasks on
    ``along`` what becomes of the run, with rare classes or tasks ``imbalance`` and ``per_class`` how well they are
    known, and ``incremental`` how well the classes seen so far are told apart where images are classified over
    those; ``orders`` compares orders of the same tasks, from three on. Each is there as Markdown,
    LaTeX and CSV; ``runs.csv`` has one line per run. ``plots/`` holds a heat map of
    every run and the pictures of every group as PNG, SVG and PDF, and ``report.html`` all of it on
    one page. The same runs give the same bytes. The page is deleted first and written last: where it is,
    the report is whole.

    Args:
        paths: run directories or folders of them.
        out: the folder to write into; what else it holds stays.
        style: of the pictures: ``screen``, or ``paper`` for the columns of a paper, without titles;
            ``figures.tex`` then has them with their captions.

    Raises:
        UserError: there is no such style, no run, or none that can be read.
    """
    if style not in LOOKS:
        raise unknown("style", style, LOOKS)
    runs, left_out = read_runs(paths)
    groups = [judge(g) for g in group(runs)]
    studies = order_studies([g.group for g in groups])
    (out / "report.html").unlink(missing_ok=True)
    chapters = _chapters(groups)
    files = [out / name for name in _write_tables(groups, studies, left_out, out, chapters)]
    files += _write_pictures_and_page(groups, studies, runs, left_out, out, LOOKS[style], chapters)
    return Report(tuple(files), tuple(left_out))


def _write_pictures_and_page(
    groups: list[Judged],
    studies: list[OrderStudy],
    runs: list[RunResult],
    left_out: list[LeftOut],
    out: Path,
    look: Look,
    chapters: Sequence[Chapter],
) -> list[Path]:
    slugs = group_slugs([g.group for g in groups])
    span = shared_span([g.group for g in groups])
    of_groups = [
        group_pictures(g.group, slug, span, look) for g, slug in zip(groups, slugs, strict=True)
    ]
    of_runs = [run_picture(run, _slug(run), look) for run in runs]
    of_studies = [
        study_picture(study, slug, look)
        for study, slug in zip(studies, study_slugs(studies), strict=True)
    ]
    wanted = [*(p for pictures in of_groups for p in pictures), *of_studies, *of_runs]
    written = write_pictures(wanted, out / "plots")
    there = {picture.name: picture for picture in written}
    sections = [
        (slug, g, [there[p.name] for p in pictures if p.name in there])
        for slug, g, pictures in zip(slugs, groups, of_groups, strict=True)
    ]
    ranked = [
        (study, there.get(picture.name)) for study, picture in zip(studies, of_studies, strict=True)
    ]
    runs_by_slug = [(_slug(run), run) for run in runs]
    page = render_page(sections, ranked, runs_by_slug, left_out, chapters, out / "plots")
    texts = {}
    if look.paper:
        texts["figures.tex"] = figures.latex([(p.name, p.caption, p.inches) for p in written])
    texts["report.html"] = page
    for name, text in texts.items():
        write_atomically(out / name, text.encode())
    drawn = (file for picture in written for file in files_of(picture, out / "plots"))
    return [*drawn, *(out / name for name in texts)]


def _write_tables(
    groups: list[Judged],
    studies: list[OrderStudy],
    left_out: list[LeftOut],
    out: Path,
    chapters: Sequence[Chapter],
) -> list[str]:
    texts = {
        "table.md": main.markdown(groups, left_out),
        "table.tex": main.latex(groups),
        "table.csv": sheets.rows_csv([g.group for g in groups]),
        "runs.csv": sheets.runs_csv([g.group for g in groups]),
    }
    for chapter in chapters:
        texts |= {
            f"{chapter.name}.md": chapter.markdown(groups),
            f"{chapter.name}.tex": chapter.latex(groups),
            f"{chapter.name}.csv": chapter.csv(groups),
        }
    if studies:
        texts |= {
            "orders.md": orders.markdown(studies),
            "orders.tex": orders.latex(studies),
            "orders.csv": orders.csv(studies),
        }
    for name, text in texts.items():
        write_atomically(out / name, text.encode())
    return list(texts)


def _chapters(groups: list[Judged]) -> tuple[Chapter, ...]:
    """What is said of the groups; of rare classes and the like only where a run has some."""
    held = any(g.group.config.held_out for g in groups)
    searched = any(g.group.config.retrieval for g in groups)
    rare = any(is_imbalanced(g.group) for g in groups)
    seen = any(is_incremental(g.group) for g in groups)
    long = any(is_long(g.group) for g in groups)
    return (
        *USUAL,
        *((along.CHAPTER,) if long else ()),
        *((incremental.CHAPTER,) if seen else ()),
        *((held_out.CHAPTER,) if held else ()),
        *((retrieval.CHAPTER,) if searched else ()),
        *((calibration.CHAPTER,) if any(map(calibration.keeps_scores, groups)) else ()),
        *(OF_IMBALANCE if rare else ()),
    )


def _slug(run: RunResult) -> str:
    """A file name that says which run it is; the digest at its end makes it unique."""
    c = run.config
    words = f"{c.suite.name}-{c.order}-{c.method}-seed{c.seed}"
    return f"{safe(words)}-{c.digest()}"
