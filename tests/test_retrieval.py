"""Captioned pictures that are searched and never learned: beside the tasks, in none of their numbers, kept and proven.

What would be wrong without a word: a recall in Transfer, Average or Last; training that is another one because
something more was evaluated; rows out of step after a kill; recalls that do not follow from the ranks, or ranks that
cannot be; another set under the same digest; runs with and without compared; scores of weights that are not those that
are kept. Ranks by hand are in test_recall.py, the rule for every method in test_retrieval_methods.py.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wandb
from command_line import cl_bench
from killing import Killed, must_be_the_same
from small_run import fresh, small_plan, small_run
from test_held_out import must_learn_the_same

from cl_bench.benchmark import session
from cl_bench.benchmark.checkpoint import load_checkpoint
from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.recall import WAYS, of_arrays
from cl_bench.benchmark.record import RunFolder, RunResult, open_run, read_run
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.records.events import Evaluated, those
from cl_bench.cli.verify.claims import all_claims
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.retrieval_images import load_captioned
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import Plan
from cl_bench.experiment.run import run_experiment
from cl_bench.reports.report import write_report
from cl_bench.reports.runs.group import group
from cl_bench.reports.runs.names import circumstances
from cl_bench.reports.runs.row import Row
from cl_bench.reports.sinks.points import points
from cl_bench.reports.sinks.wandb_content import record_of
from cl_bench.reports.sinks.wandb_sink import Place, WandbSink
from cl_bench.reports.statistics.verdicts import judge
from cl_bench.reports.tables import main, sheets

SET = "mini-Captions"
NAMES = [f"{way}@{k}" for way in ("image_to_text", "text_to_image") for k in (1, 5, 10)]


def plan(method: str = "lora", retrieval: str | None = "all", **choices: Any) -> Plan:
    return small_plan(method, retrieval=retrieval, **choices)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, RunResult]:
    """The same run with retrieval sets and without."""
    folder = tmp_path_factory.mktemp("runs")
    return small_run(plan(), folder / "with"), small_run(plan(retrieval=None), folder / "without")


def test_learning_is_the_same_with_and_without(pair: tuple[RunResult, RunResult]) -> None:
    must_learn_the_same(*pair)
    run, without = pair
    for name in ("matrix.csv", "matrix.json"):
        assert (run.path / name).read_bytes() == (without.path / name).read_bytes()
    assert len({tuple(row[0].items()) for row in run.retrieval.rows}) > 1, (
        "what is learned reaches them"
    )


@pytest.fixture(scope="module")
def zero_shot(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return small_run(plan("zero-shot"), tmp_path_factory.mktemp("zero-shot") / "run")


def test_a_method_whose_answers_hang_on_the_question_learns_the_same(
    zero_shot: RunResult, tmp_path: Path
) -> None:
    """RAIL looks for the classes that it is asked for among those that it has learned, and its towers never change."""
    run, without = (small_run(plan("rail", r), tmp_path / str(r)) for r in ("all", None))
    must_learn_the_same(run, without)
    assert run.retrieval == zero_shot.retrieval and run.matrix != zero_shot.matrix
    assert len({tuple(row[0].items()) for row in run.retrieval.rows}) == 1, "nothing reaches them"
    assert all(20 < value < 98 for value in run.retrieval.rows[0][0].values()), "room both ways"


def test_under_x_tail_too_they_are_compared_over_their_own_captions(
    zero_shot: RunResult, tmp_path: Path
) -> None:
    run = small_run(plan("zero-shot", protocol="x-tail"), tmp_path / "x")
    assert run.retrieval == zero_shot.retrieval and run.matrix != zero_shot.matrix


def test_recalls_are_those_of_the_ranks_that_are_kept(pair: tuple[RunResult, RunResult]) -> None:
    run, without = pair
    assert run.retrieval.sets == (SET,) and len(run.retrieval.rows) == 3
    for row, found in enumerate(run.retrieval.rows):
        ranks = of_arrays(run.retrieval_ranks(row), SET)
        assert len(ranks.image_to_text) == 128 and len(ranks.text_to_image) == 384
        assert list(found[0]) == NAMES
        for way in WAYS:
            kept = getattr(ranks, way)
            shares = [100 * float((kept <= k).mean()) for k in (1, 5, 10)]
            assert [found[0][f"{way}@{k}"] for k in (1, 5, 10)] == pytest.approx(shares)
    first = [(row[0][NAMES[0]] + row[0][NAMES[3]]) / 2 for row in run.retrieval.rows]
    expected = (first[0], min(first[1:]), first[2])
    assert tuple(run.retrieval.metrics().values()) == pytest.approx(expected)
    assert without.retrieval.sets == () and without.retrieval.metrics() == {}
    assert not (without.path / "retrieval").exists()
    assert "retrieval" not in (without.path / "events.jsonl").read_text()


@torch.no_grad()
def test_ranks_are_those_of_the_features_of_the_weights_that_are_kept(
    pair: tuple[RunResult, RunResult],
) -> None:
    """Computed again from LoRA's checkpoint, by features and a plain product."""
    run, _ = pair
    album = load_captioned(plan().retrieval[0], 32, Store())
    method = fresh(plan())
    method.load_state_dict(load_checkpoint(RunFolder(run.path).checkpoint(2)))
    clip = method.clip
    pictures = clip.encode_images(clip.normaliser()(album.test.pixels))
    scores = (pictures @ clip.encode_prompts(album.captions).T).double().numpy()  # [128, 384]
    own = album.pictures.numpy()[None, :] == np.arange(128)[:, None]
    best = np.where(own, scores, -np.inf).max(axis=1, keepdims=True)
    of_pictures = 1 + (np.where(own, -np.inf, scores) >= best).sum(axis=1)
    of_captions = (scores >= scores[own.argmax(axis=0), np.arange(384)]).sum(axis=0)
    kept = of_arrays(run.retrieval_ranks(2), SET)
    assert (kept.image_to_text == of_pictures).mean() > 0.97, "but for the order of a sum"
    assert (kept.text_to_image == of_captions).mean() > 0.97
    zero_shot = of_arrays(run.retrieval_ranks(0), SET)
    assert (zero_shot.image_to_text == of_pictures).mean() < 0.9, "it is not that of the beginning"


def test_they_are_hashed_where_they_are_used_and_nowhere_else() -> None:
    with_, without = plan().config, plan(retrieval=None).config
    assert plan(retrieval="none").config.digest() == without.digest() != with_.digest()
    assert plan(retrieval="captions").config.digest() == with_.digest()
    assert with_.suite == without.suite and with_.comparison_key() != without.comparison_key()
    before = without.model_dump(mode="json")
    del before["retrieval"]
    old = RunConfig.model_validate(before)
    assert old.digest() == without.digest() and old.comparison_key() == without.comparison_key()
    other = with_.model_copy(update={"retrieval": {SET: "0" * 12}})
    assert other.digest() != with_.digest() and other.comparison_key() != with_.comparison_key()
    assert f", retrieval: {SET}" in circumstances(with_) and "retrieval" not in circumstances(
        without
    )


def test_killed_between_a_rows_files_it_ends_as_if_nothing_had_happened(
    pair: tuple[RunResult, RunResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has the row of the retrieval sets already, the matrix has none yet."""
    write = session.write_matrix

    def kill(folder: Path, matrix: Any) -> None:
        if len(matrix.rows) == 2:
            raise Killed
        write(folder, matrix)

    with monkeypatch.context() as patched:
        patched.setattr(session, "write_matrix", kill)
        with pytest.raises(Killed):
            small_run(plan(), tmp_path / "run")
    begun = read_run(tmp_path / "run")
    assert len(begun.retrieval.rows) == 1 + len(begun.matrix.rows) == 2
    run = small_run(plan(), tmp_path / "run")
    must_be_the_same(run, pair[0])
    assert run.retrieval == pair[0].retrieval and check_run(run.path) == []
    for row in range(3):
        ours, theirs = run.retrieval_ranks(row), pair[0].retrieval_ranks(row)
        assert ours.keys() == theirs.keys() and all(
            np.array_equal(ours[n], theirs[n]) for n in ours
        )


def test_a_run_is_not_continued_with_other_captions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(session, "save_checkpoint", _die)
        with pytest.raises(Killed):
            small_run(plan(), tmp_path / "run")
    content = plan()
    spec = content.retrieval[0]
    moved = spec.model_copy(update={"captions": (*spec.captions[1:], spec.captions[0])})
    with pytest.raises(UserError, match=f"the images of {SET} are not those it began with"):
        small_run(Plan(**{**vars(content), "retrieval": (moved,)}), tmp_path / "run")


def _die(*_: Any) -> None:
    raise Killed


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    choices = Choices(
        suite="mini", method="lora", order="mini-EuroSAT", device="cpu", retrieval="all",
        overrides=("steps=1", "rank=1"),
    )  # fmt: skip
    return run_experiment(choices, out=tmp_path_factory.mktemp("honest")).path


def test_verify_proves_them(honest: Path) -> None:
    found = {claim.name: claim for claim in all_claims(honest)}
    assert {name for name, claim in found.items() if claim.verdict != "proven"} == {"code"}
    words = ("accuracies", "tasks", "test images")
    assert all("1 retrieval set" in found[name].words for name in words)


def _change(file: Path, change: Callable[[Any], Any]) -> None:
    np.savez(file, **{name: change(of).astype(np.uint32) for name, of in np.load(file).items()})


def forge_ranks(run: Path) -> None:
    _change(run / "retrieval" / "after-01.npz", np.ones_like)


def forge_impossible_ranks(run: Path) -> None:
    """No recall changes: what is behind the tenth place is put beyond the last."""
    _change(run / "retrieval" / "after-01.npz", lambda r: np.where(r > 10, 9999, r))


def forge_pictures(run: Path) -> None:
    _change(run / "retrieval" / "pictures.npz", lambda of: np.roll(of, 1))


def forge_recall(run: Path) -> None:
    _set(run, "retrieval", {SET: dict.fromkeys(NAMES, 99.0)})


def forge_config(run: Path) -> None:
    content = json.loads((run / "config.json").read_text())
    content["retrieval"] = {SET: "0" * 12}
    (run / "config.json").write_text(json.dumps(content))


def _set(run: Path, field: str, value: Any) -> None:
    """Put another value into the log's evaluations, with check sums that fit."""
    from cl_bench.benchmark.records.run_log import line_of, read_log

    events = read_log(run / "events.jsonl")
    changed = [
        e.model_copy(update={field: value}) if isinstance(e, Evaluated) else e for e in events
    ]
    lines = [line_of(e.model_dump(exclude_none=True)) for e in changed]
    (run / "events.jsonl").write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    ("forge", "claims"),
    [
        (forge_ranks, {"accuracies"}),
        (forge_impossible_ranks, {"accuracies"}),
        (forge_pictures, {"test images"}),
        (forge_recall, {"accuracies"}),
        (forge_config, {"config", "tasks"}),
    ],
)
def test_a_forged_one_is_found(forge: Any, claims: set[str], honest: Path, tmp_path: Path) -> None:
    forged = tmp_path / honest.name
    shutil.copytree(honest, forged)
    forge(forged)
    false = {claim.name for claim in all_claims(forged) if claim.verdict == "false"}
    assert false >= claims | {"ledger"}


def test_a_log_of_other_sets_or_recalls_is_refused(
    pair: tuple[RunResult, RunResult], tmp_path: Path
) -> None:
    forged = tmp_path / "run"
    shutil.copytree(pair[0].path, forged)
    _set(forged, "retrieval", {SET: {"image_to_text@1": 50.0}})
    with pytest.raises(UserError, match=r"has other recalls than image_to_text@1, image_to_text@5"):
        _ = open_run(forged).retrieval
    _set(forged, "retrieval", None)
    with pytest.raises(UserError, match=f"retrieval sets none, config.json names {SET}"):
        _ = open_run(forged).retrieval


def test_dashboards_get_every_recall(pair: tuple[RunResult, RunResult]) -> None:
    run, without = pair
    values = [p.values for p in points(run.config, run.events)]
    shown = [v for v in values if f"retrieval/{SET}/{NAMES[0]}" in v]
    for name in NAMES:
        curve = run.retrieval.curve(SET, name)
        assert tuple(v[f"retrieval/{SET}/{name}"] for v in shown) == curve
    plain = points(without.config, without.events)
    assert not any(key.startswith("retrieval/") for p in plain for key in p.values)


def test_wandb_draws_them_over_the_tasks_and_gets_the_ranks(
    pair: tuple[RunResult, RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    axes: list[dict[str, str]] = []

    class Stub:
        def define_metric(self, name: str, step_metric: str = "") -> None:
            axes[-1][name] = step_metric

    monkeypatch.setattr(wandb, "init", lambda **_: Stub())
    for run in pair:
        axes.append({})
        WandbSink(Place("offline")).begin(run.path)
    assert axes[0].pop("retrieval/*") == "task/learned" and axes[0] == axes[1]
    with_, without = (set(record_of(r, "a", False, None).manifest.entries) for r in pair)
    ranks = {"retrieval/pictures.npz", *(f"retrieval/after-{i:02d}.npz" for i in range(3))}
    assert with_ - without == ranks and "predictions/targets.npz" in without


def test_reports_show_them_in_columns_and_a_chapter_of_their_own(
    pair: tuple[RunResult, RunResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Row, "dirty", False)  # this tree may hold changes
    monkeypatch.setattr("cl_bench.reports.plots.gallery.MOST_PROCESSES", 1)
    run, without = pair
    groups = group([run, without])
    assert len(groups) == 2, "never in one table"
    write_report([run.path, without.path], tmp_path / "both")
    before, lowest, last = (f"{v:.1f}" for v in run.retrieval.metrics().values())
    table = (tmp_path / "both" / "table.md").read_text()
    lines = [line for line in table.splitlines() if line.startswith("| lora")]
    assert sum(f"| {before} | {lowest} | {last} |" in line for line in lines) == 1
    chapter = (tmp_path / "both" / "retrieval.md").read_text()
    ends = [run.retrieval.curve(SET, name)[i] for name in NAMES[:3] for i in (0, -1)]
    assert f"| lora | 1 | {' | '.join(f'{v:.1f}' for v in ends)} |" in chapter
    assert "These runs have no retrieval sets" in chapter
    csv = (tmp_path / "both" / "retrieval.csv").read_text().splitlines()
    assert len(csv) == 1 + 3 * 6
    assert f",{SET},2,text_to_image,10,{run.retrieval.curve(SET, NAMES[5])[2]}"[:40] in csv[-1]
    assert list((tmp_path / "both" / "plots").glob("*retrieval.png"))
    assert "Retrieval lowest" in (tmp_path / "both" / "report.html").read_text()
    (usual,) = [judge(g) for g in groups if not g.config.retrieval]
    texts = (main.markdown([usual]), main.latex([usual]))
    texts += (sheets.rows_csv([usual.group]), sheets.runs_csv([usual.group]))
    assert not any("retrieval" in text.lower() for text in texts), "as it was"
    assert "retrieval_last" in sheets.rows_csv([g for g in groups if g.config.retrieval])


def test_show_and_the_dry_run_say_what_is_searched(
    pair: tuple[RunResult, RunResult],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cl_bench(monkeypatch, "show", str(pair[0].path)) == 0
    shown = " ".join(capsys.readouterr().out.split())
    before, lowest, last = (f"{v:.2f}" for v in pair[0].retrieval.metrics().values())
    assert f"Retrieval before {before} Retrieval lowest {lowest} Retrieval last {last}" in shown
    ends = [pair[0].retrieval.curve(SET, NAMES[3])[i] for i in (0, -1)]
    assert f"{SET}, text to image: R@1 {ends[0]:.2f} to {ends[1]:.2f}" in shown
    assert cl_bench(monkeypatch, "show", str(pair[0].path), "--json") == 0
    said = json.loads(capsys.readouterr().out)["retrieval"]
    assert list(said[SET]) == NAMES and said[SET][NAMES[3]] == list(
        pair[0].retrieval.curve(SET, NAMES[3])
    )
    assert cl_bench(monkeypatch, "show", str(pair[1].path)) == 0
    assert "etrieval" not in capsys.readouterr().out
    given = (
        "run",
        "--retrieval",
        "all",
        "--method",
        "lora",
        "--suite",
        "mini",
        "--dry-run",
        "--no-estimate",
    )
    assert cl_bench(monkeypatch, *given) == 0
    assert f"{SET}: 128 pictures, 384 captions; never learned" in capsys.readouterr().out


def test_every_row_has_its_event(pair: tuple[RunResult, RunResult]) -> None:
    logged = those(pair[0].events, Evaluated)
    assert len(logged) == 3 and all(e.retrieval and tuple(e.retrieval) == (SET,) for e in logged)
    assert all(f"retrieval/after-{i:02d}.npz" in e.sha256 for i, e in enumerate(logged))
    assert list(pair[0].manifest.retrieval) == [SET] and pair[1].manifest.retrieval == {}
