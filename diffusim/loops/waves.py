"""The loops of `diffusim.loops.transforms`, which says what they work out, from which tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined
from diffusim.loops.fourier import turn
from diffusim.loops.lanes import flip, get, lanes, put, spread

Array = NDArray[Any]

AHEAD, BACK, CARRY = range(3)
GROUP = 8  # vectors of columns at a time: rows far apart are then read in longer pieces


@compiled
def along(
    u: Array,
    out: Array,
    task: int,
    factor: Array,
    rows: Array,
    straight: Array,
    negative: Array,
    stages: Array,
    twiddles: Array,
    phases: Array,
    pairs: Array,
    phases2: Array,
) -> None:
    """Transform along the second axis, as many lines abreast as a vector has lanes."""
    n0, n1 = u.shape
    v = lanes(u)
    source, target = u.reshape(u.size), out.reshape(out.size)
    x = np.empty(n1 * v, u.dtype)
    lines = np.empty(v, np.int64)
    origin, goal = straight if task == BACK else rows, straight if task == AHEAD else rows
    squares, begin = n1 - n1 % v, n0 - n0
    for first in range(0, n0, v):
        for t in range(v):
            lines[t] = min(first + t, n0 - 1) * n1
        for j in range(0, squares, v):
            flip(source, lines, 0, j, x, origin, j, 0)
        for j in range(squares, n1):
            for t in range(v):
                x[origin[j] + t] = source[lines[t] + j]
        # Not the number 0, for which everything below would be compiled once more.
        transform(x, begin, n1, task, factor, negative, stages, twiddles, phases, pairs, phases2)
        for j in range(0, squares, v):
            flip(x, goal, j, 0, target, lines, 0, j)
        for j in range(squares, n1):
            for t in range(v):
                target[lines[t] + j] = x[goal[j] + t]


@compiled
def across(
    u: Array,
    out: Array,
    task: int,
    factor: Array,
    rows: Array,
    straight: Array,
    negative: Array,
    stages: Array,
    twiddles: Array,
    phases: Array,
    pairs: Array,
    phases2: Array,
) -> None:
    """Transform along the first axis, some vectors of columns at a time."""
    n0, n1 = u.shape
    v = lanes(u)
    source, target = u.reshape(u.size), out.reshape(out.size)
    part = n0 * v
    x = np.zeros(GROUP * part, u.dtype)
    origin, goal = straight if task == BACK else rows, straight if task == AHEAD else rows
    for first in range(0, n1, GROUP * v):
        whole = min(n1 - first, GROUP * v) // v
        rest = n1 - first - whole * v if whole < GROUP else 0
        for j in range(n0):
            k = j * n1 + first
            for c in range(whole):
                put(x, c * part + origin[j], get(source, k + c * v))
            for t in range(rest):
                x[whole * part + origin[j] + t] = source[k + whole * v + t]
        for c in range(whole + (rest > 0)):
            transform(
                x, c * part, n0, task, factor, negative, stages, twiddles, phases, pairs, phases2
            )
        for j in range(n0):
            k = j * n1 + first
            for c in range(whole):
                put(target, k + c * v, get(x, c * part + goal[j]))
            for t in range(rest):
                target[k + whole * v + t] = x[whole * part + goal[j] + t]


@compiled
def transform(
    x: Array,
    start: int,
    n: int,
    task: int,
    factor: Array,
    negative: Array,
    stages: Array,
    twiddles: Array,
    phases: Array,
    pairs: Array,
    phases2: Array,
) -> None:
    """Transform one vector of lines in place."""
    # Not the word False, for which the transform would be compiled once more.
    h, never = n // 2, n < 0
    if task != BACK:
        _negate(x, start, negative)
        if len(phases) > 0:
            _before(x, start, phases)
        turn(x, start, h, stages, twiddles, never)
    if len(phases) > 0:
        _halves(x, start, h, task, factor, phases2)
    else:
        _wholes(x, start, h, task, factor, pairs, phases2)
    if task != AHEAD:
        turn(x, start, h, stages, twiddles, not never)
        if len(phases) > 0:
            _behind(x, start, phases)
        _negate(x, start, negative)


@inlined
def _negate(x: Array, start: int, negative: Array) -> None:
    v = lanes(x)
    for k in negative:
        for t in range(start + k, start + k + v):
            x[t] = -x[t]


@inlined
def _before(x: Array, start: int, phases: Array) -> None:
    """Multiply each pair by c - i s."""
    v = lanes(x)
    for k in range(0, len(phases), 2):
        at = start + k * v
        r, i, c, s = get(x, at), get(x, at + v), spread(phases, k), spread(phases, k + 1)
        put(x, at, r * c + i * s)
        put(x, at + v, i * c - r * s)


@inlined
def _behind(x: Array, start: int, phases: Array) -> None:
    """Multiply each pair by c + i s."""
    v = lanes(x)
    for k in range(0, len(phases), 2):
        at = start + k * v
        r, i, c, s = get(x, at), get(x, at + v), spread(phases, k), spread(phases, k + 1)
        put(x, at, r * c - i * s)
        put(x, at + v, i * c + r * s)


@inlined
def _halves(x: Array, start: int, h: int, task: int, factor: Array, phases: Array) -> None:
    """Turn Z[k] into two coefficients of COSINE4, or back; the matrix is its own inverse."""
    v = lanes(x)
    for k in range(0, 2 * h, 2):
        at = start + k * v
        r, i, c, s = get(x, at), get(x, at + v), spread(phases, k), spread(phases, k + 1)
        r, i = r * c + i * s, r * s - i * c
        if task == CARRY:
            r, i = r * spread(factor, k), i * spread(factor, k + 1)
            r, i = r * c + i * s, r * s - i * c
        put(x, at, r)
        put(x, at + v, i)


@inlined
def _wholes(
    x: Array, start: int, h: int, task: int, factor: Array, pairs: Array, phases: Array
) -> None:
    """Turn Z[k] and Z[h - k] into four coefficients of COSINE, or back, or both ways."""
    v = lanes(x)
    scale, root = spread(phases, 0), spread(phases, 1)
    r, i = get(x, start), get(x, start + v)
    r, i = scale * (r + i), scale * (r - i)
    if task == CARRY:
        r, i = r * spread(factor, 0), i * spread(factor, 1)
        r, i = scale * (r + i), scale * (r - i)
    put(x, start, r)
    put(x, start + v, i)
    if h % 2 == 0:
        k = 2 * pairs[0, 0]
        p = start + k * v
        r, i, c, s = get(x, p), get(x, p + v), spread(phases, 2), spread(phases, 3)
        if task != BACK:
            r, i = r * c - i * s, r * s + i * c
        if task == CARRY:
            r, i = r * spread(factor, k), i * spread(factor, k + 1)
        if task != AHEAD:
            r, i = r * c + i * s, i * c - r * s
        put(x, p, r)
        put(x, p + v, i)
    for t in range(1, len(pairs)):
        k, m, w = 2 * pairs[t, 0], 2 * pairs[t, 1], 4 * t
        p, q = start + k * v, start + m * v
        ac, as_ = spread(phases, w), spread(phases, w + 1)
        bc, bs = spread(phases, w + 2), spread(phases, w + 3)
        zr, zi, yr, yi = get(x, p), get(x, p + v), get(x, q), get(x, q + v)
        # imaginary parts of P and Q have the opposite sign here
        if task != BACK:
            er, ei, fr, fi = zr + yr, zi - yi, zi + yi, yr - zr
            pr, pi = er * ac + ei * as_, er * as_ - ei * ac
            qr, qi = fr * bc + fi * bs, fr * bs - fi * bc
            dr, di = pr - qr, pi - qi
            zr, zi, yr, yi = pr + qr, pi + qi, root * (dr + di), root * (dr - di)
        if task == CARRY:
            zr, zi = zr * spread(factor, k), zi * spread(factor, k + 1)
            yr, yi = yr * spread(factor, m), yi * spread(factor, m + 1)
        if task != AHEAD:
            dr, di = root * (yr + yi), root * (yr - yi)
            pr, pi, qr, qi = zr + dr, zi + di, zr - dr, zi - di
            er, ei = pr * ac + pi * as_, pr * as_ - pi * ac
            fr, fi = qr * bc + qi * bs, qr * bs - qi * bc
            zr, zi, yr, yi = er - fi, ei + fr, er + fi, fr - ei
        put(x, p, zr)
        put(x, p + v, zi)
        put(x, q, yr)
        put(x, q + v, yi)
