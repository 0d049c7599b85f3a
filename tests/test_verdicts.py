"""Verdicts: what they see, what they leave alone, and when they say nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

import diffusim as ds
from diffusim.comparison import Row, compare
from diffusim.counts import ahead_or_behind, chi_square, chi_square_pair
from diffusim.initial import Halves
from diffusim.verdicts import AS_PREDICTED, NOT_JUDGED, UNEXPLAINED

GRID = ds.Grid(shape=(48, 36), size=(0.048, 0.045))
WATER = ds.Diffusion(diffusivity=1.5e-9)
TIMES = 86400.0 * np.array([0.0, 0.25, 0.5, 1.0])
SLANTED = Halves(angle=30.0, values=(10.0, 30.0)).field(GRID, (0, 0))


def solved(method: Any, water: ds.Diffusion = WATER, seed: int = 1, **changes: Any) -> ds.Run:
    options = {"u": SLANTED, "grid": GRID, "times": TIMES, **changes}
    u = options.pop("u")
    return ds.solve(u, water, method=method, seed=seed, **options)


def judged(run: ds.Run, law: ds.Run, times: Any = TIMES) -> Row:
    law.facts["role"] = "reference"
    return compare([law, run], times, reference=law.label)[run.label]


def test_particles_on_the_wrong_side_of_a_wall_are_seen() -> None:
    """A thousandth of a million particles leaks into cells that expect none."""
    rng = np.random.default_rng(4)
    law = np.zeros((32, 32))
    law[:16] = 1.0
    sound = np.zeros((32, 32), dtype=np.int64)
    sound[:16] = rng.multinomial(10**6, np.full(512, 1 / 512)).reshape(16, 32)
    leaked = sound.copy()
    for cell in rng.integers(0, 512, 1000):
        i, j = divmod(int(cell), 32)
        leaked[i, j] -= 1
        leaked[31 - i, j] += 1
    assert min(chi_square_pair(sound, law)) > 1e-6
    assert min(chi_square_pair(leaked, law)) == 0.0


def test_a_few_particles_where_few_are_expected_are_no_fault() -> None:
    """A tail that hopes for half a particle holds one or two: p stays far from zero."""
    expected = np.array([1000.0, 1000.0, *np.full(600, 8e-4)])
    counts = np.array([1010, 990, *np.zeros(600, dtype=int)])
    counts[[100, 300]] = 1
    assert chi_square(counts, expected) > 1e-2
    counts[:602:20] = 2
    counts[0] = 1010
    assert chi_square(counts, expected) < 1e-6


def test_the_flow_of_time_shows_a_slightly_wrong_diffusivity_before_any_cell_does() -> None:
    """Three per cent at two million walkers: no cell tells (p > 1e-4), the score does.

    Fixed seed; under the right diffusivity all three would fall below 1e-6 in 3e-6 of seeds.
    """
    law = solved({"kind": "modes", "limit": "cell-to-cell"})
    walkers = {"kind": "walkers", "particles": 2 * 10**6}
    wrong = judged(solved(walkers, ds.Diffusion(diffusivity=1.03 * 1.5e-9)), law)
    right = judged(solved(walkers), law)
    assert right.verdict == AS_PREDICTED
    assert wrong.verdict == UNEXPLAINED
    assert wrong.series.p_time[-1] < 1e-7
    assert wrong.series.p_cells[-1] > 1e-4


def test_the_score_is_uniform_under_its_own_law() -> None:
    """400 multinomial draws; the Kolmogorov-Smirnov test at 1e-6 (fixed seed)."""
    law = solved({"kind": "modes", "limit": "cell-to-cell"})
    before, now = law.frames[1], law.frames[2]
    draws = np.random.default_rng(8).multinomial(20_000, now.ravel() / now.sum(), size=400)
    p = np.sort([ahead_or_behind(draw.reshape(now.shape), now, before) for draw in draws])
    steps = np.arange(1, p.size + 1) / p.size
    furthest = float(np.max(np.maximum(steps - p, p - steps + 1 / p.size)))
    assert special.kolmogorov(furthest * np.sqrt(p.size)) > 1e-6


def test_where_nothing_flows_the_score_says_nothing() -> None:
    law = np.ones((8, 8))
    assert ahead_or_behind(np.full((8, 8), 500), law, law) == 1.0


def test_a_first_frame_one_step_away_is_not_judged() -> None:
    """A single pixel after one or two steps: the leading term tells nothing about its error."""
    u = np.zeros((33, 33))
    u[16, 16] = 1.0
    options = {"u": u, "grid": ds.Grid(shape=(33, 33), size=(0.033, 0.033), edges="periodic")}
    course: dict[str, Any] = {**options, "times": [0.0, 200.0, 3600.0]}
    law, run = solved("modes", **course), solved("ftcs", **course)
    run.facts.update(prediction="estimate", predicted=[0.0, None, judged_error(run, law)])
    assert judged(run, law, course["times"]).verdict == AS_PREDICTED
    run.facts["predicted"] = [None, None, None]
    assert judged(run, law, course["times"]).verdict == NOT_JUDGED


def judged_error(run: ds.Run, law: ds.Run) -> float:
    size = np.linalg.norm(law.frames[-1])
    return float(np.linalg.norm(run.frames[-1] - law.frames[-1]) / size)


def test_ftcs_knows_when_it_cannot_know_its_error() -> None:
    from diffusim import runs
    from diffusim.methods.ftcs import FEW, Ftcs

    dt = 0.8 / (4 * 1.5e-9 / 0.001**2)
    times = [0.0, 2 * dt, FEW * dt]
    grid = ds.Grid(shape=(12, 12), size=(0.012, 0.012))
    u = np.random.default_rng(2).random((12, 12))
    course = runs.plan(Ftcs(), WATER, grid, times)
    law = solved("modes", u=u, grid=grid, times=times)
    sure = [p.sure for p in course.predictions(u, iter(law.frames)) if p is not None]
    assert sure == [True, False, True]


def test_a_field_of_zero_mean_drifts_by_round_off_only() -> None:
    x = np.cos(np.pi * (np.arange(48) + 0.5) / 48)[:, None] * np.ones(36)
    law, run = solved("modes", u=x), solved("ftcs", u=x)
    assert judged(run, law).mass_drift < 1e-12


def test_salt_lost_before_the_first_frame_is_missed() -> None:
    """Frames that begin late are measured against the salt at time zero."""
    law, run = solved("modes"), solved("ftcs")
    for each in (law, run):
        each.facts["total"] = 2.0 * float(np.sum(SLANTED))
    assert judged(run, law).mass_drift == pytest.approx(1.0, rel=1e-9, abs=0)


def test_modes_of_layers_lose_no_salt_however_long_the_time() -> None:
    """256 cells of a micrometre and 1e12 s: a rate that misses zero by round-off would tell."""
    grid = ds.Grid(shape=(256,), size=(256e-6,))
    layers = {"kind": "layers", "axis": "x", "at": [1e-4], "values": [1.5e-9, 4e-10]}
    u = np.random.default_rng(5).random(256)
    run = ds.solve(u, ds.Diffusion(diffusivity=layers), grid=grid, times=[1e12])
    assert run.frames[-1] == pytest.approx(np.full(256, u.mean()), rel=1e-12, abs=0)


def test_modes_and_chebyshev_agree_where_layers_are_far_apart_in_speed() -> None:
    grid = ds.Grid(shape=(64,), size=(0.064,))
    layers = {"kind": "layers", "axis": "x", "at": [0.02, 0.04], "values": [1e-5, 1e-9, 1e-5]}
    u = np.random.default_rng(6).random(64)
    water = ds.Diffusion(diffusivity=layers)
    both = [ds.solve(u, water, grid=grid, times=[1e5], method=m) for m in ("modes", "chebyshev")]
    assert both[0].frames[-1] == pytest.approx(both[1].frames[-1], rel=1e-10, abs=0)


def test_an_array_from_python_is_a_diffusivity_and_a_wrong_one_is_refused() -> None:
    values = np.where(np.arange(48)[:, None] < 20, 1e-9, 2e-9) * np.ones(36)
    run = solved("chebyshev", ds.Diffusion(diffusivity=values))
    layers = {"kind": "layers", "axis": "x", "at": [0.02], "values": [1e-9, 2e-9]}
    same = solved("chebyshev", ds.Diffusion(diffusivity=layers))
    assert run.frames[-1] == pytest.approx(same.frames[-1], rel=1e-11, abs=0)
    for wrong in (values[:-1], -values, np.full((48, 36), np.nan)):
        with pytest.raises(ds.Invalid, match="expected an array"):
            solved("chebyshev", ds.Diffusion(diffusivity=wrong))


@pytest.mark.parametrize("frames", [2, 60])
@pytest.mark.parametrize("reference", ["modes", "chebyshev"])
def test_exact_methods_judge_each_other_as_predicted(reference: str, frames: int) -> None:
    """Either may be the reference: both bounds count."""
    from diffusim import runs
    from diffusim.methods import Method

    times = 86400.0 * np.arange(frames + 1)
    found = {}
    for word in ("modes", "chebyshev"):
        course = runs.plan(Method.find(word)(), WATER, GRID, times)
        run = solved(word, times=times)
        bounds = [p.error for p in course.predictions(SLANTED, iter(run.frames)) if p is not None]
        run.facts.update(prediction="bound", predicted=bounds)
        found[word] = run
    other = next(word for word in found if word != reference)
    row = judged(found[other], found[reference], times)
    assert row.verdict == AS_PREDICTED
    shifted = found[other]
    shifted.frames[-1] *= 1.0 + 1e-8
    assert judged(shifted, found[reference], times).verdict == UNEXPLAINED


def test_cells_that_stay_walled_rest_to_the_last_bit_while_others_move() -> None:
    walls = [{"every": "cell", "region": {"x": [0.024, 0.048]}}]
    start = np.random.default_rng(3).random(GRID.shape)
    for word in ("ftcs", "chebyshev"):
        run = solved(word, ds.Diffusion(diffusivity=1.5e-9, walls=walls), u=start)
        assert np.array_equal(run.frames[-1][24:], start[24:])
        assert not np.array_equal(run.frames[-1][:24], start[:24])


def test_quadratic_times_of_whole_seconds_are_whole() -> None:
    from diffusim.scenario import Times

    times = Times(stop="60 day", frames=61, spacing="quadratic").resolved()
    assert times.tolist() == [1440.0 * k * k for k in range(61)]
