"""Doors of a medium: where particles hop, leave and come in, as compiled loops take it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from diffusim.block import Array
from diffusim.jumps import Jumps


class Doors(NamedTuple):
    """How particles hop, leave and come in.

    Parameters
    ----------
    thresholds : (cells, 4 + accounts) array of uint64
        Cumulative chances of the four moves, then of leaving by each account, times 2^32.
    fastest : float
        Rate in 1/s at which every particle is asked.
    births : float
        What comes in by all entries, in field units times volume per s.
    entries, cells, accounts : arrays of length m
        Cumulative share of the entries in it, where they lead, to which account they belong.
    """

    thresholds: Array
    fastest: float
    births: float
    entries: Array
    cells: Array
    accounts: Array


def doors(found: Jumps) -> Doors:
    """Return the doors of a medium, read as chances; a closed one has moves only."""
    births = math.fsum(found.births.tolist())
    entries = np.cumsum(found.births) / (births or 1.0)
    entries[-1:] = 1.0
    return Doors(thresholds(found.chances), found.fastest, births, entries, found.cells,
                 found.doors)  # fmt: skip


def thresholds(chances: Array) -> Array:
    """Return cumulative chances along the last axis, times 2^32."""
    whole = np.rint(np.cumsum(chances, axis=-1) * 2.0**32)
    return np.asarray(np.minimum(whole, 2.0**32), dtype=np.uint64)


def poisson_tail(mean: float) -> Array:
    """Cumulative Poisson distribution up to where less than 1e-16 is left; it ends in one."""
    last = math.ceil(mean + 9.0 * math.sqrt(mean) + 30.0)
    tail = special.pdtr(np.arange(last + 1), mean)
    tail[-1] = 1.0
    return np.asarray(tail)


def late_tail(mean: float) -> Array:
    """Cumulative distribution of the jumps of a particle that comes in at some time of a segment.

    Of a Poisson number whose mean is spread evenly between 0 and ``mean``, P(K = k) is the
    incomplete gamma function P(k + 1, mean) / mean.
    """
    if mean == 0.0:
        return np.ones(1)
    last = math.ceil(mean + 9.0 * math.sqrt(mean) + 30.0)
    tail = np.cumsum(special.gammainc(np.arange(last + 1) + 1.0, mean) / mean)
    tail[-1] = 1.0
    return np.asarray(np.minimum(tail, 1.0))


def poisson(mean: float, u: float) -> int:
    """Return the Poisson number k of a uniform one in [0, 1): P(K < k) <= u < P(K <= k)."""
    low, high = -1, math.ceil(mean + 12.0 * math.sqrt(mean) + 60.0)
    while high - low > 1:
        middle = (low + high) // 2
        if special.pdtr(middle, mean) > u:
            high = middle
        else:
            low = middle
    return high
