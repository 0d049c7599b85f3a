"""Particles placed and moved by points that fill space more evenly than independent ones do.

Point i of Sobol's sequence belongs to particle i: two of its four dimensions say where it starts,
two how it jumps first. Digits are scrambled as a tree (Owen), by a hash whose seeds come from the
key, so that every single point is uniform and the mean over keys is without bias; what is below
2^-32 is taken from the particle's own random words. Further jumps take the points in an order that
is scrambled by a key of its own: jumps that kept to one order would all go the same way.

I. M. Sobol', USSR Comput. Math. Math. Phys. 7 (1967) 86-112; S. Joe and F. Y. Kuo, SIAM J. Sci.
Comput. 30 (2008) 2635-2654 (direction numbers); A. B. Owen, in Monte Carlo and Quasi-Monte Carlo
Methods in Scientific Computing (1995) 299-317; S. Laine and T. Karras, Comput. Graph. Forum 30
(2011) 1269-1276, and B. Burley, J. Comput. Graph. Tech. 9 (2020) 1-20 (scrambling by a hash).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined
from diffusim.loops.particles import JUMP, PLACE, ZERO, carry, find, inside, keep, put
from diffusim.loops.random import HALF, LANES, WORD, counters, normal_pair, philox, unit

Array = NDArray[Any]

SCRAMBLE = np.uint64(6)
BITS = 32
# Of each dimension but the first: the coefficients of its polynomial and its first numbers.
JOE_KUO = ((0, (1,)), (1, (1, 3)), (1, (1, 3, 1)))


def _directions() -> NDArray[np.uint64]:
    """Direction numbers of four dimensions, of 32 bits each; the first reverses the digits."""
    numbers = [[1 << (BITS - 1 - bit) for bit in range(BITS)]]
    for coefficients, start in JOE_KUO:
        degree = len(start)
        own = [m << (BITS - 1 - k) for k, m in enumerate(start)]
        for k in range(degree, BITS):
            value = own[k - degree] ^ (own[k - degree] >> degree)
            for q in range(1, degree):
                if coefficients >> (degree - 1 - q) & 1:
                    value ^= own[k - q]
            own.append(value)
        numbers.append(own)
    return np.array(numbers, dtype=np.uint64)


DIRECTIONS = _directions()
STARTS, JUMPS = 0, 2  # the first of the two dimensions for each


def place(
    position: Array, first: int, key0: int, key1: int, cumulative: Array, counts: Array
) -> None:
    """Put particles into cells and within them; arguments as in `particles.place`.

    The first dimension finds the row of cells and the place across it, the second one the cell of
    that row and the place along it.
    """
    rows = np.ascontiguousarray(cumulative[counts.shape[1] - 1 :: counts.shape[1]])
    key = counters(first, key0, key1)
    _place(position[0], position[1], *key, rows, cumulative, counts, DIRECTIONS)


def draw_cells(
    cell: Array, first: int, key0: int, key1: int, cumulative: Array, counts: Array
) -> None:
    """Put particles into the same cells as `place` does, keeping the cells only."""
    rows = np.ascontiguousarray(cumulative[counts.shape[1] - 1 :: counts.shape[1]])
    _draw_cells(cell, *counters(first, key0, key1), rows, cumulative, counts, DIRECTIONS)


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
    mixed: bool,
) -> None:
    """Move every particle by one Gaussian jump; ``mixed`` takes the points in an order of its own.

    The other arguments are those of `particles.jump`.
    """
    sigmas = float(sigma0), float(sigma1)
    planes = floor0, ceiling0, floor1, ceiling1
    key = counters(first, key0, key1)
    _jump(position[0], position[1], *key, *sigmas, *planes, bool(wrap0), bool(wrap1), counts,
          bool(mixed), DIRECTIONS)  # fmt: skip


@inlined
def reverse(x: Any) -> Any:
    """Return a word of 32 bits with its bits in the opposite order."""
    x = ((x >> np.uint64(1)) & np.uint64(0x55555555)) | (
        (x & np.uint64(0x55555555)) << np.uint64(1)
    )
    x = ((x >> np.uint64(2)) & np.uint64(0x33333333)) | (
        (x & np.uint64(0x33333333)) << np.uint64(2)
    )
    x = ((x >> np.uint64(4)) & np.uint64(0x0F0F0F0F)) | (
        (x & np.uint64(0x0F0F0F0F)) << np.uint64(4)
    )
    x = ((x >> np.uint64(8)) & np.uint64(0x00FF00FF)) | (
        (x & np.uint64(0x00FF00FF)) << np.uint64(8)
    )
    return (x >> np.uint64(16)) | ((x & np.uint64(0xFFFF)) << np.uint64(16))


@inlined
def scramble(x: Any, seed: Any) -> Any:
    """Return a word whose every bit is turned or not by a hash of the bits before it."""
    y = (reverse(x) + seed) & WORD
    y ^= (y * np.uint64(0x6C50B47C)) & WORD
    y ^= (y * np.uint64(0xB82F1E52)) & WORD
    y ^= (y * np.uint64(0xC7AFE638)) & WORD
    y ^= (y * np.uint64(0x8D22F6E6)) & WORD
    return reverse(y)


@inlined
def fill_points(
    a: Array,
    b: Array,
    index: Array,
    first: Any,
    key0: Any,
    key1: Any,
    dimension: int,
    mixed: bool,
    directions: Array,
) -> None:
    """Fill two arrays with words of two dimensions of the particles' points."""
    seed0, seed1, order, _ = philox(ZERO, ZERO, ZERO, SCRAMBLE, key0, key1)
    for k in range(len(a)):
        index[k] = (first + np.uint64(k)) & WORD
        a[k], b[k] = ZERO, ZERO
    if mixed:
        for k in range(len(a)):
            index[k] = scramble(index[k], order)
    for bit in range(BITS):
        v, w = directions[dimension, bit], directions[dimension + 1, bit]
        for k in range(len(a)):
            some = ((index[k] >> np.uint64(bit)) & np.uint64(1)) * WORD
            a[k] ^= v & some
            b[k] ^= w & some
    for k in range(len(a)):
        a[k], b[k] = scramble(a[k], seed0), scramble(b[k], seed1)


@inlined
def part_of(u: float, found: int, cumulative: Array) -> float:
    """Return where in its part of a distribution a number lies, from 0 to 1."""
    low = cumulative[found - 1] if found > 0 else 0.0
    return (u - low) / (cumulative[found] - low)


@inlined
def locate(
    u: Array,
    v: Array,
    found: Array,
    row: Array,
    probe: Array,
    rows: Array,
    cumulative: Array,
    count: int,
) -> None:
    """Find the cells of two uniform numbers each, and turn these into places within them."""
    find(row, probe, rows, u, count)
    for k in range(count):
        low = rows[row[k] - 1] if row[k] > 0 else 0.0
        high = rows[row[k]]
        u[k] = (u[k] - low) / (high - low)
        v[k] = inside(low + v[k] * (high - low), low, high)
    find(found, probe, cumulative, v, count)
    for k in range(count):
        v[k] = part_of(v[k], found[k], cumulative)


@inlined
def fill_starts(
    u: Array,
    v: Array,
    a: Array,
    b: Array,
    index: Array,
    first: Any,
    key0: Any,
    key1: Any,
    directions: Array,
) -> None:
    """Fill two arrays with the uniform numbers that say where the particles start."""
    fill_points(a, b, index, first, key0, key1, STARTS, False, directions)
    for k in range(len(a)):
        p = first + np.uint64(k)
        c, d, _, _ = philox(p & WORD, p >> HALF, ZERO, PLACE, key0, key1)
        u[k], v[k] = unit(a[k], c), unit(b[k], d)


@compiled
def _place(
    x: Array,
    y: Array,
    first: Any,
    key0: Any,
    key1: Any,
    rows: Array,
    cumulative: Array,
    counts: Array,
    directions: Array,
) -> None:
    u, v, probe = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    words = np.empty((3, LANES), np.uint64)
    found, row = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for start in range(0, len(x), LANES):
        stop = min(start + LANES, len(x))
        n = stop - start
        a, b, index = words[0, :n], words[1, :n], words[2, :n]
        fill_starts(u, v, a, b, index, first + np.uint64(start), key0, key1, directions)
        locate(u, v, found, row, probe, rows, cumulative, n)
        put(x[start:stop], y[start:stop], found, u, v, counts)


@compiled
def _draw_cells(
    cell: Array,
    first: Any,
    key0: Any,
    key1: Any,
    rows: Array,
    cumulative: Array,
    counts: Array,
    directions: Array,
) -> None:
    u, v, probe = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    words = np.empty((3, LANES), np.uint64)
    found, row = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for start in range(0, len(cell), LANES):
        stop = min(start + LANES, len(cell))
        n = stop - start
        a, b, index = words[0, :n], words[1, :n], words[2, :n]
        fill_starts(u, v, a, b, index, first + np.uint64(start), key0, key1, directions)
        locate(u, v, found, row, probe, rows, cumulative, n)
        keep(cell[start:stop], found, counts)


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
    mixed: bool,
    directions: Array,
) -> None:
    u, v, low, high = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    words = np.empty((3, LANES), np.uint64)
    for start in range(0, len(x), LANES):
        stop = min(start + LANES, len(x))
        n, number = stop - start, first + np.uint64(start)
        a, b, index = words[0, :n], words[1, :n], words[2, :n]
        fill_points(a, b, index, number, key0, key1, JUMPS, mixed, directions)
        for k in range(n):
            p = number + np.uint64(k)
            c, d, _, _ = philox(p & WORD, p >> HALF, ZERO, JUMP, key0, key1)
            u[k], v[k] = normal_pair(a[k], c, b[k], d)
        carry(x[start:stop], u, low, high, sigma0, floor0, ceiling0, wrap0)
        carry(y[start:stop], v, low, high, sigma1, floor1, ceiling1, wrap1)
        for k in range(start, stop):
            counts[int(x[k]), int(y[k])] += 1
