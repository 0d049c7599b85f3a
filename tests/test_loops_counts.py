"""Counts thrown into cells and split over their moves, against slow twins and laws, in any rows.

Statistical tests have fixed seeds and reject at p < `ALPHA`: with fresh seeds each case would raise
one false alarm in a million runs.
"""

from __future__ import annotations

import numpy as np
import pytest
import twins
from count_twins import SINGLE, SPLIT, START, draw_twin
from twins import ALPHA, KEY, WRAPS, p_of_chi_square

from diffusim.kernels.moves import along, moves
from diffusim.loops import counts

# --- starts ---------------------------------------------------------------------------------------


@pytest.mark.interpreted
def test_a_start_is_its_twin():
    weights = np.random.default_rng(4).random(30) * (np.arange(30) % 3 > 0)
    weights[-4:] = 0.0
    found = np.empty(30, np.int64)
    counts.throw(500, weights, *KEY, found)
    left, wanted = 500, []
    for cell, weight in enumerate(weights):
        share = weight / np.cumsum(weights[::-1])[::-1][cell] if weight else 0.0
        wanted.append(draw_twin(left, share, cell, 0, START))
        left -= wanted[-1]
    assert found.tolist() == wanted
    assert found.sum() == 500


@pytest.mark.parametrize("number", [0, 1, 10**6, 10**15])
def test_all_particles_of_a_start_are_there_and_none_in_empty_cells(number):
    weights = np.random.default_rng(1).random(5000) * (np.arange(5000) % 7 > 0)
    weights[-50:] = 0.0
    found = np.empty(5000, np.int64)
    counts.throw(number, weights, *KEY, found)
    assert found.sum() == number
    assert found.min() >= 0
    assert not np.any(found[weights == 0.0])


def test_a_start_of_very_many_is_multinomial():
    """Chi-square of 10^15 over 5000 cells; alpha 1e-6."""
    weights = np.random.default_rng(1).random(5000) + 0.1
    found = np.empty(5000, np.int64)
    counts.throw(10**15, weights, *KEY, found)
    assert p_of_chi_square(found, 1e15 * weights / weights.sum()) > ALPHA


# --- jumps ----------------------------------------------------------------------------------------

SHAPE = (5, 6)


def chances_of(wraps, exits=2):
    """Random chances of four moves and some exits in each cell, conditional and plain."""
    chances = np.random.default_rng(6).random((*SHAPE, 4 + exits))
    chances /= np.sum(chances, axis=2, keepdims=True) * 1.1
    chances[0, 0] /= 5.0
    if not wraps[0]:
        chances[0, :, 0] = chances[-1, :, 1] = 0.0
    if not wraps[1]:
        chances[:, 0, 2] = chances[:, -1, 3] = 0.0
    chances = chances.reshape(-1, 4 + exits)
    before = np.cumsum(chances, axis=1) - chances
    return chances, chances / (1.0 - before)


def jumped(active, shares, stop=0.0, number=0, population=0, parts=((0, 5),), exits=2):
    n0, n1 = active.shape
    after, stopped = np.zeros_like(active), np.zeros_like(active)
    left = np.zeros(exits, np.int64)
    for first, last in parts:
        here = np.zeros((last - first + 2, n1), np.int64)
        counts.jump(active, (first, last), stop, 1.0 - stop, shares, population, number, KEY, here,
                    stopped, left)  # fmt: skip
        for row in range(-1, last - first + 1):
            after[(first + row) % n0] += here[row + 1]
    return after, stopped, left


def targets(cell):
    """The cells that the four moves lead to."""
    i, j = divmod(cell, SHAPE[1])
    places = ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
    return [a % SHAPE[0] * SHAPE[1] + b % SHAPE[1] for a, b in places]


@pytest.mark.interpreted
@pytest.mark.parametrize("wraps", WRAPS)
def test_jumps_are_their_twin(wraps):
    _, shares = chances_of(wraps)
    active = np.random.default_rng(1).integers(0, 90, SHAPE) * (
        np.arange(30).reshape(SHAPE) % 4 > 0
    )
    after, stopped, left = (np.zeros(n, np.int64) for n in (30, 30, 2))
    for cell, n in enumerate(active.ravel().tolist()):
        halted = draw_twin(n, 0.3, cell, 9, 32)
        stopped[cell], n = halted, n - halted
        for move, share in enumerate(shares[cell]):
            taken = draw_twin(n, share, cell, 9, 33 + move)
            if move < 4:
                after[targets(cell)[move]] += taken
            else:
                left[move - 4] += taken
            n -= taken
        after[cell] += n
    found = jumped(active, shares, 0.3, 9, 1)
    for one, other in zip(found, (after, stopped, left), strict=True):
        np.testing.assert_array_equal(one.ravel(), other)


@pytest.mark.parametrize("parts", [((0, 2), (2, 5)), tuple((k, k + 1) for k in range(5))])
@pytest.mark.parametrize("most", [3, 10**4, 10**13])
@pytest.mark.parametrize("wraps", WRAPS)
def test_a_division_into_rows_changes_nothing(wraps, most, parts):
    _, shares = chances_of(wraps)
    active = np.random.default_rng(1).integers(0, most, SHAPE)
    whole = jumped(active, shares, 0.2)
    for one, other in zip(whole, jumped(active, shares, 0.2, parts=parts), strict=True):
        np.testing.assert_array_equal(one, other)
    assert sum(np.sum(part) for part in whole) == np.sum(active)
    assert all(np.min(part) >= 0 for part in whole)


@pytest.mark.parametrize(("stop", "number"), [(0.0, 10**6), (0.25, 10**6), (0.97, 10**15)])
@pytest.mark.parametrize("wraps", WRAPS)
def test_jumps_follow_the_transition_matrix(wraps, stop, number):
    """Chi-square over where particles from one cell are, in a corner or amid; alpha 1e-6 each."""
    chances, shares = chances_of(wraps)
    for cell in (0, 14):
        active = np.zeros(SHAPE, np.int64)
        active.flat[cell] = number
        after, stopped, left = jumped(active, shares, stop, number=cell)
        law = np.zeros(30)
        for target, chance in zip(targets(cell), chances[cell], strict=False):
            law[target] += chance
        law[cell] += 1.0 - np.sum(chances[cell])
        expected = number * np.append((1.0 - stop) * np.append(law, chances[cell, 4:]), stop)
        seen = np.array([*after.ravel(), *left, stopped.flat[cell]])
        assert not np.any(seen[expected == 0.0])
        assert p_of_chi_square(seen[expected > 0.0], expected[expected > 0.0]) > ALPHA
        assert stopped.sum() == stopped.flat[cell]


# --- moves by a density ---------------------------------------------------------------------------

WEIGHTS = np.random.default_rng(8).random((3, 5)) / 8.0
PLACES = [np.array([-1, 0, 1, 2, 3, 4, 0]), np.array([1, 0, 0, 1, 2, 3, 4, 5, -1, -1])]


def scattered(before, parts=((0, 5),)):
    """Counts after a move: lost below, joined above; mirrored on the left, lost on the right."""
    density = moves(WEIGHTS, PLACES, [np.arange(n) for n in SHAPE])
    out = np.zeros_like(before)
    return out, sum(counts.scatter(before, part, *density, 4, KEY, out) for part in parts)


def reached(cell):
    """Probabilities of ending in each cell, and last of being lost."""
    i, j = divmod(cell, SHAPE[1])
    law = np.zeros(31)
    for (a, b), weight in np.ndenumerate(WEIGHTS / WEIGHTS.sum()):
        row, column = PLACES[0][i + a], PLACES[1][j + b]
        law[row * SHAPE[1] + column if row >= 0 and column >= 0 else 30] += weight
    return law


@pytest.mark.interpreted
def test_scattered_counts_are_their_twin():
    before = np.random.default_rng(3).integers(0, 60, SHAPE) * (np.arange(30).reshape(SHAPE) % 2)
    before.flat[::3] //= 20
    density = moves(WEIGHTS, PLACES, [np.arange(n) for n in SHAPE])
    wanted = np.zeros(31, np.int64)

    def land(cell, move, number):
        i, j = divmod(cell, SHAPE[1])
        a, b = density.ways[0][move], density.ways[1][move]
        row, column = PLACES[0][i + a], PLACES[1][j + b]
        wanted[row * SHAPE[1] + column if row >= 0 and column >= 0 else 30] += number

    for cell, n in enumerate(before.ravel().tolist()):
        if n < 1 + WEIGHTS.size // 4:
            for i in range(n):
                words = twins.philox((cell, i // 2, 4, SINGLE), KEY)
                u = twins.unit(*words[2 * (i % 2) : 2 * (i % 2) + 2])
                land(cell, int(np.searchsorted(density.cumulative, u, side="right")), 1)
            continue
        for move, share in enumerate(density.shares):
            taken = draw_twin(n, share, cell, 4, SPLIT + move)
            land(cell, move, taken)
            n -= taken
    out, lost = scattered(before)
    assert [*out.ravel(), lost] == wanted.tolist()


@pytest.mark.parametrize("most", [3, 100, 10**12])
def test_a_division_into_rows_changes_no_scattering(most):
    before = np.random.default_rng(1).integers(0, most, SHAPE)
    whole, lost = scattered(before)
    parts, again = scattered(before, ((0, 1), (1, 4), (4, 5)))
    np.testing.assert_array_equal(whole, parts)
    assert lost == again
    assert whole.sum() + lost == before.sum()


@pytest.mark.parametrize("single", [True, False])
def test_scattered_counts_follow_the_density(single):
    """Chi-square over the cells and the lost; single particles are those of 40,000 grids in turn.

    Alpha 1e-6.
    """
    for cell in (0, 9, 29):
        seen, number = np.zeros(31), 10**15
        if single:
            number, density = 3 * 40_000, moves(WEIGHTS, PLACES, [np.arange(n) for n in SHAPE])
            before, out = np.zeros(SHAPE, np.int64), np.zeros(SHAPE, np.int64)
            before.flat[cell], lost = 3, 0
            for step in range(40_000):
                lost += counts.scatter(before, (0, 5), *density, step, KEY, out)
        else:
            before = np.zeros(SHAPE, np.int64)
            before.flat[cell] = number
            out, lost = scattered(before)
        seen[:30], seen[30] = out.ravel(), lost
        law = number * reached(cell)
        assert not np.any(seen[law == 0.0])
        assert p_of_chi_square(seen[law > 0.0], law[law > 0.0]) > ALPHA


def test_moves_along_an_axis_stay_between_its_planes():
    closed = np.array([True, False, True, False, False, True])
    density = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
    _, cumulative, ways = along(density, closed, 0, SHAPE)
    assert cumulative[-1] == 1.0
    found = ways[4][ways[2][:, None] + np.arange(5)]
    np.testing.assert_array_equal(
        found, [[1, 0, 0, 1, 1], [0, 0, 1, 1, 0], [3, 2, 2, 3, 4], [2, 2, 3, 4, 4], [2, 3, 4, 4, 3]]
    )
    ring = along(density, np.zeros(7, bool), 1, SHAPE).ways
    np.testing.assert_array_equal(ring[5][ring[3][0] + np.arange(5)], [4, 5, 0, 1, 2])
