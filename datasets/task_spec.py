"""A data set of a suite: where its images are, its classes and its prompts. No torch."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from cl_bench.benchmark.config import Settings
from cl_bench.datasets.budget_rule import Count
from cl_bench.datasets.retrieval_set import NAME

MARKS = ("<start_of_text>", "<end_of_text>", "<|startoftext|>", "<|endoftext|>")
NO_LETTERS = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters and ends of lines


def twice(values: Iterable[str]) -> str | None:
    """A value that stands there twice."""
    return next((value for value, count in Counter(values).items() if count > 1), None)


def _has_one_hole(template: str) -> bool:
    try:
        return template.count("{}") == 1 and "{" not in template.format("")
    except (IndexError, KeyError, ValueError):
        return False


def mark_in(text: str) -> str | None:
    """What a tokenizer would take for an end of the text."""
    return next((mark for mark in MARKS if mark in text.lower()), None)


def _must_be_no_mark(text: str) -> None:
    """Raise ``ValueError`` where a tokenizer would take a part of ``text`` for an end of the text."""
    if mark := mark_in(text):
        raise ValueError(
            f"{text!r} holds {mark!r}, which means an end of the text to the tokenizer"
        )


class MiniSource(Settings):
    """Images drawn by the package itself."""

    kind: Literal["mini"] = "mini"
    domain: str


class MiniWorldSource(Settings):
    """Images of a mini domain, drawn anew and as another world shows them."""

    kind: Literal["mini-world"] = "mini-world"
    domain: str
    world: Annotated[int, Field(ge=1)]
    """Which one, from 1 on; the first looks as the mini suite does."""


class MtilSource(Settings):
    """One of the eleven MTIL data sets, in its published layout under a data root."""

    kind: Literal["mtil"] = "mtil"
    dataset: str
    root: Path | None = None
    """The data set's own root, in the place of the run's data root."""
    native: int | None = None
    """Side of its images where all are small and square."""


class FolderSource(Settings):
    """Image files in one folder per class, listed and pinned by ``fingerprint``."""

    kind: Literal["folder"] = "folder"
    root: Path
    train: tuple[tuple[str, int], ...]
    """Path below ``root`` and class index of every training image."""
    test: tuple[tuple[str, int], ...]
    fingerprint: str
    """SHA-256 over paths, content and classes, in order."""


Source = Annotated[
    MiniSource | MiniWorldSource | MtilSource | FolderSource, Field(discriminator="kind")
]


class TaskSpec(Settings):
    """A task before its images are loaded."""

    name: Annotated[str, Field(pattern=NAME)]
    classnames: Annotated[tuple[str, ...], Field(min_length=2)]
    templates: Annotated[tuple[str, ...], Field(min_length=1)]
    other_templates: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Lists that take the place of ``templates`` under another ``Protocol.wording``."""
    part: tuple[int, ...] = ()
    """Of the source's classes, the indices of those that are the task's, ascending; empty: all are."""
    source: Source
    train_size: Annotated[int, Field(ge=0)]
    """0 where it is held out and no training images are known of it."""
    test_size: Count

    @field_validator("classnames")
    @classmethod
    def _names_are_words(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            control = [c for c in name if unicodedata.category(c) in NO_LETTERS]
            if control or name != name.strip() or not name:
                raise ValueError(
                    f"the class name {name!r} is empty, begins or ends with a space, or holds a control "
                    "character"
                )
            _must_be_no_mark(name)
        if same := twice(names):
            raise ValueError(f"two classes have the name {same!r}")
        return names

    @field_validator("templates")
    @classmethod
    def _one_hole(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if not _has_one_hole(template):
                raise ValueError(
                    f"the template {template!r} needs exactly one {{}} and no other brace"
                )
            _must_be_no_mark(template)
        if same := twice(templates):
            raise ValueError(f"the template {same!r} stands twice")
        return templates

    def worded(self, wording: str) -> TaskSpec:
        """The task with the prompts of that list, where it has one."""
        templates = self.other_templates.get(wording, self.templates)
        return self.model_copy(update={"templates": templates})

    def identity(self) -> dict[str, Any]:
        """What distinguishes the task's content, wherever its files lie.

        A field at its default is left out: so a field that is added later changes no earlier digest.
        """
        content = self.model_dump(mode="json", exclude={"source"}, exclude_defaults=True)
        if isinstance(self.source, FolderSource):
            return content | {"files": self.source.fingerprint}
        return content | {"source": self.source.model_dump(mode="json", exclude={"root"})}
