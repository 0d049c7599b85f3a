"""Cuttings: parts of images, as they would be in the cells of a grid."""

from __future__ import annotations

import math
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from diffusim.block import Array, Block, Invalid, Metres
from diffusim.files import InputFile, image_size, read_image
from diffusim.initial.start import Pair

# Along each axis a cell is sampled at least so often, and at most: then pixels are left out.
FEWEST, MOST = 4, 32


class Cut(Block):
    """A rectangle in an image, as parts of its width from the left and of its height from below."""

    x: Pair = (0.0, 1.0)
    y: Pair = (0.0, 1.0)

    @model_validator(mode="after")
    def _within(self) -> Self:
        for name, (low, high) in (("x", self.x), ("y", self.y)):
            if not 0.0 <= low < high <= 1.0:
                raise Invalid(
                    f"expected two parts of the image, from 0 to 1, the lower one first, "
                    f"not {low:g} and {high:g}", name,
                )  # fmt: skip
        return self


class Cutting(Block):
    """A part of an image at a size.

    Parameters
    ----------
    path : Path
        A PNG or JPEG file, or the word ``portrait``.
    cut : mapping
        ``{x: [0.3, 0.6], y: [0.5, 0.9]}``, parts of the image; all of it if not given.
    width : float
        How wide it is laid out, in m; its height follows.
    """

    path: InputFile
    cut: Cut = Cut()
    width: Annotated[Metres, Field(gt=0, lt=1e12)]

    def pixels(self) -> Array:
        """The whole image, grey values from 0 to 1 as u[x, y], a pixel to a cell.

        Raises
        ------
        Invalid
            When it is no image that can be read.
        """
        try:
            return read_image(self.path, image_size(self.path))
        except ValueError as problem:
            raise Invalid(str(problem), "path") from None

    def size(self, pixels: Array) -> tuple[float, float]:
        """Width and height of the cutting in m."""
        wide, high = (
            (ends[1] - ends[0]) * n
            for ends, n in zip((self.cut.x, self.cut.y), pixels.shape, strict=True)
        )
        return self.width, self.width * high / wide

    def frame(self, pixels: Array, turn: float) -> tuple[float, float]:
        """Width and height in m of the upright frame round the cutting, turned by degrees."""
        from scipy import special

        c, s = abs(float(special.cosdg(turn))), abs(float(special.sindg(turn)))
        wide, high = self.size(pixels)
        return c * wide + s * high, s * wide + c * high

    def means(
        self, pixels: Array, places: tuple[Array, Array], spacing: tuple[float, ...],
        turn: float = 0.0, *, flipped: bool = False,
    ) -> tuple[Array, Array]:  # fmt: skip
        """Mean values over cells, and which part of each cell the cutting covers.

        Between its pixels it is linear. Each cell is the mean of samples, as many as it has pixels
        along an axis and one more.

        Parameters
        ----------
        pixels : array
            The image, see `pixels`.
        places : tuple of array
            Along x and along y the middles of the cells in m, from the middle of the cutting.
        spacing : tuple of float
            Size of a cell in m.
        turn : float
            Degrees by which the cutting is turned, anticlockwise as it is seen.
        flipped : bool
            Whether left and right are exchanged first.

        Returns
        -------
        values, parts : array
            Of cells that are not covered the value is 0.
        """
        from scipy import ndimage, special

        size, cut = self.size(pixels), (self.cut.x, self.cut.y)
        step = size[0] / ((cut[0][1] - cut[0][0]) * pixels.shape[0])
        samples = [min(MOST, max(FEWEST, math.ceil(h / step) + 1)) for h in spacing]
        x, y = (
            (place[:, None] + h * ((np.arange(s) + 0.5) / s - 0.5)).ravel()
            for place, h, s in zip(places, spacing, samples, strict=True)
        )
        cosine, sine = special.cosdg(turn), special.sindg(turn)
        along = (cosine * x[:, None] + sine * y) * (-1.0 if flipped else 1.0)
        across = -sine * x[:, None] + cosine * y
        # As wide as a sample is across a rim that is turned.
        width = math.sqrt(math.prod(spacing) / math.prod(samples)) * (abs(cosine) + abs(sine))
        within = _part(along, size[0], width) * _part(across, size[1], width)
        where = [
            (low + (place / length + 0.5) * (high - low)) * n - 0.5
            for place, length, (low, high), n in zip(
                (along, across), size, cut, pixels.shape, strict=True
            )
        ]
        seen = ndimage.map_coordinates(pixels, where, order=1, mode="nearest")
        shape = (places[0].size, samples[0], places[1].size, samples[1])
        count = np.sum(within.reshape(shape), axis=(1, 3))
        total = np.sum((seen * within).reshape(shape), axis=(1, 3))
        return total / np.where(count > 0.0, count, 1.0), count / math.prod(samples)


def _part(place: Array, length: float, width: float) -> Array:
    """How much of a sample of a width lies within a length about zero, told to nine digits."""
    part = np.round((0.5 * length - np.abs(place)) / width + 0.5, 9)
    return np.asarray(np.clip(part, 0.0, 1.0))
