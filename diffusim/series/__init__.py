"""Series in time: smoothing, autoregressions and moving averages as convolutions.

- `polynomials`: roots, stability, impulse responses, spectral density and autocovariance;
- `filters`: a filter forward and back, differences and sums;
- `smoothing`: moving averages and exponential smoothing;
- `simulation`, `fitting`, `forecasting`: of a `Process`, ARIMA(p, d, q);
- `whiteness`: correlations, periodogram, and tests of white noise.

A series is an array with time along its first axis; where several are taken they are columns.
Times are steps, frequencies cycles per step.
"""

from __future__ import annotations

from diffusim.series.filters import convolved, differenced, filtered, innovations, integrated
from diffusim.series.fitting import (
    Fit,
    arima,
    best_order,
    burg,
    hannan_rissanen,
    least_squares,
    yule_walker,
)
from diffusim.series.forecasting import Forecast, forecast
from diffusim.series.polynomials import (
    autocovariance,
    causal,
    check_invertible,
    check_stable,
    differencing,
    impulse_response,
    inverse_response,
    invertible,
    roots,
    spectral_density,
    stable,
    with_differences,
)
from diffusim.series.process import Process
from diffusim.series.simulation import simulate
from diffusim.series.smoothing import (
    alpha_of,
    exponential_smoothing,
    exponential_weights,
    half_life_of,
    moving_average,
    time_constant_of,
)
from diffusim.series.whiteness import (
    Whiteness,
    autocorrelation,
    flatness,
    ljung_box,
    partial_autocorrelation,
    periodogram,
)

__all__ = [
    "Fit",
    "Forecast",
    "Process",
    "Whiteness",
    "alpha_of",
    "arima",
    "autocorrelation",
    "autocovariance",
    "best_order",
    "burg",
    "causal",
    "check_invertible",
    "check_stable",
    "convolved",
    "differenced",
    "differencing",
    "exponential_smoothing",
    "exponential_weights",
    "filtered",
    "flatness",
    "forecast",
    "half_life_of",
    "hannan_rissanen",
    "impulse_response",
    "innovations",
    "integrated",
    "inverse_response",
    "invertible",
    "least_squares",
    "ljung_box",
    "moving_average",
    "partial_autocorrelation",
    "periodogram",
    "roots",
    "simulate",
    "spectral_density",
    "stable",
    "time_constant_of",
    "with_differences",
    "yule_walker",
]
