"""Starts of simple shapes: each cell holds its true mean, also where a jump crosses it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, ValidationInfo, model_validator
from scipy import special

from diffusim import exact
from diffusim.block import Array, Block, Integer, Invalid, Metres, listed
from diffusim.grid import Along, Grid
from diffusim.initial.start import Key, Pair, Start

Place = Annotated[tuple[Along, ...], Field(min_length=1, max_length=2), listed]
Interval = Annotated[tuple[Metres, Metres], listed]


class Spatial(Start):
    """A start that lies in space: in a series it is refused, before its keys are looked at.

    What is read from a scenario knows the geometry of the grid by the context.
    """

    untimely: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _in_space(cls, value: Any, info: ValidationInfo) -> Any:
        if (info.context or {}).get("geometry") == "series":
            raise Invalid(cls.untimely, "kind")
        return value


class Uniform(Start):
    """The same value everywhere."""

    kind: Literal["uniform"] = "uniform"
    value: float

    def _means(self, _grid: Grid, _key: Key) -> Any:
        return self.value


class Halves(Start):
    """Two values on the two sides of a straight line.

    Parameters
    ----------
    axis : {"x", "y", "r", "z", "t"}
        The axis that the line stands across; or else ``angle``.
    at : float, optional
        Where on that axis it stands, in m or of a series in s; in the middle if not given.
    angle : float
        Direction from the first value to the second, in degrees from the x axis: 0 stands for
        ``axis: x``, 90 for ``axis: y``.
    through : tuple of float, optional
        With ``angle``: a point of the line in m; the middle of the grid if not given.
    values : tuple of float
        The values before and beyond the line.
    """

    kind: Literal["halves"] = "halves"
    axis: Literal["x", "y", "r", "z", "t"] | None = None
    at: Along | None = None
    angle: float | None = None
    through: Place | None = None
    values: Pair

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.axis is None) == (self.angle is None):
            raise Invalid("expected either 'axis' (x or y, of a series t) or 'angle' (in degrees)")
        if self.axis is None and self.at is not None:
            raise Invalid("'at' goes with 'axis'; with 'angle' give 'through'", "at")
        if self.angle is None and self.through is not None:
            raise Invalid("'through' goes with 'angle'; with 'axis' give 'at'", "through")
        return self

    def _means(self, grid: Grid, _key: Key) -> Any:
        before = self._across(grid) if self.angle is None else self._slanted(grid, self.angle)
        return self.values[0] * before + self.values[1] * (1.0 - before)

    def _across(self, grid: Grid) -> Array:
        axis = _axis(grid, str(self.axis), "axis")
        n, low = grid.shape[axis], grid.origin(axis)
        high = low + grid.size[axis]
        if self.at is not None and not low <= self.at <= high:
            raise Invalid(
                f"{self.at:g} {grid.unit} lies outside the grid, {low:g} to {high:g} {grid.unit}",
                "at",
            )
        cut = 0.5 * n if self.at is None else _in_cells(grid, axis, self.at)
        return grid.along(axis, np.clip(cut - np.arange(n), 0.0, 1.0))

    def _slanted(self, grid: Grid, angle: float) -> Array:
        if len(grid.shape) != 2:
            raise Invalid("a line at an angle needs two dimensions; give 'axis'", "angle")
        middle = [0.5 * n for n in grid.shape]
        if self.through is not None:
            through = _one_per_axis(grid, self.through, "through")
            middle = [_in_cells(grid, axis, place) for axis, place in enumerate(through)]
        return before_line(grid, angle, middle)


class Blob(Start):
    """A Gaussian blob, as though the grid had no edges.

    Parameters
    ----------
    centre : tuple of float, optional
        In m, of a series in s; the middle of the grid if not given.
    width : float
        Standard deviation in m, of a series in s.
    amount, peak : float
        One of the two: its integral, in the field's unit times m or s (1-D) or m^2 (2-D), or its
        highest value.
    """

    kind: Literal["blob"] = "blob"
    centre: Place | None = None
    width: Annotated[Along, Field(gt=0, lt=1e12)]
    amount: float | None = None
    peak: float | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.amount is None) == (self.peak is None):
            raise Invalid("expected either 'amount' or 'peak'")
        return self

    def _means(self, grid: Grid, _key: Key) -> Any:
        if grid.radial:
            raise Invalid("a blob is for boxes; on a radial grid give a formula of r", "kind")
        middle = tuple(0.5 * size for size in grid.size)
        centre = middle if self.centre is None else _one_per_axis(grid, self.centre, "centre")
        # A peak of one has sqrt(2 pi) times its width under it.
        unit = 1.0 if self.peak is None else self.width * math.sqrt(2.0 * math.pi)
        product = np.array(self.amount if self.peak is None else self.peak)
        for axis, h in enumerate(grid.spacing):
            distance = grid.centres(axis) - centre[axis]
            product = product * grid.along(axis, unit * exact.gaussian(distance, self.width, h))
        return product


class Term(Block):
    """A product of cosines.

    Parameters
    ----------
    amplitude : float
        In the field's unit.
    x, y : int
        Half waves along the axis, or whole waves where it is periodic.
    """

    amplitude: float
    x: Annotated[Integer, Field(ge=0, le=10**6)] = 0
    y: Annotated[Integer, Field(ge=0, le=10**6)] = 0


class Modes(Spatial):
    """Cosine modes, u = mean + sum of amplitude cos(k_x x) cos(k_y y).

    k = pi m / L on an axis with no-flux edges, 2 pi m / L on a periodic one.
    """

    untimely: ClassVar[str] = "cosine modes are for boxes; on other grids give a formula"

    kind: Literal["modes"] = "modes"
    mean: float = 0.0
    terms: Annotated[tuple[Term, ...], listed]

    def _means(self, grid: Grid, _key: Key) -> Any:
        if grid.radial or grid.in_time:
            raise Invalid(self.untimely, "kind")
        u = np.full(grid.shape, self.mean)
        for number, term in enumerate(self.terms):
            if term.y and len(grid.shape) == 1:
                raise Invalid("this grid has no axis 'y'", "terms", number, "y")
            product = np.array(term.amplitude)
            for axis, (length, h) in enumerate(zip(grid.size, grid.spacing, strict=True)):
                count = getattr(term, grid.names[axis])
                ends: exact.Ends = "periodic" if grid.wrap[axis] else "no-flux"
                wave = exact.mode(grid.centres(axis), 0.0, 0.0, length, count, ends=ends, cell=h)
                product = product * grid.along(axis, wave)
            u += product
        return u


class Patch(Block):
    """A rectangle.

    Parameters
    ----------
    x, y, r, z : tuple of float, optional
        From where to where it reaches, in m; an axis not named is covered whole.
    value : float
        In the field's unit.
    """

    x: Interval | None = None
    y: Interval | None = None
    r: Interval | None = None
    z: Interval | None = None
    value: float

    def ends(self, grid: Grid, axis: int) -> tuple[float, float]:
        """Return where it begins and ends on an axis, in cells, within the grid."""
        name, n = grid.names[axis], grid.shape[axis]
        span = getattr(self, name)
        if span is None:
            return 0.0, float(n)
        low, high = (_in_cells(grid, axis, place) for place in span)
        if low >= high:
            raise Invalid(f"must grow, from {span[0]:g} m to {span[1]:g} m it does not", name)
        if high <= 0.0 or low >= n:
            raise Invalid(f"the patch lies outside the grid, 0 to {grid.size[axis]:g} m", name)
        return max(low, 0.0), min(high, float(n))


class Patches(Spatial):
    """Rectangles on a background; a later one covers those before it."""

    untimely: ClassVar[str] = (
        "rectangles have no place in a series; give a formula of t, such as "
        "'where(t < 86400, 1, 0)'"
    )

    kind: Literal["patches"] = "patches"
    background: float = 0.0
    patches: Annotated[tuple[Patch, ...], listed]

    def _means(self, grid: Grid, _key: Key) -> Any:
        if grid.in_time:
            raise Invalid(self.untimely, "kind")
        spans = []
        for number, patch in enumerate(self.patches):
            if patch.y is not None and len(grid.shape) == 1:
                raise Invalid("this grid has no axis 'y'", "patches", number, "y")
            try:
                spans.append([patch.ends(grid, axis) for axis in grid.axes])
            except Invalid as problem:
                raise Invalid(problem.message, "patches", number, *problem.path) from None
        # Painted on cells cut along the ends of all patches, so that any overlap is exact.
        cuts = [
            np.unique([*range(n + 1), *(end for span in spans for end in span[axis])])
            for axis, n in enumerate(grid.shape)
        ]
        u = np.full([cut.size - 1 for cut in cuts], self.background)
        for patch, span in zip(self.patches, spans, strict=True):
            ends = zip(cuts, span, strict=True)
            u[tuple(slice(*np.searchsorted(cut, pair)) for cut, pair in ends)] = patch.value
        for axis, cut in enumerate(cuts):
            cells = np.searchsorted(cut, np.arange(grid.shape[axis]))
            u = np.add.reduceat(u * grid.along(axis, np.diff(cut)), cells, axis)
        return u


def before_line(grid: Grid, angle: float, middle: Sequence[float] | Array) -> Array:
    """Return which part of every cell lies before a straight line.

    Parameters
    ----------
    angle : float
        Where it looks, in degrees from the first axis.
    middle : sequence of float
        A point of it, in cells.
    """
    # Taken in degrees, the cosine of a right angle is zero.
    normal = special.cosdg(angle), special.sindg(angle)
    steps = [c * h for c, h in zip(normal, grid.spacing, strict=True)]
    extent = abs(steps[0]) + abs(steps[1])
    # How far the line is past each cell's first corner, as a part of the way to its last one.
    along = [grid.along(axis, (np.arange(n) + 0.5 - middle[axis]) * (steps[axis] / extent))
             for axis, n in enumerate(grid.shape)]  # fmt: skip
    depth: Array = (0.5 - along[0]) - along[1]
    before: Array = (depth > 0.5).astype(float)
    cut = np.nonzero((depth > 0.0) & (depth < 1.0))
    before[cut] = cut_off(depth[cut], min(map(abs, steps)) / extent)
    return before


def _axis(grid: Grid, name: str, *path: str | int) -> int:
    try:
        return grid.axis(name)
    except ValueError as problem:
        raise Invalid(str(problem), *path) from None


def _one_per_axis(grid: Grid, place: tuple[float, ...], *path: str | int) -> tuple[float, ...]:
    if len(place) != len(grid.shape):
        message = f"expected {len(grid.shape)} number(s), one per axis, found {len(place)}"
        raise Invalid(message, *path)
    return place


def _in_cells(grid: Grid, axis: int, place: float) -> float:
    """Return a place in cells, on a face if only the round-off of the division keeps it off."""
    cells = (place - grid.origin(axis)) / grid.spacing[axis]
    face = float(round(cells))
    return face if abs(cells - face) <= 1e-15 * max(8.0, 8.0 * abs(cells)) else cells


def cut_off(depth: Array, narrow: float) -> Array:
    """Return which part of a cell lies before a slanted line.

    Parameters
    ----------
    depth : array
        How far the line is past the cell's first corner, as a part of the way to the last one.
    narrow : float
        The part of that way along the shorter of the cell's projections, up to 1/2.

    References
    ----------
    R. Scardovelli and S. Zaleski, J. Comput. Phys. 164 (2000) 228-237: a triangle, then a
    trapezium.
    """
    near = np.clip(np.minimum(depth, 1.0 - depth), 0.0, 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        triangle = near**2 / (2.0 * narrow * (1.0 - narrow))
    area = np.where(near < narrow, triangle, (near - 0.5 * narrow) / (1.0 - narrow))
    return np.asarray(np.where(depth > 0.5, 1.0 - area, area))
