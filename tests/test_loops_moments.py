"""The sums of a trajectory against NumPy's, from the definitions."""

from __future__ import annotations

import numpy as np
import pytest

from diffusim.block import Array
from diffusim.loops.moments import moments


def twin(frames: Array) -> list[float]:
    u = frames.astype(float)
    du = np.diff(u, axis=0)
    return [u.sum(), (u**2).sum(), du.sum(), (du**2).sum()]


@pytest.mark.interpreted
@pytest.mark.parametrize("shape", [(1, 1), (2, 255), (3, 256), (4, 257), (2, 700)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_are_those_of_the_definitions(shape: tuple[int, int], dtype: type) -> None:
    frames = np.random.default_rng(1).normal(2.0, 1.0, shape).astype(dtype)
    sums = np.empty(4)
    moments(frames, sums)
    # Sums of some thousand numbers of order one, of either sign.
    assert sums == pytest.approx(twin(frames), rel=1e-12, abs=1e-11)


def test_single_precision_is_summed_in_double() -> None:
    frames = np.full((2, 2**20), 0.1, np.float32)
    frames[1] += np.float32(2**-20)
    sums = np.empty(4)
    moments(frames, sums)
    # Each lane adds 8192 numbers, each time with an error of 1.1e-16 at most.
    assert sums == pytest.approx(twin(frames), rel=9e-13)


def test_what_is_not_finite_shows() -> None:
    frames = np.ones((3, 300))
    frames[1, 299] = np.nan
    sums = np.empty(4)
    moments(frames, sums)
    assert np.all(np.isnan(sums))
