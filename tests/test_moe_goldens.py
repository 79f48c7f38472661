"""MoE-Adapters against numbers recorded from the published code, with its random draws replayed.

c1: a forward pass; c2: one training step; c3: two tasks on twelve blocks; ddas: the auto-selector.
Tolerances are those recorded with the goldens.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import open_clip
import pytest
import torch
from golden_clip import golden_clip, images, recorded, relative
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import Batch, LabelSpace
from cl_bench.benchmark.train import optimiser
from cl_bench.methods.auto_selector import AutoEncoder, AutoSelector, fit, route
from cl_bench.methods.experts import NO_ROUTER, Experts
from cl_bench.methods.moe_adapters import MoEAdapters, MoEAdaptersConfig

GOLD, FACTS = recorded("moe_adapters")
E, K, M = FACTS["experts"], FACTS["top_k"], FACTS["bottleneck"]
TOWERS = {"image": "v", "text": "t"}
EXPERT_NAMES = ("down_weight", "down_bias", "up_weight", "up_bias")
LABELS = LabelSpace(tuple("abcdef"), tuple((c,) for c in "abcdef"))


def deep_clip(blocks: int) -> Clip:
    """The tiny CLIP; with twelve blocks, block i is its block i mod 3."""
    tiny = golden_clip()
    if blocks == 3:
        return tiny
    _, facts = recorded("tiny_clip")
    config = facts["open_clip"]
    for tower in ("vision_cfg", "text_cfg"):
        config[tower]["layers"] = blocks
    model = open_clip.CLIP(**config)
    state = {}
    for name, tensor in tiny.model.state_dict().items():
        if "resblocks." not in name:
            state[name] = tensor
            continue
        before, _, after = name.partition("resblocks.")
        place, _, rest = after.partition(".")
        for i in range(int(place), blocks, 3):
            state[f"{before}resblocks.{i}.{rest}"] = tensor
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert set(missing) <= {"attn_mask"} and not unexpected
    return Clip(model, tiny.tokenizer)


def loaded(tokens: Tensor, blocks: int = 3) -> MoEAdapters:
    """The method with the recorded experts and routers; its tokenizer gives ``tokens``."""
    clip = deep_clip(blocks)
    clip.tokenizer = lambda prompts: tokens.long()
    config = MoEAdaptersConfig(
        experts=E, top_k=K, bottleneck=M, dropout=FACTS["dropout"],
        label_smoothing=FACTS["label_smoothing"], routing="batch",
    )  # fmt: skip
    anchor = Images(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), torch.zeros(1).long())
    method = MoEAdapters(clip, config, Assets(images=anchor, selector=lambda x: x.flatten(1)))
    for tower, key in TOWERS.items():
        for i, experts in enumerate(method.experts[key]):
            with torch.no_grad():
                for name in EXPERT_NAMES:
                    getattr(experts, name).copy_(GOLD[f"experts/{tower}/{name}"][i % 3])
                for router in range(FACTS["routers"]):
                    experts.add_router()
                    for name in ("w_gate", "w_noise"):
                        getattr(experts, name)[router].copy_(
                            GOLD[f"router/{tower}/{name}"][i % 3, router]
                        )
    return method


def replay(experts: Experts, noise: Tensor, chosen: Tensor, bits: Tensor) -> None:
    """Use recorded draws: ε [B, E]; keep bits [B, K, L, M / 8] of the ``chosen`` experts [B, K]."""
    keep = torch.from_numpy(np.unpackbits(bits.numpy(), axis=-1)).float()  # [B, K, L, M]

    def drop(a: Tensor, ours: Tensor) -> Tensor:
        slots = (chosen[:, None, :] == ours[:, :, None]).int().argmax(dim=-1)  # [B, K]
        mine = keep[torch.arange(len(keep))[:, None], slots][:, :, : a.shape[1]]  # [B, K, L, M]
        return a * mine.movedim(1, 2).flatten(-2) / (1 - experts.dropout)

    experts.draw_noise = lambda like: noise  # type: ignore[method-assign]
    experts.drop = drop  # type: ignore[method-assign]


def watch(experts: Experts) -> dict[str, Tensor]:
    """Keep the gate's last input and its last shares, [B, E]."""
    seen: dict[str, Tensor] = {}
    original = experts.gates

    def gates(r: Tensor) -> tuple[Tensor, Tensor]:
        chosen, g = original(r)
        seen["router_input"] = r.detach()
        seen["gates"] = torch.zeros(len(r), E).scatter(1, chosen, g.detach())
        return chosen, g

    experts.gates = gates  # type: ignore[method-assign]
    return seen


class TestForward:
    """c1: features, gates and counts of an evaluation pass under a given router."""

    @pytest.fixture
    def seen(self) -> dict[str, list[dict[str, Tensor]]]:
        method = loaded(GOLD["c1/tokens"])
        seen = {tower: [watch(e) for e in method.experts[k]] for tower, k in TOWERS.items()}
        method._use(FACTS["c1"]["router"])
        with torch.no_grad():
            features = {
                "image": method.clip.model.visual(images(GOLD["c1/images"])),
                "text": method.clip.encode_text(GOLD["c1/tokens"].long()),
            }
        for tower, feature in features.items():
            seen[tower].append({"features": feature})
        return seen

    @pytest.mark.parametrize("tower", TOWERS)
    def test_matches(self, tower: str, seen: dict[str, list[dict[str, Tensor]]]) -> None:
        *blocks, last = seen[tower]
        assert (last["features"] - GOLD[f"c1/{tower}_features"]).abs().max() < 2e-5
        for i, block in enumerate(blocks):
            for key, limit in (("router_input", 2e-5), ("gates", 5e-6)):
                assert (block[key] - GOLD[f"c1/{key}/{tower}"][i]).abs().max() < limit
            assert torch.equal((block["gates"] > 0).sum(0), GOLD[f"c1/counts/{tower}"][i].long())

    def test_no_router_is_the_untouched_clip(self) -> None:
        method, plain = loaded(GOLD["c1/tokens"]), golden_clip()
        x = images(GOLD["c1/images"])
        assert torch.equal(method.clip.encode_images(x), plain.encode_images(x))
        method._use(0)
        assert not torch.equal(method.clip.encode_images(x), plain.encode_images(x))


@cache
def one_step() -> tuple[MoEAdapters, dict[str, Tensor], dict[str, list[dict[str, Tensor]]]]:
    """c2: one training step; returns the method after AdamW and the gradients before."""
    method = loaded(GOLD["c1/tokens"])
    seen: dict[str, list[dict[str, Tensor]]] = {tower: [] for tower in TOWERS}
    for tower, key in TOWERS.items():
        for i, experts in enumerate(method.experts[key]):
            replay(
                experts,
                GOLD[f"c2/noise/{tower}"][i],
                GOLD[f"c2/keep_experts/{tower}"][i].long(),
                GOLD[f"c2/keep/{tower}"][i],
            )
            seen[tower].append(watch(experts))
            experts.begin(FACTS["c2"]["router"])
    parameters = list(method.trainable_parameters())
    recipe = Recipe(lr=FACTS["lr"], weight_decay=0, schedule="constant")
    optimizer, _ = optimiser(parameters, recipe, recipe.lr, 1, 1)
    batch = Batch(
        images(GOLD["c1/images"]),
        GOLD["c2/labels"].long(),
        LABELS,
        torch.arange(len(GOLD["c2/labels"])),
    )
    loss = method.loss(batch)
    loss.backward()
    router = FACTS["c2"]["router"]
    found = {"loss": loss.detach()}
    for tower, key in TOWERS.items():
        for name in EXPERT_NAMES:
            gradients = [
                torch.stack([gradient(p) for p in e._windows[name]]) for e in method.experts[key]
            ]
            found[f"{tower}/{name}"] = torch.stack(gradients)
        for name in ("w_gate", "w_noise"):
            gradients = [gradient(getattr(e, name)[router]) for e in method.experts[key]]
            found[f"{tower}/{name}"] = torch.stack(gradients)
    optimizer.step()
    return method, found, seen


def gradient(parameter: nn.Parameter) -> Tensor:
    """Zero where the step did not touch the parameter."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()


class TestStep:
    """c2: gates, loss, gradients and the weights after one AdamW step."""

    def test_loss(self) -> None:
        assert abs(one_step()[1]["loss"].item() - FACTS["c2"]["loss"]) < 3e-5

    @pytest.mark.parametrize("tower", TOWERS)
    def test_gates_and_gradients(self, tower: str) -> None:
        _, found, seen = one_step()
        for i, block in enumerate(seen[tower]):
            assert (block["gates"] - GOLD[f"c2/gates/{tower}"][i]).abs().max() < 5e-6
        for name in ("down_bias", "up_bias", "w_gate", "w_noise"):
            assert relative(found[f"{tower}/{name}"], GOLD[f"c2/grad/{tower}/{name}"]) < 1e-4
        for name in EXPERT_NAMES:
            norms = found[f"{tower}/{name}"].flatten(2).norm(dim=-1)  # [3, E]
            assert relative(norms, GOLD[f"c2/grad_norm/{tower}/{name}"]) < 1e-4
        for name in ("down_weight", "up_weight"):
            ours = found[f"{tower}/{name}"][1, 5]
            assert relative(ours, GOLD[f"c2/grad_block1/{tower}/{name}"]) < 1e-4

    @pytest.mark.parametrize("tower", TOWERS)
    def test_after_the_optimiser(self, tower: str) -> None:
        method, router = one_step()[0], FACTS["c2"]["router"]
        for name in ("down_bias", "up_bias", "w_gate", "w_noise"):
            of = [getattr(e, name) for e in method.experts[TOWERS[tower]]]
            ours = torch.stack([p[router] if name.startswith("w") else p for p in of]).detach()
            assert (ours - GOLD[f"c2/after/{tower}/{name}"]).abs().max() < 1e-3

    def test_nothing_else_trains(self) -> None:
        method, _, _ = one_step()
        assert all(p.grad is None for p in method.clip.model.visual.conv1.parameters())
        others = [p for e in method._all() for r, p in enumerate(e.w_gate) if r != 2]
        assert all(p.grad is None for p in others)


@cache
def two_tasks() -> dict[str, dict[str, Tensor]]:
    """c3: two tasks in a row, the recorded experts frozen between them."""
    found = {}
    method = loaded(GOLD["c3/T1/tokens"], blocks=FACTS["c3"]["layers"])
    for router, task in enumerate(("T1", "T2")):
        found[task] = learn(method, task, router)
    return found


def learn(method: MoEAdapters, task: str, router: int) -> dict[str, Tensor]:
    steps, tokens = FACTS["c3"]["steps"], GOLD.get(f"c3/{task}/tokens", GOLD["c3/T1/tokens"])
    method.clip.tokenizer = lambda prompts: tokens.long()
    found: dict[str, Tensor] = {}
    before = state(method, router)
    for experts in method._all():
        experts.begin(router)
    recipe = Recipe(
        lr=FACTS["lr"], weight_decay=0, schedule="warmup_cosine",
        warmup=FACTS["c3"]["warmup"] / steps,
    )  # fmt: skip
    optimizer, schedule = optimiser(
        list(method.trainable_parameters()), recipe, recipe.lr, steps, steps
    )
    assert schedule is not None
    pixels, targets = images(GOLD[f"c3/{task}/images"]), GOLD[f"c3/{task}/labels"].long()
    batches = torch.arange(len(pixels)).split(FACTS["c3"]["batch_size"])
    losses = []
    for i in range(steps):
        replay_step(method, task, i)
        rows = batches[i % len(batches)]
        optimizer.zero_grad(set_to_none=True)
        loss = method.loss(Batch(pixels[rows], targets[rows], LABELS, rows))
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
        schedule.step()
    found["loss"] = torch.tensor(losses, dtype=torch.float64)
    after = state(method, router)
    for key, tensor in after.items():
        found[f"final/{key}"] = tensor
        if not key.split("/")[1].startswith("w_"):
            found[f"shift_norm/{key}"] = (tensor - before[key]).flatten(2).norm(dim=-1)
    return found | frozen_after(method, task)


def replay_step(method: MoEAdapters, task: str, step: int) -> None:
    for tower, key in TOWERS.items():
        for block, experts in enumerate(method.experts[key]):
            replay(
                experts,
                GOLD[f"c3/{task}/noise/{tower}/{step}"][block],
                GOLD[f"c3/{task}/keep_experts/{tower}/{step}"][block].long(),
                GOLD[f"c3/{task}/keep/{tower}/{step}"][block],
            )


def frozen_after(method: MoEAdapters, task: str) -> dict[str, Tensor]:
    """End the task; what would be frozen, and what the record says, which is then in force."""
    found = {}
    for tower, key in TOWERS.items():
        found[f"counts/{tower}"] = torch.stack([e.counts.clone() for e in method.experts[key]])
        listed = FACTS["c3"][task]["frozen_after_this_task"][tower]
        known = [e.frozen.clone() for e in method.experts[key]]
        for experts in method.experts[key]:
            experts.end(2)
        found[f"frozen/{tower}"] = torch.stack([e.frozen.clone() for e in method.experts[key]])
        for experts, earlier, chosen in zip(method.experts[key], known, listed, strict=True):
            experts.frozen.copy_(earlier)
            experts.frozen[chosen] = True
        found[f"listed/{tower}"] = torch.stack([e.frozen.clone() for e in method.experts[key]])
    return found


def state(method: MoEAdapters, router: int) -> dict[str, Tensor]:
    """Experts and the given router, stacked over blocks."""
    found = {}
    for tower, key in TOWERS.items():
        for name in EXPERT_NAMES:
            of = [getattr(e, name).detach().clone() for e in method.experts[key]]
            found[f"{tower}/{name}"] = torch.stack(of)
        for name in ("w_gate", "w_noise"):
            of = [getattr(e, name)[router].detach().clone() for e in method.experts[key]]
            found[f"{tower}/{name}"] = torch.stack(of)
    return found


@pytest.mark.parametrize("task", ["T1", "T2"])
class TestTwoTasks:
    """c3: what is trained, counted and frozen."""

    def test_losses(self, task: str) -> None:
        gap = (two_tasks()[task]["loss"] - GOLD[f"c3/{task}/loss"]).abs()
        assert gap.max() < 3e-3
        assert task == "T2" or gap[0] < 1e-4

    def test_weights(self, task: str) -> None:
        found = two_tasks()[task]
        compared = 0
        for kind, limit in (("final", 6e-3), ("shift_norm", 4e-3)):
            for key, expected in GOLD.items():
                if key.startswith(f"c3/{task}/{kind}/"):
                    ours = found[key.removeprefix(f"c3/{task}/")]
                    assert (ours - expected).abs().max() < limit, key
                    compared += 1
        assert compared == 16

    def test_counts_and_frozen_experts(self, task: str) -> None:
        found, ties = (
            two_tasks()[task],
            FACTS["c3"][task]["tie_between_2nd_and_3rd_count_in_blocks"],
        )
        for tower in TOWERS:
            assert torch.equal(found[f"counts/{tower}"], GOLD[f"c3/{task}/counts/{tower}"].long())
            for block, (ours, listed) in enumerate(
                zip(found[f"frozen/{tower}"], found[f"listed/{tower}"], strict=True)
            ):
                assert torch.equal(ours, listed) or block in ties[tower]

    def test_frozen_experts_rest(self, task: str) -> None:
        if task == "T2":
            first, second = two_tasks()["T1"], two_tasks()["T2"]
            for tower in TOWERS:
                frozen = first[f"listed/{tower}"]
                assert frozen.any()
                for name in EXPERT_NAMES:
                    assert (second[f"shift_norm/{tower}/{name}"][frozen] == 0).all()


def encoders() -> list[AutoEncoder]:
    """The twelve recorded auto-encoders: four trained, eight at their random start."""
    made = []
    for k in range(FACTS["ddas"]["n_autoencoders"]):
        encoder = AutoEncoder(64, 10).requires_grad_(False)
        put(encoder, k, "")
        made.append(encoder)
    return made


def put(encoder: AutoEncoder, k: int, moment: str) -> None:
    with torch.no_grad():
        encoder.enc.weight.copy_(GOLD[f"ddas/enc_weight{moment}"][k])
        encoder.enc.bias.copy_(GOLD[f"ddas/enc_bias{moment}"][k])
        encoder.dec.weight.copy_(GOLD[f"ddas/dec_weight{moment}"][k])
        encoder.dec.bias.copy_(GOLD[f"ddas/dec_bias{moment}"][k])


BATCHES: dict[str, dict[str, object]] = FACTS["ddas"]["batches"]


class TestSelector:
    """ddas: auto-encoders, routing and the classifiers of every router."""

    @pytest.mark.parametrize("k", range(FACTS["ddas"]["trained"]))
    def test_training(self, k: int) -> None:
        facts, encoder = FACTS["ddas"], AutoEncoder(64, 10)
        put(encoder, k, "_init")
        z = GOLD["ddas/train_features"][k].sigmoid().split(facts["batch_size"])
        features = (z[i % len(z)] for i in range(facts["steps"]))
        losses = fit(encoder, features, facts["steps"], facts["batches_per_epoch"], facts["lr0"])
        gap = torch.tensor(losses, dtype=torch.float64) - GOLD["ddas/train_loss"][k]
        assert gap.abs().max() < 1e-7
        for name, ours in (("enc_weight", encoder.enc.weight), ("dec_bias", encoder.dec.bias)):
            assert (ours - GOLD[f"ddas/{name}"][k]).abs().max() < 2e-6

    @pytest.mark.parametrize("name", BATCHES)
    def test_routing(self, name: str) -> None:
        z = GOLD[f"ddas/{name}/features"].sigmoid()
        errors = torch.stack([e.errors(z).mean() for e in encoders()])[:, None]
        assert (errors[:, 0].double() - GOLD[f"ddas/{name}/ae_loss"]).abs().max() < 1e-7
        expected: dict[str, int] = BATCHES[name]["router_id_by_threshold"]  # type: ignore[assignment]
        for threshold, router in expected.items():
            assert route(errors, float(threshold)).tolist() == [router]

    @pytest.mark.parametrize("name", BATCHES)
    def test_classification(self, name: str) -> None:
        x = images(GOLD[f"ddas/{name}/images"])
        method, labels = self.ready(GOLD[f"ddas/{name}/features"])
        router: int = BATCHES[name]["router_id"]  # type: ignore[assignment]
        assert method.selector.choose(x, 128).tolist() == [router] * 8
        method._use(router)
        with torch.no_grad():
            assert (
                method.clip.model.visual(x) - GOLD[f"ddas/{name}/image_features"]
            ).abs().max() < 2e-5
        method._use(NO_ROUTER)
        predicted = method.classifier(labels)(x).argmax(dim=-1)
        hits = predicted == GOLD[f"ddas/{name}/labels"].long()
        assert 100 * hits.float().mean().item() == BATCHES[name]["top1_percent"]

    def test_classifiers_of_every_router(self) -> None:
        method, labels = self.ready(GOLD["ddas/T1/features"])
        for router in range(-1, FACTS["routers"]):
            method._use(router)
            with torch.no_grad():
                ours = method.clip.encode_classes(labels).T  # [D, C]
            assert (ours - GOLD["ddas/classifier"][router + 1]).abs().max() < 2e-5

    def ready(self, features: Tensor) -> tuple[MoEAdapters, LabelSpace]:
        """The method with all auto-encoders, whose selector gives ``features``; its classes."""
        tokens = GOLD["ddas/prompt_tokens"].flatten(0, 1)  # two prompts for each of six classes
        method = loaded(tokens)
        method.selector = AutoSelector(lambda x: features, 10, threshold=0.0655)
        method.selector.encoders = encoders()
        return method, LabelSpace(tuple("abcdef"), (("", ""),) * 6)
