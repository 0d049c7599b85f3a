"""What drifts while it spreads: on a ring, against a wall, and in a channel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from diffusim.block import Array
from diffusim.exact.axis import blob, mode
from diffusim.exact.ranges import above_zero, check, finite

# Below this D t / a^2 the correlation of velocities is a polynomial in the root of time.
SHORT = 0.025


def carried_blob(
    x: Any,
    t: float,
    diffusivity: float,
    length: float,
    velocity: float,
    centre: float,
    width: float,
    amount: float = 1.0,
    *,
    cell: float = 0.0,
) -> Array:
    """A Gaussian blob on a ring that an even flow carries round while it widens.

    u = amount sum_n g(x - c - v t + n L), g as in `blob`.

    Parameters
    ----------
    x, t, diffusivity, length, centre, width, amount, cell
        As in `blob`.
    velocity : float
        v in m/s.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Carslaw and Jaeger 1959, section 1.7; Crank 1975, section 2.2.1, in moving coordinates.
    """
    check(t, diffusivity, length, centre, cell)
    finite(velocity=velocity)
    place = math.fmod(centre + math.fmod(velocity * t, length), length)
    place = min(max(place + length if place < 0.0 else place, 0.0), length)
    return blob(x, t, diffusivity, length, place, width, amount, ends="periodic", cell=cell)


def carried_mode(
    x: Any,
    t: float,
    diffusivity: float,
    length: float,
    velocity: float,
    number: int,
    amplitude: float = 1.0,
    mean: float = 0.0,
    *,
    cell: float = 0.0,
) -> Array:
    """One wave on a ring that an even flow carries round while it decays.

    u = mean + amplitude cos(k (x - v t)) exp(-D k^2 t), k = 2 pi number / L.

    Parameters
    ----------
    x, t, diffusivity, length, number, amplitude, mean, cell
        As in `mode`.
    velocity : float
        v in m/s.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Carslaw and Jaeger 1959, sections 1.7 and 3.3, in moving coordinates.
    """
    check(t, diffusivity, length, 0.0, cell)
    finite(velocity=velocity)
    x = np.asarray(x, dtype=float) - math.fmod(velocity * t, length)
    return mode(x, t, diffusivity, length, number, amplitude, mean, ends="periodic", cell=cell)


def drift_steady(
    x: Any,
    diffusivity: float,
    length: float,
    velocity: float,
    left: float,
    right: float,
    *,
    cell: float = 0.0,
) -> Array:
    """Steady profile of an even flow between two ends that are held at values.

    u = left + (right - left) (exp(v x / D) - 1) / (exp(v L / D) - 1).

    Parameters
    ----------
    x : array
        Places in m, from 0 to ``length``.
    diffusivity, length : float
        D in m^2/s, above zero, and L in m.
    velocity : float
        v in m/s, towards greater x where it is above zero.
    left, right : float
        Values at the two ends.
    cell : float
        Length of the cells around ``x`` whose means are wanted, in m; zero for values at points.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    S. V. Patankar, *Numerical Heat Transfer and Fluid Flow*, 1980, section 5.2; Carslaw and
    Jaeger 1959, section 1.7 (moving media).
    """
    check(0.0, diffusivity, length, 0.0, cell)
    above_zero(diffusivity=diffusivity)
    finite(velocity=velocity, left=left, right=right)
    x = np.asarray(x, dtype=float)
    if velocity < 0.0:
        return drift_steady(length - x, diffusivity, length, -velocity, right, left, cell=cell)
    p = velocity / diffusivity
    if p * length < 1e-290:
        return np.asarray(left + (right - left) * (x / length))
    half, whole = 0.5 * p * cell, -math.expm1(-p * length)
    if half < 0.5:
        bulge = sum(half ** (2 * n) / math.factorial(2 * n + 1) for n in range(9, 0, -1))
        rise = np.exp(-p * (length - x)) * (bulge - np.expm1(-p * x))
    else:
        mean = np.exp(p * (x + 0.5 * cell - length)) * (-math.expm1(-2.0 * half) / (2.0 * half))
        rise = mean - math.exp(-p * length)
    return np.asarray(left + (right - left) * (rise / whole))


def channel_diffusivity(diffusivity: float, half_width: float, speed: float) -> float:
    """Diffusivity along a plane channel, long after the start, of what flows and spreads in it.

    D (1 + 2 / 105 (U a / D)^2).

    Parameters
    ----------
    diffusivity : float
        D in m^2/s, above zero.
    half_width : float
        Half the distance a between the walls in m.
    speed : float
        Mean speed U of the parabolic flow in m/s.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    G. I. Taylor, Proc. R. Soc. A 219 (1953) 186; R. Aris, Proc. R. Soc. A 235 (1956) 67;
    R. A. Wooding, J. Fluid Mech. 7 (1960) 501 (the plane channel).
    """
    above_zero(diffusivity=diffusivity, half_width=half_width)
    finite(speed=speed)
    return diffusivity * (1.0 + 2.0 / 105.0 * (speed * half_width / diffusivity) ** 2)


def channel_variance(
    t: float, diffusivity: float, half_width: float, speed: float, width: float = 0.0
) -> float:
    """Variance along a plane channel of what began evenly across it, at any time.

    With T = D t / a^2 and Pe = U a / D, width^2 + 2 D t + a^2 Pe^2 [4 / 105 T - 2 / 525
    + 36 sum_n exp(-(n pi)^2 T) / (n pi)^8]: in the end it grows by twice `channel_diffusivity`.
    Its mean moves by U t. Soon after the start the bracket is
    36 [T^2 / 180 - T^3 / 36 + 8 T^(7/2) / (105 sqrt(pi)) - T^4 / 48].

    Parameters
    ----------
    t : float
        Time in s.
    diffusivity, half_width, speed
        As in `channel_diffusivity`.
    width : float
        Standard deviation along the channel at the start in m.

    Returns
    -------
    float
        Of the mean over the cross section, in m^2.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    R. Aris, Proc. R. Soc. A 235 (1956) 67; the moments follow from the correlation
    18 U^2 sum_n exp(-(n pi)^2 T) / (n pi)^4 of a particle's velocity.
    """
    above_zero(diffusivity=diffusivity, half_width=half_width)
    check(t, diffusivity, half_width, 0.0, 0.0)
    finite(speed=speed, width=width)
    late = diffusivity * t / half_width**2
    if late < SHORT:
        grown = late**2 / 180.0 - late**3 / 36.0 - late**4 / 48.0
        grown = 36.0 * (grown + 8.0 / (105.0 * math.sqrt(math.pi)) * late**3.5)
    else:
        squares = [(n * math.pi) ** 2 for n in range(16, 0, -1)]
        series = sum(math.exp(-square * late) / square**4 for square in squares)
        grown = 4.0 / 105.0 * late - 36.0 / 9450.0 + 36.0 * series
    sheared = half_width**2 * (speed * half_width / diffusivity) ** 2 * grown
    return width**2 + 2.0 * diffusivity * t + sheared
