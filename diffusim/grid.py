"""The grid: a box of cells, its measures, and what its rim does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, WithJsonSchema

from diffusim.block import Array, Block, Integer, Metres, listed

Cells = Annotated[Integer, Field(ge=1, le=16384)]
Length = Annotated[Metres, Field(gt=1e-12, lt=1e12)]
LARGEST = 2**28


class Edge(Block):
    """What one side of the grid does: nothing crosses it, or it is joined to the opposite side."""

    kind: Literal["no-flux", "periodic"] = "no-flux"


Sides = tuple[tuple[Edge, Edge], ...]


def _sides(value: Any, info: ValidationInfo) -> Any:
    """Bring every way to write edges into one pair of sides per axis."""
    axes = Grid.names[: len(info.data.get("shape", "xy"))]
    if isinstance(value, str):
        value = dict.fromkeys(axes, value)
    if isinstance(value, Mapping):
        unknown = sorted(set(value) - set(axes))
        if unknown:
            raise ValueError(f"there is no axis '{unknown[0]}'; this grid has {', '.join(axes)}")
        value = tuple((value.get(axis, "no-flux"),) * 2 for axis in axes)
    if not isinstance(value, tuple | list):
        raise ValueError("expected no-flux, periodic or a mapping from axis to one of them")
    sides = tuple(tuple(_edge(side) for side in pair) for pair in value)
    if [len(pair) for pair in sides] != [2] * len(axes):
        raise ValueError("expected one pair of edges for each axis")
    if any(len({side.kind for side in pair} & {"periodic", "no-flux"}) > 1 for pair in sides):
        raise ValueError("an axis is periodic at both ends or at none")
    return sides


def _edge(side: Any) -> Edge:
    if isinstance(side, Edge):
        return side
    if side not in ("no-flux", "periodic"):
        raise ValueError(f"expected no-flux or periodic, found '{side}'")
    return Edge(kind=side)


def _written(sides: Sides) -> dict[str, str]:
    return {axis: pair[0].kind for axis, pair in zip(Grid.names, sides, strict=False)}


_EDGE_WORDS = {"enum": ["no-flux", "periodic"]}
Edges = Annotated[
    Sides,
    BeforeValidator(_sides),
    PlainSerializer(_written),
    WithJsonSchema(
        {"anyOf": [_EDGE_WORDS, {"type": "object", "additionalProperties": _EDGE_WORDS}]}
    ),
]


class Grid(Block):
    """A box of cells in one or two dimensions.

    Cell ``i`` of axis ``k`` reaches from ``i h`` to ``(i + 1) h`` with ``h = size[k] / shape[k]``;
    fields are arrays ``u[x, y]`` of the cells' mean values.

    Parameters
    ----------
    shape : tuple of int
        Number of cells along each axis.
    size : tuple of float
        Length of each axis in m.
    edges : str or mapping
        ``no-flux``, ``periodic``, or a mapping from axis name to one of them.

    Raises
    ------
    pydantic.ValidationError
        When a key is missing, unknown or out of range.
    """

    names: ClassVar[str] = "xy"

    shape: Annotated[tuple[Cells, ...], Field(min_length=1, max_length=2), listed]
    size: Annotated[tuple[Length, ...], Field(min_length=1, max_length=2), listed]
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
        """Cell lengths along each axis in m."""
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
        known = self.names[: len(self.shape)]
        if name not in list(known):
            raise ValueError(f"there is no axis '{name}'; this grid has {', '.join(known)}")
        return known.index(name)

    def along(self, axis: int, values: Array) -> Array:
        """Shape a vector along one axis so that it broadcasts against fields."""
        shape = [1] * len(self.shape)
        shape[axis] = -1
        return values.reshape(shape)

    def centres(self, axis: int) -> Array:
        """Cell centres along an axis in m, shape (n,)."""
        return (np.arange(self.shape[axis]) + 0.5) * self.spacing[axis]

    def faces(self, axis: int) -> Array:
        """Faces along an axis in m, both rims included, shape (n + 1,)."""
        return np.arange(self.shape[axis] + 1) * self.spacing[axis]

    def area(self, axis: int) -> Array:
        """Area of the faces across an axis, per unit of the other axes, shape (n + 1,)."""
        return np.ones(self.shape[axis] + 1)

    def measure(self, axis: int) -> Array:
        """Measure of the cells along their own axis, shape (n,): their length in a box."""
        return np.full(self.shape[axis], self.spacing[axis])

    @property
    def volume(self) -> float:
        """Volume of a cell: the product of its measures, m in one dimension, m^2 in two."""
        return math.prod(self.spacing)

    def total(self, field: Array) -> float:
        """Integral of a field over the grid: what is conserved in a closed medium."""
        return float(np.sum(field) * self.volume)
