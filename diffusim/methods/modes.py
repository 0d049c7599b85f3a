"""modes: the exact propagator as one multiplication in the right basis.

    u(t) = B m(t) B^-1 u(0),

per axis a cosine, sine or Fourier transform where it is even, its own eigenbasis where full walls,
layers, leaky sides or a radius make it differ. What comes in, b, has the offset t phi1(t L) b; it
is carried as the change u(t) - u(0) = t phi1(t L) (L u(0) + b), so that what is steady stays. Where
few modes survive, only those are worked out. Of waves all modes turn, exp(-i t rate).

Exact for any duration in three limits: ``lattice``, exp(t L) of the cells; ``continuum``, the
smooth equation with cell values as samples (exact for smooth starts only); ``cell-to-cell``, the
law of counts of particles that start uniformly in their cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from diffusim.block import Array
from diffusim.generator import Generator
from diffusim.grid import Grid
from diffusim.methods import ANY_START, GENERATOR, ROUND_OFF, Jumping, Plan, Prediction
from diffusim.segment import Segment
from diffusim.spectrum import Fourier, phi1, phi2, waves_between
from diffusim.symbol import Symbol

# The part of a start's square in waves shorter than three cells that makes it sharp.
SHARP = 1e-9


class Modes(Jumping):
    """Multiplication in the basis of the medium's own modes.

    Parameters
    ----------
    limit : {"lattice", "continuum", "cell-to-cell"}
        Which truth to give.
    tolerance : float
        Modes that fall below this part of the slowest are left out. It is a part of the start, not
        of what is left of it, so a start without mean that dies out needs the default.
    """

    needs = ("symbol",)
    handles = (GENERATOR - {"flow"}) | ANY_START | {"mask", "collects", "complex"}
    fields = 5.0

    tolerance: Annotated[float, Field(ge=1e-16, le=0.1)] = 1e-16

    def notes(self, u: Array, grid: Grid) -> Iterator[str]:
        """Warn where the smooth limit starts from what is not smooth."""
        if self.limit != "continuum":
            return
        channels = u.ndim - len(grid.shape)  # 1 if the field has several, along a first axis
        waves, sharp = np.asarray(u), np.zeros((1,) * u.ndim, dtype=bool)
        for axis, n in enumerate(grid.shape):
            low, high = (side.kind == "value" for side in grid.edges[axis])
            basis = Fourier() if grid.wrap[axis] else waves_between(low, high)
            waves = basis.forward(waves, axis + channels)
            short = np.abs(basis.angles(n)) >= 2.0 * np.pi / 3.0
            sharp = sharp | grid.along(axis, short)
        sizes = np.abs(waves) ** 2
        total = float(np.sum(sizes))
        if total and (part := float(np.sum(sizes * sharp)) / total) > SHARP:
            yield (
                f"{self.name}: the limit continuum is exact for smooth starts only, and {part:.2g} "
                "of the square of this one lies in waves shorter than three cells, as at a step; "
                "there it rings, and differs from what the cells do"
            )

    def plan(self, segment: Segment) -> Plan:
        """One multiplication; refuses a medium that differs along both axes."""
        symbol: Symbol = segment.view("symbol", self.limit)
        seconds = symbol.seconds(segment.duration, self.tolerance)
        more = 2.5 if segment.propagator.accounts(segment.grid) else 1.0
        return Plan(1, None, more * seconds)

    def carry(self, u: Array, segment: Segment, *, integrate: bool) -> tuple[Array, list[Array]]:
        """Multiply, and where something comes in or leaves, integrate the modes over time."""
        symbol: Symbol = segment.view("symbol", self.limit)
        t = segment.duration
        if not symbol.affine and not integrate:
            return symbol.carry(u, t, self.tolerance), []
        z = t * symbol.rate
        if not symbol.affine:
            now, whole = symbol.through(u, [np.exp(-z), t * phi1(z)])
            beside = [self._sideways(symbol, axis, u, t * phi1(z)) for axis in range(u.ndim)]
            own = [whole if along is None else along for along in beside]
            return now, [*own, whole]
        generator: Generator = segment.view("generator")
        rate = np.empty(u.shape)
        generator.sweep(1.0).rate(rate, np.ascontiguousarray(u))
        change, total = symbol.through(rate, [t * phi1(z), t**2 * phi2(z)])
        return u + change, [t * u + total] * (u.ndim + 1)

    def _sideways(self, symbol: Symbol, axis: int, u: Array, weight: Array) -> Array | None:
        """The integral as the sides of an axis see it, where that is not what is in the cells."""
        ratio = symbol.ratios[axis] if symbol.ratios else None
        if ratio is None:
            return None
        shape = [-1 if k == axis else 1 for k in range(u.ndim)]
        return symbol.through(u, [weight * ratio.reshape(shape)])[0]

    def jump(self, u: Array, segment: Segment, duration: float) -> Array:
        """Carry a field over a duration by the law of particles."""
        symbol: Symbol = segment.view("symbol", self.limit)
        return symbol.carry(u, duration, self.tolerance)

    def predict(self, before: Prediction | None, _reference: Array, segment: Segment) -> Prediction:
        """Round-off of a transform there and back, and of rates known to the last bits only."""
        symbol: Symbol = segment.view("symbol", self.limit)
        # A wave's phase is known to its last bits, a decay's rate to the root of it.
        turns = symbol.fastest * segment.duration
        rates = math.sqrt(turns) if symbol.turn == 1.0 else turns
        # A kernel's multiplier is a power, of as many applications.
        powers = 0.0 if symbol.rates else 3e-16 * segment.duration
        own = 1e-15 * (1.0 + rates) + powers + self.tolerance
        return Prediction((float(before.error) if before else ROUND_OFF) + own)
