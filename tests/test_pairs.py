"""Image-text pairs: a folder's table, class folders, mini's own; what is missing or wrong is one line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answered import answer
from command_line import cl_bench
from own_suite import write_image
from PIL import Image

from cl_bench.benchmark.assets import Pairs
from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.extra.references import find_sources
from cl_bench.datasets.extra.source import Source, TaskNames
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.mini.domains import DOMAINS
from cl_bench.datasets.mini.pairs import EACH, PER_TASK, drawn_pictures, rows_of
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve

TASKS = TaskNames(("cars", "birds"), ("food",))


def write_pairs(folder: Path, rows: Iterable[Sequence[str]], header: str = "path,prompt") -> Path:
    """A folder with a table, and an image of its own for every path that is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [header.split(","), *rows]
    for seed, row in enumerate(lines[1:]):
        if row[0] and not (folder / row[0]).exists():
            write_image(folder / row[0], seed)
    with (folder / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return folder


def found(folder: Path, tasks: TaskNames = TASKS, at_least: int = 2) -> Source:
    files = Choices(reference_pairs=folder)
    (source,) = find_sources(
        ("image-text pairs",), files, "own", "x", at_least, tasks=tasks
    ).values()
    return source


def loaded(source: Source, store: Store | None = None) -> Pairs:
    pairs: Any = source.load(8, "cpu", store or Store())
    return pairs


def shown(pairs: Pairs, task: str) -> list[tuple[str, str]]:
    """Names of a task's images and their prompts."""
    images, prompts = pairs.of(task)
    names = [Path(images.called(i)).name for i in range(len(images))]
    return list(zip(names, prompts, strict=True))


def test_a_table_without_tasks_serves_every_task(tmp_path: Path) -> None:
    rows = [("a.png", " a red cat "), ("b.png", 'a "cat", twice'), ("c.png", "a red cat")]
    source = found(write_pairs(tmp_path, rows))
    assert source.about.startswith("3 image-text pairs of a folder for every task, ")
    assert source.count() == 3
    expected = [("a.png", "a red cat"), ("b.png", 'a "cat", twice'), ("c.png", "a red cat")]
    assert shown(loaded(source), "cars") == shown(loaded(source), "birds") == expected


OF_TASKS = [
    ("birds/0.png", "a car", "birds"), ("0.png", "a plane", "cars"), ("1.png", "a ship", "cars"),
    ("birds/1.png", "a ship", "birds"), ("2.png", "a dish", "food"),
]  # fmt: skip


def test_a_table_with_tasks_gives_each_its_own(tmp_path: Path) -> None:
    source = found(write_pairs(tmp_path, OF_TASKS, "path,prompt,task"))
    assert source.about.startswith("4 image-text pairs of a folder for 2 tasks, ")
    pairs = loaded(source)
    assert shown(pairs, "cars") == [("0.png", "a plane"), ("1.png", "a ship")]
    assert shown(pairs, "birds") == [("0.png", "a car"), ("1.png", "a ship")]
    assert len(pairs.images) == 4, "those of a task that is left out are not decoded"


def test_pairs_are_pinned_by_images_prompts_and_tasks(tmp_path: Path) -> None:
    def about(rows: Iterable[Sequence[str]]) -> str:
        return found(write_pairs(tmp_path, rows, "path,prompt,task")).about

    first = about(OF_TASKS)
    assert about(OF_TASKS) == first
    assert about([("birds/0.png", "a tram", "birds"), *OF_TASKS[1:]]) != first
    swapped = [(p, w, {"cars": "birds", "birds": "cars"}.get(t, t)) for p, w, t in OF_TASKS]
    assert about(swapped) != first
    write_image(tmp_path / "0.png", 77)
    assert about(OF_TASKS) != first


def test_an_image_that_is_left_out_takes_its_prompt_along(tmp_path: Path) -> None:
    rows = [(f"{i}.png", f"number {i}") for i in range(4)]
    folder = write_pairs(tmp_path, rows)
    (folder / "1.png").write_bytes(b"no image")
    source = found(folder)
    with pytest.raises(UserError, match=r"1\.png cannot be read"):
        loaded(source)
    kept = loaded(source, Store(broken="skip"))
    assert shown(kept, "cars") == [(f"{i}.png", f"number {i}") for i in (0, 2, 3)]
    with pytest.raises(UserError, match="has 3 pairs for the task 'cars'; a step uses 4 at once"):
        loaded(found(folder, at_least=4), Store(broken="skip"))


def test_black_images_are_refused(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, [(f"{i}.png", "a cat") for i in range(3)])
    Image.fromarray(np.full((8, 8, 3), 3, np.uint8)).save(folder / "2.png")
    with pytest.raises(UserError, match=r"1 images are black, the first .*2\.png; a safety filter"):
        loaded(found(folder))


WRONG = {
    "no table": (None, "", r"the table of pairs .*pairs\.csv does not exist"),
    "no prompts": ([("a.png", "x")], "path,label", "has the columns path, label, needs path, prompt"),
    "another column": ([("a.png", "x", "y")], "path,prompt,tasks", "needs path, prompt and, option"),
    "no image": ([("", "x")], "path,prompt", "line 2: the column 'path' is empty"),
    "no word": ([("a.png", "x"), ("b.png", " ")], "path,prompt", "line 3: a prompt has 1 to 2,000 "),
    "no task": ([("a.png", "x", "")], "path,prompt,task", "line 2: the column 'task' is empty; leave"),
    "twice": (
        [("a.png", "x"), ("./a.png", "y")], "path,prompt", r"line 3: a\.png stands on line 2 already",
    ),
    "a cell more": ([("a.png", "x", "y")], "path,prompt", "line 2, has 3 cells where the header has 2"),
    "strange task": (
        [*OF_TASKS, ("9.png", "x", "crs")], "path,prompt,task",
        r"line 7: unknown task 'crs': did you mean 'cars'\? Known: birds, cars, food",
    ),
    "a task without": (OF_TASKS[1:3], "path,prompt,task", "has 0 pairs for the task 'birds'; a step"),
    "few": ([("a.png", "x")], "path,prompt", "has 1 pairs for the task 'cars'; a step uses 2 at once"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_table_is_one_line(name: str, tmp_path: Path) -> None:
    rows, header, words = WRONG[name]
    if rows is not None:
        write_pairs(tmp_path, rows, header)
    with pytest.raises(UserError, match=words) as error:
        found(tmp_path)
    assert answer(lambda: found(tmp_path)) == str(error.value)


def test_a_file_that_is_gone_and_a_folder_that_is_none(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "pairs", [("a.png", "x"), ("b.png", "y")])
    (folder / "b.png").unlink()
    with pytest.raises(
        UserError, match=r"pairs\.csv, line 3, names 'b\.png', which does not exist"
    ):
        found(folder)
    with pytest.raises(UserError, match=r"--reference-pairs .*nowhere is not a folder"):
        found(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("settings", "option"),
    [((), "--reference-pairs FOLDER"), (("reference=images",), "--reference-images FOLDER")],
)
def test_a_run_without_them_stops_before_training(settings: tuple[str, ...], option: str) -> None:
    with pytest.raises(UserError, match=f"the method needs .*: set {option}"):
        resolve(Choices(suite="mtil", method="gift", overrides=settings))


def of_classes(folder: Path, at_least: int = 2) -> Source:
    files = Choices(reference_images=folder)
    needs: Any = ("reference images with classes",)
    (source,) = find_sources(needs, files, "own", "x", at_least, tasks=TASKS).values()
    return source


def test_class_folders_name_the_prompts(tmp_path: Path) -> None:
    for i, name in enumerate(("tench", "great_white_shark", "deep/goldfish")):
        write_image(tmp_path / name / "0.png", i)
    source = of_classes(tmp_path)
    assert source.about.startswith("3 images for each task of 3 in class folders, ")
    prompts = {"a photo of a tench.", "a photo of a great white shark.", "a photo of a goldfish."}
    assert {prompt for _, prompt in shown(loaded(source), "cars")} == prompts


def test_each_task_has_a_draw_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cl_bench.datasets.extra.pairs.PER_TASK", 4)
    for i in range(30):
        write_image(tmp_path / f"class{i % 3}" / f"{i}.png", i)
    source = of_classes(tmp_path)
    assert source.count() == 4
    cars, birds = (shown(loaded(source), task) for task in ("cars", "birds"))
    assert len(set(cars)) == len(set(birds)) == 4 and cars != birds
    assert all(prompt == f"a photo of a class{int(n[:-4]) % 3}." for n, prompt in (*cars, *birds))


def test_folders_that_name_no_class_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a" / "n01440764" / "0.png")
    with pytest.raises(UserError, match="n01440764 is WordNet's number of a class, no name"):
        of_classes(tmp_path / "a")
    write_image(tmp_path / "b" / "0.png")
    with pytest.raises(UserError, match=r"0\.png is in no class folder, so it has no prompt"):
        of_classes(tmp_path / "b")
    (tmp_path / "c").mkdir()
    with pytest.raises(UserError, match="has 0 pairs for the task 'cars'"):
        of_classes(tmp_path / "c")


def test_minis_world_draws_what_is_known_and_what_was_learned() -> None:
    pixels, prompts = drawn_pictures()
    assert len({image.tobytes() for image in pixels}) == len(pixels) == len(prompts)
    order = ("mini-MNIST", "mini-Food", "mini-Flowers")
    rows = rows_of(order)
    assert {len(set(of)) for of in rows.values()} == {PER_TASK}
    assert rows_of(order[:2]) == {task: rows[task] for task in order[:2]}, "whatever comes behind"
    assert rows_of((order[1], order[0]))["mini-Food"] != rows["mini-Food"]

    def share(task: str, of: str) -> float:
        """Of a task's pairs, how many have a prompt of another task, beside how many would by chance."""
        own = {DOMAINS[of].templates[0].format(name) for name in DOMAINS[of].classnames}
        chosen = sum(prompts[row] in own for row in rows[task]) / PER_TASK
        return chosen / (len(own) * EACH / (len(pixels) / 2))

    for task in order:
        assert share(task, task) == 0, "never of the task itself"
    assert share("mini-Food", "mini-MNIST") > 1.5 > share("mini-MNIST", "mini-Food") > 0.5


def test_a_task_of_a_long_stream_gets_no_pair_of_its_own_domain() -> None:
    """Also where another world's task of that domain was learned before."""
    prompts = drawn_pictures()[1]
    rows = rows_of(("mini-MNIST-1", "mini-Food-1", "mini-MNIST-2"))
    own = {
        domain: {DOMAINS[domain].templates[0].format(c) for c in DOMAINS[domain].classnames}
        for domain in ("mini-MNIST", "mini-Food")
    }
    for task, of in rows.items():
        assert not {prompts[row] for row in of} & own[task[:-2]], task
    foods = [sum(prompts[row] in own["mini-Food"] for row in rows[t]) for t in list(rows)[::2]]
    assert foods[1] > 1.5 * foods[0] > 0, "what was learned is shown again"


def test_data_check_tells_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pairs(tmp_path / "pairs", OF_TASKS, "path,prompt,task")
    assert cl_bench(monkeypatch, "data", "check", str(folder)) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "birds 2 2 cars 2 2 food 1 1" in said and "worth a look" not in said
    (folder / "1.png").write_bytes((folder / "0.png").read_bytes())
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "2.png")
    (folder / "birds" / "1.png").write_bytes(b"no image")
    assert cl_bench(monkeypatch, "data", "check", str(folder)) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "2.png is black: take it and its rows out" in said
    assert "birds/1.png cannot be read: it is no image" in said
    assert (
        "1 images have the bytes of one with another prompt, for example 0.png ('a plane')" in said
    )
    (folder / "pairs.csv").unlink()
    assert cl_bench(monkeypatch, "data", "check", str(folder)) == 2
    assert "pairs.csv does not exist" in capsys.readouterr().err
