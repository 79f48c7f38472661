"""The page with few and many tasks and methods, on wide and narrow screens, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from test_page import browser
from written_run import write_run

from cl_bench.reports.plots.gallery import Picture
from cl_bench.reports.report import write_report

__all__ = ["browser"]  # the fixture
NAMES = ("mini-StanfordCars", "mini-Food", "mini-MNIST", "mini-OxfordPet", "mini-Flowers",
         "mini-SUN397", "mini-Aircraft", "mini-Caltech101", "mini-DTD", "mini-EuroSAT",
         "mini-CIFAR100")  # fmt: skip
WIDTHS = (400, 1280)
HEIGHT = 900  # of the first screen
BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="430pt" height="300pt"/>'
SIZES = [(tasks, methods) for tasks in (2, 4, 11) for methods in (2, 19)]
# Lightness of text over that of what it stands on, as WCAG 2 defines it; the lowest of the page.
CONTRAST = """() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const below = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)|transparent/.test(c)) return c; } };
  const found = [...document.querySelectorAll('main *, nav *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => { const [a, b] = [light(getComputedStyle(e).color), light(below(e))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 90)]; });
  return found.sort((a, b) => a[0] - b[0])[0]; }"""


def blank(pictures: list[Picture], folder: Path) -> list[Picture]:
    """Pictures of one size, in no time."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        (folder / f"{picture.name}.svg").write_text(BLANK)
    return pictures


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: f"{size[0]}-tasks-{size[1]}-methods")
def opened(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    tasks, methods = request.param
    root = tmp_path_factory.mktemp("sizes")
    for i in range(methods):
        for seed in range(2 if methods == 2 else 1):  # two have the longest numbers: both ends
            write_run(root / "runs", f"a-method-{i}", seed, NAMES[:tasks], subspaces=i == 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cl_bench.reports.report.write_pictures", blank)
        write_report([root / "runs"], root / "out")
    tab = browser.new_page()
    tab.goto((root / "out" / "report.html").as_uri())
    yield tab
    tab.close()


def resize(tab: Page, width: int, whole: bool) -> None:
    tab.set_viewport_size({"width": width, "height": HEIGHT})
    tab.evaluate("open => document.querySelectorAll('details').forEach(d => d.open = open)", whole)
    tab.wait_for_timeout(150)  # the page tells what scrolls a moment later


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen_and_what_scrolls_says_so(
    opened: Page, width: int
) -> None:
    resize(opened, width, whole=True)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    silent = opened.evaluate(
        """() => [...document.querySelectorAll('.scroll')].filter(box => !box.querySelector('pre')
        && box.offsetParent && box.scrollWidth > box.clientWidth + 1)
        .filter(box => { const figure = box.closest('figure');
          const words = figure ? figure.querySelector('.turn') : box.previousElementSibling;
          return !words?.matches('.turn') || words.hidden; }).map(box => box.ariaLabel)"""
    )
    assert silent == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_screen_holds_the_answer_and_the_best_row(opened: Page, width: int) -> None:
    resize(opened, width, whole=False)
    opened.evaluate("window.scrollTo(0, 0)")
    row = opened.locator("section[id^=group-] table.sortable tbody tr").first.bounding_box()
    answer = opened.locator("p.answer").first.bounding_box()
    assert answer and row and answer["y"] < row["y"] and row["y"] + row["height"] <= HEIGHT


def test_the_main_table_fits_a_wide_screen(opened: Page) -> None:
    resize(opened, 1280, whole=False)
    box = opened.locator("section[id^=group-] .scroll").first
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")


def test_a_range_is_never_broken(opened: Page) -> None:
    resize(opened, 400, whole=True)
    lines = opened.evaluate(
        """() => [...document.querySelectorAll('table.sortable td > span')]
        .filter(span => span.offsetParent).map(span => span.getClientRects().length)"""
    )
    assert set(lines) <= {1}


@pytest.mark.parametrize("width", WIDTHS)
def test_a_caption_makes_no_figure_wider_than_its_picture(opened: Page, width: int) -> None:
    """Else pictures that would fit side by side stand in one column beside an empty half."""
    resize(opened, width, whole=False)
    over: list[Any] = opened.evaluate(
        """() => [...document.querySelectorAll('figure')].map(figure =>
        [figure.offsetWidth - figure.querySelector('img').offsetWidth, figure.offsetTop])"""
    )
    assert over and all(extra <= 1 for extra, _ in over)
    if width == 1280:
        assert len({top for _, top in over}) <= (len(over) + 1) // 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(opened: Page, scheme: Any) -> None:
    opened.emulate_media(color_scheme=scheme)
    resize(opened, 1280, whole=True)
    ratio, where = opened.evaluate(CONTRAST)
    assert ratio >= 4.5, where
