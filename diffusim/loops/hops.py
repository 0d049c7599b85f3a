"""Hops from cell to cell at times of a Poisson process that every particle has for itself.

Time is counted in mean hops since the last event and divided into blocks of `BLOCK` of them. How
many hops a particle makes in a block is a Poisson number; where hop m of a block leads is decided
by its own word. Where time is cut within a block, the hops before the cut are as many as uniform
times of theirs fall before it, and in a Poisson process they may be the first of the block. So a
particle's path is the same, to the last bit, however time is cut into frames.

Random numbers are keyed by the epoch and counted as in `particles`:

================  ====================  =====  ===============================================
used for          sub-step              draw   the four words
================  ====================  =====  ===============================================
how many hops     block                 COUNT  one uniform number (two words)
when              block * 32 + m // 4   TIME   word m % 4 is the time of one of them
where to          block * 32 + m // 4   HOP    word m % 4 decides on hop m
================  ====================  =====  ===============================================

J. F. C. Kingman, *Poisson Processes*, Oxford 1993, section 2.4 (times given their number).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined
from diffusim.loops.particles import COUNT, HOP, ZERO, beside, find
from diffusim.loops.random import HALF, LANES, WORD, counters, fill_units, philox

Array = NDArray[Any]

# Mean hops of a block, and the most sub-steps that one takes.
BLOCK = 16.0
STRIDE = np.uint64(32)
TIME = np.uint64(10)
ONE, WHOLE = np.uint64(1), np.uint64(2**32)


def hop(
    cell: Array,
    first: int,
    key0: int,
    key1: int,
    begin: float,
    end: float,
    tail: Array,
    thresholds: Array,
    wrap0: bool,
    wrap1: bool,
    counts: Array,
) -> None:
    """Let every particle hop from cell to cell as often as its own clock says.

    With the transition matrix P = 1 + L/fastest and a Poisson number of hops of mean t fastest, the
    law of the particles is that of exp(t L) without any time step (uniformisation; Jensen, Skand.
    Aktuarietidskr. 36, 1953).

    Parameters
    ----------
    cell : (n,) array of int32 or int64
        The particles' cells, i * n1 + j; advanced in place.
    first, key0, key1, counts
        As in `particles.place`; the key is that of the whole epoch.
    begin, end : float
        From when to when, in mean hops since the event, at most 2^31, so that
        sub-steps fit a word.
    tail : (m,) array of float64
        Cumulative distribution of the number of hops in a block, ending in exactly 1.0.
    thresholds : (n0 * n1, 4) array of uint32 or uint64
        Cumulative probabilities times 2^32 of a hop to the cell below and above along the first
        axis, then along the second; beyond the last one the particle stays.
    wrap0, wrap1 : bool
        Whether the axis is periodic. Otherwise hops out of the grid should have no probability; one
        that is drawn all the same stays where it is.
    """
    key = counters(first, key0, key1)
    span = float(begin) / BLOCK, float(end) / BLOCK
    _hop(cell, *key, *span, tail, thresholds, bool(wrap0), bool(wrap1), counts)


@inlined
def passed(
    many: Array, early: Array, late: Array, first: Any, step: Any, low: Any, high: Any,
    live: int, key0: Any, key1: Any,
) -> None:  # fmt: skip
    """Of the hops of a block, find how many come before two moments, both times 2^32 of it."""
    most = 0
    for m in range(live):
        early[m], late[m] = 0, 0
        most = max(most, many[m])
    for q in range(0, most, 4):
        for m in range(live):
            p = first + np.uint64(m)
            a, b, c, d = philox(p & WORD, p >> HALF, step, TIME, key0, key1)
            n = many[m] - q
            early[m] += (1 if (a < low) & (n > 0) else 0) + (1 if (b < low) & (n > 1) else 0)
            early[m] += (1 if (c < low) & (n > 2) else 0) + (1 if (d < low) & (n > 3) else 0)
            late[m] += (1 if (a < high) & (n > 0) else 0) + (1 if (b < high) & (n > 1) else 0)
            late[m] += (1 if (c < high) & (n > 2) else 0) + (1 if (d < high) & (n > 3) else 0)
        step += ONE


@inlined
def move(
    i: Array,
    j: Array,
    left: Array,
    skip: Array,
    words: Array,
    limits: Array,
    t: int,
    live: int,
    n0: int,
    n1: int,
    wrap0: bool,
    wrap1: bool,
) -> None:
    """Take move ``t`` of four on the lattice with every particle that has it to take."""
    for m in range(live):
        word = words[t, m]
        side = 0
        for s in range(4):
            side += 1 if word >= limits[s, m] else 0
        side = side if (t >= skip[m]) & (t < left[m]) else 4
        i[m], j[m] = beside(i[m], side, n0, wrap0), beside(j[m], side - 2, n1, wrap1)


@compiled
def _hop(
    cell: Array,
    first: Any,
    key0: Any,
    key1: Any,
    begin: float,
    end: float,
    tail: Array,
    thresholds: Array,
    wrap0: bool,
    wrap1: bool,
    counts: Array,
) -> None:
    n0, n1 = counts.shape
    words, limits = np.empty((4, LANES), np.uint64), np.empty((4, LANES), np.uint64)
    u, probe, many = np.empty(LANES), np.empty(LANES), np.empty(LANES, np.int64)
    early, late = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    which, left, skip = (
        np.empty(LANES, np.int64), np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    )  # fmt: skip
    row, column = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    i, j = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    from_block, to_block = int(np.floor(begin)), int(np.floor(end))
    for start in range(0, len(cell), LANES):
        n = min(LANES, len(cell) - start)
        for k in range(n):
            i[k], j[k] = divmod(cell[start + k], n1)
        for number in range(from_block, to_block + 1):
            low = np.uint64((begin - number) * 2.0**32) if number == from_block else ZERO
            high = np.uint64((end - number) * 2.0**32) if number == to_block else WHOLE
            block = np.uint64(number)
            fill_units(u[:n], first + np.uint64(start), key0, key1, block, COUNT)
            find(many, probe, tail, u, n)
            step = block * STRIDE
            for k in range(n):
                early[k], late[k] = 0, many[k]
            if (low > ZERO) | (high < WHOLE):
                lane = first + np.uint64(start)
                passed(many, early, late, lane, step, low, high, n, key0, key1)
            live = 0
            for k in range(n):
                if late[k] > early[k]:
                    which[live], left[live], skip[live] = k, late[k], early[k]
                    row[live], column[live] = i[k], j[k]
                    live += 1
            while live > 0:
                for m in range(live):
                    p = first + np.uint64(start + which[m])
                    a, b, c, d = philox(p & WORD, p >> HALF, step, HOP, key0, key1)
                    words[0, m], words[1, m], words[2, m], words[3, m] = a, b, c, d
                for t in range(4):
                    for m in range(live):
                        here = row[m] * n1 + column[m]
                        for s in range(4):
                            limits[s, m] = thresholds[here, s]
                    move(row, column, left, skip, words, limits, t, live, n0, n1, wrap0, wrap1)
                still = 0
                for m in range(live):
                    if left[m] > 4:
                        which[still], left[still], skip[still] = which[m], left[m] - 4, skip[m] - 4
                        row[still], column[still] = row[m], column[m]
                        still += 1
                    else:
                        i[which[m]], j[which[m]] = row[m], column[m]
                live = still
                step += ONE
        for k in range(n):
            cell[start + k] = i[k] * n1 + j[k]
            counts[i[k], j[k]] += 1
