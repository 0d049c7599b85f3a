"""All frames of a decaying field from its coefficients, as many of them as have survived.

The transforms back are those of `diffusim.loops.transforms`. Coefficients come in order of their
rates along both axes, so what survives at a time is a corner of them: only its columns are
transformed along the first axis, and along the second one the rest is nothing. What a field tends
to is carried apart and added in double precision, so that what is left of its fluctuations late
keeps all its digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined
from diffusim.loops.lanes import flip, get, lanes, put, spread
from diffusim.loops.waves import BACK, GROUP, transform

Array = NDArray[Any]


@compiled
def ordered(c: Array, rows: Array, columns: Array, out: Array) -> None:
    """Put coefficients in order: out[i, j] = c[rows[i], columns[j]], and nothing beyond."""
    for i in range(len(rows)):
        line = c[rows[i]]
        for j in range(len(columns)):
            out[i, j] = line[columns[j]]
        for j in range(len(columns), out.shape[1]):
            out[i, j] = 0.0


@compiled
def snapshots(
    c: Array,
    out: Array,
    means: Array,
    factors0: Array,
    factors1: Array,
    kept: Array,
    work: Array,
    places0: Array,
    goal0: Array,
    negative0: Array,
    stages0: Array,
    twiddles0: Array,
    phases0: Array,
    pairs0: Array,
    phases20: Array,
    places1: Array,
    goal1: Array,
    negative1: Array,
    stages1: Array,
    twiddles1: Array,
    phases1: Array,
    pairs1: Array,
    phases21: Array,
) -> None:
    """Set out[t] = means[t] + B (factors0[t] factors1[t] c), of the first kept[t] coefficients.

    Parameters
    ----------
    c : (n0, w) array
        Coefficients in order, of the type of ``out``; w is n1 or the next multiple of the lanes of
        a vector, and what lies beyond n1 is nothing.
    out : (frames, n0, n1) array
        Where the frames go, float32 or float64, C-contiguous.
    means : (frames,) array
        What is added to each of them, float64.
    factors0, factors1 : (frames, n0) and (frames, w) arrays
        In the order of coefficients.
    kept : (frames, 2) array
        How many rows and columns of coefficients are left.
    work : array
        n0 (w + lanes) numbers of the type of ``out``, whatever they are.
    places0, places1 : arrays
        Where in a vector of lines the coefficients go, w of them along the second axis.
    goal0, goal1 and the rest
        Tables of both axes, as in `diffusim.loops.waves`.
    """
    frames, n0, n1 = out.shape
    v, w = lanes(c), c.shape[1]
    target = out.reshape(out.size)
    # Room at the end for the columns that are none.
    x, y = np.zeros(GROUP * n0 * v, c.dtype), np.zeros((n1 + v) * v, c.dtype)
    lines, goals = np.empty(v, np.int64), np.empty(v, np.int64)
    squares, begin = n1 - n1 % v, n0 - n0
    for t in range(frames):
        m0, m1 = kept[t, 0], min(w, (kept[t, 1] + v - 1) // v * v)
        # Rows an odd number of vectors apart, lest all of them fall into one corner of the cache.
        stride = m1 + v
        for first in range(0, m1, GROUP * v):
            groups = min(m1 - first, GROUP * v) // v
            _weighed(c, first, groups, m0, factors0, factors1, t, x, places0)
            for g in range(groups):
                # Where nothing is multiplied, any numbers will do for factors.
                transform(x, g * n0 * v, n0, BACK, phases21, negative0, stages0, twiddles0,
                          phases0, pairs0, phases20)  # fmt: skip
            for j in range(n0):
                for g in range(groups):
                    value = get(x, g * n0 * v + goal0[j])
                    put(work, j * stride + first + g * v, value)
        for first in range(0, n0, v):
            for i in range(v):
                line = min(first + i, n0 - 1)
                lines[i], goals[i] = line * stride, (t * n0 + line) * n1
            y[:] = 0.0
            for j in range(0, m1, v):
                flip(work, lines, 0, j, y, places1, j, 0)
            transform(y, begin, n1, BACK, phases21, negative1, stages1, twiddles1, phases1,
                      pairs1, phases21)  # fmt: skip
            for j in range(0, squares, v):
                flip(y, goal1, j, 0, target, goals, 0, j)
            for j in range(squares, n1):
                for i in range(v):
                    target[goals[i] + j] = y[goal1[j] + i]
            _add(means[t], target[(t * n0 + first) * n1 : (t * n0 + min(first + v, n0)) * n1])


@inlined
def _weighed(
    c: Array,
    first: int,
    groups: int,
    m0: int,
    factors0: Array,
    factors1: Array,
    t: int,
    x: Array,
    places: Array,
) -> None:
    """Put coefficients times both factors where the transform along the first axis begins."""
    n0, w = c.shape
    v = lanes(c)
    for i in range(m0):
        factor = spread(factors0, t * n0 + i)
        for g in range(groups):
            column = first + g * v
            value = get(c, i * w + column) * get(factors1, t * w + column)
            put(x, g * n0 * v + places[i], value * factor)
    for i in range(m0, n0):
        for g in range(groups):
            _nothing(x, g * n0 * v + places[i])


@inlined
def _nothing(x: Array, start: int) -> None:
    for i in range(start, start + lanes(x)):
        x[i] = 0.0


@inlined
def _add(mean: float, line: Array) -> None:
    """Add a mean in double precision."""
    for k in range(len(line)):
        line[k] = line[k] + mean
