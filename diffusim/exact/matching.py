"""The analytic solution of a scenario, where it matches one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusim.block import Array, Unsupported
from diffusim.exact.sided import between_sides
from diffusim.exact.spreading import STARTS, Values, divide
from diffusim.grid import Grid

# What is promised of every solution, relative to its largest value; most keep a hundredth of it.
TOLERANCE = 1e-12
KNOWN = (
    "known are, in closed or periodic boxes of even water, with decay and an even source: one "
    "value, halves across an axis, a blob, rectangles that do not overlap, and cosine modes; with "
    "sides that are held, leaky or heated: one value in a box, a disc or a sphere"
)


@dataclass(frozen=True, eq=False)
class Solution:
    """An analytic solution on a grid: called with a time in s, it gives the mean of each cell.

    Parameters
    ----------
    name : str
        What it is, in words.
    source : str
        Where it is found in the books.
    grid : Grid
        Whose cells.
    """

    name: str
    source: str
    grid: Grid
    _means: Callable[[float], Array]
    tolerance: float = TOLERANCE

    def __call__(self, time: float) -> Array:
        """Return the means of all cells at a time in s, shape of the grid."""
        return np.broadcast_to(self._means(time), self.grid.shape)


def analytic_solution(scenario: Values) -> Solution | None:
    """Return the analytic solution of a scenario, None where it is not known to have one.

    Parameters
    ----------
    scenario : mapping
        A resolved scenario as plain values, as results hold it.
    """
    try:
        return solution_of(scenario)
    except Unsupported:
        return None


def solution_of(scenario: Values) -> Solution:
    """Return the analytic solution of a scenario.

    The medium is even at rest, all its walls are lifted at the same time and nothing moves before,
    and what its sides do is the same at all times and places.

    Parameters
    ----------
    scenario : mapping
        A resolved scenario as plain values: its ``grid``, ``propagator`` and ``initial`` are read.

    Raises
    ------
    Unsupported
        When it has none that is known here, with what does not fit.
    """
    medium, start = scenario.get("propagator"), scenario.get("initial")
    if not isinstance(medium, Mapping) or not isinstance(start, Mapping):
        raise Unsupported("the scenario does not tell its medium and its start")
    try:
        grid = Grid.model_validate(scenario.get("grid"))
    except ValueError:
        raise Unsupported("the scenario does not tell its grid") from None
    try:
        return _solution(medium, start, grid)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unsupported("the scenario does not tell its medium and its start") from None


def _solution(medium: Values, start: Values, grid: Grid) -> Solution:
    diffusivity = _diffusivity(medium, grid)
    rates = _rate(medium, "decay"), _rate(medium, "source")
    begins, kind = 0.0, str(start.get("kind"))
    if any(side.kind not in ("no-flux", "periodic") for _, _, side in grid.named_sides):
        if medium.get("walls"):
            raise Unsupported("there are walls between sides that let something through")
        found = between_sides(start, grid, diffusivity, rates)
    elif kind not in STARTS:
        raise Unsupported(f"there is none from a start of the kind '{kind}' (initial.kind)")
    else:
        begins = 0.0 if kind == "uniform" else _begins(medium, start, grid)
        found = STARTS[kind](start, grid, diffusivity)
    name = ", ".join([found.name, *_in_words(*rates)])
    return Solution(name, found.source, grid, _with_rates(found.means, *rates, begins))


# --- the medium ---------------------------------------------------------------------------------


def _diffusivity(medium: Values, grid: Grid) -> list[float]:
    """Diffusivity along each axis, of a medium that has nothing unknown to it."""
    if medium.get("kind") != "diffusion":
        raise Unsupported(f"there is none of the propagator {medium.get('kind')}")
    others = {key for key, value in medium.items() if value not in (None, [], {}, ())}
    if more := others - {"kind", "diffusivity", "walls", "decay", "source"}:
        raise Unsupported(f"there is none with propagator.{min(more)}")
    names = list(grid.names)
    given = medium.get("diffusivity")
    if isinstance(given, Mapping):
        told = {key: value for key, value in given.items() if value is not None}
        if set(told) <= set("xyrz") and all(_is_number(told.get(name)) for name in names):
            return [float(told[name]) for name in names]
    elif _is_number(given):
        return [float(given)] * len(names)  # type: ignore[arg-type]
    raise Unsupported("the diffusivity is uneven, or changes (propagator.diffusivity)")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rate(medium: Values, key: str) -> float:
    """A rate that is the same everywhere; zero where there is none."""
    value = medium.get(key)
    if value is None:
        return 0.0
    if not _is_number(value):
        raise Unsupported(f"the {key} differs from place to place (propagator.{key})")
    return float(value)


def _with_rates(
    means: Callable[[float], Array], decay: float, source: float, begins: float
) -> Callable[[float], Array]:
    """Add what happens in every cell alike, also before a wall is lifted."""

    def all_of_it(time: float) -> Array:
        left = means(max(0.0, time - begins)) * math.exp(-decay * time)
        # source (1 - exp(-k t)) / k, which is source t without decay.
        made = source * time * (-math.expm1(-decay * time) / (decay * time) if decay * time else 1)
        return np.asarray(left + made)

    return all_of_it


def _in_words(decay: float, source: float) -> list[str]:
    words = ["decaying everywhere"] if decay else []
    return [*words, "from an even source"] if source else words


def _begins(medium: Values, start: Values, grid: Grid) -> float:
    """When the last wall is lifted, if all are lifted at once and nothing could move before."""
    walls = [wall for wall in medium.get("walls") or [] if not _idle(wall, start)]
    for wall in walls:
        if wall.get("permeability") or not {"axis", "every"} & set(wall):
            raise Unsupported("a wall is a membrane or slanted, or stands round a box "
                              "(propagator.walls)")  # fmt: skip
    opens = {wall.get("opens") for wall in walls}
    if any(wall.get("closes") is not None for wall in walls) or None in opens or len(opens) > 1:
        raise Unsupported("the walls are not all lifted for good at one time (propagator.walls)")
    begins = float(max(opens, default=0.0))
    if begins > 0.0 and not any(_holds(wall, start, grid) for wall in walls):
        raise Unsupported("something moves before the walls are lifted (propagator.walls)")
    return max(0.0, begins)


def _idle(wall: Values, start: Values) -> bool:
    """Whether a wall stands across an axis along which nothing ever varies."""
    across = wall.get("axis")
    return start.get("kind") == "halves" and across is not None and across != start.get("axis")


def _holds(wall: Values, start: Values, grid: Grid) -> bool:
    """Whether a wall, while it is closed, keeps the start from changing."""
    if wall.get("every") == "cell":
        return not wall.get("region")
    if start.get("kind") != "halves" or wall.get("span") is not None:
        return False
    axis = wall.get("axis")
    # On a ring the halves touch a second time, where there is no wall.
    if start.get("axis") != axis or grid.wrap[grid.axis(str(axis))]:
        return False
    return math.isclose(wall.get("at", -1.0), divide(start, grid), rel_tol=1e-9)
