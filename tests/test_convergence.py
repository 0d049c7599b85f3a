"""Convergence: powers that come out as theory says, and refusals where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import TINY, written

from diffusim import convergence
from diffusim.block import Invalid, Unsupported
from diffusim.convergence import Convergence, Point, Series, converge, courses
from diffusim.convergence.results import asymptotic, fit, local_orders, pooled, together
from diffusim.methods import Method
from diffusim.reading import ScenarioError

SMOOTH = """\
title: smooth
grid: {shape: [32], size: [0.032 m]}
propagator: {kind: diffusion, diffusivity: 1.5e-9 m^2/s}
initial: {kind: formula, expression: "20 + 10*cos(3.141592653589793*x/0.032)"}
times: {stop: 12 h, frames: 3}
methods: [ftcs, rkl2, adi, {kind: adi, scheme: lod, label: lod}, modes]
reference: modes
"""

DISC = """\
grid: {geometry: cylindrical, shape: [24], size: [5 mm], edges: {outer: {value: 35.0}}}
propagator: {kind: diffusion, diffusivity: 1.5e-9 m^2/s}
initial: {kind: uniform, value: 0.0}
times: {stop: 1 h, frames: 2}
methods: [chebyshev]
"""


def tiny(tmp_path: Path, text: str = TINY, **options: Any) -> Convergence:
    refine = options.pop("refine", "particles")
    return converge(written(tmp_path, text), refine, **options)


def by_label(found: Convergence) -> dict[str, Series]:
    return {series.label: series for series in found.series}


# --- powers -------------------------------------------------------------------------------------


def test_draws_evener_than_chance_are_steeper_and_sound(tmp_path: Path) -> None:
    """Starts one in each of N equal parts: the error of the start itself falls as 1 / N or so."""
    sets = ["methods.2.draws=stratified", "methods.2.limit=lattice", "times={at: [1e-6 s]}"]
    (series,) = tiny(tmp_path, overrides=sets, high=1e4, repeats=2).series
    assert series.slope is not None
    assert series.slope < -0.8
    assert series.sound
    assert "N^-1/2 or steeper expected: steeper" in series.verdict


@pytest.mark.parametrize("limit", ["cell-to-cell", "lattice"])
def test_the_error_of_walkers_falls_as_one_over_the_root_of_their_number(
    limit: str, tmp_path: Path
) -> None:
    """False alarm 2e-6 by slope and chi-squares each; the ratio is held to six deviations.

    An error squared is a sum over 120 cells, its relative deviation at most sqrt(2 / 40) where the
    law is as uneven as here, and 28 of them are averaged.
    """
    sets = [f"methods.2.limit={limit}"]
    (series,) = tiny(tmp_path, overrides=sets, high=1e5).series
    assert series.limit == limit
    assert [g.value for g in series.groups] == [100, 316, 1000, 3162, 10000, 31623, 100000]
    assert len(series.points) == 28
    assert series.p_slope >= 1e-6
    assert series.p_pooled >= 1e-6
    assert series.sound
    assert series.low <= series.slope <= series.high
    assert series.high - series.low < 0.06
    assert series.ratio**2 == pytest.approx(1.0, abs=6 * np.sqrt(2 / 40 / 28))


def test_a_law_that_is_a_little_wrong_is_told_by_the_chi_squares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = courses.truth
    monkeypatch.setattr(courses, "truth", lambda ready, _limit: right(ready, "lattice"))
    sets = ["times.stop=11 min"]
    (series,) = tiny(tmp_path, low=1e5, high=2e6, repeats=1, overrides=sets).series

    assert series.limit == "cell-to-cell"
    assert series.p_pooled < 1e-6
    assert not series.sound


@pytest.mark.parametrize(
    ("label", "order", "within"),
    [("ftcs", 1, 0.05), ("lod", 1, 0.05), ("adi", 2, 0.05), ("rkl2", 2, 0.1)],
)
def test_steps_converge_with_the_order_of_their_method(
    label: str, order: int, within: float, tmp_path: Path
) -> None:
    (series,) = tiny(tmp_path, SMOOTH, refine="dt", only=[label]).series
    assert series.theory == order
    assert series.slope == pytest.approx(order, abs=within)
    used = [point for point in series.points if point.used]
    assert len(used) >= 3
    values = [point.value for point in series.points]
    assert values[:-1] == pytest.approx([2.0 * v for v in values[1:]], rel=1e-12)
    assert series.ratio == pytest.approx(1.0, abs=0.02)


def test_steps_are_halved_in_every_epoch_so_the_order_shows_through_events(tmp_path: Path) -> None:
    found = tiny(tmp_path, refine="dt", overrides=["methods=[ftcs, adi, rkl2, modes]"])
    for label, order in {"ftcs": 1, "adi": 2, "rkl2": 2}.items():
        assert by_label(found)[label].slope == pytest.approx(order, abs=0.1)


def test_cells_converge_with_order_two_on_a_line_and_on_a_disc(tmp_path: Path) -> None:
    for text, label in ((SMOOTH, "modes"), (DISC, "chebyshev")):
        (series,) = tiny(tmp_path, text, refine="grid").series
        assert series.label == label
        assert len(series.points) >= 3
        assert series.slope == pytest.approx(2.0, abs=0.1)


def test_the_error_of_cells_is_that_beside_the_smooth_solution(tmp_path: Path) -> None:
    (series,) = tiny(tmp_path, SMOOTH, refine="grid").series
    rate, h = (np.pi / 0.032) ** 2 * 1.5e-9, 1e-3
    # One mode: its cells decay by 2 (1 - cos(pi h / l)) D / h^2.
    cells = 2.0 * (1.0 - np.cos(np.pi * h / 0.032)) * 1.5e-9 / h**2
    start = np.sin(0.5 * np.pi * h / 0.032) / (0.5 * np.pi * h / 0.032)
    wave = 10.0 * abs(np.exp(-cells * 43200) - start * np.exp(-rate * 43200))
    size = np.hypot(20.0, 10.0 * np.exp(-rate * 43200) / np.sqrt(2.0))
    mine = next(point for point in series.points if point.resolution == "32")
    assert mine.error == pytest.approx(wave / np.sqrt(2.0) / size, rel=0.01)


def test_coarser_grids_end_where_a_wall_would_leave_its_face(tmp_path: Path) -> None:
    text = SMOOTH.replace("1.5e-9 m^2/s", "1.5e-9 m^2/s, walls: [{axis: x, at: 14 mm}]")
    (series,) = tiny(tmp_path, text, refine="grid", overrides=["methods=[modes]"]).series
    assert [point.resolution for point in series.points] == ["16", "32", "64"]
    assert "coarser grids are left out: propagator.walls.0.at: 0.014 m" in series.remark


def test_several_channels_are_refined_together(tmp_path: Path) -> None:
    start = np.ones((2, 12, 10))
    start[0, :6] = 3.0
    start[1, :, 5:] = 2.0
    np.save(tmp_path / "two.npy", start)
    sets = ["initial={kind: array, path: two.npy}"]
    (series,) = tiny(tmp_path, overrides=sets, high=1e4).series
    assert series.sound
    assert by_label(tiny(tmp_path, overrides=sets, refine="dt"))["ftcs"].slope == pytest.approx(
        1.0, abs=0.05
    )


def test_a_field_of_counts_is_refined_over_thirteen_decades(tmp_path: Path) -> None:
    """False alarm 2e-6."""
    (series,) = tiny(tmp_path, overrides=["methods=[collapse, modes]"], repeats=2).series
    assert [g.value for g in series.groups] == [10.0**k for k in range(2, 16)]
    assert series.sound
    assert series.points[-1].error < 1e-6
    assert series.high - series.low < 0.02


def test_where_hardly_a_particle_is_left_no_power_is_fitted(tmp_path: Path) -> None:
    """False alarm 2e-6. In the end there is 1 in 5000 of what was there at the start."""
    sets = ["grid.edges={left: {value: 1.0}, right: {value: 0.0}}", "times.stop=10 day"]
    sets += ["initial={kind: halves, axis: x, values: [2500, 2500]}", "propagator.walls=[]"]
    sets += ["methods=[collapse, chebyshev]", "reference=chebyshev"]
    (series,) = tiny(tmp_path, overrides=sets, high=1e8, repeats=2, low=1e4).series
    used = {point.value: point.used for point in series.points}
    assert used[1e4] is False
    assert used[1e8] is True
    assert series.sound
    assert "fewer than 100 are left in the end" in series.remark


def test_shots_of_a_measurement_count_as_particles(tmp_path: Path) -> None:
    """False alarm 1e-6 by the slope; the ratio is held to six deviations of 28 errors squared."""
    text = (
        "grid: {shape: [16, 12], size: [16 m, 12 m]}\n"
        "propagator: {kind: kernel, kernel: {kind: gaussian, sigma: 1}, normalise: sum}\n"
        "initial: {kind: halves, axis: x, values: [1.0, 0.2]}\ntimes: {at: [2]}\n"
        "methods: [stencil, measurement]\nreference: stencil\n"
    )
    (series,) = tiny(tmp_path, text, high=2e3).series
    assert [g.value for g in series.groups] == [1, 3, 10, 32, 100, 316, 1000]
    assert series.p_slope >= 1e-6
    assert series.p_pooled is None
    assert series.ratio == pytest.approx(1.0, abs=6 * np.sqrt(0.5 / 40 / 28))


# --- what is random -----------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(tmp_path: Path) -> None:
    first, again, other = (
        tiny(tmp_path, high=1e3, overrides=[f"seed={seed}"]).as_dict() for seed in (1, 1, 2)
    )
    assert first == again
    errors = [[p["error"] for p in found["series"][0]["points"]] for found in (first, other)]
    assert set(errors[0]).isdisjoint(errors[1])


def test_every_run_has_a_seed_of_its_own_that_no_bound_and_no_other_run_changes(
    tmp_path: Path,
) -> None:
    (short,) = tiny(tmp_path, high=1e3, repeats=2).series
    (long,) = tiny(tmp_path, high=1e4, repeats=3).series
    kept = {(p.value, p.seed): p.error for p in long.points}
    assert len(kept) == len({p.seed for p in long.points}) == 15
    for point in short.points:
        assert kept[point.value, point.seed] == point.error


# --- how far it goes by itself ------------------------------------------------------------------


def test_patience_decides_how_many_particles_there_are_where_nobody_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusim.convergence import crowds

    monkeypatch.setattr(crowds, "PATIENCE", 0.01)
    (series,) = tiny(tmp_path, repeats=2).series
    assert series.points[-1].value in (1e4, 1e5)
    assert "--to asks for them" in series.remark


def test_patience_decides_how_short_steps_are_where_nobody_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusim.convergence import steps

    monkeypatch.setattr(steps, "PATIENCE", 0.0)
    (series,) = tiny(tmp_path, SMOOTH, refine="dt", only=["adi"]).series
    assert len(series.points) == 4
    assert "--from asks for them" in series.remark


def test_bounds_are_kept_and_may_have_a_unit(tmp_path: Path) -> None:
    (steps,) = tiny(tmp_path, SMOOTH, refine="dt", only=["adi"], low="1 min", high="960").series
    assert [point.value for point in steps.points] == [960.0, 480.0, 240.0, 120.0, 60.0]
    (cells,) = tiny(tmp_path, SMOOTH, refine="grid", low=16, high="128").series
    assert [point.resolution for point in cells.points] == ["16", "32", "64"]
    (crowd,) = tiny(tmp_path, low="10", high=1e4, repeats=1).series
    assert [point.value for point in crowd.points] == [10, 32, 100, 316, 1000, 3162, 10000]


# --- refusals -----------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no particles": ({"only": ["ftcs"]}, "of the methods ftcs none has particles"),
    "no steps": ({"refine": "dt", "only": ["modes"]}, "none takes steps"),
    "not exact": ({"refine": "grid", "only": ["ftcs"]}, "none is exact in the limit lattice"),
    "no such method": ({"only": ["nope"]}, "no method 'nope'"),
    "reversed": ({"low": 1e5, "high": 1e3}, "--from must be less than --to"),
    "not a number": ({"low": "many"}, "--from: expected a number, found 'many'"),
    "not a time": ({"refine": "dt", "high": "3 m"}, "--to: expected a time"),
    "below zero": ({"low": -1.0}, "greater than zero"),
    "infinite": ({"high": "inf"}, "greater than zero"),
    "half a particle": ({"low": 0.5, "high": 100.0}, "one particle at least"),
    "too narrow": ({"low": 100.0, "high": 150.0}, "no power to be seen"),
    "too many": ({"high": 1e12}, "particles = 1e+12: expected less than or equal to"),
    "no repeats": ({"repeats": 0}, "expected 1 to 1000"),
    "repeated steps": ({"refine": "dt", "repeats": 3}, "nothing is random"),
    "beyond the limit": ({"refine": "dt", "only": ["ftcs"], "high": "1 day"}, "stability limit"),
    "hardly a halving": ({"refine": "dt", "only": ["ftcs"], "low": 100.0}, "two halvings"),
    "hardly a grid": ({"refine": "grid", "low": 10, "high": 13}, "3 grids at least"),
    "random start": (
        {"refine": "grid", "overrides": ["initial={kind: cells, values: [0, 1]}"]},
        "another one on every grid",
    ),
    "a kernel": (
        {"refine": "grid", "overrides": [
            "propagator={kind: kernel, kernel: [1, 2, 1], normalise: sum}", "grid.shape=[12]",
            "grid.size=[1 m]", "methods=[stencil]", "times={at: [4]}", "reference=null"]},
        "moves by cells",
    ),
    "nothing moves": (
        {"refine": "dt", "overrides": ["propagator.diffusivity=0", "methods=[ftcs]"]},
        "nothing moves",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_refined_is_refused_in_words(case: str, tmp_path: Path) -> None:
    options, words = REFUSED[case]
    with pytest.raises((Invalid, Unsupported, ScenarioError)) as refused:
        tiny(tmp_path, **options)
    assert words in str(refused.value)


def test_a_grid_of_values_from_a_file_cannot_change(tmp_path: Path) -> None:
    np.save(tmp_path / "start.npy", np.ones((12, 10)))
    sets = ["initial={kind: array, path: start.npy}"]
    with pytest.raises(Invalid, match=r"cannot change: initial\.path: .*\(12, 10\)"):
        tiny(tmp_path, refine="grid", overrides=sets)


def test_an_error_of_round_off_has_no_order_and_says_so(tmp_path: Path) -> None:
    (series,) = tiny(
        tmp_path, SMOOTH, refine="dt", only=["rkl2"], overrides=["times.stop=3000 day"]
    ).series
    assert series.slope is None
    assert "round-off" in series.verdict


# --- statistics ---------------------------------------------------------------------------------


def test_the_fit_is_that_of_least_squares_with_students_interval() -> None:
    rng = np.random.default_rng(5)
    x = np.repeat(10.0 ** np.arange(2, 7), 3)
    y = 3.0 * x**-0.5 * np.exp(rng.normal(0.0, 0.1, x.size))
    found = fit(x, y, -0.5)
    (slope, _), covariance = np.polyfit(np.log10(x), np.log10(y), 1, cov=True)
    # Of 13 degrees of freedom, Student's table has 2.1604 for 95 %.
    half = 2.160369 * np.sqrt(covariance[0, 0])
    assert found.slope == pytest.approx(slope, rel=1e-10)
    assert (found.low, found.high) == pytest.approx((slope - half, slope + half), rel=1e-6)


def test_the_interval_holds_the_power_as_often_as_it_says_and_its_p_value_is_even() -> None:
    """Of 4000 fits 95 % hold it within five deviations: false alarm 6e-7, twice."""
    rng = np.random.default_rng(6)
    x = 10.0 ** np.linspace(2, 6, 9)
    fits = [fit(x, x**-0.5 * np.exp(rng.normal(0.0, 0.1, 9)), -0.5) for _ in range(4000)]
    held = np.mean([f.low <= -0.5 <= f.high for f in fits])
    assert held == pytest.approx(0.95, abs=5 * np.sqrt(0.05 * 0.95 / 4000))
    assert np.mean([f.p < 0.3 for f in fits]) == pytest.approx(
        0.3, abs=5 * np.sqrt(0.3 * 0.7 / 4000)
    )


def test_two_points_have_a_power_and_no_interval() -> None:
    assert fit([1.0, 2.0], [1.0, 4.0], 2.0) == (pytest.approx(2.0, rel=1e-14), None, None, None)


def test_pooled_p_values_are_fishers() -> None:
    assert pooled([0.03]) == pytest.approx(0.03, rel=1e-12)
    product = 0.2 * 0.03
    assert pooled([0.2, 0.03]) == pytest.approx(product * (1 - np.log(product)), rel=1e-12)
    assert pooled([0.0, 0.5]) < 1e-290


def test_cells_and_blocks_together_count_as_two_tests() -> None:
    points = [Point(1.0, "1", 1.0, p_cells=0.1, p_blocks=0.01)]
    assert together(points) == pytest.approx(1.0 - 0.99**2, rel=1e-12)
    assert together([Point(1.0, "1", 1.0, p_cells=0.1)]) == pytest.approx(0.1, rel=1e-12)
    assert together([Point(1.0, "1", 1.0)]) is None


def test_the_points_of_one_power_are_found_between_coarse_steps_and_round_off() -> None:
    steps = [2.0**-k for k in range(7)]
    errors = [1.0, 0.9, 0.5, 0.125, 0.125 / 4, 0.125 / 16, 1e-12]
    assert asymptotic(steps, errors) == (slice(2, 6), True)
    assert local_orders(steps, errors)[2:5] == pytest.approx([2.0, 2.0, 2.0], rel=1e-12)
    assert asymptotic(steps[:4], [1.0, 0.9, 0.5, 0.1]) == (slice(0, 4), False)
    assert asymptotic(steps, [0.0] * 7) == (slice(0, 0), False)


def test_options_are_checked_like_those_of_a_scenario() -> None:
    walkers = Method.read({"kind": "walkers", "label": "w"})
    assert courses.option(walkers, particles=300).particles == 300
    with pytest.raises(Invalid, match="w: particles = 0: expected greater than or equal to 1"):
        courses.option(walkers, particles=0)


def test_what_is_found_says_itself_in_words_and_as_numbers() -> None:
    points = [Point(10.0**k, f"1e{k}", 3.0 * 10.0 ** (-0.5 * k), 3.0) for k in range(3)]
    found = Convergence(
        "A title", "particles",
        [Series("w", "lattice", "modes", -0.5, points, -0.5, -0.51, -0.49, 0.5, 0.25)],
    )  # fmt: skip
    assert found.sound
    assert str(found).splitlines()[0] == "A title"
    assert "w: slope -0.500 +- 0.010 (95 %), N^-1/2 expected: compatible (p = 0.5)" in str(found)
    told = found.as_dict()
    assert told["series"][0]["points"][0]["error"] == 3.0
    assert convergence.as_csv(found).splitlines()[1].startswith("w,1.0,1e0,3.0,3.0")
