"""Waves of a grid: their numbers, their coefficients, and a multiplier of them as a kernel.

A ring has whole waves. Between mirrors the field and its image are a ring of twice as many cells,
whose even waves are the cosines. So the multiplier of any grid is told on a ring.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from diffusim.block import Array
from diffusim.grid import Grid

# A weight of less than this part of the largest one is the rounding of a transform.
ROUND_OFF = 1e-15
# What the weights of a density may add up to beside one.
SLACK = 1e-12


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


def kernel_of(multiplier: Array, *, even: bool) -> Array:
    """Return the kernel of a multiplier on rings, its inverse transform.

    k(d) = 1/N sum_j H_j exp(2 pi i j d / N), from the middle outwards. On a ring with an even
    number of cells the farthest move to both sides is one, and half of its weight stands at each
    end.

    Parameters
    ----------
    multiplier : array
        H, real, with H(-j) = H(j), in the order of the fast Fourier transform.
    even : bool
        Whether it is the same for waves that are mirrored along one axis.
    """
    k = np.real(fft.ifftn(multiplier))
    for axis, n in enumerate(k.shape):
        k = np.roll(k, n // 2, axis)
        if n % 2 == 0:
            end = 0.5 * np.take(k, [0], axis)
            k = np.concatenate([end, np.take(k, range(1, n), axis), end], axis)
    # To the last bit, by which others see what the kernel is.
    for axes in [(axis,) for axis in range(k.ndim)] if even else [None]:
        k = 0.5 * (k + np.flip(k, axes))
    return np.ascontiguousarray(k)


def without_round_off(kernel: Array) -> Array:
    """Return a kernel in which what is but the rounding of its transform is zero.

    Only where the kernel is a density then, with no weight below zero and the sum one; what is
    missing to one goes to the centre. Any other kernel is returned as it is.
    """
    least = ROUND_OFF * float(np.max(np.abs(kernel)))
    if float(np.min(kernel)) < -least or abs(float(np.sum(kernel)) - 1.0) > SLACK:
        return kernel
    density = np.where(np.abs(kernel) <= least, 0.0, kernel)
    density[tuple(n // 2 for n in kernel.shape)] += 1.0 - float(np.sum(density))
    return density
