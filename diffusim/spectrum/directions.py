"""The strongest wave of a picture, and the direction in which a picture varies most.

Directions are counted as in `diffusim.spectrum.pictures`: across the crests, from x towards y,
anticlockwise as it is seen, from 0 to 180 degrees.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.spectrum.pictures import (
    MEDIAN,
    Power,
    Spacing,
    Window,
    centred_power,
    spacings,
    usual_power,
    windowed,
)

# How many times the power round it a wave has that stands out. Noise, smoothed or not, edges, blobs
# and a portrait had 14 at most, stripes under noise of their own size 60 and more.
STANDS_OUT = 25.0
# What is finer than this many cells hardly counts for the gradients of a picture.
SCALE = 2.0
# Modes at this distance from a wave's own, in modes, say what power is usual there: further than a
# window spreads it.
AROUND = (3, 6)
# A straight edge has waves of one direction but of all lengths, and what is smooth has long ones.
# So waves of the same direction count too, at these distances.
ALONG = np.array([-6.0, -5.0, -4.0, 4.0, 5.0, 6.0])
# So much of the mean power of all modes is added, or the stairs of a slanted edge would stand out.
LITTLE = 0.1
# How many modes are looked at closely, how many times the power round it a wave has at least, and
# how many of them lie across the picture at least, but for what a fit of few may be off.
CANDIDATES, LEAST, FEWEST, OFF = 64, 5.0, 4.0, 0.01
# Waves whose harmonics are known as such: so many, the strongest. A harmonic lies this close to the
# place that they say, in modes, and is not shorter than half a cell before the cells fold it back.
STRONGEST, CLOSE, SHORTEST = 4, 0.5, 2.0
# Of the search for a wave between modes, in modes: the first step, how much closer every time, and
# the last one.
FIRST, CLOSER, LAST = 0.5, 0.2, 1e-6
# Rounds in which it does not come closer, since the wave lies further away.
PATIENCE = 40


class Wave(NamedTuple):
    """A plane wave in a picture, amplitude cos(2 pi k x + phase).

    Parameters
    ----------
    period : float
        From crest to crest in m.
    angle : float
        Direction of its wave vector in degrees, from 0 to 180.
    amplitude : float
        Half of the way from trough to crest, in the field's unit.
    prominence : float
        How many times the power of the modes round its own it has: their median over ln 2, or the
        most that shorter and longer waves of its direction have, and a tenth of the mean of all.
    """

    period: float
    angle: float
    amplitude: float
    prominence: float

    @property
    def stands_out(self) -> bool:
        """Whether neither noise nor a picture without stripes would have such a wave."""
        return self.prominence >= STANDS_OUT


class Orientation(NamedTuple):
    """The direction in which a picture varies most.

    Parameters
    ----------
    angle : float
        In degrees, from 0 to 180.
    sharpness : float
        From 0, where all directions are alike, to 1, where it varies along this one only: the
        difference of the mean squares of the gradient along and across, over their sum.
    wave : Wave or None
        The wave whose direction it is, where one stands out.
    """

    angle: float
    sharpness: float
    wave: Wave | None


def strongest_wave(u: Array, spacing: Spacing = 1.0, window: Window = "hann") -> Wave | None:
    """Return the wave of a picture that stands out most from those that are nearly as it is.

    The mode with the largest power beside that of the modes round it, then, between the modes, the
    wave vector at which a constant, a cosine and a sine together leave the least sum of weighted
    squares. So period and angle of a plane wave alone are read to 1e-8, and, where it is two cells,
    beyond which there is none, to 1e-5. A wave that cells cannot hold is the one they show instead.

    Stripes that are no sine have harmonics, waves of whole parts of their period. A wave is passed
    over where a stronger one that stands out from the modes round it, however long, has it as one.

    Parameters
    ----------
    u : array
        The picture u[x, y].
    spacing : float or sequence of float
        Distance of its cells in m, one for all axes or one for each.
    window : {"none", "hann", "round"}
        What its cells weigh, see `diffusim.spectrum.pictures.window_of`.

    Returns
    -------
    Wave or None
        None where no wave has five times the power of the modes round it, or none of which four at
        least lie across the picture.

    Raises
    ------
    ValueError
        When it is no picture of two axes, or that no distance.

    References
    ----------
    M. Zechmeister, M. Kuerster, Astron. Astrophys. 496 (2009) 577-584 (the generalised Lomb-Scargle
    periodogram).
    """
    found = centred_power(u, spacing, window)
    fit = _Fit(*windowed(u, spacing, window), spacings(spacing))
    candidates = _candidates(found)
    strong = _Strong(found, fit)
    for place, prominence in candidates:
        k, amplitude = fit.near(place)
        if np.hypot(*(k / fit.apart)) < FEWEST - OFF or strong.have_as_harmonic(k, amplitude):
            continue
        angle = float(np.degrees(np.arctan2(k[1], k[0]))) % 180.0
        return Wave(1.0 / float(np.hypot(*k)), angle, amplitude, prominence)
    return None


def _summits(found: Power, least: float) -> Array:
    """Which modes have more power than their neighbours, and so many waves across; one of each two.

    A wave and its opposite are one.
    """
    power = found.power
    x, y = np.ogrid[tuple(slice(-(n // 2), (n + 1) // 2) for n in power.shape)]
    summits = (np.hypot(x, y) >= least) & ((x < 0) | ((x == 0) & (y < 0))) & (power > 0.0)
    for shift in [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]:
        summits &= power >= np.roll(power, shift, axis=(0, 1))
    return np.asarray(summits)


def _candidates(found: Power) -> list[tuple[tuple[int, int], float]]:
    """Modes that rise above those round them, the highest first, and how many times their power."""
    power = found.power
    # A wave lies up to one mode from the summit.
    times = np.where(_summits(found, FEWEST - 1.0), power / usual_power(found), 0.0)
    best = np.argsort(times, axis=None)[-CANDIDATES:]
    i, j = np.unravel_index(best[times.ravel()[best] > 0.0], times.shape)
    usual = np.maximum(_round(power, i, j), _in_line(power, i, j)) + LITTLE * float(np.mean(power))
    prominence = power[i, j] / usual
    order = [n for n in np.argsort(-prominence) if prominence[n] >= LEAST]
    return [((int(i[n]), int(j[n])), float(prominence[n])) for n in order]


class _Strong:
    """The strongest waves that stand out from the modes round them, also those of which few lie."""

    def __init__(self, found: Power, fit: _Fit) -> None:
        power = found.power
        i, j = np.nonzero(_summits(found, 1.0))
        out = power[i, j] >= STANDS_OUT * (_round(power, i, j) + LITTLE * float(np.mean(power)))
        order = np.argsort(-power[i[out], j[out]])[:STRONGEST]
        self._waves = [fit.near((int(i[out][n]), int(j[out][n]))) for n in order]
        self._fit, self._least = fit, 0.5 / max(power.shape)

    def have_as_harmonic(self, k: Array, amplitude: float) -> bool:
        """Whether a wave is that of a whole part of the period of one with a larger amplitude."""
        for own, larger in self._waves:
            # Of a wave that the picture hardly holds once there is no telling.
            longest = max(float(np.max(np.abs(own * self._fit.spacing))), self._least)
            numbers = np.arange(2, 1 + int(SHORTEST / longest))
            numbers = np.concatenate([numbers, -numbers])
            off = self._fit.folded(k - numbers[:, None] * own) / self._fit.apart
            if larger > amplitude and np.any(np.hypot(*off.T) < CLOSE):
                return True
        return False


def _round(power: Array, i: Array, j: Array) -> Array:
    """The power that modes round some have: their median over ln 2."""
    reach = np.arange(-AROUND[1], AROUND[1] + 1)
    far = np.hypot(reach[:, None], reach)
    di, dj = (reach[k] for k in np.nonzero((far > AROUND[0]) & (far <= AROUND[1])))
    n, m = power.shape
    near = power[(i[:, None] + di) % n, (j[:, None] + dj) % m]
    return np.asarray(np.median(near, axis=1) / MEDIAN)


def _in_line(power: Array, i: Array, j: Array) -> Array:
    """The most that shorter and longer waves of the same direction have."""
    middle = np.array([n // 2 for n in power.shape])[:, None, None]
    k = np.array([i, j])[:, :, None] - middle
    there = np.rint(k * (1.0 + ALONG / np.hypot(*k)) + middle).astype(int)
    inside = np.all((there >= 0) & (there < 2 * middle), axis=0)
    x, y = np.where(inside, there, 0)
    return np.asarray(np.max(np.where(inside, power[x, y], 0.0), axis=1))


class _Fit:
    """Sums over the cells of a picture for waves at any wave vectors."""

    def __init__(self, weights: Array, varied: Array, spacing: tuple[float, ...]) -> None:
        self.weights, self.varied = weights, varied
        self.places = [h * np.arange(n) for n, h in zip(varied.shape, spacing, strict=True)]
        self.spacing, self.middle = np.array(spacing), np.array(varied.shape) // 2
        # The distance of neighbouring modes along each axis, in waves per m.
        self.apart = 1.0 / (self.spacing * varied.shape)
        self.total = float(np.sum(weights))

    def folded(self, k: Array) -> Array:
        """The wave vector that cells show: along each axis a wave of two cells is the shortest."""
        return np.asarray(k - np.rint(k * self.spacing) / self.spacing)

    def near(self, place: tuple[int, int]) -> tuple[Array, float]:
        """The best wave vector near that of a mode, and the amplitude of its wave."""
        k, step = (place - self.middle) * self.apart, FIRST
        for _ in range(PATIENCE):
            move = _summit(self.explained(k, step * self.apart)[0])
            k = k + step * self.apart * move
            if step < LAST:
                break
            # A summit near the rim of the step is only roughly known.
            step *= CLOSER if np.max(np.abs(move)) < FIRST else 1.0
        return self.folded(k), float(self.explained(k, step * self.apart)[1][1, 1])

    def explained(self, k: Array, steps: Array) -> tuple[Array, Array]:
        """What waves at k and one step about it explain of the squares, and their amplitudes.

        Both of shape (3, 3).
        """
        x, y = (k[axis] + steps[axis] * np.arange(-1, 2) for axis in (0, 1))
        found = self._sums(self.varied, x, y)
        once, twice = (self._sums(self.weights, m * x, m * y) for m in (1, 2))
        # Normal equations of cosine and sine, the constant taken out.
        cc = 0.5 * (self.total + twice.real) - once.real**2 / self.total
        ss = 0.5 * (self.total - twice.real) - once.imag**2 / self.total
        cs = 0.5 * twice.imag - once.real * once.imag / self.total
        matrix = np.stack([np.stack([cc, cs], -1), np.stack([cs, ss], -1)], -2)
        right = np.stack([found.real, found.imag], -1)[..., None]
        # At two cells a wave one of them is zero, or as good as the constant.
        both = np.linalg.pinv(matrix, rcond=1e-9, hermitian=True) @ right
        return np.sum(both * right, axis=(-2, -1)), np.hypot(both[..., 0, 0], both[..., 1, 0])

    def _sums(self, values: Array, x: Array, y: Array) -> Array:
        """Sum of values times exp(2 pi i k place), at all pairs of wave numbers."""
        ex, ey = (np.exp(2j * np.pi * np.outer(k, place))
                  for k, place in zip((x, y), self.places, strict=True))  # fmt: skip
        part = ex.real @ values + 1j * (ex.imag @ values)
        return np.asarray(part @ ey.T)


def _summit(values: Array) -> Array:
    """Where a parabola through 3 x 3 values is highest, in steps from the middle, at most one."""
    high = np.array(np.unravel_index(int(np.argmax(values)), (3, 3))) - 1.0
    if np.any(high):
        return high
    slope = 0.5 * np.array([values[2, 1] - values[0, 1], values[1, 2] - values[1, 0]])
    xx = values[2, 1] + values[0, 1] - 2.0 * values[1, 1]
    yy = values[1, 2] + values[1, 0] - 2.0 * values[1, 1]
    xy = 0.25 * (values[2, 2] + values[0, 0] - values[2, 0] - values[0, 2])
    if xx * yy - xy**2 <= 0.0:
        return np.zeros(2)
    return np.clip(-np.linalg.solve([[xx, xy], [xy, yy]], slope), -1.0, 1.0)


def orientation(u: Array, spacing: Spacing = 1.0) -> Orientation:
    """Return the direction in which a picture varies most.

    That of the wave that stands out, where there is one; else the first axis of the structure
    tensor J = sum over modes of k k^T P[k] exp(-(2 pi s |k|)^2), which by Parseval's theorem is the
    mean of grad u grad u^T of the picture smoothed by a Gaussian of s = 2 cells. What is shorter
    than some six cells hardly counts there: in a picture made of cells it does not turn with it.
    The picture is looked at through a round window, so that its frame prefers no direction.

    Parameters
    ----------
    u : array
        The picture u[x, y].
    spacing : float or sequence of float
        Distance of its cells in m, one for all axes or one for each.

    Raises
    ------
    ValueError
        When it is no picture of two axes, or that no distance.

    References
    ----------
    J. Bigun, G. H. Granlund, Proc. First Int. Conf. Computer Vision (1987) 433-438.
    """
    found = centred_power(u, spacing, "round")
    kx, ky = found.numbers[0][:, None], found.numbers[1]
    scale = 2.0 * np.pi * SCALE * max(spacings(spacing))
    power = found.power * np.exp(-((scale * found.sizes) ** 2))
    along, across, both = (float(np.sum(power * part)) for part in (kx * kx, ky * ky, kx * ky))
    apart = float(np.hypot(along - across, 2.0 * both))
    angle = float(np.degrees(0.5 * np.arctan2(2.0 * both, along - across))) % 180.0
    sharpness = apart / (along + across) if along + across > 0.0 else 0.0
    wave = strongest_wave(u, spacing)
    if wave is None or not wave.stands_out:
        return Orientation(angle, sharpness, None)
    return Orientation(wave.angle, sharpness, wave)
