"""Class names in any script, one class or thousands: each class has its own prompt and its own feature."""

from __future__ import annotations

import functools

import pytest
import torch
from fuzzing import cases
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from small_run import fresh, small_plan

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.label_spaces import MOST_CLASSES, as_stored, label_spaces
from cl_bench.benchmark.task import LabelSpace, Task, TaskStream
from cl_bench.benchmark.user_file import first_problem
from cl_bench.datasets.checks.prompts import same_first_prompts
from cl_bench.datasets.task_spec import MiniSource, TaskSpec

SCRIPTS = (
    "شجرة", "עץ גדול", "木", "ต้นไม้", "पेड़", "δέντρο", "дерево", "나무", "ծառ", "🌳", "👩‍👩‍👧", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "e\u0301", "é", "\u202eabc", "a\u200bb",
    "ab", "a\u00adb", "ﬁsh", "fish", "Ａ", "a", "{}", "{0}", "{x!r}", "%s", "_", "a_b", "a b", "a  b", "__", "<b>", "&amp;",
    "&", "<end_of_text>", "a<|endoftext|>b", "\ufeff", "\u200b", "\u200d", "\u2066x\u2069", "𝔞", "ß", "ss", "İ", "ı",
    "NA", "", " ", "x\ny", "x\u2028y", "\0", "\ud800", "x" * 400,
)  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(SCRIPTS),
    st.text(max_size=8),
    st.text(st.characters(codec="utf-8", categories=("Lo", "Mn", "Cf", "So", "Nd")), max_size=6),
)
NAMES = st.lists(TEXTS, min_size=2, max_size=6)
TEMPLATES = st.sampled_from(["a photo of a {}.", "{}", "{} _ here"])
NO_NAME = {chr(i) for i in (*range(32), *range(127, 160), 0x2028, 0x2029)}
MARKS = ("<end_of_text>", "<start_of_text>", "<|endoftext|>", "<|startoftext|>")


@functools.cache
def clip() -> Clip:
    return fresh(small_plan("zero-shot")).clip


def spec(names: list[str], template: str) -> TaskSpec | str:
    """The task, or what the user is told of its names."""
    try:
        return TaskSpec(
            name="t", classnames=tuple(names), templates=(template,), source=MiniSource(domain="x"),
            train_size=1, test_size=1,
        )  # fmt: skip
    except ValidationError as error:
        words = first_problem(error)
        return words


def is_name(name: str) -> bool:
    """Found by other means than the product's."""
    surrogate = any(0xD800 <= ord(c) < 0xE000 for c in name)
    bad = set(name) & NO_NAME or surrogate or any(mark in name.lower() for mark in MARKS)
    return bool(name) and name == name.strip() and not bad


@cases(200)
@example(["{}", "{0}"], "a photo of a {}.")
@example(["<end_of_text>a", "<end_of_text>b"], "a photo of a {}.")
@given(NAMES, TEMPLATES)
def test_every_class_has_a_feature_of_its_own_or_is_refused(
    names: list[str], template: str
) -> None:
    found = spec(names, template)
    if isinstance(found, str):
        assert len(set(names)) < len(names) or not all(map(is_name, names)), found
        assert len(found.splitlines()) == 1
        return
    assert len(set(names)) == len(names) and all(map(is_name, names))
    labels = LabelSpace.from_templates(found.classnames, found.templates)
    before, after = template.replace("_", " ").split("{}")
    assert labels.prompts == tuple((before + name.replace("_", " ") + after,) for name in names)
    with torch.no_grad():
        together = clip().encode_classes(labels)
        alone = [
            clip().encode_classes(LabelSpace((n,), (p,)))
            for n, p in zip(labels.classnames, labels.prompts, strict=True)
        ]
    assert together.isfinite().all()
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)
    assert (same_first_prompts(found, "tiny-clip") is not None) == same_by_tokens(labels)


def same_by_tokens(labels: LabelSpace) -> bool:
    """Whether two prompts are the same up to their first end of text."""
    rows = clip().tokenize([p for (p,) in labels.prompts])
    ends = rows.argmax(dim=-1).tolist()
    read = {tuple(row[: end + 1]) for row, end in zip(rows.tolist(), ends, strict=True)}
    return len(read) < len(labels.prompts)


@pytest.mark.parametrize("count", [1, 2, 2000, 2049])
def test_thousands_of_classes_are_each_their_own(count: int) -> None:
    """More classes than are encoded at once, and the last of them is still itself."""
    labels = LabelSpace.from_templates(tuple(f"thing {i}" for i in range(count)), ("a {}.",))
    some = [0, count // 2, count - 1]
    with torch.no_grad():
        every = clip().encode_classes(labels)
        few = clip().encode_classes(
            LabelSpace.from_templates(tuple(f"thing {i}" for i in some), ("a {}.",))
        )
        logits = clip().logits(few, every)
    assert every.shape[0] == count and every.isfinite().all()
    torch.testing.assert_close(every[some], few, atol=1e-5, rtol=0)
    assert logits.argmax(dim=-1).tolist() == some


def stream(*counts: int) -> TaskStream:
    """Tasks of so many classes, with an image of the last class of each."""
    tasks = []
    for t, count in enumerate(counts):
        names = tuple(f"{t}.{i}" for i in range(count))
        images = Images(torch.zeros(1, 3, 1, 1, dtype=torch.uint8), torch.tensor([count - 1]))
        labels = LabelSpace(names, tuple((name,) for name in names))
        tasks.append(Task(f"t{t}", labels, images, images))
    return TaskStream("s", tuple(tasks))


def test_the_last_of_65_536_classes_is_kept_as_itself_and_one_more_is_refused() -> None:
    """Kept in 16 bits, class 65,536 would have become class 0."""
    targets = label_spaces(Protocol(labels="all"), stream(65_000, 536)).targets
    assert [as_stored(targets[t]).tolist() for t in targets] == [[64_999], [MOST_CLASSES - 1]]
    words = (
        r"\Athe images of t0 would be classified over 65,537 classes; at most 65,536 are possible\Z"
    )
    with pytest.raises(UserError, match=words):
        label_spaces(Protocol(labels="all"), stream(65_000, 537))
    with pytest.raises(UserError, match="65,537 classes"):
        label_spaces(Protocol(), stream(65_537))
