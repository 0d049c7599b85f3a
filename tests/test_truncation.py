"""How far the cells' limit is from other truths is predicted before these are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plot_samples import header
from shell import ROOT
from truncation_samples import DAY, D, analytic, carried, medium, scenario, size

from diffusim import scenario as scenarios
from diffusim import truncation as truncations
from diffusim.block import Array, Unsupported
from diffusim.coarsening import Coarsening
from diffusim.exact.matching import solution_of
from diffusim.scenario import Scenario
from diffusim.truncation import analytic_run, halving, truncation, truncation_of


def ratios(given: Scenario, frames: list[Array], truth: Iterator[Array]) -> list[float]:
    """Observed over expected difference to the smooth truth, in every frame after the first."""
    told = truncation(given, "lattice", "analytic").fields()
    found = [(size(u - true), size(expected))
             for u, true, expected in zip(frames, truth, told, strict=True)]  # fmt: skip
    return [apart / expected for apart, expected in found[1:]]


ROUND = {"shape": [48], "size": [0.05], "edges": {"outer": {"value": 35.0}}}
SMOOTH: dict[str, dict[str, Any]] = {
    "halves": {},
    "halves on a ring": {"grid": {"shape": [48], "size": [0.192], "edges": "periodic"}},
    "a blob": {"initial": {"kind": "blob", "width": 0.008, "peak": 1.0}},
    "a blob at an edge": {
        "initial": {"kind": "blob", "width": 0.012, "peak": 1.0, "centre": [0.01, 0.1]}
    },
    "modes": {
        "initial": {"kind": "modes", "mean": 2.0, "terms": [{"amplitude": 1.0, "x": 2, "y": 3}]}
    },
    "rectangles": {
        "initial": {"kind": "patches", "patches": [{"x": [0.04, 0.1], "y": [0, 0.1], "value": 2}]}
    },
    "a step that decays": {"propagator": medium(decay=1e-6, source=1e-5)},
    "a slab": {
        "grid": {"shape": [48], "size": [0.05], "edges": {"left": {"value": 1.0}}},
        "initial": {"kind": "uniform", "value": 0.0},
    },
    "a disc": {
        "grid": {"geometry": "cylindrical", **ROUND}, "initial": {"kind": "uniform", "value": 1.0}
    },
    "a sphere": {
        "grid": {"geometry": "spherical", **ROUND}, "initial": {"kind": "uniform", "value": 1.0}
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_the_error_of_the_cells_is_what_was_expected_of_them(name: str) -> None:
    given = scenario(**SMOOTH[name])
    found = ratios(given, carried(given), analytic(given))
    assert len(found) == len(given.frame_times) - 1
    assert min(found) > 0.95
    assert max(found) < 1.05


@pytest.mark.parametrize("name", ["halves", "a blob", "modes"])
def test_a_diffusivity_that_is_one_per_cent_too_large_is_not_expected(name: str) -> None:
    given = scenario(**SMOOTH[name])
    found = ratios(given, carried(given, faster=1.01), analytic(given))
    assert max(found) > 2.0


def test_a_narrow_blob_is_told_within_a_factor_of_two() -> None:
    given = scenario(initial={"kind": "blob", "width": 0.002, "peak": 1.0})
    found = ratios(given, carried(given), analytic(given))
    assert min(found) > 0.5
    assert max(found) < 2.0
    assert found[-1] == pytest.approx(1.0, abs=0.05)


def test_nothing_is_told_before_a_jump_has_spread_over_half_a_cell() -> None:
    half = (0.5 * 0.004) ** 2 / (2.0 * D)
    at = [0.0, 0.1 * half, 0.98 * half, 1.02 * half, 4.0 * half]
    given = scenario(times={"at": at}, propagator=medium(walls=[]))
    told = list(truncation(given, "lattice", "analytic").fields())
    assert [field is None for field in told] == [False, True, True, False, False]
    lifted = medium(walls=[{"axis": "x", "at": 0.096, "opens": 3.9 * half}])
    told = list(truncation(scenario(times={"at": at}, propagator=lifted), "lattice",
                           "analytic").fields())  # fmt: skip
    assert told[3] is not None
    assert size(told[3]) < 1e-11
    assert told[4] is None


def on(given: Scenario, finer: int) -> Scenario:
    values = given.model_dump(mode="json")
    shape = [finer * n for n in given.grid.shape]
    return Scenario.model_validate({**values, "grid": {**values["grid"], "shape": shape}})


FINER: dict[str, dict[str, Any]] = {
    "halves": {},
    "halves at an angle": {"initial": {"kind": "halves", "angle": 30.0, "values": [35.0, 0.0]}},
    "a formula": {
        "initial": {"kind": "formula", "expression": "exp(-((x - 0.1)^2 + (y - 0.08)^2)/0.0008)"}
    },
    "half a wall": {"propagator": medium(walls=[{"axis": "x", "at": 0.096, "span": [0.0, 0.096]}])},
    "a corner": {
        "propagator": medium(obstacles={"kind": "boxes",
                                        "boxes": [{"x": [0.08, 0.112], "y": [0.0, 0.096]}]})
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FINER)
@pytest.mark.parametrize("finer", [2, 4])
def test_a_run_on_finer_cells_is_as_far_as_was_expected(name: str, finer: int) -> None:
    given = scenario(**FINER[name])
    given = given.model_copy(update={"times": given.times.model_copy(update={"frames": 4})})
    fine = on(given, finer)
    told = truncation(given, "lattice", "lattice", finer=finer).fields()
    for u, v, expected in list(zip(carried(given), carried(fine), told, strict=True))[1:]:
        apart = size(u - Coarsening.of(fine.grid, given.grid).means(v))
        # At the ends of walls and at corners the next term falls hardly faster than the first.
        assert apart / size(expected) == pytest.approx(1.0, abs=1e-9 if finer == 2 else 0.06)


def test_between_cells_and_the_smooth_equation_it_is_the_difference_of_their_modes() -> None:
    """Where the field is smooth it is t h^2 / 12 sum_k L_k^2 u / D_k, to 2 per cent."""
    given = scenario(initial={"kind": "blob", "width": 0.024, "peak": 1.0})
    found = truncation(given, "lattice", "continuum")
    turned = truncation(given, "continuum", "lattice").fields()
    smooth = carried(given, {"kind": "modes", "limit": "continuum"})
    h = given.grid.spacing[0]
    frames = zip(given.frame_times, carried(given), smooth, found.fields(), turned, strict=True)
    for time, u, v, expected, opposite in list(frames)[1:]:
        assert expected is not None
        assert opposite is not None
        assert size(u - v - expected) < 1e-6 * size(expected)
        assert np.array_equal(opposite, -expected)
        leading = float(time) * h**2 / 12.0 * D * sum(_fourth(u, axis, h) for axis in (0, 1))
        assert size(leading - expected) < 0.02 * size(expected)


def _fourth(u: Array, axis: int, h: float) -> Array:
    for _ in range(2):
        around = np.pad(u, [(1, 1) if k == axis else (0, 0) for k in (0, 1)], mode="edge")
        u = np.diff(around, 2, axis) / h**2
    return u


def test_the_law_of_particles_errs_on_its_start_only() -> None:
    given = scenario(**SMOOTH["a blob"])
    law = carried(given, {"kind": "modes", "limit": "cell-to-cell"})
    told = truncation(given, "cell-to-cell", "analytic").fields()
    for u, true, expected in list(zip(law, analytic(given), told, strict=True))[1:]:
        assert size(u - true) / size(expected) == pytest.approx(1.0, abs=0.05)
    even = truncation(scenario(), "cell-to-cell", "analytic").fields()
    for u, field in zip(carried(scenario()), even, strict=True):
        assert size(field) < 1e-12 * size(u)


def test_seen_from_the_other_side_it_is_the_opposite() -> None:
    given = scenario(times={"at": [0.0, 10.0, DAY]})
    here, there = (truncation(given, *pair) for pair in
                   (("lattice", "analytic"), ("analytic", "lattice")))  # fmt: skip
    for one, other in zip(here.fields(), there.fields(), strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert np.array_equal(one, -other)


# --- where it is not told -----------------------------------------------------------------------

NOISE = {"kind": "noise", "mean": 1.0, "deviation": 0.1}
FLOWS = {"kind": "vortex", "centre": [0.096, 0.096], "radius": 0.03, "speed": 1e-7}
UNTOLD: dict[str, tuple[str, dict[str, Any]]] = {
    "noise": ("kind 'noise'", {"initial": NOISE}),
    "an image": ("kind 'image'", {"initial": {"kind": "image", "path": "portrait"}}),
    "a jump amid cells": (
        "start jumps within", {"initial": {"kind": "halves", "axis": "x", "at": 0.0963,
                                           "values": [1.0, 0.0]}},
    ),
    "a formula that jumps": (
        "start jumps", {"initial": {"kind": "formula", "expression": "(x < 0.0973)*(y < 0.1)"}}
    ),
    "a source that jumps": ("source jumps", {"propagator": medium(source="x < 0.0973")}),
    "a slanted wall": (
        "slanted", {"propagator": medium(walls=[{"line": [[0.0, 0.0], [0.1, 0.1]]}])}
    ),
    "membranes round cells": (
        "membranes", {"propagator": medium(walls=[{"every": "cell", "permeability": 1e-7}])}
    ),
    "a round obstacle": (
        "outline",
        {"propagator": medium(obstacles={"kind": "formula",
                                         "expression": "0.001 - (x - 0.1)^2 - (y - 0.1)^2"})},
    ),
    "a picture of diffusivities": (
        "outline",
        {"propagator": {"kind": "diffusion",
                        "diffusivity": {"kind": "image", "path": "portrait",
                                        "values": [1e-10, 1e-9]}}},
    ),
    "a kernel": (
        "moves by cells",
        {"propagator": {"kind": "kernel", "kernel": "edge-detector", "normalise": "softmax"},
         "times": {"at": [0, 1]}},
    ),
    "a wave": (
        "phase", {"propagator": {"kind": "schroedinger"}, "times": {"at": [0.0, 1e-15]}},
    ),
    "too many cells": (
        "more than 4194304", {"grid": {"shape": [1025, 1024], "size": [1.0, 1.0]}}
    ),
    "too long": (
        "would take about",
        {"grid": {"shape": [256, 256], "size": [0.256, 0.256]}, "propagator": medium(flow=FLOWS),
         "times": {"stop": 1e9, "frames": 3}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNTOLD)
def test_no_error_is_told_of(name: str) -> None:
    words, changes = UNTOLD[name]
    with pytest.raises(Unsupported, match=words):
        truncation(scenario(**changes), "lattice", "analytic")


def test_what_has_no_one_error_is_refused_in_words() -> None:
    with pytest.raises(Unsupported, match="same cells"):
        truncation(scenario(), "lattice", "lattice")
    with pytest.raises(Unsupported, match="no one error"):
        truncation(scenario(), "lattice", "continuum", finer=2)
    with pytest.raises(Unsupported, match="whole number"):
        truncation(scenario(), "lattice", "lattice", finer=0)
    walls = medium(walls=[{"axis": "x", "at": 0.096, "span": [0.0, 0.04]}])
    with pytest.raises(Unsupported, match="no symbol"):
        truncation(scenario(propagator=walls), "lattice", "continuum")


# --- from what was stored -----------------------------------------------------------------------


def stored(given: Scenario | dict[str, Any]) -> Any:
    values = given if isinstance(given, dict) else given.model_dump(mode="json")
    return header((48, 48), np.array([0.0, DAY, 9 * DAY]), scenario=values)


def test_a_stored_result_tells_the_same() -> None:
    given = scenario()
    pairs = zip(
        truncation(given, "lattice", "analytic").fields(),
        truncation_of(stored(given), "lattice", "analytic").fields(),
        strict=True,
    )
    for one, other in pairs:
        assert one is not None
        assert np.array_equal(one, other)


def test_a_result_that_holds_no_scenario_is_refused_in_words() -> None:
    with pytest.raises(Unsupported, match="cannot be read again: grid"):
        truncation_of(stored({}), "lattice", "analytic")
    with pytest.raises(Unsupported, match="does not hold"):
        truncation_of(replace(stored({}), resolved="3"), "lattice", "analytic")
    pictured = scenario(initial={"kind": "image", "path": "portrait"})
    with pytest.raises(Unsupported, match="initial.path: the result keeps .* not the file"):
        truncation_of(stored(pictured), "lattice", "continuum")
    given = pictured.model_copy(update={"times": scenario(times={"at": [0.0, DAY]}).times})
    *_, apart = truncation(given, "lattice", "continuum").fields()
    assert size(apart) > 0.0


def test_the_solution_of_a_stored_result_is_a_run() -> None:
    given = scenario()
    run = analytic_run(stored(given), "truth")
    assert run is not None
    assert run.label == "truth"
    solution = solution_of(given.model_dump(mode="json"))
    assert len(run.frames) == 3
    for number, time in enumerate((0.0, DAY, 9 * DAY)):
        assert np.array_equal(run.frames[number], solution(time))
    assert [frame.shape for frame in run.frames] == [(48, 48)] * 3
    facts = dict(run.facts)
    wanted = {"kind": "exact", "limit": "analytic", "role": "reference", "statistical": False}
    assert wanted.items() <= facts.items()
    assert facts["solution"] == solution.name
    assert len(facts["predicted"]) == 3
    assert run.counts is None
    assert run.accounts is None
    assert not run.arrays


def test_results_without_a_solution_have_no_such_run() -> None:
    assert analytic_run(stored(scenario(initial=NOISE))) is None
    assert analytic_run(stored({})) is None
    assert analytic_run(stored(scenario(grid={"shape": [24, 24], "size": [0.2, 0.2]}))) is None


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda p: p.stem)
def test_of_every_scenario_it_is_told_or_refused_in_words(path: Path) -> None:
    given, _ = scenarios.load(path)
    words, told = "", None
    try:
        told = truncation(given, "lattice", "analytic")
    except Unsupported as reason:
        words = str(reason)
    if told is None:
        assert len(words.split()) > 5
        return
    assert told.seconds < truncations.PATIENCE
    assert told.power in (halving.EVEN, halving.CORNER, halving.END)
