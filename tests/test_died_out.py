"""What exact methods leave out of the start is no fault where little of the start is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import Done, diffusim

import diffusim as ds

TEXT = """\
grid: {shape: [32], size: [0.032 m]}
propagator: {kind: diffusion, diffusivity: 1e-9 m^2/s}
initial: {kind: modes, mean: 0, terms: [{amplitude: 1, x: 4}]}
times: {stop: 1.8e5 s, frames: 6}
methods: [chebyshev, poisson, ftcs, rkl2]
reference: modes
"""
DYING: dict[str, tuple[str, ...]] = {
    "a wave of mean zero": (),
    "a slab that empties": (
        "grid.edges={left: {value: 0}, right: {value: 0}}", "initial={kind: uniform, value: 1}",
        "times.stop=1e7 s",
    ),
    "halves that decay": (
        "propagator.decay=2e-4", "initial={kind: halves, axis: x, values: [35, 0]}",
        "times.stop=3e5 s",
    ),
}  # fmt: skip


def ran(folder: Path, name: str, *sets: str) -> tuple[Done, Path]:
    source = folder / f"{name}.yaml"
    source.write_text(TEXT)
    words = [word for each in sets for word in ("--set", each)]
    done = diffusim("run", source, "--out", folder, "--no-figures", "-q", *words)
    return done, folder / name / "run.hdf5"


@pytest.mark.parametrize("name", DYING)
def test_sound_runs_of_what_dies_out_are_never_unexplained(name: str, tmp_path: Path) -> None:
    done, _ = ran(tmp_path, "dying", *DYING[name])
    assert done.code == 0, done
    verdicts = {label: row["verdict"] for label, row in done.rows.items()}
    assert verdicts.pop("modes") == "reference"
    assert set(verdicts.values()) == {"as predicted"}
    # The last frame is a millionth of the start or less, and nothing is told of it.
    assert done.rows["chebyshev"]["expected"] == ""


def test_from_a_reference_of_which_round_off_is_left_no_error_of_others_is_told(
    tmp_path: Path,
) -> None:
    done, _ = ran(tmp_path, "dead", "times.stop=6e5 s")
    assert done.code == 0, done
    assert float(done.rows["ftcs"]["worst l2"]) > 0.5
    assert {done.rows[label]["expected"] for label in ("ftcs", "rkl2", "poisson")} == {""}
    assert done.rows["chebyshev"]["verdict"] == done.rows["poisson"]["verdict"] == "as predicted"


@pytest.mark.parametrize("name", DYING)
@pytest.mark.parametrize("method", ["chebyshev", "ftcs"])
def test_one_per_cent_more_diffusivity_is_found_before_the_field_has_died_out(
    name: str, method: str, tmp_path: Path
) -> None:
    _, sound = ran(tmp_path, "sound", *DYING[name], "methods=[modes]", "reference=modes")
    more = "propagator.diffusivity=1.01e-9", f"methods=[{method}]"
    _, wrong = ran(tmp_path, "wrong", *DYING[name], *more)
    done = diffusim("compare", sound, wrong)
    assert done.code == 3, done
    if method == "chebyshev":
        assert done.rows[method]["verdict"] == "unexplained"


def test_of_frames_in_which_nothing_is_left_no_likely_fault_is_told(tmp_path: Path) -> None:
    _, sound = ran(tmp_path, "sound", "methods=[modes]")
    changed = "methods=[poisson]", "propagator.diffusivity=2e-9"
    _, wrong = ran(tmp_path, "wrong", *changed)
    done = diffusim("compare", sound, wrong)
    assert done.rows["poisson"]["verdict"] == "unexplained"
    assert "it looks" not in done.rows["poisson"]["reason"]
    fresh = "times.stop=1e4 s"
    _, sound = ran(tmp_path, "fresh", "methods=[modes]", fresh)
    _, wrong = ran(tmp_path, "twice", *changed, fresh)
    done = diffusim("compare", sound, wrong)
    assert "it looks as though it were multiplied by" in done.rows["poisson"]["reason"]


@pytest.mark.parametrize("edges", ["no-flux", {"left": {"value": 0.0}}])
@pytest.mark.parametrize("decay", [1e-3, "1e-3*(1 + x/0.032)"])
def test_chebyshev_keeps_all_digits_of_what_decays_evenly(edges: Any, decay: Any) -> None:
    """By exp(-300); where more is lost at one end, the start's digits beyond the even part."""
    grid = ds.Grid(shape=(32,), size=(0.032,), edges=edges)
    medium = ds.Diffusion(diffusivity=1e-9, decay=decay)
    u = np.random.default_rng(1).random(32)
    times = [1e5, 3e5] if decay == 1e-3 else [1e4, 2e4]
    truth, found = (ds.solve(u, medium, grid=grid, times=times, method=method)
                    for method in ("modes", "chebyshev"))  # fmt: skip
    for v, r in zip(found.frames, truth.frames, strict=True):
        assert np.linalg.norm(v - r) < 3e-13 * np.linalg.norm(r)
    np.testing.assert_allclose(found.accounts, truth.accounts, rtol=1e-13, atol=1e-16)


def test_twice_the_diffusivity_is_found_where_no_file_names_an_exact_method(tmp_path: Path) -> None:
    fresh = "times.stop=1e4 s", "methods=[ftcs]", "reference=null"
    _, sound = ran(tmp_path, "sound", *fresh)
    _, twice = ran(tmp_path, "twice", *fresh, "propagator.diffusivity=2e-9")
    done = diffusim("compare", sound, twice)
    assert done.code == 3
    assert done.rows["ftcs"]["verdict"] == "as predicted"
    assert done.rows["twice/ftcs"]["verdict"] == "unexplained"
    assert "diffusivity" in done.rows["twice/ftcs"]["reason"]
