"""Binomial and Poisson deviates of any size, each from the counters of one draw.

A draw is named by its cell, a sub-step and a number of its own, and takes as many attempts as it
needs; attempt t has the counter (cell, t, sub-step, draw), whose four words make two uniform
numbers, v and x, on the midpoints of a grid of 2^-52, so neither is ever zero or one:

====================  =======  ================================================================
used for              attempt  the two uniform numbers
====================  =======  ================================================================
mean below 25         0        v is inverted
binomial, mean above  t        v proposes; x is asked for only where v alone does not decide
Poisson, mean above   t        v - 1/2 proposes, x decides
====================  =======  ================================================================

Small means are inverted from zero upwards, with (1 - p)^n = exp(n log(1 - p)) exact for small p as
for large. Large ones are drawn by transformed rejection, BTRD and PTRS of Hörmann: four in five
cost a square root and two divisions. What these do not decide is held to the probability itself, in
Loader's saddle-point form, whose terms are as small as what they tell: differences of logarithms
of factorials would lose eleven digits at 10^15.

W. Hörmann, "The generation of binomial random variates", J. Stat. Comput. Simul. 46 (1993) 101-110;
W. Hörmann, "The transformed rejection method for generating Poisson random variables", Insur. Math.
Econ. 12 (1993) 39-45; C. Loader, "Fast and accurate computation of binomial probabilities" (2000).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from diffusim.loops.compiled import inlined
from diffusim.loops.random import logarithm, philox, unit

INVERTED = 25.0  # means below this are inverted: as fast as rejection, and (1 - p)^n no tiny number
HALF_STEP = 2.0**-53
TINY = 1e-18  # next to what is left of a uniform number this is nothing
LOG_2, LOG_2_HIGH = 0.6931471805599453, 0.693147180369123816490
LOG_2_LOW = 1.90821492927058770002e-10
SHIFT = 2.0**52 + 1023.0  # a small integer plus this has the bits of an exponent at its end
LOG_2_PI = 1.8378770664093453
# log x! less the logarithm of Stirling's formula, for x from 0 to 15; nothing asks for the first.
REMAINDERS = np.array([0.0] + [
    math.fsum([math.log(math.factorial(x)), -(x + 0.5) * math.log(x), x, -0.5 * LOG_2_PI])
    for x in range(1, 16)
])  # fmt: skip


# --- numbers that vectors compute ----------------------------------------------------------------


@inlined
def midpoint(high: Any, low: Any) -> Any:
    """Return the number in (0, 1), an odd multiple of 2^-53, that two words make."""
    return unit(high, low) + HALF_STEP


@inlined
def first_uniform(cell: Any, attempt: Any, key0: Any, key1: Any, sub_step: Any, draw: Any) -> Any:
    """Return v of an attempt."""
    a, b, _, _ = philox(cell, attempt, sub_step, draw, key0, key1)
    return midpoint(a, b)


@inlined
def power(n: Any, p: Any) -> Any:
    """Return (1 - p)^n for 0 <= p <= 1/2 and n p up to some hundreds, to a few 1e-16 times n p.

    log(1 - p) = 2 artanh s, with s = -p / (2 - p), or where p is large of 2 - 2 p, which is nearer
    to one; and its exponential as 2^k times a power series.
    """
    large = p > 0.29289321881345254
    s = ((1.0 - 2.0 * p) if large else -p) / ((3.0 - 2.0 * p) if large else (2.0 - p))
    z = s * s
    w = 1 / 17 + z * (1 / 19 + z * (1 / 21))
    w = 1 / 13 + z * (1 / 15 + z * w)
    w = 1 / 9 + z * (1 / 11 + z * w)
    w = 1 / 5 + z * (1 / 7 + z * w)
    w = z * (1 / 3 + z * w)
    x = n * (2.0 * (s + s * w) - (LOG_2 if large else 0.0))
    k = np.rint(x * 1.4426950408889634)
    f = (x - k * LOG_2_HIGH) - k * LOG_2_LOW
    e = 1 / 479001600 + f * (1 / 6227020800)
    e = 1 / 3628800 + f * (1 / 39916800 + f * e)
    e = 1 / 40320 + f * (1 / 362880 + f * e)
    e = 1 / 720 + f * (1 / 5040 + f * e)
    e = 1 / 24 + f * (1 / 120 + f * e)
    e = 1.0 + f * (1.0 + f * (1 / 2 + f * (1 / 6 + f * e)))
    return e * np.uint64(np.float64(k + SHIFT).view(np.uint64) << np.uint64(52)).view(np.float64)


@inlined
def proposed(n: Any, p: Any, v: Any) -> Any:
    """Return the binomial deviate that v alone decides on (BTRD, step 1), or a number below zero.

    For n p >= 10 and p <= 1/2.
    """
    mean = n * p
    b = 1.15 + 2.53 * math.sqrt(mean * (1.0 - p))
    a = -0.0873 + 0.0248 * b + 0.01 * p
    certain = 0.92 - 4.2 / b
    u = v / certain - 0.43
    k = np.floor((2.0 * a / (0.5 - abs(u)) + b) * u + (mean + 0.5))
    return k if v <= 0.86 * certain else -1.0


# --- probabilities -------------------------------------------------------------------------------


@inlined
def remainder(x: float) -> float:
    """Return log x! less the logarithm of Stirling's formula, for a whole number x > 0."""
    if x < 16.0:
        return REMAINDERS[int(x)]
    y = 1.0 / (x * x)
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y * (1 / 1188))))) / x


@inlined
def deviance(x: float, mean: float) -> float:
    """Return x log(x / mean) + mean - x for x > 0, as exact where both are near as where not."""
    v = (x - mean) / (x + mean)
    if abs(v) > 0.1:
        return x * math.log(x / mean) + mean - x
    total, term, z, j = (x - mean) * v, 2.0 * x * v, v * v, 1.0
    before = total + 1.0
    while total != before:
        before = total
        term *= z
        j += 2.0
        total += term / j
    return total


@inlined
def log_binomial(k: float, n: float, p: float) -> float:
    """Return the logarithm of the probability of k among n (Loader)."""
    if k == 0.0:
        return n * math.log1p(-p)
    if k == n:
        return n * math.log(p)
    rest = n - k
    small = remainder(n) - remainder(k) - remainder(rest)
    far = deviance(k, n * p) + deviance(rest, n * (1.0 - p))
    return small - far - 0.5 * (LOG_2_PI + math.log(k) + math.log1p(-k / n))


@inlined
def log_poisson(k: float, mean: float) -> float:
    """Return the logarithm of the probability of k at a mean (Loader)."""
    if k == 0.0:
        return -mean
    return -remainder(k) - deviance(k, mean) - 0.5 * (LOG_2_PI + math.log(k))


@inlined
def likely(k: float, n: float, p: float, v: float) -> bool:
    """Tell whether v <= P(k) / P(m), m the likeliest number."""
    middle = np.floor((n + 1.0) * p)
    away = abs(k - middle)
    if away > 15.0:
        return math.log(v) <= log_binomial(k, n, p) - log_binomial(middle, n, p)
    ratio = p / (1.0 - p)
    top, f = (n + 1.0) * ratio, 1.0
    for i in range(1, int(away) + 1):
        f *= top / (min(k, middle) + i) - ratio
    return v <= f if k > middle else v * f <= 1.0


# --- deviates ------------------------------------------------------------------------------------


@inlined
def second_uniform(cell: Any, attempt: Any, key0: Any, key1: Any, sub_step: Any, draw: Any) -> Any:
    """Return x of an attempt."""
    _, _, c, d = philox(cell, attempt, sub_step, draw, key0, key1)
    return midpoint(c, d)


@inlined
def judged(n: Any, p: Any, v: Any, x: Any) -> Any:
    """Return what v and x together propose, k, a level, and whether k is taken (BTRD, 2 and 3.2).

    One is yes, minus one is no, and zero is unknown: yes if the level is at most P(k) / P(m). The
    logarithm of that lies as far as ``most`` from the normal law's.
    """
    mean = n * p
    variance = mean * (1.0 - p)
    spread = math.sqrt(variance)
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    certain = 0.92 - 4.2 / b
    outer = v / certain - 0.93
    outer = (0.5 if outer > 0.0 else -0.5) - outer
    u = x - 0.5 if v >= certain else outer
    v = v if v >= certain else x * certain
    room = 0.5 - abs(u)
    k = np.floor((2.0 * a / room + b) * u + (mean + 0.5))
    level = v * (2.83 + 5.1 / b) * spread / (a / (room * room) + b)
    away = abs(k - np.floor((n + 1.0) * p))
    normal = -0.5 * away * away / variance
    most = away / variance * (((away / 3.0 + 0.625) * away + 1 / 6) / variance + 0.5)
    beyond = logarithm(level) - normal
    told = 1.0 if beyond < -most else (-1.0 if beyond > most else 0.0)
    told = told if away < 0.5 * variance - 1.0 else 0.0
    return k, level, told if 0.0 <= k <= n else -1.0


@inlined
def retried(
    n: float, p: float, v: float, cell: Any, key0: Any, key1: Any, sub_step: Any, draw: Any
) -> float:
    """Return the binomial deviate that v of the first attempt does not decide, for n p >= 10."""
    attempt, k = np.uint64(0), -1.0
    while k < 0.0:
        x = second_uniform(cell, attempt, key0, key1, sub_step, draw)
        k, level, told = judged(n, p, v, x)
        if told > 0.0 or (told == 0.0 and likely(k, n, p, level)):
            return k
        attempt += np.uint64(1)
        v = first_uniform(cell, attempt, key0, key1, sub_step, draw)
        k = proposed(n, p, v)
    return k


@inlined
def inverted(start: float, n: float, ratio: float, v: float) -> float:
    """Return the first k with P(0) + ... + P(k) > v, where P(k + 1) / P(k) = ratio (n - k)/(k + 1).

    It ends where what is left is lost in the rounding of v.
    """
    k, here = 0.0, start
    while v >= here:
        after = here * (ratio * (n - k)) * (1.0 / (k + 1.0))
        if after < TINY:
            return k
        v -= here
        here = after
        k += 1.0
    return k


@inlined
def binomial(
    n: float, p: float, cell: Any, key0: Any, key1: Any, sub_step: Any, draw: Any
) -> float:
    """Return how many of n, a whole number up to 2^52, have what each has with probability p."""
    less = p if p <= 0.5 else 1.0 - p
    if n == 0.0 or less <= 0.0:
        return n if p > 0.5 else 0.0
    v = first_uniform(cell, np.uint64(0), key0, key1, sub_step, draw)
    if n * less < INVERTED:
        k = inverted(power(n, less), n, less / (1.0 - less), v)
    else:
        k = proposed(n, less, v)
        if k < 0.0:
            k = retried(n, less, v, cell, key0, key1, sub_step, draw)
    return k if p <= 0.5 else n - k


@inlined
def poisson(mean: float, cell: Any, key0: Any, key1: Any, sub_step: Any, draw: Any) -> float:
    """Return a Poisson deviate of a mean from zero to 10^15 (PTRS)."""
    if mean <= 0.0:
        return 0.0
    if mean < INVERTED:
        v = first_uniform(cell, np.uint64(0), key0, key1, sub_step, draw)
        k, here = 0.0, math.exp(-mean)
        while v >= here:
            after = here * mean / (k + 1.0)
            if after < TINY:
                return k
            v -= here
            here = after
            k += 1.0
        return k
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    alpha = 1.1239 + 1.1328 / (b - 3.4)
    certain = 0.9277 - 3.6224 / (b - 2.0)
    attempt = np.uint64(0)
    while True:
        w0, w1, w2, w3 = philox(cell, attempt, sub_step, draw, key0, key1)
        u, v = midpoint(w0, w1) - 0.5, midpoint(w2, w3)
        room = 0.5 - abs(u)
        k = np.floor((2.0 * a / room + b) * u + (mean + 0.43))
        if room >= 0.07 and v <= certain:
            return k
        if k >= 0.0 and not (room < 0.013 and v > room):
            level = math.log(v * alpha / (a / (room * room) + b))
            if level <= log_poisson(k, mean):
                return k
        attempt += np.uint64(1)
