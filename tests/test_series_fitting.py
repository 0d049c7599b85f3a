"""Series that are simulated and fitted: their laws, and coefficients that come back."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import linalg, signal, special

from diffusim import series
from diffusim.block import Array
from diffusim.series import Fit, Process, regression

SECOND = Process((1.2, -0.5), variance=2.0, mean=3.0)
MIXED = Process((1.2, -0.5), (0.4,), variance=2.0, mean=3.0)
LARGER = Process((0.5, 0.0, -0.3), (0.2, 0.6))
FITS: list[Callable[[Array, int], Fit]] = [series.yule_walker, series.burg, series.least_squares]


def drawn(process: Process, n: int, seed: int) -> Array:
    return series.simulate(process, n, np.random.default_rng(seed))


def probable(statistic: float, degrees: int) -> bool:
    """Whether a statistic with the law of chi-square is not in either tail of 5e-7."""
    return bool(5e-7 < special.chdtrc(degrees, statistic) < 1.0 - 5e-7)


# --- simulation ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "process", [SECOND, MIXED, LARGER, Process((0.98,)), Process((), (0.4, -0.3)),
                Process((0.0, 0.0), (0.0,)), Process((0.5,), (-0.5,))],
)  # fmt: skip
def test_simulated_series_are_stationary_from_the_first_value_on(process: Process) -> None:
    """The first seven values of 20000 series have the covariance of the law, sums of squares tell.

    Each sum along a principal direction has the law of chi-square; a false alarm is as rare as 1e-6
    for each of seven directions.
    """
    y = series.simulate(process, 7, np.random.default_rng(11), 20000) - process.mean
    gamma = series.autocovariance(process.ar, process.ma, process.variance, 6)
    independent = np.linalg.solve(np.linalg.cholesky(linalg.toeplitz(gamma)), y)
    for row in independent:
        assert probable(float(np.sum(row**2)), 20000)
    products = independent @ independent.T
    apart = products[np.triu_indices(7, 1)] / math.sqrt(20000)
    # Each is a standard normal number, of 21: ten million to one.
    assert np.max(np.abs(apart)) < 5.9


def test_a_simulation_is_what_its_generator_makes_of_it() -> None:
    one, two = (drawn(MIXED, 50, 3) for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, drawn(MIXED, 50, 4))
    many = series.simulate(MIXED, 50, np.random.default_rng(3), 1)
    assert np.array_equal(many[:, 0], one)


def test_a_simulation_with_differences_is_their_sum() -> None:
    walk = drawn(Process((0.5,), (0.2,), 2, 1.0, 0.1), 60, 5)
    flat = drawn(Process((0.5,), (0.2,), 0, 1.0, 0.1), 60, 5)
    assert walk == pytest.approx(np.cumsum(np.cumsum(flat)), rel=1e-12)


# --- autoregressions ----------------------------------------------------------------------------


@pytest.mark.parametrize("fit", FITS)
def test_coefficients_come_back_within_four_standard_errors(fit: Callable[..., Fit]) -> None:
    """Of 200 series 0.03 are expected to have one beyond; four are as improbable as 2e-8.

    The sum of (found - true)' Gamma (found - true) n / variance has the law of chi-square, a false
    alarm being as rare as 1e-6; and so errors are neither too small nor too large.
    """
    true, gamma = np.array(SECOND.ar), series.autocovariance(SECOND.ar, (), 1.0, 1)
    beyond, total = 0, 0.0
    for seed in range(200):
        found = fit(drawn(SECOND, 2000, seed), 2)
        apart = np.array(found.process.ar) - true
        beyond += bool(np.any(np.abs(apart) > 4.0 * found.ar_errors))
        total += 2000 * float(apart @ linalg.toeplitz(gamma) @ apart)
        assert found.stable
        # The mean of shocks squared: seven standard deviations.
        assert found.process.variance == pytest.approx(2.0, rel=7.0 * math.sqrt(2.0 / 2000))
    assert beyond <= 3
    assert probable(total, 400)


@pytest.mark.parametrize("fit", FITS)
def test_standard_errors_are_those_of_the_fitted_process(fit: Callable[..., Fit]) -> None:
    found = fit(drawn(LARGER, 3000, 1), 4)
    process = found.process
    gamma = series.autocovariance(process.ar, (), process.variance, 3)
    wanted = np.sqrt(np.diag(process.variance * np.linalg.inv(linalg.toeplitz(gamma))) / 3000)
    # Regression takes the covariances of the series, the others those of the fitted process.
    close = 0.01 if fit is series.least_squares else 1e-10
    assert found.ar_errors == pytest.approx(wanted, rel=close)


def test_yule_walker_solves_its_equations() -> None:
    x = drawn(LARGER, 400, 2)
    w = x - x.mean()
    gamma = np.array([np.sum(w[k:] * w[: 400 - k]) / 400 for k in range(6)])
    wanted = linalg.solve(linalg.toeplitz(gamma[:5]), gamma[1:])
    found = series.yule_walker(x, 5).process
    assert found.ar == pytest.approx(wanted, rel=1e-10)
    assert found.variance == pytest.approx(gamma[0] - wanted @ gamma[1:], rel=1e-12)
    assert found.mean == pytest.approx(np.mean(x), rel=1e-14)


def test_burg_finds_the_least_errors_forwards_and_backwards() -> None:
    """Of order one, and of order two given the first; a sine of short length is found exactly."""
    x = drawn(SECOND, 60, 3)
    w = x - x.mean()

    def errors(ar: Array) -> float:
        weights, p = np.append(1.0, -ar), ar.size
        forward = np.convolve(w, weights)[p : w.size]
        backward = np.convolve(w[::-1], weights)[p : w.size]
        return float(np.sum(forward**2) + np.sum(backward**2))

    first = np.array(series.burg(x, 1).process.ar)
    (second,) = np.array(series.burg(x, 2).process.ar)[1:]
    for h in (1e-3, -1e-3):
        assert errors(first) < errors(first + h)
        assert errors(np.array([first[0] * (1 - second), second])) < errors(
            np.array([first[0] * (1 - second - h), second + h])
        )
    wave = np.sin(0.7 * np.arange(12) + 0.1) + 1e-6 * drawn(Process(), 12, 4)
    assert np.angle(series.roots(series.burg(wave, 2, 0.0).process.ar)[0]) == pytest.approx(
        0.7, rel=0.02
    )


def test_least_squares_is_the_regression_on_the_past() -> None:
    x = drawn(SECOND, 80, 5)
    w = x - 3.0
    past = np.stack([w[1:-1], w[:-2]], axis=1)
    wanted, squares, *_ = linalg.lstsq(past, w[2:])
    found = series.least_squares(x, 2, 3.0)
    assert found.process.ar == pytest.approx(wanted, rel=1e-10)
    assert found.process.variance == pytest.approx(squares / 78, rel=1e-10)
    covariance = squares / 78 * np.linalg.inv(past.T @ past)
    assert found.ar_errors == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-10)
    explosive = series.filtered(drawn(Process(), 100, 6), [1.05])
    assert not series.least_squares(explosive, 1, 0.0).stable
    assert series.burg(explosive, 1, 0.0).stable
    assert series.yule_walker(explosive, 1, 0.0).stable


def test_the_best_order_is_the_true_one_by_bic_and_never_lower_by_aic() -> None:
    """The third coefficient is 0.3, which 2000 values tell 13 standard errors from zero."""
    process = Process((0.4, -0.2, 0.3))
    orders = {"aic": [], "bic": []}
    for seed in range(40):
        x = drawn(process, 2000, seed)
        for criterion, found in orders.items():
            found.append(len(series.best_order(x, 12, criterion).process.ar))
    assert min(orders["aic"] + orders["bic"]) == 3
    # BIC takes one too many where chi-square exceeds log 2000: once in 170, and six of 40 never.
    assert sum(order > 3 for order in orders["bic"]) < 6
    assert sum(orders["aic"]) > sum(orders["bic"])


def test_criteria_are_likelihoods_with_a_price_for_each_number() -> None:
    x = drawn(SECOND, 300, 7)
    found = series.burg(x, 2)
    likelihood = 300 * (math.log(2.0 * math.pi * found.process.variance) + 1.0)
    assert found.aic == pytest.approx(likelihood + 2 * 4, rel=1e-14)
    assert found.bic == pytest.approx(likelihood + 4 * math.log(300), rel=1e-14)
    best = series.best_order(x, 2)
    assert best.bic == min(series.burg(x, p).bic for p in range(3))
    known = series.burg(x, 2, 3.0)
    likelihood = 300 * (math.log(2.0 * math.pi * known.process.variance) + 1.0)
    assert known.aic == pytest.approx(likelihood + 2 * 3, rel=1e-14)
    assert series.arima(x, 1, 0, 1).n == 300


# --- moving averages and differences ------------------------------------------------------------


@pytest.mark.parametrize("fit", [series.hannan_rissanen, lambda x, p, q: series.arima(x, p, 0, q)])
def test_coefficients_of_mixed_processes_come_back_within_their_errors(
    fit: Callable[..., Fit],
) -> None:
    """100 series; (found - true) / error squared sums to chi-square, a false alarm is 1e-6.

    Of 300 coefficients 0.02 are expected beyond four errors, and three are as rare as 1e-6.
    """
    true = np.array(MIXED.ar + MIXED.ma)
    reduced = np.empty((100, 3))
    for seed in range(100):
        found = fit(drawn(MIXED, 2000, seed), 2, 1)
        both = np.array(found.process.ar + found.process.ma)
        reduced[seed] = (both - true) / np.append(found.ar_errors, found.ma_errors)
        assert found.stable
        assert found.invertible
    assert np.count_nonzero(np.abs(reduced) > 4.0) <= 2
    for squares in np.sum(reduced**2, axis=0):
        assert probable(float(squares), 100)


def test_the_third_stage_of_hannan_and_rissanen_goes_most_of_the_way_to_least_squares() -> None:
    """In half of 20 series it comes within a tenth of the standard error."""
    apart = np.empty((20, 3))
    for seed in range(20):
        x = drawn(MIXED, 500, seed)
        quick, best = series.hannan_rissanen(x, 2, 1), series.arima(x, 2, 0, 1)
        gaps = np.subtract(quick.process.ar + quick.process.ma, best.process.ar + best.process.ma)
        apart[seed] = np.abs(gaps) / np.append(best.ar_errors, best.ma_errors)
        assert quick.process.variance >= best.process.variance
    assert np.median(apart.max(axis=1)) < 0.1


def test_least_squares_of_shocks_have_no_better_coefficients_nearby() -> None:
    x = drawn(LARGER, 500, 8)
    found = series.arima(x, 3, 0, 2, 0.0).process
    both = np.array(found.ar + found.ma)

    def squares(c: Array) -> float:
        """The sum of squared shocks by SciPy's filter, from the third value on."""
        start = signal.lfiltic([1.0, *-c[:3]], [1.0, *c[3:]], np.zeros(2), x[2::-1])
        e, _ = signal.lfilter([1.0, *-c[:3]], [1.0, *c[3:]], x[3:], zi=start)
        return float(np.sum(e**2))

    least = squares(both)
    assert found.variance == pytest.approx(least / 497, rel=1e-12)
    for k in range(5):
        for h in (1e-4, -1e-4):
            assert squares(both + h * np.eye(5)[k]) > least


def test_a_fit_with_differences_is_that_of_the_differences() -> None:
    x = 100.0 + drawn(Process((0.5,), (0.3,), 1), 400, 9)
    found, flat = series.arima(x, 1, 1, 1), series.arima(np.diff(x), 1, 0, 1, 0.0)
    assert found.process == Process(flat.process.ar, flat.process.ma, 1, flat.process.variance)
    assert found.process.name == "ARIMA(1, 1, 1)"
    drift = series.arima(x, 1, 1, 0, mean=0.7).process
    assert drift.mean == 0.7


def test_what_is_white_or_smoothed_only_is_fitted_too() -> None:
    """A moving average alone, also from the side of roots outside; and nothing at all."""
    for b in (0.6, 2.0):
        found = series.arima(drawn(Process((), (b,)), 4000, 10), 0, 0, 1)
        # Both have the same correlations; 0.6 and 0.5 with errors of 0.013.
        assert found.process.ma[0] == pytest.approx(min(b, 1.0 / b), abs=0.08)
        assert found.invertible
    white = series.arima(drawn(Process(variance=4.0), 1000, 11), 0, 0, 0)
    assert white.process.ar == white.process.ma == ()
    assert white.process.variance == pytest.approx(4.0, rel=7.0 * math.sqrt(2.0 / 1000))


def test_roots_on_the_circle_are_fitted_from_inside() -> None:
    """Regressions of short series with such a root often come out beyond the circle.

    Steps of Gauss and Newton lead there too, and halved ones to the least that there is inside.
    """
    beyond, inside = 0, np.linspace(-0.99, 0.99, 100)
    for seed in range(40):
        x = drawn(Process((), (1.0,)), 40, seed)
        w = x - x.mean()
        shocks = regression.started(w, np.array(series.burg(x, 10).process.ar))
        beyond += abs(regression.regressed(w, 0, 1, shocks)[0]) > 1.0
        found = series.arima(x, 0, 0, 1)
        assert found.invertible
        least = min(np.mean(series.innovations(w, (), [b]) ** 2) for b in inside)
        assert found.process.variance <= least * (1.0 + 1e-6)
    assert beyond > 0
    moved = regression.inward(np.poly([-2.0, 0.5, -1.0])[1:])
    assert moved == pytest.approx(np.poly([-0.5, 0.5, -0.99])[1:], rel=1e-12)


def test_coefficients_that_the_series_does_not_tell_have_errors_without_end() -> None:
    """A sine that jumps at its end: three past values that obey two are no three columns."""
    x = np.sin(0.7 * np.arange(40))
    x[-1] += 1.0
    assert np.all(series.least_squares(x, 3, 0.0).ar_errors == np.inf)
    assert np.all(series.least_squares(x, 2, 0.0).ar_errors < 1.0)


def test_series_too_short_or_too_plain_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="autoregression of order 3 needs at least 8 values"):
        series.burg(np.arange(7.0), 3)
    with pytest.raises(ValueError, match=r"a fit of ARIMA\(1, 1, 1\) needs at least 17 values"):
        series.arima(np.arange(16.0), 1, 1, 1)
    for fit in FITS:
        with pytest.raises(ValueError, match=r"the series is 0\.1 throughout, so nothing can be"):
            fit(np.full(50, 0.1), 1)
        with pytest.raises(ValueError, match="value 7 of the series is nan"):
            fit(np.where(np.arange(50) == 7, np.nan, np.arange(50.0)), 1)
    with pytest.raises(ValueError, match="order 1 leaves nothing of the series, which has no sh"):
        series.burg((-1.0) ** np.arange(20), 1, 0.0)
    with pytest.raises(ValueError, match=r"ARIMA\(1, 1, 0\) leaves nothing of the series, which"):
        series.arima(0.1 * np.arange(20), 1, 1, 0)
    with pytest.raises(ValueError, match="a criterion is 'aic' or 'bic', not 'hq'"):
        series.best_order(np.arange(50.0), 3, "hq")
    with pytest.raises(ValueError, match="a long fit of order 30 is too long for 50 values"):
        series.hannan_rissanen(np.arange(50.0), 1, 1, long=30)
    with pytest.raises(ValueError, match="expected the order as a whole number from 0 on"):
        series.yule_walker(np.arange(50.0), 1.5)
    for fit in FITS:
        with pytest.raises(ValueError, match="the mean as a finite number, found a"):
            fit(np.arange(50.0), 1, "a")
    with pytest.raises(ValueError, match="is not stable"):
        series.simulate(Process((1.0,)), 5, np.random.default_rng(1))
