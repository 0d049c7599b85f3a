"""The analytic solution of a scenario, where it matches one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from diffusim.block import Array
from diffusim.exact.axis import blob, mode, step
from diffusim.grid import Grid

Solution = Callable[[float], Array]
Values = Mapping[str, Any]

# A blob is started as though there were no edges; beyond these many deviations lies 2e-9 of it.
CLEAR = 6.0


def analytic_solution(scenario: Values) -> Solution | None:
    """Return the analytic solution as a function from the time in s to the mean of each cell.

    None unless the medium is even, all walls are lifted at the same time and nothing moves before,
    and the start is halves across an axis, a blob, modes or one value.

    Parameters
    ----------
    scenario : mapping
        A resolved scenario as plain values, as results hold it.
    """
    medium, start = scenario.get("propagator"), scenario.get("initial")
    if not isinstance(medium, Mapping) or not isinstance(start, Mapping):
        return None
    try:
        grid = Grid.model_validate(scenario.get("grid"))
    except ValueError:
        return None
    if grid.radial or any(s.kind not in ("no-flux", "periodic") for _, _, s in grid.named_sides):
        return None
    diffusivity, begins = _diffusivity(medium, grid), _begins(medium, start, grid)
    known = {"uniform": _uniform, "halves": _halves, "blob": _blob, "modes": _modes}
    of_kind = known.get(str(start.get("kind")))
    if diffusivity is None or begins is None or of_kind is None:
        return None
    solution = of_kind(start, grid, diffusivity)
    if solution is None:
        return None
    return lambda t: np.broadcast_to(solution(max(0.0, t - begins)), grid.shape)


# --- the medium ---------------------------------------------------------------------------------


def _diffusivity(medium: Values, grid: Grid) -> list[float] | None:
    """Diffusivity along each axis, of a medium that has nothing else to it."""
    others = {key for key, value in medium.items() if value not in (None, [], {})}
    if medium.get("kind") != "diffusion" or others - {"kind", "diffusivity", "walls"}:
        return None
    names = grid.names[: len(grid.shape)]
    match medium.get("diffusivity"):
        case float() | int() as number:
            return [float(number)] * len(names)
        case {"x": float() | int() as x, "y": float() | int() as y, **rest} if not any(
            rest.values()
        ):
            return [float(x), float(y)][: len(names)]
    return None


def _begins(medium: Values, start: Values, grid: Grid) -> float | None:
    """When the last wall is lifted, if all are lifted at once and nothing could move before."""
    walls = medium.get("walls") or []
    if any(wall.get("permeability") or not {"axis", "every"} & set(wall) for wall in walls):
        return None
    opens = {wall.get("opens") for wall in walls}
    if any(wall.get("closes") is not None for wall in walls) or None in opens or len(opens) > 1:
        return None
    begins = float(max(opens, default=0.0))
    if begins <= 0.0:
        return 0.0
    return begins if any(_holds(wall, start, grid) for wall in walls) else None


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
    return math.isclose(wall.get("at", -1.0), _divide(start, grid), rel_tol=1e-9)


# --- the starts ---------------------------------------------------------------------------------


def _line(
    grid: Grid, axis: int, diffusivity: list[float]
) -> tuple[Array, float, float, dict[str, Any]]:
    """What solutions on an axis need: places, diffusivity and length, edges and cells."""
    ends = "periodic" if grid.wrap[axis] else "no-flux"
    options = {"ends": ends, "cell": grid.spacing[axis]}
    return grid.centres(axis), diffusivity[axis], grid.size[axis], options


def _uniform(start: Values, grid: Grid, _diffusivity: list[float]) -> Solution | None:
    return lambda _time: np.full(grid.shape, float(start["value"]))


def _divide(start: Values, grid: Grid) -> float:
    place = start.get("at")
    return 0.5 * grid.size[grid.axis(start["axis"])] if place is None else float(place)


def _halves(start: Values, grid: Grid, diffusivity: list[float]) -> Solution | None:
    if start.get("axis") is None:
        return None
    axis, at = grid.axis(start["axis"]), _divide(start, grid)
    x, d, length, options = _line(grid, axis, diffusivity)
    return lambda t: grid.along(axis, step(x, t, d, length, at, *start["values"], **options))


def _blob(start: Values, grid: Grid, diffusivity: list[float]) -> Solution | None:
    centre = start.get("centre") or [0.5 * size for size in grid.size]
    width = float(start["width"])
    if any(not CLEAR * width <= c <= size - CLEAR * width
           for c, size in zip(centre, grid.size, strict=True)):  # fmt: skip
        return None
    peak = start.get("peak")
    whole = (width * math.sqrt(2.0 * math.pi)) ** len(grid.shape)
    amount = float(start["amount"]) if peak is None else float(peak) * whole

    def solution(t: float) -> Array:
        product = np.full((1,) * len(grid.shape), amount)
        for axis in grid.axes:
            x, d, length, options = _line(grid, axis, diffusivity)
            product = product * grid.along(
                axis, blob(x, t, d, length, centre[axis], width, **options)
            )
        return product

    return solution


def _modes(start: Values, grid: Grid, diffusivity: list[float]) -> Solution | None:
    def solution(t: float) -> Array:
        total = np.full((1,) * len(grid.shape), float(start.get("mean", 0.0)))
        for term in start["terms"]:
            product = np.full((1,) * len(grid.shape), float(term["amplitude"]))
            for axis in grid.axes:
                x, d, length, options = _line(grid, axis, diffusivity)
                waves = int(term.get(grid.names[axis], 0))
                product = product * grid.along(axis, mode(x, t, d, length, waves, **options))
            total = total + product
        return total

    return solution
