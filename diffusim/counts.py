"""Counts against the law of their limit: noise to expect, and p-values for several faults."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from diffusim.block import Array
from diffusim.channels import parts

LEAST_EXPECTED, NEXT_TO_NOTHING = 5.0, 1e-3
# Independent particles enough for a mean over them to be normal far into the tails.
MANY = 1000.0
BLOCK = 16
# Pools that expect less than so many, and are fewer than so many, have exact tails beside the
# chi-square, wherever that finds something suspicious.
ENOUGH, MANY_POOLS, SUSPICIOUS = 1000.0, 50, 1e-3
# Weights below this are round-off of a law that does not change.
NO_FLOW = 1e-11


def expected_noise(
    reference: Array,
    particles: int,
    channels: int = 0,
    volume: float | Array = 1.0,
    worth: Array | None = None,
) -> float:
    """Relative L2 error of independent particles, sqrt((1 - sum p^2) / (N sum p^2)) in even cells.

    Parameters
    ----------
    reference : array
        The law, in any unit; with channels, these along the first axis.
    particles : int
        How many there are, in each channel.
    channels : int
        How many channels there are, of which each counts by the square of its share of the whole.
    volume : float or array
        Volume of the cells, where it differs among them.
    worth : array, optional
        What a particle is worth, in field units times volume, where their number varies: they come
        and go by themselves then, and the noise of a cell is Poisson's.
    """
    noise, squares = 0.0, 0.0
    for law, one in zip(parts(reference, channels), worths(worth, channels), strict=True):
        amounts = law * volume
        total = float(np.sum(amounts))
        squares += float(np.sum(law * amounts))
        if one is None:
            noise += total / (particles or 1) * float(np.sum(law - law * amounts / (total or 1.0)))
        else:
            noise += one * float(np.sum(law))
    return math.sqrt(max(0.0, noise) / squares) if squares else math.inf


def chi_square_pair(
    counts: Array,
    law: Array,
    channels: int = 0,
    worth: Array | None = None,
    error: float = 0.0,
) -> tuple[float, float]:
    """p-values of counts against the law, by single cells and by blocks of 16 x 16 cells.

    Parameters
    ----------
    counts, law : array
        Of the same shape, the law being what is in each cell, its content and not its density; with
        channels, these along the first axis. Each channel has its own total.
    worth : array, optional
        What a particle is worth, one number for each channel, where their number varies: the counts
        are then judged as independent draws, and their total counts as one of them.
    error : float
        By how much the law itself may be wrong, as a part of its largest content. Cells of which it
        tells less than chance would are tested for holding far too much only.
    """
    pairs = [(found, expected(found, wanted, one)) for found, wanted, one in
             zip(parts(counts, channels), parts(law, channels), worths(worth, channels),
                 strict=True)]  # fmt: skip
    blocks = [(_blocks(found), _blocks(wanted)) for found, wanted in pairs]
    fixed = 1 if worth is None else 0
    return _guarded(pairs, fixed, error), _guarded(blocks, fixed, error)


def worths(worth: Array | None, channels: int) -> list[float | None]:
    """Return what a particle is worth in each channel; None where their number is fixed."""
    return [None] * max(1, channels) if worth is None else np.ravel(worth).tolist()


def expected(counts: Array, law: Array, worth: float | None = None) -> Array:
    """Return how many particles the law expects in each cell, of as many or as many it is worth."""
    content = np.clip(law, 0.0, None)
    if worth is None:
        share = float(np.sum(counts)) / (float(np.sum(content)) or 1.0)
    else:
        share = 1.0 / worth if worth else 0.0
    return np.asarray(content * share)


def chi_square(counts: Array, expected: Array) -> float:
    """p-value of Pearson's chi-square, neighbours pooled until each pool expects at least five.

    Cells that expect next to nothing are not pooled with others, where a particle on the wrong side
    of a wall would not be seen: together they are tested for holding too many, by Poisson's law.

    References
    ----------
    W. G. Cochran, "Some methods for strengthening the common chi-square tests", Biometrics 10
    (1954) 417-451.
    """
    return _pearson([(counts, expected)])


def _guarded(pairs: Sequence[tuple[Array, Array]], fixed: int, error: float) -> float:
    """Pearson's p-value, where there are few pools no smaller than exact tails allow.

    Chi-square's own tail is far too thin for a few counts of five: a statistic of one in a million
    is a count of one in ten thousand. So of few small pools the least exact Poisson tail, times
    their number, has to be as small, or the chi-square of the large ones.
    """
    p = _pearson(pairs, fixed, error)
    if p > SUSPICIOUS:
        return p
    tails, statistic, freedom = list[float](), 0.0, 0
    for pair in pairs:
        found, wanted, _, _ = _pooled(*pair, error)
        few = wanted < ENOUGH
        statistic += float(np.sum((found[~few] - wanted[~few]) ** 2 / wanted[~few]))
        freedom += int(np.sum(~few))
        below = special.gammaincc(found[few] + 1.0, wanted[few])
        above = special.gammainc(np.maximum(found[few], 1e-300), wanted[few])
        tails += (2.0 * np.minimum(below, np.where(found[few] > 0, above, 1.0))).tolist()
    if not tails or len(tails) >= MANY_POOLS:
        return p
    many = float(special.gammaincc(0.5 * freedom, 0.5 * statistic)) if freedom else 1.0
    return max(p, min(1.0, 2.0 * min(many, len(tails) * min(tails))))


def _pooled(counts: Array, expected: Array, error: float) -> tuple[Array, Array, int, float]:
    """Counts and expectations of pools; how many are in rare cells, and how many may be at most.

    Rare are cells that expect next to nothing, or less than their law can tell: where that may be
    wrong by a tenth of the noise, slack = sqrt(e) / 10.
    """
    counts, expected = counts.ravel(), expected.ravel()
    slack = error * float(np.max(expected, initial=0.0))
    rare = expected < max(NEXT_TO_NOTHING, 100.0 * slack**2)
    found = int(np.sum(counts[rare]))
    hoped = float(np.sum(expected[rare])) + slack * int(np.sum(rare))
    counts, expected = counts[~rare], expected[~rare]
    if not expected.size:
        return counts, expected, found, hoped
    starts = _pools(expected)
    return np.add.reduceat(counts, starts), np.add.reduceat(expected, starts), found, hoped


def _pearson(pairs: Sequence[tuple[Array, Array]], fixed: int = 1, error: float = 0.0) -> float:
    """The same for independent channels: statistics and degrees of freedom add up.

    ``fixed`` is 1 where the total of a channel is given, and 0 where it varies like any other.
    """
    found, hoped, statistic, freedom = 0, 0.0, 0.0, 0
    for pair in pairs:
        observed, wanted, in_rare, most = _pooled(*pair, error)
        found, hoped = found + in_rare, hoped + most
        if wanted.size > fixed:
            statistic += float(np.sum((observed - wanted) ** 2 / wanted))
            freedom += wanted.size - fixed
    p_rare = float(special.gammainc(found, hoped)) if found else 1.0
    if not freedom:
        return p_rare
    p = float(special.gammaincc(0.5 * freedom, 0.5 * statistic))
    return min(1.0, 2.0 * min(p, p_rare)) if found else p


def ahead_or_behind(
    counts: Array, law: Array, before: Array, channels: int = 0, worth: Array | None = None
) -> float:
    """p-value of counts being as far along in time as their law, against ahead or behind.

    The weights f = (p - q) / (p + q), q the law one frame earlier, grow along the flow of time, so
    their mean over the particles shows a diffusivity that is a little wrong long before any single
    cell does: a score test, with bounded weights, that is normal by the central limit. The scores
    of independent channels add up. Law and worth are as in `chi_square_pair`.

    References
    ----------
    C. R. Rao, "Large sample tests of statistical hypotheses", Proc. Camb. Phil. Soc. 44 (1948).
    """
    score, spread, largest = 0.0, 0.0, 0.0
    of_channels = (parts(values, channels) for values in (counts, law, before))
    for found, now, earlier, one in zip(*of_channels, worths(worth, channels), strict=True):
        p, q = (np.clip(v, 0.0, None) for v in (now, earlier))
        if one is None:
            p, q = p / (np.sum(p) or 1.0), q / (np.sum(q) or 1.0)
        both = p + q
        weights = np.divide(p - q, both, out=np.zeros_like(p), where=both > 0)
        wanted = expected(found, p, one)
        mean = float(np.sum(weights * p)) if one is None else 0.0
        spread += float(np.sum((weights - mean) ** 2 * wanted))
        score += float(np.sum((weights - mean) * (found - wanted)))
        largest = max(largest, float(np.max(np.abs(weights))))
    if spread < MANY * largest**2 or largest < NO_FLOW:
        return 1.0
    return float(special.erfc(abs(score) / math.sqrt(2.0 * spread)))


def freedom_of(deviation: Array) -> float:
    """How many equal cells would share a noise as this one is shared, (sum v)^2 / sum v^2."""
    variances = np.square(np.ravel(deviation))
    squares = float(np.sum(variances**2))
    return float(np.sum(variances)) ** 2 / squares if squares else 0.0


def p_of_noise(ratio: float, freedom: float) -> float:
    """p-value of an error that is so many times the one expected, against more or less of it.

    Its square is a sum over cells that are neither normal nor quite independent, so a quarter of
    their number counts as degrees of freedom.
    """
    half = 0.125 * freedom
    above = float(special.gammaincc(half, half * ratio**2))
    return min(1.0, 2.0 * min(above, 1.0 - above))


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
