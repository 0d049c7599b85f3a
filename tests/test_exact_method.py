"""The analytic solution as a method: what it knows, what it refuses, what it is a reference for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import diffusim

import diffusim as ds
from diffusim.block import Unsupported
from diffusim.conduct import carry_out
from diffusim.exact.matching import solution_of
from diffusim.experiment import Experiment, prepare
from diffusim.methods import Beginning
from diffusim.methods.exact import Exact
from diffusim.methods.walkers import Walkers
from diffusim.reading import ScenarioError
from diffusim.runs import plan, revived, taken_apart

D = 1e-6
PLAIN: dict[str, Any] = {
    "title": "A step",
    "grid": {"shape": [24, 6], "size": [0.3, 0.1]},
    "propagator": {"kind": "diffusion", "diffusivity": D},
    "initial": {"kind": "halves", "axis": "x", "values": [35.0, 1.0]},
    "times": {"at": [0.0, 100.0, 1000.0]},
    "methods": ["ftcs", "exact"],
}
NAME = "a step between closed ends, by images (Crank 1975, sections 2.2.4 and 2.4.1)"


def file(folder: Path, **changes: Any) -> Path:
    path = folder / "step.yaml"
    path.write_text(json.dumps({**PLAIN, **changes}), encoding="utf-8")
    return path


def prepared(folder: Path, **changes: Any) -> Experiment:
    return prepare(file(folder, **changes))


def uniform(edges: Any, **medium: Any) -> dict[str, Any]:
    return {
        "grid": {"shape": [24, 6], "size": [0.3, 0.1], "edges": edges},
        "propagator": {"kind": "diffusion", "diffusivity": D, **medium},
        "initial": {"kind": "uniform", "value": 2.0},
    }


def course_of(experiment: Experiment) -> Any:
    return next(course for course in experiment.courses if course.method.word == "exact")


# --- its frames ---------------------------------------------------------------------------------


def test_its_frames_are_the_solution_in_one_step_each(tmp_path: Path) -> None:
    experiment = prepared(tmp_path)
    course = course_of(experiment)
    solution = solution_of(experiment.scenario.model_dump(mode="json"))
    assert (course.method.limit, course.method.order, course.steps) == ("analytic", None, 2)
    first, *later = course.frames(experiment.initial)
    assert np.array_equal(first.field, experiment.initial)
    for frame in later:
        assert np.array_equal(frame.field, solution(frame.time))
        assert not frame.extras


def test_it_goes_on_from_a_stored_state_to_the_same_bits(tmp_path: Path) -> None:
    experiment = prepared(tmp_path, **uniform({"left": {"value": 5.0}}))
    course = course_of(experiment)
    frames = list(course.frames(experiment.initial))
    state = revived(course.begin(experiment.initial), taken_apart(frames[1].state))
    again = list(course.frames(experiment.initial, 2, state))[-1]
    assert np.array_equal(again.field, frames[-1].field)
    assert np.array_equal(again.extras["accounts"], frames[-1].extras["accounts"])


def test_its_notes_and_facts_name_the_solution(tmp_path: Path) -> None:
    experiment = prepared(tmp_path)
    assert f"exact: {NAME}" in list(experiment.notes())
    facts = course_of(experiment).facts()
    assert f"{facts['solution']} ({facts['source']})" == NAME
    assert facts["limit"] == "analytic"


def test_check_and_run_say_which_solution_it_is(tmp_path: Path) -> None:
    path = file(tmp_path, methods=["ftcs", "modes", "exact"], reference="exact")
    told = diffusim("check", str(path))
    assert (told.code, f"exact: {NAME}" in told.out) == (0, True)
    assert "exact (reference): limit analytic, 2 steps" in told.out
    run = diffusim("run", str(path), "--no-figures", "--out", str(tmp_path / "out"))
    assert run.code == 0
    assert f"exact: {NAME}" in run.out + run.err


# --- accounts -----------------------------------------------------------------------------------

V = 0.3 * 0.1
LEDGERS: dict[str, tuple[dict[str, Any], dict[str, float | None]]] = {
    "one held side": (uniform({"left": {"value": 5.0}}), {"left": None}),
    "two sides alike": (uniform({"x": {"value": 5.0}}), {"left": None, "right": None}),
    "decay": (uniform("no-flux", decay=1e-3), {"decay": -2.0 * V * (1.0 - np.exp(-1.0))}),
    "decay and a source": (
        uniform("no-flux", decay=1e-3, source=0.2), {"decay": None, "source": 0.2 * V * 1000.0}
    ),
    "heat": (
        uniform({"left": {"flux": 2e-6}, "right": {"flux": -1e-6}}),
        {"left": 2e-6 * 0.1 * 1000.0, "right": -1e-6 * 0.1 * 1000.0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEDGERS)
def test_its_accounts_are_those_of_an_exact_method_on_the_cells(name: str, tmp_path: Path) -> None:
    """The cells' own error, of the second power of their length, lies between the two."""
    changes, known = LEDGERS[name]
    grid = {**changes["grid"], "shape": [192, 2]}
    experiment = prepared(tmp_path, **{**changes, "grid": grid}, methods=["exact", "chebyshev"])
    exact, other = experiment.courses[:2]
    assert exact.facts()["accounts"] == list(known)
    pairs = list(zip(exact.frames(experiment.initial), other.frames(experiment.initial),
                     strict=True))  # fmt: skip
    start = exact.grid.total(experiment.initial)
    for mine, theirs in pairs:
        came = mine.extras["accounts"]
        assert np.sum(came) == pytest.approx(exact.grid.total(mine.field) - start, rel=1e-9, abs=0)
        assert np.allclose(came, theirs.extras["accounts"], rtol=2e-3, atol=0)
    last = dict(zip(known, pairs[-1][0].extras["accounts"].tolist(), strict=True))
    for account, wanted in known.items():
        if wanted is not None:
            assert last[account] == pytest.approx(wanted, rel=1e-12, abs=0)


def test_accounts_that_it_cannot_tell_apart_are_refused_in_words(tmp_path: Path) -> None:
    for edges, medium in (
        ({"left": {"value": 5.0}, "right": {"value": 1.0}}, {}),
        ({"left": {"value": 0.0}}, {"decay": 1e-3}),
    ):
        with pytest.raises(ScenarioError, match="together, and not through each"):
            prepared(tmp_path, **uniform(edges, **medium))


# --- what it refuses ----------------------------------------------------------------------------


def test_a_scenario_without_a_known_solution_is_refused_with_those_that_are_known(
    tmp_path: Path,
) -> None:
    with pytest.raises(ScenarioError, match="knows no analytic solution") as refused:
        prepared(tmp_path, initial={"kind": "noise", "mean": 1.0, "deviation": 0.1})
    (problem,) = refused.value.problems
    assert "from a start of the kind 'noise' (initial.kind); known are" in problem.message
    assert tuple(problem.path) == ("methods", 1) or str(problem.path) == "methods.1"


def test_a_field_alone_is_refused() -> None:
    grid = ds.Grid(shape=(4, 4), size=(1.0, 1.0))
    water = ds.Diffusion(diffusivity=1.0)
    with pytest.raises(Unsupported, match="a field alone does not tell what it is"):
        ds.solve(np.ones((4, 4)), water, grid=grid, times=[1.0], method="exact")
    with pytest.raises(Unsupported, match="its start is not told"):
        plan(Exact(), water, grid, [1.0])


def test_waves_and_kernels_and_flows_are_refused_before_that(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"kind": "kernel", "kernel": "edge-detector", "normalise": "softmax"}, "needs a medium"),
        ({"kind": "schroedinger"}, "needs a medium"),
        ({"kind": "diffusion", "diffusivity": {"kind": "layers", "axis": "x", "at": [0.15],
                                               "values": [1.0, 2.0]}}, "cannot carry uneven"),
    ]  # fmt: skip
    for propagator, words in cases:
        with pytest.raises(ScenarioError, match=words):
            prepared(tmp_path, propagator=propagator, methods=["exact"], times={"at": [0, 1]})


def test_no_other_refusal_names_it_as_one_that_can() -> None:
    grid = ds.Grid(shape=(4, 4), size=(1.0, 1.0))
    with pytest.raises(Unsupported, match="These can: adi, auto, chebyshev, ftcs") as refused:
        ds.solve(-np.ones((4, 4)), ds.Diffusion(diffusivity=1.0), grid=grid, times=[1.0],
                 method="walkers")  # fmt: skip
    assert "exact" not in str(refused.value)


# --- as a reference -----------------------------------------------------------------------------


def names_and_roles(experiment: Experiment) -> dict[str, str | None]:
    return {course.name: experiment.roles.get(course.name) for course in experiment.courses}


WALKERS = {"kind": "walkers", "particles": 1000, "limit": "lattice"}
CHOICES: dict[str, tuple[dict[str, Any], str, dict[str, str | None]]] = {
    "asked for": (
        {"methods": ["ftcs", "exact"], "reference": "exact"}, "exact",
        {"ftcs": None, "exact": "reference", "auto-lattice": "reference"},
    ),
    "asked for beside the methods": (
        {"methods": ["ftcs"], "reference": "exact"}, "exact",
        {"ftcs": None, "exact": "reference", "auto-lattice": "reference"},
    ),
    "asked for beside an exact method": (
        {"methods": ["ftcs", "modes"], "reference": "exact"}, "exact",
        {"ftcs": None, "modes": "reference", "exact": "reference"},
    ),
    "another one is": (
        {"methods": ["exact", "modes", "ftcs"], "reference": "modes"}, "modes",
        {"exact": "reference", "modes": "reference", "ftcs": None},
    ),
    "none is, an exact method of the cells goes first": (
        {"methods": ["exact", "ftcs", "modes"]}, "modes",
        {"exact": "reference", "ftcs": None, "modes": "reference"},
    ),
    "none is, beside chance": (
        {"methods": ["exact", WALKERS]}, "auto-lattice",
        {"exact": "reference", "walkers": None, "auto-lattice": "reference"},
    ),
    "none is, and no method is exact": (
        {"methods": ["exact", "ftcs", "rkl2"]}, "auto-lattice",
        {"exact": "reference", "ftcs": None, "rkl2": None, "auto-lattice": "reference"},
    ),
    "there is nothing else": ({"methods": ["exact"]}, "exact", {"exact": "reference"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CHOICES)
def test_which_reference_is_chosen_where(name: str, tmp_path: Path) -> None:
    changes, reference, wanted = CHOICES[name]
    experiment = prepared(tmp_path, **changes)
    assert experiment.reference == reference
    assert names_and_roles(experiment) == wanted


def test_a_reference_that_nobody_asked_for_takes_no_longer_than_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its many terms are none beside a few implicit steps, so nothing judges these."""
    monkeypatch.setattr("diffusim.experiment.PATIENCE", 0.0)
    fast = {"kind": "diffusion", "diffusivity": 1.0,
            "walls": [{"axis": "x", "at": 0.15, "span": [0.0, 0.05]}]}  # fmt: skip
    few = [{"kind": "adi", "dt": 400.0}]
    for asked, reference in ((None, "adi"), ("chebyshev", "chebyshev")):
        experiment = prepared(tmp_path, propagator=fast, methods=few, reference=asked)
        assert experiment.reference == reference
        assert experiment.roles == ({} if asked is None else {"chebyshev": "reference"})


def test_against_it_methods_are_still_judged_by_the_reference_of_their_own_limit(
    tmp_path: Path,
) -> None:
    experiment = prepared(tmp_path, methods=["ftcs", "modes"], reference="exact")
    table = carry_out(experiment, tmp_path / "out").comparison
    assert (table.reference, table["ftcs"].reference) == ("exact", "modes")
    assert table["exact"].verdict == "reference"
    assert table["ftcs"].verdict == "as predicted"
    assert table.sound


def test_its_bound_is_met_by_the_law_of_particles_that_start_as_evenly(tmp_path: Path) -> None:
    law = {"kind": "modes", "limit": "cell-to-cell"}
    experiment = prepared(tmp_path, methods=["exact", law])
    course, other = experiment.courses[:2]
    frames = [frame.field for frame in course.frames(experiment.initial)]
    bounds = list(course.predictions(experiment.initial, frames))
    for u, bound, frame in zip(frames, bounds, other.frames(experiment.initial), strict=True):
        assert bound is not None
        apart = np.linalg.norm(u - frame.field) / np.linalg.norm(u)
        assert apart < float(np.asarray(bound.error)) <= 1e-12 or frame.time == 0.0


# --- what methods are told of the start ---------------------------------------------------------


def test_methods_are_told_the_scenario_and_what_each_channel_holds(tmp_path: Path) -> None:
    told = prepared(tmp_path).beginning
    assert told.contents == pytest.approx([18.0 * V])
    assert told.scenario is not None
    assert set(told.scenario) == {"grid", "propagator", "initial"}
    assert told.scenario["initial"]["values"] == [35.0, 1.0]


def test_particles_that_are_told_no_content_are_those_of_the_start() -> None:
    method = Walkers(particles=100)
    grid = ds.Grid(shape=(4, 4), size=(1.0, 1.0))
    assert method.started(Beginning()).memory(grid) == method.memory(grid)
