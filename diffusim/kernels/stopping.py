"""Chances to stop after each jump, where a density is made of a random number of jumps."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from diffusim.block import Array

# Chances to be jumping still that no number of particles will ever meet.
UNHEARD_OF = 1e-40


def halts(mean: float, *, newborn: bool) -> tuple[Array, Array]:
    """Chances to stop after k jumps, and to go on, for a particle that has made as many.

    The number of jumps is Poisson's; that of newcomers is the mean of Poisson's over a time that is
    uniform in the segment, P(K = k) = P(N > k) / z for N of mean z. The last chance is to stop.

    Parameters
    ----------
    mean : float
        z, the mean number of jumps in the whole segment.
    newborn : bool
        Whether the particle came in during the segment.
    """
    far = math.sqrt(-2.0 * math.log(UNHEARD_OF))
    k = np.arange(math.ceil(mean + (far + 1.0) * math.sqrt(mean) + far**2) + 1.0)
    beyond = special.gammainc(k + 1.0, mean)
    if newborn:
        stops = beyond / mean
        least = np.cumsum(stops[::-1])[::-1]
    else:
        stops = np.exp(special.xlogy(k, mean) - mean - special.gammaln(k + 1.0))
        least = np.append(1.0, beyond[:-1])
    last = max(1, int(np.sum(least > UNHEARD_OF)))
    stops, least = stops[:last], least[:last]
    go = np.append(least[1:] / least[:-1], 0.0)
    # Of two that are near to each other the difference is the more exact.
    stop = np.where(1.0 - go > 1e-4, 1.0 - go, stops / least)
    return np.where(stop > UNHEARD_OF, stop, 0.0), go
