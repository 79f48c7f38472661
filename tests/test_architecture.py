"""The house rules, read from the sources: imports point one way, results need no torch."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cl_bench.benchmark.method import Method
from cl_bench.datasets.mtil.layout import facts
from cl_bench.methods.catalog import BUILT_IN, find_method

ROOT = Path(__file__).parents[1]
EXPERIMENT, CLI, API = (f"src/cl_bench/{room}" for room in ("experiment", "cli", "api"))
ALLOWED = {
    "benchmark": ("cl_bench", "cl_bench.benchmark"),
    "methods": ("cl_bench.benchmark", "cl_bench.methods"),
    "datasets": ("cl_bench.benchmark", "cl_bench.datasets"),
    "reports": (
        "cl_bench.benchmark.matrix",
        "cl_bench.benchmark.record",
        "cl_bench.benchmark.records.events",
        "cl_bench.benchmark.records.manifest",
        "cl_bench.benchmark.records.run_log",
        "cl_bench.benchmark.records.secrets",
        "cl_bench.benchmark.config",
        "cl_bench.benchmark.errors",
        "cl_bench.reports",
    ),
}
OF_EXPERIMENT = ("benchmark", "methods", "datasets", "experiment")
DISPLAY = {"typer", "click", "rich", "wandb", "tensorboard", "matplotlib"}  # how a run is shown
# The rooms of reports/, one way down: each may import those before it (and itself).
ROOMS = ("runs", "statistics", "tables", "plots", "literature", "page", "sinks", "terminal")
BESIDE = {  # rooms that do not know each other
    "sinks": {"statistics", "tables", "literature", "page"},
    "terminal": {"literature", "page", "sinks"},
    "plots": {"tables"},
}


def imports(file: Path) -> Iterator[str]:
    """Every module of ours that a source file imports, wherever it does so."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_point_one_way(folder: str) -> None:
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    for file in files:
        for module in imports(file):
            if module.partition(".")[0] == "cl_bench":
                allowed = any(
                    module == rule or (rule != "cl_bench" and module.startswith(f"{rule}."))
                    for rule in ALLOWED[folder]
                )
                assert allowed, f"{file.relative_to(ROOT)} imports {module}"
            assert not (folder == "reports" and module.partition(".")[0] == "torch"), file


def test_an_experiment_knows_neither_the_command_line_nor_how_it_is_shown() -> None:
    files = list((ROOT / EXPERIMENT).glob("*.py"))
    assert {file.stem for file in files} > {"choices", "resolve", "assemble", "run"}
    for file in files:
        for module in imports(file):
            top, _, rest = module.partition(".")
            assert top not in DISPLAY, f"{file.name} imports {module}"
            assert top != "cl_bench" or rest.partition(".")[0] in OF_EXPERIMENT, f"{file}: {module}"


def test_only_the_command_line_shows_anything() -> None:
    for folder in ("benchmark", "methods", "datasets", EXPERIMENT):
        for file in (ROOT / folder).rglob("*.py"):
            found = {module.partition(".")[0] for module in imports(file)} & (
                DISPLAY - {"matplotlib"}
            )
            assert not found, f"{file.relative_to(ROOT)} imports {found}"


def test_one_door_leads_to_the_runner() -> None:
    """Whoever starts a run goes through the room for experiments."""
    doors = {"cl_bench.benchmark.run", "cl_bench.datasets.streams", "cl_bench.methods.catalog"}
    for file in (*(ROOT / CLI).rglob("*.py"), *(ROOT / API).rglob("*.py")):
        found = {m for m in imports(file) if m in doors}
        # they list names, decode images without a run, or type what a run tells
        beside = {
            "start.py",
            "method.py",
            "completion.py",
            "inspect.py",
            "sanity.py",
            "data.py",
            "data_work.py",
            "installed.py",
            "against_data.py",
            "progress.py",
        }
        assert not found or file.name in beside, f"{file.relative_to(ROOT)} imports {found}"


def test_the_rooms_of_reports_lead_one_way() -> None:
    rooms = {d.name for d in (ROOT / "reports").iterdir() if list(d.glob("*.py"))}
    assert rooms == set(ROOMS)
    for height, room in enumerate(ROOMS):
        below = set(ROOMS[: height + 1]) - BESIDE.get(room, set())
        for file in (ROOT / "reports" / room).rglob("*.py"):
            for module in imports(file):
                if module.startswith("cl_bench.reports."):
                    assert module.split(".")[2] in below, f"{file.relative_to(ROOT)}: {module}"


def test_no_module_imports_itself_in_a_circle() -> None:
    """Over all sources, wherever in a file the import stands; for types alone is an import, too."""
    folders = (*ALLOWED, EXPERIMENT, CLI, API)
    sources = [f for folder in folders for f in (ROOT / folder).rglob("*.py")]
    modules = {module_of(file): set(imports_of_names(file)) for file in sources}
    graph = {name: found & modules.keys() - {name} for name, found in modules.items()}
    while leaves := {name for name, found in graph.items() if not found}:
        graph = {name: found - leaves for name, found in graph.items() if name not in leaves}
    assert not graph, f"in a circle, or above one: {sorted(graph)}"


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(("cl_bench", *(parts[2:] if parts[0] == "src" else parts)))


def imports_of_names(file: Path) -> Iterator[str]:
    """Modules as ``imports`` gives them, and what ``from package import module`` may name."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_methods_do_not_know_the_runner() -> None:
    runner = {"run", "train", "evaluate", "record", "records", "checkpoint", "cost", "estimate"}
    for file in (ROOT / "methods").glob("*.py"):
        assert not runner & {part for module in imports(file) for part in module.split(".")}, file


def test_the_runner_knows_no_method_and_no_data_set() -> None:
    for name in ("run.py", "train.py", "evaluate.py"):
        source = (ROOT / "benchmark" / name).read_text().lower()
        names = [*BUILT_IN, *(d.lower() for d in facts()["datasets"])]
        names.remove("zero-shot")  # also what the matrix's first row is called
        for known in names:  # two letters are within many a word
            word = rf"\b{known}\b" if len(known) == 2 else re.escape(known)
            assert not re.search(word, source), f"benchmark/{name} mentions {known}"


def test_folders_are_linked_and_hold_no_init() -> None:
    for folder in ALLOWED:
        link = ROOT / "src" / "cl_bench" / folder
        assert link.is_symlink() and link.resolve() == ROOT / folder
        assert not list((ROOT / folder).rglob("__init__.py"))


@pytest.mark.parametrize("name", BUILT_IN)
def test_methods_inherit_from_method_alone(name: str) -> None:
    method = find_method(name).method
    assert method.__bases__ == (Method,)
    assert inspect.getdoc(method)


def loads_torch(code: str) -> bool:
    run = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
    )
    return run.stdout.strip().endswith("True")


def test_results_are_read_without_torch() -> None:
    files = [file.relative_to(ROOT) for file in (ROOT / "reports").rglob("*.py")]
    modules = [f"cl_bench.{'.'.join(file.with_suffix('').parts)}" for file in files]
    modules += [f"cl_bench.benchmark.{name}" for name in ("matrix", "record", "config")]
    records = (ROOT / "benchmark" / "records").glob("*.py")
    modules += [f"cl_bench.benchmark.records.{file.stem}" for file in records]
    modules += ["cl_bench.methods.catalog", "cl_bench.datasets.catalog"]
    modules += [
        f"cl_bench.experiment.{file.stem}"
        for file in (ROOT / EXPERIMENT).glob("*.py")
        if file.stem
        not in ("__init__", "assemble", "run", "forecast", "memory")  # these bring the model
    ]
    assert not loads_torch("import " + ", ".join(modules))
    assert loads_torch("import cl_bench.benchmark.clip"), "the check can tell"


def test_help_loads_no_torch() -> None:
    code = (
        "from cl_bench.cli.app import app\ntry:\n    app(['--help'])\nexcept SystemExit:\n    pass"
    )
    assert not loads_torch(code)


def test_every_method_has_a_card_and_every_setting_is_on_one() -> None:
    cards = {name: (ROOT / "docs" / "methods" / f"{name}.md").read_text() for name in BUILT_IN}
    for name, card in cards.items():
        for part in (
            "**Idea",
            "published code and the paper differ",
            "**Cost per step",
            "**Parity",
        ):
            assert part in card, f"{name}: no {part}"
        shared = [cards[other] for other, place in BUILT_IN.items() if place == BUILT_IN[name]]
        for setting in find_method(name).method.Config.model_fields:
            assert any(f"`{setting}`" in text for text in shared), f"{name}: {setting}"
