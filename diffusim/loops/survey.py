"""What every frame of a trajectory holds: extremes, sums, and whether anything has changed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined

Array = NDArray[Any]

WIDTH = 128  # numbers side by side: some of each vector at a time, and all of them in the cache
SMALLEST, LARGEST, TOTAL, CHANGED = range(4)


@compiled
def survey(frames: Array, found: Array) -> None:
    """Write the least and the largest value, the sum, and the part of cells that have changed.

    A value that is no number, or infinite, shows in the sum, which is then not finite. Sums are
    taken in float64 in an order that depends on nothing but the number of cells.

    Parameters
    ----------
    frames : (frames, n) array
        Values, float32 or float64.
    found : (frames, 4) array
        Where the numbers go, float64; the first frame has changed in all cells.
    """
    for t in range(frames.shape[0]):
        lowest, highest, sums, changed = _lanes(frames[t], frames[max(t - 1, 0)])
        for k in range(1, WIDTH):
            lowest[0], highest[0] = min(lowest[0], lowest[k]), max(highest[0], highest[k])
            sums[0] += sums[k]
            changed[0] += changed[k]
        found[t, SMALLEST], found[t, LARGEST], found[t, TOTAL] = lowest[0], highest[0], sums[0]
        found[t, CHANGED] = np.float64(changed[0]) / frames.shape[1] if t > 0 else 1.0


@inlined
def _lanes(here: Array, before: Array) -> Any:
    """The same for every WIDTH-th value each."""
    lowest, highest = np.full(WIDTH, here[0]), np.full(WIDTH, here[0])
    sums, changed = np.zeros(WIDTH), np.zeros(WIDTH, np.float32)
    one, none = np.float32(1.0), np.float32(0.0)
    for first in range(0, here.size, WIDTH):
        part = here[first : first + WIDTH]
        old = before[first : first + WIDTH]
        for k in range(part.size):
            u = part[k]
            lowest[k] = u if u < lowest[k] else lowest[k]
            highest[k] = u if u > highest[k] else highest[k]
            sums[k] += u
            changed[k] += one if u != old[k] else none
    return lowest, highest, sums, changed
