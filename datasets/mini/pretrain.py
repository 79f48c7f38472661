"""Train the tiny CLIP that the mini suite starts from: ``python -m cl_bench.datasets.mini.pretrain``.

The pictures show the suite's world in other looks (drawings, prints, shifted colours, plain paper;
digits as strokes, never scikit-learn's), so that zero-shot is right often, but not always.
"""

import argparse
import hashlib
import json
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from cl_bench.datasets.mini import backbone, captions
from cl_bench.datasets.mini.domains import DOMAINS, draw
from cl_bench.datasets.mini.style import artwork
from cl_bench.datasets.mini.worlds import EXTRAS, WORLDS

MEAN, STD = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD


@dataclass(frozen=True)
class Settings:
    """Everything that decides the weights."""

    seed: int = 0
    per_concept: int = 240
    natural_share: float = 0.3  # pictures in the surroundings of their domain
    steps: int = 900
    batch_size: int = 256
    lr: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.1
    max_logit_scale: float = 100.0
    threads: int = 2


def concepts() -> list[tuple[str, str]]:
    """Return every (domain, concept) that pretraining shows."""
    worlds = {**WORLDS, "": EXTRAS}
    return [(domain, name) for domain, world in worlds.items() for name in world.painters]


def pretraining_images(settings: Settings | None = None) -> NDArray[np.uint8]:
    """Return the exact pretraining pictures, [N, 3, 32, 32], sorted by concept."""
    chosen = settings or Settings()
    worlds = {**WORLDS, "": EXTRAS}
    natural = round(chosen.per_concept * chosen.natural_share)
    images = []
    for place, (domain, name) in enumerate(concepts()):
        rng = np.random.default_rng([chosen.seed, 1_000 + place])
        for count, outdoors in ((natural, True), (chosen.per_concept - natural, False)):
            style = artwork(count, rng, natural=outdoors)
            images.append(worlds[domain].paint(name, count, rng, style))
    return np.concatenate(images)


def train(settings: Settings) -> open_clip.CLIP:
    """Return a tiny CLIP trained on the pretraining pictures and their captions."""
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    known = known_tokens()
    model = backbone.new_model(vocab_size=len(known))
    images, names = torch.from_numpy(pretraining_images(settings)), concepts()
    tokens = _Captions(names, known)
    rng = np.random.default_rng([settings.seed, 1])
    optimizer, schedule = _optimizer(model, settings)
    start = time.perf_counter()
    for step in range(1, settings.steps + 1):
        rows = rng.choice(len(images), settings.batch_size, replace=False)
        concept = rows // settings.per_concept
        loss = _loss(model, images[rows], tokens.draw(concept, rng), torch.from_numpy(concept))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        model.logit_scale.data.clamp_(0, float(np.log(settings.max_logit_scale)))
        if step % 50 == 0:
            print(f"step {step:5d}  loss {loss.item():.3f}  {time.perf_counter() - start:.0f} s")
    return model


class _Captions:
    """All captions of every concept, tokenised once.

    Tokens are numbered by their place among the known ones: a table of only those trains faster.
    The order stays, so the end of a text is still its largest token.
    """

    def __init__(self, names: list[tuple[str, str]], known: list[int]) -> None:
        """Tokenise the captions of all ``names``."""
        texts = [captions.every_caption(*name) for name in names]
        self.tokens = [
            torch.from_numpy(np.searchsorted(known, open_clip.tokenize(group).numpy()))
            for group in texts
        ]
        self.special = [len(group) - len(captions.GENERAL) for group in texts]

    def draw(self, concept: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """Return one caption per picture, [B, L] with L the longest caption's length."""
        rows = [self._one(int(index), rng) for index in concept]
        batch = torch.stack(rows)
        return batch[:, : int(batch.argmax(1).max()) + 1]

    def _one(self, index: int, rng: np.random.Generator) -> Tensor:
        general, special = len(captions.GENERAL), self.special[index]
        if special and rng.random() < 0.5:
            return self.tokens[index][general + int(rng.integers(special))]
        return self.tokens[index][int(rng.integers(general))]


def _optimizer(
    model: open_clip.CLIP, settings: Settings
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Return AdamW and a cosine schedule with warm-up; only matrices decay."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(
        groups, lr=settings.lr, betas=(0.9, 0.98), weight_decay=settings.weight_decay
    )

    def rate(step: int) -> float:
        done = step / settings.steps
        return min((step + 1) / settings.warmup, 0.5 * (1 + float(np.cos(np.pi * done))))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


def _loss(model: open_clip.CLIP, images: Tensor, tokens: Tensor, concept: Tensor) -> Tensor:
    """Return the contrastive loss in which all pictures and captions of a concept match."""
    # On a CPU, the fused attention kernel takes half of a step's time on such short sequences.
    with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        seen = torch.nn.functional.normalize(model.encode_image(normalised(images)), dim=-1)
        read = torch.nn.functional.normalize(_encode_text(model, tokens), dim=-1)
    logits = model.logit_scale.exp() * seen.float() @ read.float().T
    match = (concept[:, None] == concept[None]).float()
    match = match / match.sum(1, keepdim=True)
    pair = torch.nn.functional.cross_entropy
    return (pair(logits, match) + pair(logits.T, match)) / 2


def _encode_text(model: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Encode [B, L] tokens with L below the context length, which attention cannot tell apart."""
    length = tokens.shape[1]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    features: Tensor = x[torch.arange(len(x)), tokens.argmax(-1)] @ model.text_projection
    return features


def normalised(images: Tensor) -> Tensor:
    """Turn uint8 [B, 3, 32, 32] into the model's fp32 input."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return (images.float() / 255 - mean) / std


@torch.no_grad()
def zero_shot(model: open_clip.CLIP) -> dict[str, float]:
    """Return the test accuracy (%) of every domain with the first prompt of each class."""
    scores = {}
    for name, domain in DOMAINS.items():
        images, labels = draw(name, "test")
        prompts = [domain.templates[0].format(classname) for classname in domain.classnames]
        text = model.encode_text(open_clip.tokenize(prompts), normalize=True)
        seen = model.encode_image(normalised(torch.from_numpy(images)), normalize=True)
        right = (seen @ text.T).argmax(1).numpy() == labels
        scores[name] = round(100 * float(right.mean()), 2)
    return scores


def known_tokens() -> list[int]:
    """Return the tokens of every caption and prompt: the rows of the token table worth keeping."""
    texts = [text for name in concepts() for text in captions.every_caption(*name)]
    for domain in DOMAINS.values():
        texts += [t.format(name) for t in domain.templates for name in domain.classnames]
    return sorted(set(open_clip.tokenize(texts).unique().tolist()))


def write(trained: open_clip.CLIP, settings: Settings, seconds: float, folder: Path) -> None:
    """Write the weights, rounded to fp16, and beside them how they came about."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / backbone.WEIGHTS.name
    backbone.save_state(trained.state_dict(), known_tokens(), settings.seed, weights)
    model = backbone.new_model()
    model.load_state_dict(backbone.load_state(weights, model.vocab_size))
    scores = zero_shot(model.eval())
    recipe = {
        "settings": asdict(settings),
        "pictures": len(concepts()) * settings.per_concept,
        "seconds": round(seconds),
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "zero_shot": scores,
        "zero_shot_mean": round(sum(scores.values()) / len(scores), 2),
        "versions": {name: version(name) for name in ("numpy", "torch", "open_clip_torch")},
    }
    text = json.dumps(recipe, indent=2) + "\n"
    (folder / "tiny_clip.recipe.json").write_text(text)
    print(text)


def main() -> None:
    """Pretrain and write the files, by default beside this module."""
    parser = argparse.ArgumentParser(description="Pretrain the mini suite's tiny CLIP.")
    parser.add_argument("--out", type=Path, default=backbone.WEIGHTS.parent)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    chosen = parser.parse_args()
    settings = Settings(seed=chosen.seed)
    start = time.perf_counter()
    model = train(settings)
    write(model, settings, time.perf_counter() - start, chosen.out)


if __name__ == "__main__":
    main()
