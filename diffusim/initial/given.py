"""Starts that a scenario gives in full: as a formula, an array or an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer

from diffusim import formula
from diffusim.block import Array, Invalid
from diffusim.files import InputFile, read_array, read_image
from diffusim.grid import Grid
from diffusim.initial.start import Key, Pair, Start

COLOURS = ("red", "green", "blue")


class Picture(Start):
    """An image as a field.

    Parameters
    ----------
    path : Path
        A PNG or JPEG file, or the word ``portrait``.
    values : tuple of float
        What its black and its white stand for, in each channel.
    channels : {"grey", "rgb"}
        One field of its brightness, or three channels, red, green and blue.
    turn : float
        By how many degrees it is turned about its middle, anticlockwise as it is seen. What comes
        into the corners is the mirror image of what lies on the other side of the rim. It is read
        on cells half as long, turned by linear interpolation, and averaged.
    """

    kind: Literal["image"] = "image"
    path: InputFile
    values: Pair = (0.0, 1.0)
    channels: Literal["grey", "rgb"] = "grey"
    turn: Annotated[float, Field(ge=-360, le=360)] = 0.0

    @model_serializer(mode="wrap")
    def _unsaid(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # An image that is not turned is the one that it was before images could be turned.
        found: dict[str, Any] = written(self)
        if self.turn == 0.0:
            found.pop("turn", None)
        return found

    def names(self, channels: int) -> tuple[str, ...]:
        """Names of the channels."""
        return COLOURS if self.channels == "rgb" else super().names(channels)

    def _means(self, grid: Grid, _key: Key) -> Any:
        if len(grid.shape) != 2:
            raise Invalid("an image needs a grid of two dimensions", "path")
        black, white = self.values
        try:
            shape = grid.shape[0], grid.shape[1]
            return black + (white - black) * self._image(shape, grid.spacing)
        except ValueError as problem:
            raise Invalid(str(problem), "path") from None

    def _image(self, shape: tuple[int, int], spacing: Sequence[float]) -> Array:
        """The image in the cells, black 0 and white 1."""
        colours = self.channels == "rgb"
        if self.turn % 360.0 == 0.0:
            return read_image(self.path, shape, colours=colours)
        fine = read_image(self.path, (2 * shape[0], 2 * shape[1]), colours=colours)
        if fine.ndim == 2:
            return _turned(fine, spacing, self.turn)
        return np.stack([_turned(one, spacing, self.turn) for one in fine])


def _turned(fine: Array, spacing: Sequence[float], angle: float) -> Array:
    """A picture turned about its middle, its cells from halves of them; beyond its rim a mirror."""
    from scipy import ndimage, special

    c, s = special.cosdg(angle), special.sindg(angle)
    h = np.array(spacing[:2])
    # Where in the picture, in cells, what a cell shows has been.
    back = np.array([[c, s], [-s, c]]) * h / h[:, None]
    middle = 0.5 * (np.array(fine.shape) - 1.0)
    whole = ndimage.affine_transform(fine, back, middle - back @ middle, order=1, mode="reflect")
    n, m = fine.shape
    return np.asarray(np.mean(whole.reshape(n // 2, 2, m // 2, 2), axis=(1, 3)))


def _legal(expression: str) -> str:
    return formula.Formula(expression).text


class Expression(Start):
    """A formula, worked out at the cells' centres; see `diffusim.formula.Formula`.

    Parameters
    ----------
    expression : str
        Of x and y, the cell's place, and of r, how far it is from the middle of the grid, all in m;
        on radial grids of their own r and z, on series of t in s.
    """

    kind: Literal["formula"] = "formula"
    expression: Annotated[str, AfterValidator(_legal)]

    def _means(self, grid: Grid, _key: Key) -> Any:
        names = grid.places()
        if grid.geometry == "box":
            away = (x - 0.5 * s for x, s in zip(names.values(), grid.size, strict=True))
            names["r"] = np.sqrt(sum(distance**2 for distance in away))
        try:
            return formula.Formula(self.expression)(**names)
        except Invalid as problem:
            raise Invalid(problem.message, "expression") from None


class Stored(Start):
    """Values of the cells from a ``.npy`` file of the grid's shape, or from a text.

    A text (``.csv``, ``.txt``) holds them as they are seen on the page, the top row first; along
    one axis it is one row or one column.

    With a first axis before it, they are those of several channels, each carried by itself.
    """

    kind: Literal["array"] = "array"
    path: InputFile

    def _means(self, grid: Grid, _key: Key) -> Any:
        try:
            return read_array(self.path, grid.shape, channels=True)
        except ValueError as problem:
            raise Invalid(str(problem), "path") from None
