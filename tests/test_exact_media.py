"""Analytic solutions against inverse transforms, quadrature and the equation itself.

Transients are met by an inverse Laplace transform on a parabola (Weideman and Trefethen 2007), of
transforms that are solved here from the boundary conditions. Values are chosen far from zero, so
that relative tolerances say what is meant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import integrate, linalg, special

from diffusim import exact
from diffusim.block import Array
from diffusim.exact import balls, discs

D, LENGTH = 1.6e-9, 0.256
# D t / L^2, also beside those where one expansion gives way to another.
TIMES = [1e-7, 1e-5, 9.99e-4, 1.001e-3, 5.99e-3, 6.01e-3, 0.05, 0.3, 2.0]
PARTS = np.array([0.0, 0.003, 0.1, 0.37, 0.5, 0.8, 0.97, 0.999, 1.0])
PLACES = LENGTH * PARTS
INF = math.inf
TRANSFERS = [
    (INF, INF),
    (INF, 0.0),
    (0.0, INF),
    (3e-9, 0.0),
    (2e-8, 5e-9),
    (1e-6, INF),
    (1e-20, 3e-15),
    (4e-3, 7e-9),
]


def when(fo: float) -> float:
    return fo * LENGTH**2 / D


def inverse(transform: Callable[[complex], Any], t: float, count: int = 17) -> Any:
    """Bromwich's integral on the parabola s = m (i u + 1)^2 by the midpoint rule."""
    step, scale = 3.0 / count, math.pi * count / (12.0 * t)
    total: Any = 0.0
    for k in range(count):
        u = (k + 0.5) * step
        s = scale * (1j * u + 1.0) ** 2
        total = total + np.exp(s * t) * transform(s) * 2.0 * scale * (1j * u + 1.0)
    return np.real(total) * step / math.pi


def transformed_slab(
    s: complex, x: Array, transfer: tuple[float, float], outside: tuple[float, float], start: float
) -> Array:
    """D U'' = s U - start with -D dU/dn = h (U - outside / s), solved for two exponentials."""
    q = np.sqrt(s / D)
    far = np.exp(-q * LENGTH)
    matrix, right = np.zeros((2, 2), complex), np.zeros(2, complex)
    for row, (h, o) in enumerate(zip(transfer, outside, strict=True)):
        here, there = (1.0, far) if row == 0 else (far, 1.0)
        # Of exp(-q x) and exp(-q (L - x)): inward slopes at this end.
        slopes = (-q, q * far) if row == 0 else (q * far, -q)
        # Rows of one size, or the pivots would be chosen badly.
        weight, push = (1.0, 0.0) if h == INF else (h / (h + D * q), D / (h + D * q))
        matrix[row] = [weight * here - push * slopes[0], weight * there - push * slopes[1]]
        right[row] = weight * (o - start) / s
    a, b = linalg.solve(matrix, right)
    return np.asarray(start / s + a * np.exp(-q * x) + b * np.exp(-q * (LENGTH - x)))


# --- against inverse transforms -----------------------------------------------------------------


@pytest.mark.parametrize("transfer", TRANSFERS)
@pytest.mark.parametrize("fo", TIMES)
def test_a_slab_that_exchanges_is_its_inverse_transform(
    fo: float, transfer: tuple[float, float]
) -> None:
    found = exact.exchange(PLACES, when(fo), D, LENGTH, transfer, (3.0, 7.0), 2.0)
    expected = inverse(lambda s: transformed_slab(s, PLACES, transfer, (3.0, 7.0), 2.0), when(fo))
    np.testing.assert_allclose(found, expected, rtol=5e-14)


@pytest.mark.parametrize(("left", "right"), [(3.0, 7.0), (None, 7.0), (3.0, None)])
@pytest.mark.parametrize("fo", TIMES)
def test_a_slab_whose_ends_are_held_is_its_inverse_transform(
    fo: float, left: float | None, right: float | None
) -> None:
    transfer = (0.0 if left is None else INF, 0.0 if right is None else INF)
    outside = (left or 0.0, right or 0.0)
    found = exact.slab(PLACES, when(fo), D, LENGTH, left, right, 2.0)
    expected = inverse(lambda s: transformed_slab(s, PLACES, transfer, outside, 2.0), when(fo))
    np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize("fo", TIMES)
def test_a_heated_slab_is_its_inverse_transform(fo: float) -> None:
    flux = 3.0 * D / LENGTH

    def transform(s: complex) -> Array:
        q = np.sqrt(s / D)
        shape = np.exp(-q * (LENGTH - PLACES)) * (1 + np.exp(-2 * q * PLACES))
        return np.asarray(2.0 / s + flux / (s * D * q) * shape / (1 - np.exp(-2 * q * LENGTH)))

    found = exact.heated(PLACES, when(fo), D, LENGTH, flux, 2.0)
    np.testing.assert_allclose(found, inverse(transform, when(fo)), rtol=1e-13)


@pytest.mark.parametrize("fo", TIMES)
def test_a_disc_whose_rim_is_held_is_its_inverse_transform(fo: float) -> None:
    def transform(s: complex) -> Array:
        q = np.sqrt(s / D)
        ratio = special.ive(0, q * PLACES) / special.ive(0, q * LENGTH)
        return np.asarray(2.0 / s + 3.0 / s * ratio * np.exp(q.real * (PLACES - LENGTH)))

    found = exact.disc(PLACES, when(fo), D, LENGTH, 5.0, 2.0)
    np.testing.assert_allclose(found, inverse(transform, when(fo)), rtol=1e-13)


@pytest.mark.parametrize("fo", [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0])
def test_on_a_disc_series_and_contour_agree_at_all_times(fo: float) -> None:
    rest = discs.disc_late(PARTS, fo)
    np.testing.assert_allclose(2.0 - rest, 1.0 + discs.disc_soon(PARTS, fo), rtol=2e-14)


@pytest.mark.parametrize("fo", TIMES)
def test_a_ball_whose_surface_is_held_is_its_inverse_transform(fo: float) -> None:
    r = PLACES[1:]

    def transform(s: complex) -> Array:
        q = np.sqrt(s / D)
        ratio = np.exp(-q * (LENGTH - r)) * np.expm1(-2 * q * r) / np.expm1(-2 * q * LENGTH)
        return np.asarray(2.0 / s + 3.0 / s * LENGTH / r * ratio)

    found = exact.sphere(r, when(fo), D, LENGTH, 5.0, 2.0)
    np.testing.assert_allclose(found, inverse(transform, when(fo)), rtol=1e-13)


@pytest.mark.parametrize("fo", [1e-8, 1e-10, 1e-14, 1e-20, 1e-40])
def test_very_soon_a_disc_is_a_half_space_but_for_its_curvature(fo: float) -> None:
    """Crank 1975, section 5.3.2: two terms of the expansion for short times."""
    root = math.sqrt(fo)
    # Depths that 1 - r / a holds to the last bit.
    depth = 1.0 - (1.0 - root * np.array([0.0, 0.3, 1.0, 4.0]))
    z = depth / (2 * root)
    ierfc = np.exp(-(z**2)) / math.sqrt(math.pi) - z * special.erfc(z)
    r = 1.0 - depth
    curved = 1 / np.sqrt(r) * special.erfc(z) + depth / (4 * r**1.5) * root * ierfc
    np.testing.assert_allclose(exact.disc(r, fo, 1.0, 1.0, 2.0, 1.0), 1 + curved, rtol=1e-14 + fo)


@pytest.mark.parametrize("fo", [1e-5, 1e-4, 1e-3, 5e-3])
def test_in_a_ball_series_and_images_agree_at_short_times(fo: float) -> None:
    late, soon = balls.sphere_late(PARTS, fo), balls.sphere_soon(PARTS, fo)
    np.testing.assert_allclose(1.0 + late, 1.0 + soon, rtol=2e-14)


# --- the equation, and means --------------------------------------------------------------------

# Of each solution: its values, the power of its radial weight, velocity, loss and source.
CASES: dict[str, tuple[Callable[..., Array], int, float, float, float]] = {
    "half-space": (lambda x, t, c: exact.half_space(x, t, D, 5.0, 2.0, cell=c), 0, 0, 0, 0),
    "held": (lambda x, t, c: exact.slab(x, t, D, LENGTH, 3.0, 7.0, 2.0, cell=c), 0, 0, 0, 0),
    "one-held": (lambda x, t, c: exact.slab(x, t, D, LENGTH, 3.0, None, 2.0, cell=c), 0, 0, 0, 0),
    "exchange": (
        lambda x, t, c: exact.exchange(x, t, D, LENGTH, (2e-8, 5e-9), (3, 7), 2, cell=c),
        0, 0, 0, 0,
    ),
    "slab-mode": (
        lambda x, t, c: exact.slab_mode(x, t, D, LENGTH, 3, 0.5, 3.0, 7.0, cell=c),
        0, 0, 0, 0,
    ),
    "half-mode": (
        lambda x, t, c: exact.slab_mode(x, t, D, LENGTH, 2, 0.5, None, 7.0, cell=c),
        0, 0, 0, 0,
    ),
    "heated": (
        lambda x, t, c: exact.heated(x, t, D, LENGTH, 3 * D / LENGTH, 2.0, cell=c),
        0, 0, 0, 0,
    ),
    "parabola": (
        lambda x, t, c: exact.parabola(x, D, LENGTH, 4 * D / LENGTH**2, 3, 7, cell=c),
        0, 0, 0, 4 * D / LENGTH**2,
    ),
    "decaying": (
        lambda x, t, c: exact.decaying_mode(x, t, D, LENGTH, 2, 1e-8, 0.5, 3, cell=c),
        0, 0, 1e-8, 0,
    ),
    "disc": (lambda x, t, c: exact.disc(x, t, D, LENGTH, 5.0, 2.0, cell=c), 1, 0, 0, 0),
    "disc-mode": (
        lambda x, t, c: exact.disc_mode(x, t, D, LENGTH, 3, 0.5, 3.0, cell=c),
        1, 0, 0, 0,
    ),
    "disc-held": (
        lambda x, t, c: exact.disc_mode(x, t, D, LENGTH, 2, 0.5, 3.0, rim="value", cell=c),
        1, 0, 0, 0,
    ),
    "ring-mode": (
        lambda x, t, c: exact.ring_mode(x, t, D, 0.1 * LENGTH, LENGTH, 2, 0.5, 3.0, cell=c),
        1, 0, 0, 0,
    ),
    "ring-held": (
        lambda x, t, c: exact.ring_mode(
            x, t, D, 0.1 * LENGTH, LENGTH, 2, 0.5, 3.0, rim="value", cell=c
        ),
        1, 0, 0, 0,
    ),
    "ring-steady": (
        lambda x, t, c: exact.ring_steady(x, 0.1 * LENGTH, LENGTH, 3.0, 7.0, cell=c),
        1, 0, 0, 0,
    ),
    "sphere": (lambda x, t, c: exact.sphere(x, t, D, LENGTH, 5.0, 2.0, cell=c), 2, 0, 0, 0),
    "sphere-mode": (
        lambda x, t, c: exact.sphere_mode(x, t, D, LENGTH, 3, 0.5, 3.0, cell=c),
        2, 0, 0, 0,
    ),
    "sphere-held": (
        lambda x, t, c: exact.sphere_mode(x, t, D, LENGTH, 2, 0.5, 3.0, surface="value", cell=c),
        2, 0, 0, 0,
    ),
    "carried-blob": (
        lambda x, t, c: exact.carried_blob(x, t, D, LENGTH, 3e-8, 0.1, 0.02, 1.0, cell=c),
        0, 3e-8, 0, 0,
    ),
    "carried-mode": (
        lambda x, t, c: exact.carried_mode(x, t, D, LENGTH, -3e-8, 2, 0.5, 3, cell=c),
        0, -3e-8, 0, 0,
    ),
    "drift": (
        lambda x, t, c: exact.drift_steady(x, D, LENGTH, 3e-8, 3.0, 7.0, cell=c),
        0, 3e-8, 0, 0,
    ),
    "drift-back": (
        lambda x, t, c: exact.drift_steady(x, D, LENGTH, -2e-8, 3.0, 7.0, cell=c),
        0, -2e-8, 0, 0,
    ),
    "swing": (
        lambda x, t, c: 9.0 + exact.oscillating(x, t, D, LENGTH, 2.0, 3e-7, cell=c),
        0, 0, 0, 0,
    ),
}  # fmt: skip
SECOND = np.array([1 / 90, -3 / 20, 3 / 2, -49 / 18, 3 / 2, -3 / 20, 1 / 90])
FIRST = np.array([-1 / 60, 3 / 20, -3 / 4, 0, 3 / 4, -3 / 20, 1 / 60])


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("fo", [5e-4, 4e-3, 0.02, 0.2])
def test_each_solution_satisfies_its_equation(fo: float, kind: str) -> None:
    u, power, velocity, loss, source = CASES[kind]
    r, t = np.linspace(0.3, 0.9, 29) * LENGTH, when(fo)
    h, dt = min(0.1 * math.sqrt(2 * fo), 0.015) * LENGTH, 0.02 * t
    around = [u(r + n * h, t, 0.0) for n in range(-3, 4)]
    curve = sum(c * v for c, v in zip(SECOND, around, strict=True)) / h**2
    slope = sum(c * v for c, v in zip(FIRST, around, strict=True)) / h
    speed = sum(c * u(r, t + n * dt, 0.0) for n, c in enumerate(FIRST, -3)) / dt
    right = D * (curve + power / r * slope) - velocity * slope - loss * around[3] + source
    rounding = 1e-14 * np.max(np.abs(around)) * (D / h**2 + 1 / dt)
    scale = D * np.max(np.abs(curve)) + np.max(np.abs(speed))
    np.testing.assert_allclose(speed, right, rtol=0, atol=1e-6 * scale + rounding)


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("fo", [1e-5, 2e-3, 0.05])
@pytest.mark.parametrize("n", [5, 64])
def test_a_cells_mean_is_the_weighted_integral_of_the_values_in_it(
    n: int, fo: float, kind: str
) -> None:
    u, power, _, _, _ = CASES[kind]
    first, t = (0.1 * LENGTH if "ring" in kind else 0.0), when(fo)
    h = (LENGTH - first) / n
    centres = first + (np.arange(n) + 0.5) * h
    mean = u(centres, t, h)
    spread = math.sqrt(2 * fo) * LENGTH
    for i in {0, n // 2, n - 1}:
        low, high = first + i * h, first + (i + 1) * h
        near = (p + s * spread for p in (0.0, LENGTH, 0.1) for s in (-8, -2, 0, 2, 8))
        breaks = [p for p in near if low < p < high]
        whole, _ = integrate.quad(
            lambda r: float(u(np.array(r), t, 0.0)) * r**power,
            low, high, points=breaks or None, epsabs=0.0, epsrel=5e-14, limit=200,
        )  # fmt: skip
        weight = (high ** (power + 1) - low ** (power + 1)) / (power + 1)
        np.testing.assert_allclose(mean[i], whole / weight, rtol=3e-13)


def test_before_any_time_nothing_has_entered() -> None:
    inside = PLACES[1:-1]
    for kind in ("half-space", "held", "one-held", "exchange", "heated", "disc", "sphere"):
        np.testing.assert_array_equal(CASES[kind][0](inside, 0.0, 0.0), 2.0)
        np.testing.assert_allclose(CASES[kind][0](inside, 0.0, 1e-4), 2.0, rtol=1e-15)


def test_after_all_time_only_the_steady_profile_is_left() -> None:
    t = when(50.0)
    line = 3.0 + 4.0 * PARTS
    np.testing.assert_allclose(exact.slab(PLACES, t, D, LENGTH, 3, 7, 2), line, rtol=1e-15)
    np.testing.assert_allclose(exact.slab(PLACES, t, D, LENGTH, 3, None, 2), 3.0, rtol=1e-15)
    np.testing.assert_allclose(exact.disc(PLACES, t, D, LENGTH, 5, 2), 5.0, rtol=1e-15)
    np.testing.assert_allclose(exact.sphere(PLACES, t, D, LENGTH, 5, 2), 5.0, rtol=1e-15)
    u = exact.exchange(PLACES, t, D, LENGTH, (2e-8, 5e-9), (3.0, 7.0), 2.0)
    flux = (3.0 - 7.0) / (1 / 2e-8 + LENGTH / D + 1 / 5e-9)
    np.testing.assert_allclose(u, 3.0 - flux / 2e-8 - flux * PLACES / D, rtol=1e-14)


def test_ends_that_exchange_next_to_nothing_or_at_once_are_closed_or_held() -> None:
    for fo in (1e-4, 0.1, 10.0):
        closed = exact.exchange(PLACES, when(fo), D, LENGTH, (1e-300, 0.0), (3.0, 7.0), 2.0)
        np.testing.assert_allclose(closed, 2.0, rtol=1e-15)
        found = exact.exchange(PLACES, when(fo), D, LENGTH, (1e-200, 1e200), (3.0, 7.0), 2.0)
        held = exact.slab(PLACES, when(fo), D, LENGTH, None, 7.0, 2.0)
        np.testing.assert_allclose(found, held, rtol=1e-14)


def test_a_half_space_is_a_slab_whose_other_end_is_far() -> None:
    x, t = np.linspace(0.0, 0.01, 11), when(1e-4)
    far = exact.slab(x, t, D, LENGTH, 5.0, None, 2.0)
    np.testing.assert_allclose(exact.half_space(x, t, D, 5.0, 2.0), far, rtol=1e-15)


# --- what is accepted ---------------------------------------------------------------------------


def test_places_may_have_any_shape() -> None:
    x = PLACES[1:-1][:6].reshape(2, 3)
    for u, *_ in CASES.values():
        for cell in (0.0, 1e-4):
            flat = u(x.ravel() + 0.1 * LENGTH, 1e5, cell)
            np.testing.assert_array_equal(u(x + 0.1 * LENGTH, 1e5, cell).ravel(), flat)
            assert u(0.1, 1e5, cell).shape == ()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact.slab(0.1, -1.0, D, 1.0, 1, 2), "the time must be zero or above"),
        (lambda: exact.slab(0.1, 1.0, D, 0.0, 1, 2), "the length must be above zero"),
        (lambda: exact.slab(0.1, 1.0, D, 1.0, 1, INF), "the outside must be finite"),
        (lambda: exact.half_space(0.1, 1.0, D, INF), "the surface must be finite"),
        (lambda: exact.exchange(0, 1.0, D, 1.0, (-1, 0), (0, 0)), "the transfer at an end must"),
        (lambda: exact.slab_mode(0.1, 1.0, D, 1.0, 0), "modes are counted 1, 2, ..., not 0"),
        (lambda: exact.slab_mode(0, 1, D, 1.0, 1, 1, None, None), "two closed ends"),
        (lambda: exact.heated(0.1, 1.0, 0.0, 1.0, 1.0), "the diffusivity must be above zero"),
        (lambda: exact.parabola(0.1, 0.0, 1.0, 1.0), "the diffusivity must be above zero"),
        (lambda: exact.decaying_mode(0.1, 1.0, D, 1.0, 1, INF), "the rate must be finite"),
        (lambda: exact.layers_rate((D, 0.0), 1, 0.5, 1, 1), "the diffusivity must be above zero"),
        (lambda: exact.layers_flux((D, D), 1, 0.5, 0.0, 1, 2), "the permeability must be above"),
        (lambda: exact.layers_rate((D, D), 1, 1.5, 1.0, 1), "1.5 m lies outside the axis"),
        (lambda: exact.disc_mode(0, 1, D, 1, 0, rim="value"), "modes are counted 1"),
        (lambda: exact.disc_mode(0, 1, D, 1, 1, rim="open"), "a rim is 'no-flux' or 'value'"),
        (lambda: exact.sphere_mode(0, 1, D, 1, 1, surface="x"), "a surface is 'no-flux' or"),
        (lambda: exact.ring_mode(1, 1, D, 2.0, 1.0, 1), "must be below the outer one"),
        (lambda: exact.ring_steady(1, 0.0, 1.0, 1, 2), "the inner radius must be above zero"),
        (lambda: exact.uptake(-1.0), "must be zero or above"),
        (lambda: exact.uptake(1.0, "cube"), "a body is 'sheet', 'cylinder' or 'sphere'"),
        (lambda: exact.carried_mode(0, 1, D, 1, INF, 1), "the velocity must be finite"),
        (lambda: exact.drift_steady(0, 0.0, 1, 1, 1, 2), "the diffusivity must be above zero"),
        (lambda: exact.channel_diffusivity(D, 0.0, 1.0), "the half width must be above zero"),
        (lambda: exact.channel_variance(-1.0, D, 1.0, 1.0), "the time must be zero or above"),
        (lambda: exact.oscillating(0, 1, D, 1, 1, 0.0), "the frequency must be above zero"),
        (lambda: exact.manufactured_source(0, 0, 0, (-1, 1)), "the diffusivity must be zero or"),
    ],
)  # fmt: skip
def test_numbers_out_of_range_are_refused_in_words(call: Callable[[], Array], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
