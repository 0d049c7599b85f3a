"""Means of a solution over cells, and values from a Laplace transform: two exact quadratures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from diffusim.block import Array

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
# Panels of half a standard deviation, as far as an error function can be told from its end.
_STEPS = 0.5 * np.arange(-20, 21)
# Of the cotangent contour of J. A. C. Weideman and L. N. Trefethen, Math. Comp. 76 (2007) 1341, and
# L. N. Trefethen, J. A. C. Weideman, T. Schmelzer, BIT 46 (2006) 653: the error is 3.89^-count.
_COUNT = 26


def means(
    values: Callable[[Array], Array],
    x: Array,
    cell: float,
    *,
    power: int = 0,
    places: Sequence[float] = (),
    spread: float = 0.0,
    widest: float = math.inf,
) -> Array:
    """Mean of a function over cells: sum_i w_i r_i^p f(r_i) / sum_i w_i r_i^p.

    All weights are positive, so nothing cancels. Each cell is cut where the function has a layer
    and into parts that are narrow beside its waves; 12 nodes of Gauss and Legendre in each part
    then leave round-off only.

    Parameters
    ----------
    values : callable
        The function, of an array of places in m.
    x : array
        Centres of the cells in m.
    cell : float
        Their length in m; zero for values at points.
    power : int
        Of the radial weight: 0 on a line, 1 on a disc, 2 in a ball.
    places, spread : sequence of float, float
        Where layers lie, and their standard deviation in m.
    widest : float
        Longest part in m, a radian of the fastest wave.
    """
    if cell == 0.0:
        return np.asarray(values(x))
    centre = np.ravel(x)[:, None]
    low, high = centre - 0.5 * cell, centre + 0.5 * cell
    even = np.linspace(low, high, max(1, math.ceil(cell / widest)) + 1, axis=1)[:, :, 0]
    layers = [np.clip(place + spread * _STEPS[None, :], low, high) for place in places]
    cuts = np.sort(np.concatenate([even, *layers], axis=1), axis=1)
    owner, part = np.nonzero(np.diff(cuts, axis=1) > 0.0)
    start, end = cuts[owner, part], cuts[owner, part + 1]
    half = 0.5 * (end - start)[:, None]
    places_of = 0.5 * (start + end)[:, None] + half * _NODES[None, :]
    weights = half * _WEIGHTS[None, :] * np.abs(places_of) ** power
    found = values(places_of.ravel()).reshape(places_of.shape)
    above = np.bincount(owner, np.sum(weights * found, axis=1), centre.size)
    below = np.bincount(owner, np.sum(weights, axis=1), centre.size)
    return np.asarray((above / below).reshape(np.shape(x)))


def from_transform(transform: Callable[[complex], Array], t: float) -> Array:
    """Value at a time t > 0 of what has a Laplace transform without singularities far from s < 0.

    f(t) = 1 / (2 pi i) int exp(s t) F(s) ds by the midpoint rule on the contour
    s t = n (0.5017 a cot(0.6407 a) - 0.6122 + 0.2645 i a), -pi < a < pi, which is good to some
    1e-14 of the largest value at n = 26. F must be real on the real axis.

    References
    ----------
    L. N. Trefethen, J. A. C. Weideman, T. Schmelzer, BIT Numer. Math. 46 (2006) 653.
    """
    total: Array = np.zeros(())
    for k in range(_COUNT // 2):
        angle = (2 * k + 1) * math.pi / _COUNT
        turn = 0.6407 * angle
        z = _COUNT * complex(0.5017 * angle / math.tan(turn) - 0.6122, 0.2645 * angle)
        slope = _COUNT * complex(
            0.5017 / math.tan(turn) - 0.5017 * turn / math.sin(turn) ** 2, 0.2645
        )
        factor = np.exp(z) * slope * 2.0 / (1j * _COUNT * t)
        total = total + np.real(factor * transform(z / t))
    return np.asarray(total)


def blocks(count: int, size: int = 512) -> list[Array]:
    """Numbers 0, 1, ..., count - 1 in columns that memory can hold beside many places."""
    return [np.arange(a, min(a + size, count))[:, None] for a in range(0, count, size)]


def terms(slowest: float) -> int:
    """Terms of sum_n exp(-(n pi)^2 slowest) that are above 1e-18, and two more."""
    return math.ceil(6.5 / (math.pi * math.sqrt(slowest))) + 2
