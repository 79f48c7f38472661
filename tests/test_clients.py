"""Which client has which image, what a run with clients is called and compared with, and what is refused.

What would be wrong without a word: an image of two clients or of none; another split for another method or order;
clients that are alike where they were to differ; a digest that stays while the split changes; a federated run that
is ranked with a plain one or stands beside a published row; a record of other clients than those that trained; a
method that is averaged though the mean of its parameters is not its training.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import cl_bench
from numpy.typing import NDArray
from own_suite import HEAD, write_classes, write_suite
from small_run import FOLDER, fresh, small_plan

from cl_bench.benchmark.config import Protocol, RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.processes import group
from cl_bench.benchmark.record import RunResult
from cl_bench.benchmark.records.arrays_file import write_arrays
from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.cli.differing import differing
from cl_bench.cli.verify.claims import all_claims
from cl_bench.datasets import client_split
from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.client_split import ClientSplit
from cl_bench.experiment import division
from cl_bench.experiment.assemble import assemble
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.forecast import forecast_memory
from cl_bench.experiment.resolve import Plan, resolve
from cl_bench.experiment.run import run_experiment
from cl_bench.methods.catalog import BUILT_IN
from cl_bench.reports.literature.beside import why_not
from cl_bench.reports.runs.names import circumstances

TASKS = ("mini-MNIST", "mini-EuroSAT")
TARGETS = np.repeat(np.arange(10), 60)


def asked(**choices: Any) -> Choices:
    usual = {"suite": "mini", "method": "lora", "order": ",".join(TASKS), "device": "cpu"}
    return Choices(**{**usual, "clients": 4, "rounds": 3, **choices})


def plan(**choices: Any) -> Plan:
    return resolve(asked(**choices))


def owners(clients: int, alpha: float, seed: int = 0, of: NDArray[np.int64] = TARGETS) -> Any:
    return ClientSplit(clients, alpha, seed).choose(of, "task")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    choices = asked(method="finetune", overrides=("steps=12",), tasks=1)
    return run_experiment(choices, out=tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("alpha", [0.001, 0.1, 1, 100, 1_000_000])
@pytest.mark.parametrize("clients", [1, 4, 7, 600])
def test_every_image_has_one_client_and_clients_have_equally_many(
    clients: int, alpha: float
) -> None:
    found = owners(clients, alpha)
    assert found.shape == (600,) and found.dtype == np.int64
    images = np.bincount(found, minlength=clients)
    assert len(images) == clients and images.max() - images.min() <= 1 and images.min() >= 1


def test_a_large_concentration_makes_clients_alike_and_a_small_one_gives_few_classes() -> None:
    def table(alpha: float) -> NDArray[np.int64]:
        found = [owners(5, alpha, seed) for seed in range(5)]
        return np.array(
            [np.bincount(TARGETS[of == c], minlength=10) for of in found for c in range(5)]
        )

    assert np.abs(table(1_000_000) - 12).max() <= 12, "about 12 of each class"
    few = (table(0.001) > 0).sum(axis=1)
    assert few.mean() < 4.5, (
        "120 images of a client are those of two classes, and of what others left"
    )
    spread = [table(alpha).std() for alpha in (0.001, 1, 100, 1_000_000)]
    assert spread == sorted(spread, reverse=True)


@pytest.mark.parametrize("alpha", [0.5, 3.0, 200.0])
def test_a_client_draws_its_shares_from_the_distribution_that_is_named(alpha: float) -> None:
    """Mean p and variance p (1 - p) / (alpha + 1): those of Dir(alpha * p)."""
    prior, draw = np.array([0.5, 0.3, 0.2]), random.Random(1)
    drawn = np.array([client_split._dirichlet(list(alpha * prior), draw) for _ in range(4000)])
    shares = np.exp(drawn) / np.exp(drawn).sum(axis=1, keepdims=True)
    variance = prior * (1 - prior) / (alpha + 1)
    assert np.abs(shares.mean(axis=0) - prior).max() < 4 * np.sqrt(variance.max() / 4000)
    assert np.abs(shares.var(axis=0) / variance - 1).max() < 0.12


def test_methods_and_orders_of_one_seed_have_the_same_clients() -> None:
    def kept(**choices: Any) -> dict[str, list[int]]:
        made = assemble(plan(**choices)).stream.tasks
        return {t.name: t.clients.tolist() for t in made if t.clients is not None}

    lora = kept()
    assert set(lora) == set(TASKS) and lora[TASKS[0]] != lora[TASKS[1]]
    assert kept(method="keeplora", order=",".join(TASKS[::-1]), rounds=5) == lora
    for other in ((4, 1.0, 1), (5, 1.0, 0), (4, 0.1, 0)):
        assert ClientSplit(*other).choose(TARGETS, TASKS[0]).tolist() != lora[TASKS[0]]


def test_few_images_are_shared_as_all_are() -> None:
    for choices in ({"shots": 3}, {"imbalance": 10}):
        for task in assemble(plan(overrides=("steps=60",), tasks=1, **choices)).stream.tasks:
            assert task.clients is not None and len(task.clients) == len(task.train)
            assert set(task.clients.tolist()) == {0, 1, 2, 3}


def test_digests_and_questions_tell_clients_apart_and_are_else_as_they_were() -> None:
    chosen: list[dict[str, Any]] = [
        {"clients": None, "rounds": None}, {}, {"clients": 5}, {"rounds": 4}, {"client_alpha": 0.5},
        {"clients": 1, "rounds": 1},
    ]  # fmt: skip
    configs = [plan(**choices).config for choices in chosen]
    assert len({config.digest() for config in configs}) == len(configs)
    keys = [config.comparison_key() for config in configs]
    assert len(set(keys)) == len(configs)
    assert (
        plan(seed=1).config.comparison_key()
        == keys[1]
        == plan(method="keeplora").config.comparison_key()
    )
    assert plan(client_alpha=1.0).config.digest() == configs[1].digest(), "the default is 1"
    before = configs[0].model_dump(mode="json")
    for name in ("clients", "rounds", "client_alpha"):
        assert name not in keys[0]
        del before["protocol"][name]
    old = RunConfig.model_validate(before)
    assert (old.digest(), old.comparison_key()) == (configs[0].digest(), keys[0])
    assert {c.comparison_key() for c in (plan(preset="paper").config, configs[1])} != {keys[1]}


def test_it_is_named_wherever_a_run_is(run: RunResult) -> None:
    assert circumstances(run.config).endswith("4 clients of Dirichlet 1, averaged 3 times a task")
    assert differing(run.config, find_suite("mini"))["clients"] == 4
    assert any("is not that of their products" in words for words in run.config.caveats)
    assert plan(clients=None, rounds=None).config.caveats == ()


def test_no_published_row_stands_beside_it() -> None:
    suite = find_suite("mtil")
    whole = {"suite": suite.identify(), "backbone": suite.backbone, "order": "I", "preset": "paper"}
    config = plan().config.model_copy(update={**whole, "tasks": tuple(t.name for t in suite.tasks)})
    plain = config.model_copy(update={"protocol": Protocol()})
    assert why_not(plain) is None and "several clients" in (why_not(config) or "")


def test_an_honest_run_is_proven(run: RunResult) -> None:
    claims = {claim.name: claim for claim in all_claims(run.path)}
    assert {name for name, of in claims.items() if of.verdict != "proven"} == {"code"}
    assert "shared by 4 clients as the seed draws" in claims["training images"].words
    kept = run.clients()
    assert kept is not None and kept.keys() == {TASKS[0]}


def of_another_seed(path: Path) -> None:
    made = assemble(plan(seed=1, tasks=1)).stream.tasks
    write_arrays(path / "clients.npz", {t.name: t.clients.numpy() for t in made})  # type: ignore[union-attr]


def without_clients(path: Path) -> None:
    (path / "clients.npz").unlink()


def of_another_task(path: Path) -> None:
    write_arrays(path / "clients.npz", {"mini-DTD": np.zeros(600, dtype=np.int64)})


@pytest.mark.parametrize("forge", [of_another_seed, without_clients, of_another_task])
def test_a_forged_record_is_false(
    forge: Callable[[Path], None], run: RunResult, tmp_path: Path
) -> None:
    path = tmp_path / run.path.name
    shutil.copytree(run.path, path)
    forge(path)
    write_ledger(path)
    verdicts = {claim.name: claim.verdict for claim in all_claims(path)}
    assert verdicts["training images"] == "false"


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"rounds": None}, "--clients 4: say with --rounds R how often"),
        ({"clients": None}, "--rounds 3 is about clients: add --clients N"),
        ({"clients": None, "rounds": None, "client_alpha": 0.5}, "--client-alpha 0.5 is about clients"),
        ({"clients": 601, "overrides": ("steps=9999",)},
         "--clients 601: mini-MNIST has 600 training images, and every client needs one; write --clients 600"),
        ({"clients": 31, "shots": 3, "overrides": ("steps=99",)}, "mini-MNIST has 30 training images"),
        ({"rounds": 100}, r"--clients 4 --rounds 100: the 95 steps of mini-\w+ .* write --rounds 23 or less"),
        ({"clients": 9, "overrides": ("steps=8",)}, r"--clients 9: the 8 steps of .* write --clients 8 or less"),
        ({"method": "zero-shot"}, "zero-shot cannot learn with --clients 4: it trains nothing by a gradient"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_training(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        plan(**choices)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [("--clients", "0"), ("--clients", "-1"), ("--clients", "2.5"), ("--rounds", "0"), ("--client-alpha", "0"),
     ("--client-alpha", "nan"), ("--client-alpha", "inf"), ("--client-alpha", "1e300"), ("--client-alpha", "many")],
)  # fmt: skip
def test_a_number_that_is_none_is_one_line(
    option: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "run", "--suite", "mini", option, value) == 2
    said = capsys.readouterr().err
    assert option.strip("-").replace("-", "_") in said.replace("-", "_") and "Traceback" not in said


def test_images_that_are_fewer_than_listed_are_counted_where_they_are() -> None:
    with pytest.raises(UserError, match="--clients 5: task has 4 training images"):
        owners(5, 1.0, of=np.zeros(4, dtype=np.int64))


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan()
    assert division.remarks(made) == ()
    monkeypatch.setattr(group, "size", lambda: 2)
    with pytest.raises(
        UserError, match="--clients is a simulation in one process, and 2 were started"
    ):
        division.remarks(made)


def reasons() -> dict[str, str]:
    """Of every built-in method, why clients cannot learn with it; empty where they can."""
    found = {}
    for method in BUILT_IN:
        try:
            plan(method=method)
            found[method] = ""
        except UserError as error:
            found[method] = str(error)
    return found


def test_which_methods_can_be_averaged_follows_from_what_they_do() -> None:
    """A method that is new here was decided on by the rule: look whether it is right."""
    found = reasons()
    assert {method for method, reason in found.items() if not reason} == {
        "finetune", "lora", "keeplora", "keeplora+", "keeplora++", "keeplora-kd", "o-lora", "inflora", "sd-lora",
        "diki", "iap", "lada", "condu", "condu-lora", "individual",
    }  # fmt: skip
    why = {
        "trains nothing by a gradient": {"zero-shot", "rail", "rail-dual"},
        "does more in a step": {
            "zscl",
            "wc",
            "lwf",
            "lwf-vr",
            "wise-ft",
            "codyra",
            "gpm",
            "moe-adapters",
        },
        "no rule says which client": {"er", "gift", "joint"},
    }
    assert {words: {m for m, reason in found.items() if words in reason} for words in why} == why


def test_a_plugin_is_judged_by_the_same_rule() -> None:
    assert plan(plugin=FOLDER / "adapter.py", method="bottleneck").config.protocol.clients == 4
    with pytest.raises(
        UserError, match="replay cannot learn with --clients 4: it uses earlier images"
    ):
        plan(plugin=FOLDER / "memory.py", method="replay")


def test_a_dry_run_says_who_shares_the_steps_and_counts_what_is_held(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "run",
        "--suite",
        "mini",
        "--device",
        "cpu",
        "--tasks",
        "1",
        "--dry-run",
        "--no-estimate",
    ]
    assert cl_bench(monkeypatch, *command, "--clients", "4", "--rounds", "3") == 0
    shown = capsys.readouterr().out
    assert "95 optimizer steps of 32 images, shared by 4 clients of Dirichlet 1" in shown
    assert "* clients" in shown and "* rounds" in shown
    peaks = [
        forecast_memory(plan(method="finetune", tasks=1, **of)).peak
        for of in ({"clients": None, "rounds": None}, {})
    ]
    weights = sum(
        weight.numel() for weight in fresh(small_plan("finetune")).clip.weights().values()
    )
    assert peaks[1] - peaks[0] == (4 + 8) * weights, "bytes of the server's numbers and of the sums"


def test_a_suite_file_may_bring_clients(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_classes(tmp_path / split, {"ant": 6, "bee": 6}, seed=len(split))
    table = 'name = "t"\ntrain = "train"\ntest = "test"'
    for given, words in (
        ("clients = 3", "--clients 3: say with --rounds R"),
        ("clients = 20\nrounds = 1", "--clients 20: t has 12 training images"),
    ):
        file = write_suite(tmp_path, table, head=f"{HEAD}steps = 30\n[protocol]\n{given}\n")
        with pytest.raises(UserError, match=words):
            resolve(Choices(suite=str(file), method="lora", device="cpu"))
    file = write_suite(
        tmp_path, table, head=f"{HEAD}steps = 30\n[protocol]\nclients = 3\nrounds = 2\n"
    )
    protocol = resolve(Choices(suite=str(file), method="lora", device="cpu")).config.protocol
    assert (protocol.clients, protocol.rounds, protocol.client_alpha) == (3, 2, 1)
