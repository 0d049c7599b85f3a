"""Media beyond the even box: orders in space, long and chosen steps, what must always hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import diffusim as ds
from diffusim import exact
from diffusim.block import Array, Invalid, Unsupported
from diffusim.methods import Method
from diffusim.testing import problems

BY_NAME = {problem.name: problem for problem in problems()}


# --- orders in space, with a method that is exact in time -----------------------------------------


def line(n: int, length: float = 1.0, **options: Any) -> tuple[ds.Grid, Array, float]:
    grid = ds.Grid(shape=(n,), size=(length,), **options)
    return grid, grid.centres(0), grid.spacing[0]


def even(n: int) -> float:
    grid, x, h = line(n)
    start = exact.mode(x, 0.0, 1.0, 1.0, 3, mean=2.0, cell=h)
    return apart(grid, {"diffusivity": 1.0}, start, 0.02,
                 exact.mode(x, 0.02, 1.0, 1.0, 3, mean=2.0, cell=h))  # fmt: skip


def lifted(n: int) -> float:
    grid, x, h = line(n)
    wall = {"axis": "x", "at": 0.5, "opens": 0.03}
    start = exact.step(x, 0.0, 1.0, 1.0, 0.5, 2.0, 1.0, cell=h)
    return apart(grid, {"diffusivity": 1.0, "walls": [wall]}, start, 0.05,
                 exact.step(x, 0.02, 1.0, 1.0, 0.5, 2.0, 1.0, cell=h))  # fmt: skip


def held(n: int) -> float:
    grid, x, h = line(n, edges={"left": {"value": 2.0}, "right": {"value": -1.0}})
    start = exact.slab(x, 0.02, 1.0, 1.0, 2.0, -1.0, cell=h)
    return apart(grid, {"diffusivity": 1.0}, start, 0.05,
                 exact.slab(x, 0.07, 1.0, 1.0, 2.0, -1.0, cell=h))  # fmt: skip


def exchanging(n: int) -> float:
    edges = {"left": {"transfer": 3.0, "value": 1.0}, "right": {"transfer": 0.7, "value": -2.0}}
    grid, x, h = line(n, edges=edges)
    sides = (3.0, 0.7), (1.0, -2.0)
    start = exact.exchange(x, 0.02, 1.0, 1.0, *sides, cell=h)
    return apart(grid, {"diffusivity": 1.0}, start, 0.05,
                 exact.exchange(x, 0.07, 1.0, 1.0, *sides, cell=h))  # fmt: skip


def heated(n: int) -> float:
    grid, x, h = line(n, edges={"right": {"flux": 1.5}})
    start = exact.heated(x, 0.02, 1.0, 1.0, 1.5, cell=h)
    return apart(grid, {"diffusivity": 1.0}, start, 0.05,
                 exact.heated(x, 0.07, 1.0, 1.0, 1.5, cell=h))  # fmt: skip


def membrane(n: int, pair: tuple[float, float] = (1.0, 0.3), permeability: float = 2.0) -> float:
    grid, x, h = line(n)
    medium = {
        "diffusivity": {"kind": "layers", "axis": "x", "at": 0.5, "values": list(pair)},
        "walls": [{"axis": "x", "at": 0.5, "permeability": permeability}],
    }
    start, end = (exact.layers_mode(x, t, pair, 1.0, 0.5, permeability, 1, cell=h)
                  for t in (0.0, 0.1))  # fmt: skip
    return apart(grid, medium, start, 0.1, end)


def jump_of_a_thousand(n: int) -> float:
    return membrane(n, (1.0, 1e-3), 1e6)


def rings(n: int) -> float:
    grid, r, h = line(n, geometry="cylindrical", edges={"outer": {"value": 1.0}})
    start = exact.disc(r, 0.02, 1.0, 1.0, 1.0, cell=h)
    return apart(grid, {"diffusivity": 1.0}, start, 0.05,
                 exact.disc(r, 0.07, 1.0, 1.0, 1.0, cell=h))  # fmt: skip


def shells(n: int) -> float:
    grid, r, h = line(n, geometry="spherical", edges={"outer": {"value": 1.0}})
    start = exact.sphere(r, 0.02, 1.0, 1.0, 1.0, cell=h)
    return apart(grid, {"diffusivity": 1.0}, start, 0.05,
                 exact.sphere(r, 0.07, 1.0, 1.0, 1.0, cell=h))  # fmt: skip


def carried(n: int) -> float:
    grid, x, h = line(n, edges="periodic")
    flow = {"kind": "uniform", "velocity": [20.0]}
    start, end = (exact.carried_mode(x, t, 1.0, 1.0, 20.0, 1, cell=h) for t in (0.0, 0.02))
    return apart(grid, {"diffusivity": 1.0, "flow": flow}, start, 0.02, end)


def oblong(n: int) -> float:
    grid = ds.Grid(shape=(n, n), size=(3.0, 1.0))
    x, y = grid.centres(0)[:, None], grid.centres(1)[None, :]
    h, k = grid.spacing
    start, end = (exact.mode(x, t, 1.0, 3.0, 2, cell=h) * exact.mode(y, t, 1.0, 1.0, 1, cell=k)
                  for t in (0.0, 0.05))  # fmt: skip
    return apart(grid, {"diffusivity": 1.0}, start, 0.05, end)


def apart(grid: ds.Grid, medium: dict[str, Any], start: Array, time: float, wanted: Array) -> float:
    water = ds.Diffusion.model_validate(medium)
    run = ds.solve(np.broadcast_to(start, grid.shape), water, grid=grid, times=[time],
                   method={"kind": "poisson", "tolerance": 1e-14})  # fmt: skip
    return float(np.linalg.norm(run.frames[-1] - wanted) / np.linalg.norm(wanted))


SPACE = [even, lifted, held, exchanging, heated, membrane, jump_of_a_thousand, rings, shells,
         carried, oblong]  # fmt: skip


# Where the error is to be below one per cent, or a thin layer has to be resolved.
FINER = {oblong: (16, 32, 64), carried: (64, 128, 256), jump_of_a_thousand: (256, 512, 1024)}


@pytest.mark.parametrize("case", SPACE, ids=lambda case: case.__name__)
def test_errors_fall_as_the_square_of_the_spacing(case: Callable[[int], float]) -> None:
    sizes = FINER.get(case, (32, 64, 128))
    errors = [case(n) for n in sizes]
    assert errors[0] < 1e-2
    slopes = np.log2(np.divide(errors[:-1], errors[1:]))
    assert abs(float(np.mean(slopes)) - 2.0) < 0.1, (errors, slopes)


# --- steady states that the cells have exactly ----------------------------------------------------


def test_two_slabs_and_a_membrane_reach_the_resistances_in_series_exactly() -> None:
    grid, x, h = line(20, edges={"left": {"value": 35.0}, "right": {"value": 1.0}})
    medium = {"diffusivity": {"kind": "layers", "axis": "x", "at": 0.5, "values": [2.0, 0.1]},
              "walls": [{"axis": "x", "at": 0.5, "permeability": 0.4}]}  # fmt: skip
    wanted = exact.layers_steady(x, (2.0, 0.1), 1.0, 0.5, 0.4, 35.0, 1.0, cell=h)
    water = ds.Diffusion.model_validate(medium)
    for method in ("ftcs", "rkl2", "adi", "chebyshev", "poisson"):
        run = ds.solve(wanted, water, grid=grid, times=[0.1, 7.0], method=method)
        np.testing.assert_allclose(run.frames[-1], wanted, rtol=1e-12, atol=0)


def test_the_steady_drift_between_held_ends_is_exact_at_any_peclet_number() -> None:
    grid, x, _ = line(16, edges={"left": {"value": 1.0}, "right": {"value": 3.0}})
    for velocity in (0.5, 20.0, -300.0):
        water = ds.Diffusion.model_validate(
            {"diffusivity": 1.0, "flow": {"kind": "uniform", "velocity": [velocity]}}
        )
        wanted = exact.drift_steady(x, 1.0, 1.0, velocity, 1.0, 3.0)
        generator = water.generator(grid, 0.0)
        assert np.max(np.abs(generator.rate(wanted))) < 1e-12 * generator.fastest * 3.0


def test_a_channel_spreads_salt_as_taylor_and_aris_say(figure: Callable[..., None]) -> None:
    """The variance of the cross-section's mean, at all times, on cells of Peclet number 0.25."""
    nx, ny, half, top = 768, 32, 0.5, 30.0
    grid = ds.Grid(shape=(nx, ny), size=(24.0, 1.0), edges={"x": "periodic"})
    water = ds.Diffusion.model_validate(
        {"diffusivity": 1.0, "flow": {"kind": "channel", "speed": top / 4.0}}
    )
    x = grid.centres(0)
    start = exact.blob(x, 0.0, 1.0, 24.0, 6.0, 0.5, cell=grid.spacing[0])
    run = ds.solve(np.repeat(start[:, None], ny, 1), water, grid=grid, times=[0.0, 0.2, 1.0],
                   method="poisson")  # fmt: skip
    mean = run.frames.mean(axis=2)
    mean /= mean.sum(axis=1, keepdims=True)
    centre = mean @ x
    variance = np.array([p @ (x - c) ** 2 for p, c in zip(mean, centre, strict=True)])
    speed = top / 4.0 * 2.0 / 3.0
    for t, found in zip((0.2, 1.0), variance[1:], strict=True):
        wanted = float(exact.channel_variance(t, 1.0, half, speed))
        gained = float(found - variance[0])
        figure(f"variance gained in a channel by t = {t:g}, over Aris's", gained / wanted)
        assert gained == pytest.approx(wanted, rel=5e-3)


# --- long steps -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["adi", "lod", "chebyshev", "poisson", "rkl2"])
def test_a_hundred_times_the_explicit_limit_is_stable_on_random_media(method: str) -> None:
    rng = np.random.default_rng(4)
    grid = ds.Grid(shape=(24, 17), size=(1.0, 1.0))
    for _ in range(5):
        water = ds.Diffusion(diffusivity=10.0 ** rng.uniform(-3, 0, (24, 17)))
        limit = 1.0 / water.generator(grid, 0.0).fastest
        u = rng.random((24, 17))
        steps: dict[str, Any] = {"dt": 100.0 * limit} if method in ("adi", "lod", "rkl2") else {}
        how = {"kind": "adi", "scheme": "lod"} if method == "lod" else {"kind": method}
        run = ds.solve(u, water, grid=grid, times=[1e4 * limit, 1e6 * limit],
                       method={**how, **steps})  # fmt: skip
        assert np.linalg.norm(run.frames[-1]) <= np.linalg.norm(run.frames[0])
        assert np.linalg.norm(run.frames[0]) <= np.linalg.norm(u)
        assert np.sum(run.frames[-1]) == pytest.approx(np.sum(u), rel=1e-12, abs=0)


def test_explicit_steps_beyond_their_limit_are_refused_with_the_limit() -> None:
    grid, x, _ = line(32)
    with pytest.raises(Invalid, match="beyond the stability limit"):
        ds.solve(x, ds.Diffusion(diffusivity=1.0), grid=grid, times=[1.0],
                 method={"kind": "ftcs", "dt": 1e-3})  # fmt: skip


def test_flow_too_fast_for_super_steps_is_refused_with_what_would_do() -> None:
    grid = ds.Grid(shape=(32, 32), size=(1.0, 1.0))
    water = ds.Diffusion.model_validate(
        {"diffusivity": 1e-3, "flow": {"kind": "vortex", "radius": 0.2, "speed": 1.0}}
    )
    with pytest.raises(Unsupported, match=r"propagator\.flow.*dt = .* would do"):
        ds.solve(np.ones((32, 32)), water, grid=grid, times=[1.0],
                 method={"kind": "rkl2", "dt": 1.0})  # fmt: skip
    with pytest.raises(Invalid, match=r"propagator\.flow.*dt = .* would do"):
        ds.solve(np.ones((32, 32)), water, grid=grid, times=[1.0],
                 method={"kind": "adi", "dt": 1.0})  # fmt: skip


@pytest.mark.parametrize("kind", ["adi", "rkl2"])
@pytest.mark.parametrize("name", ["a wall lifted half-way", "another edge on every side"])
def test_chosen_steps_keep_to_their_tolerance_and_balance(
    kind: str, name: str, tmp_path: Any
) -> None:
    problem = BY_NAME[name]
    water, u = problem.propagator(tmp_path), problem.field()
    times = [0.0, 100.0, 700.0]
    exactly = ds.solve(u, water, grid=problem.grid, times=times, method="poisson")
    for tolerance in (1e-3, 1e-5):
        method = {"kind": kind, "tolerance": tolerance}
        run = ds.solve(u, water, grid=problem.grid, times=times, method=method)
        error = np.linalg.norm(run.frames[-1] - exactly.frames[-1])
        # Three segments at most, each of which may add the tolerance.
        assert error <= 3.0 * tolerance * np.linalg.norm(exactly.frames[-1])
        came = 0.0 if run.accounts is None else float(np.sum(run.accounts[-1]))
        total = problem.grid.total
        assert total(run.frames[-1]) == pytest.approx(total(u) + came, rel=1e-12, abs=0)


# --- what must always hold ------------------------------------------------------------------------


@st.composite
def media(draw: Any) -> tuple[ds.Grid, ds.Diffusion, Array]:
    """A random closed medium, walls and jumps included, and a start between zero and one."""
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names = draw(st.sampled_from(["no-flux", "periodic"]))
    grid = ds.Grid(shape=shape, size=(1.0, draw(st.floats(0.3, 3.0))), edges=names)
    cells = 10.0 ** rng.uniform(-2, 0, shape)
    solid = rng.random(shape) < 0.15
    u = np.where(solid, 0.0, rng.random(shape))
    return grid, ds.Diffusion(diffusivity=cells, obstacles=solid), u


METHODS: list[dict[str, Any]] = [
    {"kind": "ftcs"}, {"kind": "poisson"}, {"kind": "adi", "scheme": "lod"}, {"kind": "chebyshev"},
    {"kind": "rkl2"}, {"kind": "adi"},
]  # fmt: skip


@settings(max_examples=60)
@given(media(), st.sampled_from(METHODS))
def test_nothing_is_made_or_lost_and_promises_of_bounds_are_kept(
    medium: tuple[ds.Grid, ds.Diffusion, Array], how: dict[str, Any]
) -> None:
    grid, water, u = medium
    run = ds.solve(u, water, grid=grid, times=[0.05, 0.5], method=how)
    for frame in run.frames:
        assert np.sum(frame) == pytest.approx(np.sum(u), rel=1e-12, abs=1e-13)
        if Method.read(how).keeps_sign:
            assert np.min(frame) >= 0.0
            assert np.max(frame) <= np.max(u) * (1 + 1e-12)


@settings(max_examples=40)
@given(media(), st.sampled_from(["poisson", "chebyshev"]))
def test_exact_methods_are_a_semigroup_adjoint_to_themselves_and_blind_to_the_clock(
    medium: tuple[ds.Grid, ds.Diffusion, Array], kind: str
) -> None:
    grid, water, u = medium
    how = {"kind": kind, "tolerance": 1e-14}
    whole = ds.solve(u, water, grid=grid, times=[0.3], method=how).frames[-1]
    parts = ds.solve(u, water, grid=grid, times=[0.1, 0.3], method=how).frames[-1]
    again = ds.solve(parts * 0.0 + u, water, grid=grid, times=[0.3], method=how).frames[-1]
    size = max(float(np.max(u)), 1e-300)
    assert np.max(np.abs(whole - parts)) <= 1e-12 * size
    assert np.array_equal(whole, again)
    v = np.flip(u)
    other = ds.solve(v, water, grid=grid, times=[0.3], method=how).frames[-1]
    there, back = float(np.sum(water.prepare(v, grid) * whole)), float(np.sum(u * other))
    assert there == pytest.approx(back, rel=1e-11, abs=1e-13)
