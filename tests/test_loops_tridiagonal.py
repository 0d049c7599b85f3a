"""Tridiagonal lines against dense matrices, a slow twin, and what positive matrices promise."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from diffusim.loops import tridiagonal
from diffusim.loops.tridiagonal import Lines

SMALL = [(1, 1), (1, 2), (2, 1), (2, 2), (1, 7), (7, 1), (3, 3), (3, 11), (11, 3), (9, 10)]
LARGE = [(1, 97), (97, 1), (8, 8), (16, 5), (5, 16), (31, 37), (64, 65), (19, 256), (256, 19)]
CASES = list(itertools.product((0, 1), ("vectors", "fields"), (False, True)))


def coefficients(shape, axis, kind, stiffness=3.0, dtype=np.float64, seed=2):
    """Return low, diagonal and high of an M-matrix whose rows sum to between 1 and 2."""
    rng = np.random.default_rng(seed)
    size = (shape[axis],) if kind == "vectors" else shape
    low, high = -stiffness * rng.random((2, *size))
    return [a.astype(dtype) for a in (low, 1.0 + rng.random(size) - low - high, high)]


def field(shape, dtype=np.float64, seed=1):
    return np.random.default_rng(seed).random(shape).astype(dtype)


def solved(d, *given, **named):
    x = d.copy()
    Lines(*given, **named).solve(x)
    return x


def by_lines(solve, d, low, diagonal, high, axis, wrap):
    """Solve line by line with ``solve(low, diagonal, high, d, wrap)``."""
    faces = [low, diagonal, high]
    if low.ndim == 1:
        faces = [np.broadcast_to(a[:, None] if axis == 0 else a, d.shape) for a in faces]
    turned = [np.moveaxis(a, axis, 1) for a in (*faces, d)]
    lines = [solve(*line, wrap) for line in zip(*turned, strict=True)]
    return np.moveaxis(np.array(lines), 1, axis)


def dense(low, diagonal, high, d, wrap):
    return np.linalg.solve(matrix(low, diagonal, high, wrap), d)


def matrix(low, diagonal, high, wrap):
    n = len(diagonal)
    found = np.diag(diagonal)
    for i in range(n):
        if i > 0 or wrap:
            found[i, i - 1] += low[i]
        if i < n - 1 or wrap:
            found[i, (i + 1) % n] += high[i]
    return found


def thomas(low, diagonal, high, d, wrap):
    """Textbook elimination of an open line in plain Python, with divisions."""
    assert not wrap
    x, upper = list(d), [0.0] * len(d)
    for i in range(len(d)):
        pivot = diagonal[i] - (low[i] * upper[i - 1] if i else 0.0)
        upper[i] = high[i] / pivot
        x[i] = (x[i] - (low[i] * x[i - 1] if i else 0.0)) / pivot
    for i in range(len(d) - 2, -1, -1):
        x[i] -= upper[i] * x[i + 1]
    return x


def exactly(low, diagonal, high, d, wrap):
    """Solve in fractions, without any round-off, by Gauss and Jordan."""
    n = len(d)
    rows = [[Fraction(0)] * n + [Fraction(d[i])] for i in range(n)]
    for i in range(n):
        rows[i][i] += Fraction(diagonal[i])
        if i > 0 or wrap:
            rows[i][(i - 1) % n] += Fraction(low[i])
        if i < n - 1 or wrap:
            rows[i][(i + 1) % n] += Fraction(high[i])
    for i in range(n):
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for k in range(n):
            if k != i and rows[k][i]:
                rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i], strict=True)]
    return [float(row[-1]) for row in rows]


def assert_close(found, expected, bound=1e-13):
    assert np.abs(found - expected).max() <= bound * np.abs(expected).max()


@pytest.mark.interpreted
@pytest.mark.parametrize(("axis", "kind", "wrap"), CASES)
def test_small_lines_solve_their_dense_matrices(axis, kind, wrap):
    for shape in SMALL:
        given, d = coefficients(shape, axis, kind), field(shape)
        assert_close(solved(d, *given, axis, wrap), by_lines(dense, d, *given, axis, wrap))


@pytest.mark.parametrize(("axis", "kind", "wrap"), CASES)
def test_lines_of_all_shapes_solve_their_dense_matrices(axis, kind, wrap):
    for shape, stiffness in itertools.product(LARGE, (0.01, 3.0, 30.0)):
        given, d = coefficients(shape, axis, kind, stiffness), field(shape)
        assert_close(solved(d, *given, axis, wrap), by_lines(dense, d, *given, axis, wrap))


@pytest.mark.interpreted
@pytest.mark.parametrize(("axis", "kind"), [*itertools.product((0, 1), ("vectors", "fields"))])
def test_open_lines_are_what_textbook_elimination_gives(axis, kind):
    for shape in SMALL:
        given, d = coefficients(shape, axis, kind), field(shape)
        np.testing.assert_allclose(
            solved(d, *given, axis, False), by_lines(thomas, d, *given, axis, False), 1e-13, 0
        )


@pytest.mark.interpreted
@pytest.mark.parametrize(("axis", "kind", "wrap"), CASES)
def test_single_precision_is_as_good_as_its_digits(axis, kind, wrap):
    for shape in SMALL:
        given, d = coefficients(shape, axis, kind, dtype=np.float32), field(shape, np.float32)
        expected = by_lines(dense, *(a.astype(float) for a in (d, *given)), axis, wrap)
        found = solved(d, *given, axis, wrap)
        assert found.dtype == np.float32
        assert_close(found, expected, 1e-6)


@pytest.mark.interpreted
@pytest.mark.parametrize(("axis", "wrap"), [*itertools.product((0, 1), (False, True))])
def test_vectors_and_fields_of_the_same_values_give_the_same_bits(axis, wrap):
    for shape in SMALL:
        given, d = coefficients(shape, axis, "vectors"), field(shape)
        spread = [np.broadcast_to(a[:, None] if axis == 0 else a, shape).copy() for a in given]
        np.testing.assert_array_equal(solved(d, *given, axis, wrap), solved(d, *spread, axis, wrap))


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("kind", "wrap"), [*itertools.product(("vectors", "fields"), (False, True))]
)
def test_both_axes_give_the_same_bits(kind, wrap):
    for shape in SMALL:
        given, d = coefficients(shape, 0, kind), field(shape)
        turned = [np.ascontiguousarray(a.T) for a in given]
        np.testing.assert_array_equal(
            solved(d, *given, 0, wrap), solved(np.ascontiguousarray(d.T), *turned, 1, wrap).T
        )


@pytest.mark.interpreted
@pytest.mark.parametrize(("axis", "kind", "wrap"), CASES)
def test_lines_that_hold_nothing_together_return_the_right_hand_side(axis, kind, wrap):
    for shape in SMALL:
        size = (shape[axis],) if kind == "vectors" else shape
        d = field(shape)
        given = [np.zeros(size), np.ones(size), np.zeros(size)]
        np.testing.assert_array_equal(solved(d, *given, axis, wrap), d)


@pytest.mark.interpreted
def test_a_ring_that_is_cut_is_an_open_line_to_the_last_bit():
    low, diagonal, high = coefficients((9, 12), 1, "vectors")
    low[0] = high[-1] = 0.0
    d = field((9, 12))
    np.testing.assert_array_equal(
        solved(d, low, diagonal, high, 1, True), solved(d, low, diagonal, high, 1, False)
    )


@pytest.mark.parametrize(("axis", "kind", "wrap"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_becomes_negative(axis, kind, wrap, dtype):
    shape = (40, 43)
    for stiffness, seed in itertools.product((1e-6, 1.0, 1e4, 1e9), range(3)):
        given = coefficients(shape, axis, kind, stiffness, dtype, seed)
        d = np.where(field(shape, dtype, seed) < 0.98, 0, field(shape, dtype, seed))
        sums = np.ones_like(given[0])
        assert solved(d, *given, axis, wrap, sums).min() >= 0.0
        if stiffness < 1e6:  # beyond, a diagonal in single precision no longer tells the sums
            assert solved(d, *given, axis, wrap).min() >= 0.0


@pytest.mark.parametrize("wrap", [False, True])
def test_known_sums_make_every_digit_right_however_stiff_the_line(wrap):
    rng = np.random.default_rng(5)
    for n, stiffness in itertools.product((1, 2, 3, 8), (1.0, 1e8, 1e15)):
        low, high = -stiffness * rng.random((2, n)) ** 4
        d = rng.random((1, n))
        diagonal = [1 - Fraction(a) - Fraction(b) for a, b in zip(low, high, strict=True)]
        if not wrap:
            diagonal[0] += Fraction(low[0])
            diagonal[-1] += Fraction(high[-1])
        found = solved(d, low, np.full(n, np.nan), high, 1, wrap, np.ones(n))
        np.testing.assert_allclose(found[0], exactly(low, diagonal, high, d[0], wrap), 1e-14, 0)


@pytest.mark.parametrize(("axis", "kind", "wrap"), CASES)
def test_symmetric_steps_of_any_length_keep_the_sum(axis, kind, wrap):
    shape = (33, 26)
    for length in (1e-3, 1.0, 1e5, 1e12):
        size = (shape[axis],) if kind == "vectors" else shape
        k = 0 if kind == "vectors" else axis
        face = -length * field(size, seed=4)
        low, high = face, np.roll(face, -1, k)
        d = field(shape)
        x = solved(d, low, 1.0 - low - high, high, axis, wrap, np.ones(size))
        np.testing.assert_allclose(x.sum(axis), d.sum(axis), 1e-14, 0)


@pytest.mark.interpreted
@pytest.mark.parametrize("axis", [0, 1])
def test_what_lies_beyond_an_open_line_is_ignored(axis):
    low, diagonal, high = coefficients((6, 6), axis, "vectors")
    d = field((6, 6))
    expected = solved(d, low, diagonal, high, axis, False)
    low[0], high[-1] = 1e300, np.nan
    np.testing.assert_array_equal(solved(d, low, diagonal, high, axis, False), expected)


@pytest.mark.interpreted
def test_factors_leave_what_they_were_made_of_alone():
    for axis, kind, wrap in CASES:
        given = coefficients((2, 2), axis, kind)
        before = [a.copy() for a in given]
        sums = np.ones_like(given[0])
        solved(field((2, 2)), *given, axis, wrap, sums)
        np.testing.assert_array_equal(given, before)
        np.testing.assert_array_equal(sums, 1.0)


@pytest.mark.interpreted
def test_far_ends_of_a_ring_hold_no_denormal_numbers():
    n = 600
    spike = tridiagonal.factor(np.full(n, -0.1), np.full(n, 1.2), np.full(n, -0.1), 1, True)[3]
    assert spike[0] > 0.0
    assert spike[n // 2] == 0.0
    assert spike[spike > 0.0].min() >= np.finfo(float).tiny


@pytest.mark.interpreted
def test_matrices_without_pivots_are_refused():
    n = 5
    ring = [np.full(n, -1.0), np.full(n, 2.0), np.full(n, -1.0)]
    for bad in ([np.zeros(n)] * 3, [np.full(n, np.nan)] * 3):
        for axis, wrap in itertools.product((0, 1), (False, True)):
            with pytest.raises(ValueError, match="singular"):
                Lines(*bad, axis, wrap)
    with pytest.raises(ValueError, match="singular"):
        Lines(*ring, 0, True)


@pytest.mark.interpreted
def test_arrays_that_do_not_fit_are_refused():
    a, f = np.ones(4), np.ones((4, 5))
    for bad in ((a, a, a, 2), (a, f, a, 0), (a, a, a[:3], 0), (f[None], f[None], f[None], 0)):
        with pytest.raises(ValueError, match="no lines along axis"):
            Lines(*bad, False)
    shared, own = Lines(0 * a, a, 0 * a, 0, False), Lines(0 * f, f, 0 * f, 1, False)
    wrong = [np.ones((5, 4)), np.ones(4), np.ones((4, 5), np.float32), np.ones((5, 4)).T]
    for lines, d in itertools.product((shared, own), wrong):
        with pytest.raises(ValueError, match="do not lie in this one"):
            lines.solve(d)
    with pytest.raises(ValueError, match="do not lie in this one"):
        own.solve(np.ones((9, 5)))
