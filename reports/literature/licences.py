"""Under which licence data sets and published code stand, where that was read. No torch."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FILE = Path(__file__).with_name("licences.toml")
UNKNOWN, NOT_READ = "unknown", "not read"


@dataclass(frozen=True)
class Licence:
    """What is known of one licence.

    Attributes:
        name: of the data set, or of the method in cl-bench.
        kind: ``data set``, or the ``code`` that was published with the method.
        of: the data set, or the repository; ``-`` where no published code was followed.
        licence: its name or words; ``unknown`` where nobody read one.
        read: where, or what was looked at in vain.
    """

    name: str
    kind: Literal["data set", "code"]
    of: str
    licence: str
    read: str


def licences(data_sets: tuple[str, ...], methods: tuple[str, ...]) -> Iterator[Licence]:
    """What is known of these, in their order; what no file says anything of is unknown.

    Args:
        data_sets: names of data sets.
        methods: names of methods.
    """
    known = tomllib.loads(FILE.read_text(encoding="utf-8"))
    for name in data_sets:
        said = known["data"].get(name, {})
        yield Licence(name, "data set", name, *_words(said))
    for name in methods:
        follows = [(of, said) for of, said in known["code"].items() if name in said["methods"]]
        of, said = follows[0] if follows else (UNKNOWN, {})
        yield Licence(name, "code", of, *_words(said))


def _words(said: dict[str, str]) -> tuple[str, str]:
    return said.get("licence", UNKNOWN), said.get("read", NOT_READ)
