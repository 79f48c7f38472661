"""CLIP over open_clip: two encoders, their classes, and the loss that every method starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import open_clip
import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU as OpenClipQuickGELU
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor, nn

from cl_bench.benchmark.attention import Attention
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.patches import PatchEmbedding
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.precision import at_least_float32, full_precision
from cl_bench.benchmark.prompt_tokens import behind_the_first, check_room, per_block
from cl_bench.benchmark.quick_gelu import QuickGELU
from cl_bench.benchmark.rows import through
from cl_bench.benchmark.task import Batch, LabelSpace
from cl_bench.benchmark.tokens import LabelTokens, Tokenizer, cut_padding, short_tokens

# OpenAI's pixel statistics; the weights of a few tags were trained with others, which open_clip knows.
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)


class Clip(nn.Module):
    """A CLIP model with the parts that continual-learning methods work on in the open.

    Attributes:
        model: the open_clip model, its attention replaced by :class:`Attention`.
        image_size: side S of its square input, in pixels.
        context_length: positions of its text tower.
        pixel_mean: what is taken from red, green and blue in [0, 1].
        pixel_std: what they are divided by then.
    """

    def __init__(self, model: open_clip.CLIP, tokenizer: Tokenizer) -> None:
        """Take over ``model``.

        Args:
            model: a CLIP of OpenAI's layout: two transformers, causal text, end-of-text pooling.
            tokenizer: from N strings to int64 [N, context_length], zero-padded.

        Raises:
            UserError: the model is built differently.
        """
        super().__init__()
        _check_layout(model)
        self.model = model
        self.tokenizer = tokenizer
        size = model.visual.image_size
        self.image_size: int = size[0] if isinstance(size, tuple) else size
        self.context_length: int = model.context_length
        pixels = getattr(model.visual, "preprocess_cfg", {})  # those of its weights, where known
        self.pixel_mean: tuple[float, ...] = tuple(pixels.get("mean", PIXEL_MEAN))
        self.pixel_std: tuple[float, ...] = tuple(pixels.get("std", PIXEL_STD))
        model.visual.conv1 = PatchEmbedding(model.visual.conv1)
        for tower, blocks in self.blocks().items():
            for block in blocks:
                block.attn = Attention(block.attn, causal=tower == "t")  # type: ignore[arg-type]
                if isinstance(block.mlp.gelu, OpenClipQuickGELU):  # type: ignore[union-attr]
                    block.mlp.gelu = QuickGELU()  # type: ignore[union-attr]
        self.eval()  # CLIP has no dropout; nothing here differs between training and evaluation
        self._pretrained = {name: _fingerprint(t) for name, t in self.model.state_dict().items()}
        self._frozen: tuple[LabelSpace, Tensor] | None = None
        self._tokens = LabelTokens()

    def blocks(self) -> dict[str, list[nn.Module]]:
        """The blocks of each tower in depth order, under ``"v"`` (vision) and ``"t"`` (text).

        A block computes h = x + attn(ln_1 x), then h + mlp(ln_2 h).
        """
        return {
            "v": list(self.model.visual.transformer.resblocks),
            "t": list(self.model.transformer.resblocks),
        }

    @property
    def device(self) -> torch.device:
        """Where the model's parameters are."""
        device: torch.device = self.model.logit_scale.device
        return device

    def attentions(self) -> dict[str, list[Attention]]:
        """The attention of every block, under the keys of ``blocks``."""
        return {tower: [b.attn for b in blocks] for tower, blocks in self.blocks().items()}  # type: ignore[misc]

    def weights(self) -> dict[str, nn.Parameter]:
        """Every parameter but the logit scale, which no method trains, by open_clip's names."""
        return {n: p for n, p in self.model.named_parameters() if n != "logit_scale"}

    def normaliser(self) -> Pixels:
        """What turns uint8 pixels into this model's input, on its device."""
        mean = torch.tensor(self.pixel_mean, device=self.device).view(3, 1, 1)
        std = torch.tensor(self.pixel_std, device=self.device).view(3, 1, 1)
        return Pixels(self.image_size, mean, std)

    def encode_images(self, images: Tensor, prompt_tokens: Tensor | None = None) -> Tensor:
        """Unit-length features [B, D] of normalised images [B, 3, S, S].

        Args:
            images: of any number.
            prompt_tokens: [P, d], [B, P, d] or, for each of the first blocks, [blocks, 1 or B, P, d];
                they stand behind the class token. Those of the first block pass the tower's first
                LayerNorm, as patches do. They have no positional embedding.
        """
        added = self._entering("v", prompt_tokens, len(images))
        return through(self._vision_tower, images, added)

    def _vision_tower(self, images: Tensor, added: Tensor | None) -> Tensor:
        if added is not None:
            added = torch.cat([self.model.visual.ln_pre(added[:1]), added[1:]])
        with behind_the_first(self.blocks()["v"], added):
            features: Tensor = F.normalize(at_least_float32(self.model.visual(images)), dim=-1)
        return features

    def tokenize(self, prompts: Sequence[str]) -> Tensor:
        """Token ids, int64 [N, context_length], zero-padded, on the model's device."""
        return self.tokenizer(list(prompts)).to(self.device)

    def encode_text(self, tokens: Tensor, prompt_tokens: Tensor | None = None) -> Tensor:
        """Text features [N, D], not normalised, of token ids [N, L], L <= context_length.

        Cutting the padding off is exact: the tower is causal and reads the feature at the
        end-of-text token (the largest id), so no position behind it has an influence.

        Args:
            tokens: ids, zero-padded.
            prompt_tokens: [P, d], [N, P, d] or, for each of the first blocks, [blocks, 1 or N, P, d];
                they stand behind the start-of-text token, and all that follows attends to them. The
                ids keep their own positional embeddings; prompt tokens have none.

        Raises:
            UserError: prompt tokens and the longest text together have more than context_length
                positions.
        """
        added = self._entering("t", prompt_tokens, len(tokens))
        if added is not None:
            if added.shape[2] + tokens.shape[1] > self.context_length:
                tokens = cut_padding(tokens)  # padding takes room
            check_room(added.shape[2], tokens.shape[1], self.context_length)
        per_image = max(1, len(self.model.visual.positional_embedding) // tokens.shape[1])
        return through(self._text_tower, tokens, added, per_image)

    def _text_tower(self, tokens: Tensor, added: Tensor | None) -> Tensor:
        m = self.model
        x = m.token_embedding(tokens) + m.positional_embedding[: tokens.shape[1]]  # [N, L, d]
        with behind_the_first(self.blocks()["t"], added):
            x = m.transformer(x)  # its attention is causal without a mask
        x = m.ln_final(x)[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)]  # [N, d]
        return at_least_float32(x @ m.text_projection)

    def _entering(self, tower: str, tokens: Tensor | None, samples: int) -> Tensor | None:
        """Prompt tokens of ``samples`` samples, [D, 1 or samples, P, d]; ``None`` where there are none."""
        if tokens is None or tokens.shape[-2] == 0:
            return None
        attentions = self.attentions()[tower]
        return per_block(tokens, len(attentions), samples, attentions[0].width)

    def encode_prompts(self, prompts: Sequence[str], prompt_tokens: Tensor | None = None) -> Tensor:
        """Unit-length features [N, D] of N prompts, computed on the longest prompt's length.

        Args:
            prompts: in words.
            prompt_tokens: as ``encode_text`` takes them.
        """
        tokens = short_tokens(prompts, self.tokenizer, self.model.logit_scale)
        return F.normalize(self.encode_text(tokens, prompt_tokens), dim=-1)

    def encode_classes(self, labels: LabelSpace, prompt_tokens: Tensor | None = None) -> Tensor:
        """One unit-length feature per class, [C, D]: the normalised mean over its prompts.

        Args:
            labels: C classes with their prompts.
            prompt_tokens: the same for all prompts, as ``encode_text`` takes them.
        """
        parts = self._tokens.of(labels, self.tokenizer, self.model.logit_scale)
        encoded = torch.cat([self.encode_text(part, prompt_tokens) for part in parts])
        features = F.normalize(encoded, dim=-1)
        counts = [len(prompts) for prompts in labels.prompts]
        if len(set(counts)) == 1:
            means = features.unflatten(0, (len(counts), -1)).mean(dim=1)  # [C, D]
        else:
            means = torch.stack([own.mean(dim=0) for own in features.split(counts)])
        return F.normalize(means, dim=-1)

    def logits(self, images: Tensor, classes: Tensor) -> Tensor:
        """Scaled cosine similarities [B, C] of unit features [B, D] and [C, D], in float32 at least."""
        with full_precision(self.device):  # near 30, bfloat16 has a step of 1/8: classes would tie
            scale = self.model.logit_scale.exp()
            scaled: Tensor = scale * at_least_float32(images) @ at_least_float32(classes).T
        return scaled

    def cross_entropy(self, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
        """The classification loss of a batch against its classes' prompts, a scalar."""
        logits = self.logits(self.encode_images(batch.images), self.encode_classes(batch.labels))
        return F.cross_entropy(logits, batch.targets, label_smoothing=label_smoothing)

    def frozen_classes(self, labels: LabelSpace) -> Tensor:
        """``encode_classes`` without a gradient, computed once for as long as ``labels`` stay.

        For a model that never changes, such as a teacher: what a hook or an adapter does to the
        text tower cannot be seen from here, so nothing is remembered unless it is asked for.
        """
        if self._frozen is None or self._frozen[0] != labels:
            with torch.no_grad(), full_precision(self.device):
                self._frozen = (labels, self.encode_classes(labels))
        return self._frozen[1]

    def changed_state(self) -> dict[str, Tensor]:
        """The tensors that are no longer the pre-trained ones, by open_clip's names."""
        return {
            name: tensor
            for name, tensor in self.model.state_dict().items()
            if _fingerprint(tensor) != self._pretrained[name]
        }

    def load_changed_state(self, state: Mapping[str, Tensor]) -> None:
        """Undo ``changed_state`` on a freshly loaded model."""
        _, unexpected = self.model.load_state_dict(dict(state), strict=False)
        if unexpected:
            raise ValueError(f"the model has no tensors named {', '.join(unexpected)}")


def _check_layout(model: open_clip.CLIP) -> None:
    """Raise UserError where ``Clip`` would compute something else than the model does."""
    towers = (model.visual, model)
    plain = type(model) is open_clip.CLIP and all(
        isinstance(block, ResidualAttentionBlock) and isinstance(block.ls_1, nn.Identity)
        for tower in towers
        for block in getattr(getattr(tower, "transformer", None), "resblocks", [None])
    )
    if not plain:
        raise UserError(
            f"the backbone is a {type(model).__name__} with a {type(model.visual).__name__}; "
            "cl-bench needs a CLIP with two plain transformers, such as ViT-B-16."
        )
    causal = model.attn_mask is not None and model.text_pool_type == "argmax"
    if not causal or not isinstance(model.text_projection, nn.Parameter):
        raise UserError(
            "the backbone's text tower is not OpenAI's: cl-bench needs a causal one whose feature is "
            "read at the end-of-text token and projected by a matrix, such as ViT-B-16's."
        )


def _fingerprint(tensor: Tensor) -> bytes:
    if tensor.dim() and not any(tensor.stride()):  # one number for all elements: an estimate's
        tensor = tensor.as_strided((1,), (1,))
    return hashlib.blake2b(tensor.detach().cpu().contiguous().numpy().data, digest_size=16).digest()
