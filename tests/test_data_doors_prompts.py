"""Classes that several tasks have under ``--protocol x-tail``, and prompts that are too long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from own_suite import write_classes, write_suite

from cl_bench.benchmark.evaluate import predict
from cl_bench.benchmark.task import LabelSpace
from cl_bench.datasets import backbones
from cl_bench.datasets.checks.prompts import cut_prompts
from cl_bench.datasets.own.suite_file import read_suite
from cl_bench.datasets.streams import build_stream
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve
from cl_bench.methods.catalog import find_method

TASK = 'name = "{}"\nimages = "{}"\ntemplates = ["{}"]'


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    """``first`` and ``same`` share the class pizza and its prompt, ``other`` the name alone."""
    for seed, name in enumerate(("first", "same", "other")):
        write_classes(tmp_path / name, {"pizza": 4, f"thing_{seed}": 4}, seed=100 * seed)
    (tmp_path / "same" / "pizza").rename(tmp_path / "same" / "Pizza")
    a = "a photo of a {}."
    tasks = [
        TASK.format(n, n, "a drawing of a {}." if n == "other" else a)
        for n in ("first", "same", "other")
    ]
    return write_suite(tmp_path, *tasks)


def caveats(file: Path | str, **choices: object) -> tuple[str, ...]:
    chosen = {"suite": str(file), "method": "zero-shot", "device": "cpu"} | choices
    return resolve(Choices.model_validate(chosen)).config.caveats


def test_classes_that_can_never_be_predicted_are_said(suite_file: Path) -> None:
    (one,) = caveats(suite_file, protocol="x-tail")
    assert one.endswith(": 'pizza' (first, same, other)") and "count as one class" in one
    never, confused = caveats(suite_file, protocol="x-tail", namesakes="apart")
    assert "which is predicted in their place" in never and "count as wrong (0 %)" in never
    assert never.endswith(": 'Pizza' of same (as in first)")
    assert "with other prompts" in confused and confused.endswith("'pizza' (first, other)")
    (reversed_order, _) = caveats(suite_file, protocol="x-tail", namesakes="apart", order="II")
    assert reversed_order.endswith(": 'pizza' of first (as in same)"), "the order decides"
    assert caveats(suite_file) == (), "under MTIL's protocol they never meet"
    assert caveats(suite_file, protocol="x-tail", tasks=1) == ()


def test_the_published_suite_says_it_too() -> None:
    (words,) = caveats("x-tail")
    assert "'sunflower' (Caltech101, Flowers)" in words
    assert not any("several tasks" in caveat for caveat in caveats("mtil"))


def test_what_is_said_is_what_happens(suite_file: Path) -> None:
    """The first class of the name is predicted, the second never."""
    clip = backbones.load(read_suite(suite_file).backbone, "cpu")
    stream = build_stream("own", read_suite(suite_file).tasks[:2], 32)
    entry = find_method("zero-shot")
    method = entry.method(clip, entry.method.Config(), None)  # type: ignore[arg-type]
    labels = LabelSpace.union([task.labels for task in stream.tasks])
    images = stream.tasks[1].train
    predictions = predict(method.classifier(labels), images, clip.normaliser())
    assert labels.classnames[0] == "pizza" and labels.classnames[2] == "Pizza"
    assert 2 not in predictions.tolist()


def test_prompts_beyond_the_context_lose_their_end(tmp_path: Path) -> None:
    """Today's rule: 77 tokens, the last of them the end of text; what is behind them is not read."""
    long = "very " * 80 + "red"
    write_classes(tmp_path / "a", {"x": 3, "y": 3})
    task = f'name = "a"\nimages = "a"\nclassnames = {{ y = "{long}" }}\ntemplates = ["a {{}}.", "the {{}}."]'
    file = write_suite(tmp_path, task)
    (words,) = caveats(file)
    assert words.startswith(
        "task a: 2 of 4 prompts are longer than the text tower's 77 tokens and lose"
    )
    assert "for example 'a very very" in words and words.endswith(" ...'") and len(words) < 300
    tokens = open_clip.get_tokenizer("ViT-B-16")([f"a {long}.", "a " + "very " * 80 + "blue."])
    assert tokens.shape == (2, 77) and torch.equal(tokens[0], tokens[1])
    assert tokens[0, -1] == tokens.max() and np.argmax(tokens[0].numpy()) == 76


def test_exactly_the_prompts_beyond_it_are_counted(tmp_path: Path) -> None:
    """A prompt of 75 words fits between the two end tokens, one of 76 does not."""
    write_classes(tmp_path / "a", {"x": 3, "y": 3})
    names = {c: " ".join([word] * n) for c, word, n in (("x", "a", 75), ("y", "b", 76))}
    task = f'name = "a"\nimages = "a"\ntemplates = ["{{}}"]\nclassnames = {{ x = "{names["x"]}", y = "{names["y"]}" }}'
    (words,) = cut_prompts(read_suite(write_suite(tmp_path, task)).tasks, "tiny-clip")
    assert "1 of 2 prompts" in words and "'b b b" in words
