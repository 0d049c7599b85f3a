"""Colour maps as tables, for pages that colour their own pictures."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps

from diffusim.block import Array


def table(name: str, levels: int = 256) -> Array:
    """Return the colours of a map from its low end to its high end.

    Returns
    -------
    array
        Red, green and blue from 0 to 255, shape (levels, 3), dtype uint8.
    """
    colours = colormaps[name].resampled(levels)(np.arange(levels))
    return np.asarray(np.rint(255.0 * colours[:, :3]).astype(np.uint8))
