"""Moments of the frames of a trajectory: of its values, and of their changes between frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled

Array = NDArray[Any]


@compiled
def moments(frames: Array, found: Array) -> None:
    """Write mean and variance of u, then of du, from one frame to the next, in float64.

    Sums are of what differs from the first value, so that a small spread about a large mean is not
    lost among squares. They run in lanes that depend on nothing but the shape, so the same frames
    give the same bits on every machine.

    Parameters
    ----------
    frames : array
        Shape (T, n), float32 or float64.
    found : array
        Shape (4,), float64; written. The moments of du are zero where there is one frame only.
    """
    width = 256
    lanes = np.zeros((4, width))
    plain, squares, changes, squared = lanes[0], lanes[1], lanes[2], lanes[3]
    length = frames.shape[1]
    origin = np.float64(frames[0, 0])
    drift = np.float64(frames[min(1, frames.shape[0] - 1), 0]) - origin
    for t in range(frames.shape[0]):
        here = frames[t]
        before = frames[max(t - 1, 0)]
        for first in range(0, length, width):
            count = min(width, length - first)
            if t == 0:
                for k in range(count):
                    u = np.float64(here[first + k]) - origin
                    plain[k] += u
                    squares[k] += u * u
                continue
            for k in range(count):
                u = np.float64(here[first + k]) - origin
                plain[k] += u
                squares[k] += u * u
                # Of values in single precision as exact as their difference, and faster.
                du = u - (np.float64(before[first + k]) - origin) - drift
                changes[k] += du
                squared[k] += du * du
    for part in range(2):
        number = max(frames.shape[0] - part, 1) * length
        total, square = 0.0, 0.0
        for k in range(width):
            total += lanes[2 * part, k]
            square += lanes[2 * part + 1, k]
        apart = total / number
        found[2 * part] = (drift if part else origin) + apart
        spread = square / number - apart * apart
        # Not max, which may drop what is not a number.
        found[2 * part + 1] = 0.0 if spread < 0.0 else spread
