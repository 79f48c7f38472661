"""The audit of the packages says what it found, what it did not look at, and that it had no data."""

from __future__ import annotations

from typing import Any

from audit import audit

PINNED = "# a comment\na==1\nb==2\n"
A: dict[str, Any] = {"name": "a", "version": "1", "vulns": []}
B: dict[str, Any] = {
    "name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}],
}  # fmt: skip
UNKNOWN: dict[str, Any] = {"name": "b", "skip_reason": "not found"}


def test_a_weakness_fails_and_is_named() -> None:
    code, words = audit(PINNED, lambda lines: [A] if lines == "a==1" else [A, B])
    assert code == 1
    assert words == [
        "2 packages of 2 looked at, 1 weaknesses", "b 2: CVE-1, mended in 2.1",
    ]  # fmt: skip


def test_what_was_not_looked_at_is_named() -> None:
    code, words = audit(PINNED, lambda lines: [A] if lines == "a==1" else [A, UNKNOWN])
    assert code == 0
    assert words == ["1 packages of 2 looked at, 0 weaknesses", "b: NOT looked at: not found"]


def test_no_data_is_skipped_aloud_and_nobody_is_asked_further() -> None:
    asked = []

    def ask(lines: str) -> list[dict[str, Any]]:
        asked.append(lines)
        return [UNKNOWN]

    assert audit(PINNED, ask) == (0, ["audit SKIPPED: no data: not found"])
    assert asked == ["a==1"]

    def fail(lines: str) -> list[dict[str, Any]]:
        raise ValueError("no route")

    code, (words,) = audit(PINNED, fail)
    assert code == 0 and words.startswith("audit SKIPPED: ") and words.endswith("no route")
