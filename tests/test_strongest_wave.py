"""The strongest wave of a picture: what cells make of short ones, harmonics, and too few waves."""

from __future__ import annotations

import numpy as np
import pytest

from diffusim.block import Array
from diffusim.spectrum import strongest_wave

TURN = np.radians(37.0)


def wave(shape: tuple[int, int], angle: float, period: float, phase: float = 0.4) -> Array:
    """A plane wave of amplitude one, at points."""
    x, y = np.ogrid[: shape[0], : shape[1]]
    turn = np.radians(angle)
    across = np.cos(turn) * x + np.sin(turn) * y
    return np.asarray(np.cos(2.0 * np.pi * across / period + phase))


def apart(angle: float, other: float) -> float:
    """The angle between two directions, from 0 to 90."""
    return abs((angle - other + 90.0) % 180.0 - 90.0)


@pytest.mark.parametrize("angle", [1.0, 13.0, 44.9, 91.0, 139.0])
@pytest.mark.parametrize("cells", [32, 33, 128])
def test_a_slanted_wave_of_two_cells_is_not_taken_for_what_lies_beyond_the_band(
    angle: float, cells: int
) -> None:
    found = strongest_wave(wave((cells, cells), angle, 2.0, 0.3))
    assert found is not None
    assert apart(found.angle, angle) < 1e-6
    assert found.period == pytest.approx(2.0, rel=1e-8)


def test_a_wave_shorter_than_two_cells_is_read_as_the_one_that_cells_show() -> None:
    """(0.6, 0.2) waves per cell look like (-0.4, 0.2)."""
    i, j = np.ogrid[:40, :50]
    found = strongest_wave(np.cos(2.0 * np.pi * (0.6 * i + 0.2 * j) + 0.3))
    assert found is not None
    assert apart(found.angle, np.degrees(np.arctan2(0.2, -0.4))) < 1e-6
    assert found.period == pytest.approx(1.0 / np.hypot(0.4, 0.2), rel=1e-8)


def squares(cells: tuple[int, int], period: float, high: float = 0.5) -> Array:
    """Stripes at 37 degrees of which a part is high, the mean of 8 x 8 points of each cell."""
    x, y = (np.arange(8 * n) / 8 for n in cells)
    high_part = (np.cos(TURN) * x[:, None] + np.sin(TURN) * y) / period % 1.0 < high
    return np.asarray(np.mean(high_part.reshape(cells[0], 8, cells[1], 8), axis=(1, 3)))


@pytest.mark.parametrize(("cells", "period", "high"),
                         [((32, 32), 8.0, 0.5), ((128, 128), 31.0, 0.5),
                          ((126, 83), 8.91, 0.3)])  # fmt: skip
def test_the_period_of_stripes_is_not_that_of_their_harmonics(
    cells: tuple[int, int], period: float, high: float
) -> None:
    found = strongest_wave(squares(cells, period, high))
    assert found is not None
    assert found.period == pytest.approx(period, rel=0.02)
    assert apart(found.angle, 37.0) < 0.5


@pytest.mark.parametrize("period", [9.0, 12.0, 16.0, 24.0])
def test_stripes_of_which_too_few_lie_across_have_no_wave(period: float) -> None:
    """Neither their harmonics, nor what cells make of these, nor what a window spreads."""
    assert strongest_wave(squares((32, 32), period)) is None
    assert strongest_wave(squares((128, 128), 4.0 * period)) is None


@pytest.mark.parametrize(("shape", "period"), [((100, 60), 24.0), ((61, 47), 15.0),
                                               ((61, 47), 30.0), ((32, 32), 8.2)])  # fmt: skip
def test_a_sine_has_a_wave_from_four_across_on(shape: tuple[int, int], period: float) -> None:
    four = np.hypot(np.cos(TURN) * shape[0], np.sin(TURN) * shape[1]) / 4.0
    for longer in (four * 1.02, period if period > four else 2.0 * four):
        assert strongest_wave(wave(shape, 37.0, longer)) is None
    found = strongest_wave(wave(shape, 37.0, four))
    assert found is not None
    assert found.period == pytest.approx(four, rel=1e-6)
