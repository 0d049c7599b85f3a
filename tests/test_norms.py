"""Norms of fields: each against a slow and obvious twin, and by what is known of it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

import diffusim as ds
from diffusim import norms
from diffusim.block import Array

H = (1e-3, 2.5e-3)
SHAPE = (18, 14)
CENTRES = tuple((np.arange(n) + 0.5) * h for n, h in zip(SHAPE, H, strict=True))
VOLUME = H[0] * H[1]
EDGES = list(itertools.product([False, True], repeat=2))


def noise(seed: int, shape: tuple[int, ...] = SHAPE) -> Array:
    return np.random.default_rng(seed).random(shape)


def blob(shape: tuple[int, ...] = (64, 48), centre: tuple[int, int] = (28, 22)) -> Array:
    """A blob that is exactly nothing away from its middle."""
    u = np.zeros(shape)
    i, j = centre
    bump = np.hanning(13)
    u[i - 6 : i + 7, j - 6 : j + 7] = np.outer(bump, bump)
    return u


# --- slow twins ---------------------------------------------------------------------------------


def slow_h1(v: Array, wrap: tuple[bool, bool]) -> float:
    """The square of the norm, cell by cell, in units of the longer side."""
    longest = max(n * h for n, h in zip(v.shape, H, strict=True))
    total = 0.0
    for i, j in np.ndindex(*v.shape):
        total += v[i, j] ** 2 * VOLUME
        for axis, (di, dj) in enumerate([(1, 0), (0, 1)]):
            a, b = i + di, j + dj
            if not wrap[axis] and (a == v.shape[0] or b == v.shape[1]):
                continue
            slope = (v[a % v.shape[0], b % v.shape[1]] - v[i, j]) / H[axis]
            total += longest**2 * slope**2 * VOLUME
    return total


@pytest.mark.parametrize("wrap", EDGES)
def test_h1_is_the_field_and_its_slopes_between_neighbours(wrap: tuple[bool, bool]) -> None:
    u, r = noise(1), noise(2)
    wanted = math.sqrt(slow_h1(u - r, wrap) / slow_h1(r, wrap))
    assert norms.h1(u, r, CENTRES, VOLUME, wrap) == pytest.approx(wanted, rel=1e-12, abs=0)


def test_h1_does_not_depend_on_units_of_length_or_field() -> None:
    u, r = noise(1), noise(2)
    wanted = norms.h1(u, r, CENTRES, VOLUME)
    inches = tuple(c / 0.0254 for c in CENTRES)
    assert norms.h1(3e-9 * u, 3e-9 * r, inches, 7.0) == pytest.approx(wanted, rel=1e-12, abs=0)


def basis(n: int, ring: bool) -> Array:
    """The modes of an axis as rows, by their definition."""
    places = np.arange(n)
    if ring:
        return np.exp(-2j * np.pi * np.outer(places, places) / n) / math.sqrt(n)
    rows = np.cos(np.pi * np.outer(places, places + 0.5) / n) * math.sqrt(2.0 / n)
    rows[0] /= math.sqrt(2.0)
    return rows


@pytest.mark.parametrize("wrap", EDGES)
def test_bands_are_sums_over_modes_by_their_wavelength(wrap: tuple[bool, bool]) -> None:
    u, r = noise(3), noise(4)
    there = [basis(n, ring) for n, ring in zip(SHAPE, wrap, strict=True)]
    power = np.abs(there[0] @ (u - r) @ there[1].T) ** 2
    wanted = dict.fromkeys(norms.BANDS, 0.0)
    for i, j in np.ndindex(*SHAPE):
        waves = [
            min(k, n - k) / n if ring else 0.5 * k / n
            for k, n, ring in zip((i, j), SHAPE, wrap, strict=True)
        ]
        length = 1.0 / math.hypot(*waves) if any(waves) else math.inf
        band = "<4" if length < 4 else "4-8" if length < 8 else "8-16" if length < 16 else ">16"
        wanted[band] += power[i, j]
    found = norms.bands(u, r, wrap)
    size = float(np.sum(r**2))
    for name, value in wanted.items():
        assert found[name] ** 2 * size == pytest.approx(value, rel=1e-10, abs=1e-25)


@pytest.mark.parametrize("wrap", EDGES)
@pytest.mark.parametrize("channels", [0, 3])
def test_squares_of_bands_add_up_to_the_square_of_l2(
    wrap: tuple[bool, bool], channels: int
) -> None:
    shape = (channels, *SHAPE) if channels else SHAPE
    u, r = noise(5, shape), noise(6, shape)
    total = math.fsum(part**2 for part in norms.bands(u, r, wrap, channels).values())
    assert math.sqrt(total) == pytest.approx(norms.distance(u, r, 2), rel=1e-12, abs=0)


@pytest.mark.parametrize(("number", "band"), [(12, "<4"), (6, "4-8"), (3, "8-16"), (1, ">16")])
def test_a_wave_belongs_to_the_band_of_its_length(number: int, band: str) -> None:
    """On a ring of 36 cells: 3, 6, 12 and 36 cells long."""
    wave = np.cos(2 * np.pi * number * np.arange(36) / 36)
    found = norms.bands(1.0 + wave, np.ones(36), (True,))
    assert found.pop(band) == pytest.approx(math.sqrt(0.5), rel=1e-12, abs=0)
    assert max(found.values()) < 1e-14


def test_variation_is_the_largest_difference_of_any_set_of_cells() -> None:
    u, r = noise(7, (8,)), noise(8, (8,))
    p, q = u / u.sum(), r / r.sum()
    sets = itertools.chain.from_iterable(itertools.combinations(range(8), k) for k in range(9))
    wanted = max(abs(sum(p[k] - q[k] for k in cells)) for cells in sets)
    assert norms.variation(u, r) == pytest.approx(wanted, rel=1e-12, abs=0)


def test_variation_counts_rings_by_their_volume() -> None:
    grid = ds.Grid(geometry="cylindrical", shape=(8,), size=(0.008,))
    u, r = noise(7, (8,)), noise(8, (8,))
    p, q = (v * grid.volume / np.sum(v * grid.volume) for v in (u, r))
    wanted = 0.5 * float(np.sum(np.abs(p - q)))
    assert norms.variation(u, r, grid.volume) == pytest.approx(wanted, rel=1e-12, abs=0)


def test_transport_is_the_distance_of_the_marginals() -> None:
    """SciPy sorts points with weights; here are cells in order."""
    u, r = noise(9), noise(10)
    found = norms.transport(u, r, CENTRES, VOLUME)
    assert found is not None
    for axis, other in ((0, 1), (1, 0)):
        x = CENTRES[axis]
        wanted = wasserstein_distance(x, x, u.sum(other), r.sum(other))
        assert found[axis] == pytest.approx(wanted, rel=1e-10, abs=0)


def test_on_a_ring_content_goes_the_shorter_way_round() -> None:
    """By trying every constant that may be free across the seam."""
    u, r = noise(11, (18,)), noise(12, (18,))
    beyond = np.cumsum(u / u.sum() - r / r.sum())
    wanted = min(float(np.sum(np.abs(beyond - c))) for c in beyond) * H[0]
    found = norms.transport(u, r, CENTRES[:1], VOLUME, (True,))
    assert found == [pytest.approx(wanted, rel=1e-12, abs=0)]
    one, other = np.eye(20)[1], np.eye(20)[18]
    places = (np.arange(20) + 0.5,)
    assert norms.transport(one, other, places, 1.0, (True,)) == [
        pytest.approx(3.0, rel=1e-12, abs=0)
    ]
    assert norms.transport(one, other, places, 1.0, (False,)) == [
        pytest.approx(17.0, rel=1e-12, abs=0)
    ]
    assert norms.displacement(one, other, places, 1.0, (True,)) == [
        pytest.approx(3.0, rel=1e-12, abs=0)
    ]


# --- what is known ------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", EDGES)
@pytest.mark.parametrize("channels", [0, 3])
def test_a_field_beside_itself_is_exactly_zero_away_in_every_norm(
    wrap: tuple[bool, bool], channels: int
) -> None:
    u = noise(13, (channels, *SHAPE) if channels else SHAPE)
    where = (CENTRES, VOLUME, wrap)
    assert norms.distances(u, u) == (0.0, 0.0, 0.0)
    assert norms.h1(u, u, *where) == 0.0
    assert set(norms.bands(u, u, wrap, channels).values()) == {0.0}
    assert norms.variation(u, u, VOLUME, channels) == 0.0
    assert norms.transport(u, u, *where, channels) == [0.0, 0.0]
    assert norms.displacement(u, u, *where, channels) == [0.0, 0.0]


@pytest.mark.parametrize("wrap", EDGES)
@pytest.mark.parametrize("shift", [(1, 0), (0, -2), (3, -4)])
def test_a_shifted_copy_is_moved_by_exactly_the_shift(
    shift: tuple[int, int], wrap: tuple[bool, bool]
) -> None:
    r = blob()
    u = np.roll(r, shift, (0, 1))
    where = (tuple((np.arange(n) + 0.5) * h for n, h in zip(r.shape, H, strict=True)), VOLUME, wrap)
    exactly = {"rel": 1e-12, "abs": 1e-16}
    steps = [k * h for k, h in zip(shift, H, strict=True)]
    assert norms.displacement(u, r, *where) == [pytest.approx(step, **exactly) for step in steps]
    assert norms.transport(u, r, *where) == [pytest.approx(abs(s), **exactly) for s in steps]
    both = np.stack([r, u]), np.stack([r, r])
    assert norms.transport(*both, *where, 2) == norms.transport(u, r, *where)
    assert norms.displacement(*both, *where, 2) == norms.displacement(u, r, *where)


def test_three_distances_at_once_are_those_of_each_order() -> None:
    grid = ds.Grid(geometry="spherical", shape=(18,), size=(0.018,))
    for shape, volume in ((SHAPE, VOLUME), ((18,), grid.volume)):
        u, r = noise(14, shape), noise(15, shape)
        wanted = [norms.distance(u, r, order, volume) for order in (1, 2, np.inf)]
        assert norms.distances(u, r, volume) == pytest.approx(wanted, rel=1e-12, abs=0)


@pytest.mark.parametrize("scale", [1e-9, 1e-90, 1e90])
def test_small_and_large_fields_are_as_far_apart_as_any(scale: float) -> None:
    u, r = noise(16), noise(17)
    where = (CENTRES, VOLUME)
    for norm in (norms.h1, norms.transport, norms.displacement):
        assert norm(scale * u, scale * r, *where) == pytest.approx(
            norm(u, r, *where), rel=1e-11, abs=0
        )
    assert norms.distances(scale * u, scale * r) == pytest.approx(
        norms.distances(u, r), rel=1e-12, abs=0
    )
    assert norms.variation(scale * u, scale * r) == pytest.approx(
        norms.variation(u, r), rel=1e-12, abs=0
    )
    small, plain = norms.bands(scale * u, scale * r, (False,) * 2), norms.bands(u, r, (False,) * 2)
    assert small == pytest.approx(plain, rel=1e-12, abs=0)


def test_what_is_no_distribution_has_no_variation_and_nothing_to_move() -> None:
    signed, nothing, u = noise(18) - 0.5, np.zeros(SHAPE), noise(19)
    for wrong in (signed, nothing, np.full(SHAPE, np.nan), np.full(SHAPE, np.inf)):
        for pair in ((wrong, u), (u, wrong)):
            assert norms.variation(*pair) is None
            assert norms.transport(*pair, CENTRES) is None
            assert norms.displacement(*pair, CENTRES) is None
    # A spectral method is below zero by round-off, and stays a distribution.
    assert norms.variation(u - 1e-17 * np.eye(*SHAPE), u) is not None


def test_an_even_ring_has_no_centre() -> None:
    assert norms.displacement(np.ones(18), np.ones(18), CENTRES[:1], 1.0, (True,)) == [None]


def test_negative_is_the_part_of_the_content_below_zero() -> None:
    assert norms.negative(np.array([3.0, -1.0])) == 0.25
    assert norms.negative(np.array([3.0, -1.0]), np.array([1.0, 9.0])) == 0.75
    assert math.copysign(1.0, norms.negative(np.ones(3))) == 1.0
    assert norms.negative(np.zeros(3)) == 0.0


def test_beside_a_field_of_zeros_a_distance_is_nothing_or_infinite() -> None:
    zero = np.zeros(SHAPE)
    for u, wanted in ((zero, 0.0), (noise(20), math.inf)):
        assert norms.distances(u, zero) == (wanted,) * 3
        assert norms.h1(u, zero, CENTRES) == wanted
        assert set(norms.bands(u, zero, (False, False)).values()) == {wanted}
