"""Obstacles and rates in cells: what a scenario gives for every cell, in one of several ways."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, ValidationInfo
from pydantic.json_schema import SkipJsonSchema

from diffusim.block import Array, Block, Integer, Invalid, Metres, PerSecond, listed
from diffusim.edges import NumberOrFormula, number_or_formula
from diffusim.files import Digested, InputFile, read_array, read_image
from diffusim.formula import Formula
from diffusim.grid import Grid
from diffusim.random_fields import draws_of, key_of, one_or_several, ranged

Interval = Annotated[tuple[Metres, Metres], listed]


class MaskFile(Block):
    """Solid cells from a ``.npy`` file of the grid's shape: those that are not zero."""

    kind: Literal["array"]
    path: InputFile

    def solid(self, grid: Grid) -> Array:
        """Return which cells are solid."""
        return np.asarray(read_array(self.path, grid.shape) != 0.0)


class MaskImage(Block):
    """Solid cells from an image: those darker than ``below``, from 0 (black) to 1 (white)."""

    kind: Literal["image"]
    path: InputFile
    below: Annotated[float, Field(gt=0, le=1)] = 0.5

    def solid(self, grid: Grid) -> Array:
        """Return which cells are solid."""
        if len(grid.shape) != 2:
            raise Invalid("an image needs a grid of two dimensions", "path")
        return np.asarray(read_image(self.path, (grid.shape[0], grid.shape[1])) < self.below)


class MaskFormula(Block):
    """Solid cells from a formula of the cells' centres: those where it is above zero."""

    kind: Literal["formula"]
    expression: str

    def solid(self, grid: Grid) -> Array:
        """Return which cells are solid."""
        values = Formula(self.expression)(**grid.places())
        return np.array(np.broadcast_to(values > 0.0, grid.shape))


class MaskBoxes(Block):
    """Solid boxes: cells whose centre is in any of them; an axis not named is covered whole."""

    kind: Literal["boxes"]
    boxes: Annotated[tuple[dict[Literal["x", "y", "r", "z"], Interval], ...], listed]

    def solid(self, grid: Grid) -> Array:
        """Return which cells are solid."""
        found = np.zeros(grid.shape, dtype=bool)
        for number, box in enumerate(self.boxes):
            inside = np.ones(grid.shape, dtype=bool)
            for name, (low, high) in box.items():
                if name not in list(grid.names):
                    raise Invalid(f"this grid has no axis '{name}'", "boxes", number, name)
                if low >= high:
                    message = f"must grow, from {low:g} m to {high:g} m it does not"
                    raise Invalid(message, "boxes", number, name)
                place = grid.places()[name]
                inside &= (low <= place) & (place <= high)
            if not np.any(inside):
                raise Invalid("there is no cell whose centre is in this box", "boxes", number)
            found |= inside
        return found


class MaskRandom(Block):
    """Solid discs or boxes at random places: cells whose centre is in any of them.

    Parameters
    ----------
    count : int
        How many; they may lie in one another.
    shape : {"discs", "boxes"}
        Of boxes each side is drawn by itself.
    sizes : float or tuple of float
        Diameter or side in m, or from which to which, any between equally likely.
    seed : int
        Decides where they are.
    """

    kind: Literal["random"]
    count: Annotated[Integer, Field(ge=0, le=10**4)]
    shape: Literal["discs", "boxes"] = "discs"
    sizes: Annotated[Interval, ranged, one_or_several]
    seed: Annotated[Integer, Field(ge=0, lt=2**63)] = 0

    def solid(self, grid: Grid) -> Array:
        """Return which cells are solid."""
        low, high = self.sizes
        if not 0.0 < low <= high:
            raise Invalid("expected two sizes above zero, the smaller one first", "sizes")
        if grid.radial:
            raise Invalid("random obstacles are for boxes; this grid is radial", "kind")
        solid = np.zeros(grid.shape, dtype=bool)
        for numbers in draws_of(key_of(self.seed)).random((self.count, 4)):
            sides = low + (high - low) * numbers[2:]
            away = [_away(grid, axis, numbers[axis]) for axis in grid.axes]
            if self.shape == "discs":
                solid |= sum(d**2 for d in away) <= (0.5 * sides[0]) ** 2
            else:
                inside = [d <= 0.5 * side for d, side in zip(away, sides, strict=False)]
                solid |= inside[0] if len(inside) == 1 else inside[0] & inside[1]
        return solid


def _away(grid: Grid, axis: int, place: float) -> Array:
    """Distance of each cell's centre from a place, told as a part of the axis, the nearest way."""
    away = np.abs(grid.centres(axis) - place * grid.size[axis])
    return grid.along(axis, np.minimum(away, grid.size[axis] - away) if grid.wrap[axis] else away)


class MaskGiven(Block):
    """Solid cells given from Python as an array of truth values."""

    values: Digested

    def solid(self, grid: Grid) -> Array:
        """Return which cells are solid."""
        if self.values.shape != grid.shape:
            raise Invalid(f"expected an array of shape {grid.shape}")
        return np.array(self.values, dtype=bool)


_MASKS: dict[str, type[Block]] = {
    "array": MaskFile, "image": MaskImage, "formula": MaskFormula, "boxes": MaskBoxes,
    "random": MaskRandom,
}  # fmt: skip


def _mask(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, np.ndarray):
        return MaskGiven(values=value)
    if isinstance(value, dict):
        kind = value.get("kind")
        if kind not in _MASKS:
            raise Invalid(f"expected a 'kind' of obstacles: {', '.join(_MASKS)}")
        return _MASKS[kind].model_validate(value, context=info.context)
    return value


Obstacles = Annotated[
    MaskFile | MaskImage | MaskFormula | MaskBoxes | MaskRandom | SkipJsonSchema[MaskGiven],
    BeforeValidator(_mask),
]


# --- rates --------------------------------------------------------------------------------------


class RateMap(Block):
    """A number for each cell from a ``.npy`` file of the grid's shape."""

    kind: Literal["map"]
    path: InputFile


class RateGiven(Block):
    """A number for each cell, given from Python as an array."""

    values: Digested


def _rate(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, np.ndarray):
        return RateGiven(values=value)
    if isinstance(value, dict):
        return RateMap.model_validate(value, context=info.context)
    # Here and not in the union below, whose errors would speak of every choice.
    return number_or_formula(value) if isinstance(value, int | float | str) else value


InCells = Annotated[RateMap | NumberOrFormula | SkipJsonSchema[RateGiven], BeforeValidator(_rate)]


def _decay(value: Any) -> Any:
    """Read ``1e-6 1/s`` as a rate; what is no number with a unit is a formula."""
    if isinstance(value, str) and _WITH_UNIT.fullmatch(value.strip()):
        try:
            return _PER_SECOND.validate_python(value)
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    return value


_WITH_UNIT = re.compile(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?\s+(?:1/)?[a-zA-Zµ]\S*")
_PER_SECOND: TypeAdapter[float] = TypeAdapter(PerSecond)
DecayInCells = Annotated[InCells, BeforeValidator(_decay)]


def in_cells(rate: Any, grid: Grid) -> Array:
    """Return a rate in the smallest shape that broadcasts against fields.

    Raises
    ------
    Invalid
        When it cannot be worked out on this grid, or is not finite.
    """
    if isinstance(rate, RateMap):
        try:
            return read_array(rate.path, grid.shape)
        except ValueError as problem:
            raise Invalid(str(problem), "path") from None
    if isinstance(rate, RateGiven):
        if rate.values.shape != grid.shape or not np.all(np.isfinite(rate.values)):
            raise Invalid(f"expected a finite array of shape {grid.shape}")
        return np.array(rate.values, dtype=float)
    if isinstance(rate, str):
        formula = Formula(rate)
        values = formula(**grid.places())
        return values if formula.names else np.full((1,) * len(grid.shape), values.flat[0])
    return np.full((1,) * len(grid.shape), float(rate))
