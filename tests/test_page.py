"""The page in a real browser: it needs nothing but itself, sorts, and fits narrow screens."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from written_run import write_run

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.record import read_run, write_json
from cl_bench.cli import app, execute
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve
from cl_bench.reports.page import page
from cl_bench.reports.report import write_report
from cl_bench.reports.runs.command import reproduce

EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>{{ 7 * 7 }}'
CHROMIUM = shutil.which("chromium")
TASKS = ("toy-a", "toy-b", "toy-c")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three methods with two seeds, one with a bad name, an unfinished run, a damaged one."""
    root = tmp_path_factory.mktemp("page")
    for method in ("lora", "zscl", EVIL):
        for seed in (0, 1):
            write_run(root / "runs", method, seed, TASKS)
    write_run(root / "runs", "keeplora", 0, TASKS, learned=1, caveats=(EVIL,))
    write_run(root / "runs", "lora", 0, TASKS[::-1], order="II")
    broken = write_run(root / "runs", "broken", 0, TASKS)
    (broken / "matrix.csv").write_text("<b>nonsense")
    write_report([root / "runs"], root / "out")
    return root / "out" / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        assert not os.environ.get("CI"), "CI must have Chromium: see .ci/run"
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Page]:
    """The page; whatever it asked for or complained about fails the test."""
    trouble: list[str] = []
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.on("console", lambda message: trouble.append(f"console: {message.text}"))
    tab.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    tab.on("dialog", lambda dialog: (trouble.append("dialog"), dialog.dismiss()))
    tab.on("request", lambda request: trouble.append(request.url))
    tab.goto(report.as_uri())
    yield tab
    tab.close()
    assert [t for t in trouble if t != report.as_uri() and not t.startswith("data:")] == []


def column(tab: Page, index: int) -> list[str]:
    cells = tab.locator("section[id^=group-] table.sortable").first.locator("tbody tr")
    return [row.locator("td").nth(index).inner_text() for row in cells.all()]


def test_pictures_load(opened: Page) -> None:
    widths = opened.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) >= 8 and min(widths) > 300


def test_a_header_sorts_by_number_and_by_name(opened: Page) -> None:
    table = opened.locator("section[id^=group-] table.sortable").first
    header = table.locator("th", has_text="Transfer")
    index = table.locator("th").all_inner_texts().index("Transfer")
    header.locator("button").click()
    values = [float(text.split(" ")[0]) for text in column(opened, index)]
    assert len(values) == 3 and values == sorted(values, reverse=True)
    assert header.get_attribute("aria-sort") == "descending"
    header.locator("button").press("Enter")
    assert [float(t.split(" ")[0]) for t in column(opened, index)] == sorted(values)
    table.locator("th button").first.click()
    assert column(opened, 0) == sorted(column(opened, 0))
    assert header.get_attribute("aria-sort") is None


def test_every_chapter_opens_and_every_table_of_it_sorts(opened: Page) -> None:
    chapters = opened.locator("section[id^=group-]").first.locator("details.chapter")
    titles = [chapter.locator("summary").inner_text() for chapter in chapters.all()]
    assert titles == list(dict.fromkeys(titles)) and len(titles) == 4
    for chapter in chapters.all():
        assert not chapter.locator("table").first.is_visible()
        chapter.locator("summary").press("Enter")
        for table in chapter.locator("table.sortable").all():
            assert table.is_visible()
            before = table.locator("tbody tr").all_inner_texts()
            for header in table.locator("th:has(button)").all():
                header.locator("button").click()
                assert header.get_attribute("aria-sort") in ("ascending", "descending")
            after = table.locator("tbody tr").all_inner_texts()
            assert sorted(after) == sorted(before) and len(before) >= 1


def test_numbers_are_not_sorted_as_words_and_gaps_stay_last(opened: Page) -> None:
    body = "<tr><td>9</td></tr><tr><td>-</td></tr><tr><td>1,000</td></tr><tr><td>70 ± 1</td></tr>"
    table = opened.locator("section[id^=group-] table.sortable").first
    table.locator("tbody").evaluate("(element, rows) => { element.innerHTML = rows; }", body)
    table.locator("th button").first.click()
    assert column(opened, 0) == ["1,000", "70 ± 1", "9", "-"]
    table.locator("th button").first.click()
    assert column(opened, 0) == ["9", "70 ± 1", "1,000", "-"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_fits_the_window(opened: Page, width: int, scheme: Any) -> None:
    opened.emulate_media(color_scheme=scheme)
    opened.set_viewport_size({"width": width, "height": 800})
    opened.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    shade = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = sum(map(int, re.findall(r"\d+", shade)[:3])) < 200
    assert dark == (scheme == "dark")


def test_a_column_says_what_it_means_to_mouse_and_keyboard(opened: Page) -> None:
    header = opened.locator("section[id^=group-] table.sortable").first.locator("th button")
    tip = opened.locator("#tip")
    assert tip.is_hidden()
    for button in header.all()[1:]:
        button.focus()
        assert tip.is_visible() and len(tip.inner_text()) > 20
        assert tip.inner_text() == button.get_attribute("aria-description")
        box = tip.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 1280
    opened.keyboard.press("Escape")
    assert tip.is_hidden()
    header.nth(2).hover()
    assert "before they are learned" in tip.inner_text()


def test_the_contents_stay_in_sight_and_cover_no_heading(opened: Page) -> None:
    opened.locator("nav a", has_text="Runs").click()
    opened.wait_for_function("window.scrollY > 300")
    nav = opened.locator("nav").bounding_box()
    heading = opened.locator("#runs h2").bounding_box()
    assert nav and heading and nav["y"] == 0 and heading["y"] >= nav["height"]


@pytest.mark.parametrize(("width", "told"), [(400, True), (1280, False)])
def test_a_picture_that_does_not_fit_is_told_to_scroll(
    opened: Page, width: int, told: bool
) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    opened.wait_for_timeout(100)
    for figure in opened.locator("figure").all():
        inside = figure.locator(".scroll")
        wider = inside.evaluate("box => box.scrollWidth > box.clientWidth + 1")
        assert figure.locator(".turn").is_visible() == wider
    assert opened.locator("figure .turn").first.is_visible() == told


def test_the_first_screen_has_the_answer_and_the_table(opened: Page) -> None:
    section = opened.locator("section[id^=group-]").first
    sentence = section.locator("p.answer").inner_text()
    assert re.search(r"has the (highest|best) Average, \d\d", sentence) and "Verdict: " in sentence
    table = section.locator("table.sortable").first
    names = table.locator("th").all_inner_texts()
    assert {"Verdict (Average)", "Trainable", "Stored (MiB)", "Time (s)"} <= set(names)
    above = table.locator("thead tr.above")
    assert above.inner_text().startswith("zero-shot")
    table.locator("th button").nth(2).click()
    assert table.locator("thead tr.above").count() == 1, "sorting leaves it where it is"


def test_one_scale_of_type(opened: Page) -> None:
    opened.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    sizes = opened.evaluate(
        """[...new Set([...document.querySelectorAll('main *, nav *')]
        .filter(e => e.childNodes.length && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
        .map(e => getComputedStyle(e).fontSize))]"""
    )
    assert set(sizes) <= {"13px", "15px", "18px", "22px"}


def test_a_link_opens_its_run_and_the_keyboard_reaches_it(opened: Page) -> None:
    opened.locator("#runs table a", has_text="zscl").first.press("Enter")
    run = opened.locator("details.run[open]")
    run.wait_for()  # the browser tells of a followed link a moment later
    assert run.count() == 1 and "zscl" in run.locator("summary").first.inner_text()
    assert "cl-bench run --suite toy --method zscl" in run.locator("pre code").inner_text()
    assert run.locator("table.matrix tbody tr").count() == len(TASKS) + 1
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.closest('details.run').open")


def test_names_stay_names(opened: Page, report: Path) -> None:
    text = report.read_text()
    assert EVIL not in text and "&lt;script&gt;alert(2)&lt;/script&gt;{{ 7 * 7 }}" in text
    assert opened.locator("img[src=x]").count() == 0 and opened.locator("script").count() == 1
    assert EVIL in opened.locator("#runs table.sortable").inner_text()


def test_the_summary_says_what_is_missing(opened: Page) -> None:
    text = opened.locator("#summary").inner_text()
    assert "8 runs of 4 methods in 2 tables: 7 finished, 1 not finished" in text
    assert "1 left out" in text and "matrix.csv is damaged" in text
    assert "running, 1 of 3 tasks learned" in opened.locator("main").inner_text()


def test_same_runs_same_page(report: Path, tmp_path: Path) -> None:
    write_report([report.parents[1] / "runs"], tmp_path)
    assert (tmp_path / "report.html").read_bytes() == report.read_bytes()


def test_pictures_without_room_are_named(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(report.parent, tmp_path / "out")
    monkeypatch.setattr(page, "ROOM_FOR_PICTURES", 200_000)
    monkeypatch.setattr(
        "cl_bench.reports.report.write_pictures",
        lambda pictures, folder: [p for p in pictures if (folder / f"{p.name}.svg").exists()],
    )
    write_report([report.parents[1] / "runs"], out)
    text = (out / "report.html").read_text()
    assert "found no room" in text and 1 <= text.count("<img") < 8
    assert len(text) < 200_000 * 4 / 3 + 150_000


@pytest.mark.parametrize(
    ("seed", "choices"),
    [
        (0, Choices(method="lora")),
        (3, Choices(method="keeplora", order="II", overrides=("variant=paper", "lr=0.002"))),
        (1, Choices(method="zscl", order="mini-DTD,mini-MNIST", preset="paper")),
        (0, Choices(method="lora", tasks=2, overrides=("steps=8",), precision="bf16")),
        (2, Choices(method="lora", protocol="x-tail", shots=2, skip_broken=True)),
    ],
)
def test_the_command_repeats_the_run(
    seed: int, choices: Choices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = resolve(choices.model_copy(update={"seed": seed})).config
    path = write_run(tmp_path, tasks=config.tasks, sealed=False)
    write_json(path / "config.json", config.model_dump(mode="json"))
    caught: list[Any] = []
    monkeypatch.setattr(execute, "run_command", lambda *given: caught.append(given))
    program, *words = shlex.split(reproduce(read_run(path)))
    assert program == "cl-bench"
    app.app(words, standalone_mode=False)
    ((again, seeds, _, dry_run, *_),) = caught
    assert not dry_run and [
        resolve(again.model_copy(update={"seed": s})).config.digest() for s in seeds
    ] == [config.digest()]


def test_unusual_manifests_are_survived(tmp_path: Path) -> None:
    protocol = Protocol(augment="random_resized_crop")
    path = write_run(tmp_path / "runs", protocol=protocol, sealed=False)
    for manifest in ({"status": "finished"}, {"status": "finished", "sessions": ["?"]}):
        write_json(path / "manifest.json", manifest)
        write_report([tmp_path / "runs"], tmp_path / "out")
        assert "random resized crops" in (tmp_path / "out" / "report.html").read_text()
