"""Masks of waves: each is the formula that it says, and each is a kernel."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import diffusim as ds
from diffusim import filters
from diffusim.block import Array, Invalid
from diffusim.files import named_file, read_image
from diffusim.propagators.filter import Filter
from diffusim.spectrum import coefficients, of_modes

Factor = Callable[[float, float], float]


def off(kx: float, ky: float, angle: float) -> float:
    """Degrees between a line and the direction of a wave."""
    apart = abs(math.degrees(math.atan2(ky, kx)) - angle) % 180.0
    return min(apart, 180.0 - apart)


# Each mask with its formula for one wave, in waves per m.
MASKS: dict[str, tuple[Any, Factor]] = {
    "disc": ({"kind": "disc", "wavelength": 0.31}, lambda x, y: float(math.hypot(x, y) < 1 / 0.31)),
    "all but a disc": (
        {"kind": "disc", "wavelength": 0.31, "passes": "high"},
        lambda x, y: float(math.hypot(x, y) > 1 / 0.31),
    ),
    "ring": (
        {"kind": "ring", "wavelengths": [0.263, 0.53]},
        lambda x, y: float(1 / 0.53 < math.hypot(x, y) < 1 / 0.263),
    ),
    "all but a ring": (
        {"kind": "ring", "wavelengths": [0.263, 0.53], "passes": "stop"},
        lambda x, y: float(not 1 / 0.53 < math.hypot(x, y) < 1 / 0.263),
    ),
    "Gaussian": (
        {"kind": "gaussian", "sigma": 0.06},
        lambda x, y: math.exp(-0.5 * (2 * math.pi * 0.06) ** 2 * (x * x + y * y)),
    ),
    "all but a Gaussian": (
        {"kind": "gaussian", "sigma": 0.06, "passes": "high"},
        lambda x, y: 1 - math.exp(-0.5 * (2 * math.pi * 0.06) ** 2 * (x * x + y * y)),
    ),
    "Butterworth": (
        {"kind": "butterworth", "wavelength": 0.4, "order": 3},
        lambda x, y: 1 / (1 + (0.4 * math.hypot(x, y)) ** 6),
    ),
    "diffusion": (
        {"kind": "diffusion", "diffusivity": 0.02, "time": 0.1},
        lambda x, y: math.exp(-0.02 * 0.1 * (2 * math.pi) ** 2 * (x * x + y * y)),
    ),
    "along an axis": (
        {"kind": "direction", "angle": 90, "width": 25},
        lambda x, y: float(x == y == 0 or off(x, y, 90) < 25),
    ),
    "slanted": (
        {"kind": "direction", "angle": 37, "width": 25},
        lambda x, y: float(x == y == 0 or off(x, y, 37) < 25),
    ),
    "two of them": (
        [{"kind": "gaussian", "sigma": 0.04}, {"kind": "disc", "wavelength": 0.31}],
        lambda x, y: (
            math.exp(-0.5 * (2 * math.pi * 0.04) ** 2 * (x * x + y * y))
            * (math.hypot(x, y) < 1 / 0.31)
        ),
    ),
}
GRIDS: list[tuple[tuple[int, ...], Any]] = [
    ((8, 7), "no-flux"), ((8, 7), "periodic"), ((6, 6), "periodic"), ((5, 7), "periodic"),
    ((7, 6), {"x": "periodic", "y": "no-flux"}), ((9,), "no-flux"), ((10,), "periodic"),
    ((1, 6), "no-flux"), ((6, 1), "periodic"), ((2, 3), "periodic"),
]  # fmt: skip


def grid_of(shape: tuple[int, ...], edges: Any) -> ds.Grid:
    """Cells that are longer along x than along y."""
    size = tuple(h * n for h, n in zip((0.11, 0.09), shape, strict=False))
    return ds.Grid(shape=shape, size=size, edges=edges)


def pairs() -> list[Any]:
    found = []
    for (shape, edges), name in itertools.product(GRIDS, MASKS):
        if name == "slanted" and edges != "periodic":
            continue
        if len(shape) == 1 and name in ("slanted", "along an axis"):
            continue
        found.append(pytest.param(name, grid_of(shape, edges), id=f"{name}-{shape}-{edges}"))
    return found


def by_sums_over_waves(u: Array, grid: ds.Grid, factor: Factor) -> Array:
    """Project the field on each wave in turn, and add up what is left of them."""
    modes: list[list[tuple[Array, list[float]]]] = []
    for n, h, ring in zip(grid.shape, grid.spacing, grid.wrap, strict=True):
        own = []
        for j in range(n):
            if ring:
                signed = [j if 2 * j < n else j - n] if 2 * j != n else [j, -j]
                wave = np.exp(2j * np.pi * j * np.arange(n) / n) / math.sqrt(n)
                own.append((wave, [s / (n * h) for s in signed]))
            else:
                wave = np.cos(np.pi * j * (np.arange(n) + 0.5) / n)
                own.append((wave / np.linalg.norm(wave), [j / (2 * n * h)]))
        modes.append(own)
    out = np.zeros(grid.shape, complex)
    for mode in itertools.product(*modes):
        wave = mode[0][0] if len(mode) == 1 else np.outer(mode[0][0], mode[1][0])
        numbers = [[*k, 0.0][:2] for k in itertools.product(*(m[1] for m in mode))]
        out += np.mean([factor(*k) for k in numbers]) * np.vdot(wave, u) * wave
    assert np.max(np.abs(out.imag)) < 1e-13
    return out.real


def by_sums_over_moves(u: Array, kernel: Array, wrap: tuple[bool, ...]) -> Array:
    """Send the content of every cell by every move; mirrors send it back."""
    out = np.zeros(u.shape)
    for move in np.ndindex(*kernel.shape):
        for cell in np.ndindex(*u.shape):
            place = []
            for x, d, m, n, ring in zip(cell, move, kernel.shape, u.shape, wrap, strict=True):
                to = (x + d - m // 2) % (n if ring else 2 * n)
                place.append(min(to, 2 * n - 1 - to) if not ring else to)
            out[tuple(place)] += kernel[move] * u[cell]
    return out


@pytest.mark.parametrize(("name", "grid"), pairs())
def test_a_filter_is_its_formula_wave_by_wave_and_a_convolution_with_its_kernel(
    name: str, grid: ds.Grid
) -> None:
    mask, factor = MASKS[name]
    u = np.random.default_rng(1).standard_normal(grid.shape)
    wanted = by_sums_over_waves(u, grid, factor)
    kernel = Filter(mask=mask).kernel_on(grid)
    assert all(m % 2 for m in kernel.shape)
    assert np.max(np.abs(by_sums_over_moves(u, kernel, grid.wrap) - wanted)) < 1e-13
    carried = ds.solve(u, Filter(mask=mask), grid=grid, times=[1], method="modes").frames[0]
    assert np.max(np.abs(carried - wanted)) < 1e-13


def test_on_an_even_ring_the_farthest_move_is_shared_by_both_ends() -> None:
    grid = ds.Grid(shape=(4,), size=(4.0,), edges="periodic")
    kernel = Filter(mask={"kind": "disc", "wavelength": 5.0}).kernel_on(grid)
    assert np.allclose(kernel, [1 / 8, 1 / 4, 1 / 4, 1 / 4, 1 / 8], rtol=1e-15, atol=0)


@pytest.mark.parametrize("edges", ["no-flux", "periodic", {"x": "periodic"}])
def test_diffusion_is_the_filter_exp_of_minus_d_k_squared_t(edges: Any) -> None:
    grid = grid_of((12, 9), edges)
    u = np.random.default_rng(2).random(grid.shape)
    mask = {"kind": "diffusion", "diffusivity": "15 cm^2/s", "time": "2 s"}
    once = ds.solve(u, Filter(mask=mask), grid=grid, times=[1], method="modes").frames[0]
    water = ds.Diffusion(diffusivity=15e-4)
    continuum = {"kind": "modes", "limit": "continuum"}
    for n in (1, 3):
        often = ds.solve(u, Filter(mask=mask), grid=grid, times=[n], method="fourier").frames[0]
        spread = ds.solve(u, water, grid=grid, times=[2.0 * n], method=continuum).frames[0]
        assert np.max(np.abs(often - spread)) < 1e-12
    sigma = {"kind": "gaussian", "sigma": math.sqrt(2 * 15e-4 * 2)}
    smooth = ds.solve(u, Filter(mask=sigma), grid=grid, times=[1], method="modes").frames[0]
    assert np.max(np.abs(smooth - once)) < 1e-14


@pytest.mark.parametrize("even", [True, False])
def test_kernels_are_alike_both_ways_to_the_last_bit(even: bool) -> None:
    """Others see by that what a kernel is: a mirror along each axis, or only through the middle."""
    grid = grid_of((12, 10), "periodic")
    mask = {"kind": "direction", "angle": 0 if even else 37, "width": 25}
    smooth = {"kind": "gaussian", "sigma": 0.07}
    kernel = Filter(mask=[mask, smooth]).kernel_on(grid)
    assert np.array_equal(kernel, kernel[::-1, ::-1])
    assert np.array_equal(kernel, kernel[::-1]) == even
    assert np.array_equal(kernel, kernel[:, ::-1]) == even


SHARP = [
    {"kind": "disc", "wavelength": 0.31},
    {"kind": "ring", "wavelengths": [0.263, 0.53]},
    {"kind": "direction", "angle": 90, "width": 25},
    [{"kind": "disc", "wavelength": 0.2}, {"kind": "ring", "wavelengths": [0.1, 0.5]}],
]


@pytest.mark.parametrize("mask", SHARP, ids=str)
def test_a_sharp_mask_applied_again_changes_nothing_more(mask: Any) -> None:
    for edges in ("no-flux", "periodic"):
        grid = grid_of((9, 8), edges)
        u = np.random.default_rng(3).random(grid.shape)
        run = ds.solve(u, Filter(mask=mask), grid=grid, times=[1, 2, 50], method="modes")
        assert np.max(np.abs(run.frames[0] - u)) > 0.1
        assert np.max(np.abs(run.frames[1:] - run.frames[0])) < 1e-14
        assert "applied again it changes nothing more" in list(Filter(mask=mask).notes(grid))


@pytest.mark.parametrize(
    "mask",
    [{"kind": "disc", "wavelength": 0.31}, {"kind": "gaussian", "wavelength": 0.4},
     {"kind": "butterworth", "wavelength": 0.4, "order": 2},
     {"kind": "ring", "wavelengths": [0.263, 0.53]},
     {"kind": "direction", "angle": 37, "width": 25}],
    ids=lambda mask: mask["kind"],
)  # fmt: skip
def test_what_passes_and_what_is_stopped_are_everything(mask: dict[str, Any]) -> None:
    grid = grid_of((8, 7), "periodic")
    ways = ("low", "high") if mask["kind"] in ("disc", "gaussian", "butterworth") else (
        "band", "stop")  # fmt: skip
    one, other = (Filter(mask={**mask, "passes": way}).multiplier(grid) for way in ways)
    wanted = np.ones(grid.shape)
    # The mean has no direction and is kept by both.
    wanted[0, 0] += mask["kind"] == "direction"
    assert np.max(np.abs(one + other - wanted)) < 1e-15
    assert np.max(np.abs(one - other)) > 0.9


def test_waves_of_just_the_length_belong_to_the_disc_and_to_the_ring() -> None:
    """Along either axis, whatever the round-off of the size of the cells."""
    for n, size in itertools.product((10, 64, 100), (0.1, 0.256, 0.7)):
        grid = ds.Grid(shape=(n,), size=(size,), edges="periodic")
        for j in range(1, n // 2):
            disc = Filter(mask={"kind": "disc", "wavelength": size / j}).multiplier(grid)
            assert np.count_nonzero(disc) == 2 * j + 1
            ring = {"kind": "ring", "wavelengths": [size / j, size / j]}
            assert np.count_nonzero(Filter(mask=ring).multiplier(grid)) == 2


@pytest.mark.parametrize("kind", ["gaussian", "butterworth"])
@pytest.mark.parametrize("passes", ["low", "high"])
def test_half_of_the_amplitude_is_left_at_the_wavelength(kind: str, passes: str) -> None:
    grid = ds.Grid(shape=(64,), size=(0.64,), edges="periodic")
    order = {"order": 5} if kind == "butterworth" else {}
    mask = {"kind": kind, "wavelength": 0.64 / 9, "passes": passes, **order}
    factors = Filter(mask=mask).multiplier(grid)
    assert factors[9] == pytest.approx(0.5, rel=1e-12)
    assert (factors[3] > factors[20]) == (passes == "low")


def test_a_direction_is_where_a_wave_runs_counted_from_x_towards_y() -> None:
    grid = ds.Grid(shape=(40, 30), size=(4.0, 3.0), edges="periodic")
    x, y = grid.places().values()
    towards = math.degrees(math.atan2(5 / 3.0, 3 / 4.0))
    wave = np.cos(2 * np.pi * (3 * x / 4.0 + 5 * y / 3.0))
    for angle, kept in ((towards, 1.0), (towards + 180, 1.0), (-towards, 0.0), (towards - 20, 0.0)):
        mask = Filter(mask={"kind": "direction", "angle": angle, "width": 10})
        found = ds.solve(2.0 + wave, mask, grid=grid, times=[1], method="modes").frames[0]
        assert np.max(np.abs(found - (2.0 + kept * wave))) < 1e-12


def test_between_mirrors_a_slanted_direction_is_refused_in_words_that_say_what_would_work() -> None:
    slanted = Filter(mask={"kind": "direction", "angle": 37, "width": 10})
    for edges in ("no-flux", {"x": "periodic"}, {"y": "periodic"}):
        (problem,) = slanted.check(grid_of((8, 7), edges))
        assert "grid.edges periodic" in problem.message
        assert problem.path == ("mask", "angle")
    for angle in (0, 90, -180):
        assert not list(Filter(mask={"kind": "direction", "angle": angle, "width": 10}).check(
            grid_of((8, 7), "no-flux")))  # fmt: skip
    (problem,) = slanted.check(grid_of((8,), "periodic"))
    assert "two dimensions" in problem.message
    second = Filter(mask=[{"kind": "disc", "wavelength": 0.3}, *slanted.mask])
    (problem,) = second.check(grid_of((8, 7), "no-flux"))
    assert problem.path == ("mask", 1, "angle")


def test_the_largest_modes_of_an_image_are_kept_whatever_field_comes() -> None:
    for edges in ("no-flux", "periodic"):
        grid = grid_of((24, 21), edges)
        mask = Filter(mask={"kind": "largest", "keep": 0.1, "path": "portrait"})
        kept = of_modes(mask.multiplier(grid), grid)
        assert set(np.unique(kept)) == {0.0, 1.0}
        assert np.count_nonzero(kept) == 50
        if edges == "no-flux":
            # The shortest wave of the ring is odd, so no field between mirrors has it.
            assert not np.any(mask.multiplier(grid)[24])
            size = np.abs(coefficients(read_image(named_file("portrait"), (24, 21)), grid))
            assert np.min(size[kept == 1.0]) > np.max(size[kept == 0.0])
        u = np.random.default_rng(4).random(grid.shape)
        found = ds.solve(u, mask, grid=grid, times=[1], method="fourier").frames[0]
        left = coefficients(found, grid)
        wanted = coefficients(u, grid) * kept
        assert np.max(np.abs(left - wanted)) < 1e-13
    (problem,) = mask.check(grid_of((24,), "no-flux"))
    assert "two dimensions" in problem.message


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ({"kind": "disk", "wavelength": 1.0}, "did you mean 'disc'"),
        ({"kind": "disc", "wavelength": "16 kg"}, "a length"),
        ({"kind": "disc", "wavelength": 0.0}, "greater than"),
        ({"kind": "gaussian"}, "either 'sigma' or 'wavelength'"),
        ({"kind": "gaussian", "sigma": 1.0, "wavelength": 1.0}, "either 'sigma' or 'wavelength'"),
        ({"kind": "ring", "wavelengths": [0.3, 0.1]}, "the shorter one first"),
        ({"kind": "disc", "wavelength": 1.0, "passes": "band"}, "low"),
        ({"kind": "direction", "angle": 0, "width": 90}, "less than 90"),
        ({"kind": "largest", "keep": 0.1, "path": "nowhere.png"}, "there is no file"),
        ([], "one mask at least"),
        ("disc", "expected a mapping with a 'kind'"),
    ],
)
def test_what_is_no_mask_is_refused_in_words(mask: Any, words: str) -> None:
    with pytest.raises((ValidationError, Invalid), match=words):
        Filter(mask=mask)


def test_one_mask_is_short_for_a_list_of_one_and_both_can_be_read_again() -> None:
    one = Filter(mask={"kind": "disc", "wavelength": "16 mm"})
    assert one == Filter(mask=[{"kind": "disc", "wavelength": 0.016, "passes": "low"}])
    assert Filter.model_validate(one.model_dump(mode="json")) == one
    assert filters.multiplier(one.mask, grid_of((4,), "no-flux")).shape == (8,)
