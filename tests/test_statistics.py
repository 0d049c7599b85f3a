"""Walkers follow their law by chi-square, variance and mean square, whatever chunks and threads.

Seeds are fixed, so a failure is a fault. The rate of false alarms that each test would have with a
fresh seed stands in its docstring.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import diffusim as ds
from diffusim import counts, kernels, norms, runs
from diffusim.block import Array
from diffusim.loops import hops, particles
from diffusim.methods import Method
from diffusim.methods.collapse import Collapse
from diffusim.methods.modes import Modes
from diffusim.methods.walkers import Walkers
from diffusim.testing import counts_p_value

D, H = 1.5e-9, 1e-3
LIMITS = ["lattice", "cell-to-cell"]
# Five standard deviations: beyond them lies less than one in a million.
FIVE = 5.0


def walk(
    u: Array, time: float, *, seed: int = 0, walls: Any = (), edges: str = "no-flux", **options: Any
) -> list[runs.Frame]:
    """The frames of some walkers at zero, half the time and the time."""
    grid = ds.Grid(shape=u.shape, size=tuple(n * H for n in u.shape), edges=edges)
    water = ds.Diffusion(diffusivity=D, walls=list(walls))
    course = runs.plan(Walkers(**options), water, grid, [0.0, 0.5 * time, time], seed=seed)
    return list(course.frames(u))


def counted(u: Array, time: float, **options: Any) -> Array:
    counts = walk(u, time, **options)[-1].counts
    assert counts is not None
    return counts


def law(u: Array, time: float, limit: Any, edges: str = "no-flux") -> Array:
    grid = ds.Grid(shape=u.shape, size=tuple(n * H for n in u.shape), edges=edges)
    run = ds.solve(
        u, ds.Diffusion(diffusivity=D), grid=grid, times=[time], method=Modes(limit=limit)
    )
    return np.asarray(run.frames[0])


def lumps() -> Array:
    u = np.full((8, 6), 0.3)
    u[1:3, 1] = 4.0
    u[6, 4:] = 2.0
    return u


def uniform_p(values: Array) -> float:
    """p-value of Kolmogorov and Smirnov's test of numbers that should be uniform."""
    ordered, n = np.sort(values), len(values)
    ranks = np.arange(n + 1) / n
    distance = max(np.max(ranks[1:] - ordered), np.max(ordered - ranks[:-1]))
    return float(special.kolmogorov(np.sqrt(n) * distance))


def p_values(limit: str, seeds: int, number: int) -> Array:
    u = lumps()
    expected = law(u, 400.0, limit)
    drawn = (counted(u, 400.0, seed=seed, particles=number, limit=limit) for seed in range(seeds))
    return np.array([counts_p_value(counts, expected) for counts in drawn])


@pytest.mark.parametrize("limit", LIMITS)
def test_p_values_of_walkers_are_uniform_over_seeds(limit: str) -> None:
    """Forty seeds. False alarm: one in a million."""
    assert uniform_p(p_values(limit, 40, 20_000)) > 1e-6


@pytest.mark.proof
@pytest.mark.parametrize("limit", LIMITS)
def test_p_values_of_walkers_are_uniform_over_two_hundred_seeds(
    limit: str, figure: Callable[..., None]
) -> None:
    """Kolmogorov and Smirnov, and the pooled sum of -2 log p. False alarm: two in a million."""
    found = p_values(limit, 200, 200_000)
    uniform = uniform_p(found)
    pooled = float(special.gammaincc(len(found), -np.sum(np.log(found))))
    figure(f"p-value of 200 p-values being uniform, {limit}", uniform, limit="> 1e-6")
    figure(f"p-value of 200 p-values pooled, {limit}", pooled, limit="> 1e-6")
    figure(f"smallest of 200 p-values, {limit}", float(np.min(found)), limit="about 1/200")
    assert uniform > 1e-6
    assert 1e-6 < pooled < 1 - 1e-6


def test_the_chi_square_of_the_comparison_rejects_as_often_as_it_says() -> None:
    """2000 true draws from a law with thin tails: 5 and 1 % are rejected, within five deviations.

    By cells, of which neighbours that expect few are pooled, and by blocks. False alarm: 1e-5.
    """
    grid = np.add.outer(np.arange(40.0) - 12, 1.3 * (np.arange(35.0) - 20)) ** 2
    expected = np.exp(-grid / 150.0)
    random = np.random.default_rng(17)
    draws = random.multinomial(20_000, expected.ravel() / expected.sum(), size=2000)
    pairs = np.array(
        [counts.chi_square_pair(draw.reshape(expected.shape), expected) for draw in draws]
    )
    for found in pairs.T:
        for alpha in (0.05, 0.01):
            deviation = np.sqrt(alpha * (1 - alpha) / len(found))
            # A chi-square of counts of five is a little wide: 10 % on top.
            assert abs(np.mean(found < alpha) - alpha) < FIVE * deviation + 0.1 * alpha


@pytest.mark.parametrize("limit", LIMITS)
def test_starts_are_multinomial(limit: str) -> None:
    """Mean N p, variance N p (1 - p), negative covariances, nothing in cells that are empty.

    300 seeds, 48 cells; false alarm: below 1e-4.
    """
    u = lumps()
    u[0, 0] = u[-1, -1] = u[3, 3] = 0.0
    number, seeds = 4000, 300
    counts = np.array([walk(u, 1.0, seed=seed, particles=number, limit=limit)[0].counts
                       for seed in range(seeds)])  # fmt: skip
    p = u / u.sum()
    assert np.all(counts.sum(axis=(1, 2)) == number)
    assert not np.any(counts[:, u == 0.0])
    some = p > 0.0
    z = (counts.mean(0) - number * p)[some] / np.sqrt(number * p * (1 - p) / seeds)[some]
    assert np.max(np.abs(z)) < FIVE
    ratio = counts.var(0)[some] / (number * p * (1 - p))[some]
    assert np.max(np.abs(ratio - 1.0)) < 1.2 * FIVE * np.sqrt(2 / seeds)
    assert abs(np.mean(ratio) - 1.0) < FIVE * np.sqrt(2 / seeds / np.sum(some))
    covariance = np.cov(counts[:, 1, 1], counts[:, 2, 1])[0, 1] / (number * p[1, 1] * p[2, 1])
    assert abs(covariance + 1.0) < FIVE / np.sqrt(seeds) / p[1, 1]


@pytest.mark.parametrize(("limit", "loop"), [("lattice", "draw_cells"), ("cell-to-cell", "place")])
def test_no_number_below_one_can_draw_a_cell_behind_the_last_that_holds_something(
    limit: str, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums of 48 numbers miss their total by round-off; the rest belongs to no empty cell."""
    seen: list[Array] = []
    monkeypatch.setattr(particles, loop, lambda *arguments: seen.append(arguments[4]))
    for seed in range(50):
        u = np.random.default_rng(seed).random((8, 6)) * 10.0 ** (seed - 25)
        u[7, 2:] = 0.0
        grid = ds.Grid(shape=u.shape, size=(8 * H, 6 * H))
        walkers = Walkers(particles=5, limit=limit)  # type: ignore[arg-type]
        runs.plan(walkers, ds.Diffusion(diffusivity=D), grid, [1.0]).begin(u)
        assert np.all(seen[-1][43:] == 1.0)
        assert np.all(seen[-1][:43] < 1.0)


# --- the same bits, however it is done ------------------------------------------------------------

WALLED = [ds.Wall(axis="x", at=4e-3, opens=300.0)]


def same(one: list[runs.Frame], other: list[runs.Frame]) -> bool:
    return all(np.array_equal(a, b) for first, second in zip(one, other, strict=True)
               for a, b in zip(first.state, second.state, strict=True))  # fmt: skip


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize(
    "options", [{"chunks": 2}, {"chunks": 7}, {"threads": 2}, {"threads": 2, "chunks": 7}]
)
def test_chunks_and_threads_change_no_bit(limit: str, options: dict[str, int]) -> None:
    once = walk(lumps(), 800.0, walls=WALLED, particles=5003, limit=limit)
    assert same(walk(lumps(), 800.0, walls=WALLED, particles=5003, limit=limit, **options), once)
    assert same(walk(lumps(), 800.0, walls=WALLED, particles=5003, limit=limit), once)
    assert not same(walk(lumps(), 800.0, walls=WALLED, particles=5003, limit=limit, seed=1), once)


@pytest.mark.parametrize("walls", [[], WALLED], ids=["open water", "a wall lifted half-way"])
def test_lattice_walkers_are_the_same_however_time_is_cut_into_frames(walls: Any) -> None:
    """Two frames or twelve, at odd moments: the same particles in the same cells at the end."""
    grid = ds.Grid(shape=(8, 6), size=(8 * H, 6 * H))
    water = ds.Diffusion(diffusivity=D, walls=list(walls))
    found = []
    for times in ([0.0, 800.0], [0.0, 1.0, *np.linspace(37.3, 800.0, 11)]):
        course = runs.plan(Walkers(particles=3001, limit="lattice"), water, grid, times, seed=4)
        *_, last = course.frames(lumps())
        found.append(last.state.place)
    assert np.array_equal(*found)


@pytest.mark.parametrize(
    ("limit", "loops", "loop"), [("lattice", hops, "hop"), ("cell-to-cell", particles, "jump")]
)
def test_two_threads_really_run_at_once_and_change_no_bit(
    limit: str, loops: Any, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two parts wait for each other, which one thread alone could never do."""
    once = walk(lumps(), 800.0, particles=5003, limit=limit)
    original, seen, lock = getattr(loops, loop), [], threading.Lock()
    meeting = threading.Barrier(2, timeout=20.0)

    def watched(*arguments: Any) -> None:
        with lock:
            seen.append(threading.get_ident())
            early = len(seen) <= 2
        if early:
            meeting.wait()
        original(*arguments)

    monkeypatch.setattr(loops, loop, watched)
    found = walk(lumps(), 800.0, particles=5003, limit=limit, threads=2, chunks=7)
    assert len(set(seen[:2])) == 2
    assert threading.get_ident() not in seen
    assert same(found, once)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("done", [1, 2])
def test_resumed_walkers_are_where_they_would_have_been(limit: str, done: int) -> None:
    u = lumps()
    grid = ds.Grid(shape=u.shape, size=(8 * H, 6 * H))
    water = ds.Diffusion(diffusivity=D, walls=WALLED)
    course = runs.plan(
        Walkers(particles=3000, limit=limit), water, grid, [0.0, 200.0, 900.0], seed=4
    )  # type: ignore[arg-type]
    whole = list(course.frames(u))
    stored = {k: np.array(v) for k, v in runs.taken_apart(whole[done - 1].state).items()}
    rest = list(course.frames(u, done, runs.revived(course.begin(u), stored)))
    assert same(rest, whole[done:])


# --- tests that see what chi-square does not ------------------------------------------------------


@pytest.mark.parametrize(("limit", "gain"), [("lattice", 0.0), ("cell-to-cell", 1 / 6)])
def test_the_variance_of_walkers_is_2dt(limit: str, gain: float) -> None:
    """From one cell of a large tank; deviation sqrt(2 / N), 0.08 %. False alarm: 2e-6."""
    u = np.zeros((41, 37))
    u[20, 18] = 1.0
    time, number = 4000.0, 3_000_000
    counts = counted(u, time, particles=number, limit=limit)
    v = 2 * D * time / H**2
    for axis, centre in ((0, 20), (1, 18)):
        j = np.arange(u.shape[axis]) - centre
        along = counts.sum(axis=1 - axis)
        # Excess kurtosis of the lattice density is 1 / v.
        relative = np.sum(along * j**2) / number / (v + gain) - 1.0
        assert abs(relative) < FIVE * np.sqrt((2.0 + 1.0 / v) / number)
        assert abs(np.sum(along * j)) / number < FIVE * np.sqrt((v + gain) / number)


def mean_square_ratio(samples: Array, p: Array, number: int) -> float:
    """E |counts / N - p|^2 over its value for N independent particles, (1 - sum p^2) / N."""
    squares = np.sum((samples / number - p) ** 2, axis=(1, 2))
    return float(np.mean(squares) / ((1.0 - np.sum(p**2)) / number))


@pytest.mark.parametrize("limit", LIMITS)
def test_the_mean_square_of_walkers_is_that_of_independent_ones(limit: str) -> None:
    """Over 150 seeds. Streams given out twice read 2. False alarm: 2e-6."""
    u, number, seeds = lumps(), 2000, 150
    p = law(u, 400.0, limit)
    p = p / p.sum()
    samples = np.array(
        [counted(u, 400.0, seed=seed, particles=number, limit=limit) for seed in range(seeds)]
    )
    deviation = np.sqrt(2 * np.sum(p**2)) / np.sqrt(seeds)
    assert abs(mean_square_ratio(samples, p, number) - 1.0) < FIVE * deviation
    twice = mean_square_ratio(2 * samples, p, 2 * number)
    assert abs(twice - 2.0) < 2 * FIVE * deviation


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("spread", [0.4, 3.0, 50.0])
def test_the_density_at_the_edges_stays_flat(limit: str, spread: float) -> None:
    """Clamped at the edges it would be up to double. False alarm: 2e-6 each."""
    u, number = np.ones((12, 9)), 400_000
    if limit == "lattice" and spread > 10:
        number = 2000
    counts = counted(u, 0.5 * (spread * H) ** 2 / D, particles=number, limit=limit)
    assert counts_p_value(counts, u) > 1e-6
    edge = np.ones(u.shape, dtype=bool)
    edge[1:-1, 1:-1] = False
    share = edge.mean()
    z = (counts[edge].sum() - number * share) / np.sqrt(number * share * (1 - share))
    assert abs(z) < FIVE


@pytest.mark.parametrize("method", [Walkers(particles=300_000), Collapse(particles=10**12)],
                         ids=["walkers", "collapse"])  # fmt: skip
def test_an_uneven_diffusivity_keeps_a_uniform_start_uniform(method: Method) -> None:
    """A jump of one to a hundred, layers, and a wall: chance alone moves anything. Alarm: 1e-6.

    Steps that take the diffusivity where they start would gather where it is small.
    """
    u = np.ones((12, 9))
    d = np.where(np.arange(12)[:, None] < 5, D, 100.0 * D) * np.linspace(1.0, 2.0, 9)
    grid = ds.Grid(shape=u.shape, size=(12 * H, 9 * H))
    water = ds.Diffusion(diffusivity=d, walls=[ds.Wall(axis="x", at=9 * H, span=(0.0, 4 * H))])
    *_, frame = runs.plan(method, water, grid, [1e3], seed=2).frames(u)
    assert frame.counts is not None
    assert counts_p_value(frame.counts, u) > 1e-6
    slow = frame.counts[:5].sum() - frame.counts.sum() * 5 / 12
    assert abs(slow) < FIVE * np.sqrt(frame.counts.sum() * 35 / 144)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
def test_expected_noise_is_the_noise_observed(limit: str, edges: str) -> None:
    """A hundred seeds; within five of its own deviations. False alarm: 2e-6 each."""
    u, number, seeds = lumps(), 3000, 100
    truth = law(u, 300.0, limit, edges)
    weight = u.sum() / number
    options = {"particles": number, "limit": limit, "edges": edges}
    drawn = (counted(u, 300.0, seed=500 + seed, **options) for seed in range(seeds))
    squares = [norms.distance(weight * counts, truth, 2) ** 2 for counts in drawn]
    ratio = np.mean(squares) / counts.expected_noise(truth, number) ** 2
    assert abs(ratio - 1.0) < FIVE * np.std(squares) / np.mean(squares) / np.sqrt(seeds)


def test_particles_never_pass_a_wall() -> None:
    """Sixteen spreads of the whole tank, from one side of a wall that stays."""
    u = np.zeros((8, 6))
    u[:4] = 1.0
    for limit, time in (("lattice", 1e5), ("cell-to-cell", 1e9)):
        counts = counted(u, time, particles=3000, limit=limit, walls=[ds.Wall(axis="x", at=4e-3)])
        assert counts[:4].sum() == 3000
        assert not np.any(counts[4:])


def test_both_limits_are_told_apart_by_their_counts() -> None:
    """At a spread below one cell the laws differ by far more than the noise of 200,000."""
    u, time = lumps(), 0.5 * (0.7 * H) ** 2 / D
    for limit, other in (LIMITS, LIMITS[::-1]):
        counts = counted(u, time, particles=200_000, limit=limit)
        assert counts_p_value(counts, law(u, time, limit)) > 1e-6
        assert counts_p_value(counts, law(u, time, other)) < 1e-6
    assert abs(kernels.lattice(0.49).max() - kernels.cell_to_cell(0.49).max()) > 0.01
