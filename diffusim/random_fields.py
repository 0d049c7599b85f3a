"""Gaussian random fields on the cells of a grid, made of the modes of its sides."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from diffusim.block import Array, Block, Invalid, listed
from diffusim.grid import Along, Grid
from diffusim.spectrum import Basis, Fourier, waves_between
from diffusim.symbol import Symbol

Key = tuple[int, int]
# In schemas: a number or a text for one, an array for several.
one_or_several = WithJsonSchema(
    {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "array"}]}
)
Lengths = Annotated[
    tuple[Annotated[Along, Field(gt=0, lt=1e12)], ...],
    Field(min_length=1, max_length=2),
    listed,
    one_or_several,
]


def _ranged(value: Any) -> Any:
    return (value, value) if isinstance(value, int | float | str) else value


# One number stands for a range from itself to itself.
ranged = BeforeValidator(_ranged)


def draws_of(key: Key) -> np.random.Generator:
    """Return the random numbers that two words decide."""
    return np.random.Generator(np.random.Philox(key=np.array(key, dtype=np.uint64)))


def key_of(seed: int) -> Key:
    """Return the two words of a seed."""
    low, high = np.random.SeedSequence(seed).generate_state(2)
    return int(low), int(high)


def modes_of(grid: Grid) -> tuple[list[Basis], list[Array]]:
    """Return per axis the waves of a grid and their wave numbers in 1/m, shaped to broadcast.

    Rings have whole waves, all other axes cosines, which are even at both sides.
    """
    bases, numbers = list[Basis](), list[Array]()
    for axis, (n, h) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
        waves = Fourier() if grid.wrap[axis] else waves_between(False, False)
        bases.append(waves)
        numbers.append(grid.along(axis, waves.angles(n) / h))
    return bases, numbers


def filtered(grid: Grid, amplitude: Array, draws: np.random.Generator) -> Array:
    """Return white noise of unit deviation, each of its modes multiplied by an amplitude."""
    bases, _ = modes_of(grid)
    white = draws.standard_normal(grid.shape)
    return Symbol(grid.shape, bases, lambda _duration: amplitude).carry(white, 0.0)


class Correlated(Block):
    """How values at two places of a Gaussian random field go together.

    Parameters
    ----------
    spectrum : {"gaussian", "exponential", "power"}
        Correlation exp(-(r / length)^2 / 2), or exp(-r / length), or a spectral density
        k^-exponent, which has no length of its own and no mean.
    length : float or tuple of float, optional
        In m, of a series in s, one for all axes or one for each; not for ``power``.
    exponent : float, optional
        Of ``power``.

    References
    ----------
    C. R. Dietrich, G. N. Newsam, SIAM J. Sci. Comput. 18 (1997) 1088-1107 (rings); P. Abrahamsen,
    *A review of Gaussian random fields and correlation functions*, 2nd ed., Oslo 1997.
    """

    spectrum: Literal["gaussian", "exponential", "power"] = "gaussian"
    length: Lengths | None = None
    exponent: Annotated[float, Field(ge=0, le=10)] | None = None

    @model_validator(mode="after")
    def _belonging(self) -> Self:
        wanted, other = (
            ("exponent", "length") if self.spectrum == "power" else ("length", "exponent")
        )
        if getattr(self, wanted) is None:
            raise Invalid(f"the spectrum {self.spectrum} needs '{wanted}'", wanted)
        if getattr(self, other) is not None:
            raise Invalid(f"the spectrum {self.spectrum} has no '{other}'", other)
        return self

    def standard(self, grid: Grid, draws: np.random.Generator) -> Array:
        """Return a field of mean zero and deviation one, both in expectation.

        Its variance, averaged over the cells, is one on any grid; near sides that are not joined it
        is up to twice as large as amid the grid, since waves are even there.

        Raises
        ------
        Invalid
            When it is finer than the cells, or the grid has a single one.
        """
        density = self._density(grid)
        variance = float(np.sum(density)) / grid.cells
        if variance == 0.0:
            raise Invalid("a single cell has no waves", "spectrum")
        return filtered(grid, np.sqrt(density / variance), draws)

    def _density(self, grid: Grid) -> Array:
        """Spectral density of every mode, up to a factor."""
        _, numbers = modes_of(grid)
        if self.exponent is not None:
            square = sum((k**2 for k in numbers), np.zeros((1,) * len(grid.shape)))
            square = np.broadcast_to(square, grid.shape)
            slowest = np.min(square[square > 0.0], initial=math.inf)
            with np.errstate(divide="ignore"):
                return np.where(square > 0.0, (square / slowest) ** (-0.5 * self.exponent), 0.0)
        square = np.zeros((1,) * len(grid.shape))
        for k, length in zip(numbers, self._lengths(grid), strict=True):
            square = square + (k * length) ** 2
        if self.spectrum == "gaussian":
            return np.asarray(np.exp(-0.5 * square))
        return np.asarray((1.0 + square) ** (-0.5 * (len(grid.shape) + 1)))

    def _lengths(self, grid: Grid) -> tuple[Any, ...]:
        own = self.length or ()
        lengths = own * len(grid.shape) if len(own) == 1 else own
        if len(lengths) != len(grid.shape):
            raise Invalid(f"expected one length or {len(grid.shape)}, one per axis", "length")
        for length, h, n in zip(lengths, grid.spacing, grid.shape, strict=True):
            if n > 1 and length < h * (1.0 - 1e-12):
                message = f"{length:g} m is less than a cell of {h:g} m, which no field can tell"
                raise Invalid(message, "length")
        return lengths
