"""What is compared in retrieval: the scores of the method as it is evaluated, by one rule for every method.

What would be wrong without a word: towers that are not those that a class would be classified with (factors that
are not merged, experts without their router); scores of one caption that hang on the other captions, so that two
pictures could not be compared by them; a caption that is taken for a learned class. That a method scores after it is
reloaded from its checkpoint as before is in test_contract.py.
"""

from __future__ import annotations

import open_clip
import pytest
import torch
from small_run import fresh, small_plan, small_stream
from test_contract import learn
from torch import Tensor

from cl_bench.benchmark.method import Method
from cl_bench.benchmark.retrieval import Captioned
from cl_bench.benchmark.task import LabelSpace
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.mini.suite import mini_suite
from cl_bench.datasets.retrieval_images import load_captioned
from cl_bench.methods.catalog import BUILT_IN

# Methods whose scores of texts that are no learned class stay those of the pre-trained model: nothing is learned;
# a regression or a memory of learned classes beside frozen towers; models that are told their task.
AS_BEFORE = {"zero-shot", "rail", "rail-dual", "lada", "individual", "prompt-per-task"}
FEW = 30  # pictures and texts
# One name of every class: others differ in settings alone, but for KeepLoRA's classifiers and ConDU's factors.
EVERY_CLASS = {of: name for name, of in reversed(BUILT_IN.items())}.values()
NAMES = sorted({*EVERY_CLASS, "keeplora+", "condu-lora", "prompt-per-task"})


@pytest.fixture(scope="module")
def captioned() -> Captioned:
    return load_captioned(mini_suite().retrieval[0], 32, Store())


@torch.no_grad()
def scores(method: Method, of: Captioned, labels: LabelSpace) -> Tensor:
    return method.classifier(labels)(method.clip.normaliser()(of.test.pixels[:FEW]))


def texts_of(captioned: Captioned) -> LabelSpace:
    return captioned.classes(open_clip.get_tokenizer("ViT-B-16"))[0]


def few(labels: LabelSpace, count: int, names: str = "") -> LabelSpace:
    return LabelSpace(
        tuple(names + name for name in labels.classnames[:count]), labels.prompts[:count]
    )


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_compared_by_the_scores_of_the_methods_own_classifier(
    name: str, captioned: Captioned
) -> None:
    plan = small_plan(name)
    method, task = fresh(plan), small_stream(plan).tasks[0]
    labels = few(texts_of(captioned), FEW)
    before = scores(method, captioned, labels)
    learn(plan, method, task)
    after = scores(method, captioned, labels)
    assert torch.equal(after, before) == (name in AS_BEFORE), "what is learned reaches them, or not"
    fewer = scores(method, captioned, few(labels, FEW // 2))
    torch.testing.assert_close(fewer, after[:, : FEW // 2], rtol=0, atol=2e-4)
    as_class = scores(method, captioned, few(labels, FEW, names="class "))
    assert torch.equal(as_class, after), "as a class whose prompt is the caption"
