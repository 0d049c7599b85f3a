"""Series as convolutions: polynomials, filters, smoothing, walks, against sums written out."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import signal, special

from diffusim import convolve, kernels, series
from diffusim.block import Array
from diffusim.loops import recursion

# Orders, real and complex roots, a shared factor, coefficients that are zero.
PROCESSES = [
    ((0.7,), ()), ((), (0.4, -0.3)), ((1.2, -0.5), (0.4,)), ((0.5, 0.0, 0.3), (0.2, 0.6)),
    ((0.5,), (-0.5,)), ((-0.9,), (0.0, 0.0, 0.9)), ((), ()),
]  # fmt: skip


def noise(*shape: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def twin(x: Array, ar: tuple[float, ...], ma: tuple[float, ...]) -> Array:
    """The recursion, written out."""
    y = np.zeros_like(x)
    for t in range(len(x)):
        y[t] = x[t]
        for j, b in enumerate(ma, start=1):
            y[t] += b * x[t - j] if t >= j else 0
        for i, a in enumerate(ar, start=1):
            y[t] += a * y[t - i] if t >= i else 0
    return y


# --- roots --------------------------------------------------------------------------------------


def test_roots_are_those_the_polynomial_was_made_of() -> None:
    chosen = np.array([0.9 + 0.3j, 0.9 - 0.3j, -0.5, 0.25])
    found = series.roots(-np.poly(chosen).real[1:])
    assert np.sort_complex(found) == pytest.approx(np.sort_complex(chosen), rel=1e-13)
    order = series.roots(-np.poly([0.7, -0.9, 0.4, -0.6])[1:])
    assert order == pytest.approx([-0.9, 0.7, -0.6, 0.4], rel=1e-13)
    assert series.roots([0.5, 0.0, 0.0]).tolist() == [0.5, 0.0, 0.0]
    assert series.roots([]).size == 0


def test_an_autoregression_of_order_two_is_stable_within_its_triangle() -> None:
    for a1, a2 in np.random.default_rng(2).uniform(-2.5, 2.5, (400, 2)):
        inside = abs(a2) < 1.0 and a1 + a2 < 1.0 and a2 - a1 < 1.0
        assert series.stable([a1, a2]) == inside
        assert series.invertible([-a1, -a2]) == inside


def test_differences_put_roots_on_the_circle_which_are_not_stable() -> None:
    assert series.with_differences([0.5], 1) == pytest.approx([1.5, -0.5], rel=1e-15)
    for d in (1, 2, 3):
        assert not series.stable(series.with_differences([0.5, -0.2], d))
    assert not series.stable([0.0] * 11 + [1.0])
    assert series.stable([0.0] * 11 + [0.999])
    assert series.stable([1.0 - 1e-9])


def test_what_is_not_stable_is_refused_with_its_roots() -> None:
    with pytest.raises(ValueError, match=r"not stable: its roots are 1\.5, 0\.5, and all must lie"):
        series.check_stable([2.0, -0.75])
    with pytest.raises(ValueError, match=r"not invertible: its roots are -2, and all must lie"):
        series.check_invertible([2.0])
    with pytest.raises(ValueError, match=r"0\.6 ± 1\.2i \(size 1\.342\)"):
        series.autocovariance([1.2, -1.8], [], 1.0, 3)
    with pytest.raises(ValueError, match="not invertible"):
        series.innovations(np.ones(9), [], [1.0])


# --- kernels and responses ----------------------------------------------------------------------


def test_differencing_is_the_kernel_one_minus_one() -> None:
    x = noise(50)
    for d in range(4):
        weights = series.differencing(d)
        assert weights.tolist() == [(-1) ** k * math.comb(d, k) for k in range(d + 1)]
        wanted = convolve.direct(x, series.causal(weights), [("zero", "zero")])[d:]
        found = series.differenced(x, d)
        assert found == pytest.approx(wanted, rel=0.0, abs=1e-14)
        assert series.integrated(found, d, x[:d]) == pytest.approx(x[d:], rel=0.0, abs=1e-12)
    two = np.stack([x, x[::-1]], axis=1)
    again = series.integrated(series.differenced(two, 2), 2, two[:2])
    assert again == pytest.approx(two[2:], rel=0.0, abs=1e-12)


def test_impulse_responses_are_those_of_books() -> None:
    k = np.arange(40)
    assert series.impulse_response([0.7], [], 40) == pytest.approx(0.7**k, rel=1e-14)
    assert series.impulse_response([1.0], [], 5).tolist() == [1, 1, 1, 1, 1]
    assert series.Process(d=2).impulse_response(4).tolist() == [1, 2, 3, 4]
    assert series.impulse_response([], [0.4, -0.3], 5).tolist() == [1.0, 0.4, -0.3, 0.0, 0.0]
    mixed = np.append(1.0, (0.7 + 0.4) * 0.7 ** k[:-1])
    assert series.impulse_response([0.7], [0.4], 40) == pytest.approx(mixed, rel=1e-14)
    size, angle = 0.9, 0.6
    wave = size**k * np.sin((k + 1) * angle) / np.sin(angle)
    found = series.impulse_response([2.0 * size * np.cos(angle), -(size**2)], [], 40)
    assert found == pytest.approx(wave, rel=0.0, abs=1e-14)


@pytest.mark.parametrize(("ar", "ma"), PROCESSES)
def test_a_response_and_its_inverse_are_together_no_move(
    ar: tuple[float, ...], ma: tuple[float, ...]
) -> None:
    there, back = series.impulse_response(ar, ma, 60), series.inverse_response(ar, ma, 60)
    assert np.convolve(there, back)[:60] == pytest.approx(np.eye(60)[0], rel=0.0, abs=1e-14)


@pytest.mark.parametrize(("ar", "ma"), PROCESSES)
def test_autocovariances_are_long_sums_of_products_of_the_response(
    ar: tuple[float, ...], ma: tuple[float, ...]
) -> None:
    psi = series.impulse_response(ar, ma, 1000)
    sums = [2.5 * float(np.sum(psi[k:] * psi[: 1000 - k])) for k in range(13)]
    found = series.autocovariance(ar, ma, 2.5, 12)
    assert found == pytest.approx(sums, rel=1e-12, abs=1e-14)
    assert series.autocovariance(ar, ma, 2.5, 0) == pytest.approx(sums[:1], rel=1e-12)


@pytest.mark.parametrize(("ar", "ma"), PROCESSES)
def test_the_spectral_density_is_the_transform_of_the_autocovariances(
    ar: tuple[float, ...], ma: tuple[float, ...]
) -> None:
    f = np.arange(1024) / 1024
    waves = np.fft.ifft(series.spectral_density(ar, ma, 2.5, f))
    found = series.autocovariance(ar, ma, 2.5, 40)
    assert waves[:41].real == pytest.approx(found, rel=1e-12, abs=1e-13)
    assert np.max(np.abs(waves.imag)) < 1e-13


def test_the_spectrum_of_a_random_walk_has_no_end_at_frequency_zero() -> None:
    found = series.spectral_density([1.0], [], 1.0, [0.0, 0.5, 1.0 / 6.0])
    assert found[0] == np.inf
    assert found[1:] == pytest.approx([0.25, 1.0], rel=1e-14)


# --- filters ------------------------------------------------------------------------------------


@pytest.mark.interpreted
@pytest.mark.parametrize(("ar", "ma"), PROCESSES)
def test_loops_are_the_recursion_written_out(ar: tuple[float, ...], ma: tuple[float, ...]) -> None:
    x = noise(len(ma) + 30, 3)
    x[: len(ma)] = 0.0
    y, each = np.zeros((len(ar) + 30, 3)), np.zeros(len(ar) + 30)
    recursion.columns(x, np.array(ar), np.array(ma), y)
    for k in range(3):
        recursion.line(x[:, k].copy(), np.array(ar), np.array(ma), each)
        assert np.array_equal(y[:, k], each)
        wanted = twin(x[len(ma) :, k], ar, ma)
        assert each[len(ar) :] == pytest.approx(wanted, rel=0.0, abs=1e-13)


@pytest.mark.parametrize(("ar", "ma"), [((0.02,) * 40, (0.1,) * 7), ((1.98, -0.98505), (0.5,))])
def test_a_filter_is_that_of_scipy_over_long_series(
    ar: tuple[float, ...], ma: tuple[float, ...]
) -> None:
    """To 1e-13 of the largest value, with roots of sizes up to 0.999."""
    x = noise(20000)
    wanted = signal.lfilter([1.0, *ma], [1.0, *(-a for a in ar)], x)
    size = float(np.max(np.abs(wanted)))
    assert series.filtered(x, ar, ma) == pytest.approx(wanted, rel=0.0, abs=1e-13 * size)


def test_nearer_to_the_circle_a_filter_is_as_exact_as_that_of_scipy() -> None:
    """Roots of size 0.99995 at a small angle, where errors of either are some 1e-12."""
    a = (1.9998, -0.99990001)
    x = noise(4000)
    exact, before, last = np.zeros(4000), Fraction(0), Fraction(0)
    first, second = (Fraction(value) for value in a)
    for t, shock in enumerate(x):
        # 200 bits: fractions that grow without end take too long.
        new = Fraction(round((first * last + second * before + Fraction(shock)) * 2**200), 2**200)
        before, last, exact[t] = last, new, float(new)
    ours = np.max(np.abs(series.filtered(x, a) - exact))
    theirs = np.max(np.abs(signal.lfilter([1.0], [1.0, -a[0], -a[1]], x) - exact))
    assert 0.0 < ours < 4.0 * theirs < 1e-10 * np.max(np.abs(exact))


def test_a_filter_goes_on_where_it_was_left() -> None:
    ar, ma, x = (1.2, -0.5), (0.4, 0.1, 0.2), noise(200, 2)
    whole = series.filtered(x, ar, ma)
    rest = series.filtered(x[90:], ar, ma, (whole[88:90], x[87:90]))
    assert np.array_equal(rest, whole[90:])
    shocks = series.innovations(whole[90:], ar, ma, (whole[88:90], x[87:90]))
    assert shocks == pytest.approx(x[90:], rel=0.0, abs=1e-13)


@pytest.mark.parametrize(("ar", "ma"), PROCESSES)
def test_a_filter_is_the_convolution_with_its_impulse_response(
    ar: tuple[float, ...], ma: tuple[float, ...]
) -> None:
    x = noise(300)
    y, response = series.filtered(x, ar, ma), series.impulse_response(ar, ma, 300)
    kernel = series.causal(response)
    for way in (convolve.direct, convolve.transformed, convolve.overlap_add):
        assert way(x, kernel, [("zero", "zero")]) == pytest.approx(y, rel=0.0, abs=1e-13)
    assert series.convolved(x, response) == pytest.approx(y, rel=0.0, abs=1e-13)
    assert series.convolved(x[:40], response) == pytest.approx(y[:40], rel=0.0, abs=1e-13)


def test_filtered_back_shocks_are_what_they_were() -> None:
    x = noise(5000)
    for ar, ma in PROCESSES:
        found = series.innovations(series.filtered(x, ar, ma), ar, ma)
        assert found == pytest.approx(x, rel=0.0, abs=1e-12)


# --- smoothing ----------------------------------------------------------------------------------


def test_a_moving_average_is_a_convolution() -> None:
    x, w = noise(60), np.array([3.0, 2.0, 1.0, 0.5, 0.5])
    full = np.convolve(x, w / w.sum())
    trailing = series.moving_average(x, w, side="trailing", ends=("zero", "zero"))
    assert trailing == pytest.approx(full[:60], rel=0.0, abs=1e-15)
    middle = series.moving_average(x, w, ends=("zero", "zero"))
    assert middle == pytest.approx(full[2:62], rel=0.0, abs=1e-15)
    ring = series.moving_average(x, w, side="trailing", ends=("wrap", "wrap"))
    assert ring == pytest.approx(full[:60] + np.append(full[60:], np.zeros(56)), abs=1e-15)
    mirrored = np.convolve(np.concatenate([x[3::-1], x]), w / w.sum())[4:64]
    found = series.moving_average(x, w, side="trailing")
    assert found == pytest.approx(mirrored, rel=0.0, abs=1e-15)


@pytest.mark.parametrize("size", [5, 301])
def test_a_moving_average_keeps_what_is_constant(size: int) -> None:
    w = np.random.default_rng(3).random(size)
    for side in ("trailing", "centred"):
        found = series.moving_average(np.full(80, 7.0), w, side=side)
        assert found == pytest.approx(np.full(80, 7.0), rel=1e-14)


def test_exponential_smoothing_is_the_convolution_with_its_weights() -> None:
    x, alpha = noise(80), 0.15
    w = series.exponential_weights(alpha)
    assert w.sum() == pytest.approx(1.0, rel=1e-14)
    assert w[-1] / alpha > 1e-16 > (1.0 - alpha) ** w.size
    # Where it stood at a value before, the series was there for ever.
    whole = np.append(np.full(w.size, 2.0), x)
    wanted = np.convolve(whole, w)[w.size : whole.size]
    found = series.exponential_smoothing(x, alpha, 2.0)
    assert found == pytest.approx(wanted, rel=0.0, abs=1e-13)
    usual = series.exponential_smoothing(np.stack([x, -x], axis=1), alpha)
    assert usual[0] == pytest.approx([x[0], -x[0]], rel=1e-15)
    from_two = series.exponential_smoothing(np.stack([x, -x], axis=1), alpha, 2.0)
    assert np.array_equal(from_two[:, 0], found)
    assert np.array_equal(
        from_two, series.exponential_smoothing(np.stack([x, -x], axis=1), alpha, [2.0, 2.0])
    )
    assert usual[1, 0] == pytest.approx(alpha * x[1] + (1.0 - alpha) * x[0], rel=1e-14)
    assert series.exponential_weights(1.0).tolist() == [1.0]


def test_after_a_half_life_half_of_a_weight_is_left() -> None:
    alpha = series.alpha_of(half_life=5.0)
    w = series.exponential_weights(alpha)
    assert w[5] == pytest.approx(0.5 * w[0], rel=1e-14)
    assert series.half_life_of(alpha) == pytest.approx(5.0, rel=1e-14)
    slow = series.alpha_of(time_constant=1e9)
    assert slow == pytest.approx(1e-9 - 0.5e-18, rel=1e-15)
    assert series.time_constant_of(slow) == pytest.approx(1e9, rel=1e-15)
    assert series.time_constant_of(1.0) == series.half_life_of(1.0) == 0.0


# --- walks --------------------------------------------------------------------------------------


def test_a_random_walk_is_an_autoregression_at_its_limit_and_its_variance_grows_as_diffusion() -> (
    None
):
    """From zero: variance (1 - a^2t) / (1 - a^2) -> t = 2 D t, as a -> 1."""
    t = np.arange(1, 101)
    for gap in (1e-2, 1e-5, 1e-8):
        spread = np.cumsum(series.impulse_response([1.0 - gap], [], 100) ** 2)
        known = -np.expm1(2.0 * t * np.log1p(-gap)) / (gap * (2.0 - gap))
        assert spread == pytest.approx(known, rel=1e-7)
        assert np.max(1.0 - spread / t) == pytest.approx(99.0 * gap, rel=0.5)
    assert np.cumsum(series.impulse_response([1.0], [], 100) ** 2).tolist() == t.tolist()


def test_a_walk_with_steps_of_diffusions_kernel_is_diffusion() -> None:
    """Steps from the kernel of variance s^2: after t of them the kernel of variance t s^2."""
    walked = convolve.folded_power(kernels.lattice(0.8), 25)
    jumped = kernels.lattice(25 * 0.8)
    middle, reach = walked.size // 2, jumped.size // 2
    assert walked[middle - reach : middle + reach + 1] == pytest.approx(jumped, rel=0.0, abs=1e-15)


def test_walkers_of_single_steps_are_found_by_the_binomial_law() -> None:
    """Chi-square of 20000 walks of 16 steps by one; a false alarm is as rare as 1e-6."""
    steps = 2.0 * np.random.default_rng(4).integers(0, 2, (16, 20000)) - 1.0
    ends = series.filtered(steps, [1.0])[-1]
    counts = np.array([np.count_nonzero(ends == place) for place in range(-10, 11, 2)])
    expected = 20000 * special.binom(16, np.arange(3, 14)) / 2.0**16
    statistic = float(np.sum((counts - expected) ** 2 / expected))
    assert special.chdtrc(11, statistic) > 1e-6
    assert np.mean(ends**2) == pytest.approx(16.0, rel=5.0 * math.sqrt(2.0 / 20000))


def test_moving_averages_of_moving_averages_go_to_the_gaussian() -> None:
    """The distance falls as one over their number; a box of five has variance two."""
    gaps = []
    for count in (10, 40):
        box = np.zeros(401)
        box[200] = 1.0
        for _ in range(count):
            box = series.moving_average(box, np.ones(5))
        moves = np.arange(-200, 201)
        assert box @ moves**2 == pytest.approx(2.0 * count, rel=1e-12)
        gaussian = np.exp(-0.5 * moves**2 / (2.0 * count)) / math.sqrt(4.0 * np.pi * count)
        gaps.append(np.max(np.abs(box - gaussian)) / gaussian.max())
    assert gaps[0] / gaps[1] == pytest.approx(4.0, rel=0.05)
    assert gaps[1] < 5e-3


# --- what is refused ----------------------------------------------------------------------------


def test_series_that_cannot_be_used_are_refused_in_words() -> None:
    missing = np.array([1.0, np.nan, 2.0])
    for call in (series.filtered, series.exponential_smoothing, series.moving_average):
        more = {series.exponential_smoothing: (0.5,), series.moving_average: ([1.0],)}
        with pytest.raises(ValueError, match="value 1 of the series is nan; fill in what is miss"):
            call(missing, *more.get(call, ()))
    with pytest.raises(ValueError, match=r"real numbers.* shape \(2,\) and type complex128"):
        series.filtered(np.array([1j, 2.0]))
    with pytest.raises(ValueError, match="differencing 3 times needs at least 4 values, found 3"):
        series.differenced(np.zeros(3), 3)
    with pytest.raises(ValueError, match="takes one series at a time, found 2 as columns"):
        series.moving_average(np.zeros((3, 2)), [1.0])
    with pytest.raises(ValueError, match="a series needs at least one value, found 0"):
        series.filtered([])
    with pytest.raises(ValueError, match="last 1 values before the first as finite numbers"):
        series.exponential_smoothing(np.zeros(3), 0.5, np.nan)
    with pytest.raises(ValueError, match=r"last 2 values before the first .* shape \(2,\)"):
        series.filtered(np.zeros(3), [0.5, 0.1], (), ([1.0], []))


def test_numbers_that_cannot_be_used_are_refused_in_words() -> None:
    for alpha in (0.0, 1.1, np.nan):
        with pytest.raises(ValueError, match="alpha above 0 and at most 1"):
            series.exponential_smoothing(np.zeros(3), alpha)
    with pytest.raises(ValueError, match="sum to 0; it divides by the sum"):
        series.moving_average(np.zeros(3), [1.0, -1.0])
    with pytest.raises(ValueError, match="odd number of weights, not 4; repeat the ends at half"):
        series.moving_average(np.zeros(9), np.ones(4))
    with pytest.raises(ValueError, match="a side is 'trailing' or 'centred', not 'wrap'"):
        series.moving_average(np.zeros(9), np.ones(3), side="wrap")
    with pytest.raises(ValueError, match="coefficients as finite numbers"):
        series.stable([np.inf])
    with pytest.raises(ValueError, match="either time_constant or half_life"):
        series.alpha_of()
    with pytest.raises(ValueError, match="differences as a whole number from 0 on, found -1"):
        series.Process(d=-1)
    with pytest.raises(ValueError, match="the variance as a number above zero, found 0"):
        series.Process(variance=0.0)
    with pytest.raises(ValueError, match="the mean as a finite number, found nan"):
        series.Process(mean=np.nan)
    with pytest.raises(ValueError, match="at least one weight, found none"):
        series.causal([])
    with pytest.raises(ValueError, match="alpha above 0 and at most 1, found a"):
        series.exponential_smoothing(np.zeros(3), "a")
    for alpha in (1e-17, 1e-8):
        with pytest.raises(
            ValueError, match=r"more than 10000000; exponential_smoothing does withou"
        ):
            series.exponential_weights(alpha)
    with pytest.raises(ValueError, match="the variance as a number above zero, found a"):
        series.Process(variance="a")
