"""Image kernels by name, as they are seen on the page: right is +x, up is +y.

A mask is read by looking, out(x) = sum_d k(d) u(x + d), so ``sobel-x`` is the slope towards the
right and ``sobel-y`` the slope upwards.

References
----------
I. Sobel, "An isotropic 3x3 image gradient operator", Stanford, 1968 (published 2014).
I. Goodfellow, Y. Bengio, A. Courville, "Deep Learning", MIT Press 2016, chapter 9.
R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, Pearson 2018, chapter 3.
T. Lindeberg, "Scale-space for discrete signals", IEEE PAMI 12 (1990) 234-254.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from diffusim.block import Array, Block, Integer, Invalid, listed
from diffusim.kernels import densities

MOST = 1023
# What a Gaussian leaves out where no size is given.
LEFT_OUT = 1e-12

_MATRICES = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "edge-detector": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "edge-cross": [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
    "sobel-x": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "sobel-y": [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "emboss": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
}


def from_page(rows: Any) -> Array:
    """Turn rows as they are seen on the page, the top one first, into k[x, y].

    Examples
    --------
    >>> from_page([[1, 2, 3], [4, 5, 6], [7, 8, 9]])[0]
    array([7., 4., 1.])
    """
    return np.ascontiguousarray(np.array(rows, dtype=float)[::-1].T)


def to_page(kernel: Array) -> Array:
    """Turn k[x, y] into rows as they are seen on the page; a kernel of one axis is one row."""
    return np.atleast_2d(kernel.T)[::-1]


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError(f"a kernel needs a cell in its middle: give an odd size, not {size}")
    return size


class _OrOne:
    """Adds to the schema of a list the single value that stands for all."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = handler(schema)
        return {"anyOf": [found["items"], found]}


_PER_AXIS = Field(min_length=1, max_length=2)
Size = Annotated[Integer, Field(ge=1, le=MOST), AfterValidator(_odd)]
Sizes = Annotated[tuple[Size, ...], _PER_AXIS, listed, _OrOne()]
Spread = Annotated[float, Field(ge=0, le=100)]
Spreads = Annotated[tuple[Spread, ...], _PER_AXIS, listed, _OrOne()]
Move = Annotated[Integer, Field(ge=-(MOST // 2), le=MOST // 2)]
Moves = Annotated[tuple[Move, ...], _PER_AXIS, listed, _OrOne()]


def with_kind(schema: dict[str, Any]) -> None:
    """Demand in a schema the ``kind`` that Python users need not write."""
    schema["required"] = ["kind", *(key for key in schema.get("required", []) if key != "kind")]


class Weights(Block):
    """What all kernels share; ``kind`` tells them apart."""

    model_config = ConfigDict(json_schema_extra=with_kind)
    kind: str

    @property
    def dimensions(self) -> tuple[int, ...]:
        """On grids of how many dimensions it can be used, the usual one last."""
        return (1, 2)

    def array(self, ndim: int) -> Array:
        """Return the kernel as k[x, y], or k[x] on one axis, odd in size and finite.

        Raises
        ------
        Invalid
            When it has no such form, with the key that is to blame.
        """
        if ndim not in self.dimensions:
            words = {1: "one dimension", 2: "two dimensions"}
            raise Invalid(
                f"'{self.kind}' is a kernel of {words[self.dimensions[-1]]}, "
                f"but {words[ndim]} are asked for here"
            )
        return self._weights(ndim)

    def _weights(self, ndim: int) -> Array:
        raise NotImplementedError


class Fixed(Weights):
    """A kernel of three by three cells without options."""

    kind: Literal[
        "identity", "edge-detector", "edge-cross", "sobel-x", "sobel-y", "sharpen", "emboss"
    ]

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Two: they are images."""
        return (2,)

    def _weights(self, _ndim: int) -> Array:
        return from_page(_MATRICES[self.kind])


class BoxMean(Weights):
    """The mean over a box.

    Parameters
    ----------
    size : int or tuple of int
        Cells along each axis, odd.
    """

    kind: Literal["box"] = "box"
    size: Sizes = (3,)

    def _weights(self, ndim: int) -> Array:
        shape = each(self.size, ndim, "size")
        return np.full(shape, 1.0 / math.prod(shape))


class Gaussian(Weights):
    """A Gaussian, the kernel of diffusion.

    Parameters
    ----------
    sigma : float or tuple of float
        Standard deviation along each axis, in cells.
    form : {"lattice", "sampled"}
        The density of a random walk on the cells, whose variance is exact, or the values of the
        smooth curve at the cells, as image programs take it; see `diffusim.kernels.lattice`.
    size : int or tuple of int, optional
        Cells along each axis, odd; what is cut off is shared out by dividing by the sum. If not
        given, all but 1e-12 of the mass.
    """

    kind: Literal["gaussian"] = "gaussian"
    sigma: Spreads = (1.0,)
    form: Literal["lattice", "sampled"] = "lattice"
    size: Sizes | None = None

    def _weights(self, ndim: int) -> Array:
        sigmas = each(self.sigma, ndim, "sigma")
        sizes = each(self.size, ndim, "size") if self.size is not None else (None,) * ndim
        parts = [self._along(sigma, size) for sigma, size in zip(sigmas, sizes, strict=True)]
        return parts[0] if ndim == 1 else np.multiply.outer(parts[0], parts[1])

    def _along(self, sigma: float, size: int | None) -> Array:
        whole = (densities.lattice if self.form == "lattice" else densities.sampled)(sigma**2)
        if size is None:
            part, _ = densities.truncated(whole, LEFT_OUT)
            if part.size > MOST:
                raise Invalid(
                    f"a Gaussian of this width takes {part.size} cells; at most {MOST} are taken, "
                    "so give a 'size'", "sigma",
                )  # fmt: skip
            return part
        cut = resized(whole, (size,))
        return np.asarray(cut / np.sum(cut))


class MotionBlur(Weights):
    """The mean along a straight line, as a moving camera sees it.

    Each cell weighs as much as the line is long in it.

    Parameters
    ----------
    length : float
        In cells.
    angle : float
        In degrees from the x axis, counter-clockwise.
    """

    kind: Literal["motion-blur"] = "motion-blur"
    length: Annotated[float, Field(gt=0, le=MOST - 2)] = 9.0
    angle: Annotated[float, Field(ge=-360, le=360)] = 0.0

    def _weights(self, ndim: int) -> Array:
        if ndim == 1 and self.angle % 180.0 != 0.0:
            raise Invalid("on one axis there is one direction only: leave the angle out", "angle")
        quarters, rest = divmod(self.angle, 90.0)
        # Cosines of right angles are not zero, but turning by them is exact.
        across = (math.cos(math.radians(rest)), math.sin(math.radians(rest)))
        turned = across if quarters % 2 == 0 else (-across[1], across[0])
        k = _line(self.length, turned)
        return k[:, k.shape[1] // 2] if ndim == 1 else k


def _line(length: float, direction: tuple[float, float]) -> Array:
    """Parts of a line through the origin that lie in each cell, which sum to one."""
    reach = [math.ceil(abs(0.5 * length * c) - 0.5 - 1e-9) for c in direction]
    ends = 0.5 * length
    cuts = [np.array([-ends, 0.0, ends])]
    for r, c in zip(reach, direction, strict=True):
        if r > 0:
            cuts.append((np.arange(-r, r) + 0.5) / c)
    places = np.unique(np.clip(np.concatenate(cuts), -ends, ends))
    middle, parts = 0.5 * (places[1:] + places[:-1]), np.diff(places)
    k = np.zeros([2 * r + 1 for r in reach])
    # A cut that two axes share differs by round-off; what lies between is no part of the line.
    kept = parts > 1e-9
    x, y = (np.rint(middle[kept] * c).astype(int) + r
            for r, c in zip(reach, direction, strict=True))  # fmt: skip
    np.add.at(k, (x, y), parts[kept])
    k = 0.5 * (k + k[::-1, ::-1])
    return np.asarray(k / np.sum(k))


class Shift(Weights):
    """Move everything by whole cells.

    Parameters
    ----------
    by : int or tuple of int
        Cells along x, and along y upwards.
    """

    kind: Literal["shift"] = "shift"
    by: Moves = (1, 0)

    def _weights(self, ndim: int) -> Array:
        by = self.by if len(self.by) == ndim else (*self.by, 0)[:ndim]
        if ndim < len(self.by) and any(self.by[ndim:]):
            raise Invalid("on one axis there is one number of cells only", "by")
        k = np.zeros([2 * abs(d) + 1 for d in by])
        k[tuple(abs(d) + d for d in by)] = 1.0
        return k


class Differences(Weights):
    """Central differences: the slope, or the change of slope, from cell to cell.

    Parameters
    ----------
    axis : {"x", "y"}
        Along which axis.
    """

    kind: Literal["difference", "second-difference"]
    axis: Literal["x", "y"] = "x"

    def _weights(self, ndim: int) -> Array:
        k = np.array([-0.5, 0.0, 0.5] if self.kind == "difference" else [1.0, -2.0, 1.0])
        if ndim == 1:
            if self.axis == "y":
                raise Invalid("on one axis there is no y", "axis")
            return k
        return k[:, None] if self.axis == "x" else k[None, :]


def each(values: tuple[Any, ...], ndim: int, key: str) -> tuple[Any, ...]:
    """Return one value per axis; a single one stands for all."""
    if len(values) == 1:
        return values * ndim
    if len(values) != ndim:
        raise Invalid(f"expected one number, or {ndim} of them", key)
    return values


def resized(kernel: Array, shape: tuple[int, ...]) -> Array:
    """Cut a kernel, or fill it up with zeros, about its centre."""
    for axis, (n, size) in enumerate(zip(kernel.shape, shape, strict=True)):
        if n > size:
            start = (n - size) // 2
            kernel = kernel.take(range(start, start + size), axis)
        else:
            sides = [((size - n) // 2,) * 2 if k == axis else (0, 0) for k in range(kernel.ndim)]
            kernel = np.pad(kernel, sides)
    return kernel
