"""Tasks that are split by their classes: every image in one part, with its own class there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mtil_fixtures import make_mtil
from own_suite import HEAD, write_classes, write_suite
from small_run import small_run

import cl_bench
from cl_bench.benchmark.errors import UserError
from cl_bench.cli.verify.claims import all_claims
from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.listings import images_of_classes, list_splits
from cl_bench.datasets.own.suite_file import read_suite
from cl_bench.datasets.suite import Suite
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve

COUNTS = {"ant": 5, "bee": 6, "cat": 4, "dog": 7, "elk": 5, "fox": 6, "gnu": 8}
SOURCES = {
    "folder": 'images = "images"',
    "layout": 'layout = "Food"\nbelow = "mtil"',
    "mini": 'mini = "CIFAR100"',
    "world": 'mini = "mini-Food"\nworld = 3',
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("parts")
    write_classes(root / "images", COUNTS)
    make_mtil(root / "mtil", classes=7)
    return root


def suite_of(folder: Path, source: str, split: str = "", head: str = HEAD) -> Suite:
    return read_suite(write_suite(folder, f'name = "t"\n{source}\n{split}', head=head))


def images_by_class(suite: Suite) -> dict[tuple[str, str], list[bytes]]:
    """Split and class name -> the images, whatever task they are in."""
    found: dict[tuple[str, str], list[bytes]] = {}
    for spec in suite.tasks:
        for split, listing in zip(("train", "test"), list_splits(spec), strict=True):
            assert listing.classnames == spec.classnames
            for image, target in zip(listing.images, listing.targets.tolist(), strict=True):
                content = image.read_bytes() if isinstance(image, Path) else image.tobytes()
                found.setdefault((split, spec.classnames[target]), []).append(content)
    return found


@pytest.mark.parametrize(("source", "count"), [*((s, 3) for s in SOURCES), ("folder", 2)])
def test_every_image_is_in_one_part_under_its_own_class(
    folder: Path, source: str, count: int
) -> None:
    """The silent fault: an index that counts the classes of the whole task, or an image lost."""
    whole = suite_of(folder, SOURCES[source])
    parts = suite_of(folder, SOURCES[source], f"split = {count}")
    assert [spec.name for spec in parts.tasks] == [f"t-{k}" for k in range(1, count + 1)]
    assert images_by_class(parts) == images_by_class(whole)
    sizes = [len(spec.classnames) for spec in parts.tasks]
    assert sum(sizes) == len(whole.tasks[0].classnames) and max(sizes) - min(sizes) <= 1
    for spec in parts.tasks:
        train, test = list_splits(spec)
        assert (len(train.targets), len(test.targets)) == (spec.train_size, spec.test_size)
        counted = np.bincount(train.targets, minlength=len(spec.classnames)).tolist()
        assert list(images_of_classes(spec)) == counted


def test_the_seed_decides_and_so_does_the_name(folder: Path) -> None:
    drawn = {
        said: [spec.classnames for spec in suite_of(folder, SOURCES["mini"], said).tasks]
        for said in ("split = 3", "split = 3\nclass_seed = 0", "split = 3\nclass_seed = 1")
    }
    same, same_again, other = drawn.values()
    assert same == same_again != other
    (whole,) = suite_of(folder, SOURCES["mini"]).tasks
    assert [name for part in same for name in part] != list(whole.classnames), "drawn, not in order"


def test_another_split_is_another_suite(folder: Path) -> None:
    said = ("", "split = 2", "split = 3", "split = 3\nclass_seed = 1")
    for source in SOURCES.values():
        digests = {suite_of(folder, source, s).identify().digest for s in said}
        assert len(digests) == len(said)


def test_a_suite_without_splits_is_what_it_was() -> None:
    assert "part" not in find_suite("mini").tasks[0].identity()


def test_orders_and_epochs_of_a_task_are_those_of_its_parts(folder: Path) -> None:
    head = f'{HEAD}[orders]\nA = ["u", "t"]\nB = ["t-2", "u"]\n[epochs_per_task.A]\nt = 3\n'
    tasks = ('name = "t"\nmini = "Food"\nsplit = 2', 'name = "u"\nmini = "DTD"')
    suite = read_suite(write_suite(folder, *tasks, head=head))
    assert suite.orders == {"A": ("u", "t-1", "t-2"), "B": ("t-2", "u")}
    assert suite.budget.epochs_per_task == {"A": {"t-1": 3, "t-2": 3}}
    assert "order B leaves out t-1" in suite.remarks
    assert any("10 classes are split into 2 parts by class_seed 0" in r for r in suite.remarks)


def test_a_run_learns_the_parts_and_is_proven(folder: Path, tmp_path: Path) -> None:
    head = f'{HEAD}[protocol]\nlabels = "seen"\n'
    tasks = ('name = "t"\nmini = "Food"\nsplit = 5', 'name = "u"\nmini = "Food"\nworld = 2')
    file = write_suite(tmp_path, *tasks, head=head)
    choices = Choices(suite=str(file), method="rail", device="cpu", shots=2, tasks=6)
    result = small_run(resolve(choices), tmp_path / "run")
    assert result.finished and len(result.config.tasks) == 6
    assert result.config.protocol.namesakes == "one", "u has the classes of all parts"
    names = {spec.name: spec.classnames for spec in read_suite(file).tasks}
    union = [name for task in result.config.tasks for name in names[task]]
    truth = result.targets()
    assert {union[i] for i in truth["u"].tolist()} == set(names["u"])
    assert truth["u"].max() < 10, "counted as the first of its name"


def test_a_split_run_can_be_verified(tmp_path: Path) -> None:
    file = write_suite(tmp_path, 'name = "t"\nmini = "Food"\nsplit = 5')
    with pytest.warns(cl_bench.RunWarning, match="split into 5 parts"):
        run = cl_bench.run(
            "zero-shot", suite=str(file), tasks=2, device="cpu", out=tmp_path / "runs"
        )
    claims = {claim.name: claim for claim in all_claims(run.path)}
    assert {c.verdict for c in claims.values()} <= {"proven", "not checkable here"}
    assert claims["test images"].verdict == claims["training images"].verdict == "proven"


WRONG = {
    "more parts than pairs of classes": (f"{SOURCES['folder']}\nsplit = 4", r"t: split = 4: .* fewer than 2 of the 7 classes; give at most 3"),
    "one part": (f"{SOURCES['folder']}\nsplit = 1", r"split: .*greater than or equal to 2"),
    "a seed without a split": (f"{SOURCES['folder']}\nclass_seed = 1", "`class_seed` has no meaning without `split`"),
    "no such domain": ('mini = "Fod"', "no task of suite mini 'Fod'|unknown task of suite mini"),
    "a world without a domain": (f"{SOURCES['folder']}\nworld = 2", "`world` has no meaning beside `images`"),
    "world 0": ('mini = "Food"\nworld = 0', "world: .*greater than or equal to 1"),
    "two ways": ('mini = "Food"\nlayout = "Food"', "give `train` and `test`, or one of"),
    "a fraction": (f"{SOURCES['folder']}\nsplit = 2.5", "split: "),
    "a truth value": (f"{SOURCES['folder']}\nsplit = true", "split"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_makes_no_sense_is_refused(case: str, folder: Path) -> None:
    said, message = WRONG[case]
    with pytest.raises(UserError, match=message) as error:
        suite_of(folder, said)
    assert "\n" not in str(error.value)


def test_a_part_with_the_name_of_another_task_is_refused(folder: Path) -> None:
    tasks = ('name = "t"\nmini = "Food"\nsplit = 2', 'name = "t-2"\nmini = "DTD"')
    with pytest.raises(UserError, match=r"two tasks have the names 't-2'"):
        read_suite(write_suite(folder, *tasks))
