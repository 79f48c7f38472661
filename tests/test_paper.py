"""Pictures for a paper: as wide as its columns, 8 pt, fonts embedded, nothing said twice, nothing overlaps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from command_line import cl_bench
from latex_reader import read
from matplotlib.figure import Figure
from matplotlib.text import Text
from pypdf import PageObject, PdfReader
from test_plots import LONG, grouped, texts_of
from written_run import write_run

from cl_bench.reports.plots.difference import draw_difference
from cl_bench.reports.plots.dots import draw_dots
from cl_bench.reports.plots.forgetting import draw_forgetting
from cl_bench.reports.plots.heat_map import draw_heat_map
from cl_bench.reports.plots.look import PAPER, SCREEN
from cl_bench.reports.plots.pareto import draw_pareto
from cl_bench.reports.plots.radar import draw_radar
from cl_bench.reports.plots.sequence import draw_sequence
from cl_bench.reports.plots.style import save
from cl_bench.reports.plots.subspace import draw_subspace
from cl_bench.reports.runs.group import Group

POINTS = 72  # an inch
NARROW, WIDE = 3.3, 7.0
WIDTHS = {  # of pictures of six tasks
    "dots": WIDE, "sequence": WIDE, "forgetting": WIDE, "pareto": WIDE, "radar": NARROW,
    "difference-1-2": WIDE, "subspace-1": WIDE,
}  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods on six tasks and on two, through the command line."""
    root = tmp_path_factory.mktemp("paper")
    for method in ("lora", "zscl"):
        for tasks in (LONG[:6], ("a", "b")):
            write_run(root / "runs", method, tasks=tasks, subspaces=True, order=f"{len(tasks)}")
    with pytest.MonkeyPatch.context() as patch:
        words = ("report", str(root / "runs"), "--out", str(root / "out"), "--style", "paper")
        assert cl_bench(patch, *words) == 0
    return root / "out"


def pages(report: Path) -> Iterator[tuple[str, PageObject]]:
    for file in sorted((report / "plots").glob("*.pdf")):
        (page,) = PdfReader(file).pages
        yield file.stem, page


def test_every_page_is_as_wide_as_a_column_or_two(report: Path) -> None:
    found = {name: float(page.mediabox.width) / POINTS for name, page in pages(report)}
    assert len(found) == 19
    assert all(width in map(pytest.approx, (NARROW, WIDE)) for width in found.values())
    for kind, width in WIDTHS.items():
        assert found[f"toy-6-fair-{kind}"] == pytest.approx(width), kind
    for kind in ("difference-1-2", "subspace-1"):
        assert found[f"toy-2-fair-{kind}"] == pytest.approx(NARROW), "two tasks fit one column"


def test_fonts_are_embedded_and_of_no_type_that_is_refused(report: Path) -> None:
    for name, page in pages(report):
        fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
        assert fonts, name
        for font in fonts:
            (inner,) = [f.get_object() for f in font.get("/DescendantFonts", [font])]
            assert font["/Subtype"] != "/Type3" and "/FontFile2" in inner["/FontDescriptor"], name


def test_letters_are_of_one_size(report: Path) -> None:
    for name, page in pages(report):
        sizes: set[float] = set()

        def heard(
            text: str, _: Any, at: list[float], __: Any, size: float, into: set[float] = sizes
        ) -> None:
            if text.strip():
                into.add(round(size * (at[0] ** 2 + at[1] ** 2) ** 0.5, 1))

        page.extract_text(visitor_text=heard)
        assert sizes == {8.0}, name


def test_what_a_picture_shows_stands_in_its_caption_alone(report: Path) -> None:
    """Nothing of it in the picture, all of it in figures.tex, and on the page."""
    shown = {name: page.extract_text() for name, page in pages(report)}
    text = (report / "figures.tex").read_text()
    html = (report / "report.html").read_text()
    figures = re.findall(
        r"\\begin\{(figure\*?)\}.*?width=(\S+)in\]\{plots/(.*?)\.pdf\}\n\\caption\{(.*?)\}\n", text,
        re.DOTALL,
    )  # fmt: skip
    assert {name for _, _, name, _ in figures} == shown.keys()
    for kind, width, name, caption in figures:
        assert (kind, width) in {("figure", "3.3"), ("figure*", "7")}
        assert "tasks without images" in caption and "tasks without images" not in shown[name]
        assert len(caption) > 60
        if "-fair-" in name:  # of a group: on the page, too
            assert caption.replace("\\%", "%")[:40] in html
    assert "hollow: bounds" in text and not any("hollow" in words for words in shown.values())
    assert read(text).labels == [f"fig:{name}" for _, _, name, _ in figures]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Group:
    """Nineteen rows on eleven tasks, all with long names."""
    names = [f"a-method-that-is-called-so-{i:02d}" for i in range(19)]
    return grouped(tmp_path_factory.mktemp("crowd"), *names, tasks=LONG, subspaces=True)


def draws(group: Group) -> dict[str, Callable[..., Figure | None]]:
    first, second = group.rows[:2]
    whole = (draw_dots, draw_sequence, draw_forgetting, draw_radar, draw_pareto)
    return {draw.__name__: partial(draw, group) for draw in whole} | {
        "draw_heat_map": partial(draw_heat_map, first.runs[0]),
        "draw_difference": partial(draw_difference, group, first, second, 10.0),
        "draw_subspace": partial(draw_subspace, group, first),
    }


NAMES = ["dots", "sequence", "forgetting", "radar", "pareto", "heat_map", "difference", "subspace"]


def must_be_legible(figure: Figure, file: Path) -> None:
    """No title, one size of letters, no text on another or cut off."""
    save(figure, [file])
    assert not figure.get_suptitle() and str(figure.get_label())
    titles = [axes.get_title(loc) for axes in figure.axes for loc in ("left", "center", "right")]
    assert not any(titles)
    seen = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    assert {t.get_fontsize() for t in seen if t.axes is None or t.axes.axison} <= {8.0}
    shown = texts_of(figure)
    assert len(shown) > 5
    for (one, a), (two, b) in combinations(shown, 2):
        assert not a.shrunk(0.9, 0.8).overlaps(b.shrunk(0.9, 0.8)), f"{one!r} on {two!r}"
    for text, box in shown:
        inside = box.x0 >= -1 and box.x1 <= figure.bbox.width + 1
        assert inside and box.y0 >= -1 and box.y1 <= figure.bbox.height + 1, f"{text!r} is cut off"


@pytest.mark.parametrize("name", NAMES)
def test_nineteen_methods_and_eleven_tasks_have_room(
    crowd: Group, name: str, tmp_path: Path
) -> None:
    figure = draws(crowd)[f"draw_{name}"](look=PAPER)
    assert figure is not None
    must_be_legible(figure, tmp_path / "x.pdf")


@pytest.mark.parametrize(("tasks", "seeds"), [(2, 3), (3, 2), (4, 1)])
def test_few_tasks_and_every_number_of_seeds_have_room(
    tasks: int, seeds: int, tmp_path: Path
) -> None:
    for seed in range(seeds):
        group = grouped(tmp_path, "one", "two", tasks=LONG[:tasks], seed=seed, subspaces=True)
    for name, draw in draws(group).items():
        figure = draw(look=PAPER)
        if figure is not None:
            must_be_legible(figure, tmp_path / f"{name}.pdf")


def test_every_point_has_a_number_and_every_number_a_name(crowd: Group) -> None:
    figure = draw_pareto(crowd, look=PAPER)
    assert figure is not None
    (legend,) = figure.legends
    named = dict(text.get_text().split("  ") for text in legend.get_texts())
    ranked = [row.label for row in crowd.rows if not row.bound]
    assert len(named) == 19 and sorted(named.values()) == sorted(ranked)
    for axes in figure.axes:
        numbers = [t for t in axes.texts if t.get_text()]
        assert sorted(t.get_text() for t in numbers) == sorted(named)
        for text in numbers:
            height = text.xy[1]  # type: ignore[attr-defined]
            (row,) = [row for row in crowd.rows if row.label == named[text.get_text()]]
            assert row.mean("average") == pytest.approx(height)


def test_a_method_with_one_point_is_seen(tmp_path: Path) -> None:
    """Two tasks give forgetting one value: a line through it would show nothing."""
    group = grouped(tmp_path, *(f"m{i}" for i in range(9)), tasks=("a", "b"))
    figure = draw_forgetting(group)
    assert figure is not None
    right = figure.axes[1]
    curves = [line for line in right.lines if len(line.get_xdata()) == 1]  # type: ignore[arg-type]
    assert len(curves) == 9 and all(line.get_marker() not in ("", "None") for line in curves)


def test_the_screen_stays_as_it_was(crowd: Group) -> None:
    figure = draw_dots(crowd)
    assert figure is not None and figure.get_figwidth() == 11.0 and figure.get_suptitle()
    assert SCREEN.settings["font.size"] == 9 and not SCREEN.paper
    assert mpl.rcParams["font.size"] == mpl.rcParamsDefault["font.size"]


def test_an_unknown_style_is_named(
    report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("report", str(report.parent / "runs"), "--out", str(report), "--style", "papr")
    assert cl_bench(monkeypatch, *words) == 2
    assert "unknown style 'papr': did you mean 'paper'" in capsys.readouterr().err
