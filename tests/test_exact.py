"""Analytic solutions, against quadrature, plain series, the equation itself and each other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import integrate, linalg, special

from diffusim import exact
from diffusim.block import Array

D = 1.6e-9
LENGTH = 0.256
ENDS: tuple[exact.Ends, ...] = ("no-flux", "periodic")
# Spreads sqrt(2 D t) as parts of the length, also beside those where images give way to series.
SPREADS = [0.001, 0.02, 0.1, 0.2499, 0.2501, 0.4999, 0.5001, 1.0, 3.0]
PLACES = np.array([0.0, 0.003, 0.05, 0.0999, 0.1, 0.128, 0.2, 0.2559, 0.256])


def when(spread: float) -> float:
    return (spread * LENGTH) ** 2 / (2 * D)


def cells(n: int) -> tuple[Array, float]:
    h = LENGTH / n
    return (np.arange(n) + 0.5) * h, h


def solutions(ends: exact.Ends, cell: float = 0.0) -> dict[str, Callable[[Any, float], Array]]:
    keys: dict[str, Any] = {"ends": ends, "cell": cell}
    return {
        "step": lambda x, t: exact.step(x, t, D, LENGTH, 0.1, 35.0, 2.0, **keys),
        "blob": lambda x, t: exact.blob(x, t, D, LENGTH, 0.07, 0.02, 3.0, **keys),
        "source": lambda x, t: exact.blob(x, t, D, LENGTH, 0.2, 0.0, 3.0, **keys),
        "mode": lambda x, t: exact.mode(x, t, D, LENGTH, 2, 2.0, 5.0, **keys),
    }


KINDS = tuple(itertools.product(ENDS, solutions("no-flux")))


# --- against plain series and quadrature -------------------------------------------------------


def plain_step(x: Array, t: float, at: float, low: float, high: float, ends: exact.Ends) -> Array:
    """Fourier series of the step, with as many terms as the decay leaves."""
    period = LENGTH if ends == "periodic" else 2 * LENGTH
    u = np.full(x.shape, low * at / LENGTH + high * (1 - at / LENGTH))
    for m in range(1, math.ceil(9 * period / (2 * math.pi * math.sqrt(2 * D * t)))):
        k = 2 * math.pi * m / period
        factor = 2 / (k * LENGTH) * (low - high) * math.exp(-D * k**2 * t)
        if ends == "periodic":
            u += factor * (np.sin(k * x) - np.sin(k * (x - at)))
        else:
            u += factor * math.sin(k * at) * np.cos(k * x)
    return u


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("spread", SPREADS)
def test_a_step_is_its_fourier_series(spread: float, ends: exact.Ends) -> None:
    found = exact.step(PLACES, when(spread), D, LENGTH, 0.1, 35.0, 2.0, ends=ends)
    expected = plain_step(PLACES, when(spread), 0.1, 35.0, 2.0, ends)
    # The series cancels from one end to the other; that limits it, not what is tested.
    np.testing.assert_allclose(found, expected, rtol=1e-13 if spread > 0.01 else 1e-12)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("spread", SPREADS[3:])
def test_a_blob_is_its_fourier_series(spread: float, ends: exact.Ends) -> None:
    c, s = 0.07, spread * LENGTH
    found = exact.blob(PLACES, when(spread) * 0.75, D, LENGTH, c, 0.5 * s, 3.0, ends=ends)
    k1 = (2 if ends == "periodic" else 1) * math.pi / LENGTH
    u = np.ones(PLACES.shape)
    for k in k1 * np.arange(1, math.ceil(9 / (k1 * s)) + 1):
        wave = (
            np.cos(k * (PLACES - c)) if ends == "periodic" else np.cos(k * c) * np.cos(k * PLACES)
        )
        u += 2 * math.exp(-0.5 * (k * s) ** 2) * wave
    np.testing.assert_allclose(found, 3.0 / LENGTH * u, rtol=1e-13)


@pytest.mark.parametrize(("ends", "kind"), KINDS)
@pytest.mark.parametrize("spread", [0.003, 0.05, 0.3, 0.7])
@pytest.mark.parametrize("n", [2, 16, 256])
def test_a_cells_mean_is_the_integral_of_the_values_in_it(
    n: int, spread: float, ends: exact.Ends, kind: str
) -> None:
    x, h = cells(n)
    t = when(spread)
    point, mean = solutions(ends)[kind], solutions(ends, h)[kind](x, t)
    for i in {0, n // 2, (2 * n) // 5, n - 1}:
        low, high = i * h, (i + 1) * h
        near = (p + n * spread * LENGTH for p in (0.07, 0.1, 0.2) for n in (-6, 0, 6))
        breaks = [p for p in near if low < p < high]
        whole, _ = integrate.quad(
            lambda place: float(point(place, t)),
            low,
            high,
            points=breaks or None,
            epsabs=0.0,
            epsrel=2e-14,
            limit=200,
        )
        np.testing.assert_allclose(mean[i], whole / h, rtol=1e-13)


def test_a_step_in_free_space_is_an_error_function() -> None:
    """Crank 1975, equation 2.14: u = C / 2 erfc(x / sqrt(4 D t))."""
    z = np.linspace(-8.0, 8.0, 33)
    spread = math.sqrt(4 * D * 1000.0)
    found = exact.step(0.5 + z * spread, 1000.0, D, 1.0, 0.5, 1.0, 0.0)
    np.testing.assert_allclose(
        found, 0.5 * special.erfc((0.5 + z * spread - 0.5) / spread), rtol=2e-14
    )


def test_a_source_at_a_wall_is_reflected_whole() -> None:
    """Crank 1975, equation 2.7: twice the value of free space."""
    t, x = 3600.0, np.linspace(0.0, 0.02, 9)
    free = np.exp(-(x**2) / (4 * D * t)) / math.sqrt(4 * math.pi * D * t)
    np.testing.assert_allclose(exact.blob(x, t, D, LENGTH, 0.0, 0.0), 2 * free, rtol=1e-13)


# --- against each other ---------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("cell", [0.0, 0.001, 0.128])
@pytest.mark.parametrize("at", [0.1, 0.003, 1e-6])
@pytest.mark.parametrize("spread", SPREADS[1:])
def test_a_step_is_a_row_of_sources(
    spread: float, at: float, cell: float, ends: exact.Ends
) -> None:
    x, t = np.array([0.01, 0.064, 0.1]), when(spread)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    parts = np.linspace(0.0, at, math.ceil(at / (spread * LENGTH)) + 1)
    total = np.zeros(3)
    for a, b in itertools.pairwise(parts):
        for node, weight in zip(nodes, weights, strict=True):
            place = 0.5 * (a + b) + 0.5 * (b - a) * node
            source = exact.blob(x, t, D, LENGTH, place, 0.0, ends=ends, cell=cell)
            total += 0.5 * (b - a) * weight * source
    found = exact.step(x, t, D, LENGTH, at, 1.0, 0.0, ends=ends, cell=cell)
    np.testing.assert_allclose(found, total, rtol=1e-13)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("cell", [0.0, 0.001])
@pytest.mark.parametrize("spread", SPREADS)
def test_a_blob_is_a_source_that_began_earlier(
    spread: float, cell: float, ends: exact.Ends
) -> None:
    keys: dict[str, Any] = {"ends": ends, "cell": cell}
    width = 0.6 * spread * LENGTH
    old = exact.blob(PLACES, when(spread), D, LENGTH, 0.07, 0.0, **keys)
    new = exact.blob(PLACES, 0.64 * when(spread), D, LENGTH, 0.07, width, **keys)
    # Where the variance is rounded otherwise, a tail at z deviations moves by z^2 of that.
    np.testing.assert_allclose(new[old > 1e-15], old[old > 1e-15], rtol=1e-13)


@pytest.mark.parametrize(("ends", "kind"), KINDS)
def test_the_mean_of_small_cells_is_the_value_amid_them(ends: exact.Ends, kind: str) -> None:
    t, h = when(0.1), 1e-8
    found = solutions(ends, h)[kind](PLACES[2:7], t)
    np.testing.assert_allclose(found, solutions(ends)[kind](PLACES[2:7], t), rtol=1e-11)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("cell", [0.0, 0.001, 0.0256])
def test_images_and_cosine_series_meet_where_one_gives_way_to_the_other(
    cell: float, ends: exact.Ends
) -> None:
    period = LENGTH if ends == "periodic" else 2 * LENGTH
    t = (0.25 * period) ** 2 / (2 * D)
    for f in solutions(ends, cell).values():
        images, series = f(PLACES, t * (1 - 1e-14)), f(PLACES, t * (1 + 1e-14))
        np.testing.assert_allclose(images, series, rtol=1e-13)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("cell", [0.0, 0.001, 0.0256])
@pytest.mark.parametrize("spread", SPREADS)
def test_a_step_seen_from_the_other_end_is_the_same(
    spread: float, cell: float, ends: exact.Ends
) -> None:
    x, _ = cells(10)
    there = exact.step(x, when(spread), D, LENGTH, 0.1, 3.0, 1.0, ends=ends, cell=cell)
    back = exact.step(
        x[::-1], when(spread), D, LENGTH, LENGTH - 0.1, 1.0, 3.0, ends=ends, cell=cell
    )
    np.testing.assert_allclose(there, back, rtol=1e-13)


@pytest.mark.parametrize("cell", [0.0, 0.3, 2.0])
def test_tails_are_exact_and_not_noise(cell: float) -> None:
    z = np.linspace(2.0, 30.0, 15) + 0.5 * cell
    found = exact.step(50.0 + z, 1.0, 0.5, 100.0, 50.0, 1.0, 0.0, cell=cell)

    def scaled(d: float, place: float) -> float:
        return math.exp(special.log_ndtr(-(place + d)) - special.log_ndtr(-(place - 0.5 * cell)))

    for value, place in zip(found, z, strict=True):
        mean, _ = integrate.quad(scaled, -0.5 * cell, 0.5 * cell, args=(place,), epsrel=1e-13)
        expected = special.log_ndtr(-(place - 0.5 * cell)) + (math.log(mean / cell) if cell else 0)
        # At z deviations the result depends on rounding z^2 / 2 times as much as z does.
        np.testing.assert_allclose(math.log(value), expected, rtol=0, atol=2e-15 * (50 + place**2))


# --- against the equation ----------------------------------------------------------------------

SECOND = np.array([1 / 90, -3 / 20, 3 / 2, -49 / 18, 3 / 2, -3 / 20, 1 / 90])
FIRST = np.array([-1 / 60, 3 / 20, -3 / 4, 0, 3 / 4, -3 / 20, 1 / 60])
ONE_SIDED = np.array([-49 / 20, 6, -15 / 2, 20 / 3, -15 / 4, 6 / 5, -1 / 6])


@pytest.mark.parametrize(("ends", "kind"), KINDS)
@pytest.mark.parametrize("cell", [0.0, 0.002, 0.03])
@pytest.mark.parametrize("spread", [0.05, 0.2, 0.4])
def test_each_solution_satisfies_the_equation(
    spread: float, cell: float, ends: exact.Ends, kind: str
) -> None:
    u, t = solutions(ends, cell)[kind], when(spread)
    x, h, dt = np.linspace(0.03, 0.22, 21), 0.04 * spread * LENGTH, 0.01 * t
    curve = sum(c * u(x + n * h, t) for n, c in enumerate(SECOND, -3)) / h**2
    speed = sum(c * u(x, t + n * dt) for n, c in enumerate(FIRST, -3)) / dt
    np.testing.assert_allclose(speed, D * curve, rtol=0, atol=2e-7 * np.max(np.abs(speed)))


@pytest.mark.parametrize("kind", solutions("no-flux"))
@pytest.mark.parametrize("spread", [0.05, 0.2, 0.4])
def test_nothing_crosses_no_flux_ends_and_a_ring_has_no_seam(spread: float, kind: str) -> None:
    h, t = 0.02 * spread * LENGTH, when(spread)
    near = np.arange(7) * h
    u = solutions("no-flux")[kind]
    inside = np.max(np.abs(np.gradient(u(np.linspace(0.0, LENGTH, 201), t), LENGTH / 200)))
    for values in (u(near, t), u(LENGTH - near, t)):
        assert abs(ONE_SIDED @ values) / h < 1e-6 * inside
    u = solutions("periodic")[kind]
    np.testing.assert_allclose(u(np.zeros(1), t), u(np.full(1, LENGTH), t), rtol=1e-13)
    slopes = ONE_SIDED @ u(near, t) / h, -ONE_SIDED @ u(LENGTH - near, t) / h
    inside = np.max(np.abs(np.gradient(u(np.linspace(0.0, LENGTH, 201), t), LENGTH / 200)))
    assert abs(slopes[0] - slopes[1]) < 1e-6 * inside


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("spread", [0.0, *SPREADS, 100.0])
@pytest.mark.parametrize("n", [1, 7, 256])
def test_what_is_in_all_cells_together_stays(n: int, spread: float, ends: exact.Ends) -> None:
    x, h = cells(n)
    amounts = {
        "step": 35 * 0.1 + 2 * (LENGTH - 0.1),
        "blob": 3.0,
        "source": 3.0,
        "mode": 5 * LENGTH,
    }
    for kind, u in solutions(ends, h).items():
        np.testing.assert_allclose(np.sum(u(x, when(spread))) * h, amounts[kind], rtol=1e-13)


def test_a_mode_is_nothing_where_all_cells_lie_in_its_nodes_or_hold_whole_waves() -> None:
    for number in (1, 3, 5, 77):
        assert not np.any(exact.mode([0.05], 0.0, D, 0.1, number, cell=0.1))
        assert np.any(exact.mode([0.04], 0.0, D, 0.1, number))
    for number in (2, 4, 10):
        assert not np.any(exact.mode([0.05], 0.0, D, 0.1, number, cell=0.1))
    assert not np.any(exact.mode([0.025, 0.075], 0.0, D, 0.1, 2, cell=0.05))
    assert np.all(exact.mode([0.025, 0.075], 0.0, D, 0.1, 1, cell=0.05))


@pytest.mark.parametrize("lattice", [False, True])
@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("number", [0, 1, 3, 5])
def test_a_mode_of_the_lattice_decays_as_the_second_difference_has_it(
    number: int, ends: exact.Ends, lattice: bool
) -> None:
    x, h = cells(12)
    matrix = np.eye(12, k=1) + np.eye(12, k=-1) - 2 * np.eye(12)
    if ends == "periodic":
        matrix[0, -1] = matrix[-1, 0] = 1.0
    else:
        matrix[0, 0] = matrix[-1, -1] = -1.0
    t = 0.7 * h**2 / D
    start = exact.mode(x, 0.0, D, LENGTH, number, ends=ends, cell=h, lattice=lattice)
    found = exact.mode(x, t, D, LENGTH, number, ends=ends, cell=h, lattice=lattice)
    k = (2 if ends == "periodic" else 1) * math.pi * number / LENGTH
    by_hand = linalg.expm(0.7 * matrix) @ start if lattice else start * math.exp(-D * k**2 * t)
    np.testing.assert_allclose(found, by_hand, rtol=1e-13, atol=1e-15)


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ENDS)
def test_before_any_time_a_step_is_a_step(ends: exact.Ends) -> None:
    x = np.array([0.01, 0.0999, 0.1, 0.1001, 0.2])
    found = exact.step(x, 0.0, D, LENGTH, 0.1, 35.0, 2.0, ends=ends)
    np.testing.assert_allclose(found, [35.0, 35.0, 18.5, 2.0, 2.0], rtol=1e-15)
    centres, h = cells(7)
    means = exact.step(centres, 0.0, D, LENGTH, 0.1, 35.0, 2.0, ends=ends, cell=h)
    part = np.clip(0.1 / h - np.arange(7), 0.0, 1.0)
    np.testing.assert_allclose(means, 35.0 * part + 2.0 * (1.0 - part), rtol=1e-14)


@pytest.mark.parametrize("at", [0.0, LENGTH])
@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("cell", [0.0, 0.001])
@pytest.mark.parametrize("spread", [0.0, *SPREADS])
def test_a_step_at_an_end_or_of_equal_halves_is_no_step(
    spread: float, cell: float, ends: exact.Ends, at: float
) -> None:
    x, t = PLACES[1:-2], when(spread)
    low, high = (2.0, 7.0) if at == 0.0 else (7.0, 2.0)
    for values in (
        exact.step(x, t, D, LENGTH, at, low, high, ends=ends, cell=cell),
        exact.step(x, t, D, LENGTH, 0.11, 7.0, 7.0, ends=ends, cell=cell),
    ):
        np.testing.assert_allclose(values, 7.0, rtol=1e-14)


@pytest.mark.parametrize("ends", ENDS)
def test_before_any_time_a_source_fills_its_cell_alone(ends: exact.Ends) -> None:
    x, h = cells(8)
    found = exact.blob(x, 0.0, D, LENGTH, 0.1, 0.0, 3.0, ends=ends, cell=h)
    np.testing.assert_allclose(found, np.where(np.arange(8) == 3, 3.0 / h, 0.0), rtol=1e-15)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("cell", [0.0, 0.001])
def test_after_all_time_everything_is_even(cell: float, ends: exact.Ends) -> None:
    means = {
        "step": (35 * 0.1 + 2 * 0.156) / LENGTH,
        "blob": 3 / LENGTH,
        "source": 3 / LENGTH,
        "mode": 5.0,
    }
    for kind, u in solutions(ends, cell).items():
        np.testing.assert_allclose(u(PLACES, when(1e4)), means[kind], rtol=1e-14)


def test_places_may_have_any_shape() -> None:
    x = PLACES.reshape(3, 3)
    for u in solutions("no-flux").values():
        np.testing.assert_array_equal(u(x, 1e5).ravel(), u(PLACES, 1e5))
        assert u(0.1, 1e5).shape == ()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact.step(0.1, -1.0, D, 1.0, 0.5, 1, 0), "the time must be zero or above"),
        (lambda: exact.step(0.1, math.nan, D, 1.0, 0.5, 1, 0), "the time must be zero or above"),
        (lambda: exact.step(0.1, 1.0, -D, 1.0, 0.5, 1, 0), "the diffusivity must be zero or above"),
        (lambda: exact.step(0.1, 1.0, D, 0.0, 0.0, 1, 0), "the length must be above zero"),
        (lambda: exact.step(0.1, 1.0, D, 1.0, 1.5, 1, 0), "1.5 m lies outside the axis"),
        (lambda: exact.step(0.1, 1.0, D, 1.0, 0.5, 1, 0, cell=-1.0), "the cell must be zero"),
        (lambda: exact.blob(0.1, 1.0, D, 1.0, 0.5, -1.0), "the width of a blob must be"),
        (lambda: exact.blob(0.1, 0.0, D, 1.0, 0.5, 0.0), "no values at points; give the length"),
        (lambda: exact.mode(0.1, 0.0, D, 1.0, 1, lattice=True), "needs the length of its cells"),
        (lambda: exact.gaussian(0.1, 0.0), "the deviation must be above zero"),
    ],
)  # fmt: skip
def test_numbers_out_of_range_are_refused_in_words(call: Callable[[], Array], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
