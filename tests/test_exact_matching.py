"""The analytic solution that a scenario is given is the one it has, and none where it has none."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from shell import ROOT

import diffusim
from diffusim import scenario as scenarios
from diffusim.block import Unsupported
from diffusim.coarsening import Coarsening
from diffusim.exact import cut_blob, interval
from diffusim.exact.matching import Solution, analytic_solution, solution_of
from diffusim.scenario import Scenario

D = 1e-6


def scenario(**changes: Any) -> dict[str, Any]:
    """A step in a closed box, with other keys; of a group whose kind changes nothing else stays."""
    plain: dict[str, Any] = {
        "grid": {"shape": [60, 40], "size": [0.3, 0.1], "edges": "no-flux"},
        "propagator": {"kind": "diffusion", "diffusivity": D, "walls": []},
        "initial": {"kind": "halves", "axis": "x", "at": None, "values": [35.0, 1.0]},
    }
    for key, value in changes.items():
        plain[key] = value if "kind" in value or "shape" in value else {**plain[key], **value}
    return plain


def walls(*given: dict[str, Any]) -> dict[str, Any]:
    return {"propagator": {"walls": list(given)}}


def across(at: float, opens: float | None, **more: Any) -> dict[str, Any]:
    return {"axis": "x", "at": at, "opens": opens, **more}


def line(edges: Any = "no-flux", n: int = 40) -> dict[str, Any]:
    return {"shape": [n], "size": [0.1], "edges": edges}


def resolved(given: dict[str, Any], finer: int = 1) -> Scenario:
    whole = {"times": {"at": [400.0]}, "methods": [{"kind": "auto"}], **given}
    shape = [finer * n for n in given["grid"]["shape"]]
    return Scenario.model_validate({**whole, "grid": {**given["grid"], "shape": shape}})


def on_cells(given: Scenario, times: list[float], method: Any = "auto") -> np.ndarray:
    return diffusim.solve(
        given.initial_field(), given.propagator, grid=given.grid, times=times, method=method
    ).frames


def matched(given: Scenario) -> Solution:
    return solution_of(json.loads(given.model_dump_json()))


# --- the solutions ------------------------------------------------------------------------------

UNIFORM = {"kind": "uniform", "value": 3.0}
BLOB = {"kind": "blob", "width": 0.01, "peak": 7.0}
HELD = {"left": {"value": 1.0}, "right": {"value": -2.0}}
LEAKY = {"left": {"transfer": 2e-5, "value": 8.0}, "right": {"value": 1.0}}
EMPTY = {"left": {"value": 0.0}, "right": {"transfer": 1e-4, "value": 0.0}}
RIM = {"outer": {"value": 5.0}}
ROUND = {"shape": [40], "size": [0.1], "edges": RIM}
SQUARE = {"shape": [40, 20], "size": [0.1, 0.05]}
TERMS = [{"amplitude": 2.0, "x": 1, "y": 2}, {"amplitude": -1.0, "x": 3}]
PATCHES = {
    "kind": "patches", "background": 1.0,
    "patches": [{"x": [0.02, 0.04625], "value": 4.0},
                {"x": [0.05, 0.2], "y": [0.0, 0.02], "value": 2.0}],
}  # fmt: skip

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "halves": ("a step between closed ends", {"grid": line()}),
    "halves beside a face": ("a step", {"grid": line(), "initial": {"at": 0.04125}}),
    "halves on a ring": ("a step on a ring", {"grid": {"edges": {"x": "periodic"}}}),
    "halves along y": (
        "a step", {"initial": {"axis": "y"}, "propagator": {"diffusivity": {"x": D, "y": 2 * D}}}
    ),
    "a wall": ("a step", walls(across(0.15, 300.0))),
    "three walls lifted at once": (
        "a step", walls(across(0.15, 99.0), across(0.1, 99.0), across(0.25, 99.0)),
    ),
    "a wall along the step": ("a step", walls({"axis": "y", "at": 0.05, "opens": None})),
    "a step that decays": (
        "a step between closed ends, by images, decaying everywhere, from an even source",
        {"propagator": {"decay": 2e-3, "source": 0.1, **walls(across(0.15, 300.0))["propagator"]}},
    ),
    "halves up a cylinder": (
        "a step between closed ends",
        {"grid": {"geometry": "cylindrical", "shape": [4, 40], "size": [0.01, 0.1]},
         "initial": {"axis": "z"}},
    ),
    "blob": ("a blob that widens", {"grid": line(), "initial": {**BLOB, "width": 0.004}}),
    "a blob at an edge": (
        "a blob that edges cut off", {"grid": line(), "initial": {**BLOB, "centre": [0.01]}}
    ),
    "a blob beyond the edge": (
        "a blob that edges cut off",
        {"grid": SQUARE, "initial": {**BLOB, "centre": [-0.01, 0.03]}},
    ),
    "a blob at the seam of a ring": (
        "a blob that edges cut off",
        {"grid": line("periodic"), "initial": {**BLOB, "centre": [0.095]}},
    ),
    "modes": (
        "cosine modes",
        {"grid": SQUARE, "initial": {"kind": "modes", "mean": 5.0, "terms": TERMS},
         "propagator": {"diffusivity": 1e-7}},
    ),
    "rectangles": ("rectangles that spread", {"grid": SQUARE, "initial": PATCHES}),
    "rectangles on a torus": (
        "rectangles that spread", {"grid": {**SQUARE, "edges": "periodic"}, "initial": PATCHES}
    ),
    "a slab": ("a slab with two held sides", {"grid": line(HELD), "initial": UNIFORM}),
    "a slab with a closed side": (
        "a slab with a closed and a held side",
        {"grid": line({"right": {"value": 0.5}}), "initial": UNIFORM},
    ),
    "a leaky slab": (
        "a slab with a leaky and a held side", {"grid": line(LEAKY), "initial": UNIFORM}
    ),
    "a slab that decays beside nothing": (
        "a slab with a held and a leaky side, decaying everywhere",
        {"grid": line(EMPTY), "initial": UNIFORM, "propagator": {"decay": 1e-3}},
    ),
    "a heated slab": (
        "a slab heated by a steady flux",
        {"grid": line({"left": {"flux": 2e-6}, "right": {"flux": -1e-6}}), "initial": UNIFORM},
    ),
    "a bar that is held all round": (
        "a slab with two held sides times a slab with a closed and a leaky side",
        {"grid": {**SQUARE, "edges": {"x": {"value": 2.0},
                                      "top": {"transfer": 1e-4, "value": 2.0}}},
         "initial": UNIFORM},
    ),
    "a disc": (
        "a disc with a held rim", {"grid": {"geometry": "cylindrical", **ROUND}, "initial": UNIFORM}
    ),
    "a cylinder with held ends": (
        "a disc with a held rim times a slab with two held sides",
        {"grid": {"geometry": "cylindrical", "shape": [20, 20], "size": [0.05, 0.05],
                  "edges": {**RIM, "z": {"value": 5.0}}}, "initial": UNIFORM},
    ),
    "a sphere": (
        "a sphere with a held rim", {"grid": {"geometry": "spherical", **ROUND}, "initial": UNIFORM}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_solution_is_what_finer_and_finer_cells_approach_with_order_two(name: str) -> None:
    """Places amid the cells here are on faces of all finer ones."""
    words, changes = CASES[name]
    own, *levels = (resolved(scenario(**changes), finer) for finer in (1, 2, 4, 8))
    solution = matched(own)
    assert solution.name.startswith(words)
    assert "19" in solution.source
    for time in (500.0, 1500.0):
        coarse, *finer = (
            Coarsening.of(s.grid, own.grid).means(on_cells(s, [time])[0]) for s in levels
        )
        truth = solution(time)
        errors = [np.linalg.norm(u - truth) for u in (coarse, *finer)]
        assert errors[0] > 1e-7 * np.linalg.norm(truth)
        assert errors[0] / errors[1] == pytest.approx(4.0, abs=0.15)
        assert errors[1] / errors[2] == pytest.approx(4.0, abs=0.05)
        # What is left when the leading term is taken off is of the fourth power.
        rest = np.linalg.norm((4.0 * finer[1] - finer[0]) / 3.0 - truth)
        assert rest < 0.01 * errors[1]


SAME_LAW = ["halves", "halves on a ring", "halves along y", "a wall", "three walls lifted at once",
            "a wall along the step"]  # fmt: skip


@pytest.mark.parametrize("name", SAME_LAW)
def test_the_solution_is_the_law_of_particles_that_start_within_their_cells(name: str) -> None:
    given = resolved(scenario(**CASES[name][1]))
    law = on_cells(given, [100.0, 1000.0], {"kind": "modes", "limit": "cell-to-cell"})
    for time, wanted in zip((100.0, 1000.0), law, strict=True):
        assert np.allclose(matched(given)(time), wanted, rtol=1e-9, atol=0)


@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
def test_the_solution_of_modes_is_the_smooth_one(edges: str) -> None:
    start = {"kind": "modes", "mean": 5.0, "terms": TERMS}
    given = resolved(scenario(grid={"edges": edges}, initial=start))
    wanted = on_cells(given, [500.0], {"kind": "modes", "limit": "continuum"})
    assert np.allclose(matched(given)(500.0), wanted[0], rtol=1e-12, atol=0)


def test_a_blob_keeps_its_amount_and_widens_by_2dt() -> None:
    start = {"kind": "blob", "centre": [0.12, 0.05], "width": 0.005, "peak": 7.0}
    solution = matched(resolved(scenario(initial=start)))
    cell = 0.3 / 60
    x = cell * (np.arange(60) + 0.5)
    for t in (0.0, 50.0):
        u = solution(t)
        total = u.sum() * cell * (0.1 / 40)
        assert total == pytest.approx(7.0 * 2.0 * np.pi * 0.005**2, rel=1e-12)
        mean = np.average(x, weights=u.sum(axis=1))
        variance = np.average((x - mean) ** 2, weights=u.sum(axis=1))
        assert mean == pytest.approx(0.12, rel=1e-12)
        assert variance == pytest.approx(0.005**2 + 2e-6 * t + cell**2 / 12, rel=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_the_solution_begins_with_the_start_of_the_scenario(name: str) -> None:
    given = resolved(scenario(**CASES[name][1]))
    start = given.initial_field()
    assert np.allclose(matched(given)(0.0), start, rtol=1e-12, atol=1e-12 * np.max(np.abs(start)))


def test_what_stays_stays_and_what_decays_everywhere_decays_by_its_rate() -> None:
    closed = {"axis": "x", "at": 0.15, "opens": None}
    plain = matched(resolved(scenario(initial=UNIFORM, **walls(closed))))
    assert np.array_equal(plain(1e4), np.full((60, 40), 3.0))
    medium = {"decay": 1e-3, "source": 0.25}
    fed = matched(resolved(scenario(initial=UNIFORM, propagator=medium)))
    wanted = 3.0 * np.exp(-2.0) + 250.0 * (1.0 - np.exp(-2.0))
    assert np.allclose(fed(2000.0), wanted, rtol=1e-14, atol=0)
    grown = matched(resolved(scenario(initial=UNIFORM, propagator={"source": 0.25})))
    assert np.allclose(grown(2000.0), 503.0, rtol=1e-14, atol=0)


def test_nothing_moves_before_the_walls_are_lifted() -> None:
    solution = matched(resolved(scenario(**walls({"every": "cell", "opens": 300.0}))))
    assert np.array_equal(solution(300.0), solution(0.0))
    assert not np.array_equal(solution(301.0), solution(0.0))


# --- where there is none ------------------------------------------------------------------------

LAYERS = {"kind": "layers", "axis": "x", "at": [0.1], "values": [1.0, 2.0]}
IN_TURN = {"kind": "schedule", "at": [0.0, 10.0], "values": [1e-6, 2e-6]}
TABLE = [[0.0, 1.0], [60.0, 2.0]]
OVERLAP = [{"x": [0.0, 0.2], "value": 1.0}, {"x": [0.1, 0.3], "y": [0.0, 0.05], "value": 2.0}]


def slab(edges: Any, **more: Any) -> dict[str, Any]:
    return {"grid": {"edges": edges}, "initial": UNIFORM, **more}


UNMATCHED: dict[str, tuple[str, dict[str, Any]]] = {
    "an angle": ("angle", {"initial": {"axis": None, "angle": 30.0}}),
    "a closed wall": ("lifted", walls(across(0.15, None))),
    "a wall lowered again": ("lifted", walls(across(0.15, 0.0, closes=9.0))),
    "walls one after the other": (
        "one time", walls(*({"every": "cell", "opens": t} for t in (1.0, 2.0)))
    ),
    "a wall elsewhere": ("moves before", walls(across(0.2, 300.0))),
    "part of a wall": ("moves before", walls(across(0.15, 3.0, span=[0.0, 0.05]))),
    "walls in a region": (
        "moves before", walls({"every": "cell", "opens": 3.0, "region": {"x": [0.0, 0.1]}})
    ),
    "a wall on a ring": (
        "moves before", {"grid": {"edges": "periodic"}, **walls(across(0.15, 3.0))}
    ),
    "a wall under a blob": ("moves before", {"initial": BLOB, **walls(across(0.15, 3.0))}),
    "layers": ("uneven", {"propagator": {"diffusivity": LAYERS}}),
    "diffusivities in turn": ("changes", {"propagator": {"diffusivity": IN_TURN}}),
    "a membrane": ("membrane", walls(across(0.15, 0.0, permeability=1e-7))),
    "a slanted wall": ("slanted", walls({"line": [[0.0, 0.0], [0.1, 0.1]], "opens": 3.0})),
    "a step beside a held side": ("one value", {"grid": {"edges": {"left": {"value": 1.0}}}}),
    "a flow": ("propagator.flow", {"propagator": {"flow": [{"kind": "vortex"}]}}),
    "obstacles": ("propagator.obstacles", {"propagator": {"obstacles": {"kind": "array"}}}),
    "something new": ("propagator.reaction", {"propagator": {"reaction": 1.0}}),
    "decay by a formula": ("propagator.decay", {"propagator": {"decay": "1e-3*x"}}),
    "a source by a formula": ("propagator.source", {"propagator": {"source": "x"}}),
    "a wave": ("schroedinger", {"propagator": {"kind": "schroedinger"}}),
    "a kernel": ("kernel", {"propagator": {"kind": "kernel", "kernel": "box"}}),
    "noise": ("'noise'", {"initial": {"kind": "noise", "mean": 1.0, "deviation": 1.0}}),
    "rectangles that overlap": ("overlap", {"initial": {"kind": "patches", "patches": OVERLAP}}),
    "a side in time": ("changes in time", slab({"left": {"value": TABLE}})),
    "a side by a formula": ("along it", slab({"left": {"value": "y"}})),
    "a slab with a source": ("source", slab(HELD, propagator={"source": 1.0})),
    "a slab that decays": ("decay", slab(HELD, propagator={"decay": 1.0})),
    "a slab with a wall": ("walls", slab(HELD, **walls(across(0.15, 0.0)))),
    "two axes, two values": ("two axes", slab({"x": {"value": 1.0}, "y": {"value": 2.0}})),
    "held and heated": ("flux", slab({"left": {"value": 1.0}, "right": {"flux": 1.0}})),
    "heated across": ("flux", slab({"left": {"flux": 1.0}, "top": {"flux": 1.0}})),
    "a ring": (
        "whole ones",
        {"grid": {"geometry": "cylindrical", "shape": [9], "size": [1.0], "inner": 1.0,
                  "edges": RIM}, "initial": UNIFORM},
    ),
    "a leaky sphere": (
        "held rim",
        {"grid": {"geometry": "spherical", "shape": [9], "size": [1.0],
                  "edges": {"outer": {"value": 1.0, "transfer": 1.0}}}, "initial": UNIFORM},
    ),
    "a blob in a disc": (
        "radial", {"grid": {"geometry": "cylindrical", "shape": [9], "size": [1.0]},
                   "initial": BLOB},
    ),
    "halves of a disc": (
        "halves", {"grid": {"geometry": "cylindrical", "shape": [9], "size": [1.0]},
                   "initial": {"axis": "r"}},
    ),
    "another grid": ("grid", {"grid": {"shape": [60], "size": [1.0, 2.0]}}),
}  # fmt: skip


OPEN: dict[str, dict[str, Any]] = {
    "held": slab({"left": {"value": 3.0}, "right": {"value": 3.0}}),
    "held on two axes": slab({"left": {"value": 3.0}, "top": {"value": 3.0}}),
    "leaky": slab({"left": {"value": 3.0, "transfer": 1e-7}}),
    "heated": slab({"left": {"flux": 1e-7}}),
}


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_at_time_zero_what_lies_between_open_sides_is_the_start_to_the_last_bit(
    name: str, value: float
) -> None:
    given = resolved(scenario(**{**OPEN[name], "initial": {"kind": "uniform", "value": value}}))
    solution = matched(given)
    assert np.array_equal(solution(0.0), given.initial_field())
    assert not np.array_equal(solution(1e3), given.initial_field())


@pytest.mark.parametrize("name", UNMATCHED)
def test_no_solution_is_claimed_for(name: str) -> None:
    word, changes = UNMATCHED[name]
    given = scenario(**changes)
    assert analytic_solution(given) is None
    with pytest.raises(Unsupported, match=word):
        solution_of(given)


def test_what_holds_no_scenario_has_no_solution() -> None:
    for given in ({}, {"propagator": 3, "initial": None}, {"propagator": {}, "initial": {}}):
        assert analytic_solution(given) is None


@pytest.mark.parametrize("name", ["salt_aquarium", "one_drop", "disc", "random_walk"])
def test_scenarios_that_come_with_it_have_their_solution(name: str) -> None:
    loaded, _ = scenarios.load(ROOT / "scenarios" / f"{name}.yaml")
    assert matched(loaded).grid == loaded.grid


# --- starts that end somewhere ------------------------------------------------------------------


@pytest.mark.parametrize("ends", ["no-flux", "periodic"])
@pytest.mark.parametrize("t", [0.0, 3.0, 1e3, 1e6])
def test_a_blob_that_edges_cut_off_is_what_its_parts_become(ends: Any, t: float) -> None:
    """A fine sum over intervals, each of which spreads by itself, approaches it."""
    n, length, centre, width = 12, 2.0, 0.3, 0.35
    cell = length / n
    x = (np.arange(n) + 0.5) * cell
    options: dict[str, Any] = {"ends": ends, "cell": cell}
    fine = np.linspace(0.0, length, 25 * n + 1)
    middle = 0.5 * (fine[1:] + fine[:-1])
    weights = np.exp(-0.5 * ((middle - centre) / width) ** 2) / (width * np.sqrt(2.0 * np.pi))
    parts = [interval(x, t, 1e-3, length, (a, b), **options)
             for a, b in zip(fine.tolist(), fine[1:].tolist(), strict=False)]  # fmt: skip
    wanted = 3.0 * sum(w * part for w, part in zip(weights, parts, strict=True))
    found = cut_blob(x, t, 1e-3, length, centre, width, 3.0, **options)
    assert np.allclose(found, wanted, rtol=5e-4, atol=0)


def test_an_interval_that_fills_the_axis_is_one_everywhere() -> None:
    x = np.linspace(0.0, 2.0, 9)
    for ends in ("no-flux", "periodic"):
        whole = interval(x, 7.0, 0.01, 2.0, (0.0, 2.0), ends=ends)  # type: ignore[arg-type]
        assert np.allclose(whole, 1.0, rtol=1e-14, atol=0)


def test_intervals_that_do_not_grow_are_refused() -> None:
    with pytest.raises(ValueError, match="must grow"):
        interval(0.5, 1.0, 1.0, 2.0, (1.0, 1.0))
    with pytest.raises(ValueError, match="outside"):
        interval(0.5, 1.0, 1.0, 2.0, (1.0, 3.0))
    with pytest.raises(ValueError, match="width"):
        cut_blob(0.5, 1.0, 1.0, 2.0, 1.0, 0.0)
