"""Sides: what an edge of the grid lets in, given the medium behind it."""

from __future__ import annotations

import numpy as np

from diffusim.block import Array
from diffusim.edges import Edge
from diffusim.medium.stirring import fitted


def through_side(
    side: Edge, area: Array, half: Array, wall: Array, flow: Array | None, high: bool,
    outside: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """What a side lets in, take - give u: a prescribed flux, or a face to the value outside."""
    shut = np.isinf(wall)
    if side.kind == "flux":
        return np.zeros_like(area), np.where(shut, 0.0, area * outside)
    resistance = half + wall
    if side.transfer is not None:
        resistance = resistance + 1.0 / side.transfer
    conductance = area / resistance
    if flow is None:
        return conductance, conductance * outside
    up, down = fitted(conductance, np.where(shut, 0.0, flow * area))
    return (up, down * outside) if high else (down, up * outside)
