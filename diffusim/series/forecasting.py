"""Forecasts of a process, with the interval in which each value is to be expected."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.series import given
from diffusim.series.filters import differenced, filtered, innovations, integrated
from diffusim.series.fitting import Fit
from diffusim.series.process import Process


class Forecast(NamedTuple):
    """What is expected of the next values.

    Parameters
    ----------
    mean : (steps,) or (steps, m) array
        The expected values.
    low, high : (steps,) or (steps, m) array
        Between these each value lies with the given probability.
    deviation : (steps,) array
        Standard deviation of what is not known yet.
    """

    mean: Array
    low: Array
    high: Array
    deviation: Array


def forecast(x: Any, process: Process | Fit, steps: int, probability: float = 0.95) -> Forecast:
    """Forecast a series, with shocks to come at zero, and how far off it may be.

    The error after h steps is psi_0 e_(n+h) + ... + psi_(h-1) e_(n+1), so its variance is
    variance (psi_0^2 + ... + psi_(h-1)^2), with the impulse response of the series, its d sums
    included. Intervals are those of normal shocks and of coefficients that are known; they hold for
    each value by itself.

    Past shocks are found from the first p values of the d-th difference on, those before taken as
    zero. That is exact for autoregressions; a moving average forgets it as the n-th power of its
    roots.

    Parameters
    ----------
    x : (n,) or (n, m) array
        One series, or several as columns, with n > d + p.
    process : Process or Fit
        Its law, invertible: known, or what was fitted.
    steps : int
        How many values.
    probability : float
        That a value lies in its interval.

    Raises
    ------
    ValueError
        When the process is not invertible, the series too short, a value is missing, or a number
        out of its range.

    References
    ----------
    Brockwell and Davis, Time Series: Theory and Methods, 2nd ed. (1991), sections 5.5 and 9.5.
    """
    from scipy import special

    if not 0.0 < probability < 1.0:
        raise ValueError(f"expected a probability between 0 and 1, found {probability}")
    process = process.process if isinstance(process, Fit) else process
    p, q, d = len(process.ar), len(process.ma), process.d
    x = given.series(x, d + p + 1, f"a forecast of {process.name}")
    w = differenced(x, d) - process.mean
    past, none = w[:p], np.zeros((q, *w.shape[1:]))
    e = np.concatenate([none, innovations(w[p:], process.ar, process.ma, (past, none))])
    still = np.zeros((given.whole(steps, "steps", 1), *w.shape[1:]))
    ahead = filtered(still, process.ar, process.ma, (w[len(w) - p :], e[len(e) - q :]))
    mean = integrated(ahead + process.mean, d, x[len(x) - d :])
    deviation = np.sqrt(process.variance * np.cumsum(process.impulse_response(steps) ** 2))
    half = float(special.ndtri(0.5 + 0.5 * probability)) * deviation
    half = half.reshape(-1, *(1,) * (mean.ndim - 1))
    return Forecast(mean, mean - half, mean + half, deviation)
