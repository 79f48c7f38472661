"""Published numbers: all there, in agreement with each other, and beside ours only where they belong."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest
from command_line import cl_bench
from written_run import write_run

from cl_bench.benchmark.config import Backbone, Protocol
from cl_bench.benchmark.record import read_run
from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.mtil.layout import facts
from cl_bench.reports.literature import beside
from cl_bench.reports.literature.published import (
    MEAN,
    comparable_suite,
    means,
    published,
    reported_matrices,
)
from cl_bench.reports.runs.group import group
from cl_bench.reports.statistics.verdicts import Judged, judge

MTIL = find_suite("mtil")
PAPER = {
    "suite": MTIL.identify(), "backbone": MTIL.backbone, "preset": "paper", "images": 20,
    "protocol": Protocol(prompts="ensemble"), "tasks": MTIL.orders["II"], "order": "II",
}  # fmt: skip


def test_every_number_is_there_with_its_source() -> None:
    assert len(published()) == 3405
    assert Counter(p.status for p in published()) == {
        "authors-data": 2335, "paper-table": 929, "paper-text": 3, "secondary-summary": 138,
    }  # fmt: skip
    assert all(0 <= p.value <= 100 and p.source and p.method for p in published())
    assert comparable_suite()[0] == MTIL.identify().digest, "the suite changed: look at splits.toml"


def test_the_readme_says_how_many_there_are() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert f"{len(published()):,} published numbers" in readme


def test_figures_follow_from_the_published_matrices() -> None:
    """Transfer, Average and Last of ZSCL's authors, recomputed from their matrices."""
    seen = 0
    for (method, order), matrix in reported_matrices().items():
        name = "Continual-FT" if method == "continual-ft" else method
        metrics = matrix.metrics()
        per_task = {
            "transfer": dict(zip(matrix.tasks[1:], matrix.transfer_per_task, strict=True)),
            "average": dict(zip(matrix.tasks, matrix.average_per_task, strict=True)),
            "last": dict(zip(matrix.tasks, matrix.last_per_task, strict=True)),
        }
        for p in published():
            if (p.method, p.order, p.status) == (name, order, "authors-data"):
                if p.metric in per_task:
                    ours = metrics[p.metric] if p.dataset == MEAN else per_task[p.metric][p.dataset]
                else:  # matrix:<i>:<trained>, from 1
                    row = int(p.metric.split(":")[1]) - 1
                    ours = matrix.rows[row][matrix.tasks.index(p.dataset)]
                assert ours == pytest.approx(p.value, abs=0.0051), p
                seen += 1
    assert len(reported_matrices()) == 13 and seen == 13 * (121 + 10 + 11 + 11 + 3)


def test_published_accuracies_are_whole_numbers_of_test_images() -> None:
    """So the test sets are those of this benchmark, to the image."""
    sizes = {name: data["test"] for name, data in facts()["datasets"].items()}
    for p in published():
        if p.metric.startswith("matrix:") and p.source.startswith("Thunderbeee"):
            images = p.value * sizes[p.dataset] / 100
            assert abs(images - round(images)) <= sizes[p.dataset] * 0.5e-6 + 1e-9, p


def test_the_families_of_splits_are_told_apart_by_caltech101() -> None:
    """Order I, second task: before it is learned, little has changed since zero-shot."""
    zero_shot = [p for p in published() if p.dataset == "Caltech101" and p.metric == "zero_shot"]
    assert {round(p.value, 1) for p in zero_shot if p.split == "ZSCL"} == {88.4}
    transfer = [
        p for p in published()
        if (p.dataset, p.metric, p.order) == ("Caltech101", "transfer", "I")
    ]  # fmt: skip
    of = {split: [p.value for p in transfer if p.split == split] for split in ("ZSCL", "CoOp")}
    assert max(of["ZSCL"]) < 90 < min(of["CoOp"]) and len(of["CoOp"]) >= 5
    assert not [p for p in transfer if p.split == "unknown"], "those could be placed by it"
    for setting in ("X-TAIL 16-shot", "full"):
        for table in beside.literature_tables("I", setting):
            names = {row[0].text for row in table.rows}
            assert not ({"ZSCL", "GIFT"} & names and {"DIKI", "IAP"} & names)


def test_origins() -> None:
    origins = {(p.method, p.source[:8]): p.origin for p, _ in means("I", "full")}
    assert origins["ZSCL", "Thunderb"] == "reported" and origins["ZSCL", "DPW CVPR"] == "copied"
    assert origins["DPW", "DPW CVPR"] == "reported"
    assert origins["KeepLoRA", "KeepLoRA"] == "second-hand"


@pytest.mark.parametrize(
    ("method", "order", "setting", "numbers", "split", "origin"),
    [
        ("CMAP", "I", "full", (74.2, 80.5, 88.7), "unknown", "reported"),
        ("ConDU (FT)", "I", "full", (70.8, 78.8, 87.1), "ZSCL", "second-hand"),
        ("DPW", "I", "full", (70.4, 79.3, 88.3), "CoOp", "reported"),
        ("LADA", "X-TAIL I", "X-TAIL 16-shot", (61.5, 72.7, 83.1), "CoOp", "reported"),
        ("LADA", "X-TAIL I", "X-TAIL full-shot", (61.9, 75.2, 86.9), "CoOp", "reported"),
        ("MoRAM", "X-TAIL I", "X-TAIL 16-shot", (63.3, 72.7, 80.9), "CoOp", "reported"),
        ("GIFT", "I", "full", (69.3, 77.3, 86.0), "ZSCL", "copied"),
        ("GIFT", "II", "full", (65.9, 75.7, 85.3), "ZSCL", "copied"),
        ("IAP", "I", "full", (69.2, 76.8, 85.7), "CoOp", "second-hand"),
        ("IAP", "II", "full", (64.9, 75.1, 85.9), "CoOp", "second-hand"),
        ("DIKI", "I", "full", (68.7, 76.3, 85.1), "CoOp", "copied"),
        ("DIKI", "II", "full", (64.4, 74.5, 85.5), "CoOp", "copied"),
        ("DIKI", "I", "16-shot (all 11)", (68.7, 72.5, 78.6), "CoOp", "reproduced"),
    ],
)
def test_rows_that_people_ask_for(
    method: str, order: str, setting: str, numbers: tuple[float, ...], split: str, origin: str
) -> None:
    told = [
        (tuple(of.get(m) for m in ("transfer", "average", "last")), p.split, p.origin)
        for p, of in means(order, setting)
        if p.method == method
    ]
    assert (numbers, split, origin) in told


def paper_group(tmp_path: Path, **changes: object) -> Judged:
    for seed in (0, 1):
        write_run(tmp_path, "zscl", seed, **(PAPER | changes))  # type: ignore[arg-type]
    (found,) = group([read_run(path) for path in sorted(tmp_path.iterdir())])
    return judge(found)


def test_ours_minus_theirs_where_suite_and_protocol_are_the_same(tmp_path: Path) -> None:
    ours = paper_group(tmp_path)
    text = beside.CHAPTER.markdown([ours])
    (row,) = ours.group.rows
    last = row.mean("last")
    assert last is not None
    assert f"| {last:.1f} | {last - 83.423:+.1f} | reported | Thunderbeee" in text
    assert "### Published, on CoOp's split: not to be set beside the others" in text
    lines = list(csv.DictReader(io.StringIO(beside.CHAPTER.csv([ours]))))
    theirs = [line for line in lines if line["source"].startswith("Thunderbeee")]
    assert len(theirs) == 10 + 11 + 11 + 3
    position = ours.group.config.tasks.index("DTD")
    (dtd,) = [x for x in theirs if (x["metric"], x["dataset"]) == ("transfer", "DTD")]
    of_dtd = fmean(run.matrix.transfer_per_task[position - 1] for run in row.runs)
    assert float(dtd["ours"]) == pytest.approx(of_dtd)
    assert float(dtd["difference"]) == pytest.approx(of_dtd - float(dtd["published"]))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"suite": find_suite("mini").identify()}, "mini is not the whole MTIL"),
        ({"tasks": MTIL.orders["II"][:10]}, "mtil is not the whole MTIL"),
        ({"backbone": Backbone(name="ViT-B-16-quickgelu", weights="random")}, "start from"),
        ({"order": "custom"}, "order I and order II"),
        ({"protocol": Protocol(shots=5)}, "another question"),
        ({"preset": "fair"}, "compare runs with --preset paper"),
    ],
)
def test_nothing_stands_beside_runs_that_ask_something_else(
    change: dict[str, object], reason: str, tmp_path: Path
) -> None:
    ours = paper_group(tmp_path, **change)
    text = beside.CHAPTER.markdown([ours])
    assert reason in text and "| ---" not in text
    assert beside.CHAPTER.csv([ours]).count("\n") == 1, "the header alone"


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert cl_bench(monkeypatch, "published", "--order", "II") == 0
    shown = capsys.readouterr().out
    assert "Published, on ZSCL's split" in shown and "74.5" in shown
    assert cl_bench(monkeypatch, "published", "--order", "III") == 2
    assert "--order 'X-TAIL I' --setting 'X-TAIL 16-shot'" in capsys.readouterr().err
