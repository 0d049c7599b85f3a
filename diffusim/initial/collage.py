"""A collage: pieces of images laid onto a start, turned, flipped, pale or negative."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from diffusim.block import Array, Invalid, Metres, listed
from diffusim.grid import Grid
from diffusim.initial.chance import Chance, Deviation
from diffusim.initial.cuttings import Cutting
from diffusim.initial.start import Key, Pair, key_of_part

if TYPE_CHECKING:
    from diffusim.initial import Initial

GREY = 0.5


class Piece(Cutting):
    """A part of an image, laid down somewhere.

    Parameters
    ----------
    path, cut, width
        Which part of which image, and how wide; see `Cutting`.
    at : tuple of float
        Where its middle lies, in m.
    turn : float
        Degrees by which it is turned, anticlockwise as it is seen.
    flipped : bool
        Whether left and right are exchanged before that.
    contrast, brightness : float
        Of a grey value g, from 0 to 1, 0.5 + contrast (g - 0.5) + brightness is laid down: a
        contrast of -1 makes a negative.
    """

    at: Annotated[tuple[Metres, Metres], listed]
    turn: Annotated[float, Field(ge=-360, le=360)] = 0.0
    flipped: bool = False
    contrast: float = 1.0
    brightness: float = 0.0


class Collage(Chance):
    """Pieces of images on a start, later ones on earlier ones.

    A piece that covers a part of a cell has that part in its mean. It is cut off at the rim of the
    grid, and comes round on periodic axes.

    Parameters
    ----------
    on : mapping
        The start on which they are laid.
    pieces : list
        Of mappings ``{path: portrait, cut: {x: [0.3, 0.6], y: [0.5, 0.9]}, at: [4 cm, 7 cm], width:
        2 cm, turn: 30, flipped: true, contrast: -1, brightness: 0.2}``.
    values : tuple of float
        What black and white of the pieces stand for.
    noise : float
        Standard deviation of white noise that is added in the end.
    """

    kind: Literal["collage"] = "collage"
    on: Initial
    pieces: Annotated[tuple[Piece, ...], listed]
    values: Pair = (0.0, 1.0)
    noise: Deviation = 0.0

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        # A limit of the field itself would be told beside every slip in a piece.
        if not self.pieces:
            raise Invalid("expected one piece at least", "pieces")
        return self

    # What overflows is refused as a start, in words.
    @np.errstate(over="ignore", invalid="ignore")
    def _means(self, grid: Grid, key: Key) -> Any:
        if len(grid.shape) != 2 or grid.radial:
            raise Invalid("pieces of images need a box of two dimensions", "pieces")
        try:
            u = self.on.field(grid, key_of_part(key, 0))
        except Invalid as problem:
            raise Invalid(problem.message, "on", *problem.path) from None
        if u.ndim > 2 or np.iscomplexobj(u):
            raise Invalid("pieces are laid on one real field", "on")
        images: dict[Path, Array] = {}
        for number, piece in enumerate(self.pieces):
            try:
                if piece.path not in images:
                    images[piece.path] = piece.pixels()
                self._lay(u, grid, piece, images[piece.path])
            except Invalid as problem:
                raise Invalid(problem.message, "pieces", number, *problem.path) from None
        if self.noise:
            u += self.noise * self._generator(key).standard_normal(u.shape)
        return u

    def _lay(self, u: Array, grid: Grid, piece: Piece, pixels: Array) -> None:
        """Lay a piece onto a field, in the cells that it may reach."""
        cells = list(_reached(grid, piece, piece.frame(pixels, piece.turn)))
        if not all(k.size for k in cells):
            return
        x, y = ((k + 0.5) * h - at for k, h, at in zip(cells, grid.spacing, piece.at, strict=True))
        grey, part = piece.means(pixels, (x, y), grid.spacing, piece.turn, flipped=piece.flipped)
        black, white = self.values
        shown = GREY + piece.contrast * (grey - GREY) + piece.brightness
        there = np.ix_(*(k % n for k, n in zip(cells, grid.shape, strict=True)))
        u[there] += part * (black + (white - black) * shown - u[there])


def _reached(grid: Grid, piece: Piece, frame: tuple[float, float]) -> Iterator[Array]:
    """Yield per axis the numbers of the cells that a piece may reach, on a ring beyond its ends."""
    for axis, (length, at) in enumerate(zip(frame, piece.at, strict=True)):
        half = 0.5 * length
        h, n = grid.spacing[axis], grid.shape[axis]
        first, last = math.floor((at - half) / h), math.ceil((at + half) / h)
        if not grid.wrap[axis]:
            first, last = max(first, 0), min(last, n)
        elif last - first > n:
            raise Invalid(f"reaches round the ring along {grid.names[axis]} onto itself", "width")
        yield np.arange(first, last)
