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


# --- what lies outside, many mirrors, single precision ------------------------------------------


def sent_from_everywhere(u: Array, kernel: Array, pair: Any, outside: float) -> Array:
    """What arrives in each cell of a line when all cells beyond a side "zero" send too."""
    n, reach = len(u), len(kernel) // 2
    found = np.zeros(n)
    before = 2 * (n + reach) if pair[0] == "zero" else 0
    behind = 2 * (n + reach) if pair[1] == "zero" else 0
    for y in range(-before, n + behind):
        for m in range(2 * reach + 1):
            x = place(y + m - reach, n, *pair)
            if x is not None:
                found[x] += kernel[m] * (u[y] if 0 <= y < n else outside)
    return found


@pytest.mark.parametrize("sides", PAIRS)
@pytest.mark.parametrize(("n", "size"), [(7, 3), (5, 13), (1, 5), (6, 1)])
def test_cells_outside_hold_what_is_held_there_and_send_it(sides: Any, n: int, size: int) -> None:
    u, kernel = sample((n,), (size,))
    wanted = sent_from_everywhere(u, kernel, sides, 0.7)
    collected = np.zeros(n)
    for x, m in itertools.product(range(n), range(size)):
        y = place(x + m - size // 2, n, *sides)
        collected[x] += kernel[m] * (0.7 if y is None else u[y])
    for way in (convolve.direct, convolve.transformed, convolve.overlap_add):
        scale = np.sum(np.abs(kernel))
        assert np.max(np.abs(way(u, kernel, [sides], outside=0.7) - wanted)) < 1e-13 * scale
        found = way(u, kernel, [sides], collects=True, outside=0.7)
        assert np.max(np.abs(found - collected)) < 1e-13 * scale


@pytest.mark.parametrize("sides", PAIRS)
def test_a_uniform_world_stays_so_where_weights_that_sum_to_one_collect(sides: Any) -> None:
    _, kernel = sample((6, 5), (5, 3))
    kernel /= kernel.sum()
    found = convolve.direct(np.full((6, 5), 2.5), kernel, [sides] * 2, collects=True, outside=2.5)
    assert np.max(np.abs(found - 2.5)) < 1e-13 * np.sum(np.abs(kernel))


@pytest.mark.parametrize("way", [convolve.direct, convolve.transformed, convolve.overlap_add])
def test_what_a_density_sends_stays_in_total_but_for_what_is_not_kept(way: Any) -> None:
    rng = np.random.default_rng(12)
    u, kernel = rng.random((11, 13)), rng.random((5, 7))
    kernel /= kernel.sum()
    for both in itertools.product(PAIRS, repeat=2):
        lost = np.sum((kernel.sum() - convolve.kept(kernel, u.shape, both)) * u)
        total = np.sum(way(u, kernel, both))
        assert total + lost == pytest.approx(u.sum(), rel=1e-14, abs=0)
        if "zero" not in (*both[0], *both[1]):
            assert lost == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(31,), (1, 31), (29, 23)])
def test_fields_keep_their_shape_and_precision_however_they_lie_in_memory(
    dtype: Any, shape: tuple[int, ...]
) -> None:
    u, kernel = sample(shape, (5,) * len(shape))
    u = np.asfortranarray(u.astype(dtype))
    u.flags.writeable = kernel.flags.writeable = False
    tolerance = (1e-6 if dtype is np.float32 else 1e-14) * np.sum(np.abs(kernel))
    for pair in PAIRS:
        both = [pair] * len(shape)
        wanted = convolve.direct(u.astype(float), kernel, both)
        for way in (convolve.direct, convolve.transformed, convolve.overlap_add):
            found = way(u, kernel, both)
            assert found.dtype == dtype
            assert found.shape == shape
            assert np.max(np.abs(found - wanted)) < tolerance * np.max(np.abs(u))


def test_no_application_leaves_a_field_as_it_is_in_memory_of_its_own() -> None:
    u, kernel = sample((6, 5), (3, 3))
    for way, pair in itertools.product((convolve.direct, convolve.transformed), PAIRS):
        found = way(u, kernel, [pair] * 2, count=0)
        np.testing.assert_array_equal(found, u)
        assert not np.shares_memory(found, u)


def test_even_kernels_between_mirrors_are_applied_many_times_by_one_pair_of_transforms() -> None:
    u = np.random.default_rng(13).random((12, 9))
    kernel = np.outer([0.2, 0.6, 0.2], [0.1, 0.15, 0.5, 0.15, 0.1])
    for both in itertools.product((REFLECT, WRAP), repeat=2):
        wanted = convolve.direct(u, kernel, both, count=200)
        found = convolve.transformed(u, kernel, both, count=200)
        assert np.max(np.abs(found - wanted)) < 1e-13


@pytest.mark.parametrize(("mode", "sides"), [("wrap", WRAP), ("constant", ZERO)])
def test_scipy_sends_the_same(mode: str, sides: Any) -> None:
    u, kernel = sample((9, 7), (3, 5))
    wanted = ndimage.convolve(u, kernel, mode=mode, cval=0.3)
    assert np.max(np.abs(convolve.direct(u, kernel, [sides] * 2, outside=0.3) - wanted)) < 1e-13
    even = kernel + kernel[::-1]
    even = even + even[:, ::-1]
    wanted = ndimage.convolve(u, even, mode="reflect")
    assert np.max(np.abs(convolve.direct(u, even, [REFLECT] * 2) - wanted)) < 1e-13


def test_scipy_collects_between_mirrors_what_an_uneven_kernel_would_not_send() -> None:
    """A filter looks through a mirror; what is sent comes back from it."""
    u, kernel = sample((9, 7), (3, 5))
    wanted = ndimage.convolve(u, kernel, mode="reflect")
    both = [REFLECT] * 2
    looked = convolve.direct(u, convolve.flipped(kernel), both, collects=True)
    assert np.max(np.abs(looked - wanted)) < 1e-13
    assert np.max(np.abs(convolve.direct(u, kernel, both) - wanted)) > 0.1


@pytest.mark.parametrize("shape", [(3,), (3, 3), (5, 3)])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_folded_powers_by_sums_and_by_transforms_are_one(
    shape: tuple[int, ...], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = np.random.default_rng(14).random(shape)
    kernel /= kernel.sum()
    by_sums = convolve.folded_power(kernel, count)
    monkeypatch.setattr("diffusim.convolve.weights.DIRECT_WORK", 0.0)
    by_transforms = convolve.folded_power(kernel, count)
    wanted = np.ones((1,) * len(shape))
    for _ in range(count):
        wanted = signal.convolve(wanted, kernel, method="direct")
    for found in (by_sums, by_transforms):
        assert found.shape == wanted.shape
        assert found.min() >= 0.0
        assert found.sum() == pytest.approx(1.0, rel=1e-14, abs=0)
        assert np.max(np.abs(found - wanted)) < 1e-15
    np.testing.assert_allclose(by_sums, wanted, rtol=1e-14, atol=0)


def test_collecting_is_the_transpose_of_sending_whatever_the_sides() -> None:
    rng = np.random.default_rng(17)
    u, v, kernel = rng.normal(size=(17, 19)), rng.normal(size=(17, 19)), rng.normal(size=(7, 5))
    for both in itertools.product(PAIRS, repeat=2):
        for way in (convolve.direct, convolve.transformed, convolve.overlap_add):
            one = np.vdot(v, way(u, kernel, both))
            other = np.vdot(way(v, kernel, both, collects=True), u)
            assert abs(one - other) < 1e-12 * np.sum(np.abs(kernel))


@pytest.mark.parametrize("count", [-1, 1.5, 2.0])
def test_a_kernel_is_applied_a_whole_number_of_times(count: Any) -> None:
    u, kernel = sample((6, 5), (3, 3))
    for way, pair in itertools.product((convolve.direct, convolve.transformed), (WRAP, ZERO)):
        with pytest.raises(ValueError, match="a whole number of times"):
            way(u, kernel, [pair] * 2, count=count)
    with pytest.raises(ValueError, match="a whole number of times"):
        convolve.folded_power(kernel, count)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda u, k: convolve.direct(u[None], k[None], [WRAP] * 3), "1 or 2 axes"),
        (lambda u, k: convolve.direct(u[:0], k, [WRAP] * 2), "at least one cell"),
        (lambda u, k: convolve.direct(u * 1j, k, [WRAP] * 2), "real numbers"),
        (lambda u, k: convolve.direct(u, k * 1j, [WRAP] * 2), "real numbers"),
        (lambda u, k: convolve.direct(u, k, [WRAP]), "each of 2 axes"),
        (lambda u, k: convolve.overlap_add(u, k, [WRAP] * 2, block=0), "at least one cell"),
        (lambda u, k: convolve.separable(u, [k[0]], [WRAP] * 2), "each of 2 axes"),
        (lambda u, k: convolve.separable(u, [k, k], [WRAP] * 2), "list of weights"),
        (lambda u, k: convolve.separable(u, [k[0]] * 2, [WRAP] * 2, [None]), "each of 2 axes"),
        (lambda u, k: convolve.separable(u, [k[0]] * 2, [WRAP] * 2, [None, (0, 3)]), "ascend"),
        (
            lambda u, k: convolve.separable(u, [k[0]] * 2, [WRAP] * 2, [(0, 4, 4, 6), None]),
            "ascend",
        ),
    ],
)
def test_what_is_no_field_or_list_of_weights_or_walls_is_refused(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call(*sample((6, 5), (3, 3)))
