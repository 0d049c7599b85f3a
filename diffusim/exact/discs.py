"""Discs, long cylinders and the rings between two radii: Bessel functions of the radius."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from scipy import special

from diffusim.block import Array
from diffusim.exact.means import blocks, from_transform, means, terms
from diffusim.exact.ranges import above_zero, check, counted, finite

Rim = Literal["no-flux", "value"]

# Below this D t / a^2 the inverse Laplace transform replaces a series of more than 70 terms.
SHORT = 1e-3


def disc(
    r: Any,
    t: float,
    diffusivity: float,
    radius: float,
    rim: float,
    start: float = 0.0,
    *,
    cell: float = 0.0,
) -> Array:
    """A disc (or a long cylinder) of one value whose rim is held at another from t = 0 on.

    u = rim + (start - rim) sum_n 2 J0(j_n r / a) / (j_n J1(j_n)) exp(-j_n^2 D t / a^2), with
    J0(j_n) = 0; soon after the start, the inverse of the transform I0(q r) / (s I0(q a)),
    q^2 = s / D.

    Parameters
    ----------
    r : array
        Distances from the centre in m, from 0 to ``radius``.
    t : float
        Time in s.
    diffusivity, radius : float
        D in m^2/s and a in m.
    rim, start : float
        Values at the rim and, at first, everywhere else.
    cell : float
        Thickness of the ring cells around ``r`` whose means are wanted, weighted by r, in m; zero
        for values at points.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, section 5.3.2; Carslaw and Jaeger 1959, section 7.6.
    """
    check(t, diffusivity, radius, 0.0, cell)
    finite(rim=rim, start=start)
    r = np.asarray(r, dtype=float)
    fo = diffusivity * t / radius**2

    def values(place: Array) -> Array:
        part = place / radius
        if fo == 0.0:
            return np.where(part < 1.0, float(start), float(rim))
        if fo < SHORT:
            return np.asarray(start + (rim - start) * disc_soon(part, fo))
        return np.asarray(rim + (start - rim) * disc_late(part, fo))

    spread = math.sqrt(2.0 * diffusivity * t)
    return means(values, r, cell, power=1, places=(radius,), spread=spread, widest=0.2 * radius)


def disc_mode(
    r: Any,
    t: float,
    diffusivity: float,
    radius: float,
    number: int,
    amplitude: float = 1.0,
    mean: float = 0.0,
    *,
    rim: Rim = "no-flux",
    cell: float = 0.0,
) -> Array:
    """One radial mode of a disc that decays.

    u = mean + amplitude J0(j r / a) exp(-j^2 D t / a^2), with j the zero of J1 (no-flux; the first,
    number 0, is j = 0) or of J0 (value: the rim is held at the mean).

    Parameters
    ----------
    r, t, diffusivity, radius, cell
        As in `disc`.
    number : int
        From 0 (no-flux) or 1 (value).
    amplitude, mean : float
        Value at the centre beyond the mean, and the mean.
    rim : {"no-flux", "value"}
        What the rim does.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, section 5.3; Carslaw and Jaeger 1959, sections 7.4-7.7.
    """
    check(t, diffusivity, radius, 0.0, cell)
    _check_rim(rim, number)
    zero = 0.0 if number == 0 else float(zeros(0 if rim == "value" else 1, number)[-1])
    factor = amplitude * math.exp(-(zero**2) * diffusivity * t / radius**2)

    def values(place: Array) -> Array:
        return np.asarray(mean + factor * special.j0(zero * place / radius))

    widest = radius / zero if zero else math.inf
    return means(values, np.asarray(r, dtype=float), cell, power=1, widest=widest)


def ring_mode(
    r: Any,
    t: float,
    diffusivity: float,
    inner: float,
    outer: float,
    number: int,
    amplitude: float = 1.0,
    mean: float = 0.0,
    *,
    rim: Rim = "no-flux",
    cell: float = 0.0,
) -> Array:
    """One radial mode between two radii (a hollow cylinder) that decays.

    u = mean + amplitude pi k a / 2 [Y0(k r) J1(k a) - J0(k r) Y1(k a)] exp(-D k^2 t) (no-flux), or
    with J0 and Y0 of k a (value: both rims are held at the mean); at the inner rim a it begins as
    cos(k (r - a)) or sin(k (r - a)).

    Parameters
    ----------
    r, t, diffusivity, cell
        As in `disc`, from ``inner`` to ``outer``.
    inner, outer : float
        Radii a and b in m, above zero.
    number : int
        From 0 (no-flux) or 1 (value).
    amplitude, mean : float
        Of the wave, and what it is added to.
    rim : {"no-flux", "value"}
        What both rims do.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, section 5.4; Carslaw and Jaeger 1959, section 7.10.
    """
    check(t, diffusivity, outer, 0.0, cell)
    _check_radii(inner, outer)
    _check_rim(rim, number)
    order = 0 if rim == "value" else 1
    k = _ring_root(order, inner, outer, number)
    factor = amplitude * math.exp(-diffusivity * k**2 * t)

    def values(place: Array) -> Array:
        if k == 0.0:
            return np.full(place.shape, mean + factor)
        first, second = special.jv(order, k * inner), special.yv(order, k * inner)
        wave = special.y0(k * place) * first - special.j0(k * place) * second
        return np.asarray(mean + factor * 0.5 * math.pi * k * inner * wave)

    widest = min(1.0 / k, 0.5 * inner) if k else math.inf
    return means(values, np.asarray(r, dtype=float), cell, power=1, widest=widest)


def ring_steady(
    r: Any, inner: float, outer: float, within: float, beyond: float, *, cell: float = 0.0
) -> Array:
    """Steady profile between two radii whose rims are held at values.

    u = within + (beyond - within) ln(r / a) / ln(b / a).

    Parameters
    ----------
    r : array
        Distances from the centre in m, from ``inner`` to ``outer``.
    inner, outer : float
        Radii a and b in m, above zero.
    within, beyond : float
        Values at the inner and the outer rim.
    cell : float
        As in `disc`.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, section 5.2; Carslaw and Jaeger 1959, section 7.2.
    """
    check(0.0, 0.0, outer, 0.0, cell)
    _check_radii(inner, outer)
    whole = math.log1p((outer - inner) / inner)

    def values(place: Array) -> Array:
        return np.asarray(within + (beyond - within) * np.log1p((place - inner) / inner) / whole)

    return means(values, np.asarray(r, dtype=float), cell, power=1, widest=0.25 * inner)


def disc_late(part: Array, fo: float) -> Array:
    """What a disc of ones still has at r / a when its rim is held at zero, as a series."""
    total = np.zeros(part.size)
    every = zeros(0, terms(fo))
    for numbers in blocks(every.size):
        j = every[numbers]
        weight = 2.0 / (j * special.j1(j)) * np.exp(-(j**2) * fo)
        total = total + np.sum((weight * special.j0(j * part.ravel()))[::-1], axis=0)
    return np.asarray(total.reshape(part.shape))


def disc_soon(part: Array, fo: float) -> Array:
    """What a disc of zeros has taken at r / a when its rim is held at one, by a contour."""

    def transform(s: complex) -> Array:
        q = np.sqrt(s)
        return np.asarray(scaled(q * part) / scaled(q) * np.exp(-q * (1.0 - part)) / s)

    return from_transform(transform, fo)


def scaled(z: Any) -> Array:
    """I0(z) exp(-z) of a complex number with a real part above zero, however large.

    Beyond 30 it is Hankel's expansion, in which no phase is the difference of two large ones.
    """
    z = np.asarray(z, dtype=complex)
    far = np.abs(z) > 30.0
    near, large = np.where(far, 0.0, z), np.where(far, z, 30.0)
    total = np.ones(z.shape, dtype=complex)
    for k in range(18, 0, -1):
        total = 1.0 + total * (2 * k - 1) ** 2 / (8.0 * k * large)
    closed = special.ive(0, near) * np.exp(-1j * near.imag)
    return np.where(far, total / np.sqrt(2.0 * math.pi * large), closed)


def zeros(order: int, count: int) -> Array:
    """First zeros above zero of J0 or J1: McMahon's expansion and Newton's steps."""
    n = np.arange(1, count + 1)
    if order == 0:
        b = (n - 0.25) * math.pi
        j = b + 1.0 / (8.0 * b) - 124.0 / (3.0 * (8.0 * b) ** 3)
        for _ in range(4):
            j = j + special.j0(j) / special.j1(j)
    else:
        b = (n + 0.25) * math.pi
        j = b - 3.0 / (8.0 * b) + 36.0 / (3.0 * (8.0 * b) ** 3)
        for _ in range(4):
            j = j - special.j1(j) / (special.j0(j) - special.j1(j) / j)
    return np.asarray(j)


def _check_rim(rim: str, number: int) -> None:
    if rim not in ("no-flux", "value"):
        raise ValueError(f"a rim is 'no-flux' or 'value', not '{rim}'")
    counted(number, 1 if rim == "value" else 0)


def _check_radii(inner: float, outer: float) -> None:
    above_zero(inner_radius=inner, outer_radius=outer)
    if not inner < outer:
        raise ValueError(f"the inner radius, {inner} m, must be below the outer one, {outer} m")


def _ring_root(order: int, inner: float, outer: float, number: int) -> float:
    """Return k where the phase of (J, Y) turns by ``number`` half turns from one rim to the other.

    The phase is continuous and the turn rises with k, so that no root is missed or counted twice.
    """
    if number == 0:
        return 0.0

    def phase(z: float) -> float:
        base = z - (0.5 * order + 0.25) * math.pi
        angle = math.atan2(special.yv(order, z), special.jv(order, z)) - base
        return base + math.remainder(angle, 2.0 * math.pi)

    def excess(scaled: float) -> float:
        k = scaled / (outer - inner)
        return phase(k * outer) - phase(k * inner) - number * math.pi

    from scipy import optimize

    low, high = (number - 1.0) * math.pi or 1e-3, (number + 1.0) * math.pi
    root = float(optimize.brentq(excess, low, high, xtol=1e-300, rtol=9e-16, maxiter=500))
    return root / (outer - inner)
