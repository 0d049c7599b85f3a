"""Walls: thin barriers on faces that are lifted, and lowered, at stated times.

A wall lets nothing through, or, with a permeability P, as much as P times the difference of
concentration across it: a membrane, of resistance 1/P.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from diffusim.block import Array, Block, Invalid, Metres, MetresPerSecond, Seconds, listed
from diffusim.grid import Grid

# A wall further than this from a face (in cells) is refused rather than silently moved.
OFF_FACE = 1e-6

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
            yield from _off_faces(grid, 1 - axis, self.span, "span")

    def resist(self, grid: Grid, resistance: list[Array]) -> None:
        """Add its resistance on its faces, in one array per axis."""
        axis = grid.axis(self.axis)
        face = _face(grid, axis, self.at)
        index: list[Any] = [slice(None)] * len(grid.shape)
        index[axis] = sorted({face, _joined(grid, axis, face)})
        if self.span is not None:
            index[1 - axis] = slice(*(_face(grid, 1 - axis, end) for end in self.span))
            _widen(grid, resistance, axis)
        resistance[axis][tuple(index)] += self.resistance


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
                yield from _off_faces(grid, grid.axis(name), interval, "region", name)
            else:
                yield Invalid(f"this grid has no axis '{name}'", "region", name)

    def resist(self, grid: Grid, resistance: list[Array]) -> None:
        """Add its resistance on its faces, in one array per axis."""
        cells = _cells_of(grid, self.region)
        for axis in grid.axes:
            index: list[Any] = [slice(*ends) for ends in cells]
            index[axis] = sorted({j for f in range(cells[axis][0], cells[axis][1] + 1)
                                  for j in (f, _joined(grid, axis, f))})  # fmt: skip
            _widen(grid, resistance, axis)
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
                yield from _off_faces(grid, grid.axis(name), interval, "box", name)
            else:
                yield Invalid(f"this grid has no axis '{name}'", "box", name)

    def resist(self, grid: Grid, resistance: list[Array]) -> None:
        """Add its resistance on its faces, in one array per axis."""
        cells = _cells_of(grid, self.box)
        for axis in map(grid.axis, self.box):
            index: list[Any] = [slice(*ends) for ends in cells]
            index[axis] = sorted({j for f in cells[axis] for j in (f, _joined(grid, axis, f))})
            _widen(grid, resistance, axis)
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
        ends = [[_face(grid, axis, v) for axis, v in enumerate(place)] for place in self.line]
        if ends[0] == ends[1]:
            yield Invalid("both ends are at the same corner of a cell", "line")

    def resist(self, grid: Grid, resistance: list[Array]) -> None:
        """Add its resistance on its faces, in one array per axis."""
        (i, j), (p, q) = ([_face(grid, axis, value) for axis, value in enumerate(place)]
                          for place in self.line)  # fmt: skip
        faces: list[set[tuple[int, int]]] = [set(), set()]
        across, up = abs(p - i), abs(q - j)
        right, upward = (1 if p > i else -1), (1 if q > j else -1)
        done0 = done1 = 0
        while (done0, done1) != (across, up):
            # The next face is the one whose end stays nearer to the straight line.
            if (2 * done0 + 1) * up < (2 * done1 + 1) * across or done1 == up:
                cell = min(i, i + right)
                faces[1] |= {(cell, j), (cell, _joined(grid, 1, j))}
                i, done0 = i + right, done0 + 1
            else:
                cell = min(j, j + upward)
                faces[0] |= {(i, cell), (_joined(grid, 0, i), cell)}
                j, done1 = j + upward, done1 + 1
        for axis, found in enumerate(faces):
            if found:
                _widen(grid, resistance, axis)
                resistance[axis][tuple(np.array(sorted(found)).T)] += self.resistance


AnyWall = Wall | CellWalls | BoxWall | LineWall
_TOLD_BY: dict[str, type[Barrier]] = {"every": CellWalls, "box": BoxWall, "line": LineWall}


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


def narrowed(array: Array, axis: int) -> Array:
    """Return an array of faces across an axis in the smallest shape that broadcasts."""
    for other in range(array.ndim):
        first = np.take(array, [0], other)
        if other != axis and np.all(array == first):
            array = first
    return array


def _cells_of(grid: Grid, region: Mapping[Any, tuple[float, float]]) -> list[tuple[int, int]]:
    """Cells of a region along each axis; an axis not named is covered whole."""
    found = []
    for axis, name in enumerate(grid.names):
        low, high = region.get(name, (grid.faces(axis)[0], grid.faces(axis)[-1]))
        found.append((_face(grid, axis, float(low)), _face(grid, axis, float(high))))
    return found


def _widen(grid: Grid, arrays: list[Array], axis: int) -> None:
    full = tuple(n + (k == axis) for k, n in enumerate(grid.shape))
    arrays[axis] = np.broadcast_to(arrays[axis], full).copy()


def _face(grid: Grid, axis: int, place: float) -> int:
    return round((place - grid.origin(axis)) / grid.spacing[axis])


def _joined(grid: Grid, axis: int, face: int) -> int:
    """Return the other name of a rim face on a periodic axis, else the face itself."""
    rims = (0, grid.shape[axis])
    return grid.shape[axis] - face if grid.wrap[axis] and face in rims else face


def off_face(grid: Grid, axis: int, place: float, *path: str | int) -> Iterator[Invalid]:
    """Yield what is wrong with a place along an axis that has to be on a face."""
    h, start = grid.spacing[axis], grid.origin(axis)
    cells = (place - start) / h
    if not -OFF_FACE <= cells <= grid.shape[axis] + OFF_FACE:
        ends = f"{start:g} to {start + grid.size[axis]:g} m"
        yield Invalid(f"{place:g} m lies outside the grid, {ends}", *path)
    elif abs(cells - round(cells)) > OFF_FACE:
        low = int(np.floor(cells))
        yield Invalid(
            f"{place:.12g} m is not on a face between cells; the nearest faces are "
            f"{start + low * h:.12g} m and {start + (low + 1) * h:.12g} m",
            *path,
        )


def _off_faces(
    grid: Grid, axis: int, ends: tuple[float, float], *path: str | int
) -> Iterator[Invalid]:
    for number, place in enumerate(ends):
        yield from off_face(grid, axis, place, *path, number)
    if ends[0] >= ends[1]:
        yield Invalid(f"must grow, from {ends[0]:g} m to {ends[1]:g} m it does not", *path)
