"""Tasks in, one accuracy matrix out: the runner. It knows no method and no data set by name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from cl_bench.benchmark.checkpoint import digest_of_state
from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.cost import Stopwatch, peak_memory
from cl_bench.benchmark.errors import NotFiniteError
from cl_bench.benchmark.evaluate import predict_all
from cl_bench.benchmark.label_spaces import label_spaces
from cl_bench.benchmark.method import Method, all_parameters
from cl_bench.benchmark.opening import finished_run, must_be_of
from cl_bench.benchmark.precision import tf32_products
from cl_bench.benchmark.processes.first import by_the_first, led, must_agree
from cl_bench.benchmark.randomness import seed_everything
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.benchmark.records.events import Learned, Listener, Step
from cl_bench.benchmark.records.manifest import is_finished
from cl_bench.benchmark.rows import WHOLE, Division
from cl_bench.benchmark.session import RunSession
from cl_bench.benchmark.task import Task, TaskStream, TrainingTask
from cl_bench.benchmark.train import Progress, train


def run(
    config: RunConfig,
    make_method: Callable[[], Method],
    stream: TaskStream,
    folder: RunFolder,
    listen: Listener,
    division: Division = WHOLE,
) -> RunResult:
    """Learn the stream's tasks in turn, evaluate all of them after each, keep everything.

    Of several processes (``processes/group.py``) all learn and evaluate, and the first one keeps it.

    A directory that holds some of the run already is continued: every task draws its randomness
    from (seed, task name) alone, so an interrupted run ends as an undisturbed one, bit for bit on
    the same CPU. Nothing is continued that is not as it was written.

    Args:
        config: the resolved run.
        make_method: makes a fresh instance around the pre-trained model.
        stream: the tasks of ``config.tasks``.
        folder: where the run lives.
        listen: receives every logged event, in the first process.
        division: of the batches of training.

    Raises:
        UserError: the directory is locked, damaged or of another run; the loss is not finite.
    """
    with ExitStack() as held:
        led(lambda: held.enter_context(folder.locked()))
        if finished := _finished(config, folder):
            return finished
        targets = label_spaces(config.protocol, stream)[1]
        session = RunSession(config, stream, targets, folder, listen, division.images_at_once)
        with tf32_products(False):  # statistics are in float32 even where steps are in TF32
            return _run(config, make_method(), stream, session, division)


@by_the_first
def _finished(config: RunConfig, folder: RunFolder) -> RunResult | None:
    """The run, if it is finished already."""
    if not is_finished(folder.path):
        return None
    must_be_of(folder.path, config)
    return finished_run(folder.path)


def _run(
    config: RunConfig,
    method: Method,
    stream: TaskStream,
    session: RunSession,
    division: Division,
) -> RunResult:
    """The loop over the tasks that are not learned yet."""
    device, spaces = method.clip.device, label_spaces(config.protocol, stream)[0]
    tests = {task.name: task.test.to(device) for task in stream.tasks}

    def evaluate(learned: int) -> None:
        watch = Stopwatch(device)
        with watch.phase("evaluate"):
            predictions = predict_all(method, spaces, tests, config.protocol.precision)
        session.keep_row(learned, predictions, watch.seconds["evaluate"])

    rows = _taken_up(session, method)
    done = max(rows - 1, 0)
    try:
        if rows == 0:
            evaluate(0)
        for learned, task in enumerate(stream.tasks[done:], start=done + 1):
            _learn(config, method, task, learned, session, division)
            must_agree(lambda: digest_of_state(method.state_dict()), f"after {learned} tasks")
            session.keep_method(learned, method)
            evaluate(learned)
    except NotFiniteError as error:
        raise session.failed(error) from error
    return session.finish()


def _taken_up(session: RunSession, method: Method) -> int:
    """Bring every process to where the run stands; returns how many rows its matrix has."""
    opened = session.open(method.clip.device)
    if opened.state:
        session.earlier.load_state_dict(opened.state)
        method.load_state_dict(opened.state)
    return opened.rows


def _learn(
    config: RunConfig,
    method: Method,
    task: Task,
    learned: int,
    session: RunSession,
    division: Division,
) -> None:
    """Let the method learn ``task``, the ``learned``-th."""
    device, watch = method.clip.device, Stopwatch(method.clip.device)
    training = _as_seen(config, method, task, session)

    def report(p: Progress) -> None:
        session.log(Step(task=task.name, step=p.step, steps=p.steps, loss=p.loss, lr=p.lr))

    # A run that goes on within a task would load the method's state and call continue_task here.
    with watch.phase("prepare"):
        method.before_task(training)
    trainable = sum(p.numel() for p in all_parameters(method.trainable_parameters()))
    budget, precision = config.budget.steps[task.name], config.protocol.precision
    with watch.phase("train"):
        trained = train(method, training, config.recipe, budget, precision, report, division)
    with watch.phase("consolidate"):
        method.after_task(training)
        session.earlier.close(training)
    session.log(
        Learned(
            task=task.name, learned=learned, steps=trained.steps, step_flops=trained.step_flops,
            skipped_steps=trained.skipped_steps, seconds=watch.seconds,
            images_drawn=training.images_drawn, trainable_parameters=trainable,
            peak_memory=peak_memory(device), diagnostics=method.diagnostics(),
        )
    )  # fmt: skip


def _as_seen(config: RunConfig, method: Method, task: Task, session: RunSession) -> TrainingTask:
    """The task as the method sees it; all its randomness comes from the seed and its name."""
    generator = seed_everything(config.seed, task.name)
    cropped = config.protocol.augment == "random_resized_crop"
    if not cropped:  # crops are cut from the original files
        task = replace(task, train=task.train.to(method.clip.device))
    normalise, size = method.clip.normaliser(), config.budget.batch_size
    return session.earlier.open(task, normalise, size, generator, cropped=cropped)
