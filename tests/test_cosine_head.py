"""KeepLoRA+'s classifier: cosines times 30, begun at the class means."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from golden_clip import golden_clip

from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.methods.cosine_head import CosineHead

LABELS = LabelSpace.from_templates(("cat", "oak", "tram"), ("a {}.",))


def test_logits_are_thirty_times_the_cosine_whatever_the_length_of_w() -> None:
    w = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    f = F.normalize(torch.randn(5, 6, generator=torch.Generator().manual_seed(1)), dim=-1)
    expected = 30 * F.cosine_similarity(f[:, None], w[None], dim=-1)
    torch.testing.assert_close(CosineHead(w)(f), expected)
    torch.testing.assert_close(CosineHead(7 * w)(f), expected)


def test_it_starts_at_the_unit_class_means() -> None:
    clip = golden_clip()
    pixels = torch.randint(
        256, (11, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    images = Images(pixels, torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0]))
    task = TrainingTask(
        Task("toy", LABELS, images, images), clip.normaliser(), 4, torch.Generator(), cropped=True
    )
    head = CosineHead.of_class_means(clip, task)
    with torch.no_grad():
        features = clip.encode_images(clip.normaliser()(pixels))
    means = torch.stack([features[images.targets == c].mean(dim=0) for c in range(3)])
    torch.testing.assert_close(head.w.data, F.normalize(means, dim=-1), atol=1e-5, rtol=0)
    assert head.w.requires_grad, "it trains with B"
    assert task.images_drawn == 11, "one pass, the last partial batch included"
