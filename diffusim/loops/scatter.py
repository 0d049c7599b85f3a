"""Scattering: the whole content of a pixel is carried to one place that chance draws.

A history is numbered by its shot and its pixel, index = shot * cells + pixel. Its random numbers
are those of the counter (pixel, shot, application, MOVE), so any division into stretches of
histories gives the same result, as does the same call made twice: a further application needs a
further number, and a further segment a further key.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled
from diffusim.loops.particles import find
from diffusim.loops.random import LANES, counters, philox, unit

Array = NDArray[Any]

MOVE = np.uint64(0)


def scatter(
    place: Array,
    first: int,
    cells: int,
    key0: int,
    key1: int,
    application: int,
    cumulative: Array,
    shape: tuple[int, int],
    places0: Array,
    places1: Array,
) -> None:
    """Draw a move for each of some histories, and carry it there.

    Parameters
    ----------
    place : (n,) array of int32
        The cells i * n1 + j where the histories are, or -1 outside, where they stay; advanced in
        place.
    first : int
        Index of the first of these histories.
    cells : int
        Pixels, which is how many histories a shot has.
    key0, key1 : int
        The key, two whole numbers below 2^32.
    application : int
        Number of the application, below 2^32.
    cumulative : (m0 * m1,) array of float64
        Cumulative probability of the moves in C order, ending in exactly 1.0. The move is the first
        one whose entry exceeds a uniform number in [0, 1), so none of probability zero is drawn.
    shape : (m1, n1)
        Length of a row of the kernel, and of the field.
    places0, places1 : (n + m - 1,) arrays of int64
        The cells for which positions from -(m // 2) on stand, or -1 for none, along either axis.
    """
    here, low, high = counters(first, key0, key1)
    _scatter(place, here, np.uint64(cells), low, high, np.uint64(application), cumulative,
             *shape, places0, places1)  # fmt: skip


def gather(place: Array, first: int, start: Array, out: Array) -> None:
    """Add to each cell the content of all pixels that are there.

    Parameters
    ----------
    place : (n,) array of int32
        The cells where histories are, or -1.
    first : int
        Index of the first of them.
    start : (cells,) array of float64
        What the pixels hold.
    out : (cells,) array of float64
        Is added to.
    """
    _gather(place, int(first) % len(start), start, out)


@compiled
def _scatter(
    place: Array,
    first: Any,
    cells: Any,
    key0: Any,
    key1: Any,
    application: Any,
    cumulative: Array,
    m1: int,
    n1: int,
    places0: Array,
    places1: Array,
) -> None:
    u, probe, found = np.empty(LANES), np.empty(LANES), np.empty(LANES, np.int64)
    for start in range(0, len(place), LANES):
        n = min(LANES, len(place) - start)
        for k in range(n):
            index = first + np.uint64(start + k)
            shot = index // cells
            a, b, _, _ = philox(index - shot * cells, shot, application, MOVE, key0, key1)
            u[k] = unit(a, b)
        find(found, probe, cumulative, u, n)
        for k in range(n):
            here = place[start + k]
            if here >= 0:
                i, j = divmod(here, n1)
                a0, a1 = divmod(found[k], m1)
                p, q = places0[i + a0], places1[j + a1]
                place[start + k] = p * n1 + q if p >= 0 and q >= 0 else -1


@compiled
def _gather(place: Array, pixel: int, start: Array, out: Array) -> None:
    for k in range(len(place)):
        if place[k] >= 0:
            out[place[k]] += start[pixel]
        pixel = pixel + 1 if pixel + 1 < len(start) else 0
