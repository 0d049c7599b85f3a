"""Walls: thin barriers on faces that are lifted, and lowered, at stated times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from diffusim.block import Array, Block, Invalid, Metres, Seconds, listed
from diffusim.grid import Grid

# A wall further than this from a face (in cells) is refused rather than silently moved.
OFF_FACE = 1e-6

Axis = Literal["x", "y"]
Interval = Annotated[tuple[Metres, Metres], listed]


class Timed(Block):
    """Something closed until it is lifted; with ``closes`` alone it is open until then."""

    opens: Seconds | None = None
    closes: Seconds | None = None

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


class Wall(Timed):
    """A thin wall across one axis, over its whole cross-section or a span of it.

    Parameters
    ----------
    axis : {"x", "y"}
        The axis it stands across.
    at : float
        Its place along that axis in m; it must be on a face.
    span : tuple of float, optional
        From where to where it reaches along the other axis, in m.
    opens, closes : float, optional
        When it is lifted and lowered, in s.
    """

    axis: Axis
    at: Metres
    span: Interval | None = None

    def problems(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with it on this grid."""
        if self.axis not in grid.names[: len(grid.shape)]:
            yield Invalid(f"this grid has no axis '{self.axis}'", "axis")
            return
        axis = grid.axis(self.axis)
        yield from off_face(grid, axis, self.at, "at")
        if self.span is not None and len(grid.shape) == 1:
            yield Invalid("a wall in one dimension has no span", "span")
        elif self.span is not None:
            yield from _off_faces(grid, 1 - axis, self.span, "span")

    def close(self, grid: Grid, closed: list[Array]) -> None:
        """Mark its faces in one boolean array per axis."""
        axis = grid.axis(self.axis)
        face = _face(grid, axis, self.at)
        index: list[Any] = [slice(None)] * len(grid.shape)
        index[axis] = [face, _joined(grid, axis, face)]
        if self.span is not None:
            closed[axis] = np.broadcast_to(closed[axis], _full(grid, axis)).copy()
            index[1 - axis] = slice(*(_face(grid, 1 - axis, end) for end in self.span))
        closed[axis][tuple(index)] = True


class CellWalls(Timed):
    """A thin wall round every cell, of the whole grid or of a region.

    Parameters
    ----------
    every : {"cell"}
        The word that tells it from a single wall.
    region : mapping, optional
        From where to where it reaches along ``x`` and ``y`` in m; an axis not named is covered
        whole.
    opens, closes : float, optional
        When they are lifted and lowered, in s.
    """

    every: Literal["cell"]
    region: dict[Axis, Interval] = Field(default_factory=dict)

    def problems(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with it on this grid."""
        for name, interval in self.region.items():
            if name in grid.names[: len(grid.shape)]:
                yield from _off_faces(grid, grid.axis(name), interval, "region", name)
            else:
                yield Invalid(f"this grid has no axis '{name}'", "region", name)

    def close(self, grid: Grid, closed: list[Array]) -> None:
        """Mark its faces in one boolean array per axis."""
        cells = [
            tuple(_face(grid, k, end) for end in self.region.get(_name(k), (0.0, grid.size[k])))
            for k in grid.axes
        ]
        for axis in grid.axes:
            index: list[Any] = [slice(*ends) for ends in cells]
            index[axis] = sorted({j for f in range(cells[axis][0], cells[axis][1] + 1)
                                  for j in (f, _joined(grid, axis, f))})  # fmt: skip
            closed[axis] = np.broadcast_to(closed[axis], _full(grid, axis)).copy()
            closed[axis][tuple(index)] = True


def _kind(value: Any) -> Any:
    """Choose the class by the key only one of them has, so that errors speak of one class only."""
    if isinstance(value, dict):
        chosen = CellWalls if "every" in value else Wall
        return chosen.model_validate(value)
    return value


Walls = Annotated[
    tuple[Annotated[Wall | CellWalls, BeforeValidator(_kind)], ...],
    listed,
]


def closures(walls: Sequence[Wall | CellWalls], grid: Grid, time: float) -> list[Array]:
    """Return which faces are closed at a time: per axis a boolean array of the smallest shape."""
    closed = [np.zeros(grid.along(k, grid.faces(k)).shape, dtype=bool) for k in grid.axes]
    for wall in walls:
        if wall.closed(time):
            wall.close(grid, closed)
    return [_narrowed(array, k) for k, array in enumerate(closed)]


def _narrowed(array: Array, axis: int) -> Array:
    for other in range(array.ndim):
        first = np.take(array, [0], other)
        if other != axis and np.all(array == first):
            array = first
    return array


def _name(axis: int) -> Axis:
    return "x" if axis == 0 else "y"


def _full(grid: Grid, axis: int) -> tuple[int, ...]:
    return tuple(n + (k == axis) for k, n in enumerate(grid.shape))


def _face(grid: Grid, axis: int, place: float) -> int:
    return round(place / grid.spacing[axis])


def _joined(grid: Grid, axis: int, face: int) -> int:
    """Return the other name of a rim face on a periodic axis, else the face itself."""
    rims = (0, grid.shape[axis])
    return grid.shape[axis] - face if grid.wrap[axis] and face in rims else face


def off_face(grid: Grid, axis: int, place: float, *path: str | int) -> Iterator[Invalid]:
    """Yield what is wrong with a place along an axis that has to be on a face."""
    h = grid.spacing[axis]
    cells = place / h
    if not -OFF_FACE <= cells <= grid.shape[axis] + OFF_FACE:
        yield Invalid(f"{place:g} m lies outside the grid, 0 to {grid.size[axis]:g} m", *path)
    elif abs(cells - round(cells)) > OFF_FACE:
        low = int(np.floor(cells))
        yield Invalid(
            f"{place:.12g} m is not on a face between cells; "
            f"the nearest faces are {low * h:.12g} m and {(low + 1) * h:.12g} m",
            *path,
        )


def _off_faces(
    grid: Grid, axis: int, ends: tuple[float, float], *path: str | int
) -> Iterator[Invalid]:
    for number, place in enumerate(ends):
        yield from off_face(grid, axis, place, *path, number)
    if ends[0] >= ends[1]:
        yield Invalid(f"must grow, from {ends[0]:g} m to {ends[1]:g} m it does not", *path)
