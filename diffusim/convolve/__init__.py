"""Convolution of a field with a kernel: by sums, by transforms, in blocks, axis after axis.

A kernel is an array of odd size, k[a + dx, b + dy] = the weight of the move by (dx, dy), or
k[a + dx] in one dimension. It can be read in two ways, each the other's transpose on every grid:

- it *sends*: each cell sends its content by the moves (a convolution),
  out(x) = sum of k(d) u(y) over all y and d with place(y + d) = x;
- it *collects*: each cell looks at its neighbours (a correlation),
  out(x) = sum over d of k(d) u(place(x + d)).

A density that sends keeps the total; weights that sum to one and collect keep constants.

``place`` brings back what lies beyond a side. At "reflect" stands the half-sample mirror,
d c b a | a b c d | d c b a, as often as needed; "wrap", on both sides of an axis, joins them;
beyond "zero" there is no place: what is sent there is lost, and what is looked at there is
``outside``. Cells there send too, each of them holding ``outside``. With a mirror on one side of an
axis and "zero" on the other, what goes by way of the mirror beyond the other side is gone.

Fields are f64, or f32 and then summed in f32. A kernel may be larger than the field.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffusim.block import Array
from diffusim.convolve.application import Application, by_transforms, plain, precision, steps
from diffusim.convolve.sides import Side, Sides, checked, pieces, places
from diffusim.convolve.weights import (
    counted,
    even,
    flipped,
    folded_power,
    kept,
    transfer,
    wrapped,
)

__all__ = [
    "Side",
    "Sides",
    "at_once",
    "direct",
    "flipped",
    "folded_power",
    "kept",
    "overlap_add",
    "places",
    "separable",
    "transfer",
    "transformed",
    "wrapped",
]


def direct(
    u: Array,
    kernel: Array,
    sides: Sides,
    *,
    collects: bool = False,
    outside: float = 0.0,
    count: int = 1,
) -> Array:
    """Apply a kernel ``count`` times, summing over its weights; those that are zero cost nothing.

    Parameters
    ----------
    u : (n,) or (n0, n1) array
        The field; it is left as it is.
    kernel : array
        Odd in size, with as many axes as the field.
    sides : sequence of (low, high)
        "reflect", "wrap" or "zero" for both sides of each axis.
    collects : bool
        Whether each cell collects from its neighbours instead of sending to them.
    outside : float
        What cells beyond a side "zero" hold, in the unit of the field.
    count : int
        Number of applications, one after the other.

    Returns
    -------
    array
        The field afterwards, in its shape and precision.

    Raises
    ------
    ValueError
        When kernel, sides or count do not fit.
    """
    from diffusim.loops import convolution

    application = Application(u, kernel, sides, collects, outside)
    weights = application.weights.astype(application.field.dtype)
    return application.repeat(
        lambda padded, out: convolution.correlate(padded, weights, out), count
    )


def transformed(
    u: Array,
    kernel: Array,
    sides: Sides,
    *,
    collects: bool = False,
    outside: float = 0.0,
    count: int = 1,
) -> Array:
    """Apply a kernel ``count`` times by the convolution theorem, F(k * u) = F(k) F(u).

    F is the forward transform without any factor, F(u)_p = sum_x u_x exp(-2 pi i p x / N) along
    each axis, and its inverse has the factor 1 / N. A kernel that collects has the conjugate of
    F(k). Errors are some 1e-16 of the largest value, in f32 1e-7, wherever they occur.

    Along a ring nothing is padded: the kernel is wrapped around it, and if all axes are rings any
    number of applications is one transform there, one power, and one back. Other axes are extended
    by the reach of the kernel on both sides, padded with zeros to a length that transforms well,
    and cut again after each application: with powers, content would pass through the outside. But
    between two mirrors the field and its image are a ring of 2 n cells, which a kernel that is even
    along each axis leaves even, so several applications are then made at once.

    Parameters
    ----------
    u, kernel, sides, collects, outside, count
        As in `direct`.

    Returns
    -------
    array
        The field afterwards, in its shape and precision.

    Raises
    ------
    ValueError
        When kernel, sides or count do not fit.

    References
    ----------
    R. N. Bracewell, The Fourier Transform and Its Applications, 3rd ed. (2000), chapters 6 and 11.
    """
    counted(count)
    application = Application(u, kernel, sides, collects, outside)
    rings = all(low == "wrap" for low, _ in application.sides)
    together = rings or (count > 1 and at_once(application.kernel, application.sides))
    application.close(mirrors=together)
    if together:
        return application.repeat(by_transforms(application, count), min(count, 1))
    return application.repeat(by_transforms(application), count)


def at_once(kernel: Array, sides: Sides) -> bool:
    """Return whether any number of applications is one multiplication of transforms.

    It is along rings, and between mirrors if the kernel is even along each of these axes.
    """
    return all(
        low == "wrap" or ((low, high) == ("reflect", "reflect") and even(kernel, axis))
        for axis, (low, high) in enumerate(sides)
    )


def overlap_add(
    u: Array,
    kernel: Array,
    sides: Sides,
    *,
    block: int | None = None,
    collects: bool = False,
    outside: float = 0.0,
) -> Array:
    """Apply a kernel once by transforms of blocks, k * u = sum over blocks b of k * u_b.

    Each k * u_b is longer than its block by the kernel, and these tails overlap. Beside the field
    and the result only one block is held.

    Parameters
    ----------
    u, kernel, sides, collects, outside
        As in `direct`.
    block : int, optional
        Cells of a block along each axis, to which the kernel's length is added; by default three
        times the kernel's length and at least 240.

    Returns
    -------
    array
        The field afterwards, in its shape and precision.

    Raises
    ------
    ValueError
        When kernel or sides do not fit, or a block has no cells.

    References
    ----------
    T. G. Stockham, "High-speed convolution and correlation", AFIPS Proc. 28 (1966) 229-233;
    Oppenheim and Schafer, Discrete-Time Signal Processing, 3rd ed. (2010), section 8.7.
    """
    from scipy import fft

    from diffusim.loops import convolution

    if block is not None and block < 1:
        raise ValueError(f"a block has at least one cell along each axis, not {block}")
    application = Application(u, kernel, sides, collects, outside)
    field, weights = application.field, application.weights[::-1, ::-1]
    (from0, to0), (from1, to1) = ((axis.extended, axis.arrivals) for axis in application.axes)
    (step0, step1), (m0, m1) = steps(application, block), weights.shape
    lengths = [fft.next_fast_len(n, real=True) for n in (step0 + m0 - 1, step1 + m1 - 1)]
    waves = fft.rfftn(weights, lengths).astype(precision(field.dtype))
    out = np.zeros_like(field)
    for i in range(0, len(from0), step0):
        for j in range(0, len(from1), step1):
            rows, columns = from0[i : i + step0], from1[j : j + step1]
            part = np.empty((len(rows), len(columns)), field.dtype)
            convolution.pad(field, part, rows, columns, application.outside)
            full = fft.irfftn(fft.rfftn(part, lengths) * waves, lengths, overwrite_x=True)
            ends = to0[i : i + len(rows) + m0 - 1], to1[j : j + len(columns) + m1 - 1]
            convolution.fold(full, out, *ends)
    return out.reshape(application.shape)


def separable(
    u: Array,
    halves: Sequence[Array],
    sides: Sides,
    starts: Sequence[Sequence[int] | Array | None] | None = None,
) -> Array:
    """Convolve with a symmetric kernel along each axis, w_0 u_i + sum_j w_j (u_(i-j) + u_(i+j)).

    The last axis comes first. A field flipped along an axis gives the result flipped, to the last
    bit.

    Parameters
    ----------
    u : (n,) or (n0, n1) array
        The field; it is left as it is.
    halves : sequence of (r + 1,) arrays
        For each axis the weights (w_0, ..., w_r) of moves by 0, ..., r cells; (1,) does nothing.
    sides : sequence of (low, high)
        As in `direct`, with nothing outside.
    starts : sequence, optional
        For each axis None or the cells (0, ..., n) before which full walls stand, mirrors from both
        sides: (0, 3, n) is one wall, between the third and the fourth cell.

    Returns
    -------
    array
        The field afterwards, in its shape and precision.

    Raises
    ------
    ValueError
        When halves, sides or starts do not fit.
    """
    from diffusim.loops import convolution

    field, ndim = plain(u), np.ndim(u)
    pairs, cuts = checked(sides, ndim), [None] * ndim if starts is None else list(starts)
    weights = [np.array(half, field.dtype, order="C") for half in halves]
    if len(weights) != ndim or any(half.ndim != 1 or half.size == 0 for half in weights):
        raise ValueError(f"expected a list of weights for each of {ndim} axes")
    if len(cuts) != ndim:
        raise ValueError(f"expected starts for each of {ndim} axes, found {len(cuts)}")
    if ndim == 1:
        weights, cuts = [np.ones(1, field.dtype), *weights], [None, *cuts]
    n0, n1 = field.shape
    places0, starts0 = pieces(n0, len(weights[0]) - 1, pairs[0], cuts[0])
    places1, starts1 = pieces(n1, len(weights[1]) - 1, pairs[1], cuts[1])
    out, work = np.empty_like(field), np.empty((n0 + 1, n1), field.dtype)
    half0, half1 = weights
    convolution.separable(field, work, out, half0, half1, places0, places1, starts0, starts1)
    return out.reshape(np.shape(u))
