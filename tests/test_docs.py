"""What the README and docs/ say can be typed, opened and looked up as it stands there."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from small_run import small_plan, small_run

import cl_bench
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask
from cl_bench.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
README = (ROOT / "README.md").read_text()
COMMANDS = typer.main.get_command(app)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        file, _, section = target.partition("#")
        linked = (page.parent / file) if file else page
        assert linked.exists(), target
        if section:
            assert section in anchors(linked), target


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def typed(page: Path) -> Iterator[list[str]]:
    """The words of every command of ours that a page shows, comments and what follows a pipe left out."""
    text = page.read_text().replace("\\\n", " ")
    shown = re.findall(r"^ {4,}(?:\.venv/bin/)?(cl-bench .*)$", text, re.MULTILINE)
    for command in (*shown, *re.findall(r"`(cl-bench [^`]+)`", text)):
        yield shlex.split(" ".join(command.split()), comments=True)[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    for words in typed(page):
        command, places = COMMANDS, list(words)
        while hasattr(command, "commands") and places and re.fullmatch(r"[a-z-]+", places[0]):
            assert places[0] in command.commands, words
            command = command.commands[places.pop(0)]
        known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        options = {word.partition("=")[0] for word in places if word.startswith("--")}
        assert options <= known, f"{words}: {options - known}"


def test_the_pages_show_commands() -> None:
    """The test above looks at nothing where this count falls."""
    assert sum(len(list(typed(page))) for page in PAGES) > 60


def block(language: str, *, holds: str) -> str:
    """The README's one code block of a language that holds something."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    (found,) = [text for text in blocks if holds in text]
    return str(found)


def test_the_readmes_own_suite_is_the_one_that_its_script_writes(tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / "examples" / "own_suite.py"))
    script["main"](tmp_path / "digits")
    written = (tmp_path / "digits" / "digits.toml").read_text()
    assert written == block("toml", holds='name = "digits"')
    suite = str(tmp_path / "digits" / "digits.toml")
    run = cl_bench.run(method="lora", out=tmp_path / "runs", settings={"steps": 2}, suite=suite)
    assert run.finished and run.matrix.tasks == ("low", "high")


def test_the_readmes_own_method_runs_and_learns(tmp_path: Path) -> None:
    file = tmp_path / "bias_tuning.py"
    file.write_text(block("python", holds="class BiasTuning"))
    plan = small_plan("bias-tuning", plugin=file, overrides=("steps=40", "lr=1e-3"))
    metrics = small_run(plan, tmp_path / "run").matrix.metrics()
    assert metrics["learned"] > metrics["zero_shot"] + 5


GUIDE = (ROOT / "docs" / "adding-a-method.md").read_text()


@pytest.mark.parametrize(
    ("title", "of"),
    [
        ("What `clip` offers", Clip),
        ("What a `Batch` holds", Batch),
        ("What a `LabelSpace` offers", LabelSpace),
        ("What a `TrainingTask` offers", TrainingTask),
    ],
)
def test_the_guide_names_all_that_is_offered_and_nothing_else(title: str, of: type) -> None:
    section = GUIDE.split(f"## {title}\n")[1].split("\n## ")[0]
    cells = " ".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    named = {re.match(r"\w+", code)[0] for code in re.findall(r"`([^`]+)`", cells)} - {"len"}  # type: ignore[index]
    methods = {name for name in vars(of) if not name.startswith("_")}
    attributes = set(
        re.findall(r"^ +(\w+): ", (of.__doc__ or "").split("Attributes:")[-1], re.MULTILINE)
    )
    of_itself = {"tokenizer"} if of is Clip else set()
    assert named == methods | attributes | of_itself


def test_rank_agreement_is_what_the_script_finds_and_the_readme_says_it() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "rank_agreement.py"))
    page = script["page"]()
    assert (ROOT / "docs" / "rank-agreement.md").read_text() == page
    rows = [
        [cell.strip() for cell in line.split("|")]
        for line in page.splitlines()
        if line[:3] in ("| I",)
    ]
    rho = [row[4] for row in rows]
    said = re.search(r"Spearman's ρ .*?\n(.*?)\n(.*?)\.", README, re.DOTALL)
    assert said and re.findall(r"[01]\.\d\d", said[0]) == rho
    assert [row[3] for row in rows] == ["11", "6", "6", "6", "6", "6"]


def test_the_readmes_rows_are_those_of_the_documented_table() -> None:
    shown = README.split("<!-- results of make table -->")[1].split("<!-- end")[0].split("\n")
    documented = (ROOT / "docs" / "mini-results.md").read_text().splitlines()
    of = {line.split("|")[1]: line for line in documented if line.startswith("|")}
    rows = [line for line in shown if line.startswith("|")]
    assert len(rows) == 2 + 10
    for row in rows:
        assert of[row.split("|")[1]].startswith(row.removesuffix(" |")), row
