"""The shapes that the mini suite is drawn from: distances, unions and areas as geometry has them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cl_bench.datasets.mini.canvas import SIZE, Canvas, cut, join, lift, meet, only
from cl_bench.datasets.mini.style import Style

Field = NDArray[np.floating]
PIXEL = (2 / SIZE) ** 2  # area of a pixel in the canvas's units


def plain(count: int) -> Style:
    """White paper, no contours, no noise: what is painted is what is seen."""
    zero, white = np.zeros(count, np.float32), np.ones((count, 3), np.float32)
    return Style(
        tint=np.broadcast_to(np.eye(3, dtype=np.float32), (count, 3, 3)), outline=zero, ink=white,
        wash=zero, paper=white, relief=zero, noise=zero, clutter=zero, pose=0, natural=True,
    )  # fmt: skip


@pytest.fixture
def canvas() -> Canvas:
    return Canvas(2, np.random.default_rng(0), plain(2))


def area(field: Field) -> float:
    """Of the first picture's shape; a pixel at its edge counts in part."""
    return float(np.clip(0.5 - field[0] * SIZE / 2, 0, 1).sum()) * PIXEL


def test_a_disc_has_exact_distances(canvas: Canvas) -> None:
    field = canvas.ellipse(0.2, -0.1, 0.5)
    expected = np.hypot(canvas.x - 0.2, canvas.y + 0.1) - 0.5
    np.testing.assert_allclose(field, expected, atol=1e-6)
    assert area(field) == pytest.approx(np.pi * 0.25, rel=0.03)


def test_an_ellipse_has_the_right_area_and_axes(canvas: Canvas) -> None:
    field = canvas.ellipse(0, 0, 0.8, 0.4)
    assert area(field) == pytest.approx(np.pi * 0.8 * 0.4, rel=0.03)
    assert np.ptp(canvas.x[0][field[0] < 0]) > 1.8 * np.ptp(canvas.y[0][field[0] < 0])


def test_a_box_has_exact_distances_outside_and_turns_clockwise(canvas: Canvas) -> None:
    field = canvas.box(0, 0, 0.6, 0.3)
    dx, dy = np.abs(canvas.x) - 0.6, np.abs(canvas.y) - 0.3
    outside = (dx > 0) | (dy > 0)
    expected = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    np.testing.assert_allclose(field[outside], expected[outside], atol=1e-6)
    assert area(field) == pytest.approx(4 * 0.6 * 0.3, rel=0.05)
    upright = canvas.box(0, 0, 0.6, 0.3, turn=np.pi / 2)
    np.testing.assert_allclose(upright, canvas.box(0, 0, 0.3, 0.6), atol=1e-5)


def test_a_line_has_round_ends_and_its_width(canvas: Canvas) -> None:
    field = canvas.line(-0.5, 0, 0.5, 0, 0.2)
    assert area(field) == pytest.approx(1.0 * 0.2 + np.pi * 0.01, rel=0.1)
    beyond = canvas.x > 0.5
    expected = np.hypot(canvas.x - 0.5, canvas.y) - 0.1
    np.testing.assert_allclose(field[beyond], expected[beyond], atol=1e-5)


def test_a_path_is_its_lines(canvas: Canvas) -> None:
    corner = canvas.path([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5)], 0.1)
    one, other = canvas.line(-0.5, -0.5, 0.5, -0.5, 0.1), canvas.line(0.5, -0.5, 0.5, 0.5, 0.1)
    np.testing.assert_array_equal(corner, np.minimum(one, other))


def test_a_ring_is_a_circle_with_a_pen(canvas: Canvas) -> None:
    expected = np.pi * ((0.6 + 0.1) ** 2 - (0.6 - 0.1) ** 2)
    assert area(canvas.ring(0, 0, 0.6, 0.2)) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("turned", [False, True])
def test_a_polygons_corners_in_either_direction_give_the_same_shape(
    turned: bool, canvas: Canvas
) -> None:
    corners = [(-0.6, -0.5), (0.7, -0.4), (0.1, 0.8)]
    field = canvas.polygon(corners[::-1] if turned else corners)
    (ax, ay), (bx, by), (cx, cy) = corners
    exact = abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) / 2
    assert area(field) == pytest.approx(exact, rel=0.05)
    np.testing.assert_allclose(field, canvas.polygon(corners), atol=1e-6)


def test_a_mirrored_half_is_the_whole(canvas: Canvas) -> None:
    half = canvas.polygon([(0, -0.5), (0.6, 0), (0, 0.5)], mirror=True)
    whole = canvas.polygon([(0.0, -0.5), (0.6, 0), (0.0, 0.5), (-0.6, 0)])
    np.testing.assert_allclose(half, whole, atol=1e-6)


def test_petals_are_as_many_as_asked_for(canvas: Canvas) -> None:
    field = canvas.petals(5, middle=0.6, length=0.3, width=0.1)
    around = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    rows = ((0.6 * np.sin(around) + 1) * SIZE / 2).astype(int)
    columns = ((0.6 * np.cos(around) + 1) * SIZE / 2).astype(int)
    inside = field[0, rows, columns] < 0
    assert (inside & ~np.roll(inside, 1)).sum() == 5


def test_half_of_a_waves_period_is_inside(canvas: Canvas) -> None:
    field = canvas.wave(0.5)
    assert (field < 0).mean() == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(field[..., :8], field[..., 8:16], atol=1e-5)  # 8 pixels: 0.5


def test_union_intersection_and_difference(canvas: Canvas) -> None:
    left, right = canvas.box(-0.2, 0, 0.5, 0.5), canvas.box(0.2, 0, 0.5, 0.5)
    a, b = left < 0, right < 0
    assert (a & b).any() and (a & ~b).any()
    np.testing.assert_array_equal(join(left, right) < 0, a | b)
    np.testing.assert_array_equal(meet(left, right) < 0, a & b)
    np.testing.assert_array_equal((cut(left, right) < 0), a & (right > 0))
    chosen = only(np.array([True, False]), left)
    np.testing.assert_array_equal(chosen[0], left[0])
    assert (chosen[1] > 0).all() and (canvas.everywhere() < 0).all()


def test_the_inside_takes_the_colour_and_the_outside_stays(canvas: Canvas) -> None:
    colour = np.array([[0.2, 0.4, 0.6], [0.6, 0.4, 0.2]], np.float32)
    field = canvas.ellipse(0, 0, 0.5)
    canvas.fill(field, colour)
    for n in range(2):
        deep, far = field[n] < -0.1, field[n] > 0.1
        np.testing.assert_allclose(
            canvas.pixels[n][:, deep],
            np.broadcast_to(colour[n][:, None], (3, deep.sum())),
            atol=1e-6,
        )
        assert (canvas.pixels[n][:, far] == 1).all()


def test_alpha_mixes_with_what_is_there(canvas: Canvas) -> None:
    canvas.fill(canvas.everywhere(), np.zeros((2, 3), np.float32), alpha=0.25)
    np.testing.assert_allclose(canvas.pixels, 0.75, atol=1e-6)


def test_a_finished_picture_is_bytes_and_follows_the_seed() -> None:
    def drawn(seed: int) -> NDArray[np.uint8]:
        canvas = Canvas(2, np.random.default_rng(seed), plain(2))
        canvas.pose(turn=0.5, scale=(0.8, 1.2), shift=0.2)
        canvas.fill(canvas.box(0, 0, 0.5, 0.3), "red" if seed < 0 else "leaf")
        return canvas.finish()

    assert drawn(0).dtype == np.uint8 and drawn(0).shape == (2, 3, SIZE, SIZE)
    np.testing.assert_array_equal(drawn(0), drawn(0))
    assert (drawn(0) != drawn(1)).any() and (drawn(0)[0] != drawn(0)[1]).any()


@pytest.mark.parametrize("knots", [2, 3, 9])
def test_interpolation_weights_add_up_and_meet_the_knots(knots: int) -> None:
    weights = lift(knots)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert weights.min() >= 0
    assert weights[0, 0] == weights[-1, -1] == 1


def test_noise_stays_between_zero_and_one(canvas: Canvas) -> None:
    for octaves in (1, 3):
        noise = canvas.cloud(4, octaves)
        assert noise.shape == (2, SIZE, SIZE)
        assert 0 <= noise.min() < 0.4 and 0.6 < noise.max() <= 1
