"""Solutions that others have published numbers for: NAFEMS T3 and the heat equation of SUNDIALS."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from diffusim.block import Array
from diffusim.exact.means import blocks, from_transform, means, terms
from diffusim.exact.ranges import above_zero, check, finite

# While the end has swung by less than this angle, what stays and what dies away nearly cancel.
SHORT = 0.05


def oscillating(
    x: Any,
    t: float,
    diffusivity: float,
    length: float,
    amplitude: float,
    frequency: float,
    *,
    cell: float = 0.0,
) -> Array:
    """A slab of zeros whose right end swings as A sin(w t), the left one held at zero: NAFEMS T3.

    u = A Im[sinh(q x) / sinh(q L) exp(i w t)] - 2 A w sum_n (-1)^n b_n / (b_n^4 + W^2)
    sin(b_n x / L) exp(-b_n^2 D t / L^2) L^2 / D, b_n = n pi, q^2 = i w / D, W = w L^2 / D.

    Parameters
    ----------
    x : array
        Places in m, from 0 to ``length``.
    t : float
        Time in s.
    diffusivity, length : float
        D in m^2/s, above zero, and L in m.
    amplitude, frequency : float
        A, and w in rad/s, above zero.
    cell : float
        Length of the cells around ``x`` whose means are wanted, in m; zero for values at points.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Carslaw and Jaeger 1959, section 3.6. NAFEMS, *The Standard NAFEMS Benchmarks*, 1990, test T3:
    L 0.1 m, D 35 / (7200 * 440.5) m^2/s, A 100, w pi / 40 per s: 36.60 at x 0.08 m, t 32 s.
    """
    check(t, diffusivity, length, 0.0, cell)
    above_zero(diffusivity=diffusivity, frequency=frequency)
    finite(amplitude=amplitude)
    fo, w = diffusivity * t / length**2, frequency * length**2 / diffusivity

    def values(place: Array) -> Array:
        part = place / length
        if fo == 0.0:
            return np.zeros(place.shape)
        if w * fo < SHORT:
            return amplitude * swinging_soon(part, fo, w)
        return amplitude * swinging_late(part, fo, w)

    spread = math.sqrt(2.0 * diffusivity * t)
    widest = min(0.2 * length, math.sqrt(2.0 * diffusivity / frequency))
    x = np.asarray(x, dtype=float)
    return means(values, x, cell, places=(length,), spread=spread, widest=widest)


def swinging_late(part: Array, fo: float, w: float) -> Array:
    """The swing that stays and the series of what dies away."""
    q = complex(1.0, 1.0) * math.sqrt(0.5 * w)
    ratio = np.exp(-q * (1.0 - part)) * np.expm1(-2.0 * q * part) / np.expm1(-2.0 * q)
    total = np.zeros(part.size)
    for numbers in blocks(terms(fo)):
        n = numbers + 1
        b = math.pi * n
        weight = np.where(n % 2, -1.0, 1.0) * b / (b**4 + w**2) * np.exp(-(b**2) * fo)
        total = total + np.sum((weight * np.sin(b * part.ravel()))[::-1], axis=0)
    swing = np.imag(ratio * np.exp(complex(0.0, math.fmod(w * fo, 2.0 * math.pi))))
    return np.asarray(swing - 2.0 * w * total.reshape(part.shape))


def swinging_soon(part: Array, fo: float, w: float) -> Array:
    """The same, from its transform w / (s^2 + w^2) sinh(q x) / sinh(q L)."""

    def transform(s: complex) -> Array:
        q = np.sqrt(s)
        ratio = np.exp(-q * (1.0 - part)) * np.expm1(-2.0 * q * part) / np.expm1(-2.0 * q)
        # w / (s^2 + w^2), whose square could overflow.
        return np.asarray(ratio * (w / s) / (s + w * (w / s)))

    return from_transform(transform, fo)


def manufactured(x: Any, y: Any, t: float, *, cell: float = 0.0) -> Array:
    """The solution made up for SUNDIALS's ``ark_heat2D``, on a unit square with zero at its edges.

    u = sin^2(pi x) sin^2(pi y) cos^2(pi t); it obeys du/dt = kx u_xx + ky u_yy + b with b of
    `manufactured_source`.

    Parameters
    ----------
    x, y : array
        Places, from 0 to 1, that broadcast.
    t : float
        Time.
    cell : float
        Length of the square cells whose means are wanted; zero for values at points.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    D. R. Reynolds and others, SUNDIALS, examples/arkode/CXX_serial/ark_heat2D.cpp.
    """
    check(t, 0.0, 1.0, 0.0, cell)
    return np.asarray(_square(x, cell) * _square(y, cell) * math.cos(math.pi * t) ** 2)


def manufactured_source(
    x: Any,
    y: Any,
    t: float,
    diffusivities: tuple[float, float] = (1.0, 1.0),
    *,
    cell: float = 0.0,
) -> Array:
    """The source that makes `manufactured` a solution.

    b = -2 pi sin^2(pi x) sin^2(pi y) sin(pi t) cos(pi t) - 2 pi^2 cos^2(pi t)
    [kx cos(2 pi x) sin^2(pi y) + ky cos(2 pi y) sin^2(pi x)].

    Parameters
    ----------
    x, y, t, cell
        As in `manufactured`.
    diffusivities : (float, float)
        kx and ky.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    As in `manufactured`.
    """
    for diffusivity in diffusivities:
        check(t, diffusivity, 1.0, 0.0, cell)
    across, along = _square(x, cell), _square(y, cell)
    kx, ky = diffusivities
    bent = kx * (1.0 - 2.0 * across) * along + ky * (1.0 - 2.0 * along) * across
    change = math.pi * math.sin(2.0 * math.pi * t) * across * along
    return np.asarray(-change - 2.0 * math.pi**2 * math.cos(math.pi * t) ** 2 * bent)


def _square(x: Any, cell: float) -> Array:
    """sin^2(pi x) or its mean over cells; one less twice it is cos(2 pi x) or its mean."""
    wave = np.sin(math.pi * np.asarray(x, dtype=float)) ** 2
    left = float(np.sinc(cell))
    return np.asarray(wave * left + 0.5 * (1.0 - left))
