"""Trajectories: all frames from one transform, or by a course; the same bits in any batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import diffusim as ds
from diffusim.block import Array, Invalid, Unsupported
from diffusim.dataset.making import Maker, trajectories
from diffusim.dataset.recipe import Recipe

SCENARIO = """
grid: {{shape: {shape}, size: {size}, edges: {edges}}}
propagator: {propagator}
initial: {initial}
times: {times}
methods: [{method}]
seed: 3
dataset:
  trajectories: {{train: 4, test: 2}}
  vary: {vary}
  method: {method}
  precision: {precision}
"""
MIXED = "{x: periodic, y: no-flux}"
USUAL = {
    "shape": [48, 40], "size": [0.48, 0.4], "edges": "no-flux",
    "propagator": "{kind: diffusion, diffusivity: 1e-5 m^2/s}",
    "initial": "{kind: cells, values: [0.0, 1.0]}", "times": "{stop: 200 s, frames: 9}",
    "method": "modes", "precision": "single",
    "vary": "{propagator.diffusivity: {loguniform: [1e-6 m^2/s, 1e-5 m^2/s]}}",
}  # fmt: skip


def recipe(folder: Path, **changes: Any) -> Recipe:
    """A small dataset, of which some keys are others."""
    if "shape" in changes:
        changes.setdefault("size", [0.01 * n for n in changes["shape"]])
    path = folder / "small.yaml"
    path.write_text(SCENARIO.format(**{**USUAL, **changes}))
    return Recipe.read(path)


def solved(plan: Recipe, index: int) -> tuple[Array, Array]:
    """A trajectory by `solve`, and its start."""
    trajectory = plan.trajectory(index)
    scenario, u = trajectory.scenario, trajectory.scenario.initial_field()
    run = ds.solve(u, scenario.propagator, grid=scenario.grid, times=plan.times,
                   method=plan.method, seed=trajectory.seed)  # fmt: skip
    return np.asarray(run.frames), u


# --- all frames from one transform --------------------------------------------------------------


@pytest.mark.parametrize("edges", ["no-flux", "periodic", MIXED])
@pytest.mark.parametrize("shape", [[48, 40], [64, 18], [33, 20], [15, 16], [21, 35]])
def test_frames_from_one_transform_are_those_of_solve(
    tmp_path: Path, edges: str, shape: Sequence[int]
) -> None:
    plan = recipe(tmp_path, shape=shape, edges=edges)
    for made in trajectories(plan, [0, 5]):
        wanted, u = solved(plan, made.index)
        assert made.frames.dtype == np.float32
        assert np.max(np.abs(made.frames - wanted)) <= 3e-7 * np.max(np.abs(u))
        assert np.array_equal(made.frames[0], u.astype(np.float32))


@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
@pytest.mark.parametrize("cells", [64, 50, 61])
def test_a_line_from_one_transform_is_that_of_solve(tmp_path: Path, edges: str, cells: int) -> None:
    plan = recipe(tmp_path, shape=[cells], edges=edges)
    for made in trajectories(plan, [1]):
        wanted, u = solved(plan, 1)
        assert np.max(np.abs(made.frames - wanted)) <= 3e-7 * np.max(np.abs(u))


@pytest.mark.parametrize("edges", ["no-flux", "periodic", MIXED])
def test_late_fluctuations_keep_their_digits(tmp_path: Path, edges: str) -> None:
    """Salt of 0.5 everywhere and what is left of cells: some hundredths, told to 1e-5 of them."""
    plan = recipe(tmp_path, shape=[96, 80], edges=edges, vary="{seed: [1, 2]}",
                  times="{stop: 200 s, frames: 9}")  # fmt: skip
    for made in trajectories(plan, [2]):
        wanted, _ = solved(plan, 2)
        fluctuation = wanted[-1] - np.mean(wanted[-1])
        assert 1e-3 < np.std(fluctuation) < 0.05
        error = np.linalg.norm(made.frames[-1] - wanted[-1]) / np.linalg.norm(fluctuation)
        assert error <= 1e-5


def test_fluctuations_without_a_mean_are_told_when_almost_nothing_is_left(tmp_path: Path) -> None:
    plan = recipe(tmp_path, initial="{kind: cells, values: [-1.0, 1.0]}", vary="{seed: [1, 2]}",
                  times="{stop: 20000 s, frames: 9}", edges="periodic")  # fmt: skip
    for made in trajectories(plan, [2]):
        wanted, u = solved(plan, 2)
        small = wanted - np.mean(u)
        assert np.max(np.abs(small[-1])) < 1e-5
        for frame, exact, left in zip(made.frames, wanted, small, strict=True):
            rounding = np.abs(np.mean(u)) * 2.0**-24
            error = np.max(np.abs(frame - exact))
            assert error <= 2e-6 * np.max(np.abs(left)) + 2.0 * rounding


def test_a_start_without_a_mean_is_told_to_the_last_of_it(tmp_path: Path) -> None:
    """The slowest mode falls by 25 powers of e, more than what is left out falls below it."""
    plan = recipe(tmp_path, initial="{kind: halves, axis: x, values: [-1.0, 1.0]}",
                  vary="{seed: [1, 2]}", times="{at: [0, 58000 s]}")  # fmt: skip
    for made in trajectories(plan, [0]):
        wanted, _ = solved(plan, 0)
        assert 1e-12 < np.max(np.abs(wanted[-1])) < 1e-10
        error = np.linalg.norm(made.frames[-1] - wanted[-1])
        assert error <= 1e-5 * np.linalg.norm(wanted[-1])


def test_double_precision_is_that_of_solve_to_round_off(tmp_path: Path) -> None:
    plan = recipe(tmp_path, precision="double", edges=MIXED)
    for made in trajectories(plan, [0, 3]):
        wanted, _ = solved(plan, made.index)
        assert made.frames.dtype == np.float64
        assert np.max(np.abs(made.frames - wanted)) < 1e-14


@pytest.mark.parametrize("limit", ["continuum", "cell-to-cell"])
def test_other_limits_are_those_of_solve(tmp_path: Path, limit: str) -> None:
    plan = recipe(tmp_path, method=f"{{kind: modes, limit: {limit}}}")
    for made in trajectories(plan, [0]):
        wanted, _ = solved(plan, 0)
        assert np.max(np.abs(made.frames - wanted)) <= 3e-7
        assert made.checks["residual"] < 1e-2


# --- everything else ----------------------------------------------------------------------------

WALLS = "{kind: diffusion, diffusivity: 1e-5 m^2/s, walls: [{axis: x, at: 0.16%s}]}"
OTHERS: dict[str, dict[str, Any]] = {
    "a wall": {"propagator": WALLS % "", "vary": "{seed: [1, 2]}"},
    "a wall that is lifted": {"propagator": WALLS % ", opens: 60 s", "vary": "{seed: [1, 2]}"},
    "half a wall": {"propagator": WALLS % ", span: [0, 0.2]", "method": "chebyshev"},
    "a held side": {"edges": "{left: {value: 1.0}, right: no-flux, top: no-flux, bottom: no-flux}"},
    "decay": {"propagator": "{kind: diffusion, diffusivity: 1e-5, decay: 1e-3}"},
    "steps": {"method": "{kind: ftcs}"},
    "particles": {"method": "{kind: walkers, particles: 1000}"},
    "counts": {"method": "{kind: collapse, particles: 100000}", "vary": "{seed: [1, 2]}"},
    "a kernel": {"propagator": "{kind: kernel, kernel: box, normalise: sum}", "method": "stencil",
                 "times": "{at: [0, 1, 4]}", "vary": "{seed: [1, 2]}"},
    "late frames only": {"times": "{at: [5 s, 60 s]}"},
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_any_medium_and_any_method_gives_what_solve_gives(tmp_path: Path, what: str) -> None:
    plan = recipe(tmp_path, **OTHERS[what])
    for made in trajectories(plan, [0, 1, 4]):
        wanted, u = solved(plan, made.index)
        single = wanted.astype(np.float32)
        assert np.max(np.abs(made.frames - single)) <= 3e-7 * max(np.max(np.abs(u)), 1.0)


@pytest.mark.parametrize("what", ["a wall", "a wall that is lifted", "particles", "steps", "decay"])
def test_a_trajectory_is_the_same_in_any_batch(tmp_path: Path, what: str) -> None:
    plan = recipe(tmp_path, **OTHERS[what])
    told = {made.index: (made.frames.copy(), made.checks) for made in trajectories(plan)}
    assert len(told) == 6
    for index in (5, 2, 0):
        alone = Maker(plan).make(index)
        assert alone.frames.tobytes() == told[index][0].tobytes()
        assert alone.checks == told[index][1]


def test_frames_from_one_transform_are_the_same_in_any_batch(tmp_path: Path) -> None:
    plan = recipe(tmp_path, vary="{propagator.diffusivity: [1e-5 m^2/s, 2e-5 m^2/s]}")
    told = {made.index: (made.frames.copy(), made.checks) for made in trajectories(plan)}
    for made in trajectories(plan, [4, 1, 5, 0, 3, 2]):
        assert made.frames.tobytes() == told[made.index][0].tobytes()
        assert made.checks == told[made.index][1]
    assert len({frames.tobytes() for frames, _ in told.values()}) == 6


def test_a_medium_is_planned_once_while_only_the_start_varies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, planned = recipe(tmp_path, **OTHERS["half a wall"], vary="{seed: [1, 2]}"), []
    true = ds.Diffusion.generator
    monkeypatch.setattr(ds.Diffusion, "generator",
                        lambda *args: planned.append(1) or true(*args))  # fmt: skip
    maker = Maker(plan)
    maker.make(0)
    before = len(planned)
    maker.make(1)
    maker.make(2)
    assert len(planned) == before


# --- where frames go ----------------------------------------------------------------------------


def test_one_array_is_used_for_all_frames_unless_another_is_given(tmp_path: Path) -> None:
    plan = recipe(tmp_path)
    first, second = (made.frames for made in trajectories(plan, [0, 1]))
    assert first is second
    out = np.empty((2, *first.shape), np.float32)
    made = list(trajectories(plan, [0, 1], out))
    assert [np.shares_memory(m.frames, out[k]) for k, m in enumerate(made)] == [True, True]
    assert not np.array_equal(out[0], out[1])
    assert np.array_equal(out[1], second)


def test_an_array_that_does_not_fit_is_refused_with_what_would(tmp_path: Path) -> None:
    plan = recipe(tmp_path)
    for out in (np.empty((9, 48, 40)), np.empty((9, 40, 48), np.float32)):
        with pytest.raises(Invalid, match=r"\(9, 48, 40\)"):
            Maker(plan).make(0, out)


def test_a_trajectory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    walls = WALLS % ", span: [0, 0.2]"
    plan = recipe(tmp_path, propagator=walls, method="chebyshev", vary="{seed: [1, 2]}")
    object.__setattr__(plan, "method", ds.solving.Method.read("modes"))
    with pytest.raises(Unsupported, match="trajectory 3: .*differs along both axes"):
        Maker(plan).make(3)


def test_maps_tell_the_medium(tmp_path: Path) -> None:
    plan = recipe(tmp_path, **OTHERS["half a wall"])
    constants = Maker(plan).make(0).constants
    assert list(constants) == ["open_x"]
    shut = np.argwhere(constants["open_x"] == 0.0)
    assert set(shut[:, 0]) == {15}
    assert shut[:, 1].tolist() == list(range(20))
    assert np.unique(constants["open_x"]).tolist() == [0.0, 1.0]
    obstacles = "{kind: diffusion, diffusivity: {kind: layers, axis: x, at: [0.16], values: " \
                "[1e-5, 1e-6]}, obstacles: {kind: formula, expression: 0.1 - x}}"  # fmt: skip
    constants = Maker(recipe(tmp_path, propagator=obstacles, method="chebyshev",
                             vary="{seed: [1, 2]}")).make(0).constants  # fmt: skip
    assert np.unique(constants["diffusivity_map"]).tolist() == [1e-6, 1e-5]
    assert np.count_nonzero(constants["obstacle"]) == 10 * 40


def test_a_start_of_channels_among_many_choices_is_refused_where_it_comes(tmp_path: Path) -> None:
    starts = [f"{{kind: uniform, value: {k}}}" for k in range(40)]
    starts[5] = "{kind: image, path: portrait, channels: rgb}"
    path = tmp_path / "many.yaml"
    text = SCENARIO.format(**USUAL).replace("  trajectories: {train: 4, test: 2}\n", "")
    vary = f"  vary: {USUAL['vary']}\n"
    path.write_text(text.replace(vary, f"  sweep: {{grid: {{initial: [{', '.join(starts)}]}}}}\n"))
    maker = Maker(Recipe.read(path))
    assert maker.make(4).frames.max() == pytest.approx(4.0)
    with pytest.raises(Invalid, match="trajectory 5: a dataset takes fields of a single channel"):
        maker.make(5)
