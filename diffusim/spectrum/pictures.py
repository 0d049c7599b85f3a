"""Fourier pictures: which waves a picture u[x, y] is made of, how long they are, where they point.

A wave has a wave vector (kx, ky) in waves per metre, across its crests. Its direction is counted
from x towards y, anticlockwise as it is seen, from 0 to 180 degrees: crests that stand upright are
waves of 0 degrees. A picture that is turned by an angle has its spectrum turned by that angle.

Nothing here knows of a grid: ``spacing`` is the distance of neighbouring values along each axis, or
along all of them, in m, or in cells where it is 1.

References
----------
R. N. Bracewell, *The Fourier Transform and Its Applications*, 3rd ed., McGraw-Hill 2000; F. J.
Harris, Proc. IEEE 66 (1978) 51-83 (windows).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy import fft

from diffusim.block import Array

Window = Literal["none", "hann", "round"]
# One distance for all axes, or one for each.
Spacing = float | Sequence[float]
# Modes up to three waves from the middle of the spectrum: those of the first shell.
FIRST_SHELL = 9.0 * np.pi
# The median of an exponential law, which the power of a mode of noise has, beside its mean.
MEDIAN = float(np.log(2.0))
# What all shells are taken to hold at least, as a part of the mean power.
BACKGROUND = 1e-3
# Of the mean of many cells, beside the largest of them.
ROUND_OFF = 64.0 * float(np.finfo(float).eps)
# A sector with this part of the modes of the fullest has none, but for round-off.
EMPTY = 1e-9


class Power(NamedTuple):
    """The power of every wave of a picture, that of the mean in the middle.

    Parameters
    ----------
    power : array
        Mean square of a mode, p[kx, ky], in the square of the field's unit. Of noise of variance s
        in independent cells it is s everywhere; without a window its sum is that of the squares of
        the field less its mean.
    numbers : tuple of array
        kx and ky, growing, in waves per m.
    """

    power: Array
    numbers: tuple[Array, Array]

    @property
    def sizes(self) -> Array:
        """Size of the wave vector of every mode, |k| in waves per m."""
        return np.asarray(np.hypot(self.numbers[0][:, None], self.numbers[1]))

    @property
    def directions(self) -> Array:
        """Direction of every mode in degrees, from 0 to 180."""
        turns = np.arctan2(self.numbers[1], self.numbers[0][:, None])
        return np.asarray(np.degrees(turns) % 180.0)


class Angular(NamedTuple):
    """Mean power of the waves of each direction.

    Parameters
    ----------
    angles : array
        Middles of the sectors in degrees, from 0 to 180.
    power : array
        Mean square of a mode, or what it is beside all directions.
    """

    angles: Array
    power: Array


def spacings(spacing: Spacing, axes: int = 2) -> tuple[float, ...]:
    """Return the distance of values along each axis of a picture.

    Raises
    ------
    ValueError
        When it is neither one length above zero nor one for each axis.
    """
    try:
        found = np.asarray(spacing, dtype=float)
    except (TypeError, ValueError):
        found = np.zeros(())
    if found.shape not in ((), (axes,)) or not np.all(np.isfinite(found) & (found > 0.0)):
        raise ValueError(
            f"expected the distance of cells as one number above zero, or one for each of {axes} "
            f"axes, found {spacing!r}; of a grid it is its 'spacing'"
        )
    return tuple(np.broadcast_to(found, (axes,)).tolist())


def window_of(shape: Sequence[int], spacing: Spacing, window: Window) -> Array:
    """Return the weights of a picture's cells.

    ``none`` is one everywhere, and the picture is taken to go on at its other side, so a jump from
    rim to rim shows as a cross. ``hann`` is the product of sin^2(pi x / L) along both axes, nothing
    at the rim. ``round`` is cos^2(pi r / d) about the middle, nothing beyond the largest circle,
    of diameter d: it turns with the picture, so no direction is preferred. Where no cell lies in
    that circle, as may be of two long ones, all weigh one.
    """
    if window == "none":
        return np.ones(tuple(shape))
    if window == "hann":
        x, y = (np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in shape)
        return np.outer(x, y)
    apart = spacings(spacing)
    x, y = ((np.arange(n) - 0.5 * (n - 1)) * h for n, h in zip(shape, apart, strict=True))
    radius = 0.5 * min(n * h for n, h in zip(shape, apart, strict=True))
    inside = np.maximum(1.0 - np.hypot(x[:, None], y) / radius, 0.0)
    weights = np.sin(0.5 * np.pi * inside) ** 2
    return np.asarray(weights if np.any(weights > 0.0) else np.ones(weights.shape))


def centred_transform(u: Array) -> Array:
    """Return the Fourier coefficients of a picture, its mean in the middle.

    c[k] = mean over x of u(x) exp(-2 pi i k x), so u(x) is the sum of c[k] exp(2 pi i k x), and of
    a product of two pictures it is the circular convolution of theirs.
    """
    return np.asarray(fft.fftshift(fft.fft2(u, norm="forward")))


def centred_power(u: Array, spacing: Spacing = 1.0, window: Window = "none") -> Power:
    """Return the power of every wave of a picture, that of the mean, which is taken off, amid all.

    P[k] = |sum of w (u - mean) exp(-2 pi i k x)|^2 / sum of w^2, the mean weighted by w too.

    Parameters
    ----------
    u : array
        The picture u[x, y].
    spacing : float or sequence of float
        Distance of its cells in m, one for all axes or one for each.
    window : {"none", "hann", "round"}
        What its cells weigh, see `window_of`.

    Raises
    ------
    ValueError
        When it is no picture of two axes, or that no distance.

    References
    ----------
    Parseval's theorem, and that of Wiener and Khinchin: without a window the inverse transform of
    the power is the circular autocovariance. Bracewell, chapter 6.
    """
    weights, varied = windowed(u, spacing, window)
    power = np.abs(varied.size * centred_transform(varied)) ** 2 / np.sum(weights**2)
    apart = zip(varied.shape, spacings(spacing), strict=True)
    kx, ky = (fft.fftshift(fft.fftfreq(n, h)) for n, h in apart)
    return Power(power, (kx, ky))


def windowed(u: Array, spacing: Spacing, window: Window) -> tuple[Array, Array]:
    """Return the weights of a picture's cells, and these times what it is above its mean.

    Raises
    ------
    ValueError
        When it is no picture of two axes, or its cells have no distance.
    """
    spacing = spacings(spacing)
    if np.ndim(u) != 2 or min(np.shape(u)) < 2:
        raise ValueError(f"expected a picture u[x, y], found an array of shape {np.shape(u)}")
    weights = window_of(np.shape(u), spacing, window)
    varied = u - np.sum(weights * u) / np.sum(weights)
    if np.max(np.abs(varied)) <= ROUND_OFF * np.max(np.abs(u)):
        # Of a picture that does not vary this is the rounding of its mean.
        varied = np.zeros(np.shape(u))
    return weights, weights * varied


def log_power(found: Power, least: float = 1e-12, beside: float | None = None) -> Array:
    """Return the common logarithm of the power beside the largest, from log10(least) upwards.

    A picture that does not vary has the least everywhere.

    Parameters
    ----------
    least : float
        What smaller parts are taken for.
    beside : float, optional
        A power to compare with, if not the largest, so that two pictures can be compared.
    """
    most = (float(np.max(found.power)) if beside is None else beside) or 1.0
    return np.asarray(np.log10(np.maximum(found.power / most, least)))


def angular_power(found: Power, sectors: int = 180, *, relative: bool = False) -> Angular:
    """Return the mean power by direction, whatever the wavelength.

    Only waves that all directions have are looked at, not the corners of the spectrum. Each mode
    stands for the disc of its own area round its wave vector and counts in the sectors that this
    disc covers as it is seen from the middle, by the part that lies in each, so a sector without
    a mode of its own is not empty, and of even power all have the same. A mode that is nearer to
    the middle than its disc is wide covers all directions; where a few cells leave a sector without
    any mode, it has what lies between its neighbours.

    Parameters
    ----------
    found : Power
        See `centred_power`; with the window ``round`` no direction is preferred.
    sectors : int
        How many there are in 180 degrees, the first one about 0.
    relative : bool
        Whether each mode counts as how many times it has the usual power of its wavelength, see
        `usual_power`, so that long waves do not hide all others, and directions are told beside
        their mean, which is one.
    """
    power = found.power / usual_power(found) if relative else found.power
    k = found.sizes
    apart = [float(numbers[1] - numbers[0]) for numbers in found.numbers]
    own = np.sqrt(apart[0] * apart[1] / np.pi)
    # A wave and its opposite are one.
    kx, ky = found.numbers[0][:, None], found.numbers[1]
    seen = (ky < 0.0) | ((ky == 0.0) & (kx < 0.0))
    seen &= k <= min(-float(numbers[0]) for numbers in found.numbers)
    half = np.degrees(np.arcsin(np.minimum(own / k[seen], 1.0)))
    middle = found.directions[seen]
    ends = 180.0 / sectors * (np.arange(sectors + 1) - 0.5)
    sums, counts = (
        _covered(middle, half, values, ends) for values in (power[seen], np.ones(middle.size))
    )
    middles = 0.5 * (ends[1:] + ends[:-1])
    held = counts > EMPTY * np.max(counts)
    means = np.interp(middles, middles[held], sums[held] / counts[held], period=180.0)
    beside = float(np.mean(means)) if relative else 1.0
    return Angular(middles, means / (beside or 1.0))


def _covered(middle: Array, half: Array, values: Array, ends: Array) -> Array:
    """What lies in sectors, of values that are spread evenly over arcs from middle -+ half."""
    # The sum up to an angle is straight but where an arc begins or ends; arcs come round.
    starts = np.concatenate([middle - half + turn for turn in (-180.0, 0.0, 180.0)])
    arcs, slopes = np.tile(2.0 * half, 3), np.tile(values / (2.0 * half), 3)
    near = (starts < ends[-1]) & (starts + arcs > ends[0])
    places = np.concatenate([starts[near], starts[near] + arcs[near]])
    order = np.argsort(places)
    slope = np.cumsum(np.concatenate([slopes[near], -slopes[near]])[order])
    upto = np.concatenate([[0.0], np.cumsum(slope[:-1] * np.diff(places[order]))])
    return np.diff(np.interp(ends, places[order], upto))


def usual_power(found: Power) -> Array:
    """Return the power that waves as long as each mode usually have, of the shape of the power.

    The median over a shell of waves of much the same length, over ln 2, which is the mean where the
    power comes of chance; a few strong waves do not change it. Shells are three waves wide, and a
    thousandth of the mean over all modes is added.
    """
    order = np.argsort(found.sizes, axis=None, kind="stable")
    shell = np.sqrt(np.arange(order.size) / FIRST_SHELL).astype(int)
    starts = np.flatnonzero(np.diff(shell, prepend=-1))
    sorted_ = found.power.ravel()[order]
    parts = np.split(sorted_, starts[1:])
    medians = np.array([float(np.median(part)) for part in parts]) / MEDIAN
    usual = np.empty(order.size)
    usual[order] = medians[shell] + BACKGROUND * float(np.mean(sorted_))
    # A picture that does not vary has no power at all.
    return np.where(usual > 0.0, usual, 1.0).reshape(found.power.shape)
