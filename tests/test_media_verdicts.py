"""Whole scenarios of unusual media: their verdicts, balances and refusals as a user meets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shell import diffusim, refused

import diffusim as ds
from diffusim.methods.chebyshev import exponential_weights, quotient_weights
from diffusim.methods.poisson import poisson_tails

BALL = """\
grid: {geometry: spherical, shape: [100], size: [20 mm]}
propagator: {kind: diffusion, diffusivity: 1e-9 m^2/s}
initial: {kind: formula, expression: 1 + exp(-(r/0.006)^2)}
times: {stop: 6 h, frames: 5}
methods: [ftcs, rkl2, adi, chebyshev]
reference: chebyshev
"""
SHORT = """\
grid: {shape: [32], size: [32 mm]}
propagator: {kind: diffusion, diffusivity: 1e-8 m^2/s}
initial: {kind: halves, axis: x, values: [1.0, 0.0]}
times: {stop: 100 s, frames: 3}
methods: [ftcs, chebyshev]
reference: chebyshev
"""
DECAYING = SHORT.replace("1e-8 m^2/s", "1e-9 m^2/s, decay: 1e-2 1/s").replace("100 s", "400 s")
OPEN = """\
grid: {shape: [48, 48], size: [0.48 m, 0.48 m], edges: {left: {value: 1.0}, right: {value: 0.0},
       top: {transfer: 1e-5 m/s, value: 0.5}}}
propagator: {kind: diffusion, diffusivity: 1e-5 m^2/s, decay: 1e-5 1/s, source: 1e-6}
initial: {kind: uniform, value: 0.0}
times: {stop: 60000 s, frames: 3}
methods: [ftcs, chebyshev, poisson]
reference: chebyshev
"""


def told(folder: Path, text: str, *sets: str) -> dict[str, dict[str, str]]:
    source = folder / "told.yaml"
    source.write_text(text)
    words = [word for each in sets for word in ("--set", each)]
    done = diffusim("run", source, "--out", folder / "out", "--no-figures", "-q", *words)
    assert done.code == 0, done
    return done.rows


def test_errors_of_shells_count_by_their_volume_as_expected_and_as_observed(
    tmp_path: Path,
) -> None:
    rows = told(tmp_path, BALL)
    assert {row["verdict"] for row in rows.values()} == {"as predicted", "reference"}
    for label in ("ftcs", "rkl2", "adi"):
        ratio = float(rows[label]["l2"]) / float(rows[label]["expected"])
        assert 0.8 < ratio < 1.25


def test_a_few_steps_from_the_start_on_are_not_judged(tmp_path: Path) -> None:
    assert told(tmp_path, SHORT)["ftcs"]["verdict"] == "not judged"


def test_a_default_step_follows_a_decay_that_is_faster_than_diffusion(tmp_path: Path) -> None:
    rows = told(tmp_path, DECAYING)
    assert rows["ftcs"]["verdict"] in ("as predicted", "not judged")
    assert float(rows["ftcs"]["l2"]) < 0.2


def test_near_a_steady_state_round_off_is_not_taken_for_an_error(tmp_path: Path) -> None:
    rows = told(tmp_path, OPEN)
    assert {row["verdict"] for row in rows.values()} <= {"as predicted", "reference", "not judged"}
    assert float(rows["chebyshev"]["mass drift"]) < 1e-12


def test_events_of_any_age_are_seen(tmp_path: Path) -> None:
    grid = ds.Grid(shape=(4,), size=(1.0,))
    for time in (1e-9, 0.5, 1e16, 1e25):
        wall = ds.Wall(axis="x", at=0.5, opens=time)
        assert ds.Diffusion(diffusivity=1.0, walls=[wall]).events(grid) == (time,)
        rim = ds.Wall(axis="x", at=0.0, opens=time)
        stirred = {"kind": "uniform", "velocity": [1.0]}
        ring = ds.Grid(shape=(4,), size=(1.0,), edges="periodic")
        water = ds.Diffusion.model_validate({"diffusivity": 1.0, "flow": stirred})
        assert water.events(ring) == ()
        assert ds.Diffusion(diffusivity=1.0, walls=[rim]).events(grid) == ()


@pytest.mark.parametrize("z", [1e-3, 1.0, 50.0, 3e3, 2e5])
def test_series_of_integrals_have_their_mean_and_their_slope(z: float) -> None:
    weights = exponential_weights(z, 1e-17)
    shares = quotient_weights(z, weights.size - 1)
    assert float(np.sum(shares)) == pytest.approx(z, rel=1e-13, abs=0)
    assert float(np.sum(poisson_tails(z, 1e-17))) == pytest.approx(z, rel=1e-13, abs=0)
    x = np.linspace(-1.0, 1.0 - 1e-6, 7)
    value = np.polynomial.chebyshev.chebval
    found = value(x, shares) * (x - 1.0)
    # The shares are as large as z, and so is their round-off.
    np.testing.assert_allclose(found, value(x, weights) - 1.0, rtol=0, atol=1e-14 + 1e-16 * z)


@pytest.mark.parametrize("kind", ["adi", "rkl2"])
def test_chosen_steps_begin_as_short_as_the_flow_asks_and_balance(kind: str) -> None:
    grid = ds.Grid(shape=(24, 24), size=(0.024, 0.024))
    water = ds.Diffusion.model_validate(
        {"diffusivity": 1e-6, "flow": {"kind": "vortex", "radius": 0.005, "speed": 2e-3}}
    )
    u = np.where(np.arange(24)[:, None] < 12, 1.0, 0.0) * np.ones(24)
    exactly = ds.solve(u, water, grid=grid, times=[30.0], method="poisson").frames[-1]
    run = ds.solve(u, water, grid=grid, times=[30.0], method={"kind": kind, "tolerance": 1e-4})
    assert np.linalg.norm(run.frames[-1] - exactly) < 1e-4 * np.linalg.norm(exactly)
    assert np.sum(run.frames[-1]) == pytest.approx(np.sum(u), rel=1e-12, abs=0)


@pytest.mark.parametrize(
    ("sets", "words"),
    [(["grid.edges={left: {value: 35 g/L}}"], "in the field's own unit"),
     (["propagator.source=1e-3 g/L/s"], "in the field's own unit"),
     (["grid.edges={left: {value: 1e200}}"], "1e+100 at most"),
     (["propagator.diffusivity={kind: layerz}"], "layers, map, image, random, schedule"),
     (["propagator.obstacles={kind: boxes, boxes: [{x: [0.01, 0.002]}]}"], "must grow"),
     (["propagator.obstacles={kind: boxes, boxes: [{x: [1, 2]}]}"], "no cell whose centre"),
     (["propagator.flow={kind: uniform, velocity: [1], starts: 2 s, stops: 1 s}"],
      "stops before it starts"),
     (["grid.geometry=spherical", "grid.edges=periodic"], "the axis r cannot be periodic"),
     (["methods=[{kind: rkl2, dt: 1e9 s}]"], "more than 999 stages"),
     (["methods=[{kind: adi, dt: 1, tolerance: 1e-3}]"], "either 'dt' or a 'tolerance'")],
)  # fmt: skip
def test_slips_in_media_are_told_in_words_that_help(
    sets: list[str], words: str, tmp_path: Path
) -> None:
    source = tmp_path / "slip.yaml"
    source.write_text(SHORT.replace("100 s", "1e10 s") if "rkl2" in sets[0] else SHORT)
    done = diffusim("check", source, *(word for each in sets for word in ("--set", each)))
    refused(done, words)


def test_where_nothing_diffuses_a_flow_is_said_to_be_unresolved(tmp_path: Path) -> None:
    source = tmp_path / "bare.yaml"
    source.write_text(SHORT.replace("size: [32 mm]", "size: [32 mm], edges: periodic")
                      .replace("1e-8 m^2/s", "0, flow: {kind: uniform, velocity: [1e-4]}")
                      .replace("[ftcs, chebyshev]", "[poisson]")
                      .replace("reference: chebyshev", "reference: poisson"))  # fmt: skip
    done = diffusim("check", source)
    assert done.code == 0, done
    assert "Peclet number is inf" in done.out
    assert "larger than D" in done.out
