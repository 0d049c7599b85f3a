"""Particles that leave the grid by its doors, and particles that come in, hopping in between.

What `hops.hop` is in a closed medium, `hop_or_leave` is in an open one: beside its four moves
a particle may leave, by a side or by decay. `enter` puts newcomers where they come in. The random
numbers are keyed by the segment and counted as in `particles`:

================================  ========  =====  =================================
used for                          sub-step  draw   the four words
================================  ========  =====  =================================
`hop_or_leave`, how often         0         COUNT  one uniform number (two words)
`hop_or_leave`, where to          m // 4    HOP    word m % 4 decides on hop m
`enter`                           0         ENTER  one uniform number (two words)
================================  ========  =====  =================================
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined
from diffusim.loops.particles import COUNT, HOP, ZERO, beside, find
from diffusim.loops.random import HALF, LANES, WORD, counters, fill_units, philox

Array = NDArray[Any]

ENTER = np.uint64(5)
NUMBER = np.uint64(9)  # the draw of whoever asks how many come in


def enter(
    cell: Array, first: int, key0: int, key1: int, cumulative: Array, cells: Array, entered: Array
) -> None:
    """Let particles come in, each by an entry that it draws by itself.

    Parameters
    ----------
    cell : (n,) array of int32 or int64
        Filled with the cells of the particles, in C order.
    first, key0, key1
        As in `particles.place`.
    cumulative : (m,) array of float64
        Cumulative probability of the entries, ending in exactly 1.0.
    cells : (m,) array of int64
        Into which cell each of them leads.
    entered : (m,) array of int64
        Increased by the number of particles that came in by each entry.
    """
    _enter(cell, *counters(first, key0, key1), cumulative, cells, entered)


def hop_or_leave(
    cell: Array,
    first: int,
    key0: int,
    key1: int,
    tail: Array,
    thresholds: Array,
    wrap0: bool,
    wrap1: bool,
    counts: Array,
    left: Array,
) -> None:
    """Let every particle hop as often as a draw of its own says, or until it leaves.

    The law of those that stay is that of exp(t L), whose rows sum to less than one where something
    leaves (uniformisation; Jensen, Skand. Aktuarietidskr. 36, 1953).

    Parameters
    ----------
    cell : (n,) array of int32 or int64
        The particles' cells, i * n1 + j; advanced in place, -1 for those that have left.
    first, key0, key1, tail, wrap0, wrap1, counts
        As in `hops.hop`; ``tail`` is that of the whole segment.
    thresholds : (n0 * n1, 4 + exits) array of uint64
        Cumulative probabilities times 2^32 of the four moves, then of leaving by each exit; beyond
        the last one the particle stays.
    left : (exits,) array of int64
        Increased by the number of particles that left by each exit.
    """
    key = counters(first, key0, key1)
    _hop_or_leave(cell, *key, tail, thresholds, bool(wrap0), bool(wrap1), counts, left)


@compiled
def _enter(
    cell: Array,
    first: Any,
    key0: Any,
    key1: Any,
    cumulative: Array,
    cells: Array,
    entered: Array,
) -> None:
    u, probe, found = np.empty(LANES), np.empty(LANES), np.empty(LANES, np.int64)
    for start in range(0, len(cell), LANES):
        n = min(LANES, len(cell) - start)
        fill_units(u[:n], first + np.uint64(start), key0, key1, ZERO, ENTER)
        find(found, probe, cumulative, u, n)
        for k in range(n):
            cell[start + k] = cells[found[k]]
            entered[found[k]] += 1


@inlined
def choose(
    side: Array, words: Array, limits: Array, thresholds: Array, at: Array, t: int, live: int
) -> None:
    """Set what move ``t`` of four is for every particle: a side, an exit, or beyond all to stay."""
    many = thresholds.shape[1]
    for m in range(live):
        here = at[m]
        for s in range(many):
            limits[s, m] = thresholds[here, s]
    for m in range(live):
        side[m] = 0
    for s in range(many):
        for m in range(live):
            side[m] += 1 if words[t, m] >= limits[s, m] else 0


@inlined
def go(
    i: Array,
    j: Array,
    left: Array,
    side: Array,
    at: Array,
    many: int,
    t: int,
    live: int,
    n0: int,
    n1: int,
    wrap0: bool,
    wrap1: bool,
) -> None:
    """Take move ``t`` with every particle that has it left; leaving by exit e leaves -1 - e."""
    for m in range(live):
        s = side[m] if t < left[m] else many
        i[m], j[m] = beside(i[m], s, n0, wrap0), beside(j[m], s - 2, n1, wrap1)
        left[m] = 3 - s if 4 <= s < many else left[m]
        at[m] = i[m] * n1 + j[m]


@compiled
def _hop_or_leave(
    cell: Array,
    first: Any,
    key0: Any,
    key1: Any,
    tail: Array,
    thresholds: Array,
    wrap0: bool,
    wrap1: bool,
    counts: Array,
    left: Array,
) -> None:
    n0, n1 = counts.shape
    many = thresholds.shape[1]
    words, limits = np.empty((4, LANES), np.uint64), np.empty((many, LANES), np.uint64)
    u, probe = np.empty(LANES), np.empty(LANES)
    which, hops = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    row, column = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    side, at = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for start in range(0, len(cell), LANES):
        live = min(LANES, len(cell) - start)
        fill_units(u[:live], first + np.uint64(start), key0, key1, ZERO, COUNT)
        find(hops, probe, tail, u, live)
        for k in range(live):
            which[k], at[k] = start + k, cell[start + k]
            row[k], column[k] = divmod(at[k], n1)
        step = ZERO
        while live > 0:
            for m in range(live):
                p = first + np.uint64(which[m])
                a, b, c, d = philox(p & WORD, p >> HALF, step, HOP, key0, key1)
                words[0, m], words[1, m], words[2, m], words[3, m] = a, b, c, d
            for t in range(4):
                choose(side, words, limits, thresholds, at, t, live)
                go(row, column, hops, side, at, many, t, live, n0, n1, wrap0, wrap1)
            still = 0
            for m in range(live):
                if hops[m] > 4:
                    which[still], hops[still], at[still] = which[m], hops[m] - 4, at[m]
                    row[still], column[still] = row[m], column[m]
                    still += 1
                elif hops[m] < 0:
                    cell[which[m]] = -1
                    left[-1 - hops[m]] += 1
                else:
                    cell[which[m]] = at[m]
                    counts[row[m], column[m]] += 1
            live = still
            step += np.uint64(1)
