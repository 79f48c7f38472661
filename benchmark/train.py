"""The training loop, written out: one task, one method, a fresh optimizer; it can go on at any step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.errors import NotFiniteError, UserError
from cl_bench.benchmark.finite import first_not_finite
from cl_bench.benchmark.method import Method, all_parameters
from cl_bench.benchmark.optimizer import load_optimizer_state, make_optimizer, optimizer_state
from cl_bench.benchmark.precision import Scaling, autocast, tf32_products
from cl_bench.benchmark.processes.group import leads
from cl_bench.benchmark.processes.sums import average_gradients, total_of
from cl_bench.benchmark.randomness import random_states, restore_random_states
from cl_bench.benchmark.rows import WHOLE, Division
from cl_bench.benchmark.task import TrainingTask

REPORT_EVERY = 10  # steps between reads of the loss; each read waits for the device


@dataclass(frozen=True)
class Progress:
    """Where training stands.

    Attributes:
        step: optimizer steps done, of ``steps``.
        loss: mean loss since the last report.
        lr: learning rate of the last step; of the first group where there are several.
    """

    step: int
    steps: int
    loss: float
    lr: float


@dataclass(frozen=True)
class Trained:
    """What training did.

    Attributes:
        steps: optimizer steps; 0 where nothing is trainable.
        step_flops: floating-point operations of the first step's loss and its gradient, as torch
            counts them: matrix products, convolutions and attention.
        skipped_steps: how many of ``steps`` changed nothing, because the scaled fp16 gradient
            overflowed; published code with mixed precision skips them, too.
    """

    steps: int
    step_flops: int
    skipped_steps: int = 0


def train(
    method: Method,
    task: TrainingTask,
    recipe: Recipe,
    steps: int,
    precision: str,
    report: Callable[[Progress], None],
    division: Division = WHOLE,
    begun: Mapping[str, Any] | None = None,
    between: Callable[[Training], None] | None = None,
    make: Callable[..., Training] | None = None,
) -> Trained:
    """Train whatever ``method`` declares trainable on ``task``.

    Args:
        method: after ``before_task``, or after ``continue_task`` where the task was begun.
        task: where the batches come from.
        recipe: optimizer and schedule.
        steps: optimizer steps; passes over the images follow each other until they are done.
        precision: ``fp32``, ``tf32``, or ``bf16`` or ``fp16`` for autocast (with loss scaling for fp16).
        report: called every ``REPORT_EVERY`` steps and after the last.
        division: of each batch, where the method is ``row_by_row``.
        begun: the state of a training that was broken off, to go on with.
        between: called before the first step, between steps, and after the last: then the states of
            method and training may be kept.
        make: who takes the steps, from the first six arguments of ``Training``; by default one learner.

    Returns:
        How many steps were made, and what the first one took.

    Raises:
        NotFiniteError: the loss, the gradient or the result is not finite; names task and step.
    """
    if not all_parameters(method.trainable_parameters()):
        return Trained(0, 0)
    training = (make or Training)(method, task, recipe, steps, precision, division)
    if begun is not None:
        training.load_state_dict(begun)
    for progress in training.progress(between):
        report(progress)
    return training.result()


class Training:
    """The training of one method on one task; with the method's own state, all that a step needs.

    Attributes:
        step: optimizer steps done.
        steps: how many there are to be.
    """

    def __init__(
        self,
        method: Method,
        task: TrainingTask,
        recipe: Recipe,
        steps: int,
        precision: str,
        division: Division = WHOLE,
    ) -> None:
        """Stand before the first step; the arguments are those of ``train``."""
        self.step, self.steps = 0, steps
        task.steps = steps
        self._method, self._task, self._recipe, self._precision = method, task, recipe, precision
        self._parameters = all_parameters(method.trainable_parameters())
        self._open(steps)
        self._device = self._parameters[0].device
        self._scaling = Scaling(self._device, precision)
        self._division = division if method.row_by_row else WHOLE
        self._losses: list[Tensor] = []  # since the last report
        self._lr, self._step_flops = 0.0, 0

    def _open(self, steps: int, rows: Tensor | None = None) -> None:
        """A fresh optimizer, a schedule over so many steps, and batches of all images or of some ``rows``."""
        task, recipe = self._task, self._recipe
        images = len(task) if rows is None else len(rows)
        self._optimizer, self._schedule = make_optimizer(
            self._method.trainable_parameters(),
            recipe,
            recipe.lr_of(task.name),
            steps,
            -(-images // task.batch_size),
        )
        self._batches = task.endless(rows=rows)

    def progress(self, between: Callable[[Training], None] | None = None) -> Iterator[Progress]:
        """Take the steps that are left; says where training stands after every tenth and the last.

        Args:
            between: called before and after every step, once what there is to say of it is said.
        """
        while True:
            if self._losses and (self.step % REPORT_EVERY == 0 or self.step == self.steps):
                yield self._progress()
            if between is not None:
                between(self)
            if self.step == self.steps:
                return
            self.take_step()

    def take_step(self) -> None:
        """One optimizer step, from a batch of images to new weights."""
        batch = next(self._batches)
        self._lr = float(self._optimizer.param_groups[0]["lr"])
        self._optimizer.zero_grad(set_to_none=True)
        counter = FlopCounterMode(display=False) if self.step == 0 else None
        with counter or nullcontext(), tf32_products(self._precision == "tf32"):
            with autocast(self._device.type, self._precision), self._division.used():
                loss = self._method.loss(batch)
            self._scaling.backward(loss)
        if counter is not None:
            counts = self._division.shared or leads()  # else all of them do the same work
            self._step_flops = total_of(counter.get_total_flops() if counts else 0)
        self._change_weights()
        self.step += 1
        self._method.after_step(self.step)
        self._losses.append(loss.detach())

    def _change_weights(self) -> None:
        """From gradients to weights: the one place between backward and step."""
        average_gradients(self._parameters)  # of the processes; they are whole from here on
        self._scaling.unscale(self._optimizer)
        self._method.after_backward()
        if self._recipe.grad_clip is not None:
            nn.utils.clip_grad_norm_(self._parameters, self._recipe.grad_clip)
        self._scaling.step(self._optimizer)
        if self._schedule is not None:
            self._schedule.step()  # also behind a skipped step, as in published code

    def _progress(self) -> Progress:
        """The mean loss since the last report; waits for the device."""
        mean = _mean_finite(self._losses, self._task.name, self.step)
        self._scaling.check(self._task.name, self.step, self.steps)
        self._losses.clear()
        return Progress(self.step, self.steps, mean, self._lr)

    def result(self) -> Trained:
        """What was done, after the last step."""
        _check_finite(self._parameters, self._task.name)
        return Trained(self.step, self._step_flops, self._scaling.skipped)

    def state_dict(self) -> dict[str, Any]:
        """All that the steps to come depend on beside the method's own state, after any step."""
        return {
            "step": self.step,
            "lr": self._lr,
            "step_flops": self._step_flops,
            "losses": torch.stack(self._losses) if self._losses else torch.zeros(0),
            "optimizer": optimizer_state(self._optimizer),
            "schedule": self._schedule.state_dict() if self._schedule is not None else {},
            "scaling": self._scaling.state_dict(),
            "task": self._task.state_dict(),
            "batches": self._batches.state_dict(),
            "random": random_states(self._device),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand after the step at which ``state`` was kept.

        Call it last, after the method's ``continue_task``: it sets the process's random states.

        Raises:
            UserError: the method has not got back what it trained.
        """
        known = [len(group["params"]) for group in state["optimizer"]["groups"]]
        found = [len(group["params"]) for group in self._optimizer.param_groups]
        if known != found or not all(p.requires_grad for p in self._parameters):
            raise UserError(
                f"{type(self._method).__name__} cannot go on in the middle of task "
                f"{self._task.name!r}: after continue_task the same parameters must train as before"
            )
        self.step, self._lr = state["step"], state["lr"]
        self._step_flops = state["step_flops"]
        self._losses = list(state["losses"].to(self._device))
        load_optimizer_state(self._optimizer, state["optimizer"])
        if self._schedule is not None:
            self._schedule.load_state_dict(state["schedule"])
        self._scaling.load_state_dict(state["scaling"])
        self._task.load_state_dict(state["task"])
        self._batches.load_state_dict(state.get("batches", {}))
        restore_random_states(state["random"], self._device)


def reported(step: int, steps: int) -> list[int]:
    """After which of the first ``step`` steps of ``steps`` training says where it stands."""
    last = [step] if step == steps and step % REPORT_EVERY else []
    return [*range(REPORT_EVERY, step + 1, REPORT_EVERY), *last]


def _mean_finite(losses: list[Tensor], task: str, step: int) -> float:
    """The mean of the losses that end at ``step``; raises where one is not finite."""
    values = torch.stack(losses).float().tolist()
    for i, value in enumerate(values):
        if not math.isfinite(value):
            bad = step - len(values) + 1 + i
            raise NotFiniteError(f"the loss became {value} on task {task!r} at step {bad}")
    return float(sum(values) / len(values))


def _check_finite(parameters: list[nn.Parameter], task: str) -> None:
    """Raise where the last steps left a weight that no further loss would show."""
    if first_not_finite(dict(enumerate(parameters))) is not None:
        raise NotFiniteError(f"a weight is no longer finite after the last step on task {task!r}")
