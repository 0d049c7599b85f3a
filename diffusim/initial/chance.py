"""Starts that are random; which one it is, a key decides."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from diffusim.block import Integer, Invalid
from diffusim.grid import Along, Grid
from diffusim.initial.start import Key, Pair, Start
from diffusim.random_fields import Correlated, draws_of, filtered, key_of, modes_of

Deviation = Annotated[float, Field(ge=0)]


class Seeded(Start):
    """What all random starts share.

    Parameters
    ----------
    seed : int, optional
        Decides what is random; if not given, the scenario's own seed does.
    """

    seed: Annotated[Integer, Field(ge=0, lt=2**63)] | None = None

    def _generator(self, key: Key) -> np.random.Generator:
        return draws_of(key if self.seed is None else key_of(self.seed))


class Chance(Seeded):
    """What random starts share that are drawn cell by cell, so that every grid has another one."""


class RandomCells(Chance):
    """A random value for each cell, or block of cells, any between two equally likely.

    Parameters
    ----------
    values : tuple of float
        The lowest and the highest.
    block : int
        Cells of a block along each axis; the last ones may be cut.
    """

    kind: Literal["cells"] = "cells"
    values: Pair
    block: Annotated[Integer, Field(ge=1, le=16384)] = 1

    def _means(self, grid: Grid, key: Key) -> Any:
        low, high = self.values
        if low > high:
            raise Invalid(f"expected the lower value first, not {low:g} before {high:g}", "values")
        blocks = [-(-n // self.block) for n in grid.shape]
        u = low + (high - low) * self._generator(key).random(blocks)
        for axis, n in enumerate(grid.shape):
            u = np.take(u, np.arange(n) // self.block, axis)
        return u


class Noise(Chance):
    """White noise: for each cell a normal deviate that knows of no other."""

    kind: Literal["noise"] = "noise"
    mean: float
    deviation: Deviation

    def _means(self, grid: Grid, key: Key) -> Any:
        return self.mean + self.deviation * self._generator(key).standard_normal(grid.shape)


class DiffusedNoise(Chance):
    """White noise smoothed by a Gaussian and stretched to a stated deviation.

    Its coefficients in the modes of the grid's edges are multiplied by exp(-length^2 k^2 / 2). It
    varies more near no-flux edges than amid the grid, since there noise has less room to spread.

    Parameters
    ----------
    mean, deviation : float
        Mean and standard deviation over the cells of the field itself.
    length : float
        Standard deviation of the Gaussian in m, of a series in s.
    """

    kind: Literal["diffused-noise"] = "diffused-noise"
    mean: float
    deviation: Deviation
    length: Annotated[Along, Field(ge=0, lt=1e12)]

    def _means(self, grid: Grid, key: Key) -> Any:
        if self.deviation == 0.0:
            return self.mean
        if grid.cells == 1:
            raise Invalid("a single cell has no deviation; give 0", "deviation")
        exponent = np.zeros((1,) * len(grid.shape))
        for wave_number in modes_of(grid)[1]:
            exponent = exponent + 0.5 * (wave_number * self.length) ** 2
        exponent.flat[0] = np.inf
        # Counted from the slowest mode, so that something is left after any smoothing.
        multiplier = np.exp(np.min(exponent) - exponent)
        u = filtered(grid, multiplier, self._generator(key))
        return self.mean + (u - np.mean(u)) * (self.deviation / np.std(u))


class GaussianField(Correlated, Chance):
    """A Gaussian random field of a stated spectrum.

    Parameters
    ----------
    mean, deviation : float
        Mean and standard deviation of each value, over many fields; those of a single field differ
        from them the more, the fewer lengths it spans.
    spectrum, length, exponent
        How values go together, see `diffusim.random_fields.Correlated`.
    bounds : tuple of float, optional
        What is beyond is moved to them, which makes the deviation smaller.
    """

    kind: Literal["gaussian-field"] = "gaussian-field"
    mean: float = 0.0
    deviation: Deviation = 1.0
    bounds: Pair | None = None

    def _means(self, grid: Grid, key: Key) -> Any:
        u = self.mean + self.deviation * self.standard(grid, self._generator(key))
        if self.bounds is None:
            return u
        if self.bounds[0] >= self.bounds[1]:
            raise Invalid("expected the lower bound first", "bounds")
        return np.clip(u, *self.bounds)
