"""Compression: what is left out is the error, and the largest coefficients leave least."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import diffusim as ds
from diffusim.block import Array
from diffusim.filters import compress, curve, price
from diffusim.filters.compression import Ranking, Rule, partners
from diffusim.spectrum import coefficients, field_of

GRIDS: list[tuple[tuple[int, ...], Any]] = [
    ((9, 8), "no-flux"), ((9, 8), "periodic"), ((6, 8), "periodic"), ((7, 5), "periodic"),
    ((6, 7), {"y": "periodic"}), ((30,), "no-flux"), ((30,), "periodic"), ((1, 9), "periodic"),
]  # fmt: skip
RULES: tuple[Rule, ...] = ("disc", "largest")


def grid_of(shape: tuple[int, ...], edges: Any) -> ds.Grid:
    return ds.Grid(shape=shape, size=tuple(0.3 * n for n in shape), edges=edges)


def start(shape: tuple[int, ...], seed: int = 1) -> Array:
    """A field with a mean, long waves and noise."""
    random = np.random.default_rng(seed)
    return 1.0 + np.cumsum(random.standard_normal(shape), axis=-1) + random.random(shape)


@pytest.mark.parametrize(("shape", "edges"), GRIDS)
def test_the_squares_of_the_coefficients_add_up_to_those_of_the_field(
    shape: tuple[int, ...], edges: Any
) -> None:
    u, grid = start(shape), grid_of(shape, edges)
    c = coefficients(u, grid)
    assert np.sum(np.abs(c) ** 2) == pytest.approx(np.sum(u**2), rel=1e-13)
    assert np.max(np.abs(field_of(c, grid) - u)) < 1e-13


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("shape", "edges"), GRIDS)
def test_the_error_is_known_from_the_coefficients_that_are_left_out(
    shape: tuple[int, ...], edges: Any, rule: Rule
) -> None:
    u, grid = start(shape), grid_of(shape, edges)
    for keep in (0.05, 0.31, 0.5, 0.9):
        told = compress(u, keep, grid, rule)
        apart = told.field - u
        assert told.error == pytest.approx(np.linalg.norm(apart) / np.linalg.norm(u), rel=1e-11)
        peak = np.ptp(u)
        noise = 10.0 * np.log10(peak**2 / np.mean(apart**2))
        assert told.psnr == pytest.approx(noise, rel=1e-11)
        assert told.peak == peak
        white = compress(u, keep, grid, rule, peak=255.0).psnr
        assert white - told.psnr == pytest.approx(20.0 * np.log10(255.0 / peak), rel=1e-9)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("shape", "edges"), GRIDS)
def test_so_many_numbers_are_kept_as_fields_can_differ_in(
    shape: tuple[int, ...], edges: Any, rule: Rule
) -> None:
    """The rank of the map to what is left is the count of real numbers, pairs counted twice."""
    u, grid = start(shape), grid_of(shape, edges)
    for keep in (0.1, 0.3, 0.55, 1.0):
        told = compress(u, keep, grid, rule)
        assert told.kept <= max(1, round(keep * u.size))
        assert told.ratio == told.kept / u.size
        units = np.eye(u.size).reshape(-1, *shape)
        left = [field_of(coefficients(unit, grid) * told.modes, grid).ravel() for unit in units]
        assert np.linalg.matrix_rank(np.array(left), tol=1e-9) == told.kept
        again = field_of(coefficients(told.field, grid) * told.modes, grid)
        assert np.max(np.abs(again - told.field)) < 1e-13


@pytest.mark.parametrize(("shape", "edges"), GRIDS)
def test_the_largest_are_never_worse_than_any_disc_of_as_many_numbers(
    shape: tuple[int, ...], edges: Any
) -> None:
    u, grid = start(shape), grid_of(shape, edges)
    found = curve(u, np.arange(1, u.size + 1) / u.size, grid)
    assert np.all(found.disc.kept <= np.arange(1, u.size + 1))
    for kept, error in zip(found.disc.kept, found.disc.error, strict=True):
        assert found.largest.error[kept - 1] <= error * (1.0 + 1e-14)
    assert np.all(np.diff(found.largest.error) <= 0.0)
    assert np.max(found.disc.error - found.largest.error) > 0.01


@pytest.mark.parametrize(("shape", "edges"), [((6,), "periodic"), ((7,), "periodic"),
                                              ((2, 4), "periodic"), ((3, 3), {"y": "periodic"}),
                                              ((9,), "no-flux")])  # fmt: skip
def test_no_choice_of_as_many_numbers_leaves_less(shape: tuple[int, ...], edges: Any) -> None:
    grid = grid_of(shape, edges)
    other = partners(grid)
    groups = [{a, int(b)} for a, b in enumerate(other) if a <= b]
    for seed in range(5):
        u = np.random.default_rng(seed).standard_normal(shape)
        power = np.abs(coefficients(u, grid)).ravel() ** 2
        best = np.full(u.size + 1, np.inf)
        for chosen in itertools.product((0, 1), repeat=len(groups)):
            modes = [m for take, group in zip(chosen, groups, strict=True) if take for m in group]
            left = np.sum(np.delete(power, modes))
            best[len(modes)] = min(best[len(modes)], left)
        wanted = np.sqrt(np.minimum.accumulate(best)[1:-1] / np.sum(power))
        ratios = np.arange(1, u.size) / u.size
        assert np.allclose(curve(u, ratios, grid).largest.error, wanted, rtol=1e-9, atol=0)


@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
def test_a_disc_holds_all_waves_of_a_length_or_none(edges: Any) -> None:
    """Whether a wave of 3 by 4 and one of 5 by 0 are alike must not hang on round-off."""
    grid = ds.Grid(shape=(14, 14), size=(0.7, 0.7), edges=edges)
    n = np.arange(14) if edges == "no-flux" else np.fft.fftfreq(14, 1 / 14)
    squares = np.rint(n[:, None] ** 2 + n**2)
    ranking = Ranking(start((14, 14)), grid)
    for count in range(1, 197):
        modes = ranking.modes("disc", count)
        radius = np.max(squares[modes])
        assert np.array_equal(modes, squares <= radius)
        longer = np.count_nonzero(squares <= np.min(squares[~modes], initial=np.inf))
        assert np.all(modes) or longer > count


@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
def test_the_price_of_any_modes_is_that_of_the_field_they_tell(edges: str) -> None:
    u, grid = start((7, 6)), grid_of((7, 6), edges)
    modes = np.random.default_rng(3).random((7, 6)) < 0.4
    modes |= modes.ravel()[partners(grid)].reshape(7, 6)
    left = u - field_of(coefficients(u, grid) * modes, grid)
    told = price(u, modes, grid)
    assert told.ratio == np.count_nonzero(modes) / 42
    assert told.error == pytest.approx(np.linalg.norm(left) / np.linalg.norm(u), rel=1e-11)
    assert told.psnr == pytest.approx(10.0 * np.log10(np.ptp(u) ** 2 / np.mean(left**2)), rel=1e-11)


@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
def test_all_numbers_tell_the_field_itself(edges: Any) -> None:
    u, grid = start((7, 6)), grid_of((7, 6), edges)
    for rule in RULES:
        told = compress(u, 1.0, grid, rule)
        assert told.kept == 42
        assert (told.error, told.psnr) == (0.0, np.inf)
        assert np.max(np.abs(told.field - u)) < 1e-13


def test_a_curve_is_what_compressing_at_each_ratio_gives() -> None:
    u, grid = start((9, 8)), grid_of((9, 8), "periodic")
    ratios = [0.02, 0.2, 0.7]
    found = curve(u, ratios, grid, bits=8)
    for place, keep in enumerate(ratios):
        for rule, course in (("disc", found.disc), ("largest", found.largest)):
            told = compress(u, keep, grid, rule, bits=8)  # type: ignore[arg-type]
            assert (told.kept, told.ratio, told.stored) == tuple(part[place] for part in course[:3])
            assert told.error == pytest.approx(course.error[place], rel=1e-12)
            assert told.psnr == pytest.approx(course.psnr[place], rel=1e-12)
    assert found.peak == np.ptp(u)


def test_places_of_the_largest_are_stored_too_in_the_shorter_of_two_ways() -> None:
    """Of 256 cosines each place takes 8 bits, or all of them 256 bits in a map."""
    u, grid = start((16, 16)), grid_of((16, 16), "no-flux")
    few = compress(u, 10 / 256, grid, bits=16)
    assert few.stored == (10 * 16 + 10 * 8) / (256 * 16)
    many = compress(u, 100 / 256, grid, bits=16)
    assert many.stored == (100 * 16 + 256) / (256 * 16)
    disc = compress(u, 100 / 256, grid, "disc", bits=16)
    assert disc.stored == disc.ratio


def test_a_place_takes_whole_bits() -> None:
    """Of 144 cosines there are 7.2 bits of places, and 8 are stored."""
    told = compress(start((12, 12)), 5 / 144, grid_of((12, 12), "no-flux"), bits=16)
    assert told.stored == (5 * 16 + 5 * 8) / (144 * 16)


def test_partners_of_a_ring_have_one_place_together() -> None:
    """Of 15 cells 7 pairs and the mean: 8 places of 3 bits."""
    u, grid = start((15,)), grid_of((15,), "periodic")
    told = compress(u, 3 / 15, grid, bits=32)
    assert told.kept == 3
    assert told.stored == (3 * 32 + 2 * 3) / (15 * 32)


def test_a_constant_field_is_told_by_one_number() -> None:
    grid = grid_of((8, 6), "no-flux")
    told = compress(np.full((8, 6), 3.0), 1 / 48, grid)
    assert told.kept == 1
    assert told.error < 1e-15
    zero = compress(np.zeros((8, 6)), 0.5, grid)
    assert (zero.error, zero.psnr) == (0.0, np.inf)


def test_what_cannot_be_kept_is_refused_in_words() -> None:
    u, grid = start((6, 5)), grid_of((6, 5), "no-flux")
    for keep in (0.0, -0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="lies above 0 and goes up to 1"):
            compress(u, keep, grid)
    with pytest.raises(ValueError, match=r"shape \(5, 6\)"):
        curve(u.T, [0.5], grid)


@pytest.mark.parametrize(
    ("keys", "message"),
    [({"rule": "x"}, "expected 'disc' or 'largest' as the rule, found 'x'"),
     ({"bits": 0}, "whole number of bits"), ({"bits": 2.5}, "whole number of bits"),
     ({"peak": -1.0}, "a peak above 0"), ({"peak": 0.0}, "a peak above 0"),
     ({"peak": float("nan")}, "a peak above 0")],
)  # fmt: skip
def test_rules_bits_and_peaks_that_there_are_not_are_refused(
    keys: dict[str, Any], message: str
) -> None:
    u, grid = start((6, 5)), grid_of((6, 5), "no-flux")
    with pytest.raises(ValueError, match=message):
        compress(u, 0.5, grid, **keys)
    if "rule" not in keys:
        with pytest.raises(ValueError, match=message):
            curve(u, [0.5], grid, **keys)


def test_a_field_that_is_not_of_finite_real_numbers_is_refused() -> None:
    u, grid = start((6, 5)), grid_of((6, 5), "no-flux")
    with pytest.raises(ValueError, match="a field of real numbers, found complex ones"):
        compress(u + 0.5j, 0.5, grid)
    u[2, 3] = np.nan
    for tell in (lambda: compress(u, 0.5, grid), lambda: curve(u, [0.5], grid)):
        with pytest.raises(ValueError, match="a field of finite numbers, found NaN or infinite"):
            tell()
