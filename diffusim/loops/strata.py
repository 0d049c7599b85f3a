"""Particles placed one in each of as many equal parts of the distribution as there are particles.

Particle p of N takes its uniform number out of [p / N, (p + 1) / N), so a cell that expects m
particles gets m but for less than two. The words are those of `particles.place`.

W. G. Cochran, *Sampling Techniques*, 3rd ed., Wiley 1977, chapter 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined
from diffusim.loops.particles import PLACE, TO_UNIT, ZERO, find, inside, keep, put
from diffusim.loops.random import HALF, LANES, WORD, counters, philox, unit

Array = NDArray[Any]


def place(
    position: Array, first: int, key0: int, key1: int, cumulative: Array, counts: Array, total: int
) -> None:
    """Put particles into cells and within them; ``total`` is how many there are in all.

    The other arguments are those of `particles.place`.
    """
    key = counters(first, key0, key1)
    _place(position[0], position[1], *key, cumulative, counts, float(total))


def draw_cells(
    cell: Array, first: int, key0: int, key1: int, cumulative: Array, counts: Array, total: int
) -> None:
    """Put particles into the same cells as `place` does, keeping the cells only."""
    _draw_cells(cell, *counters(first, key0, key1), cumulative, counts, float(total))


@inlined
def fill_strata(
    u: Array, v: Array, w: Array, first: Any, key0: Any, key1: Any, total: float, count: int
) -> None:
    """Fill arrays with a number out of each particle's own part, and two of its own for places."""
    for k in range(count):
        p = first + np.uint64(k)
        a, b, c, d = philox(p & WORD, p >> HALF, ZERO, PLACE, key0, key1)
        u[k] = inside((np.float64(p) + unit(a, b)) / total, 0.0, 1.0)
        v[k], w[k] = c * TO_UNIT, d * TO_UNIT


@compiled
def _place(
    x: Array,
    y: Array,
    first: Any,
    key0: Any,
    key1: Any,
    cumulative: Array,
    counts: Array,
    total: float,
) -> None:
    u, v, w, probe = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    found = np.empty(LANES, np.int64)
    for start in range(0, len(x), LANES):
        stop = min(start + LANES, len(x))
        n = stop - start
        fill_strata(u, v, w, first + np.uint64(start), key0, key1, total, n)
        find(found, probe, cumulative, u, n)
        put(x[start:stop], y[start:stop], found, v, w, counts)


@compiled
def _draw_cells(
    cell: Array,
    first: Any,
    key0: Any,
    key1: Any,
    cumulative: Array,
    counts: Array,
    total: float,
) -> None:
    u, v, w, probe = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    found = np.empty(LANES, np.int64)
    for start in range(0, len(cell), LANES):
        stop = min(start + LANES, len(cell))
        n = stop - start
        fill_strata(u, v, w, first + np.uint64(start), key0, key1, total, n)
        find(found, probe, cumulative, u, n)
        keep(cell[start:stop], found, counts)
