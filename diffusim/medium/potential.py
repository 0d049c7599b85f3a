"""What a wave feels: potentials, and layers that absorb."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from diffusim.block import Array, Block, Invalid, Joules, Metres, PerSecond, listed
from diffusim.edges import NumberOrFormula
from diffusim.formula import Formula
from diffusim.grid import Grid

HBAR = 1.054571817e-34
# Without a strength, waves this many cells long fade to a millionth of their square.
TYPICAL_CELLS, FADES = 12.0, 1e-6

Side = Literal["left", "right", "bottom", "top", "inner", "outer"]


def several(value: Any) -> Any:
    """Take one mapping for a list of one."""
    if isinstance(value, dict):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


class Potential(Block):
    """An energy times a formula of the place.

    Parameters
    ----------
    height : float
        In J, or such as ``0.2 eV``.
    shape : float or formula
        In x, y, r, without unit; 1 if not given.
    """

    height: Joules
    shape: NumberOrFormula = 1.0

    def in_cells(self, grid: Grid, _dispersion: float) -> Array:
        """V / hbar in 1/s at the centres of the cells, in the smallest shape that broadcasts.

        Raises
        ------
        Invalid
            When the formula has no finite value in every cell.
        """
        if not isinstance(self.shape, str):
            level = self.height / HBAR * float(self.shape)
            if not math.isfinite(level) or abs(level) > 1e100:
                raise Invalid("it is beyond all numbers; take a lower one", "height")
            return np.full((1,) * len(grid.shape), level)
        formula = Formula(self.shape)
        try:
            values = formula(**grid.places())
        except Invalid as problem:
            raise Invalid(problem.message, "shape") from None
        with np.errstate(over="ignore"):
            found = self.height / HBAR * values
        if not np.all(np.abs(found) < 1e100):
            raise Invalid("it is beyond all numbers somewhere; take a lower one", "height")
        return found if formula.names else np.full((1,) * len(grid.shape), found.flat[0])


class Absorbing(Block):
    """A layer along sides of the grid in which waves fade, ever faster towards the side.

    psi decays at the rate strength s^2, s growing from 0 to 1 through the layer.

    Parameters
    ----------
    width : float
        In m. Layers that are shorter than a wave reflect it.
    sides : list of str, optional
        Which; all that are not periodic if not given.
    strength : float, optional
        In 1/s; if not given, so that a wave of 12 cells fades to a millionth on its way through the
        layer and back.
    """

    width: Annotated[Metres, Field(gt=0)]
    sides: Annotated[tuple[Side, ...], listed] | None = None
    strength: Annotated[PerSecond, Field(gt=0)] | None = None

    def in_cells(self, grid: Grid, dispersion: float) -> Array:
        """The rate in 1/s at which psi fades in each cell.

        Raises
        ------
        Invalid
            When a side is not one of this grid, or layers fill it.
        """
        known: dict[str, int] = {
            name: axis for name, axis, side in grid.named_sides if side.kind != "periodic"
        }
        chosen: tuple[str, ...] = tuple(known) if self.sides is None else self.sides
        if not chosen:
            raise Invalid("there is no side that could absorb: all of them are joined, or none is "
                          "named", "sides")  # fmt: skip
        for number, name in enumerate(chosen):
            if name not in known:
                raise Invalid(f"there is no side '{name}' here that could absorb; there are "
                              f"{', '.join(known) or 'none'}", "sides", number)  # fmt: skip
        rate: Array = np.zeros((1,) * len(grid.shape))
        names = [name for name, _, _ in grid.named_sides]
        for name in chosen:
            axis, upper = known[name], names.index(name) % 2
            if self.width >= grid.size[axis]:
                raise Invalid("the layer is as wide as the grid", "width")
            start, stop = grid.origin(axis), grid.origin(axis) + grid.size[axis]
            x = grid.centres(axis)
            depth = self.width - ((stop - x) if upper else (x - start))
            fades = self._strength(grid.spacing[axis], dispersion)
            layer = fades * np.maximum(depth / self.width, 0.0) ** 2
            rate = np.maximum(rate, grid.along(axis, layer))
        return rate

    def _strength(self, spacing: float, dispersion: float) -> float:
        if self.strength is not None:
            return self.strength
        # A wave of number k travels at 2 D k; through the layer and back the rate adds up to 2/3.
        speed = 2.0 * dispersion * 2.0 * math.pi / (TYPICAL_CELLS * spacing)
        return 0.75 * math.log(1.0 / FADES) * speed / self.width
