"""Norms: how large a field is, or how far two are apart, beside the size of the reference.

Fields have one axis per dimension of the grid as their last ones; a first axis of channels may
stand before them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import fft

from diffusim.block import Array

# Wavelengths in cells that part the bands of a spectrum, an octave each.
OCTAVES = (4, 8, 16)
BANDS = ("<4", *(f"{a}-{b}" for a, b in zip(OCTAVES, OCTAVES[1:], strict=False)), f">{OCTAVES[-1]}")
# A field that is below zero by more than this part of its content is no distribution.
SIGNED = 1e-6
# A distribution on a ring whose mean direction is shorter than this has no centre there.
NO_CENTRE = 1e-9


def distance(u: Array, reference: Array, order: float, volume: float | Array = 1.0) -> float:
    """Relative distance ||u - r|| / ||r||; from a field of zeros it is 0 or infinity.

    Cells count by their volume, where it differs among them.
    """
    return relative(u - reference, reference, order, volume)


def distances(
    u: Array, reference: Array, volume: float | Array = 1.0
) -> tuple[float, float, float]:
    """Relative distances in L1, L2 and Linf at once, as `distance` gives each of them."""
    return _parts(u - reference, reference, volume)


def relative(error: Array, reference: Array, order: float, volume: float | Array = 1.0) -> float:
    """Relative size ||error|| / ||reference||; beside a field of zeros it is 0 or infinity."""
    return _parts(error, reference, volume)[(1, 2, np.inf).index(order)]


def size(u: Array, volume: float | Array = 1.0) -> float:
    """Root of the integral of the square, of which nothing is lost however small it is."""
    scale = float(np.max(np.abs(u)))
    weight = None if np.ndim(volume) == 0 else np.asarray(volume)
    factor = float(volume) if weight is None else 1.0
    return scale * math.sqrt(factor * _sizes(u / scale, weight)[1]) if scale else 0.0


def _parts(error: Array, reference: Array, volume: float | Array) -> tuple[float, float, float]:
    scale = float(np.max(np.abs(reference)))
    if scale == 0.0:
        beyond = math.inf if np.any(error) else 0.0
        return beyond, beyond, beyond
    weight = None if np.ndim(volume) == 0 else np.asarray(volume)
    # Scaled first, so that no square of a small number is lost.
    apart, whole = (_sizes(v / scale, weight) for v in (error, reference))
    return apart[0] / whole[0], math.sqrt(apart[1] / whole[1]), apart[2] / whole[2]


def _sizes(v: Array, weight: Array | None) -> tuple[float, float, float]:
    """Sums of absolute values and of squares, and the largest.

    Without BLAS, whose threads take a thousand times as long to begin as this takes.
    """
    a = np.abs(v)
    largest, squares = float(np.max(a)), np.square(a)
    if weight is None:
        return float(np.sum(a)), float(np.sum(squares)), largest
    return float(np.sum(weight * a)), float(np.sum(weight * squares)), largest


# --- slopes and wavelengths ---------------------------------------------------------------------


def h1(
    u: Array,
    reference: Array,
    centres: Sequence[Array],
    volume: float | Array = 1.0,
    wrap: Sequence[bool] = (),
) -> float:
    """Relative distance in the full H1 norm, ||v||^2 = sum v^2 V + L^2 sum |dv/dx|^2 V.

    Slopes are forward differences across the inner faces, and across the seam of a periodic axis; a
    face counts by the mean volume of its two cells. Lengths are in units of L, the longest stretch
    of cells, so the norm is that of a box of length one.

    Parameters
    ----------
    u, reference : array
        The fields; axes before those of the grid count as well.
    centres : sequence of array
        Cell centres in m along each axis of the grid.
    volume : float or array
        Volume of the cells.
    wrap : sequence of bool, optional
        Which axes are periodic; none if not given.
    """
    scale = float(np.max(np.abs(reference)))
    if scale == 0.0:
        return math.inf if np.any(u) else 0.0
    apart, size = (_squares(v / scale, centres, volume, wrap) for v in (u - reference, reference))
    return math.sqrt(apart / size) if size == size else math.nan


def _squares(
    v: Array, centres: Sequence[Array], volume: float | Array, wrap: Sequence[bool]
) -> float:
    weight = np.broadcast_to(volume, v.shape)
    total = float(np.sum(weight * v**2))
    steps = [np.diff(c) for c in centres]
    longest = max((float(np.sum(s)) + (float(np.mean(s)) if s.size else 0.0)) for s in steps) or 1.0
    first = v.ndim - len(centres)
    for axis, step in enumerate(steps):
        if not step.size:
            continue
        v_at, w_at = (np.moveaxis(a, first + axis, -1) for a in (v, weight))
        if axis < len(wrap) and wrap[axis]:
            step = np.append(step, 0.5 * (step[0] + step[-1]))
            v_at, w_at = (np.concatenate([a, a[..., :1]], -1) for a in (v_at, w_at))
        slopes = np.diff(v_at) * (longest / step)
        total += float(np.sum(0.5 * (w_at[..., 1:] + w_at[..., :-1]) * slopes**2))
    return total


def bands(u: Array, reference: Array, wrap: Sequence[bool], channels: int = 0) -> dict[str, float]:
    """Relative L2 distance in each band of wavelengths, in cells; their squares add up to l2^2.

    Fields are taken apart by the cosine transform along closed axes and by Fourier's along periodic
    ones, on even cells. A mode's wavelength is one over the length of its wave vector, in cells;
    what is constant belongs to the longest.

    Parameters
    ----------
    wrap : sequence of bool
        Which axes of the grid are periodic.
    channels : int
        How many fields stand along a first axis, 0 where there is no such axis.
    """
    scale = float(np.max(np.abs(reference)))
    if scale == 0.0:
        return dict.fromkeys(BANDS, math.inf if np.any(u) else 0.0)
    found, squared = (u - reference) / scale, np.zeros((1,) * len(wrap))
    first = 1 if channels else 0
    for axis, ring in enumerate(wrap):
        n = found.shape[first + axis]
        along = np.abs(fft.fftfreq(n)) if ring else 0.5 * np.arange(n) / n
        squared = squared + np.reshape(along**2, [-1 if k == axis else 1 for k in range(len(wrap))])
        transform = fft.fft if ring else fft.dct
        found = transform(found, axis=first + axis, norm="ortho")
    edges = [(1.0 / length) ** 2 for length in OCTAVES]
    place = np.searchsorted(-np.array(edges), -squared, side="right")
    power = np.sum(np.abs(found) ** 2, axis=0) if channels else np.abs(found) ** 2
    sums = np.bincount(np.ravel(place), np.ravel(power), len(BANDS))
    whole = math.sqrt(_sizes(reference / scale, None)[1])
    return {name: math.sqrt(s) / whole for name, s in zip(BANDS, sums.tolist(), strict=True)}


# --- distributions ------------------------------------------------------------------------------


def negative(u: Array, volume: float | Array = 1.0) -> float:
    """Part of the content that lies below zero, beside all of it without regard to sign."""
    size = float(np.sum(np.abs(u) * volume))
    # Added to zero, so that nothing at all is no negative zero.
    return 0.0 - float(np.sum(np.minimum(u, 0.0) * volume)) / size if size else 0.0


def variation(
    u: Array, reference: Array, volume: float | Array = 1.0, channels: int = 0
) -> float | None:
    """Total variation distance of two fields as distributions over the cells, from 0 to 1.

    It is half the sum of differences of the normalised contents, which is also the largest
    difference of the probabilities of any set of cells; of several channels the largest counts.

    Returns
    -------
    float or None
        None where either is empty or below zero by more than round-off.
    """
    pairs = _distributions(u, reference, volume, channels)
    if pairs is None:
        return None
    return max(0.5 * float(np.sum(np.abs(p - q))) for p, q in pairs)


def transport(
    u: Array,
    reference: Array,
    centres: Sequence[Array],
    volume: float | Array = 1.0,
    wrap: Sequence[bool] = (),
    channels: int = 0,
) -> list[float] | None:
    """Earth mover's distance of the marginal distributions along each axis, in m.

    That is how far content has to be moved along the axis, in the mean, to make one of the other:
    the integral of the difference of the cumulated distributions. On a periodic axis it is moved
    the shorter way round. Of several channels the largest counts.

    Parameters
    ----------
    centres : sequence of array
        Cell centres in m along each axis of the grid.

    Returns
    -------
    list of float or None
        None where either is empty or below zero by more than round-off.

    References
    ----------
    C. Villani, "Topics in Optimal Transportation", AMS 2003, section 2.2.
    """
    pairs = _distributions(u, reference, volume, channels)
    if pairs is None:
        return None
    return [
        max(_moved(_marginal(p - q, axis), c, axis < len(wrap) and wrap[axis]) for p, q in pairs)
        for axis, c in enumerate(centres)
    ]


def _moved(difference: Array, centres: Array, ring: bool) -> float:
    beyond = np.cumsum(difference)
    steps = np.diff(centres)
    if not ring or not steps.size:
        return float(np.sum(np.abs(beyond[:-1]) * steps))
    steps = np.append(steps, 0.5 * (steps[0] + steps[-1]))
    # What goes across the seam is free; the median makes the way the shortest.
    order = np.argsort(beyond)
    passed = np.cumsum(steps[order])
    middle = order[np.searchsorted(passed, 0.5 * passed[-1])]
    return float(np.sum(np.abs(beyond - beyond[middle]) * steps))


def displacement(
    u: Array,
    reference: Array,
    centres: Sequence[Array],
    volume: float | Array = 1.0,
    wrap: Sequence[bool] = (),
    channels: int = 0,
) -> list[float | None] | None:
    """How far the centre of mass of a field is off that of the reference along each axis, in m.

    On a periodic axis the centre is the direction of the mean on the circle; an axis along which
    one of both has none gets None. Of several channels the one that is furthest off counts.

    Returns
    -------
    list or None
        None where either is empty or below zero by more than round-off.
    """
    pairs = _distributions(u, reference, volume, channels)
    if pairs is None:
        return None
    found: list[float | None] = []
    for axis, c in enumerate(centres):
        ring = axis < len(wrap) and wrap[axis] and c.size > 1
        off = [_off(_marginal(p, axis), _marginal(q, axis), c, ring) for p, q in pairs]
        told = [value for value in off if value is not None]
        found.append(max(told, key=abs) if len(told) == len(off) else None)
    return found


def _off(p: Array, q: Array, centres: Array, ring: bool) -> float | None:
    if not ring:
        return float(np.sum((p - q) * (centres - centres[0])))
    length = centres.size * (centres[-1] - centres[0]) / (centres.size - 1)
    turns = np.exp(2j * np.pi * centres / length)
    mine, other = complex(np.sum(p * turns)), complex(np.sum(q * turns))
    if min(abs(mine), abs(other)) < NO_CENTRE:
        return None
    turned = mine * other.conjugate() if mine != other else complex(1.0)
    return float(length * math.atan2(turned.imag, turned.real) / (2.0 * math.pi))


def _marginal(p: Array, axis: int) -> Array:
    return np.asarray(np.sum(p, axis=tuple(k for k in range(p.ndim) if k != axis)))


def _distributions(
    u: Array, reference: Array, volume: float | Array, channels: int
) -> list[tuple[Array, Array]] | None:
    """Both fields as contents of cells that sum to one, a pair for each channel."""
    pairs = list(zip(u, reference, strict=True)) if channels else [(u, reference)]
    found = []
    for pair in pairs:
        shares = [_shares(v, volume) for v in pair]
        if shares[0] is None or shares[1] is None:
            return None
        found.append((shares[0], shares[1]))
    return found


def _shares(u: Array, volume: float | Array) -> Array | None:
    scale = float(np.max(np.abs(u)))
    if not 0.0 < scale < math.inf or negative(u, volume) > SIGNED:
        return None
    content = (u / scale) * volume
    return np.asarray(content / np.sum(content))
