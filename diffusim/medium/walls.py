"""Walls: thin barriers on faces that are lifted, and lowered, at stated times.

A wall lets nothing through, or, with a permeability P, as much as P times the difference of
concentration across it: a membrane, of resistance 1/P.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from diffusim.block import (
    Array,
    Block,
    Integer,
    Invalid,
    Metres,
    MetresPerSecond,
    Seconds,
    listed,
)
from diffusim.grid import Grid
from diffusim.medium.faces import (
    OFF_FACE,
    cells_of,
    face_of,
    joined,
    narrowed,
    off_face,
    off_faces,
    widen,
)
from diffusim.random_fields import draws_of, key_of, one_or_several, ranged

Axis = Literal["x", "y", "r", "z"]
Interval = Annotated[tuple[Metres, Metres], listed]


class Barrier(Block):
    """What all walls share: closed until ``opens``; with ``closes`` alone, open until then.

    Parameters
    ----------
    permeability : float, optional
        What it lets through while it is closed, in m/s; nothing if not given.
    """

    opens: Seconds | None = None
    closes: Seconds | None = None
    permeability: Annotated[MetresPerSecond, Field(gt=0, lt=1e12)] | None = None

    @property
    def resistance(self) -> float:
        """Resistance of the closed wall in s/m."""
        return np.inf if self.permeability is None else 1.0 / self.permeability

    def problems(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with it on this grid."""
        raise NotImplementedError

    def resist(self, grid: Grid, resistance: list[Array]) -> None:
        """Add its resistance on its faces, in one array per axis."""
        raise NotImplementedError

    def closed(self, time: float) -> bool:
        """Whether it is closed at a time in s."""
        if self.closes is None:
            return self.opens is None or time < self.opens
        if self.opens is None:
            return time >= self.closes
        if self.closes < self.opens:
            return self.closes <= time < self.opens
        return time < self.opens or time >= self.closes

    def events(self) -> tuple[float, ...]:
        """Times in s at which it changes."""
        return tuple(t for t in (self.opens, self.closes) if t is not None)


class Wall(Barrier):
    """A thin wall across one axis, over its whole cross-section or a span of it.

    Parameters
    ----------
    axis : {"x", "y", "r", "z"}
        The axis it stands across.
    at : float
        Its place along that axis in m; it must be on a face.
    span : tuple of float, optional
        From where to where it reaches along the other axis, in m.
    opens, closes, permeability : float, optional
        When it is lifted and lowered in s, and what it lets through in m/s.
    """

    axis: Axis
    at: Metres
    span: Interval | None = None

    def problems(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with it on this grid."""
        if self.axis not in list(grid.names):
            yield Invalid(f"this grid has no axis '{self.axis}'", "axis")
            return
        axis = grid.axis(self.axis)
        yield from off_face(grid, axis, self.at, "at")
        if self.span is not None and len(grid.shape) == 1:
            yield Invalid("a wall in one dimension has no span", "span")
        elif self.span is not None:
            yield from off_faces(grid, 1 - axis, self.span, "span")

    def resist(self, grid: Grid, resistance: list[Array]) -> None:
        """Add its resistance on its faces, in one array per axis."""
        axis, index = self.faces(grid)
        if self.span is not None:
            widen(grid, resistance, axis)
        resistance[axis][index] += self.resistance

    def faces(self, grid: Grid) -> tuple[int, tuple[Any, ...]]:
        """Return the axis it stands across and which faces across that axis it stands on."""
        axis = grid.axis(self.axis)
        face = face_of(grid, axis, self.at)
        index: list[Any] = [slice(None)] * len(grid.shape)
        index[axis] = sorted({face, joined(grid, axis, face)})
        if self.span is not None:
            index[1 - axis] = slice(*(face_of(grid, 1 - axis, end) for end in self.span))
        return axis, tuple(index)


class CellWalls(Barrier):
    """A thin wall round every cell, of the whole grid or of a region.

    Parameters
    ----------
    every : {"cell"}
        The word that tells it from a single wall.
    region : mapping, optional
        From where to where it reaches along ``x`` and ``y`` in m; an axis not named is covered
        whole.
    opens, closes, permeability : float, optional
        When they are lifted and lowered in s, and what they let through in m/s.
    """

    every: Literal["cell"]
    region: dict[Axis, Interval] = Field(default_factory=dict)

    def problems(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with it on this grid."""
        for name, interval in self.region.items():
            if name in list(grid.names):
                yield from off_faces(grid, grid.axis(name), interval, "region", name)
            else:
                yield Invalid(f"this grid has no axis '{name}'", "region", name)

    def resist(self, grid: Grid, resistance: list[Array]) -> None:
        """Add its resistance on its faces, in one array per axis."""
        cells = cells_of(grid, self.region)
        for axis in grid.axes:
            index: list[Any] = [slice(*ends) for ends in cells]
            index[axis] = sorted({j for f in range(cells[axis][0], cells[axis][1] + 1)
                                  for j in (f, joined(grid, axis, f))})  # fmt: skip
            widen(grid, resistance, axis)
            resistance[axis][tuple(index)] += self.resistance


class BoxWall(Barrier):
    """A thin wall along the outline of a box.

    Parameters
    ----------
    box : mapping
        From where to where it reaches along each axis in m; along an axis not named it is open.
    opens, closes, permeability : float, optional
        When it is lifted and lowered in s, and what it lets through in m/s.
    """

    box: dict[Axis, Interval]

    def problems(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with it on this grid."""
        if not self.box:
            yield Invalid("expected from where to where it reaches along an axis", "box")
        for name, interval in self.box.items():
            if name in list(grid.names):
                yield from off_faces(grid, grid.axis(name), interval, "box", name)
            else:
                yield Invalid(f"this grid has no axis '{name}'", "box", name)

    def resist(self, grid: Grid, resistance: list[Array]) -> None:
        """Add its resistance on its faces, in one array per axis."""
        cells = cells_of(grid, self.box)
        for axis in map(grid.axis, self.box):
            index: list[Any] = [slice(*ends) for ends in cells]
            index[axis] = sorted({j for f in cells[axis] for j in (f, joined(grid, axis, f))})
            widen(grid, resistance, axis)
            resistance[axis][tuple(index)] += self.resistance


class LineWall(Barrier):
    """A thin wall from one place to another, along the faces nearest to the straight line.

    Parameters
    ----------
    line : tuple of tuple of float
        Its two ends in m; each is moved to the nearest corner of a cell.
    opens, closes, permeability : float, optional
        When it is lifted and lowered in s, and what it lets through in m/s.
    """

    line: Annotated[tuple[Interval, Interval], listed]

    def problems(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with it on this grid."""
        if len(grid.shape) == 1:
            yield Invalid("a line needs two dimensions; give 'axis' and 'at'", "line")
            return
        for end, place in enumerate(self.line):
            for axis, value in enumerate(place):
                low = grid.origin(axis)
                high = low + grid.size[axis]
                slack = OFF_FACE * grid.spacing[axis]
                if not low - slack <= value <= high + slack:
                    message = f"{value:g} m lies outside the grid, {low:g} to {high:g} m"
                    yield Invalid(message, "line", end, axis)
                    return
        ends = [[face_of(grid, axis, v) for axis, v in enumerate(place)] for place in self.line]
        if ends[0] == ends[1]:
            yield Invalid("both ends are at the same corner of a cell", "line")

    def resist(self, grid: Grid, resistance: list[Array]) -> None:
        """Add its resistance on its faces, in one array per axis."""
        (i, j), (p, q) = ([face_of(grid, axis, value) for axis, value in enumerate(place)]
                          for place in self.line)  # fmt: skip
        faces: list[set[tuple[int, int]]] = [set(), set()]
        across, up = abs(p - i), abs(q - j)
        right, upward = (1 if p > i else -1), (1 if q > j else -1)
        done0 = done1 = 0
        while (done0, done1) != (across, up):
            # The next face is the one whose end stays nearer to the straight line.
            if (2 * done0 + 1) * up < (2 * done1 + 1) * across or done1 == up:
                cell = min(i, i + right)
                faces[1] |= {(cell, j), (cell, joined(grid, 1, j))}
                i, done0 = i + right, done0 + 1
            else:
                cell = min(j, j + upward)
                faces[0] |= {(i, cell), (joined(grid, 0, i), cell)}
                j, done1 = j + upward, done1 + 1
        for axis, found in enumerate(faces):
            if found:
                widen(grid, resistance, axis)
                resistance[axis][tuple(np.array(sorted(found)).T)] += self.resistance


class RandomWalls(Barrier):
    """Thin walls at random places, across either axis.

    Parameters
    ----------
    random : int
        How many.
    lengths : float or tuple of float, optional
        How long they are, or from how long to how long, in m; each is made of whole faces, one at
        least, and ends at the rim of the grid. Not for one dimension, where walls are points.
    seed : int
        Decides where they stand.
    opens, closes, permeability : float, optional
        When they are lifted and lowered in s, and what they let through in m/s.
    """

    random: Annotated[Integer, Field(ge=0, le=10**4)]
    lengths: Annotated[Interval, ranged, one_or_several] | None = None
    seed: Annotated[Integer, Field(ge=0, lt=2**63)] = 0

    def problems(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with them on this grid."""
        plane = len(grid.shape) == 2
        if grid.radial:
            yield Invalid("random walls are for boxes; this grid is radial", "random")
        elif max(grid.shape) == 1:
            yield Invalid("there is no face between cells for a wall to stand on", "random")
        if plane and self.lengths is None:
            yield Invalid("expected from how long to how long they are", "lengths")
        elif not plane and self.lengths is not None:
            yield Invalid("walls in one dimension have no length", "lengths")
        elif self.lengths is not None and not 0.0 < self.lengths[0] <= self.lengths[1]:
            yield Invalid("expected two lengths above zero, the shorter one first", "lengths")

    def walls(self, grid: Grid) -> list[Wall]:
        """Return each of them as a wall of its own.

        What is drawn does not depend on the cells; each goes to the faces nearest to it.
        """
        able = [axis for axis, n in enumerate(grid.shape) if n > 1]
        found = []
        for across, along, begin, reach in draws_of(key_of(self.seed)).random((self.random, 4)):
            axis = able[int(across * len(able))]
            inner = grid.shape[axis] - 1
            place = grid.faces(axis)[1 + min(inner - 1, int(along * inner))]
            span = None
            if self.lengths is not None:
                low, high = self.lengths
                span = _span(grid, 1 - axis, begin, low + (high - low) * reach)
            found.append(Wall(axis=grid.names[axis], at=float(place), span=span))  # type: ignore[arg-type]
        return found

    def resist(self, grid: Grid, resistance: list[Array]) -> None:
        """Add their resistance on their faces, in one array per axis."""
        places = [wall.faces(grid) for wall in self.walls(grid)]
        for axis in {axis for axis, _ in places}:
            widen(grid, resistance, axis)
        for axis, index in places:
            resistance[axis][index] += self.resistance


def _span(grid: Grid, axis: int, begin: float, length: float) -> tuple[float, float]:
    """From which face to which a wall reaches that begins at a part of the axis."""
    n, h, faces = grid.shape[axis], grid.spacing[axis], grid.faces(axis)
    # So that it may reach over either rim alike, and no place has fewer walls than another.
    start = begin * (grid.size[axis] + length) - length
    low, high = round(max(start, 0.0) / h), round(min(start + length, grid.size[axis]) / h)
    low = min(low, n - 1)
    return float(faces[low]), float(faces[max(high, low + 1)])


AnyWall = Wall | CellWalls | BoxWall | LineWall | RandomWalls
_TOLD_BY: dict[str, type[Barrier]] = {
    "every": CellWalls, "box": BoxWall, "line": LineWall, "random": RandomWalls
}  # fmt: skip


def _kind(value: Any) -> Any:
    """Choose the class by the key only one of them has, so that errors speak of one class only."""
    if isinstance(value, dict):
        chosen = next((kind for key, kind in _TOLD_BY.items() if key in value), Wall)
        return chosen.model_validate(value)
    return value


Walls = Annotated[
    tuple[Annotated[AnyWall, BeforeValidator(_kind)], ...],
    listed,
]


def resistances(walls: Sequence[Barrier], grid: Grid, time: float) -> list[Array]:
    """Return the resistance of walls on all faces at a time.

    Returns
    -------
    list of array
        Per axis, in s/m, of the smallest shape that broadcasts: zero where there is no wall,
        infinite where nothing passes.
    """
    found = [np.zeros(grid.along(k, grid.faces(k)).shape) for k in grid.axes]
    for wall in walls:
        if wall.closed(time):
            wall.resist(grid, found)
    return [narrowed(array, k) for k, array in enumerate(found)]
