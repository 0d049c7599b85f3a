"""Starts and jumps drawn evenly: the points themselves, no bias, and errors that fall faster.

Seeds are fixed, so a failure is a fault; the rate of false alarms with fresh seeds stands in the
docstrings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import twins
from scipy.stats import qmc
from twins import KEY

import diffusim as ds
from diffusim import runs
from diffusim.block import Array
from diffusim.comparison import compare
from diffusim.counts import expected_noise
from diffusim.grid import Grid
from diffusim.loops import sobol, strata
from diffusim.methods.walkers import Walkers
from diffusim.testing import counts_p_value

D, H = 1.5e-9, 1e-3
WATER = ds.Diffusion(diffusivity=D)
SCRAMBLE = 6
EVEN = ["stratified", "sobol"]
LIMITS = ["lattice", "cell-to-cell"]
MASK = 2**32 - 1


def reversed_bits(x: int) -> int:
    return int(f"{x:032b}"[::-1], 2)


def scramble_twin(x: int, seed: int) -> int:
    y = (reversed_bits(x) + seed) & MASK
    for factor in (0x6C50B47C, 0xB82F1E52, 0xC7AFE638, 0x8D22F6E6):
        y ^= (y * factor) & MASK
    return reversed_bits(y)


def point_twin(index: int, dimension: int) -> int:
    x = 0
    for bit in range(32):
        x ^= int(sobol.DIRECTIONS[dimension, bit]) if index >> bit & 1 else 0
    return x


def points_twin(particle: int, first: int, mixed: bool) -> tuple[int, int]:
    seed0, seed1, order, _ = twins.philox((0, 0, 0, SCRAMBLE), KEY)
    index = particle & MASK
    index = scramble_twin(index, order) if mixed else index
    pair = point_twin(index, first), point_twin(index, first + 1)
    return scramble_twin(pair[0], seed0), scramble_twin(pair[1], seed1)


def weighted() -> Array:
    """A cumulative distribution over 8 x 8 cells, some of them empty, a row and the end as well."""
    weights = np.random.default_rng(4).random((8, 8)) * (np.arange(64) % 3 > 0).reshape(8, 8)
    weights[3], weights[7, 3:] = 0.0, 0.0
    cumulative = np.cumsum(weights.ravel()) / np.sum(weights)
    cumulative[np.flatnonzero(weights.ravel())[-1] :] = 1.0
    return cumulative


# --- the points -----------------------------------------------------------------------------------


def test_points_before_they_are_scrambled_are_those_of_joe_and_kuo() -> None:
    """SciPy's take the numbers in Gray code's order, ours in their own: the same points."""
    theirs = qmc.Sobol(4, scramble=False, bits=32).random(256)
    ours = [[point_twin(i ^ (i >> 1), d) / 2**32 for d in range(4)] for i in range(256)]
    np.testing.assert_array_equal(ours, theirs)


def test_scrambled_points_still_fill_every_elementary_interval_once() -> None:
    """Two dimensions are a (0, 12, 2)-net in base two, mixed or not; one of them is a permutation.

    Starts on one cell show the points themselves.
    """
    n, m = 4096, 12
    position, counts = np.empty((2, n)), np.zeros((1, 1), np.int64)
    for key in (KEY, (7, 8)):
        sobol.place(position, 0, *key, np.ones(1), counts)
        for k in range(m + 1):
            boxes = (position * [[2**k], [2 ** (m - k)]]).astype(int)
            assert np.all(np.bincount(boxes[0] * 2 ** (m - k) + boxes[1], minlength=n) == 1)


@pytest.mark.interpreted
def test_placing_by_points_is_its_twin_and_leaves_empty_cells_empty() -> None:
    cumulative, first, n = weighted(), 2**32 - 100, 300
    position, cell = np.empty((2, n)), np.empty(n, np.int32)
    counts, again = np.zeros((8, 8), np.int64), np.zeros((8, 8), np.int64)
    sobol.place(position, first, *KEY, cumulative, counts)
    sobol.draw_cells(cell, first, *KEY, cumulative, again)
    whole = np.concatenate([[0.0], cumulative])
    for k in range(n):
        a, b = points_twin(first + k, 0, False)
        c, d, _, _ = twins.words(first + k, KEY, 0, twins.PLACE)
        u, v = twins.unit(a, c), twins.unit(b, d)
        i = int(np.searchsorted(cumulative[7::8], u, side="right"))
        low, high = whole[8 * i], whole[8 * i + 8]
        w = low + v * (high - low)
        found = int(np.searchsorted(cumulative, w, side="right"))
        assert cell[k] == found
        x = i + (u - low) / (high - low)
        y = found % 8 + (w - whole[found]) / (whole[found + 1] - whole[found])
        np.testing.assert_allclose(position[:, k], (x, y), rtol=1e-9, atol=0)
    np.testing.assert_array_equal(counts.ravel(), np.bincount(cell, minlength=64))
    np.testing.assert_array_equal(counts, again)
    assert np.all(counts.ravel()[np.diff(whole) == 0.0] == 0)


@pytest.mark.interpreted
@pytest.mark.parametrize("mixed", [False, True])
def test_jumps_by_points_are_their_twin(mixed: bool) -> None:
    position, first = np.random.default_rng(1).random((2, 270)) * 8, 40
    planes = np.zeros(8), np.full(8, 8.0)
    wraps, sigmas = (True, False), (0.7, 9.0)
    found, counts = position.copy(), np.zeros((8, 8), np.int64)
    sobol.jump(found, first, *KEY, *sigmas, *planes, *planes, *wraps, counts, mixed)
    for k in range(270):
        a, b = points_twin(first + k, 2, mixed)
        c, d, _, _ = twins.words(first + k, KEY, 0, twins.JUMP)
        z = twins.normal_pair(a, c, b, d)
        x = (position[0, k] + sigmas[0] * z[0]) % 8
        y = twins.reflect(position[1, k] + sigmas[1] * z[1], 0.0, 8.0)
        np.testing.assert_allclose(found[:, k], (x, y), rtol=0, atol=1e-13)
    cells = found.astype(int)
    np.testing.assert_array_equal(counts.ravel(), np.bincount(cells[0] * 8 + cells[1], None, 64))


@pytest.mark.interpreted
def test_stratified_starts_are_their_twin_and_miss_no_cell_by_two() -> None:
    cumulative, n = weighted(), 600
    position, cell = np.empty((2, n)), np.empty(n, np.int32)
    counts, again = np.zeros((8, 8), np.int64), np.zeros((8, 8), np.int64)
    strata.place(position, 0, *KEY, cumulative, counts, n)
    strata.draw_cells(cell, 0, *KEY, cumulative, again, n)
    for k in range(n):
        a, b, c, d = twins.words(k, KEY, 0, twins.PLACE)
        found = int(np.searchsorted(cumulative, (k + twins.unit(a, b)) / n, side="right"))
        assert cell[k] == found
        np.testing.assert_array_equal(
            position[:, k], (found // 8 + c / 2**32, found % 8 + d / 2**32)
        )
    np.testing.assert_array_equal(counts, again)
    expected = n * np.diff(np.concatenate([[0.0], cumulative]))
    assert np.max(np.abs(counts.ravel() - expected)) < 2.0
    assert np.all(counts.ravel()[expected == 0.0] == 0)


# --- the fields -----------------------------------------------------------------------------------


def smooth(shape: tuple[int, ...]) -> Array:
    u = np.ones(shape)
    for axis, n in enumerate(shape):
        x = (np.arange(n) + 0.5) / n
        wave = 1.0 + 0.5 * np.cos(np.pi * x) + 0.3 * np.cos(2 * np.pi * x)
        u = u * wave.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return u


def fields(u: Array, times: list[float], seed: int = 0, **options: Any) -> list[runs.Frame]:
    grid = Grid(shape=u.shape, size=tuple(n * H for n in u.shape))
    return list(runs.plan(Walkers(**options), WATER, grid, times, seed=seed).frames(u))


def laws(u: Array, times: list[float], limit: str) -> Array:
    grid = Grid(shape=u.shape, size=tuple(n * H for n in u.shape))
    method = {"kind": "modes", "limit": limit}
    return np.asarray(ds.solve(u, WATER, grid=grid, times=times, method=method).frames)


TIME = 0.5 * (2.0 * H) ** 2 / D


def slopes(u: Array, draws: str, powers: list[int], seeds: int) -> Array:
    """Slopes of the error of the start and after a jump over the number of particles."""
    times = [0.0, TIME]
    truth = laws(u, times, "cell-to-cell")
    errors = []
    for power in powers:
        squares = [[np.mean((frame.field - law) ** 2) for frame, law in zip(found, truth,
                    strict=True)] for found in (fields(u, times, 100 * power + seed,
                    particles=2**power, limit="cell-to-cell", draws=draws)
                    for seed in range(seeds))]  # fmt: skip
        errors.append(np.sqrt(np.mean(squares, axis=0)))
    return np.polyfit(np.log(2.0) * np.array(powers), np.log(errors), 1)[0]


def test_even_draws_let_errors_fall_faster_than_the_root_of_their_number() -> None:
    """A smooth start in one dimension, 2^8 to 2^16 particles, 16 seeds.

    The slope's own deviation is below 0.02, so a slope of -1/2 comes nowhere near. Stratified
    starts are followed by independent jumps, whose error falls as the root.
    """
    powers = [8, 10, 12, 14, 16]
    start, after = slopes(smooth((16,)), "sobol", powers, 16)
    assert start < -0.9
    assert after < -0.6
    start, after = slopes(smooth((16,)), "stratified", powers, 16)
    assert start < -0.9
    assert abs(after + 0.5) < 0.06
    start, after = slopes(smooth((16,)), "independent", powers, 16)
    assert abs(start + 0.5) < 0.06
    assert abs(after + 0.5) < 0.06


@pytest.mark.proof
def test_even_draws_in_two_dimensions_let_errors_fall_faster_too(
    figure: Callable[..., None],
) -> None:
    for draws in ("independent", *EVEN):
        start, after = slopes(smooth((8, 8)), draws, [10, 12, 14, 16, 18, 20], 16)
        figure(f"slope of the start's error over N, {draws}", start, limit="-1/2, even: < -0.8")
        figure(f"slope of the error after a jump, {draws}", after, limit="-1/2, Sobol: < -0.58")
        assert start < -0.8 or draws == "independent"
        assert after < -0.58 or draws != "sobol"


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("draws", EVEN)
def test_even_draws_have_no_bias_and_no_more_noise(limit: str, draws: str) -> None:
    """Over 250 seeds every cell's mean is within five of its deviations in every frame.

    The mean square is at most that of independent particles, five deviations allowed. False alarm:
    1e-4 in 192 cells.
    """
    u, number, seeds = smooth((8, 6)), 500, 250
    times = [0.0, 0.25 * TIME, 0.5 * TIME, TIME]
    truth = laws(u, times, limit)
    found = np.array([[frame.field for frame in fields(u, times, seed, particles=number,
                       limit=limit, draws=draws)] for seed in range(seeds)])  # fmt: skip
    deviation = np.std(found, axis=0)
    z = (np.mean(found, axis=0) - truth) * np.sqrt(seeds) / deviation
    assert np.max(np.abs(z)) < 5.0
    for frame, law in enumerate(truth):
        noise = expected_noise(law, number) ** 2 * np.sum(law**2)
        ratio = np.mean(np.sum((found[:, frame] - law) ** 2, axis=(1, 2))) / noise
        assert ratio < 1.0 + 5.0 * np.sqrt(2.0 / seeds / 20)
        assert frame or ratio < 0.5


@pytest.mark.parametrize("draws", EVEN)
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("options", [{"chunks": 7}, {"threads": 2, "chunks": 3}])
def test_chunks_and_threads_change_no_bit_of_even_draws(
    draws: str, limit: str, options: dict[str, int]
) -> None:
    given: dict[str, Any] = {"particles": 5003, "limit": limit, "draws": draws}
    once = fields(smooth((8, 6)), [0.0, 200.0, 500.0], **given)
    again = fields(smooth((8, 6)), [0.0, 200.0, 500.0], **given, **options)
    for one, other in zip(once, again, strict=True):
        for a, b in zip(one.state, other.state, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("draws", EVEN)
def test_counts_that_are_better_than_chance_are_as_predicted(draws: str) -> None:
    u, times = smooth((12, 9)), [0.0, 200.0, 900.0]
    grid = Grid(shape=u.shape, size=(12 * H, 9 * H))
    options = {"grid": grid, "times": times}
    walkers = {"kind": "walkers", "particles": 200_000, "draws": draws}
    found = ds.solve(u, WATER, method=walkers, **options)
    law = ds.solve(u, WATER, method={"kind": "modes", "limit": "cell-to-cell"}, **options)
    row = compare([law, found], times, reference="modes")["walkers"]
    assert row.verdict == "as predicted", row.reason
    assert found.counts is not None
    assert counts_p_value(found.counts[0], u) > 0.999999


@pytest.mark.parametrize("draws", EVEN)
def test_even_starts_follow_open_and_radial_media_too(draws: str) -> None:
    """By chi-square in every frame, 1e-6 each; starts are far better than chance."""
    grid = Grid.model_validate({"shape": [9, 7], "size": [9e-3, 7e-3], "geometry": "cylindrical",
                                "edges": {"outer": {"value": 1.0}}})  # fmt: skip
    u, times = smooth((9, 7)), [0.0, 100.0, 500.0]
    course = runs.plan(Walkers(particles=50_000, draws=draws), WATER, grid, times)  # type: ignore[arg-type]
    law = ds.solve(u, WATER, grid=grid, times=times, method="modes").frames
    for frame, wanted in zip(course.frames(u), law, strict=True):
        assert frame.counts is not None
        worth = float(frame.extras["weight"])
        p = counts_p_value(frame.counts, wanted * grid.volume, worth)
        assert p > (0.999999 if frame.time == 0.0 else 1e-6)
