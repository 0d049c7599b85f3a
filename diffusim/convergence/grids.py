"""Smaller and smaller cells: second differences err by a power of their length, 2 where smooth.

Fields are compared on cell averages, each with that of the grid twice as fine: of an error that
falls as h^p the difference is all but one part in 2^p, so the power shows whatever the truth is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diffusim import runs, scenario
from diffusim.block import Array, Invalid, Unsupported
from diffusim.channels import channels_of
from diffusim.coarsening import Coarsening
from diffusim.convergence import courses
from diffusim.convergence.courses import PATIENCE, Stage
from diffusim.convergence.results import Point, Series
from diffusim.convergence.steps import fitted
from diffusim.experiment import Experiment
from diffusim.initial import parts
from diffusim.initial.chance import Chance
from diffusim.medium.diffusivity import Random, in_turn
from diffusim.medium.walls import LineWall, RandomWalls
from diffusim.methods import Method
from diffusim.reading import ScenarioError
from diffusim.runs import Course

THEORY = 2.0
# Halvings and doublings of the scenario's own shape where no bounds are given, and at all.
COARSER, FINER, MOST = -2, 2, 14
LEAST_CELLS, MOST_CELLS, LONGEST_AXIS = 8, 2**20, 16384
FEWEST_GRIDS = 3
# Of a power below this the rest that is to come is not to be told.
LEAST_POWER = 0.1
# The part of a start's peak that its neighbours may have where it is said to fill a single cell.
ONE_CELL = 1e-3

Shape = tuple[int, ...]
Level = tuple[Course, Array]


def refined(
    ready: Experiment, method: Method, source: Path, overrides: Sequence[str], low: float | None,
    high: float | None, stage: Stage,
) -> Series:  # fmt: skip
    """Refine the grid of a scenario, on which an exact method of the lattice limit goes."""
    _must_scale(ready)
    own = ready.scenario.grid.shape
    shapes = _shapes(own, low, high)

    def level(shape: Shape) -> Level:
        return _level(source, overrides, shape, method)

    levels: list[Level] = []
    remarks = _doubts(ready)
    for shape in (s for s in shapes if max(s) >= max(own)):
        try:
            found = level(shape)
        except (ScenarioError, Invalid) as problem:
            raise Invalid(f"the grid of this scenario cannot change: {_first(problem)}") from None
        if len(levels) >= FEWEST_GRIDS - 1 and high is None and _is_much(found[0]):
            remarks.append("finer grids would take long; --to asks for them")
            break
        if large := courses.too_large(found[0]):
            raise Invalid(f"{_named(shape)} cells {large}; take a lower --to")
        levels.append(found)
    for shape in (s for s in reversed(shapes) if max(s) < max(own)):
        try:
            levels.insert(0, level(shape))
        except (ScenarioError, Invalid, Unsupported) as problem:
            remarks.append(f"coarser grids are left out: {_first(problem)}")
            break
    if len(levels) < FEWEST_GRIDS:
        few = f"a power shows on {FEWEST_GRIDS} grids at least, and there are {len(levels)}"
        raise Invalid("; ".join([few, *remarks]))
    return _compared(method.name, levels, stage(method.name), "; ".join(remarks))


def _compared(name: str, levels: Sequence[Level], tell: courses.Tell, remark: str) -> Series:
    tells = courses.shares(tell, [course.seconds for course, _ in levels])
    fields = [courses.last(course, u, one).field
              for (course, u), one in zip(levels, tells, strict=True)]  # fmt: skip
    grids = [course.grid for course, _ in levels]
    points = []
    for grid, fine, u, finer in zip(grids, grids[1:], fields, fields[1:], strict=False):
        error = courses.error_of(u, Coarsening.of(fine, grid).means(finer), grid.volume)
        length = next(h for h, n in zip(grid.spacing, grid.shape, strict=True) if n > 1)
        points.append(Point(length, _named(grid.shape), error))
    series = fitted(
        Series(name, "continuum", "the grid twice as fine", THEORY, points, remark=remark)
    )
    if series.slope is None or series.slope < LEAST_POWER:
        return series
    whole = 2.0**series.slope / (2.0**series.slope - 1.0)
    points = [replace(point, error=whole * point.error) for point in series.points]
    return replace(series, points=points)


def _must_scale(ready: Experiment) -> None:
    propagator = ready.scenario.propagator
    if propagator.clock != "seconds":
        raise Invalid(
            f"{propagator.called} moves by cells, so on another grid it is another propagator; "
            "there is nothing that it approaches"
        )
    if any(isinstance(one, Chance) for one in parts(ready.scenario.initial)):
        raise Invalid("a random start is another one on every grid (initial.kind)")
    if any(isinstance(one, Random) for one in in_turn(getattr(propagator, "diffusivity", 0.0))):
        raise Invalid("a random diffusivity is another one on every grid (propagator.diffusivity)")
    if propagator.waves and _axes_of_one_cell(ready):
        raise Invalid(
            "a wave that starts in a single cell is not one wave of space: on finer cells its "
            "jumps bring faster and faster waves, and there is nothing that it approaches (initial)"
        )


def _doubts(ready: Experiment) -> list[str]:
    """What is not the same on every grid, though nothing refuses it."""
    propagator: Any = ready.scenario.propagator
    found = []
    if axes := _axes_of_one_cell(ready):
        found.append(
            f"the start fills a single cell of this grid along {axes}; other grids keep its width "
            "and not its one cell, so the order is that of a start of this width"
        )
    if any(isinstance(wall, LineWall) for wall in getattr(propagator, "walls", ())):
        found.append("a slanted wall follows the faces of each grid, so it is never the same wall")
    if any(isinstance(wall, RandomWalls) for wall in getattr(propagator, "walls", ())):
        found.append("random walls go to the nearest faces of each grid, so they move a little")
    if getattr(propagator, "obstacles", None) is not None:
        found.append("obstacles are made of whole cells, so each grid has an outline of its own")
    return found


def _axes_of_one_cell(ready: Experiment) -> str:
    """Names of the axes along which a start differs from its background in one cell only."""
    grid = ready.scenario.grid
    first = ready.initial.ndim - len(grid.shape)
    u = np.abs(ready.initial)
    apart = np.abs(u - np.median(u))
    there = apart > ONE_CELL * float(np.max(apart))
    found = []
    for axis, n in enumerate(grid.shape):
        others = tuple(k for k in range(u.ndim) if k != axis + first)
        if n > 2 and np.count_nonzero(np.any(there, axis=others)) == 1:
            found.append(grid.names[axis])
    return " and ".join(found)


def _shapes(shape: Shape, low: float | None, high: float | None) -> list[Shape]:
    """The shape halved and doubled, between bounds on its longest axis; one cell stays one."""
    if max(shape) == 1:
        raise Invalid("this grid has a single cell; there is nothing to refine")
    found = []
    for k in range(-MOST, MOST + 1):
        made = tuple(n if n == 1 else int(n * 2.0**k) for n in shape)
        if k < 0 and any(
            n > 1 and (m < 2 or m << -k != n) for m, n in zip(made, shape, strict=True)
        ):
            continue
        least = min(m for m in made if m > 1)
        usual = k >= 0 or (k >= COARSER and least >= LEAST_CELLS)
        enough = usual if low is None else max(made) >= low
        few = k <= FINER if high is None else max(made) <= high
        if enough and few and max(made) <= LONGEST_AXIS:
            found.append(made)
    return found


def _level(source: Path, overrides: Sequence[str], shape: Shape, method: Method) -> Level:
    """The scenario on another grid: the method's course to the last frame, and the start."""
    changed = f"grid.shape=[{', '.join(map(str, shape))}]"
    found, _ = scenario.load(source, [*overrides, changed])
    u = found.start()
    channels = channels_of(u, found.grid)
    course = runs.plan(
        method, found.propagator, found.grid, found.frame_times[-1:],
        traits=runs.traits_of(u, channels), seed=found.seed, channels=channels,
    )  # fmt: skip
    return course, u


def _first(problem: Exception) -> str:
    """The first thing that is wrong, and its key; where it stands is known from the scenario."""
    if isinstance(problem, ScenarioError):
        return f"{problem.problems[0].path}: {problem.problems[0].message}"
    return ": ".join([".".join(map(str, getattr(problem, "path", ()))), str(problem)]).lstrip(": ")


def _is_much(course: Course) -> bool:
    much = course.seconds > PATIENCE or course.grid.cells > MOST_CELLS
    return much or bool(courses.too_large(course))


def _named(shape: Shape) -> str:
    return " x ".join(map(str, shape))
