"""Names that must differ do, and no option is ignored."""

from __future__ import annotations

from pathlib import Path

import pytest
from mtil_fixtures import make_mtil
from own_suite import HEAD, write_classes, write_list, write_suite

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.catalog import BUILT_IN, find_suite
from cl_bench.datasets.checks.prompts import same_first_prompts
from cl_bench.datasets.own.suite_file import read_suite

PAIRS = (
    ("hot_dog", "hot dog"), ("Apple", "apple"), ("caf\u00e9", "cafe\u0301"), ("A4", "A 4"),
    ("hot  dog", "hot dog"), ("hot-dog", "hot - dog"), ("fish & chips", "fish &amp; chips"),
    ("\ufb01sh", "fish"), ("Stra\u00dfe", "stra\u00dfe"), ("x" + "a b " * 60 + "c", "x" + "a b " * 60 + "d"),
)  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS)
def test_two_classes_of_one_prompt_are_named(pair: tuple[str, str], tmp_path: Path) -> None:
    """They are the same to the text tower: the second would never be predicted."""
    a, b = pair
    write_list(
        tmp_path, [f"{i}{s}.png,{n},{s}" for i, n in enumerate(pair) for s in ("train", "test")]
    )
    with pytest.raises(UserError) as error:
        read_suite(write_suite(tmp_path, 'name = "t"\nlist = "list.csv"'))
    words = str(error.value)
    assert ("task t: the classes" in words and "have the same" in words) or "both have" in words
    assert (
        all(repr(name) in words for name in (a, b))
        and "0train.png" in words
        and "1train.png" in words
    )


def test_two_folders_of_one_prompt_are_named_with_their_places(tmp_path: Path) -> None:
    write_classes(tmp_path / "i", {"hot_dog": 3, "Hot dog": 3})
    with pytest.raises(
        UserError, match=r"'Hot dog' \(i/Hot dog/\d.png\) and 'hot_dog' \(i/hot_dog/\d"
    ):
        read_suite(write_suite(tmp_path, 'name = "t"\nimages = "i"'))
    for name in ("hot_dog", "hot dog"):
        write_classes(tmp_path / "j", {"a": 3, "b": 3})
        task = f'name = "t"\nimages = "j"\nclassnames = {{ a = "{name}", b = "hot dog" }}'
        with pytest.raises(
            UserError, match=r"'a' \(.*j/a/\d.png\) and 'b' \(.*j/b/\d.png\) .*hot dog"
        ):
            read_suite(write_suite(tmp_path, task))


def test_names_that_are_only_near_stay_apart(tmp_path: Path) -> None:
    write_classes(
        tmp_path / "i", {"pizza": 3, "pizzas": 3, "pi-zza": 3, "p\u00edzza": 3, "+": 3, "-": 3}
    )
    suite = read_suite(write_suite(tmp_path, 'name = "t"\nimages = "i"'))
    assert len(suite.tasks[0].classnames) == 6


@pytest.mark.parametrize("name", BUILT_IN)
def test_no_built_in_suite_has_two_classes_of_one_prompt(name: str) -> None:
    for task in find_suite(name).tasks:
        assert same_first_prompts(task, "tiny-clip") is None, task.name


TASK = 'name = "{}"\nimages = "images"\n'
ONE = TASK.format("a")
BESIDE = {
    "exclude beside list": ('name = "a"\nlist = "list.csv"\nexclude = ["x"]', "`exclude` has no meaning beside `list`"),
    "exclude beside layout": ('name = "a"\nlayout = "DTD"\nexclude = ["x"]', "`exclude` .* beside `layout`"),
    "classnames beside layout": ('name = "a"\nlayout = "DTD"\nclassnames = {x = "y"}', "`classnames` .* `layout`"),
    "test_share beside layout": ('name = "a"\nlayout = "DTD"\ntest_share = 0.5', "`test_share` .* `layout`"),
    "test_share beside train": (
        'name = "a"\ntrain = "images"\ntest = "images"\ntest_share = 0.2', "`test_share` .* `train` and `test`",
    ),
    "split_seed beside train": (
        'name = "a"\ntrain = "images"\ntest = "images"\nsplit_seed = 0', "`split_seed` .* `train` and `test`",
    ),
    "test_share beside splits": ('name = "a"\nlist = "list.csv"\ntest_share = 0.2', "`test_share` .* column `split`"),
    "split_seed beside splits": ('name = "a"\nlist = "list.csv"\nsplit_seed = 1', "`split_seed` .* column `split`"),
    "below without layout": (f'{ONE}below = "."', "`below` has no meaning beside `images`"),
    "exclude of nothing": (f'{ONE}exclude = ["dgo"]', "exclude names 'dgo', but there is no such folder"),
    "exclude of a file": (f'{ONE}exclude = ["cat/0.png"]', "exclude names 'cat/0.png'"),
    "classnames of nothing": (f'{ONE}classnames = {{ dgo = "d" }}', "classnames names no class: dgo"),
    "classnames of an excluded one": (
        f'{ONE}exclude = ["cow"]\nclassnames = {{ cow = "d" }}', "classnames names no class: cow",
    ),
    "an empty class name": (f'{ONE}classnames = {{ dog = " " }}', "' ' is empty, begins or ends"),
    "no template": (f"{ONE}templates = []", "templates: .* at least 1"),
    "a template twice": (f'{ONE}templates = ["a {{}}.", "b {{}}.", "a {{}}."]', "'a {}.' stands twice"),
    "a template of braces": (f'{ONE}templates = ["a {{{{}}}}."]', "needs exactly one"),
    "a template with a name": (f'{ONE}templates = ["a {{}} {{x}}."]', "needs exactly one"),
}  # fmt: skip


@pytest.mark.parametrize("case", BESIDE)
def test_what_would_be_ignored_is_refused(case: str, tmp_path: Path) -> None:
    write_classes(tmp_path / "images", {"cat": 3, "dog": 3, "cow": 3})
    write_list(tmp_path, [f"{c}{s}.png,{c},{s}" for c in "ab" for s in ("train", "test")])
    task, message = BESIDE[case]
    with pytest.raises(UserError, match=message):
        read_suite(write_suite(tmp_path, task))


TWO = (TASK.format("a"), TASK.format("b"))
SUITES = {
    "one name twice": ((ONE, ONE), HEAD, "two tasks have the names 'a' and 'a'"),
    "a name in capitals": ((ONE, TASK.format("A")), HEAD, "two tasks have the names 'a' and 'A'"),
    "the suite's name before": ((ONE, TASK.format("Own-a")), HEAD, "'a' and 'Own-a'"),
    "an accent written otherwise": (
        (TASK.format("caf\u00e9"), TASK.format("cafe\u0301")), HEAD, "two tasks have the names",
    ),
    "a space behind a name": ((TASK.format("a "),), HEAD, "name: String should match"),
    "steps and epochs": (TWO, f"{HEAD}steps = 5\nepochs = 10\n", "`epochs` has no meaning beside `steps`"),
    "steps and epochs of a task": (
        TWO, f"{HEAD}steps = 5\n[epochs_per_task.I]\na = 2\n", "`epochs_per_task` has no meaning",
    ),
    "epochs of no order": (TWO, f"{HEAD}[epochs_per_task.III]\na = 2\n", "epochs_per_task.III: .* no such order"),
    "epochs of no task": (TWO, f"{HEAD}[epochs_per_task.II]\nc = 2\n", "epochs_per_task.II names 'c': no such task"),
    "an order with a task twice": (TWO, f'{HEAD}[orders]\nI = ["a", "b", "a"]\n', "order I names the task a twice"),
    "an empty order": (TWO, f"{HEAD}[orders]\nI = []\n", "orders.I: .* at least 1"),
    "an order called like a task": (TWO, f'{HEAD}[orders]\na = ["b", "a"]\n', "order a has the name of a task"),
    "the name of a built-in suite": (TWO, HEAD.replace('"own"', '"Mini"'), "is the name of a built-in suite"),
    "no words": (TWO, HEAD.replace("own: a test", " "), "about: "),
}  # fmt: skip


@pytest.mark.parametrize("case", SUITES)
def test_a_suite_that_contradicts_itself_is_refused(case: str, tmp_path: Path) -> None:
    write_classes(tmp_path / "images", {"cat": 3, "dog": 3})
    tasks, head, message = SUITES[case]
    with pytest.raises(UserError, match=message):
        read_suite(write_suite(tmp_path, *tasks, head=head))


def test_an_order_that_leaves_a_task_out_is_remarked(tmp_path: Path) -> None:
    write_classes(tmp_path / "images", {"cat": 3, "dog": 3})
    head = f'{HEAD}[orders]\nI = ["a", "b"]\nshort = ["b"]\n'
    suite = read_suite(write_suite(tmp_path, *TWO, head=head))
    assert "order short leaves out a" in suite.remarks


def test_prompts_of_ones_own_stay_under_another_wording(tmp_path: Path) -> None:
    """``wording`` chooses between a layout's own two lists, not against the user's."""
    make_mtil(tmp_path)
    task = 'name = "t"\nlayout = "DTD"\ntemplates = ["my {}."]'
    (spec,) = read_suite(write_suite(tmp_path, task)).tasks
    assert spec.worded("zscl").templates == ("my {}.",)
