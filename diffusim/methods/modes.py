"""modes: the exact propagator as one multiplication in the right basis.

    u(t) = B m(t) B^-1 u(0),

per axis a cosine or Fourier transform where it is even, its own eigenbasis where full walls or
layers make it differ. Exact for any duration in three limits: ``lattice``, exp(t L) of the cells;
``continuum``, the smooth equation with cell values as samples (exact for smooth starts only);
``cell-to-cell``, the law of counts of particles that start uniformly in their cells. The last is no
semigroup: it is always one jump from the last event, at which particles are taken to be spread
uniformly in their cells again.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from diffusim.block import Array
from diffusim.grid import Grid
from diffusim.methods import ANY_START, ROUND_OFF, Method, Plan, Prediction
from diffusim.propagators import Limit
from diffusim.segment import Segment
from diffusim.spectrum import Eigenbasis


class Spread(NamedTuple):
    """The field now, and as it was at the last event."""

    now: Array
    start: Array


class Modes(Method):
    """Multiplication in the basis of the medium's own modes.

    Parameters
    ----------
    limit : {"lattice", "continuum", "cell-to-cell"}
        Which truth to give.
    """

    needs = ("symbol",)
    handles = frozenset({"walls", "uneven", "radial"}) | ANY_START
    fields = 5.0

    limit: Limit = "lattice"  # type: ignore[misc]

    def plan(self, segment: Segment) -> Plan:
        """One multiplication; refuses a medium that differs along both axes."""
        symbol = segment.view("symbol", self.limit)
        dense = [n for n, basis in zip(segment.grid.shape, symbol.bases, strict=True)
                 if isinstance(basis, Eigenbasis)]  # fmt: skip
        return Plan(1, None, segment.grid.cells * (15e-9 + 0.2e-9 * sum(dense)))

    def memory(self, grid: Grid) -> int:
        """The field now, and as it was at the last event."""
        # Only cell-to-cell tells the two apart; else they are one array, and two on the disk.
        return int((2.0 if self.limit == "cell-to-cell" else 1.5) * super().memory(grid))

    def begin(self, u: Array, _origin: Segment) -> Spread:
        """Start from the field itself."""
        return Spread(u, u)

    def advance(self, state: Spread, segment: Segment) -> Spread:
        """Jump from the last event where the limit asks for it, else from the last frame."""
        symbol = segment.view("symbol", self.limit)
        if self.limit != "cell-to-cell":
            now = symbol.carry(state.now, segment.duration)
            return Spread(now, now)
        start = state.now if segment.start == segment.since else state.start
        return Spread(symbol.carry(start, segment.stop - segment.since), start)

    def observe(self, state: Any, _grid: Grid) -> Array:
        """Return the field now."""
        return state.now  # type: ignore[no-any-return]

    def predict(self, before: Prediction | None, _reference: Array, segment: Segment) -> Prediction:
        """Round-off of a transform there and back, and of rates known to the last bits only."""
        rates = math.sqrt(segment.view("symbol", self.limit).fastest * segment.duration)
        return Prediction((float(before.error) if before else ROUND_OFF) + 1e-15 * (1.0 + rates))
