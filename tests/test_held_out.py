"""Data sets that are evaluated and never learned: beside the tasks, in none of their numbers, kept and proven.

What would be wrong without a word: an accuracy of a held-out set in Transfer, Average or Last; training that is
another one because something more was evaluated; rows of the two kinds out of step after a kill; a set that is
another one under the same digest; runs with and without compared; runs of before that cannot be read.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import cl_bench
from killing import Killed, must_be_the_same
from small_run import small_plan, small_run
from written_run import write_run

from cl_bench.benchmark import session
from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.matrix import accuracy
from cl_bench.benchmark.record import RunFolder, RunResult, read_run
from cl_bench.benchmark.records.claims import check_run, record_claims
from cl_bench.benchmark.records.events import Evaluated, Event, Learned, those
from cl_bench.cli.verify.claims import all_claims
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import Plan, resolve
from cl_bench.experiment.run import run_experiment
from cl_bench.reports.report import write_report
from cl_bench.reports.runs.group import group
from cl_bench.reports.runs.names import circumstances
from cl_bench.reports.runs.row import Row
from cl_bench.reports.sinks.points import points
from cl_bench.reports.statistics.verdicts import judge
from cl_bench.reports.tables import main, sheets

SETS = ("mini-Signs", "mini-Mosaics")


def plan(method: str = "lora", held_out: str | None = "all", **choices: Any) -> Plan:
    return small_plan(method, held_out=held_out, **choices)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, RunResult]:
    """The same run with held-out sets and without."""
    folder = tmp_path_factory.mktemp("runs")
    return (
        small_run(plan(), folder / "with"),
        small_run(plan(held_out=None), folder / "without"),
    )


def must_learn_the_same(run: RunResult, without: RunResult) -> None:
    assert run.matrix == without.matrix and run.matrix.metrics() == without.matrix.metrics()
    learned = len(run.config.tasks)
    for row in range(learned + 1):
        ours, theirs = run.predictions(row), without.predictions(row)
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[task], theirs[task]) for task in theirs)
    states = [RunFolder(r.path).checkpoint(learned).read_bytes() for r in (run, without)]
    assert states[0] == states[1]
    said = [[e.diagnostics for e in those(r.events, Learned)] for r in (run, without)]
    assert said[0] == said[1]


def test_learning_is_the_same_with_and_without(pair: tuple[RunResult, RunResult]) -> None:
    must_learn_the_same(*pair)
    assert len(set(pair[0].held_out.rows)) > 1, "what is learned reaches them"


def test_a_method_whose_answers_hang_on_the_question_learns_the_same(tmp_path: Path) -> None:
    """RAIL looks for the classes that it is asked for among those that it has learned."""
    runs = [small_run(plan("rail", h), tmp_path / str(h)) for h in ("all", None)]
    must_learn_the_same(*runs)


def test_they_are_in_no_number_of_the_tasks(pair: tuple[RunResult, RunResult]) -> None:
    run, without = pair
    assert run.matrix.tasks == without.matrix.tasks and not set(SETS) & set(run.matrix.tasks)
    assert (run.path / "matrix.csv").read_bytes() == (without.path / "matrix.csv").read_bytes()
    assert (run.path / "matrix.json").read_bytes() == (without.path / "matrix.json").read_bytes()


def test_accuracies_are_those_of_the_predictions_over_own_classes(
    pair: tuple[RunResult, RunResult],
) -> None:
    run, without = pair
    assert run.held_out.sets == SETS and len(run.held_out.rows) == 3
    for row, found in enumerate(run.held_out.rows):
        predicted, true = run.held_out_predictions(row), run.held_out_targets()
        assert found == tuple(accuracy(predicted[s] == true[s]) for s in SETS)
        assert all(set(true[s].tolist()) == set(range(12)) for s in SETS)
    means = [sum(row) / 2 for row in run.held_out.rows]
    expected = (means[0], min(means[1:]), means[2])
    assert tuple(run.held_out.metrics().values()) == pytest.approx(expected)
    assert without.held_out.sets == () and without.held_out.metrics() == {}
    assert not (without.path / "held_out").exists()


def test_under_x_tail_too_they_are_classified_over_their_own_classes(tmp_path: Path) -> None:
    run = small_run(plan("zero-shot", protocol="x-tail"), tmp_path / "x")
    own = small_run(plan("zero-shot"), tmp_path / "own")
    assert run.held_out == own.held_out and run.matrix != own.matrix
    assert len(set(run.held_out.rows)) == 1, "nothing is learned"


def test_they_are_hashed_where_they_are_used_and_nowhere_else() -> None:
    with_, without = plan().config, plan(held_out=None).config
    assert plan(held_out="none").config.digest() == without.digest() != with_.digest()
    assert plan(held_out="Mosaics, mini-signs").config.digest() == with_.digest()
    assert plan(held_out="Signs").config.digest() not in (with_.digest(), without.digest())
    assert with_.suite == without.suite
    assert with_.comparison_key() != without.comparison_key()
    before = without.model_dump(mode="json")
    del before["held_out"]
    old = RunConfig.model_validate(before)
    assert old.digest() == without.digest() and old.comparison_key() == without.comparison_key()
    other = with_.model_copy(update={"held_out": dict.fromkeys(SETS, "0" * 12)})
    assert other.digest() != with_.digest() and other.comparison_key() != with_.comparison_key()


@pytest.mark.parametrize("learned", [2])
def test_killed_between_a_rows_files_it_ends_as_if_nothing_had_happened(
    learned: int, pair: tuple[RunResult, RunResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has the row of the held-out sets already, the matrix has none yet."""
    write = session.write_matrix

    def kill(folder: Path, matrix: Any) -> None:
        if len(matrix.rows) == learned:
            raise Killed
        write(folder, matrix)

    with monkeypatch.context() as patched:
        patched.setattr(session, "write_matrix", kill)
        with pytest.raises(Killed):
            small_run(plan(), tmp_path / "run")
    if learned:
        begun = read_run(tmp_path / "run")
        assert len(begun.held_out.rows) == 1 + len(begun.matrix.rows) == learned
    run = small_run(plan(), tmp_path / "run")
    must_be_the_same(run, pair[0])
    assert run.held_out == pair[0].held_out
    for row in range(3):
        ours, theirs = run.held_out_predictions(row), pair[0].held_out_predictions(row)
        assert all(np.array_equal(ours[s], theirs[s]) for s in SETS)
    assert check_run(run.path) == []


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    choices = Choices(
        suite="mini", method="lora", order="mini-EuroSAT", device="cpu", held_out="Signs",
        overrides=("steps=1", "rank=1"),
    )  # fmt: skip
    return run_experiment(choices, out=tmp_path_factory.mktemp("honest")).path


def test_verify_proves_them(honest: Path) -> None:
    found = {claim.name: claim for claim in all_claims(honest)}
    assert {name for name, claim in found.items() if claim.verdict != "proven"} == {"code"}
    words = ("accuracies", "tasks", "test images")
    assert all("1 held-out set" in found[name].words for name in words)


def forge_predictions(run: Path) -> None:
    _change(run / "held_out" / "after-01.npz", lambda classes: (classes + 1) % 12)


def forge_targets(run: Path) -> None:
    predicted = dict(np.load(run / "held_out" / "after-01.npz"))["mini-Signs"]
    _change(run / "held_out" / "targets.npz", lambda _: predicted)


def forge_class(run: Path) -> None:
    _change(run / "held_out" / "after-01.npz", lambda classes: np.where(classes == 0, 99, classes))


def _change(file: Path, change: Any) -> None:
    arrays = {name: change(of).astype(np.uint16) for name, of in np.load(file).items()}
    np.savez(file, **arrays)


def forge_config(run: Path) -> None:
    content = json.loads((run / "config.json").read_text())
    content["held_out"] = {"mini-Signs": "0" * 12}
    (run / "config.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("forge", "claims"),
    [
        (forge_predictions, {"accuracies"}),
        (forge_targets, {"accuracies", "test images"}),
        (forge_class, {"label space"}),
        (forge_config, {"config", "tasks"}),
    ],
)
def test_a_forged_one_is_found(forge: Any, claims: set[str], honest: Path, tmp_path: Path) -> None:
    forged = tmp_path / honest.name
    shutil.copytree(honest, forged)
    forge(forged)
    false = {claim.name for claim in all_claims(forged) if claim.verdict == "false"}
    assert false >= claims | {"ledger"}


def test_a_log_of_other_sets_is_refused(pair: tuple[RunResult, RunResult], tmp_path: Path) -> None:
    forged = tmp_path / "run"
    shutil.copytree(pair[0].path, forged)
    content = json.loads((forged / "config.json").read_text())
    content["held_out"] = {}
    (forged / "config.json").write_text(json.dumps(content))
    (words,) = [c.words for c in record_claims(forged) if c.name == "log: rows"] or [""]
    assert words
    from cl_bench.benchmark.record import open_run

    with pytest.raises(
        UserError, match=r"held-out sets mini-Signs, mini-Mosaics, config\.json names none"
    ):
        _ = open_run(forged).held_out


def test_dashboards_get_every_set(pair: tuple[RunResult, RunResult]) -> None:
    run, without = pair
    values = [p.values for p in points(run.config, run.events)]
    shown = [v for v in values if "held_out/mini-Signs" in v]
    assert [v["held_out/mini-Signs"] for v in shown] == [row[0] for row in run.held_out.rows]
    assert all(not key.startswith("accuracy/mini") or key in values[0] for v in shown for key in v)
    assert not any(
        key.startswith("held_out/")
        for p in points(without.config, without.events)
        for key in p.values
    )


def test_reports_show_them_in_columns_of_their_own(
    pair: tuple[RunResult, RunResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # this tree may hold changes; such runs are in no picture, and other processes would not know better
    monkeypatch.setattr(Row, "dirty", False)
    monkeypatch.setattr("cl_bench.reports.plots.gallery.MOST_PROCESSES", 1)
    run, without = pair
    groups = group([run, without])
    assert len(groups) == 2, "never in one table"
    write_report([run.path, without.path], tmp_path / "both")
    before, lowest, last = (f"{v:.1f}" for v in run.held_out.metrics().values())
    table = (tmp_path / "both" / "table.md").read_text()
    lines = [line for line in table.splitlines() if line.startswith("| lora")]
    assert sum(f"| {before} | {lowest} | {last} |" in line for line in lines) == 1
    assert "held out: mini-Signs, mini-Mosaics" in table
    chapter = (tmp_path / "both" / "held_out.md").read_text()
    assert "mini-Signs" in chapter and "These runs have no held-out data sets" in chapter
    assert list((tmp_path / "both" / "plots").glob("*held-out.png"))
    assert "Held-out lowest" in (tmp_path / "both" / "report.html").read_text()
    (usual,) = [judge(g) for g in groups if not g.config.held_out]
    texts = (main.markdown([usual]), main.latex([usual]))
    texts += (sheets.rows_csv([usual.group]), sheets.runs_csv([usual.group]))
    assert not any("held" in text.lower() for text in texts), "as it was"
    beside = sheets.rows_csv([g for g in groups if g.config.held_out])
    assert f",{run.held_out.metrics()['held_out_last']:.2f}"[:5] in beside


def test_runs_with_and_without_are_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    held = {"toy-h": "0" * 12}
    paths = [
        write_run(tmp_path / str(i), held_out=h, learned=n)
        for i, (h, n) in enumerate((({}, None), (held, 0)))
    ]
    configs = [RunConfig.model_validate_json((p / "config.json").read_text()) for p in paths]
    assert [", held out: toy-h" in circumstances(config) for config in configs] == [False, True]
    assert configs[0].question() != configs[1].question()


def test_show_says_what_became_of_them(
    pair: tuple[RunResult, RunResult],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cl_bench(monkeypatch, "show", str(pair[0].path)) == 0
    shown = " ".join(capsys.readouterr().out.split())
    before, lowest, last = (f"{v:.2f}" for v in pair[0].held_out.metrics().values())
    assert f"Held-out before {before} Held-out lowest {lowest} Held-out last {last}" in shown
    assert "Held-out sets: mini-Signs" in shown
    assert cl_bench(monkeypatch, "show", str(pair[1].path)) == 0
    assert "eld-out" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("sings", "unknown held-out set of suite mini 'sings'"),
        ("Signs,mini-signs", "names a set twice"),
        (",", "names no set"),
    ],
)
def test_a_wrong_name_is_one_line(said: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        plan(held_out=said)
    assert words in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_suite_without_any_says_where_they_come_from() -> None:
    with pytest.raises(
        UserError, match=r"suite mtil has no held-out data sets; .*\[\[held_out\]\]"
    ):
        resolve(Choices(suite="mtil", method="lora", held_out="all", device="cpu"))


def test_events_of_runs_without_say_nothing_of_them(pair: tuple[RunResult, RunResult]) -> None:
    log = (pair[1].path / "events.jsonl").read_text()
    assert "held_out" not in log
    logged: list[Event] = list(those(pair[0].events, Evaluated))
    assert len(logged) == 3 and all(tuple(e.held_out) == SETS for e in logged)  # type: ignore[union-attr]
