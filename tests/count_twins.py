"""Slow and obvious twins of the binomial and Poisson deviates."""

from __future__ import annotations

import math

import numpy as np
import twins
from scipy import special, stats
from twins import KEY

START, BIRTH, SPLIT, SINGLE = 1024, 2048, 2**20, 2**30


def midpoints(cell, attempt, sub_step, draw):
    a, b, c, d = twins.philox((cell, attempt, sub_step, draw), KEY)
    return twins.unit(a, b) + 2.0**-53, twins.unit(c, d) + 2.0**-53


def probability(k, n, p):
    """The probability of k among n, without logarithms of factorials where that is possible."""
    return stats.binom.pmf(k, n, p)


def draw_twin(n, p, cell, sub_step, draw):
    """Inversion below a mean of 25; Hörmann's BTRD with nothing but the ratio of probabilities."""
    less = min(p, 1.0 - p)
    found = inversion(n, less, cell, sub_step, draw) if n * less < 25.0 else rejection(
        n, less, cell, sub_step, draw)  # fmt: skip
    return found if p <= 0.5 else n - found


def inversion(n, p, cell, sub_step, draw):
    v, _ = midpoints(cell, 0, sub_step, draw)
    return int(np.sum(special.bdtr(np.arange(n), n, p) <= v))


def rejection(n, p, cell, sub_step, draw):
    variance = n * p * (1.0 - p)
    b = 1.15 + 2.53 * math.sqrt(variance)
    a = -0.0873 + 0.0248 * b + 0.01 * p
    alpha, certain = (2.83 + 5.1 / b) * math.sqrt(variance), 0.92 - 4.2 / b
    likeliest = probability(math.floor((n + 1) * p), n, p)

    def place(u):
        return math.floor((2 * a / (0.5 - abs(u)) + b) * u + n * p + 0.5)

    attempt = 0
    while True:
        v, x = midpoints(cell, attempt, sub_step, draw)
        if v <= 0.86 * certain:
            return place(v / certain - 0.43)
        if v >= certain:
            u = x - 0.5
        else:
            u = v / certain - 0.93
            u, v = math.copysign(0.5, u) - u, x * certain
        k = place(u)
        level = v * alpha / (a / (0.5 - abs(u)) ** 2 + b)
        if 0 <= k <= n and level <= probability(k, n, p) / likeliest:
            return k
        attempt += 1


def poisson_twin(mean, cell, door):
    if mean < 25.0:
        v, _ = midpoints(cell, 0, 0, BIRTH + door)
        return int(np.sum(special.pdtr(np.arange(120), mean) <= v))
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    alpha, attempt = 1.1239 + 1.1328 / (b - 3.4), 0
    while True:
        u, v = midpoints(cell, attempt, 0, BIRTH + door)
        u -= 0.5
        room, attempt = 0.5 - abs(u), attempt + 1
        k = math.floor((2 * a / room + b) * u + mean + 0.43)
        if room >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2):
            return k
        if k >= 0 and v * alpha / (a / room**2 + b) <= stats.poisson.pmf(k, mean):
            return k
