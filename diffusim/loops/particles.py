"""Particles: placed in cells, and moved by exact jumps in space.

Positions are in cells: 3.25 is a quarter into cell 3, and a particle's cell is ``int(position)``.
Particles are numbered from ``first`` on; every random number depends on that number, on the key and
on its place in this table alone:

======================  ========  =======  ===========================================
used for                sub-step  draw     the four words
======================  ========  =======  ===========================================
`place`, `draw_cells`   0         PLACE    cell (two words), place in it along each axis
`jump`                  0         JUMP     deviates of two particles, p // 2
`scatter_within`        sub_step  SCATTER  two uniform numbers
======================  ========  =======  ===========================================

So any division of the particles into chunks, on any number of threads, gives the same result, as
does the same call made twice: a further jump needs a further key. The loops leave the interpreter
free while they run; threads need disjoint particles, and ``counts`` of their own that are added up
at the end. Who wants to be asked in between passes slices.

Particles travel in lanes, `LANES` at a time, and what is looked up in tables is looked up in loops
of its own: the arithmetic in between then runs on vectors, without branches that a processor could
guess wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined
from diffusim.loops.random import HALF, LANES, WORD, counters, fill_single, fill_units, philox, unit

Array = NDArray[Any]

PLACE, JUMP, SCATTER, COUNT, HOP = (np.uint64(draw) for draw in range(5))
ZERO = np.uint64(0)
TO_UNIT = 2.0**-32
BEFORE = 1.0 - 2.0**-53  # x times this is the number next below x > 0


def place(
    position: Array, first: int, key0: int, key1: int, cumulative: Array, counts: Array
) -> None:
    """Throw particles into cells, each by itself, and anywhere within its cell.

    Parameters
    ----------
    position : (2, n) array of float64
        Filled with the places of the particles, along the first axis and along the second.
    first : int
        Number of the first of these particles.
    key0, key1 : int
        The key, two whole numbers below 2^32.
    cumulative : (n0 * n1,) array of float64
        Cumulative probability of the cells in C order, ending in exactly 1.0. The cell is the first
        one whose entry exceeds a uniform number in [0, 1), so cells of probability zero stay empty.
    counts : (n0, n1) array of int64
        Increased by the number of particles in each cell.
    """
    _place(position[0], position[1], *counters(first, key0, key1), cumulative, counts)


def draw_cells(
    cell: Array, first: int, key0: int, key1: int, cumulative: Array, counts: Array
) -> None:
    """Throw particles into cells, the same ones as `place` does, keeping the cells only.

    ``cell`` of shape (n,), int32 or int64, takes their indices in C order; the rest is as there.
    """
    _draw_cells(cell, *counters(first, key0, key1), cumulative, counts)


def jump(
    position: Array,
    first: int,
    key0: int,
    key1: int,
    sigma0: float,
    sigma1: float,
    floor0: Array,
    ceiling0: Array,
    floor1: Array,
    ceiling1: Array,
    wrap0: bool,
    wrap1: bool,
    counts: Array,
) -> None:
    """Move every particle by one Gaussian jump, exact for any duration in an even medium.

    A jump that leads through a plane is folded back as often as needed: the sum over all mirror
    images of the plane's Gaussian. Deviates are those of single precision, see
    `diffusim.loops.random`; places are kept in double.

    Parameters
    ----------
    position, first, key0, key1, counts
        As in `place`. No particle ends on its upper plane or beyond.
    sigma0, sigma1 : float
        Standard deviations sqrt(2 D t) / h in cells; an axis of zero keeps its bits.
    floor0, ceiling0, floor1, ceiling1 : arrays of float64 of length n0, n0, n1, n1
        Planes that enclose a cell's particles along each axis: 0 and n0 in a box, i and i + 1
        between walls.
    wrap0, wrap1 : bool
        Whether the axis is periodic; its planes do not count then.
    """
    sigmas = float(sigma0), float(sigma1)
    planes = floor0, ceiling0, floor1, ceiling1
    wraps = bool(wrap0), bool(wrap1)
    key = counters(first, key0, key1)
    _jump(position[0], position[1], *key, *sigmas, *planes, *wraps, counts)


def scatter_within(position: Array, first: int, key0: int, key1: int, sub_step: int) -> None:
    """Put every particle anywhere within its own cell, as diffusion in a closed cell does at last.

    ``sub_step`` tells several scatterings with one key apart; the rest is as in `place`.
    """
    _scatter(position[0], position[1], *counters(first, key0, key1), np.uint64(sub_step))


@inlined
def inside(x: float, floor: float, ceiling: float) -> float:
    """Return ``x``, or the nearest number that is in [floor, ceiling)."""
    x = x if x >= floor else floor
    return x if x < ceiling else ceiling * BEFORE


@inlined
def fold(x: float, floor: float, ceiling: float) -> float:
    """Return where ``x`` lies after all its reflections between two planes, by their images."""
    period = 2.0 * (ceiling - floor)
    y = x - floor
    return inside(floor + abs(y - period * np.rint(y / period)), floor, ceiling)


@inlined
def wind(x: float, length: float) -> float:
    """Return ``x`` on a circle of a given length."""
    return inside(x - length * np.floor(x / length), 0.0, length)


@inlined
def carry(
    x: Array,
    z: Array,
    low: Array,
    high: Array,
    sigma: float,
    floor: Array,
    ceiling: Array,
    wrap: bool,
) -> None:
    """Move particles along one axis by ``sigma`` times their deviates, round it or between planes.

    The planes are looked up first, in a loop of their own: the arithmetic then runs on vectors.
    """
    if sigma == 0.0:
        return
    if wrap:
        length = float(len(floor))
        for k in range(len(x)):
            x[k] = wind(x[k] + sigma * np.float64(z[k]), length)
        return
    for k in range(len(x)):
        i = int(x[k])
        low[k], high[k] = floor[i], ceiling[i]
    for k in range(len(x)):
        x[k] = fold(x[k] + sigma * np.float64(z[k]), low[k], high[k])


@inlined
def find(found: Array, probe: Array, cumulative: Array, u: Array, count: int) -> None:
    """Set ``found[:count]`` to the first index whose cumulative probability exceeds ``u[k]``.

    All searches halve together: looking up and comparing in loops of their own leaves no branch to
    be guessed wrong.
    """
    for k in range(count):
        found[k] = 0
    n = len(cumulative)
    while n > 1:
        half = n // 2
        for k in range(count):
            probe[k] = cumulative[found[k] + half - 1]
        for k in range(count):
            found[k] += half if probe[k] <= u[k] else 0
        n -= half


@inlined
def beside(i: int, side: int, n: int, wrap: bool) -> int:
    """Return the cell below (side 0) or above (side 1) cell ``i`` of ``n``, or for others itself.

    At the rim that is the opposite cell of a ring, and else the cell itself.
    """
    to = i + (1 if side == 1 else 0) - (1 if side == 0 else 0)
    below, above = (n - 1, 0) if wrap else (0, n - 1)
    return below if to < 0 else (above if to >= n else to)


@inlined
def put(x: Array, y: Array, found: Array, v: Array, w: Array, counts: Array) -> None:
    """Put particles into the cells found for them, parts ``v`` and ``w`` of them in, and count."""
    n1 = counts.shape[1]
    for k in range(len(x)):
        i, j = divmod(found[k], n1)
        x[k] = inside(i + v[k], 0.0, i + 1.0)
        y[k] = inside(j + w[k], 0.0, j + 1.0)
        counts[i, j] += 1


@inlined
def keep(cell: Array, found: Array, counts: Array) -> None:
    """Keep the cells found for particles, and count."""
    n1 = counts.shape[1]
    for k in range(len(cell)):
        i, j = divmod(found[k], n1)
        cell[k] = found[k]
        counts[i, j] += 1


@compiled
def _jump(
    x: Array,
    y: Array,
    first: Any,
    key0: Any,
    key1: Any,
    sigma0: float,
    sigma1: float,
    floor0: Array,
    ceiling0: Array,
    floor1: Array,
    ceiling1: Array,
    wrap0: bool,
    wrap1: bool,
    counts: Array,
) -> None:
    low, high, words = np.empty(LANES), np.empty(LANES), np.empty((4, LANES), np.uint32)
    u, v = np.empty(2 * LANES, np.float32), np.empty(2 * LANES, np.float32)
    for start in range(0, len(x), LANES):
        stop = min(start + LANES, len(x))
        here = first + np.uint64(start)
        odd = int(here & np.uint64(1))
        count = (stop - start + odd + 1) // 2
        fill_single(u, v, words, here, count, key0, key1, ZERO, JUMP)
        carry(x[start:stop], u[odd:], low, high, sigma0, floor0, ceiling0, wrap0)
        carry(y[start:stop], v[odd:], low, high, sigma1, floor1, ceiling1, wrap1)
        for k in range(start, stop):
            counts[int(x[k]), int(y[k])] += 1


@compiled
def _place(
    x: Array, y: Array, first: Any, key0: Any, key1: Any, cumulative: Array, counts: Array
) -> None:
    u, v, w, probe = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    found = np.empty(LANES, np.int64)
    for start in range(0, len(x), LANES):
        stop = min(start + LANES, len(x))
        for k in range(stop - start):
            p = first + np.uint64(start + k)
            a, b, c, d = philox(p & WORD, p >> HALF, ZERO, PLACE, key0, key1)
            u[k], v[k], w[k] = unit(a, b), c * TO_UNIT, d * TO_UNIT
        find(found, probe, cumulative, u, stop - start)
        put(x[start:stop], y[start:stop], found, v, w, counts)


@compiled
def _draw_cells(
    cell: Array, first: Any, key0: Any, key1: Any, cumulative: Array, counts: Array
) -> None:
    u, probe, found = np.empty(LANES), np.empty(LANES), np.empty(LANES, np.int64)
    for start in range(0, len(cell), LANES):
        stop = min(start + LANES, len(cell))
        n = stop - start
        fill_units(u[:n], first + np.uint64(start), key0, key1, ZERO, PLACE)
        find(found, probe, cumulative, u, n)
        keep(cell[start:stop], found, counts)


@compiled
def _scatter(x: Array, y: Array, first: Any, key0: Any, key1: Any, sub_step: Any) -> None:
    for k in range(len(x)):
        p = first + np.uint64(k)
        a, b, c, d = philox(p & WORD, p >> HALF, sub_step, SCATTER, key0, key1)
        i, j = np.floor(x[k]), np.floor(y[k])
        x[k] = inside(i + unit(a, b), i, i + 1.0)
        y[k] = inside(j + unit(c, d), j, j + 1.0)
