"""Where the cells of compared fields are: what lengths, wavelengths and volumes are measured by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from diffusim.block import Array

NAMES = "xyz"


@dataclass(frozen=True, eq=False)
class Space:
    """The cells of a grid.

    Parameters
    ----------
    centres : tuple of array
        Cell centres in m along each axis.
    names : sequence of str
        Names of the axes.
    volume : float or array
        Volume of the cells, where it differs among them.
    wrap : tuple of bool
        Which axes are periodic.
    even : bool
        Whether all cells are alike, so that fields have a spectrum.
    """

    centres: tuple[Array, ...]
    names: Sequence[str]
    volume: float | Array = 1.0
    wrap: tuple[bool, ...] = ()
    even: bool = True

    @classmethod
    def of_cells(cls, shape: Sequence[int], volume: float | Array = 1.0) -> Self:
        """Return closed cells of unit length, for fields of which nothing else is known."""
        centres = tuple(np.arange(n) + 0.5 for n in shape)
        names = NAMES[: len(shape)]
        return cls(centres, names, volume, (False,) * len(shape), np.ndim(volume) == 0)
