"""RAIL: what is learned task after task is the regression on all tasks at once; other domains stay zero-shot."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import cl_bench
from numpy.typing import NDArray
from small_run import fresh, small_plan, small_run
from torch import Tensor
from two_tasks import Watch, tiny_models

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.errors import NotFiniteError, UserError
from cl_bench.benchmark.estimate import forecast as parts_of_forecast
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.large_matrices import RunSizes
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.experiment import memory
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.forecast import forecast
from cl_bench.experiment.large_matrices import large_matrices
from cl_bench.experiment.memory import must_fit
from cl_bench.experiment.resolve import Plan, resolve
from cl_bench.methods.image_features import image_features
from cl_bench.methods.learned_classes import places
from cl_bench.methods.rail import RAIL
from cl_bench.methods.rail_dual import RAILDual
from cl_bench.methods.recursive_ridge import RecursiveRidge

Doubles = NDArray[np.float64]
SIZES, CLASSES, FEATURES, RIDGE = (30, 17, 23), (3, 2, 4), 40, 0.1
NAMES = (("cat", "boat", "oak"), ("fish", "cat"), ("moon", "a lake", "sun"))
BATCH = 5


# The recursion


def rows_of_tasks() -> list[tuple[Tensor, Tensor]]:
    """For every task non-negative rows [N, M] and their classes, counted over all tasks."""
    draw = torch.Generator().manual_seed(0)
    tasks, first = [], 0
    for size, classes in zip(SIZES, CLASSES, strict=True):
        rows = torch.randn(size, FEATURES, generator=draw, dtype=torch.float64).relu()
        tasks.append((rows, first + torch.arange(size) % classes))
        first += classes
    return tasks


def joint_solution(ridge: float) -> tuple[Doubles, Doubles]:
    """(ΦᵀΦ + λI)⁻¹ and (ΦᵀΦ + λI)⁻¹ΦᵀY over all rows of all tasks, summed row by row."""
    A, B = ridge * np.eye(FEATURES), np.zeros((FEATURES, sum(CLASSES)))
    for rows, classes in rows_of_tasks():
        for row, c in zip(rows.numpy(), classes.tolist(), strict=True):
            A += np.outer(row, row)
            B[:, c] += row
    return np.linalg.inv(A), np.linalg.solve(A, B)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("batch", [1, 7, 64])
@pytest.mark.parametrize("ridge", [RIDGE, 1e-3])
def test_the_recursion_is_the_joint_solution(
    order: tuple[int, ...], batch: int, ridge: float
) -> None:
    found = RecursiveRidge.of_no_rows(FEATURES, ridge, torch.float64, torch.device("cpu"))
    tasks, columns = rows_of_tasks(), list[int]()
    for t in order:
        rows, classes = tasks[t]
        own = range(sum(CLASSES[:t]), sum(CLASSES[: t + 1]))
        found.add_columns(len(own))
        columns += own
        shuffled = torch.randperm(len(rows), generator=torch.Generator().manual_seed(t))
        for part in shuffled.split(batch):
            Y = torch.tensor([[float(c == k) for k in columns] for c in classes[part].tolist()])
            found.add_rows(rows[part], Y.double())
    R, W = joint_solution(ridge)
    assert np.abs(found.R.numpy() - R).max() < 1e-9 * np.abs(R).max()
    assert np.abs(found.W.numpy() - W[:, columns]).max() < 1e-9 * np.abs(W).max()


def test_float32_drifts_by_little_and_float64_by_nothing() -> None:
    _, W = joint_solution(RIDGE)
    apart = {}
    for dtype in (torch.float32, torch.float64):
        found = RecursiveRidge.of_no_rows(FEATURES, RIDGE, dtype, torch.device("cpu"))
        found.add_columns(sum(CLASSES))
        for rows, classes in rows_of_tasks():
            Y = torch.nn.functional.one_hot(classes, sum(CLASSES)).to(dtype)
            for part in torch.arange(len(rows)).split(4):
                found.add_rows(rows[part].to(dtype), Y[part])
        apart[dtype] = np.abs(found.W.double().numpy() - W).max() / np.abs(W).max()
    assert apart[torch.float64] < 1e-12 < 1e-8 < apart[torch.float32] < 1e-4


def test_a_recursion_that_rounding_has_outgrown_says_so() -> None:
    """A Cholesky factor of what is not positive definite would be finite numbers without a meaning."""
    method = RAIL(tiny_clip(), RAIL.Config(hidden=8), Assets())
    learn(method, 0)
    assert method.ridge is not None
    method.ridge.R.neg_()
    with pytest.raises(NotFiniteError, match="'toy1' in float32: set recursion=float64") as caught:
        learn(method, 1)
    assert "\n" not in str(caught.value)


@cache
def tiny_clip() -> Clip:
    """One for all methods here: they only read it."""
    return tiny_models(Watch(None))[0]


def test_a_kernel_matrix_of_equal_images_needs_its_ridge() -> None:
    pixels = torch.full((8, 3, 32, 32), 7, dtype=torch.uint8)
    images = Images(pixels, torch.arange(8) % 2)
    task = Task("flat", LabelSpace.from_templates(("a", "b"), ("{}",)), images, images)
    seen = TrainingTask(task, tiny_clip().normaliser(), BATCH, torch.Generator())
    RAILDual(tiny_clip(), RAILDual.Config(), Assets()).after_task(seen)
    with pytest.raises(NotFiniteError, match="on task 'flat': set a larger ridge than 1e-300"):
        RAILDual(tiny_clip(), RAILDual.Config(ridge=1e-300), Assets()).after_task(seen)


# The methods on three toy tasks, of which two have a class of the same name


def toy(t: int, names: tuple[str, ...] | None = None, cropped: bool = False) -> TrainingTask:
    draw = torch.Generator().manual_seed(t)
    pixels = torch.randint(256, (11 + t, 3, 32, 32), generator=draw, dtype=torch.uint8)
    images = Images(pixels, torch.arange(11 + t) % len(names or NAMES[t]))
    labels = LabelSpace.from_templates(names or NAMES[t], ("a photo of a {}.",))
    task = Task(f"toy{t}", labels, images, images)
    return TrainingTask(task, tiny_clip().normaliser(), BATCH, draw, cropped=cropped)


def labels(*tasks: int) -> LabelSpace:
    return LabelSpace.union([toy(t).labels for t in tasks])


def learn(method: RAIL | RAILDual, *tasks: int) -> None:
    for t in tasks:
        task = toy(t)
        method.before_task(task)
        method.after_task(task)


def images_and_features(t: int) -> tuple[Tensor, Doubles, list[int]]:
    """A toy task's images as the model gets them, their features one by one, and their classes."""
    clip, pixels = tiny_clip(), toy(t)._train.pixels
    images = clip.normaliser()(pixels)
    with torch.no_grad():
        x = torch.cat([clip.encode_images(image[None]) for image in images])
    return images, x.double().numpy(), toy(t)._train.targets.tolist()


def primal_scores(method: RAIL, tasks: list[int], x: Doubles) -> Doubles:
    """φ(x)W with loops: every hidden unit, every image of every task."""
    W_r = method.W_r.double().numpy()

    def phi(x: Doubles) -> Doubles:
        return np.array([max(float(w @ x), 0.0) for w in W_r])

    A, B, first = method.config.ridge * np.eye(len(W_r)), np.zeros((len(W_r), 0)), 0
    for t in tasks:
        B = np.concatenate([B, np.zeros((len(W_r), len(NAMES[t])))], axis=1)
        _, features, classes = images_and_features(t)
        for f, c in zip(features, classes, strict=True):
            A += np.outer(phi(f), phi(f))
            B[:, first + c] += phi(f)
        first += len(NAMES[t])
    W = np.linalg.solve(A, B)
    return np.stack([phi(one) @ W for one in x])


def dual_scores(method: RAILDual, tasks: list[int], x: Doubles) -> Doubles:
    """k(x, X)(K + λI)⁻¹Y with a loop over pairs of images."""
    X, Y, first = [], [], 0
    count = sum(len(NAMES[t]) for t in tasks)
    for t in tasks:
        _, features, classes = images_and_features(t)
        X += list(features)
        Y += [np.eye(count)[first + c] for c in classes]
        first += len(NAMES[t])

    def k(a: Doubles, b: Doubles) -> float:
        return math.exp(-method.config.gamma * sum((p - q) ** 2 for p, q in zip(a, b, strict=True)))

    K = np.array([[k(a, b) + method.config.ridge * (i == j) for j, b in enumerate(X)]
                  for i, a in enumerate(X)])  # fmt: skip
    alpha = np.linalg.solve(K, np.stack(Y))
    return np.array([[k(one, b) for b in X] for one in x]) @ alpha


def made(kind: str) -> RAIL | RAILDual:
    torch.manual_seed(3)
    if kind == "dual":
        return RAILDual(tiny_clip(), RAILDual.Config(), Assets())
    return RAIL(tiny_clip(), RAIL.Config(hidden=24, recursion="float64"), Assets())


@torch.no_grad()
def answers(method: RAIL | RAILDual, space: LabelSpace, images: Tensor) -> Tensor:
    return method.classifier(space)(images)


@pytest.mark.parametrize("kind", ["primal", "dual"])
@pytest.mark.parametrize("union", [(1, 0, 2), (0, 1, 2)])
def test_scores_and_fusion_are_those_of_loops(kind: str, union: tuple[int, ...]) -> None:
    """X-TAIL: tasks 0 and 1 are learned, 2 is not; the union has them in any order."""
    method, space = made(kind), labels(*union)
    learn(method, 0, 1)
    images, x, _ = images_and_features(0)
    scores_of = primal_scores if isinstance(method, RAIL) else dual_scores
    scores = scores_of(method, [0, 1], x)  # type: ignore[arg-type, operator]
    clip, found, seen = tiny_clip(), answers(method, space, images), set[bool]()
    texts = clip.encode_classes(space).detach().double().numpy()
    scale = clip.model.logit_scale.exp().item()
    starts = {t: sum(len(NAMES[u]) for u in union[: union.index(t)]) for t in union}
    for row, one, own in zip(found.double().numpy(), x, scores, strict=True):
        zero_shot = np.array([scale * float(one @ text) for text in texts])
        taken_for = int(zero_shot.argmax())
        learned = not starts[2] <= taken_for < starts[2] + len(NAMES[2])
        expected = zero_shot
        if learned:
            p = np.exp(zero_shot - zero_shot.max())
            expected = 0.2 * p / p.sum()
            for t, at in ((0, 0), (1, len(NAMES[0]))):
                for c in range(len(NAMES[t])):
                    expected[starts[t] + c] += 0.8 * own[at + c]
        seen.add(learned)
        np.testing.assert_allclose(row, expected, atol=2e-5 if learned else 2e-4)
    assert seen == {True, False}, "both cases were tried"


@pytest.mark.parametrize("kind", ["primal", "dual"])
def test_domains_that_are_not_learned_are_exactly_zero_shot(kind: str) -> None:
    method = made(kind)
    before = {t: answers(method, labels(t), images_and_features(t)[0]) for t in range(3)}
    images = torch.cat([images_and_features(t)[0] for t in range(3)])
    union = answers(method, labels(0, 1, 2), images)
    learn(method, 0, 1)
    assert torch.equal(answers(method, labels(2), images_and_features(2)[0]), before[2])
    for t in (0, 1):  # own classes of a learned task: every image is scored
        after = answers(method, labels(t), images_and_features(t)[0])
        assert not (after == before[t]).all(dim=-1).any()
    zero_shot_unlearned = union.argmax(dim=-1) >= len(NAMES[0]) + len(NAMES[1])
    same = (answers(method, labels(0, 1, 2), images) == union).all(dim=-1)
    assert torch.equal(same, zero_shot_unlearned) and 0 < int(same.sum()) < len(same)


@pytest.mark.parametrize("kind", ["primal", "dual"])
def test_the_order_of_tasks_makes_no_difference(kind: str) -> None:
    images = images_and_features(0)[0]
    found = []
    for order in ((0, 1, 2), (2, 1, 0)):
        method = made(kind)
        learn(method, *order)
        found.append(answers(method, labels(0, 1, 2), images))
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=0)


def test_a_class_of_the_same_name_in_another_task_has_a_column_of_its_own() -> None:
    method = made("primal")
    assert isinstance(method, RAIL)
    learn(method, 0, 1)
    assert method.diagnostics() == {"columns": 5} and method.ridge is not None
    cats = method.ridge.W[:, [0, 4]]
    assert not torch.equal(cats[:, 0], cats[:, 1])


def test_the_same_classes_again_are_the_same_columns() -> None:
    """Two data sets of the same classes: the second one teaches them further."""
    for kind in ("primal", "dual"):
        method = made(kind)
        learn(method, 0)
        before = answers(method, labels(0), images_and_features(0)[0])
        again = toy(2, NAMES[0])
        method.before_task(again)
        method.after_task(again)
        assert method.diagnostics()["columns"] == 3
        assert not torch.equal(answers(method, labels(0), images_and_features(0)[0]), before)


def test_places_of_tasks_among_classes() -> None:
    a, b, c = ("x", "y"), ("w", "x", "y", "z"), ("q",)

    def of(*names: tuple[str, ...]) -> LabelSpace:
        return LabelSpace.union([LabelSpace.from_templates(n, ("{}",)) for n in names])

    assert places(of(b, a), [a, b]) == {b: 0, a: 4}, "not within the other one"
    assert places(of(a, b), [a, b]) == {a: 0, b: 2}
    assert places(of(b), [a, b]) == {b: 0} and places(of(a), [a, b]) == {a: 0}
    assert places(of(c), [a, b]) == {} and places(of(c, a), [a, b]) == {a: 1}


# Features


def test_features_are_computed_once_and_stand_in_the_order_of_the_images() -> None:
    task, clip = toy(0), tiny_clip()
    found, classes = image_features(clip, task)
    _, x, expected = images_and_features(0)
    assert task.images_drawn == len(task) and classes.tolist() == expected
    np.testing.assert_allclose(found.double().numpy(), x, atol=1e-6)


def test_augmented_runs_learn_from_crops() -> None:
    plain, _ = image_features(tiny_clip(), toy(0))
    crops, _ = image_features(tiny_clip(), toy(0, cropped=True))
    asked, _ = image_features(tiny_clip(), toy(0, cropped=True), plain=True)
    assert torch.equal(asked, plain)
    assert (crops != plain).any(dim=-1).float().mean() > 0.5, "a crop may be the whole of 32 x 32"


def test_the_projection_is_drawn_once_and_is_a_linear_layers() -> None:
    torch.manual_seed(3)
    expected = torch.nn.Linear(16, 24, bias=False).weight
    method = made("primal")
    assert isinstance(method, RAIL)
    assert torch.equal(method.W_r, expected) and float(expected.detach().abs().max()) <= 16**-0.5
    learn(method, 0, 1)
    assert torch.equal(method.W_r, expected) and not method.W_r.requires_grad
    torch.manual_seed(4)
    other = RAIL(tiny_clip(), method.config, Assets())
    other.load_state_dict(method.state_dict())
    assert torch.equal(other.W_r, expected), "drawn again, it would fit no W"


# Sizes


def planned(method: str, suite: str, preset: str = "paper", **more: object) -> Plan:
    chosen = {"suite": suite, "method": method, "preset": preset, "device": "cpu", **more}
    return resolve(Choices.model_validate(chosen))


def test_the_published_sizes() -> None:
    found = large_matrices(planned("rail", "mtil"), 512)
    assert found is not None
    assert found.stored == 4 * (15_000**2 + 15_000 * 1_201 + 15_000 * 512) == 1_002_780_000
    config = planned("rail", "mtil").config
    assert config.budget.steps["Food"] == -(-75_750 // 128), "one pass in batches of 128"
    assert config.protocol.augment == "random_resized_crop"
    dual = large_matrices(planned("rail-dual", "x-tail", preset="fair"), 512)
    assert dual is not None and "17,004 x 17,004 in float64" in dual.what
    assert dual.at_once == 8 * (2 * 17_004**2 + 3 * 17_004 * 1_101)
    assert dual.stored == 17_004 * (4 * 512 + 8 + 8 * 1_101)


@pytest.mark.parametrize(
    ("method", "suite", "preset", "words"),
    [
        ("rail-dual", "mtil", "paper", "319,352 x 319,352 in float64, and its factor: 1,5"),
        ("rail-dual", "x-tail", "fair", "17,004 x 17,004 in float64, and its factor: 4.73"),
        ("rail", "mtil", "paper", "R, 15,000 x 15,000 in float32 (hidden = 15,000): 0.93"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(
    method: str, suite: str, preset: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(method, suite, preset)
    matrices = large_matrices(plan, 512)
    assert matrices is not None
    monkeypatch.setattr(memory, "available", lambda device: matrices.at_once + 1)
    with pytest.raises(UserError) as caught:
        must_fit(plan, 512)
    said = str(caught.value)
    assert said.startswith(f"{method} holds ") and words in said and "\n" not in said
    assert "available on cpu" in said and matrices.remedy in said
    monkeypatch.setattr(memory, "available", lambda device: int(1.2 * matrices.at_once))
    must_fit(plan, 512)


def no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """One second per unit of work: nothing is played for real."""
    monkeypatch.setattr(parts_of_forecast, "measure_rates", lambda *of: np.ones(4))


def test_a_run_is_refused_before_anything_is_learned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    no_measurement(monkeypatch)
    monkeypatch.setattr(memory, "available", lambda device: 2**20)
    command = ["--suite", "mini", "--device", "cpu", "--out", str(tmp_path)]
    assert cl_bench(monkeypatch, "run", "--method", "rail-dual", *command) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "rail-dual holds the kernel matrix of all 6,960 training images" in error
    assert not list(tmp_path.rglob("*.json"))
    assert (
        cl_bench(monkeypatch, "run", "--method", "rail-dual", *command, "--dry-run", "--tasks", "2")
        == 0
    )
    shown = capsys.readouterr().out
    assert "refused   here, such a run would not start: rail-dual holds" in shown
    assert "no optimizer step: nothing trains by a gradient" in shown and "epochs)" not in shown


@pytest.mark.parametrize("name", ["rail", "rail-dual"])
def test_the_stored_bytes_that_are_foreseen_are_the_checkpoint_s(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rehearsal has few images and few classes: scaled from it, both would be wrong."""
    no_measurement(monkeypatch)
    plan = small_plan(name, tasks=2)
    matrices = large_matrices(plan, fresh(plan).clip.model.visual.output_dim)
    assert matrices is not None and forecast(plan).checkpoint == matrices.stored
    small_run(plan, tmp_path)
    (file,) = tmp_path.rglob("*.safetensors")
    share = 1.0 if name == "rail" else 0.2  # of the images are in a small run
    assert file.stat().st_size == pytest.approx(share * matrices.stored, abs=3_000)


def test_what_of_all_images_takes_grows_with_them() -> None:
    def of(*images: int) -> tuple[int, float]:
        found = RAILDual.Config().large_matrices(RunSizes(images, (10,) * len(images), 16))
        return found.at_once, found.flops

    assert of(1000, 1000)[0] > 3.9 * of(1000)[0]
    assert of(1000, 1000)[1] > 8 * of(1000)[1], "solved again after every task"
