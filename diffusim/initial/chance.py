"""Starts that are random; which one it is, a key decides."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from diffusim import spectrum
from diffusim.block import Integer, Invalid, Metres
from diffusim.grid import Grid
from diffusim.initial.start import Key, Pair, Start
from diffusim.symbol import Symbol

Deviation = Annotated[float, Field(ge=0)]


class Chance(Start):
    """What the kinds of random fields share.

    Parameters
    ----------
    seed : int, optional
        Decides what is random; if not given, the scenario's own seed does.
    """

    seed: Annotated[Integer, Field(ge=0, lt=2**63)] | None = None

    def _generator(self, key: Key) -> np.random.Generator:
        words = key if self.seed is None else np.random.SeedSequence(self.seed).generate_state(2)
        return np.random.Generator(np.random.Philox(key=np.array(words, dtype=np.uint64)))


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
        Standard deviation of the Gaussian in m.
    """

    kind: Literal["diffused-noise"] = "diffused-noise"
    mean: float
    deviation: Deviation
    length: Annotated[Metres, Field(ge=0, lt=1e12)]

    def _means(self, grid: Grid, key: Key) -> Any:
        if self.deviation == 0.0:
            return self.mean
        if grid.cells == 1:
            raise Invalid("a single cell has no deviation; give 0", "deviation")
        bases: list[spectrum.Basis] = []
        exponent = np.zeros((1,) * len(grid.shape))
        for axis, (n, h) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
            wrap = grid.wrap[axis]
            waves = spectrum.Fourier() if wrap else spectrum.waves_between(False, False)
            bases.append(waves)
            exponent = exponent + grid.along(axis, 0.5 * (waves.angles(n) * self.length / h) ** 2)
        exponent.flat[0] = np.inf
        # Counted from the slowest mode, so that something is left after any smoothing.
        multiplier = np.exp(np.min(exponent) - exponent)
        white = self._generator(key).standard_normal(grid.shape)
        u = Symbol(grid.shape, bases, lambda _duration: multiplier).carry(white, 0.0)
        return self.mean + (u - np.mean(u)) * (self.deviation / np.std(u))
