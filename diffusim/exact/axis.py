"""Analytic solutions of the diffusion equation on one axis, at points or as means of cells.

All but the modes are sums over images: the start is reflected in edges that nothing crosses (period
2 L) or repeated on an axis joined to itself (period L), and each image spreads as in free space.
Where the spread is a large part of the period, the same sum is taken as a cosine series instead
(Poisson's summation), so that either has a dozen terms at most. On two axes the product of two
solutions is a solution.

Small values far from where the start was are as exact as large ones: all terms are positive, and
nothing is computed as the difference of two nearly equal numbers. At z standard deviations a value
is good to about z^2 rounding errors, which is how strongly it depends on the last bit of the
diffusivity.

References
----------
J. Crank, *The Mathematics of Diffusion*, 2nd ed., Oxford 1975, sections 2.2-2.4;
H. S. Carslaw and J. C. Jaeger, *Conduction of Heat in Solids*, 2nd ed., Oxford 1959, sections 2.2,
3.3, 10.10.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from scipy import special

from diffusim.block import Array
from diffusim.exact.ranges import check

Ends = Literal["no-flux", "periodic"]

# Beyond this many standard deviations a Gaussian holds less than 1e-19 of its mass.
REACH = 9.2
# Means over less than this many standard deviations are taken by quadrature, whose relative error
# is below 1e-14 up to 20 deviations away, because differences of integrals would cancel.
NARROW = 0.5
# What is no larger comes of rounding pi, or of places.
ROUNDING = 2.5e-16
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def gaussian(distance: Any, deviation: float, cell: float = 0.0) -> Array:
    """Density of a Gaussian, or its mean over a cell.

    exp(-d^2 / (2 s^2)) / (s sqrt(2 pi)), or [Phi((d + c/2) / s) - Phi((d - c/2) / s)] / c.

    Parameters
    ----------
    distance : array
        From the Gaussian's centre to the point or the cell's centre, in m.
    deviation : float
        Standard deviation s in m, above zero.
    cell : float
        Length c of the cell in m; zero for values at points.

    Returns
    -------
    array
        In 1/m, of the shape of ``distance``.

    Raises
    ------
    ValueError
        When the deviation is not above zero.
    """
    if not 0.0 < deviation < math.inf:
        raise ValueError(f"the deviation must be above zero, not {deviation} m")
    d = np.asarray(distance, dtype=float)
    return _interval_mean(d - 0.5 * cell, d + 0.5 * cell, cell, deviation)


def step(
    x: Any,
    t: float,
    diffusivity: float,
    length: float,
    at: float,
    low: float,
    high: float,
    *,
    ends: Ends = "no-flux",
    cell: float = 0.0,
) -> Array:
    """Two halves of different concentration that mix, in a box or on a ring.

    u = low A(x, t) + high B(x, t), where A is what arrives from [0, at] and B what arrives from
    [at, L]: in free space A = [erf((x + at) / sqrt(4 D t)) - erf((x - at) / sqrt(4 D t))] / 2,
    summed over x + 2 n L (no-flux; the part is reflected to [-at, at]), or over x + n L of the part
    alone (periodic).

    Parameters
    ----------
    x : array
        Places in m, from 0 to ``length``.
    t : float
        Time in s.
    diffusivity : float
        D in m^2/s.
    length, at : float
        Length L of the axis and the place of the step in m.
    low, high : float
        Values at the start below and above the step.
    ends : {"no-flux", "periodic"}
        What the two ends do.
    cell : float
        Length of the cells around ``x`` whose means are wanted, in m; zero for values at points.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, section 2.2.4, equation 2.17 and section 2.4.1; Carslaw and Jaeger 1959, section
    2.2.
    """
    check(t, diffusivity, length, at, cell)
    x = np.asarray(x, dtype=float)
    deviation = math.sqrt(2.0 * diffusivity * t)
    if ends == "periodic":
        parts = (0.0, at), (at, length)
    else:
        parts = (-at, at), (at, 2.0 * length - at)
    period = length if ends == "periodic" else 2.0 * length
    below, above = (from_interval(x, part, period, deviation, cell) for part in parts)
    return np.asarray(low * below + high * above)


def blob(
    x: Any,
    t: float,
    diffusivity: float,
    length: float,
    centre: float,
    width: float,
    amount: float = 1.0,
    *,
    ends: Ends = "no-flux",
    cell: float = 0.0,
) -> Array:
    """A Gaussian blob that widens, in a box or on a ring; of width zero, an instantaneous source.

    u = amount sum_n [g(x - c + 2 n L) + g(x + c + 2 n L)] (no-flux) or amount sum_n g(x - c + n L)
    (periodic), with g(d) = exp(-d^2 / (2 s^2)) / (s sqrt(2 pi)) and s^2 = width^2 + 2 D t.
    Parts of the start that lie beyond an end are folded back.

    Parameters
    ----------
    x, t, diffusivity, length, ends, cell
        As in `step`.
    centre, width : float
        Centre c and standard deviation of the start in m.
    amount : float
        Integral over the axis, in the field's unit times m.

    Raises
    ------
    ValueError
        When a number is out of its range, or values at points are asked of a blob without any
        width.

    References
    ----------
    Crank 1975, sections 2.2.1 and 2.4.1, equations 2.6 and 2.18; Carslaw and Jaeger 1959, section
    10.10.
    """
    check(t, diffusivity, length, centre, cell)
    if not 0.0 <= width < math.inf:
        raise ValueError(f"the width of a blob must be zero or above, not {width} m")
    x = np.asarray(x, dtype=float)
    deviation = math.hypot(width, math.sqrt(2.0 * diffusivity * t))
    if deviation == 0.0 and cell == 0.0:
        raise ValueError("a blob of no width has no values at points; give the length of a cell")
    sources = (centre,) if ends == "periodic" else (centre, -centre)
    period = length if ends == "periodic" else 2.0 * length
    total = np.zeros(x.shape)
    for source in sources:
        total = total + _from_point(x, source, period, deviation, cell)
    return np.asarray(amount * total)


def mode(
    x: Any,
    t: float,
    diffusivity: float,
    length: float,
    number: int,
    amplitude: float = 1.0,
    mean: float = 0.0,
    *,
    ends: Ends = "no-flux",
    cell: float = 0.0,
    lattice: bool = False,
) -> Array:
    """One cosine mode that decays: of the smooth equation, or of its second difference on cells.

    u = mean + amplitude cos(k x) exp(-rate t), with k = pi number / L (no-flux) or 2 pi number / L
    (periodic) and rate = D k^2, or 4 D / c^2 sin^2(k c / 2) on cells of length c.

    Parameters
    ----------
    x, t, diffusivity, length, ends, cell
        As in `step`.
    number : int
        Half waves (no-flux) or waves (periodic) in the length.
    amplitude, mean : float
        Of the smooth field at the start; the mean of a cell is cos(k x) sin(k c / 2) / (k c / 2).
    lattice : bool
        Whether the cells exchange by the second difference, which needs their length ``cell``.

    Raises
    ------
    ValueError
        When a number is out of its range, or ``lattice`` lacks the length of a cell.

    References
    ----------
    Crank 1975, section 2.3; Carslaw and Jaeger 1959, section 3.3.
    """
    check(t, diffusivity, length, 0.0, cell)
    if lattice and cell == 0.0:
        raise ValueError("a mode of the lattice needs the length of its cells; give 'cell'")
    halves = 2 * number if ends == "periodic" else number
    k = math.pi * halves / length
    rate = diffusivity * (4.0 * (math.sin(0.5 * k * cell) / cell) ** 2 if lattice else k**2)
    # Whole waves are taken off before pi rounds them.
    turns = np.fmod(halves * np.asarray(x, dtype=float) / length, 2.0)
    # Pi is rounded, so a cosine is no zero in its nodes, and what dies out would be made of that.
    node = np.abs(np.fmod(np.abs(turns), 1.0) - 0.5) <= ROUNDING * max(1, halves)
    waves = np.where(node, 0.0, np.cos(np.pi * turns))
    factor = amplitude * math.exp(-rate * t) * box_transfer(k * cell)
    return np.asarray(mean + factor * waves)


def from_interval(
    x: Array, part: tuple[float, float], period: float, deviation: float, cell: float
) -> Array:
    """Return what arrives from one part of a ring that was filled with ones."""
    low, high = part
    width = high - low
    if width == 0.0:
        return np.zeros(x.shape)
    s = _some(deviation, period)

    def image(shift: float) -> Array:
        # Differences of places first: divided first, they would lose the digits that x has.
        return _double_mean((low + shift) - x, (high + shift) - x, width, s, cell)

    ring = _ring(image, x - 0.5 * (low + high), period, s, width, cell)
    return np.asarray(width * ring)


def _from_point(x: Array, source: float, period: float, deviation: float, cell: float) -> Array:
    s = _some(deviation, period)

    def image(shift: float) -> Array:
        distance = (source + shift) - x
        if deviation > 0.0:
            return gaussian(distance, s, cell)
        # On a face, which cells know but to round-off, a source is shared by both of them.
        inside = np.rint((0.5 * cell - np.abs(distance)) / (1e-14 * period))
        return np.asarray(np.heaviside(inside, 0.5) / cell)

    return _ring(image, x - source, period, s, 0.0, cell)


def _some(deviation: float, period: float) -> float:
    """Return a deviation that can be divided by, also where nothing has spread yet."""
    return max(deviation, 1e-150 * period)


def _ring(
    image: Callable[[float], Array],
    distance: Array,
    period: float,
    deviation: float,
    width: float,
    cell: float,
) -> Array:
    """Sum a mean Gaussian over all its images on a ring: at the shifts n P, or in its modes."""
    total = np.zeros(distance.shape)
    if deviation <= 0.25 * period:
        # An image left out is at least count periods from any place on the ring.
        count = math.ceil(REACH * deviation / period)
        for n in range(-count, count + 1):
            total = total + image(n * period)
        return total
    k = 2.0 * math.pi / period
    for m in range(math.ceil(REACH / (k * deviation)), 0, -1):
        transfer = box_transfer(m * k * width) * box_transfer(m * k * cell)
        decay = math.exp(-0.5 * (m * k * deviation) ** 2)
        total = total + 2.0 * transfer * decay * np.cos(m * k * distance)
    return np.asarray((1.0 + total) / period)


def box_transfer(angle: float) -> float:
    """Return how much of a wave is left in means over a box that it crosses by this angle."""
    part = math.sin(0.5 * angle) / (0.5 * angle) if angle else 1.0
    return part if abs(part) > ROUNDING else 0.0


def _interval_mean(low: Array, high: Array, width: float, s: float) -> Array:
    """Return a Gaussian's mean density between two distances from its centre, width apart."""
    if width < NARROW * s:
        middle, total = 0.5 * (low + high), np.zeros(np.shape(low))
        for node, weight in _quadrature(width):
            total = total + weight * np.exp(-0.5 * ((middle + node) / s) ** 2)
        return np.asarray(total / (s * math.sqrt(2.0 * math.pi)))
    low, high = upper(low, high)
    return np.asarray((special.ndtr(-low / s) - special.ndtr(-high / s)) / width)


def _double_mean(low: Array, high: Array, width: float, s: float, cell: float) -> Array:
    """Return the mean density over an interval of sources and over a cell.

    The distances from the cell's centre to the ends of the interval are ``low`` and ``high``.
    """
    if cell == 0.0:
        return _interval_mean(low, high, width, s)
    if min(width, cell) < NARROW * s:
        total = np.zeros(low.shape)
        for node, weight in _quadrature(min(width, cell)):
            if cell <= width:
                part = _interval_mean(low + node, high + node, width, s)
            else:
                middle = 0.5 * (low + high) + node
                part = _interval_mean(middle - 0.5 * cell, middle + 0.5 * cell, cell, s)
            total = total + weight * part
        return total
    low, high = upper(low, high)
    half = 0.5 * cell
    # The density integrated twice, z Phi(z) + phi(z), is a ramp and a bump; the ramps overlap by a
    # length.
    ramp = np.clip(half - low, 0.0, min(width, cell))
    bumps = (_bump((low - half) / s) - _bump((low + half) / s)) - (
        _bump((high - half) / s) - _bump((high + half) / s)
    )
    return np.asarray((ramp + s * bumps) / (width * cell))


def _quadrature(width: float) -> list[tuple[float, float]]:
    """Places from the middle and weights of Gauss and Legendre's rule for a mean over a width."""
    if width == 0.0:
        return [(0.0, 1.0)]
    pairs = zip(_NODES, _WEIGHTS, strict=True)
    return [(0.5 * width * float(node), 0.5 * float(weight)) for node, weight in pairs]


def upper(low: Array, high: Array) -> tuple[Array, Array]:
    """Mirror intervals that lie mainly below zero, since tails are exact above it only."""
    below = low + high < 0.0
    return np.where(below, -high, low), np.where(below, -low, high)


def _bump(z: Array) -> Array:
    """phi(z) - |z| Phi(-|z|), by how much a normal deviate exceeds the size of z on average."""
    z = np.abs(z)
    tail = 1.0 - z * math.sqrt(0.5 * math.pi) * special.erfcx(z * math.sqrt(0.5))
    return np.asarray(np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi) * np.maximum(tail, 0.0))
