"""The lowest layers by themselves: units, grid, walls, generator, segments, transforms, runs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import diffusim as ds
from diffusim import kernels, runs, spectrum
from diffusim.block import Block, Integer, Invalid, Metres, Unsupported, quantity, unit
from diffusim.generator import Generator
from diffusim.medium.walls import CellWalls, Wall, resistances
from diffusim.methods import Method
from diffusim.methods.chebyshev import exponential_weights
from diffusim.methods.ftcs import Ftcs
from diffusim.methods.walkers import Walkers
from diffusim.segment import cut, random_key
from diffusim.sweep import plane
from diffusim.testing import Problem, oracle_matrix, problems

D = 1.5e-9
SPEED = TypeAdapter(Annotated[float, *quantity("m/s")])


def box(*shape: int, edges: Any = "no-flux", h: float = 1e-3) -> ds.Grid:
    return ds.Grid(shape=shape, size=tuple(n * h for n in shape), edges=edges)


# --- units and numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [("2 cm", 0.02), ("1.5 um", 1.5e-6), ("1.5 µm", 1.5e-6), ("1.5 \u03bcm", 1.5e-6), ("3", 3.0),
     ("0.256 m", 0.256), ("-1e-3 km", -1.0), (".5mm", 5e-4), ("7.", 7.0), (4.25, 4.25)],
)  # fmt: skip
def test_a_length_is_the_same_number_in_every_spelling(text: Any, value: float) -> None:
    assert TypeAdapter(Metres).validate_python(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("1 km/h", 1000 / 3600), ("3.6 km/h", 1.0), ("1 m/s", 1.0), ("1 m s^-1", 1.0),
     ("1 km/day", 1000 / 86400), ("1 cm/min", 0.01 / 60), ("1 m*1/s", 1.0),
     ("2 km/week", 2000 / 604800)],
)  # fmt: skip
def test_a_speed_whose_unit_is_no_whole_part_of_si_keeps_its_value(text: str, value: float) -> None:
    assert SPEED.validate_python(text) == pytest.approx(value, rel=1e-15, abs=0)


@pytest.mark.parametrize(
    "text", ["1 s", "1 m^2", "1 parsec", "m", "1 e-9", "one m", "1 m/", "1e-9 -", ""]
)
def test_what_is_no_length_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValidationError, match="expected a length as a number in m"):
        TypeAdapter(Metres).validate_python(text)


@given(st.floats(1e-6, 1e6), st.sampled_from(["km", "m", "dm", "cm", "mm", "um", "nm"]))
def test_a_number_with_a_unit_is_within_one_rounding_of_its_si_value(
    number: float, name: str
) -> None:
    factor, powers = unit(name)
    assert powers == (1, 0, 0)
    found = TypeAdapter(Metres).validate_python(f"{number!r} {name}")
    assert found == pytest.approx(number * factor, rel=4e-16, abs=0)


class Sample(Block):
    """A block to try the rules on."""

    count: Integer
    place: Metres = 0.0


@pytest.mark.parametrize(
    "wrong",
    [{}, {"count": 1.5}, {"count": True}, {"count": "2"}, {"count": 1, "x": 2},
     {"count": 1, "place": math.nan}, {"count": 1, "place": "1e400 m"}],
)  # fmt: skip
def test_a_block_refuses_what_is_missing_unknown_or_no_number(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate(wrong)


def test_a_block_takes_whole_floats_and_never_changes() -> None:
    sample = Sample.model_validate({"count": 1e6})
    assert sample.count == 10**6
    with pytest.raises(ValidationError, match="frozen"):
        sample.count = 3


def test_a_word_that_nobody_knows_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(Unsupported, match="there is no 'crank' here; known: .*chebyshev, .*ftcs"):
        Method.find("crank")


# --- the grid -------------------------------------------------------------------------------------


def test_cells_have_their_centres_between_their_faces() -> None:
    grid = ds.Grid(shape=(8, 5), size=(0.4, 1.0))
    for axis in grid.axes:
        faces = grid.faces(axis)
        assert np.allclose(0.5 * (faces[1:] + faces[:-1]), grid.centres(axis), rtol=1e-15, atol=0)
        assert faces[0] == 0.0
        assert faces[-1] == pytest.approx(grid.size[axis], rel=1e-15, abs=0)
    assert grid.spacing == (0.05, 0.2)
    assert grid.volume == pytest.approx(0.01, rel=1e-15, abs=0)
    assert grid.total(np.ones((8, 5))) == pytest.approx(0.4, rel=1e-14, abs=0)


@pytest.mark.parametrize(
    "edges", ["periodic", {"x": "periodic", "y": "periodic"}, (("periodic",) * 2,) * 2]
)
def test_every_way_to_write_edges_means_the_same(edges: Any) -> None:
    assert box(3, 4, edges=edges).wrap == (True, True)


def test_an_axis_not_named_is_closed() -> None:
    assert box(3, 4, edges={"y": "periodic"}).wrap == (False, True)


@pytest.mark.parametrize(
    "wrong",
    [{"shape": (4, 4)}, {"shape": (4, 4), "size": (1.0,)}, {"shape": (0, 4), "size": (1.0, 1.0)},
     {"shape": (4.5, 4), "size": (1.0, 1.0)}, {"shape": (4, 4), "size": (1.0, -1.0)},
     {"shape": (4, 4, 4), "size": (1.0, 1.0, 1.0)}, {"shape": (4, 4), "size": (1.0, math.inf)},
     {"shape": (4, 4), "size": (1.0, 1.0), "edges": "open"},
     {"shape": (4, 4), "size": (1.0, 1.0), "edges": {"z": "periodic"}},
     {"shape": (4, 4), "size": (1.0, 1.0), "edges": (("periodic", "no-flux"), ("no-flux",) * 2)},
     {"shape": (4, 4), "size": (1.0, 1.0), "edges": (("periodic", "periodic"),)},
     {"shape": (2, 16385), "size": (1.0, 1.0)}, {"shape": (16384, 16385), "size": (1.0, 1.0)}],
)  # fmt: skip
def test_a_grid_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ds.Grid(**wrong)


# --- walls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opens", "closes", "closed_at"),
    [(None, None, {0, 1, 2, 3, 4}), (2, None, {0, 1}), (None, 2, {2, 3, 4}),
     (3, 1, {1, 2}), (1, 3, {0, 3, 4}), (2, 2, {0, 1, 2, 3, 4})],
)  # fmt: skip
def test_a_wall_is_closed_until_it_opens_and_from_when_it_closes(
    opens: float | None, closes: float | None, closed_at: set[int]
) -> None:
    timed = Wall(axis="x", at=0.0, opens=opens, closes=closes)
    assert {t for t in range(5) if timed.closed(float(t))} == closed_at


@pytest.mark.parametrize("problem", problems(), ids=lambda problem: problem.name)
def test_the_generator_is_the_oracle_s_matrix(problem: Problem, tmp_path: Path) -> None:
    grid, propagator = problem.grid, problem.propagator(tmp_path)
    units = np.eye(grid.cells).reshape(-1, *grid.shape)
    for time in (0.0, 299.0, 301.0):
        generator: Generator = propagator.generator(grid, time)
        columns = np.stack([generator.linear(one).ravel() for one in units], axis=1)
        wanted = oracle_matrix(problem, time)
        assert np.allclose(columns, wanted, rtol=1e-13, atol=1e-14 * np.max(np.abs(wanted)))
        assert generator.fastest == pytest.approx(float(-np.min(np.diag(wanted))), rel=1e-13, abs=0)
        assert generator.still == (not problem.flowing(time))
        assert generator.closed == (not problem.accounts)


@pytest.mark.parametrize("problem", problems(), ids=lambda problem: problem.name)
def test_the_compiled_sweep_is_the_plain_generator(problem: Problem, tmp_path: Path) -> None:
    grid, u = problem.grid, problem.field()
    generator = problem.propagator(tmp_path).generator(grid, 0.0)
    out = np.empty(grid.shape)
    generator.sweep(3.0).rate(out, u)
    wanted = 3.0 * generator.rate(u)
    largest = 3.0 * generator.fastest * np.max(u) + np.max(np.abs(wanted))
    assert np.allclose(out, wanted, rtol=1e-12, atol=1e-13 * largest)


@pytest.mark.parametrize("problem", problems(), ids=lambda problem: problem.name)
def test_lines_solve_their_part_of_the_generator(problem: Problem, tmp_path: Path) -> None:
    """(1 - h L_k) d = r is solved, L_k holding the faces and sides of an axis and its decay."""
    grid, r = problem.grid, problem.field()
    generator: Generator = problem.propagator(tmp_path).generator(grid, 0.0)
    h = 0.7 / (generator.fastest or 1.0)
    for axis in grid.axes:
        faces = [f if k == axis else f._replace(up=0.0 * f.up, down=0.0 * f.up)
                 for k, f in enumerate(generator.faces)]  # fmt: skip
        part = replace(generator, faces=faces, rims=(), loss=None, source=None)
        solved = r.copy()
        generator.lines(axis, h).solve(plane(solved))
        back = solved - h * (part.linear(solved) - generator.drains_along(axis) * solved)
        assert np.allclose(back, r, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("even", "numbers"), ("periodic along both", "numbers"), ("one cell wide", "numbers"),
     ("a diffusivity for each axis", "numbers"), ("a wall across", "vectors"),
     ("layers in one dimension", "vectors"), ("layers", "fields"), ("a wall with a gap", "fields")],
)  # fmt: skip
def test_coefficients_come_in_the_smallest_shape(name: str, shape: str, tmp_path: Path) -> None:
    problem = next(problem for problem in problems() if problem.name == name)
    generator: Generator = problem.propagator(tmp_path).generator(problem.grid, 0.0)
    assert generator.smallest == shape
    up = generator.coefficients(1.0)[2]
    assert np.ndim(up) == {"numbers": 0, "vectors": 1, "fields": 2}[shape]


def test_two_layers_have_the_steady_state_of_resistances_in_series() -> None:
    """The flux through a jump of D is that of the harmonic mean, not of the arithmetic one."""
    layers = {"kind": "layers", "axis": "x", "at": 4e-3, "values": [4e-9, 1e-9]}
    generator = ds.Diffusion(diffusivity=layers).generator(box(8), 0.0)
    # Content falls linearly in each layer, four times as steeply where D is a quarter.
    slope = np.repeat([1.0, 4.0], 4)
    u = 100.0 - np.cumsum(slope) + 0.5 * slope
    inside = generator.linear(u)[1:-1]
    assert np.max(np.abs(inside)) < 1e-12 * 4e-9 / 1e-6 * 100


def test_a_wall_off_the_faces_or_the_grid_is_refused_with_the_nearest() -> None:
    grid = box(8, 6)
    wrong = [
        Wall(axis="x", at=1.2e-3),
        Wall(axis="x", at=9e-3),
        Wall(axis="y", at=2e-3, span=(3e-3, 1e-3)),
        Wall(axis="y", at=2e-3, span=(0.0, 1.5e-3)),
        CellWalls(every="cell", region={"y": (0.0, 7e-3)}),
    ]
    for wall in wrong:
        assert list(wall.problems(grid))
        with pytest.raises(Invalid):
            ds.solve(
                np.ones((8, 6)),
                ds.Diffusion(diffusivity=D, walls=[wall]),
                grid=grid,
                times=[0.0, 1.0],
            )
    assert "nearest faces are 0.001 m and 0.002 m" in str(next(wrong[0].problems(grid)))
    assert [str(p) for p in Wall(axis="y", at=0.0).problems(box(5))] == [
        "this grid has no axis 'y'"
    ]


def test_a_span_over_the_whole_grid_is_a_full_wall() -> None:
    grid = box(6, 5)
    spanned = resistances([Wall(axis="x", at=2e-3, span=(0.0, 5e-3))], grid, 0.0)
    full = resistances([Wall(axis="x", at=2e-3)], grid, 0.0)
    assert all(
        np.array_equal(a, b) and a.shape == b.shape for a, b in zip(spanned, full, strict=True)
    )


# --- segments -------------------------------------------------------------------------------------


def segments(times: list[float], *walls: Wall) -> list[Any]:
    return cut(box(6, 5), ds.Diffusion(diffusivity=D, walls=list(walls)), times, 1, "m")


def test_time_is_cut_at_frames_and_events_and_nowhere_else() -> None:
    wall = Wall(axis="x", at=2e-3, opens=2.5)
    found = segments([0.0, 1.0, 4.0], wall)
    assert [(s.start, s.stop, s.since) for s in found] == [(0, 1, 0), (1, 2.5, 0), (2.5, 4, 2.5)]
    assert [s.opens_epoch for s in found] == [False, False, True]
    assert found[0].views is found[1].views
    assert found[2].views is not found[1].views


def test_events_before_zero_at_zero_or_after_the_end_cut_nothing() -> None:
    for opens in (-1.0, 0.0, 4.0, 9.0):
        found = segments([1.0, 4.0], Wall(axis="x", at=2e-3, opens=opens))
        assert [(s.start, s.stop) for s in found] == [(0.0, 1.0), (1.0, 4.0)]
        closed = bool(np.any(found[1].view("generator").faces[0].up[2] == 0.0))
        assert closed == (opens >= 4.0)


def test_an_event_that_misses_a_frame_by_round_off_is_at_the_frame() -> None:
    later, earlier = 0.1 + 0.2, 0.3
    for frame, opens in ((later, earlier), (earlier, later)):
        found = segments([0.0, frame, 0.9], Wall(axis="x", at=2e-3, opens=opens))
        assert [(s.start, s.stop) for s in found] == [(0.0, frame), (frame, 0.9)]
        shut = [bool(np.any(s.view("generator").faces[0].up[2] == 0.0)) for s in found]
        assert shut == [True, False]


def test_a_wall_on_the_rim_of_a_closed_box_cuts_nothing() -> None:
    found = segments([1.0, 4.0], Wall(axis="x", at=0.0, opens=2.0))
    assert [(s.start, s.stop, s.since) for s in found] == [(0.0, 1.0, 0.0), (1.0, 4.0, 0.0)]


def test_durations_that_differ_by_round_off_are_made_one() -> None:
    times = np.linspace(0.0, 0.3, 61)
    assert len({s.duration for s in segments(list(times))}) == 1


def test_durations_that_differ_by_more_are_kept() -> None:
    found = segments([0.0, 1.0, 2.0 + 1e-9])
    assert [s.duration for s in found] == [1.0, (2.0 + 1e-9) - 1.0]


def test_random_keys_differ_by_seed_label_and_number() -> None:
    keys = {
        random_key(seed, label, i) for seed in (0, 1) for label in ("a", "b") for i in range(50)
    }
    assert len(keys) == 200
    assert random_key(1, "walkers", 3) == random_key(1, "walkers", 3)


# --- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["modes", "ftcs", "chebyshev", "walkers"])
@pytest.mark.parametrize(
    "times", [[], [-1.0, 2.0], [0.0, 0.0], [2.0, 1.0], [0.0, math.nan], [math.nan], [0.0, math.inf]]
)
def test_frame_times_that_cannot_be_are_refused(method: str, times: list[float]) -> None:
    with pytest.raises(Invalid, match="frame times must grow from zero on"):
        ds.solve(
            np.ones((4, 4)), ds.Diffusion(diffusivity=D), grid=box(4, 4), times=times, method=method
        )


@pytest.mark.parametrize(
    "wrong", [np.ones((4, 5)), np.full((4, 4), math.nan), np.full((4, 4), math.inf)]
)
def test_a_field_that_does_not_fit_is_refused(wrong: Any) -> None:
    with pytest.raises(Invalid, match="the field"):
        ds.solve(wrong, ds.Diffusion(diffusivity=D), grid=box(4, 4), times=[0.0, 1.0])


def test_steps_beyond_the_limit_and_endless_ones_are_refused_before_the_first() -> None:
    grid = box(4, 4)
    for method, time, sentence in [
        (Ftcs(dt=1e3), 1e4, "dt = 1000 s is beyond the stability limit 166.667 s"),
        (Ftcs(), 1e30, "ftcs would take .* steps"),
        (Method.find("chebyshev")(), 1e30, "chebyshev would take .* terms"),
        (Walkers(limit="lattice"), 1e30, "walkers would make .* lattice jumps"),
    ]:
        with pytest.raises((Invalid, Unsupported), match=sentence):
            runs.plan(method, ds.Diffusion(diffusivity=D), grid, [0.0, time])


def test_warming_up_changes_no_bit() -> None:
    water = ds.Diffusion(diffusivity=D, walls=[Wall(axis="x", at=2e-3, opens=300.0)])
    u = np.random.default_rng(3).random((6, 5))
    for word in ("ftcs", "modes", "chebyshev", "walkers"):
        courses = [runs.plan(Method.find(word)(), water, box(6, 5), [0.0, 600.0]) for _ in range(2)]
        courses[1].warm(u)
        cold, warm = ([frame.field for frame in course.frames(u)] for course in courses)
        assert all(np.array_equal(a, b) for a, b in zip(cold, warm, strict=True))


def test_the_pulse_grows_from_zero_to_one() -> None:
    water = ds.Diffusion(diffusivity=D, walls=[Wall(axis="x", at=2e-3, opens=300.0)])
    for word in ("ftcs", "modes", "chebyshev", "walkers"):
        seen: list[float] = []
        course = runs.plan(Method.find(word)(), water, box(6, 5), [0.0, 600.0])
        list(course.frames(np.ones((6, 5)), progress=seen.append))
        assert seen == sorted(seen)
        assert (seen[0], seen[-1]) == (0.0, 1.0)


# --- transforms and series ------------------------------------------------------------------------


@pytest.mark.parametrize("variance", [0.3, 0.999999, 1.0, 1.7, 40.0])
def test_the_cell_factor_is_the_transform_of_the_cell_density(variance: float) -> None:
    """Also across variance one, where the sum over cells gives way to the sum over aliases."""
    p = kernels.cell_to_cell(variance)
    j = np.arange(p.size) - p.size // 2
    theta = spectrum.Fourier().angles(33)
    wanted = np.cos(np.outer(theta, j)) @ p
    assert np.max(np.abs(spectrum.cell_factor(theta, variance) - wanted)) < 1e-14


@pytest.mark.parametrize("z", [1e-9, 0.1, 3.0, 1e3, 1e6])
def test_chebyshev_weights_sum_to_one_and_give_the_exponential(z: float) -> None:
    weights = exponential_weights(z, 1e-12)
    assert math.fsum(weights) == pytest.approx(1.0, rel=3e-16, abs=0)
    angle = np.linspace(0.0, np.pi, 101)
    found = np.cos(np.outer(angle, np.arange(weights.size))) @ weights
    assert np.max(np.abs(found - np.exp(-2.0 * z * np.sin(0.5 * angle) ** 2))) < 2.1e-12
