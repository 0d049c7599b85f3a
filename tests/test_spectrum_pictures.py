"""Fourier pictures: identities of spectra, and angles and periods read off them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from diffusim.block import Array
from diffusim.grid import Grid
from diffusim.initial import Initial
from diffusim.spectrum import (
    Power,
    angular_power,
    centred_power,
    centred_transform,
    log_power,
    orientation,
    strongest_wave,
    usual_power,
    window_of,
)

ADAPTER: TypeAdapter[Any] = TypeAdapter(Initial)
SHAPES: dict[str, tuple[tuple[int, int], tuple[float, float]]] = {
    "256 x 256": ((256, 256), (1e-3, 1e-3)),
    "100 x 60": ((100, 60), (0.5, 0.5)),
    "100 x 60, cells 2 x 3": ((100, 60), (2.0, 3.0)),
    "128 x 256, cells 2 x 1": ((128, 256), (2.0, 1.0)),
}


def noise(shape: tuple[int, ...], seed: int = 1) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def wave(
    shape: tuple[int, int], spacing: tuple[float, float], angle: float, period: float,
    phase: float = 0.4,
) -> Array:  # fmt: skip
    """A plane wave of amplitude one, at points."""
    x, y = (np.arange(n) * h for n, h in zip(shape, spacing, strict=True))
    turn = np.radians(angle)
    across = np.cos(turn) * x[:, None] + np.sin(turn) * y
    return np.cos(2.0 * np.pi * across / period + phase)


def apart(angle: float, other: float) -> float:
    """The angle between two directions, from 0 to 90."""
    return abs((angle - other + 90.0) % 180.0 - 90.0)


def portrait(cells: int, **keys: Any) -> Array:
    grid = Grid(shape=(cells, cells), size=(1.0, 1.0))
    start = ADAPTER.validate_python({"kind": "image", "path": "portrait", **keys})
    return np.asarray(start.field(grid, (1, 2)))


# --- identities ---------------------------------------------------------------------------------


def phases(n: int) -> Array:
    """exp(-2 pi i k j / n) for centred k and cells j, by the definition."""
    numbers = np.arange(n) - n // 2
    return np.exp(-2j * np.pi * np.outer(numbers, np.arange(n)) / n)


@pytest.mark.parametrize("shape", [(5, 4), (6, 7)])
def test_the_transform_is_the_sum_that_defines_it(shape: tuple[int, int]) -> None:
    u = noise(shape)
    wanted = phases(shape[0]) @ u @ phases(shape[1]).T / u.size
    np.testing.assert_allclose(centred_transform(u), wanted, rtol=1e-12)


@pytest.mark.parametrize("shape", [(5, 4), (6, 7)])
def test_the_transform_of_a_product_is_the_convolution_of_the_transforms(
    shape: tuple[int, int],
) -> None:
    u, v = noise(shape, 1), noise(shape, 2)
    a, b = centred_transform(u), centred_transform(v)
    n, m = shape
    wanted = np.zeros(shape, dtype=complex)
    for k, l, p, q in np.ndindex(n, m, n, m):  # noqa: E741
        # The mean stands at (n // 2, m // 2), and numbers come round.
        wanted[k, l] += a[p, q] * b[(k - p + n // 2) % n, (l - q + m // 2) % m]
    np.testing.assert_allclose(centred_transform(u * v), wanted, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("shape", [(5, 4), (64, 33)])
def test_the_power_of_all_modes_is_the_sum_of_squares(shape: tuple[int, int]) -> None:
    u = noise(shape) + 7.0
    found = centred_power(u).power
    assert np.sum(found) == pytest.approx(np.sum((u - u.mean()) ** 2), rel=1e-12)
    assert found[shape[0] // 2, shape[1] // 2] == pytest.approx(0.0, abs=1e-25)


def test_the_power_is_the_transform_of_the_autocovariance() -> None:
    u = noise((6, 5))
    v = u - u.mean()
    covariance = np.array([[np.sum(v * np.roll(v, (-i, -j), (0, 1))) for j in range(5)]
                           for i in range(6)]) / u.size  # fmt: skip
    wanted = centred_transform(covariance).real * u.size
    np.testing.assert_allclose(centred_power(u).power, wanted, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("window", ["none", "hann", "round"])
def test_white_noise_has_its_variance_in_every_mode(window: Any) -> None:
    """Within 6 deviations of the mean over all modes, by Parseval that of weighted squares."""
    u = 3.0 * noise((128, 64), 3) + 50.0
    weights = window_of(u.shape, (1.0, 1.0), window) ** 2
    deviation = np.sqrt(2.0 * np.sum(weights**2)) / np.sum(weights)
    assert deviation < 0.05
    found = np.mean(centred_power(u, window=window).power)
    assert found == pytest.approx(9.0, rel=6.0 * deviation)


@pytest.mark.parametrize("shape", [(33, 21), (64, 33)])
def test_a_picture_turned_by_a_right_angle_has_its_spectrum_turned(shape: tuple[int, int]) -> None:
    u = noise(shape)
    for window in ("none", "hann", "round"):
        power, turned = (
            centred_power(u, (1.0, 2.0), window),
            centred_power(np.rot90(u), (2.0, 1.0), window),
        )
        # The wave of two cells has one place only, at the lower end.
        there = np.rot90(power.power)[:, 1:] if shape[0] % 2 == 0 else np.rot90(power.power)
        here = turned.power[:, 1:] if shape[0] % 2 == 0 else turned.power
        np.testing.assert_allclose(here, there, rtol=1e-9, atol=1e-12)


def test_a_window_keeps_a_jump_from_rim_to_rim_from_making_a_cross() -> None:
    ramp = np.linspace(0.0, 1.0, 64)[:, None] + np.zeros(64)
    far = {w: float(np.sum(centred_power(ramp, window=w).power[:16])) for w in ("none", "hann")}
    assert far["hann"] < 1e-4 * far["none"]
    assert window_of((8, 8), (1.0, 1.0), "round")[0, 0] == 0.0


def test_the_logarithm_ends_at_the_least() -> None:
    found = centred_power(wave((32, 32), (1.0, 1.0), 0.0, 4.0))
    assert np.max(log_power(found)) == 0.0
    assert np.min(log_power(found, 1e-6)) == pytest.approx(-6.0, rel=1e-12)
    assert np.max(log_power(found, beside=100.0 * np.max(found.power))) == pytest.approx(-2.0)
    assert np.all(log_power(centred_power(np.full((8, 8), 3.0))) == -12.0)


# --- directions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES)
def test_of_even_power_all_directions_have_the_same(name: str) -> None:
    found = centred_power(noise(SHAPES[name][0]), SHAPES[name][1])
    even = found._replace(power=np.full(found.power.shape, 2.5))
    np.testing.assert_allclose(angular_power(even).power, 2.5, rtol=1e-9)


def test_all_directions_together_have_the_mean_power_of_the_waves_they_share() -> None:
    found = centred_power(noise((31, 45)), (1.0, 0.5))
    size = np.hypot(found.numbers[0][:, None], found.numbers[1])
    shared = (size > 0.0) & (size <= np.max(found.numbers[0]))
    one = angular_power(found, 1)
    assert one.angles.tolist() == [0.0]
    assert one.power[0] == pytest.approx(np.mean(found.power[shared]), rel=1e-9)


@pytest.mark.parametrize("shape", [(2, 50), (2, 2), (2, 3), (3, 3), (64, 5)])
@pytest.mark.parametrize("spacing", [1.0, (1.0, 7.0)])
def test_directions_of_few_and_of_long_cells_have_a_mean_power_too(
    shape: tuple[int, int], spacing: Any
) -> None:
    found = centred_power(noise(shape), spacing)
    even = found._replace(power=np.full(found.power.shape, 2.5))
    for sectors in (1, 7, 180):
        np.testing.assert_allclose(angular_power(even, sectors).power, 2.5, rtol=1e-9)
        power = angular_power(found, sectors).power
        assert np.all((power >= 0.0) & (power <= np.max(found.power) * (1.0 + 1e-9)))
    assert np.all(np.isfinite(centred_power(noise(shape), spacing, "round").power))


def test_stripes_stand_as_high_whatever_their_direction() -> None:
    angles = np.arange(0.0, 180.0, 11.0)
    tops = []
    for angle in angles:
        u = wave((128, 128), (1.0, 1.0), angle, 6.0)
        found = angular_power(centred_power(u, window="round"), 90)
        assert apart(float(found.angles[np.argmax(found.power)]), angle) <= 1.0
        tops.append(np.max(found.power))
    assert max(tops) < 1.3 * min(tops)


def test_isotropic_power_that_falls_with_the_wavelength_is_even_by_direction() -> None:
    found = centred_power(noise((64, 64)))
    size = np.where(found.sizes > 0.0, found.sizes, np.inf)
    natural = found._replace(power=size**-2.0)
    np.testing.assert_allclose(angular_power(natural, relative=True).power, 1.0, rtol=0.06)


def test_the_usual_power_of_noise_is_its_variance() -> None:
    """A median over 65536 modes, two of them alike, is within 5 % but once in 10^9 fields."""
    usual = usual_power(centred_power(2.0 * noise((256, 256), 5)))
    assert np.mean(usual) == pytest.approx(4.0, rel=0.05)


def test_a_few_strong_waves_do_not_change_what_is_usual() -> None:
    found = centred_power(noise((64, 64)))
    strong = found.power.copy()
    strong[40, 40] = strong[24, 24] = 1e4
    usual = usual_power(Power(strong, found.numbers)), usual_power(found)
    # A thousandth of the mean is added, which two modes of 4096 do change.
    shift = 1e-3 * (np.mean(strong) - np.mean(found.power))
    np.testing.assert_allclose(usual[0] - shift, usual[1], rtol=0.05)


# --- angles and periods -------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("cells", [2.5, 6.0, 10.3])
def test_direction_period_and_amplitude_of_a_plane_wave_are_exact(name: str, cells: float) -> None:
    shape, spacing = SHAPES[name]
    period = cells * max(spacing)
    for angle in (0.0, 37.0, 64.2, 90.0, 111.0, 179.5):
        found = strongest_wave(3.0 + 0.2 * wave(shape, spacing, angle, period), spacing)
        assert found is not None
        assert apart(found.angle, angle) < 1e-6
        assert found.period == pytest.approx(period, rel=1e-8)
        assert found.amplitude == pytest.approx(0.2, rel=1e-8)
        assert found.stands_out


@pytest.mark.parametrize(("name", "deviation"), [*zip(SHAPES, (1.0, 0.5, 0.5, 1.0), strict=True)])
@pytest.mark.parametrize("cells", [3.0, 6.0, 10.3])
def test_stripes_under_noise_are_read_to_half_a_degree(
    name: str, deviation: float, cells: float
) -> None:
    """Noise of the deviation told, waves of amplitude one: half a degree is 7 deviations."""
    shape, spacing = SHAPES[name]
    for seed, angle in enumerate((3.0, 37.0, 120.0)):
        u = wave(shape, spacing, angle, cells * max(spacing))
        u = u + deviation * noise(shape, 10 + seed)
        found = orientation(u, spacing)
        assert found.wave is not None
        assert apart(found.angle, angle) < 0.5
        assert found.wave.period == pytest.approx(cells * max(spacing), rel=0.015)


@pytest.mark.parametrize("shape", [(64, 50), (63, 51)])
def test_a_period_of_two_cells_is_read_as_two(shape: tuple[int, int]) -> None:
    i, j = np.ogrid[: shape[0], : shape[1]]
    stripes = strongest_wave((-1.0) ** i + np.zeros(shape))
    checker = strongest_wave((-1.0) ** (i + j))
    assert stripes is not None
    assert checker is not None
    assert stripes.period == pytest.approx(2.0, rel=1e-5)
    assert apart(stripes.angle, 0.0) < 1e-3
    assert checker.period == pytest.approx(np.sqrt(2.0), rel=1e-5)
    assert apart(checker.angle, 45.0) < 1e-3 or apart(checker.angle, 135.0) < 1e-3


def test_of_two_waves_the_one_that_stands_out_from_waves_as_long_is_found() -> None:
    """A fine wave of a tenth of the amplitude, beside noise whose power falls with the length."""
    slow = np.cumsum(np.cumsum(noise((128, 128), 4), 0), 1) / 128.0
    u = slow - slow.mean() + 0.06 * wave((128, 128), (1.0, 1.0), 37.0, 4.0)
    assert np.std(u) > 0.6
    found = strongest_wave(u)
    assert found is not None
    assert found.period == pytest.approx(4.0, rel=1e-3)
    assert apart(found.angle, 37.0) < 0.1


def prominent(amplitude: float) -> Array:
    return amplitude * wave((64, 64), (1.0, 1.0), 37.0, 6.0) + noise((64, 64), 7)


@pytest.mark.parametrize(("amplitude", "least", "most"), [(0.36, 22.0, 23.5), (0.4, 27.0, 29.0)])
def test_a_wave_stands_out_from_25_times_the_power_round_it_on(
    amplitude: float, least: float, most: float
) -> None:
    found = strongest_wave(prominent(amplitude))
    assert found is not None
    assert least < found.prominence < most
    assert found.stands_out == (found.prominence > 25.0)
    assert (orientation(prominent(amplitude)).wave is None) == (found.prominence < 25.0)


def test_no_wave_is_shorter_than_cells_can_hold() -> None:
    for seed in range(12):
        u = noise((32, 24), seed) + 3.0 * (-1.0) ** np.arange(32)[:, None]
        found = strongest_wave(u, (0.5, 2.0))
        assert found is not None
        turn = np.radians(found.angle)
        k = np.abs([np.cos(turn), np.sin(turn)]) / found.period
        assert np.all(k <= np.array([1.0, 0.25]) * (1.0 + 1e-12))
        assert apart(found.angle, 0.0) < 2.0


def smooth(u: Array, deviation: float) -> Array:
    """A picture smoothed by a Gaussian, as though it were a ring."""
    squares = sum(np.meshgrid(*(np.fft.fftfreq(n) ** 2 for n in u.shape), indexing="ij"))
    factors = np.exp(-2.0 * (np.pi * deviation) ** 2 * squares)
    return np.asarray(np.fft.ifft2(factors * np.fft.fft2(u)).real)


X, Y = (axis - 63.5 for axis in np.ogrid[:128, :128])
WITHOUT_STRIPES = {
    "noise": noise((64, 48)),
    "other noise": noise((20, 20), 2),
    "smooth noise": smooth(noise((128, 128)), 3.0),
    "smoother noise": smooth(noise((64, 64)), 5.0),
    "a rough surface": np.cumsum(np.cumsum(noise((128, 128)), 0), 1),
    "the portrait": portrait(128),
    "the portrait, smoothed": smooth(portrait(128), 8.0),
    "a straight edge": (X > 0.0) + 0.0 * Y,
    "a slanted edge": (X + 0.3 * Y > 0.0) * 1.0,
    "a box": (np.abs(X) < 20.0) * (np.abs(Y) < 30.0) * 1.0,
    "a long blob": np.exp(-0.5 * ((X / 3.0) ** 2 + (Y / 15.0) ** 2)),
    "a wide blob": np.exp(-0.5 * ((X / 20.0) ** 2 + (Y / 30.0) ** 2)),
    "a slope": X + 0.5 * Y,
}


@pytest.mark.parametrize("name", WITHOUT_STRIPES)
def test_where_there_are_no_stripes_no_wave_stands_out(name: str) -> None:
    """Of 1000 fields of noise the most prominent wave had 14 times the power round it, not 25."""
    assert orientation(WITHOUT_STRIPES[name]).wave is None


@pytest.mark.parametrize("cells", [128, 256])
def test_the_portrait_turned_by_37_degrees_varies_along_37_degrees_more(cells: int) -> None:
    upright, turned = orientation(portrait(cells)), orientation(portrait(cells, turn=37))
    assert apart(turned.angle, upright.angle + 37.0) < 0.5
    assert turned.sharpness == pytest.approx(upright.sharpness, rel=0.05)


def test_a_long_blob_varies_across_itself_as_its_gradients_say() -> None:
    x, y = (axis - 127.5 for axis in np.ogrid[:256, :256])
    turn = np.radians(25.0)
    across, along = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    found = orientation(np.exp(-0.5 * ((across / 5.0) ** 2 + (along / 9.0) ** 2)))
    assert found.wave is None
    assert apart(found.angle, 25.0) < 1e-3
    # Smoothed by two cells its mean squares of the gradient are as the inverse variances.
    a, b = 1.0 / (25.0 + 4.0), 1.0 / (81.0 + 4.0)
    assert found.sharpness == pytest.approx((a - b) / (a + b), rel=0.02)


def test_a_picture_that_does_not_vary_has_no_direction() -> None:
    flat = np.full((32, 24), 0.1) * 3.0
    assert strongest_wave(flat) is None
    assert orientation(flat) == (0.0, 0.0, None)


@pytest.mark.parametrize("read", [centred_power, strongest_wave, orientation])
def test_one_distance_of_cells_is_that_of_all_axes_and_what_is_none_is_refused(read: Any) -> None:
    u = wave((20, 16), (1.0, 1.0), 37.0, 3.0)
    assert str(read(u, 0.1)) == str(read(u, [0.1, 0.1])) != str(read(u, (0.1, 0.2)))
    assert str(read(u)) == str(read(u, 1))
    grid = Grid(shape=(20, 16), size=(2.0, 1.6))
    for none in (grid, "0.1 m", (1.0, 1.0, 1.0), 0.0, (1.0, -1.0), float("nan")):
        with pytest.raises(ValueError, match=r"expected the distance of cells as one number above"):
            read(u, none)
    assert str(read(u, grid.spacing)) == str(read(u, (0.1, 0.1)))


@pytest.mark.parametrize("u", [np.zeros(8), np.zeros((8, 1)), np.zeros((3, 8, 8))])
def test_what_is_no_picture_is_refused(u: Array) -> None:
    with pytest.raises(ValueError, match=r"expected a picture u\[x, y\], found an array of shape"):
        centred_power(u)
