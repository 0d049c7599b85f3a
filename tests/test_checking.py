"""What a trajectory tells of itself, and whether it would tell that something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_making import OTHERS, USUAL, recipe

from diffusim.block import Array, Unsupported
from diffusim.dataset import checking
from diffusim.dataset.making import Made, Maker
from diffusim.dataset.recipe import Recipe
from diffusim.grid import Grid
from diffusim.symbol import Symbol

SINGLE = 6e-8  # the spacing of single precision at one


def all_of(plan: Recipe) -> Iterator[Made]:
    maker = Maker(plan)
    return (maker.make(index) for index in range(plan.count))


# --- what there is ------------------------------------------------------------------------------


def test_a_survey_tells_extremes_balance_and_frames_that_stand_still() -> None:
    grid = Grid(shape=(3, 4), size=(0.3, 0.4))
    frames = np.ones((5, 3, 4), np.float32)
    frames[1, 2, 3], frames[2:, 0, 1] = 3.0, -1.0
    found = checking.surveyed(frames, grid, 12 * 0.01, 12 * 0.01)
    assert found == {
        "finite": 1.0, "minimum": -1.0, "maximum": 3.0, "constant_frames": 2.0,
        "mass_drift": pytest.approx(2.0 / 12.0, rel=1e-14, abs=0),
    }  # fmt: skip


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_is_told(wrong: float) -> None:
    frames = np.ones((3, 3, 4), np.float32)
    frames[2, 0, 0] = wrong
    found = checking.surveyed(frames, Grid(shape=(3, 4), size=(0.3, 0.4)), 0.12, 0.12)
    assert found["finite"] == 0.0
    assert np.isnan(found["mass_drift"])


def test_rings_count_by_their_volume_and_accounts_are_counted() -> None:
    grid = Grid(shape=(4,), size=(1.0,), geometry="spherical")
    frames = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0]])
    ball = grid.total(frames[0])
    lost = np.array([[0.0], [-ball * (1.0 - 0.75**3)]])
    assert checking.surveyed(frames, grid, ball, ball, lost)["mass_drift"] < 1e-15
    assert checking.surveyed(frames, grid, ball, ball)["mass_drift"] == pytest.approx(
        1.0 - 0.75**3, rel=1e-12, abs=0
    )


def test_a_field_that_is_no_longer_finite_is_told_and_the_next_one_goes_on(tmp_path: Path) -> None:
    """Explicit steps beyond their limit are refused, so a frame is spoilt on its way."""
    plan = recipe(tmp_path, **OTHERS["steps"])
    maker, course = Maker(plan), type(Maker(plan)._course)
    assert course is not None
    true = maker._course

    def spoilt(*given: Any) -> Any:
        found = true(*given)
        advance = found.method.advance
        object.__setattr__(found.method, "advance", lambda u, segment: advance(u, segment) * (
            np.inf if segment.index == 4 else 1.0))  # fmt: skip
        return found

    object.__setattr__(maker, "_course", spoilt)
    checks = maker.make(0)
    assert checks.checks["finite"] == 0.0
    assert np.isfinite(checks.frames[4]).all()
    assert np.isnan(checks.frames[5:]).all()


# --- once more ----------------------------------------------------------------------------------


@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
def test_one_interval_done_once_more_differs_by_the_rounding_of_storage(
    tmp_path: Path, edges: str
) -> None:
    plan = recipe(tmp_path, edges=edges)
    maker = Maker(plan)
    assert maker.check is not None
    assert maker.check.word != "modes"
    found = [made.checks for made in all_of(plan)]
    assert all(0.0 < checks["residual"] < 3.0 * SINGLE for checks in found)
    assert all(checks["mass_drift"] < SINGLE for checks in found)
    assert len({checks["checked_frame"] for checks in found}) > 1


def test_double_precision_is_checked_to_its_own(tmp_path: Path) -> None:
    for made in all_of(recipe(tmp_path, precision="double")):
        assert 0.0 < made.checks["residual"] < 1e-11
        assert made.checks["mass_drift"] < 1e-13


def test_a_diffusivity_one_per_cent_too_large_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first interval, where the cells of the start run into each other, and in the last."""
    true = Symbol.frames

    def faster(self: Symbol, u: Array, durations: Array, out: Array) -> None:
        true(self, u, 1.01 * np.asarray(durations), out)

    sound = [made.checks["residual"] for made in all_of(recipe(tmp_path))]
    monkeypatch.setattr(Symbol, "frames", faster)
    for made, before in zip(all_of(recipe(tmp_path)), sound, strict=True):
        assert made.checks["residual"] > 100.0 * before


@pytest.mark.parametrize("fault", ["swapped frames", "one cell", "turned"])
def test_other_faults_show_if_they_are_where_one_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    true = Symbol.frames

    def wrong(self: Symbol, u: Array, durations: Array, out: Array) -> None:
        true(self, u, durations, out)
        if fault == "swapped frames":
            out[1:] = out[1:][::-1].copy()
        elif fault == "one cell":
            out[:, 3, 4] += 1e-3
        else:
            out[1::2] = out[1::2, ::-1].copy()

    monkeypatch.setattr(Symbol, "frames", wrong)
    for made in all_of(recipe(tmp_path)):
        assert made.checks["residual"] > 1e-5


@pytest.mark.parametrize("what", [w for w in OTHERS if w not in ("particles", "counts", "steps")])
def test_every_medium_is_checked_by_another_exact_method(tmp_path: Path, what: str) -> None:
    for made in all_of(recipe(tmp_path, **OTHERS[what])):
        assert 0.0 <= made.checks["residual"] < 3.0 * SINGLE
        assert made.checks["mass_drift"] < 2.0 * SINGLE or what == "a kernel"
        assert "p_value" not in made.checks


def test_steps_are_told_by_how_much_they_err(tmp_path: Path) -> None:
    for made in all_of(recipe(tmp_path, **OTHERS["steps"])):
        assert 1e-5 < made.checks["residual"] < 0.1


@pytest.mark.parametrize("what", ["particles", "counts"])
def test_particles_follow_the_law_and_not_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A false alarm in 10^5 for each of twelve trajectories; seeds are fixed."""
    changes = {**OTHERS[what], "vary": "{seed: [1, 2]}"}
    changes["method"] = changes["method"].replace(": 1000}", ": 100000}")
    plan = recipe(tmp_path, **changes)
    assert all(made.checks["p_value"] > 1e-5 for made in all_of(plan))
    true = checking._along
    monkeypatch.setattr(checking, "_along", lambda method, course, segments, u: true(
        method, course, segments, u[::-1]))  # fmt: skip
    early = [made.checks for made in all_of(plan) if made.checks["checked_frame"] <= 2]
    assert early
    assert all(checks["p_value"] < 1e-5 for checks in early)


def test_the_interval_depends_on_the_seed_alone_and_reaches_every_frame() -> None:
    """Of 400 draws none of eight intervals stays away: as rare as 8 (7/8)^400, 10^-22."""
    frames = np.ones((9, 4, 4), np.float32)
    grid = Grid(shape=(4, 4), size=(1.0, 1.0))
    from diffusim import Diffusion
    from diffusim.methods import Method
    from diffusim.runs import planned

    water, times = Diffusion(diffusivity=1.0), np.arange(9.0)
    modes = Method.read("modes")
    segments = planned(modes, water, grid, times).segments
    course = checking.Course(grid, water, times, {}, segments)
    second = checking.Second(modes, None, True)
    one = checking.Second(modes, second.chosen(course), True)

    def looked(seed: int) -> float:
        return one.checked(course, seed, frames[0], frames, {})["checked_frame"]

    assert {looked(seed) for seed in range(400)} == set(range(1, 9))
    assert looked(7) == looked(7)


def test_the_method_that_is_given_checks_and_one_that_cannot_is_refused(tmp_path: Path) -> None:
    path = recipe(tmp_path).name
    text = (tmp_path / f"{path}.yaml").read_text()
    (tmp_path / "given.yaml").write_text(text + "  check: poisson\n")
    maker = Maker(Recipe.read(tmp_path / "given.yaml"))
    assert maker.check is not None
    assert maker.check.word == "poisson"
    assert maker.make(0).checks["residual"] < 3.0 * SINGLE
    walls = "{kind: diffusion, diffusivity: 1e-5, walls: [{axis: x, at: 0.16, span: [0, 0.2]}]}"
    other = text.replace(USUAL["propagator"], walls).replace("modes", "chebyshev")
    (tmp_path / "given.yaml").write_text(other + "  check: modes\n")
    with pytest.raises(Unsupported, match="trajectory 0: .*differs along both axes"):
        Maker(Recipe.read(tmp_path / "given.yaml")).make(0)
