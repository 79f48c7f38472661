"""Tasks in, one accuracy matrix out: the runner. It knows no method and no data set by name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import torch

from cl_bench.benchmark.checkpoint import digest_of_state
from cl_bench.benchmark.classified import classified
from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.cost import Stopwatch, peak_memory
from cl_bench.benchmark.errors import NotFiniteError
from cl_bench.benchmark.federated import FederatedTraining
from cl_bench.benchmark.held_out import HeldOutSets
from cl_bench.benchmark.interval import USUAL, Interval
from cl_bench.benchmark.keeper import Keeper
from cl_bench.benchmark.label_spaces import LabelSpaces, label_spaces
from cl_bench.benchmark.method import Method, all_parameters
from cl_bench.benchmark.mid_task import MidTask
from cl_bench.benchmark.opening import finished_run, must_be_of, must_keep_as_begun
from cl_bench.benchmark.precision import tf32_products
from cl_bench.benchmark.processes.first import by_the_first, led, must_agree
from cl_bench.benchmark.processes.group import size
from cl_bench.benchmark.product_rate import product_rate
from cl_bench.benchmark.question import Question
from cl_bench.benchmark.randomness import seed_everything
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.benchmark.records.events import Learned, Listener, Step
from cl_bench.benchmark.records.keeps import Keeps
from cl_bench.benchmark.records.manifest import is_finished
from cl_bench.benchmark.retrieval import RetrievalSets
from cl_bench.benchmark.rows import WHOLE, Division
from cl_bench.benchmark.session import RunSession
from cl_bench.benchmark.stopping import Stopping
from cl_bench.benchmark.task import Task, TaskStream, TrainingTask
from cl_bench.benchmark.train import Progress, Trained, Training, train


def run(
    config: RunConfig,
    make_method: Callable[[], Method],
    stream: TaskStream,
    folder: RunFolder,
    listen: Listener,
    division: Division = WHOLE,
    interval: Interval = Interval.of(USUAL),  # noqa: B008 (frozen)
    held_out: HeldOutSets = HeldOutSets(),  # noqa: B008 (frozen)
    retrieval: RetrievalSets = RetrievalSets(),  # noqa: B008 (frozen)
    keeps: Keeps = Keeps(),  # noqa: B008 (frozen)
    start: Path | None = None,
) -> RunResult:
    """Learn the stream's tasks in turn, evaluate all of them after each, keep everything.

    Of several processes (``processes/group.py``) all learn and evaluate, and the first one keeps it.

    A directory that holds some of the run already is continued, from within a task where that was kept.
    Every task draws its randomness from (seed, task name) alone, so an interrupted run ends as an
    undisturbed one, bit for bit on the same CPU. Nothing is continued that is not as it was written.

    Args:
        config: the resolved run.
        make_method: makes a fresh instance around the pre-trained model.
        stream: the tasks of ``config.tasks``.
        folder: where the run lives.
        listen: receives every logged event, in the first process.
        division: of the batches of training.
        interval: between two states that are kept within a task.
        held_out: what is evaluated beside the tasks and never learned.
        retrieval: captioned pictures that are searched beside them.
        keeps: what stays of the run beside its results.
        start: the checkpoint of ``config.start``.

    Raises:
        UserError: the directory is locked, damaged or of another run, or keeps
            something else; the loss is not finite.
        Stopped: a signal told it to stop.
    """
    stopping = Stopping(folder.path)
    with ExitStack() as held:
        led(lambda: held.enter_context(folder.locked()))
        led(lambda: _as_begun(folder, keeps))
        if finished := _finished(config, folder):
            return finished
        held.enter_context(stopping.heard())
        spaces = label_spaces(config.protocol, stream)
        question = Question(config, stream, spaces.targets, held_out, retrieval)
        at_once = division.images_at_once
        session = RunSession(question, folder, listen, at_once, interval, stopping, keeps, start)
        with tf32_products(False):  # statistics are in float32 even where steps are in TF32
            return _run(question, make_method(), spaces, session, division)


def _as_begun(folder: RunFolder, keeps: Keeps) -> None:
    """Raise where the directory holds a run that keeps something else."""
    if (folder.path / "manifest.json").exists():
        must_keep_as_begun(folder.path, keeps)


@by_the_first
def _finished(config: RunConfig, folder: RunFolder) -> RunResult | None:
    """The run, if it is finished already."""
    if not is_finished(folder.path):
        return None
    must_be_of(folder.path, config)
    return finished_run(folder.path)


def _run(
    question: Question,
    method: Method,
    spaces: LabelSpaces,
    session: RunSession,
    division: Division,
) -> RunResult:
    """The loop over the tasks that are not learned yet."""
    config, stream, device = question.config, question.stream, method.clip.device
    tests = {task.name: task.test.to(device) for task in stream.tasks}

    def evaluate(learned: int) -> None:
        watch = Stopwatch(device)
        with watch.phase("evaluate"):
            found = classified(method, spaces, tests, config.protocol.precision, learned, top)
            beside = question.held_out.predict(method, config.protocol)
            ranks = question.retrieval.ranks(method, config.protocol)
        seconds = watch.seconds["evaluate"]
        session.keep_row(learned, found.classes, beside, ranks, seconds, found.scores)

    rows, under_way, top = _taken_up(session, method)
    done = max(rows - 1, 0)
    try:
        if rows == 0:
            evaluate(0)
        for learned, task in enumerate(stream.tasks[done:], start=done + 1):
            begun = under_way if learned == done + 1 else None
            _learn(config, method, task, learned, session, division, begun)
            must_agree(lambda: digest_of_state(method.state_dict()), f"after {learned} tasks")
            session.keep_method(learned, method)
            evaluate(learned)
    except NotFiniteError as error:
        raise session.failed(error) from error
    return session.finish()


def _taken_up(session: RunSession, method: Method) -> tuple[int, MidTask | None, int | None]:
    """Bring every process to where the run stands.

    Returns:
        How many rows its matrix has, where the next task stands, if it was begun, and how many of the best
        classes of every test image are kept, if any.
    """
    opened = session.open(method.clip.device)
    if opened.state:
        state = dict(opened.state)
        session.earlier.load_state_dict(state)
        method.load_state_dict(state)
    return opened.rows, opened.under_way, opened.top


def _learn(
    config: RunConfig,
    method: Method,
    task: Task,
    learned: int,
    session: RunSession,
    division: Division,
    begun: MidTask | None,
) -> None:
    """Let the method learn ``task``, the ``learned``-th; what is left of it where it was begun."""
    device = method.clip.device
    watch = Stopwatch(device, begun.seconds if begun else None)
    prepared = begun is not None and begun.prepared
    with session.keeper(learned, method, watch, begun) as keeper:
        training = _as_seen(config, method, task, session, keeper)
        with watch.phase("prepare"):
            (method.continue_task if prepared else method.before_task)(training)
        trainable = sum(p.numel() for p in all_parameters(method.trainable_parameters()))
        with watch.phase("train"):
            make = _made(config, task)
            trained = _trained(config, method, training, session, division, keeper, begun, make)
        with watch.phase("consolidate"):
            method.after_task(training)
    session.earlier.close(training)
    session.log(
        Learned(
            task=task.name, learned=learned, steps=trained.steps, step_flops=trained.step_flops,
            skipped_steps=trained.skipped_steps, seconds=watch.seconds,
            matrix_gflops=_matrix_rate(device, config) if trained.steps else None,
            images_drawn=training.images_drawn, trainable_parameters=trainable,
            peak_memory=peak_memory(device), diagnostics=method.diagnostics(),
        )
    )  # fmt: skip


def _trained(
    config: RunConfig,
    method: Method,
    task: TrainingTask,
    session: RunSession,
    division: Division,
    keeper: Keeper,
    begun: MidTask | None,
    make: Callable[..., Training],
) -> Trained:
    """Take the steps of a task, or those that are left."""

    def report(p: Progress) -> None:
        session.log(Step(task=task.name, step=p.step, steps=p.steps, loss=p.loss, lr=p.lr))

    budget, precision = config.budget.steps[task.name], config.protocol.precision
    state = begun.training if begun and begun.prepared else None
    with keeper.taking_steps():
        return train(
            method, task, config.recipe, budget, precision, report, division, state, keeper.between,
            make,
        )  # fmt: skip


def _made(config: RunConfig, task: Task) -> Callable[..., Training]:
    """Who takes the steps of a task: one learner, or clients in turn."""
    rounds = config.protocol.rounds
    if (task.clients is None) != (rounds is None):
        raise ValueError(f"{task.name}: clients and rounds are given together")
    if task.clients is None or rounds is None:
        return Training
    return partial(FederatedTraining, clients=task.clients, rounds=rounds)


def _matrix_rate(device: torch.device, config: RunConfig) -> float:
    """Billions of operations a second that all processes' devices do in the run's precision."""
    return _rate_of_one(str(device), config.protocol.precision) * size()


_rate_of_one = cache(product_rate)  # measured once


def _as_seen(
    config: RunConfig, method: Method, task: Task, session: RunSession, keeper: Keeper
) -> TrainingTask:
    """The task as the method sees it; all its randomness comes from the seed and its name."""
    generator = seed_everything(config.seed, task.name)
    cropped = config.protocol.augment == "random_resized_crop"
    if not cropped:  # crops are cut from the original files
        task = replace(task, train=task.train.to(method.clip.device))
    normalise, size = method.clip.normaliser(), config.budget.batch_size
    return session.earlier.open(task, normalise, size, generator, cropped=cropped, keeper=keeper)
