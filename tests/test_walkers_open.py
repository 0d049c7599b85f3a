"""Walkers that leave and come in: loops and tables against twins, accounts, paths and channels.

Seeds are fixed, so a failure is a fault; the rate of false alarms with fresh seeds stands in the
docstrings. That counts follow the law of every medium is in test_contract.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import twins
from scipy import integrate, linalg, special, stats
from twins import ALPHA, KEY, WRAPS, p_of_chi_square

import diffusim as ds
from diffusim import runs
from diffusim.block import Array, Unsupported
from diffusim.channels import key_of
from diffusim.comparison import compare
from diffusim.grid import Grid
from diffusim.loops import exchange
from diffusim.medium.doors import late_tail, poisson, poisson_tail
from diffusim.methods import Method
from diffusim.methods.walkers import Walkers
from diffusim.testing import Problem, contract, counts_p_value, problems

D, H = 1.5e-9, 1e-3
ENTER = 5
OPEN = Grid.model_validate(
    {"shape": [8, 6], "size": [8e-3, 6e-3],
     "edges": {"left": {"value": 1.0}, "right": {"transfer": 1e-6, "value": 0.25}}}
)  # fmt: skip
FED = ds.Diffusion(diffusivity=D, decay=5e-4, source=1e-3)
TIMES = [0.0, 150.0, 151.0, 600.0]


def start() -> Array:
    u = np.full((8, 6), 0.3)
    u[1:3, 1], u[6, 4:] = 4.0, 2.0
    return u


def walk(u: Array, grid: Grid = OPEN, water: Any = FED, seed: int = 0, **options: Any) -> list[Any]:
    times = options.pop("times", TIMES)
    traits = runs.traits_of(u)
    course = runs.plan(Walkers(**options), water, grid, times, traits=traits, seed=seed)
    return list(course.frames(u))


def same(one: list[Any], other: list[Any]) -> bool:
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
               for first, second in zip(one, other, strict=True)
               for a, b in zip(first.state, second.state, strict=True))  # fmt: skip


# --- loops and tables -----------------------------------------------------------------------------


def leaky(wraps: tuple[bool, bool], exits: int = 3) -> tuple[Array, Array]:
    """Thresholds of moves and exits of 5 x 6 cells, and the matrix of one jump, exits last."""
    n0, n1 = 5, 6
    low0, high0, low1, high1 = (face.copy() for face in twins.closed_faces((n0, n1)))
    if not wraps[0]:
        low0[0] = high0[-1] = 0.0
    if not wraps[1]:
        low1[:, 0] = high1[:, -1] = 0.0
    faces = np.array([low0, high0, low1, high1])
    out = np.random.default_rng(3).random((n0 * n1, exits)) * (np.arange(exits) + 1) / 300
    out[7:20, 1] = 0.0
    whole = np.zeros((30 + exits, 30 + exits))
    whole[:30, :30] = twins.matrix((n0, n1), faces, wraps).T - np.diag(out.sum(axis=1))
    whole[:30, 30:] = out
    chances = np.concatenate([faces.reshape(4, -1).T, out], axis=1)
    return np.rint(np.cumsum(chances, axis=1) * 2.0**32).astype(np.uint64), whole


def hop_twin(cell: Array, first: int, tail: Array, thresholds: Array, wraps: Any) -> Array:
    """One particle after the other, one hop after the other; -1 - e once it left by exit e."""
    found = cell.copy()
    for k in range(len(cell)):
        a, b, _, _ = twins.words(first + k, KEY, 0, twins.COUNT)
        at = list(divmod(int(cell[k]), 6))
        found[k] = at[0] * 6 + at[1]
        for m in range(int(np.searchsorted(tail, twins.unit(a, b), side="right"))):
            word = twins.words(first + k, KEY, m // 4, twins.HOP)[m % 4]
            side = int(np.sum(word >= thresholds[at[0] * 6 + at[1]]))
            if side < 4:
                axis, n = side // 2, (5, 6)[side // 2]
                moved = at[axis] + 2 * (side % 2) - 1
                at[axis] = moved % n if wraps[axis] else min(max(moved, 0), n - 1)
            elif side < thresholds.shape[1]:
                found[k] = 3 - side
                break
            found[k] = at[0] * 6 + at[1]
    return found


def hopped(cell: Array, tail: Array, thresholds: Array, wraps: Any) -> tuple[Array, Array, Array]:
    cell, counts = cell.copy(), np.zeros((5, 6), np.int64)
    left = np.zeros(thresholds.shape[1] - 4, np.int64)
    exchange.hop_or_leave(cell, 11, *KEY, tail, thresholds, *wraps, counts, left)
    return cell, counts, left


@pytest.mark.interpreted
@pytest.mark.parametrize("wraps", WRAPS)
def test_hops_of_particles_that_may_leave_are_their_twin(wraps: tuple[bool, bool]) -> None:
    thresholds, _ = leaky(wraps)
    cell = np.random.default_rng(1).integers(0, 30, 270).astype(np.int32)
    tail = poisson_tail(9.0)
    expected = hop_twin(cell, 11, tail, thresholds, wraps)
    found, counts, left = hopped(cell, tail, thresholds, wraps)
    assert np.all(left > 0)
    np.testing.assert_array_equal(found, np.maximum(expected, -1))
    np.testing.assert_array_equal(left, np.bincount(-1 - expected[expected < 0], minlength=3))
    stays = expected[expected >= 0]
    np.testing.assert_array_equal(counts.ravel(), np.bincount(stays, minlength=30))


@pytest.mark.parametrize("wraps", WRAPS)
@pytest.mark.parametrize("mean", [0.7, 40.0])
def test_hops_and_exits_follow_the_exponential_of_the_generator(
    wraps: tuple[bool, bool], mean: float
) -> None:
    """Chi-square over the cells and exits that are reached at all; alpha 1e-6."""
    n = 10**6
    thresholds, matrix = leaky(wraps)
    law = linalg.expm(mean * matrix)[8]
    _, counts, left = hopped(np.full(n, 8, np.int32), poisson_tail(mean), thresholds, wraps)
    found, rare = np.append(counts.ravel(), left), law < 5e-5
    expected = np.append(law[~rare], law[rare].sum() + 1e-5) * n
    assert p_of_chi_square(np.append(found[~rare], found[rare].sum() + 10), expected) > ALPHA


@pytest.mark.interpreted
def test_particles_come_in_by_the_entries_of_their_own_numbers() -> None:
    cumulative = np.append(np.sort(np.random.default_rng(2).random(6)), 1.0)
    cells, cell = np.array([3, 3, 0, 8, 5, 7, 1]), np.empty(400, np.int32)
    entered = np.zeros(7, np.int64)
    exchange.enter(cell, 2**32 - 200, *KEY, cumulative, cells, entered)
    drawn = [twins.unit(*twins.words(2**32 - 200 + k, KEY, 0, ENTER)[:2]) for k in range(400)]
    entry = np.searchsorted(cumulative, drawn, side="right")
    np.testing.assert_array_equal(cell, cells[entry])
    np.testing.assert_array_equal(entered, np.bincount(entry, minlength=7))


@pytest.mark.parametrize("mean", [0.0, 1e-9, 0.3, 7.0, 4e3, 2.5e9])
def test_a_poisson_number_is_the_inverse_of_its_distribution(mean: float) -> None:
    for u in (0.0, 1e-12, 0.2, 0.5, 0.9, 1.0 - 2.0**-52):
        k = poisson(mean, u)
        assert special.pdtr(k, mean) > u
        assert k == 0 or special.pdtr(k - 1, mean) <= u
    assert abs(poisson(mean, 0.5) - mean) <= 1.0


@pytest.mark.parametrize("mean", [0.0, 1e-12, 0.4, 30.0, 5e4])
def test_those_who_come_in_amid_a_segment_hop_as_often_as_the_rest_of_it_lets_them(
    mean: float,
) -> None:
    tail = late_tail(mean)
    assert tail[-1] == 1.0
    assert np.all(np.diff(tail) >= 0.0)
    assert np.sum(1.0 - tail) == pytest.approx(0.5 * mean, rel=1e-9, abs=1e-14)
    if 0.0 < mean < 100.0:
        for k in (0, 1, int(mean), int(1.2 * mean) + 2):
            told = integrate.quad(lambda s, k=k: special.pdtr(k, s * mean), 0.0, 1.0)[0]
            assert tail[k] == pytest.approx(told, rel=1e-9)


# --- what comes in --------------------------------------------------------------------------------


def test_the_number_that_comes_in_is_poissons_over_seeds() -> None:
    """300 seeds, by mean, variance and chi-square. False alarm: 3e-6."""
    grid = Grid(shape=(4, 3), size=(4e-3, 3e-3))
    water = ds.Diffusion(diffusivity=D, source=1e-3)
    u, seeds = np.ones((4, 3)), 300
    frames = [walk(u, grid, water, seed, times=[0.0, 40.0], particles=1000)[-1] for seed in
              range(seeds)]  # fmt: skip
    came = np.array([frame.counts.sum() - 1000 for frame in frames])
    mean = 1000 * 0.04
    assert abs(np.mean(came) - mean) < 5.0 * np.sqrt(mean / seeds)
    assert abs(np.var(came) / mean - 1.0) < 5.0 * np.sqrt(2.0 / seeds)
    inner = stats.poisson.ppf(np.arange(1, 10) / 10, mean)
    edges = np.concatenate([[-1.0], inner, [np.inf]])
    wanted = seeds * np.diff(stats.poisson.cdf(edges, mean))
    seen = np.histogram(came, np.concatenate([[-0.5], inner + 0.5, [1e9]]))[0]
    assert p_of_chi_square(seen, wanted) > ALPHA


def test_p_values_in_an_open_medium_are_uniform_over_seeds() -> None:
    """Forty seeds, Kolmogorov and Smirnov. False alarm: one in a million."""
    u = start()
    law = ds.solve(u, FED, grid=OPEN, times=[600.0], method="modes").frames[0]
    found = []
    for seed in range(40):
        frame = walk(u, seed=seed, particles=20000)[-1]
        content = law * OPEN.volume
        found.append(counts_p_value(frame.counts, content, float(frame.extras["weight"])))
    assert stats.kstest(found, "uniform").pvalue > ALPHA


def test_an_empty_start_lets_as_many_come_in_as_there_are_to_be() -> None:
    """Poisson of a million: within five deviations. Counts by chi-square. False alarm: 2e-6."""
    u, wanted = np.zeros((8, 6)), 10**6
    *_, frame = frames = walk(u, particles=wanted)
    assert frames[0].counts.sum() == 0
    weight = float(frame.extras["weight"])
    left, right, _, source = frame.extras["accounts"] / weight
    gross = wanted * weight
    through = (D / (0.5 * H) * 6 * H + 0.25 / (1e6 + 0.5 * H / D) * 6 * H
               + 1e-3 * 48 * H * H) * 600.0  # fmt: skip
    assert gross == pytest.approx(through, rel=1e-12)
    assert abs(source - 1e-3 * 48 * H * H * 600.0 / weight) < 5.0 * np.sqrt(source)
    assert left > right
    law = ds.solve(u, FED, grid=OPEN, times=[600.0], method="modes").frames[0]
    assert counts_p_value(frame.counts, law * OPEN.volume, weight) > ALPHA


def test_where_there_is_nothing_and_nothing_comes_there_are_no_particles() -> None:
    """A scenario refuses that; who plans without asking for traits gets nothing of nothing."""
    closed, water = Grid(shape=(8, 6), size=(8e-3, 6e-3)), ds.Diffusion(diffusivity=D, decay=1e-3)
    with pytest.raises(Unsupported, match="cannot start from"):
        walk(np.zeros((8, 6)), closed, water)
    for limit, medium in (("auto", water), ("lattice", water), ("cell-to-cell", None)):
        method = Walkers(particles=50, limit=limit, paths=2)  # type: ignore[arg-type]
        course = runs.plan(method, medium or ds.Diffusion(diffusivity=D), closed, TIMES)
        for frame in course.frames(np.zeros((8, 6))):
            assert not np.any(frame.field)
            assert np.all(np.isnan(frame.extras["paths"]))


@pytest.mark.parametrize("edges", [{"left": {"flux": -1e-9}}, {"left": {"value": -1.0}}])
def test_what_is_taken_away_whether_it_is_there_or_not_is_refused(edges: Any) -> None:
    grid = Grid.model_validate({"shape": [4], "size": [4e-3], "edges": edges})
    with pytest.raises(Unsupported, match=r"account left.*negative"):
        runs.plan(Walkers(), ds.Diffusion(diffusivity=D), grid, [1.0])
    with pytest.raises(Unsupported, match="limit lattice"):
        runs.plan(Walkers(limit="cell-to-cell"), ds.Diffusion(diffusivity=D), OPEN, [1.0])


# --- the same bits, however it is done ------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"chunks": 2}, {"chunks": 7}, {"threads": 2}, {"threads": 2, "chunks": 7}]
)
def test_chunks_and_threads_change_no_bit_of_an_open_medium(options: dict[str, int]) -> None:
    once = walk(start(), particles=5003, paths=9)
    assert same(walk(start(), particles=5003, paths=9, **options), once)
    assert not same(walk(start(), particles=5003, paths=9, seed=1), once)


@pytest.mark.parametrize("done", [1, 2, 3])
def test_resumed_walkers_of_an_open_medium_are_where_they_would_have_been(done: int) -> None:
    course = runs.plan(Walkers(particles=3000, paths=5), FED, OPEN, TIMES, seed=4)
    whole = list(course.frames(start()))
    stored = {k: np.array(v) for k, v in runs.taken_apart(whole[done - 1].state).items()}
    rest = list(course.frames(start(), done, runs.revived(course.begin(start()), stored)))
    assert same(rest, whole[done:])


def test_many_epochs_change_nothing_but_what_is_kept_in_between() -> None:
    """Six epochs, whose views are made anew; what comes in at an empty start is still known."""
    table = [[60.0 * k, 1.0 + k] for k in range(6)]
    grid = Grid.model_validate({"shape": [5], "size": [5e-3], "edges": {"left": {"value": table}}})
    *_, last = walk(np.zeros(5), grid, ds.Diffusion(diffusivity=D), times=[0.0, 360.0],
                    particles=40000)  # fmt: skip
    came = sum(60.0 * value for _, value in table) * D / (0.5 * H)
    assert 40000 * last.extras["weight"] == pytest.approx(came, rel=1e-12)


def test_channels_of_different_numbers_are_what_they_are_alone() -> None:
    u = np.stack([start(), 0.2 * start(), start()[::-1]])
    course = runs.plan(Walkers(particles=2000, paths=3), FED, OPEN, TIMES, seed=4, channels=3)
    together = list(course.frames(u))
    sizes = {int(np.sum(place >= 0)) for place in together[-1].state.place}
    assert len(sizes) == 3
    plain = runs.plan(Walkers(particles=2000, paths=3), FED, OPEN, TIMES, seed=4)
    for frame, alone in zip(together, plain.frames(u[0]), strict=True):
        assert np.array_equal(frame.field[0], alone.field)
        for name, array in alone.extras.items():
            assert np.array_equal(frame.extras[name][0], array, equal_nan=array.dtype.kind == "f")
    stored = {k: np.array(v) for k, v in runs.taken_apart(together[1].state).items()}
    again = list(course.frames(u, 2, runs.revived(course.begin(u), stored)))
    assert same(again, together[2:])
    assert key_of((1, 2), 1) != key_of((1, 2), 2)


# --- paths ----------------------------------------------------------------------------------------


def test_paths_are_those_of_the_same_particles_until_they_leave() -> None:
    """With all of them followed and nothing coming in, the paths are the counts."""
    water, number = ds.Diffusion(diffusivity=D, decay=2e-3), 700
    grid = Grid.model_validate(
        {"shape": [8, 6], "size": [8e-3, 6e-3], "edges": {"left": {"value": 0.0}}}
    )
    frames = walk(start(), grid, water, particles=number, paths=number)
    gone = np.zeros(number, bool)
    for frame in frames:
        paths = frame.extras["paths"]
        left = np.isnan(paths)
        assert np.array_equal(left[:, 0], left[:, 1])
        assert np.all(left[gone])
        gone = left[:, 0]
        cells = np.rint(paths[~gone] / H - 0.5).astype(int)
        np.testing.assert_allclose((cells + 0.5) * H, paths[~gone], rtol=1e-13, atol=0)
        counts = np.zeros((8, 6), int)
        np.add.at(counts, tuple(cells.T), 1)
        np.testing.assert_array_equal(counts, frame.counts)
    assert 50 < gone.sum() < number - 50
    # Between two frames 1 s apart hardly anything moves: whoever is followed stays who it is.
    before, after = (frame.extras["paths"] for frame in frames[1:3])
    moved = np.linalg.norm(after - before, axis=1)[~np.isnan(after[:, 0])]
    assert np.mean(moved > 0.0) < 0.05


@pytest.mark.parametrize("limit", ["lattice", "cell-to-cell"])
def test_followed_particles_spread_as_2dt_and_following_them_changes_no_count(limit: str) -> None:
    """Mean squares of 1000 paths along two axes, five deviations of them. False alarm: 2e-6."""
    u = np.zeros((61, 57))
    u[30, 28] = 1.0
    grid, water = Grid(shape=u.shape, size=(0.061, 0.057)), ds.Diffusion(diffusivity=D)
    frames = walk(u, grid, water, times=[0.0, 500.0, 4000.0], particles=1500, limit=limit,
                  paths=1000)  # fmt: skip
    plain = walk(u, grid, water, times=[0.0, 500.0, 4000.0], particles=1500, limit=limit)
    for frame, other in zip(frames, plain, strict=True):
        assert np.array_equal(frame.counts, other.counts)
        assert "paths" not in other.extras
    places = [frame.extras["paths"] for frame in frames]
    assert np.all((places[0] > 0.027) & (places[0] < 0.0315))
    moved = np.mean((places[2] - places[1]) ** 2, axis=0) / (2 * D * 3500.0)
    assert np.all(np.abs(moved - 1.0) < 5.0 * np.sqrt(2.0 / 1000))


def test_paths_on_a_radial_grid_begin_at_its_inner_radius() -> None:
    grid = Grid.model_validate(
        {"shape": [4, 3], "size": [4e-3, 3e-3], "geometry": "cylindrical", "inner": 2e-3}
    )
    frame = walk(np.ones((4, 3)), grid, ds.Diffusion(diffusivity=D), particles=40, paths=40)[0]
    r, z = frame.extras["paths"].T
    assert set(np.round(r / H, 9)) == {2.5, 3.5, 4.5, 5.5}
    assert set(np.round(z / H, 9)) == {0.5, 1.5, 2.5}


# --- the contract sees what is wrong --------------------------------------------------------------

BY_NAME = {problem.name: problem for problem in problems()}
BETWEEN: list[Problem] = [BY_NAME["another edge on every side"]]


def rejects(parts: dict[str, Any], reason: str) -> None:
    word = "wrong"
    kind = type("Wrong", (Walkers,), {**parts, "word": word, "__module__": __name__})
    try:
        with pytest.raises(AssertionError, match=reason):
            contract(kind, only=BETWEEN)
    finally:
        Method.members.pop(word, None)


def test_newcomers_that_hop_from_the_start_of_a_segment_on_are_rejected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert contract(Walkers, only=BETWEEN) == {BETWEEN[0].name: "keeps the contract"}
    monkeypatch.setattr("diffusim.methods.walkers.late_tail", poisson_tail)
    rejects({}, "do not follow the law|the account")


def test_what_is_booked_to_another_account_is_rejected() -> None:
    def extras(self: Walkers, state: Any) -> dict[str, Array]:
        found = Walkers.extras(self, state)
        # A quarter of what one account saw, so that the balance stays as it is.
        wrong = 0.25 * found["accounts"][0]
        return {**found, "accounts": found["accounts"] + wrong * np.array([-1.0, 1.0, 0.0])}

    rejects({"extras": extras}, "the account (left|right)")


def test_particles_of_no_worth_are_rejected() -> None:
    def extras(self: Walkers, state: Any) -> dict[str, Array]:
        return {"counts": state.counts, "accounts": state.accounts}

    rejects({"extras": extras}, "a particle is worth None")


def test_open_walkers_are_judged_as_predicted_and_other_media_as_unexplained() -> None:
    """False alarm: one in a million."""
    walkers = ds.solve(start(), FED, grid=OPEN, times=TIMES,
                       method={"kind": "walkers", "particles": 50000})  # fmt: skip
    other = ds.Diffusion(diffusivity=D, decay=5e-4, source=1.2e-3)
    for water, verdict in ((FED, "as predicted"), (other, "unexplained")):
        law = ds.solve(start(), water, grid=OPEN, times=TIMES, method="modes")
        table = compare([law, walkers], TIMES, reference="modes", volume=OPEN.volume)
        row = table["walkers"]
        assert row.verdict == verdict, row.reason
        assert row.mass_drift < 1e-12
