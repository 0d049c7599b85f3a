"""Convolution by sums, transforms and blocks, against sums over cells and moves one by one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, signal

from diffusim import convolve
from diffusim.block import Array

REFLECT, WRAP, ZERO = (("reflect", "reflect"), ("wrap", "wrap"), ("zero", "zero"))
PAIRS = (REFLECT, WRAP, ZERO, ("reflect", "zero"), ("zero", "reflect"))
SHAPES = [((7,), (3,)), ((5,), (13,)), ((6, 5), (3, 5)), ((1, 9), (3, 3)), ((4, 3), (9, 11))]


def place(x: int, n: int, low: str, high: str) -> int | None:
    """Where an index belongs, one mirror after the other."""
    if low == "wrap":
        return x % n
    for _ in range(100):
        if 0 <= x < n:
            return x
        if x < 0:
            if low == "zero":
                return None
            x = -1 - x
        else:
            if high == "zero":
                return None
            x = 2 * n - 1 - x
    raise AssertionError("too many mirrors")


def matrix(shape: tuple[int, ...], kernel: Array, sides: Any) -> Array:
    """Who sends how much to whom: entry [x, y] is the weight of all moves from y that end in x."""
    cells = list(itertools.product(*map(range, shape)))
    found = np.zeros((len(cells), len(cells)))
    for column, y in enumerate(cells):
        for d in np.ndindex(*kernel.shape):
            moved = [c + m - k // 2 for c, m, k in zip(y, d, kernel.shape, strict=True)]
            to = [place(x, n, *pair) for x, n, pair in zip(moved, shape, sides, strict=True)]
            if None not in to:
                found[cells.index(tuple(to)), column] += kernel[d]  # type: ignore[arg-type]
    return found


def sample(shape: tuple[int, ...], size: tuple[int, ...]) -> tuple[Array, Array]:
    rng = np.random.default_rng(sum(shape) + sum(size))
    return rng.normal(size=shape), rng.normal(size=size)


@pytest.mark.parametrize("sides", PAIRS)
@pytest.mark.parametrize(("shape", "size"), SHAPES)
@pytest.mark.parametrize("collects", [False, True])
def test_all_three_ways_send_and_collect_as_the_matrix_does(
    shape: tuple[int, ...], size: tuple[int, ...], sides: Any, collects: bool
) -> None:
    """Collecting is the transpose of sending, on every grid."""
    u, kernel = sample(shape, size)
    both = [sides] * len(shape)
    sends = matrix(shape, kernel, both)
    wanted = ((sends.T if collects else sends) @ u.ravel()).reshape(shape)
    kept = u.copy()
    for way in (convolve.direct, convolve.transformed, convolve.overlap_add):
        found = way(u, kernel, both, collects=collects)
        assert np.max(np.abs(found - wanted)) < 1e-13 * np.sum(np.abs(kernel)), way.__name__
    assert np.array_equal(u, kept)


@pytest.mark.parametrize("sides", PAIRS)
@pytest.mark.parametrize("collects", [False, True])
def test_three_applications_are_one_after_the_other(sides: Any, collects: bool) -> None:
    u, kernel = sample((6, 5), (5, 3))
    both = [sides] * 2
    wanted = u
    for _ in range(3):
        wanted = convolve.direct(wanted, kernel, both, collects=collects, outside=0.4)
    for way in (convolve.direct, convolve.transformed):
        found = way(u, kernel, both, collects=collects, outside=0.4, count=3)
        assert np.max(np.abs(found - wanted)) < 1e-13 * np.max(np.abs(wanted))


@given(st.sampled_from([(8,), (7, 6), (1, 5)]), st.integers(0, 4), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_the_convolution_theorem_holds_to_the_last_digits(
    shape: tuple[int, ...], reach: int, seed: int
) -> None:
    """F(k * u) = F(k) F(u), with F the plain sum and 1 / N in its inverse."""
    rng = np.random.default_rng(seed)
    u, kernel = rng.normal(size=shape), rng.normal(size=(2 * reach + 1,) * len(shape))
    rings = [WRAP] * len(shape)
    direct = convolve.direct(u, kernel, rings)
    product = np.fft.fftn(convolve.wrapped(kernel, shape)) * np.fft.fftn(u)
    scale = np.sum(np.abs(kernel)) * np.max(np.abs(u))
    assert np.max(np.abs(np.fft.fftn(direct) - product)) < 1e-13 * scale * u.size
    assert np.max(np.abs(np.fft.ifftn(product) - direct)) < 1e-13 * scale
    half = np.fft.rfftn(convolve.wrapped(kernel, shape))
    assert np.max(np.abs(convolve.transfer(kernel, shape) - half)) < 1e-13 * np.sum(np.abs(kernel))


@pytest.mark.parametrize("sides", [WRAP, ZERO])
def test_correlation_is_convolution_with_the_flipped_kernel(sides: Any) -> None:
    u, kernel = sample((6, 5), (5, 3))
    both = [sides] * 2
    flipped = convolve.flipped(kernel)
    assert np.array_equal(flipped, kernel[::-1, ::-1])
    collected = convolve.direct(u, kernel, both, collects=True)
    assert np.max(np.abs(collected - convolve.direct(u, flipped, both))) < 1e-14
    # Between mirrors too, if the kernel is even along each axis.
    even = kernel + kernel[::-1]
    even = even + even[:, ::-1]
    mirrors = [REFLECT] * 2
    same = convolve.direct(u, even, mirrors, collects=True) - convolve.direct(u, even, mirrors)
    assert np.max(np.abs(same)) < 1e-14


def test_k_applications_are_one_with_the_k_fold_kernel_but_where_the_outside_is_lost() -> None:
    rng = np.random.default_rng(2)
    u, kernel = rng.random((9, 8)), rng.random((3, 3))
    kernel /= kernel.sum()
    fold = convolve.folded_power(kernel, 3)
    assert fold.shape == (7, 7)
    assert np.min(fold) >= 0.0
    assert np.sum(fold) == pytest.approx(1.0, rel=1e-14, abs=0)
    rings = [WRAP] * 2
    three = convolve.direct(u, kernel, rings, count=3)
    assert np.max(np.abs(convolve.direct(u, fold, rings) - three)) < 1e-14
    # What has left by then would come back by the k-fold kernel, so the edges differ.
    lost = [ZERO] * 2
    apart = convolve.direct(u, fold, lost) - convolve.direct(u, kernel, lost, count=3)
    assert np.max(np.abs(apart[3:-3, 3:-3])) < 1e-14
    assert np.max(np.abs(apart)) > 1e-3


@pytest.mark.parametrize(
    ("mode", "sides"), [("reflect", REFLECT), ("wrap", WRAP), ("constant", ZERO)]
)
def test_scipy_gives_the_same(mode: str, sides: Any) -> None:
    u, kernel = sample((9, 7), (3, 5))
    both = [sides] * 2
    found = convolve.direct(u, kernel, both, collects=True, outside=0.3)
    wanted = ndimage.correlate(u, kernel, mode=mode, cval=0.3)
    assert np.max(np.abs(found - wanted)) < 1e-13
    if mode == "constant":
        whole = signal.fftconvolve(u, kernel, mode="same")
        assert np.max(np.abs(convolve.direct(u, kernel, both) - whole)) < 1e-13


@pytest.mark.parametrize("sides", PAIRS)
def test_what_is_kept_is_what_the_columns_of_the_matrix_add_up_to(sides: Any) -> None:
    _, kernel = sample((6, 5), (5, 3))
    both = [sides] * 2
    wanted = matrix((6, 5), kernel, both).sum(axis=0).reshape(6, 5)
    assert np.max(np.abs(convolve.kept(kernel, (6, 5), both) - wanted)) < 1e-13


@pytest.mark.parametrize("block", [1, 4, 50])
def test_blocks_of_any_size_add_up_to_the_whole(block: int) -> None:
    u, kernel = sample((23, 17), (5, 3))
    both = [REFLECT, ("zero", "reflect")]
    found = convolve.overlap_add(u, kernel, both, block=block, outside=0.2)
    wanted = convolve.direct(u, kernel, both, outside=0.2)
    assert np.max(np.abs(found - wanted)) < 1e-13


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_axis_after_axis_is_the_product_kernel_compiled_or_not(dtype: Any) -> None:
    rng = np.random.default_rng(7)
    u = rng.normal(size=(6, 5)).astype(dtype)
    halves = [np.array([0.5, 0.2, 0.05]), np.array([0.4, 0.3])]
    full = [np.concatenate([half[:0:-1], half]) for half in halves]
    both = [REFLECT, WRAP]
    wanted = matrix((6, 5), np.outer(*full), both) @ u.astype(float).ravel()
    tolerance = 1e-14 if dtype is np.float64 else 1e-6
    found = convolve.separable(u, halves, both)
    assert found.dtype == dtype
    assert np.max(np.abs(found.ravel() - wanted)) < tolerance
    direct = convolve.direct(u, np.outer(*full), both)
    assert np.max(np.abs(direct.ravel() - wanted)) < tolerance


def test_walls_are_mirrors_from_both_sides() -> None:
    u = np.random.default_rng(8).random(9)
    half = np.array([0.4, 0.2, 0.1])
    walled = convolve.separable(u, [half], [REFLECT], [[0, 4, 9]])
    parts = [convolve.separable(part, [half], [REFLECT]) for part in (u[:4], u[4:])]
    assert np.max(np.abs(walled - np.concatenate(parts))) < 1e-15


def test_a_flipped_field_gives_the_flipped_result_to_the_last_bit() -> None:
    u = np.random.default_rng(9).random((37, 21))
    half = np.array([0.4, 0.2, 0.1])
    found = convolve.separable(u, [half, half], [REFLECT] * 2)
    for axis in (0, 1):
        other = convolve.separable(np.flip(u, axis).copy(), [half, half], [REFLECT] * 2)
        assert np.array_equal(np.flip(other, axis), found)


@pytest.mark.parametrize(
    ("kernel", "sides"),
    [
        (np.ones((2, 3)), [REFLECT] * 2),
        (np.ones(3), [REFLECT] * 2),
        (np.ones((3, 3)), [("wrap", "zero"), REFLECT]),
        (np.ones((3, 3)), [("mirror", "mirror"), REFLECT]),
    ],
)
def test_what_does_not_fit_is_refused_in_words(kernel: Array, sides: Any) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+ \w+"):
        convolve.direct(np.ones((4, 4)), kernel, sides)
