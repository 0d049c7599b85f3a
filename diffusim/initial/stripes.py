"""Stripes: a plane wave, or a square one, whose every cell holds its true mean."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from scipy import special

from diffusim.block import Array, Invalid
from diffusim.grid import Along, Grid
from diffusim.initial.shapes import Place, cut_off
from diffusim.initial.start import Key, Pair, Start

# Stripes of two cells a period are still seen, whatever the division rounds to.
SHORTEST = 0.5 * (1.0 + 1e-9)
# Edges of square stripes that can lie in a cell: seen across, it is never longer than a period.
EDGES = 2


class Stripes(Start):
    """Stripes across a direction.

    With s = (cos(angle) (x - x0) + sin(angle) (y - y0)) / period, a sine is m + a sin(2 pi s)
    between the two values, and square stripes hold the second value where s is in the first half of
    a period and the first value elsewhere.

    Parameters
    ----------
    period : float
        From crest to crest in m, of a series in s; two cells at least, along every axis.
    angle : float
        Direction across the stripes in degrees, from x towards y: at 0 they stand upright.
    values : tuple of float
        The lowest value and the highest, in the field's unit.
    profile : {"sine", "square"}
        Whether values go smoothly from one to the other or jump. Cells hold the mean of either,
        also where an edge crosses them.
    through : tuple of float, optional
        A point in m where values rise through their middle; the corner (0, 0) if not given.
    """

    kind: Literal["stripes"] = "stripes"
    period: Annotated[Along, Field(gt=0, lt=1e12)]
    angle: Annotated[float, Field(ge=-360, le=360)] = 0.0
    values: Pair
    profile: Literal["sine", "square"] = "sine"
    through: Place | None = None

    def _means(self, grid: Grid, _key: Key) -> Any:
        # The wave vector in periods per cell.
        turns = [k * h for k, h in zip(self._across(grid), grid.spacing, strict=True)]
        for axis, turn in enumerate(turns):
            if abs(turn) > SHORTEST:
                raise Invalid(
                    f"along {grid.names[axis]} a period is {1.0 / abs(turn):.3g} cells, of which "
                    "it takes two at least; give a longer one", "period",
                )  # fmt: skip
        through = (0.0,) * len(turns) if self.through is None else self.through
        if len(through) != len(turns):
            raise Invalid(f"expected {len(turns)} number(s), one per axis, found {len(through)}",
                          "through")  # fmt: skip
        middle = np.zeros((1,) * len(turns))
        for axis, (turn, place) in enumerate(zip(turns, through, strict=True)):
            cells = np.arange(grid.shape[axis]) + 0.5 - place / grid.spacing[axis]
            middle = middle + grid.along(axis, turn * cells)
        low, high = self.values
        if self.profile == "sine":
            faded = np.prod(np.sinc(turns))
            return 0.5 * (low + high) + 0.5 * (high - low) * faded * np.sin(2.0 * np.pi * middle)
        return low + (high - low) * _high_part(middle, np.abs(turns))

    def _across(self, grid: Grid) -> list[float]:
        """The wave vector in periods per m."""
        if grid.radial:
            raise Invalid("stripes are for boxes; on a radial grid give a formula", "kind")
        if len(grid.shape) == 1:
            if self.angle:
                raise Invalid("stripes at an angle need two dimensions", "angle")
            return [1.0 / self.period]
        return [float(c(self.angle)) / self.period for c in (special.cosdg, special.sindg)]


def _high_part(middle: Array, turns: Array) -> Array:
    """Which part of each cell lies where the phase is in the first half of a period.

    Parameters
    ----------
    middle : array
        Phase at the middle of each cell, in periods.
    turns : array
        How far the phase goes along each side of a cell, in periods, up to a half.
    """
    extent = float(np.sum(turns))
    narrow = float(np.min(turns)) / extent if turns.size > 1 else 0.0
    first = middle - 0.5 * extent
    half = np.floor(2.0 * first)
    # Which part lies before each edge between a high and a low half, and before the cell's end.
    before = [np.zeros(middle.shape)]
    for edge in range(1, EDGES + 1):
        depth = np.clip((0.5 * (half + edge) - first) / extent, 0.0, 1.0)
        before.append(cut_off(depth, narrow))
    before.append(np.ones(middle.shape))
    parts = zip(before, before[1:], strict=False)
    return np.asarray(sum(np.where((half + number) % 2.0 == 0.0, after - start, 0.0)
                          for number, (start, after) in enumerate(parts)))  # fmt: skip
