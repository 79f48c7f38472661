"""A folder of runs in, tables and pictures out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult, read_run, write_atomically
from cl_bench.reports import cost, per_task, significance, tables
from cl_bench.reports.compare import Group, group
from cl_bench.reports.figures.gallery import (
    files_of,
    group_pictures,
    run_picture,
    write_pictures,
)
from cl_bench.reports.literature import beside
from cl_bench.reports.page import render_page

LeftOut = tuple[Path, str]
CHAPTERS = (per_task.CHAPTER, significance.CHAPTER, cost.CHAPTER, beside.CHAPTER)


@dataclass(frozen=True)
class Report:
    """What a report consists of.

    Attributes:
        files: what was written.
        left_out: run directories that are not in it, each with the reason in words.
    """

    files: tuple[Path, ...]
    left_out: tuple[LeftOut, ...]


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """Every directory at or below ``paths`` with a ``config.json`` or a ledger, sorted, each once."""
    names = ("config.json", "ledger.json")  # a run that lost its configuration is still named
    found = sorted({file.parent for path in paths for name in names for file in path.rglob(name)})
    return list({path.resolve(): path for path in reversed(found)}.values())[::-1]


def write_report(paths: Sequence[Path], out: Path) -> Report:
    """Write tables and pictures of every run at or below ``paths``.

    ``table`` compares the methods, ``per_task`` does so task by task; ``statistics`` says what is
    more than noise, ``cost`` what it takes and ``literature`` what others published, each as
    Markdown, LaTeX and CSV; ``runs.csv`` has one line per run. ``figures/`` holds a heat map of
    every run and the pictures of every group as PNG, SVG and PDF, and ``report.html`` all of it on
    one page. The same runs give the same bytes.

    Args:
        paths: run directories or folders of them.
        out: the folder to write into; what else it holds stays.

    Raises:
        UserError: there is no run, or none that can be read.
    """
    runs, left_out = _read(paths)
    groups = group(runs)
    files = [out / name for name in _write_tables(groups, left_out, out)]
    files += _write_pictures_and_page(groups, runs, left_out, out)
    return Report(tuple(files), tuple(left_out))


def _write_pictures_and_page(
    groups: list[Group], runs: list[RunResult], left_out: list[LeftOut], out: Path
) -> list[Path]:
    slugs = _group_slugs(groups)
    of_groups = [group_pictures(g, slug) for g, slug in zip(groups, slugs, strict=True)]
    of_runs = [run_picture(run, _slug(run)) for run in runs]
    wanted = [*(p for pictures in of_groups for p in pictures), *of_runs]
    written = write_pictures(wanted, out / "figures")
    there = {picture.name for picture in written}
    sections = [
        (slug, g, [p for p in pictures if p.name in there])
        for slug, g, pictures in zip(slugs, groups, of_groups, strict=True)
    ]
    page = render_page(
        sections, [(_slug(run), run) for run in runs], left_out, CHAPTERS, out / "figures"
    )
    write_atomically(out / "report.html", page.encode())
    return [*(f for p in written for f in files_of(p, out / "figures")), out / "report.html"]


def _write_tables(groups: list[Group], left_out: list[LeftOut], out: Path) -> list[str]:
    texts = {
        "table.md": tables.markdown(groups, left_out),
        "table.tex": tables.latex(groups),
        "table.csv": tables.rows_csv(groups),
        "runs.csv": tables.runs_csv(groups),
    }
    for chapter in CHAPTERS:
        texts |= {
            f"{chapter.name}.md": chapter.markdown(groups),
            f"{chapter.name}.tex": chapter.latex(groups),
            f"{chapter.name}.csv": chapter.csv(groups),
        }
    for name, text in texts.items():
        write_atomically(out / name, text.encode())
    return list(texts)


def _read(paths: Sequence[Path]) -> tuple[list[RunResult], list[LeftOut]]:
    """Every run that can be read, once; the others with their reason."""
    runs, left_out = [], []
    found = find_runs(paths)
    for path in found:
        try:
            runs.append(read_run(path))
        except UserError as error:
            left_out.append((path, str(error)))
    if not runs:
        where = ", ".join(map(str, paths))
        if not found:
            raise UserError(f"no runs under {where}: start one with `cl-bench run`")
        reasons = "; ".join(reason for _, reason in left_out)
        raise UserError(f"no readable run under {where}: {reasons}")
    unique, repeated = _once(runs)
    return unique, sorted([*left_out, *repeated])


def _once(runs: list[RunResult]) -> tuple[list[RunResult], list[LeftOut]]:
    """Keep one run of each configuration and seed: a copy is no further evidence.

    The one with the most tasks learned stays, of equals the first by path.
    """
    kept: dict[str, RunResult] = {}
    order = sorted(runs, key=lambda run: (not run.finished, -len(run.matrix.rows)))
    for run in order:
        kept.setdefault(run.config.digest(), run)
    stays = {run.path for run in kept.values()}
    repeated = [
        (run.path, f"repeats {kept[run.config.digest()].path}: same settings and seed")
        for run in runs
        if run.path not in stays
    ]
    return [run for run in runs if run.path in stays], repeated


def _group_slugs(groups: list[Group]) -> list[str]:
    """A file name for every group; a number tells apart those with the same words."""
    seen: Counter[str] = Counter()
    slugs = []
    for g in groups:
        slug = _safe(f"{g.config.suite.name}-{g.config.order}-{g.config.preset}")
        seen[slug] += 1
        slugs.append(slug if seen[slug] == 1 else f"{slug}-{seen[slug]}")
    return slugs


def _slug(run: RunResult) -> str:
    """A file name that says which run it is; the digest at its end makes it unique."""
    c = run.config
    words = f"{c.suite.name}-{c.order}-{c.method}-seed{c.seed}"
    return f"{_safe(words)}-{c.digest()}"


def _safe(words: str) -> str:
    """Words as part of a file name and of an anchor, without a dot: no part reads as a suffix."""
    return re.sub(r"[^A-Za-z0-9+-]+", "_", words)[:120]
