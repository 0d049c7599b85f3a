"""Planes of an even medium, walls and membranes, as particles that jump exactly see them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from diffusim.block import Array, Unsupported
from diffusim.grid import Grid
from diffusim.medium.modes import Medium
from diffusim.medium.walls import resistances

# Exact jumps between membranes in a segment, and how far planes have to be apart for one of them,
# in its standard deviations: no deviate is larger than half of it.
MOST_PARTS, GAP = 10**4, 17.0

Pair = tuple[Array, Array]


# A jump along both axes of a plane as compiled loops take it, one axis being one row: its standard
# deviations in cells, for each cell the walls below and above it, and which axes are rings.
Free = tuple[float, float, Array, Array, Array, Array, bool, bool]
# A jump in parts: how many, standard deviations in cells, the planes of `Between.planes`, rings.
Crossing = tuple[int, tuple[float, float], Pair, tuple[bool, bool]]


class Between(NamedTuple):
    """What particles between walls and membranes need to know.

    Parameters
    ----------
    medium : Medium
        Diffusivity and closed faces along each axis, as if there were no membranes.
    permeability : tuple of array
        Of each face across each axis in m/s, zero where no membrane stands; empty without any.
    """

    medium: Medium
    permeability: tuple[Array, ...] = ()

    def spreads(self, grid: Grid, duration: float) -> list[float]:
        """Standard deviation of a jump along each axis, in cells."""
        return [math.sqrt(2.0 * d * duration) / h
                for d, h in zip(self.medium.diffusivity, grid.spacing, strict=True)]  # fmt: skip

    @property
    def wraps(self) -> list[bool]:
        """Whether each axis is a ring without a wall."""
        return [not closed[0] for closed in self.medium.closed]

    def free(self, grid: Grid, duration: float) -> Free:
        """Return a jump of any length, folded at walls."""
        sigma, wraps = self.spreads(grid, duration), self.wraps
        bounds = [_bounds(closed) for closed in self.medium.closed]
        if len(sigma) == 1:
            sigma, wraps = [0.0, *sigma], [False, *wraps]
            bounds = [(np.zeros(1), np.ones(1)), *bounds]
        return sigma[0], sigma[1], *bounds[0], *bounds[1], wraps[0], wraps[1]

    def parts(self, grid: Grid, duration: float) -> int:
        """Return how many parts of a jump there have to be for each to meet one plane at most.

        Raises
        ------
        Unsupported
            When these are too many.
        """
        if not self.permeability:
            return 1
        spreads = self.spreads(grid, duration)
        most = max(spread / self.planes(axis, 1.0)[1] for axis, spread in enumerate(spreads))
        parts = max(1, math.ceil((GAP * most) ** 2))
        if parts > MOST_PARTS:
            raise Unsupported(
                f"walkers would make {parts:.2g} exact jumps each between membranes from one frame "
                f"to the next, more than {MOST_PARTS:.2g}; take the limit lattice, or more frames"
            )
        return parts

    def crossing(self, grid: Grid, duration: float) -> Crossing:
        """Return a jump in parts of which each meets one plane at most."""
        parts, wraps = self.parts(grid, duration), self.wraps
        sigma = [spread / math.sqrt(parts) for spread in self.spreads(grid, duration)]
        planes = [self.planes(axis, grid.spacing[axis])[0] for axis in grid.axes]
        if len(sigma) == 1:
            sigma, wraps = [0.0, *sigma], [False, *wraps]
            planes = [np.array([[0.0], [1.0], [0.0], [0.0]]), *planes]
        return parts, (sigma[0], sigma[1]), (planes[0], planes[1]), (wraps[0], wraps[1])

    def planes(self, axis: int, spacing: float) -> tuple[Array, float]:
        """Return what encloses the particles of each cell, and the least distance between planes.

        Returns
        -------
        (4, n) array
            The planes below and above each cell in cells, infinite where there are none, and of
            both 2 P h / D, zero for a wall.
        float
            In cells.
        """
        closed, through = self.medium.closed[axis], self.permeability[axis]
        n, d = closed.size - 1, self.medium.diffusivity[axis]
        faces = np.flatnonzero(closed | (through > 0.0))
        rates = np.where(closed, 0.0, 2.0 * through * spacing / (d or np.inf))
        if not closed[0]:  # a ring: its planes come again and again
            own = faces[faces < n]
            faces = np.concatenate([own - n, own, own + n])
        if not faces.size:
            return np.stack([np.full(n, end) for end in (-np.inf, np.inf, 0.0, 0.0)]), np.inf
        let = rates[np.where((faces >= 0) & (faces <= n), faces, faces % n)]
        above = np.searchsorted(faces, np.arange(n), side="right")
        found = [faces[above - 1], faces[above], let[above - 1], let[above]]
        return np.stack(found).astype(float), float(np.min(np.diff(faces)))


def between(propagator: Any, grid: Grid, time: float) -> Between:
    """Return what exact jumps meet at a time.

    Raises
    ------
    Unsupported
        When the medium is not even, or a wall or a membrane spans only part of the grid, or
        something leaves it or comes in.
    """
    if propagator.accounts(grid):
        raise Unsupported("exact jumps (limit cell-to-cell) are for closed media without decay or "
                          "sources; take the limit lattice")  # fmt: skip
    walls: Sequence[Any] = getattr(propagator, "walls", ())
    full = tuple(wall for wall in walls if wall.permeability is None)
    if len(full) == len(walls):
        return Between(propagator.medium(grid, time))
    medium: Medium = propagator.model_copy(update={"walls": full}).medium(grid, time)
    through = []
    for axis, resistance in enumerate(resistances(walls, grid, time)):
        if resistance.size != grid.shape[axis] + 1:
            raise Unsupported("a membrane spans only part of the grid (propagator.walls)")
        flat = resistance.ravel()
        some = np.isfinite(flat) & (flat > 0.0)
        through.append(np.divide(1.0, flat, out=np.zeros(flat.size), where=some))
    return Between(medium, tuple(through) if any(map(np.any, through)) else ())


def _bounds(closed: Array) -> Pair:
    """Planes below and above each cell, in cells; on a ring without planes they are not used."""
    planes = np.flatnonzero(closed) if closed[0] else np.array([0, closed.size - 1])
    cells = np.arange(closed.size - 1)
    above = np.searchsorted(planes, cells, side="right")
    return planes[above - 1].astype(float), planes[above].astype(float)
