"""Convolution by direct summation: kernels of any shape, and symmetric ones axis after axis.

What lies beyond the rim is brought back by *places*, integer maps from positions, inside and
outside, to the cells they stand for; -1 stands for none. So no loop knows mirrors, rings or walls:
whoever makes the map does.

Several weights are taken in one pass over a row, and the row's sums stay in the nearest cache. All
positions are unsigned: with signed ones the compiler would have to allow for counting from the end,
and no vector instructions would be left (six times slower).

Arrays are two-dimensional, C-contiguous and of one dtype, float32 or float64, in which all sums are
taken; places are int64. A problem in one dimension is an array of shape (1, n). What is written
must not overlap any other array, of which the compiler makes use. Nothing is checked: wrong shapes
and places are the caller's fault.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined
from diffusim.loops.faces import apart

Array = NDArray[Any]


@compiled
def correlate(padded: Array, kernel: Array, out: Array) -> None:
    """Write the valid correlation of a padded field, out[i, j] = sum_ab k[a, b] padded[i+a, j+b].

    Terms are added one by one in the order in which the kernel lies in memory, its last index
    running fastest; weights that are zero are left out, whatever they would have met.

    Parameters
    ----------
    padded : (n0 + m0 - 1, n1 + m1 - 1) array
        The field with what surrounds it.
    kernel : (m0, m1) array
        The weights.
    out : (n0, n1) array
        What is written.
    """
    (n0, n1), (m0, m1), wide = out.shape, kernel.shape, padded.shape[1]
    size, source, result = np.uint64(n1), padded.reshape(-1), out.reshape(-1)
    weights, offsets = np.empty(m0 * m1, kernel.dtype), np.empty(m0 * m1, np.uint64)
    count = 0
    for a in range(m0):
        for b in range(m1):
            if kernel[a, b] != 0:
                weights[count], offsets[count] = kernel[a, b], a * wide + b
                count += 1
    # The odd ones first: the weights of a full square kernel of odd size are one and eights.
    odd = (count - 1) % 8 if count > 0 else 0
    for i in range(n0):
        at, start = np.uint64(i * wide), np.uint64(i * n1)
        if count == 0:
            zero(result, start, size)
            continue
        first(result, start, size, source, at + offsets[0], weights[0])
        t = 1
        while t <= odd:
            if odd - t >= 3:
                four(result, start, size, source, at, offsets, weights, t)
                t += 4
            else:
                one(result, start, size, source, at + offsets[t], weights[t])
                t += 1
        while t < count:
            eight(result, start, size, source, at, offsets, weights, t)
            t += 8


@compiled
def separable(
    u: Array,
    work: Array,
    out: Array,
    half0: Array,
    half1: Array,
    places0: Array,
    places1: Array,
    starts0: Array,
    starts1: Array,
) -> None:
    """Convolve with a symmetric kernel along the second axis, then with one along the first.

    Along each axis w_0 u_i + sum_j w_j (u_(i-j) + u_(i+j)), added from the centre outwards, where
    mirrored neighbours are added to each other first: so a field flipped along an axis gives the
    result flipped, to the last bit. A half of one weight that is 1 leaves its axis alone.

    An axis is made of pieces, between walls say, each of which has its own surroundings. Piece c,
    the cells from starts[c] to starts[c + 1], has in ``places`` a stretch that begins at
    starts[c] + 2 r c: r positions before it, its own, and r behind it.

    Parameters
    ----------
    u, out : (n0, n1) arrays
        The field and its convolution.
    work : (n0 + 1, n1) array
        Room for what is between both axes, and for a row of zeros.
    half0, half1 : (r + 1,) arrays
        The weights (w_0, ..., w_r) along either axis.
    places0, places1 : (n + 2 r pieces,) arrays
        The cell for which each position stands, or -1 for none.
    starts0, starts1 : (pieces + 1,) arrays
        Where the pieces of either axis start, and where the last one ends.
    """
    n0, n1 = u.shape
    zero(work.reshape(-1), np.uint64(n0 * n1), np.uint64(n1))
    _along_rows(u, work, half1, places1, starts1)
    _along_columns(work, out, half0, places0, starts0)


@compiled
def pad(u: Array, out: Array, places0: Array, places1: Array, outside: float) -> None:
    """Write u[places0[i], places1[j]] into out[i, j], or ``outside`` where one of them is -1."""
    for i in range(len(places0)):
        p = places0[i]
        for j in range(len(places1)):
            q = places1[j]
            out[i, j] = outside if p < 0 or q < 0 else u[p, q]


@compiled
def fold(full: Array, out: Array, places0: Array, places1: Array) -> None:
    """Add full[i, j] to out[places0[i], places1[j]], row by row, unless one of them is -1."""
    for i in range(len(places0)):
        p = places0[i]
        if p < 0:
            continue
        for j in range(len(places1)):
            q = places1[j]
            if q >= 0:
                out[p, q] += full[i, j]


# --- axis by axis -------------------------------------------------------------------------------


@inlined
def _along_rows(u: Array, work: Array, half: Array, places: Array, starts: Array) -> None:
    (n0, n1), reach = u.shape, len(half) - 1
    line, result = np.empty(len(places), u.dtype), work.reshape(-1)
    low, high = np.empty(reach + 1, np.uint64), np.empty(reach + 1, np.uint64)
    for i in range(n0):
        for k in range(len(places)):
            line[k] = u[i, places[k]] if places[k] >= 0 else 0
        for c in range(len(starts) - 1):
            centre = starts[c] + (2 * c + 1) * reach
            for t in range(reach + 1):
                low[t], high[t] = centre - t, centre + t
            start, size = np.uint64(i * n1 + starts[c]), np.uint64(starts[c + 1] - starts[c])
            symmetric(result, start, size, line, low, high, half)


@inlined
def _along_columns(work: Array, out: Array, half: Array, places: Array, starts: Array) -> None:
    (n0, n1), reach = out.shape, len(half) - 1
    source, result = work.reshape(-1), out.reshape(-1)
    low, high = np.empty(reach + 1, np.uint64), np.empty(reach + 1, np.uint64)
    for c in range(len(starts) - 1):
        for i in range(starts[c], starts[c + 1]):
            centre = i + (2 * c + 1) * reach
            for t in range(reach + 1):
                p, q = places[centre - t], places[centre + t]
                # Behind the last row of cells stands one of zeros, for what lies nowhere.
                low[t], high[t] = (p if p >= 0 else n0) * n1, (q if q >= 0 else n0) * n1
            symmetric(result, np.uint64(i * n1), np.uint64(n1), source, low, high, half)


@inlined
def symmetric(
    out: Array, start: Any, size: Any, source: Array, low: Array, high: Array, half: Array
) -> None:
    """Write one stretch of a convolution with a symmetric kernel.

    With ``low`` and ``high`` the places in ``source`` at which the stretches stand that are t cells
    before and behind this one.
    """
    first(out, start, size, source, low[0], half[0])
    t = 1
    while t + 4 <= len(half):
        four_pairs(out, start, size, source, low, high, half, t)
        t += 4
    while t < len(half):
        pair(out, start, size, source, low[t], high[t], half[t])
        t += 1


# --- one pass over a row ------------------------------------------------------------------------
# ``size`` numbers of ``out`` from ``start`` on, and as many of ``source`` from each place given.


@inlined
def zero(out: Array, start: Any, size: Any) -> None:
    """Write zeros."""
    for j in range(size):
        out[start + j] = 0


@apart
def first(out: Array, start: Any, size: Any, source: Array, p: Any, w: Any) -> None:
    """Write w source."""
    for j in range(size):
        out[start + j] = w * source[p + j]


@apart
def one(out: Array, start: Any, size: Any, source: Array, p: Any, w: Any) -> None:
    """Add one term."""
    for j in range(size):
        out[start + j] += w * source[p + j]


@apart
def four(
    out: Array, start: Any, size: Any, source: Array, at: Any, places: Array, w: Array, t: int
) -> None:
    """Add four terms, from term ``t`` on, one after the other."""
    w0, w1, w2, w3 = w[t], w[t + 1], w[t + 2], w[t + 3]
    p0, p1 = at + places[t], at + places[t + 1]
    p2, p3 = at + places[t + 2], at + places[t + 3]
    for j in range(size):
        total = out[start + j] + w0 * source[p0 + j]
        total = total + w1 * source[p1 + j]
        total = total + w2 * source[p2 + j]
        out[start + j] = total + w3 * source[p3 + j]


@apart
def eight(
    out: Array, start: Any, size: Any, source: Array, at: Any, places: Array, w: Array, t: int
) -> None:
    """Add eight terms, from term ``t`` on, one after the other."""
    w0, w1, w2, w3 = w[t], w[t + 1], w[t + 2], w[t + 3]
    w4, w5, w6, w7 = w[t + 4], w[t + 5], w[t + 6], w[t + 7]
    p0, p1 = at + places[t], at + places[t + 1]
    p2, p3 = at + places[t + 2], at + places[t + 3]
    p4, p5 = at + places[t + 4], at + places[t + 5]
    p6, p7 = at + places[t + 6], at + places[t + 7]
    for j in range(size):
        total = out[start + j] + w0 * source[p0 + j]
        total = total + w1 * source[p1 + j]
        total = total + w2 * source[p2 + j]
        total = total + w3 * source[p3 + j]
        total = total + w4 * source[p4 + j]
        total = total + w5 * source[p5 + j]
        total = total + w6 * source[p6 + j]
        out[start + j] = total + w7 * source[p7 + j]


@apart
def pair(out: Array, start: Any, size: Any, source: Array, p: Any, q: Any, w: Any) -> None:
    """Add a weight times the sum of two mirrored neighbours."""
    for j in range(size):
        out[start + j] += w * (source[p + j] + source[q + j])


@apart
def four_pairs(
    out: Array, start: Any, size: Any, source: Array, low: Array, high: Array, w: Array, t: int
) -> None:
    """Add four pairs of mirrored neighbours, from pair ``t`` on, one after the other."""
    w0, w1, w2, w3 = w[t], w[t + 1], w[t + 2], w[t + 3]
    p0, p1, p2, p3 = low[t], low[t + 1], low[t + 2], low[t + 3]
    q0, q1, q2, q3 = high[t], high[t + 1], high[t + 2], high[t + 3]
    for j in range(size):
        total = out[start + j] + w0 * (source[p0 + j] + source[q0 + j])
        total = total + w1 * (source[p1 + j] + source[q1 + j])
        total = total + w2 * (source[p2 + j] + source[q2 + j])
        out[start + j] = total + w3 * (source[p3 + j] + source[q3 + j])
