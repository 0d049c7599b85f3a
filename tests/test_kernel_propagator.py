"""Any kernel as a propagator: in space, in Fourier space or in modes, it is one operation."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import diffusim as ds
from diffusim import convolve, runs
from diffusim.block import Array, Invalid, Unsupported
from diffusim.methods import Method, fourier
from diffusim.propagators.kernel import Kernel

SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
CHOICES: dict[str, dict[str, Any]] = {
    "edges, as a density": {"kernel": "edge-detector", "normalise": "softmax"},
    "sobel, as a density": {"kernel": SOBEL, "normalise": "softmax", "temperature": 2.0},
    "sobel, as a mask": {"kernel": SOBEL, "normalise": "none"},
    "sobel, sent": {"kernel": SOBEL, "normalise": "none", "applied": "convolution"},
    "smoothing": {"kernel": {"kind": "gaussian", "sigma": 1.2}, "normalise": "sum"},
    "a wind, collected": {"kernel": [[0, 0, 1], [0, 2, 4], [0, 0, 0]], "normalise": "sum",
                          "applied": "correlation"},
}  # fmt: skip
EDGES: dict[str, Any] = {
    "mirrors": "no-flux",
    "rings": "periodic",
    "outside": {"x": {"value": 0.4}, "y": {"value": 0.4}},
    "mixed": {"left": {"value": 0.0}, "right": "no-flux", "y": "periodic"},
}


def law(grid: ds.Grid, kernel: Array, collects: bool, outside: float) -> tuple[Array, Array]:
    """Matrix and offset of one application, move by move; the outside is as wide as the kernel."""
    reach = [m // 2 for m in kernel.shape]
    cells = list(np.ndindex(*grid.shape))
    matrix, offset = np.zeros((len(cells),) * 2), np.zeros(len(cells))

    def place(x: int, axis: int) -> int | None:
        n, sides = grid.shape[axis], grid.edges[axis]
        if grid.wrap[axis]:
            return x % n
        while not 0 <= x < n:
            side = sides[0 if x < 0 else 1]
            if side.kind == "value":
                return None
            x = -1 - x if x < 0 else 2 * n - 1 - x
        return x

    for d in np.ndindex(*kernel.shape):
        move = [m - r for m, r in zip(d, reach, strict=True)]
        weight = kernel[d]
        for here in cells:
            to = [place(c + m, axis) for axis, (c, m) in enumerate(zip(here, move, strict=True))]
            there = None if None in to else cells.index(tuple(to))  # type: ignore[arg-type]
            if collects:
                if there is None:
                    offset[cells.index(here)] += weight * outside
                else:
                    matrix[cells.index(here), there] += weight
            elif there is not None:
                matrix[there, cells.index(here)] += weight
    if not collects and outside:
        ranges = [range(-r, n + r) for r, n in zip(reach, grid.shape, strict=True)]
        for y in itertools.product(*ranges):
            if all(place(c, axis) == c for axis, c in enumerate(y)):
                continue
            for d in np.ndindex(*kernel.shape):
                x = tuple(c + m - r for c, m, r in zip(y, d, reach, strict=True))
                if x in cells:
                    offset[cells.index(x)] += kernel[d] * outside
    return matrix, offset


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("shape", [(7, 6), (2, 5)])
def test_every_method_applies_it_move_by_move(
    shape: tuple[int, int], choice: str, edges: str
) -> None:
    propagator = Kernel(**CHOICES[choice])
    grid = ds.Grid(shape=shape, size=tuple(map(float, shape)), edges=EDGES[edges])
    kernel = propagator.density_or_mask(2)
    matrix, offset = law(grid, kernel, propagator.collects(2), 0.4 if edges == "outside" else 0.0)
    u = np.random.default_rng(1).random(shape)
    wanted, frames = u.ravel(), []
    for _ in range(4):
        wanted = matrix @ wanted + offset
        frames.append(wanted.reshape(shape))
    carried = 0
    for method in ("stencil", "fourier", "modes", "auto"):
        try:
            run = ds.solve(u, propagator, grid=grid, times=[1, 4], method=method)
        except Unsupported:
            assert method == "modes"
            continue
        carried += 1
        for found, exact in zip(run.frames, (frames[0], frames[3]), strict=True):
            assert np.max(np.abs(found - exact)) < 1e-13 * max(1.0, np.max(np.abs(exact))), method
    assert carried >= 3
    if edges == "rings":
        assert carried == 4


@pytest.mark.parametrize("method", ["stencil", "fourier"])
@pytest.mark.parametrize("outside", [0.0, 0.7])
def test_what_leaves_is_counted_to_the_last_digits(method: str, outside: float) -> None:
    u = np.random.default_rng(2).random((9, 8))
    edges = {"x": {"value": outside}, "bottom": "no-flux", "top": {"value": outside}}
    grid = ds.Grid(shape=u.shape, size=(0.9, 1.6), edges=edges)
    wind = Kernel(kernel=[[0, 1, 3], [0, 5, 2], [1, 0, 0]], normalise="sum")
    run = ds.solve(u, wind, grid=grid, times=[0, 1, 5, 6], method=method)
    assert run.facts["accounts"] == ["outside"]
    assert run.accounts is not None
    content = run.frames.sum(axis=(1, 2)) * grid.volume
    assert np.max(np.abs(content - content[0] - run.accounts[:, 0])) < 1e-14
    assert abs(run.accounts[-1, 0]) > 0.01


def test_a_density_keeps_the_total_and_the_sign() -> None:
    u = np.random.default_rng(3).random((12, 9))
    for kernel in (SOBEL, "edge-detector", {"kind": "motion-blur", "length": 5, "angle": 30.0}):
        for normalise in ("softmax",):
            propagator = Kernel(kernel=kernel, normalise=normalise)
            run = ds.solve(u, propagator, grid=ds.Grid(shape=u.shape, size=(1.0, 1.0)),
                           times=[0, 7], method="stencil")  # fmt: skip
            assert np.sum(run.frames[-1]) == pytest.approx(np.sum(u), rel=1e-14, abs=0)
            assert np.min(run.frames) >= 0.0


def test_a_mask_leaves_nothing_of_what_is_even_at_mirrors_too() -> None:
    grid = ds.Grid(shape=(8, 7), size=(1.0, 1.0))
    mask = Kernel(kernel=SOBEL, normalise="none")
    run = ds.solve(np.full((8, 7), 3.0), mask, grid=grid, times=[1], method="stencil")
    assert np.array_equal(run.frames[0], np.zeros((8, 7)))


def test_a_sobel_mask_points_to_where_it_gets_brighter() -> None:
    """The mask collects, as image processing does: bright on the right is positive."""
    u = np.zeros((8, 7))
    u[4:] = 1.0
    mask = Kernel(kernel="sobel-x", normalise="none")
    run = ds.solve(
        u, mask, grid=ds.Grid(shape=u.shape, size=(1.0, 1.0)), times=[1], method="fourier"
    )
    assert np.max(np.abs(run.frames[0][3:5] - 4.0)) < 1e-13
    assert np.max(np.abs(np.delete(run.frames[0], [3, 4], axis=0))) < 1e-13


def test_a_kernel_sends_in_the_direction_in_which_it_is_seen_on_the_page() -> None:
    u = np.zeros((5, 5))
    u[2, 2] = 1.0
    up_right = Kernel(kernel=[[0, 0, 1], [0, 0, 0], [0, 0, 0]], normalise="sum")
    grid = ds.Grid(shape=u.shape, size=(1.0, 1.0))
    run = ds.solve(u, up_right, grid=grid, times=[1], method="stencil")
    assert np.argwhere(run.frames[0]).tolist() == [[3, 3]]


def test_a_kernel_wider_than_its_ring_wraps_around_itself() -> None:
    u = np.random.default_rng(4).random((4, 3))
    wide = Kernel(kernel={"kind": "gaussian", "sigma": 3.0}, normalise="sum")
    grid = ds.Grid(shape=u.shape, size=(1.0, 1.0), edges="periodic")
    kernel = wide.density_or_mask(2)
    assert min(kernel.shape) > 2 * max(u.shape)
    ring = convolve.wrapped(kernel, u.shape)
    wanted = sum(ring[i, j] * np.roll(u, (i, j), axis=(0, 1)) for i in range(4) for j in range(3))
    for method in ("stencil", "fourier", "modes"):
        found = ds.solve(u, wide, grid=grid, times=[1], method=method).frames[0]
        assert np.max(np.abs(found - wanted)) < 1e-14


def test_a_narrow_gaussian_applied_often_is_diffusion() -> None:
    """Variances add, so 64 applications of variance v are the propagator of 2 D t = 64 v."""
    n, v = 101, 0.49
    u = np.zeros(n)
    u[n // 2] = 1.0
    grid = ds.Grid(shape=(n,), size=(float(n),))
    from diffusim.kernels import lattice

    step = Kernel(kernel=lattice(v), normalise="none", applied="convolution")
    applied = ds.solve(u, step, grid=grid, times=[64], method="stencil").frames[-1]
    water = ds.Diffusion(diffusivity=0.5)
    diffused = ds.solve(u, water, grid=grid, times=[64 * v], method="modes").frames[-1]
    assert np.max(np.abs(applied - diffused)) < 1e-13


def test_chance_and_the_equation_refuse_a_kernel_in_words() -> None:
    u = np.random.default_rng(5).random((6, 5))
    grid = ds.Grid(shape=u.shape, size=(1.0, 1.0))
    mask = Kernel(kernel="edge-detector", normalise="none")
    for method in ("walkers", "ftcs", "gaussian"):
        with pytest.raises(Unsupported, match="kernel offers"):
            ds.solve(u, mask, grid=grid, times=[1], method=method)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kernel": "edge-detector", "normalise": "sum"}, "softmax"),
        ({"kernel": [1, 2, 1], "normalise": "sum"}, "one dimension"),
    ],
)
def test_what_cannot_be_made_a_density_is_refused_before_anything_runs(
    options: dict[str, Any], words: str
) -> None:
    u = np.ones((6, 5))
    with pytest.raises(Invalid, match=words):
        ds.solve(u, Kernel(**options), grid=ds.Grid(shape=(6, 5), size=(1.0, 1.0)),
                 times=[1], method="stencil")  # fmt: skip


def test_a_kernel_can_be_read_again_from_all_of_its_keys() -> None:
    for given in (Kernel(kernel="box", normalise="sum"), Kernel(kernel=SOBEL, normalise="none")):
        values = given.model_dump(mode="json")
        assert values["temperature"] == 1.0
        assert Kernel.model_validate(values).model_dump(mode="json") == values


def test_a_temperature_without_softmax_is_refused() -> None:
    with pytest.raises(ValidationError, match="only softmax"):
        Kernel(kernel="box", normalise="sum", temperature=2.0)


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ({"left": {"flux": 1.0}, "right": "no-flux"}, "says nothing about a kernel"),
        ({"x": {"value": 1.0}, "y": {"value": 2.0}}, "one number"),
    ],
)
def test_edges_that_mean_nothing_to_a_kernel_are_refused(edges: Any, words: str) -> None:
    grid = ds.Grid(shape=(6, 5), size=(1.0, 1.0), edges=edges)
    with pytest.raises(Invalid, match=words):
        ds.solve(np.ones((6, 5)), Kernel(kernel="box", normalise="sum"), grid=grid, times=[1],
                 method="stencil")  # fmt: skip


def test_large_fields_are_cut_into_blocks_and_come_out_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    u = np.random.default_rng(6).random((40, 31))
    grid = ds.Grid(shape=u.shape, size=(1.0, 1.0))
    wind = Kernel(kernel=[[0, 1, 3], [0, 5, 2], [1, 0, 0]], normalise="sum")
    whole = ds.solve(u, wind, grid=grid, times=[2], method="fourier").frames[0]
    blocks: list[tuple[int, ...]] = []
    inner = convolve.overlap_add
    monkeypatch.setattr(fourier, "LARGE", 1000)

    def counted(u: Array, *rest: Any, **how: Any) -> Array:
        blocks.append(u.shape)
        return inner(u, *rest, **how)

    monkeypatch.setattr(convolve, "overlap_add", counted)
    cut = ds.solve(u, wind, grid=grid, times=[2], method="fourier").frames[0]
    assert blocks == [u.shape] * 2
    assert np.max(np.abs(cut - whole)) < 1e-15


@pytest.mark.parametrize("shape", [(9, 1), (1, 8), (1, 1), (1,)])
@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
@pytest.mark.parametrize("normalise", ["sum", "none"])
def test_an_axis_of_one_cell_is_carried_like_any_other(
    shape: tuple[int, ...], edges: str, normalise: Any
) -> None:
    full = np.array([[0.2, 0.1, 0.2], [0.1, 0.3, 0.1], [0.3, 0.1, 0.4]])
    kernel = full if len(shape) == 2 else full[0] + 0.1
    u = np.random.default_rng(7).random(shape)
    grid = ds.Grid(shape=shape, size=(1.0,) * len(shape), edges=edges)
    propagator = Kernel(kernel=kernel, normalise=normalise)
    wanted = ds.solve(u, propagator, grid=grid, times=[1, 3], method="stencil").frames
    for method in ("fourier", "modes", "auto"):
        try:
            found = ds.solve(u, propagator, grid=grid, times=[1, 3], method=method).frames
        except Unsupported:
            assert method == "modes"
            assert edges == "no-flux"
            assert max(shape) > 1
            continue
        assert found.dtype == float
        assert np.max(np.abs(found - wanted)) < 1e-13


def test_what_is_no_density_is_a_mask_whatever_it_was_made_by() -> None:
    grid = ds.Grid(shape=(8, 7), size=(1.0, 1.0))
    for options, mask in (
        ({"kernel": "sharpen", "normalise": "sum"}, True),
        ({"kernel": "edge-detector", "normalise": "none"}, True),
        ({"kernel": "edge-detector", "normalise": "softmax"}, False),
        ({"kernel": {"kind": "gaussian", "sigma": 1.0}, "normalise": "none"}, False),
        ({"kernel": "box", "normalise": "sum"}, False),
    ):
        propagator = Kernel(**options)
        assert ("mask" in propagator.traits(grid)) == mask
        assert propagator.collects(2) == mask


@pytest.mark.parametrize("applied", ["convolution", "correlation"])
def test_the_notes_tell_the_way_in_which_things_really_go(applied: Any) -> None:
    u = np.zeros((9, 9))
    u[4, 4] = 1.0
    grid = ds.Grid(shape=u.shape, size=(1.0, 1.0))
    wind = Kernel(kernel={"kind": "shift", "by": [2, -1]}, normalise="none", applied=applied)
    (place,) = np.argwhere(ds.solve(u, wind, grid=grid, times=[1], method="stencil").frames[0])
    moved = ", ".join(map(str, place - 4))
    assert next(wind.notes(grid)) == f"moves everything by ({moved}) cells"
    slope = np.tile(np.arange(9.0)[:, None], 9)
    sobel = Kernel(kernel="sobel-x", normalise="none", applied=applied)
    answer = ds.solve(slope, sobel, grid=grid, times=[1], method="stencil").frames[0][4, 4]
    words = " ".join(sobel.notes(grid))
    assert f"differentiates along {'x' if answer > 0.0 else '-x'} " in words
    assert f"it is {abs(answer):.6g} times the slope" in words


@pytest.mark.parametrize("method", ["modes", "fourier"])
def test_round_off_of_very_many_applications_is_predicted(method: str) -> None:
    n, count = 17, 10**6
    u = np.random.default_rng(8).random(n)
    grid = ds.Grid(shape=(n,), size=(1.0,), edges="periodic")
    shift = Kernel(kernel=[0, 0, 1], normalise="sum")
    course = runs.plan(Method.read(method), shift, grid, [0.0, float(count)])
    found = list(course.frames(u))[-1].field
    wanted = np.roll(u, count % n)
    *_, told = course.predictions(u, [u, wanted])
    assert told is not None
    assert np.linalg.norm(found - wanted) / np.linalg.norm(wanted) < float(told.error)
    spread = Kernel(kernel={"kind": "gaussian", "sigma": 1.0}, normalise="softmax",
                    temperature=0.3)  # fmt: skip
    kept = ds.solve(u, spread, grid=grid, times=[count], method="modes").frames[-1]
    assert np.sum(kept) == pytest.approx(np.sum(u), rel=1e-13, abs=0)


def test_more_than_a_thousand_million_applications_are_refused_by_all() -> None:
    grid = ds.Grid(shape=(4,), size=(1.0,))
    for method in ("modes", "stencil", "fourier"):
        with pytest.raises(Invalid, match="more than 1e"):
            ds.solve(np.ones(4), Kernel(kernel="box", normalise="sum"), grid=grid,
                     times=[2e9], method=method)  # fmt: skip


@pytest.mark.parametrize("method", ["modes", "fourier", "stencil"])
def test_what_grows_beyond_all_numbers_is_told_in_a_sentence(method: str) -> None:
    grid = ds.Grid(shape=(4,), size=(1.0,))
    grows = Kernel(kernel=[1, 8, 1], normalise="none")
    with pytest.raises(runs.Diverged, match="no longer finite"):
        ds.solve(np.ones(4), grows, grid=grid, times=[1000], method=method)


def test_an_outside_that_changes_in_time_is_refused() -> None:
    side = {"value": [[0.0, 1.0], [5.0, 2.0]]}
    grid = ds.Grid(shape=(6,), size=(1.0,), edges={"left": side, "right": "no-flux"})
    with pytest.raises(Invalid, match="changes in time"):
        ds.solve(np.ones(6), Kernel(kernel="box", normalise="sum"), grid=grid, times=[1],
                 method="stencil")  # fmt: skip
