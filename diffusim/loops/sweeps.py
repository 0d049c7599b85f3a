"""Sweeps over cells: explicit steps and three-term recurrences of the generator of diffusion.

The generator arrives as two coefficients per cell and axis: what its lower and its upper face let
through,

    (A u)[i, j] = low0 (u[i-1, j] - u[i, j]) + high0 (u[i+1, j] - u[i, j])
                + low1 (u[i, j-1] - u[i, j]) + high1 (u[i, j+1] - u[i, j])

in three shapes: *numbers* (one per axis, low = high), *vectors* (low0, high0 of length n0 along the
first axis, low1, high1 of length n1 along the second) and *fields* (all four of shape (n0, n1)).
Each loop is written once; the compiler makes a variant of it per shape. A medium is closed: decay,
sources and open sides will come as accounts, cells outside the grid that hold what has left it.

At the rim of the grid the neighbour outside is the cell itself, whose difference is exactly zero,
or with ``wrap`` the cell opposite. An axis of one cell has no faces. A problem in one dimension is
an array of shape (1, n).

Each axis is summed by itself, lower and upper neighbour first, and both axes last. Addition
commutes in floating point, so flipping or transposing the field flips or transposes the result to
the last bit; and the fluxes through both sides of a face differ in sign alone where the
coefficients agree, so the sum over cells is kept to round-off. Numbers, vectors and fields of the
same values give the same bits.

Arrays are two-dimensional, C-contiguous, distinct and of one dtype: float32, float64, or complex128
with coefficients in float64. Nothing is checked: wrong shapes are the caller's fault.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined

Array = NDArray[Any]


def step_numbers(
    u: Array, work: Array, count: int, r0: float, r1: float, wrap0: bool, wrap1: bool
) -> None:
    """Advance ``u`` by ``count`` steps u <- u + A u with one coefficient per axis.

    Parameters
    ----------
    u, work : (n0, n1) arrays
        The field, advanced in place, and room for another of its kind.
    count : int
        Number of steps.
    r0, r1 : float
        Dimensionless conductances D dt / h^2 of every face across each axis.
    wrap0, wrap1 : bool
        Whether the axis is periodic.
    """
    real = u.real.dtype.type
    _step(u, work, count, real(r0), real(r0), real(r1), real(r1), bool(wrap0), bool(wrap1))


def step_vectors(
    u: Array,
    work: Array,
    count: int,
    low0: Array,
    high0: Array,
    low1: Array,
    high1: Array,
    wrap0: bool,
    wrap1: bool,
) -> None:
    """Advance ``u`` by ``count`` steps with coefficients that vary along their own axis.

    As `step_numbers`; ``low0``, ``high0`` have length n0, ``low1``, ``high1`` length n1, all
    multiplied by the time step.
    """
    _step(u, work, count, low0, high0, low1, high1, bool(wrap0), bool(wrap1))


def step_fields(
    u: Array,
    work: Array,
    count: int,
    low0: Array,
    high0: Array,
    low1: Array,
    high1: Array,
    wrap0: bool,
    wrap1: bool,
) -> None:
    """Advance ``u`` by ``count`` steps with coefficients of each cell's own.

    As `step_numbers`; the four coefficients have the shape of ``u`` and are multiplied by the time
    step.
    """
    _step(u, work, count, low0, high0, low1, high1, bool(wrap0), bool(wrap1))


def expand_numbers(
    older: Array,
    newer: Array,
    total: Array,
    weights: Array,
    r0: float,
    r1: float,
    b: float,
    c: float,
    wrap0: bool,
    wrap1: bool,
) -> None:
    """Add a weighted series of a three-term recurrence to ``total``, one coefficient per axis.

    For each weight w in turn: next = A newer + b newer + c older; total += w next; (older, newer)
    <- (newer, next). Chebyshev polynomials T_k(1 + A/2) u have b = 2, c = -1 and A = 2 L / fastest.

    Parameters
    ----------
    older, newer, total : (n0, n1) arrays
        The last two terms and the sum so far. All three are advanced in place, so that a further
        call with more weights goes on where this one stopped, with the same bits as one call with
        all of them.
    weights : (m,) array
        In the dtype of ``total``, which may be complex while the terms are.
    r0, r1 : float
        Coefficients of A per axis.
    b, c : float
        Real factors of the last two terms.
    wrap0, wrap1 : bool
        Whether the axis is periodic.
    """
    real = newer.real.dtype.type
    l0, l1 = real(r0), real(r1)
    wraps = bool(wrap0), bool(wrap1)
    _expand(older, newer, total, weights, l0, l0, l1, l1, real(b), real(c), *wraps)


def expand_vectors(
    older: Array,
    newer: Array,
    total: Array,
    weights: Array,
    low0: Array,
    high0: Array,
    low1: Array,
    high1: Array,
    b: float,
    c: float,
    wrap0: bool,
    wrap1: bool,
) -> None:
    """Add a weighted series of a three-term recurrence, coefficients varying along their own axis.

    As `expand_numbers`; ``low0``, ``high0`` have length n0, ``low1``, ``high1`` length n1.
    """
    real = newer.real.dtype.type
    wraps = bool(wrap0), bool(wrap1)
    _expand(older, newer, total, weights, low0, high0, low1, high1, real(b), real(c), *wraps)


def expand_fields(
    older: Array,
    newer: Array,
    total: Array,
    weights: Array,
    low0: Array,
    high0: Array,
    low1: Array,
    high1: Array,
    b: float,
    c: float,
    wrap0: bool,
    wrap1: bool,
) -> None:
    """Add a weighted series of a three-term recurrence, coefficients of each cell's own.

    As `expand_numbers`; the four coefficients have the shape of ``newer``.
    """
    real = newer.real.dtype.type
    wraps = bool(wrap0), bool(wrap1)
    _expand(older, newer, total, weights, low0, high0, low1, high1, real(b), real(c), *wraps)


def at(coefficient: Any, k: int, i: int, j: int) -> Any:
    """Return a coefficient in cell (i, j), which is number ``k`` along the coefficient's axis."""
    if np.ndim(coefficient) == 0:
        return coefficient
    return coefficient[k] if np.ndim(coefficient) == 1 else coefficient[i, j]


@overload(at, inline="always")
def _at(coefficient, k, i, j):  # type: ignore[no-untyped-def]  # numba compares signatures, annotations too
    if not isinstance(coefficient, types.Array):
        return lambda coefficient, k, i, j: coefficient
    if coefficient.ndim == 1:
        return lambda coefficient, k, i, j: coefficient[k]
    return lambda coefficient, k, i, j: coefficient[i, j]


def times(factor: Any, value: Any) -> Any:
    """Return factor * value, a real factor of a complex value costing two products and not four."""
    return factor * value


@overload(times, inline="always")
def _times(factor, value):  # type: ignore[no-untyped-def]
    if isinstance(value, types.Complex) and not isinstance(factor, types.Complex):
        return lambda factor, value: complex(factor * value.real, factor * value.imag)
    return lambda factor, value: factor * value


@inlined
def flow(here: Any, below: Any, above: Any, low: Any, high: Any) -> Any:
    """Return what enters a cell through both faces of one axis."""
    return times(low, below - here) + times(high, above - here)


@inlined
def neighbours(i: int, n: int, wrap: bool) -> tuple[int, int]:
    """Return the cells beside cell ``i`` of ``n``: at the rim the opposite one, or itself."""
    below = i - 1 if i > 0 else (n - 1 if wrap else 0)
    above = i + 1 if i < n - 1 else (0 if wrap else n - 1)
    return below, above


@compiled
def _step(
    u: Array,
    work: Array,
    count: int,
    low0: Any,
    high0: Any,
    low1: Any,
    high1: Any,
    wrap0: bool,
    wrap1: bool,
) -> None:
    n0, n1 = u.shape
    old, new = u, work
    for _ in range(count):
        for i in range(n0):
            down, up = neighbours(i, n0, wrap0)
            for j in range(
                0, n1, max(n1 - 1, 1)
            ):  # the row's ends, apart to keep questions out of the inner loop
                left, right = neighbours(j, n1, wrap1)
                here = old[i, j]
                l0, h0 = at(low0, i, i, j), at(high0, i, i, j)
                l1, h1 = at(low1, j, i, j), at(high1, j, i, j)
                first = flow(here, old[down, j], old[up, j], l0, h0)
                second = flow(here, old[i, left], old[i, right], l1, h1)
                new[i, j] = here + (first + second)
            for j in range(1, n1 - 1):
                here = old[i, j]
                l0, h0 = at(low0, i, i, j), at(high0, i, i, j)
                l1, h1 = at(low1, j, i, j), at(high1, j, i, j)
                first = flow(here, old[down, j], old[up, j], l0, h0)
                second = flow(here, old[i, j - 1], old[i, j + 1], l1, h1)
                new[i, j] = here + (first + second)
        old, new = new, old
    if count % 2:  # cell by cell: u[:] = work would take two seconds to compile
        for i in range(n0):
            for j in range(n1):
                u[i, j] = work[i, j]


@compiled
def _expand(
    older: Array,
    newer: Array,
    total: Array,
    weights: Array,
    low0: Any,
    high0: Any,
    low1: Any,
    high1: Any,
    b: Any,
    c: Any,
    wrap0: bool,
    wrap1: bool,
) -> None:
    n0, n1 = newer.shape
    old, new = older, newer
    for w in weights:
        for i in range(n0):
            down, up = neighbours(i, n0, wrap0)
            for j in range(0, n1, max(n1 - 1, 1)):
                left, right = neighbours(j, n1, wrap1)
                here = new[i, j]
                l0, h0 = at(low0, i, i, j), at(high0, i, i, j)
                l1, h1 = at(low1, j, i, j), at(high1, j, i, j)
                first = flow(here, new[down, j], new[up, j], l0, h0)
                second = flow(here, new[i, left], new[i, right], l1, h1)
                following = (first + second) + (times(b, here) + times(c, old[i, j]))
                total[i, j] += times(w, following)
                old[i, j] = following
            for j in range(1, n1 - 1):
                here = new[i, j]
                l0, h0 = at(low0, i, i, j), at(high0, i, i, j)
                l1, h1 = at(low1, j, i, j), at(high1, j, i, j)
                first = flow(here, new[down, j], new[up, j], l0, h0)
                second = flow(here, new[i, j - 1], new[i, j + 1], l1, h1)
                following = (first + second) + (times(b, here) + times(c, old[i, j]))
                total[i, j] += times(w, following)
                old[i, j] = following
        old, new = new, old
    if len(weights) % 2:
        for i in range(n0):
            for j in range(n1):
                older[i, j], newer[i, j] = newer[i, j], older[i, j]
