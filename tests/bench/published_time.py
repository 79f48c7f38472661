"""How long KeepLoRA's published experiment takes: every part of it counted, times a measured rate.

A task of n training and m test images with c classes, e epochs, batches of 64:
steps e·⌈n/64⌉; a gradient pass and a feature pass over ⌊n/64⌋ batches each; one projection core; and after
it, as before the first task, all test images of all data sets once, with every data set's classes encoded.
"""

from __future__ import annotations

from dataclasses import dataclass

from cl_bench.datasets.budget_rule import BudgetRule
from cl_bench.datasets.mtil.layout import facts
from cl_bench.methods.catalog import find_method


@dataclass(frozen=True)
class Rates:
    """Measured seconds.

    Attributes:
        steps: of a training step, by the number of classes; two numbers of them.
        gradient_batch: of a batch of the gradient pass.
        feature_batch: of a batch of the feature pass.
        core: of the projection core for all matrices.
        image: of a test image.
        prompt: of a class that is encoded.
    """

    steps: dict[int, float]
    gradient_batch: float
    feature_batch: float
    core: float
    image: float
    prompt: float

    def step(self, classes: int) -> float:
        """On the line through both measured ones; never less than the faster one."""
        (few, fast), (many, slow) = sorted(self.steps.items())
        slope = max(slow - fast, 0.0) / (many - few)
        return max(fast + slope * (classes - few), min(fast, slow))


def seconds_by_part(order: str, rates: Rates) -> dict[str, float]:
    """Of order ``I`` or ``II``."""
    sets = facts()["datasets"]
    sizes = {name: sets[name]["train"] for name in facts()["orders"][order]}
    rule = BudgetRule.model_validate(find_method("keeplora").defaults("budget", "paper", "mtil"))
    steps = rule.budget(sizes, rule.epochs_per_task.get(order, {})).steps
    batches = sum(size // rule.batch_size for size in sizes.values())
    rows = len(sizes) + 1
    return {
        "steps": sum(n * rates.step(sets[name]["classes"]) for name, n in steps.items()),
        "gradient passes": batches * rates.gradient_batch,
        "feature passes": batches * rates.feature_batch,
        "projection cores": len(sizes) * rates.core,
        "test images": rows * sum(of["test"] for of in sets.values()) * rates.image,
        "test classes": rows * sum(of["classes"] for of in sets.values()) * rates.prompt,
    }


def in_words(order: str, rates: Rates) -> str:
    """The arithmetic, for whoever reads the figure."""
    parts = seconds_by_part(order, rates)
    terms = " + ".join(f"{name} {seconds / 60:.2f}" for name, seconds in parts.items())
    steps = ", ".join(f"{1e3 * s:.1f} ms with {c} classes" for c, s in rates.steps.items())
    return (
        f"Order {order}: {terms} = {sum(parts.values()) / 60:.1f} minutes. A step takes {steps}; a "
        f"batch {1e3 * rates.gradient_batch:.1f} ms in the gradient pass, "
        f"{1e3 * rates.feature_batch:.1f} ms in the feature pass; a projection core "
        f"{rates.core:.2f} s; a test image {1e6 * rates.image:.0f} µs, a class "
        f"{1e6 * rates.prompt:.0f} µs. Reading files and writing checkpoints are not in it."
    )
