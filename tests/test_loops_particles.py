"""Particles against slow twins and exact laws, in any chunks and on several threads."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import twins
from scipy import linalg, special
from twins import ALPHA, KEY, WRAPS, closed_faces, p_of_chi_square

from diffusim.loops import hops, particles
from diffusim.medium.doors import poisson_tail

N0, N1 = 8, 8
BOX = [(np.zeros(N0), np.full(N0, float(N0))), (np.zeros(N1), np.full(N1, float(N1)))]
CELLS = [(np.arange(n, dtype=float), np.arange(n) + 1.0) for n in (N0, N1)]


# Cumulative Poisson distribution of the hops in a block.
TAIL = np.append(special.pdtr(np.arange(90), hops.BLOCK), 1.0)


def anywhere(n, seed=1):
    return np.random.default_rng(seed).random((2, n)) * [[N0], [N1]]


def jumped(position, sigmas, planes, wraps, first=0, key=KEY):
    position, counts = position.copy(), np.zeros((N0, N1), np.int64)
    particles.jump(position, first, *key, *sigmas, *planes[0], *planes[1], *wraps, counts)
    return position, counts


def histogram(position):
    return np.histogram2d(*position, bins=(N0, N1), range=((0, N0), (0, N1)))[0]


def lattice(wraps, mean, shape=(5, 6)):
    """Return thresholds, and the exact law of so many mean hops, of a closed medium."""
    low0, high0, low1, high1 = (face.copy() for face in closed_faces(shape))
    if not wraps[0]:
        low0[0] = high0[-1] = 0.0
    if not wraps[1]:
        low1[:, 0] = high1[:, -1] = 0.0
    faces = np.array([low0, high0, low1, high1])
    thresholds = np.cumsum(faces, 0).reshape(4, -1).T * 2.0**32
    law = linalg.expm(mean * twins.matrix(shape, faces, wraps))
    return np.ascontiguousarray(thresholds, dtype=np.uint32), law


@pytest.mark.interpreted
def test_particles_are_placed_like_their_twin_and_never_in_empty_cells():
    weights = np.random.default_rng(4).random(N0 * N1) * (np.arange(N0 * N1) % 3 > 0)
    weights[-5:] = 0.0
    cumulative = np.cumsum(weights) / np.sum(weights)
    cumulative[-6:] = 1.0
    position, cell = np.empty((2, 600)), np.empty(600, np.int32)
    counts, again = np.zeros((N0, N1), np.int64), np.zeros((N0, N1), np.int64)
    particles.place(position, 5, *KEY, cumulative, counts)
    particles.draw_cells(cell, 5, *KEY, cumulative, again)
    np.testing.assert_array_equal(position, twins.place(600, 5, KEY, cumulative, N1))
    np.testing.assert_array_equal(cell, position[0].astype(int) * N1 + position[1].astype(int))
    np.testing.assert_array_equal(counts, histogram(position))
    np.testing.assert_array_equal(counts, again)
    assert np.all(counts.ravel()[weights == 0] == 0)


@pytest.mark.interpreted
def test_a_uniform_number_on_an_entry_of_the_distribution_draws_the_next_cell():
    n = N0 * N1
    words = [twins.words(k, KEY, 0, twins.PLACE) for k in range(n - 1)]
    drawn = np.array([twins.unit(*w[:2]) for w in words])
    cell, counts = np.empty(n - 1, np.int32), np.zeros((N0, N1), np.int64)
    particles.draw_cells(cell, 0, *KEY, np.append(np.sort(drawn), 1.0), counts)
    np.testing.assert_array_equal(cell, np.argsort(np.argsort(drawn)) + 1)


@pytest.mark.interpreted
def test_a_hop_is_taken_by_the_words_below_its_threshold():
    """The first word of particle 0 is made the threshold, then the next number above it."""
    word = twins.words(0, KEY, 0, twins.HOP)[0]
    tail = np.array([0.0, 1.0])  # one hop always
    for side, target in enumerate((1, 7, 3, 5)):
        for above in (0, 1):
            thresholds = np.where(np.arange(4) < side, 0, word + above) * np.ones((9, 1))
            cell, counts = np.array([4]), np.zeros((3, 3), np.int64)
            limits = thresholds.astype(np.uint64)
            hops.hop(cell, 0, *KEY, 0.0, hops.BLOCK, tail, limits, False, False, counts)
            assert cell[0] == (target if above else 4)


@pytest.mark.interpreted
@pytest.mark.parametrize("planes", [BOX, CELLS])
@pytest.mark.parametrize("wraps", WRAPS)
def test_jumps_are_their_twin(planes, wraps):
    position = anywhere(300)
    result, counts = jumped(position, (0.7, 9.0), planes, wraps, first=17)
    expected = twins.jump(position, 17, KEY, (0.7, 9.0), planes, wraps)
    # Deviates of single precision, times nine cells.
    np.testing.assert_allclose(result, expected, rtol=0, atol=3e-5)
    np.testing.assert_array_equal(counts, histogram(result))


@pytest.mark.interpreted
def test_an_axis_without_spread_keeps_its_bits():
    position = anywhere(300)
    result, _ = jumped(position, (0.0, 1.0), CELLS, (False, False))
    np.testing.assert_array_equal(result[0], position[0])
    assert np.all(result[1] != position[1])


@pytest.mark.parametrize("sigma", [0.5, 30.0, 1e4, 1e9])
@pytest.mark.parametrize("planes", [BOX, CELLS])
def test_no_particle_ever_crosses_a_plane(planes, sigma):
    position = anywhere(10**6)
    result, _ = jumped(position, (sigma, sigma), planes, (False, False))
    for axis, (floor, ceiling) in enumerate(planes):
        i = position[axis].astype(int)
        assert np.all((floor[i] <= result[axis]) & (result[axis] < ceiling[i]))


@pytest.mark.interpreted
@pytest.mark.parametrize("planes", [BOX, CELLS])
def test_a_particle_beside_a_plane_does_not_reach_it_by_rounding(planes):
    edges = np.repeat([0.0, 5e-324, 3.0, np.nextafter(4.0, 0.0), np.nextafter(8.0, 0.0)], 60)
    position = np.array([edges, edges[::-1]])
    for sigma, wraps in itertools.product((1e-300, 1e-17, 3e-16, 1e-15, 8.0), WRAPS):
        result, _ = jumped(position, (sigma, sigma), planes, wraps)
        for axis, (floor, ceiling) in enumerate(planes):
            i = position[axis].astype(int)
            low, high = (0, 8) if wraps[axis] else (floor[i], ceiling[i])
            assert np.all((low <= result[axis]) & (result[axis] < high))


@pytest.mark.parametrize("planes", [BOX, CELLS])
def test_particles_spread_evenly_stay_so_up_to_the_planes(planes):
    """Clamping at the planes would double the density there; alpha 1e-6."""
    n, parts = 10**6, 16
    result, _ = jumped(anywhere(n), (0.3, 0.3), planes, (False, False))
    for x in result:
        counts = np.histogram(x, bins=N0 * parts, range=(0, N0))[0]
        assert p_of_chi_square(counts, np.full(N0 * parts, n / (N0 * parts))) > ALPHA


def law_of_a_jump(start, sigma, n, wrap):
    """Return the probability of each of n cells after a jump, by the images of the Gaussian."""
    edges = np.arange(n + 1.0)
    cells = np.zeros(n)
    for m in range(-40, 41):
        centres = [start + m * n] if wrap else [start + 2 * m * n, -start + 2 * m * n]
        for centre in centres:
            cells += np.diff(special.ndtr((edges - centre) / sigma))
    return cells


@pytest.mark.parametrize("wraps", WRAPS)
def test_jumps_follow_the_law_of_the_images(wraps):
    """Chi-square over all cells; alpha 1e-6."""
    n, start, sigmas = 10**6, (1.3, 6.6), (2.5, 5.0)
    position = np.repeat(np.array(start)[:, None], n, 1)
    _, counts = jumped(position, sigmas, BOX, wraps)
    laws = [law_of_a_jump(start[a], sigmas[a], 8, wraps[a]) for a in (0, 1)]
    assert p_of_chi_square(counts, n * np.outer(*laws)) > ALPHA


@pytest.mark.interpreted
def test_scattered_particles_stay_in_their_cells():
    position = anywhere(300)
    result = position.copy()
    particles.scatter_within(result, 40, *KEY, 2)
    words = [twins.words(40 + k, KEY, 2, twins.SCATTER) for k in range(300)]
    places = np.array([(twins.unit(*w[:2]), twins.unit(*w[2:])) for w in words]).T
    np.testing.assert_array_equal(result, np.floor(position) + places)
    again = position.copy()
    particles.scatter_within(again, 40, *KEY, 3)
    assert np.all(again != result)


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("wraps", WRAPS)
def test_hops_are_their_twin(wraps, dtype):
    thresholds, _ = lattice(wraps, 9.0)
    cell = np.random.default_rng(1).integers(0, 30, 270).astype(dtype)
    expected = twins.hop(cell, 11, KEY, 5.3, 37.0, TAIL, thresholds, (5, 6), wraps)
    counts = np.zeros((5, 6), np.int64)
    hops.hop(cell, 11, *KEY, 5.3, 37.0, TAIL, thresholds, *wraps, counts)
    np.testing.assert_array_equal(cell, expected)
    np.testing.assert_array_equal(counts.ravel(), np.bincount(expected, minlength=30))


@pytest.mark.interpreted
@pytest.mark.parametrize("cuts", [[], [16.0], [7.9, 8.0, 8.1], [31.99999, 32.00001, 47.0]])
def test_hops_are_the_same_however_time_is_cut(cuts):
    thresholds, _ = lattice((True, False), 9.0)
    begun = np.random.default_rng(2).integers(0, 30, 270)
    results = []
    for marks in ([2.5, 50.0], [2.5, *cuts, 50.0]):
        cell, counts = begun.copy(), np.zeros((5, 6), np.int64)
        for begin, end in zip(marks, marks[1:], strict=False):
            counts[:] = 0
            hops.hop(cell, 3, *KEY, begin, end, TAIL, thresholds, True, False, counts)
        results.append((cell, counts))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("wraps", WRAPS)
@pytest.mark.parametrize("mean", [0.7, 40.0])
def test_hops_follow_the_exponential_of_the_generator(wraps, mean):
    """Chi-square over the cells that a twentieth of a thousandth of all reach; alpha 1e-6."""
    n = 10**6
    thresholds, law = lattice(wraps, mean)
    cell, counts = np.full(n, 8, np.int32), np.zeros((5, 6), np.int64)
    hops.hop(cell, 0, *KEY, 3.0, 3.0 + mean, TAIL, thresholds, *wraps, counts)
    rare = law[8] < 5e-5
    expected = np.append(law[8][~rare], law[8][rare].sum() + 1e-5) * n
    observed = np.append(counts.ravel()[~rare], counts.ravel()[rare].sum() + 10)
    assert p_of_chi_square(observed, expected) > ALPHA


@pytest.mark.interpreted
@pytest.mark.parametrize(("chunks", "threads"), [(1, 1), (2, 2), (7, 1), (7, 2)])
def test_chunks_and_threads_change_nothing(chunks, threads):
    n, first = 1100, 2**32 - 500
    thresholds, _ = lattice((True, False), 6.0, (8, 8))
    cumulative = np.append(np.sort(np.random.default_rng(2).random(N0 * N1 - 1)), 1.0)

    def carry(position, cell, start, stop, counts):
        part, number = position[:, start:stop], first + start
        planes = [*BOX[0], *CELLS[1]]
        particles.place(part, number, *KEY, cumulative, counts)
        particles.jump(part, number, *KEY, 1.0, 2.0, *planes, False, False, counts)
        particles.scatter_within(part, number, *KEY, 1)
        particles.draw_cells(cell[start:stop], number, *KEY, cumulative, counts)
        span = 1.0, 20.0
        hops.hop(cell[start:stop], number, *KEY, *span, TAIL, thresholds, True, False, counts)

    results = []
    for division in ((1, 1), (chunks, threads)):
        position, cell = np.empty((2, n)), np.empty(n, np.int64)

        def loop(start, stop, counts, position=position, cell=cell):
            carry(position, cell, start, stop, counts)

        results.append((position, cell, twins.in_chunks(loop, n, *division, (N0, N1))))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("mean", [1e-12, 0.5, 30.0, 1e4])
def test_the_poisson_tail_ends_at_one_and_has_its_mean(mean):
    tail = poisson_tail(mean)
    assert tail[-1] == 1.0
    assert np.all(np.diff(tail) >= 0.0)
    # Entries near one are known to a unit in the last place of one, no better.
    assert abs(np.sum(1.0 - tail) - mean) < 1e-9 * mean + 1e-16
