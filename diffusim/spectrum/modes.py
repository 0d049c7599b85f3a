"""The waves of a grid: their numbers, the coefficients of a field in them, and power by length.

A ring has whole waves. Between mirrors the field and its image are a ring of twice as many cells,
whose even waves are the cosines. So what waves are multiplied by is told on rings for any grid.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import fft

from diffusim.block import Array
from diffusim.grid import Grid

# Shells of waves: each this much shorter than the one before, but no thinner than one mode; of a
# series, which chance makes more often than not, than three.
RATIO, THINNEST, THINNEST_IN_TIME = 1.12, 1, 3


def rings(grid: Grid) -> tuple[int, ...]:
    """Return the cells of the ring of each axis: its own, or twice as many between mirrors."""
    return tuple(n if ring else 2 * n for n, ring in zip(grid.shape, grid.wrap, strict=True))


def ring_numbers(grid: Grid) -> list[Array]:
    """Return the wave numbers of the ring of each axis, in waves per m, shaped to broadcast.

    They stand in the order of the fast Fourier transform; of an even number n of cells of length h
    the fastest is -1 / (2 h).
    """
    return [grid.along(axis, fft.fftfreq(n, h))
            for axis, (n, h) in enumerate(zip(rings(grid), grid.spacing, strict=True))]  # fmt: skip


def mode_numbers(grid: Grid) -> list[Array]:
    """Return the wave numbers of the coefficients along each axis, in waves per m."""
    numbers = enumerate(ring_numbers(grid))
    return [np.take(number, range(grid.shape[axis]), axis) for axis, number in numbers]


def corner_numbers(grid: Grid) -> list[Array]:
    """Return the sizes of the wave numbers of each ring, in waves per m, each one once.

    They grow from none to the fastest, and tell all of what is the same for waves that are mirrored
    along an axis.
    """
    numbers = enumerate(zip(ring_numbers(grid), rings(grid), strict=True))
    return [np.abs(np.take(k, range(n // 2 + 1), axis)) for axis, (k, n) in numbers]


def of_modes(multiplier: Array, grid: Grid) -> Array:
    """Return the part of a multiplier on rings that the modes of the grid meet."""
    return np.ascontiguousarray(multiplier[tuple(slice(n) for n in grid.shape)])


def on_rings(modes: Array, grid: Grid) -> Array:
    """Return a multiplier of the modes as one on rings.

    The shortest wave of the ring of an even field has no part in it, and none in the multiplier.
    """
    for axis, (n, ring) in enumerate(zip(grid.shape, grid.wrap, strict=True)):
        if not ring:
            none = np.zeros_like(np.take(modes, [0], axis))
            image = np.flip(np.take(modes, range(1, n), axis), axis)
            modes = np.concatenate([modes, none, image], axis)
    return modes


def coefficients(u: Array, grid: Grid) -> Array:
    """Return the coefficients of a field in orthonormal modes: cosines, and waves of a ring.

    Between mirrors c_j = sqrt((2 - [j = 0]) / n) sum_i u_i cos(pi j (i + 1/2) / n), round a ring
    c_j = n^(-1/2) sum_i u_i exp(-2 pi i j / n), so sum |c|^2 = sum u^2 (Parseval).

    Parameters
    ----------
    u : array
        The field, of the grid's shape.
    grid : Grid
        A box; sides that are not joined count as mirrors.
    """
    c = u
    # Real transforms first, while all is real.
    for axis, ring in enumerate(grid.wrap):
        c = c if ring else fft.dct(c, axis=axis, norm="ortho")
    joined = [axis for axis, ring in enumerate(grid.wrap) if ring]
    return np.asarray(fft.fftn(c, axes=joined, norm="ortho") if joined else c)


def field_of(c: Array, grid: Grid) -> Array:
    """Return the field with these coefficients."""
    joined = [axis for axis, ring in enumerate(grid.wrap) if ring]
    u = np.real(fft.ifftn(c, axes=joined, norm="ortho")) if joined else c
    for axis, ring in enumerate(grid.wrap):
        u = u if ring else fft.idct(u, axis=axis, norm="ortho")
    return np.asarray(u)


class Shells:
    """Modes of much the same length together, from long waves to short ones, without the mean.

    Parameters
    ----------
    grid : Grid
        A box of cells.
    """

    def __init__(self, grid: Grid) -> None:
        squares = sum((k**2 for k in mode_numbers(grid)), np.zeros(grid.shape))
        number = np.sqrt(squares).ravel()
        self._there = number > 0.0
        number = number[self._there]
        thin = float(np.min(number)), THINNEST_IN_TIME if grid.in_time else THINNEST
        self._shells = np.digitize(number, _limits(*thin, float(np.max(number))))
        counts = np.bincount(self._shells)
        self._held = counts > 0
        self.modes = counts[self._held]
        self.lengths = 1.0 / self._means_of(number)

    def means(self, values: Array) -> Array:
        """Return the mean over each shell of what every mode of the grid has."""
        return self._means_of(np.ravel(values)[self._there])

    def _means_of(self, values: Array) -> Array:
        return np.asarray(np.bincount(self._shells, values)[self._held] / self.modes)


def _limits(lowest: float, thinnest: int, last: float) -> Array:
    """Limits between shells of wave numbers."""
    ends = [(thinnest + 0.5) * lowest]
    while ends[-1] < last:
        ends.append(max(ends[-1] + thinnest * lowest, RATIO * ends[-1]))
    return np.array(ends)


class Radial(NamedTuple):
    """Mean power of the waves of much the same length, long ones first.

    Parameters
    ----------
    lengths : array
        Wavelengths in m, of a series periods in s: one over the mean wave number of a shell.
    power : array
        Mean square of a mode, in the square of the field's unit. Of noise that is independent from
        cell to cell it is the same in all shells: the variance of a cell.
    modes : array
        How many there are in each shell.
    """

    lengths: Array
    power: Array
    modes: Array


def radial_power(u: Array, grid: Grid) -> Radial:
    """Return the mean power of a field by wavelength, whatever the direction; the mean is left out.

    In orthonormal modes, see `coefficients`. Each shell reaches to waves 1.12 times as short as the
    one before, but is no thinner than one mode along the longest axis, or three of a series.

    Parameters
    ----------
    u : array
        The field, of the grid's shape.
    grid : Grid
        A box of two cells at least; sides that are not joined count as mirrors.
    """
    shells = Shells(grid)
    power = shells.means(np.abs(coefficients(u, grid)) ** 2)
    return Radial(shells.lengths, power, shells.modes)
