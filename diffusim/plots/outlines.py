"""Outlines on pictures: walls that are closed at that moment, and what is solid."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from pydantic import TypeAdapter

from diffusim.block import Array
from diffusim.grid import Grid
from diffusim.medium.walls import Barrier, BoxWall, CellWalls, Walls, resistances
from diffusim.plots import shown
from diffusim.store import Header, Stored

# Walls round every cell of a finer region are drawn by its outline: one would see nothing else.
MOST_CELLS_WALLED = 40
SOLID = "0.45"
# A pale line on a dark one is seen on every colour. What lets something through is broken.
LOOKS: dict[bool, tuple[dict[str, Any], ...]] = {
    True: ({"colors": "black", "linewidths": 2.2}, {"colors": "white", "linewidths": 0.9}),
    False: ({"colors": "black", "linewidths": 2.2},
            {"colors": "white", "linewidths": 0.9, "linestyles": (0, (2.5, 2.0))}),
}  # fmt: skip
UPRIGHT: dict[str, Any] = {"color": "0.35", "linewidth": 0.8, "zorder": 1.5}
_WALLS: TypeAdapter[Any] = TypeAdapter(Walls)


class Outline(NamedTuple):
    """Walls as straight lines, shape (n, 2, 2) each: number, end, axis, in m.

    ``tight`` lets nothing through, ``leaky`` something.
    """

    tight: Array
    leaky: Array


def walls(stored: Header) -> tuple[Barrier, ...]:
    """Return the walls of the scenario that a result was computed from, none where it has none."""
    return _walls(_told(stored))


def _told(stored: Header) -> str:
    """What a scenario tells of its walls, as text by which they are remembered."""
    return json.dumps(shown.propagator(stored).get("walls") or ())


@lru_cache(maxsize=4)
def _walls(told: str) -> tuple[Barrier, ...]:
    try:
        return tuple(_WALLS.validate_python(json.loads(told)))
    except ValueError:
        return ()


def closed(stored: Header, time: float) -> tuple[bool, ...]:
    """Return which walls are closed at a time in s."""
    return tuple(wall.closed(time) for wall in walls(stored))


def outline(stored: Header, time: float) -> Outline:
    """Return the walls that are closed at a time in s, as lines of a picture."""
    grid = shown.grid(stored)
    if grid is None or len(grid.shape) != 2:
        return Outline(np.zeros((0, 2, 2)), np.zeros((0, 2, 2)))
    return _outline(_told(stored), grid, closed(stored, time))


@lru_cache(maxsize=8)
def _outline(told: str, grid: Grid, shut: tuple[bool, ...]) -> Outline:
    which = [_seen(wall, grid) for wall, there in zip(_walls(told), shut, strict=True) if there]
    # Whether they are closed was told; here all of them are.
    always = [wall.model_copy(update={"opens": None, "closes": None}) for wall in which]
    found: dict[bool, list[Array]] = {True: [], False: []}
    for axis, resistance in enumerate(resistances(always, grid, 0.0)):
        full = tuple(n + (k == axis) for k, n in enumerate(grid.shape))
        faces = np.broadcast_to(resistance, full)
        found[True].append(_lines(np.isinf(faces), grid, axis))
        found[False].append(_lines((faces > 0.0) & np.isfinite(faces), grid, axis))
    return Outline(*(np.concatenate(found[tight]) for tight in (True, False)))


def _seen(wall: Barrier, grid: Grid) -> Barrier:
    """What is drawn of a wall: of one round each of many cells the outline of its region."""
    if not isinstance(wall, CellWalls) or max(grid.shape) <= MOST_CELLS_WALLED:
        return wall
    whole = {name: (float(grid.faces(k)[0]), float(grid.faces(k)[-1]))
             for k, name in enumerate(grid.names)}  # fmt: skip
    return BoxWall.model_validate(
        {"box": {**whole, **wall.region}, "permeability": wall.permeability}
    )


def _lines(faces: Array, grid: Grid, axis: int) -> Array:
    """Faces across an axis that have a wall, those in a row joined to one line."""
    rows = faces if axis == 0 else faces.T
    edges = np.diff(np.pad(rows, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    (place, low), (_, high) = np.argwhere(edges == 1).T, np.argwhere(edges == -1).T
    across, along = grid.faces(axis)[place], grid.faces(1 - axis)
    ends = [np.stack([across, along[end]][:: 1 if axis == 0 else -1], axis=-1)
            for end in (low, high)]  # fmt: skip
    return np.stack(ends, axis=1)


# --- on pictures --------------------------------------------------------------------------------


def draw(axes: Axes, stored: Stored, number: int, solid: Array | None = None) -> None:
    """Draw on a map what is solid and which walls are closed at a frame.

    Parameters
    ----------
    number : int
        Which frame.
    solid : array, optional
        Which cells are solid, as ``shown.solid`` returns it.
    """
    box = shown.box(stored)
    if solid is not None:
        box.fill(axes, solid, SOLID)
    found = outline(stored, float(stored.times[number]))
    for tight, lines in ((True, found.tight), (False, found.leaky)):
        for look in LOOKS[tight] if len(lines) else ():
            # The sides of the box are walls anyway; what is drawn on them reaches over the frame.
            drawn = LineCollection(list(lines / box.metres), **look, zorder=3, clip_on=False)
            axes.add_collection(drawn, autolim=False)


def draw_in_time(axes: Axes, stored: Stored, seconds: float) -> None:
    """Draw on a map of space and time where walls stand, as long as each is closed.

    Parameters
    ----------
    seconds : float
        What the axis of times counts in.
    """
    box, last = shown.box(stored), float(stored.times[-1])
    for wall in walls(stored):
        cuts = sorted({0.0, last, *(t for t in wall.events() if 0.0 < t < last)})
        spans = [(a, b) for a, b in zip(cuts, cuts[1:], strict=False)
                 if wall.closed(0.5 * (a + b))]  # fmt: skip
        tight = math.isinf(wall.resistance)
        for x in _places(wall, stored):
            lines = [[(x / box.metres, end / seconds) for end in span] for span in spans]
            for look in LOOKS[tight] if lines else ():
                axes.add_collection(LineCollection(lines, **look, zorder=3), autolim=False)


def _places(wall: Barrier, stored: Header) -> Array:
    """Where a wall stands along the one axis of a line; of walls round many cells their ends."""
    grid = shown.grid(stored)
    if grid is None:
        return np.zeros(0)
    always = _seen(wall, grid).model_copy(update={"opens": None, "closes": None})
    return np.asarray(grid.faces(0)[resistances([always], grid, 0.0)[0] > 0.0])


def crossed(stored: Header, number: int, axis: int, line: int | None) -> Array:
    """Return where walls that are closed at a frame cross a line along an axis, in m.

    Parameters
    ----------
    line : int or None
        Which row or column of cells; None of a field of one axis, or where all of them are meant:
        then what stands across all of them.
    """
    grid, time = shown.grid(stored), float(stored.times[number])
    shut = [wall for wall in walls(stored) if wall.closed(time)]
    if grid is None or not shut:
        return np.zeros(0)
    resistance = resistances([_seen(wall, grid) for wall in shut], grid, time)[axis]
    if resistance.ndim == 2:
        rows = resistance if axis == 0 else resistance.T
        there = np.all(rows > 0.0, axis=1) if line is None else rows[:, line % rows.shape[1]] > 0.0
    else:
        there = resistance > 0.0
    return np.asarray(grid.faces(axis)[there])
