"""Tridiagonal systems along the lines of an array, factored once and solved many times in place.

Along one axis every line of cells is a system of its own,

    low[i] x[i-1] + diagonal[i] x[i] + high[i] x[i+1] = d[i],

with coefficients in two shapes: *vectors* of length n that all lines share, and *fields* of the
array's shape. With ``wrap`` the cell before the first is the last and the other way round.

Elimination without exchange of rows (Thomas) leaves in each row a pivot and ``high``. With their
sum, the excess of the diagonal,

    excess[i] = (low + diagonal + high)[i] - low[i] excess[i-1] / pivot[i-1],
    pivot[i] = excess[i] - high[i],

the factors are scale = 1 / pivot, carry = -low scale and back = -high scale, and

    y[i] = scale[i] d[i] + carry[i] y[i-1],        x[i] = y[i] + back[i] x[i+1].

A periodic line is an open one and a matrix of rank one (Sherman and Morrison): A = T + u v', where
v is one in the first and the last cell, and u is low[0] there and high[n-1] here. T has the larger
diagonals diagonal[0] - low[0] and diagonal[n-1] - high[n-1]. With T y = d, T q = -u, and T w = the
sums of A's rows, which makes w = 1 - 2 q,

    x = y + spike (y[0] + y[n-1]),        spike = q / (1 - q[0] - q[n-1]) = 2 q / (w[0] + w[n-1]).

For an M-matrix (low, high <= 0, the rows' sums positive) all these numbers are positive and nothing
is subtracted. So x >= 0 wherever d >= 0, whatever the round-off; and with sums that are known
exactly every digit of x is right, however stiff the lines are.

Along the first axis a recurrence goes from row to row and its inner loop, over columns, becomes
vector instructions. Along the second each cell would wait for the one before it: eight rows go
abreast, which keeps the processor's pipelines full, and fields are stored in that order.

Arrays are two-dimensional, C-contiguous and of one dtype, float32, float64 or complex128. Factors
are found in float64, or in complex128 for waves, whose pivots have real parts of one or more. Of
the compiled loops nothing is checked.

References
----------
Golub and Van Loan, Matrix Computations, 4th ed. (2013), sections 4.3 and 2.1.4.
Press et al., Numerical Recipes, 3rd ed. (2007), sections 2.4 and 2.7.
Grassmann, Taksar and Heyman, Operations Research 33 (1985) 1107: pivots without subtraction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined

Array = NDArray[Any]
Factors = tuple[Array, Array, Array, Array]

ABREAST = 8


class Lines:
    """Tridiagonal systems along one axis, factored: ``Lines(...).solve(d)`` as often as needed.

    Solves low[i] x[i-1] + diagonal[i] x[i] + high[i] x[i+1] = d[i] along each line.

    Parameters
    ----------
    low, diagonal, high : (n,) or (n0, n1) arrays
        Coefficients, all three vectors shared by all lines or all three fields. Matrices must allow
        elimination without exchange of rows, as M-matrices and diagonally dominant ones do. Without
        ``wrap`` the first ``low`` and the last ``high`` of a line are ignored.
    axis : int
        The axis along which the lines lie, 0 or 1.
    wrap : bool
        Whether the first and the last cell are neighbours. Of two cells each is then both
        neighbours of the other, and one cell is its own.
    sums : (n,) or (n0, n1) array, optional
        The sum of each row of the matrix, without what is ignored, where it is known better than by
        adding up: 1 for an implicit step of a medium in which a uniform field rests. Then
        ``diagonal`` does not matter, and neither does its round-off, which in long steps costs the
        balance of mass.

    Raises
    ------
    ValueError
        If shapes or the axis do not fit, or a pivot is zero or no finite number.
    """

    def __init__(
        self,
        low: Array,
        diagonal: Array,
        high: Array,
        axis: int,
        wrap: bool,
        sums: Array | None = None,
    ) -> None:
        self.factors = factor(low, diagonal, high, axis, wrap, sums)
        self._solve = (solve0, solve1)[axis]
        self._axis, self._length = axis, diagonal.shape[axis if diagonal.ndim == 2 else 0]
        self._shape = diagonal.shape if diagonal.ndim == 2 else None

    def solve(self, d: Array) -> None:
        """Replace the right-hand sides ``d`` by the solutions x, in place.

        Parameters
        ----------
        d : (n0, n1) array
            C-contiguous, of the dtype of the coefficients; the axis has the coefficients' length.

        Raises
        ------
        ValueError
            If ``d`` is of another shape, dtype or order of memory.
        """
        dtype, shape = self.factors[0].dtype, d.shape
        fits = len(shape) == 2 and shape == (self._shape or shape)
        if not (fits and shape[self._axis] == self._length and d.dtype == dtype) or (
            not d.flags.c_contiguous
        ):
            raise ValueError(
                f"lines of {self._length} cells along axis {self._axis} of {dtype} arrays do not "
                f"lie in this one: shape {shape}, {d.dtype}, strides {d.strides}"
            )
        self._solve(d, *self.factors)


def factor(
    low: Array, diagonal: Array, high: Array, axis: int, wrap: bool, sums: Array | None = None
) -> Factors:
    """Return the factors (scale, carry, back, spike) of the lines along an axis.

    pivot[i] = excess[i] - high[i]; scale = 1 / pivot, carry = -low scale, back = -high scale, as
    the head of this file has them (Golub and Van Loan, section 4.3).

    Parameters and errors are those of `Lines`. Vectors yield vectors. Fields yield fields, but
    along axis 1 the first three have the shape (ceil(n0 / 8), n1, 8), rows abreast. ``spike`` is
    empty for open lines.
    """
    shape, dtype = diagonal.shape, np.result_type(low, diagonal, high, np.float32)
    given = (low, diagonal, high) if sums is None else (low, diagonal, high, sums)
    if axis not in (0, 1) or len(shape) not in (1, 2) or any(a.shape != shape for a in given):
        raise ValueError(f"no lines along axis {axis}: {', '.join(str(a.shape) for a in given)}")
    across = len(shape) == 2 and axis == 1
    columns = shape[::-1] if across else (shape[0], shape[1] if len(shape) == 2 else 1)
    exact = np.complex128 if dtype.kind == "c" else np.float64
    lower, middle, upper, *known = (
        np.array(a.T if across else a, exact, order="C").reshape(columns) for a in given
    )
    n = len(middle)
    cyclic = bool(wrap) and n > 2
    if not wrap:
        lower[0] = upper[-1] = 0.0
    total = known[0] if known else (lower + upper) + middle
    spike = np.zeros(columns, exact)
    if cyclic:
        spike[0], spike[-1] = -lower[0], -upper[-1]
    if wrap and n == 2:
        upper[0] += lower[0]
        lower[1] += upper[1]
    lower[0] = upper[-1] = 0.0
    scale, carry, back = (np.empty(columns, exact) for _ in range(3))
    with np.errstate(all="ignore"):
        _factor(lower, total + 2.0 * spike, upper, scale, carry, back)
        if cyclic:
            for right in (spike, total):
                solve0(right, scale, carry, back, spike[:0])
            spike *= 2.0 / (total[0] + total[-1])
    if not all(np.isfinite(a).all() for a in (scale, carry, back, spike)):
        raise ValueError("the matrix of a line is singular or its pivots vanish")
    # denormal numbers are slow, and these would vanish in every sum of normal ones
    spike[np.abs(spike) < np.finfo(dtype).tiny / np.finfo(dtype).eps] = 0.0
    found = [a.T if across else a for a in (scale, carry, back, spike if cyclic else spike[:0])]
    if across:
        found[:3] = [_abreast(a) for a in found[:3]]
    if len(shape) == 1:
        found = [a.ravel() for a in found]
    scale, carry, back, spike = (np.ascontiguousarray(a, dtype) for a in found)
    return scale, carry, back, spike


def _abreast(rows: Array) -> Array:
    """Return an (n0, n1) array as (ceil(n0 / 8), n1, 8); rows beyond the last are zeros."""
    n0, n1 = rows.shape
    blocks = -(-n0 // ABREAST)
    padded = np.zeros((blocks * ABREAST, n1), rows.dtype)
    padded[:n0] = rows
    return padded.reshape(blocks, ABREAST, n1).transpose(0, 2, 1)


@compiled
def _factor(
    low: Array, excess: Array, high: Array, scale: Array, carry: Array, back: Array
) -> None:
    """Factor the columns of (n, m) arrays; ``excess`` comes as the sums of the rows."""
    n, m = excess.shape
    for i in range(n):
        for j in range(m):
            if i > 0:
                excess[i, j] -= low[i, j] * (scale[i - 1, j] * excess[i - 1, j])
            scale[i, j] = 1.0 / (excess[i, j] - high[i, j])
            carry[i, j] = -low[i, j] * scale[i, j]
            back[i, j] = -high[i, j] * scale[i, j]


def of(factors: Any, i: int, line: int) -> Any:
    """Return a factor of cell ``i`` in a line, of a vector that all lines share or of a field."""
    return factors[i] if np.ndim(factors) == 1 else factors[i, line]


@overload(of, jit_options={"forceinline": True})
def _of(factors, i, line):  # type: ignore[no-untyped-def]  # numba compares signatures, annotations too
    if factors.ndim == 1:
        return lambda factors, i, line: factors[i]
    return lambda factors, i, line: factors[i, line]


def part(factors: Any, k: int) -> Any:
    """Return the factors of row ``k``, or of the k-th eight rows: a vector serves all of them."""
    return factors if np.ndim(factors) == 1 else factors[k]


@overload(part, jit_options={"forceinline": True})
def _part(factors, k):  # type: ignore[no-untyped-def]
    if factors.ndim == 1:
        return lambda factors, k: factors
    return lambda factors, k: factors[k]


@compiled
def solve0(d: Array, scale: Array, carry: Array, back: Array, spike: Array) -> None:
    """Solve along the first axis in place: y = scale d + carry y_before, x = y + back x_behind.

    Parameters
    ----------
    d : (n0, n1) array
        Right-hand sides, replaced by the solutions.
    scale, carry, back, spike : (n0,) or (n0, n1) arrays
        As `factor` returns them; ``spike`` is empty for open lines.
    """
    n0, n1 = d.shape
    for j in range(n1):
        d[0, j] *= of(scale, 0, j)
    for i in range(1, n0):
        _forward(d[i], d[i - 1], i, scale, carry)
    for i in range(n0 - 2, -1, -1):
        _add(d[i], d[i + 1], i, back)
    if spike.size > 0:
        ends = np.empty(n1, d.dtype)
        for j in range(n1):
            ends[j] = d[0, j] + d[n0 - 1, j]
        for i in range(n0):
            _add(d[i], ends, i, spike)


@inlined
def _forward(here: Array, before: Array, i: int, scale: Array, carry: Array) -> None:
    """Eliminate in row ``i``. Rows are handed over whole: nothing else is as fast (twofold)."""
    for j in range(len(here)):
        here[j] = of(scale, i, j) * here[j] + of(carry, i, j) * before[j]


@inlined
def _add(here: Array, other: Array, i: int, factors: Array) -> None:
    for j in range(len(here)):
        here[j] += of(factors, i, j) * other[j]


@compiled
def solve1(d: Array, scale: Array, carry: Array, back: Array, spike: Array) -> None:
    """Solve along the second axis in place, eight rows abreast.

    Parameters
    ----------
    d : (n0, n1) array
        Right-hand sides, replaced by the solutions.
    scale, carry, back : (n1,) or (ceil(n0 / 8), n1, 8) arrays
        As `factor` returns them.
    spike : (n1,) or (n0, n1) array
        Likewise; empty for open lines.
    """
    n0, n1 = d.shape
    spare = np.zeros(n1, d.dtype)
    for first in range(0, n0, ABREAST):
        k = first // ABREAST
        rows = min(n0 - first, ABREAST)
        scales, carries, backs = part(scale, k), part(carry, k), part(back, k)
        if rows > 2:
            _eight(d, first, spare, scales, carries, backs)
        else:  # one after the other is faster than six empty ones beside them
            for r in range(rows):
                _one(d[first + r], r, scales, carries, backs)
        if spike.size > 0:
            for row in range(first, first + rows):
                line, share = d[row], part(spike, row)
                ends = line[0] + line[n1 - 1]
                for j in range(n1):
                    line[j] += share[j] * ends


@inlined
def _one(line: Array, r: int, scale: Array, carry: Array, back: Array) -> None:
    x = line.dtype.type(0)
    for j in range(len(line)):
        x = of(scale, j, r) * line[j] + of(carry, j, r) * x
        line[j] = x
    x = line.dtype.type(0)
    for j in range(len(line) - 1, -1, -1):
        x = line[j] + of(back, j, r) * x
        line[j] = x


@inlined
def _row(d: Array, i: int, spare: Array) -> Array:
    return d[i] if i < len(d) else spare


@inlined
def _eight(d: Array, i: int, spare: Array, scale: Array, carry: Array, back: Array) -> None:
    """Solve eight rows, zeros for those beyond the last. Single names, which stay in registers."""
    d0, d1, d2, d3 = d[i], d[i + 1], d[i + 2], _row(d, i + 3, spare)
    d4, d5 = _row(d, i + 4, spare), _row(d, i + 5, spare)
    d6, d7 = _row(d, i + 6, spare), _row(d, i + 7, spare)
    x0 = x1 = x2 = x3 = x4 = x5 = x6 = x7 = d.dtype.type(0)
    for j in range(len(spare)):
        x0 = of(scale, j, 0) * d0[j] + of(carry, j, 0) * x0
        x1 = of(scale, j, 1) * d1[j] + of(carry, j, 1) * x1
        x2 = of(scale, j, 2) * d2[j] + of(carry, j, 2) * x2
        x3 = of(scale, j, 3) * d3[j] + of(carry, j, 3) * x3
        x4 = of(scale, j, 4) * d4[j] + of(carry, j, 4) * x4
        x5 = of(scale, j, 5) * d5[j] + of(carry, j, 5) * x5
        x6 = of(scale, j, 6) * d6[j] + of(carry, j, 6) * x6
        x7 = of(scale, j, 7) * d7[j] + of(carry, j, 7) * x7
        d0[j], d1[j], d2[j], d3[j] = x0, x1, x2, x3
        d4[j], d5[j], d6[j], d7[j] = x4, x5, x6, x7
    x0 = x1 = x2 = x3 = x4 = x5 = x6 = x7 = d.dtype.type(0)
    for j in range(len(spare) - 1, -1, -1):
        x0 = d0[j] + of(back, j, 0) * x0
        x1 = d1[j] + of(back, j, 1) * x1
        x2 = d2[j] + of(back, j, 2) * x2
        x3 = d3[j] + of(back, j, 3) * x3
        x4 = d4[j] + of(back, j, 4) * x4
        x5 = d5[j] + of(back, j, 5) * x5
        x6 = d6[j] + of(back, j, 6) * x6
        x7 = d7[j] + of(back, j, 7) * x7
        d0[j], d1[j], d2[j], d3[j] = x0, x1, x2, x3
        d4[j], d5[j], d6[j], d7[j] = x4, x5, x6, x7
