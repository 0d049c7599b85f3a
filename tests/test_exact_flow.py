"""Flows and published cases, against quadrature, moments and the equation itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import linalg

from diffusim import exact
from diffusim.exact import benchmarks

D, LENGTH = 1.6e-9, 0.256
PARTS = np.array([0.0, 0.003, 0.1, 0.37, 0.5, 0.8, 0.97, 0.999, 1.0])
PLACES = LENGTH * PARTS
SECOND = np.array([1 / 90, -3 / 20, 3 / 2, -49 / 18, 3 / 2, -3 / 20, 1 / 90])
FIRST = np.array([-1 / 60, 3 / 20, -3 / 4, 0, 3 / 4, -3 / 20, 1 / 60])


# --- flow ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("velocity", [3e-8, -1e-5, 0.0, 1e3])
def test_a_carried_blob_is_a_sum_of_gaussians_that_move(velocity: float) -> None:
    t, centre, width = 1e6, 0.07, 0.02
    s = math.sqrt(width**2 + 2 * D * t)
    moved = math.fmod(velocity * t, LENGTH)
    d = [PLACES - centre - moved + n * LENGTH for n in range(-12, 13)]
    expected = sum(np.exp(-0.5 * (each / s) ** 2) for each in d) / (s * math.sqrt(2 * math.pi))
    found = exact.carried_blob(PLACES, t, D, LENGTH, velocity, centre, width)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("peclet", [1e-12, 1e-3, 0.9, 4.0, 30.0, 1e4])
def test_a_steady_drift_is_the_quotient_of_exponentials(peclet: float) -> None:
    v = peclet * D / LENGTH
    expected = 3.0 + 4.0 * np.exp(peclet * (PARTS - 1)) * (
        np.expm1(-peclet * PARTS) / math.expm1(-peclet)
    )
    np.testing.assert_allclose(
        exact.drift_steady(PLACES, D, LENGTH, v, 3.0, 7.0), expected, rtol=1e-14
    )
    mirrored = exact.drift_steady(LENGTH - PLACES, D, LENGTH, -v, 7.0, 3.0)
    np.testing.assert_allclose(mirrored, expected, rtol=1e-11)


def test_without_a_velocity_a_steady_drift_is_a_line() -> None:
    u = exact.drift_steady(PLACES, D, LENGTH, 0.0, 3.0, 7.0)
    np.testing.assert_allclose(u, 3.0 + 4.0 * PARTS, rtol=1e-15)


def aris_variance(late: float, count: int = 60) -> float:
    """What shear adds, over (a Pe)^2: Aris's first moment in even Legendre polynomials.

    dm/dT = m'' + v with v = 1/2 - 3/2 y^2 = -P_2; the variance grows by 2 <v m>.
    """
    n = 2 * np.arange(count)
    low = np.minimum(n[:, None], n[None, :])
    # int P_m' P_n' over -1..1 is low (low + 1) for even degrees; int P_n^2 is 2 / (2 n + 1).
    matrix = -(low * (low + 1)) * (2 * n[:, None] + 1) / 2
    whole = np.zeros((count + 2, count + 2))
    whole[:count, :count] = matrix
    whole[1, count + 1] = -1.0
    whole[count, 1] = -2.0 / 5.0
    start = np.zeros(count + 2)
    start[-1] = 1.0
    return float((linalg.expm(late * whole) @ start)[count])


@pytest.mark.parametrize("late", [0.003, 0.02, 0.0249, 0.0251, 0.1, 0.5, 3.0])
def test_the_spread_in_a_channel_is_that_of_the_equations_of_its_moments(late: float) -> None:
    a, speed, width = 2e-4, 7e-6, 1e-4
    found = exact.channel_variance(late * a**2 / D, D, a, speed, width)
    sheared = (a * speed * a / D) ** 2 * aris_variance(late)
    np.testing.assert_allclose(found - width**2 - 2 * late * a**2, sheared, rtol=1e-9)


def test_a_channel_spreads_as_taylor_says_in_the_end_and_without_diffusion_at_first() -> None:
    a, speed = 2e-4, 7e-4
    unit, peclet = a**2 / D, speed * a / D
    times = np.array([4.0, 9.0]) * unit
    first, last = (exact.channel_variance(t, D, a, speed) for t in times)
    growth = (last - first) / (times[1] - times[0])
    effective = exact.channel_diffusivity(D, a, speed)
    np.testing.assert_allclose(growth, 2 * effective, rtol=1e-14)
    offset = 2 / 525 * (a * peclet) ** 2
    np.testing.assert_allclose(first, 2 * effective * times[0] - offset, rtol=1e-14)
    early = 1e-9 * unit
    sheared = exact.channel_variance(early, D, a, speed) - 2 * D * early
    np.testing.assert_allclose(sheared, (speed * early) ** 2 / 5, rtol=1e-5)
    both = [exact.channel_variance(0.025 * unit * (1 + e), D, a, speed) for e in (-1e-15, 1e-15)]
    np.testing.assert_allclose(both[0], both[1], rtol=2e-13)


# --- published cases ----------------------------------------------------------------------------

STEEL = 35.0 / (7200.0 * 440.5)


def test_the_swinging_slab_of_nafems_is_at_its_published_temperature() -> None:
    found = exact.oscillating(0.08, 32.0, STEEL, 0.1, 100.0, math.pi / 40)
    np.testing.assert_allclose(found, 36.60311595908, rtol=2e-13)
    assert round(float(found), 2) == 36.60


@pytest.mark.parametrize("w", [1e-3, 1.0, 40.0, 3000.0])
@pytest.mark.parametrize("fo", [1e-4, 9.9e-4, 1.01e-3, 0.03, 0.4])
def test_a_swinging_slab_is_what_its_end_has_sent_in(fo: float, w: float) -> None:
    """Duhamel: the answer to a steady end, summed over all changes of the end's value."""
    for part in (0.7, 0.97):
        steps = max(4, math.ceil(w * fo / 2))
        cuts = np.concatenate([fo * np.arange(steps) / steps, fo * (1 - 0.25 ** np.arange(0, 16))])
        total = 0.0
        nodes, weights = np.polynomial.legendre.leggauss(20)
        cuts = np.unique(np.append(cuts, fo))
        for a, b in zip(cuts[:-1], cuts[1:], strict=True):
            for node, weight in zip(nodes, weights, strict=True):
                s = 0.5 * (a + b) + 0.5 * (b - a) * node
                answer = float(exact.slab(part, fo - s, 1.0, 1.0, 0.0, 1.0))
                total += 0.5 * (b - a) * weight * w * math.cos(w * s) * answer
        found = float(exact.oscillating(part, fo, 1.0, 1.0, 1.0, w))
        size = min(1.0, w * fo)
        assert abs(found - total) < 1e-12 * size


@pytest.mark.parametrize("w", [0.1, 1.0, 40.0])
def test_of_a_swinging_slab_series_and_contour_agree_where_one_gives_way(w: float) -> None:
    late = benchmarks.swinging_late(PARTS, 0.05 / w, w)
    soon = benchmarks.swinging_soon(PARTS, 0.05 / w, w)
    np.testing.assert_allclose(soon, late, rtol=0, atol=2e-13 * float(np.max(late)))


def test_the_solution_made_up_for_sundials_obeys_its_equation() -> None:
    x, y = np.linspace(0.1, 0.9, 9)[:, None], np.linspace(0.15, 0.85, 8)[None, :]
    t, h, (kx, ky) = 0.3, 0.01, (10.0, 7.0)
    u = exact.manufactured
    speed = sum(c * u(x, y, t + n * h) for n, c in enumerate(FIRST, -3)) / h
    across = sum(c * u(x + n * h, y, t) for n, c in enumerate(SECOND, -3)) / h**2
    along = sum(c * u(x, y + n * h, t) for n, c in enumerate(SECOND, -3)) / h**2
    source = exact.manufactured_source(x, y, t, (kx, ky))
    size = float(np.max(np.abs(source)))
    np.testing.assert_allclose(speed, kx * across + ky * along + source, rtol=0, atol=1e-8 * size)
    edge = np.array([0.0, 1.0])
    np.testing.assert_allclose(u(edge, 0.3, t), 0.0, rtol=0, atol=1e-30)


def test_means_of_the_solution_made_up_for_sundials_are_integrals() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(20)
    h, t = 0.25, 0.3
    x, y = 0.375 + 0.5 * h * nodes[:, None], 0.625 + 0.5 * h * nodes[None, :]
    w = 0.25 * weights[:, None] * weights[None, :]
    for f in (exact.manufactured, exact.manufactured_source):
        mean = f(0.375, 0.625, t, cell=h)
        np.testing.assert_allclose(mean, np.sum(w * f(x, y, t)), rtol=1e-13)
