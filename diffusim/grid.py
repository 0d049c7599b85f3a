"""The grid: a box of cells or shells, or a series of moments, and what the sides do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
    field_serializer,
)

from diffusim.block import Array, Block, Integer, Invalid, Metres, listed, quantity
from diffusim.edges import Edge, at_time, edge
from diffusim.phrases import found as what_it_is
from diffusim.quantities import axis_unit

Geometry = Literal["box", "cylindrical", "spherical", "series"]
NAMES: dict[str, str] = {"box": "xy", "cylindrical": "rz", "spherical": "r", "series": "t"}
SIDES: dict[str, tuple[str, str]] = {
    "x": ("left", "right"), "y": ("bottom", "top"), "r": ("inner", "outer"), "z": ("bottom", "top"),
    "t": ("first", "last"),
}  # fmt: skip
EVERY_AXIS = "xyrzt"

_CONVERT: dict[str, Any] = {unit: quantity(unit)[0].func for unit in ("m", "s")}


def _geometry(info: ValidationInfo) -> Any:
    """The geometry of the grid, as far as what is read tells."""
    return (info.data or {}).get("geometry") or (info.context or {}).get("geometry")


def _along(value: Any, info: ValidationInfo) -> Any:
    """Read a number along an axis: a time if that is one of a series, else a length."""
    return _CONVERT["s" if _geometry(info) == "series" else "m"](value)


def _along_any(value: Any, info: ValidationInfo) -> Any:
    """Read a number along an axis; of a grid that is not known yet it may be either."""
    if _geometry(info) is not None:
        return _along(value, info)
    for unit in ("m", "s"):
        with suppress(ValueError):
            return _CONVERT[unit](value)
    raise ValueError(
        f"expected a length, or along a series a time, as a number or as '<number> <unit>', found "
        f"{what_it_is(value)}"
    )


_IN_SI = WithJsonSchema(
    {
        "anyOf": [{"type": "number"}, {"type": "string"}],
        "description": "in m, or in s along a series",
    }
)
# A length, or along a series a time; and what a propagator takes, which may not know the grid yet.
Along = Annotated[float, BeforeValidator(_along), _IN_SI]
AlongAny = Annotated[float, BeforeValidator(_along_any), _IN_SI]

Cells = Annotated[Integer, Field(ge=1, le=16384)]
Length = Annotated[Along, Field(gt=1e-12, lt=1e12)]
LARGEST = 2**28

Sides = tuple[tuple[Edge, Edge], ...]
_BY_NAME = TypeAdapter(dict[str, Annotated[Edge, BeforeValidator(edge)]])


def _sides(value: Any, info: ValidationInfo) -> Any:
    """Bring every way to write edges into one pair of sides per axis."""
    if {"shape", "geometry"} - set(info.data):
        return ()  # what is wrong with these is told already
    axes = NAMES[info.data["geometry"]][: len(info.data["shape"])]
    if isinstance(value, str):
        if value == "periodic" and axes == "r":
            raise ValueError("the axis r cannot be periodic")
        value = dict.fromkeys([a for a in axes if a != "r" or value != "periodic"], value)
    if isinstance(value, Mapping):
        known = [*axes, *(side for axis in axes for side in SIDES[axis])]
        if unknown := [name for name in value if name not in known]:
            what = "axis" if str(unknown[0]) in [*EVERY_AXIS] else "axis or side"
            raise ValueError(f"there is no {what} '{unknown[0]}'; this grid has {', '.join(known)}")
        found = _BY_NAME.validate_python(dict(value))
        value = [
            [found.get(side, found.get(axis, Edge())) for side in SIDES[axis]] for axis in axes
        ]
    if not isinstance(value, tuple | list):
        raise ValueError("expected no-flux, periodic or a mapping from axis or side to an edge")
    sides = tuple(tuple(side if isinstance(side, Edge) else Edge.model_validate(edge(side))
                        for side in pair) for pair in value)  # fmt: skip
    if [len(pair) for pair in sides] != [2] * len(axes):
        raise ValueError("expected one pair of edges for each axis")
    for axis, pair in zip(axes, sides, strict=True):
        if len({side.kind == "periodic" for side in pair}) > 1:
            raise ValueError("an axis is periodic at both ends or at none")
        if axis == "r" and pair[0].kind == "periodic":
            raise ValueError("the axis r cannot be periodic")
    return sides


_SIDE = {"anyOf": [{"enum": ["no-flux", "periodic"]}, {"type": "object"}]}
Edges = Annotated[
    Sides,
    BeforeValidator(_sides),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["no-flux", "periodic"]},
                {"type": "object", "additionalProperties": _SIDE},
            ]
        }
    ),
]


class Grid(Block):
    """A box of cells, rings and shells round an axis or a point, or a series of moments.

    Cell ``i`` of axis ``k`` reaches from ``i h`` to ``(i + 1) h`` with ``h = size[k] / shape[k]``,
    counted from ``inner`` on the axis r; fields are arrays ``u[x, y]``, ``u[r, z]`` or ``u[r]`` of
    the cells' mean values. Of a series the one axis is time, and a cell is one of its steps.

    Parameters
    ----------
    shape : tuple of int
        Number of cells along each axis.
    size : tuple of float
        Length of each axis in m; along r from the inner to the outer radius; of a series in s.
    geometry : {"box", "cylindrical", "spherical", "series"}
        Whether the axes are x, y; r, z; r; or t.
    inner : float
        Radius in m at which a radial grid begins.
    edges : str or mapping
        ``no-flux``, ``periodic``, or a mapping from the name of an axis or a side (left, right,
        bottom, top, inner, outer, first, last) to one of them or to what an `Edge` takes.

    Raises
    ------
    pydantic.ValidationError
        When a key is missing, unknown or out of range.
    """

    geometry: Geometry = "box"
    shape: Annotated[tuple[Cells, ...], Field(min_length=1, max_length=2), listed]
    size: Annotated[tuple[Length, ...], Field(min_length=1, max_length=2), listed]
    inner: Annotated[Metres, Field(ge=0, lt=1e12)] = 0.0
    edges: Edges = Field(default="no-flux", validate_default=True)

    def model_post_init(self, _context: Any) -> None:
        """Refuse what no single key can show."""
        if len(self.size) != len(self.shape):
            raise ValueError(
                f"shape has {len(self.shape)} axes but size has {len(self.size)}; "
                "give one length per axis"
            )
        if self.cells > LARGEST:
            raise ValueError(f"{self.cells} cells are more than the {LARGEST} that can be handled")
        if len(self.shape) > len(NAMES[self.geometry]):
            whose = "a series" if self.in_time else f"a {self.geometry} grid"
            raise ValueError(f"{whose} has one axis, {NAMES[self.geometry]}")
        if self.inner and not self.radial:
            raise Invalid("only a cylindrical or spherical grid has an inner radius", "inner")
        if self.radial and self.inner == 0.0 and self.edges[0][0].kind != "no-flux":
            raise Invalid("the inner side has no area at radius 0; give 'inner' a radius", "edges")
        for name, axis, side in self.named_sides:
            try:
                for time in (0.0, *side.events()):
                    self.outside(axis, side, time)
            except Invalid as problem:
                raise Invalid(f"{name}: {problem.message}", "edges") from None

    @field_serializer("edges")
    def _written(self, sides: Sides) -> Any:
        """Edges as they are written in a scenario."""
        return {name: side.written() for name, pair in zip(self.names, sides, strict=True)
                for name, side in _shortest(name, pair)}  # fmt: skip

    @property
    def names(self) -> str:
        """The names of the axes, a letter each."""
        return NAMES[self.geometry][: len(self.shape)]

    @property
    def radial(self) -> bool:
        """Whether the first axis is a radius."""
        return self.geometry in ("cylindrical", "spherical")

    @property
    def in_time(self) -> bool:
        """Whether its axis is time."""
        return self.geometry == "series"

    @property
    def unit(self) -> str:
        """The unit of its axes: m, or s of a series."""
        return axis_unit(self.names[0])

    @property
    def named_sides(self) -> list[tuple[str, int, Edge]]:
        """Name, axis and edge of every side, low and high of each axis in turn."""
        return [(name, axis, side) for axis, pair in enumerate(self.edges)
                for name, side in zip(SIDES[self.names[axis]], pair, strict=True)]  # fmt: skip

    @property
    def cells(self) -> int:
        """Number of cells."""
        return math.prod(self.shape)

    @property
    def axes(self) -> range:
        """The numbers of the axes."""
        return range(len(self.shape))

    @property
    def spacing(self) -> tuple[float, ...]:
        """Cell lengths along each axis in m, steps of a series in s."""
        return tuple(s / n for s, n in zip(self.size, self.shape, strict=True))

    @property
    def wrap(self) -> tuple[bool, ...]:
        """Whether each axis is periodic."""
        return tuple(low.kind == "periodic" for low, _ in self.edges)

    def axis(self, name: str) -> int:
        """Return the number of the axis with this name.

        Raises
        ------
        ValueError
            When the grid has no such axis.
        """
        if name not in list(self.names):
            raise ValueError(f"there is no axis '{name}'; this grid has {', '.join(self.names)}")
        return self.names.index(name)

    def along(self, axis: int, values: Array) -> Array:
        """Shape a vector along one axis so that it broadcasts against fields."""
        shape = [1] * len(self.shape)
        shape[axis] = -1
        return values.reshape(shape)

    def origin(self, axis: int) -> float:
        """Where an axis begins, in m."""
        return self.inner if axis == 0 else 0.0

    def centres(self, axis: int) -> Array:
        """Cell centres along an axis in m, shape (n,)."""
        return (np.arange(self.shape[axis]) + 0.5) * self.spacing[axis] + self.origin(axis)

    def faces(self, axis: int) -> Array:
        """Faces along an axis in m, both rims included, shape (n + 1,)."""
        return np.arange(self.shape[axis] + 1) * self.spacing[axis] + self.origin(axis)

    def places(self, *but: int) -> dict[str, Array]:
        """Cell centres by the name of their axis, shaped to broadcast; some axes left out."""
        return {name: self.along(axis, self.centres(axis))
                for axis, name in enumerate(self.names) if axis not in but}  # fmt: skip

    def area(self, axis: int) -> Array:
        """Area of the faces across an axis, per unit of the other axes, shape (n + 1,).

        One in a box and along z; across r it is 2 pi r, or 4 pi r^2 in a sphere.
        """
        r = self.faces(axis)
        if axis > 0 or not self.radial:
            return np.ones(r.size)
        return 2.0 * np.pi * r if self.geometry == "cylindrical" else 4.0 * np.pi * r**2

    def measure(self, axis: int) -> Array:
        """Measure of the cells along their own axis, shape (n,).

        Their length in a box and along z; of rings pi (r2^2 - r1^2), of shells
        4/3 pi (r2^3 - r1^3).
        """
        h = self.spacing[axis]
        if axis > 0 or not self.radial:
            return np.full(self.shape[axis], h)
        middle = self.centres(axis)
        if self.geometry == "cylindrical":
            return 2.0 * np.pi * middle * h
        return 4.0 * np.pi * h * (middle**2 + h**2 / 12.0)

    @property
    def volume(self) -> float | Array:
        """Volume of the cells, the product of their measures: one number, or along r an array."""
        if not self.radial:
            return math.prod(self.spacing)
        return self.along(0, self.measure(0)) * math.prod(self.spacing[1:])

    def total(self, field: Array) -> float:
        """Integral of a field over the grid: what is conserved in a closed medium."""
        return float(np.sum(field * self.volume))

    def outside(self, axis: int, side: Edge, time: float) -> Array:
        """The value outside a side, or the flux through it, shaped to broadcast along it.

        Raises
        ------
        Invalid
            When a formula has a variable that no side across this axis has.
        """
        values = at_time(side.table, time, **self.places(axis))
        return values.reshape([1] * len(self.shape)) if values.ndim == 0 else values


def _shortest(name: str, pair: tuple[Edge, Edge]) -> list[tuple[str, Edge]]:
    return [(name, pair[0])] if pair[0] == pair[1] else [*zip(SIDES[name], pair, strict=True)]
