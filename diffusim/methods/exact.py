"""exact: the analytic solution of a scenario, where it is known to have one.

No generator carries it: for each frame the means of the solution over the cells are worked out from
the books' formula and the time. It is the truth that all methods approach as cells, steps and
particles are refined, a limit of its own, ``analytic``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import PrivateAttr

from diffusim.block import Array, Unsupported
from diffusim.exact.matching import KNOWN, Solution, solution_of
from diffusim.grid import Grid
from diffusim.methods import ANY_START, Accounted, Balance, Beginning, Plan, Prediction
from diffusim.propagators import Propagator
from diffusim.segment import Segment

# Seconds of a frame, and of each of its cells, measured on one 3.7 GHz core.
COST_FRAME, COST_CELL = 1e-3, 4e-8


class Exact(Accounted):
    """The analytic solution, as means over the cells."""

    needs = ("medium",)
    handles = frozenset({"walls", "affine", "open", "radial"}) | ANY_START
    limit = "analytic"
    fields = 3.0

    _solution: Solution | None = PrivateAttr(default=None)

    def started(self, beginning: Beginning) -> Self:
        """The same, knowing which solution it is.

        Raises
        ------
        Unsupported
            When none is known for this scenario, with what does not fit and which ones are known.
        """
        if beginning.scenario is None:
            raise Unsupported(self._unknown("a field alone does not tell what it is"))
        try:
            found = solution_of(beginning.scenario)
        except Unsupported as reason:
            raise Unsupported(self._unknown(str(reason))) from None
        known = self.model_copy()
        known._solution = found
        return known

    def _unknown(self, reason: str) -> str:
        return f"{self.word} knows no analytic solution of this scenario: {reason}; {KNOWN}"

    @property
    def solution(self) -> Solution:
        """The solution, once the start is known.

        Raises
        ------
        Unsupported
            When it is not known.
        """
        if self._solution is None:
            raise Unsupported(self._unknown("its start is not told"))
        return self._solution

    def plan(self, segment: Segment) -> Plan:
        """One step, whatever the duration; refuses accounts that the solution does not tell."""
        cells = self.solution.grid.cells
        _told(segment.propagator, segment.grid)
        return Plan(1, None, COST_FRAME + COST_CELL * cells)

    def begin(self, u: Array, origin: Segment) -> Any:
        """The field, and empty accounts where the medium is open."""
        accounts = origin.propagator.accounts(origin.grid)
        return Balance(u, np.zeros(len(accounts))) if accounts else u

    def advance(self, state: Any, segment: Segment) -> Any:
        """Work out the means at the end of a segment, and what has come in by then."""
        u = np.array(self.solution(segment.stop))
        if not isinstance(state, Balance):
            return u
        grid = segment.grid
        rates, rest = _told(segment.propagator, grid)
        names = segment.propagator.accounts(grid)
        came = {name: rate * segment.stop for name, rate in rates.items()}
        left = grid.total(u) - grid.total(self.solution(0.0)) - sum(came.values())
        came |= {name: left / len(rest) for name in rest}
        return Balance(u, np.array([came[name] for name in names]))

    def predict(
        self, _before: Prediction | None, _reference: Array, _segment: Segment
    ) -> Prediction:
        """What the formula promises at any time."""
        return Prediction(self.solution.tolerance)

    def notes(self, _u: Array, _grid: Grid) -> Iterator[str]:
        """Say which solution it is, and where it is found."""
        yield f"{self.name}: {self.solution.name} ({self.solution.source})"

    def facts(self) -> Mapping[str, Any]:
        """Which solution it is, beside the limit."""
        if self._solution is None:
            return super().facts()
        told = {"solution": self._solution.name, "source": self._solution.source}
        return {**super().facts(), **told}


def _told(propagator: Propagator, grid: Grid) -> tuple[dict[str, float], Sequence[str]]:
    """What comes in per second by the accounts that are given, and which share the rest evenly.

    Raises
    ------
    Unsupported
        When several accounts that differ share the rest.
    """
    accounts = propagator.accounts(grid)
    volume = grid.total(np.ones(grid.shape))
    rates: dict[str, float] = {}
    open_sides = {}
    for name, axis, side in grid.named_sides:
        if side.kind == "flux":
            rates[name] = float(side.table[0][1]) * volume / grid.size[axis]
        elif side.open:
            open_sides[name] = axis, side
    if "source" in accounts:
        rates["source"] = float(getattr(propagator, "source", 0.0)) * volume
    rest = [name for name in accounts if name not in rates]
    twins = list(open_sides.values())
    alike = all(twin == twins[0] for twin in twins) and "decay" not in rest
    if len(rest) > 1 and not alike:
        raise Unsupported(
            f"exact tells what goes through {', '.join(rest)} together, and not through each; "
            "a comparison shows how far methods are from it all the same"
        )
    return rates, rest
