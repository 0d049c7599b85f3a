"""Two layers and a membrane, against a dense matrix and the conditions between them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import linalg, optimize

from diffusim import exact
from diffusim.block import Array

D, LENGTH = 1.6e-9, 0.256
PARTS = np.array([0.0, 0.003, 0.1, 0.37, 0.5, 0.8, 0.97, 0.999, 1.0])
PLACES = LENGTH * PARTS
INF = math.inf
LAYERS: dict[str, Any] = {
    "diffusivities": (D, 0.4 * D),
    "length": LENGTH,
    "at": 0.3 * LENGTH,
    "permeability": 2e-8,
}


# --- layers -------------------------------------------------------------------------------------


def layer_rates(count: int) -> Array:
    """Rates of two layers cut into ``count`` cells each, by a dense matrix."""
    lengths = (0.3 * LENGTH, 0.7 * LENGTH)
    h = np.repeat([length / count for length in lengths], count)
    d = np.repeat(LAYERS["diffusivities"], count)
    resistance = 0.5 * (h / d)[:-1] + 0.5 * (h / d)[1:]
    resistance[count - 1] += 1 / LAYERS["permeability"]
    root = np.diff(np.eye(2 * count), axis=0) / np.sqrt(h) / np.sqrt(resistance)[:, None]
    return np.sort(linalg.svdvals(root) ** 2)


def test_rates_of_layers_are_those_of_a_dense_matrix_made_ever_finer() -> None:
    once, twice, again = (layer_rates(n)[:5] for n in (50, 100, 200))
    better = [(4 * b - a) / 3 for a, b in ((once, twice), (twice, again))]
    best = (16 * better[1] - better[0]) / 15
    found = [exact.layers_rate(*LAYERS.values(), number) for number in range(1, 6)]
    np.testing.assert_allclose(found, best, rtol=1e-7)


@pytest.mark.parametrize("permeability", [1e-12, 2e-8, 1e-3, INF])
@pytest.mark.parametrize("ratio", [0.01, 0.4, 1.0, 70.0])
def test_modes_of_layers_obey_both_sides_of_the_membrane(ratio: float, permeability: float) -> None:
    at, d = 0.3 * LENGTH, (D, ratio * D)
    for number in range(1, 9):
        rate = exact.layers_rate(d, LENGTH, at, permeability, number)
        k = [math.sqrt(rate / each) for each in d]
        x = np.array([np.nextafter(at, 0.0), np.nextafter(at, 1.0)])
        u = exact.layers_mode(x, 0.0, d, LENGTH, at, permeability, number)
        # Fluxes from the far ends' cosines, whose heights are read there.
        ends = exact.layers_mode([0.0, LENGTH], 0.0, d, LENGTH, at, permeability, number)
        first = d[0] * k[0] * math.sin(k[0] * at) * ends[0]
        last = -d[1] * k[1] * math.sin(k[1] * (LENGTH - at)) * ends[1]
        scale = max(d[0] * k[0] * abs(ends[0]), d[1] * k[1] * abs(ends[1]))
        assert abs(first - last) < 1e-13 * scale
        if permeability == INF:
            assert abs(u[0] - u[1]) < 1e-13 * np.max(np.abs(ends))
        else:
            assert abs(permeability * (u[0] - u[1]) - first) < 1e-13 * max(
                scale, permeability * np.max(np.abs(ends))
            )


@pytest.mark.parametrize("permeability", [1e-30, 1e-12, 1e-3, 1.0, 1e4])
def test_rates_of_equal_layers_are_those_of_one_with_a_leak_amid(permeability: float) -> None:
    """Even modes do not see the membrane; odd ones have z tan z = P for D = L = 1."""
    for number in range(1, 9):
        found = exact.layers_rate((1.0, 1.0), 1.0, 0.5, permeability, number)
        if number % 2:
            low = number // 2 * math.pi
            root = optimize.brentq(
                lambda z: z * math.sin(z) - permeability * math.cos(z),
                low or 1e-40,
                low + 0.5 * math.pi,
                xtol=1e-300,
                rtol=9e-16,
                maxiter=500,
            )
            expected = (2 * root) ** 2
        else:
            expected = (number * math.pi) ** 2
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_modes_of_layers_are_counted_by_their_changes_of_sign_and_orthogonal() -> None:
    h = LENGTH / 4000
    x = (np.arange(4000) + 0.5) * h
    modes = [exact.layers_mode(x, 0.0, **LAYERS, number=n) for n in range(7)]
    assert [int(np.sum(np.diff(np.sign(u)) != 0)) for u in modes] == list(range(7))
    nodes, weights = np.polynomial.legendre.leggauss(40)
    at = LAYERS["at"]
    parts = [(0.5 * at, 0.5 * at), (0.5 * (at + LENGTH), 0.5 * (LENGTH - at))]
    y = np.concatenate([middle + half * nodes for middle, half in parts])
    w = np.concatenate([half * weights for _, half in parts])
    rows = np.array([exact.layers_mode(y, 0.0, **LAYERS, number=n) for n in range(7)])
    gram = (rows * w) @ rows.T
    scale = np.sqrt(np.diag(gram))
    np.testing.assert_allclose(gram / np.outer(scale, scale), np.eye(7), rtol=0, atol=1e-13)


def test_layers_that_are_alike_and_touch_are_one_slab() -> None:
    for number in range(4):
        found = exact.layers_mode(PLACES, 1e6, (D, D), LENGTH, 0.1, INF, number, 0.5, 3.0)
        expected = exact.mode(PLACES, 1e6, D, LENGTH, number, 0.5, 3.0)
        np.testing.assert_allclose(found, expected, rtol=1e-14)
    steady = exact.layers_steady(PLACES, (D, D), LENGTH, 0.1, INF, 3.0, 7.0)
    np.testing.assert_allclose(steady, 3.0 + 4.0 * PARTS, rtol=1e-15)


def test_the_steady_flux_is_the_same_in_both_layers_and_through_the_membrane() -> None:
    at, (below, above) = LAYERS["at"], LAYERS["diffusivities"]
    flux = exact.layers_flux(*LAYERS.values(), 7.0, 3.0)
    x = np.array([0.0, np.nextafter(at, 0.0), at, np.nextafter(at, 1.0), LENGTH])
    u = exact.layers_steady(x, **LAYERS, left=7.0, right=3.0)
    np.testing.assert_allclose(below * (u[0] - u[1]) / at, flux, rtol=1e-13)
    np.testing.assert_allclose(above * (u[3] - u[4]) / (LENGTH - at), flux, rtol=1e-13)
    np.testing.assert_allclose(LAYERS["permeability"] * (u[1] - u[3]), flux, rtol=1e-13)
    np.testing.assert_allclose(u[2], 0.5 * (u[1] + u[3]), rtol=1e-15)
    cell = exact.layers_steady(at, **LAYERS, left=7.0, right=3.0, cell=0.02)
    by_hand = 0.5 * (u[1] + flux / below * 0.005) + 0.5 * (u[3] - flux / above * 0.005)
    np.testing.assert_allclose(cell, by_hand, rtol=1e-14)
