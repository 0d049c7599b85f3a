"""A slab or a half space whose ends are held at values, exchange with the outside or are heated.

Long after the start these are series of modes. Soon after it the two ends know nothing of each
other yet, and each is that of a half space. Both are good to round-off of the largest value where
one gives way to the other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from diffusim.block import Array
from diffusim.exact.axis import box_transfer
from diffusim.exact.means import means, terms
from diffusim.exact.ranges import above_zero, check, counted, finite

# Below this D t / L^2 what crosses from one end to the other is less than exp(-40).
SHORT = 0.006


def half_space(
    x: Any, t: float, diffusivity: float, surface: float, start: float = 0.0, *, cell: float = 0.0
) -> Array:
    """A half space x > 0 whose surface is held at a value from t = 0 on.

    u = start + (surface - start) erfc(x / sqrt(4 D t)).

    Parameters
    ----------
    x : array
        Depths in m.
    t : float
        Time in s.
    diffusivity : float
        D in m^2/s.
    surface, start : float
        Values at the surface and, at first, everywhere else.
    cell : float
        Length of the cells around ``x`` whose means are wanted, in m; zero for values at points.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, section 2.4; Carslaw and Jaeger 1959, section 2.4.
    """
    check(t, diffusivity, 1.0, 0.0, cell)
    finite(surface=surface, start=start)
    x = np.asarray(x, dtype=float)

    def values(place: Array) -> Array:
        return start + (surface - start) * _into(place, t, diffusivity, math.inf)

    return means(values, x, cell, places=(0.0,), spread=math.sqrt(2.0 * diffusivity * t))


def slab(
    x: Any,
    t: float,
    diffusivity: float,
    length: float,
    left: float | None,
    right: float | None,
    start: float = 0.0,
    *,
    cell: float = 0.0,
) -> Array:
    """A slab of one value whose ends are held at others from t = 0 on; None: nothing crosses.

    u = w(x) + sum_n c_n sin(n pi x / L) exp(-D (n pi / L)^2 t) between two values, with w the line
    from one to the other; cosines and sines of (n + 1/2) pi x / L where one end is closed.

    Parameters
    ----------
    x : array
        Places in m, from 0 to ``length``.
    t : float
        Time in s.
    diffusivity, length : float
        D in m^2/s and L in m.
    left, right : float or None
        Values at x = 0 and x = L, or None for an end that nothing crosses.
    start : float
        Value everywhere at first.
    cell : float
        Length of the cells around ``x`` whose means are wanted, in m; zero for values at points.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, sections 4.3.1 and 4.3.2; Carslaw and Jaeger 1959, section 3.4.
    """
    transfer = tuple(0.0 if value is None else math.inf for value in (left, right))
    outside = tuple(start if value is None else value for value in (left, right))
    return exchange(
        x,
        t,
        diffusivity,
        length,
        (transfer[0], transfer[1]),
        (outside[0], outside[1]),
        start,
        cell=cell,
    )


def exchange(
    x: Any,
    t: float,
    diffusivity: float,
    length: float,
    transfer: tuple[float, float],
    outside: tuple[float, float],
    start: float = 0.0,
    *,
    cell: float = 0.0,
) -> Array:
    """A slab of one value whose ends exchange with the outside: -D du/dn = h (u - outside).

    u = w(x) + sum_n c_n cos(b_n x / L - p_n) exp(-b_n^2 D t / L^2), with w the steady line, p_n =
    atan(B_0 / b_n), B = h L / D and b_n - atan(B_0 / b_n) - atan(B_1 / b_n) = n pi. Where one end
    is closed this is b tan b = B, Crank's equation for half a sheet.

    Parameters
    ----------
    x, t, diffusivity, length, start, cell
        As in `slab`.
    transfer : (float, float)
        h at x = 0 and x = L in m/s: zero closes an end, infinity holds it at the outside's value.
    outside : (float, float)
        Values beyond the two ends.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Crank 1975, section 4.3.6; Carslaw and Jaeger 1959, sections 2.7, 3.9-3.11.
    """
    check(t, diffusivity, length, 0.0, cell)
    finite(outside=sum(outside), start=start)
    for h in transfer:
        if not h >= 0.0:
            raise ValueError(f"the transfer at an end must be zero or above, not {h} m/s")
    x = np.asarray(x, dtype=float)
    if diffusivity == 0.0 or max(transfer) == 0.0:
        return np.full(x.shape, float(start))
    fo, lengthwise = diffusivity * t / length**2, [h * length / diffusivity for h in transfer]

    def values(place: Array) -> Array:
        if fo < SHORT:
            first, last = (
                (o - start) * _into(depth, t, diffusivity, h / diffusivity)
                for o, h, depth in zip(outside, transfer, (place, length - place), strict=True)
            )
            return np.asarray(start + (first + last))
        return _long(place / length, fo, (lengthwise[0], lengthwise[1]), outside, start)

    spread = math.sqrt(2.0 * diffusivity * t)
    return means(values, x, cell, places=(0.0, length), spread=spread, widest=0.2 * length)


def slab_mode(
    x: Any,
    t: float,
    diffusivity: float,
    length: float,
    number: int,
    amplitude: float = 1.0,
    left: float | None = 0.0,
    right: float | None = 0.0,
    *,
    cell: float = 0.0,
) -> Array:
    """One mode that decays on the steady line between two ends that are held, or one and a closed.

    u = w(x) + amplitude sin(k x) exp(-D k^2 t), with k = pi number / L, or pi (number - 1/2) / L
    where the right end is closed; cos(k x) where the left one is.

    Parameters
    ----------
    x, t, diffusivity, length, left, right, cell
        As in `slab`; not both ends may be closed (that is `mode`).
    number : int
        Of the mode, from 1.
    amplitude : float
        Of the wave at the start.

    Raises
    ------
    ValueError
        When a number is out of its range, or both ends are closed.

    References
    ----------
    Crank 1975, section 2.3; Carslaw and Jaeger 1959, section 3.3.
    """
    check(t, diffusivity, length, 0.0, cell)
    counted(number, 1)
    if left is None and right is None:
        raise ValueError("between two closed ends modes are those of 'mode'")
    halves = number if left is not None and right is not None else number - 0.5
    k = math.pi * halves / length
    x = np.asarray(x, dtype=float)
    phase = np.pi * np.fmod(halves * x / length, 2.0)
    wave = np.cos(phase) if left is None else np.sin(phase)
    first = right if left is None else left
    last = left if right is None else right
    assert first is not None
    assert last is not None
    factor = amplitude * math.exp(-diffusivity * k**2 * t) * box_transfer(k * cell)
    return np.asarray(first + (last - first) * (x / length) + factor * wave)


def heated(
    x: Any,
    t: float,
    diffusivity: float,
    length: float,
    flux: float,
    start: float = 0.0,
    *,
    cell: float = 0.0,
) -> Array:
    """A slab with a steady flux F into its right end, closed at the left one: D du/dx = F at L.

    u = start + F t / L + F L / D [(3 (x/L)^2 - 1) / 6
    - 2 / pi^2 sum_n (-1)^n / n^2 cos(n pi x / L) exp(-(n pi / L)^2 D t)]; soon after the start
    start + 2 F sqrt(t / D) ierfc((L - x) / sqrt(4 D t)).

    Parameters
    ----------
    x, t, diffusivity, length, start, cell
        As in `slab`; the diffusivity is above zero.
    flux : float
        F in the field's unit times m/s.

    Raises
    ------
    ValueError
        When a number is out of its range.

    References
    ----------
    Carslaw and Jaeger 1959, section 3.8; Crank 1975, section 4.3.7.
    """
    check(t, diffusivity, length, 0.0, cell)
    above_zero(diffusivity=diffusivity)
    finite(flux=flux, start=start)
    x = np.asarray(x, dtype=float)
    fo, scale = diffusivity * t / length**2, flux * length / diffusivity

    def values(place: Array) -> Array:
        if fo == 0.0:
            return np.full(place.shape, float(start))
        if fo < SHORT:
            z = (length - place) / math.sqrt(4.0 * diffusivity * t)
            return np.asarray(start + scale * 2.0 * math.sqrt(fo) * ierfc(z))
        part = place / length
        n = np.arange(terms(fo), 0, -1)[:, None]
        waves = np.where(n % 2, -1.0, 1.0) / n**2 * np.cos(np.pi * n * part.ravel())
        series = np.sum(waves * np.exp(-((np.pi * n) ** 2) * fo), axis=0).reshape(part.shape)
        shape = (3.0 * part**2 - 1.0) / 6.0 - 2.0 / np.pi**2 * series
        return np.asarray(start + scale * (fo + shape))

    spread = math.sqrt(2.0 * diffusivity * t)
    return means(values, x, cell, places=(length,), spread=spread, widest=0.2 * length)


def ierfc(z: Array) -> Array:
    """Integral of erfc from z on: exp(-z^2) / sqrt(pi) - z erfc(z), for z >= 0."""
    scaled = 1.0 / math.sqrt(math.pi) - z * special.erfcx(z)
    return np.asarray(np.exp(-(z**2)) * np.maximum(scaled, 0.0))


def roots(lengthwise: tuple[float, float], count: int) -> Array:
    """Solutions b_0 < b_1 < ... of b - atan(B_0 / b) - atan(B_1 / b) = n pi."""
    first, last = lengthwise
    target = math.pi * np.arange(count)
    b = target.copy()
    for _ in range(2000):
        excess = b - target - np.arctan2(first, b) - np.arctan2(last, b)
        # The left side rises and is hollow below, so that Newton's steps come from below only.
        new = np.maximum(b, b - excess / (1.0 + _share(first, b) + _share(last, b)))
        if np.all(new - b <= 1e-16 * new):
            break
        b = new
    return b


def _share(number: float, b: Array) -> Array:
    """B / (b^2 + B^2), also for B infinite or so small or large that its square is none."""
    if number in (0.0, math.inf):
        return np.zeros(b.shape)
    side = np.hypot(b, number)
    return np.asarray(number / side / side)


def _long(
    part: Array,
    fo: float,
    lengthwise: tuple[float, float],
    outside: tuple[float, float],
    start: float,
) -> Array:
    first, last = lengthwise
    resistance = [1.0 / number if number else math.inf for number in lengthwise]
    slope = (outside[1] - outside[0]) / (resistance[0] + 1.0 + resistance[1])
    foot = outside[0] + slope * resistance[0] if first else outside[1]
    b = roots(lengthwise, terms(fo))
    phase, other = np.arctan2(first, b), np.arctan2(last, b)
    sign = np.where(np.arange(b.size) % 2, -1.0, 1.0)
    # Green's second identity: what a mode gets is by how far the start misses the ends' conditions.
    missed = (start - outside[0]) * np.sin(phase) + sign * (start - outside[1]) * np.sin(other)
    weight = missed / (0.5 * b * (1.0 + _share(first, b) + _share(last, b))) * np.exp(-(b**2) * fo)
    waves = np.cos(b[:, None] * part.ravel() - phase[:, None])
    series = np.sum((weight[:, None] * waves)[::-1], axis=0).reshape(part.shape)
    return np.asarray(foot + slope * part + series)


def _into(depth: Array, t: float, diffusivity: float, ratio: float) -> Array:
    """Return what a half space has taken of the outside's excess; the ratio is h / D."""
    if t == 0.0 or diffusivity == 0.0:
        return np.where(depth > 0.0, 0.0, float(ratio == math.inf))
    z = depth / math.sqrt(4.0 * diffusivity * t)
    if ratio == math.inf:
        return np.asarray(special.erfc(z))
    exchanged = special.erfcx(z + ratio * math.sqrt(diffusivity * t))
    return np.asarray(np.exp(-(z**2)) * (special.erfcx(z) - exchanged))
