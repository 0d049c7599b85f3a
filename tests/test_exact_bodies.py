"""What bodies take up, and modes of round ones, against transforms, limits and what is printed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from diffusim import exact
from diffusim.block import Array
from diffusim.exact import bodies, discs

D, LENGTH = 1.6e-9, 0.256
PARTS = np.array([0.0, 0.003, 0.1, 0.37, 0.5, 0.8, 0.97, 0.999, 1.0])
FIRST = np.array([-1 / 60, 3 / 20, -3 / 4, 0, 3 / 4, -3 / 20, 1 / 60])


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


# --- uptake -------------------------------------------------------------------------------------

FO = np.array([0.01, 0.05, 0.1, 0.2, 0.5])
UPTAKES: dict[bodies.Body, list[float]] = {
    "sheet": [0.112837916710, 0.252313252178, 0.356823400452, 0.504087820203, 0.763950330744],
    "cylinder": [0.215473938179, 0.452120997997, 0.605824193967, 0.782147552543, 0.961621294949],
    "sphere": [0.308513750129, 0.606939756679, 0.770478738026, 0.915495566108, 0.995627858788],
}


@pytest.mark.parametrize("body", UPTAKES)
def test_uptakes_are_those_of_crank(body: bodies.Body) -> None:
    np.testing.assert_allclose(exact.uptake(FO, body), UPTAKES[body], rtol=5e-12)


def test_the_sheet_takes_up_what_is_printed_for_it() -> None:
    expected = [0.398927989884568, 0.562233541762138]
    np.testing.assert_allclose(exact.uptake([0.125, 0.25]), expected, rtol=3e-15)
    # Half of the final amount at D t / l^2 = 0.049 of the whole thickness (Crank 1975).
    np.testing.assert_allclose(exact.uptake(4 * 0.04918268), 0.5, rtol=5e-8)


def test_the_middle_of_the_sheet_is_what_is_printed_for_it() -> None:
    middle = exact.slab(0.0, 0.25, 1.0, 1.0, None, 1.0)
    np.testing.assert_allclose(middle, 0.3145542331096, rtol=2e-13)


@pytest.mark.parametrize("body", UPTAKES)
def test_the_expansions_of_an_uptake_agree_where_both_hold(body: bodies.Body) -> None:
    fo = np.geomspace(1e-4, 1e-3, 7) if body == "cylinder" else np.geomspace(1e-3, 0.2, 9)
    late, soon = bodies.uptake_late(fo, body), bodies.uptake_soon(fo, body)
    np.testing.assert_allclose(soon, late, rtol=3e-14)


@pytest.mark.parametrize("body", UPTAKES)
@pytest.mark.parametrize("fo", [1e-9, 1e-4, 9e-4, 0.02, 0.099, 0.101, 1.0])
def test_an_uptake_is_its_inverse_transform(fo: float, body: bodies.Body) -> None:
    def transform(s: complex) -> Any:
        q = np.sqrt(s)
        if body == "sheet":
            return np.tanh(q) / (q * s)
        if body == "cylinder":
            return 2 * special.ive(1, q) / special.ive(0, q) / (q * s)
        return 3 * (1 / np.tanh(q) - 1 / q) / (q * s)

    np.testing.assert_allclose(exact.uptake(fo, body), inverse(transform, fo), rtol=1e-13)


@pytest.mark.parametrize("fo", [1e-4, 0.01, 0.3])
def test_an_uptake_is_the_mean_of_the_field_in_the_body(fo: float) -> None:
    t, middle = when(fo), 0.5 * LENGTH
    for body, mean in {
        "sheet": exact.slab(middle, t, D, LENGTH, None, 1.0, cell=LENGTH),
        "cylinder": exact.disc(middle, t, D, LENGTH, 1.0, cell=LENGTH),
        "sphere": exact.sphere(middle, t, D, LENGTH, 1.0, cell=LENGTH),
    }.items():
        np.testing.assert_allclose(mean, exact.uptake(fo, body), rtol=5e-14)  # type: ignore[arg-type]


# --- modes of round bodies ----------------------------------------------------------------------


def test_zeros_of_bessel_functions_are_those_of_scipy() -> None:
    for order in (0, 1):
        np.testing.assert_allclose(
            discs.zeros(order, 300), special.jn_zeros(order, 300), rtol=1e-14
        )


@pytest.mark.parametrize("number", [1, 2, 7])
def test_rims_do_what_they_are_told_and_modes_are_counted(number: int) -> None:
    inner, h = 0.1 * LENGTH, 2e-4 * LENGTH / number
    for first in (0.0, inner):
        places = np.linspace(first, LENGTH, 2001)[1:-1]
        for rim in ("value", "no-flux"):

            def disc(r: Any, rim: Any = rim) -> Array:
                return exact.disc_mode(r, 0.0, D, LENGTH, number, rim=rim)

            def ring(r: Any, rim: Any = rim) -> Array:
                return exact.ring_mode(r, 0.0, D, inner, LENGTH, number, rim=rim)

            def ball(r: Any, rim: Any = rim) -> Array:
                return exact.sphere_mode(r, 0.0, D, LENGTH, number, surface=rim)

            for u in (ring,) if first else (disc, ball):
                changes = int(np.sum(np.diff(np.sign(u(places))) != 0))
                assert changes == (number - 1 if rim == "value" else number)
                for edge in (LENGTH, inner) if first else (LENGTH,):
                    # Both formulas hold beyond the rim, so central differences do too.
                    slope = sum(c * float(u(edge + n * h)) for n, c in enumerate(FIRST, -3)) / h
                    kept = float(u(edge)) if rim == "value" else slope * LENGTH / number
                    assert abs(kept) < (1e-14 if rim == "value" else 1e-9)


def test_a_thin_ring_is_a_slab() -> None:
    inner, thin = 1e4, 0.1
    r = inner + thin * PARTS
    for rim, slab in (
        ("no-flux", exact.mode(thin * PARTS, 0.0, D, thin, 3)),
        ("value", exact.slab_mode(thin * PARTS, 0.0, D, thin, 3)),
    ):
        u = exact.ring_mode(r, 0.0, D, inner, inner + thin, 3, rim=rim)  # type: ignore[arg-type]
        np.testing.assert_allclose(u, slab, rtol=0, atol=1e-5)
