"""``import cl_bench`` as a researcher uses it: start, read, choose, tabulate, compare, report."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from written_run import write_run

import cl_bench
from cl_bench.api.start import KEYWORDS
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.matrix import accuracy
from cl_bench.experiment.choices import OPTIONS
from cl_bench.experiment.settings import find_settings

ROOT = Path(__file__).parents[1]
SMALL: dict[str, Any] = {"suite": "mini", "order": "II", "tasks": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> cl_bench.Run:
    """A real run of two tasks."""
    out = tmp_path_factory.mktemp("runs")
    return cl_bench.run("lora", settings={"rank": 2, "steps": 3}, out=out, listen=print, **SMALL)


def ask(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
    ).stdout.strip()  # fmt: skip


def test_importing_brings_nothing_and_reading_brings_no_torch(run: cl_bench.Run) -> None:
    heavy = "{'torch', 'numpy', 'pandas', 'pydantic', 'matplotlib'} & set(sys.modules)"
    assert ask(f"import sys, cl_bench; print({heavy})") == "set()"
    code = f"runs = cl_bench.load({str(run.path.parent)!r}); runs.to_frame(), runs.table()"
    assert ask(f"import sys, cl_bench; {code}; print('torch' in sys.modules)") == "False"
    assert {*cl_bench.__all__} <= {*dir(cl_bench)}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cl_bench.nothing  # noqa: B018


def test_a_run_says_what_its_files_say(run: cl_bench.Run) -> None:
    assert run.finished and run.config.method_settings["rank"] == 2
    assert run.config.budget.steps == dict.fromkeys(run.config.tasks, 3)
    frame = run.matrix.to_frame()
    assert list(frame.index) == ["zero-shot", "mini-StanfordCars", "mini-Food"]
    assert frame.loc["mini-Food", "mini-Food"] == run.matrix.rows[1][1]
    right = run.predictions("mini-Food", after=2) == run.targets("mini-Food")
    assert accuracy(right) == run.matrix.rows[1][1]
    assert not np.array_equal(run.predictions("mini-Food", 0), run.predictions("mini-Food", 2))
    assert run.metrics == run.matrix.metrics() and run.cost.images_drawn is not None
    assert run.plot().get_axes() and "lora on mini, order II, seed 0: 2 of 2" in repr(run)
    with pytest.raises(UserError, match=r"after=3: the run has rows after 0 to 2 tasks"):
        run.predictions("mini-Food", after=3)
    with pytest.raises(UserError, match=r"unknown task of the run 'mini-Fod': did you mean"):
        run.predictions("mini-Fod", after=1)


def test_the_same_call_reads_the_finished_run_and_resume_does(run: cl_bench.Run) -> None:
    def fail(event: object) -> None:
        raise AssertionError("nothing is to be done")

    out = run.path.parents[2]
    settings = {"rank": 2, "steps": 3}
    again = cl_bench.run("lora", settings=settings, out=out, listen=fail, **SMALL)
    assert again.path == run.path and again.matrix == run.matrix
    assert cl_bench.resume(run.path, listen=fail).matrix == run.matrix


def test_a_class_of_ones_own_is_handed_over(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location(
        "own", ROOT / "examples" / "methods" / "norm_tuning.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["own"] = module
    spec.loader.exec_module(module)
    run = cl_bench.run(
        module.NormTuning, settings={"steps": 2, "pull": 0.5}, out=tmp_path, **SMALL | {"tasks": 1}
    )
    assert run.finished and run.config.method == "norm-tuning"
    assert run.config.plugin is not None and run.config.method_settings == {"pull": 0.5}


def test_a_built_in_class_is_its_name_and_a_class_without_a_file_is_refused(tmp_path: Path) -> None:
    from cl_bench.methods.zero_shot import ZeroShot

    run = cl_bench.run(ZeroShot, out=tmp_path, **SMALL | {"tasks": 1})
    assert run.config.method == "zero-shot" and run.config.plugin is None
    typed_in = type("TypedIn", (), {"__module__": "__main__"})
    with pytest.raises(UserError, match="TypedIn is defined in a script or notebook"):
        cl_bench.run(typed_in, out=tmp_path, **SMALL)
    with pytest.raises(UserError, match="not both"):
        cl_bench.run(typed_in, plugin="x.py", out=tmp_path, **SMALL)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"methd": "lora"}, "unknown option 'methd'"),
        ({"task": 2}, "unknown option 'task': did you mean 'tasks'"),
        ({"tasks": 0}, "--tasks 0: the order has 11 tasks"),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
        ({"overrides": ("rank=1",)}, "unknown option 'overrides'"),
        ({"settings": {"rnak": 1}}, "unknown setting of keeplora 'rnak': did you mean 'rank'"),
        ({"settings": {"rank": "four"}}, "rank: Input should be a valid integer"),
    ],
)
def test_a_mistake_is_an_error_that_names_it(
    options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as said:
        cl_bench.run(out=tmp_path, **{"suite": "mini", "device": "cpu"} | options)
    assert words in str(said.value) and not list(tmp_path.iterdir())


def test_every_option_of_the_command_line_is_one_of_the_call() -> None:
    assert {*KEYWORDS} == {*OPTIONS} - {"method", "overrides"}  # `method` and `settings` are those
    doc = str(cl_bench.run.__doc__)
    assert all(f"``{name}``: " in doc for name in KEYWORDS)


def test_a_collection_is_filtered_tabulated_compared_and_reported(tmp_path: Path) -> None:
    for method in ("lora", "keeplora"):
        for seed in (0, 1, 2):
            write_run(tmp_path / "runs", method, seed)
    broken = write_run(tmp_path / "runs", "zscl", 0)
    (broken / "matrix.csv").write_text("")
    runs = cl_bench.load(tmp_path / "runs")
    assert len(runs) == 6 and [path for path, _ in runs.left_out] == [broken]
    assert len(runs.filter(method="lora")) == 3 and len(runs[:2]) == 2
    assert [run.config.seed for run in runs.filter(method=["lora", "keeplora"], seed=1)] == [1, 1]
    assert not runs.filter(finished=False)
    with pytest.raises(
        UserError, match="unknown column to filter by 'metod': did you mean 'method'"
    ):
        runs.filter(metod="lora")
    frame = runs.to_frame()
    assert list(frame["last"]) == [run.metrics["last"] for run in runs] and frame.index.is_unique
    table = runs.table().set_index("method")
    seeds = [run.metrics["last"] for run in runs.filter(method="lora")]
    assert (
        table.loc["lora", "last"] == pytest.approx(np.mean(seeds)) and table.loc["lora", "n"] == 3
    )
    differences = runs.differences()
    assert set(differences["metric"]) == {"transfer", "average", "last"}
    assert runs.report(tmp_path / "out").read_text().startswith("<!doctype html>")
    assert not (tmp_path / "out" / "figures.tex").exists()
    assert runs.report(tmp_path / "paper", style="paper").with_name("figures.tex").exists()
    with pytest.raises(UserError, match="no runs to report"):
        runs.filter(seed=9).report(tmp_path / "out")


def test_the_methods_are_listed_with_their_cards() -> None:
    cards = cl_bench.list_methods()
    assert cards["keeplora"].year == 2026 and "reference images" in cards["zscl"].needs


def test_a_method_tells_its_settings_without_torch() -> None:
    told = cl_bench.method("keeplora")
    assert told.settings() == find_settings("keeplora", "mini")
    assert told.settings("mtil") == find_settings("keeplora", "mtil")
    by_name = {setting.name: setting for setting in told.settings()}
    rank = by_name["rank"]
    assert (rank.table, rank.kind, rank.range, rank.default) == (
        "config",
        "whole number",
        ">= 1",
        16,
    )
    assert rank.paper is not None and rank.paper.value == rank.fair.value == 16
    assert by_name["lr"].fair.source == "keeplora.toml [recipe]" and by_name["lr"].about
    assert all(setting.paper is None for setting in told.settings("x-tail"))
    assert told.card == cl_bench.list_methods()["keeplora"] and "keeplora: LoRA" in repr(told)
    code = "import sys, cl_bench; cl_bench.method('keeplora').settings(); print('torch' in sys.modules)"
    assert ask(code) == "False"
    own = cl_bench.method("norm-tuning", plugin=ROOT / "examples" / "methods" / "norm_tuning.py")
    assert own.settings()[0].name == "pull" and own.card.about.startswith("Cross-entropy + pull")
    for wrong in (lambda: cl_bench.method("keeplroa"), lambda: told.settings("mimi")):
        with pytest.raises(UserError, match="did you mean"):
            wrong()
    with pytest.raises(UserError, match=r"gone\.py does not exist"):
        cl_bench.method("own", plugin="gone.py")
