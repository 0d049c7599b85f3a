"""Cosine, sine and periodic transforms of both axes of a field, there and back, lines side by side.

Every line of n cells with centres j + 1/2 is written in an orthonormal basis, up to factors

    COSINE   cos(k pi (j + 1/2) / n)            no flow through both ends          DCT-II
    SINE     sin((k + 1) pi (j + 1/2) / n)      zero on both end faces             DST-II
    COSINE4  cos((k + 1/2) pi (j + 1/2) / n)    no flow low, zero high             DCT-IV
    SINE4    sin((k + 1/2) pi (j + 1/2) / n)    zero low, no flow high             DST-IV
    RING     cos(2 k pi (j + 1/4) / n)             the last cell beside the first

with k = 0 to n - 1. These are the eigenvectors of differences of neighbours,
-u[j-1] + 2 u[j] - u[j+1] = (2 - 2 cos theta) u.

All of them come down to a complex Fourier transform of h = n / 2 points. COSINE takes even cells
upwards, then odd ones downwards (Makhoul) and makes pairs of what comes then,

    z[j] = v[2j] + i v[2j+1],   Z = Fourier transform of z,   y = Z[h-k],
    E = Z[k] + conj(y),  O = (Z[k] - conj(y)) / i,  P = a E,  Q = b O,
    C[k] - i C[n-k] = P + Q,    C[h-k] - i C[h+k] = exp(-i pi / 4) conj(P - Q),
    a = exp(-i pi k / (2n)) / sqrt(2n),   b = exp(-5 i pi k / (2n)) / sqrt(2n).

RING is the same without the first arrangement: it turns the phase of each pair of periodic modes,
which is as good a basis. COSINE4 makes pairs of x[2j] and x[n-1-2j] and turns them by the phase
pi (8j + 1) / (8n) before and after. SINE and SINE4 change the sign of odd cells and count the
coefficients down. Each step is an orthogonal matrix times a number, so nothing loses digits, and
the way back takes the transposed steps in the opposite order.

Frequencies are left in the order in which the Fourier transform leaves them (Gentleman and Sande),
and the way back begins from there (Cooley and Tukey): nothing is ever put in order. A vector of 32
bytes holds one number of each of four or eight lines.

References
----------
Makhoul, IEEE Trans. Acoust., Speech, Signal Process. 28 (1980) 27.
Britanak, Yip and Rao, Discrete Cosine and Sine Transforms (2007), chapters 3 and 4.
Van Loan, Computational Frameworks for the Fast Fourier Transform (1992), sections 1.9 and 2.3.
Strang, SIAM Review 41 (1999) 135: the bases and their walls.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.fourier import Fourier, radices
from diffusim.loops.lanes import BYTES
from diffusim.loops.snapshots import ordered, snapshots
from diffusim.loops.waves import AHEAD, BACK, CARRY, across, along

Array = NDArray[Any]

REST, COSINE, SINE, COSINE4, SINE4, RING = range(6)
DENSE, LONGEST = 15, 8192  # cells of odd lines and of all lines
TYPES = (np.float32, np.float64)


def supported(kind: int, n: int) -> bool:
    """Tell whether lines of n cells are transformed well: n = 2^a 3^b 5^c even, or odd up to 15."""
    return kind == REST or (n <= DENSE if n % 2 else n <= LONGEST and radices(n // 2) is not None)


class Pair:
    """Transforms of both axes of an (n0, n1) field, there and back.

    With B the matrix of the bases (see the head of this file) coefficients are B' u and fields B c.
    An axis of kind `REST` is left as it is. A problem in one dimension is a field of shape (1, n).

    Parameters
    ----------
    shape : (int, int)
        Cells along both axes.
    kinds : (int, int)
        Which basis each axis has: `COSINE`, `SINE`, `COSINE4`, `SINE4`, `RING` or `REST`.

    Raises
    ------
    ValueError
        If an axis is not `supported`.
    """

    def __init__(self, shape: tuple[int, int], kinds: tuple[int, int]) -> None:
        for kind, n in zip(kinds, shape, strict=True):
            if not supported(kind, n):
                raise ValueError(f"no transform of kind {kind} for lines of {n} cells")
        self.shape = tuple(shape)
        self._axes = [_Axis(kind, n) for kind, n in zip(kinds, shape, strict=True)]

    def angles(self, axis: int) -> Array:
        """Return theta >= 0 of each coefficient along an axis, in the order of coefficients.

        The rate of the mode is (2 - 2 cos theta) D / dx^2. Along an axis at rest all are zero.
        """
        return self._axes[axis].angles.copy()

    def forward(self, u: Array) -> Array:
        """Return the coefficients B' u of a field."""
        return self._apply(u, np.empty_like(u), AHEAD, (1, 0))

    def backward(self, c: Array) -> Array:
        """Return the field B c of coefficients."""
        return self._apply(c, np.empty_like(c), BACK, (0, 1))

    def carry(self, u: Array, out: Array, factor0: Array, factor1: Array) -> None:
        """Set out = B (factor0[:, None] factor1[None, :] B' u), each axis by itself.

        Parameters
        ----------
        u, out : (n0, n1) arrays
            C-contiguous, float64 or float32 both; ``out`` may be ``u`` itself but not overlap it
            otherwise.
        factor0, factor1 : (n0,) and (n1,) arrays
            In the order of coefficients; see `angles`.

        Raises
        ------
        ValueError
            If arrays are of another shape, dtype or order of memory.
        """
        self._apply(u, out, CARRY, (1, 0), (factor0, factor1))

    def carry_full(self, u: Array, out: Array, factor: Array) -> None:
        """Set out = B (factor B' u) for a factor of the field's shape; the rest as for `carry`."""
        if np.shape(factor) != self.shape:
            raise ValueError(f"factors of shape {np.shape(factor)} for a field of {self.shape}")
        self._apply(u, out, AHEAD, (1, 0))
        out *= factor
        self._apply(out, out, BACK, (0, 1))

    @property
    def shrinks(self) -> bool:
        """Whether `snapshots` can leave out coefficients: both axes even, or a single line."""
        first, second = self._axes
        compiled = [axis.kind != REST and axis.n % 2 == 0 for axis in (first, second)]
        return compiled[1] and (compiled[0] or (first.kind == REST and first.n == 1))

    def ascending(self, axis: int) -> Array:
        """Return the coefficients along an axis in order of their angles."""
        return self._axes[axis].ascending

    def snapshots(
        self, c: Array, out: Array, means: Array, factors: tuple[Array, Array], kept: Array
    ) -> None:
        """Set each out[t] = means[t] + B (factors[0][t] factors[1][t] c).

        Parameters
        ----------
        c : (n0, n1) array
            Coefficients, float64.
        out : (frames, n0, n1) array
            C-contiguous, float64 or float32; worked out in its own precision.
        means : (frames,) array
            What is added in float64.
        factors : two arrays, (frames, n0) and (frames, n1)
            In the order of `ascending`.
        kept : (frames, 2) array of int
            How many coefficients are left along each axis, in that order.

        Raises
        ------
        ValueError
            If the transforms do not shrink, or ``out`` is of another kind.
        """
        n0, n1 = self.shape
        frames = len(means)
        fits = out.shape == (frames, n0, n1) and out.flags.c_contiguous and out.dtype in TYPES
        if not (self.shrinks and fits):
            raise ValueError(f"no snapshots of shape {out.shape}, {out.dtype}, of {self.shape}")
        first, second = self._axes
        count = BYTES // out.itemsize
        width = -(-n1 // count) * count
        sorted_, weights = np.empty((n0, width), out.dtype), np.zeros((frames, width), out.dtype)
        ordered(c, first.ascending, second.ascending, sorted_)
        weights[:, :n1] = factors[1]
        if first.kind == REST:
            # All frames at once, line beside line in the order of coefficients.
            lines = np.empty((frames, n1), out.dtype)
            lines[:, second.ascending] = weights[:, :n1] * sorted_[0, :n1]
            second.run(lines, out[:, 0], 1, BACK, np.ones(1, out.dtype))
            out += means[:, None, None]
            return
        snapshots(sorted_, out, np.asarray(means, float), factors[0].astype(out.dtype), weights,
                  np.ascontiguousarray(kept, np.int64),
                  np.empty(n0 * (width + count), out.dtype),
                  *first.tables_back(out.dtype, count),
                  *second.tables_back(out.dtype, count, width))  # fmt: skip

    def _apply(
        self, u: Array, out: Array, task: int, order: tuple[int, int], factors: Any = None
    ) -> Array:
        for a in (u, out):
            if a.shape != self.shape or not a.flags.c_contiguous or a.dtype not in TYPES:
                raise ValueError(
                    f"a field of shape {self.shape}, float32 or float64 and contiguous is needed, "
                    f"not one of shape {a.shape}, {a.dtype}, strides {a.strides}"
                )
        if u.dtype != out.dtype:
            raise ValueError(f"fields of one type are needed, not {u.dtype} and {out.dtype}")
        source = u
        for axis in order:
            factor = np.ones(1) if factors is None else factors[axis]
            if factors is not None and np.shape(factor) != (self.shape[axis],):
                raise ValueError(f"{np.shape(factor)} factors along {self.shape[axis]} cells")
            factor = np.ascontiguousarray(factor, u.dtype)
            self._axes[axis].run(source, out, axis, task, factor)
            source = out
        return out


class _Axis:
    """Tables of one axis, and the loops that use them."""

    def __init__(self, kind: int, n: int) -> None:
        self.kind, self.n = kind, n
        self.angles = np.zeros(n)
        self.ascending = np.arange(n)
        self._tables: dict[Any, Any] = {}
        if kind == REST:
            return
        half, h = kind in (COSINE4, SINE4), n // 2
        down = kind in (SINE, SINE4)
        j = np.arange(n)
        if n % 2:
            self.matrix, order = dense(kind, n), j
        elif half:
            self.fourier = Fourier(h)
            k = self.fourier.order
            order = np.stack([2 * k, n - 1 - 2 * k], axis=1).ravel()
            self.rows = np.where(j % 2, n - j, j)
            self.pairs = np.zeros((0, 2), np.int64)
            self.phases = _turns(np.pi * (8 * np.arange(h) + 1) / (8 * n))
            self.phases2 = _turns(np.pi * (8 * k + 1) / (8 * n)) / np.sqrt(h)
        else:
            self.fourier = Fourier(h)
            k = self.fourier.order
            order = np.stack([k, n - k], axis=1).ravel()
            order[:2] = 0, h
            self.rows = j if kind == RING else np.where(j % 2, n - 1 - j // 2, j // 2)
            place = np.empty(h, np.int64)
            place[k] = np.arange(h)
            low = np.arange(1, (h + 1) // 2)
            low = np.r_[h // 2, low]
            self.pairs = np.stack([place[low], place[(h - low) % h]], axis=1)
            low = low[1:]
            a, b = (_turns(np.pi * f * low / (2 * n)) / np.sqrt(2 * n) for f in (1, 5))
            ends = [1 / np.sqrt(n), np.sqrt(0.5), *_turns(np.pi / 8) / np.sqrt(h)]
            self.phases = np.zeros(0)
            self.phases2 = np.concatenate([ends, np.concatenate([a, b], axis=-1).ravel()])
        if down and n % 2 == 0:
            order = n - 1 - order
        if kind == RING:
            self.angles = 2 * np.pi * np.minimum(order, n - order) / n
        else:
            self.angles = np.pi * (order + (0.5 if half else float(down))) / n
        self.down, self.order = down, order
        self.ascending = np.argsort(self.angles, kind="stable")

    def run(self, u: Array, out: Array, axis: int, task: int, factor: Array) -> None:
        """Transform all lines, with one factor for each coefficient where the task is to carry."""
        if self.kind == REST or self.n % 2:
            turn = (lambda a: a.T) if axis == 0 else (lambda a: a)
            lines = turn(u)
            if self.kind != REST and task != BACK:
                lines = lines @ self.table(u.dtype).T
            if task == CARRY:
                lines = lines * factor
            if self.kind != REST and task != AHEAD:
                lines = lines @ self.table(u.dtype)
            out[...] = turn(lines)
            return
        count = BYTES // u.itemsize
        loop = across if axis == 0 else along
        loop(u, out, task, factor, *self.tables(u.dtype, count))

    def table(self, dtype: Any) -> Any:
        if dtype not in self._tables:
            self._tables[dtype] = self.matrix.astype(dtype)
        return self._tables[dtype]

    def tables(self, dtype: Any, count: int) -> Any:
        if dtype not in self._tables:
            negative = self.rows[1::2] if self.down else self.rows[:0]
            self._tables[dtype] = (
                self.rows * count,
                np.arange(self.n) * count,
                negative * count,
                self.fourier.stages,
                self.fourier.twiddles.astype(dtype),
                self.phases.ravel().astype(dtype),
                self.pairs,
                self.phases2.ravel().astype(dtype),
            )
        return self._tables[dtype]

    def tables_back(self, dtype: Any, count: int, width: int = 0) -> Any:
        """Where coefficients in order go, beyond the line if there are more; and all tables."""
        goal, straight, *rest = self.tables(dtype, count)
        places = np.full(max(width, self.n), self.n * count)
        places[: self.n] = straight[self.ascending]
        return places, goal, *rest


def _turns(angle: Any) -> Array:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def dense(kind: int, n: int) -> Array:
    """Return the basis of an odd number of cells as a matrix, a row for each of its vectors."""
    k, j = np.arange(n)[:, None], np.arange(n)
    if kind == RING:
        steps = 2 * k * (4 * j + 1)
    else:
        steps = (2 * k + {COSINE: 0, SINE: 2}.get(kind, 1)) * (2 * j + 1)
    # whole numbers of steps around the circle: reducing them exactly keeps the last digits
    angle = np.pi * (steps % (8 * n)) / (4 * n)
    found = np.sin(angle) if kind in (SINE, SINE4) else np.cos(angle)
    return found / np.linalg.norm(found, axis=1, keepdims=True)
