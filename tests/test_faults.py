"""Planted faults: whatever is wrong with a run, the comparison ends in "unexplained".

Each fault is planted in a run of its own on a scenario without any symmetry: two unequal patches in
a tank that is no square, of cells that are none, spreading to two of its sides. The same runs
without a fault are as predicted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import diffusim as ds
from diffusim import runs
from diffusim.block import Array
from diffusim.comparison import Row, compare
from diffusim.counts import chi_square
from diffusim.loops import particles
from diffusim.methods import Method
from diffusim.methods.adi import Adi
from diffusim.methods.chebyshev import Chebyshev
from diffusim.methods.ftcs import Ftcs
from diffusim.methods.modes import Modes
from diffusim.methods.poisson import Poisson
from diffusim.methods.rkl2 import Rkl2
from diffusim.methods.walkers import Walkers
from diffusim.norms import distance
from diffusim.verdicts import AS_PREDICTED, UNEXPLAINED

D = 1.5e-9
SHAPE, SIZE = (24, 18), (24e-3, 25e-3)
TIMES = [0.0, 2000.0, 6000.0]
MANY = 1_000_000


def start(shape: tuple[int, int] = SHAPE) -> Array:
    u = np.zeros(shape)
    u[2:5, 3:5] = 30.0
    u[9:11, 10:14] = 12.0
    return u


def carried(method: Method, *, d: Any = D, size: tuple[float, float] = SIZE,
            shape: tuple[int, int] = SHAPE) -> ds.Run:  # fmt: skip
    """A run, with the facts that the true diffusivity and tank would have."""
    u, true = start(shape), ds.Grid(shape=shape, size=SIZE)
    course = runs.plan(method, ds.Diffusion(diffusivity=D), true, TIMES, seed=11)
    facts = {**course.method.facts(), "statistical": method.statistical}
    if not method.statistical:
        truth = reference(course.method.limit, shape).frames
        own = [frame.field for frame in course.frames(u)]
        errors = [np.asarray(found.error) for found in course.predictions(u, truth, own) if found]
        facts["prediction"] = "estimate" if errors[-1].ndim else "bound"
        sizes = [float(np.linalg.norm(field)) for field in truth]
        facts["predicted"] = [
            float(np.linalg.norm(error)) / (size if error.ndim else 1.0)
            for error, size in zip(errors, sizes, strict=True)
        ]
    grid = ds.Grid(shape=shape, size=size)
    frames = list(runs.plan(method, ds.Diffusion(diffusivity=d), grid, TIMES, seed=11).frames(u))
    counts = [frame.counts for frame in frames if frame.counts is not None]
    fields = np.stack([frame.field for frame in frames])
    return ds.Run(course.name, course.times, fields, facts, np.stack(counts) if counts else None)


def reference(limit: Any, shape: tuple[int, int] = SHAPE) -> ds.Run:
    grid, water = ds.Grid(shape=shape, size=SIZE), ds.Diffusion(diffusivity=D)
    exact = Modes(limit=limit, label="truth")
    return ds.solve(start(shape), water, grid=grid, times=TIMES, method=exact)


def judged(run: ds.Run) -> Row:
    shape = run.frames[0].shape
    return compare([reference(run.facts["limit"], shape), run], TIMES, reference="truth")[run.label]


def with_frames(run: ds.Run, change: Callable[[Array], Array]) -> ds.Run:
    """The run with all frames after the first changed, and its counts in the same way."""
    fields = np.concatenate([run.frames[:1], [change(field) for field in run.frames[1:]]])
    counts = run.counts
    if counts is not None:
        counts = np.concatenate([counts[:1], [change(count) for count in counts[1:]]])
    return ds.Run(run.label, run.times, fields, run.facts, counts)


METHODS: dict[str, Method] = {
    "ftcs": Ftcs(),
    "ftcs at small steps": Ftcs(dt=5.0),
    "chebyshev": Chebyshev(),
    "poisson": Poisson(),
    "rkl2": Rkl2(),
    "adi": Adi(),
    "walkers": Walkers(particles=MANY, limit="cell-to-cell"),
    "hopping walkers": Walkers(particles=200_000, limit="lattice"),
}
every_method = pytest.mark.parametrize("name", list(METHODS))


@every_method
def test_without_a_fault_every_run_is_as_predicted(name: str) -> None:
    row = judged(carried(METHODS[name]))
    assert row.verdict == AS_PREDICTED, row.reason


@every_method
@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_a_factor_two_in_the_diffusivity_is_unexplained(name: str, factor: float) -> None:
    method = METHODS[name].model_copy(update={"dt": 5.0}) if name == "ftcs" else METHODS[name]
    assert judged(carried(method, d=factor * D)).verdict == UNEXPLAINED


def test_a_factor_two_in_the_diffusivity_is_unexplained_at_default_steps_too() -> None:
    """Steps are planned for the wrong medium, the error expected for the right one."""
    assert judged(carried(Ftcs(), d=2.0 * D)).verdict == UNEXPLAINED


@pytest.mark.parametrize("name", ["ftcs at small steps", "chebyshev"])
@pytest.mark.parametrize("factor", [1.01, 0.99])
def test_one_per_cent_of_the_diffusivity_is_unexplained(name: str, factor: float) -> None:
    assert judged(carried(METHODS[name], d=factor * D)).verdict == UNEXPLAINED


@pytest.mark.proof
def test_one_per_cent_of_the_diffusivity_is_unexplained_by_ten_million_walkers(
    figure: Callable[..., None],
) -> None:
    method = Walkers(particles=10**7, limit="cell-to-cell")
    for factor, verdict in ((1.0, AS_PREDICTED), (1.01, UNEXPLAINED), (0.99, UNEXPLAINED)):
        row = judged(carried(method, d=factor * D))
        figure(f"p-value of 1e7 walkers, D x {factor:g}", row.p_value or 0.0, limit=verdict)
        assert row.verdict == verdict


@every_method
@pytest.mark.parametrize("axis", [0, 1])
def test_a_shift_by_one_cell_is_unexplained(name: str, axis: int) -> None:
    run = with_frames(carried(METHODS[name]), lambda u: np.roll(u, 1, axis))
    assert judged(run).verdict == UNEXPLAINED


@every_method
def test_swapped_axis_lengths_are_unexplained(name: str) -> None:
    """The same number of cells both ways, so that nothing but the numbers tells."""
    square = (20, 20)
    method = METHODS[name].model_copy(update={"dt": 5.0}) if name == "ftcs" else METHODS[name]
    assert judged(carried(method, shape=square)).verdict == AS_PREDICTED
    swapped = carried(method, shape=square, size=(25e-3, 12e-3))
    assert judged(swapped).verdict == UNEXPLAINED


@every_method
def test_a_transposed_field_is_unexplained(name: str) -> None:
    run = with_frames(carried(METHODS[name], shape=(20, 20)), np.transpose)
    assert judged(run).verdict == UNEXPLAINED


@pytest.mark.parametrize("name", ["ftcs at small steps", "chebyshev"])
def test_a_kernel_that_sums_to_a_hundredth_more_is_unexplained(name: str) -> None:
    row = judged(with_frames(carried(METHODS[name]), lambda u: 1.01 * u))
    assert row.verdict == UNEXPLAINED
    assert row.mass_drift == pytest.approx(0.01, rel=1e-9)


def test_two_identical_streams_are_unexplained() -> None:
    """Half a million walkers counted twice: every fluctuation is root two too large."""
    run = with_frames(carried(Walkers(particles=MANY // 2, limit="cell-to-cell")), lambda u: 2 * u)
    assert run.counts is not None
    assert run.counts[1].sum() == MANY
    fields = np.concatenate([run.frames[:1], run.frames[1:] / 2])
    assert (
        judged(ds.Run(run.label, run.times, fields, run.facts, run.counts)).verdict == UNEXPLAINED
    )


def test_a_fault_in_a_frame_before_the_last_is_unexplained() -> None:
    """Counts given out twice in the middle, right at the end."""
    run = carried(METHODS["walkers"])
    half = carried(Walkers(particles=MANY // 2, limit="cell-to-cell"))
    assert run.counts is not None
    assert half.counts is not None
    counts = np.stack([run.counts[0], 2 * half.counts[1], run.counts[2]])
    found = judged(ds.Run(run.label, run.times, run.frames, run.facts, counts))
    assert found.p_last is not None
    assert found.p_last > 1e-6
    assert found.verdict == UNEXPLAINED


def test_a_deterministic_fault_in_a_frame_before_the_last_is_unexplained() -> None:
    run = carried(METHODS["chebyshev"])
    fields = np.stack([run.frames[0], np.roll(run.frames[1], 1, 0), run.frames[2]])
    assert judged(ds.Run(run.label, run.times, fields, run.facts)).verdict == UNEXPLAINED


def test_the_chi_square_of_sixty_and_forty_in_a_hundred_is_known() -> None:
    """A statistic of 4 with one degree of freedom."""
    p = chi_square(np.array([60, 40]), np.array([50.0, 50.0]))
    assert p == pytest.approx(0.04550026389635842, rel=1e-12, abs=0)


# --- a particle loop in plain NumPy, right and wrong ----------------------------------------------


def python_jump(at_walls: Callable[[Array, Array, Array], Array]) -> Callable[..., None]:
    """The loop that moves walkers, written anew; what happens at walls is put in."""

    def jump(position: Array, first: int, key0: int, key1: int, sigma0: float, sigma1: float,
             floor0: Array, ceiling0: Array, floor1: Array, ceiling1: Array,
             wrap0: bool, wrap1: bool, counts: Array) -> None:  # fmt: skip
        assert not wrap0
        assert not wrap1
        random = np.random.default_rng([key0, key1, first])
        axes = zip(position, (sigma0, sigma1), (floor0, floor1), (ceiling0, ceiling1), strict=True)
        for x, sigma, floor, ceiling in axes:
            cell = x.astype(int)
            low, high = floor[cell], ceiling[cell]
            moved = at_walls(x + sigma * random.standard_normal(x.size), low, high)
            x[:] = np.clip(moved, low, np.nextafter(high, low))
        np.add.at(counts, (position[0].astype(int), position[1].astype(int)), 1)

    return jump


def folded(x: Array, low: Array, high: Array) -> Array:
    period = 2.0 * (high - low)
    y = np.mod(x - low, period)
    return low + np.minimum(y, period - y)


def clamped(x: Array, low: Array, high: Array) -> Array:
    return np.clip(x, low, high)


def wound(x: Array, low: Array, high: Array) -> Array:
    return low + np.mod(x - low, high - low)


@pytest.mark.parametrize(
    ("at_walls", "verdict"), [(folded, AS_PREDICTED), (clamped, UNEXPLAINED), (wound, UNEXPLAINED)]
)
def test_walkers_at_walls_are_unexplained_unless_they_are_folded(
    at_walls: Callable[..., Array], verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(particles, "jump", python_jump(at_walls))
    row = judged(carried(Walkers(particles=300_000, limit="cell-to-cell")))
    assert row.verdict == verdict, row.reason


def test_uniform_steps_in_place_of_gaussian_ones_are_unexplained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One uniform number of the right variance: the same mean square, another law."""

    class Uniform:
        def __init__(self, seed: Any) -> None:
            self.random = np.random.Generator(np.random.Philox(seed))

        def standard_normal(self, size: int) -> Array:
            return self.random.uniform(-np.sqrt(3.0), np.sqrt(3.0), size)

    monkeypatch.setattr(particles, "jump", python_jump(folded))
    monkeypatch.setattr(np.random, "default_rng", Uniform)
    assert judged(carried(Walkers(particles=MANY, limit="cell-to-cell"))).verdict == UNEXPLAINED


# --- what is no fault ----------------------------------------------------------------------------


def run_of(method: Method, water: ds.Diffusion, u: Any, reference: ds.Run | None) -> ds.Run:
    """A run with the errors that theory expects, formed on a reference."""
    grid = ds.Grid(shape=u.shape, size=tuple(n * 1e-3 for n in u.shape))
    course = runs.plan(method, water, grid, [0.0, 100.0, 200.0])
    frames = list(course.frames(u))
    facts: dict[str, Any] = {**course.method.facts(), "statistical": method.statistical}
    if reference is not None and not method.statistical:
        found = [np.asarray(p.error) for p in course.predictions(u, reference.frames) if p]
        facts["prediction"] = "estimate" if found[-1].ndim else "bound"
        facts["predicted"] = [float(np.linalg.norm(error) / np.linalg.norm(u)) for error in found]
    counts = [frame.counts for frame in frames if frame.counts is not None]
    fields = np.stack([frame.field for frame in frames])
    return ds.Run(course.name, course.times, fields, facts, np.stack(counts) if counts else None)


@pytest.mark.parametrize("word", ["ftcs", "chebyshev", "walkers"])
def test_where_nothing_moves_every_method_is_as_predicted(word: str) -> None:
    """All differences are zero (round-off of a worth), and zero over zero is no verdict."""
    u = np.zeros((4, 4))
    u[1, 2] = 1.0
    water = ds.Diffusion(diffusivity=0.0)
    method = Walkers(particles=1000, limit="lattice") if word == "walkers" else Method.find(word)()
    reference = run_of(Modes(), water, u, None)
    run = run_of(method, water, u, reference)
    row = compare([reference, run], run.times, reference="modes")[word]
    assert row.verdict == AS_PREDICTED
    assert row.l2 <= (1e-15 if word == "walkers" else 0.0)


def test_a_relative_distance_of_a_small_field_is_not_small() -> None:
    assert distance(np.array([2e-300]), np.array([1e-300]), 2) == 1.0
    assert distance(np.zeros(3), np.zeros(3), 2) == 0.0
    assert distance(np.ones(3), np.zeros(3), 2) == np.inf
