"""Series drawn from the law of a process, stationary from the first value on."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from diffusim.block import Array
from diffusim.series import given
from diffusim.series.filters import filtered, integrated
from diffusim.series.polynomials import autocovariance, check_stable, impulse_response
from diffusim.series.process import Process


def simulate(process: Process, n: int, generator: Generator, count: int | None = None) -> Array:
    """Draw series of a process with normal shocks.

    The values before the first are drawn from their stationary law, given the shocks before, so
    nothing has to die out. For d > 0 that holds for the differences, and the series is their sum,
    from zero on.

    The covariance of p values is taken apart for that, in which variances below 1e-13 of the whole
    count as nothing. A root near the circle that comes often needs small ones: 0.95 five times
    leaves three digits of the smallest, and six times none.

    Parameters
    ----------
    process : Process
        Stable.
    n : int
        Number of times.
    generator : numpy.random.Generator
        Where chance comes from.
    count : int, optional
        How many series, as columns; a single one without an axis of its own if not given.

    Returns
    -------
    (n,) or (n, count) array

    Raises
    ------
    ValueError
        When the autoregression is not stable, or n or count are no whole numbers from 1 on.
    """
    check_stable(process.ar)
    width = 1 if count is None else given.whole(count, "the number of series", 1)
    scale = np.sqrt(process.variance)
    p, q = len(process.ar), len(process.ma)
    shocks = scale * generator.standard_normal((q, width))
    mixed, own = _start(process, p, q)
    values = mixed @ shocks + own @ generator.standard_normal((p, width))
    new = scale * generator.standard_normal((given.whole(n, "n", 1), width))
    w = process.mean + filtered(new, process.ar, process.ma, (values, shocks))
    y = integrated(w, process.d)
    return y[:, 0] if count is None else y


def _start(process: Process, p: int, q: int) -> tuple[Array, Array]:
    """Return M and R: p values before the first are M (the q shocks before it) + R (new deviates).

    Both in the order of time. cov(y_s, e_t) = variance psi_(s-t), and R R' is the covariance that
    is left when the shocks are known.
    """
    if not p:
        return np.zeros((0, q)), np.zeros((0, 0))
    ago = np.arange(p)
    gamma = autocovariance(process.ar, process.ma, process.variance, p - 1)
    psi = impulse_response(process.ar, process.ma, max(p, q))
    later = np.arange(-p, 0)[:, None] - np.arange(-q, 0)
    mixed = np.where(later >= 0, psi[np.abs(later)], 0.0)
    left = gamma[np.abs(ago[:, None] - ago)] - process.variance * mixed @ mixed.T
    return mixed, _root(left, 1e-13 * gamma[0])


def _root(covariance: Array, least: float) -> Array:
    """Return the lower triangular root R of R R' = covariance, which may be singular.

    Cholesky's, where a pivot up to ``least`` is round-off and its column nothing: what is known
    already needs no deviate.
    """
    left, root = covariance.copy(), np.zeros_like(covariance)
    for k in range(len(left)):
        if left[k, k] > least:
            root[k:, k] = left[k:, k] / np.sqrt(left[k, k])
            left -= np.outer(root[:, k], root[:, k])
    return root
