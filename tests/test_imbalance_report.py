"""What a report says of rare classes: by the images that the run had, and on its own test images.

What would be wrong without a word: parts of the classes by the balanced counts or by index; equal classes parted; an
accuracy of another class, task or moment; a class of the union of all tasks counted as another's; a balanced run
with a table of rare classes.
"""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean

import pytest
from written_run import write_run

from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.run import run_experiment
from cl_bench.reports.plots.imbalance import draw_imbalance
from cl_bench.reports.plots.look import LOOKS
from cl_bench.reports.report import write_report
from cl_bench.reports.runs.classes import (
    FREQUENCIES,
    classes_of,
    mean_accuracy,
    part_accuracies,
    thirds,
)
from cl_bench.reports.runs.group import group

OWN, UNION = "mini-MNIST,mini-EuroSAT", "mini-DTD-1,mini-DTD-2"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without pictures, which take seconds."""
    monkeypatch.setattr("cl_bench.reports.report.write_pictures", lambda pictures, folder: [])


@pytest.fixture(scope="module")
def runs(out: Path) -> dict[str, RunResult]:
    """One over each task's own classes, one over those of two tasks with the same names."""
    usual = {"device": "cpu", "imbalance": 10}
    short = {"method": "lora", "overrides": ("steps=4", "rank=1")}
    return {
        "own": run_experiment(Choices(suite="mini", order=OWN, **usual, **short), out=out / "own"),
        "union": run_experiment(
            Choices(suite="mini-long", order=UNION, method="zero-shot", protocol="x-tail", **usual),
            out=out / "union",
        ),
    }


@pytest.mark.parametrize(
    ("counts", "parts"),
    [
        ([60, 6, 30, 21, 12, 9], "many few many medium medium few"),
        ([1, 2, 3], "few medium many"),
        ([7, 7, 7, 7], "medium medium medium medium"),
        ([9, 9, 9, 1], "medium medium medium few"),
        ([60, 46, 35, 27, 21, 16, 12, 10, 7, 6],
         "many many many medium medium medium medium few few few"),
    ],
)  # fmt: skip
def test_thirds_by_images_with_equal_classes_together(counts: list[int], parts: str) -> None:
    assert thirds(counts) == parts.split()


@pytest.mark.parametrize("name", ["own", "union"])
def test_accuracies_of_classes_are_those_of_the_matrix(
    runs: dict[str, RunResult], name: str
) -> None:
    """Every class has as many test images: then the mean over classes is the task's accuracy."""
    run = runs[name]
    found = classes_of(run)
    for place, task in enumerate(run.config.tasks):
        own = [c for c in found if c.task == task]
        assert len({c.test for c in own}) == 1
        expected = {
            "zero_shot": run.matrix.zero_shot[place],
            "learned": run.matrix.rows[place][place],
            "last": run.matrix.rows[-1][place],
        }
        for moment, accuracy in expected.items():
            mean = fmean(c.accuracies[moment] or 0.0 for c in own)  # type: ignore[index]
            assert mean == pytest.approx(accuracy)


@pytest.mark.parametrize("name", ["own", "union"])
def test_an_accuracy_is_that_of_its_own_class(runs: dict[str, RunResult], name: str) -> None:
    run = runs[name]
    names: list[str] = []  # of the union, a namesake is its first
    for task in run.config.tasks:
        names += [c.name for c in run.manifest.classes[task]]
    for task in run.config.tasks:
        true, last = run.targets()[task].tolist(), run.predictions(2)[task].tolist()
        for c in (c for c in classes_of(run) if c.task == task):
            own = [c.name for c in run.manifest.classes[task]]
            index = own.index(c.name) if name == "own" else names.index(c.name)
            answers = [
                guess == index for guess, truth in zip(last, true, strict=True) if truth == index
            ]
            assert c.accuracies["last"] == pytest.approx(100 * sum(answers) / len(answers))


def test_parts_are_of_the_images_that_were_trained_on(runs: dict[str, RunResult]) -> None:
    run = runs["own"]
    rows = run.shots()
    assert rows is not None
    found = classes_of(run)
    assert sum(c.train for c in found) == sum(map(len, rows.values()))
    of = {part: [c.train for c in found if c.frequency == part] for part in FREQUENCIES}
    assert min(of["many"]) > max(of["medium"]) and min(of["medium"]) > max(of["few"])
    last = [c.accuracies["last"] for c in found if c.frequency == "few"]
    assert mean_accuracy(found, "few", "last") == pytest.approx(
        fmean(x for x in last if x is not None)
    )


@pytest.mark.usefixtures("undrawn")
def test_the_report_has_it_as_tables_file_and_page(runs: dict[str, RunResult], out: Path) -> None:
    write_run(out / "balanced")
    folder = out / "report"
    write_report([out], folder)
    with (folder / "per_class.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == sum(len(classes_of(run)) for run in runs.values())
    by_class = {(c.task, c.name): c for run in runs.values() for c in classes_of(run)}
    for line in lines:
        c = by_class[line["task"], line["class"]]
        assert (int(line["training_images"]), line["part"]) == (c.train, c.frequency)
        assert float(line["last"]) == pytest.approx(c.accuracies["last"])
    with (folder / "imbalance.csv").open() as file:
        parts = {(x["suite"], x["part"], x["moment"]): x["accuracy"] for x in csv.DictReader(file)}
    assert len(parts) == 2 * 3 * 3
    with (folder / "table.csv").open() as file:
        said = {line["suite"]: line["asks"] for line in csv.DictReader(file)}
    assert said["mini"] == "classes imbalanced 10 : 1" and said["toy"] == ""
    expected = mean_accuracy(classes_of(runs["own"]), "few", "learned")
    assert float(parts["mini", "few", "learned"]) == pytest.approx(expected, abs=0.06)
    markdown, page = (folder / "imbalance.md").read_text(), (folder / "report.html").read_text()
    assert "| Method | n | Many | Medium | Few |" in markdown
    assert "classes imbalanced 10 : 1" in markdown and "parted into thirds" in markdown
    assert "Many, medium and few training images" in page and "Results per class" in page
    assert "No class and no task was made rare" in markdown


@pytest.mark.usefixtures("undrawn")
def test_a_balanced_report_says_nothing_of_it(tmp_path: Path) -> None:
    write_run(tmp_path / "runs")
    write_report([tmp_path / "runs"], tmp_path / "out")
    files = {file.name for file in (tmp_path / "out").iterdir()}
    assert not files & {"imbalance.csv", "imbalance.md", "per_class.csv"}
    assert "Many, medium" not in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize("look", LOOKS)
def test_the_picture_shows_the_means_of_the_parts(
    runs: dict[str, RunResult], look: str, tmp_path: Path
) -> None:
    (g,) = group([runs["own"]])
    figure = draw_imbalance(g, LOOKS[look])
    assert figure is not None
    parts = part_accuracies(g.rows[0])
    for axes, frequency in zip(figure.axes, FREQUENCIES, strict=True):
        at = {line.get_marker(): line.get_xdata() for line in axes.lines}
        assert at["o"] == pytest.approx(parts[frequency, "last"])
        assert at["D"] == pytest.approx(parts[frequency, "learned"])
    (balanced,) = group([read_run(write_run(tmp_path))])
    assert draw_imbalance(balanced, LOOKS[look]) is None
