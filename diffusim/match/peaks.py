"""The peaks of a score: where they are between the cells, and how high."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diffusim.block import Array


class Match(NamedTuple):
    """A place and how well the template fits there.

    Parameters
    ----------
    place : tuple of float
        The middle of the template in cells: cell i has its middle at i.
    score : float
        The correlation there.
    """

    place: tuple[float, ...]
    score: float


def peaks(
    score: Array,
    count: int,
    apart: float = 1.5,
    *,
    least: float = -math.inf,
    rings: Sequence[bool] = (),
    where: Array | None = None,
) -> list[Match]:
    """Return the highest peaks of a score, refined below a cell.

    A peak is a cell that no neighbour exceeds, those across the corner counted. Of two that are
    nearer to each other than ``apart`` the lower one is left out, of two alike the later one in the
    order of the array. Differences to the neighbours say where between the cells the paraboloid
    through them has its top, and how high it is; across a rim the cell itself is the place.

    Parameters
    ----------
    score : (n,) or (n0, n1) array
        Such as `correlate` returns.
    count : int
        How many at most.
    apart : float
        Least distance in cells.
    least : float
        Lower ones are left out.
    rings : sequence of bool
        Which axes are closed to a ring; none if not given.
    where : array of bool, optional
        In the shape of the score: which cells may be peaks; all if not given.

    Returns
    -------
    list of Match
        From the highest cell down.

    Raises
    ------
    ValueError
        When the score holds NaN or infinite numbers.
    """
    score = np.asarray(score, dtype=float)
    if not np.all(np.isfinite(score)):
        raise ValueError("a score is made of finite numbers; here some are NaN or infinite")
    ring = tuple(rings) or (False,) * score.ndim
    padded = _with_neighbours(score, ring)
    highest = np.ones(score.shape, dtype=bool)
    for move in np.ndindex(*(3,) * score.ndim):
        there = tuple(slice(k, k + n) for k, n in zip(move, score.shape, strict=True))
        highest &= score >= padded[there]
    highest &= (score >= least) & (True if where is None else where)
    left = np.argwhere(highest)
    left = left[np.argsort(-score[highest], kind="stable")]
    found: list[Match] = []
    while len(found) < count and len(left):
        cell = left[0]
        found.append(_refined(padded, cell, score.shape))
        away = np.abs(left - cell)
        away = np.where(ring, np.minimum(away, np.array(score.shape) - away), away)
        far = np.sqrt(np.sum(away**2, axis=1)) >= apart
        far[0] = False
        left = left[far]
    return found


def _with_neighbours(score: Array, ring: Sequence[bool]) -> Array:
    """A score with one more cell all around it: the other end of a ring, or what is below all."""
    for axis, closed in enumerate(ring):
        width = [(1, 1) if a == axis else (0, 0) for a in range(score.ndim)]
        score = (
            np.pad(score, width, mode="wrap") if closed
            else np.pad(score, width, constant_values=-np.inf)
        )  # fmt: skip
    return score


def _refined(padded: Array, cell: Array, shape: tuple[int, ...]) -> Match:
    """The top of a paraboloid through a cell and its neighbours, at most half a cell away."""
    near = padded[tuple(slice(k, k + 3) for k in cell)]
    near = np.where(np.isfinite(near), near, np.nan)
    middle = np.ones(near.ndim, dtype=int)
    height, steps = float(near[tuple(middle)]), np.eye(near.ndim, dtype=int)
    slope, curvature = np.zeros(near.ndim), np.zeros((near.ndim, near.ndim))
    for a, up in enumerate(steps):
        above, below = near[tuple(middle + up)], near[tuple(middle - up)]
        slope[a], curvature[a, a] = 0.5 * (above - below), above + below - 2.0 * height
        for b, right in enumerate(steps[:a]):
            corners = [near[tuple(middle + s * up + t * right)] for s in (1, -1) for t in (1, -1)]
            twist = 0.25 * (corners[0] - corners[1] - corners[2] + corners[3])
            curvature[a, b] = curvature[b, a] = twist
    free = np.flatnonzero(np.isfinite(np.diag(curvature)))
    slope, curvature = slope[free], curvature[np.ix_(free, free)]
    move = np.zeros(near.ndim)
    # Where it is level or a saddle, no place is better than another.
    if free.size and np.max(np.linalg.eigvalsh(curvature)) < 0.0:
        move[free] = np.clip(-np.linalg.solve(curvature, slope), -0.5, 0.5)
        height += float(slope @ move[free] + 0.5 * move[free] @ curvature @ move[free])
    return Match(tuple(((cell + move) % shape).tolist()), height)
