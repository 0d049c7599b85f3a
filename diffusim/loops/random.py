"""Random numbers that depend on where they are used and on nothing else.

Philox4x32-10 (Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011)
turns a counter of four words and a key of two into four words of 32 random bits. The counter is
(particle low, particle high, sub-step, draw): a particle's numbers are the same in whichever chunk,
thread or order it is carried.

Words of 32 bits are held in unsigned integers of 64, so that nothing ever overflows: the same code
is right in plain Python, and compilers turn the products into vector instructions. All functions
are free of branches for the same reason.

There are two kinds of normal deviates. Those of double precision take a counter for two. Those of
single precision are four to a counter, three to four times as fast, and what exact jumps are made
of: they reach 6.8 standard deviations, end in steps of 1e-7 of their size, and no histogram of less
than 1e12 particles could tell them from the others.

Normal deviates follow Box and Muller (1958) with polynomials of our own in place of the library's
logarithm, sine and cosine, which compilers do not vectorise. They agree with these to a few units
in the last place, and are the same bits on every machine.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusim.loops.compiled import compiled, inlined

LANES = 256  # particles carried together: their buffers stay in the nearest cache

WORD = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
MULTIPLIER_A = np.uint64(0xD2511F53)
MULTIPLIER_B = np.uint64(0xCD9E8D57)
WEYL_A = np.uint64(0x9E3779B9)
WEYL_B = np.uint64(0xBB67AE85)
ONE = np.uint64(0x3FF0000000000000)  # the bits of 1.0
MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
TWO_52 = np.uint64(0x4330000000000000)  # the bits of 2^52: or-ed with a small integer, 2^52 plus it
ROOT_HALF = np.uint64(0x3FE6A09E667F3BCD)  # the bits of sqrt(1/2)
PAST_ROOT_HALF = np.uint64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)


@inlined
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Return four random words for a counter and a key, all below 2^32 and unsigned of 64 bits."""
    c0, c1, c2, c3 = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)
    k0, k1 = np.uint64(k0), np.uint64(k1)
    for _ in range(10):
        a, b = MULTIPLIER_A * c0, MULTIPLIER_B * c2
        c0, c1, c2, c3 = (b >> HALF) ^ c1 ^ k0, b & WORD, (a >> HALF) ^ c3 ^ k1, a & WORD
        k0, k1 = (k0 + WEYL_A) & WORD, (k1 + WEYL_B) & WORD
    return c0, c1, c2, c3


@inlined
def unit(high: Any, low: Any) -> Any:
    """Return the number in [0, 1), a multiple of 2^-52, that two words make."""
    bits = (high << np.uint64(20)) | (low >> np.uint64(12))
    return np.uint64(bits | ONE).view(np.float64) - 1.0


@inlined
def logarithm(x: Any) -> Any:
    """Return log x for a normal number 0 < x <= 1.

    With x = m 2^e and sqrt(1/2) <= m < sqrt(2), log m = 2 artanh s for s = (m - 1)/(m + 1), |s| <
    0.172, as its power series up to s^19.
    """
    bits = np.float64(x).view(np.uint64) + PAST_ROOT_HALF
    exponent = np.uint64((bits >> np.uint64(52)) | TWO_52).view(np.float64) - (2.0**52 + 1023.0)
    m = np.uint64((bits & MANTISSA) + ROOT_HALF).view(np.float64)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    p = 1 / 17 + z * (1 / 19)
    p = 1 / 13 + z * (1 / 15 + z * p)
    p = 1 / 9 + z * (1 / 11 + z * p)
    p = 1 / 5 + z * (1 / 7 + z * p)
    p = z * (1 / 3 + z * p)
    return exponent * 0.6931471805599453 + 2.0 * (s + s * p)


@inlined
def circle(high: Any, low: Any) -> Any:
    """Return cosine and sine of the angle (pi/2) (q + r), q of 2 bits and -1/2 <= r < 1/2 of 52.

    Both are power series in x = (pi/2) r, |x| <= pi/4, up to x^16, turned by q quarters.
    """
    quarters = high >> np.uint64(30)
    bits = ((high << np.uint64(22)) & MANTISSA) | (low >> np.uint64(10))
    x = (np.uint64(bits | ONE).view(np.float64) - 1.5) * 1.5707963267948966
    z = x * x
    c = 1 / 479001600 + z * (-1 / 87178291200 + z * (1 / 20922789888000))
    c = 1 / 40320 + z * (-1 / 3628800 + z * c)
    c = 1 + z * (-1 / 2 + z * (1 / 24 + z * (-1 / 720 + z * c)))
    s = 1 / 6227020800 + z * (-1 / 1307674368000)
    s = 1 / 362880 + z * (-1 / 39916800 + z * s)
    s = x + x * (z * (-1 / 6 + z * (1 / 120 + z * (-1 / 5040 + z * s))))
    odd = (quarters & np.uint64(1)) != 0
    cosine, sine = (s, c) if odd else (c, s)
    cosine = -cosine if (quarters + np.uint64(1)) & np.uint64(2) != 0 else cosine
    sine = -sine if quarters & np.uint64(2) != 0 else sine
    return cosine, sine


@inlined
def normal_pair(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Return two independent standard normal deviates from four random words (Box and Muller)."""
    radius = math.sqrt(-2.0 * logarithm(1.0 - unit(a, b)))
    cosine, sine = circle(c, d)
    return radius * cosine, radius * sine


@inlined
def fill_normals(
    x: Any, y: Any, first: Any, key0: Any, key1: Any, sub_step: Any, draw: Any
) -> None:
    """Fill two arrays with the deviates of the particles from ``first`` on."""
    for k in range(len(x)):
        p = first + np.uint64(k)
        a, b, c, d = philox(p & WORD, p >> HALF, sub_step, draw, key0, key1)
        x[k], y[k] = normal_pair(a, b, c, d)


@inlined
def fill_units(u: Any, first: Any, key0: Any, key1: Any, sub_step: Any, draw: Any) -> None:
    """Fill an array with one uniform number for each particle from ``first`` on."""
    for k in range(len(u)):
        p = first + np.uint64(k)
        a, b, _, _ = philox(p & WORD, p >> HALF, sub_step, draw, key0, key1)
        u[k] = unit(a, b)


@inlined
def fill_uniforms(
    x: Any, y: Any, first: Any, key0: Any, key1: Any, sub_step: Any, draw: Any
) -> None:
    """Fill two arrays with the uniform numbers of the particles from ``first`` on."""
    for k in range(len(x)):
        p = first + np.uint64(k)
        a, b, c, d = philox(p & WORD, p >> HALF, sub_step, draw, key0, key1)
        x[k], y[k] = unit(a, b), unit(c, d)


# --- single precision ---------------------------------------------------------------------------

SINGLE = np.float32
ROOT_HALF_SINGLE, PAST_ROOT_HALF_SINGLE = np.uint32(0x3F3504F3), np.uint32(0x3F800000 - 0x3F3504F3)
MANTISSA_SINGLE, THIRTY_BITS = np.uint32(0x007FFFFF), np.uint32(0x3FFFFFFF)


@inlined
def single_logarithm(x: Any) -> Any:
    """Return log x for 0 < x <= 1 in single precision, as `logarithm` does, up to s^9."""
    bits = np.uint32(SINGLE(x).view(np.uint32) + PAST_ROOT_HALF_SINGLE)
    exponent = SINGLE(np.int32(bits >> np.uint32(23)) - np.int32(127))
    m = np.uint32((bits & MANTISSA_SINGLE) + ROOT_HALF_SINGLE).view(np.float32)
    s = (m - SINGLE(1)) / (m + SINGLE(1))
    z = s * s
    p = SINGLE(1 / 5) + z * (SINGLE(1 / 7) + z * SINGLE(1 / 9))
    p = z * (SINGLE(1 / 3) + z * p)
    return exponent * SINGLE(0.6931471805599453) + SINGLE(2) * (s + s * p)


@inlined
def single_circle(word: Any) -> Any:
    """Return cosine and sine of (pi/2) (q + r), q the first two bits of a word, r the others."""
    quarters = np.uint32(word) >> np.uint32(30)
    rest = np.int32(np.uint32(word) & THIRTY_BITS) - np.int32(0x20000000)
    x = SINGLE(rest) * SINGLE(2.0**-30) * SINGLE(1.5707963267948966)
    z = x * x
    c = SINGLE(1 / 24) + z * (SINGLE(-1 / 720) + z * SINGLE(1 / 40320))
    c = SINGLE(1) + z * (SINGLE(-1 / 2) + z * c)
    s = SINGLE(1 / 120) + z * (SINGLE(-1 / 5040) + z * SINGLE(1 / 362880))
    s = x + x * (z * (SINGLE(-1 / 6) + z * s))
    odd = (quarters & np.uint32(1)) != 0
    cosine, sine = (s, c) if odd else (c, s)
    cosine = -cosine if (quarters + np.uint32(1)) & np.uint32(2) != 0 else cosine
    sine = -sine if quarters & np.uint32(2) != 0 else sine
    return cosine, sine


@inlined
def single_pairs(radii: Any, angles: Any, x: Any, y: Any, parity: int, count: int) -> None:
    """Turn words into pairs of deviates, every second entry of two arrays."""
    for m in range(count):
        u = SINGLE(radii[m]) * SINGLE(2.0**-32) + SINGLE(2.0**-33)
        radius = np.sqrt(SINGLE(-2) * single_logarithm(u))
        cosine, sine = single_circle(angles[m])
        x[2 * m + parity] = radius * cosine
        y[2 * m + parity] = radius * sine


@inlined
def fill_single(
    x: Any, y: Any, words: Any, first: Any, count: int, key0: Any, key1: Any, sub_step: Any,
    draw: Any,
) -> None:  # fmt: skip
    """Fill two arrays with the deviates of ``2 count`` particles from the even number at or below.

    Particles 2 q and 2 q + 1 share the counter q: the first two words are the one's, the others
    the other's.
    """
    start = first >> np.uint64(1)
    for m in range(count):
        q = start + np.uint64(m)
        a, b, c, d = philox(q & WORD, q >> HALF, sub_step, draw, key0, key1)
        words[0, m], words[1, m], words[2, m], words[3, m] = a, b, c, d
    single_pairs(words[0], words[1], x, y, 0, count)
    single_pairs(words[2], words[3], x, y, 1, count)


@compiled
def _singles(out: Any, first: Any, key0: Any, key1: Any, sub_step: Any, draw: Any) -> None:
    words = np.empty((4, LANES), np.uint32)
    x, y = np.empty(2 * LANES, np.float32), np.empty(2 * LANES, np.float32)
    for start in range(0, out.shape[1], LANES):
        n = min(LANES, out.shape[1] - start)
        here = first + np.uint64(start)
        odd = int(here & np.uint64(1))
        fill_single(x, y, words, here, (n + odd + 1) // 2, key0, key1, sub_step, draw)
        for k in range(n):
            out[0, start + k], out[1, start + k] = x[k + odd], y[k + odd]


@compiled
def _normals(x: Any, y: Any, first: Any, key0: Any, key1: Any, sub_step: Any, draw: Any) -> None:
    fill_normals(x, y, first, key0, key1, sub_step, draw)


@compiled
def _uniforms(x: Any, y: Any, first: Any, key0: Any, key1: Any, sub_step: Any, draw: Any) -> None:
    fill_uniforms(x, y, first, key0, key1, sub_step, draw)


def uniforms(
    out: NDArray[np.float64], first: int, key0: int, key1: int, sub_step: int = 0, draw: int = 0
) -> None:
    """Fill ``out`` of shape (2, n) with uniform numbers in [0, 1), multiples of 2^-52.

    Column k holds the two numbers of particle ``first + k``, of the counter (particle,
    ``sub_step``, ``draw``) and the key (``key0``, ``key1``); all are whole numbers below 2^32,
    ``first`` below 2^64.
    """
    _uniforms(out[0], out[1], *counters(first, key0, key1), np.uint64(sub_step), np.uint64(draw))


def normals(
    out: NDArray[Any], first: int, key0: int, key1: int, sub_step: int = 0, draw: int = 0
) -> None:
    """Fill ``out`` of shape (2, n) with standard normal deviates; the rest is as in `uniforms`.

    In an array of float32 they are those of single precision, of which two particles share a
    counter.
    """
    own = (*counters(first, key0, key1), np.uint64(sub_step), np.uint64(draw))
    if out.dtype == np.float32:
        _singles(out, *own)
    else:
        _normals(out[0], out[1], *own)


def counters(first: int, key0: int, key1: int) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Return a particle's number and the key in the one type that the loops are compiled for."""
    return np.uint64(first), np.uint64(key0), np.uint64(key1)
