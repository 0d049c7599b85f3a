"""The scenario on cells half as long, and whether finer cells approach one truth at all.

References
----------
Of corners, G. Strang and G. J. Fix, *An Analysis of the Finite Element Method*, 1973, chapter 8.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from pydantic import ValidationError

from diffusim.block import Array, Unsupported
from diffusim.grid import Grid
from diffusim.initial import Picture, Stored, parts
from diffusim.initial.chance import Chance
from diffusim.medium import diffusivity as diffusivities
from diffusim.medium.obstacles import in_cells
from diffusim.medium.walls import BoxWall, CellWalls, LineWall, Wall
from diffusim.scenario import Scenario

# More cells take long.
MOST_CELLS = 2**22
# With halved cells the long waves of a start must come nearer by about four.
WAVES, LEAST_RATIO, MOST_RATIO, NOTHING = 6, 3.2, 5.0, 1e-12
# Powers with which the error falls: where all is smooth, round corners, at the ends of walls.
EVEN, CORNER, END = 2.0, 4.0 / 3.0, 1.0


def halved(scenario: Scenario) -> Scenario:
    """The scenario with every cell halved along every axis."""
    grid = scenario.grid
    if grid.cells * 2 ** len(grid.shape) > MOST_CELLS:
        raise Unsupported(
            f"halved cells would be more than {MOST_CELLS}, which take long; what the grid leaves "
            "out is told on smaller ones"
        )
    try:
        shape = [2 * n for n in grid.shape]
        finer = Grid.model_validate({**grid.model_dump(mode="json"), "shape": shape})
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Input should be ")
        raise Unsupported(f"there is no grid of halved cells: {message}") from None
    for problem in scenario.propagator.check(finer):
        raise Unsupported(f"on halved cells there would be another medium: {problem.message}")
    return scenario.model_copy(update={"grid": finer})


def must_approach(scenario: Scenario) -> None:
    """Refuse a scenario that finer cells do not approach, or with no known power.

    Raises
    ------
    Unsupported
        In words, with what belongs to the cells and not to space.
    """
    _must_be_of_space(scenario)
    for coarse, fine in zip(_outlines(scenario), _outlines(halved(scenario)), strict=True):
        if not np.array_equal(_each_halved(coarse), fine):
            raise Unsupported("obstacles or a diffusivity have another outline on finer cells")
    _must_come_nearer(scenario, Scenario.initial_field, "start")
    medium: Any = scenario.propagator
    for key in ("decay", "source"):
        rates = getattr(medium, key, None)
        if rates is not None:
            _must_come_nearer(scenario, partial(_rates, rates), key)


def _must_be_of_space(scenario: Scenario) -> None:
    """Refuse what is told of cells and not of space, so that finer cells are another case."""
    propagator: Any = scenario.propagator
    if propagator.clock != "seconds":
        raise Unsupported(f"{propagator.called} moves by cells, so finer cells are another one")
    if propagator.waves:
        raise Unsupported("of a wave the phase errs, which no leading term tells for long")
    for start in parts(scenario.initial):
        if isinstance(start, Chance | Picture | Stored):
            kind: str = start.kind  # type: ignore[union-attr]
            raise Unsupported(
                f"a start of the kind '{kind}' belongs to its cells, so on finer ones it is "
                "another start"
            )
    for wall in getattr(propagator, "walls", ()):
        if isinstance(wall, LineWall):
            raise Unsupported("a slanted wall follows the faces of each grid, so it is another one")
        if isinstance(wall, CellWalls) and wall.permeability is not None:
            raise Unsupported("membranes round every cell are more of them on finer cells")


def _rates(rates: Any, scenario: Scenario) -> Array:
    return in_cells(rates, scenario.grid)


def _outlines(scenario: Scenario) -> list[Array]:
    """What the medium has in each cell, in arrays of the smallest shape."""
    medium, grid = scenario.propagator, scenario.grid
    obstacles = getattr(medium, "obstacles", None)
    found = [] if obstacles is None else [obstacles.solid(grid)]
    for one in diffusivities.in_turn(getattr(medium, "diffusivity", 0.0)):
        found += diffusivities.in_cells(one, grid)
    return found


def _each_halved(values: Array) -> Array:
    """Values of cells, for the halves of each; what is even along an axis stays one number."""
    for axis, n in enumerate(values.shape):
        values = np.repeat(values, 2, axis) if n > 1 else values
    return values


def _must_come_nearer(scenario: Scenario, made: Callable[[Scenario], Array], what: str) -> None:
    """Refuse what finer cells do not approach with the second power.

    A jump amid a cell is moved to its middle, by another part of it on every grid; so is what a
    formula says at centres only. It shows in the field's long waves.
    """
    once = halved(scenario)
    waves = [_long_waves(np.asarray(made(one)), one.grid)
             for one in (scenario, once, halved(once))]  # fmt: skip
    coarse, fine = (float(np.linalg.norm(b - a)) for a, b in zip(waves, waves[1:], strict=False))
    if coarse > NOTHING * float(np.linalg.norm(waves[0])) and not (
        LEAST_RATIO * fine <= coarse <= MOST_RATIO * fine
    ):
        raise Unsupported(
            f"the {what} jumps within cells, or is too fine for them, so finer cells do not "
            "approach it with a known power"
        )


def _long_waves(u: Array, grid: Grid) -> Array:
    """Moments of a field with the longest waves along each axis."""
    content = np.broadcast_to(u, grid.shape) * grid.volume
    for axis in grid.axes:
        part = (grid.centres(axis) - grid.origin(axis)) / grid.size[axis]
        waves = np.cos(np.pi * np.arange(WAVES)[:, None] * part)
        content = np.moveaxis(np.tensordot(waves, content, axes=(1, axis)), 0, axis)
    return content


def power_of(propagator: Any) -> float:
    """The power with which the error of the cells falls in this medium.

    At the end of a wall the field goes as the root of the distance, round a corner as its power
    2/3; the error falls with twice that, wherever it is looked at.
    """
    powers = [EVEN]
    if getattr(propagator, "obstacles", None) is not None:
        powers.append(CORNER)
    for wall in getattr(propagator, "walls", ()):
        if isinstance(wall, Wall) and wall.span is not None:
            powers.append(END)
        elif isinstance(wall, BoxWall) or (isinstance(wall, CellWalls) and wall.region):
            powers.append(CORNER)
    return min(powers)
