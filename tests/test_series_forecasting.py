"""Forecasts against the conditional law of normal numbers, and whether a series is white."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import linalg, special

from diffusim import series
from diffusim.block import Array
from diffusim.series import Process, Whiteness

PROCESSES = [
    Process((1.2, -0.5), variance=2.0, mean=3.0), Process((0.5,), (0.4,), 0, 0.7, -1.0),
    Process((), (0.4, -0.3), 0, 0.7, 5.0), Process((0.5,), (0.4,), 1, 0.7, 0.3), Process(d=2),
    Process(d=1, variance=3.0), Process(mean=2.0), Process((0.6, 0.2), (), 2, 0.5, 0.01),
]  # fmt: skip


def drawn(process: Process, n: int, seed: int, count: int | None = None) -> Array:
    return series.simulate(process, n, np.random.default_rng(seed), count)


def named(process: Process) -> str:
    return process.name


# --- forecasts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("process", PROCESSES, ids=named)
def test_a_forecast_is_the_conditional_law_of_normal_numbers(process: Process) -> None:
    """Mean S21 S11^-1 w and covariance S22 - S21 S11^-1 S12, of differences, then summed."""
    n, steps, d = 80, 10, process.d
    x = drawn(process, n, 1)
    w = np.diff(x, d)
    gamma = series.autocovariance(process.ar, process.ma, process.variance, len(w) + steps - 1)
    whole = linalg.toeplitz(gamma)
    old, new = slice(len(w)), slice(len(w), None)
    weights = linalg.solve(whole[old, old], whole[old, new]).T
    mean = process.mean + weights @ (w - process.mean)
    covariance = whole[new, new] - weights @ whole[old, new]
    for k in range(d, 0, -1):
        mean = np.diff(x, k - 1)[-1] + np.cumsum(mean)
        covariance = np.cumsum(np.cumsum(covariance, axis=0), axis=1)
    found = series.forecast(x, process, steps)
    assert found.mean == pytest.approx(mean, rel=1e-9, abs=1e-9)
    assert found.deviation == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-9)
    assert found.high - found.mean == pytest.approx(1.959963984540054 * found.deviation, rel=1e-9)
    assert found.mean - found.low == pytest.approx(1.959963984540054 * found.deviation, rel=1e-9)


@pytest.mark.parametrize("process", PROCESSES, ids=named)
def test_intervals_hold_as_often_as_they_say(process: Process) -> None:
    """4000 series, at each of six steps; a false alarm is as rare as 1e-6 for each of them."""
    whole = drawn(process, 46, 2, 4000)
    for probability in (0.5, 0.95):
        found = series.forecast(whole[:40], process, 6, probability)
        inside = np.sum((found.low <= whole[40:]) & (whole[40:] <= found.high), axis=1)
        for count in inside:
            assert 5e-7 < special.bdtr(count, 4000, probability) < 1.0 - 5e-7
    errors = (whole[40:] - found.mean) / found.deviation[:, None]
    for squares in np.sum(errors**2, axis=1):
        assert 5e-7 < special.chdtrc(4000, squares) < 1.0 - 5e-7


def test_intervals_of_a_fitted_process_hold_too() -> None:
    """Of 300 series of 600 values 285 are expected inside, 262 are as rare as 1e-7."""
    process, inside = Process((1.2, -0.5), (0.4,), 1), 0
    for seed in range(300):
        x = drawn(process, 604, seed)
        fitted = series.hannan_rissanen(np.diff(x[:600]), 2, 1, 0.0).process
        whole = Process(fitted.ar, fitted.ma, 1, fitted.variance)
        ahead = series.forecast(x[:600], whole, 4)
        inside += bool(ahead.low[-1] <= x[603] <= ahead.high[-1])
    assert 262 < inside < 300


def test_a_forecast_goes_to_the_mean_or_along_the_drift() -> None:
    x = drawn(PROCESSES[0], 50, 3)
    far = series.forecast(x, PROCESSES[0], 300)
    assert far.mean[-1] == pytest.approx(3.0, rel=1e-12)
    gamma = series.autocovariance((1.2, -0.5), (), 2.0, 0)
    assert far.deviation[-1] == pytest.approx(math.sqrt(gamma[0]), rel=1e-12)
    walk = series.forecast([1.0, 4.0], Process(d=1, variance=9.0, mean=0.5), 16)
    assert walk.mean.tolist() == [4.0 + 0.5 * k for k in range(1, 17)]
    assert walk.deviation.tolist() == pytest.approx([3.0 * math.sqrt(k) for k in range(1, 17)])


def test_a_forecast_by_a_fit_is_that_by_its_process() -> None:
    x = drawn(PROCESSES[0], 60, 5)
    fit = series.burg(x, 2)
    for one, other in zip(
        series.forecast(x, fit, 5), series.forecast(x, fit.process, 5), strict=True
    ):
        assert np.array_equal(one, other)


def test_forecasts_of_columns_are_those_of_each() -> None:
    process = PROCESSES[3]
    x = drawn(process, 30, 4, 3)
    together = series.forecast(x, process, 5)
    for k in range(3):
        alone = series.forecast(x[:, k], process, 5)
        assert np.array_equal(together.mean[:, k], alone.mean)
        assert np.array_equal(together.high[:, k], alone.high)


def test_forecasts_that_cannot_be_made_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"a forecast of ARIMA\(2, 1, 0\) needs at least 4 values"):
        series.forecast(np.zeros(3), Process((0.5, 0.1), d=1), 2)
    with pytest.raises(ValueError, match="the moving average is not invertible: its roots are -2"):
        series.forecast(np.zeros(9), Process((), (2.0,)), 2)
    with pytest.raises(ValueError, match="a probability between 0 and 1, found 95"):
        series.forecast(np.zeros(9), Process(), 2, 95)
    with pytest.raises(ValueError, match="expected steps as a whole number from 1 on, found 0"):
        series.forecast(np.zeros(9), Process(), 0)
    with pytest.raises(ValueError, match="value 8 of the series is inf"):
        series.forecast(np.append(np.zeros(8), np.inf), Process(), 1)


# --- whiteness ----------------------------------------------------------------------------------


def test_correlations_are_those_of_the_definition() -> None:
    x = drawn(PROCESSES[0], 90, 5)
    for mean in (None, 3.0):
        w = x - (x.mean() if mean is None else mean)
        sums = np.array([np.sum(w[k:] * w[: 90 - k]) for k in range(90)])
        r = series.autocorrelation(x, 89, mean)
        assert r == pytest.approx(sums / sums[0], rel=0.0, abs=1e-14)
        partial = series.partial_autocorrelation(x, 6, mean)
        last = [linalg.solve(linalg.toeplitz(r[:k]), r[1 : k + 1])[-1] for k in range(1, 7)]
        assert partial == pytest.approx([1.0, *last], rel=0.0, abs=1e-13)


def test_a_periodogram_is_the_squared_transform_and_sums_to_the_variance() -> None:
    for n in (36, 37):
        x = drawn(PROCESSES[0], n, 6)
        f, found = series.periodogram(x)
        t = np.arange(n)
        wanted = [abs(np.sum((x - x.mean()) * np.exp(-2j * np.pi * k * t / n))) ** 2 / n
                  for k in range(1, n // 2 + 1)]  # fmt: skip
        assert found == pytest.approx(wanted, rel=1e-10)
        assert f == pytest.approx(np.arange(1, n // 2 + 1) / n, rel=1e-15)
        both = 2.0 * found.sum() - (found[-1] if n % 2 == 0 else 0.0)
        assert both / n == pytest.approx(np.var(x), rel=1e-12)


def test_periodograms_average_to_the_spectral_density() -> None:
    """Each is exponential with the density as mean: 400 of them, at 128 frequencies.

    The law of their sum is chi-square of 800 degrees, up to the width of a bin; a false alarm at
    any of them is as rare as 1e-6.
    """
    x = drawn(PROCESSES[1], 256, 7, 400)
    pairs = [series.periodogram(column) for column in x.T]
    f, total = pairs[0][0], sum(found for _, found in pairs)
    ratio = total / series.spectral_density((0.5,), (0.4,), 0.7, f)
    assert np.all(special.chdtrc(800, 2.0 * ratio[:-1]) > 4e-9)
    assert np.all(special.chdtr(800, 2.0 * ratio[:-1]) > 4e-9)


def box(x: Array) -> Whiteness:
    return series.ljung_box(x, 10)


@pytest.mark.parametrize("test", [box, series.flatness])
def test_probabilities_of_white_noise_are_even(test: Callable[[Array], Whiteness]) -> None:
    """Kolmogorov's test of 1000 of them; a false alarm is as rare as 1e-6."""
    x = drawn(Process(mean=5.0), 400, 8, 1000)
    p = np.sort([test(column).p for column in x.T])
    steps = np.arange(1000) / 1000
    gap = max(np.max(p - steps), np.max(steps + 1e-3 - p))
    assert special.kolmogorov(math.sqrt(1000) * gap) > 1e-6


@pytest.mark.parametrize("test", [box, series.flatness])
def test_filtered_white_noise_is_coloured_and_comes_back_white(
    test: Callable[[Array], Whiteness],
) -> None:
    """No p of 50 below 1e-8 where it came back, none above 1e-6 before."""
    for seed in range(50):
        ar, ma = (0.6, -0.3), (0.3,)
        shocks = np.random.default_rng(seed).standard_normal(1000)
        coloured = series.filtered(shocks, ar, ma)
        back = series.innovations(coloured, ar, ma)
        assert back == pytest.approx(shocks, rel=0.0, abs=1e-13)
        assert test(coloured).p < 1e-6
        assert test(back).p > 1e-8


def test_what_a_fit_leaves_is_white_with_fewer_degrees() -> None:
    """Q of 300 series, each of the law of chi-square with 12 - 2; their sum tells."""
    total = 0.0
    for seed in range(300):
        x = drawn(PROCESSES[0], 1000, seed)
        process = series.least_squares(x, 2).process
        rest = series.innovations(x - process.mean, process.ar)[2:]
        found = series.ljung_box(rest, 12, 2)
        assert found.p == pytest.approx(special.gammaincc(5.0, found.statistic / 2.0), rel=1e-10)
        total += found.statistic
    # Two lags too many or too few would put the sum off by 600, 7.7 standard deviations.
    assert abs(total - 3000.0) < 4.9 * math.sqrt(2.0 * 3000.0)


def test_ljung_and_box_weigh_lags_by_what_is_left_of_the_series() -> None:
    x = drawn(PROCESSES[0], 30, 9)
    r = series.autocorrelation(x, 4)
    q = 30 * 32 * sum(r[k] ** 2 / (30 - k) for k in range(1, 5))
    assert series.ljung_box(x, 4).statistic == pytest.approx(q, rel=1e-14)


@pytest.mark.parametrize("n", [12, 13])
def test_flatness_is_the_largest_distance_of_running_sums_from_a_line(n: int) -> None:
    """Of five frequencies up to 5/12 or 6/13; the highest of an even series, 1/2, is left out."""
    x = drawn(Process(), n, 12)
    m = (n - 1) // 2
    power = [abs(np.sum(x * np.exp(-2j * np.pi * k * np.arange(n) / n))) ** 2
             for k in range(1, m + 1)]  # fmt: skip
    heights = [sum(power[:k]) / sum(power) for k in range(1, m)]
    gaps = [max(k / (m - 1) - c, c - (k - 1) / (m - 1)) for k, c in enumerate(heights, start=1)]
    assert series.flatness(x).statistic == pytest.approx(max(gaps), rel=1e-12)


def test_series_that_cannot_be_tested_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="9 lags needs at least 10 values, found 9"):
        series.autocorrelation(np.arange(9.0), 9)
    with pytest.raises(ValueError, match="more lags than the 3 fitted coefficients, found 3"):
        series.ljung_box(np.arange(9.0), 3, 3)
    with pytest.raises(ValueError, match="a test of flatness needs at least 5 values, found 4"):
        series.flatness(np.arange(4.0))
    for n in (6, 101):
        with pytest.raises(ValueError, match="goes up and down from each value to the next"):
            series.flatness(0.1 * (-1.0) ** np.arange(2 * (n // 2)))
    assert series.flatness((-1.0) ** np.arange(7)).p < 1.0
    with pytest.raises(ValueError, match=r"a series of real numbers, .* array of shape \(\)"):
        series.ljung_box(7, 2)
    with pytest.raises(ValueError, match="the mean as a finite number, found a"):
        series.autocorrelation(np.arange(9.0), 2, "a")
    with pytest.raises(ValueError, match="the series is 2 throughout"):
        series.periodogram(np.full(9, 2.0))
