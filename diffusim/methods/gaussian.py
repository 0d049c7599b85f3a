"""gaussian: direct convolution with the diffusion propagator, axis after axis.

    u(t)_i = sum over j of p_j(t) u(0)_(i - j)

In even water the propagator is a density of one dimension per axis; what would leave is mirrored
back in at no-flux sides and full walls, and comes round in a ring. Three densities: ``lattice``,
exp(-v) I_j(v), the law of exp(t L) itself; ``cell-to-cell``, the second difference of the
integrated error function; ``continuum``, the Gaussian sampled at the cells' centres, which is wrong
below a spread of one cell. What is left out of their tails is bounded by the tolerance and told.

T. Lindeberg, "Scale-space for discrete signals", IEEE PAMI 12 (1990) 234-254.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, PrivateAttr

from diffusim import convolve, kernels
from diffusim.block import Array, Unsupported
from diffusim.grid import Grid
from diffusim.medium.modes import Medium
from diffusim.methods import ANY_START, ROUND_OFF, Jumping, Plan, Prediction
from diffusim.segment import Segment

# Seconds per weight and cell, and of a pass over all cells beside them, on one 3.7 GHz core; in
# fields of more cells than stay in a cache they are others.
WEIGHT, PASS = 0.155e-9, 0.7e-9
FAR_WEIGHT, FAR_PASS = 0.22e-9, 2e-9
CACHED = 2**19
MOST_WEIGHTS = 10**5
DENSITIES = {
    "lattice": kernels.lattice,
    "cell-to-cell": kernels.cell_to_cell,
    "continuum": kernels.sampled,
}


class Gaussian(Jumping):
    """Direct convolution with a density of diffusion.

    Parameters
    ----------
    limit : {"lattice", "continuum", "cell-to-cell"}
        Which density: that of exp(t L), the sampled Gaussian, or that of particles.
    tolerance : float
        Largest part of a density that is left out, for each axis and jump.
    """

    needs = ("medium",)
    handles = frozenset({"walls"}) | ANY_START
    fields = 5.0

    tolerance: Annotated[float, Field(ge=1e-16, le=0.1)] = 1e-14

    # The worst that was found when the course was settled: what is left out, and how wide it is.
    _left_out: float = PrivateAttr(default=0.0)
    _reach: int = PrivateAttr(default=0)
    _narrowest: float = PrivateAttr(default=math.inf)

    @property
    def keeps_sign(self) -> bool:
        """Whatever the density, no weight of it is negative."""
        return True

    def settle(self, course: Sequence[Segment]) -> Self:
        """Find out how wide the densities are, and what is left out of them."""
        settled = self.model_copy()
        for segment in course:
            try:
                variances = self._variances(segment)
                parts = [self._part(variance) for variance in variances]
            except Unsupported:
                continue  # which its plan will say
            settled._left_out = max(settled._left_out, *(error for _, error in parts))
            settled._reach = max(settled._reach, *(p.size // 2 for p, _ in parts))
            moving = [math.sqrt(variance) for variance in variances if variance > 0.0]
            settled._narrowest = min(settled._narrowest, *moving, math.inf)
        return settled

    def facts(self) -> dict[str, Any]:
        """Options, and how much of the densities is left out beyond how many cells."""
        return {**super().facts(), "left_out": self._left_out, "reach": self._reach}

    def notes(self, _u: Array, _grid: Grid) -> Iterator[str]:
        """Warn where the sampled Gaussian is no density of diffusion."""
        if self.limit == "continuum" and self._narrowest < 1.0:
            variance = self._narrowest**2
            density = kernels.sampled(variance)
            j = np.arange(density.size) - density.size // 2
            ratio = float(np.sum(density * j**2)) / variance
            yield (
                f"{self.name}: a Gaussian of {self._narrowest:.3g} cells, sampled once a cell, has "
                f"{100 * ratio:.3g} % of its variance; take the limit lattice, or more time "
                "between frames"
            )

    def _variances(self, segment: Segment) -> list[float]:
        """Variance along each axis in cells squared, of the jump that ends the segment."""
        medium: Medium = segment.view("medium")
        grid = segment.grid
        since = segment.start if self.limit != "cell-to-cell" else segment.since
        duration = segment.duration if self.limit != "cell-to-cell" else segment.stop - since
        return [
            # Where every face is closed nothing moves, however far it would.
            0.0 if np.all(closed) or closed.size == 2 else 2.0 * d * duration / h**2
            for d, h, closed in zip(medium.diffusivity, grid.spacing, medium.closed, strict=True)
        ]

    def _part(self, variance: float) -> tuple[Array, float]:
        if kernels.REACH * math.sqrt(variance) > MOST_WEIGHTS:
            raise Unsupported(
                f"gaussian would convolve with {2 * kernels.REACH * math.sqrt(variance):.2g} "
                "weights; modes gives the same in one multiplication"
            )
        return kernels.truncated(DENSITIES[self.limit](variance), self.tolerance)

    def _halves(self, segment: Segment, variances: Sequence[float]) -> list[Array]:
        key = ("densities", self.limit, self.tolerance, *variances)
        if key not in segment.views:
            segment.views[key] = [kernels.half(self._part(v)[0]) for v in variances]
        return segment.views[key]  # type: ignore[no-any-return]

    def plan(self, segment: Segment) -> Plan:
        """One convolution; refuses what is no even medium between full walls."""
        halves = self._halves(segment, self._variances(segment))
        return Plan(1, None, self.seconds(segment.grid.shape, halves))

    @staticmethod
    def seconds(shape: Sequence[int], halves: Sequence[Array]) -> float:
        """Seconds of one convolution with these weights, as measured."""
        cells = math.prod(shape)
        each, once = (WEIGHT, PASS) if cells <= CACHED else (FAR_WEIGHT, FAR_PASS)
        cost = sum(once + each * half.size for half in halves if half.size > 1)
        return 2e-5 + cells * cost

    def carry(self, u: Array, segment: Segment, *, integrate: bool) -> tuple[Array, list[Array]]:
        """Convolve; an even closed medium has nothing to integrate."""
        return self._convolved(u, segment, self._variances(segment)), []

    def jump(self, u: Array, segment: Segment, duration: float) -> Array:
        """Convolve from the last event on."""
        return self._convolved(u, segment, self._variances(segment))

    def _convolved(self, u: Array, segment: Segment, variances: Sequence[float]) -> Array:
        medium: Medium = segment.view("medium")
        halves = self._halves(segment, variances)
        sides: convolve.Sides = [("wrap", "wrap") if not closed[0] else ("reflect", "reflect")
                 for closed in medium.closed]  # fmt: skip
        starts = [np.flatnonzero(c) if c[0] else np.array([0, c.size - 1]) for c in medium.closed]
        return convolve.separable(u, halves, sides, starts)

    def predict(
        self, before: Prediction | None, _reference: Array, segment: Segment
    ) -> Prediction | None:
        """What is left out, and for the sampled Gaussian how far it is from the smooth law."""
        error = float(before.error) if before else ROUND_OFF
        for variance in self._variances(segment):
            part, left_out = self._part(variance)
            error += 2.0 * left_out + 1e-16 * math.sqrt(part.size)
            if self.limit == "continuum":
                theta = np.linspace(0.0, np.pi, 65)
                j = np.arange(part.size) - part.size // 2
                apart = np.cos(np.outer(theta, j)) @ part - np.exp(-0.5 * variance * theta**2)
                error += float(np.max(np.abs(apart)))
        return Prediction(error)
