"""Whether a series is white: correlations with its own past, and the flatness of its spectrum."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.series import given
from diffusim.series.levinson import levinson, sample_autocovariance

# A part of a spectrum's power that is round-off.
NOTHING = 1e-27


class Whiteness(NamedTuple):
    """The statistic of a test, and how probable one at least as large is where nothing is wrong."""

    statistic: float
    p: float


def autocorrelation(x: Any, lags: int, mean: float | None = None) -> Array:
    """Return r_0, ..., r_lags, r_k = sum_t (x_t - m) (x_(t+k) - m) / sum_t (x_t - m)^2.

    Of n values of white noise each is some 1/sqrt(n), so 95 % lie within 1.96/sqrt(n).

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
    gamma = sample_autocovariance(x, lags, mean)
    return np.asarray(gamma / gamma[0])


def partial_autocorrelation(x: Any, lags: int, mean: float | None = None) -> Array:
    """Return 1 and for k = 1, ..., lags the last coefficient of the autoregression of order k.

    It is what a lag tells that shorter ones do not; by Yule-Walker's equations.

    Parameters
    ----------
    x, lags, mean
        As in `autocorrelation`.

    Raises
    ------
    ValueError
        When the series is too short or constant, or a value is missing.
    """
    return np.append(1.0, levinson(sample_autocovariance(x, lags, mean)).reflections)


def ljung_box(x: Any, lags: int, fitted: int = 0) -> Whiteness:
    """Test whether the first lags are correlated, Q = n (n + 2) sum_k r_k^2 / (n - k).

    Q of white noise has the chi-square law of lags - fitted degrees of freedom, nearly, if n is
    much larger than lags.

    Parameters
    ----------
    x : (n,) array
        One series; its mean is subtracted.
    lags : int
        How many lags.
    fitted : int
        How many coefficients were fitted to make the series, p + q of its innovations.

    Raises
    ------
    ValueError
        When the series is too short or constant, a value is missing, or no more lags than fitted.

    References
    ----------
    G. M. Ljung and G. E. P. Box, "On a measure of lack of fit in time series models", Biometrika 65
    (1978) 297-303.
    """
    from scipy import special

    lags, fitted = given.whole(lags, "lags", 1), given.whole(fitted, "fitted")
    if lags <= fitted:
        raise ValueError(f"expected more lags than the {fitted} fitted coefficients, found {lags}")
    r, n = autocorrelation(x, lags), len(x)
    q = n * (n + 2.0) * float(np.sum(r[1:] ** 2 / (n - np.arange(1.0, lags + 1.0))))
    return Whiteness(q, float(special.chdtrc(lags - fitted, q)))


def periodogram(x: Any) -> tuple[Array, Array]:
    """Return frequencies f_k = k / n and I_k = |sum_t (x_t - mean) exp(-2 pi i f_k t)|^2 / n.

    For k = 1, ..., n // 2. The mean of I is near the spectral density S(f), white noise of
    variance v having v throughout; each I is about as far off as it is large.

    Parameters
    ----------
    x : (n,) array
        One series.

    Returns
    -------
    (n // 2,) array
        In cycles per step.
    (n // 2,) array
        In the square of the series' unit.

    Raises
    ------
    ValueError
        When the series has one value only or is constant, or a value is missing.
    """
    from scipy import fft

    x, _ = given.centred(given.one(x, 2, "a periodogram"), None)
    waves = fft.rfft(x)[1:]
    return np.arange(1, waves.size + 1) / len(x), np.square(np.abs(waves)) / len(x)


def flatness(x: Any) -> Whiteness:
    """Test whether the spectrum is flat: the largest distance of its running sum from a line.

    Of normal white noise the sums C_k = (I_1 + ... + I_k) / (I_1 + ... + I_m) up to
    m = (n - 1) // 2 are as m - 1 uniform numbers in order, so the distance has Kolmogorov's law.
    Its p is Stephens' approximation, right to some per cent from a dozen values on.

    Parameters
    ----------
    x : (n,) array
        One series of at least 5 values; its mean is subtracted.

    Raises
    ------
    ValueError
        When the series is too short or constant, a value is missing, or nothing swings slower than
        from each value to the next.

    References
    ----------
    M. S. Bartlett, An Introduction to Stochastic Processes (1955), section 9.2; M. A. Stephens,
    "Use of the Kolmogorov-Smirnov, Cramer-von Mises and related statistics without extensive
    tables", J. R. Stat. Soc. B 32 (1970) 115-122.
    """
    from scipy import special

    x = given.one(x, 5, "a test of flatness")
    power = periodogram(x)[1]
    sums = np.cumsum(power[: (len(x) - 1) // 2])
    if not sums[-1] > NOTHING * float(np.sum(power)):
        raise ValueError(
            "the series only goes up and down from each value to the next, and the spectrum below "
            "that frequency, whose flatness is tested, holds nothing"
        )
    found, count = sums[:-1] / sums[-1], sums.size - 1
    above, below = np.arange(1, count + 1) / count - found, found - np.arange(count) / count
    distance = float(max(above.max(), below.max()))
    root = np.sqrt(count)
    return Whiteness(distance, float(special.kolmogorov((root + 0.12 + 0.11 / root) * distance)))
