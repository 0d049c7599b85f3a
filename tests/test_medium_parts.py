"""The parts of a medium by themselves: spoons, walls of every form, obstacles, edges, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from shell import diffusim, refused

import diffusim as ds
from diffusim.block import Array
from diffusim.generator import Generator
from diffusim.medium.stirring import bernoulli, fitted, flows, own_diffusivity

BOX = {"shape": (24, 16), "size": (3.0, 2.0)}
SPOONS: dict[str, tuple[dict[str, Any], Any]] = {
    "vortex": ({"kind": "vortex", "radius": 0.4, "speed": 0.7}, "no-flux"),
    "vortex off the middle": (
        {"kind": "vortex", "radius": 0.3, "speed": -0.7, "centre": [1.0, 0.7]}, "no-flux"),
    "vortex on a ring": ({"kind": "vortex", "radius": 0.4, "speed": 0.7, "centre": [0.1, 1.0]},
                         {"x": "periodic"}),
    "double gyre": ({"kind": "double-gyre", "speed": 0.7}, "no-flux"),
    "double gyre along y": ({"kind": "double-gyre", "axis": "y", "speed": 0.7}, "no-flux"),
    "shear": ({"kind": "shear", "speed": 0.7}, {"x": "periodic"}),
    "channel": ({"kind": "channel", "speed": 0.7}, {"x": "periodic"}),
    "channel along y": ({"kind": "channel", "axis": "y", "speed": 0.7}, {"y": "periodic"}),
    "uniform": ({"kind": "uniform", "velocity": [0.7, -0.2]}, "periodic"),
}  # fmt: skip


def stirred(spoon: dict[str, Any], edges: Any, **grid: Any) -> tuple[ds.Grid, ds.Diffusion]:
    made = ds.Grid.model_validate({**BOX, "edges": edges, **grid})
    return made, ds.Diffusion.model_validate({"diffusivity": 0.1, "flow": spoon})


@pytest.mark.parametrize("name", SPOONS)
def test_what_a_spoon_moves_into_a_cell_leaves_it_and_nothing_crosses_a_closed_side(
    name: str,
) -> None:
    grid, water = stirred(*SPOONS[name])
    assert list(water.check(grid)) == []
    moved = flows(water.flow, grid, 0.0)
    assert moved is not None
    full = [np.broadcast_to(f, tuple(n + (k == axis) for k, n in enumerate(grid.shape)))
            for axis, f in enumerate(moved)]  # fmt: skip
    h, k = grid.spacing
    out = np.diff(full[0], axis=0) * k + np.diff(full[1], axis=1) * h
    largest = max(float(np.max(np.abs(f))) for f in full)
    assert np.max(np.abs(out)) < 1e-14 * largest
    for axis, flow in enumerate(full):
        rims = np.take(flow, [0, -1], axis)
        if grid.wrap[axis]:
            assert np.allclose(rims[0], rims[-1]) or axis == 1
        else:
            assert not np.any(rims)
    # A uniform field stays uniform in a closed box, whatever stirs it.
    generator: Generator = water.generator(grid, 0.0)
    assert np.max(np.abs(generator.rate(np.ones(grid.shape)))) < 1e-13 * generator.fastest


@pytest.mark.parametrize("name", ["vortex", "double gyre", "channel", "shear"])
def test_the_largest_speed_is_the_one_that_was_asked_for(name: str) -> None:
    spoon, edges = SPOONS[name]
    grid, water = stirred(spoon, edges, shape=(240, 160))
    moved = flows(water.flow, grid, 0.0)
    assert moved is not None
    found = max(float(np.max(np.abs(f))) for f in moved)
    assert found == pytest.approx(0.7, rel=0.02)


def test_a_positive_vortex_turns_anticlockwise() -> None:
    grid, water = stirred(*SPOONS["vortex"])
    moved = flows(water.flow, grid, 0.0)
    assert moved is not None
    assert moved[1][16, 8] > 0.0 > moved[1][7, 8]
    assert moved[0][12, 3] > 0.0 > moved[0][12, 12]


def test_spoons_stir_in_their_windows_and_add_up(tmp_path: Path) -> None:
    spoons = [
        {"kind": "double-gyre", "speed": 0.7, "stops": 2.0},
        {"kind": "vortex", "radius": 0.4, "speed": 0.7, "starts": 1.0, "stops": 3.0},
    ]
    grid = ds.Grid.model_validate(BOX)
    water = ds.Diffusion.model_validate({"diffusivity": 0.1, "flow": spoons})
    assert water.events(grid) == (1.0, 2.0, 3.0)
    first, second = (flows(water.flow, grid, t) for t in (0.5, 2.5))
    both = flows(water.flow, grid, 1.5)
    assert flows(water.flow, grid, 3.0) is None
    assert first is not None
    assert second is not None
    assert both is not None
    for a, b, c in zip(first, second, both, strict=True):
        assert np.array_equal(a + b, c)


def test_a_stream_function_from_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    psi = np.zeros((25, 17))
    psi[1:-1, 1:-1] = np.random.default_rng(0).standard_normal((23, 15))
    np.save(tmp_path / "psi.npy", psi)
    grid, water = stirred({"kind": "map", "path": tmp_path / "psi.npy"}, "no-flux")
    moved = flows(water.flow, grid, 0.0)
    assert moved is not None
    h, k = grid.spacing
    np.testing.assert_allclose(moved[0], (psi[:, 1:] - psi[:, :-1]) / k, rtol=1e-15)
    np.testing.assert_allclose(moved[1], -(psi[1:] - psi[:-1]) / h, rtol=1e-15)
    np.save(tmp_path / "psi.npy", psi[1:])
    assert "corners of its cells" in str(next(water.check(grid)))


def test_fitted_faces_are_positive_differ_by_the_flow_and_are_upwind_where_nothing_diffuses() -> (
    None
):
    p = np.array([-800.0, -30.0, -1.0, -1e-12, 0.0, 1e-12, 1.0, 30.0, 800.0])
    up, down = fitted(np.full(p.size, 2.0), 2.0 * p)
    assert np.all(up >= 0.0)
    assert np.all(down >= 0.0)
    np.testing.assert_allclose(up - down, 2.0 * p, rtol=1e-13, atol=4e-16)
    known = [800.0, 30.0 / (1 - np.exp(-30.0)), 1 / (1 - np.exp(-1)), 1.0, 1.0, 1.0,
             1 / np.expm1(1), 30 / np.expm1(30), 0.0]  # fmt: skip
    np.testing.assert_allclose(bernoulli(p), known, rtol=1e-12, atol=1e-300)
    up, down = fitted(np.zeros(3), np.array([-1.0, 0.0, 2.0]))
    assert up.tolist() == [0.0, 0.0, 2.0]
    assert down.tolist() == [1.0, 0.0, 0.0]


def test_the_scheme_s_own_diffusivity_is_that_of_its_faces() -> None:
    """Half the sum of both numbers is what spreads: (up + down) / 2 = g p/2 coth(p/2)."""
    p = np.array([0.0, 0.1, 1.0, 3.0, 10.0, 200.0])
    up, down = fitted(np.ones(p.size), p)
    np.testing.assert_allclose(own_diffusivity(p), 0.5 * (up + down) - 1.0, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("medium", "words"),
    [({"flow": {"kind": "uniform", "velocity": [0.1, 0.0]}}, "across a closed wall, side"),
     ({"flow": {"kind": "double-gyre", "speed": 1.0}, "walls": [{"axis": "x", "at": 0.75}]},
      "across a closed wall"),
     ({"flow": {"kind": "vortex", "radius": 0.3, "speed": 1.0, "centre": [4.0, 1.0]}}, "outside"),
     ({"flow": {"kind": "uniform", "velocity": [0.1]}}, "one per axis"),
     ({"decay": -1.0}, "must not be negative"), ({"decay": "x - 1"}, "must not be negative"),
     ({"source": "q"}, "not known in formulas"), ({"source": "r"}, "has no value here"),
     ({"obstacles": {"kind": "boxes", "boxes": [{"z": [0, 1]}]}}, "no axis 'z'"),
     ({"walls": [{"box": {"x": [0.5, 0.25]}}]}, "must grow"),
     ({"walls": [{"line": [[0, 0], [9, 1]]}]}, "outside the grid"),
     ({"diffusivity": {"kind": "schedule", "at": [1.0], "values": [1.0]}}, "the first of them 0 s"),
     ({"diffusivity": {"kind": "schedule", "at": [0.0, 0.0], "values": [1.0, 2.0]}}, "must grow")],
)  # fmt: skip
def test_parts_that_cannot_be_are_refused_in_words(medium: dict[str, Any], words: str) -> None:
    grid = ds.Grid.model_validate(BOX)
    with pytest.raises(ValueError, match=words):
        ds.solve(np.ones((24, 16)), ds.Diffusion.model_validate({"diffusivity": 0.1, **medium}),
                 grid=grid, times=[1.0])  # fmt: skip


# --- walls and obstacles --------------------------------------------------------------------------


def crossed(medium: dict[str, Any], edges: Any = "no-flux") -> list[Array]:
    """Which faces let something through, per axis, as fields of faces."""
    grid = ds.Grid.model_validate({"shape": (6, 5), "size": (6.0, 5.0), "edges": edges})
    generator = ds.Diffusion.model_validate({"diffusivity": 1.0, **medium}).generator(grid, 0.0)
    shapes = [(7, 5), (6, 6)]
    return [np.broadcast_to(f.up > 0.0, s) for f, s in zip(generator.faces, shapes, strict=True)]


def test_a_box_of_walls_closes_its_outline_and_nothing_else() -> None:
    first, second = crossed({"walls": [{"box": {"x": [1.0, 4.0], "y": [2.0, 4.0]}}]})
    closed = {(int(i), int(j)) for i, j in np.argwhere(~first[1:-1])}
    assert closed == {(i - 1, j) for i in (1, 4) for j in (2, 3)}
    closed = {(int(i), int(j)) for i, j in np.argwhere(~second[:, 1:-1])}
    assert closed == {(i, j - 1) for i in (1, 2, 3) for j in (2, 4)}


def test_a_slanted_wall_parts_the_box_in_two_as_its_line_does() -> None:
    first, second = crossed({"walls": [{"line": [[0.0, 1.0], [6.0, 4.0]]}]})
    # Flood from a corner: all cells on its side are reached, and none beyond.
    reached = np.zeros((6, 5), dtype=bool)
    reached[0, 0] = True
    for _ in range(30):
        reached[1:] |= reached[:-1] & first[1:-1]
        reached[:-1] |= reached[1:] & first[1:-1]
        reached[:, 1:] |= reached[:, :-1] & second[:, 1:-1]
        reached[:, :-1] |= reached[:, 1:] & second[:, 1:-1]
    x, y = np.arange(6)[:, None] + 0.5, np.arange(5)[None, :] + 0.5
    distance = (1.0 + 0.5 * x - y) / np.hypot(1.0, 0.5)
    assert np.all(reached[distance > 0.75])
    assert not np.any(reached[distance < -0.75])


def test_a_membrane_is_a_resistance_in_series_and_a_wall_on_it_closes_it() -> None:
    grid = ds.Grid(shape=(4,), size=(4.0,))
    thin = {"axis": "x", "at": 2.0, "permeability": 0.5}
    water = ds.Diffusion.model_validate({"diffusivity": 2.0, "walls": [thin, thin]})
    up = water.generator(grid, 0.0).faces[0].up
    assert up[2] == pytest.approx(1.0 / (0.25 + 0.25 + 2.0 + 2.0), rel=1e-15, abs=0)
    shut = ds.Diffusion.model_validate(
        {"diffusivity": 2.0, "walls": [thin, {"axis": "x", "at": 2.0}]}
    )
    assert shut.generator(grid, 0.0).faces[0].up[2] == 0.0


def test_obstacles_told_in_four_ways_are_the_same_and_hold_nothing(tmp_path: Path) -> None:
    solid = np.zeros((6, 5), dtype=bool)
    solid[1:3, 2:4] = True
    np.save(tmp_path / "mask.npy", solid)
    # Rows of an image run from the top, so that what is up in it is up in the box.
    pixels = np.where(solid.T[::-1], 0, 255).astype(np.uint8)
    Image.fromarray(np.kron(pixels, np.ones((8, 8), dtype=np.uint8))).save(tmp_path / "mask.png")
    told = [
        {"kind": "array", "path": tmp_path / "mask.npy"},
        {"kind": "image", "path": tmp_path / "mask.png"},
        {"kind": "formula", "expression": "(abs(x - 2) < 1)*(abs(y - 3) < 1)"},
        {"kind": "boxes", "boxes": [{"x": [1, 3], "y": [2, 4]}]},
    ]
    grid = ds.Grid(shape=(6, 5), size=(6.0, 5.0))
    for obstacles in told:
        water = ds.Diffusion.model_validate({"diffusivity": 1.0, "obstacles": obstacles})
        u = water.prepare(np.ones((6, 5)), grid)
        assert np.array_equal(u == 0.0, solid)
        assert np.array_equal(water.generator(grid, 0.0).leaving == 0.0, solid)
        run = ds.solve(np.ones((6, 5)), water, grid=grid, times=[5.0], method="adi")
        np.testing.assert_allclose(run.frames[-1], u, rtol=1e-12)


def test_an_image_of_diffusivities_lies_between_those_of_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255]], dtype=np.uint8).repeat(4, 0).repeat(2, 1)).save(
        tmp_path / "rock.png"
    )
    grid = ds.Grid(shape=(2, 2), size=(1.0, 1.0))
    medium = {"kind": "image", "path": tmp_path / "rock.png", "values": [1e-3, 1.0]}
    found = ds.Diffusion.model_validate({"diffusivity": medium}).generator(grid, 0.0)
    # The face between black and white has the harmonic mean; those along y their own.
    assert found.faces[0].up[1, 0] == pytest.approx(2.0 * 2.0 / (1.0 + 1e3), rel=1e-12, abs=0)
    assert found.faces[1].up[:, 1] == pytest.approx([2e-3, 2.0], rel=1e-12, abs=0)


# --- from a file ----------------------------------------------------------------------------------

OPEN = """\
grid: {shape: [8, 4], size: [8 mm, 4 mm], edges: {left: {valu: 1}, top: {transfer: 1 s, value: 0}}}
propagator: {kind: diffusion, diffusivity: 1e-9 m^2/s, flow: {kind: whirl}, decay: 1e-6 1/m}
initial: {kind: uniform, value: 1.0}
times: {stop: 1 h, frames: 3}
methods: [adi]
"""


def test_every_slip_in_a_medium_is_told_at_its_place(tmp_path: Path) -> None:
    source = tmp_path / "open.yaml"
    source.write_text(OPEN)
    done = diffusim("check", source)
    for words in ("open.yaml:1:58", "unknown key 'valu'", "transfer", "a speed",
                  "vortex, shear, channel", "propagator.decay",
                  "a rate as a number in 1/s"):  # fmt: skip
        assert words in done.err, (words, done.err)
    refused(done)


def test_what_no_method_here_can_carry_names_those_that_can(tmp_path: Path) -> None:
    source = tmp_path / "open.yaml"
    source.write_text(OPEN.replace("valu:", "value:").replace("1 s,", "1 m/s,")
                      .replace("{kind: whirl}", "[]").replace("1/m", "1/s"))  # fmt: skip
    words = diffusim("check", source, "--set", "methods=[gaussian, modes]")
    refused(words)
    assert "gaussian cannot carry" in words.err
    able = "These can: adi, auto, chebyshev, collapse, ftcs, modes, poisson, rkl2, walkers"
    assert able in words.err
