"""Starts that a scenario gives in full: as a formula, an array or an image."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator

from diffusim import formula
from diffusim.block import Invalid
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
    """

    kind: Literal["image"] = "image"
    path: InputFile
    values: Pair = (0.0, 1.0)
    channels: Literal["grey", "rgb"] = "grey"

    def names(self, channels: int) -> tuple[str, ...]:
        """Names of the channels."""
        return COLOURS if self.channels == "rgb" else super().names(channels)

    def _means(self, grid: Grid, _key: Key) -> Any:
        if len(grid.shape) != 2:
            raise Invalid("an image needs a grid of two dimensions", "path")
        black, white = self.values
        try:
            shape = grid.shape[0], grid.shape[1]
            image = read_image(self.path, shape, colours=self.channels == "rgb")
            return black + (white - black) * image
        except ValueError as problem:
            raise Invalid(str(problem), "path") from None


def _legal(expression: str) -> str:
    return formula.Formula(expression).text


class Expression(Start):
    """A formula, worked out at the cells' centres; see `diffusim.formula.Formula`.

    Parameters
    ----------
    expression : str
        Of x and y, the cell's place, and of r, how far it is from the middle of the grid, all in m;
        on radial grids of their own r and z.
    """

    kind: Literal["formula"] = "formula"
    expression: Annotated[str, AfterValidator(_legal)]

    def _means(self, grid: Grid, _key: Key) -> Any:
        names = grid.places()
        if not grid.radial:
            away = (x - 0.5 * s for x, s in zip(names.values(), grid.size, strict=True))
            names["r"] = np.sqrt(sum(distance**2 for distance in away))
        try:
            return formula.Formula(self.expression)(**names)
        except Invalid as problem:
            raise Invalid(problem.message, "expression") from None


class Stored(Start):
    """Values of the cells from a ``.npy`` file of the grid's shape.

    With a first axis before it, they are those of several channels, each carried by itself.
    """

    kind: Literal["array"] = "array"
    path: InputFile

    def _means(self, grid: Grid, _key: Key) -> Any:
        try:
            return read_array(self.path, grid.shape, channels=True)
        except ValueError as problem:
            raise Invalid(str(problem), "path") from None
