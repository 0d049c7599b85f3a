"""What is expected of a series: where it may be at each time, and how it may go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from diffusim import series
from diffusim.block import Array
from diffusim.grid import Grid

# Of more applications the spread is not worked out.
MOST_APPLICATIONS = 32
# A forecast reaches over this part of the series, by an autoregression of such an order at most.
PART_AHEAD, HIGHEST_ORDER = 6, 12
MOST_SUMS = 4
PROBABILITY = 0.95


class Spread(NamedTuple):
    """Mean and standard deviation of a series at each of its times."""

    mean: Array
    deviation: Array


class Outlook(NamedTuple):
    """What a series may do after its end, and the process that was fitted to say so."""

    process: series.Process
    forecast: series.Forecast


def spread(
    initial: Mapping[str, Any], grid: Grid, applied: Sequence[tuple[Array, int]]
) -> Spread | None:
    """Return where series may be that were made of white noise, at each time.

    With psi the response to a shock after all applications, from nothing before the first time,
    mean(t) = m sum_(k <= t) psi_k and variance(t) = s^2 sum_(k <= t) psi_k^2; round a ring the sums
    go over all k.

    Parameters
    ----------
    initial : mapping
        How the start was made; only of ``noise`` the law is known.
    grid : Grid
        A series.
    applied : sequence of (weights, count)
        Weights of lags -a to a, none below 0, and how often they were applied.

    Returns
    -------
    Spread or None
        None where the law is not known, or too long to find.
    """
    if initial.get("kind") != "noise" or sum(count for _, count in applied) > MOST_APPLICATIONS:
        return None
    n, ring = grid.shape[0], grid.wrap[0]
    psi = np.eye(1, n)[0]
    for weights, count in applied:
        later = np.zeros(n)
        causal = weights[weights.size // 2 :][:n]
        later[: causal.size] = causal
        for _ in range(count):
            psi = _round(psi, later) if ring else series.convolved(psi, later)
    sums = [np.full(n, np.sum(p)) if ring else np.cumsum(p) for p in (psi, psi**2)]
    return Spread(initial["mean"] * sums[0], initial["deviation"] * np.sqrt(sums[1]))


def _round(one: Array, other: Array) -> Array:
    return np.asarray(np.fft.irfft(np.fft.rfft(one) * np.fft.rfft(other), one.size))


def outlook(u: Array, sums: int) -> Outlook | None:
    """Return the forecast of a series by an autoregression fitted to it, by Burg's method and BIC.

    Parameters
    ----------
    u : (n,) array
        The series.
    sums : int
        How often it was summed up, and so is differenced before the fit.

    Returns
    -------
    Outlook or None
        None where the series tells nothing of what comes: it is white, constant, or too short.
    """
    if not 0 <= sums <= MOST_SUMS:
        return None
    try:
        w = series.differenced(u, sums)
        most = min(HIGHEST_ORDER, (w.size - 2) // 2)
        # The mean of what was summed up is a drift, and has to be told from none.
        fits = [
            series.best_order(w, most, mean=mean) for mean in ((0.0, None) if sums else (None,))
        ]
        found = min(fits, key=lambda fit: fit.bic).process
    except ValueError:
        return None
    if not sums and not found.ar:
        return None
    process = series.Process(found.ar, (), sums, found.variance, found.mean)
    return Outlook(process, series.forecast(u, process, max(1, u.size // PART_AHEAD), PROBABILITY))
