"""Maps of a medium, for whoever learns from its trajectories: what is not the same everywhere."""

from __future__ import annotations

import numpy as np

from diffusim.block import Array
from diffusim.grid import Grid
from diffusim.medium import diffusivity as diffusivities
from diffusim.medium.barriers import barred
from diffusim.propagators import Propagator
from diffusim.propagators.diffusion import Diffusion


def maps(propagator: Propagator, grid: Grid) -> dict[str, Array]:
    """Return arrays of the grid's shape that tell a medium as it is at first.

    ``diffusivity_map`` in m^2/s, along each axis where the two differ; ``obstacle``, true in solid
    cells; ``open_x`` and so on, the part of diffusion that the face between a cell and the next one
    along the axis lets through, 1 in water and 0 at a wall; what is the same everywhere is left
    out.

    Parameters
    ----------
    propagator : Propagator
        Of others than diffusion nothing is told.
    grid : Grid
        Where.
    """
    if not isinstance(propagator, Diffusion):
        return {}
    found: dict[str, Array] = {}
    cells = diffusivities.in_cells(diffusivities.steady(propagator.diffusivity, 0.0), grid)
    if any(np.ptp(values) > 0.0 for values in cells):
        alike = all(np.array_equal(values, cells[0]) for values in cells)
        for name, values in zip(grid.names, cells, strict=True):
            key = "diffusivity_map" if alike else f"diffusivity_map_{name}"
            found[key] = np.array(np.broadcast_to(values, grid.shape))
    if propagator.obstacles is not None:
        found["obstacle"] = np.array(propagator.obstacles.solid(grid), dtype=bool)
    if propagator.walls:
        resistances = barred(propagator.walls, None, grid, 0.0)
        for axis, (resistance, values) in enumerate(zip(resistances, cells, strict=True)):
            beyond = np.take(resistance, np.arange(1, grid.shape[axis] + 1), axis)
            free = grid.spacing[axis] * np.ones(grid.shape) / np.where(values > 0.0, values, np.inf)
            with np.errstate(invalid="ignore"):
                part = np.where(beyond == 0.0, 1.0, free / (free + beyond))
            if np.any(beyond):
                found[f"open_{grid.names[axis]}"] = np.array(np.broadcast_to(part, grid.shape))
    return found
