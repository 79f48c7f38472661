"""What 16 bits must never touch: statistics, comparisons, choices, penalties and what is remembered.

A run in bf16 or fp16 is wrong without a word where a number that decides something is rounded to 16
bits. First every method is watched for such numbers; then each place is tried with values that only
float32 tells apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from golden_clip import golden_clip
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from toy_task import LABELS, stirred, toy
from two_tasks import known, played

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.evaluate import predict
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.precision import autocast
from cl_bench.benchmark.resize import resize
from cl_bench.methods.auto_selector import AutoSelector
from cl_bench.methods.catalog import BUILT_IN
from cl_bench.methods.cosine_head import CosineHead
from cl_bench.methods.distillation import soft_cross_entropy
from cl_bench.methods.experts import Experts
from cl_bench.methods.gradients import mean_gradients
from cl_bench.methods.o_lora import OLoRA
from cl_bench.methods.reference_images import ReferenceImages
from cl_bench.methods.squared_distance import squared_distance

SIXTEEN = (torch.bfloat16, torch.float16)
CPU = torch.device("cpu")
# What summarises, normalises, compares or chooses: its result decides something.
DECIDING = {
    "sum", "mean", "var", "var_mean", "norm", "linalg_vector_norm", "cumsum", "_softmax",
    "_log_softmax", "logsumexp", "nll_loss_forward", "mse_loss", "topk", "max", "min", "argmax",
    "sort", "square", "pow", "abs", "exp", "log", "sigmoid", "softplus", "lerp", "lerp_",
    "_linalg_eigh", "_linalg_svd", "linalg_qr", "clamp_min", "reciprocal", "sqrt", "rsqrt",
}  # fmt: skip


class SixteenBits(TorchDispatchMode):
    """Notes in which phase which operation gave a number of 16 bits."""

    def __init__(self) -> None:
        super().__init__()
        self.phase, self.seen = "elsewhere", set[tuple[str, str]]()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if any(isinstance(x, Tensor) and x.dtype in SIXTEEN for x in tree_leaves(result)):
            self.seen.add((self.phase, func.overloadpacket.__name__))
        return result

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        before, self.phase = self.phase, phase
        yield
        self.phase = before


def watched(name: str, by: SixteenBits) -> tuple[Callable[[Clip, Assets], Method], Recipe]:
    """A method whose phases are told apart, and its recipe."""
    make, recipe = known(name)

    def make_watched(clip: Clip, assets: Assets) -> Method:
        method = make(clip, assets)
        plain = type(method)

        def phase(of: str) -> Callable[..., Any]:
            def called(self: Method, *args: Any) -> Any:
                with by.during(of):
                    return getattr(plain, of)(self, *args)

            return called

        names = ("before_task", "after_task", "after_step", "loss", "classifier", "state_dict")
        method.__class__ = type(plain.__name__, (plain,), {of: phase(of) for of in names})
        return method

    return make_watched, recipe


@pytest.mark.parametrize("name", BUILT_IN)
def test_no_method_keeps_or_decides_by_a_number_of_16_bits(name: str) -> None:
    with SixteenBits() as bits:
        make, recipe = watched(name, bits)
        learned = played(make, recipe, "bf16", None)
    outside = {seen for seen in bits.seen if seen[0] not in ("loss", "classifier", "elsewhere")}
    assert not outside, "passes, merging, averaging and what is kept are in float32 or float64"
    assert not {op for phase, op in bits.seen if phase != "elsewhere"} & DECIDING
    assert "mm" in {op for _, op in bits.seen}, "but the run was in bf16"
    kept = [leaf for leaf in tree_leaves(learned.state) if isinstance(leaf, Tensor)]
    assert not [leaf.dtype for leaf in kept if leaf.dtype in SIXTEEN]
    assert all(logits.dtype == torch.float32 for logits in learned.logits)


def test_the_watch_itself_sees_such_numbers() -> None:
    x = torch.randn(4, 4)
    with SixteenBits() as bits, bits.during("loss"), autocast("cpu", "bf16"):
        (x @ x).sum()
        (x @ x).float().sum()
    assert {op for _, op in bits.seen} & DECIDING == {"sum"}


@pytest.fixture(params=["bf16", "fp16"])
def mixed(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """A 16-bit context, made anew for every use."""
    return lambda: autocast("cpu", request.param)


def unit(*shape: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return nn.functional.normalize(torch.randn(*shape, generator=draw), dim=-1)


def near_classes(features: Tensor) -> Tensor:
    """Classes [C, D] whose logits for one feature differ by 1e-3 around 30, the last one highest."""
    (f,) = features
    other = unit(len(f), seed=7)
    across = nn.functional.normalize(other - (other @ f) * f, dim=0)
    cosines = 0.30 + 1e-5 * torch.arange(5.0)
    return cosines[:, None] * f + (1 - cosines**2).sqrt()[:, None] * across


def test_logits_do_not_tie(mixed: Callable[[], Any]) -> None:
    clip, f = golden_clip(), unit(1, 16)
    clip.model.logit_scale.data.fill_(torch.tensor(100.0).log().item())
    classes = near_classes(f)
    plain = clip.logits(f, classes)
    assert plain.diff().gt(5e-4).all() and plain.argmax() == 4
    assert len((f.bfloat16() @ classes.T.bfloat16()).unique()) < 5, "in 16 bits, they would tie"
    head = CosineHead(classes)
    beside = head(f)
    with mixed():
        assert torch.equal(clip.logits(f, classes), plain)
        assert torch.equal(head(f), beside) and beside.argmax() == 4
    assert clip.logits(f.bfloat16(), classes.half()).dtype == torch.float32


def test_features_are_normalised_and_averaged_in_float32(mixed: Callable[[], Any]) -> None:
    clip, images = golden_clip(), torch.randn(3, 3, 32, 32)
    with mixed():
        for features in (clip.encode_images(images), clip.encode_classes(LABELS)):
            assert features.dtype == torch.float32
            torch.testing.assert_close(features.norm(dim=-1), torch.ones(3), atol=1e-6, rtol=0)


def test_logits_of_16_bits_are_no_accuracy() -> None:
    """A plug-in's product of its own; the order of the classes would decide."""
    images = Images(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.zeros(2).long())
    normalise = Pixels(32, torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    for dtype, named in ((torch.bfloat16, "bfloat16"), (torch.float16, "float16")):
        with pytest.raises(UserError, match=f"logits are {named}, in which classes tie"):
            predict(lambda x, dtype=dtype: torch.zeros(len(x), 3, dtype=dtype), images, normalise)  # type: ignore[misc]


def test_the_gate_chooses_between_experts_that_are_near(mixed: Callable[[], Any]) -> None:
    experts = Experts(16, 5, 4, top_k=1, dropout=0.0, device=CPU)
    h = unit(6, 1, 16)
    experts.add_router()
    experts.w_gate[0].data = near_classes(h[0]).T.contiguous()
    chosen: list[Tensor] = []
    gates = experts.gates

    def noted(r: Tensor) -> tuple[Tensor, Tensor]:
        chosen.append(gates(r)[0])
        return gates(r)

    experts.gates = noted  # type: ignore[method-assign]
    for routers in (None, torch.zeros(6, dtype=torch.int64)):
        experts.router, experts.routers = 0, routers
        experts(h)
        with mixed():
            experts(h)
            assert experts(h.bfloat16()).dtype in SIXTEEN, "as the image tower's stream is"
    (plain, in_mixed, *_), of_each = chosen[:3], chosen[3:5]
    assert plain[0, 0] == 4 and torch.equal(in_mixed, plain)
    assert all(torch.equal(one, plain) for one in of_each)


def test_an_image_goes_to_the_same_router(mixed: Callable[[], Any]) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 12)).requires_grad_(False)
    images = torch.randn(400, 3, 4, 4)
    selector = AutoSelector(network, hidden=4, threshold=0.05)
    selector.encoder(6, images)
    plain = selector.choose(images, together=1)
    assert len(plain.unique()) > 2
    with mixed():
        assert torch.equal(selector.choose(images, together=1), plain)
        rough = network(images).float().sigmoid()
        assert not torch.equal(selector.features(images), rough), "the rest is mixed"


def test_what_a_teacher_said_is_remembered_in_float32(mixed: Callable[[], Any]) -> None:
    pixels = torch.randint(256, (5, 3, 32, 32), dtype=torch.uint8)
    images, teacher, rows = Images(pixels, torch.zeros(5).long()), golden_clip(), torch.arange(5)
    plain = ReferenceImages(images, teacher.normaliser(), teacher).of(rows)
    of_classes = golden_clip().frozen_classes(LABELS)
    with mixed():
        assert torch.equal(ReferenceImages(images, teacher.normaliser(), teacher).of(rows), plain)
        assert torch.equal(teacher.frozen_classes(LABELS), of_classes)
        assert not torch.equal(teacher.encode_classes(LABELS), of_classes), "the rest is mixed"


def test_the_penalty_of_o_lora_sees_small_overlaps(mixed: Callable[[], Any]) -> None:
    method = OLoRA(golden_clip(), OLoRA.Config(rank=2), Assets())
    task = toy(0, method.clip.normaliser())
    method.before_task(task)
    stirred(method)
    method.after_task(task)
    method.before_task(task)
    batch = next(task.epoch())
    with torch.no_grad():
        for old, update in zip(method.A_prev, method.updates, strict=True):
            Q = torch.linalg.qr(torch.cat([old, torch.randn_like(old)], dim=-1)).Q
            update.A.copy_(Q[..., 2:])  # across the old directions: what is left is rounding
        method.clip.cross_entropy = lambda *of: torch.zeros(())  # type: ignore[method-assign]
        plain = method.loss(batch)
        with mixed():
            assert torch.equal(method.loss(batch), plain) and 0 < plain < 1e-3
            pairs = zip(method.A_prev, method.updates, strict=True)
            rough = sum((A.mT @ u.A).abs().sum() for A, u in pairs)
    assert rough > 10 * plain, "in 16 bits, the penalty would be of rounding"


def test_losses_and_pixels_are_those_of_float32(mixed: Callable[[], Any]) -> None:
    start = [torch.randn(20, 30), torch.randn(7)]
    weights = [(w + 1e-4 * torch.randn_like(w)).requires_grad_(True) for w in start]
    teacher, student = 100 * unit(4, 6), 100 * unit(4, 6, seed=1)
    pixels = torch.randint(256, (2, 3, 40, 40), dtype=torch.uint8)

    def values() -> list[Tensor]:
        distance = squared_distance(weights, start)
        (gradient, _) = torch.autograd.grad(distance, weights)
        return [distance, gradient, soft_cross_entropy(teacher, student, 2.0), resize(pixels, 32)]

    plain = values()
    with mixed():
        assert all(torch.equal(a, b) for a, b in zip(values(), plain, strict=True))


def test_small_gradients_of_keeplora_start_do_not_vanish(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a loss a million times smaller, its gradients are below what fp16 holds."""
    clip, small, cross_entropy = golden_clip(), 2.0**-20, nn.functional.cross_entropy
    plain = mean_gradients(clip, toy(1, clip.normaliser()))
    monkeypatch.setattr(
        "cl_bench.methods.gradients.F.cross_entropy", lambda *of: small * cross_entropy(*of)
    )
    for tower, G in mean_gradients(clip, toy(1, clip.normaliser())).items():
        assert torch.equal(G / small, plain[tower]), "a power of two: exact in float32"
        lost = (G != 0) & (G.half() == 0)
        assert lost.float().mean() > 0.1, "which fp16 would round to 0"
