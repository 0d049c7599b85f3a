"""Series beside statsmodels, if that is installed, and the filter beside SciPy's.

    python benchmarks/series.py [--values 2000] [--long 200000] [--rounds 9]

The first table tells how far results are apart: those that mean the same number, relative to its
size, and those that estimate the same one in another way, in standard errors. statsmodels fits by
maximum likelihood, diffusim by least squares, which for long series is the same. The second table
is time, the least of all rounds; candidates take turns.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy import signal

from diffusim import series
from diffusim.series import Process

try:
    from statsmodels.stats.diagnostic import acorr_ljungbox
    from statsmodels.tsa import stattools
    from statsmodels.tsa.arima.estimators import burg as burgs
    from statsmodels.tsa.arima.estimators import hannan_rissanen as hannan_rissanens
    from statsmodels.tsa.arima.estimators import yule_walker as yule_walkers
    from statsmodels.tsa.arima.model import ARIMA
    from statsmodels.tsa.arima_process import arma_acovf
except ImportError:
    ARIMA = None

FLAT = Process((1.2, -0.5), (0.4,), 0, 1.0, 2.0)
WALK = Process((0.6,), (0.4,), 1, 2.0)
# Roots near the circle, many coefficients, both kinds.
FILTERS = {
    "AR(1), 0.5": ((0.5,), ()),
    "AR(2), root 0.99992": ((1.9998, -0.99985), ()),
    "ARMA(2, 1)": ((1.2, -0.5), (0.4,)),
    "ARMA(8, 3)": ((0.1,) * 8, (0.2,) * 3),
    "AR(40)": ((0.02,) * 40, ()),
}
Numbers = np.ndarray


# --- agreement ----------------------------------------------------------------------------------


def same(x: Numbers) -> None:
    """Results that mean the same numbers."""
    w = x - x.mean()
    white = series.innovations(w, FLAT.ar, FLAT.ma)
    a, b = [1.0, *(-c for c in FLAT.ar)], [1.0, *FLAT.ma]
    box = acorr_ljungbox(white, lags=[12], model_df=3)
    ours = series.ljung_box(white, 12, 3)
    pairs = {
        "autocovariance of ARMA(2, 1)": (
            series.autocovariance(FLAT.ar, FLAT.ma, 1.0, 50), arma_acovf(a, b, 51)),
        "autocorrelation": (series.autocorrelation(x, 40), stattools.acf(x, nlags=40)),
        "partial autocorrelation": (
            series.partial_autocorrelation(x, 40), stattools.pacf(x, nlags=40, method="ywm")),
        "Ljung-Box Q and p": ([*ours], box.to_numpy()[0]),
        "Yule-Walker, AR(3)": (
            series.yule_walker(x, 3).process.ar,
            yule_walkers.yule_walker(w, 3, demean=False, adjusted=False)[0].ar_params),
        "Burg, AR(3)": (series.burg(x, 3).process.ar,
                        burgs.burg(w, 3, demean=False)[0].ar_params),
    }  # fmt: skip
    print(f"{'the same numbers':<34}{'largest difference':>20}")
    for name, (found, wanted) in pairs.items():
        found, wanted = np.asarray(found), np.asarray(wanted)
        print(f"{name:<34}{np.max(np.abs(found - wanted)) / np.max(np.abs(wanted)):20.1e}")


def forecasts(y: Numbers) -> None:
    """Forecasts of a known process, whose filter of theirs starts from a variance of 10^6."""
    known = ARIMA(y, order=(1, 1, 1)).smooth([*WALK.ar, *WALK.ma, WALK.variance])
    theirs, ours = known.get_forecast(24), series.forecast(y, WALK, 24)
    ends = theirs.conf_int(alpha=0.05)
    scale = ours.deviation[0]
    for name, found, wanted in (
        ("forecasts, ARIMA(1, 1, 1)", ours.mean, theirs.predicted_mean),
        ("their deviations", ours.deviation, theirs.se_mean),
        ("their intervals, low", ours.low, ends[:, 0]),
        ("their intervals, high", ours.high, ends[:, 1]),
    ):
        print(f"{name:<34}{np.max(np.abs(found - wanted)) / scale:20.1e}")


def estimates(x: Numbers, y: Numbers) -> None:
    """Coefficients found in another way."""
    likely, walk = ARIMA(x, order=(2, 0, 1)).fit(), ARIMA(y, order=(1, 1, 1)).fit()
    third, _ = hannan_rissanens.hannan_rissanen(x - x.mean(), 2, 1, demean=False)
    rows = {
        "arima (2, 0, 1) - their likelihood": (
            series.arima(x, 2, 0, 1), likely.params[1:4], likely.bse[1:4]),
        "hannan_rissanen - their likelihood": (
            series.hannan_rissanen(x, 2, 1), likely.params[1:4], likely.bse[1:4]),
        "their Hannan-Rissanen - likelihood": (None, likely.params[1:4], likely.bse[1:4]),
        "arima (1, 1, 1) - their likelihood": (
            series.arima(y, 1, 1, 1), walk.params[:2], walk.bse[:2]),
    }  # fmt: skip
    print(f"\n{'other estimates':<36}{'in standard errors':>26}{'ratio of these':>24}")
    for name, (fit, wanted, errors) in rows.items():
        if fit is None:
            both, ratio = [*third.ar_params, *third.ma_params], ""
        else:
            both = [*fit.process.ar, *fit.process.ma]
            own = np.append(fit.ar_errors, fit.ma_errors) / errors
            ratio = " ".join(f"{r:6.3f}" for r in own)
        apart = " ".join(f"{d:7.3f}" for d in (np.array(both) - wanted) / errors)
        print(f"{name:<36}{apart:>26}{ratio:>24}")
    print(f"AIC of (2, 0, 1): {series.arima(x, 2, 0, 1).aic:.2f}, theirs {likely.aic:.2f}")


# --- time ---------------------------------------------------------------------------------------


def least(candidates: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    told: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            started = time.perf_counter()
            run()
            told[name].append(time.perf_counter() - started)
    return {name: min(seconds) for name, seconds in told.items()}


def filters(n: int, rounds: int) -> None:
    shocks = np.random.default_rng(1).standard_normal(n)
    print(f"\n{f'{n} values':<24}{'filtered, ms':>14}{'lfilter, ms':>14}{'apart':>10}")
    for name, (ar, ma) in FILTERS.items():
        a, b = [1.0, *(-c for c in ar)], [1.0, *ma]
        ours, theirs = series.filtered(shocks, ar, ma), signal.lfilter(b, a, shocks)
        apart = np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs))
        seconds = least({
            "ours": lambda ar=ar, ma=ma: series.filtered(shocks, ar, ma),
            "theirs": lambda a=a, b=b: signal.lfilter(b, a, shocks),
        }, rounds)  # fmt: skip
        print(
            f"{name:<24}{1e3 * seconds['ours']:14.2f}{1e3 * seconds['theirs']:14.2f}{apart:10.0e}"
        )
    many = shocks.reshape(-1, 100)
    seconds = least({
        "ours": lambda: series.filtered(many, FLAT.ar, FLAT.ma),
        "theirs": lambda: signal.lfilter([1.0, 0.4], [1.0, -1.2, 0.5], many, axis=0),
    }, rounds)  # fmt: skip
    print(
        f"{'100 columns, (2, 1)':<24}{1e3 * seconds['ours']:14.2f}{1e3 * seconds['theirs']:14.2f}"
    )


def fits(x: Numbers, y: Numbers, rounds: int) -> None:
    candidates: dict[str, Callable[[], object]] = {
        "yule_walker, AR(3)": lambda: series.yule_walker(x, 3),
        "burg, AR(3)": lambda: series.burg(x, 3),
        "least_squares, AR(3)": lambda: series.least_squares(x, 3),
        "hannan_rissanen, ARMA(2, 1)": lambda: series.hannan_rissanen(x, 2, 1),
        "arima, (1, 1, 1)": lambda: series.arima(y, 1, 1, 1),
    }
    if ARIMA is not None:
        candidates["statsmodels, (1, 1, 1)"] = lambda: ARIMA(y, order=(1, 1, 1)).fit()
    print(f"\n{f'{x.size} values':<34}{'ms':>10}")
    for name, seconds in least(candidates, min(rounds, 3)).items():
        print(f"{name:<34}{1e3 * seconds:10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--values", type=int, default=2000, help="of the series that are fitted")
    parser.add_argument("--long", type=int, default=200000, help="of the one that is filtered")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    x = series.simulate(FLAT, options.values, np.random.default_rng(3))
    y = 100.0 + series.simulate(WALK, options.values, np.random.default_rng(4))
    if ARIMA is None:
        print("statsmodels is not installed; only times of diffusim and SciPy follow")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            same(x)
            forecasts(y)
            estimates(x, y)
    filters(options.long, options.rounds)
    fits(x, y, options.rounds)


if __name__ == "__main__":
    main()
