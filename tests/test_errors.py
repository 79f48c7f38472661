"""Errors for users: the nearest known name, one line, and files that are read with care."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cl_bench.benchmark.config import Recipe, digest_of
from cl_bench.benchmark.errors import UserError, in_one_line, missing_extra, unknown
from cl_bench.benchmark.user_file import first_problem, read_toml

KNOWN = ("keeplora", "keeplora+", "lora", "MNIST")


@pytest.mark.parametrize(
    ("name", "near"), [("keplora", "'keeplora'"), ("LORA", "'lora'"), ("mnist", "'MNIST'")]
)
def test_the_nearest_known_name_is_proposed(name: str, near: str) -> None:
    error = str(unknown("method", name, KNOWN))
    assert error.startswith(f"unknown method {name!r}: did you mean {near}")
    assert error.endswith("Known: MNIST, keeplora, keeplora+, lora.")


def test_a_name_that_is_near_to_none_gets_the_list_alone() -> None:
    assert (
        str(unknown("suite", "xyz", ["mini", "mtil"])) == "unknown suite 'xyz'. Known: mini, mtil."
    )


@given(st.text(max_size=40))
def test_any_name_gives_one_line(name: str) -> None:
    assert "\n" not in str(unknown("method", name, KNOWN))


def test_an_error_of_another_library_becomes_one_line() -> None:
    assert in_one_line(ValueError("first\nsecond")) == "first"
    assert in_one_line(ValueError()) == "ValueError"
    assert in_one_line(KeyError("a")) == "'a'"


def test_a_missing_extra_says_what_to_install() -> None:
    assert str(missing_extra("--slurm", "slurm")) == (
        "--slurm needs an extra: pip install 'cl-bench[slurm]'"
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"lr": -1}, r"^lr: Input should be greater than 0 \(given: -1\)$"),
        ({"schedule": "cosine"}, r"^schedule: Input should be 'onecycle', .*\(given: 'cosine'\)$"),
        ({"lr_per_task": {"MNIST": 0}}, r"^lr_per_task\.MNIST: .*\(given: 0\)$"),
        ({"learning_rate": 1}, r"^learning_rate: Extra inputs are not permitted \(given: 1\)$"),
    ],
)
def test_the_first_problem_of_settings_names_key_and_value(
    values: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(values)
    problem = first_problem(caught.value)
    assert "\n" not in problem
    with pytest.raises(UserError, match=words):
        raise UserError(problem)


def test_a_toml_file_is_read_or_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    with pytest.raises(UserError, match=rf"the suite file {file} does not exist"):
        read_toml(file, "suite file")
    file.write_text("a = 1\n[b\n")
    with pytest.raises(UserError, match=rf"the suite file {file} cannot be read: .*line 2"):
        read_toml(file, "suite file")
    file.write_bytes("a = 'ä'".encode("utf-16"))
    assert read_toml(file, "suite file") == {"a": "ä"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, min_size=2, max_size=4))
def test_a_digest_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    backwards = dict(reversed(value.items()))
    assert digest_of(value) == digest_of(backwards)
    assert len(digest_of(value)) == 12 and int(digest_of(value), 16) >= 0


@given(JSON, JSON)
def test_different_values_have_different_digests(one: object, other: object) -> None:
    import json

    if json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True):
        assert digest_of(one) != digest_of(other)
