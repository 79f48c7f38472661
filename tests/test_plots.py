"""Pictures: all runs can be drawn, nothing overlaps, the same runs give the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from PIL import Image
from written_run import write_run

from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.benchmark.records.events import Learned, those
from cl_bench.reports.plots import gallery
from cl_bench.reports.plots.difference import draw_difference, shared_span
from cl_bench.reports.plots.forgetting import curve, draw_forgetting
from cl_bench.reports.plots.gallery import Picture, group_pictures, run_picture, write_pictures
from cl_bench.reports.plots.heat_map import save_heat_map
from cl_bench.reports.plots.pareto import Point, cost_of, draw_pareto, front
from cl_bench.reports.plots.radar import draw_radar
from cl_bench.reports.plots.sequence import draw_sequence
from cl_bench.reports.plots.series import LONGEST_LABEL, row_labels, series
from cl_bench.reports.plots.style import FORMATS, LINES, save
from cl_bench.reports.plots.subspace import draw_subspace
from cl_bench.reports.runs.group import Group, group
from cl_bench.reports.runs.occupancy import occupancy_of

LONG = tuple(f"a-data-set-with-a-very-long-name-{i}" for i in range(11))
NASTY = ("<script>alert(1)</script>", "$x_1$ and \\frac{1}", "_hidden & 50%", "=1+1", "目")


def grouped(root: Path, *methods: str, **changes: Any) -> Group:
    for method in methods:
        write_run(root / "runs", method, **changes)
    (found,) = group(read_run(p.parent) for p in sorted(root.rglob("config.json")))
    return found


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Group:
    """Eighteen methods on eleven tasks, all with long names."""
    names = [f"a-method-called-{i:02d}" for i in range(18)]
    return grouped(tmp_path_factory.mktemp("crowd"), *names, tasks=LONG)


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


@pytest.mark.parametrize(
    ("tasks", "learned"),
    [(("one",), 1), (("a", "b"), 2), (LONG, 11), (LONG, 3), (LONG, 0), (NASTY, 5)],
)
def test_every_matrix_can_be_drawn(tmp_path: Path, tasks: tuple[str, ...], learned: int) -> None:
    run = read_run(write_run(tmp_path, "$m$ <b>_", tasks=tasks, learned=learned))
    paths = [tmp_path / f"out.{suffix}" for suffix in FORMATS]
    save_heat_map(run, *paths)
    pixels = opened(paths[0])
    assert min(pixels.shape) > 200 and len(np.unique(pixels)) > 20
    assert paths[1].read_text().startswith("<?xml")
    assert paths[2].read_bytes().startswith(b"%PDF") and b"/Type3" not in paths[2].read_bytes()


@pytest.mark.parametrize("tasks", [("one",), ("a", "b"), NASTY])
def test_every_picture_of_small_and_nasty_groups_is_drawn(
    tmp_path: Path, tasks: tuple[str, ...]
) -> None:
    g = grouped(tmp_path, "_first", "$second$", "<i>third", tasks=tasks, subspaces=True)
    written = {
        p.name for p in write_pictures(group_pictures(g, "g", shared_span([g])), tmp_path / "out")
    }
    expected = {"g-dots", "g-sequence", "g-pareto", "g-difference-1-2", "g-difference-1-3"}
    expected |= {f"g-subspace-{i}" for i in (1, 2, 3)}
    expected |= {"g-forgetting"} if len(tasks) > 1 else set()
    expected |= {"g-radar"} if len(tasks) > 4 else set()
    assert written == expected
    assert len(list((tmp_path / "out").iterdir())) == 3 * len(expected)


def test_bounds_alone_have_no_lines(tmp_path: Path) -> None:
    g = grouped(tmp_path, "zero-shot", bound=True)
    assert draw_sequence(g) is draw_forgetting(g) is draw_radar(g) is draw_pareto(g) is None


def test_labels_are_told_apart_after_clipping(tmp_path: Path) -> None:
    g = grouped(tmp_path, "m" * 60 + "1", "m" * 60 + "2")
    labels = list(row_labels(g).values())
    assert len(set(labels)) == 2 and all(len(x) <= LONGEST_LABEL + 3 for x in labels)


def test_few_lines_stand_out_and_the_rest_is_one_grey(tmp_path: Path) -> None:
    g = grouped(tmp_path, *(f"method-{i:02d}" for i in range(9)))
    shown = series(g)
    assert [s.line is not None for s in shown] == [True] * len(LINES) + [False] * 3
    assert [s.row.label for s in shown] == [row.label for row in g.rows]
    figure = draw_sequence(g)
    assert figure is not None
    (legend,) = [a.get_legend() for a in figure.axes if a.get_legend()]
    assert "3 other methods" in [t.get_text() for t in legend.get_texts()]


def test_lines_differ_without_colour_and_in_grey() -> None:
    assert len({str(dash) for _, dash, _ in LINES}) == len({m for *_, m in LINES}) == len(LINES)
    grey = [np.dot(to_rgb(colour), (0.299, 0.587, 0.114)) for colour, *_ in LINES]
    assert max(grey) < 0.75, "seen on white"


def texts_of(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every upright text that is shown, with the pixels it covers."""
    found = []
    unseen = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    for text in figure.findobj(mpl.text.Text):
        if text in unseen or not text.get_visible() or text.get_rotation() % 90:
            continue
        if text.get_text():
            found.append((text.get_text(), text.get_window_extent()))
    return found


@pytest.mark.parametrize("draw", [draw_sequence, draw_forgetting, draw_radar, draw_pareto])
def test_no_texts_overlap_with_eleven_long_names_and_many_methods(
    crowd: Group, tmp_path: Path, draw: Callable[[Group], Figure | None]
) -> None:
    figure = draw(crowd)
    assert figure is not None
    save(figure, [tmp_path / "x.png"])
    shown = texts_of(figure)
    assert len(shown) > 15
    for (one, a), (two, b) in combinations(shown, 2):
        assert not a.shrunk(0.9, 0.8).overlaps(b.shrunk(0.9, 0.8)), f"{one!r} on {two!r}"
    for text, box in shown:
        assert box.x0 >= -1 and box.x1 <= figure.bbox.width + 1, f"{text!r} is cut off"


def test_every_method_is_named_beside_its_point(crowd: Group) -> None:
    figure = draw_pareto(crowd)
    assert figure is not None and len(figure.axes) == 3
    for axes in figure.axes:
        named = {t.get_text() for t in axes.texts if isinstance(t, Annotation)} - {""}
        assert named == {row.label for row in crowd.rows}


def test_front_is_cheaper_or_better() -> None:
    points = [Point("a", 1, 50), Point("b", 2, 60), Point("c", 2, 55), Point("d", 3, 60)]
    points += [Point("e", 9, 61)]
    assert [p.label for p in front(points)] == ["a", "b", "e"]


def cost_of_run(run: RunResult) -> dict[str, float]:
    ((row,),) = (g.rows for g in group([run]))
    return cost_of(row)


def test_costs_come_from_the_log(tmp_path: Path) -> None:
    path = write_run(tmp_path, tasks=("a", "b"), sealed=False)
    run = read_run(path)
    cost = cost_of_run(run)
    learned = those(run.events, Learned)
    seconds = sum(e.seconds["train"] for e in learned)
    assert cost["seconds"] == pytest.approx(seconds)
    assert cost["parameters"] == learned[0].trainable_parameters
    assert cost["memory"] == learned[0].peak_memory["process"] / 2**30
    (path / "events.jsonl").write_text('{"event": "learned", "seconds": "long"}\n{}\n')
    assert cost_of_run(read_run(path)) == {} == occupancy_of(read_run(path))
    (path / "events.jsonl").unlink()
    assert cost_of_run(read_run(path)) == {}


def test_forgetting_curves_end_at_the_matrix_figures(tmp_path: Path) -> None:
    runs = [read_run(write_run(tmp_path, seed=seed)) for seed in (0, 1)]
    (row,) = group(runs)[0].rows
    count = len(runs[0].config.tasks)
    for metric, known in (("forgetting", range(2, count + 1)), ("last", range(1, count + 1))):
        found = curve(row, metric, known)
        assert len(found) == len(known)
        assert found[-1] == pytest.approx(np.mean([r.matrix.metrics()[metric] for r in runs]))
    assert found[0] == pytest.approx(np.mean([r.matrix.rows[0][0] for r in runs]))


def test_occupancy_is_the_mean_of_a_blocks_matrices(tmp_path: Path) -> None:
    path = write_run(tmp_path, tasks=("a", "b"), sealed=False)
    ranks = {"subspace/t.0.q": 4, "subspace/v.1.q": 10, "subspace/v.1.o": 20, "loss/other": 3}
    lines = [json.loads(line) for line in (path / "events.jsonl").read_text().splitlines()]
    lines = [line | ({"diagnostics": ranks} if "diagnostics" in line else {}) for line in lines]
    (path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = read_run(path)
    assert occupancy_of(run) == {"v": {1: [15.0, 15.0]}, "t": {0: [4.0, 4.0]}}
    (g,) = group([run])
    assert draw_subspace(g, g.rows[0]) is not None


def test_difference_names_the_better_one(tmp_path: Path) -> None:
    g = grouped(tmp_path, "lora", "zscl")
    figure = draw_difference(g, g.rows[0], g.rows[1], shared_span([g]))
    title = figure.get_suptitle()
    assert f"green: {g.rows[0].label} is better" in title
    mesh = next(iter(figure.axes[0].collections))
    values = np.asarray(mesh.get_array()).reshape(4, 3)
    mine, others = (np.mean([r.matrix.last_per_task for r in row.runs], 0) for row in g.rows)
    np.testing.assert_allclose(values[-1], mine - others)
    low, high = mesh.get_clim()
    assert low == -high, "white is no difference"


SCRIPT = """
import sys
from pathlib import Path
from test_plots import everything
everything(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def everything(runs: Path, out: Path) -> list[Picture]:
    found: list[RunResult] = [read_run(p.parent) for p in sorted(runs.rglob("config.json"))]
    (g,) = group(found)
    return write_pictures(
        [*group_pictures(g, "g", shared_span([g])), run_picture(found[0], "r")], out
    )


def test_another_process_with_other_settings_draws_the_same_bytes(tmp_path: Path) -> None:
    for method in ("lora", "zscl"):
        write_run(tmp_path / "runs", method, subspaces=method == "lora")
    everything(tmp_path / "runs", tmp_path / "1")
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsavefig.dpi: 40\nbackend: nosuch\n")
    root = Path(__file__).parents[1]
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "runs"), str(tmp_path / "2")],
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": f"{root / 'src'}:{root / 'tests'}", "PYTHONHASHSEED": "7", "PATH": ""},
    )
    names = sorted(p.name for p in (tmp_path / "1").iterdir())
    assert len(names) == 7 * 3 and names == sorted(p.name for p in (tmp_path / "2").iterdir())
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_many_pictures_are_drawn_by_several_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read_run(write_run(tmp_path / "runs"))
    pictures = [run_picture(run, f"p{i}") for i in range(3)]
    write_pictures(pictures, tmp_path / "one")
    monkeypatch.setattr(gallery, "WORTH_A_POOL", 2)
    assert write_pictures(pictures, tmp_path / "many") == pictures
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "many" / file.name).read_bytes()
