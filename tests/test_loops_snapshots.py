"""The frames of a decaying field from what is left of its modes, and what a look at them tells."""

from __future__ import annotations

import numpy as np
import pytest

from diffusim.block import Array
from diffusim.loops.survey import WIDTH, survey
from diffusim.loops.transforms import COSINE, COSINE4, REST, RING, SINE, SINE4, Pair

KINDS = [(a, b) for a in (COSINE, SINE, RING) for b in (COSINE, COSINE4, SINE4, RING)]
SHAPES = [(16, 16), (20, 36), (48, 10), (6, 40), (2, 4)]


def frames_of(pair: Pair, u: Array, times: Array, dtype: type, left: float) -> Array:
    """Frames of u under exp(-t angle^2) along both axes, of what is above exp(-left)."""
    angles = [pair.angles(axis)[pair.ascending(axis)] for axis in (0, 1)]
    factors = [np.exp(-np.outer(times, angle**2)) for angle in angles]
    kept = np.stack([np.count_nonzero(f >= np.exp(-left), axis=1) for f in factors], axis=1)
    out = np.full((len(times), *u.shape), np.nan, dtype)
    means = np.arange(len(times)) * 0.25
    pair.snapshots(pair.forward(u), out, means, (factors[0], factors[1]), np.maximum(kept, 1))
    return out


def one_by_one(pair: Pair, u: Array, times: Array) -> Array:
    found = []
    for number, time in enumerate(times):
        own = np.empty_like(u)
        pair.carry(u, own, *(np.exp(-time * pair.angles(axis) ** 2) for axis in (0, 1)))
        found.append(own + 0.25 * number)
    return np.stack(found)


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_snapshots_are_the_transforms_one_by_one(
    kinds: tuple[int, int], shape: tuple[int, int]
) -> None:
    u = np.random.default_rng(sum(shape)).normal(size=shape)
    times, pair = np.array([0.0, 0.3, 2.0, 30.0, 400.0]), Pair(shape, kinds)
    wanted = one_by_one(pair, u, times)
    assert np.max(np.abs(frames_of(pair, u, times, np.float64, 40.0) - wanted)) < 1e-14
    assert np.max(np.abs(frames_of(pair, u, times, np.float32, 20.0) - wanted)) < 1e-6


@pytest.mark.parametrize("kind", [COSINE, SINE, COSINE4, SINE4, RING])
def test_a_line_is_as_good_as_a_field(kind: int) -> None:
    u = np.random.default_rng(2).normal(size=(1, 48))
    times, pair = np.array([0.0, 0.3, 20.0]), Pair((1, 48), (REST, kind))
    wanted = one_by_one(pair, u, times)
    assert np.max(np.abs(frames_of(pair, u, times, np.float64, 40.0) - wanted)) < 1e-14


@pytest.mark.interpreted
def test_snapshots_are_the_same_without_a_compiler() -> None:
    u = np.random.default_rng(3).normal(size=(10, 12))
    times, pair = np.array([0.1, 30.0]), Pair((10, 12), (COSINE, RING))
    wanted = one_by_one(pair, u, times)
    assert np.max(np.abs(frames_of(pair, u, times, np.float64, 40.0) - wanted)) < 1e-14
    assert np.max(np.abs(frames_of(pair, u, times, np.float32, 20.0) - wanted)) < 1e-6


def test_what_is_left_out_is_what_was_said() -> None:
    """One mode of each axis is kept: of a field of cosines that is all there is of the slowest."""
    x = np.pi * (np.arange(16) + 0.5) / 16
    slow, fast = np.outer(np.cos(x), np.cos(x)), np.outer(np.cos(5 * x), np.cos(x))
    pair, out = Pair((16, 16), (COSINE, COSINE)), np.empty((1, 16, 16))
    ones = np.ones((1, 16))
    pair.snapshots(pair.forward(slow + fast), out, np.zeros(1), (ones, ones), np.array([[2, 2]]))
    assert np.max(np.abs(out[0] - slow)) < 1e-14


def test_frames_of_another_kind_are_refused() -> None:
    pair, u = Pair((16, 16), (COSINE, COSINE)), np.zeros((16, 16))
    ones, kept = np.ones((2, 16)), np.full((2, 2), 16)
    for out in (
        np.zeros((2, 16, 8)),
        np.zeros((2, 16, 16), complex),
        np.zeros((2, 16, 32))[..., ::2],
    ):
        with pytest.raises(ValueError, match="no snapshots"):
            pair.snapshots(u, out, np.zeros(2), (ones, ones), kept)
    with pytest.raises(ValueError, match="no snapshots"):
        Pair((15, 16), (COSINE, COSINE)).snapshots(
            np.zeros((15, 16)), np.zeros((2, 15, 16)), np.zeros(2), (ones[:, :15], ones), kept
        )


# --- a look at all of them ----------------------------------------------------------------------


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cells", [1, 7, WIDTH, 3 * WIDTH + 5])
def test_a_survey_tells_what_numpy_tells(dtype: type, cells: int) -> None:
    u = np.random.default_rng(cells).normal(size=(4, cells)).astype(dtype)
    u[2] = u[1]
    u[3, : cells // 2] = u[2, : cells // 2]
    found = np.empty((4, 4))
    survey(u, found)
    assert np.array_equal(found[:, 0], np.min(u, axis=1))
    assert np.array_equal(found[:, 1], np.max(u, axis=1))
    size = np.sum(np.abs(u), axis=1, dtype=float)
    assert np.all(np.abs(found[:, 2] - np.sum(u, axis=1, dtype=float)) <= 1e-14 * size)
    changed = [np.mean(a != b) for a, b in zip(u[1:], u, strict=False)]
    assert found[:, 3].tolist() == [1.0, *changed]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 5, WIDTH + 1, 299])
def test_what_is_not_finite_shows_in_the_sum(wrong: float, place: int) -> None:
    u = np.ones((3, 300), np.float32)
    u[1, place] = wrong
    found = np.empty((3, 4))
    survey(u, found)
    assert np.isfinite(found[:, 2]).tolist() == [True, False, True]
