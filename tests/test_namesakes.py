"""Classes of one name in several tasks, chosen between at once: which answers count as right, and who says so.

What would be wrong without a word: an image of a class that is never predicted, because its namesake in an
earlier task is; an accuracy that hangs on the order of the tasks; a run that counts by one rule, compared with one
that counts by the other; a digest that stays while the rule changes.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from command_line import cl_bench
from small_run import small_run
from test_label_spaces import stream
from written_run import write_run

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.label_spaces import label_spaces
from cl_bench.benchmark.namesakes import counted_as, meet
from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.benchmark.records.claims import check_run
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import Plan, resolve
from cl_bench.reports.runs.names import circumstances

TWICE = "mini-DTD-1,mini-DTD-2"  # the same textures in two worlds


def plan(order: str = TWICE, protocol: str | None = "x-tail", **choices: str) -> Plan:
    chosen = Choices(
        suite="mini-long",
        method="zero-shot",
        order=order,
        protocol=protocol,
        device="cpu",
        **choices,
    )  # type: ignore[arg-type]
    return resolve(chosen)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunResult]:
    folder = tmp_path_factory.mktemp("runs")
    plans = {
        "own": plan(protocol="mtil"),
        "one": plan(),
        "apart": plan(namesakes="apart"),
        "reversed": plan("mini-DTD-2,mini-DTD-1"),
    }
    return {name: small_run(of, folder / name) for name, of in plans.items()}


def test_names_are_read_as_a_text_tower_reads_them() -> None:
    names = ["Hot_dog", "cafe\u0301", "oak", "hot  dog", "caf\u00e9", "OAK", "oak tree"]
    assert counted_as(names) == [0, 1, 2, 0, 1, 2, 6]
    assert meet([("a", "hot dog"), ("b", "Hot_Dog")]) and not meet([("a", "b"), ("c",), ("d",)])


def test_an_image_that_is_taken_for_its_namesake_is_right(runs: dict[str, RunResult]) -> None:
    """With the same classes twice there is no more to choose from than with them once."""
    own, one, apart = (dict(zip(r.config.tasks, r.matrix.zero_shot, strict=True)) for r in
                       (runs["own"], runs["one"], runs["apart"]))  # fmt: skip
    assert one == own and all(accuracy > 20 for accuracy in own.values())
    assert apart == {**own, "mini-DTD-2": 0.0}, "as it was: never predicted"


def test_no_task_gains_by_its_place_in_the_order(runs: dict[str, RunResult]) -> None:
    found = [
        dict(zip(runs[name].config.tasks, runs[name].matrix.zero_shot, strict=True))
        for name in ("one", "reversed")
    ]
    assert found[0] == found[1]


def test_what_is_kept_is_the_class_that_counts(runs: dict[str, RunResult]) -> None:
    run = runs["one"]
    classes = len(resolve(Choices(suite="mini-long", order="mini-DTD-1")).tasks[0].classnames)
    for kept in (run.targets(), run.predictions(0)):
        assert all(of.min() >= 0 and of.max() < classes for of in kept.values())
    assert runs["apart"].targets()["mini-DTD-2"].min() >= classes
    assert all(check_run(of.path) == [] for of in runs.values())


def test_the_rule_is_said_and_hashed(runs: dict[str, RunResult]) -> None:
    configs = {name: run.config for name, run in runs.items()}
    rules = {name: config.protocol.namesakes for name, config in configs.items()}
    assert rules == {"own": None, "one": "one", "apart": "apart", "reversed": "one"}
    assert len({config.digest() for config in configs.values()}) == 4
    assert configs["one"].comparison_key() != configs["apart"].comparison_key()
    (said,) = configs["one"].caveats
    assert said.startswith("classes of one name") and "'bubbly' (mini-DTD-1, mini-DTD-2)" in said
    (said,) = configs["apart"].caveats
    assert "count as wrong (0 %)" in said


def test_digests_of_before_stay() -> None:
    """Counted apart is how it was counted; a rule that no class falls under is none."""
    config = plan(namesakes="apart").config
    before = config.model_dump(mode="json")
    del before["protocol"]["namesakes"]
    again = type(config).model_validate(before)
    assert again.digest() == config.digest() and again.comparison_key() == config.comparison_key()
    alone = plan("mini-DTD-1,mini-Food-1", namesakes="one").config
    assert alone.protocol.namesakes is None
    assert alone.digest() == plan("mini-DTD-1,mini-Food-1", namesakes="apart").config.digest()


def test_x_tail_counts_as_it_was_published() -> None:
    def of_x_tail(namesakes: str | None) -> Plan:
        return resolve(Choices(suite="x-tail", method="zero-shot", namesakes=namesakes))  # type: ignore[arg-type]

    published, fair = of_x_tail(None).config, of_x_tail("one").config
    assert (published.protocol.namesakes, fair.protocol.namesakes) == ("apart", "one")
    assert "'sunflower' (Caltech101, Flowers)" in published.caveats[-1]
    assert "counts as wrong" in published.caveats[-1]
    one = next(words for words in fair.caveats if words.startswith("classes of one name"))
    assert all(name in one for name in ("lotus", "pagoda", "pizza", "sunflower", "river"))
    assert published.suite == fair.suite and published.digest() != fair.digest()


def test_it_is_refused_where_it_means_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=r"--namesakes one: .* add --protocol x-tail"):
        plan(protocol="mtil", namesakes="one")
    assert cl_bench(monkeypatch, "run", "--protocol", "x-tail", "--namesakes", "both") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert "both" in line and "one" in line and "apart" in line


def test_runs_of_two_rules_are_not_compared_and_a_table_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, apart = (Protocol(labels="all", namesakes=rule) for rule in ("one", "apart"))  # type: ignore[arg-type]
    paths = [write_run(tmp_path / str(i), protocol=p) for i, p in enumerate((one, apart))]
    for pair in (paths, paths[::-1]):
        assert cl_bench(monkeypatch, "compare", *map(str, pair)) == 2
        assert "their rule for classes of one name differs" in capsys.readouterr().err
    said = [circumstances(read_run(path).config) for path in paths]
    assert ["classes of one name as one" in words for words in said] == [True, False]


def test_targets_of_three_tasks_are_those_of_a_plain_search() -> None:
    made = stream([3, 2, 4])
    names = [name for task in made.tasks for name in task.labels.classnames]
    found = label_spaces(Protocol(labels="all", namesakes="one"), made)
    for task in made.tasks:
        true = [names.index(task.labels.classnames[i]) for i in task.test.targets.tolist()]
        assert found.targets[task.name].tolist() == true
        everything = {task.name: torch.arange(len(names))}
        counted = found.counted(everything, 0)[task.name].tolist()
        assert counted == [names.index(name) for name in names]
