"""Counts against the law of their limit: noise to expect, and p-values for several faults."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from diffusim.block import Array

LEAST_EXPECTED, NEXT_TO_NOTHING = 5.0, 1e-3
# Independent particles enough for a mean over them to be normal far into the tails.
MANY = 1000.0
BLOCK = 16
# Weights below this are round-off of a law that does not change.
NO_FLOW = 1e-11


def expected_noise(reference: Array, particles: int) -> float:
    """Relative L2 error of N independent particles, sqrt((1 - sum p^2) / (N sum p^2))."""
    p = np.ravel(reference) / np.sum(reference)
    squares = float(np.sum(p**2))
    return math.sqrt(max(0.0, 1.0 - squares) / (particles * squares))


def chi_square_pair(counts: Array, law: Array) -> tuple[float, float]:
    """p-values of counts against the law, by single cells and by blocks of 16 x 16 cells."""
    expected = np.clip(law, 0.0, None) * (np.sum(counts) / np.sum(np.clip(law, 0.0, None)))
    cells = chi_square(counts.ravel(), expected.ravel())
    return cells, chi_square(_blocks(counts).ravel(), _blocks(expected).ravel())


def chi_square(counts: Array, expected: Array) -> float:
    """p-value of Pearson's chi-square, neighbours pooled until each pool expects at least five.

    Cells that expect next to nothing are not pooled with others, where a particle on the wrong side
    of a wall would not be seen: together they are tested for holding too many, by Poisson's law.

    References
    ----------
    W. G. Cochran, "Some methods for strengthening the common chi-square tests", Biometrics 10
    (1954) 417-451.
    """
    rare = expected < NEXT_TO_NOTHING
    found, hoped = int(np.sum(counts[rare])), float(np.sum(expected[rare]))
    p_rare = float(special.gammainc(found, hoped)) if found else 1.0
    counts, expected = counts[~rare], expected[~rare]
    ends = _pools(expected)
    if ends.size < 2:
        return p_rare
    observed, wanted = np.add.reduceat(counts, ends), np.add.reduceat(expected, ends)
    statistic = float(np.sum((observed - wanted) ** 2 / wanted))
    p = float(special.gammaincc(0.5 * (ends.size - 1), 0.5 * statistic))
    return min(1.0, 2.0 * min(p, p_rare)) if found else p


def ahead_or_behind(counts: Array, law: Array, before: Array) -> float:
    """p-value of counts being as far along in time as their law, against ahead or behind.

    The weights f = (p - q) / (p + q), q the law one frame earlier, grow along the flow of time, so
    their mean over the particles shows a diffusivity that is a little wrong long before any single
    cell does: a score test, with bounded weights, that is normal by the central limit.

    References
    ----------
    C. R. Rao, "Large sample tests of statistical hypotheses", Proc. Camb. Phil. Soc. 44 (1948).
    """
    p, q = (np.clip(v, 0.0, None) / np.sum(np.clip(v, 0.0, None)) for v in (law, before))
    both = p + q
    weights = np.divide(p - q, both, out=np.zeros_like(p), where=both > 0)
    mean = float(np.sum(weights * p))
    variance = float(np.sum((weights - mean) ** 2 * p))
    number, largest = int(np.sum(counts)), float(np.max(np.abs(weights)))
    if number * variance < MANY * largest**2 or largest < NO_FLOW:
        return 1.0
    z = float(np.sum((weights - mean) * counts)) / math.sqrt(number * variance)
    return float(special.erfc(abs(z) / math.sqrt(2.0)))


def _pools(expected: Array) -> Array:
    """Starts of runs of cells that expect at least five each; the remainder joins the last run."""
    if np.all(expected >= LEAST_EXPECTED):
        return np.arange(expected.size)
    starts, gathered = [0], 0.0
    for number, value in enumerate(expected.tolist()):
        if gathered >= LEAST_EXPECTED:
            starts.append(number)
            gathered = 0.0
        gathered += value
    if gathered < LEAST_EXPECTED and len(starts) > 1:
        starts.pop()
    return np.array(starts)


def _blocks(values: Array) -> Array:
    """Sums over blocks of 16 cells along every axis."""
    for axis in range(values.ndim):
        values = np.add.reduceat(values, np.arange(0, values.shape[axis], BLOCK), axis)
    return values
