"""Which known names a misspelt one is near to. No torch."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

ALIKE = 0.75  # difflib's ratio: one wrong letter of four, two of eight
ALIKE_BEHIND = 0.8  # the same where the first letter differs: people seldom mistake that
SHORTEST_START = 3  # letters that tell what a name was to be
MOST = 3


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Known names that ``name`` may stand for, the nearest first; none where none is near.

    Near is a name that has nearly the same letters, that begins with ``name``, or of which one is made
    of words of the other. Case, hyphens and underscores do not count.
    """
    known = list(known)
    if same := [other for other in known if _letters(other) == _letters(name)]:
        return same[:MOST]
    near = [other for other in known if _begins(name, other) or _shares(name, other)]
    near += [other for other in known if other not in near and _alike(name.lower(), other.lower())]
    return sorted(near, key=lambda other: (not _begins(name, other), -_ratio(name, other)))[:MOST]


def _begins(name: str, other: str) -> bool:
    return len(name) >= SHORTEST_START and _letters(other).startswith(_letters(name))


def _shares(name: str, other: str) -> bool:
    """Whether one name is made of whole words of the other."""
    ours, theirs = _words(name), _words(other)
    return bool(ours and theirs and (ours <= theirs or theirs <= ours))


def _alike(one: str, other: str) -> bool:
    """Whether two letters changed places, or few are wrong: not so in ``eps`` and ``steps``."""
    length = max(len(one), len(other))
    lengths_agree = abs(len(one) - len(other)) <= max(1, length // 4)
    enough = ALIKE if one[:1] == other[:1] else ALIKE_BEHIND
    return sorted(one) == sorted(other) or (lengths_agree and _ratio(one, other) >= enough)


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()


def _words(name: str) -> set[str]:
    return {word for word in re.split(r"[^0-9a-z]+", name.lower()) if len(word) > 1}


def _letters(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.lower())
