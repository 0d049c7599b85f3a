"""Measurements scatter a picture; their mean approaches the convolution as theory says.

Seeds are fixed, so a failure is a fault. The rate of false alarms that a test of chance would have
with a fresh seed stands in its docstring.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import twins
from twins import KEY, p_of_chi_square

import diffusim as ds
from diffusim import comparison, convolve, runs
from diffusim.block import Array, Unsupported
from diffusim.loops import scatter
from diffusim.methods import measurement
from diffusim.methods.measurement import Measurement, coincidence
from diffusim.propagators.kernel import Kernel

WIND = Kernel(kernel=[[0, 1, 3], [0, 5, 2], [1, 0, 0]], normalise="sum")
SMOOTH = Kernel(kernel={"kind": "gaussian", "sigma": 1.5, "size": 9}, normalise="sum")
EDGES: dict[str, Any] = {
    "mirrors": "no-flux",
    "rings": "periodic",
    "mixed": {"x": "periodic", "y": "no-flux"},
    "half open": {"left": {"value": 0.0}, "right": "no-flux", "y": "periodic"},
}


def grid_of(shape: tuple[int, ...], edges: Any = "no-flux") -> ds.Grid:
    return ds.Grid(shape=shape, size=tuple(0.5 * n for n in shape), edges=edges)


def picture(shape: tuple[int, ...] = (48, 48), seed: int = 1) -> Array:
    """A bright square on a dark ground, with some texture."""
    u = 0.2 + 0.1 * np.random.default_rng(seed).random(shape)
    u[tuple(slice(n // 4, n // 2) for n in shape)] += 1.0
    return u


def solved(u: Array, method: Any, times: Sequence[float], kernel: Kernel = SMOOTH,
           edges: Any = "no-flux", seed: int = 0) -> ds.Run:  # fmt: skip
    return ds.solve(u, kernel, grid=grid_of(u.shape[-2:], edges), times=times, method=method,
                    seed=seed)  # fmt: skip


def apart(u: Array, reference: Array) -> float:
    return float(np.linalg.norm(u - reference) / np.linalg.norm(reference))


# --- the loops ----------------------------------------------------------------------------------


def scattered(place: Array, first: int, cells: int, application: int, weights: Array,
              n1: int, places0: Array, places1: Array) -> list[int]:  # fmt: skip
    """The slow twin: history by history, move by move."""
    found = []
    for k, here in enumerate(place.tolist()):
        shot, pixel = divmod(first + k, cells)
        a, b, _, _ = twins.philox((pixel, shot, application, 0), KEY)
        left, number = twins.unit(a, b), 0
        cumulative = np.cumsum(weights.ravel())
        while number < weights.size - 1 and left >= cumulative[number]:
            number += 1
        i, j = np.unravel_index(number, weights.shape)
        if here < 0:
            found.append(-1)
            continue
        p, q = places0[here // n1 + i], places1[here % n1 + j]
        found.append(-1 if p < 0 or q < 0 else int(p * n1 + q))
    return found


@pytest.mark.interpreted
@pytest.mark.parametrize("sides", [("reflect", "reflect"), ("wrap", "wrap"), ("zero", "reflect")])
def test_histories_are_carried_like_their_twin_in_any_stretches(sides: Any) -> None:
    shape, weights = (5, 4), np.array([[0.1, 0.0, 0.3], [0.2, 0.2, 0.0], [0.05, 0.15, 0.0]])
    places0 = convolve.places(5, 1, *sides)
    places1 = convolve.places(4, 1, "reflect", "reflect")
    cumulative = np.cumsum(weights)
    cumulative[7:] = 1.0
    start = np.tile(np.arange(20, dtype=np.int32), 30)
    start[::17] = -1
    wanted = scattered(start, 0, 20, 3, weights, 4, places0, places1)
    assert -1 in wanted
    for size in (600, 100, 7):
        place = start.copy()
        for first in range(0, 600, size):
            scatter.scatter(place[first : first + size], first, 20, *KEY, 3, cumulative,
                            (3, shape[1]), places0, places1)  # fmt: skip
        assert place.tolist() == wanted


@pytest.mark.interpreted
def test_contents_are_added_up_like_their_twin() -> None:
    random = np.random.default_rng(2)
    start, place = random.random(7), random.integers(-1, 7, 50).astype(np.int32)
    wanted = np.zeros(7)
    for k, here in enumerate(place):
        if here >= 0:
            wanted[here] += start[(3 + k) % 7]
    out = np.zeros(7)
    scatter.gather(place, 3, start, out)
    assert np.array_equal(out, wanted)


def test_moves_follow_the_weights_of_the_kernel_and_are_drawn_anew_each_time() -> None:
    """Places of 1e5 shots of one pixel, after one application, two in one go and two in two.

    Chi-square against the weights and against the kernel applied to itself. False alarm: 3e-6.
    """
    n = 31
    u = np.zeros(n)
    u[n // 2] = 1.0
    weights = np.array([4.0, 1.0, 0.0, 3.0, 2.0])
    kernel = Kernel(kernel=weights, normalise="sum")
    once = np.pad(weights / 10.0, 13)
    twice = np.convolve(once, once, "same")
    for times, law in (([1], once), ([2], twice), ([1, 2], twice)):
        run = ds.solve(u, kernel, grid=grid_of((n,)), times=times, method=Measurement(shots=10**5))
        counts = np.rint(run.frames[-1] * 1e5)
        assert not np.any(counts[law == 0.0])
        assert p_of_chi_square(counts[law > 0.0], 1e5 * law[law > 0.0]) > 1e-6


def test_pixels_and_shots_are_independent_of_each_other() -> None:
    """Joint moves of neighbouring pixels and of neighbouring shots. False alarm: 2e-6."""
    course = runs.plan(Measurement(shots=200), Kernel(kernel=[1, 0, 1], normalise="sum"),
                       grid_of((1000,), "periodic"), [1.0])  # fmt: skip
    (frame,) = course.frames(np.ones(1000))
    right = (frame.state.place - np.arange(1000)) % 1000 == 1
    for one, other in ((right[:, ::2], right[:, 1::2]), (right[::2], right[1::2])):
        pairs = np.bincount((2 * one + other).ravel(), minlength=4)
        assert p_of_chi_square(pairs, np.full(4, one.size / 4)) > 1e-6


# --- what is kept -------------------------------------------------------------------------------


@pytest.mark.parametrize("edges", ["mirrors", "rings", "mixed"])
@pytest.mark.parametrize("shots", [1, 7, 3000])
def test_every_measurement_keeps_the_total(edges: str, shots: int) -> None:
    u = picture((12, 9))
    run = solved(u, Measurement(shots=shots), [0, 1, 5], WIND, EDGES[edges])
    assert np.array_equal(run.frames[0], u)
    assert np.sum(run.frames, axis=(1, 2)) == pytest.approx(np.sum(u), rel=1e-13, abs=0)
    assert np.min(run.frames) >= 0.0


def test_one_measurement_finds_a_bright_pixel_in_exactly_one_place() -> None:
    u = np.zeros((9, 8))
    u[4, 4] = 3.0
    places = set()
    for seed in range(20):
        run = solved(u, "measurement", [1, 2], WIND, seed=seed)
        for frame in run.frames:
            assert np.sort(frame, axis=None)[-2:].tolist() == [0.0, 3.0]
        places.add(int(np.argmax(run.frames[0])))
    # Five moves are possible, the rarest with a chance of 1/12.
    assert places <= {int(np.ravel_multi_index((4 + i, 4 + j), u.shape))
                      for i, j in itertools.product((-1, 0, 1), repeat=2)}  # fmt: skip
    assert len(places) > 1


def test_what_leaves_is_lost_in_every_shot_and_counted() -> None:
    """The account is a mean over shots, within six deviations of the law's. False alarm: 1e-8."""
    u = picture((10, 8))
    run, law = (
        solved(u, method, [0, 1, 4], WIND, EDGES["half open"])
        for method in (Measurement(shots=5000), "stencil")
    )
    assert run.facts["accounts"] == ["outside"]
    assert run.accounts is not None
    assert law.accounts is not None
    content = np.sum(run.frames, axis=(1, 2)) * 0.25
    assert np.max(np.abs(content - content[0] - run.accounts[:, 0])) < 1e-13 * content[0]
    deviation = 0.25 * np.sqrt(np.sum(u**2) * 0.25 / 5000)
    assert run.accounts[-1, 0] < -10 * deviation
    assert abs(run.accounts[-1, 0] - law.accounts[-1, 0]) < 6 * deviation


def test_seed_and_label_decide_every_bit_and_stretches_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    u, ten = picture((20, 15)), Measurement(shots=10)
    first = solved(u, ten, [1, 3]).frames
    assert np.array_equal(solved(u, ten, [1, 3]).frames, first)
    assert not np.array_equal(solved(u, ten, [1, 3], seed=1).frames, first)
    other = solved(u, Measurement(shots=10, label="other"), [1, 3]).frames
    assert not np.array_equal(other, first)
    monkeypatch.setattr(measurement, "SLICE", 2e-6)
    assert np.array_equal(solved(u, ten, [1, 3]).frames, first)


@pytest.mark.parametrize("edges", ["mixed", "half open"])
def test_a_run_that_goes_on_from_a_stored_state_is_one_that_was_never_interrupted(
    edges: str,
) -> None:
    u = picture((8, 7))
    course = runs.plan(Measurement(shots=20), WIND, grid_of(u.shape, EDGES[edges]), [0.0, 2.0, 3.0])
    frames = list(course.frames(u))
    stored = {name: np.array(v) for name, v in runs.taken_apart(frames[1].state).items()}
    state = runs.revived(course.begin(u), {name: v.copy() for name, v in stored.items()})
    (again,) = course.frames(u, 2, state)
    assert np.array_equal(again.field, frames[2].field)
    for name, array in frames[2].extras.items():
        assert np.array_equal(again.extras[name], array)
    for name, array in runs.taken_apart(state).items():
        assert np.array_equal(array, stored[name]), "the state it was given has changed"


def test_channels_are_measured_each_by_itself() -> None:
    u = picture((10, 9))
    both, one = (solved(v, Measurement(shots=5), [2], WIND) for v in (np.stack([u, u]), u))
    assert np.array_equal(both.frames[0, 0], one.frames[0])
    assert np.array_equal(both.arrays["deviation"][0, 0], one.arrays["deviation"][0])
    assert not np.array_equal(both.frames[0, 1], one.frames[0])


# --- what theory says ---------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("shots", [1, 10, 100])
def test_the_error_is_the_one_expected(shots: int, count: int) -> None:
    """48 x 48 cells: the squared error varies by 5 %, so 20 % is eight deviations and more."""
    u = picture()
    law = solved(u, "stencil", [count]).frames[0]
    run = solved(u, Measurement(shots=shots), [count])
    expected = np.linalg.norm(run.arrays["deviation"][0]) / np.linalg.norm(law)
    assert 0.8 < apart(run.frames[0], law) / expected < 1.2


def test_the_mean_approaches_the_convolution_as_shots_to_the_minus_one_half() -> None:
    """One to ten thousand shots; the slope varies by 0.003. False alarm: below 1e-6."""
    u = picture()
    law = solved(u, "stencil", [2]).frames[0]
    numbers = 10 ** np.arange(5)
    errors = [apart(solved(u, Measurement(shots=int(n)), [2]).frames[0], law) for n in numbers]
    assert np.polyfit(np.log(numbers), np.log(errors), 1)[0] == pytest.approx(-0.5, abs=0.05)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_on_rings_the_expected_error_is_that_of_the_whole_law(count: int) -> None:
    """Against the matrix of the law, sum over y and x of u(y)^2 P (1 - P), wrapped often."""
    u = picture((9, 7))
    unit = np.eye(u.size).reshape(u.size, *u.shape)
    law = solved(unit, "stencil", [count], WIND, "periodic").frames[0].reshape(u.size, u.size)
    wanted = np.sum(u.ravel()[:, None] ** 2 * law * (1.0 - law)) / 3
    run = solved(u, Measurement(shots=3), [count], WIND, "periodic")
    # Wrapped around the grid the sum of squares is the same on the ring, if it is wide enough.
    assert np.sum(run.arrays["deviation"][0] ** 2) == pytest.approx(wanted, rel=1e-12, abs=0)


def test_the_chance_to_meet_again_is_the_sum_of_squares_of_the_folded_kernel() -> None:
    weights = np.random.default_rng(3).random((5, 3))
    weights /= np.sum(weights)
    for count in (0, 1, 2, 7):
        wanted = float(np.sum(convolve.folded_power(weights, count) ** 2))
        assert coincidence(weights, (99, 99), count) == pytest.approx(wanted, rel=1e-13, abs=0)
    assert coincidence(weights, (3, 2), 1000) == pytest.approx(1 / 6, rel=1e-12, abs=0)


def test_what_only_moves_as_a_whole_leaves_nothing_to_chance() -> None:
    u = picture((8, 7))
    shift = Kernel(kernel={"kind": "shift", "by": [1, 2]}, normalise="none")
    run = solved(u, "measurement", [0, 3], shift, "periodic")
    assert np.array_equal(run.frames[1], np.roll(u, (3, 6), (0, 1)))
    assert np.max(run.arrays["deviation"]) < 1e-7
    assert not np.any(run.arrays["deviation"][0])


def test_the_comparison_judges_measurements_by_their_noise() -> None:
    """The law itself, and one that is a cell away, which a thousand shots tell apart.

    The ratio of errors varies by 2 %. False alarm: below 1e-6.
    """
    u = picture()
    stencil, run, ahead = (
        solved(u, method, [0, 1, 4])
        for method in ("stencil", Measurement(shots=1000), Measurement(shots=1000, label="ahead"))
    )
    ahead.frames[1:] = np.roll(ahead.frames[1:], 1, 1)
    table = comparison.compare([stencil, run, ahead], run.times)
    assert run.facts["statistical"] is True
    assert table["measurement"].verdict == "as predicted"
    assert table["measurement"].ratio == pytest.approx(1.0, abs=0.2)
    assert table["ahead"].verdict == "unexplained"


# --- refusals and costs -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "edges", "start", "words"),
    [
        ({"kernel": "edge-detector", "normalise": "none"}, "no-flux", 1.0, "propagator.normalise"),
        ({"kernel": "box", "normalise": "sum", "applied": "correlation"}, "no-flux", 1.0,
         "propagator.applied"),
        ({"kernel": "box", "normalise": "sum"}, {"x": {"value": 1.0}}, 1.0, "grid.edges"),
        ({"kernel": "box", "normalise": "sum"}, "no-flux", -1.0, "below zero"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_in_a_sentence(
    kernel: Any, edges: Any, start: float, words: str
) -> None:
    with pytest.raises(Unsupported, match=f"measurement cannot .*{words}.*These can: .*stencil"):
        solved(np.full((6, 5), start), "measurement", [1], Kernel(**kernel), edges)


def test_memory_and_plan_count_every_pixel_of_every_shot() -> None:
    grid = grid_of((32, 16))
    one, many = (Measurement(shots=shots) for shots in (1, 1001))
    assert many.memory(grid) - one.memory(grid) == 1000 * 512 * 4
    courses = [runs.plan(method, WIND, grid, [1.0, 4.0]) for method in (one, many)]
    assert [course.steps for course in courses] == [4, 4]
    assert courses[1].seconds > 500 * courses[0].seconds
