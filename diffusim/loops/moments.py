"""Sums over the frames of a trajectory: of values, of their squares, and of changes squared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled

Array = NDArray[Any]


@compiled
def moments(frames: Array, sums: Array) -> None:
    """Write the sums of u, u^2, du and du^2, du from one frame to the next, in float64.

    Sums run in lanes that depend on nothing but the shape, so the same frames give the same bits on
    every machine.

    Parameters
    ----------
    frames : array
        Shape (T, n), float32 or float64.
    sums : array
        Shape (4,), float64; written.
    """
    width = 256
    lanes = np.zeros((4, width))
    plain, squares, changes, squared = lanes[0], lanes[1], lanes[2], lanes[3]
    for t in range(frames.shape[0]):
        here = frames[t]
        before = frames[max(t - 1, 0)]
        for first in range(0, here.size, width):
            count = min(width, here.size - first)
            for k in range(count):
                u = np.float64(here[first + k])
                du = u - np.float64(before[first + k])
                plain[k] += u
                squares[k] += u * u
                changes[k] += du
                squared[k] += du * du
    for row in range(4):
        total = 0.0
        for k in range(width):
            total += lanes[row, k]
        sums[row] = total
