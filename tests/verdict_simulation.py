"""Made-up methods whose true accuracies are known: how often are the verdicts wrong, how often blind?

`python tests/verdict_simulation.py` prints the table of docs/statistics.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cl_bench.reports.statistics.outcomes import MetricOutcomes, RunOutcomes, gather
from cl_bench.reports.statistics.verdicts import Verdict, judge_family

TASKS, IMAGES = 11, 220  # as the embedded suite has
SEED = 20261126


@dataclass(frozen=True)
class Scenario:
    """Two methods on the same test images.

    Attributes:
        words: what it stands for.
        seeds: runs of each method.
        of_seed: standard deviation of a whole run's shift, on the logit scale.
        of_task: the same for a single task of a run.
        gap: how much higher the first method is, on the logit scale; 0: a true null.
        trials: how often it is played.
    """

    words: str
    seeds: int
    of_seed: float
    of_task: float = 0.0
    gap: float = 0.0
    trials: int = 400


NULL = (
    Scenario("no difference; seeds change nothing but single images", 3, 0.0),
    Scenario("no difference; seeds move Last by ± 0.4 points", 3, 0.04, 0.1),
    Scenario("the same, five seeds", 5, 0.04, 0.1),
    Scenario("no difference; seeds move Last by ± 3 points", 3, 0.3),
    Scenario("the same, five seeds", 5, 0.3),
)
POWER = (
    Scenario("2 points; seeds move Last by ± 0.4 points", 3, 0.04, 0.1, gap=0.2),
    Scenario("the same, five seeds", 5, 0.04, 0.1, gap=0.2),
    Scenario("2 points; seeds move Last by ± 3 points", 3, 0.3, gap=0.2),
)


@dataclass(frozen=True)
class Rates:
    """Shares of the trials, and the mean difference in points."""

    higher: float
    images_alone: float
    difference: float


def play(scenario: Scenario) -> Rates:
    """Draw both methods' runs ``trials`` times and judge them at the 5 % level."""
    draw = np.random.default_rng(SEED)
    higher = images = 0
    differences = []
    for _ in range(scenario.trials):
        easy = draw.normal(2.2, 2.0, (TASKS, IMAGES))  # of an image, for both methods
        a = runs(draw, easy + scenario.gap, scenario)
        b = runs(draw, easy, scenario)
        known = {"a": gather(a, "last"), "b": gather(b, "last")}
        (pair,) = judge_family([("a", "b", None)], known)
        higher += pair.verdict is Verdict.higher
        images += pair.difference.images.p <= pair.level
        differences.append(pair.difference.points if pair.a == "a" else -pair.difference.points)
    n = scenario.trials
    return Rates(higher / n, images / n, float(np.mean(differences)))


def runs(draw: np.random.Generator, easy: np.ndarray, scenario: Scenario) -> list[RunOutcomes]:
    """One method's runs, image by image, with a taste of its own."""
    own = easy + draw.normal(0.0, 1.0, easy.shape)
    drawn = []
    for _ in range(scenario.seeds):
        shift = draw.normal(0.0, scenario.of_seed) + draw.normal(0.0, scenario.of_task, (TASKS, 1))
        right = draw.random(own.shape) < 1 / (1 + np.exp(-(own + shift)))
        shares = {str(j): of_task.astype(np.float32) for j, of_task in enumerate(right)}
        drawn.append(RunOutcomes({"last": MetricOutcomes(shares, trained=True)}, ""))
    return drawn


def table() -> list[str]:
    """The lines of the docs' table."""
    lines = [
        "| truth | seeds | judged “higher” | if images alone were looked at |",
        "| --- | --: | --: | --: |",
    ]
    for scenario in (*NULL, *POWER):
        rates = play(scenario)
        lines.append(
            f"| {scenario.words} | {scenario.seeds} | {100 * rates.higher:.1f} % | "
            f"{100 * rates.images_alone:.1f} % |"
        )
    return lines


if __name__ == "__main__":
    print("\n".join(table()))  # noqa: T201
