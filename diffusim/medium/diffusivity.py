"""Diffusivities: a number, one per axis, layers, maps, images, random ones, any in turn."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, ValidationInfo
from pydantic.json_schema import SkipJsonSchema

from diffusim.block import (
    Array,
    Block,
    Integer,
    Invalid,
    Metres,
    Seconds,
    SquareMetresPerSecond,
    listed,
)
from diffusim.files import Digested, InputFile, read_array, read_image
from diffusim.grid import Grid
from diffusim.medium.faces import off_face
from diffusim.medium.walls import Axis
from diffusim.random_fields import Correlated, draws_of, key_of

Positive = Annotated[SquareMetresPerSecond, Field(ge=0, lt=1e12)]


class PerAxis(Block):
    """A diffusivity for each axis."""

    x: Positive | None = None
    y: Positive | None = None
    r: Positive | None = None
    z: Positive | None = None

    def cells(self, grid: Grid) -> list[Array]:
        """Diffusivity for flow along each axis, in the smallest shape that broadcasts."""
        numbers = [getattr(self, name) for name in grid.names]
        if None in numbers:
            name = grid.names[numbers.index(None)]
            raise Invalid(f"expected a diffusivity along {name} as well", name)
        return [np.full((1,) * len(grid.shape), number) for number in numbers]


class Layers(Block):
    """Layers across one axis: ``values[i]`` up to the place ``at[i]``, the last one beyond."""

    kind: Literal["layers"]
    axis: Axis
    at: Annotated[tuple[Metres, ...], listed]
    values: Annotated[tuple[Positive, ...], listed]

    def cells(self, grid: Grid) -> list[Array]:
        """Diffusivity for flow along each axis, in the smallest shape that broadcasts."""
        if len(self.values) != len(self.at) + 1 or list(self.at) != sorted(set(self.at)):
            raise Invalid("layers need growing places 'at' and one value more than places", "at")
        axis = grid.axis(self.axis)
        for number, place in enumerate(self.at):
            for problem in off_face(grid, axis, place, "at", number):
                raise problem
        values = np.array(self.values)[np.searchsorted(self.at, grid.centres(axis), side="right")]
        return [grid.along(axis, values)] * len(grid.shape)


class Given(Block):
    """A diffusivity for each cell, in m^2/s, given from Python as an array."""

    values: Digested

    def cells(self, grid: Grid) -> list[Array]:
        """Diffusivity for flow along each axis, in the smallest shape that broadcasts."""
        values = np.array(self.values, dtype=float)
        if values.shape != grid.shape or not np.all(np.isfinite(values)) or np.min(values) < 0:
            raise Invalid(f"expected an array of shape {grid.shape}, finite and not negative")
        return [values] * len(grid.shape)


class Map(Block):
    """A diffusivity for each cell, in m^2/s, from a ``.npy`` file of the grid's shape."""

    kind: Literal["map"]
    path: InputFile

    def cells(self, grid: Grid) -> list[Array]:
        """Diffusivity for flow along each axis, in the smallest shape that broadcasts."""
        values = read_array(self.path, grid.shape)
        if np.min(values) < 0:
            raise Invalid(f"'{self.path.name}' holds negative diffusivities", "path")
        return [values] * len(grid.shape)


class Image(Block):
    """A diffusivity for each cell from an image: ``values`` are those of black and of white."""

    kind: Literal["image"]
    path: InputFile
    values: Annotated[tuple[Positive, Positive], listed]

    def cells(self, grid: Grid) -> list[Array]:
        """Diffusivity for flow along each axis, in the smallest shape that broadcasts."""
        if len(grid.shape) != 2:
            raise Invalid("an image needs a grid of two dimensions", "path")
        grey = read_image(self.path, (grid.shape[0], grid.shape[1]))
        black, white = self.values
        return [black + (white - black) * grey] * 2


class Random(Correlated):
    """A random diffusivity, whose logarithm is a Gaussian field.

    Parameters
    ----------
    median : float
        In m^2/s: as many values are above it as below.
    contrast : float
        Standard deviation of the natural logarithm.
    spectrum, length, exponent
        How values go together, see `diffusim.random_fields.Correlated`.
    seed : int
        Decides which one it is.
    """

    kind: Literal["random"]
    median: Annotated[SquareMetresPerSecond, Field(gt=0, lt=1e12)]
    contrast: Annotated[float, Field(ge=0, le=20)]
    seed: Annotated[Integer, Field(ge=0, lt=2**63)] = 0

    def cells(self, grid: Grid) -> list[Array]:
        """Diffusivity for flow along each axis, in the smallest shape that broadcasts."""
        field = self.standard(grid, draws_of(key_of(self.seed)))
        return [self.median * np.exp(self.contrast * field)] * len(grid.shape)


def _one(value: Any, info: ValidationInfo) -> Any:
    """Choose the class by the keys that are there, so that errors speak of one class only."""
    if isinstance(value, np.ndarray):
        return Given(values=value)
    if isinstance(value, dict):
        kinds: dict[str, type[Block]] = {"layers": Layers, "map": Map, "image": Image}
        kinds |= {"random": Random, "schedule": Schedule}
        kind = value.get("kind")
        if kind is not None and kind not in kinds:
            raise Invalid(f"there is no such diffusivity; known: {', '.join(kinds)}", "kind")
        chosen = PerAxis if kind is None else kinds[kind]
        return chosen.model_validate(value, context=info.context)
    return value


Steady = Annotated[
    Positive | PerAxis | Layers | Map | Image | Random | SkipJsonSchema[Given],
    BeforeValidator(_one),
]


class Schedule(Block):
    """Diffusivities in turn: ``values[i]`` from the time ``at[i]`` on."""

    kind: Literal["schedule"]
    at: Annotated[tuple[Seconds, ...], listed]
    values: Annotated[tuple[Steady, ...], listed]

    def during(self, time: float) -> Any:
        """Return the diffusivity at a time in s."""
        return self.values[self.turn(time)]

    def turn(self, time: float) -> int:
        """Return which of its values holds at a time in s."""
        return max(0, int(np.searchsorted(self.at, time, side="right")) - 1)

    def check(self) -> None:
        """Refuse a table that has no beginning or does not grow."""
        if len(self.at) != len(self.values) or not self.at or self.at[0] != 0.0:
            raise Invalid("a schedule needs as many times as values, the first of them 0 s", "at")
        if list(self.at) != sorted(set(self.at)):
            raise Invalid("the times of a schedule must grow", "at")


Diffusivity = Annotated[
    Positive | PerAxis | Layers | Map | Image | Random | Schedule | SkipJsonSchema[Given],
    BeforeValidator(_one),
]


def steady(diffusivity: Any, time: float) -> Any:
    """Return what a diffusivity is at a time."""
    return diffusivity.during(time) if isinstance(diffusivity, Schedule) else diffusivity


def in_turn(diffusivity: Any) -> list[Any]:
    """Return all that a diffusivity is in the course of time."""
    return list(diffusivity.values) if isinstance(diffusivity, Schedule) else [diffusivity]


def uneven(diffusivity: Any) -> bool:
    """Whether it differs from place to place at any time."""
    kinds = Layers | Map | Image | Random | Given
    return any(isinstance(value, kinds) for value in in_turn(diffusivity))


def in_cells(diffusivity: Any, grid: Grid) -> list[Array]:
    """Return a steady diffusivity for flow along each axis, in the smallest shape."""
    if isinstance(diffusivity, float | int):
        return [np.full((1,) * len(grid.shape), float(diffusivity))] * len(grid.shape)
    found: list[Array] = diffusivity.cells(grid)
    return found
