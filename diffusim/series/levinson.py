"""Autoregressions of all orders from covariances, one after the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.series import given


class Ladder(NamedTuple):
    """Autoregressions of orders 0, ..., p.

    Parameters
    ----------
    ar : (p,) array
        Coefficients of the highest order.
    reflections : (p,) array
        The last coefficient of each order from 1 on: the partial autocorrelations.
    variances : (p + 1,) array
        Of what each order leaves.
    """

    ar: Array
    reflections: Array
    variances: Array


def raised(ar: Array, reflection: float) -> Array:
    """Return the coefficients of one more order, a_i - k a_(p+1-i) and k."""
    return np.append(ar - reflection * ar[::-1], reflection)


def levinson(gamma: Array) -> Ladder:
    """Solve the Yule-Walker equations sum_i a_i gamma_|k-i| = gamma_k, k = 1, ..., p, for all p.

    Parameters
    ----------
    gamma : (p + 1,) array
        Autocovariances of lags 0, ..., p, positive definite.

    References
    ----------
    J. Durbin, "The fitting of time-series models", Rev. Inst. Int. Stat. 28 (1960) 233-244;
    Golub and Van Loan, Matrix Computations, 4th ed. (2013), section 4.7.
    """
    ar, reflections, variances = np.empty(0), [], [float(gamma[0])]
    for order in range(1, len(gamma)):
        left = gamma[order] - ar @ gamma[order - 1 : 0 : -1]
        k = float(left / variances[-1]) if variances[-1] > 0.0 else 0.0
        ar = raised(ar, k)
        reflections.append(k)
        variances.append(variances[-1] * (1.0 - k * k))
    return Ladder(ar, np.array(reflections), np.array(variances))


def sample_autocovariance(x: Array, lags: int, mean: float | None = None) -> Array:
    """Return g_0, ..., g_lags of a series, g_k = sum_t (x_t - m) (x_(t+k) - m) / n.

    Divided by n at every lag, so they are positive definite. By transforms, padded so that nothing
    comes round.

    Parameters
    ----------
    x : (n,) array
        One series.
    lags : int
        The largest lag, below n.
    mean : float, optional
        m; the sample mean if not given.

    Raises
    ------
    ValueError
        When the series is too short or constant, or a value is missing.
    """
    from scipy import fft

    lags = given.whole(lags, "lags")
    x, _ = given.centred(given.one(x, lags + 1, f"{lags} lags"), mean)
    length = fft.next_fast_len(len(x) + lags, real=True)
    waves = fft.rfft(x, length)
    return np.asarray(fft.irfft(np.square(np.abs(waves)), length)[: lags + 1] / len(x))
