"""The one interface behind which every continual-learning method stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method_config import MethodConfig
from cl_bench.benchmark.plain_weights import PlainWeights
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask

Classifier = Callable[[Tensor], Tensor]  # images [B, 3, S, S] -> logits [B, C]


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that train at a rate or with a weight decay of their own.

    Attributes:
        parameters: what trains; none of it may be in another group.
        lr_scale: what the recipe's learning rate is multiplied by, at every step of its schedule.
        weight_decay: instead of the recipe's; ``None``: the recipe's.
    """

    parameters: Sequence[nn.Parameter]
    lr_scale: float = 1.0
    weight_decay: float | None = None


def all_parameters(trainable: Iterable[nn.Parameter | ParameterGroup]) -> list[nn.Parameter]:
    """What trains, whether it is in a group or not."""
    return [
        parameter
        for item in trainable
        for parameter in (item.parameters if isinstance(item, ParameterGroup) else (item,))
    ]


class Method:
    """A way to keep learning without forgetting.

    The defaults describe a frozen CLIP: nothing is trained and every image is classified
    zero-shot. A method overrides only the steps in which it differs. Per task, the runner calls::

        before_task(task)
        for step, batch in ...:                 # skipped when nothing is trainable
            loss(batch).backward()
            after_backward()
            optimizer.step()
            after_step(step)
        after_task(task)
        for other in all_tasks:                 # learned or not
            classifier(other.labels)(images)

    The runner owns the optimizer, schedule, precision, seeds, timing and files. A method owns the
    model and whatever it remembers about earlier tasks.

    A run may stop after any step. To go on in the middle of a task, the runner calls on a fresh
    instance ``load_state_dict(state)`` and ``continue_task(task)`` instead of ``before_task(task)``.
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig
    bound: ClassVar[bool] = False  # a reference that learns by other rules: shown, never ranked
    told_task: ClassVar[bool] = False  # must know whose classes it chooses between (not in X-TAIL)
    # Whether in ``loss`` a tower treats every image and every text by itself: no random draw, no count
    # and no statistic over several of them inside of it. Then processes share them, and a few at a time
    # may go through; whatever the loss computes of their features. Else every process computes all.
    row_by_row: ClassVar[bool] = False
    # Where a plain CLIP with other weights classifies as the method does after a task: these weights. It
    # counts for the class that says it, not for its subclasses: `cl-bench export` writes them.
    plain_weights: ClassVar[PlainWeights | None] = None

    def __init__(self, clip: Clip, config: Any, assets: Assets) -> None:
        """Take over ``clip`` and change its structure if needed.

        Build the same structure every time: ``load_state_dict`` is called on a fresh instance.

        Args:
            clip: the pre-trained model. It belongs to the method from now on.
            config: an instance of ``Config``.
            assets: what ``config.needs()`` asks for.
        """
        self.clip = clip.requires_grad_(False)

    def before_task(self, task: TrainingTask) -> None:
        """Prepare for ``task``. May read its training images, but not its test images."""

    def continue_task(self, task: TrainingTask) -> None:
        """Called instead of ``before_task`` when a run goes on in the middle of ``task``.

        ``load_state_dict`` was called before. What ``before_task`` took or drew (an anchor, a random
        start, an order of images) must come out of the state and must not be taken or drawn again.
        What needs the task itself belongs here: let parameters train, open batches at their place.
        """

    def trainable_parameters(self) -> Iterable[nn.Parameter | ParameterGroup]:
        """The parameters the optimizer should update for the current task.

        Asked for after ``before_task`` or ``continue_task``, which must give the same order. Their
        number is the reported trainable size.
        """
        return ()

    def loss(self, batch: Batch) -> Tensor:
        """The scalar to minimise for one batch. The default classifies against class prompts."""
        return self.clip.cross_entropy(batch)

    def after_backward(self) -> None:
        """Called between backward and step, e.g. to project gradients; they may be changed in place.

        Loss scaling is out of them, and they are not clipped yet. Under fp16 a gradient may be
        infinite: such a step is skipped.
        """

    def after_step(self, step: int) -> None:
        """Called after optimizer step ``step`` (1, 2, ...), e.g. to average weights."""

    def after_task(self, task: TrainingTask) -> None:
        """Consolidate what was learned. The model is evaluated as this leaves it."""

    def classifier(self, labels: LabelSpace) -> Classifier:
        """Return a function from images [B, 3, S, S] to logits [B, C] over ``labels``.

        Work that depends only on the classes, such as encoding prompts, belongs here and not in
        the returned function. Neither may change the method's state, and the logits of an image
        must not depend on the other images in its batch: the contract tests check both.
        """
        classes = self.clip.encode_classes(labels)  # [C, D]

        def classify(images: Tensor) -> Tensor:
            return self.clip.logits(self.clip.encode_images(images), classes)

        return classify

    def state_dict(self) -> dict[str, Any]:
        """Everything a fresh instance needs to continue after a task or after any step of one.

        Nested mappings with string keys (no ``/``); leaves are tensors or JSON values. They may be
        the live ones: whoever keeps them copies them.
        """
        return {"clip": self.clip.changed_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict`` on a fresh instance."""
        self.clip.load_changed_state(state.get("clip", {}))

    def diagnostics(self) -> dict[str, float]:
        """Numbers worth logging after a task, e.g. subspace ranks or how often a router chose."""
        return {}
