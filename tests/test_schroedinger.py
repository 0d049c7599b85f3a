"""Waves: the same generator turned by i, against closed forms, dense matrices and diffusion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import linalg, special

import diffusim as ds
from diffusim import runs
from diffusim.block import Array, Invalid, Unsupported
from diffusim.initial import Blob, Packet
from diffusim.medium.potential import HBAR
from diffusim.methods import Method
from diffusim.propagators.schroedinger import ELECTRON, Schroedinger

D = HBAR / (2.0 * ELECTRON)
NM, FS = 1e-9, 1e-15
SMALL: dict[str, Any] = {"shape": (9, 7), "size": (9 * NM, 10 * NM)}


def packet(grid: ds.Grid, **changes: Any) -> Array:
    return Packet(**{"centre": tuple(0.4 * s for s in grid.size), "width": 1.5 * NM,
                     "wavelength": 4 * NM, **changes}).field(grid, (0, 0))  # fmt: skip


def waves(
    u: Array, grid: ds.Grid, times: list[float], method: Any = "modes", **propagator: Any
) -> ds.Run:
    """A run with psi beside its frames."""
    electron = Schroedinger(phase=True, **propagator)
    return ds.solve(u, electron, grid=grid, times=times, method=method)


def dense(grid: ds.Grid, electron: Schroedinger) -> Array:
    """i L as a matrix, written from the equation alone: neighbours, hard walls, potential."""
    solid = np.zeros(grid.shape, bool)
    if electron.obstacles is not None:
        solid = electron.obstacles.solid(grid)
    size = grid.cells
    number = np.arange(size).reshape(grid.shape)
    matrix = np.zeros((size, size), complex)
    walls = {(wall.axis, round(wall.at / h)) for wall in electron.walls
             for axis, h in zip(grid.names, grid.spacing, strict=True) if wall.axis == axis}  # type: ignore[union-attr] # fmt: skip
    for place in map(tuple, np.argwhere(~solid)):
        for axis, h in enumerate(grid.spacing):
            for step in (-1, 1):
                other = list(place)
                other[axis] += step
                face = place[axis] + (step > 0)
                n, side = grid.shape[axis], grid.edges[axis][step > 0]
                here = number[place]
                if not 0 <= other[axis] < n:
                    if side.kind == "value":
                        matrix[here, here] -= 2 * D / h**2
                    if side.kind != "periodic":
                        continue
                    other[axis] %= n
                if (grid.names[axis], face) in walls or solid[tuple(other)]:
                    matrix[here, here] -= 2 * D / h**2
                else:
                    matrix[here, here] -= D / h**2
                    matrix[here, number[tuple(other)]] += D / h**2
    x, y = (grid.along(k, grid.centres(k)) for k in grid.axes)
    for part in electron.potential:
        v = np.broadcast_to(eval(str(part.shape), {"x": x, "y": y}), grid.shape)  # noqa: S307
        matrix -= np.diag(part.height / HBAR * v.ravel())
    return 1j * matrix


MEDIA: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a box of mirrors": ({}, {}),
    "a ring": ({"edges": "periodic"}, {}),
    "hard sides": ({"edges": {"x": {"value": 0.0}, "top": {"value": 0.0}}}, {}),
    "a hard wall across": ({}, {"walls": [{"axis": "x", "at": 4 * NM}]}),
    "a trap": ({}, {"potential": [{"height": "0.1 eV", "shape": "1e16*(x - 4e-9)**2 - 0.2"},
                                  {"height": "0.3 eV", "shape": "1e8*y"}]}),
    "a hill": ({"edges": "periodic"}, {"potential": {"height": "-0.2 eV", "shape": "1e16*x*y"}}),
    "solid cells": ({}, {"obstacles": {"kind": "boxes", "boxes": [
        {"x": [3 * NM, 5 * NM], "y": [0.0, 10 * NM * 3 / 7]}]}}),
}  # fmt: skip


@pytest.mark.parametrize("method", ["modes", "chebyshev", "auto"])
@pytest.mark.parametrize("name", MEDIA)
def test_exact_methods_carry_psi_as_the_matrix_exponential_does(name: str, method: str) -> None:
    edges, medium = MEDIA[name]
    grid = ds.Grid(**SMALL, **edges)
    medium = {key: [ds.Wall(**w) for w in v] if key == "walls" else v for key, v in medium.items()}
    electron = Schroedinger(**medium)
    u = electron.prepare(packet(grid), grid)
    if method == "modes" and name in ("a hill", "solid cells"):
        with pytest.raises(Unsupported, match="both axes"):
            waves(u, grid, [FS], method, **medium)
        return
    run = waves(u, grid, [3 * FS, 20 * FS], method, **medium)
    matrix = dense(grid, electron)
    for time, psi, seen in zip(run.times, run.arrays["psi"], run.frames, strict=True):
        exact = (linalg.expm(time * matrix) @ u.ravel()).reshape(grid.shape)
        assert np.max(np.abs(psi - exact)) < 1e-11 * np.max(np.abs(exact))
        np.testing.assert_allclose(seen, np.abs(psi) ** 2, rtol=1e-14, atol=0)


@pytest.mark.parametrize("limit", ["lattice", "continuum"])
def test_a_free_packet_follows_the_closed_form(limit: Any) -> None:
    """|psi|^2 is a Gaussian that travels at 2 D k and spreads to w sqrt(1 + (D t / w^2)^2)."""
    n = 1024 if limit == "continuum" else 4096
    grid = ds.Grid(shape=(n,), size=(200 * NM,), edges={"x": "periodic"})
    w, length, centre = 5 * NM, 10 * NM, 70 * NM
    u = packet(grid, centre=(centre,), width=(w,), wavelength=length)
    times = [0.0, 200 * FS, 400 * FS]
    run = waves(u, grid, times, {"kind": "modes", "limit": limit})
    x, k = grid.centres(0), 2.0 * np.pi / length
    for time, seen in zip(times, run.frames, strict=True):
        spread = w * np.sqrt(1.0 + (D * time / w**2) ** 2)
        exact = np.exp(-((x - centre - 2.0 * D * k * time) ** 2) / (2.0 * spread**2))
        exact /= np.sqrt(2.0 * np.pi) * spread
        apart = np.max(np.abs(seen - exact)) / np.max(exact)
        # On the cells a packet is slower by (k h)^2 / 6, here by 1.6e-4 of its way.
        assert apart < (1e-10 if limit == "continuum" else 2e-2)


@pytest.mark.parametrize("method", ["modes", "chebyshev", "adi", "wave"])
def test_the_norm_is_kept_over_a_thousand_frames(method: str) -> None:
    grid = ds.Grid(shape=(32, 24), size=(32 * NM, 24 * NM), edges={"x": "periodic"})
    medium = {"potential": {"height": "0.05 eV", "shape": "1e8*y"}}
    frames = np.linspace(0.0, 100 * FS, 1001).tolist()
    run = waves(packet(grid), grid, frames, method, **medium)
    norm = np.array([grid.total(seen) for seen in run.frames])
    assert np.max(np.abs(norm - 1.0)) < 1e-12
    energy = run.arrays["energy"]
    # Where steps are split the energy that is kept differs by the square of the step.
    assert np.ptp(energy) < (1e-3 if method in ("wave", "adi") else 1e-10) * abs(energy[0])


@pytest.mark.parametrize("method", ["modes", "chebyshev", "adi", "ftcs", "rkl2"])
def test_in_imaginary_time_the_same_code_diffuses(method: str) -> None:
    """psi is then what diffusion with D = hbar / 2 m makes of it, potential and decay alike."""
    grid = ds.Grid(shape=(20, 16), size=(20 * NM, 16 * NM))
    u = np.random.default_rng(1).random(grid.shape) + 0.1
    times, height = [0.0, 20 * FS, 50 * FS], 0.02
    electron = Schroedinger(
        time="imaginary", potential={"height": f"{height} eV", "shape": "1 + 1e8*x"}
    )  # type: ignore[arg-type]
    rate = height * 1.602176634e-19 / HBAR
    salt = ds.Diffusion(diffusivity=D, decay=f"{rate!r}*(1 + 1e8*x)")
    norm = np.sqrt(grid.total(u**2))
    wave = ds.solve(u, electron, grid=grid, times=times, method=method)
    diffused = ds.solve(u, salt, grid=grid, times=times, method=method)
    assert np.max(np.abs(norm * np.sqrt(wave.frames) - diffused.frames)) < 1e-12 * np.max(u)


def test_in_imaginary_time_what_is_left_is_the_state_of_least_energy() -> None:
    """A trap V = m w^2 x^2 / 2 has the least energy hbar w / 2."""
    grid = ds.Grid(shape=(256,), size=(40 * NM,))
    omega = 1e14
    shape = f"0.5*{ELECTRON * omega**2 / 1.602176634e-19!r}*(x - 20e-9)**2"
    trap = Schroedinger(time="imaginary", potential={"height": "1 eV", "shape": shape})  # type: ignore[arg-type]
    u = Blob(centre=(18 * NM,), width=3 * NM, peak=1.0).field(grid, (0, 0))
    run = ds.solve(u, trap, grid=grid, times=[0.0, 200 * FS], method="modes")
    assert run.arrays["energy"][-1] == pytest.approx(0.5 * HBAR * omega, rel=2e-3)


@pytest.mark.parametrize(("method", "order"), [("adi", 2.0), ("wave", 2.0)])
def test_steps_converge_with_their_order(method: str, order: float) -> None:
    grid = ds.Grid(shape=(24, 20), size=(24 * NM, 20 * NM), edges={"y": "periodic"})
    medium = {"potential": {"height": "0.1 eV", "shape": "exp(-1e17*((x-1e-8)**2+(y-1e-8)**2))"}}
    u, stop = packet(grid, width=3 * NM, wavelength=12 * NM), 40 * FS
    exact = waves(u, grid, [stop], "chebyshev", **medium).arrays["psi"][-1]
    errors = []
    for steps in (200, 400, 800):
        options = {"kind": method, "dt": stop / steps}
        psi = waves(u, grid, [stop], options, **medium).arrays["psi"][-1]
        errors.append(np.linalg.norm(psi - exact))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(orders - order) < 0.05)


def test_a_layer_absorbs_what_arrives_and_next_to_nothing_comes_back() -> None:
    """A packet of 12 cells' length runs into the layer; what is left in the box afterwards."""
    grid = ds.Grid(shape=(400,), size=(100 * NM,))
    u = packet(grid, centre=(40 * NM,), width=(4 * NM,), wavelength=3 * NM)
    absorbing = {"width": 25 * NM, "sides": ["right"]}
    for method in ("adi", "wave"):
        options = {"kind": method, "dt": 0.02 * FS}
        run = waves(u, grid, [0.0, 600 * FS], options, absorbing=absorbing)
        assert grid.total(run.frames[-1]) < 1e-4
    with pytest.raises(Unsupported, match="chebyshev cannot carry absorbing"):
        waves(u, grid, [FS], "chebyshev", absorbing=absorbing)


def test_waves_behind_two_slits_make_fringes_at_the_predicted_spacing() -> None:
    """The bright fringes are where the ways from both slits differ by whole wavelengths."""
    h, separation, opening, length, distance = 0.5 * NM, 20 * NM, 4 * NM, 5 * NM, 80 * NM
    grid = ds.Grid(shape=(480, 480), size=(480 * h, 480 * h), edges={"y": "periodic"})
    x, y = grid.centres(0), grid.centres(1)
    wall, middle = 100 * NM, grid.size[1] / 2
    slits = np.abs(np.abs(y - middle) - separation / 2) < opening / 2
    screen = (np.abs(x - wall) < h)[:, None] & ~slits[None, :]
    u = packet(grid, centre=(55 * NM, middle), width=(12 * NM, 30 * NM), wavelength=length)
    speed = 2.0 * D * 2.0 * np.pi / length
    stop = (45 * NM + distance) / speed
    run = waves(u, grid, [0.0, stop], "chebyshev", obstacles=screen)
    assert abs(grid.total(run.frames[-1]) - 1.0) < 1e-12
    seen = run.frames[-1][np.argmin(np.abs(x - wall - distance))]
    peaks = [j for j in range(1, 479) if seen[j] > max(seen[j - 1], seen[j + 1])]
    found = y[[j for j in peaks if seen[j] > 0.1 * np.max(seen)]] - middle
    assert len(found) == 5
    ways = np.hypot(distance, found + separation / 2) - np.hypot(distance, found - separation / 2)
    assert np.max(np.abs(ways / length - np.arange(-2, 3))) < 0.1
    # The spacing of the inner three, length x distance / separation for small angles.
    assert found[3] - found[2] == pytest.approx(length * distance / separation, rel=0.05)


def test_positions_drawn_follow_borns_rule() -> None:
    """A million positions by chi-square, and another seed draws others. False alarm: 2e-6."""
    from diffusim.testing import counts_p_value

    grid = ds.Grid(shape=(32, 24), size=(32 * NM, 24 * NM))
    electron = Schroedinger(measure=10**6)
    drawn = []
    for seed in (1, 2):
        course = runs.plan(Method.read("modes"), electron, grid, [0.0, 20 * FS], seed=seed)
        frames = list(course.frames(electron.prepare(packet(grid), grid)))
        for frame in frames:
            assert frame.counts is not None
            assert int(frame.counts.sum()) == 10**6
            assert counts_p_value(frame.counts, frame.field) > 1e-6
        drawn.append(frames[-1].counts)
    assert not np.array_equal(*drawn)


def test_a_wave_on_the_cells_spreads_with_time_and_a_walk_with_its_root() -> None:
    """The walk in continuous time, quantum and random: from one cell, 2 (D t / h^2)^2 and 2 D t."""
    grid = ds.Grid(shape=(401,), size=(401 * NM,))
    u = np.zeros(grid.shape)
    u[200] = 1.0
    times = np.geomspace(2.0, 60.0, 8) * NM**2 / D
    x = (np.arange(401) - 200.0) * NM
    wave = waves(u, grid, times.tolist())
    walk = ds.solve(u, ds.Diffusion(diffusivity=D), grid=grid, times=times.tolist(), method="modes")
    for run, law in ((wave, 2.0 * (D * times / NM) ** 2), (walk, 2.0 * D * times)):
        spread = [np.sum(x**2 * seen) / np.sum(seen) for seen in run.frames]
        np.testing.assert_allclose(spread, law, rtol=1e-9, atol=0)


def test_a_wave_in_a_square_box_comes_back_after_its_period() -> None:
    """Between hard sides all levels are whole multiples of the lowest: after 2 L^2 / (pi D) psi is
    what it was."""
    grid = ds.Grid(shape=(128,), size=(50 * NM,), edges={"x": {"value": 0.0}})
    u = packet(grid, centre=(20 * NM,), width=(3 * NM,), wavelength=8 * NM)
    period = 2.0 * grid.size[0] ** 2 / (np.pi * D)
    run = waves(u, grid, [0.0, period], {"kind": "modes", "limit": "continuum"})
    first, last = run.arrays["psi"]
    assert np.max(np.abs(last - first)) < 1e-9 * np.max(np.abs(first))


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"edges": {"left": {"value": 1.0}}}, "would be a source of waves"),
     ({"edges": {"left": {"flux": 1.0}}}, "would be a source of waves"),
     ({"walls": [ds.Wall(axis="x", at=3 * NM, permeability=1.0)]}, "no membranes"),
     ({"absorbing": {"width": 1.0}}, "as wide as the grid"),
     ({"absorbing": {"width": NM, "sides": ["inner"]}}, "no side 'inner'"),
     ({"time": "imaginary", "absorbing": {"width": NM}}, "nothing arrives"),
     ({"potential": {"height": 1.0, "shape": "1/(x - x)"}}, "not a finite"),
     ({"potential": {"height": 1.0, "shape": "r"}}, "r")],
)  # fmt: skip
def test_what_no_wave_can_have_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    edges = {"edges": changes.pop("edges")} if "edges" in changes else {}
    grid = ds.Grid(**SMALL, **edges)
    with pytest.raises(Invalid, match=words):
        waves(packet(grid), grid, [FS], **changes)


@pytest.mark.parametrize(
    ("start", "words"),
    [(np.full((9, 7), -1.0), "no values below zero"), (np.zeros((9, 7)), "zero everywhere")],
)
def test_a_start_that_is_no_density_is_refused(start: Array, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        waves(start, ds.Grid(**SMALL), [FS])


@pytest.mark.parametrize("method", ["ftcs", "rkl2", "poisson", "walkers", "gaussian"])
def test_methods_that_take_no_waves_say_which_do(method: str) -> None:
    grid = ds.Grid(**SMALL)
    with pytest.raises(Unsupported, match="chebyshev|offers|carries amplitudes"):
        waves(packet(grid), grid, [FS], method)
    with pytest.raises(Invalid, match="complex"):
        ds.solve(packet(grid), ds.Diffusion(diffusivity=1.0), grid=grid, times=[1.0])


def test_locally_one_dimensional_steps_are_refused_for_waves() -> None:
    grid = ds.Grid(**SMALL)
    with pytest.raises(Invalid, match="douglas"):
        waves(packet(grid), grid, [FS], {"kind": "adi", "scheme": "lod"})


@pytest.mark.proof
def test_the_norm_of_a_free_wave_over_a_thousand_frames(figure: Callable[..., None]) -> None:
    grid = ds.Grid(shape=(256, 256), size=(256 * NM, 256 * NM), edges="periodic")
    u = packet(grid, width=12 * NM, wavelength=16 * NM)
    worst = 0.0
    course = runs.plan(Method.read("modes"), Schroedinger(), grid, np.linspace(0, 1e-12, 1001))
    for frame in course.frames(Schroedinger().prepare(u, grid)):
        worst = max(worst, abs(grid.total(frame.field) - 1.0))
    figure("largest change of a free wave's norm in 1000 frames of 256 x 256", worst, limit="1e-12")
    assert worst < 1e-12


def test_coefficients_of_a_wave_are_bessel_functions() -> None:
    from diffusim.methods.chebyshev import exponential_weights

    for z in (0.3, 20.0, 3000.0):
        found = exponential_weights(z, 1e-14, 1j)
        k = np.arange(found.size)
        exact = np.exp(-1j * z) * 1j**k * special.jv(k, z) * np.where(k == 0, 1.0, 2.0)
        assert np.max(np.abs(found - exact)) < 1e-13


# --- where things grow, rest or are lost ----------------------------------------------------------


def test_growth_beyond_all_numbers_is_told_and_not_left_out() -> None:
    grid = ds.Grid(**SMALL)
    deep = Schroedinger(time="imaginary", potential={"height": "-5 eV"})  # type: ignore[arg-type]
    with pytest.raises(runs.Diverged, match="no longer finite"):
        ds.solve(np.ones(grid.shape), deep, grid=grid, times=[1e-12], method="modes")


@pytest.mark.parametrize("method", ["ftcs", "rkl2", "adi"])
def test_default_steps_follow_what_grows_in_a_well(method: str) -> None:
    grid = ds.Grid(shape=(60,), size=(60 * NM,))
    well = {"height": "-0.1 eV", "shape": "(x > 25e-9)*(x < 35e-9)"}
    electron = Schroedinger(time="imaginary", potential=well)  # type: ignore[arg-type]
    u = Blob(centre=(30 * NM,), width=5 * NM, peak=1.0).field(grid, (0, 0))
    exact, found = (ds.solve(u, electron, grid=grid, times=[20 * FS], method=m).frames[-1]
                    for m in ("chebyshev", method))  # fmt: skip
    # Explicit steps are of first order, a twentieth of the time of growth long.
    most = 0.2 if method == "ftcs" else 0.02
    assert np.linalg.norm(found - exact) < most * np.linalg.norm(exact)
    with pytest.raises(Unsupported, match=r"propagator\.potential"):
        ds.solve(u, electron, grid=grid, times=[FS], method="poisson")


@pytest.mark.parametrize("method", ["chebyshev", "adi", "auto"])
def test_a_potential_that_cancels_the_rate_of_hopping_stops_nothing(method: str) -> None:
    grid = ds.Grid(shape=(30,), size=(30 * NM,), edges="periodic")
    free = Schroedinger().generator(grid, 0.0)
    level = {"height": -HBAR * free.fastest}
    u = packet(grid, centre=(15 * NM,), width=(3 * NM,), wavelength=8 * NM)
    wanted = waves(u, grid, [20 * FS]).frames[-1]
    dt = {"dt": 0.02 * FS} if method == "adi" else {}
    found = waves(u, grid, [20 * FS], {"kind": method, **dt}, potential=level).frames[-1]
    assert np.max(np.abs(found - wanted)) < 1e-3 * np.max(wanted)


def test_what_was_absorbed_is_found_nowhere_and_the_energy_is_that_of_the_rest() -> None:
    grid = ds.Grid(shape=(400,), size=(100 * NM,))
    u = packet(grid, centre=(40 * NM,), width=(4 * NM,), wavelength=3 * NM)
    absorbing = {"width": 25 * NM, "sides": ["right"]}
    electron = Schroedinger(absorbing=absorbing, measure=10**6)  # type: ignore[arg-type]
    run = ds.solve(u, electron, grid=grid, times=[0.0, 220 * FS], method="wave")
    left = grid.total(run.frames[-1])
    assert 0.01 < left < 0.9
    assert run.counts is not None
    assert run.counts[-1].sum() == pytest.approx(1e6 * left, abs=5e3)
    assert 0.3 < run.arrays["energy"][-1] / run.arrays["energy"][0] < 1.5
