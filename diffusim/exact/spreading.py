"""What spreads in a closed or periodic box of even water, from each kind of start that is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from diffusim.block import Array, Unsupported
from diffusim.exact.axis import REACH, blob, mode, step
from diffusim.exact.cut import cut_blob, interval
from diffusim.grid import Grid

Values = Mapping[str, Any]


class Found(NamedTuple):
    """A solution: its name, where it is found, and the means of cells at a time in s."""

    name: str
    source: str
    means: Callable[[float], Array]


def _line(
    grid: Grid, axis: int, diffusivity: Sequence[float]
) -> tuple[Array, float, float, dict[str, Any]]:
    """What solutions on an axis need: places, diffusivity and length, edges and cells."""
    ends = "periodic" if grid.wrap[axis] else "no-flux"
    options = {"ends": ends, "cell": grid.spacing[axis]}
    return grid.centres(axis), diffusivity[axis], grid.size[axis], options


def _uniform(start: Values, grid: Grid, _diffusivity: Sequence[float]) -> Found:
    u = np.full(grid.shape, float(start["value"]))
    return Found("one value, which nothing moves", "Crank 1975, section 1.3", lambda _time: u)


def divide(start: Values, grid: Grid) -> float:
    """Where on its axis the line between two halves stands, in m."""
    place = start.get("at")
    return 0.5 * grid.size[grid.axis(start["axis"])] if place is None else float(place)


def _halves(start: Values, grid: Grid, diffusivity: Sequence[float]) -> Found:
    name = start.get("axis")
    if name is None or name == "r":
        raise Unsupported("halves are known across x, y or z only, not at an angle (initial)")
    axis, at = grid.axis(name), divide(start, grid)
    x, d, length, options = _line(grid, axis, diffusivity)
    where = "on a ring" if grid.wrap[axis] else "between closed ends"

    def means(t: float) -> Array:
        return grid.along(axis, step(x, t, d, length, at, *start["values"], **options))

    source = "Crank 1975, sections 2.2.4 and 2.4.1"
    return Found(f"a step {where}, by images", source, means)


def _blob(start: Values, grid: Grid, diffusivity: Sequence[float]) -> Found:
    _must_be_box(grid)
    centre = start.get("centre") or [0.5 * size for size in grid.size]
    width, peak = float(start["width"]), start.get("peak")
    whole = (width * math.sqrt(2.0 * math.pi)) ** len(grid.shape)
    amount = float(start["amount"]) if peak is None else float(peak) * whole
    # It is started as though there were no edges; where they are near, they cut it off.
    clear = [REACH * width <= c <= size - REACH * width
             for c, size in zip(centre, grid.size, strict=True)]  # fmt: skip

    def means(t: float) -> Array:
        product = np.full((1,) * len(grid.shape), amount)
        for axis in grid.axes:
            x, d, length, options = _line(grid, axis, diffusivity)
            along = blob if clear[axis] else cut_blob
            product = product * grid.along(
                axis, along(x, t, d, length, centre[axis], width, **options)
            )
        return product

    if all(clear):
        return Found("a blob that widens, by images", "Crank 1975, sections 2.2.1 and 2.4.1", means)
    source = "Carslaw and Jaeger 1959, sections 2.2 and 10.10"
    return Found("a blob that edges cut off, by images", source, means)


def _modes(start: Values, grid: Grid, diffusivity: Sequence[float]) -> Found:
    _must_be_box(grid)

    def means(t: float) -> Array:
        total = np.full((1,) * len(grid.shape), float(start.get("mean", 0.0)))
        for term in start["terms"]:
            product = np.full((1,) * len(grid.shape), float(term["amplitude"]))
            for axis in grid.axes:
                x, d, length, options = _line(grid, axis, diffusivity)
                waves = int(term.get(grid.names[axis], 0))
                product = product * grid.along(axis, mode(x, t, d, length, waves, **options))
            total = total + product
        return total

    return Found("cosine modes, each decaying by itself", "Crank 1975, section 2.3", means)


def _patches(start: Values, grid: Grid, diffusivity: Sequence[float]) -> Found:
    _must_be_box(grid)
    background = float(start.get("background", 0.0))
    boxes = [[_within(patch, grid, axis) for axis in grid.axes] for patch in start["patches"]]
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            if all(a[0] < b[1] and b[0] < a[1] for a, b in zip(one, other, strict=True)):
                raise Unsupported("rectangles that overlap are not known (initial.patches)")

    def means(t: float) -> Array:
        total = np.full((1,) * len(grid.shape), background)
        for patch, box in zip(start["patches"], boxes, strict=True):
            product = np.full((1,) * len(grid.shape), float(patch["value"]) - background)
            for axis in grid.axes:
                x, d, length, options = _line(grid, axis, diffusivity)
                if box[axis] != (0.0, length):
                    along = interval(x, t, d, length, box[axis], **options)
                    product = product * grid.along(axis, along)
            total = total + product
        return total

    return Found("rectangles that spread, by images", "Crank 1975, section 2.2.4", means)


def _within(patch: Values, grid: Grid, axis: int) -> tuple[float, float]:
    """From where to where a rectangle reaches along an axis, in m."""
    span = patch.get(grid.names[axis])
    if span is None:
        return 0.0, grid.size[axis]
    return max(0.0, float(span[0])), min(grid.size[axis], float(span[1]))


def _must_be_box(grid: Grid) -> None:
    if grid.radial:
        raise Unsupported("on a radial grid none is known from such a start (grid.geometry)")


STARTS: dict[str, Callable[[Values, Grid, Sequence[float]], Found]] = {
    "uniform": _uniform, "halves": _halves, "blob": _blob, "modes": _modes, "patches": _patches,
}  # fmt: skip
