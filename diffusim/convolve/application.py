"""One application of a kernel: the field is extended, correlated with weights, and folded back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.convolve.sides import Sides, checked, places
from diffusim.convolve.weights import counted, even, laid, masked


class Axis(NamedTuple):
    """What one axis of n cells needs.

    ``extended`` are the places of all positions that are summed over. Each cell then takes the sum
    at its own position, but for what is sent through a mirror by moves that are not as many to one
    side as to the other: that has to arrive beyond the mirror and be folded back, and ``back`` are
    the places of all positions where something arrives. A ``ring`` has nothing beyond it.
    """

    n: int
    reach: int
    extended: Array
    back: Array | None = None
    ring: bool = False

    @property
    def arrivals(self) -> Array:
        """Places of where moves from ``extended`` arrive, -1 also where that is of no interest."""
        if self.back is not None:
            return self.back
        return np.pad(np.arange(self.n), 2 * self.reach, constant_values=-1)

    @property
    def margin(self) -> int:
        """Empty positions on both sides, from where nothing comes to where something arrives."""
        return 0 if self.back is None else 2 * self.reach


class Application:
    """What it needs to apply a kernel to a field of two axes, once made for all applications.

    Parameters
    ----------
    u : (n,) or (n0, n1) array
        The field.
    kernel, sides, collects, outside
        As in `diffusim.convolve.direct`.

    Raises
    ------
    ValueError
        When kernel or sides do not fit the field.
    """

    def __init__(
        self, u: Array, kernel: Array, sides: Sides, collects: bool, outside: float
    ) -> None:
        self.field = plain(u)
        self.shape = np.shape(u)
        self.kernel = masked(kernel, np.ndim(u))
        self.sides = checked(sides, np.ndim(u))
        # Correlated with these the field gives what is asked for, whichever way the kernel is read.
        self.weights = np.ascontiguousarray(self.kernel if collects else self.kernel[::-1, ::-1])
        self.outside = self.field.dtype.type(outside)
        self.axes = [self._axis(axis, collects) for axis in range(2)]

    def _axis(self, axis: int, collects: bool) -> Axis:
        n, reach, sides = self.field.shape[axis], self.kernel.shape[axis] // 2, self.sides[axis]
        if collects or "reflect" not in sides or even(self.kernel, axis):
            return Axis(n, reach, places(n, reach, *sides))
        before, behind = (reach if side == "zero" else 0 for side in sides)
        extended = np.pad(np.arange(n), (before, behind), constant_values=-1)
        most = reach + max(before, behind)
        back = places(n, most, *sides)
        return Axis(n, reach, extended, back[most - reach - before : most + n + behind + reach])

    def close(self, mirrors: bool) -> None:
        """Make rings of the axes that wrap and, if wanted, of those between two mirrors.

        Between mirrors that is the field and its image, 2 n cells: right for kernels that are even,
        which leave an even field even.
        """
        for a, axis in enumerate(self.axes):
            cells = np.arange(axis.n)
            if self.sides[a][0] == "wrap":
                self.axes[a] = axis._replace(extended=cells, ring=True)
            elif mirrors and self.sides[a] == ("reflect", "reflect"):
                self.axes[a] = axis._replace(extended=np.append(cells, cells[::-1]), ring=True)

    @property
    def padded(self) -> tuple[int, int]:
        """Shape of what is correlated with the weights."""
        n0, n1 = (len(axis.extended) + 2 * axis.margin for axis in self.axes)
        return n0, n1

    def repeat(self, correlate: Callable[[Array, Array], None], count: int) -> Array:
        """Return the field after ``count`` applications; correlate(padded, out) does the sums.

        Raises
        ------
        ValueError
            When the count is no whole number from 0 on.
        """
        from diffusim.loops import convolution

        counted(count)
        u, dtype = self.field, self.field.dtype
        if count == 0:
            return u.reshape(self.shape).copy()
        spare, out = np.empty_like(u), np.empty_like(u)
        ends = [np.arange(axis.n) if axis.back is None else axis.back for axis in self.axes]
        margins = [(axis.margin, axis.margin) for axis in self.axes]
        places0, places1 = (axis.extended for axis in self.axes)
        extended = np.empty((len(places0), len(places1)), dtype)
        sums = np.empty([len(end) for end in ends], dtype) if np.any(margins) else None
        for left in range(count, 0, -1):
            result = out if left % 2 else spare
            convolution.pad(u, extended, places0, places1, self.outside)
            if sums is None:
                correlate(extended, result)
            else:
                correlate(np.pad(extended, margins), sums)
                result[...] = 0
                convolution.fold(sums, result, *ends)
            u = result
        return out.reshape(self.shape)


def by_transforms(application: Application, power: int = 1) -> Callable[[Array, Array], None]:
    """Return the correlation with an application's weights, made by transforms.

    Where every axis is a ring, ``power`` applications are made at once.
    """
    from scipy import fft

    weights = application.weights
    lengths, onto = [], []
    for axis, padded, m in zip(application.axes, application.padded, weights.shape, strict=True):
        lengths.append(padded if axis.ring else fft.next_fast_len(padded, real=True))
        onto.append((np.arange(m) - (axis.reach if axis.ring else 0)) % lengths[-1])
    waves = np.conj(fft.rfftn(laid(weights, (lengths[0], lengths[1]), onto))) ** power
    waves = waves.astype(precision(application.field.dtype))

    def correlate(padded: Array, out: Array) -> None:
        found = fft.irfftn(fft.rfftn(padded, lengths) * waves, lengths, overwrite_x=True)
        out[...] = found[: out.shape[0], : out.shape[1]]

    return correlate


def plain(u: Array) -> Array:
    """Return a field as the loops take it: along two axes, contiguous, in f64 or f32.

    Raises
    ------
    ValueError
        When it has other axes, is empty or not real.
    """
    field = np.asarray(u)
    if field.ndim not in (1, 2) or field.size == 0:
        raise ValueError(f"expected a field with 1 or 2 axes and at least one cell: {field.shape}")
    if field.dtype.kind not in "fiub":
        raise ValueError(f"a field is convolved in real numbers, not {field.dtype}")
    dtype = np.float32 if field.dtype == np.float32 else np.float64
    # Loops are compiled anew for arrays that must not be written to, which a copy is spared.
    return np.require(field.reshape(np.atleast_2d(field).shape), dtype, ["C", "W"])


def precision(dtype: np.dtype) -> type[np.complexfloating]:
    """Return the complex numbers that go with real ones."""
    return np.complex64 if dtype == np.float32 else np.complex128


def steps(application: Application, block: int | None) -> Sequence[int]:
    """Return how many positions a block has along both axes."""
    sizes = zip(application.axes, application.weights.shape, strict=True)
    return [min(block or max(240, 3 * m), len(axis.extended)) for axis, m in sizes]
