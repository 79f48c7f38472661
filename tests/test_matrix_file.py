"""The accuracy matrix on disk is read back bit for bit, and anything else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.records.matrix_file import must_agree, read_matrix, write_matrix

NAMES = st.lists(
    st.text('abc ,"é\t;-', min_size=1, max_size=6), min_size=1, max_size=4, unique=True
)


@st.composite
def matrices(draw: st.DrawFn) -> AccuracyMatrix:
    """Matrices in any state, whose task names may hold separators and quotation marks."""
    tasks = draw(NAMES)
    row = st.lists(st.floats(0, 100), min_size=len(tasks), max_size=len(tasks)).map(tuple)
    rows = draw(st.lists(row, max_size=len(tasks)))
    return AccuracyMatrix(tuple(tasks), draw(row), tuple(rows))


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(matrices())
def test_it_is_read_back_bit_for_bit(tmp_path: Path, matrix: AccuracyMatrix) -> None:
    write_matrix(tmp_path, matrix)
    assert read_matrix(tmp_path / "matrix.csv") == matrix
    must_agree(tmp_path, matrix)
    summary = json.loads((tmp_path / "matrix.json").read_text())
    assert summary["metrics"] == matrix.metrics()


WHOLE = AccuracyMatrix(("a", "b"), (10.0, 20.0), ((90.0, 21.0), (80.0, 85.0)))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("learned", "lerned", "its row names do not fit its columns"),
        ("zero-shot", "a", "its row names do not fit its columns"),
        ("\na,90.0", "\nb,90.0", "its row names do not fit its columns"),
        ("90.0", "ninety", "could not convert"),
        ("90.0", "190.0", "not between 0 and 100"),
        ("90.0", "nan", "not between 0 and 100"),
        (",21.0", "", "row 1 has 1 entries for 2 tasks"),
        ("b,80.0", "b,80.0\nc,1.0,1.0\nd,80.0", "its row names do not fit its columns"),
    ],
)
def test_what_is_damaged_is_named(old: str, new: str, words: str, tmp_path: Path) -> None:
    write_matrix(tmp_path, WHOLE)
    file = tmp_path / "matrix.csv"
    assert file.read_text().count(old) >= 1
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(UserError, match=rf"matrix\.csv is damaged: .*{words}"):
        read_matrix(file)


def test_an_empty_or_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is missing: the run has no results yet"):
        read_matrix(tmp_path / "matrix.csv")
    (tmp_path / "matrix.csv").write_text("")
    with pytest.raises(UserError, match="is damaged"):
        read_matrix(tmp_path / "matrix.csv")


def test_the_two_files_must_agree_but_for_a_row_that_a_kill_left_ahead(tmp_path: Path) -> None:
    write_matrix(tmp_path, WHOLE)
    must_agree(tmp_path, WHOLE.after(1))  # matrix.json is written first
    other = AccuracyMatrix(WHOLE.tasks, WHOLE.zero_shot, ((90.0, 21.5),))
    for wrong in (other, AccuracyMatrix(("a", "c"), WHOLE.zero_shot, WHOLE.rows)):
        with pytest.raises(UserError, match="hold different accuracies"):
            must_agree(tmp_path, wrong)
