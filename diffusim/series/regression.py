"""Regressions of a series, its mean subtracted, on its past values and shocks."""

from __future__ import annotations

import numpy as np

from diffusim.block import Array
from diffusim.series.filters import filtered, innovations
from diffusim.series.polynomials import invertible, roots

# A step of Gauss and Newton that is a smaller part of the standard errors is the last one.
SMALL = 1e-7
# How often a step is halved before it is given up.
HALVINGS = 30


def lagged(w: Array, lags: int, first: int) -> Array:
    """Return w_(t-1), ..., w_(t-lags) as columns, for t = first, ..., n - 1; first >= lags."""
    found = np.empty((len(w) - first, lags))
    for lag in range(1, lags + 1):
        found[:, lag - 1] = w[first - lag : len(w) - lag]
    return found


def started(w: Array, ar: Array) -> Array:
    """Return the innovations of an autoregression, the first p no numbers for want of a past."""
    shocks = np.full_like(w, np.nan)
    shocks[ar.size :] = innovations(w[ar.size :], ar, (), (w[: ar.size], w[:0]))
    return shocks


def regressed(w: Array, p: int, q: int, shocks: Array | None) -> Array:
    """Return the p + q coefficients of the least squares of w on its past and on known shocks.

    Shocks that are not known, at the beginning, are not a number; what needs them is left out.
    """
    known = 0 if shocks is None else int(np.count_nonzero(np.isnan(shocks)))
    first = max(p, known + q)
    past = lagged(w, p, first)
    if shocks is not None:
        past = np.concatenate([past, lagged(shocks, q, first)], axis=1)
    return np.asarray(np.linalg.lstsq(past, w[first:])[0])


def improved(w: Array, ar: Array, ma: Array, most: int) -> tuple[Array, Array, float, Array]:
    """Return coefficients with a smaller sum of squared innovations, their variance and errors.

    Steps of Gauss and Newton, at most so many, each halved until the sum has grown smaller and the
    moving average is invertible. Derivatives of the innovations obey the process' own recursion,
    B(B) de/da_i = -w_(t-i) and B(B) de/db_j = -e_(t-j).
    """
    p = ar.size
    if p + ma.size == 0:
        return ar, ma, float(np.mean(w * w)), np.empty(0)
    both = np.concatenate([ar, ma if invertible(ma) else inward(ma)])
    e = _shocks(w, both, p)
    for _ in range(most):
        slopes = _slopes(w, e, both, p)
        step = np.linalg.lstsq(slopes, -e)[0]
        errors = _errors(slopes, e)
        both, e, moved = _halved(w, both, e, step, p)
        if not np.any(np.abs(moved) > SMALL * errors):
            break
    return both[:p], both[p:], float(np.mean(e * e)), _errors(_slopes(w, e, both, p), e)


def inward(ma: Array) -> Array:
    """Return a moving average whose roots outside are replaced by their reciprocals.

    It has the same correlations; roots within 1 % of the circle are set that far inside.
    """
    found = roots(-ma)
    size = np.abs(found)
    size[size == 0.0] = 1.0
    aims = np.minimum(np.where(np.abs(found) > 1.0, 1.0 / size, np.abs(found)), 0.99)
    return np.asarray(np.poly(found * (aims / size)).real[1:])


def _halved(w: Array, both: Array, e: Array, step: Array, p: int) -> tuple[Array, Array, Array]:
    """Return coefficients and innovations after a step, and how far it went, perhaps nowhere."""
    least = float(np.sum(e * e))
    for halving in range(HALVINGS):
        part = step * 0.5**halving
        if invertible(both[p:] + part[p:]):
            found = _shocks(w, both + part, p)
            if float(np.sum(found * found)) < least:
                return both + part, found, part
    return both, e, np.zeros_like(step)


def _shocks(w: Array, both: Array, p: int) -> Array:
    """Return the innovations from the p-th value on, those before taken as zero."""
    q = both.size - p
    return innovations(w[p:], both[:p], both[p:], (w[:p], np.zeros(q)))


def _slopes(w: Array, e: Array, both: Array, p: int) -> Array:
    """Return de/da_i and de/db_j as columns."""
    q = both.size - p
    shocks = np.concatenate([np.zeros(q), e])
    right = np.concatenate([lagged(w, p, p), lagged(shocks, q, q)], axis=1)
    return filtered(-right, -both[p:])


def _errors(slopes: Array, e: Array) -> Array:
    """Return standard errors, the roots of variance (J'J)^-1's diagonal."""
    triangle = np.linalg.qr(slopes, mode="r")
    if np.linalg.cond(triangle) > 1e12:
        return np.full(slopes.shape[1], np.inf)
    inverse = np.linalg.inv(triangle)
    return np.asarray(np.sqrt(float(np.mean(e * e)) * np.sum(inverse**2, axis=1)))
