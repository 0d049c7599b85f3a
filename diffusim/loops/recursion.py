"""Recursive filters: each value is made of those before it and of what comes in."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from diffusim.loops.compiled import compiled

Array = NDArray[Any]


@compiled
def line(x: Array, ar: Array, ma: Array, y: Array) -> None:
    """Filter one series, y_t = sum_i ar_i y_(t-i) + x_t + sum_j ma_j x_(t-j).

    What needs y_(t-1) comes last, so that the next value waits for one product and one sum only.

    Parameters
    ----------
    x : array
        Shape (q + n,): the q values before the first come first.
    ar, ma : array
        Shapes (p,) and (q,), of the dtype of x.
    y : array
        Shape (p + n,); the first p are the values before the first, the others are written.
    """
    p, q = ar.size, ma.size
    for t in range(y.size - p):
        total = x[q + t]
        for j in range(q):
            total += ma[j] * x[q + t - 1 - j]
        for i in range(p - 1, -1, -1):
            total += ar[i] * y[p + t - 1 - i]
        y[p + t] = total


@compiled
def columns(x: Array, ar: Array, ma: Array, y: Array) -> None:
    """Filter the columns of an array, each a series, as `line` does, to the last bit.

    Parameters
    ----------
    x : array
        Shape (q + n, m), C-contiguous.
    ar, ma : array
        Shapes (p,) and (q,), of the dtype of x.
    y : array
        Shape (p + n, m), C-contiguous; all but the first p rows are written.
    """
    p, q, width = ar.size, ma.size, x.shape[1]
    for t in range(y.shape[0] - p):
        here, new = x[q + t], y[p + t]
        for k in range(width):
            new[k] = here[k]
        for j in range(q):
            weight, before = ma[j], x[q + t - 1 - j]
            for k in range(width):
                new[k] += weight * before[k]
        for i in range(p - 1, -1, -1):
            weight, before = ar[i], y[p + t - 1 - i]
            for k in range(width):
                new[k] += weight * before[k]
