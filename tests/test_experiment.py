"""One door to a run: from Python as from the command line, each option declared once."""

from __future__ import annotations

import pickle
import runpy
import subprocess
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
import torch
from command_line import cl_bench
from small_run import fresh, small_plan, small_stream
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.record import read_run
from cl_bench.cli import execute
from cl_bench.cli.dashboards import Dashboards
from cl_bench.datasets.catalog import find_suite
from cl_bench.experiment.assemble import MethodFactory, assemble
from cl_bench.experiment.audience import Audience
from cl_bench.experiment.choices import OPTIONS, Choices, choices_of, option_name
from cl_bench.experiment.config_file import read_config_file
from cl_bench.experiment.places import recorded
from cl_bench.experiment.resolve import resolve
from cl_bench.experiment.run import continue_experiment, run_experiment
from cl_bench.reports.runs.command import option_words

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "examples" / "methods" / "norm_tuning.py"
EVERY_OPTION: dict[str, Any] = {
    "method": "lora", "order": "II", "suite": "mini", "backbone": "tiny-clip", "seed": 3,
    "device": "cpu", "precision": "bf16", "preset": "fair", "overrides": ("lr=0.1", "rank=2"),
    "plugin": Path("mine.py"), "data_root": Path("data"), "cache": Path("cache"),
    "protocol": "x-tail", "namesakes": "apart", "held_out": "all", "retrieval": "all", "shots": 5, "imbalance": 10.0, "task_imbalance": 2.5, "clients": 4, "rounds": 10, "client_alpha": 0.5, "skip_broken": True, "partial_data": True,
    "reference_images": Path("images"), "reference_texts": Path("texts.txt"),
    "reference_pairs": Path("pairs"), "selector_weights": Path("alexnet.pth"), "tasks": 2,
    "micro_batch": "8", "checkpoint_every": "30s", "start_from": "earlier:after-1", "keep": "all", "scores": 4, "deterministic": True,
}  # fmt: skip
STATIONS = (
    ("experiment", "resolve"), ("experiment", "merge"), ("experiment", "assemble"),
    ("experiment", "Experiment.run"), ("benchmark", "run"),
)  # fmt: skip
SMALL = Choices(
    suite="mini", method="lora", order="II", tasks=1, device="cpu", overrides=("steps=2",)
)


def caught(monkeypatch: pytest.MonkeyPatch, *words: str) -> Choices:
    """What ``cl-bench run`` understands."""
    ran: list[Choices] = []

    def keep(choices: Choices, seeds: list[int], *_: object) -> None:
        ran.extend(choices.model_copy(update={"seed": seed}) for seed in seeds)

    monkeypatch.setattr(execute, "run_command", keep)
    assert cl_bench(monkeypatch, "run", *words) == 0
    (choices,) = ran
    return choices


def test_every_option_is_tried_here() -> None:
    assert EVERY_OPTION.keys() == set(OPTIONS)
    unset = Choices()
    assert all(getattr(unset, name) != value for name, value in EVERY_OPTION.items())


def test_every_option_is_one_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    words = option_words({option_name(name): value for name, value in EVERY_OPTION.items()})
    assert caught(monkeypatch, *words) == Choices(**EVERY_OPTION)


def test_every_option_is_a_key_of_a_config_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.toml"
    lines = [
        f"{name} = {str(value).lower() if isinstance(value, bool | int | float) else repr(str(value))}"
        for name, value in EVERY_OPTION.items()
        if name != "overrides"
    ]
    file.write_text("\n".join([*lines, "[set]", "lr = 0.1", "rank = 2"]))
    assert caught(monkeypatch, "--config", str(file)) == Choices(**EVERY_OPTION)
    typed = caught(
        monkeypatch, "--config", str(file), "--shots", "1", "--seed", "0", "--set", "rank=9"
    )
    assert (typed.shots, typed.seed) == (1, 0), "what is typed goes before the file"
    assert typed.overrides == ("lr=0.1", "rank=2", "rank=9")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('tasks = "3"', "tasks: Input should be a valid integer (given: '3')"),
        ("skip_broken = 1", "skip_broken: Input should be a valid boolean (given: 1)"),
        ("suite = 3", "suite: Input should be a valid string (given: 3)"),
        ("seed = -1", "seed: Input should be greater than or equal to 0 (given: -1)"),
        ("seed = 1.5", "seed: Input should be a valid integer (given: 1.5)"),
        ("plugin = 1979-05-27", "plugin: Input should be a valid string"),
        ('set = "lr=1"', "set must be a table of settings"),
        ("overrides = ['lr=1']", "unknown key"),
        ("relative = {}", "unknown key"),
        ("references = {}", "unknown key"),
        ("seed = 1\nseeds = [1, 2]", "give seed or seeds, not both"),
        ("seeds = [1, 1]", "must be different numbers"),
        ("seeds = []", "seeds must be whole numbers"),
        ("wandb = 'onlin'", "unknown mode of W&B 'onlin'"),
        ("shots = 0", "shots: Input should be greater than or equal to 1 (given: 0)"),
    ],
)
def test_a_wrong_config_file_is_named_in_one_line(
    content: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = tmp_path / "run.toml"
    file.write_text(f"{content}\n")
    monkeypatch.chdir(tmp_path)
    assert cl_bench(monkeypatch, "run", "--suite", "mini", "--config", str(file), "--dry-run") == 2
    error = capsys.readouterr().err.strip()
    assert words in error and len(error.splitlines()) == 1, error


def test_a_config_file_may_name_what_follows_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.toml"
    file.write_text(f"wandb = 'offline'\ntensorboard = '{tmp_path / 'tb'}'\nout = 'elsewhere'\n")
    seen: list[Any] = []
    monkeypatch.setattr(execute, "run_command", lambda *given: seen.append(given))
    assert cl_bench(monkeypatch, "run", "--config", str(file), "--wandb-project", "mine") == 0
    ((_, seeds, out, _, boards, *_),) = seen
    assert (seeds, out, boards.tensorboard) == ([0], Path("elsewhere"), tmp_path / "tb")
    assert (boards.wandb.mode, boards.wandb.project) == ("offline", "mine")


def test_choices_survive_their_record(tmp_path: Path) -> None:
    kept = recorded(Choices(**EVERY_OPTION), "mini", tmp_path / "run")
    assert choices_of(kept.model_dump(mode="json")) == kept
    paths = {name for name, value in EVERY_OPTION.items() if isinstance(value, Path)}
    assert kept.relative.keys() == paths | {"start_from"}
    assert all(getattr(kept, name).is_absolute() for name in paths)


def test_an_older_record_is_read(tmp_path: Path) -> None:
    older = {"method": "zscl", "references": {"reference_images": "a", "reference_texts": None}}
    assert choices_of(older) == Choices(method="zscl", reference_images=Path("a"))
    with pytest.raises(UserError, match="setting referenced"):
        choices_of({"referenced": {}})


def test_a_script_of_ten_lines_runs_an_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = ROOT / "examples" / "run_experiment.py"
    assert len([line for line in script.read_text().splitlines() if line.strip()]) <= 10
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script))
    shown = capsys.readouterr().out
    (run,) = (config.parent for config in (tmp_path / "runs").rglob("config.json"))
    result = read_run(run)
    assert f"last: {result.matrix.metrics()['last']:.2f}" in shown and result.picture.is_file()


def test_the_door_continues_reads_and_refuses(tmp_path: Path) -> None:
    def kill(event: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_experiment(SMALL, kill, tmp_path)
    (begun,) = (config.parent for config in tmp_path.rglob("config.json"))
    heard: list[Any] = []
    result = continue_experiment(begun, heard.append)
    assert result.finished and heard
    again = run_experiment(SMALL, kill, tmp_path)
    assert again.matrix == result.matrix, "a finished run is read; nobody hears of anything"
    assert continue_experiment(begun, kill).matrix == result.matrix
    (begun / "predictions" / "after-01.npz").unlink()
    with pytest.raises(UserError, match=r"after-01\.npz is missing"):
        run_experiment(SMALL, out=tmp_path)


def test_the_seed_is_a_choice(tmp_path: Path) -> None:
    plans = [resolve(SMALL.model_copy(update={"seed": seed}), tmp_path) for seed in (0, 1)]
    assert [plan.config.seed for plan in plans] == [0, 1]
    assert plans[0].folder != plans[1].folder and plans[1].config.choices["seed"] == 1


def weights_of(method: Method) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in method.clip.named_parameters()}


def test_every_method_that_is_made_is_fresh() -> None:
    plan = small_plan("finetune")
    make = MethodFactory(plan, Assets(), fresh(plan).clip)
    first = make()
    before = weights_of(first)
    with torch.no_grad():
        for parameter in first.clip.parameters():
            parameter.add_(1.0)
    second = make()
    assert all(torch.equal(before[name], p) for name, p in weights_of(second).items())
    assert {id(p) for p in first.clip.parameters()}.isdisjoint(map(id, second.clip.parameters()))


CHILD = """
import pickle, sys, torch
make, images = pickle.load(open(sys.argv[1], "rb"))
method = make()
with torch.no_grad():
    features = method.clip.encode_images(images)
torch.save((type(method).__name__, features), sys.argv[2])
"""


@pytest.mark.parametrize("method", ["zscl", "moe-adapters", "joint", "norm-tuning"])
def test_a_factory_makes_the_same_method_in_another_process(method: str, tmp_path: Path) -> None:
    chosen = SMALL.model_copy(update={"method": method, "plugin": PLUGIN, "tasks": 2})
    experiment = assemble(resolve(chosen, tmp_path))
    here = experiment.make_method()
    images = here.clip.normaliser()(experiment.stream.tasks[0].test.pixels[:3])
    (tmp_path / "sent").write_bytes(pickle.dumps((experiment.make_method, images)))
    subprocess.run(
        [sys.executable, "-c", CHILD, tmp_path / "sent", tmp_path / "back"],
        check=True, env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
    )  # fmt: skip
    name, features = torch.load(tmp_path / "back")
    assert name == type(here).__name__
    with torch.no_grad():
        torch.testing.assert_close(features, here.clip.encode_images(images))


FLOORS = ("cli", "experiment", "methods", "datasets", "reports", "benchmark")  # from the top down


def room_of(code: CodeType) -> str:
    """The top-level room that a function is written in; empty where it is not ours."""
    parts = Path(code.co_filename).parts
    ours = str(ROOT) in code.co_filename and ".venv" not in parts and "tests" not in parts
    return next((room for room in FLOORS if ours and room in parts), "")


def test_a_run_walks_down_from_the_command_line_to_the_runner(tmp_path: Path) -> None:
    """Every call between rooms, as it happens: none climbs but words to who hears of the run."""
    climbs: set[str] = set()
    stations: list[str] = []

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event != "call":
            return
        caller = frame.f_back
        while caller is not None and not room_of(caller.f_code):
            caller = caller.f_back
        room, name = room_of(frame.f_code), frame.f_code.co_qualname
        came_from = room_of(caller.f_code) if caller is not None else ""
        if room and came_from and FLOORS.index(room) < FLOORS.index(came_from):
            climbs.add(f"{room}: {name}")
        if (room, name) in STATIONS:
            stations.append(name)

    chosen = SMALL.model_copy(update={"method": "zero-shot"})
    sys.setprofile(watch)
    try:
        execute.run_command(chosen, [0], tmp_path, False, Dashboards())
    finally:
        sys.setprofile(None)
    assert stations == [name for _, name in STATIONS], "each once, in this order"
    audience = {name for name in vars(Audience) if not name.startswith("_")}
    assert climbs - {"experiment: MethodFactory.__call__"} == {
        *(f"cli: Terminal.{name}" for name in audience - {"remark"}),  # nothing is remarked of mini
        "cli: Terminal.learning.<locals>.listen",
    }, "only what runner and experiment were handed"  # fmt: skip


def test_a_suite_never_carries_a_methods_budget() -> None:
    plan = resolve(Choices(suite="mini", method="sd-lora", preset="paper", device="cpu"))
    assert plan.suite == find_suite("mini")
    assert plan.config.budget != resolve(Choices(suite="mini", device="cpu")).config.budget


def test_a_file_of_settings_is_read_by_itself(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('method = "lora"\n[set]\nlr = 1e-3\nname = "x"\n')
    given = read_config_file(tmp_path / "r.toml")
    assert given == {"method": "lora", "overrides": ("lr=0.001", 'name="x"')}


def test_in_process_streams_and_the_assembled_one_are_the_same() -> None:
    plan = small_plan("lora")
    whole, part = assemble(plan).stream, small_stream(plan)
    for task, small in zip(whole.tasks, part.tasks, strict=True):
        assert torch.equal(task.train.pixels[::5], small.train.pixels)
