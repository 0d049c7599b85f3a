"""Binomial and Poisson deviates of any size, against slow twins, exact laws and their moments.

Statistical tests have fixed seeds and reject at p < `ALPHA`: with fresh seeds each case would raise
one false alarm in a million runs.
"""

from __future__ import annotations

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
from count_twins import draw_twin, poisson_twin, probability
from scipy import special, stats
from twins import ALPHA, KEY, p_of_chi_square

from diffusim.loops import binomial, counts, draws


def drawn(n, p, cells=1, sub_step=0, draw=0):
    out = np.empty(cells)
    n, p = (np.broadcast_to(np.asarray(v, dtype=float), cells).copy() for v in (n, p))
    draws.binomials(n, p, *KEY, sub_step, draw, out)
    return out


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("n", "p"),
    [(0, 0.3), (5, 0.0), (5, 1.0), (1, 0.3), (9, 0.5), (30, 1e-3), (40, 0.2), (25, 0.93),
     (41, 0.25), (99, 0.25), (101, 0.25), (60, 0.5), (300, 0.9), (2000, 0.01), (10**5, 0.3)],
)  # fmt: skip
def test_deviates_are_their_twin(n, p):
    found = drawn(n, p, cells=40, sub_step=3, draw=7)
    assert [int(k) for k in found] == [draw_twin(n, p, cell, 3, 7) for cell in range(40)]


def test_lanes_of_all_kinds_together_are_their_twin():
    random = np.random.default_rng(3)
    n = np.floor(10 ** random.uniform(0, 4, 700)).astype(int)
    p = np.where(random.random(700) < 0.1, 1.0, random.random(700))
    found = drawn(n, p, cells=700)
    wanted = [draw_twin(a, b, k, 0, 0) for k, (a, b) in enumerate(zip(n.tolist(), p, strict=True))]
    assert [int(k) for k in found] == wanted


def arrived(means, doors):
    born = np.empty(len(means), np.int64)
    cells = np.arange(len(means))
    counts.arrive(np.array(means, dtype=float), cells, np.array(doors), *KEY, born)
    return born


@pytest.mark.interpreted
def test_newcomers_are_their_twin():
    means = [0.0, 0.3, 4.0, 9.9, 24.9, 25.0, 500.0, 1e4] * 12
    doors = [k % 5 for k in range(96)]
    wanted = [poisson_twin(m, k, doors[k]) if m else 0 for k, m in enumerate(means)]
    assert arrived(means, doors).tolist() == wanted


# --- laws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "p"),
    [(1, 0.3), (7, 0.5), (15, 0.25), (21, 0.9), (40, 0.01), (38, 0.26), (45, 0.5), (49, 0.5),
     (51, 0.5), (240, 0.11),
     (1000, 0.3), (10**6, 1e-6), (10**12, 1e-12), (10**12, 5e-11), (10**15, 1e-12),
     (10**15, 1e-14), (10**15, 1e-10)],
)  # fmt: skip
def test_deviates_follow_the_binomial_law(n, p):
    """Chi-square of 400,000 over all numbers that expect five; alpha 1e-6."""
    number = 400_000
    found = drawn(n, p, cells=number)
    mean, spread = n * p, math.sqrt(n * p * (1 - p))
    k = np.arange(
        max(0, math.floor(mean - 7 * spread)), min(n, math.ceil(mean + 7 * spread + 9)) + 1
    )
    expected = number * stats.binom.pmf(k, n, p)
    seen = np.bincount((found - k[0]).astype(np.int64), minlength=k.size)[: k.size]
    often = expected >= 10.0
    rest = number - np.sum(expected[often]), number - np.sum(seen[often])
    if rest[0] >= 5.0:
        expected, seen = np.append(expected[often], rest[0]), np.append(seen[often], rest[1])
    else:
        expected, seen = expected[often], seen[often]
    assert p_of_chi_square(seen, expected) > ALPHA


LARGE = [(10**9, 0.7), (10**12, 1e-3), (10**15, 0.25), (10**15, 0.5), (10**15, 1 / 3),
         (10**15, 1e-7), (10**14, 0.999)]  # fmt: skip


@pytest.mark.parametrize(("n", "p"), LARGE)
def test_large_deviates_have_their_moments_and_are_normal(n, p):
    """Mean, variance, third and fourth moment within five deviations, Kolmogorov's p above 1e-6.

    The law is a normal one to 1 / spread, far below what 400,000 can tell. False alarm: 4e-6.
    """
    number, spread = 400_000, math.sqrt(n * p * (1 - p))
    z = (drawn(n, p, cells=number) - n * p) / spread
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(z**power) - mean) < 5.0 * math.sqrt(variance / number)
    ranks = np.arange(number + 1) / number
    law = special.ndtr(np.sort(z))
    distance = max(np.max(ranks[1:] - law), np.max(law - ranks[:-1]))
    assert special.kolmogorov(math.sqrt(number) * distance) > ALPHA


@pytest.mark.parametrize("mean", [0.7, 6.0, 9.99, 24.99, 25.0, 300.0, 1e4])
def test_newcomers_follow_the_poisson_law(mean):
    """Chi-square of 200,000; alpha 1e-6."""
    number = 200_000
    found = arrived(np.full(number, mean), np.zeros(number, np.int64))
    k = np.arange(math.ceil(mean + 9 * math.sqrt(mean) + 9))
    expected = number * stats.poisson.pmf(k, mean)
    seen = np.bincount(found, minlength=k.size)[: k.size]
    often = expected >= 10.0
    expected = np.append(expected[often], number - np.sum(expected[often]) + 5.0)
    seen = np.append(seen[often], number - np.sum(seen[often]) + 5)
    assert p_of_chi_square(seen, expected) > ALPHA


@pytest.mark.parametrize("mean", [1e7, 1e12, 1e15])
def test_many_newcomers_have_their_moments(mean):
    """Within five deviations. False alarm: 3e-6."""
    number = 200_000
    z = (arrived(np.full(number, mean), np.zeros(number, np.int64)) - mean) / math.sqrt(mean)
    for power, wanted, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(z**power) - wanted) < 5.0 * math.sqrt(variance / number)


def test_squeezes_never_contradict_the_probabilities():
    """Whatever they decide follows from P(k) / P(m), for numbers all over the body of the law."""
    random, decided = np.random.default_rng(2), 0
    for n, p in [(20, 0.5), (25, 0.4), (64, 0.31), (150, 0.157), (1000, 0.3), (10**5, 1e-4)]:
        for v, x in random.random((400, 2)):
            k, level, told = binomial.judged(float(n), p, max(v, 0.8), x)
            if told != 0.0 and 0 <= k <= n:
                ratio = probability(k, n, p) / probability(math.floor((n + 1) * p), n, p)
                assert (level <= ratio) == (told > 0.0)
                decided += 1
    assert decided > 500


@pytest.mark.parametrize("mean", [0.3, 12.5, 3.0e6, 2.5e14])
def test_deviances_are_exact_where_differences_of_logarithms_are_not(mean):
    getcontext().prec = 60
    for away in (0, 1, 3, 1000, 3 * int(mean**0.5), int(0.3 * mean), int(2 * mean)):
        x, m = Decimal(int(mean) + 1 + away), Decimal(mean)
        wanted = x * (x / m).ln() + m - x
        found = binomial.deviance(float(x), mean)
        assert abs(found - float(wanted)) <= 1e-14 * float(wanted) + 1e-20


def test_probabilities_are_those_of_scipy():
    for n, p in [(1, 0.4), (17, 0.3), (1000, 0.01), (10**6, 0.25)]:
        middle = n * p
        for k in {0, 1, n, int(middle), min(n, int(middle) + 7), n // 3}:
            wanted = stats.binom.logpmf(k, n, p)
            assert (
                abs(binomial.log_binomial(float(k), float(n), p) - wanted) < 1e-9 + 1e-12 * -wanted
            )
    for mean in (10.0, 77.7, 1e6):
        for k in (0, 1, 15, 16, int(mean), int(1.1 * mean)):
            wanted = stats.poisson.logpmf(k, mean)
            assert abs(binomial.log_poisson(float(k), mean) - wanted) < 1e-9 + 1e-12 * -wanted


def test_powers_are_exact_for_small_probabilities_as_for_large():
    for n, p in [(10**15, 1e-15), (10**12, 9e-12), (3, 0.5), (19, 0.5), (33, 0.3), (12, 1e-300)]:
        wanted = math.exp(n * math.log1p(-p))
        assert abs(binomial.power(float(n), p) / wanted - 1.0) < 1e-14
