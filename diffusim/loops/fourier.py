"""Complex Fourier transforms of short length over vectors of lines, there and back, in place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined
from diffusim.loops.lanes import get, lanes, put, spread

Array = NDArray[Any]

# What the butterflies need besides twiddles, at the head of their table.
CONSTANTS = (
    np.sqrt(0.5),
    0.5,
    np.sqrt(0.75),
    np.cos(0.4 * np.pi),
    np.cos(0.8 * np.pi),
    np.sin(0.4 * np.pi),
    np.sin(0.8 * np.pi),
)


NEAR = 256  # points whose vectors fill half of a first cache of 32 KiB


def radices(n: int) -> list[int] | None:
    """Return the factors by which n points are transformed, the last without twiddles."""
    found = []
    for radix in (5, 3):
        while n % radix == 0:
            found.append(radix)
            n //= radix
    if n & (n - 1):
        return None
    while n > 8:
        found.append(4)
        n //= 4
    return found + [n] * (n > 1)


class Fourier:
    """Tables of the transform of n complex points: stages, twiddles, and the order of frequencies.

    ``stages`` has rows (radix, points of each part, first twiddle). ``order[p]`` is the frequency
    left at point p.
    """

    def __init__(self, n: int) -> None:
        numbers = [np.array(CONSTANTS)]
        stages, length = [], n
        self.order = np.zeros(1, np.int64)
        for radix in radices(n) or ():
            length //= radix
            stages.append((radix, length, sum(map(len, numbers))))
            j, p = np.arange(length)[:, None], np.arange(1, radix)
            angle = 2 * np.pi * (j * p) / (radix * length)
            numbers.append(np.stack([np.cos(angle), -np.sin(angle)], axis=-1).ravel())
        for radix, _, _ in reversed(stages):
            self.order = np.concatenate([p + radix * self.order for p in range(radix)])
        self.stages = np.array(stages, np.int64).reshape(-1, 3)
        self.twiddles = np.concatenate(numbers)


@compiled
def turn(x: Array, start: int, n: int, stages: Array, twiddles: Array, inverse: bool) -> None:
    """Replace n points from number ``start`` of x on by Z[k] = sum_j z[j] exp(-2 pi i j k / n).

    Each point is a vector of real parts and one of imaginary parts (Van Loan, section 1.9). The
    inverse undoes that, times n: the same steps in the opposite order, with both parts exchanged.
    Parts of at most `NEAR` points are finished one after the other while they are in the cache.
    """
    v, far, near = lanes(x), 0, n
    while near > NEAR:
        near = stages[far, 1]
        far += 1
    for half in range(2):
        first, end, size = 0, far, n
        if (half == 0) == inverse:
            first, end, size = far, len(stages), near
        for part in range(start, start + 2 * n * v, 2 * size * v):
            for step in range(first, end):
                s = first + end - 1 - step if inverse else step
                _stage(x, part, size, stages[s, 0], stages[s, 1], twiddles, stages[s, 2], inverse)


@inlined
def _stage(
    x: Array, start: int, n: int, radix: int, m: int, twiddles: Array, t: int, inverse: bool
) -> None:
    if radix == 4 and m > 1:
        _by4(x, start, n, m, twiddles, t, inverse)
    elif radix == 8:
        _last8(x, start, n, twiddles, inverse)
    elif radix == 4:
        _last4(x, start, n, inverse)
    elif radix == 2:
        _last2(x, start, n)
    elif radix == 3:
        _by3(x, start, n, m, twiddles, t, inverse)
    else:
        _by5(x, start, n, m, twiddles, t, inverse)


@inlined
def turned(r: Any, i: Any, c: Any, s: Any) -> Any:
    """Return (r + i i)(c + i s)."""
    return r * c - i * s, r * s + i * c


@inlined
def _four(ar: Any, ai: Any, br: Any, bi: Any, cr: Any, ci: Any, dr: Any, di: Any) -> Any:
    er, ei, fr, fi = ar + cr, ai + ci, ar - cr, ai - ci
    gr, gi, hr, hi = br + dr, bi + di, br - dr, bi - di
    return er + gr, ei + gi, fr + hi, fi - hr, er - gr, ei - gi, fr - hi, fi + hr


@inlined
def _by4(x: Array, start: int, n: int, m: int, twiddles: Array, t: int, inverse: bool) -> None:
    v = lanes(x)
    r = v if inverse else 0
    i, d = v - r, 2 * m * v
    for j in range(m):
        w = t + 6 * j
        wr1, wi1 = spread(twiddles, w), spread(twiddles, w + 1)
        wr2, wi2 = spread(twiddles, w + 2), spread(twiddles, w + 3)
        wr3, wi3 = spread(twiddles, w + 4), spread(twiddles, w + 5)
        for k in range(start + 2 * j * v, start + 2 * n * v, 4 * d):
            ar, ai, br, bi = get(x, k + r), get(x, k + i), get(x, k + d + r), get(x, k + d + i)
            cr, ci = get(x, k + 2 * d + r), get(x, k + 2 * d + i)
            dr, di = get(x, k + 3 * d + r), get(x, k + 3 * d + i)
            if inverse:
                br, bi = turned(br, bi, wr1, wi1)
                cr, ci = turned(cr, ci, wr2, wi2)
                dr, di = turned(dr, di, wr3, wi3)
            ar, ai, br, bi, cr, ci, dr, di = _four(ar, ai, br, bi, cr, ci, dr, di)
            if not inverse:
                br, bi = turned(br, bi, wr1, wi1)
                cr, ci = turned(cr, ci, wr2, wi2)
                dr, di = turned(dr, di, wr3, wi3)
            put(x, k + r, ar)
            put(x, k + i, ai)
            put(x, k + d + r, br)
            put(x, k + d + i, bi)
            put(x, k + 2 * d + r, cr)
            put(x, k + 2 * d + i, ci)
            put(x, k + 3 * d + r, dr)
            put(x, k + 3 * d + i, di)


@inlined
def _last4(x: Array, start: int, n: int, inverse: bool) -> None:
    v = lanes(x)
    r = v if inverse else 0
    i = v - r
    for k in range(start, start + 2 * n * v, 8 * v):
        ar, ai, br, bi, cr, ci, dr, di = _four(
            get(x, k + r),
            get(x, k + i),
            get(x, k + 2 * v + r),
            get(x, k + 2 * v + i),
            get(x, k + 4 * v + r),
            get(x, k + 4 * v + i),
            get(x, k + 6 * v + r),
            get(x, k + 6 * v + i),
        )
        put(x, k + r, ar)
        put(x, k + i, ai)
        put(x, k + 2 * v + r, br)
        put(x, k + 2 * v + i, bi)
        put(x, k + 4 * v + r, cr)
        put(x, k + 4 * v + i, ci)
        put(x, k + 6 * v + r, dr)
        put(x, k + 6 * v + i, di)


@inlined
def _last8(x: Array, start: int, n: int, twiddles: Array, inverse: bool) -> None:
    v = lanes(x)
    r = v if inverse else 0
    i = v - r
    w = spread(twiddles, 0)
    for k in range(start, start + 2 * n * v, 16 * v):
        ar, ai, br, bi, cr, ci, dr, di = _four(
            get(x, k + 2 * v + r),
            get(x, k + 2 * v + i),
            get(x, k + 6 * v + r),
            get(x, k + 6 * v + i),
            get(x, k + 10 * v + r),
            get(x, k + 10 * v + i),
            get(x, k + 14 * v + r),
            get(x, k + 14 * v + i),
        )
        br, bi = w * (br + bi), w * (bi - br)
        cr, ci = ci, cr
        dr, di = w * (di - dr), w * (dr + di)
        er, ei, fr, fi, gr, gi, hr, hi = _four(
            get(x, k + r),
            get(x, k + i),
            get(x, k + 4 * v + r),
            get(x, k + 4 * v + i),
            get(x, k + 8 * v + r),
            get(x, k + 8 * v + i),
            get(x, k + 12 * v + r),
            get(x, k + 12 * v + i),
        )
        put(x, k + r, er + ar)
        put(x, k + i, ei + ai)
        put(x, k + 2 * v + r, fr + br)
        put(x, k + 2 * v + i, fi + bi)
        put(x, k + 4 * v + r, gr + cr)
        put(x, k + 4 * v + i, gi - ci)
        put(x, k + 6 * v + r, hr + dr)
        put(x, k + 6 * v + i, hi - di)
        put(x, k + 8 * v + r, er - ar)
        put(x, k + 8 * v + i, ei - ai)
        put(x, k + 10 * v + r, fr - br)
        put(x, k + 10 * v + i, fi - bi)
        put(x, k + 12 * v + r, gr - cr)
        put(x, k + 12 * v + i, gi + ci)
        put(x, k + 14 * v + r, hr - dr)
        put(x, k + 14 * v + i, hi + di)


@inlined
def _last2(x: Array, start: int, n: int) -> None:
    v = lanes(x)
    for k in range(start, start + 2 * n * v, 4 * v):
        for part in range(k, k + 2 * v, v):
            a, b = get(x, part), get(x, part + 2 * v)
            put(x, part, a + b)
            put(x, part + 2 * v, a - b)


@inlined
def _by3(x: Array, start: int, n: int, m: int, twiddles: Array, t: int, inverse: bool) -> None:
    v = lanes(x)
    r = v if inverse else 0
    i, d = v - r, 2 * m * v
    half, root = spread(twiddles, 1), spread(twiddles, 2)
    for j in range(m):
        w = t + 4 * j
        wr1, wi1 = spread(twiddles, w), spread(twiddles, w + 1)
        wr2, wi2 = spread(twiddles, w + 2), spread(twiddles, w + 3)
        for k in range(start + 2 * j * v, start + 2 * n * v, 3 * d):
            ar, ai, br, bi = get(x, k + r), get(x, k + i), get(x, k + d + r), get(x, k + d + i)
            cr, ci = get(x, k + 2 * d + r), get(x, k + 2 * d + i)
            if inverse:
                br, bi = turned(br, bi, wr1, wi1)
                cr, ci = turned(cr, ci, wr2, wi2)
            er, ei, fr, fi = br + cr, bi + ci, root * (br - cr), root * (bi - ci)
            gr, gi = ar - half * er, ai - half * ei
            br, bi, cr, ci = gr + fi, gi - fr, gr - fi, gi + fr
            if not inverse:
                br, bi = turned(br, bi, wr1, wi1)
                cr, ci = turned(cr, ci, wr2, wi2)
            put(x, k + r, ar + er)
            put(x, k + i, ai + ei)
            put(x, k + d + r, br)
            put(x, k + d + i, bi)
            put(x, k + 2 * d + r, cr)
            put(x, k + 2 * d + i, ci)


@inlined
def _by5(x: Array, start: int, n: int, m: int, twiddles: Array, t: int, inverse: bool) -> None:
    v = lanes(x)
    r = v if inverse else 0
    i, d = v - r, 2 * m * v
    c1, c2 = spread(twiddles, 3), spread(twiddles, 4)
    s1, s2 = spread(twiddles, 5), spread(twiddles, 6)
    for j in range(m):
        w = t + 8 * j
        for k in range(start + 2 * j * v, start + 2 * n * v, 5 * d):
            ar, ai, br, bi = get(x, k + r), get(x, k + i), get(x, k + d + r), get(x, k + d + i)
            cr, ci = get(x, k + 2 * d + r), get(x, k + 2 * d + i)
            dr, di = get(x, k + 3 * d + r), get(x, k + 3 * d + i)
            er, ei = get(x, k + 4 * d + r), get(x, k + 4 * d + i)
            if inverse:
                br, bi = turned(br, bi, spread(twiddles, w), spread(twiddles, w + 1))
                cr, ci = turned(cr, ci, spread(twiddles, w + 2), spread(twiddles, w + 3))
                dr, di = turned(dr, di, spread(twiddles, w + 4), spread(twiddles, w + 5))
                er, ei = turned(er, ei, spread(twiddles, w + 6), spread(twiddles, w + 7))
            fr, fi, gr, gi = br + er, bi + ei, br - er, bi - ei
            hr, hi, lr, li = cr + dr, ci + di, cr - dr, ci - di
            pr, pi = ar + (c1 * fr + c2 * hr), ai + (c1 * fi + c2 * hi)
            qr, qi = ar + (c2 * fr + c1 * hr), ai + (c2 * fi + c1 * hi)
            ur, ui = s1 * gr + s2 * lr, s1 * gi + s2 * li
            vr, vi = s2 * gr - s1 * lr, s2 * gi - s1 * li
            br, bi, er, ei = pr + ui, pi - ur, pr - ui, pi + ur
            cr, ci, dr, di = qr + vi, qi - vr, qr - vi, qi + vr
            if not inverse:
                br, bi = turned(br, bi, spread(twiddles, w), spread(twiddles, w + 1))
                cr, ci = turned(cr, ci, spread(twiddles, w + 2), spread(twiddles, w + 3))
                dr, di = turned(dr, di, spread(twiddles, w + 4), spread(twiddles, w + 5))
                er, ei = turned(er, ei, spread(twiddles, w + 6), spread(twiddles, w + 7))
            put(x, k + r, ar + (fr + hr))
            put(x, k + i, ai + (fi + hi))
            put(x, k + d + r, br)
            put(x, k + d + i, bi)
            put(x, k + 2 * d + r, cr)
            put(x, k + 2 * d + i, ci)
            put(x, k + 3 * d + r, dr)
            put(x, k + 3 * d + i, di)
            put(x, k + 4 * d + r, er)
            put(x, k + 4 * d + i, ei)
