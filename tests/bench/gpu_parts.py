"""The parts of the GPU bench: each gives its figures, the later ones use what the earlier ones found."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import partial

import torch
from bench.arithmetic import PRECISIONS, arithmetic, check
from bench.every_method import BATCHES, Case, Sizes, learned, waits_on_gpu
from bench.figures import Figure
from bench.published_time import Rates, in_words, seconds_by_part
from bench.random_task import random_task
from bench.side_by_side import BARE, BOUND, OURS, PLAIN, SideBySide
from bench.step_waits import waits as waits_of_stand_in
from bench.timing import in_turn

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.task import Task
from cl_bench.methods.features import gram
from cl_bench.methods.subspace import Subspaces, leading_factors

PUBLISHED = PRECISIONS[0]  # fp16
Parts = list[tuple[str, Callable[[], Iterator[Figure]], float]]


@dataclass
class GpuParts:
    """The work, and what later parts need of earlier ones.

    Attributes:
        clip: nothing that is measured changes it.
        sizes: of the work.
        tested: images of an evaluation.
        cases: of single methods.
        plain_steps: seconds of the plain loop's step, by classes and precision.
        known: seconds that ``Rates`` is made of, in the published precision.
        steps: of ours in it, by classes.
        notes: arithmetic behind figures.
    """

    clip: Clip
    sizes: Sizes
    tested: int
    cases: Sequence[Case]
    plain_steps: dict[tuple[int, str], float] = field(default_factory=dict)
    known: dict[str, float] = field(default_factory=dict)
    steps: dict[int, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def in_order(self) -> Parts:
        """The parts with the seconds that each may take, the most important first."""
        alone: Parts = [
            ("step", self.step, 110),
            ("evaluation", self.evaluation, 50),
            ("projection core", self.projection_core, 40),
            ("passes", self.passes, 90),
            ("waits", self.waits, 40),
            ("published experiment", self.published, 10),
        ]
        return alone + [(str(case), partial(self.method, case), 30) for case in self.cases]

    def step(self) -> Iterator[Figure]:
        """KeepLoRA's step against the plain loop's and the bound, in every precision."""
        for classes in self.sizes.classes:
            task = self._task(classes)
            for precision in PRECISIONS:
                words = self.sizes.words(classes, precision)
                with arithmetic(precision) as called:
                    ways = SideBySide(self.clip, task, self.sizes.images, called).steps()
                    ways[OURS]()  # counts its operations
                    for way in ways.values():
                        check(precision, self.sizes.device, way)
                    taken = in_turn(ways, self.sizes.repeats, self.sizes.device, warm_up=False)
                self.plain_steps[classes, precision] = statistics.median(taken[PLAIN])
                if precision == PUBLISHED:
                    self.steps[classes] = statistics.median(taken[OURS])
                yield Figure.of(f"KeepLoRA's step ({words})", taken[OURS], "s")
                name = f"KeepLoRA's step against the plain loop's ({words})"
                yield Figure.ratio(name, taken[PLAIN], taken[OURS], "x", ">= 3")
                name = f"KeepLoRA's step: share of the bound ({words})"
                yield Figure.ratio(name, taken[BOUND], taken[OURS], "%", ">= 85")

    def evaluation(self) -> Iterator[Figure]:
        """Test images against the bare image tower and the plain loop; classes encoded."""
        few = self.sizes.classes[0]
        task = random_task(self.clip, self.tested, few)
        for precision in PRECISIONS:
            words = f"{self.tested} images in all, {self.sizes.words(few, precision)}"
            with arithmetic(precision) as called:
                ways = SideBySide(self.clip, task, self.sizes.images, called)
                taken = in_turn(ways.evaluations(), self.sizes.repeats, self.sizes.device)
                encoded = in_turn(ways.classes(), self.sizes.repeats, self.sizes.device)["classes"]
            if precision == PUBLISHED:
                self.known["image"] = statistics.median(taken[OURS]) / self.tested
                self.known["prompt"] = statistics.median(encoded) / few
            name = f"evaluation: share of the bare image tower ({words})"
            yield Figure.ratio(name, taken[BARE], taken[OURS], "%", ">= 85")
            name = f"evaluation against the plain loop's ({words})"
            yield Figure.ratio(name, taken[PLAIN], taken[OURS], "x")
            yield Figure.of(f"classes encoded ({words})", encoded, "s")

    def projection_core(self) -> Iterator[Figure]:
        """A task's gradients projected and factored, and all subspaces extended."""
        work = core(self.clip)
        taken = in_turn({"core": work}, self.sizes.repeats, self.sizes.device)["core"]
        self.known["core"] = statistics.median(taken)
        count = sum(4 * len(blocks) for blocks in self.clip.attentions().values())
        name = (
            f"projection core of a task, {count} matrices ({self.sizes.model}, {self.sizes.device})"
        )
        yield Figure.of(name, taken, "s", "<= 1")

    def passes(self) -> Iterator[Figure]:
        """KeepLoRA's gradient and feature pass against the plain loop's, in every precision."""
        few = self.sizes.classes[0]
        task = self._task(few)
        for precision in PRECISIONS:
            words = f"{BATCHES} batches, {self.sizes.words(few, precision)}"
            with arithmetic(precision) as called:
                ways = SideBySide(self.clip, task, self.sizes.images, called)
                for what, rate, of in (
                    ("gradient pass", "gradient_batch", ways.gradient_passes),
                    ("feature pass", "feature_batch", ways.feature_passes),
                ):
                    taken = in_turn(of(), self.sizes.repeats, self.sizes.device)
                    if precision == PUBLISHED:
                        self.known[rate] = statistics.median(taken[OURS]) / BATCHES
                    yield Figure.of(f"{what} ({words})", taken[OURS], "s")
                    name = f"{what} against the plain loop's ({words})"
                    yield Figure.ratio(name, taken[PLAIN], taken[OURS], "x")

    def waits(self) -> Iterator[Figure]:
        """KeepLoRA's waits: as torch tells them and as the profiler sees them; else of a stand-in."""
        if not self.sizes.device.startswith("cuda"):
            yield Figure(
                "waits a step of KeepLoRA", waits_of_stand_in("keeplora"), "waits", wanted="<= 0"
            )
            return
        task = self._task(self.sizes.classes[0])
        step = SideBySide(self.clip, task, self.sizes.images, PUBLISHED).steps()[OURS]
        step()  # counts its operations
        name = "waits a step of KeepLoRA"
        yield Figure(name, waits_on_gpu(step), "waits", wanted="<= 0")
        yield Figure(f"{name}, by the profiler", profiled_waits(step), "waits", wanted="<= 0")

    def published(self) -> Iterator[Figure]:
        """KeepLoRA's published orders, projected from what was measured in the published precision."""
        missing = {f.name for f in fields(Rates)} - {"steps", *self.known}
        if missing or len(self.steps) < 2:
            raise ValueError(f"not measured: {', '.join(sorted(missing)) or 'both steps'}")
        rates = Rates(steps=self.steps, **self.known)
        for order, wanted in (("I", "<= 30"), ("II", "")):
            minutes = sum(seconds_by_part(order, rates).values()) / 60
            self.notes.append(in_words(order, rates))
            name = (
                f"published experiment, order {order}, projected ({PUBLISHED}, {self.sizes.device})"
            )
            yield Figure(name, minutes, "min", wanted=wanted)

    def method(self, case: Case) -> Iterator[Figure]:
        """Step, passes and waits of one."""
        plain = self.plain_steps.get((case.classes, case.precision))
        return learned(self.clip, self.sizes, case, plain)

    def _task(self, classes: int) -> Task:
        return random_task(self.clip, BATCHES * self.sizes.images, classes)


def core(clip: Clip) -> Callable[[], object]:
    """KeepLoRA's projection core for all matrices of both towers: ĝ, A and B₀, then new subspaces."""
    made = []
    for blocks in clip.attentions().values():
        n, d = 4 * len(blocks), blocks[0].width
        scales = torch.arange(1, d + 1, device=clip.device).float() ** -0.8
        basis = torch.linalg.qr(torch.randn(d, d, device=clip.device)).Q
        C = gram(torch.randn(16 * d, d, device=clip.device) * scales @ basis)
        start = Subspaces(
            torch.linalg.qr(torch.randn(n, d, d // 5, device=clip.device)).Q,
            torch.full((n,), d // 5, device=clip.device),
        )
        gradient = torch.randn(n, d, d, device=clip.device)
        made.append((start, gradient, C.expand(n, d, d).contiguous()))

    def work() -> None:
        for start, gradient, grams in made:
            leading_factors(start.project_out(gradient), 16)
            start.extended(grams, 0.99)

    return work


def profiled_waits(step: Callable[[], object], steps: int = 3) -> float:
    """How often the host called what waits for the GPU, in a step."""
    called = ("cudaStreamSynchronize", "cudaEventSynchronize", "cudaMemcpy")
    torch.cuda.synchronize()
    kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as profile:
        for _ in range(steps):
            step()
    return sum(of.count for of in profile.key_averages() if of.key in called) / steps
