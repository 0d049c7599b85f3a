"""Kernels by themselves: flipped, wrapped around a ring, in frequencies, folded with themselves."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np

from diffusim.block import Array
from diffusim.convolve.sides import Sides, checked, inside

# Products beyond which a folded power is taken by transforms: some 50 ms.
DIRECT_WORK = 5e8


def flipped(kernel: Array) -> Array:
    """Return the kernel of the opposite moves, k'(d) = k(-d)."""
    return np.flip(np.asarray(kernel))


def wrapped(kernel: Array, shape: Sequence[int]) -> Array:
    """Return a kernel wrapped around itself on a ring: r(x) = sum of k(d) over d = x modulo n.

    Parameters
    ----------
    kernel : array
        Odd in size; its centre comes to index 0.
    shape : sequence of int
        Cells of the ring along each axis.

    Raises
    ------
    ValueError
        When the kernel is not odd in size or has another number of axes.
    """
    weights, cells = masked(kernel, len(shape)), two(shape)
    around = [
        np.arange(-(m // 2), m // 2 + 1) % n for m, n in zip(weights.shape, cells, strict=True)
    ]
    return laid(weights, cells, around).reshape(tuple(shape))


def transfer(kernel: Array, shape: Sequence[int]) -> Array:
    """Return what a kernel that sends multiplies each wave of a ring by, K_p = F(wrapped k)_p.

    F is the forward transform without any factor. Where the kernel collects it is the conjugate.

    Parameters
    ----------
    kernel : array
        Odd in size.
    shape : sequence of int
        Cells of the ring along each axis.

    Returns
    -------
    complex array
        In the shape of ``scipy.fft.rfftn`` of a field: the last axis has n // 2 + 1 frequencies.

    Raises
    ------
    ValueError
        When the kernel is not odd in size or has another number of axes.
    """
    from scipy import fft

    return np.asarray(fft.rfftn(wrapped(kernel, shape)))


def folded_power(kernel: Array, count: int) -> Array:
    """Return the kernel that does at once what ``count`` applications do, k * k * ... * k.

    By sums and repeated squaring while that is quick, which keeps every digit of kernels that are
    nowhere negative; else by transforms, with errors of some 1e-16 of the largest weight. What is
    nowhere negative stays so, and its total is the power of the kernel's.

    Parameters
    ----------
    kernel : array
        Odd in size.
    count : int
        Number of applications; none of them is the kernel of no move.

    Returns
    -------
    array
        With count (m - 1) + 1 weights along an axis with m.

    Raises
    ------
    ValueError
        When the kernel is not odd in size or the count is no whole number from 0 on.
    """
    weights = masked(kernel, np.ndim(kernel))
    counted(count)
    size, half = (
        np.prod([times * (m - 1.0) + 1.0 for m in weights.shape])
        for times in (count, (count + 1) // 2)
    )
    power = _squared(weights, count) if size * half <= DIRECT_WORK else _waves(weights, count)
    return np.asarray(power[0] if np.ndim(kernel) == 1 else power)


def kept(kernel: Array, shape: Sequence[int], sides: Sides) -> Array:
    """Return for each cell the sum of k(d) over the moves that do not lead out.

    One application that sends loses sum_x (K - kept(x)) u(x), where K is the sum of the kernel;
    where no move leads out kept is ``np.sum(kernel)`` to the last bit.

    Parameters
    ----------
    kernel : array
        Odd in size.
    shape : sequence of int
        Cells of the field along each axis.
    sides : sequence of (low, high)
        "reflect", "wrap" or "zero" for both sides of each axis.

    Raises
    ------
    ValueError
        When kernel or sides do not fit.
    """
    weights = masked(kernel, len(shape))
    (low0, high0), (low1, high1) = (
        inside(n, m // 2, pair)
        for n, m, pair in zip(two(shape), weights.shape, checked(sides, len(shape)), strict=True)
    )
    table = np.zeros((weights.shape[0] + 1, weights.shape[1] + 1))
    table[1:, 1:] = weights.cumsum(0).cumsum(1)
    rows = table[high0] - table[low0]
    sums = rows[:, high1] - rows[:, low1]
    whole0, whole1 = high0 - low0 == weights.shape[0], high1 - low1 == weights.shape[1]
    sums[np.ix_(whole0, whole1)] = np.sum(kernel)
    return np.asarray(sums.reshape(tuple(shape)))


# --- what others of this package need -----------------------------------------------------------


def masked(kernel: Array, ndim: int) -> Array:
    """Return a kernel as weights in f64 along two axes.

    Raises
    ------
    ValueError
        When it has other axes, is not odd in size or not real.
    """
    weights = np.asarray(kernel)
    if ndim not in (1, 2) or weights.ndim != ndim:
        raise ValueError(f"expected a kernel with {ndim} axes, 1 or 2, found {weights.ndim}")
    if any(m % 2 == 0 for m in weights.shape):
        raise ValueError(f"a kernel has an odd number of weights along each axis: {weights.shape}")
    if weights.dtype.kind not in "fiub":
        raise ValueError(f"a kernel's weights are real numbers, not {weights.dtype}")
    return np.array(weights.reshape(two(weights.shape)), float, order="C")


def two(shape: Sequence[int]) -> tuple[int, int]:
    """Return a shape as that of two axes."""
    n0, n1 = (1, *shape) if len(shape) == 1 else shape
    return n0, n1


def laid(weights: Array, shape: tuple[int, int], onto: Sequence[Array]) -> Array:
    """Return weights added up in an array, row i and column j at (onto[0][i], onto[1][j])."""
    from diffusim.loops import convolution

    found = np.zeros(shape)
    convolution.fold(np.ascontiguousarray(weights), found, *onto)
    return found


def counted(count: int) -> None:
    """Refuse what is no number of applications.

    Raises
    ------
    ValueError
        When it is no integer from 0 on.
    """
    if not isinstance(count, Integral) or count < 0:
        raise ValueError(f"a kernel is applied a whole number of times, not {count}")


def even(weights: Array, axis: int) -> bool:
    """Return whether weights stay the same to the last bit when an axis is flipped."""
    return np.array_equal(weights, np.flip(weights, axis))


def _squared(weights: Array, count: int) -> Array:
    """Return the folded power by sums."""
    power = np.ones((1, 1))
    while count:
        if count % 2:
            power = _full(weights, power)
        count //= 2
        if count:
            weights = _full(weights, weights)
    return power


def _full(one: Array, other: Array) -> Array:
    """Return the full convolution of two kernels."""
    from diffusim.loops import convolution

    (n0, n1), (m0, m1) = one.shape, other.shape
    found = np.empty((n0 + m0 - 1, n1 + m1 - 1))
    spread = np.pad(one, ((m0 - 1, m0 - 1), (m1 - 1, m1 - 1)))
    convolution.correlate(spread, np.ascontiguousarray(flipped(other)), found)
    return found


def _waves(weights: Array, count: int) -> Array:
    """Return the folded power by transforms."""
    from scipy import fft

    n0, n1 = (count * (m - 1) + 1 for m in weights.shape)
    lengths = [fft.next_fast_len(n, real=True) for n in (n0, n1)]
    ring = fft.irfftn(transfer(weights, lengths) ** count, lengths)
    power = np.ascontiguousarray(np.roll(ring, (n0 // 2, n1 // 2), (0, 1))[:n0, :n1])
    if weights.min() >= 0.0:
        power = np.maximum(power, 0.0)
        power *= weights.sum() ** count / power.sum()
    return power
