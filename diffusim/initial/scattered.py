"""Starts of random shapes. What is drawn does not depend on the cells; finer ones show more."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from scipy import special

from diffusim.block import Array, Integer, Invalid, listed
from diffusim.files import InputFile, read_image
from diffusim.grid import Along, Grid
from diffusim.initial.chance import Seeded
from diffusim.initial.shapes import before_line
from diffusim.initial.start import Key, Pair
from diffusim.random_fields import one_or_several, ranged

Width = Annotated[Along, Field(gt=0, lt=1e12)]
Number = Annotated[Integer, Field(ge=0, le=10**4)]


Widths = Annotated[tuple[Width, Width], listed, ranged, one_or_several]
Values = Annotated[tuple[float, float], listed, ranged, one_or_several]
Numbers = Annotated[tuple[Number, Number], listed, ranged, one_or_several]


def _growing(ends: tuple[float, float], key: str) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise Invalid(f"expected the lower end first, not {ends[0]:g} before {ends[1]:g}", key)
    return ends


class Blobs(Seeded):
    """Gaussian blobs at random places, added up; on periodic axes they reach round.

    Parameters
    ----------
    count : int or tuple of int
        How many, or from how many to how many.
    widths : float or tuple of float
        Standard deviation in m, of a series in s, or from which to which, any between equally
        likely.
    peaks : float or tuple of float
        Highest value of each, likewise.
    background : float
        What they are added to.
    """

    kind: Literal["blobs"] = "blobs"
    count: Numbers
    widths: Widths
    peaks: Values = (1.0, 1.0)
    background: float = 0.0

    def _means(self, grid: Grid, key: Key) -> Any:
        if grid.radial:
            raise Invalid("blobs are for boxes; on a radial grid give a formula of r", "kind")
        draws = self._generator(key)
        fewest, most = map(int, _growing(self.count, "count"))
        narrow, wide = _growing(self.widths, "widths")
        low, high = _growing(self.peaks, "peaks")
        count = int(draws.integers(fewest, most, endpoint=True))
        part = draws.random((count, 4))
        widths, peaks = narrow + (wide - narrow) * part[:, 0], low + (high - low) * part[:, 1]
        places = part[:, 2:]
        profiles = [_profiles(grid, axis, places[:, axis], widths) for axis in grid.axes]
        profiles[0] = profiles[0] * peaks[:, None]
        if len(profiles) == 1:
            return self.background + np.sum(profiles[0], axis=0)
        return self.background + profiles[0].T @ profiles[1]


def _profiles(grid: Grid, axis: int, places: Array, widths: Array) -> Array:
    """Means over cells of Gaussians of height one, at places told as parts of the axis.

    Returns
    -------
    (count, n) array
        To round-off of their height.
    """
    size, h = grid.size[axis], grid.spacing[axis]
    rounds = math.ceil(9.0 * np.max(widths, initial=0.0) / size) if grid.wrap[axis] else 0
    below = np.zeros((widths.size, grid.shape[axis] + 1))
    for turn in range(-rounds, rounds + 1):
        away = grid.faces(axis) + turn * size - places[:, None] * size
        below += special.ndtr(away / widths[:, None])
    return np.diff(below, axis=1) * (widths[:, None] * math.sqrt(2.0 * math.pi) / h)


class Discontinuities(Seeded):
    """Regions of different values, parted by straight lines.

    A line goes through a random place, at a random angle, and parts the region that the place is
    in. In one dimension it is a point.

    Parameters
    ----------
    cuts : int
        Number of lines; there is one region more.
    values : tuple of float
        The lowest and the highest value of a region, any between equally likely.
    """

    kind: Literal["discontinuities"] = "discontinuities"
    cuts: Annotated[Integer, Field(ge=1, le=256)]
    values: Pair

    def _means(self, grid: Grid, key: Key) -> Any:
        if grid.radial:
            raise Invalid("random lines are for boxes; on a radial grid give 'cells'", "kind")
        draws = self._generator(key)
        low, high = _growing(self.values, "values")
        places = draws.random((self.cuts, 2))[:, : len(grid.shape)] * grid.size
        angles = draws.uniform(0.0, 360.0, self.cuts)
        values = draws.uniform(low, high, self.cuts + 1)
        u: Array = np.zeros(grid.shape)
        for value, part in zip(values, _regions(grid, places, angles), strict=True):
            u += value * part
        return u


def _regions(grid: Grid, places: Array, angles: Array) -> Iterator[Array]:
    """Yield for each region which part of every cell lies in it.

    It is exact but where lines meet within a cell, whose parts are then taken as independent.
    """
    sides: list[list[tuple[int, bool]]] = [[]]  # of each region: its lines, and before or beyond
    parts: list[Array] = [np.ones(grid.shape)]
    normals = np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1)
    for number, (place, angle) in enumerate(zip(places, angles, strict=True)):
        away = np.sum((place - places[:number]) * normals[:number, : len(place)], axis=1)
        which = next(
            region for region, lines in enumerate(sides)
            if all((away[line] < 0.0) == before for line, before in lines)
        )  # fmt: skip
        share = _before(grid, place, float(angle))
        whole, lines = parts[which], sides[which]
        parts[which], sides[which] = whole * share, [*lines, (number, True)]
        parts.append(whole * (1.0 - share))
        sides.append([*lines, (number, False)])
    yield from parts


def _before(grid: Grid, place: Array, angle: float) -> Array:
    """Which part of every cell lies before a line."""
    if len(grid.shape) == 2:
        return before_line(grid, angle, place / grid.spacing)
    before: Array = np.clip(place[0] / grid.spacing[0] - np.arange(grid.shape[0]), 0.0, 1.0)
    return before if math.cos(math.radians(angle)) > 0.0 else 1.0 - before


class ImagePatch(Seeded):
    """A part of an image, from a random place in it.

    Parameters
    ----------
    path : Path
        A PNG or JPEG file, or the word ``portrait``.
    part : float
        Its size, as a part of the largest one of the grid's proportions that the image holds.
    turned : bool
        Whether it may be a mirror image: left and right, and top and bottom, at random.
    values : tuple of float
        What black and white stand for.
    """

    kind: Literal["image-patch"] = "image-patch"
    path: InputFile
    part: Annotated[float, Field(gt=0, le=1)] = 0.25
    turned: bool = False
    values: Pair = (0.0, 1.0)

    def _means(self, grid: Grid, key: Key) -> Any:
        if len(grid.shape) != 2:
            raise Invalid("an image needs a grid of two dimensions", "path")
        x, y, left, up = self._generator(key).random(4)
        try:
            shape = grid.shape[0], grid.shape[1]
            image = read_image(self.path, shape, part=self.part, place=(x, y))
        except ValueError as problem:
            raise Invalid(str(problem), "path") from None
        if self.turned:
            image = image[:: -1 if left < 0.5 else 1, :: -1 if up < 0.5 else 1]
        black, white = self.values
        return black + (white - black) * image
