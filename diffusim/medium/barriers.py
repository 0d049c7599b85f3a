"""Barriers: what walls, membranes and solid cells together let through each face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffusim.block import Array
from diffusim.grid import Grid
from diffusim.medium.faces import narrowed
from diffusim.medium.obstacles import Obstacles
from diffusim.medium.walls import Barrier, resistances


def barred(
    walls: Sequence[Barrier], obstacles: Obstacles | None, grid: Grid, time: float
) -> list[Array]:
    """Return the resistance of walls and obstacles on all faces, in s/m, in the smallest shape.

    It is infinite where nothing crosses, so also round a ring of one cell, whose only neighbour it
    is itself.
    """
    found = resistances(walls, grid, time)
    if obstacles is not None:
        solid = obstacles.solid(grid)
        for axis, n in enumerate(grid.shape):
            ring = np.take(solid, np.arange(-1, n + 1) % n, axis)
            beside = np.delete(ring, -1, axis) | np.delete(ring, 0, axis)
            found[axis] = narrowed(np.where(beside, np.inf, found[axis]), axis)
    for axis, n in enumerate(grid.shape):
        if n == 1 and grid.wrap[axis]:
            found[axis] = np.full_like(found[axis], np.inf)
    return found
