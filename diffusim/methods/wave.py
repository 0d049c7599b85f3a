"""wave: the split operator, for waves in any potential.

    psi <- exp(-i V dt / 2) exp(i dt D laplacian) exp(-i V dt / 2) psi       (V in units of hbar)

The free wave turns mode by mode, exactly; the potential, cell by cell. Second order in dt, since
the two do not commute; the norm is kept to round-off at any dt, and what absorbs is a potential
with an imaginary part. In imaginary time the same product diffuses.

J. A. Fleck, J. R. Morris, M. D. Feit, Appl. Phys. 10 (1976) 129-160; M. D. Feit, J. A. Fleck, A.
Steiger, J. Comput. Phys. 47 (1982) 412-433.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from diffusim.block import Array
from diffusim.methods import ANY_START, Plan, Stepping, slices
from diffusim.segment import Segment
from diffusim.symbol import Symbol

# Radians by which the potential may turn a wave in a step, where no dt is given.
TURN = 0.1
# Seconds per cell and step of the products.
PRODUCTS = 8e-9


class Wave(Stepping):
    """Split-operator steps.

    Parameters
    ----------
    dt : float, optional
        Longest step in s; if not given, the highest potential turns a wave by 0.1 in a step.
    limit : {"lattice", "continuum"}
        Whether free waves travel as on the cells or as in smooth space.
    """

    needs = ("split",)
    handles = frozenset({"complex", "absorbing", "radial"}) | ANY_START
    order = 2
    fields = 8.0

    limit: Literal["lattice", "continuum"] = "lattice"  # type: ignore[misc]

    def longest(self, segment: Segment) -> float:
        """Longest step in s: the option ``dt``, or as the potential asks for."""
        levels, _ = segment.view("split", self.limit)
        reach = float(np.ptp(levels.real)) + float(np.max(np.abs(levels.imag)))
        return self.dt or (TURN / reach if reach else math.inf)

    def plan(self, segment: Segment) -> Plan:
        """Equal steps; one where the wave is free."""
        _, symbol = segment.view("split", self.limit)
        steps = self.steps(segment, min(self.longest(segment), segment.duration))
        each = symbol.seconds(segment.duration / steps)
        seconds = steps * (each + PRODUCTS * segment.grid.cells)
        return Plan(steps, segment.duration / steps, seconds)

    def carry(self, u: Array, segment: Segment, *, integrate: bool) -> tuple[Array, list[Array]]:
        """Take the planned steps; half-steps of the potential that follow each other are one."""
        steps, _, seconds, _ = self.plan(segment)
        levels, symbol = segment.view("split", self.limit)
        turn = symbol.turn * segment.duration / steps
        half, whole = np.exp(-0.5 * turn * levels), np.exp(-turn * levels)
        free = self._free(symbol, segment.duration / steps)
        u = half * u
        for first, last in slices(steps, seconds):
            for number in range(first, last):
                u = symbol.through(u, [free])[0] * (half if number == steps - 1 else whole)
            segment.pulse(last / steps)
        return u, []

    @staticmethod
    def _free(symbol: Symbol, dt: float) -> Array:
        """The multiplier of the free wave over one step."""
        return np.asarray(np.exp(-symbol.turn * dt * symbol.rate))
