"""Starts of waves: their amplitude psi, complex, at the centres of the cells."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from diffusim.block import Invalid, Metres, listed
from diffusim.grid import Grid
from diffusim.initial.shapes import Place, Spatial
from diffusim.initial.start import Key


class Packet(Spatial):
    """A Gaussian wave packet, psi ~ exp(-(x - c)^2 / (4 w^2)) exp(i k (x - c)), k = 2 pi / length.

    Parameters
    ----------
    centre : tuple of float
        c in m.
    width : float or tuple of float
        w in m, the standard deviation of |psi|^2, one for all axes or one for each.
    wavelength : float, optional
        In m; at rest if not given.
    angle : float
        Direction of travel in degrees from the first axis.

    References
    ----------
    D. J. Griffiths, D. F. Schroeter, *Introduction to Quantum Mechanics*, 3rd ed., section 2.4.
    """

    untimely: ClassVar[str] = "a packet travels in a box, and a series of moments is none"

    kind: Literal["packet"] = "packet"
    centre: Place
    width: Annotated[
        tuple[Annotated[Metres, Field(gt=0)], ...], Field(min_length=1, max_length=2), listed
    ]
    wavelength: Annotated[Metres, Field(gt=0)] | None = None
    angle: float = 0.0

    def _means(self, grid: Grid, _key: Key) -> Any:
        if grid.in_time:
            raise Invalid(self.untimely, "kind")
        if grid.radial:
            raise Invalid("a packet travels in a box; this grid is radial", "kind")
        if len(self.centre) != len(grid.shape):
            raise Invalid(f"expected {len(grid.shape)} coordinates", "centre")
        widths = self.width * len(grid.shape) if len(self.width) == 1 else self.width
        if len(widths) != len(grid.shape):
            raise Invalid(f"expected one width or {len(grid.shape)}", "width")
        turn = math.radians(self.angle)
        number = 2.0 * math.pi / self.wavelength if self.wavelength else 0.0
        wave: Any = 1.0
        along = (math.cos(turn), math.sin(turn))
        for h, w, part in zip(grid.spacing, widths, along, strict=False):
            if abs(number * part) * h > math.pi * (1.0 + 1e-12):
                raise Invalid("it is shorter than two cells, which no field of cells can tell",
                              "wavelength")  # fmt: skip
            if w < 0.5 * h and grid.shape[0] > 1:
                raise Invalid("it is narrower than a cell, which no field of cells can tell",
                              "width")  # fmt: skip
        for axis, (c, w) in enumerate(zip(self.centre, widths, strict=True)):
            x = grid.along(axis, grid.centres(axis)) - c
            wave = wave * np.exp(-((x / (2.0 * w)) ** 2) + 1j * number * along[axis] * x)
        return wave
