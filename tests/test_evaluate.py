"""Evaluation as a function: every task over its own classes, nothing read, written or changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden_clip import golden_clip
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.errors import NotFiniteError
from cl_bench.benchmark.evaluate import accuracy, predict_all
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.method_config import MethodConfig
from cl_bench.benchmark.task import LabelSpace

PETS = LabelSpace.from_templates(("cat", "dog", "fish"), ("a photo of a {}.",))
TREES = LabelSpace.from_templates(("oak", "elm"), ("a photo of a {}.",))


class Brightness(Method):
    """Class by brightness, over however many classes there are; counts what it was asked for."""

    def __init__(self) -> None:
        super().__init__(golden_clip(), MethodConfig(), Assets())
        self.asked: list[LabelSpace] = []
        self.modes: list[tuple[bool, bool]] = []

    def classifier(self, labels: LabelSpace) -> Classifier:
        self.asked.append(labels)
        count = len(labels.classnames)

        def classify(images: Tensor) -> Tensor:
            self.modes.append((torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")))
            level = (images.mean(dim=(1, 2, 3)) > 0).long() * (count - 1)
            return torch.nn.functional.one_hot(level, count).float()

        return classify


def bright_and_dark(count: int) -> Images:
    pixels = torch.zeros(count, 3, 32, 32, dtype=torch.uint8)
    pixels[::2] = 255
    return Images(pixels, torch.zeros(count).long())


def test_every_task_is_classified_over_its_own_classes() -> None:
    method = Brightness()
    tests = {"pets": bright_and_dark(3), "trees": bright_and_dark(300), "more": bright_and_dark(2)}
    spaces = {"pets": PETS, "trees": TREES, "more": TREES}
    predictions = predict_all(method, spaces, tests, "fp32")
    assert predictions["pets"].tolist() == [2, 0, 2]
    assert predictions["trees"].tolist() == [1, 0] * 150, "in their order, over several batches"
    assert list(predictions) == ["pets", "trees", "more"]
    assert method.asked == [PETS, TREES], "classes that tasks share in a row are encoded once"
    assert accuracy(predictions["trees"], torch.ones(300).long()) == 50.0


@pytest.mark.parametrize(("precision", "mixed"), [("fp32", False), ("bf16", True)])
def test_precision_holds_and_no_gradient_is_kept(precision: str, mixed: bool) -> None:
    method = Brightness()
    predict_all(method, {"pets": PETS}, {"pets": bright_and_dark(2)}, precision)
    assert method.modes == [(False, mixed)]
    assert torch.is_grad_enabled()


def test_it_touches_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    method, opened = Brightness(), list[object]()
    monkeypatch.setattr("builtins.open", lambda *arguments, **options: opened.append(arguments))
    predict_all(method, {"pets": PETS}, {"pets": bright_and_dark(2)}, "fp32")
    assert not list(tmp_path.iterdir()) and not opened


def test_a_diverged_model_has_no_predictions() -> None:
    method = Method(golden_clip(), MethodConfig(), Assets())
    with torch.no_grad():
        method.clip.model.visual.proj.fill_(torch.nan)
    with pytest.raises(NotFiniteError, match="the predictions are not finite"):
        predict_all(method, {"pets": PETS}, {"pets": bright_and_dark(2)}, "fp32")
