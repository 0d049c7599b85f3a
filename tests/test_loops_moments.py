"""The moments of a trajectory against NumPy's, from the definitions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from diffusim.block import Array
from diffusim.loops.moments import moments


def twin(frames: Array) -> list[float]:
    u = frames.astype(float)
    du = np.diff(u, axis=0) if len(u) > 1 else np.zeros(1)
    return [u.mean(), u.var(), du.mean(), du.var()]


@pytest.mark.interpreted
@pytest.mark.parametrize("shape", [(1, 1), (2, 255), (3, 256), (4, 257), (2, 700)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_are_those_of_the_definitions(shape: tuple[int, int], dtype: type) -> None:
    frames = np.random.default_rng(1).normal(2.0, 1.0, shape).astype(dtype)
    found = np.empty(4)
    moments(frames, found)
    # Mean values of some thousand numbers of order one, of either sign.
    assert found == pytest.approx(twin(frames), rel=1e-12, abs=1e-14)


def test_single_precision_is_summed_in_double() -> None:
    frames = np.full((2, 2**20), 0.1, np.float32)
    frames[1] += np.float32(2**-20)
    found = np.empty(4)
    moments(frames, found)
    # Each lane adds 8192 numbers, each time with an error of 1.1e-16 at most.
    assert found[:3] == pytest.approx(twin(frames)[:3], rel=9e-13)
    assert found[3] == pytest.approx(0.0, abs=1e-25)


@pytest.mark.interpreted
def test_a_small_spread_about_a_large_mean_is_kept() -> None:
    """Of values and of changes, against exact fractions."""
    frames = 1e6 + 1e3 * np.arange(3.0)[:, None] + 0.01 * np.random.default_rng(2).random((3, 500))
    found = np.empty(4)
    moments(frames, found)
    exact: list[float] = []
    u = np.vectorize(Fraction, otypes=[object])(frames)
    for part in (u, np.diff(u, axis=0)):
        mean = part.sum() / part.size
        exact += [float(mean), float(((part - mean) ** 2).sum() / part.size)]
    assert found == pytest.approx(exact, rel=1e-12)


def test_what_is_not_finite_shows() -> None:
    for place in ((1, 299), (0, 0), (0, 299), (2, 0)):
        frames = np.ones((3, 300))
        frames[place] = np.nan
        found = np.empty(4)
        moments(frames, found)
        assert np.all(np.isnan(found))
