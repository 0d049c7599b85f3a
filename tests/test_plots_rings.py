"""Rings about a middle, and spectra: known fields give what pen and paper say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from plot_samples import Open, assert_legible, opener, random_fields

from diffusim import plots
from diffusim.grid import Grid
from diffusim.plots.spectrum import noise_level
from diffusim.spectrum import radial_power

N, H, D = 64, 0.01, 5e-6
MIDDLE, WIDE = 0.32, 9e-4
TIMES = np.array([0.0, 20.0, 60.0, 150.0])
BOX = {"shape": [N, N], "size": [N * H, N * H]}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with opener(tmp_path) as make:
        yield make


def blob(**changes: Any) -> dict[str, Any]:
    start = {"kind": "blob", "centre": [MIDDLE, MIDDLE], "width": math.sqrt(WIDE)}
    medium = {"kind": "diffusion", "diffusivity": D} | changes.pop("medium", {})
    return {"grid": BOX | changes.pop("grid", {}), "propagator": medium, "initial": start} | changes


def free(times: np.ndarray = TIMES) -> np.ndarray:
    """A Gaussian that widens by 2 D t, about a corner of cells."""
    x = H * (np.arange(N) + 0.5) - MIDDLE
    squares = x[:, None] ** 2 + x**2
    wide = WIDE + 2.0 * D * times[:, None, None]
    return np.exp(-0.5 * squares / wide) * WIDE / wide


def shot(law: np.ndarray, number: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    counts = np.stack([random.multinomial(number, (u / u.sum()).ravel()).reshape(u.shape)
                       for u in law])  # fmt: skip
    return counts * (law.sum(axis=(1, 2)) / number)[:, None, None], counts


# --- rings --------------------------------------------------------------------------------------


def test_a_free_gaussian_is_a_straight_line_against_r_squared(opened: Open) -> None:
    stored, comparison = opened(
        {"modes": free()}, size=(N * H, N * H), times=TIMES, scenario=blob()
    )  # fmt: skip
    figure = plots.radial(stored, comparison)
    assert figure is not None
    rows = figure.axes[:4], figure.axes[4:]
    for number, axes in enumerate(rows[1]):
        line, theory = axes.lines
        squares, values = line.get_xdata() * 1e-4, np.log(line.get_ydata())
        near = squares < 6.0 * WIDE
        slope, top = np.polyfit(squares[near], values[near], 1)
        wide = WIDE + 2.0 * D * TIMES[number]
        # A ring one cell wide holds a curve: its mean is a little above the value at its middle.
        assert slope == pytest.approx(-0.5 / wide, rel=0.02)
        assert top == pytest.approx(np.log(WIDE / wide), abs=0.03)
        there = np.interp(0.0, theory.get_xdata() * 1e-4, theory.get_ydata())
        assert there == pytest.approx(WIDE / wide, rel=1e-3)
        assert axes.get_yscale() == "log"
        assert axes.get_xlabel() == "r² (cm²)"
    assert [axes.get_title() for axes in rows[0]] == [
        "t = 0",
        "t = 20 s",
        "t = 1 min",
        "t = 2.5 min",
    ]
    assert rows[0][0].get_ylabel() == "concentration (g/L)"
    assert_legible(figure)


def test_a_field_that_is_nowhere_above_zero_has_no_rings_to_draw(opened: Open) -> None:
    # What an edge detector leaves of a blob, say; its logarithm is none.
    fields = np.concatenate([free()[:1], -free()[1:]])
    stored, comparison = opened(
        {"modes": fields}, size=(N * H, N * H), times=TIMES, scenario=blob()
    )  # fmt: skip
    assert plots.radial(stored, comparison) is None


def test_rings_are_whole_and_hold_each_cell_once(opened: Open) -> None:
    stored, comparison = opened(
        {"modes": free() + 0.0}, size=(N * H, N * H), times=TIMES, scenario=blob()
    )
    figure = plots.radial(stored, comparison)
    assert figure is not None
    r = figure.axes[0].lines[0].get_xdata()
    assert r.size == 32
    assert np.all(np.diff(r) > 0.0)
    # The root of the mean square is within the ring.
    assert np.all(np.floor(r / 1.0) == np.arange(32))


def test_the_band_of_a_ring_holds_what_chance_leaves_in_it(opened: Open) -> None:
    """Of 50 rings outside two deviations fewer than 9 are found but once in 1000 times."""
    law = free(np.array([60.0]))
    walked, counts = shot(law, 200_000, 3)
    start = np.concatenate([free(np.array([0.0])), law])
    stored, comparison = opened(
        {"modes": start, "walkers": np.concatenate([start[:1], walked])},
        counts={"walkers": np.concatenate([counts, counts])}, size=(N * H, N * H),
        times=np.array([0.0, 60.0]), scenario=blob(),
    )  # fmt: skip
    figure = plots.radial(stored, comparison)
    assert figure is not None
    axes = figure.axes[1]
    band = next(c for c in axes.collections if isinstance(c, PolyCollection))
    rings = axes.lines[1].get_xdata().size
    vertices = band.get_paths()[0].vertices
    low, high = vertices[1 : rings + 1, 1], vertices[rings + 2 : 2 * rings + 2, 1][::-1]
    found = axes.lines[1].get_ydata()
    outside = np.sum((found < low) | (found > high))
    assert outside < 9
    share = axes.lines[0].get_ydata()[10]
    # A ring that expects m of N particles: m (1 - m / N), by hand for the tenth.
    x = H * (np.arange(N) + 0.5) - MIDDLE
    ring = np.floor(np.sqrt(x[:, None] ** 2 + x**2) / H) == 10
    m = 200_000 * law[0][ring].sum() / law.sum()
    wanted = 2.0 * np.sqrt(m * (1.0 - m / 200_000)) * law.sum() / 200_000 / ring.sum()
    assert high[10] - share == pytest.approx(wanted, rel=1e-9)


NOT_ROUND: dict[str, dict[str, Any]] = {
    "walls": {"medium": {"walls": [{"axis": "x", "at": 0.1}]}},
    "another grid": {"grid": {"shape": [N, N + 1]}},
}


@pytest.mark.parametrize("name", NOT_ROUND)
def test_no_rings_are_drawn_of(opened: Open, name: str) -> None:
    stored, comparison = opened(
        {"modes": free()}, size=(N * H, N * H), times=TIMES, scenario=blob(**NOT_ROUND[name])
    )
    assert plots.radial(stored, comparison) is None


def test_no_rings_are_drawn_of_a_start_that_is_not_compact(opened: Open) -> None:
    stored, comparison = opened(
        {"modes": random_fields(4, (N, N))}, size=(N * H, N * H), times=TIMES, scenario=blob()
    )
    assert plots.radial(stored, comparison) is None


def test_no_gaussian_is_claimed_of_unequal_diffusivities(opened: Open) -> None:
    uneven = blob(medium={"diffusivity": {"x": D, "y": 4.0 * D}})
    x = H * (np.arange(N) + 0.5) - MIDDLE
    wide = WIDE + 2.0 * D * TIMES[:, None, None], WIDE + 8.0 * D * TIMES[:, None, None]
    u = np.exp(-0.5 * (x[:, None] ** 2 / wide[0] + x**2 / wide[1]))
    stored, comparison = opened(
        {"modes": u}, size=(N * H, N * H), times=TIMES, scenario=uneven
    )  # fmt: skip
    figure = plots.radial(stored, comparison)
    assert figure is not None
    assert len(figure.axes[0].lines) == 1


# --- spectra ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("edges", "waves"), [("no-flux", 3.0), ("periodic", 4.0)])
def test_one_mode_has_its_power_at_its_wavelength_alone(edges: str, waves: float) -> None:
    grid = Grid(shape=(48, 32), size=(0.48, 0.32), edges=edges)
    x = grid.centres(0)[:, None]
    number = math.pi * waves / 0.48 * (2.0 if edges == "periodic" else 1.0)
    found = radial_power(np.cos(number * x) * np.ones(32) + 7.0, grid)
    place = int(np.argmax(found.power))
    length = 2.0 * math.pi / number
    assert found.lengths[place] == pytest.approx(length, rel=0.06)
    assert np.sum(found.power > 1e-20 * found.power[place]) == 1


@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
def test_white_noise_is_flat_at_the_variance_of_a_cell(edges: str) -> None:
    """The mean of n squares is within 6 sqrt(2 / n) of the variance but once in 10^8 shells."""
    grid = Grid(shape=(128, 96), size=(1.28, 0.96), edges=edges)
    noise = 0.5 * np.random.default_rng(5).standard_normal(grid.shape)
    found = radial_power(noise, grid)
    fine = found.lengths < 0.1
    assert np.all(np.abs(found.power[fine] / 0.25 - 1.0) < 0.35)
    assert abs(np.mean(found.power[fine]) / 0.25 - 1.0) < 0.05
    assert np.all(np.diff(found.lengths) < 0.0)


def test_the_power_of_all_modes_is_the_variance_of_the_field() -> None:
    grid = Grid(shape=(6, 4), size=(0.6, 0.4))
    u = random_fields(1, (6, 4))[0]
    found = radial_power(u, grid)
    numbers = np.sqrt((np.arange(6)[:, None] / 1.2) ** 2 + (np.arange(4) / 0.8) ** 2).ravel()[1:]
    assert found.power.size <= numbers.size
    assert found.lengths[0] == pytest.approx(1.0 / numbers.min(), rel=0.3)
    assert found.power.min() > 0.0


def test_a_spectrum_is_broken_where_symmetry_leaves_nothing(opened: Open) -> None:
    told = {"grid": {"shape": [16], "size": [0.016]},
            "propagator": {"kind": "diffusion", "diffusivity": D}}  # fmt: skip
    # Even about its middle, so that it has no waves of an odd number of half lengths.
    row = np.exp(-0.5 * ((np.arange(16) - 7.5) / 2.0) ** 2)
    stored, comparison = opened({"modes": row[None]}, times=np.zeros(1), size=(0.016,),
                                axes=("x",), scenario=told)  # fmt: skip
    figure = plots.spectrum(stored, comparison)
    assert figure is not None
    found = np.isnan(figure.axes[0].lines[0].get_ydata())
    assert found[:6].tolist() == [True, False, True, False, True, False]


def test_the_error_of_particles_lies_at_the_level_expected(opened: Open) -> None:
    """The mean over 3000 fine modes is within 8 % of its own but once in 1000 times."""
    law = free(np.array([0.0, 150.0]))
    walked, counts = shot(law, 20_000, 2)
    stored, comparison = opened(
        {"modes": law, "walkers": walked}, counts={"walkers": counts}, size=(N * H, N * H),
        times=np.array([0.0, 150.0]), scenario=blob(),
    )  # fmt: skip
    level = noise_level(stored, stored.runs["modes"], stored.runs["walkers"], 1)
    worth = law[1].sum() / 20_000
    assert level == pytest.approx(worth * np.mean(law[1]), rel=1e-12)
    assert noise_level(stored, stored.runs["modes"], stored.runs["modes"], 1) == 0.0
    figure = plots.spectrum(stored, comparison)
    assert figure is not None
    lines = {line.get_color(): line for line in figure.axes[1].lines if len(line.get_ydata()) > 2}
    error = next(line for colour, line in lines.items() if colour not in ("0.75",))
    fine = error.get_xdata() < 3.0
    assert np.mean(error.get_ydata()[fine]) == pytest.approx(level, rel=0.08)
    flat = next(line for line in figure.axes[1].lines if len(line.get_ydata()) == 2)
    assert np.allclose(flat.get_ydata(), level, rtol=1e-12, atol=0)
    assert figure.axes[0].get_xlabel() == "wavelength (cm)"
    assert figure.axes[0].get_ylabel() == "mean square of a mode ((g/L)²)"
    assert figure.axes[0].xaxis_inverted()
    assert_legible(figure)


@pytest.mark.parametrize("grid", [{"geometry": "cylindrical"}, {"shape": [N + 1, N]}, None])
def test_no_spectrum_is_drawn_of_radial_or_unknown_grids(opened: Open, grid: Any) -> None:
    given = blob(grid=grid or {})
    if grid is None:
        del given["grid"]
    axes = ("r", "z") if grid and "geometry" in grid else ("x", "y")
    stored, comparison = opened(
        {"modes": free()}, size=(N * H, N * H), times=TIMES, scenario=given, axes=axes
    )
    assert plots.spectrum(stored, comparison) is None


def test_a_field_that_never_varies_has_no_spectrum(opened: Open) -> None:
    stored, comparison = opened(
        {"modes": np.full((2, N, N), 35.0)}, size=(N * H, N * H), scenario=blob()
    )
    assert plots.spectrum(stored, comparison) is None
