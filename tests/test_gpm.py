"""GPM: the basis by singular values, gradients projected by loops, and steps that stay off the basis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from golden_clip import golden_clip, projector_distance
from torch import Tensor
from toy_task import toy

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.attention import Attended
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.estimate import forecast as parts_of_forecast
from cl_bench.benchmark.task import TrainingTask
from cl_bench.benchmark.train import train
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.forecast import forecast
from cl_bench.experiment.resolve import resolve
from cl_bench.methods.gpm import GPM

SGD = Recipe(optimizer="sgd", lr=0.01, weight_decay=0, schedule="constant")


def gpm(**settings: Any) -> GPM:
    return GPM(golden_clip(), GPM.Config(**settings), Assets())


def learn(method: GPM, task: TrainingTask, steps: int = 4, recipe: Recipe = SGD) -> None:
    method.before_task(task)
    train(method, task, recipe, steps, "fp32", lambda p: None)
    method.after_task(task)


@torch.no_grad()
def inputs(clip: Clip, task: TrainingTask) -> list[tuple[Tensor, Tensor]]:
    """What enters q, k, v and what enters o of the image tower's blocks, each [all positions, d]."""
    seen: list[list[Attended]] = [[] for _ in clip.attentions()["v"]]
    handles = [a.watch(of.append) for a, of in zip(clip.attentions()["v"], seen, strict=True)]
    for batch in task.epoch(plain=True):
        clip.encode_images(batch.images)
    for handle in handles:
        handle.remove()
    return [
        (torch.cat([s.x.flatten(0, 1) for s in of]), torch.cat([s.heads.flatten(0, 1) for s in of]))
        for of in seen
    ]


def leading(features: Tensor, share: float) -> Tensor:
    """The fewest left singular vectors of the features [N, d] that hold ``share`` of their energy."""
    vectors, values, _ = np.linalg.svd(features.double().numpy().T, full_matrices=False)
    total, energy, count = float((values**2).sum()), 0.0, 0
    while energy < share * total:
        energy += float(values[count] ** 2)
        count += 1
    return torch.from_numpy(vectors[:, :count])


def weights(clip: Clip, tower: str) -> list[Tensor]:
    """q, k, v and o of every block, [in, out], in float64."""
    return [
        W.detach().double().T.clone()
        for a in clip.attentions()[tower]
        for W in (*a.in_proj_weight.chunk(3), a.out_proj.weight)
    ]


def test_the_basis_of_the_first_task_is_that_of_the_singular_values() -> None:
    method = gpm(first_share=0.9)
    learn(method, toy(0, method.clip.normaliser()))
    U, rank = method.protected["v"].U, method.protected["v"].rank.tolist()
    for block, (x, h) in enumerate(inputs(method.clip, toy(0, method.clip.normaliser()))):
        for i, features in enumerate((x, x, x, h)):
            expected = leading(features, 0.9)
            n = 4 * block + i
            assert rank[n] == expected.shape[1]
            assert projector_distance(U[n, :, : rank[n]], expected) < 1e-3


def test_gradients_are_projected_as_by_loops() -> None:
    method = gpm(first_share=0.8)
    learn(method, toy(0, method.clip.normaliser()))
    task = toy(1, method.clip.normaliser())
    method.before_task(task)
    method.loss(next(task.epoch())).backward()
    raw = {
        tower: [
            g.double().T.clone()
            for a in attentions
            for g in (*a.in_proj_weight.grad.chunk(3), a.out_proj.weight.grad)  # type: ignore[union-attr]
        ]
        for tower, attentions in method.clip.attentions().items()
    }
    method.after_backward()
    for tower, attentions in method.clip.attentions().items():
        found = [
            g
            for a in attentions
            for g in (*a.in_proj_weight.grad.chunk(3), a.out_proj.weight.grad)  # type: ignore[union-attr]
        ]
        M = method.protected[tower]
        for i, (g, projected) in enumerate(zip(raw[tower], found, strict=True)):
            for k in range(int(M.rank[i])):  # one direction after the other
                u = M.U[i, :, k].double()
                g = g - torch.outer(u, u @ g)
            torch.testing.assert_close(projected.double().T, g, atol=1e-5, rtol=1e-4)
            assert (g - raw[tower][i]).norm() > 0.01 * raw[tower][i].norm(), "it had a part to lose"


def moved_along(recipe: Recipe) -> tuple[float, float]:
    """Of a second task's change of the weights: its part along the basis, and its size."""
    method = gpm(first_share=0.8)
    learn(method, toy(0, method.clip.normaliser()))
    before = {t: weights(method.clip, t) for t in "vt"}
    M = dict(method.protected)
    learn(method, toy(1, method.clip.normaliser()), recipe=recipe)
    changes = [
        (M[t].U[i].double(), after - start)
        for t in "vt"
        for i, (after, start) in enumerate(zip(weights(method.clip, t), before[t], strict=True))
    ]
    along = sum(float((U.T @ change).square().sum()) for U, change in changes) ** 0.5
    return along, sum(float(change.square().sum()) for _, change in changes) ** 0.5


def test_a_task_moves_no_weight_along_the_inputs_of_earlier_ones() -> None:
    """With momentum, a schedule and a limit of the gradient's norm; Adam would, and is refused."""
    sgd = {"lr": 3e3, "schedule": "onecycle", "grad_clip": 1e-5}  # gradients are of about 3e-5
    along, size = moved_along(SGD.model_copy(update=sgd))
    assert size > 1e-3 and along < 1e-4 * size
    along, size = moved_along(SGD.model_copy(update={"optimizer": "adam", "lr": 1e-3}))
    assert along > 0.05 * size, "the refusal has its reason"


@pytest.mark.parametrize(
    ("overrides", "remedy"),
    [
        (("optimizer=adamw",), "optimizer=sgd"),
        (("optimizer=adam",), "optimizer=sgd"),
        (("weight_decay=0.1",), "weight_decay=0"),
    ],
)
def test_a_recipe_that_would_undo_the_projection_is_refused(
    overrides: tuple[str, ...], remedy: str
) -> None:
    with pytest.raises(UserError, match=f"gpm with .*--set {remedy}$") as caught:
        resolve(Choices(suite="mini", method="gpm", device="cpu", overrides=overrides))
    assert "\n" not in str(caught.value)
    resolve(Choices(suite="mini", method="finetune", device="cpu", overrides=overrides))


def test_the_share_grows_with_every_task_up_to_all() -> None:
    method, asked = gpm(first_share=0.9, share_growth=0.06), []
    for i in range(3):
        known = {t: s.rank.clone() for t, s in method.protected.items()}
        U = {t: s.U.double() for t, s in method.protected.items()}
        learn(method, toy(i, method.clip.normaliser()), steps=1)
        x = inputs(method.clip, toy(i, method.clip.normaliser()))[0][0].double()  # of block 0
        total, share = float(x.square().sum()), min(0.9 + 0.06 * i, 1)
        new = method.protected["v"].U[0].double()
        asked.append(float((x @ new).square().sum()) / total)
        assert asked[-1] >= min(share, 1 - 1e-5) - 1e-6
        assert torch.equal(new[:, : int(known["v"][0])], U["v"][0][:, : int(known["v"][0])]), "kept"
        assert all((s.rank >= known[t]).all() for t, s in method.protected.items())
        torch.testing.assert_close(
            new.T @ new, torch.diag((new.norm(dim=0) > 0.5).double()), atol=1e-4, rtol=0
        )
    assert method.learned == 3


def test_the_run_on_mtil(monkeypatch: pytest.MonkeyPatch) -> None:
    """ZSCL's budget; the changed matrices are kept, and at most a whole basis for each of them."""
    chosen = {"suite": "mtil", "method": "gpm", "preset": "paper", "device": "cpu"}
    config = resolve(Choices.model_validate({**chosen, "order": "II"})).config
    assert sum(config.budget.steps.values()) == 11_011 and not config.recipe.lr_per_task
    assert config.recipe.optimizer == "sgd" and config.recipe.weight_decay == 0
    monkeypatch.setattr(parts_of_forecast, "measure_rates", lambda *_: np.ones(4))
    found = forecast(resolve(Choices.model_validate({**chosen, "order": "MNIST", "tasks": 1})))
    changed = 4 * 12 * 4 * (768**2 + 512**2)
    assert changed < found.checkpoint < 2.1 * changed
