"""Particles between membranes: exact jumps that meet at most one of them at a time.

A particle at a distance d from a plane, whose free jump away from it would be B = sigma z, has its
least place at -m with m = (sqrt(B^2 - 2 sigma^2 log U) - B) / 2, exactly, for a uniform U. The
plane holds it back by l = max(0, m - d) (Skorokhod), so it ends at a distance d + B + l, and, since
it passes a membrane of permeability P at the rate P / D of that l, there and back, on the other
side with probability (1 - exp(-2 P l / D)) / 2: snapping-out Brownian motion.

====================  ========  ==========  =====================================================
used for              sub-step  draw        the four words
====================  ========  ==========  =====================================================
`cross`               its own   JUMP        two normal deviates
`cross`, axis k       its own   PASS + k    U, and whether it ends on the other side, two words each
====================  ========  ==========  =====================================================

A. Lejay, "The snapping out Brownian motion", Ann. Appl. Probab. 26 (2016) 1727-1742.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined
from diffusim.loops.particles import BEFORE, JUMP, inside, wind
from diffusim.loops.random import HALF, WORD, counters, logarithm, normal_pair, philox, unit

Array = NDArray[Any]

PASS = np.uint64(7)
# No deviate is larger than sqrt(2 log 2^52), so nothing further away in sigma is ever reached.
REACH = 8.5


def cross(
    position: Array,
    first: int,
    key0: int,
    key1: int,
    steps: int,
    sigmas: tuple[float, float],
    planes: tuple[Array, Array],
    wraps: tuple[bool, bool],
    counts: Array,
) -> None:
    """Move every particle by a number of equal jumps between planes of which one is in reach.

    Parameters
    ----------
    position, first, key0, key1, counts
        As in `particles.jump`.
    steps : int
        How many jumps.
    sigmas : pair of float
        Standard deviation of one of them along each axis, in cells.
    planes : pair of (4, n) arrays of float64
        Along each axis, for each cell: the place of the plane below and above in cells, infinite
        where there is none, and 2 P h / D of the two, zero for a wall. Neighbouring planes are at
        least twice ``REACH`` sigmas apart.
    wraps : pair of bool
        Whether the axis is periodic; the places of its planes may be outside of it.
    """
    key = counters(first, key0, key1)
    _cross(position[0], position[1], *key, int(steps), float(sigmas[0]), float(sigmas[1]),
           planes[0], planes[1], bool(wraps[0]), bool(wraps[1]), counts)  # fmt: skip


@inlined
def passed(
    x: float, z: float, u: float, v: float, sigma: float, up: bool, plane: float, rate: float
) -> float:
    """Return where a particle ends after a jump within the reach of one plane, above it if up."""
    away = -sigma * z if up else sigma * z
    d = plane - x if up else x - plane
    least = 0.5 * (math.sqrt(away * away - 2.0 * sigma * sigma * logarithm(1.0 - u)) - away)
    held = max(0.0, least - d)
    apart = max(0.0, d + away + held)
    crosses = v < 0.5 - 0.5 * math.exp(-rate * held)
    if up != crosses:
        y = plane - apart
        # Places on a plane belong to the cell above it.
        return y if y < plane else plane - abs(plane) * (1.0 - BEFORE)
    return plane + apart


@inlined
def along(
    x: float,
    z: float,
    p: Any,
    step: Any,
    draw: Any,
    key0: Any,
    key1: Any,
    sigma: float,
    planes: Array,
    wrap: bool,
) -> float:
    """Return where a particle is after one jump along one axis."""
    if sigma == 0.0:
        return x
    i = int(x)
    n = float(planes.shape[1])
    up = planes[1, i] - x < x - planes[0, i]
    plane = planes[1, i] if up else planes[0, i]
    if abs(plane - x) < REACH * sigma:
        a, b, c, d = philox(p & WORD, p >> HALF, step, draw, key0, key1)
        rate = planes[3, i] if up else planes[2, i]
        x = passed(x, z, unit(a, b), unit(c, d), sigma, up, plane, rate)
    else:
        x = x + sigma * z
    return wind(x, n) if wrap else inside(x, 0.0, n)


@compiled
def _cross(
    x: Array,
    y: Array,
    first: Any,
    key0: Any,
    key1: Any,
    steps: int,
    sigma0: float,
    sigma1: float,
    planes0: Array,
    planes1: Array,
    wrap0: bool,
    wrap1: bool,
    counts: Array,
) -> None:
    for k in range(len(x)):
        p = first + np.uint64(k)
        s, t = x[k], y[k]
        for number in range(steps):
            step = np.uint64(number)
            a, b, c, d = philox(p & WORD, p >> HALF, step, JUMP, key0, key1)
            z, w = normal_pair(a, b, c, d)
            s = along(s, z, p, step, PASS, key0, key1, sigma0, planes0, wrap0)
            t = along(t, w, p, step, PASS + np.uint64(1), key0, key1, sigma1, planes1, wrap1)
        x[k], y[k] = s, t
        counts[int(s), int(t)] += 1
