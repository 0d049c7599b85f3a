"""Places of a grid told by its faces, and arrays of numbers on faces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from diffusim.block import Array, Invalid
from diffusim.grid import Grid

# A place further than this from a face (in cells) is refused rather than silently moved.
OFF_FACE = 1e-6


def cells_of(grid: Grid, region: Mapping[Any, tuple[float, float]]) -> list[tuple[int, int]]:
    """Cells of a region along each axis; an axis not named is covered whole."""
    found = []
    for axis, name in enumerate(grid.names):
        low, high = region.get(name, (grid.faces(axis)[0], grid.faces(axis)[-1]))
        found.append((face_of(grid, axis, float(low)), face_of(grid, axis, float(high))))
    return found


def widen(grid: Grid, arrays: list[Array], axis: int) -> None:
    """Give the numbers on the faces across an axis their full shape."""
    full = tuple(n + (k == axis) for k, n in enumerate(grid.shape))
    arrays[axis] = np.broadcast_to(arrays[axis], full).copy()


def face_of(grid: Grid, axis: int, place: float) -> int:
    """Return the number of the face nearest to a place in m."""
    return round((place - grid.origin(axis)) / grid.spacing[axis])


def joined(grid: Grid, axis: int, face: int) -> int:
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


def off_faces(
    grid: Grid, axis: int, ends: tuple[float, float], *path: str | int
) -> Iterator[Invalid]:
    """Yield what is wrong with two places along an axis that have to be on faces, in order."""
    for number, place in enumerate(ends):
        yield from off_face(grid, axis, place, *path, number)
    if ends[0] >= ends[1]:
        yield Invalid(f"must grow, from {ends[0]:g} m to {ends[1]:g} m it does not", *path)


def narrowed(array: Array, axis: int) -> Array:
    """Return an array of faces across an axis in the smallest shape that broadcasts."""
    for other in range(array.ndim):
        first = np.take(array, [0], other)
        if other != axis and np.all(array == first):
            array = first
    return array
