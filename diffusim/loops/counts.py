"""Whole cells of particles at a time: counts thrown into cells, and split over where they can go.

A count is split by binomial deviates, each conditional on those before, so every particle goes
somewhere and none is lost or made. Keys and sub-steps are whole numbers below 2^32, and every
random number depends on these, on its cell in C order and on its place in this table alone (see
`diffusim.loops.binomial` for the attempts):

==================  =========  ==================  ============================================
used for            sub-step   draw                what it is
==================  =========  ==================  ============================================
`throw`             0          START               the cell's count among all not yet thrown
`arrive`            0          BIRTH + door        the number born in a cell, through a door
`jump`, who stops   number     32 p                the number that stop, of population p
`jump`, who moves   number     32 p + 1 + m        the number that take move or exit m
`scatter`           sub_step   SPLIT + m           the number that take move m
`scatter`, singles  sub_step   SINGLE              attempt i: moves of particles 2 i and 2 i + 1
==================  =========  ==================  ============================================

So any division into rows, on any number of threads, gives the same counts. Threads need rows of
their own and arrays of their own to add to; the loops leave the interpreter free while they run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.binomial import binomial, poisson
from diffusim.loops.compiled import compiled, inlined
from diffusim.loops.draws import draw_all, room
from diffusim.loops.particles import find
from diffusim.loops.random import LANES, philox, unit

Array = NDArray[Any]

ZERO, ONE = np.uint64(0), np.uint64(1)
START, BIRTH, SPLIT, SINGLE = (np.uint64(draw) for draw in (1024, 2048, 2**20, 2**30))
PER_POPULATION = 32


def throw(number: int, weights: Array, key0: int, key1: int, counts: Array) -> None:
    """Throw particles into cells: a multinomial deviate.

    Parameters
    ----------
    number : int
        How many, up to 2^52.
    weights : (cells,) array of float64
        What each cell is drawn by, at or above zero; cells of zero stay empty.
    key0, key1 : int
        The key.
    counts : (cells,) array of int64
        Filled with the number in each cell; they sum to ``number``.
    """
    # From the end, so that the last cell with any weight takes what is left, to the last particle.
    left = np.cumsum(weights[::-1])[::-1]
    shares = np.divide(weights, left, out=np.zeros_like(left), where=left > 0.0)
    _throw(float(number), shares, np.uint64(key0), np.uint64(key1), counts)


def arrive(means: Array, cells: Array, doors: Array, key0: int, key1: int, born: Array) -> None:
    """Fill ``born`` (m,) of int64 with Poisson numbers of given means (m,), of cells and doors."""
    _arrive(means, cells, doors, np.uint64(key0), np.uint64(key1), born)


def jump(
    active: Array,
    rows: tuple[int, int],
    stop: float,
    go: float,
    shares: Array,
    population: int,
    number: int,
    key: tuple[int, int],
    arrived: Array,
    stopped: Array,
    left: Array,
) -> None:
    """Let the particles of some rows stop, or jump once by the transition matrix.

    Parameters
    ----------
    active : (n0, n1) array of int64
        Particles that have not stopped.
    rows : (int, int)
        The first of the rows, and the one after the last.
    stop, go : float
        Probabilities to stop and to jump; they sum to one, and the smaller one counts.
    shares : (cells, 4 + accounts) array of float64
        Conditional probabilities, each among those that took none of the moves before: to the cell
        below and above along the first axis, then along the second, then out by each account.
    population, number : int
        Which particles, 0 to 31, and which jump of theirs.
    key : (int, int)
        The key.
    arrived : (rows + 2, n1) array of int64
        Increased by the particles that jumped, where they are now: its first row is the one below
        the rows, its last the one above. Along the second axis they come round.
    stopped : (n0, n1) array of int64
        Increased by the particles that stopped.
    left : (accounts,) array of int64
        Increased by the particles that left.
    """
    words = np.uint64(key[0]), np.uint64(key[1]), np.uint64(number)
    draw = np.uint64(PER_POPULATION * population)
    _jump(active.reshape(-1), (active.shape[1], *rows), float(stop), float(go), shares, words,
          draw, arrived.reshape(-1), stopped.reshape(-1), left)  # fmt: skip


def scatter(
    counts: Array,
    rows: tuple[int, int],
    shares: Array,
    cumulative: Array,
    ways: tuple[Array, ...],
    sub_step: int,
    key: tuple[int, int],
    out: Array,
) -> int:
    """Send the particles of some rows by the moves of a density; return how many are lost.

    Where a cell holds fewer than a quarter as many particles as there are moves each draws its
    own; otherwise the count is split.

    Parameters
    ----------
    counts : (n0, n1) array of int64
        Particles in each cell.
    rows : (int, int)
        The first of the rows, and the one after the last.
    shares, cumulative : (m,) arrays of float64
        Probability of a move among those that took none before, the last one 1.0; and cumulative
        probability, ending in 1.0. Likeliest moves first save time.
    ways : six arrays of int64
        The moves (m,) along each axis, the bases (n0,) and (n1,) that they are counted from in each
        row and column, and the rows and columns of places, -1 where a particle is lost: a move
        leads to ``places[base + move]``.
    sub_step, key
        What tells several splits apart, and the key.
    out : (n0, n1) array of int64
        Increased by the particles where they are now.
    """
    words = np.uint64(key[0]), np.uint64(key[1]), np.uint64(sub_step)
    flat, bounds, to = counts.reshape(-1), (counts.shape[1], *rows), out.reshape(-1)
    lost = _split(flat, bounds, shares, ways, words, to)
    return int(lost + _each(flat, bounds, cumulative, ways, words, to))


@compiled
def _throw(number: float, shares: Array, key0: Any, key1: Any, counts: Array) -> None:
    for i in range(len(counts)):
        found = binomial(number, shares[i], np.uint64(i), key0, key1, ZERO, START)
        counts[i] = int(found)
        number -= found


@compiled
def _arrive(means: Array, cells: Array, doors: Array, key0: Any, key1: Any, born: Array) -> None:
    for i in range(len(born)):
        draw = BIRTH + np.uint64(doors[i])
        born[i] = int(poisson(means[i], np.uint64(cells[i]), key0, key1, ZERO, draw))


@inlined
def gather(counts: Array, begin: int, end: int, least: int, cell: Array, left: Array) -> Any:
    """List the next cells with so many, `LANES` at most; return where to go on, and how many."""
    live = 0
    while begin < end and live < LANES:
        n = counts[begin]
        cell[live], left[live] = np.uint64(begin), n
        live += 1 if n >= least else 0
        begin += 1
    return begin, live


@inlined
def halt(
    stop: float, go: float, cell: Array, left: Array, live: int, stopped: Array, p: Array,
    found: Array, key: Any, work: Any,
) -> int:  # fmt: skip
    """Take out of every lane those that stop; return how many lanes go on."""
    for m in range(live):
        p[m] = min(stop, go)
    draw_all(found, left, p, cell, live, key, work)
    still = 0
    for m in range(live):
        halted = found[m] if stop <= go else left[m] - found[m]
        stopped[np.int64(cell[m])] += int(halted)
        cell[still], left[still] = cell[m], left[m] - halted
        still += 1 if left[still] > 0.0 else 0
    return still


@inlined
def aim(to: Array, here: Array, column: Array, live: int, move: int, n1: int) -> None:
    """Set where a move leads from each lane."""
    for m in range(live):
        step = 1 if move % 2 == 1 else -1
        # One place along the second axis, or all the way back.
        end = column[m] == (n1 - 1 if move == 3 else 0)
        to[m] = here[m] + (step * n1 if move < 2 else (step * (1 - n1) if end else step))


@compiled
def _jump(
    active: Array, rows: Any, stop: float, go: float, shares: Array, words: Any, draw: Any,
    arrived: Array, stopped: Array, out: Array,
) -> None:  # fmt: skip
    n1, first, last = rows
    key0, key1, number = words
    cell, left = np.empty(LANES + 1, np.uint64), np.empty(LANES + 1)
    p, found, work = np.empty(LANES), np.empty(LANES), room()
    here, column, to = (
        np.empty(LANES, np.int64),
        np.empty(LANES, np.int64),
        np.empty(LANES, np.int64),
    )
    begin, end, offset = first * n1, last * n1, (first - 1) * n1
    while begin < end:
        begin, live = gather(active, begin, end, 1, cell, left)
        if stop > 0.0:
            key = (key0, key1, number, draw)
            live = halt(stop, go, cell, left, live, stopped, p, found, key, work)
        for m in range(live):
            column[m] = np.int64(cell[m]) % n1
            here[m] = np.int64(cell[m]) - offset
        for move in range(shares.shape[1]):
            for m in range(live):
                p[m] = shares[np.int64(cell[m]), move]
            key = (key0, key1, number, draw + np.uint64(1 + move))
            draw_all(found, left, p, cell, live, key, work)
            for m in range(live):
                left[m] -= found[m]
            if move < 4:
                aim(to, here, column, live, move, n1)
                for m in range(live):
                    arrived[to[m]] += int(found[m])
            else:
                for m in range(live):
                    out[move - 4] += int(found[m])
        for m in range(live):
            arrived[here[m]] += int(left[m])


@inlined
def least_split(moves: int) -> int:
    """Return how many particles make a cell worth splitting."""
    return 1 + moves // 4


@inlined
def land(cell: Any, move: int, n1: int, ways: Any) -> int:
    """Return the cell to which a move leads from another one, or -1 where it leads out."""
    moves0, moves1, base0, base1, places0, places1 = ways
    row = places0[base0[cell // n1] + moves0[move]]
    column = places1[base1[cell % n1] + moves1[move]]
    return row * n1 + column if row >= 0 and column >= 0 else -1


@compiled
def _split(counts: Array, rows: Any, shares: Array, ways: Any, words: Any, out: Array) -> int:
    n1, first, last = rows
    key0, key1, sub_step = words
    cell, left = np.empty(LANES + 1, np.uint64), np.empty(LANES + 1)
    p, found, work = np.empty(LANES), np.empty(LANES), room()
    begin, end, lost = first * n1, last * n1, 0
    while begin < end:
        begin, live = gather(counts, begin, end, least_split(len(shares)), cell, left)
        move = 0
        while live > 0 and move < len(shares):
            for m in range(live):
                p[m] = shares[move]
            key = (key0, key1, sub_step, SPLIT + np.uint64(move))
            draw_all(found, left, p, cell, live, key, work)
            still = 0
            for m in range(live):
                to = land(np.int64(cell[m]), move, n1, ways)
                if to >= 0:
                    out[to] += int(found[m])
                else:
                    lost += int(found[m])
                cell[still], left[still] = cell[m], left[m] - found[m]
                still += 1 if left[still] > 0.0 else 0
            live, move = still, move + 1
    return lost


@compiled
def _each(counts: Array, rows: Any, cumulative: Array, ways: Any, words: Any, out: Array) -> int:
    n1, first, last = rows
    key0, key1, sub_step = words
    u, probe, found = np.empty(LANES + 1), np.empty(LANES), np.empty(LANES, np.int64)
    origin = np.empty(LANES + 1, np.int64)
    lost, filled = 0, 0
    for cell in range(first * n1, last * n1):
        n = counts[cell] if counts[cell] < least_split(len(cumulative)) else 0
        for i in range(0, n, 2):
            a, b, c, d = philox(cell, i // 2, sub_step, SINGLE, key0, key1)
            u[filled], u[filled + 1] = unit(a, b), unit(c, d)
            origin[filled], origin[filled + 1] = cell, cell
            filled += min(2, n - i)
            if filled >= LANES - 1:
                lost += drop(u, origin, filled, probe, found, n1, cumulative, ways, out)
                filled = 0
    return lost + drop(u, origin, filled, probe, found, n1, cumulative, ways, out)


@inlined
def drop(
    u: Array, origin: Array, filled: int, probe: Array, found: Array, n1: int, cumulative: Array,
    ways: Any, out: Array,
) -> int:  # fmt: skip
    """Move single particles, each by a number of its own; return how many are lost."""
    find(found, probe, cumulative, u, filled)
    lost = 0
    for k in range(filled):
        to = land(origin[k], found[k], n1, ways)
        if to >= 0:
            out[to] += 1
        else:
            lost += 1
    return lost
