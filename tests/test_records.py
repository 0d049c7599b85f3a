"""Records: what probes see between frames, and what physics says they must see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import diffusim as ds
from diffusim import runs
from diffusim.block import Array
from diffusim.generator import Generator
from diffusim.methods import Method
from diffusim.propagators.kernel import Kernel
from diffusim.propagators.schroedinger import Schroedinger
from diffusim.records import Record, Recording
from diffusim.testing import Problem, oracle_matrix

D = 1.5e-9
SHAPE = (12, 10)
CLOSED = ds.Grid(shape=SHAPE, size=(0.012, 0.010))
LEAKY = ds.Grid(
    shape=SHAPE, size=(0.012, 0.010),
    edges={"left": {"transfer": 1e-6, "value": 2.0}, "right": {"transfer": 2e-6, "value": 0.5}},
)  # fmt: skip
WATER = ds.Diffusion(diffusivity=D)
WALLED = ds.Diffusion(diffusivity=D, walls=[ds.Wall(axis="x", at=0.006, span=(0.0, 0.004))])
POINT = {"kind": "point", "at": (0.0035, 0.0072)}
TOTAL = {"kind": "total"}


def start(*shape: int) -> Array:
    return np.random.default_rng(1).random(shape or SHAPE) + 0.5


def solved(
    grid: ds.Grid,
    method: Any = "chebyshev",
    water: Any = WATER,
    times: Any = (0.0, 1000.0, 4000.0),
    every: float = 100.0,
    **probes: Mapping[str, Any],
) -> Any:
    record = {"every": every, "probes": probes}
    u = start(*grid.shape)
    return ds.solve(u, water, grid=grid, times=times, method=method, record=record, seed=3)


# --- what is recorded ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ftcs", "rkl2", "adi", "chebyshev", "poisson"])
def test_the_total_of_closed_water_is_constant_to_round_off(method: str) -> None:
    run = solved(CLOSED, method, WALLED, salt=TOTAL)
    salt = run.records["salt"]
    assert salt.shape == run.record_times.shape == (41,)
    np.testing.assert_allclose(salt, salt[0], rtol=1e-13, atol=0)


@pytest.mark.parametrize("method", ["ftcs", "rkl2", "adi", "chebyshev", "poisson"])
def test_the_total_of_open_water_changes_by_what_the_ledger_says(method: str) -> None:
    run = solved(LEAKY, method, WALLED, salt=TOTAL)
    common = np.isin(run.record_times, run.times)
    salt = run.records["salt"][common]
    np.testing.assert_allclose(salt - salt[0], run.accounts.sum(axis=1), rtol=1e-11, atol=1e-18)
    assert abs(salt[-1] - salt[0]) > 0.01 * salt[0]


@pytest.mark.parametrize(
    "method", ["ftcs", "adi", "chebyshev", "poisson", {"kind": "walkers", "particles": 5000},
               {"kind": "collapse", "particles": 1e6}],
)  # fmt: skip
def test_a_point_is_the_cell_of_the_frame_at_common_times_bit_for_bit(method: Any) -> None:
    run = solved(CLOSED, method, WALLED, here=POINT, row={"kind": "line", "axis": "x", "at": 0.004})
    common = np.isin(run.record_times, run.times)
    assert np.array_equal(run.records["here"][common], run.frames[:, 3, 7])
    assert np.array_equal(run.records["row"][common], run.frames[:, :, 4])
    assert run.records["row"].shape == (41, 12)


def test_a_point_on_a_face_is_in_the_cell_above_it_and_on_the_last_face_in_the_last_cell() -> None:
    probes = {"face": {"kind": "point", "at": (0.003, 0.007)},
              "corner": {"kind": "point", "at": (0.012, 0.0)}}  # fmt: skip
    run = solved(CLOSED, "ftcs", **probes)
    assert run.records["face"][0] == run.frames[0, 3, 7]
    assert run.records["corner"][0] == run.frames[0, 11, 0]


def quadrature_error(grid: ds.Grid, every: float, names: tuple[str, ...]) -> Array:
    """How far the trapezium rule over recorded rates is from what the ledger says."""
    run = solved(grid, "chebyshev", times=[4000.0], every=every,
                 **{name: {"kind": "side", "side": name} for name in names})  # fmt: skip
    whole = [np.trapezoid(run.records[name], run.record_times) for name in names]
    accounts = dict(zip(run.facts["accounts"], run.accounts[-1], strict=True))
    return np.array([total - accounts[name] for total, name in zip(whole, names, strict=True)])


def test_rates_through_sides_integrate_to_their_accounts_to_second_order() -> None:
    names = ("left", "right")
    errors = [np.abs(quadrature_error(LEAKY, every, names)) for every in (40.0, 20.0, 10.0)]
    for coarse, fine in zip(errors, errors[1:], strict=False):
        np.testing.assert_allclose(coarse / fine, 4.0, rtol=0.05, atol=0)


def test_nothing_comes_in_through_a_closed_side() -> None:
    run = solved(LEAKY, "ftcs", above={"kind": "side", "side": "top"})
    assert not run.records["above"].any()


RADIAL = ds.Grid(shape=(9, 6), size=(0.009, 0.006), geometry="cylindrical", inner=0.002,
                 edges={"outer": {"transfer": 1e-6, "value": 2.0},
                        "inner": {"flux": 1e-7}})  # fmt: skip
SHELLS = ds.Grid(shape=(9,), size=(0.009,), geometry="spherical", edges={"outer": {"value": 2.0}})
RING = ds.Grid(shape=SHAPE, size=(0.012, 0.010), edges={"x": "periodic", "y": "no-flux"})
HELD = ds.Grid(shape=SHAPE, size=(0.012, 0.010),
               edges={"left": {"value": 2.0}, "right": {"value": 0.5}})  # fmt: skip
STIRRED = ds.Diffusion(diffusivity=D, flow=[{"kind": "uniform", "velocity": (1e-6, 0.0)}])


@pytest.mark.parametrize(
    ("grid", "water"),
    [(LEAKY, WALLED), (RADIAL, WATER), (SHELLS, WATER), (RING, STIRRED), (HELD, STIRRED),
     (HELD, WALLED)],
)  # fmt: skip
def test_what_flows_in_at_one_plane_less_what_flows_out_at_another_changes_what_is_between(
    grid: ds.Grid, water: ds.Diffusion
) -> None:
    """Between any two planes, the rims among them, and at a moment: there is no error of a step."""
    axis, places = grid.names[0], grid.faces(0)
    probes = {f"p{i}": {"kind": "plane", "axis": axis, "at": place + 1e-5 * (-1) ** i}
              for i, place in enumerate(np.clip(places, *places[[0, -1]]))}  # fmt: skip
    probes = {name: {**p, "at": float(np.clip(p["at"], places[0], places[-1]))}
              for name, p in probes.items()}  # fmt: skip
    run = solved(grid, "poisson", water, times=[1000.0], every=500.0, **probes)
    generator: Generator = water.generator(grid, 1.0)
    flows = np.array([run.records[f"p{i}"][-1] for i in range(places.size)])
    change = generator.rate(run.frames[-1]) * grid.volume
    slabs = change.reshape(grid.shape[0], -1).sum(axis=1)
    assert np.max(np.abs(flows)) > 0.0
    np.testing.assert_allclose(-np.diff(flows), slabs, rtol=1e-9, atol=1e-12 * abs(flows).max())
    if grid.wrap[0]:
        assert flows[0] == flows[-1]


def test_a_plane_integrates_to_the_change_of_the_total_on_one_side_to_second_order() -> None:
    through = {"kind": "plane", "axis": "x", "at": 0.0062}
    errors = []
    for every in (40.0, 20.0):
        run = solved(CLOSED, "chebyshev", every=every, through=through)
        beyond = run.frames[:, 6:].sum(axis=(1, 2)) * CLOSED.volume
        whole = np.trapezoid(run.records["through"], run.record_times)
        errors.append(abs(whole - (beyond[-1] - beyond[0])))
        assert errors[-1] < 0.02 * abs(beyond[-1] - beyond[0])
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.1)


def test_records_of_walkers_are_counts() -> None:
    particles = 5000
    run = solved(CLOSED, {"kind": "walkers", "particles": particles}, here=POINT, salt=TOTAL)
    worth = CLOSED.total(start()) / particles / CLOSED.volume
    counts = run.records["here"] / worth
    np.testing.assert_allclose(counts, np.rint(counts), rtol=1e-12, atol=0)
    assert np.ptp(np.rint(counts)) > 0
    np.testing.assert_allclose(run.records["salt"], run.records["salt"][0], rtol=1e-13, atol=0)


@pytest.mark.parametrize("method", ["chebyshev", "poisson", "modes"])
def test_records_of_an_exact_method_agree_with_the_matrix_exponential(method: str) -> None:
    problem = Problem("even water", (6, 5), (1e-3, 1e-3), (2000.0,), (False, False), D)
    grid = ds.Grid(shape=(6, 5), size=(0.006, 0.005))
    run = solved(grid, method, WATER, times=[2000.0], every=250.0,
                 here={"kind": "point", "at": (0.0015, 0.0032)},
                 row={"kind": "line", "axis": "y", "at": 0.004})  # fmt: skip
    rates, modes = np.linalg.eigh(oracle_matrix(problem, 0.0))
    for number, time in enumerate(run.record_times):
        u = (modes @ (np.exp(time * rates) * (modes.T @ start(6, 5).ravel()))).reshape(6, 5)
        np.testing.assert_allclose(run.records["here"][number], u[1, 3], rtol=1e-10, atol=0)
        np.testing.assert_allclose(run.records["row"][number], u[4], rtol=1e-10, atol=0)


def test_at_a_change_the_record_of_that_moment_is_of_the_time_before_it() -> None:
    edges = {"left": {"flux": [[0.0, 1e-7], [200.0, 3e-7]]}}
    grid = ds.Grid(shape=SHAPE, size=(0.012, 0.010), edges=edges)
    run = solved(grid, "chebyshev", left={"kind": "side", "side": "left"})
    inflow = run.records["left"] / 0.010
    np.testing.assert_allclose(inflow[:3], 1e-7, rtol=1e-12, atol=0)
    np.testing.assert_allclose(inflow[3:], 3e-7, rtol=1e-12, atol=0)


def test_at_time_zero_the_record_is_of_the_medium_that_begins_then() -> None:
    opened = ds.Diffusion(diffusivity=D, walls=[ds.Wall(axis="x", at=0.006, opens=0.0)])
    run = solved(CLOSED, "chebyshev", opened, through={"kind": "plane", "axis": "x", "at": 0.006})
    u = start()
    expected = D / 1e-3 * (u[5] - u[6]).sum() * 1e-3
    assert run.records["through"][0] == pytest.approx(expected, rel=1e-12)


# --- frames beside records ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "allowed"), [("modes", 1e-13), ("chebyshev", 1e-11), ("poisson", 1e-11)]
)
def test_recording_leaves_the_frames_of_exact_methods_as_they_are(
    method: str, allowed: float
) -> None:
    recorded = solved(CLOSED, method, salt=TOTAL)
    plain = ds.solve(start(), WATER, grid=CLOSED, times=recorded.times, method=method)
    np.testing.assert_allclose(recorded.frames, plain.frames, rtol=allowed, atol=0)
    assert plain.records == {}
    assert plain.record_times is None


def test_recording_leaves_ftcs_of_first_order() -> None:
    exact = solved(CLOSED, "chebyshev", WALLED, salt=TOTAL).frames[-1]
    errors = [
        np.linalg.norm(solved(CLOSED, {"kind": "ftcs", "dt": dt}, WALLED, salt=TOTAL).frames[-1]
                       - exact) for dt in (50.0, 25.0, 12.5)
    ]  # fmt: skip
    for coarse, fine in zip(errors, errors[1:], strict=False):
        assert coarse / fine == pytest.approx(2.0, rel=0.05)


def test_records_at_the_times_of_frames_change_nothing_at_all() -> None:
    times = [0.0, 1000.0, 4000.0]
    for method in ("ftcs", {"kind": "walkers", "particles": 3000}):
        plain = ds.solve(start(), WALLED, grid=LEAKY, times=times, method=method, seed=2)
        beside = ds.solve(start(), WALLED, grid=LEAKY, times=times, method=method, seed=2,
                          record={"at": times})  # fmt: skip
        assert np.array_equal(plain.frames, beside.frames)


def course(method: str, times: list[float], record: Record | None, water: Any) -> runs.Course:
    return runs.plan(Method.read(method), water, CLOSED, times, record=record)


def errors_and_predictions(method: str, record: Record | None) -> tuple[Array, Array]:
    water = ds.Diffusion(diffusivity=D, walls=[ds.Wall(axis="x", at=0.006, opens=1500.0)])
    u, times = start(), [1000.0, 2500.0, 4000.0]
    reference = [frame.field for frame in course("chebyshev", times, None, water).frames(u)]
    planned = course(method, times, record, water)
    own = [frame.field for frame in planned.frames(u)]
    told = planned.predictions(u, reference, own)
    expected = [prediction.error for prediction in told if prediction is not None]
    return np.array(own) - np.array(reference), np.array(expected)


@pytest.mark.parametrize("method", ["ftcs", "rkl2"])
@pytest.mark.parametrize("record", [None, Record(every=130.0)])
def test_predictions_hold_when_segments_end_at_records_and_at_an_event_between_frames(
    method: str, record: Record | None
) -> None:
    errors, expected = errors_and_predictions(method, record)
    assert expected.shape == errors.shape == (3, *SHAPE)
    for error, predicted in zip(errors, expected, strict=True):
        assert np.linalg.norm(predicted) == pytest.approx(np.linalg.norm(error), rel=0.1)
        # Of ftcs the size is told, not the sign.
        along = abs(np.sum(predicted * error))
        assert along > 0.98 * np.linalg.norm(predicted) * np.linalg.norm(error)


def test_a_course_that_goes_on_from_a_frame_takes_the_records_that_are_missing() -> None:
    record = Record(every=130.0, probes={"salt": {"kind": "total"}, "here": POINT})
    planned = course("ftcs", [0.0, 1000.0, 2500.0, 4000.0], record, WALLED)
    frames = list(planned.frames(start()))
    assert [len(frame.records["salt"]) for frame in frames] == [1, 7, 12, 11]
    again = list(planned.frames(start(), 2, frames[1].state))
    for one, other in zip(frames[2:], again, strict=True):
        assert one.records.keys() == other.records.keys() == {"salt", "here"}
        for name in one.records:
            assert np.array_equal(one.records[name], other.records[name])


# --- times --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "times"),
    [({"every": 300.0}, [0, 300, 600, 900]), ({"times": 5}, [0, 250, 500, 750, 1000]),
     ({"at": [0.0, 10.0, 1000.0]}, [0, 10, 1000]), ({"at": [7.0]}, [7]),
     ({"every": "5 min"}, [0, 300, 600, 900])],
)  # fmt: skip
def test_times_are_taken_as_they_are_said(record: Mapping[str, Any], times: list[float]) -> None:
    run = ds.solve(start(), WATER, grid=CLOSED, times=[0.0, 1000.0], method="modes", record=record)
    assert np.array_equal(run.record_times, times)
    assert list(run.records) == ["total"]
    assert run.records["total"].shape == (len(times),)


def test_a_record_within_round_off_of_a_frame_or_an_event_is_at_that_very_time() -> None:
    third = 0.1 + 0.2
    frames = np.array([0.0, 0.3, 1.0])
    assert third != frames[1]
    assert np.array_equal(Record(every=0.1).resolved(WATER, frames)[[3, 10]], frames[1:])
    assert np.array_equal(Record(at=(third, 1.0)).resolved(WATER, frames), frames[1:])
    water = ds.Diffusion(diffusivity=D, walls=[ds.Wall(axis="x", at=0.006, opens=third)])
    planned = runs.plan(Method.read("modes"), water, CLOSED, [1.0], record=Record(at=(0.3, 0.6)))
    assert [segment.stop for segment in planned.segments] == [0.3, 0.6, 1.0]
    assert [segment.since for segment in planned.segments] == [0.0, 0.3, 0.3]


def test_records_before_the_first_frame_and_after_no_frame_are_told_with_the_next_frame() -> None:
    run = solved(CLOSED, "modes", times=[2000.0, 4000.0], every=500.0, here=POINT)
    assert run.records["here"].shape == (9,)
    assert run.records["here"][0] == start()[3, 7]


# --- other propagators, and channels ------------------------------------------------------------


def test_a_kernel_is_recorded_between_applications() -> None:
    kernel = Kernel(kernel=[[0, 1, 0], [1, 4, 1], [0, 1, 0]], normalise="sum")
    run = ds.solve(start(), kernel, grid=CLOSED, times=[0, 8], method="stencil",
                   record={"every": 2, "probes": {"here": POINT, "salt": TOTAL}})  # fmt: skip
    often = ds.solve(start(), kernel, grid=CLOSED, times=[0, 2, 4, 6, 8], method="stencil")
    assert np.array_equal(run.record_times, [0, 2, 4, 6, 8])
    assert np.array_equal(run.records["here"], often.frames[:, 3, 7])


def test_of_a_wave_its_density_is_recorded() -> None:
    grid = ds.Grid(shape=(32, 8), size=(32e-9, 8e-9))
    x = grid.centres(0)[:, None]
    psi = np.exp(-(((x - 12e-9) / 6e-9) ** 2) + 1j * x / 2e-9) * np.ones(8)
    run = ds.solve(psi, Schroedinger(), grid=grid, times=[0.0, 2e-14], method="chebyshev",
                   record={"times": 5, "probes": {"found": TOTAL, "here": {
                       "kind": "point", "at": (12.5e-9, 4e-9)}}})  # fmt: skip
    np.testing.assert_allclose(run.records["found"], 1.0, rtol=1e-12, atol=0)
    assert run.records["here"].dtype == float
    assert np.array_equal(run.records["here"][[0, -1]], run.frames[:, 12, 4])


def test_channels_come_along_the_first_axis_of_each_value() -> None:
    u = np.stack([start(), 2.0 * start(), start()[::-1]])
    run = ds.solve(u, WATER, grid=LEAKY, times=[0.0, 1000.0], method="chebyshev",
                   record={"every": 250.0, "probes": {
                       "here": POINT, "row": {"kind": "line", "axis": "y", "at": 0.001},
                       "left": {"kind": "side", "side": "left"}}})  # fmt: skip
    alone = ds.solve(u[1], WATER, grid=LEAKY, times=[0.0, 1000.0], method="chebyshev",
                     record={"every": 250.0, "probes": {"left": {"kind": "side",
                                                                 "side": "left"}}})  # fmt: skip
    assert run.records["here"].shape == (5, 3)
    assert run.records["row"].shape == (5, 3, 10)
    assert np.array_equal(run.records["here"][-1], run.frames[-1, :, 3, 7])
    assert np.array_equal(run.records["left"][:, 1], alone.records["left"])


def test_nothing_recorded_up_to_a_frame_is_an_array_of_no_records() -> None:
    record = Record(probes={"row": {"kind": "line", "axis": "y", "at": 0.0}}, at=(5.0,))
    recording = Recording(np.array([5.0]), record.probes, CLOSED, 3)
    assert recording.stacked([])["row"].shape == (0, 3, 10)
    assert recording.size == 3 * 10 * 8
