"""Diffusion by convolution: four exact ways are one, in every limit, at any spread."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import linalg

import diffusim as ds
from diffusim import runs
from diffusim.block import Array, Unsupported
from diffusim.medium.modes import symbol
from diffusim.methods import Method
from diffusim.spectrum import own_modes, phi1, phi2
from diffusim.testing import problems
from diffusim.testing.trial import Trial

EXACT = ("modes", "gaussian", "chebyshev", "auto")


def solved(u: Array, method: Any, spread: float = 1.0, frames: Any = None, **grid: Any) -> ds.Run:
    """Carry a field by a spread of so many cells, cells being metres and D half of one."""
    grid = {"shape": u.shape, "size": tuple(map(float, u.shape)), **grid}
    times = [spread**2] if frames is None else frames
    water = ds.Diffusion(diffusivity=0.5)
    return ds.solve(u, water, grid=ds.Grid(**grid), times=times, method=method)


# --- one law --------------------------------------------------------------------------------------


@pytest.mark.parametrize("edges", ["no-flux", "periodic", {"x": "periodic", "y": "no-flux"}])
@pytest.mark.parametrize("shape", [(8, 6), (7, 11), (1, 9), (13,)])
@pytest.mark.parametrize("spread", [0.05, 0.7, 3.0])
def test_modes_gaussian_chebyshev_and_the_dense_exponential_are_one(
    shape: tuple[int, ...], edges: Any, spread: float
) -> None:
    if len(shape) == 1 and isinstance(edges, dict):
        edges = {"x": "periodic"}
    u = np.random.default_rng(1).normal(size=shape)
    size = tuple(n * h for n, h in zip(shape, (1.0, 0.6), strict=False))
    grid = ds.Grid(shape=shape, size=size, edges=edges)
    law = linalg.expm(spread**2 * matrix_of(grid))
    wanted = (law @ u.ravel()).reshape(shape)
    for method in EXACT:
        found = solved(u, method, spread, size=size, edges=edges).frames[-1]
        assert np.max(np.abs(found - wanted)) < 1e-11 * np.max(np.abs(u)), method


def matrix_of(grid: ds.Grid) -> Array:
    """The second difference of every axis, written cell by cell."""
    cells = list(np.ndindex(*grid.shape))
    found = np.zeros((len(cells), len(cells)))
    for row, cell in enumerate(cells):
        for axis, n in enumerate(grid.shape):
            for step in (-1, 1):
                to = cell[axis] + step
                if not 0 <= to < n and not grid.wrap[axis]:
                    continue
                other = (*cell[:axis], to % n, *cell[axis + 1 :])
                rate = 0.5 / grid.spacing[axis] ** 2
                found[row, cells.index(other)] += rate
                found[row, row] -= rate
    return found


def test_they_agree_on_every_medium_that_they_share(tmp_path: Path) -> None:
    """To 1e-10 of the largest value, each also against the dense exponential elsewhere."""
    shared = 0
    for problem in problems():
        fields = {}
        for word in ("modes", "gaussian", "chebyshev"):
            try:
                trial = Trial(Method.read(word), problem, problem.propagator(tmp_path))
                fields[word] = trial.frames(problem.field())[-1].field
            except Unsupported:
                continue
        first = next(iter(fields.values()), None)
        for field in fields.values():
            assert first is not None
            assert np.max(np.abs(field - first)) < 1e-10 * np.max(np.abs(first)), problem.name
        shared += len(fields) == 3
    assert shared > 12


@pytest.mark.parametrize("method", ["modes", "gaussian"])
def test_two_jumps_are_one_of_both_durations(method: str) -> None:
    u = np.random.default_rng(2).random((21, 16))
    one = solved(u, method, frames=[0.9]).frames[-1]
    two = solved(u, method, frames=[0.3, 0.9]).frames[-1]
    assert np.max(np.abs(one - two)) < 1e-12


@pytest.mark.parametrize("method", ["modes", "gaussian", {"kind": "modes", "limit": "continuum"}])
@pytest.mark.parametrize("spread", [0.05, 0.1, 0.3, 1.0, 3.0, 12.0])
def test_the_variance_of_a_point_is_2dt_at_any_spread(method: Any, spread: float) -> None:
    n = 257
    u = np.zeros(n)
    u[n // 2] = 1.0
    p = solved(u, method, spread, edges="periodic").frames[-1]
    x = np.arange(n) - n // 2
    if method not in ("modes", "gaussian"):
        # Of the smooth law cells show samples, which ring; the variance is theirs at wide spreads.
        assert spread < 3.0 or abs(np.sum(x**2 * p) / spread**2 - 1.0) < 1e-9
        return
    assert np.sum(p) == pytest.approx(1.0, rel=1e-13, abs=0)
    # Far cells hold nothing but round-off, and would count 16,000-fold.
    near = np.abs(x) <= 10.0 * spread + 12.0
    tolerance = 1e-12 if method == "gaussian" else 5e-12
    variance = np.sum((x**2 * p)[near])
    assert variance == pytest.approx(spread**2, rel=tolerance, abs=0)


def test_the_sampled_gaussian_does_neither_and_says_so() -> None:
    u = np.zeros(65)
    u[32] = 1.0
    sampled = {"kind": "gaussian", "limit": "continuum"}
    p = solved(u, sampled, 0.4, edges="periodic").frames[-1]
    assert np.sum((np.arange(65) - 32) ** 2 * p) < 0.6 * 0.4**2
    grid = ds.Grid(shape=(65,), size=(65.0,))
    for spread, warned in ((0.4, True), (1.5, False)):
        course = runs.plan(Method.read(sampled), ds.Diffusion(diffusivity=0.5), grid, [spread**2])
        assert any("of its variance" in note for note in course.method.notes(u, grid)) == warned


def test_the_lattice_stays_positive_on_a_sharp_step_and_the_smooth_law_does_not() -> None:
    u = np.zeros((32, 4))
    u[:16] = 1.0
    kinds = {limit: {"kind": "modes", "limit": limit} for limit in ("lattice", "continuum")}
    lowest = {limit: np.min(solved(u, kind, 0.3).frames) for limit, kind in kinds.items()}
    assert lowest["lattice"] > -1e-16
    assert lowest["continuum"] < -0.01


@pytest.mark.parametrize("limit", ["lattice", "cell-to-cell"])
def test_gaussian_and_modes_agree_in_both_limits_of_cells(limit: str) -> None:
    u = np.random.default_rng(3).random((24, 15))
    walls = [{"axis": "x", "at": 9.0, "opens": 2.0}]
    water = ds.Diffusion(diffusivity=0.5, walls=walls)
    grid = ds.Grid(shape=u.shape, size=(24.0, 15.0))
    found = [ds.solve(u, water, grid=grid, times=[1.0, 2.5, 4.0],
                      method={"kind": word, "limit": limit}).frames
             for word in ("modes", "gaussian")]  # fmt: skip
    assert np.max(np.abs(found[0] - found[1])) < 1e-12


def test_the_smooth_limits_agree_where_the_spread_is_wide() -> None:
    u = np.random.default_rng(4).random((40, 30))
    found = [solved(u, {"kind": word, "limit": "continuum"}, 2.5).frames
             for word in ("modes", "gaussian")]  # fmt: skip
    assert np.max(np.abs(found[0] - found[1])) < 1e-11


# --- what is left out, and which way is taken -----------------------------------------------------


@pytest.mark.parametrize("shape", [(64, 48), (61, 47)])
@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_few_modes_give_what_all_of_them_give(shape: Any, edges: str, dtype: Any) -> None:
    grid = ds.Grid(shape=shape, size=tuple(map(float, shape)), edges=edges)
    found = symbol(grid, ds.Diffusion(diffusivity=0.5).generator(grid, 0.0), "lattice")
    u = np.random.default_rng(5).random(shape)
    (whole,) = found._plainly(u, [np.exp(-400.0 * found.rate)])
    part = found.carry(u.astype(dtype), 400.0)
    assert part.dtype == dtype
    assert np.max(np.abs(part - whole)) < (1e-14 if dtype is np.float64 else 2e-6)
    kept = found._kept(found.factors(400.0), 1e-16)  # type: ignore[arg-type]
    assert max(map(np.count_nonzero, kept)) < 20


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-10])
def test_what_gaussian_leaves_out_is_bounded_and_told(tolerance: float) -> None:
    u = np.random.default_rng(6).random((48, 40))
    exact = solved(u, "modes", 2.0).frames[-1]
    run = solved(u, {"kind": "gaussian", "tolerance": tolerance}, 2.0)
    error = np.max(np.abs(run.frames[-1] - exact))
    assert 0.0 < run.facts["left_out"] <= tolerance
    assert error <= 4.0 * run.facts["left_out"] * np.max(np.abs(u))
    assert error > 1e-3 * tolerance


def test_auto_says_what_it_took_and_why() -> None:
    u = np.random.default_rng(7).random((40, 30))
    run = solved(u, "auto", frames=[0.0, 1.0, 900.0])
    assert sum(run.facts["chosen"].values()) == 2
    assert set(run.facts["reasons"]) == set(run.facts["chosen"])
    assert "chebyshev" in next(iter(run.facts["reasons"].values()))
    gap = ds.Diffusion(diffusivity=0.5, walls=[{"axis": "x", "at": 20.0, "span": (0.0, 10.0)}])
    grid = ds.Grid(shape=u.shape, size=(40.0, 30.0))
    other = ds.solve(u, gap, grid=grid, times=[50.0], method="auto")
    assert set(other.facts["chosen"]) <= {"chebyshev", "poisson"}
    wanted = ds.solve(u, gap, grid=grid, times=[50.0], method="chebyshev").frames
    assert np.max(np.abs(other.frames - wanted)) < 1e-11


def test_auto_changes_hands_when_a_wall_is_lifted() -> None:
    u = np.random.default_rng(8).random((96, 80))
    wall = {"axis": "x", "at": 48.0, "span": (0.0, 50.0), "opens": 2.0}
    water = ds.Diffusion(diffusivity=0.5, walls=[wall])
    grid = ds.Grid(shape=u.shape, size=(96.0, 80.0))
    run = ds.solve(u, water, grid=grid, times=[1.0, 4.0], method="auto")
    assert len(run.facts["chosen"]) == 2
    wanted = ds.solve(u, water, grid=grid, times=[1.0, 4.0], method="chebyshev").frames
    assert np.max(np.abs(run.frames - wanted)) < 1e-11


# --- open media -----------------------------------------------------------------------------------


def test_open_smooth_media_lose_through_their_sides_what_they_no_longer_hold() -> None:
    n = 40
    x = (np.arange(n) + 0.5) / n
    grid = ds.Grid(shape=(n,), size=(1.0,), edges={"left": {"value": 0.0}, "right": "no-flux"})
    u = np.sin(0.5 * np.pi * x) + 0.3 * np.sin(1.5 * np.pi * x)
    water = ds.Diffusion(diffusivity=1.0, decay=0.7)
    run = ds.solve(u, water, grid=grid, times=[0.0, 0.1, 0.3],
                   method={"kind": "modes", "limit": "continuum"})  # fmt: skip
    rates = [(0.5 * np.pi) ** 2 + 0.7, (1.5 * np.pi) ** 2 + 0.7]
    for time, field, accounts in zip(run.times, run.frames, run.accounts, strict=True):  # type: ignore[arg-type]
        wanted = (np.exp(-rates[0] * time) * np.sin(0.5 * np.pi * x)
                  + 0.3 * np.exp(-rates[1] * time) * np.sin(1.5 * np.pi * x))  # fmt: skip
        assert np.max(np.abs(field - wanted)) < 1e-13
        assert abs(np.sum(field - u) / n - np.sum(accounts)) < 1e-13
        decayed = -0.7 * sum(
            share * (1 - math.exp(-r * time)) / r * np.mean(np.sin(k * np.pi * x))
            for share, r, k in ((1.0, rates[0], 0.5), (0.3, rates[1], 1.5))
        )
        assert accounts[1] == pytest.approx(decayed, rel=1e-11, abs=1e-15)


def test_a_limit_beside_the_cells_refuses_what_comes_in_from_outside() -> None:
    grid = ds.Grid(shape=(9,), size=(1.0,), edges={"left": {"value": 1.0}, "right": "no-flux"})
    water = ds.Diffusion(diffusivity=1.0)
    for limit in ("continuum", "cell-to-cell"):
        with pytest.raises(Unsupported, match="comes in from outside"):
            ds.solve(np.ones(9), water, grid=grid, times=[1.0],
                     method={"kind": "modes", "limit": limit})  # fmt: skip


@pytest.mark.parametrize("wrap", [False, True])
def test_own_modes_diagonalise_the_axis_they_are_made_from(wrap: bool) -> None:
    rng = np.random.default_rng(9)
    n = 7
    g, measure, loss = rng.random(n + 1), 1.0 + rng.random(n), rng.random(n)
    if wrap:
        g[-1] = g[0]
    rates, basis = own_modes(g, measure, wrap, (0.0, 0.0) if wrap else (0.3, 0.0), loss)
    operator = np.diag(-loss)
    for face in range(n + 1):
        below, above = (face - 1) % n, face % n
        if not wrap and face in (0, n):
            continue
        if wrap and face == n:
            continue
        for cell, other in ((below, above), (above, below)):
            operator[cell, other] += g[face] / measure[cell]
            operator[cell, cell] -= g[face] / measure[cell]
    if not wrap:
        operator[0, 0] -= 0.3 / measure[0]
    found = basis.back @ np.diag(-rates) @ basis.there
    assert np.max(np.abs(found - operator)) < 1e-13
    assert np.max(np.abs(basis.there @ basis.back - np.eye(n))) < 1e-13


def test_the_means_of_exponentials_are_those_of_their_integrals() -> None:
    s, weights = np.polynomial.legendre.leggauss(40)
    s, weights = 0.5 * (s + 1.0), 0.5 * weights
    for z in (0.0, 1e-9, 1e-3, 0.3, 0.49, 0.51, 4.0, 30.0):
        mean = float(np.sum(weights * np.exp(-s * z)))
        second = float(np.sum(weights * (1.0 - s) * np.exp(-s * z)))
        assert phi1(np.array(z)) == pytest.approx(mean, rel=1e-13, abs=0)
        assert phi2(np.array(z)) == pytest.approx(second, rel=1e-13, abs=0)


@pytest.mark.parametrize("edges", ["no-flux", "periodic", {"x": {"value": 0.0}}])
@pytest.mark.parametrize("channels", [0, 3])
@pytest.mark.parametrize("ndim", [1, 2])
def test_the_smooth_limit_says_that_a_step_is_not_smooth_and_nothing_else(
    ndim: int, channels: int, edges: Any
) -> None:
    shape = (48, 32)[:ndim]
    grid = ds.Grid(shape=shape, size=(1.0,) * ndim, edges=edges)
    x = (np.arange(48) + 0.5) / 48
    smooth = {"no-flux": np.cos(np.pi * x) + 2.0, "periodic": np.sin(2.0 * np.pi * x) + 2.0}
    line = smooth.get(edges, np.sin(np.pi * x)) if isinstance(edges, str) else np.sin(np.pi * x)
    method = Method.read({"kind": "modes", "limit": "continuum"})
    for start, sharp in ((line, False), (1.0 * (np.abs(x - 0.4) < 0.2), True)):
        u = start if ndim == 1 else start[:, None] * np.ones(32)
        if channels:
            u = np.stack([u, 2.0 * u, -3.0 * u])
        told = any("smooth starts only" in note for note in method.notes(u, grid))
        assert told == sharp
        assert list(Method.read("modes").notes(u, grid)) == []
