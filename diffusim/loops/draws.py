"""Binomial deviates of many cells at once: the same to the last bit as `binomial.binomial`.

Lanes are cells with a count and a probability each, `LANES` of them at most. Those with small means
are inverted together, all of them a term of the probabilities at a time; those with large ones make
an attempt together, while any is left. So all arithmetic runs on vectors, without branches that a
processor could guess wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.binomial import (
    INVERTED,
    TINY,
    first_uniform,
    judged,
    likely,
    power,
    proposed,
    second_uniform,
)
from diffusim.loops.compiled import compiled, inlined
from diffusim.loops.random import LANES

Array = NDArray[Any]

ZERO, ONE = np.uint64(0), np.uint64(1)


def binomials(
    n: Array, p: Array, key0: int, key1: int, sub_step: int, draw: int, out: Array
) -> None:
    """Draw how many of n have what each has with probability p, for cells 0, 1, ... in order.

    Parameters
    ----------
    n, p, out : (cells,) arrays of float64
        Whole numbers up to 2^52, probabilities, and what is filled.
    key0, key1, sub_step, draw : int
        The key, and what tells the draws of a cell apart.
    """
    _binomials(n, p, np.uint64(key0), np.uint64(key1), np.uint64(sub_step), np.uint64(draw), out)


@inlined
def room() -> Any:
    """Return what `draw_all` works in: lists of lanes, numbers, and the names of cells."""
    lists, numbers = np.empty((2, LANES + 1), np.int64), np.empty((5, LANES))
    return lists, numbers, np.empty(LANES, np.uint64)


@inlined
def draw_all(out: Array, n: Array, p: Array, cell: Array, live: int, key: Any, work: Any) -> None:
    """Set ``out[m]`` to the binomial deviate of ``n[m]`` and ``p[m]``, for every lane."""
    small, large = work[0][0], work[0][1]
    few, many = 0, 0
    for m in range(live):
        less = min(p[m], 1.0 - p[m])
        mean = n[m] * less
        out[m] = n[m] if p[m] > 0.5 else 0.0
        small[few], large[many] = m, m
        few += 1 if TINY < mean < INVERTED else 0
        many += 1 if mean >= INVERTED else 0
    if few > 0:
        invert(out, n, p, cell, few, key, work)
    if many > 0:
        reject(out, n, p, cell, many, key, work)


@inlined
def invert(out: Array, n: Array, p: Array, cell: Array, few: int, key: Any, work: Any) -> None:
    """Draw the lanes with small means."""
    key0, key1, sub_step, draw = key
    which, numbers, named = work[0][0], work[1], work[2]
    v, here, ratio, total = numbers[0], numbers[1], numbers[2], numbers[3]
    for k in range(few):
        m = which[k]
        ratio[k], total[k], named[k] = min(p[m], 1.0 - p[m]), n[m], cell[m]
    for k in range(few):
        v[k] = first_uniform(named[k], ZERO, key0, key1, sub_step, draw)
    for k in range(few):
        here[k] = power(total[k], ratio[k])
        ratio[k] = ratio[k] / (1.0 - ratio[k])
    going, i = few, 0.0
    while going > 0:
        going, over = 0, 1.0 / (i + 1.0)
        for k in range(few):
            # A lane that has ended holds -1 less its number.
            left, term = v[k], here[k]
            after = term * (ratio[k] * (total[k] - i)) * over
            goes = left >= term and after >= TINY
            ended = -1.0 - i if left >= 0.0 else left
            v[k] = left - term if goes else ended
            here[k] = after
            going += 1 if goes else 0
        i += 1.0
    for k in range(few):
        m = which[k]
        found = -1.0 - v[k]
        out[m] = n[m] - found if p[m] > 0.5 else found


@inlined
def reject(out: Array, n: Array, p: Array, cell: Array, many: int, key: Any, work: Any) -> None:
    """Draw the lanes with large means."""
    key0, key1, sub_step, draw = key
    which, numbers, named = work[0][1], work[1], work[2]
    v, found, less, total, told = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    attempt = ZERO
    while many > 0:
        for k in range(many):
            m = which[k]
            less[k], total[k], named[k] = min(p[m], 1.0 - p[m]), n[m], cell[m]
        for k in range(many):
            v[k] = first_uniform(named[k], attempt, key0, key1, sub_step, draw)
        for k in range(many):
            found[k] = proposed(total[k], less[k], v[k])
        still = 0
        for k in range(many):
            m = which[k]
            out[m] = n[m] - found[k] if p[m] > 0.5 else found[k]
            which[still], less[still], total[still] = m, less[k], total[k]
            v[still], named[still] = v[k], named[k]
            still += 1 if found[k] < 0.0 else 0
        for k in range(still):
            told[k] = second_uniform(named[k], attempt, key0, key1, sub_step, draw)
        for k in range(still):
            found[k], v[k], told[k] = judged(total[k], less[k], v[k], told[k])
        many = 0
        for k in range(still):
            m = which[k]
            if told[k] == 0.0:
                told[k] = 1.0 if likely(found[k], total[k], less[k], v[k]) else -1.0
            out[m] = n[m] - found[k] if p[m] > 0.5 else found[k]
            which[many] = m
            many += 1 if told[k] < 0.0 else 0
        attempt += ONE


@compiled
def _binomials(
    n: Array, p: Array, key0: Any, key1: Any, sub_step: Any, draw: Any, out: Array
) -> None:
    cell, work = np.empty(LANES, np.uint64), room()
    for start in range(0, len(n), LANES):
        stop = min(start + LANES, len(n))
        for m in range(stop - start):
            cell[m] = np.uint64(start + m)
        draw_all(out[start:stop], n[start:stop], p[start:stop], cell, stop - start,
                 (key0, key1, sub_step, draw), work)  # fmt: skip
