"""A multiplier of the waves of a grid as a kernel; see `diffusim.spectrum.modes` for the waves.

A multiplier that is the same for waves that are mirrored along an axis is told by a corner, the
waves that run upwards along all axes. Between mirrors it is a quarter of the rings, and so is that
of the kernel, so whoever needs only that needs no more memory than a field.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft

from diffusim.block import Array
from diffusim.grid import Grid
from diffusim.spectrum import rings

# A weight of less than this part of the largest one is the rounding of a transform.
ROUND_OFF = 1e-15
# What the weights of a density may add up to beside one.
SLACK = 1e-12


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
    if even:
        corner = multiplier[tuple(slice(n // 2 + 1) for n in multiplier.shape)]
        return kernel_of_corner(corner_of_kernel(corner, multiplier.shape))
    k = np.real(fft.ifftn(multiplier))
    for axis, n in enumerate(k.shape):
        k = np.roll(k, n // 2, axis)
        if n % 2 == 0:
            end = 0.5 * np.take(k, [0], axis)
            k = np.concatenate([end, np.take(k, range(1, n), axis), end], axis)
    # To the last bit, by which others see what the kernel is.
    return np.ascontiguousarray(0.5 * (k + np.flip(k)))


def corner_of_kernel(corner: Array, rings: Sequence[int]) -> Array:
    """Return the weights of moves that are not downwards, of the corner of an even multiplier.

    k(d) = 1/n (H_0 + 2 sum_j H_j cos(2 pi j d / n)) along each axis, of an even n with the fastest
    wave once; the farthest move of an even ring is halved, see `kernel_of`.

    Parameters
    ----------
    corner : array
        H at the wave numbers `diffusim.spectrum.corner_numbers`.
    rings : sequence of int
        Cells of the rings.
    """
    for axis, n in enumerate(rings):
        if n % 2:
            whole = fft.irfft(corner, n, axis=axis)
            corner = np.take(whole, range(n // 2 + 1), axis)
        else:
            corner = fft.dct(corner, type=1, axis=axis, overwrite_x=axis > 0) / n
            np.moveaxis(corner, axis, 0)[-1] *= 0.5
    return np.asarray(corner)


def kernel_of_corner(corner: Array) -> Array:
    """Return the kernel of which these are the weights of moves that are not downwards."""
    for axis in range(corner.ndim):
        corner = np.concatenate([np.flip(_part(corner, axis, 1, None), axis), corner], axis)
    return corner


def rings_of_corner(corner: Array, grid: Grid) -> Array:
    """Return an even multiplier on the rings of a grid, in the order of the Fourier transform."""
    return _unfolded(corner, rings(grid), [True] * corner.ndim)


def modes_of_corner(corner: Array, grid: Grid) -> Array:
    """Return the part of an even multiplier that the modes of a grid meet."""
    return _unfolded(corner, grid.shape, grid.wrap)


def _unfolded(corner: Array, shape: Sequence[int], wrap: Sequence[bool]) -> Array:
    for axis, (n, ring) in enumerate(zip(shape, wrap, strict=True)):
        if ring:
            image = np.flip(_part(corner, axis, 1, (n + 1) // 2), axis)
            corner = np.concatenate([corner, image], axis)
        else:
            corner = _part(corner, axis, 0, n)
    return np.ascontiguousarray(corner)


def _part(values: Array, axis: int, first: int, last: int | None) -> Array:
    return np.moveaxis(np.moveaxis(values, axis, 0)[first:last], 0, axis)


def nearly_density(lowest: float, highest: float, total: float) -> bool:
    """Return whether a kernel is a density but for round-off: by two weights, and the sum of all.

    No weight is below zero by more than 1e-15 of the largest, and the sum is one to 1e-12.
    """
    return lowest >= -ROUND_OFF * max(-lowest, highest) and abs(total - 1.0) <= SLACK


def without_round_off(kernel: Array) -> Array:
    """Return a kernel in which what is but the rounding of its transform is zero.

    Only where the kernel is a density then, with no weight below zero and the sum one; what is
    missing to one goes to the centre. Any other kernel is returned as it is.
    """
    if not nearly_density(float(np.min(kernel)), float(np.max(kernel)), float(np.sum(kernel))):
        return kernel
    return summing_to_one(without_small(kernel))


def without_small(weights: Array) -> Array:
    """Return weights of which those are zero that are the rounding of a transform beside others."""
    least = ROUND_OFF * max(-float(np.min(weights)), float(np.max(weights)))
    return np.where((weights <= least) & (weights >= -least), 0.0, weights)


def summing_to_one(kernel: Array) -> Array:
    """Give what a kernel's sum is short of one to its centre, in place, and return it."""
    kernel[tuple(n // 2 for n in kernel.shape)] += 1.0 - float(np.sum(kernel))
    return kernel
