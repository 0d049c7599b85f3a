"""Profiles against the analytic solution, where there is one, and against the noise of chance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from plot_samples import Open, header, opener, random_fields

import diffusim
from diffusim import plots, store
from diffusim.methods import Method
from diffusim.plots.shown import analytic


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with opener(tmp_path) as make:
        yield make


def scenario(**changes: Any) -> dict[str, Any]:
    plain = {
        "grid": {"shape": [60, 40], "size": [0.3, 0.1], "edges": "no-flux"},
        "propagator": {"kind": "diffusion", "diffusivity": 1e-6, "walls": []},
        "initial": {"kind": "halves", "axis": "x", "at": None, "values": [35.0, 1.0]},
    }
    return {key: {**value, **changes.get(key, {})} for key, value in plain.items()}


def described(given: dict[str, Any]) -> store.Header:
    return header((60, 40), np.zeros(1), scenario=given)


def walls(*given: dict[str, Any]) -> dict[str, Any]:
    return {"propagator": {"walls": list(given)}}


def across(at: float, opens: float | None, **more: Any) -> dict[str, Any]:
    return {"axis": "x", "at": at, "opens": opens, **more}


MATCHED: dict[str, dict[str, Any]] = {
    "halves": {},
    "halves at a place": {"initial": {"at": 0.1}},
    "halves on a ring": {"grid": {"edges": {"x": "periodic"}}},
    "halves along y": {
        "initial": {"axis": "y"},
        "propagator": {"diffusivity": {"x": 1e-7, "y": 2e-6}},
    },
    "an open wall": walls(across(0.2, 0.0)),
    "a wall": walls(across(0.15, 300.0)),
    "walls of cells": walls({"every": "cell", "opens": 300.0}),
    "uniform": {"initial": {"kind": "uniform", "value": 3.0, "axis": None}},
}


@pytest.mark.parametrize("name", MATCHED)
def test_the_analytic_solution_is_the_law_of_particles_that_start_within_their_cells(
    name: str,
) -> None:
    given = scenario(**MATCHED[name])
    solution = analytic(described(given))
    assert solution is not None
    grid = diffusim.Grid.model_validate(given["grid"])
    medium = {k: v for k, v in given["propagator"].items() if k != "kind"}
    water = diffusim.Diffusion.model_validate(medium)
    exact = Method.find("modes")(limit="cell-to-cell")
    start = solution(0.0)
    for t in (100.0, 1000.0):
        wanted = diffusim.solve(start, water, grid=grid, times=[t], method=exact).frames[0]
        assert np.allclose(solution(t), wanted, rtol=1e-9, atol=0)


@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
def test_the_analytic_solution_of_modes_is_the_continuous_one(edges: str) -> None:
    terms = [{"amplitude": 2.0, "x": 1, "y": 2}, {"amplitude": -1.0, "x": 3}]
    given = scenario(grid={"edges": edges}, initial={"kind": "modes", "mean": 5.0, "terms": terms})
    solution = analytic(described(given))
    assert solution is not None
    grid = diffusim.Grid.model_validate(given["grid"])
    smooth = Method.find("modes")(limit="continuum")
    medium = diffusim.Diffusion(diffusivity=1e-6)
    wanted = diffusim.solve(solution(0.0), medium, grid=grid, times=[500.0], method=smooth)
    assert np.allclose(solution(500.0), wanted.frames[0], rtol=1e-12, atol=0)


def test_the_analytic_blob_keeps_its_amount_and_widens_by_2dt() -> None:
    blob = {"kind": "blob", "centre": [0.12, 0.05], "width": 0.008, "peak": 7.0, "amount": None}
    solution = analytic(described(scenario(initial=blob)))
    assert solution is not None
    cell = 0.3 / 60
    x = cell * (np.arange(60) + 0.5)
    for t in (0.0, 50.0):
        u = solution(t)
        total = u.sum() * cell * (0.1 / 40)
        assert total == pytest.approx(7.0 * 2.0 * np.pi * 0.008**2, rel=1e-7)
        mean = np.average(x, weights=u.sum(axis=1))
        variance = np.average((x - mean) ** 2, weights=u.sum(axis=1))
        assert mean == pytest.approx(0.12, rel=1e-9)
        assert variance == pytest.approx(0.008**2 + 2e-6 * t + cell**2 / 12, rel=1e-6)


LAYERS = {"kind": "layers", "axis": "x", "at": [0.1], "values": [1.0, 2.0]}
UNMATCHED: dict[str, dict[str, Any]] = {
    "an angle": {"initial": {"axis": None, "angle": 30.0}},
    "a closed wall": walls(across(0.15, None)),
    "a wall lowered again": walls(across(0.15, 0.0, closes=9.0)),
    "walls one after the other": walls(*({"every": "cell", "opens": t} for t in (1.0, 2.0))),
    "a wall elsewhere": walls(across(0.2, 300.0)),
    "part of a wall": walls(across(0.15, 3.0, span=[0.0, 0.05])),
    "walls in a region": walls({"every": "cell", "opens": 3.0, "region": {"x": [0.0, 0.1]}}),
    "a wall on a ring": {"grid": {"edges": "periodic"}, **walls(across(0.15, 3.0))},
    "layers": {"propagator": {"diffusivity": LAYERS}},
    "a membrane": walls(across(0.15, 0.0, permeability=1e-7)),
    "a slanted wall": walls({"line": [[0.0, 0.0], [0.1, 0.1]], "opens": 3.0}),
    "a held side": {"grid": {"edges": {"left": {"value": 1.0}}}},
    "something new": {"propagator": {"flow": {"kind": "vortex"}}},
    "another propagator": {"propagator": {"kind": "schroedinger"}},
    "a blob at an edge": {"initial": {"kind": "blob", "centre": [0.01, 0.05], "width": 0.008}},
    "noise": {"initial": {"kind": "noise", "mean": 1.0, "deviation": 1.0}},
    "another grid": {"grid": {"shape": [61, 40]}},
}


@pytest.mark.parametrize("name", UNMATCHED)
def test_no_analytic_solution_is_claimed_for(name: str) -> None:
    assert analytic(described(scenario(**UNMATCHED[name]))) is None


def test_a_profile_is_the_mean_over_y_of_what_depends_on_x_and_a_row_of_the_rest(
    opened: Open,
) -> None:
    along_x = np.broadcast_to(np.arange(6.0)[:, None], (2, 6, 3))
    cases = [
        (along_x, "Profile along x, mean over y", np.arange(6.0)),
        (np.swapaxes(along_x, 1, 2), "Profile along y, mean over x", np.arange(6.0)),
        (random_fields(2, (6, 3)), "Profile along x, row of cells at y = 5 cm", None),
    ]
    for u, words, values in cases:
        stored, comparison = opened({"modes": u})
        figure = plots.profile(stored, comparison)
        assert figure.get_suptitle().splitlines()[-1] == words
        line = figure.axes[0].lines[0].get_ydata()
        assert np.array_equal(line, u[0, :, 1] if values is None else values)


def test_the_noise_band_holds_what_chance_leaves_in_it(opened: Open) -> None:
    """Two deviations hold 95.4 % of 2000 cells; outside 93.5 to 97.3 % chance ends once in 10^4."""
    n, particles = 2000, 2_000_000
    law = np.linspace(1.0, 3.0, n)
    counts = np.random.default_rng(4).multinomial(particles, law / law.sum())
    worth = law.sum() / particles
    stored, comparison = opened(
        {"modes": law[None], "walkers": (worth * counts)[None]}, counts={"walkers": counts[None]},
        size=(1.0,), times=np.array([5.0]),
    )  # fmt: skip
    axes = plots.profile(stored, comparison).axes[-1]
    band = next(c for c in axes.collections if isinstance(c, PolyCollection))
    half = np.abs(band.get_paths()[0].vertices[1 : n + 1, 1])
    expected = particles * law / law.sum()
    wanted = 2.0 * worth * np.sqrt(expected * (1.0 - expected / particles))
    assert np.allclose(half, wanted, rtol=1e-12, atol=0)
    apart = axes.lines[0].get_ydata()
    assert 0.935 < np.mean(np.abs(apart) < half) < 0.973
