"""Balls: r u obeys the equation of a slab, so that modes are sin(k r) / (k r)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from diffusim.block import Array
from diffusim.exact.discs import Rim
from diffusim.exact.means import means, terms
from diffusim.exact.ranges import check, counted, finite

# Below this D t / a^2 what reaches the centre is less than 1e-16.
SHORT = 0.006


def sphere(
    r: Any,
    t: float,
    diffusivity: float,
    radius: float,
    surface: float,
    start: float = 0.0,
    *,
    cell: float = 0.0,
) -> Array:
    """A ball of one value whose surface is held at another from t = 0 on.

    u = start + (surface - start) [1 + 2 sum_n (-1)^n sin(n pi r / a) / (n pi r / a)
    exp(-(n pi / a)^2 D t)]; soon after the start (a / r) [erfc((a - r) / w) - erfc((a + r) / w)]
    in place of the bracket, w = sqrt(4 D t).

    Parameters
    ----------
    r : array
        Distances from the centre in m, from 0 to ``radius``.
    t : float
        Time in s.
    diffusivity, radius : float
        D in m^2/s and a in m.
    surface, start : float
        Values at the surface and, at first, everywhere else.
    cell : float
        Thickness of the shell cells around ``r`` whose means are wanted, weighted by r^2, in m;
        zero for values at points.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, section 6.3.1; Carslaw and Jaeger 1959, section 9.3.
    """
    check(t, diffusivity, radius, 0.0, cell)
    finite(surface=surface, start=start)
    r = np.asarray(r, dtype=float)
    fo = diffusivity * t / radius**2

    def values(place: Array) -> Array:
        part = place / radius
        if fo == 0.0:
            return np.where(part < 1.0, float(start), float(surface))
        taken = sphere_soon(part, fo) if fo < SHORT else sphere_late(part, fo)
        return np.asarray(start + (surface - start) * taken)

    spread = math.sqrt(2.0 * diffusivity * t)
    return means(values, r, cell, power=2, places=(radius,), spread=spread, widest=0.2 * radius)


def sphere_mode(
    r: Any,
    t: float,
    diffusivity: float,
    radius: float,
    number: int,
    amplitude: float = 1.0,
    mean: float = 0.0,
    *,
    surface: Rim = "no-flux",
    cell: float = 0.0,
) -> Array:
    """One radial mode of a ball that decays.

    u = mean + amplitude sin(k r) / (k r) exp(-D k^2 t), with tan(k a) = k a (no-flux; number 0 is
    k = 0) or k = number pi / a (value: the surface is held at the mean).

    Parameters
    ----------
    r, t, diffusivity, radius, cell
        As in `sphere`.
    number : int
        From 0 (no-flux) or 1 (value).
    amplitude, mean : float
        Value at the centre beyond the mean, and the mean.
    surface : {"no-flux", "value"}
        What the surface does.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, section 6.3; Carslaw and Jaeger 1959, sections 9.3 and 9.4.
    """
    check(t, diffusivity, radius, 0.0, cell)
    if surface not in ("no-flux", "value"):
        raise ValueError(f"a surface is 'no-flux' or 'value', not '{surface}'")
    counted(number, 1 if surface == "value" else 0)
    k = (number * math.pi if surface == "value" else tangent_root(number)) / radius
    factor = amplitude * math.exp(-diffusivity * k**2 * t)

    def values(place: Array) -> Array:
        return np.asarray(mean + factor * np.sinc(k * place / math.pi))

    widest = 1.0 / k if k else math.inf
    return means(values, np.asarray(r, dtype=float), cell, power=2, widest=widest)


def sphere_late(part: Array, fo: float) -> Array:
    """What a ball of zeros has taken at r / a when its surface is held at one, as a series."""
    n = np.arange(terms(fo), 0, -1)[:, None]
    waves = np.where(n % 2, -1.0, 1.0) * np.sinc(n * part.ravel())
    series = np.sum(waves * np.exp(-((math.pi * n) ** 2) * fo), axis=0)
    return np.asarray(1.0 + 2.0 * series.reshape(part.shape))


def sphere_soon(part: Array, fo: float) -> Array:
    """The same as `sphere_late`, from the two nearest images."""
    width = 2.0 * math.sqrt(fo)
    # At the centre the quotient is a derivative; it is below round-off at these times.
    near = np.maximum(part, 1e-8)
    difference = special.erfc((1.0 - near) / width) - special.erfc((1.0 + near) / width)
    return np.asarray(difference / near)


def tangent_root(number: int) -> float:
    """Solution of tan b = b between number pi and (number + 1/2) pi; zero for number 0."""
    if number == 0:
        return 0.0
    b = (number + 0.5) * math.pi
    for _ in range(20):
        b -= (b - math.atan(b) - number * math.pi) * (1.0 + 1.0 / b**2)
    return b
