"""Masks: what a filter multiplies each wave by, told by its length and direction.

A wave of wave vector (kx, ky), in waves per m, has the length 1 / |k|; k in radians per m is 2 pi
times that. Along a series in time lengths are periods, in s. Every mask is a real number for each
wave, the same for k and -k, so nothing is moved. What is passed low is long waves, high short ones;
``high`` is always one minus ``low``, and ``stop`` one minus ``band``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import ConfigDict, Field, model_validator
from scipy import special

from diffusim.block import (
    Array,
    Block,
    Integer,
    Invalid,
    Seconds,
    SquareMetresPerSecond,
    listed,
    with_kind,
)
from diffusim.files import InputFile, read_image
from diffusim.filters import compression
from diffusim.filters.waves import rings_of_corner
from diffusim.grid import AlongAny, Grid
from diffusim.spectrum import corner_numbers, on_rings, ring_numbers

Length = Annotated[AlongAny, Field(gt=1e-12, lt=1e12)]
Pass = Literal["low", "high"]
Band = Literal["band", "stop"]
# Round-off must not decide whether a wave is of just the length that is asked for.
SLACK = 1e-9


class Mask(Block):
    """What all kinds of masks share; ``kind`` tells them apart."""

    model_config = ConfigDict(json_schema_extra=with_kind)

    # Whether each wave is kept whole or not at all.
    sharp: ClassVar[bool] = False

    @property
    def compresses(self) -> bool:
        """Whether what it leaves is the field told by a part of its modes, long or large ones."""
        return False

    def even(self, _grid: Grid) -> bool:
        """Whether waves that are mirrored along one axis fare alike."""
        return True

    def require(self, _grid: Grid) -> None:
        """Raise `Invalid` where there is no such mask on a grid, with the path of its key."""

    def corner(self, grid: Grid) -> Array:
        """Return what the waves of a grid's rings that run upwards are multiplied by.

        They tell of all others where the mask is even.

        Returns
        -------
        array
            At the wave numbers `diffusim.spectrum.corner_numbers`.

        Raises
        ------
        Invalid
            When there is no such mask on this grid, with the path of its key.
        """
        self.require(grid)
        return self.passed(corner_numbers(grid))

    def multiplier(self, grid: Grid) -> Array:
        """Return what each wave of the rings of a grid is multiplied by.

        The shortest wave of a ring with an even number of cells runs both ways along its axis; it
        gets the mean of the two.

        Returns
        -------
        array
            Of the shape `diffusim.spectrum.rings`, in the order of the fast Fourier transform.

        Raises
        ------
        Invalid
            When there is no such mask on this grid, with the path of its key.
        """
        if self.even(grid):
            return rings_of_corner(self.corner(grid), grid)
        self.require(grid)
        ways = itertools.product(*(_ways(number) for number in ring_numbers(grid)))
        return np.asarray(np.mean([self.passed(way) for way in ways], axis=0))

    def passed(self, _numbers: Sequence[Array]) -> Array:
        """What waves of some wave numbers, which broadcast, are multiplied by."""
        raise NotImplementedError


def _ways(number: Array) -> list[Array]:
    """Wave numbers along an axis, and once more with the other sign of the one that has both."""
    n = number.size
    if n % 2:
        return [number]
    other = number.copy()
    other.flat[n // 2] *= -1.0
    return [number, other]


def size(numbers: Sequence[Array]) -> Array:
    """Return the size of wave vectors."""
    return np.asarray(np.sqrt(sum((k**2 for k in numbers), np.zeros(()))))


class Disc(Mask):
    """Keep waves of a length and longer ones (low), or the others (high).

    Parameters
    ----------
    wavelength : float
        In m.
    passes : {"low", "high"}
        Which side of it.
    """

    sharp: ClassVar[bool] = True

    kind: Literal["disc"] = "disc"
    wavelength: Length
    passes: Pass = "low"

    @property
    def compresses(self) -> bool:
        """Where long waves are kept."""
        return self.passes == "low"

    def passed(self, numbers: Sequence[Array]) -> Array:
        """One within |k| = 1 / wavelength, zero beyond."""
        inside = size(numbers) * self.wavelength <= 1.0 + SLACK
        return np.asarray(inside == (self.passes == "low"), dtype=float)


class Ring(Mask):
    """Keep waves between two lengths (band), or all but them (stop).

    Parameters
    ----------
    wavelengths : tuple of float
        The shorter and the longer one, in m; both belong to the band.
    passes : {"band", "stop"}
        Whether the band is kept or taken away.
    """

    sharp: ClassVar[bool] = True

    kind: Literal["ring"] = "ring"
    wavelengths: Annotated[tuple[Length, Length], listed]
    passes: Band = "band"

    @model_validator(mode="after")
    def _growing(self) -> Self:
        if self.wavelengths[0] > self.wavelengths[1]:
            raise Invalid("expected two wavelengths, the shorter one first", "wavelengths")
        return self

    def passed(self, numbers: Sequence[Array]) -> Array:
        """One in the ring 1 / longer <= |k| <= 1 / shorter."""
        k, (short, long) = size(numbers), self.wavelengths
        inside = (k * short <= 1.0 + SLACK) & (k * long >= 1.0 - SLACK)
        return np.asarray(inside == (self.passes == "band"), dtype=float)


class GaussianMask(Mask):
    """Multiply by exp(-sigma^2 k^2 / 2), k in radians per m: smoothing by a Gaussian.

    Parameters
    ----------
    sigma : float, optional
        Standard deviation of the Gaussian in space, in m; or else ``wavelength``.
    wavelength : float, optional
        Length in m of the waves that keep half of their amplitude,
        wavelength = 2 pi sigma / sqrt(2 ln 2).
    passes : {"low", "high"}
        Long waves, or one minus that.
    """

    kind: Literal["gaussian"] = "gaussian"
    sigma: Length | None = None
    wavelength: Length | None = None
    passes: Pass = "low"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.sigma is None) == (self.wavelength is None):
            raise Invalid("expected either 'sigma' or 'wavelength'")
        return self

    @property
    def deviation(self) -> float:
        """Standard deviation in space in m."""
        if self.sigma is not None:
            return self.sigma
        assert self.wavelength is not None
        return self.wavelength * math.sqrt(2.0 * math.log(2.0)) / (2.0 * math.pi)

    def passed(self, numbers: Sequence[Array]) -> Array:
        """A Gaussian of the wave number."""
        z = 0.5 * (2.0 * np.pi * self.deviation * size(numbers)) ** 2
        return np.asarray(np.exp(-z) if self.passes == "low" else -np.expm1(-z))


class Butterworth(Mask):
    """Multiply by 1 / (1 + (k / k_c)^(2 order)): flat at first, falling with a power.

    At the wavelength, k = k_c, half of the amplitude is left, which is a quarter of the power: this
    is the filter of image processing, the electrical one applied forwards and backwards.

    Parameters
    ----------
    wavelength : float
        1 / k_c, in m.
    order : int
        How steeply it falls.
    passes : {"low", "high"}
        Long waves, or one minus that.

    References
    ----------
    S. Butterworth, "On the theory of filter amplifiers", Wireless Engineer 7 (1930) 536-541;
    R. C. Gonzalez, R. E. Woods, *Digital Image Processing*, 4th ed. (2018), section 4.8.
    """

    kind: Literal["butterworth"] = "butterworth"
    wavelength: Length
    order: Annotated[Integer, Field(ge=1, le=64)]
    passes: Pass = "low"

    def passed(self, numbers: Sequence[Array]) -> Array:
        """A power of the wave number beside one."""
        with np.errstate(over="ignore", divide="ignore"):
            x = (size(numbers) * self.wavelength) ** (2 * self.order)
            return np.asarray(1.0 / (1.0 + x) if self.passes == "low" else 1.0 / (1.0 + 1.0 / x))


class Direction(Mask):
    """Keep waves that run in a direction or nearly so (band), or all but them (stop).

    A wave runs across its crests: vertical stripes are waves of the direction 0. The mean, which
    has no direction, is kept by both.

    Parameters
    ----------
    angle : float
        In degrees from the x axis, counter-clockwise; a wave has the direction angle + 180 too.
    width : float
        By how many degrees, to either side, a wave may be off.
    passes : {"band", "stop"}
        Whether these waves are kept or taken away.
    """

    sharp: ClassVar[bool] = True

    kind: Literal["direction"] = "direction"
    angle: Annotated[float, Field(ge=-360, le=360)]
    width: Annotated[float, Field(gt=0, lt=90)]
    passes: Band = "band"

    def even(self, _grid: Grid) -> bool:
        """Whether the direction is that of an axis."""
        return self.angle % 90.0 == 0.0

    def require(self, grid: Grid) -> None:
        """Refuse what runs in two directions at once, as cosines between mirrors do."""
        if len(grid.shape) != 2:
            raise Invalid("a direction needs a grid of two dimensions", "kind")
        if not self.even(grid) and not all(grid.wrap):
            raise Invalid(
                f"between mirrors each wave runs at {self.angle:g} and at {-self.angle:g} degrees "
                "alike, so no mask tells one from the other; make grid.edges periodic, or let the "
                "angle be 0 or 90", "angle",
            )  # fmt: skip

    def passed(self, numbers: Sequence[Array]) -> Array:
        """One where the angle to the direction is small enough, and for the mean."""
        kx, ky = numbers
        # Taken in degrees, the sine of a right angle is one.
        off = np.abs(kx * special.sindg(self.angle) - ky * special.cosdg(self.angle))
        k = size(numbers)
        inside = off <= (special.sindg(self.width) + SLACK) * k
        return np.asarray((inside == (self.passes == "band")) | (k == 0.0), dtype=float)


class DiffusionMask(Mask):
    """Multiply by exp(-D k^2 t), k in radians per m: what diffusion does in a time.

    Parameters
    ----------
    diffusivity : float
        D in m^2/s.
    time : float
        t in s.
    """

    kind: Literal["diffusion"] = "diffusion"
    diffusivity: Annotated[SquareMetresPerSecond, Field(ge=0)]
    time: Annotated[Seconds, Field(ge=0)]

    def require(self, grid: Grid) -> None:
        """Refuse what is not in space."""
        if grid.in_time:
            raise Invalid(
                "a series does not diffuse along its time; give {kind: gaussian, sigma: ...}",
                "kind",
            )

    def passed(self, numbers: Sequence[Array]) -> Array:
        """An exponential of the square of the wave number."""
        z = self.diffusivity * self.time * (2.0 * np.pi * size(numbers)) ** 2
        return np.asarray(np.exp(-z))


class Largest(Mask):
    """Keep those modes that are the largest ones of an image, whatever field comes.

    So the filter is linear: the image decides once which modes these are. Applied to the image
    itself it is compression by its largest coefficients.

    Parameters
    ----------
    keep : float
        The part of the image's numbers that is kept, above 0 and up to 1.
    path : Path
        A PNG or JPEG file, or the word ``portrait``.
    """

    sharp: ClassVar[bool] = True

    kind: Literal["largest"] = "largest"
    keep: Annotated[float, Field(gt=0, le=1)]
    path: InputFile

    @property
    def compresses(self) -> bool:
        """Always."""
        return True

    def even(self, grid: Grid) -> bool:
        """Whether some axis has mirrors; round rings an image has waves of any direction."""
        return not all(grid.wrap)

    def require(self, grid: Grid) -> None:
        """Refuse what has no image."""
        if len(grid.shape) != 2:
            raise Invalid("an image needs a grid of two dimensions", "path")

    def corner(self, grid: Grid) -> Array:
        """As of all masks; the shortest wave of the ring of a mirrored field has no part in it."""
        modes = self._modes(grid)
        for axis, (n, ring) in enumerate(zip(grid.shape, grid.wrap, strict=True)):
            modes = np.take(modes, range(n // 2 + 1 if ring else n), axis)
        return np.pad(modes, [(0, 0 if ring else 1) for ring in grid.wrap])

    def multiplier(self, grid: Grid) -> Array:
        """One for the modes that are kept."""
        return on_rings(self._modes(grid), grid)

    def _modes(self, grid: Grid) -> Array:
        self.require(grid)
        try:
            image = read_image(self.path, (grid.shape[0], grid.shape[1]))
        except ValueError as problem:
            raise Invalid(str(problem), "path") from None
        return compression.largest(image, self.keep, grid).astype(float)
