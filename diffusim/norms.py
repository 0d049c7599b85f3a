"""Norms: how large a field is, or how far two are apart, beside the size of the reference."""

from __future__ import annotations

import math

import numpy as np

from diffusim.block import Array


def distance(u: Array, reference: Array, order: float, volume: float | Array = 1.0) -> float:
    """Relative distance ||u - r|| / ||r||; from a field of zeros it is 0 or infinity.

    Cells count by their volume, where it differs among them.
    """
    return relative(u - reference, reference, order, volume)


def relative(error: Array, reference: Array, order: float, volume: float | Array = 1.0) -> float:
    """Relative size ||error|| / ||reference||; beside a field of zeros it is 0 or infinity."""
    scale = float(np.max(np.abs(reference)))
    if scale == 0.0:
        return math.inf if np.any(error) else 0.0
    # Scaled first, so that no square of a small number is lost.
    weight = 1.0 if order == np.inf or np.ndim(volume) == 0 else np.asarray(volume) ** (1 / order)
    apart, size = (np.linalg.norm(np.ravel(weight * (v / scale)), order)
                   for v in (error, reference))  # fmt: skip
    return float(apart / size)
