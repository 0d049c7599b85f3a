"""Densities as lists of moves, likeliest first, and where each leads: what chance draws from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.convolve.sides import Side, pieces


class Moves(NamedTuple):
    """A density as the compiled loops take it, see `diffusim.loops.counts.scatter`."""

    shares: Array
    cumulative: Array
    ways: tuple[Array, ...]


def moves(weights: Array, places: Sequence[Array], bases: Sequence[Array]) -> Moves:
    """Return the moves of a density along two axes.

    Parameters
    ----------
    weights : (m0, m1) array
        Odd in size, none below zero, some above.
    places, bases : sequence of array
        For each axis the row or column of each place, -1 for none, and the place to which the first
        weight leads from each row or column.
    """
    order = np.argsort(-weights, axis=None, kind="stable")
    order = order[weights.ravel()[order] > 0.0]
    chances = weights.ravel()[order]
    # Summed from the small end, so that a share of a far tail is as exact as any.
    left = np.cumsum(chances[::-1])[::-1]
    cumulative = np.minimum(np.cumsum(chances) / left[0], 1.0)
    cumulative[-1] = 1.0
    indices = [*np.unravel_index(order, weights.shape), *bases, *places]
    ways = tuple(np.ascontiguousarray(index, dtype=np.int64) for index in indices)
    return Moves(chances / left, cumulative, ways)


def along(density: Array, closed: Array, axis: int, shape: Sequence[int]) -> Moves:
    """Return the moves along one axis of a plane, between its closed faces or round it.

    Parameters
    ----------
    density : (2 r + 1,) array
        Weights of the moves by -r .. r cells.
    closed : (n + 1,) array of bool
        Faces that nothing passes; an axis whose first face is open is a ring without any.
    axis : int
        0 or 1.
    shape : (int, int)
        Cells of the plane.
    """
    n, reach = shape[axis], density.size // 2
    side: tuple[Side, Side] = ("reflect", "reflect") if closed[0] else ("wrap", "wrap")
    own, starts = pieces(n, reach, side, np.flatnonzero(closed) if closed[0] else None)
    places, bases = [np.arange(m) for m in shape], [np.arange(m) for m in shape]
    places[axis] = own
    # Every piece has places beyond both of its ends.
    bases[axis] += 2 * reach * (np.searchsorted(starts, bases[axis], side="right") - 1)
    return moves(np.expand_dims(density, 1 - axis), places, bases)
