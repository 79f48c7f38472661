"""Differences and noise: the numbers by hand, by drawing, by simulation; and what must never be said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import verdict_simulation as simulation
from numpy.typing import NDArray
from written_run import write_run

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import read_run
from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.reports.statistics.difference import Difference, Estimate, difference
from cl_bench.reports.statistics.holm import levels
from cl_bench.reports.statistics.outcomes import (
    MetricOutcomes,
    Outcomes,
    RunOutcomes,
    gather,
    outcomes_of,
)
from cl_bench.reports.statistics.spread import Spread, decimals
from cl_bench.reports.statistics.verdicts import Judgement, Verdict, judge_family
from cl_bench.reports.tables.differences import interval_in_words

DOCS = Path(__file__).parents[1] / "docs" / "statistics.md"


def row(*seeds: list[list[float]], trained: bool = True) -> Outcomes:
    """A row's Last: for each seed, for each task, the outcome of every image."""
    runs = [RunOutcomes({"last": MetricOutcomes(_by_task(tasks), trained)}, "") for tasks in seeds]
    return gather(runs, "last")


def _by_task(tasks: list[list[float]]) -> dict[str, NDArray[np.float32]]:
    return {f"t{j}": np.array(task, np.float32) for j, task in enumerate(tasks)}


def test_a_spread_says_no_more_than_it_knows() -> None:
    assert Spread(()).words() == "-"
    assert Spread((86.14,)).words() == "86.1", "one seed: no interval"
    assert Spread((60.0, 64.0)).words() == "62.0 (60.0 to 64.0)", "two: the values themselves"
    # t(0.975, 2) = 4.303; s = 1: half width 4.303 / sqrt 3 = 2.48
    assert Spread((1.0, 2.0, 3.0)).words() == "2.0 ± 2.5"
    assert Spread((71.54, 71.57, 71.60)).words() == "71.57 ± 0.07"
    assert Spread((10.0, 50.0, 90.0)).words() == "50 ± 99", "no digit that the interval drowns"
    assert Spread((72.77,) * 3).words() == "72.8" and Spread((72.77,) * 3).half is None
    assert Spread((-0.04,)).words() == "0.0", "no minus before a zero"
    assert [decimals(half) for half in (0.05, 0.094, 0.1, 2.4, 9.9, 10.0)] == [2, 2, 1, 1, 1, 0]


def test_outcomes_add_up_to_the_figures(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path))
    of = outcomes_of(run)
    metrics = run.matrix.metrics()
    for metric in ("transfer", "average", "last"):
        gathered = gather([of], metric)
        means = [100 * float(images.mean()) for images in gathered.images]
        assert np.mean(means) == pytest.approx(metrics[metric])
        assert gathered.seeds.mean() == pytest.approx(metrics[metric])
    assert gather([of], "transfer").tasks == run.matrix.tasks[1:]
    assert gather([of], "last").tasks == run.matrix.tasks


def test_predictions_that_do_not_give_the_accuracies_are_refused(tmp_path: Path) -> None:
    path = write_run(tmp_path)
    file = path / "predictions" / "after-02.npz"
    with np.load(file) as arrays:
        predicted = dict(arrays)
    predicted["toy-a"][:9] = 99
    np.savez(file, **predicted)
    write_ledger(path)
    with pytest.raises(UserError, match="after 2 tasks do not follow from its files"):
        outcomes_of(read_run(path))


def test_the_images_term_is_that_of_a_stratified_paired_bootstrap() -> None:
    """10,000 draws, images resampled within tasks of unequal size, tasks weighed alike."""
    draw = np.random.default_rng(3)
    sizes, seeds = (400, 150, 80), 3
    a = row(*([(draw.random(n) < 0.85).tolist() for n in sizes] for _ in range(seeds)))
    b = row(*([(draw.random(n) < 0.80).tolist() for n in sizes] for _ in range(seeds)))
    means = []
    for x, y in zip(a.images, b.images, strict=True):
        d = 100 * (x - y)
        means.append(draw.choice(d, (10_000, len(d))).mean(axis=1))
    drawn = np.mean(means, axis=0)
    estimate = difference(a, b).images
    assert estimate.points == pytest.approx(drawn.mean(), abs=0.05)
    assert estimate.error == pytest.approx(drawn.std(), rel=0.03)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert estimate.interval(0.05) == pytest.approx((low, high), abs=0.15)


def test_a_crossed_bootstrap_draws_what_the_formula_says() -> None:
    """10,000 draws of images and seeds together, before the corrections for few seeds.

    A bootstrap's variance over k seeds is (k - 1) / k of the unbiased one, and what single images do
    from seed to seed is in it three times (Owen 2007, section 4); the rest is the formula's.
    """
    draw = np.random.default_rng(11)
    sizes, k, draws = (120, 60), 5, 10_000
    shift = draw.normal(0, 0.08, (2, k))
    right = [[draw.random((k, n)) < 0.7 + s[:, None] for n in sizes] for s in shift]
    a, b = (row(*([of[i].tolist() for of in r] for i in range(k))) for r in right)
    chosen = [draw.integers(0, k, (draws, k)) for _ in range(2)]
    means = np.zeros(draws)
    for j, n in enumerate(sizes):
        images = draw.integers(0, n, (draws, n))
        for sign, of, seeds in zip((1, -1), right, chosen, strict=True):
            per_seed = np.stack([of[j][i][images].mean(axis=1) for i in range(k)], axis=1)
            picked = np.take_along_axis(per_seed, seeds, axis=1).mean(axis=1)
            means += sign * 100 * picked / len(sizes)
    found = difference(a, b)
    spreads = sum(np.var(spread.values, ddof=1) / k for spread in (found.a, found.b))
    assert found.both is not None and spreads > 2 * found.images.error**2 / 3, "seeds must matter"
    flips = sum(float(r.flips.sum()) / len(sizes) ** 2 for r in (a, b))
    drawn = found.images.error**2 + (spreads + flips) * (k - 1) / k
    assert means.std() == pytest.approx(drawn**0.5, rel=0.05)
    assert found.both.error**2 < found.images.error**2 + spreads, "what is in both counts once"


def test_both_is_the_spread_over_new_images_and_new_seeds() -> None:
    """Images and seeds drawn anew each time: the error is on average the spread that is seen."""
    scenario = simulation.NULL[1]
    draw = np.random.default_rng(5)
    points, errors = [], []
    for _ in range(300):
        easy = draw.normal(2.2, 2.0, (simulation.TASKS, simulation.IMAGES))
        a, b = (gather(simulation.runs(draw, easy, scenario), "last") for _ in range(2))
        found = difference(a, b)
        assert found.both is not None
        points.append(found.points)
        errors.append(found.both.error**2)
    assert np.mean(errors) ** 0.5 == pytest.approx(np.std(points), rel=0.12)


def test_by_hand() -> None:
    """One task, four images, three seeds each; all of it on paper."""
    a = row([[1, 1, 1, 0]], [[1, 1, 1, 0]], [[1, 1, 0, 0]])
    b = row([[1, 0, 0, 0]], [[1, 0, 0, 0]], [[1, 0, 0, 0]])
    found = difference(a, b)
    assert found.points == pytest.approx(100 * (0 + 1 + 2 / 3 + 0) / 4)
    assert found.a.values == pytest.approx((75.0, 75.0, 50.0)) and found.b.unchanged
    # two images differ: of the four sign flips of 1 and 2/3 two are as large as 5/3
    assert found.images.p == pytest.approx(0.5)
    # s_a^2 / 3 - f_a: variance 208.3 of (75, 75, 50); of the third image alone 3333 / (3 * 4 * 4)
    assert found.both is not None
    of_seeds = found.both.error**2 - found.images.error**2
    assert of_seeds == pytest.approx(10_000 * (1 / 48 / 3 - (1 / 3) / 4 / (3 * 4)), abs=1e-3)


@pytest.mark.parametrize(("differing", "p"), [(1, 1.0), (3, 0.25), (5, 2 / 32), (6, 2 / 64)])
def test_few_images_are_tested_exactly(differing: int, p: float) -> None:
    a = [1.0] * 50
    b = [0.0] * differing + [1.0] * (50 - differing)
    assert difference(row([a]), row([b])).images.p == pytest.approx(p)


def test_two_models_that_never_disagree_are_not_certain_to_be_equal() -> None:
    found = difference(row([[1.0] * 20]), row([[1.0] * 20]))
    low, high = found.images.interval(0.05)
    assert found.images.p == 1.0 and low == pytest.approx(-10.5, abs=0.5) and high == -low


def test_with_fewer_than_three_seeds_other_seeds_are_unknown() -> None:
    good, bad = [[1.0] * 60], [[0.0] * 30 + [1.0] * 30]
    (pair,) = judge_family([("a", "b", None)], {"a": row(good, good), "b": row(bad, bad, bad)})
    assert pair.verdict is Verdict.images and pair.interval is None
    assert interval_in_words(pair) == "unknown"
    (pair,) = judge_family(
        [("a", "b", None)], {"a": row(good, good, good), "b": row(bad, bad, bad)}
    )
    assert pair.verdict is Verdict.higher and pair.interval is not None
    untrained = row(bad, trained=False)
    (pair,) = judge_family([("a", "b", None)], {"a": row(good, good, good), "b": untrained})
    assert pair.verdict is Verdict.higher, "no seed changes what trains nothing"


def test_holm_by_hand() -> None:
    # 0.005 <= 0.05/4; 0.01 <= 0.05/3; 0.03 > 0.05/2: there it stops, for 0.04 as well
    assert levels([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.05 / 3, 0.025, 0.025, 0.0125])
    assert levels([0.04]) == [0.05] and levels([]) == []
    assert levels([0.02, 0.02]) == pytest.approx([0.025, 0.05]), "both rejected"


def test_a_verdict_never_contradicts_its_interval() -> None:
    """Neither the numbers nor what is printed of them, for families of any size."""
    draw = np.random.default_rng(0)
    seen = set()
    for _ in range(400):
        m = int(draw.integers(1, 30))
        estimates = [
            Estimate(float(abs(draw.normal(0, 3))), float(draw.uniform(0.01, 2)), float(f))
            for f in draw.uniform(2, 200, m)
        ]
        judged = levels([estimate.p for estimate in estimates])
        for estimate, level in zip(estimates, judged, strict=True):
            spread = Spread((1.0, 2.0, 3.0))
            pair = Judgement("a", "b", None, Difference(estimate, estimate, spread, spread), level)
            assert pair.interval is not None
            low, high = pair.interval
            assert (pair.verdict is Verdict.higher) == (low > 0 or high < 0)
            printed = [float(end) for end in interval_in_words(pair).split(" to ")]
            assert (pair.verdict is Verdict.higher) == (min(printed) > 0 or max(printed) < 0)
            seen.add(pair.verdict)
    assert seen == {Verdict.higher, Verdict.alike}, "both must have been tried"


def documented() -> dict[tuple[str, int], tuple[float, float]]:
    """The docs' table: (truth, seeds) -> the two rates in per cent; "the same" is filled in."""
    found, truth = {}, ""
    for line in DOCS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[1] in ("3", "5"):
            truth = truth if cells[0].startswith("the same") else cells[0]
            found[truth, int(cells[1])] = tuple(float(c.rstrip(" %")) for c in cells[2:])
    return found  # type: ignore[return-value]


def test_false_verdicts_are_rare_and_the_docs_say_how_rare() -> None:
    known, truth = documented(), ""
    assert len(known) == len(simulation.NULL) + len(simulation.POWER)
    for scenario in (*simulation.NULL, *simulation.POWER):
        truth = truth if scenario.words.startswith("the same") else scenario.words
        rates = simulation.play(scenario)
        if scenario.gap == 0.0:
            assert rates.higher <= 0.07, scenario.words
        else:
            assert rates.difference == pytest.approx(2.0, abs=0.25), "what the docs call 2 points"
        of_docs = known[truth, scenario.seeds]
        again = (100 * rates.higher, 100 * rates.images_alone)
        assert again == pytest.approx(of_docs, abs=0.3), f"the docs say {of_docs}: {scenario.words}"
