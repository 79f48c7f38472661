"""The same bits from the same seed: what draws, what adds in another order on a GPU, and the switch."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from killing import must_be_the_same
from small_run import small_plan, small_run
from torch.utils._python_dispatch import TorchDispatchMode
from two_tasks import known, played

from cl_bench.benchmark import hand_over
from cl_bench.benchmark.deterministic import deterministic_kernels
from cl_bench.benchmark.patches import PatchEmbedding
from cl_bench.benchmark.record import RunResult
from cl_bench.experiment.choices import choices_of
from cl_bench.experiment.resolve import resolve
from cl_bench.experiment.run import run_experiment
from cl_bench.methods.catalog import BUILT_IN

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "determinism.md"

# Operations that torch lists as not deterministic on CUDA (`torch.use_deterministic_algorithms`), by a part
# of their name, and what the page calls them. Those with "!" have no deterministic kernel at all.
KERNELS = {
    r"scaled_dot_product.*_backward": "attention",
    r"^convolution": "convolution",
    r"^index_put": "index_put",
    r"^index_(add|copy|reduce)|^index_select_backward": "index_add",
    r"^scatter": "scatter",
    r"^cumsum": "cumsum",
    r"^embedding_dense_backward": "embedding",
    r"^(adaptive_)?(avg|max)_?pool.*backward|^upsample.*backward|^grid_sampler.*backward": "!",
    r"^reflection_pad.*backward|^nll_loss2d|^_ctc_loss|^put_|^histc|^bincount|^kthvalue|^median": "!",
}


class Operations(TorchDispatchMode):
    """The names of all operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func._schema.name.removeprefix("aten::"))
        return func(*args, **(kwargs or {}))


def table() -> dict[str, set[str]]:
    """What the page says that each method needs the switch for."""
    rows = re.findall(r"^\| `(\S+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", cell)) for name, cell in rows}


def test_the_page_has_a_row_for_every_method() -> None:
    assert table().keys() == set(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_page_names_every_kernel_that_may_add_in_another_order(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatchEmbedding, "forward", PatchEmbedding.product)  # as on a GPU
    make, recipe = known(name)
    with Operations() as seen:
        played(make, recipe, "fp32", None)
    found = {word for part, word in KERNELS.items() for op in seen.names if re.search(part, op)}
    assert found == table()[name]


def test_no_source_draws_without_a_seed() -> None:
    """A generator made without one, or the time, would give another run every time."""
    unseeded = []
    for folder in ("benchmark", "methods", "datasets"):
        for file in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            unseeded += [f"{file}:{c.lineno}" for c in ast.walk(tree) if is_unseeded(c)]
    assert unseeded == []


def is_unseeded(node: ast.AST) -> bool:
    """Whether it is ``default_rng()``, ``Random()``, or a seed that the system gives."""
    if not isinstance(node, ast.Call):
        return False
    name = ast.unparse(node.func).rpartition(".")[2]
    return name in {"urandom", "uuid4", "token_bytes", "SystemRandom", "seed_all"} or (
        name in {"default_rng", "Random", "RandomState"} and not (node.args or node.keywords)
    )


@pytest.mark.parametrize("code", ["np.random.default_rng()", "random.Random()", "os.urandom(4)"])
def test_a_draw_without_a_seed_would_be_found(code: str) -> None:
    assert any(is_unseeded(node) for node in ast.walk(ast.parse(code)))


def test_the_number_of_threads_that_cut_crops_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    overrides = ("steps=3", "batch_size=8", "augment=random_resized_crop")
    runs = []
    for workers in (1, 7):
        monkeypatch.setattr(hand_over, "CROPPERS", workers)
        plan = small_plan("lora", tasks=1, overrides=overrides)
        runs.append(small_run(plan, tmp_path / str(workers)))
    must_be_the_same(*runs)


def test_the_switch_is_recorded_left_again_and_changes_no_bit_on_a_cpu(tmp_path: Path) -> None:
    def run(name: str, **more: bool) -> RunResult:
        choices = choices_of(
            {"suite": "mini", "method": "keeplora", "tasks": 1, "device": "cpu",
             "overrides": ["steps=2"], **more}
        )  # fmt: skip
        return run_experiment(choices, out=tmp_path / name)

    usual, strict = run("usual"), run("strict", deterministic=True)
    assert usual.path.name == strict.path.name, "it is no part of what a run is"
    kept = [result.manifest.first.deterministic for result in (usual, strict)]
    assert kept == [None, True] and not torch.are_deterministic_algorithms_enabled()
    must_be_the_same(strict, usual)


def test_the_switch_reaches_a_run_that_is_continued() -> None:
    given = {"suite": "mini", "method": "lora", "device": "cpu", "deterministic": True}
    plan = resolve(choices_of(given))
    assert plan.deterministic and plan.config.choices["deterministic"] is True


def test_within_the_switch_torch_refuses_what_it_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with deterministic_kernels(True):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert not torch.backends.cudnn.benchmark
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    with deterministic_kernels(False):
        assert not torch.are_deterministic_algorithms_enabled()
