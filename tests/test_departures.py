"""Published settings on another backbone, suite, order or label space: said in one line, wherever results are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import cl_bench
from small_run import small_plan

from cl_bench.benchmark.config import Backbone, Protocol, RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.pretrained.open_clip_tables import pretrained_tags
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.departures import departures
from cl_bench.experiment.resolve import resolve
from cl_bench.methods.catalog import BUILT_IN, find_method
from cl_bench.methods.published import published_on
from cl_bench.reports.report import write_report

VIT = "ViT-B-16-quickgelu"
OPENAI = Backbone(name=VIT, weights="openai")
ARCHIVE = str(pretrained_tags(VIT)["openai"]["url"]).split("/")[-2]  # its SHA-256
OWN, ALL = Protocol(), Protocol(labels="all")


def said(
    method: str = "keeplora",
    preset: str = "paper",
    suite: str = "mtil",
    backbone: Backbone = OPENAI,
    order: str = "II",
    protocol: Protocol = OWN,
) -> tuple[str, ...]:
    return departures(find_method(method), preset, suite, backbone, order, protocol)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_file_says_what_its_numbers_are_from(name: str) -> None:
    entry = find_method(name)
    assert published_on(entry.settings, entry.file) is not None and "paper" in entry.settings


def test_nothing_is_said_of_what_was_published() -> None:
    assert said() == said(order="I") == said("moe-adapters", order="I") == ()
    assert said("rail", suite="x-tail", protocol=ALL) == said("diki", order="custom") == ()
    archive = Backbone(name=VIT, weights="/models/vit.pt", sha256=ARCHIVE)
    assert said(backbone=archive) == (), "OpenAI's own archive is what the tag means"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"backbone": Backbone(name=VIT, weights="random")}, f"the backbone {VIT}:openai, not {VIT}:random"),
        ({"backbone": Backbone(name="ViT-L-14-quickgelu", weights="openai")}, "not ViT-L-14-quickgelu:openai"),
        ({"backbone": Backbone(name=VIT, weights="/a/b.pt", sha256="0" * 64)}, f"not {VIT}:/a/b.pt"),
        ({"suite": "mini"}, "the suite mtil, not mini"),
        ({"order": "custom"}, "order I or II, not custom"),
        ({"order": "random-3"}, "order I or II, not random-3"),
        ({"method": "moe-adapters"}, "order I, not II"),
        ({"method": "condu-lora"}, "order I, not II"),
        ({"protocol": ALL}, "the classes of an image's own task, not the classes of all tasks"),
        ({"protocol": Protocol(labels="seen")}, "not the classes of the tasks learned so far"),
        ({"protocol": Protocol(clients=3, rounds=2)}, "training in one place, not 3 clients"),
        ({"method": "rail"}, "the suite x-tail, not mtil"),
        ({"method": "inflora"}, "the suite CIFAR-100, not mtil"),
        ({"method": "gpm"}, "the suite CIFAR-100, not mtil"),
    ],
)  # fmt: skip
def test_what_nobody_published_is_said_in_one_line(changed: dict[str, object], words: str) -> None:
    for preset in ("paper", "custom"):
        (line,) = said(preset=preset, **changed)  # type: ignore[arg-type]
        assert line.startswith("preset paper: ") and words in line and "\n" not in line
    assert said(preset="fair", **changed) == ()  # type: ignore[arg-type]


def plugin(folder: Path, settings: str | None) -> tuple[str, ...]:
    """What is said of a method of one's own, with or without a settings file."""
    file = folder / "mine.py"
    file.write_text(
        "from cl_bench.benchmark.method import Method\n\n\nclass Mine(Method):\n    '''Nothing is learned.'''\n"
    )
    if settings is not None:
        file.with_suffix(".toml").write_text(settings)
    choices = {"suite": "mini", "method": "mine", "plugin": file, "preset": "paper"}
    return resolve(Choices.model_validate({**choices, "device": "cpu"})).config.departures


def test_a_method_of_ones_own_says_it_or_it_is_not_known(tmp_path: Path) -> None:
    nothing = "preset paper: mine has no published settings, these are the suite's"
    assert plugin(tmp_path, None) == plugin(tmp_path, "[recipe]\nlr = 1e-3\n") == (nothing,)
    numbers = "[paper.recipe]\nlr = 1e-3\n"
    (unknown,) = plugin(tmp_path, numbers)
    assert "does not say on which backbone and suite" in unknown
    mine = '[published]\nbackbones = ["tiny-clip:shipped"]\nsuites = ["mini"]\n'
    assert plugin(tmp_path, f"{mine}{numbers}") == ()
    for wrong, words in (
        ('[published]\nbackbone = "x"\n', "backbones: Field required"),
        ('[published]\nbackbones = []\nsuites = ["mini"]\n', "backbones: Tuple should have at least 1"),
        (f'{mine}labels = "some"\n', "labels: Input should be 'own', 'seen' or 'all'"),
    ):  # fmt: skip
        with pytest.raises(UserError) as refused:
            plugin(tmp_path, f"{wrong}{numbers}")
        assert str(tmp_path / "mine.toml") in str(refused.value) and words in str(refused.value)
        assert "\n" not in str(refused.value)


def test_it_stands_on_the_screen_in_the_record_and_in_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "the suite mtil, not mini"
    typed = ["run", "--suite", "mini", "--method", "zero-shot", "--tasks", "1", "--preset", "paper",
             "--out", str(tmp_path / "runs")]  # fmt: skip
    assert cl_bench(monkeypatch, *typed, "--dry-run") == 0
    assert words in " ".join(capsys.readouterr().out.split())
    assert cl_bench(monkeypatch, *typed) == 0
    shown = capsys.readouterr()
    assert words in " ".join((shown.out + shown.err).split())
    (config,) = (tmp_path / "runs").rglob("config.json")
    (line,) = json.loads(config.read_text())["departures"]
    assert words in line
    assert cl_bench(monkeypatch, "show", str(config.parent)) == 0
    assert words in " ".join(capsys.readouterr().out.split())
    write_report([tmp_path / "runs"], tmp_path / "out")
    for name in ("table.md", "table.tex", "report.html"):
        assert words in " ".join((tmp_path / "out" / name).read_text().split()), name


def test_a_run_is_the_same_run_whatever_is_said_of_it() -> None:
    config = small_plan("keeplora").config
    told = config.model_copy(update={"departures": ("preset paper: of another backbone",)})
    assert told.digest() == config.digest() and told.comparison_key() == config.comparison_key()
    before = config.model_dump(mode="json")
    del before["departures"]
    assert RunConfig.model_validate(before) == config
