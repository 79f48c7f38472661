"""What a report says of long streams: after which task, of which tower, and that lengths are not mixed.

What would be wrong without a word: a number of the task before or behind; a mean over seeds of which one holds no
such number; one tower's dimensions as the other's; growth that counts the first task; runs of 22 tasks ranked with
runs of 110; a table of a length that the runs do not have.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text
from written_run import write_run

from cl_bench.benchmark.record import read_run
from cl_bench.benchmark.records.events import Learned, Saved, those
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve
from cl_bench.reports.plots.along import draw_along
from cl_bench.reports.plots.look import PAPER, SCREEN, Look
from cl_bench.reports.report import write_report
from cl_bench.reports.runs.along import QUANTITIES, along, growth, marks
from cl_bench.reports.runs.group import Group, group
from cl_bench.reports.runs.names import circumstances
from cl_bench.reports.statistics.verdicts import judge
from cl_bench.reports.tables.along import CHAPTER

TASKS = tuple(f"toy-{i}" for i in range(22))


def written(root: Path, tasks: tuple[str, ...] = TASKS, **changes: object) -> Group:
    for method in ("lora", "keeplora"):
        for seed in (0, 1):
            write_run(
                root, method, seed, tasks, images=20, subspaces=method == "keeplora", **changes
            )  # type: ignore[arg-type]
    (found,) = group(read_run(path.parent) for path in sorted(root.rglob("config.json")))
    return found


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Group:
    return written(tmp_path_factory.mktemp("runs"))


def test_every_number_is_that_of_its_task(long: Group) -> None:
    for row in long.rows:
        runs = row.runs
        for place in (0, 7, 21):
            rows = [np.array(run.matrix.rows) for run in runs]
            assert along(row, "last")[place] == pytest.approx(
                fmean(r[place, : place + 1].mean() for r in rows)
            )
            transfers = [[r[: min(j, place + 1), j].mean() for j in range(1, 22)] for r in rows]
            assert along(row, "transfer")[place] == pytest.approx(np.mean(transfers))
            learned = [those(run.events, Learned)[place] for run in runs]
            saved = [those(run.events, Saved)[place] for run in runs]
            assert along(row, "seconds")[place] == pytest.approx(
                fmean(sum(e.seconds.values()) for e in learned)
            )
            assert along(row, "memory")[place] == pytest.approx(
                fmean(e.peak_memory["process"] for e in learned) / 2**30
            )
            assert along(row, "checkpoint")[place] == fmean(e.bytes for e in saved) / 2**20
    for metric in ("transfer", "last"):
        for row in long.rows:
            assert along(row, metric)[-1] == pytest.approx(row.mean(metric)), (
                "at the end, the run's own"
            )


def test_protected_dimensions_are_those_of_their_tower(long: Group) -> None:
    """Block b of a written run has 10 i + b dimensions after i tasks; four blocks see, three read."""
    for row in long.rows:
        vision, text = along(row, "protected_vision"), along(row, "protected_text")
        if row.label == "lora":
            assert vision == text == []
        else:
            assert vision == [10 * i + 1.5 for i in range(1, 23)]
            assert text == [10 * i + 1.0 for i in range(1, 23)]


def test_what_one_seed_does_not_hold_is_not_known_of_all(tmp_path: Path) -> None:
    written(tmp_path)
    log = min(
        tmp_path.glob("seed1-*/events.jsonl"), key=lambda path: "keeplora" in path.read_text()
    )
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if line["event"] == "learned" and line["learned"] == 9:
            line["peak_memory"] = {}
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (log.parent / "ledger.json").unlink()
    manifest = json.loads((log.parent / "manifest.json").read_text())
    del manifest["ledger"]
    (log.parent / "manifest.json").write_text(json.dumps(manifest))
    (found,) = group(read_run(path.parent) for path in sorted(tmp_path.rglob("config.json")))
    changed = read_run(log.parent).config.method
    for row in found.rows:
        assert (along(row, "memory") == []) == (row.label == changed)
        assert len(along(row, "seconds")) == 22


def test_a_model_that_saw_all_tasks_has_no_transfer_along_them(tmp_path: Path) -> None:
    seen = written(tmp_path, extra_data={"all tasks": "of this suite, from the start"})
    for row in seen.rows:
        assert along(row, "transfer") == [] and len(along(row, "last")) == 22


def test_growth_is_a_slope_without_the_first_task() -> None:
    assert growth([99.0, 1.0, 3.0, 5.0, 7.0]) == (pytest.approx(2), pytest.approx(0, abs=1e-6))
    assert growth([9.0, 4.0, 4.0, 4.0]) == (0, 0)
    x, y = np.arange(4), np.array([1.0, 2.5, 2.0, 4.0])
    slope, half = growth([0.0, *y])
    by_hand = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    left = y - y.mean() - by_hand * (x - x.mean())
    error = np.sqrt((left**2).sum() / 2 / ((x - x.mean()) ** 2).sum())
    assert slope == pytest.approx(by_hand) and half == pytest.approx(4.302653 * error)


@pytest.mark.parametrize("tasks", [20, 22, 55, 110, 111])
def test_a_table_has_about_a_dozen_rows_with_the_first_and_the_last(tasks: int) -> None:
    shown = marks(tasks)
    assert shown[0] == 1 and shown[-1] == tasks and shown == sorted(set(shown))
    assert 10 <= len(shown) <= 13


def test_the_table_and_its_csv_hold_the_curves(long: Group) -> None:
    judged = judge(long)
    first, second, grown = CHAPTER.tables(judged)
    for row, table in zip(long.rows, (first, second), strict=True):
        assert table.header[:3] == ("Tasks learned", "Transfer", "Last")
        assert ("Protected, vision" in table.header) == (row.label == "keeplora")
        of_ten = next(cells for cells in table.rows if cells[0].text == "10")
        assert of_ten[2].text == f"{along(row, 'last')[9]:.1f}"
        assert of_ten[4].text == f"{along(row, 'memory')[9]:.2f}"
    assert grown.title == "Growth per task" and grown.rows[0][-1].text == "+0.0038 ± 0.0000"
    lines = list(csv.DictReader(CHAPTER.csv([judged]).splitlines()))
    assert len(lines) == 2 * 22
    for line in lines:
        row = next(r for r in long.rows if r.label == line["method"])
        place = int(line["learned_tasks"]) - 1
        assert line["task"] == TASKS[place]
        for name in QUANTITIES:
            curve = along(row, name)
            assert (
                float(line[name]) == pytest.approx(curve[place], abs=1e-4)
                if curve
                else line[name] == ""
            )


def test_short_streams_have_neither_table_nor_picture(
    tmp_path: Path, long: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cl_bench.reports.report.write_pictures", lambda pictures, folder: [])
    short = written(tmp_path / "short", TASKS[:11])
    assert draw_along(short) is None
    write_report([tmp_path / "short"], tmp_path / "out")
    assert not (tmp_path / "out" / "along.md").exists()
    paths = [run.path for row in (*long.rows, *short.rows) for run in row.runs]
    write_report(paths, tmp_path / "both")
    said = (tmp_path / "both" / "along.md").read_text()
    assert "22 tasks" in said and "11 tasks" in said and "Fewer than 20 tasks." in said
    table = (tmp_path / "both" / "table.md").read_text()
    assert table.count("## toy") == 2, "two lengths are two questions"


def texts_of(axes: Axes) -> list[str]:
    """What names a panel: above it, or in a paper beside its axis."""
    return [axes.get_title(loc="left"), *(text.get_text() for text in axes.findobj(Text))]  # type: ignore[attr-defined]


@pytest.mark.parametrize("look", [SCREEN, PAPER], ids=["screen", "paper"])
def test_the_picture_has_a_panel_for_each_quantity(long: Group, look: Look) -> None:
    figure = draw_along(long, look)
    assert figure is not None
    panels = {"".join(texts_of(axes)): axes for axes in figure.axes}
    for name, quantity in QUANTITIES.items():
        (axes,) = [a for title, a in panels.items() if quantity.title in title]
        drawn = [list(line.get_ydata()) for line in axes.lines]  # type: ignore[arg-type]
        for row in long.rows:
            assert not along(row, name) or along(row, name) in drawn, name


def test_lengths_of_mini_long_are_named_and_told_apart() -> None:
    configs = {
        tasks: resolve(Choices(suite="mini-long", method="keeplora", device="cpu", tasks=tasks))
        for tasks in (22, 55, 110)
    }
    assert len({plan.config.comparison_key() for plan in configs.values()}) == 3
    assert len({plan.config.digest() for plan in configs.values()}) == 3
    whole = resolve(Choices(suite="mini-long", method="keeplora", device="cpu"))
    assert whole.config.digest() == configs[110].config.digest()
    for tasks, plan in configs.items():
        assert f"{tasks} tasks" in circumstances(plan.config)
        assert plan.config.tasks == whole.config.tasks[:tasks]
        few = f"mini-long-I-{tasks}tasks" if tasks < 110 else "mini-long-I"
        assert plan.folder.parts[-3] == few
