"""Series to the last digits: what is summed, solved and multiplied, against fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from series_samples import NOTHING_BEFORE, RING, applied, grid, noise

import diffusim as ds
from diffusim import series
from diffusim.block import Array, Unsupported
from diffusim.methods.fourier import Fourier
from diffusim.propagators.autoregression import Autoregression
from diffusim.segment import cut
from diffusim.series import Process, polynomials, simulation

OFTEN = {"coefficients": [0.9]}


def exact_response(ar: Sequence[float], ma: Sequence[float], n: int, d: int) -> list[Fraction]:
    """The recursion in fractions of 400 bits, and its sums."""
    a, b = [Fraction(c) for c in ar], [Fraction(1), *map(Fraction, ma)]
    psi: list[Fraction] = []
    for k in range(n):
        new = (b[k] if k < len(b) else 0) + sum(c * psi[k - i] for i, c in enumerate(a[:k], 1))
        psi.append(Fraction(round(new * 2**400), 2**400))
    for _ in range(d):
        total = Fraction(0)
        psi = [total := total + each for each in psi]
    return psi


def exact_autocovariance(
    ar: Sequence[float], ma: Sequence[float], variance: float, lags: int
) -> list[Fraction]:
    """McLeod's linear equations, solved in fractions."""
    a, b = [Fraction(c) for c in ar], [Fraction(1), *map(Fraction, ma)]
    psi = exact_response(ar, ma, len(b), 0)
    size = max(len(a), lags) + 1
    right = [sum((b[j] * psi[j - k] for j in range(k, len(b))), Fraction(0)) for k in range(size)]
    rows = [[Fraction(0)] * size + [right[k] * Fraction(variance)] for k in range(size)]
    for k in range(size):
        for i, c in enumerate([Fraction(1), *(-c for c in a)]):
            rows[k][abs(k - i)] += c
    for k in range(size):
        pivot = next(i for i in range(k, size) if rows[i][k])
        rows[k], rows[pivot] = rows[pivot], rows[k]
        for i in range(size):
            if i != k and rows[i][k]:
                share = rows[i][k] / rows[k][k]
                rows[i] = [x - share * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [rows[k][size] / rows[k][k] for k in range(lags + 1)]


def apart(found: Array, exact: Sequence[Fraction]) -> float:
    """The largest distance beside the largest value."""
    gaps = [abs(Fraction(float(x)) - y) for x, y in zip(found, exact, strict=True)]
    return float(max(gaps) / max(map(abs, exact)))


# --- sums ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [0, 1, 2, 3, 4])
@pytest.mark.parametrize(("ar", "ma"), [((0.7,), (0.4,)), ((1.2, -0.5), ()), ((), (0.6, -0.2))])
def test_a_response_that_is_summed_up_keeps_its_digits(
    ar: tuple[float, ...], ma: tuple[float, ...], d: int
) -> None:
    exact = exact_response(ar, ma, 730, d)
    assert apart(series.impulse_response(ar, ma, 730, d), exact) < 2e-14
    process = Process(ar, ma, d)
    assert np.array_equal(process.impulse_response(730), series.impulse_response(ar, ma, 730, d))
    walk = Autoregression(coefficients=ar, shocks=ma, differences=d)
    kernel = walk.kernel_on(grid(730, NOTHING_BEFORE))
    lags = kernel[kernel.size // 2 :]
    assert apart(np.append(lags, np.zeros(730 - lags.size)), exact) < 2e-14


def test_sums_of_nothing_else_are_whole_numbers() -> None:
    found = series.impulse_response([], [], 5000, 4)
    assert found[-1] == 5000 * 5001 * 5002 // 6 * 1.0
    with pytest.raises(ValueError, match="the number of differences as a whole number"):
        series.impulse_response([], [], 5, -1)


def test_what_comes_back_is_as_far_off_as_the_notes_say_at_most() -> None:
    u, summed = noise(365), Autoregression(coefficients=[], differences=4, back=1)
    *_, told = summed.notes(grid(365, NOTHING_BEFORE))
    assert told == ("there and back magnifies round-off up to 1e10 times, so up to 1e-6 of what "
                    "comes back may be round-off")  # fmt: skip
    back = applied(u, summed, NOTHING_BEFORE, [2], "stencil")[0]
    assert 1e-9 < np.max(np.abs(back - u)) / np.max(np.abs(u)) < 1e-6
    *_, told = Autoregression(**OFTEN, back=100).notes(grid(365, NOTHING_BEFORE))
    assert told.endswith("so all that comes back may be round-off")
    assert len(list(Autoregression(**OFTEN, back=5).notes(grid(365, NOTHING_BEFORE)))) == 2


# --- autocovariances ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roots", "ma", "close"),
    [
        ([0.95] * 4, (), 1e-10),
        ([0.95] * 5, (), 1e-7),
        ([0.95] * 5, (-0.95,), 1e-7),
        ([0.99 * np.exp(0.1j), 0.99 * np.exp(-0.1j)] * 2, (0.3,), 1e-7),
        ([1.0 - 1e-6], (), 1e-14),
        ([0.999], (-0.999,), 1e-12),
        ([0.9, -0.9, 0.5], (0.3, 0.2, -1.4, 0.7), 1e-13),
        ([], (0.4, -0.3), 1e-15),
    ],
)
def test_autocovariances_are_right_where_roots_come_often(
    roots: list[complex], ma: tuple[float, ...], close: float
) -> None:
    """Bounds are those of sums in f64; machines with longer numbers keep three digits more."""
    ar = -np.poly(roots).real[1:] if roots else np.empty(0)
    for lags in (0, 2, 8):
        found = series.autocovariance(ar, ma, 2.5, lags)
        assert found.shape == (lags + 1,)
        assert apart(found, exact_autocovariance(ar.tolist(), ma, 2.5, lags)) < close


def test_first_values_of_a_root_that_comes_five_times_keep_three_digits_of_their_law() -> None:
    ar = -np.poly([0.95] * 5).real[1:]
    _, root = simulation._start(Process(tuple(ar)), 5, 0)
    exact = exact_autocovariance(ar.tolist(), (), 1.0, 4)
    left = [[exact[abs(i - j)] for j in range(5)] for i in range(5)]
    for k in range(5):
        assert root[k, k] ** 2 == pytest.approx(float(left[k][k]), rel=2e-3)
        shares = [left[i][k] / left[k][k] for i in range(5)]
        left = [[left[i][j] - shares[i] * left[k][j] for j in range(5)] for i in range(5)]


def test_roots_that_cannot_be_told_from_the_circle_are_refused_in_words() -> None:
    """A partial autocorrelation of one: of a root found inside that round-off has put outside."""
    with pytest.raises(ValueError, match=r"the roots 1, -0\.5 lie too near the unit circle"):
        polynomials._of_autoregression(np.array([0.5, 0.5]), 2)


def test_a_density_of_nothing_over_nothing_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="at frequency 0 both polynomials have a root, so the"):
        series.spectral_density([1.0], [-1.0], 1.0, [0.25, 0.0])
    with pytest.raises(ValueError, match=r"at frequency 0\.5 both polynomials have a root"):
        series.spectral_density([-1.0], [1.0], 1.0, [0.25, 0.5])
    assert series.spectral_density([1.0], [-1.0], 3.0, [0.25, 1e-12]) == pytest.approx(
        [3.0, 3.0], rel=1e-12
    )


# --- applied often ------------------------------------------------------------------------------


def predicted(times: list[float], **options: object) -> tuple[list[float], list[float]]:
    """What fourier expects of an autoregression of 16 moments, and how far off it is."""
    u, model, g = noise(16), Autoregression(**options), grid(16, NOTHING_BEFORE)
    known = None
    expected = []
    truth = applied(u, model, NOTHING_BEFORE, times, "stencil")
    for segment in cut(g, model, times):
        known = Fourier().predict(known, truth[-1], segment)
        if segment.stop in times:
            expected.append(float(known.error))
    found = applied(u, model, NOTHING_BEFORE, times, "fourier")
    gaps = np.linalg.norm(found - truth, axis=1) / np.linalg.norm(truth, axis=1)
    return expected, gaps.tolist()


def test_the_error_of_transforms_is_predicted_where_round_off_grows_faster_than_the_series() -> (
    None
):
    """After 60 applications it is 1e-9 of what there is, however the time is cut."""
    for times in ([60.0], [float(k) for k in range(1, 61)]):
        expected, gaps = predicted(times, **OFTEN)
        assert all(gap < bound for gap, bound in zip(gaps, expected, strict=True))
        assert 1e-11 < gaps[-1] < expected[-1] < 300.0 * gaps[-1]
    assert predicted([1.0], **OFTEN)[0][0] < 1.1e-12


def test_a_prediction_goes_on_from_what_there_was_at_the_turn() -> None:
    (there, back), _ = predicted([20.0, 21.0], **OFTEN, back=20)
    (alone, more), _ = predicted([20.0, 21.0], **OFTEN)
    assert there == alone < back < there + 3e-14
    assert more > 1.2 * alone


def test_transforms_refuse_where_their_round_off_is_all_there_would_be_and_name_sums() -> None:
    model = Autoregression(**OFTEN)
    for times in ([0, 100], list(range(101)), [0, 1000]):
        with pytest.raises(Unsupported, match=r"faster than the field, .* stencil, by sums, keeps"):
            applied(noise(16), model, NOTHING_BEFORE, times, "fourier")
    exact = [Fraction(0.9) ** k * math.comb(99 + k, k) for k in range(16)]
    pulse = applied(np.eye(16)[0], model, NOTHING_BEFORE, [100], "stencil")[0]
    assert apart(pulse, exact) < 1e-14
    ring = applied(noise(16), model, RING, [0, 100], "fourier")
    assert ring == pytest.approx(applied(noise(16), model, RING, [0, 100], "stencil"), rel=1e-12)


def test_kernels_that_do_not_grow_or_go_both_ways_are_carried_as_often_as_wanted() -> None:
    outside = {"t": {"value": 0}}
    for kernel in ([1.0, 2.0, 0.0], [-3.0, 12.0, 17.0, 12.0, -3.0], [-1.0, 4.0, -1.0]):
        mask = ds.Kernel(kernel=kernel, normalise="sum")
        for one in cut(grid(16, outside), mask, [1000.0]):
            assert Fourier().plan(one).steps == 1000
            plain = 1e-12 + 1e-14 * np.sqrt(1000.0) + 3e-16 * 1000
            assert Fourier().predict(None, noise(16), one).error == pytest.approx(plain, rel=1e-9)


def test_moves_down_make_round_off_grow_as_moves_up_do() -> None:
    outside = {"t": {"value": 0}}
    found = []
    for kernel in ([0.02, 1.0, 0.9], [0.9, 1.0, 0.02]):
        (segment,) = cut(grid(16, outside), ds.Kernel(kernel=kernel, normalise="none"), [100.0])
        found.append(float(Fourier().predict(None, noise(16), segment).error))
    assert found[0] == found[1] > 2e-12
