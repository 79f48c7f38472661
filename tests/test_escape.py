"""Names of users in tables: whatever they hold, a table keeps its cells and runs nothing."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_bench.reports.runs.names import clip, one_line, short_names
from cl_bench.reports.runs.numbers import carried, grouped
from cl_bench.reports.tables import escape
from cl_bench.reports.tables.csv_file import to_csv
from cl_bench.reports.tables.table import Cell, Table, latex, markdown, number, words_alone

TEXTS = st.text(max_size=30)
SPECIAL = st.text("\\|*_`<>[]$~&#%{}^\"'=+-@ \n\t\r,;a1é±＝＋－＠", max_size=20)
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
ANY = TEXTS | SPECIAL


def unescaped_markdown(text: str) -> str:
    return re.sub(r"\\([\\|*_`<>\[\]$~&#])", r"\1", text)


@given(ANY)
def test_markdown_is_read_back_as_the_text(text: str) -> None:
    written = escape.markdown(text)
    assert unescaped_markdown(written) == one_line(text)
    assert "\n" not in written


@given(ANY)
def test_a_bar_in_a_name_ends_no_cell(text: str) -> None:
    (header, rules, row) = markdown(Table(("a", "b"), ((Cell(text), Cell("1")),)))
    for line in (header, rules, row):
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3, line


@given(ANY)
def test_latex_has_no_special_character_of_the_users(text: str) -> None:
    written = escape.latex(text)
    commands = r"\\(?:textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar|textquotedbl)\{\}"
    maths = r"\$(?:\\pm|\\approx|\\downarrow|-|\\Delta)\$"
    rest = re.sub(rf"{commands}|{maths}|\\[&%$#_{{}}]", "", written)
    assert not set(rest) & set('\\&%$#_{}~^<>|"')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50 % of {x}", r"50 \% of \{x\}"), ("a_b^c~d", r"a\_b\textasciicircum{}c\textasciitilde{}d"),
        ("1.0 ± 0.2", r"1.0 $\pm$ 0.2"), (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("two\n lines", "two lines"),
    ],
)  # fmt: skip
def test_latex_by_hand(text: str, expected: str) -> None:
    assert escape.latex(text) == expected


@given(st.lists(st.tuples(ANY, st.floats(allow_nan=False) | st.none()), max_size=5))
def test_csv_is_read_back_and_no_cell_is_a_formula(lines: list[tuple[str, float | None]]) -> None:
    text = to_csv(("name", "value"), lines)
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == ["name", "value"] and len(rows) == len(lines)
    for (name, value), (cell, metric) in zip(lines, rows, strict=True):
        lines_ended = name.replace("\r\n", "\n").replace("\r", "\n")
        assert cell in (lines_ended, f"'{lines_ended}")
        assert not cell.startswith(FORMULAS)
        assert metric == "" if value is None else float(metric) == carried(value)


@pytest.mark.parametrize("begin", FORMULAS)
def test_neither_a_cell_nor_a_header_is_a_formula(begin: str) -> None:
    name = f"{begin}HYPERLINK(A1)"
    for line in csv.reader(
        io.StringIO(to_csv((name, "a"), [(name, 1.0), (1.0, name)]), newline="")
    ):
        assert not any(cell.startswith(FORMULAS) for cell in line), line


def test_a_negative_number_is_a_number_and_no_formula() -> None:
    assert to_csv(("a",), [(-1.5,), ("-1.5",)]) == "a\n-1.5\n'-1.5\n"


def test_the_best_is_bold_and_the_second_underlined() -> None:
    table = Table(
        ("Method", "Last"),
        ((Cell("a_b"), Cell("90.0", 1, remark="*")), (Cell("c"), Cell("80.0", 2)), (Cell("d"), number(None))),
        notes=("50 % more",),
    )  # fmt: skip
    assert markdown(table) == [
        "| Method | Last |", "| --- | --: |", r"| a\_b | **90.0** * |", "| c | <u>80.0</u> |",
        "| d | - |",
    ]  # fmt: skip
    lines = latex(table, "Of a_b", "tab:x", ["more"])
    assert r"a\_b & \textbf{90.0} * \\" in lines and r"c & \underline{80.0} \\" in lines
    assert r"\caption{Of a\_b.}" in lines and r"\begin{tabular}{lr}" in lines
    assert r"\item 50 \% more." in lines and r"\item more." in lines and r"\label{tab:x}" in lines
    assert sum(line.startswith(r"\begin") for line in lines) == sum(
        line.startswith(r"\end") for line in lines
    )


def test_many_columns_stand_upright_and_long_words_are_broken() -> None:
    wide = Table(tuple(f"c{i}" for i in range(11)), (tuple(Cell(str(i)) for i in range(11)),))
    assert r"c0 & \rotatebox{90}{c1}" in "\n".join(latex(wide, "wide", "tab:x"))
    long = Table(("a", "b"), ((Cell("x" * 40), Cell("1")),))
    assert r"\begin{tabular}{p{5cm}r}" in latex(long, "long", "tab:x")


def test_a_number_keeps_all_its_digits_for_sorting() -> None:
    assert number(86.349) == Cell("86.3", value=86.349)
    assert number(1234.5, grouped) == Cell("1,234", value=1234.5)
    assert words_alone("nothing").rows == () and words_alone("nothing").notes == ("nothing",)


@given(st.lists(st.text("abc-", min_size=1, max_size=6), min_size=1, max_size=5))
def test_short_names_stay_apart_and_lose_the_same_prefix(names: list[str]) -> None:
    short = short_names(names)
    assert len(set(short)) == len(set(names))
    prefixes = {name[: len(name) - len(s)] for name, s in zip(names, short, strict=True)}
    assert len(prefixes) == 1
    assert prefixes == {""} or (prefixes.pop().count("-") == 1 and len(names) > 1)


def test_short_names_by_hand() -> None:
    assert short_names(["mini-Food", "mini-MNIST"]) == ["Food", "MNIST"]
    assert short_names(["mini-Food", "MNIST"]) == ["mini-Food", "MNIST"]
    assert short_names(["mini-Food"]) == ["mini-Food"], "one name shares nothing"


@given(ANY, st.integers(1, 40))
def test_a_clipped_name_is_as_wide_as_allowed_and_says_that_it_is(name: str, width: int) -> None:
    shown = clip(name, width)
    assert len(shown) <= width
    assert shown == name or (shown.endswith("…") and name.startswith(shown[:-1]))
