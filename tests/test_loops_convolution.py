"""The compiled convolutions against slow twins, to the last bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from diffusim import convolve
from diffusim.loops import convolution

SHAPES = [(1, 1), (1, 9), (7, 1), (3, 4), (5, 37)]
SIZES = [(1, 1), (1, 3), (3, 3), (5, 3), (1, 9), (7, 7)]
DTYPES = (np.float64, np.float32)


REFLECT, WRAP = ("reflect", "reflect"), ("wrap", "wrap")


def random(shape, dtype, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def correlate_twin(padded, kernel):
    (m0, m1), (n0, n1) = kernel.shape, padded.shape
    out = np.zeros((n0 - m0 + 1, n1 - m1 + 1), padded.dtype)
    for a, b in itertools.product(range(m0), range(m1)):
        if kernel[a, b] != 0:
            out += kernel[a, b] * padded[a : a + out.shape[0], b : b + out.shape[1]]
    return out


def along_twin(u, half, places, starts):
    """Convolve along the last axis, cell by cell."""
    reach, out = len(half) - 1, np.empty_like(u)
    for piece, (start, stop) in enumerate(itertools.pairwise(starts)):
        own = places[start + 2 * reach * piece : stop + 2 * reach * (piece + 1)]
        for i in range(stop - start):
            around = [u[:, p] if p >= 0 else np.zeros_like(u[:, 0]) for p in own[i:]]
            total = half[0] * around[reach]
            for j in range(1, reach + 1):
                total = total + half[j] * (around[reach - j] + around[reach + j])
            out[:, start + i] = total
    return out


def separable(u, halves, maps, starts):
    out, work = np.full_like(u, np.nan), np.full((u.shape[0] + 1, u.shape[1]), np.nan, u.dtype)
    convolution.separable(u, work, out, *halves, *maps, *starts)
    return out


def mirrored(n, reach, starts):
    """Places of pieces that are mirrored each on its own."""
    found = []
    for start, stop in itertools.pairwise(starts):
        image = np.append(np.arange(start, stop), np.arange(start, stop)[::-1])
        found.append(image[np.arange(-reach, stop - start + reach) % len(image)])
    return np.concatenate(found)


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", DTYPES)
def test_correlations_are_their_twin_to_the_last_bit(dtype):
    for (n0, n1), (m0, m1) in itertools.product(SHAPES, SIZES):
        padded = random((n0 + m0 - 1, n1 + m1 - 1), dtype)
        kernel, out = random((m0, m1), dtype, seed=2), np.full((n0, n1), np.nan, dtype)
        convolution.correlate(padded, kernel, out)
        np.testing.assert_array_equal(out, correlate_twin(padded, kernel))


@pytest.mark.interpreted
def test_any_number_of_weights_that_are_zero_is_left_out():
    padded, out = random((8, 24), np.float64), np.empty((4, 20))
    padded[0, :] = np.inf
    for count in range(21):
        kernel = np.zeros((5, 5))
        kernel[1:].flat[:count] = random(count, np.float64, seed=3)
        convolution.correlate(padded, kernel, out)
        np.testing.assert_array_equal(out, correlate_twin(padded, kernel))
        assert np.isfinite(out).all()


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", DTYPES)
def test_separable_convolutions_are_their_twin_to_the_last_bit(dtype):
    for (n0, n1), reaches in itertools.product(SHAPES, [(0, 0), (0, 1), (1, 5), (4, 2), (11, 9)]):
        u = random((n0, n1), dtype)
        halves = [random(r + 1, dtype, seed=r) for r in reaches]
        starts = [np.array([0, n]) if n < 4 else np.array([0, 1, n // 2, n]) for n in (n0, n1)]
        rng = np.random.default_rng(5)
        maps = [
            rng.integers(-1, n, n + 2 * r * (len(s) - 1))
            for n, r, s in zip((n0, n1), reaches, starts, strict=True)
        ]
        first = along_twin(u, halves[1], maps[1], starts[1])
        expected = along_twin(first.T, halves[0], maps[0], starts[0]).T
        np.testing.assert_array_equal(separable(u, halves, maps, starts), expected)


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", DTYPES)
def test_separable_convolutions_of_flipped_fields_are_flipped_to_the_last_bit(dtype):
    u, halves = random((9, 22), dtype), [random(r + 1, dtype, seed=r) for r in (7, 12)]
    starts, turned = (
        [np.array([0, 4, 9]), np.array([0, 22])],
        [np.array([0, 5, 9]), np.array([0, 22])],
    )
    result = separable(u, halves, [mirrored(9, 7, starts[0]), mirrored(22, 12, starts[1])], starts)
    flip = np.ascontiguousarray(u[::-1, ::-1])
    maps = [mirrored(9, 7, turned[0]), mirrored(22, 12, turned[1])]
    np.testing.assert_array_equal(separable(flip, halves, maps, turned), result[::-1, ::-1])


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", DTYPES)
def test_padding_and_folding_are_their_twins(dtype):
    rng = np.random.default_rng(7)
    for n0, n1 in SHAPES:
        u, ends = random((n0, n1), dtype), (rng.integers(-1, n0, 8), rng.integers(-1, n1, 11))
        out = np.full((8, 11), np.nan, dtype)
        convolution.pad(u, out, *ends, dtype(2.5))
        full, folded = random((8, 11), dtype, seed=3), random((n0, n1), dtype, seed=4)
        expected = folded.copy()
        for (i, p), (j, q) in itertools.product(enumerate(ends[0]), enumerate(ends[1])):
            nowhere = p < 0 or q < 0
            assert out[i, j] == (2.5 if nowhere else u[p, q])
            if not nowhere:
                expected[p, q] += full[i, j]
        convolution.fold(full, folded, *ends)
        np.testing.assert_array_equal(folded, expected)


@pytest.mark.interpreted
def test_folding_is_the_transpose_of_padding():
    rng = np.random.default_rng(11)
    ends = rng.integers(-1, 6, 15), rng.integers(-1, 5, 9)
    u, full = random((6, 5), np.float64), random((15, 9), np.float64, seed=2)
    padded, folded = np.empty((15, 9)), np.zeros((6, 5))
    convolution.pad(u, padded, *ends, 0.0)
    convolution.fold(full, folded, *ends)
    np.testing.assert_allclose(np.vdot(full, padded), np.vdot(folded, u), rtol=1e-13, atol=0)


# --- the maps that are made for them ------------------------------------------------------------


def test_walls_across_a_ring_join_the_first_piece_and_the_last():
    u, half = np.random.default_rng(15).random((3, 11)), np.array([0.3, 0.2, 0.1, 0.05])
    halves, both = [np.ones(1), half], [WRAP, WRAP]
    found = convolve.separable(u, halves, both, [None, (0, 4, 7, 11)])
    turned = np.roll(u, -4, 1)
    parts = [convolve.separable(turned[:, own], halves, [WRAP, REFLECT])
             for own in (slice(0, 3), slice(3, 11))]  # fmt: skip
    np.testing.assert_array_equal(found, np.roll(np.hstack(parts), 4, 1))


def test_between_walls_at_every_cell_nothing_moves_but_around_a_ring():
    u, half = np.random.default_rng(16).random((4, 6)), np.array([0.5, 0.2, 0.05])
    cuts = [range(5), range(7)]
    found = convolve.separable(u, [half, half], [REFLECT] * 2, cuts)
    np.testing.assert_allclose(found, u, rtol=1e-15, atol=0)
    # No wall stands where a ring closes: there the first cell and the last are a pair.
    found = convolve.separable(u, [np.ones(1), half], [WRAP] * 2, [None, cuts[1]])
    np.testing.assert_allclose(found[:, 1:-1], u[:, 1:-1], rtol=1e-15, atol=0)
    ends = convolve.separable(u[:, [5, 0]], [np.ones(1), half], [WRAP, REFLECT])
    np.testing.assert_array_equal(found[:, [5, 0]], ends)
