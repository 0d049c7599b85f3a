"""Starts that end somewhere on an axis: one value in an interval, and a blob that edges cut off.

Both are sums over images, of positive terms only, as those of `diffusim.exact.axis`.

References
----------
Crank 1975, sections 2.2.4 and 2.4.1; Carslaw and Jaeger 1959, sections 2.2 and 10.10.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from diffusim.block import Array
from diffusim.exact.axis import REACH, Ends, from_interval, gaussian, upper
from diffusim.exact.means import means
from diffusim.exact.ranges import above_zero, check, finite

# Beyond this spread in periods the slowest wave, exp(-2 (pi s / P)^2), is below round-off.
MIXED = 1.5


def interval(
    x: Any,
    t: float,
    diffusivity: float,
    length: float,
    part: tuple[float, float],
    *,
    ends: Ends = "no-flux",
    cell: float = 0.0,
) -> Array:
    """One in an interval and zero elsewhere, which spreads, in a box or on a ring.

    Parameters
    ----------
    x, t, diffusivity, length, ends, cell
        As in `step`.
    part : (float, float)
        Where the interval begins and ends in m, within the axis.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, sections 2.2.4 and 2.4.1.
    """
    low, high = part
    check(t, diffusivity, length, low, cell)
    check(t, diffusivity, length, high, cell)
    if not low < high:
        raise ValueError(f"an interval must grow, from {low} m to {high} m it does not")
    x = np.asarray(x, dtype=float)
    deviation = math.sqrt(2.0 * diffusivity * t)
    if ends == "periodic":
        return from_interval(x, (low, high), length, deviation, cell)
    return np.asarray(
        from_interval(x, (low, high), 2.0 * length, deviation, cell)
        + from_interval(x, (-high, -low), 2.0 * length, deviation, cell)
    )


def cut_blob(
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
    """A Gaussian blob of which only what lies on the axis is there at first, and which widens.

    Of what starts in [0, L] the place y = x arrives as G(y) = g(y - c, S) [Phi((L - m) / q) -
    Phi(-m / q)], with s^2 = 2 D t, S^2 = w^2 + s^2, m = (y w^2 + c s^2) / S^2 and q = w s / S; u is
    the sum of G over y = x + 2 n L and y = -x + 2 n L (no-flux), or over y = x + n L (periodic).

    Parameters
    ----------
    x, t, diffusivity, length, ends, cell
        As in `step`.
    centre, width : float
        Centre c, which may lie beyond the axis, and standard deviation w of the start in m.
    amount : float
        Integral of the whole blob, in the field's unit times m.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Carslaw and Jaeger 1959, sections 2.2 and 10.10.
    """
    check(t, diffusivity, length, 0.0, cell)
    above_zero(width=width)
    finite(centre=centre, amount=amount)
    x, s = np.asarray(x, dtype=float), math.sqrt(2.0 * diffusivity * t)
    if s == 0.0:
        return np.asarray(amount * gaussian(x - centre, width, cell))
    wide = math.hypot(width, s)
    period = length if ends == "periodic" else 2.0 * length
    if s >= MIXED * period:
        held = special.ndtr((length - centre) / width) - special.ndtr(-centre / width)
        return np.full(x.shape, amount * held / length)
    count = math.ceil((REACH * s + length) / period)

    def arrived(place: Array) -> Array:
        middle = (place * width**2 + centre * s**2) / wide**2
        low, high = upper((-middle) * wide / (width * s), (length - middle) * wide / (width * s))
        held = special.ndtr(-low) - special.ndtr(-high)
        return np.asarray(gaussian(place - centre, wide) * held)

    def values(place: Array) -> Array:
        signs = (1.0,) if ends == "periodic" else (1.0, -1.0)
        images = (arrived(sign * place + n * period)
                  for sign in signs for n in range(-count, count + 1))  # fmt: skip
        return np.asarray(amount * sum(images))

    # Where the start is cut off there is a layer as wide as what has spread since.
    widest = min(0.5 * width, 0.2 * length)
    return means(values, x, cell, places=(0.0, length), spread=s, widest=widest)
