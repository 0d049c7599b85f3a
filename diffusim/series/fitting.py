"""Fitting processes to a series: by Yule-Walker, Burg, least squares, Hannan-Rissanen.

The sample mean is subtracted first unless a mean is given; nothing is fitted to it beside. The
variance is the mean square of the innovations. Standard errors are those of long series.

Maximum likelihood, which tells the first values apart from the others and matters for short series,
is not done here: statsmodels' ``ARIMA`` does it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.series import given
from diffusim.series.levinson import Ladder, levinson, raised, sample_autocovariance
from diffusim.series.process import Process
from diffusim.series.regression import improved, regressed, started

Criterion = Literal["aic", "bic"]

# A part of a series' variance that is round-off.
NOTHING = 1e-27


class Fit(NamedTuple):
    """A process found from a series.

    Parameters
    ----------
    process : Process
        Coefficients, variance of the shocks, mean.
    ar_errors, ma_errors : array
        Standard errors of the coefficients; not a number where the fit is not stable.
    n : int
        How many values the differenced series has.
    aic, bic : float
        -2 log L + 2 k and -2 log L + k log n, with -2 log L = n log(2 pi variance) + n. Counted in
        k are the coefficients, the variance, and the mean unless it was given. They compare fits of
        one series by one method, with the same d.
    """

    process: Process
    ar_errors: Array
    ma_errors: Array
    n: int
    aic: float
    bic: float

    @property
    def stable(self) -> bool:
        """Whether the process is."""
        return self.process.stable

    @property
    def invertible(self) -> bool:
        """Whether the process is."""
        return self.process.invertible


# --- autoregressions ----------------------------------------------------------------------------


def yule_walker(x: Any, p: int, mean: float | None = None) -> Fit:
    """Fit an autoregression whose first covariances are those of the series.

    Always stable, by Levinson's recursion. Of series with a root near the circle it is more biased
    towards zero than the others.

    Parameters
    ----------
    x : (n,) array
        One series.
    p : int
        Order.
    mean : float, optional
        The mean, where it is known.

    Raises
    ------
    ValueError
        When the series has fewer than 2 p + 2 values or is constant, or a value is missing.
    """
    x, p = _enough(x, p)
    w, middle = given.centred(x, mean)
    ladder = levinson(sample_autocovariance(w, p, 0.0))
    return _autoregression(ladder.ar, ladder.variances, middle, len(x), mean is None)


def burg(x: Any, p: int, mean: float | None = None) -> Fit:
    """Fit an autoregression by the least errors forwards and backwards, order by order.

    Always stable, and without the zeros beyond the ends that Yule-Walker's covariances assume.

    Parameters
    ----------
    x, p, mean
        As in `yule_walker`.

    Raises
    ------
    ValueError
        When the series has fewer than 2 p + 2 values or is constant, or a value is missing.

    References
    ----------
    J. P. Burg, "Maximum entropy spectral analysis", thesis, Stanford (1975); Brockwell and Davis,
    Introduction to Time Series and Forecasting, 3rd ed. (2016), section 5.1.2.
    """
    x, p = _enough(x, p)
    w, middle = given.centred(x, mean)
    ladder = _burg(w, p)
    return _autoregression(ladder.ar, ladder.variances, middle, len(x), mean is None)


def least_squares(x: Any, p: int, mean: float | None = None) -> Fit:
    """Fit an autoregression by regression on its own past; it need not be stable.

    Parameters
    ----------
    x, p, mean
        As in `yule_walker`.

    Raises
    ------
    ValueError
        When the series has fewer than 2 p + 2 values or is constant, or a value is missing.
    """
    x, p = _enough(x, p)
    return arima(x, p, 0, 0, mean)


def best_order(x: Any, most: int, criterion: Criterion = "bic", mean: float | None = None) -> Fit:
    """Fit the autoregression up to an order that a criterion thinks best, by Burg's method.

    AIC forecasts better and takes too high an order every now and then, however long the series;
    BIC finds the true one in the end.

    Parameters
    ----------
    x, mean
        As in `yule_walker`.
    most : int
        The highest order.
    criterion : "aic" or "bic"
        What is to be least.

    Raises
    ------
    ValueError
        When the criterion is another one, the series has fewer than 2 most + 2 values or is
        constant, or a value is missing.
    """
    if criterion not in ("aic", "bic"):
        raise ValueError(f"a criterion is 'aic' or 'bic', not {criterion!r}")
    x, most = _enough(x, most)
    w, middle = given.centred(x, mean)
    ladder = _burg(w, most)
    fits = _orders(ladder, middle, len(x), mean is None)
    return min(fits, key=lambda fit: fit.aic if criterion == "aic" else fit.bic)


def _burg(w: Array, p: int) -> Ladder:
    ar, reflections, variances = np.empty(0), [], [float(np.mean(w * w))]
    forward, backward = w[1:], w[:-1]
    for _ in range(p):
        squares = float(np.sum(forward * forward) + np.sum(backward * backward))
        k = 2.0 * float(np.sum(forward * backward)) / squares if squares > 0.0 else 0.0
        forward, backward = (forward - k * backward)[1:], (backward - k * forward)[:-1]
        ar = raised(ar, k)
        reflections.append(k)
        variances.append(variances[-1] * (1.0 - k * k))
    return Ladder(ar, np.array(reflections), np.array(variances))


def _orders(ladder: Ladder, mean: float, n: int, fitted_mean: bool) -> Iterator[Fit]:
    """Yield the fits of all orders."""
    ar = np.empty(0)
    yield _autoregression(ar, ladder.variances[:1], mean, n, fitted_mean)
    for order, k in enumerate(ladder.reflections, start=1):
        ar = raised(ar, k)
        yield _autoregression(ar, ladder.variances[: order + 1], mean, n, fitted_mean)


def _autoregression(ar: Array, variances: Array, mean: float, n: int, fitted_mean: bool) -> Fit:
    """Return the fit of an autoregression, with the errors of a long series.

    ``variances`` are of what orders 0, ..., p leave.

    n times the covariance of the coefficients is variance Gamma^-1 = L L' - U U', two Toeplitz
    triangles of the coefficients (Gohberg and Semencul).
    """
    first, last = np.append(1.0, -ar), -ar[::-1]
    squares = np.cumsum(first[: ar.size] ** 2) - np.cumsum(last**2)
    errors = np.sqrt(np.where(squares >= 0.0, squares, np.nan) / n)
    variance = _left(variances[-1], variances[0], f"an autoregression of order {ar.size}")
    return _fit(Process(tuple(ar), variance=variance, mean=mean), errors, n, fitted_mean)


# --- moving averages and differences ------------------------------------------------------------


def hannan_rissanen(
    x: Any, p: int, q: int, mean: float | None = None, long: int | None = None
) -> Fit:
    """Fit an ARMA process by regressions: on its past and on shocks that a long fit has left.

    Three stages: an autoregression of high order by Burg's method; a regression on p past values
    and q of its innovations; and one step of Gauss and Newton from there, which makes the
    coefficients as good as those of least squares in long series.

    Parameters
    ----------
    x, mean
        As in `yule_walker`.
    p, q : int
        Orders.
    long : int, optional
        Order of the long fit; by default p + q + 10 log10(n), or a quarter of the series.

    Raises
    ------
    ValueError
        When the series is too short for that or constant, or a value is missing.

    References
    ----------
    E. J. Hannan and J. Rissanen, "Recursive estimation of mixed autoregressive-moving average
    order", Biometrika 69 (1982) 81-94; Brockwell and Davis, Introduction to Time Series and
    Forecasting, 3rd ed. (2016), section 5.1.4.
    """
    x, p, q = _enough_for_shocks(x, p, q)
    w, middle = given.centred(x, mean)
    if long is not None and 2 * given.whole(long, "the order of the long fit", 1) > len(w) - p - q:
        raise ValueError(f"a long fit of order {long} is too long for {len(w)} values")
    return _regression(w, p, q, middle, mean is None, most=1, long=long)


def arima(x: Any, p: int, d: int, q: int, mean: float | None = None) -> Fit:
    """Fit ARIMA(p, d, q): difference d times, then the least sum of squared innovations.

    Conditional least squares, from Hannan and Rissanen's fit by steps of Gauss and Newton: the
    first p values are taken as they are and shocks before as zero. The moving average is kept
    invertible; the autoregression may come out unstable. Of a short series with a root near the
    circle the sum may have two minima, and the one that is found need not be the lower.

    Zeros before the first shock are felt for as long as the roots of the moving average last. Where
    that is no small part of the series, coefficients are off by more than their errors say: of 300
    values with b = 0.95 their distance from the truth is some 1.5 times the standard error.

    Parameters
    ----------
    x : (n,) array
        One series.
    p, d, q : int
        Orders.
    mean : float, optional
        Of the d-th difference. By default the sample mean if d = 0, else 0, for it would be a
        drift.

    Raises
    ------
    ValueError
        When the series is too short or its differences are constant, or a value is missing.

    References
    ----------
    Box and Jenkins, Time Series Analysis: Forecasting and Control (1970), chapter 7.
    """
    d = given.whole(d, "the number of differences")
    x, p, q = _enough_for_shocks(x, p, q, d)
    estimated = mean is None and d == 0
    w, middle = given.centred(np.diff(x, d), None if estimated else mean or 0.0)
    return _regression(w, p, q, middle, estimated, most=100, d=d)


def _regression(
    w: Array,
    p: int,
    q: int,
    mean: float,
    fitted_mean: bool,
    *,
    most: int,
    long: int | None = None,
    d: int = 0,
) -> Fit:
    """Return the fit that regressions on past values and shocks come to."""
    shocks = None
    if q:
        usual = min(p + q + math.ceil(10.0 * math.log10(len(w))), len(w) // 4)
        shocks = started(w, _burg(w, usual if long is None else long).ar)
    ar, ma = np.split(regressed(w, p, q, shocks), [p])
    ar, ma, variance, errors = improved(w, ar, ma, most)
    variance = _left(variance, float(np.mean(w * w)), f"ARIMA({p}, {d}, {q})")
    process = Process(tuple(ar), tuple(ma), d, variance, mean)
    return _fit(process, errors, len(w), fitted_mean)


# --- what they share ----------------------------------------------------------------------------


def _fit(process: Process, errors: Array, n: int, fitted_mean: bool) -> Fit:
    p, q = len(process.ar), len(process.ma)
    likelihood = n * (math.log(2.0 * math.pi * process.variance) + 1.0)
    k = p + q + 1 + fitted_mean
    return Fit(
        process, errors[:p], errors[p:], n, likelihood + 2.0 * k, likelihood + k * math.log(n)
    )


def _left(variance: float, whole: float, what: str) -> float:
    """Return the variance of the shocks, if there is more than round-off of the series' own.

    Raises
    ------
    ValueError
        When there is not.
    """
    if not variance > NOTHING * whole:
        raise ValueError(
            f"{what} leaves nothing of the series, which has no shocks; a lower order may do"
        )
    return variance


def _enough(x: Any, p: int) -> tuple[Array, int]:
    """Return series and order of an autoregression, checked."""
    p = given.whole(p, "the order")
    return given.one(x, 2 * p + 2, f"an autoregression of order {p}"), p


def _enough_for_shocks(x: Any, p: int, q: int, d: int = 0) -> tuple[Array, int, int]:
    """Return series and orders of a process, checked."""
    p, q = given.whole(p, "the order"), given.whole(q, "the order")
    least = 2 * p + 2 + d + (4 * q + 8 if q else 0)
    return given.one(x, least, f"a fit of ARIMA({p}, {d}, {q})"), p, q
