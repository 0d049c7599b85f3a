"""Exact jumps through membranes: their twin, their closed form, and the flux through them.

Seeds are fixed, so a failure is a fault; the rate of false alarms with fresh seeds stands in the
docstrings.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import twins
from scipy import special
from twins import ALPHA, KEY, p_of_chi_square

import diffusim as ds
from diffusim import runs
from diffusim.block import Array, Unsupported
from diffusim.grid import Grid
from diffusim.loops import membranes
from diffusim.medium.planes import between
from diffusim.methods.walkers import Walkers
from diffusim.testing import counts_p_value

D, H, P = 1.5e-9, 1e-3, 4e-7
PASS = 7
AWAY = np.array([[0.0], [1.0], [0.0], [0.0]])


def tank(n: int, cells: tuple[int, ...], edges: str = "no-flux") -> Grid:
    return Grid(shape=(n, *cells), size=(n * H, *(m * H for m in cells)), edges=edges)


def water(*places: float, permeability: float = P, **window: float) -> ds.Diffusion:
    walls = [ds.Wall(axis="x", at=at, permeability=permeability, **window) for at in places]
    return ds.Diffusion(diffusivity=D, walls=walls)


def frames(u: Array, grid: Grid, medium: ds.Diffusion, times: list[float], **options: Any) -> Any:
    method = Walkers(**{"limit": "cell-to-cell", "particles": 200_000, **options})
    return list(runs.plan(method, medium, grid, times, seed=3).frames(u))


# --- the loop -------------------------------------------------------------------------------------


def passed_twin(x: float, z: float, u: float, v: float, sigma: float, plane: float, rate: float,
                up: bool) -> float:  # fmt: skip
    """In words: the least place of a Brownian bridge, Skorokhod's regulator, a coin."""
    sign = -1.0 if up else 1.0
    d, b = sign * (x - plane), sign * sigma * z
    lowest = 0.5 * (b - math.sqrt(b * b - 2.0 * sigma**2 * math.log(1.0 - u)))
    held = max(0.0, -(d + lowest))
    other = v < 0.5 * (1.0 - math.exp(-rate * held))
    return plane + sign * (-1.0 if other else 1.0) * (d + b + held)


def cross_twin(position: Array, steps: int, sigma: float, planes: Array, wrap: bool) -> Array:
    position = position.copy()
    n = planes.shape[1]
    for k in range(position.shape[1]):
        for step in range(steps):
            z = twins.normal_pair(*twins.words(k, KEY, step, twins.JUMP))
            a, b, c, d = twins.words(k, KEY, step, PASS + 1)
            x = position[1, k]
            below, above, let_below, let_above = planes[:, int(x)]
            up = above - x < x - below
            plane, rate = (above, let_above) if up else (below, let_below)
            if abs(x - plane) < 8.5 * sigma:
                u, v = twins.unit(a, b), twins.unit(c, d)
                x = passed_twin(x, z[1], u, v, sigma, plane, rate, up)
            else:
                x += sigma * z[1]
            position[1, k] = x % n if wrap else x
    return position


@pytest.mark.interpreted
@pytest.mark.parametrize("wrap", [False, True])
def test_crossings_are_their_twin(wrap: bool) -> None:
    planes = np.array([[0, 0, 0, 3, 3, 3, 3, 3], [3, 3, 3, 8, 8, 8, 8, 8], [0.0] * 8, [0.0] * 8])
    planes[3, :3], planes[2, 3:] = 7.0, 7.0
    if wrap:
        planes[0, :3], planes[1, 3:] = -5.0, 11.0
        planes[2:] = 7.0
    position = np.random.default_rng(1).random((2, 200)) * [[1.0], [8.0]]
    found, counts = position.copy(), np.zeros((1, 8), np.int64)
    pair = np.ascontiguousarray(AWAY), planes
    membranes.cross(found, 0, *KEY, 6, (0.0, 0.17), pair, (False, wrap), counts)
    expected = cross_twin(position, 6, 0.17, planes, wrap)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(counts[0], np.bincount(found[1].astype(int), minlength=8))
    assert np.any((position[1] < 3.0) & (found[1] > 3.0))


@pytest.mark.parametrize("steps", [1, 6])
@pytest.mark.parametrize("strength", [0.02, 0.5, 20.0])
def test_one_jump_through_a_membrane_has_its_closed_form(steps: int, strength: float) -> None:
    """Chi-square of a million by 200 cells; alpha 1e-6. The law is that of Powles et al. (1992).

    Of a start at a distance d0 from the membrane, with p = P / D and s = Dt: what is beyond is
    p exp(2 p d + 4 p^2 s) erfc(d / (2 sqrt(s)) + 2 p sqrt(s)), d = |x| + d0; on the near side it
    is missing from the Gaussian and its image.
    """
    n, cells, sigma, start = 10**6, 200, 5.0, 3.0
    s, p = 0.5 * sigma**2, strength / sigma
    planes = np.zeros((4, cells))
    planes[0], planes[1] = np.repeat([-np.inf, 100.0], 100), np.repeat([100.0, np.inf], 100)
    planes[2, 100:], planes[3, :100] = 2.0 * p, 2.0 * p
    position = np.array([np.full(n, 0.5), np.full(n, 100.0 + start)])
    counts = np.zeros((1, cells), np.int64)
    membranes.cross(position, 0, *KEY, steps, (0.0, sigma / steps**0.5),
                    (AWAY, planes), (False, False), counts)  # fmt: skip

    def beyond(x: Array) -> Array:
        d = np.abs(x) + start
        reach = d / (2.0 * np.sqrt(s)) + 2.0 * p * np.sqrt(s)
        return p * np.exp(-(d**2) / (4.0 * s)) * special.erfcx(reach)

    nodes, weights = np.polynomial.legendre.leggauss(8)
    x = np.arange(cells)[:, None] - 100.0 + 0.5 * (nodes + 1.0)
    images = [np.exp(-((x + a) ** 2) / (4.0 * s)) for a in (-start, start)]
    near = sum(images) / np.sqrt(4.0 * np.pi * s) - beyond(x)
    law = n * np.where(x > 0, near, beyond(x)) @ (0.5 * weights)
    assert np.sum(law) == pytest.approx(n, rel=1e-9)
    many = law > 5.0
    seen = np.append(counts[0, many], counts[0, ~many].sum() + 10)
    assert p_of_chi_square(seen, np.append(law[many], law[~many].sum() + 10)) > ALPHA


# --- in a medium ----------------------------------------------------------------------------------


def finer_law(u: Array, medium: ds.Diffusion, times: list[float], finer: int, edges: str) -> Array:
    """What cells of a grid so many times finer hold by their own modes, seen on the coarse one.

    The start is even within the coarse cells; two such grids tell the limit of the finest.
    """
    grid = Grid(shape=(finer * u.size,), size=(u.size * H,), edges=edges)
    start = np.repeat(u, finer)
    found = ds.solve(start, medium, grid=grid, times=times, method="modes").frames
    return np.asarray(found).reshape(len(times), u.size, finer).mean(axis=-1)


def exact_law(u: Array, medium: ds.Diffusion, times: list[float], edges: str) -> Array:
    coarse, fine = (finer_law(u, medium, times, finer, edges) for finer in (8, 16))
    return fine + (fine - coarse) / 3.0


@pytest.mark.parametrize(
    ("places", "edges"),
    [
        ([8e-3], "no-flux"),
        ([5e-3, 9e-3], "no-flux"),
        ([0.0], "periodic"),
        ([3e-3, 10e-3], "periodic"),
    ],
)
def test_counts_through_membranes_follow_the_finest_grids(places: list[float], edges: str) -> None:
    """By chi-square in three frames, 1e-6 each; also what the flux has carried to the other side.

    Five deviations of it: 6e-7.
    """
    u = np.repeat([1.0, 0.0, 0.3, 0.6], 4)
    medium, times = water(*places), [100.0, 900.0, 2500.0]
    law = exact_law(u, medium, times, edges)
    for frame, wanted in zip(frames(u, tank(16, (), edges), medium, times), law, strict=True):
        assert counts_p_value(frame.counts, wanted) > ALPHA
        share = wanted[8:].sum() / wanted.sum()
        z = (frame.counts[8:].sum() - 200_000 * share) / np.sqrt(200_000 * share * (1 - share))
        assert abs(z) < 5.0
    # The cells' own law of the coarse grid is another one, and is told from it.
    lattice = ds.solve(u, medium, grid=tank(16, (), edges), times=[100.0], method="modes").frames[0]
    early = frames(u, tank(16, (), edges), medium, [100.0], particles=2_000_000)[0]
    assert counts_p_value(early.counts, law[0]) > ALPHA > counts_p_value(early.counts, lattice)


def test_membranes_across_both_axes_are_independent() -> None:
    """The law of a product is the product of the laws, by chi-square at 1e-6."""
    u, v, times = np.repeat([1.0, 0.2], 5), np.repeat([0.1, 1.0], [3, 4]), [400.0, 1500.0]
    across = ds.Wall(axis="y", at=3e-3, permeability=2e-7)
    both = ds.Diffusion(diffusivity=D, walls=[*water(5e-3).walls, across])
    other = ds.Wall(axis="x", at=3e-3, permeability=2e-7)
    laws = (exact_law(u, water(5e-3), times, "no-flux"),
            exact_law(v, ds.Diffusion(diffusivity=D, walls=[other]), times, "no-flux"))  # fmt: skip
    found = frames(np.outer(u, v), tank(10, (7,)), both, times)
    for frame, one, two in zip(found, *laws, strict=True):
        assert counts_p_value(frame.counts, np.outer(one, two)) > ALPHA


def test_a_membrane_that_lets_all_through_is_none_and_walls_let_nothing_through() -> None:
    """By chi-square against the law without it, 1e-6; not one passes the wall."""
    u, times = np.repeat([1.0, 0.0], [4, 12]), [600.0]
    free = ds.solve(u, ds.Diffusion(diffusivity=D), grid=tank(16, ()), times=times,
                    method={"kind": "modes", "limit": "cell-to-cell"}).frames[0]  # fmt: skip
    found = frames(u, tank(16, ()), water(8e-3, permeability=1e3), times)[0]
    assert counts_p_value(found.counts, free) > ALPHA
    walled = ds.Diffusion(diffusivity=D, walls=[*water(4e-3).walls, ds.Wall(axis="x", at=8e-3)])
    found = frames(u, tank(16, ()), walled, [2000.0])[0]
    assert found.counts[:8].sum() == 200_000
    assert found.counts[4:8].sum() > 20_000


def test_a_membrane_lifted_half_way_is_followed_by_free_jumps() -> None:
    """Particles are placed anew within their cells when it is lifted; chi-square at 1e-6."""
    u, times = np.repeat([1.0, 0.0], 8), [300.0, 700.0]
    medium = water(8e-3, opens=300.0)
    first = exact_law(u, water(8e-3), [300.0], "no-flux")[0]
    rest = ds.solve(first, ds.Diffusion(diffusivity=D), grid=tank(16, ()), times=[400.0],
                    method={"kind": "modes", "limit": "cell-to-cell"}).frames[0]  # fmt: skip
    for frame, law in zip(frames(u, tank(16, ()), medium, times), (first, rest), strict=True):
        assert counts_p_value(frame.counts, law) > ALPHA


@pytest.mark.parametrize("options", [{"chunks": 7}, {"threads": 2, "chunks": 3}])
def test_chunks_and_threads_change_no_bit_between_membranes(options: dict[str, int]) -> None:
    u, times = np.repeat([1.0, 0.2], 8), [300.0, 700.0]
    once = frames(u, tank(16, ()), water(8e-3), times, particles=5003)
    again = frames(u, tank(16, ()), water(8e-3), times, particles=5003, **options)
    for one, other in zip(once, again, strict=True):
        for a, b in zip(one.state, other.state, strict=True):
            assert np.array_equal(a, b)


def test_a_steady_density_stays_flat_up_to_the_membrane() -> None:
    """64 parts of each cell beside it; chi-square at 1e-6."""
    u, n = np.ones(16), 2_000_000
    state = frames(u, tank(16, ()), water(8e-3), [300.0], particles=n)[0].state
    counts = np.histogram(state.place[1], bins=16 * 64, range=(0, 16))[0]
    assert p_of_chi_square(counts, np.full(16 * 64, n / (16 * 64))) > ALPHA


# --- what is refused, and what is planned ---------------------------------------------------------


def test_auto_takes_the_lattice_where_membranes_stand() -> None:
    course = runs.plan(Walkers(), water(8e-3), tank(16, ()), [1.0])
    assert course.method.limit == "lattice"
    exact = runs.plan(Walkers(limit="cell-to-cell"), water(8e-3), tank(16, ()), [1.0, 2000.0])
    parts = math.ceil((17.0 * math.sqrt(2 * D * 1999.0) / 8e-3) ** 2)
    assert [plan.steps for plan in exact.plans] == [1, parts]


def test_planes_that_are_close_or_partial_are_refused_in_words() -> None:
    walkers = Walkers(limit="cell-to-cell")
    with pytest.raises(Unsupported, match="exact jumps each between membranes.*limit lattice"):
        runs.plan(walkers, water(7e-3, 8e-3), tank(16, ()), [20_000.0])
    partial = ds.Wall(axis="x", at=4e-3, span=(0.0, 2e-3), permeability=P)
    with pytest.raises(Unsupported, match="a membrane spans only part of the grid"):
        runs.plan(walkers, ds.Diffusion(diffusivity=D, walls=[partial]), tank(8, (5,)), [1.0])
    uneven = {"kind": "layers", "axis": "x", "at": [4e-3], "values": [D, 2 * D]}
    with pytest.raises(Unsupported, match="uneven"):
        runs.plan(walkers, ds.Diffusion(diffusivity=uneven, walls=water(4e-3).walls), tank(8, ()),
                  [1.0])  # fmt: skip


def test_planes_of_rings_come_again() -> None:
    ring = between(water(3e-3), tank(8, (), "periodic"), 0.0)
    planes, apart = ring.planes(0, H)
    assert apart == 8.0
    np.testing.assert_array_equal(planes[0], [-5, -5, -5, 3, 3, 3, 3, 3])
    np.testing.assert_array_equal(planes[1], [3, 3, 3, 11, 11, 11, 11, 11])
    np.testing.assert_allclose(planes[2:], 2 * P * H / D, rtol=1e-14)
    seam = between(water(0.0), tank(8, (), "periodic"), 0.0).planes(0, H)[0]
    np.testing.assert_array_equal(seam[0], np.zeros(8))
    np.testing.assert_allclose(seam[2:], 2 * P * H / D, rtol=1e-14)
    none = between(water(3e-3, opens=1.0), tank(8, (), "periodic"), 2.0)
    assert none.permeability == ()
