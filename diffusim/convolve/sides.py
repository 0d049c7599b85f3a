"""What lies beyond the sides of an axis: places, pieces between walls, and what does not leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from diffusim.block import Array

Side = Literal["reflect", "wrap", "zero"]
Sides = Sequence[tuple[Side, Side]]


def places(n: int, reach: int, low: Side, high: Side) -> Array:
    """Return the cell for which each position from -reach to n + reach - 1 stands, or -1 for none.

    Parameters
    ----------
    n : int
        Cells of the axis.
    reach : int
        Positions beyond either side; mirrors and rings bring them back as often as needed.
    low, high : "reflect", "wrap" or "zero"
        What is done at the sides.

    Returns
    -------
    (n + 2 reach,) array of int

    Raises
    ------
    ValueError
        For another word, or a ring on one side only.

    Examples
    --------
    >>> places(3, 2, "reflect", "zero").tolist()
    [1, 0, 0, 1, 2, -1, -1]
    """
    _check((low, high))
    x = np.arange(-reach, n + reach)
    if low == "wrap":
        return x % n
    if low == high == "reflect":
        x = x % (2 * n)
        return np.minimum(x, 2 * n - 1 - x)
    # What meets a single mirror and then leaves by the other side is gone.
    if low == "reflect":
        x = np.where(x < 0, -1 - x, x)
    if high == "reflect":
        x = np.where(x >= n, 2 * n - 1 - x, x)
    return np.where((x >= 0) & (x < n), x, -1)


def pieces(
    n: int, reach: int, sides: tuple[Side, Side], starts: Sequence[int] | Array | None
) -> tuple[Array, Array]:
    """Return places and starts of the pieces of an axis, as the compiled loop takes them.

    Parameters
    ----------
    n, reach : int
        Cells of the axis, and positions beyond the sides of each piece.
    sides : (low, high)
        What is done at the sides of the axis.
    starts : sequence of int, optional
        0, the cells at which full walls stand before them, n. On a ring the first piece and the
        last one are joined.

    Returns
    -------
    places : (n + 2 reach pieces,) array of int
    starts : (pieces + 1,) array of int

    Raises
    ------
    ValueError
        When starts do not ascend from 0 to n.
    """
    cuts = np.asarray([0, n] if starts is None else starts)
    if cuts.ndim != 1 or len(cuts) < 2 or cuts[0] != 0 or cuts[-1] != n or np.diff(cuts).min() < 1:
        raise ValueError(f"expected starts that ascend from 0 to {n}, found {cuts.tolist()}")
    cuts = cuts.astype(np.int64)
    sizes, last = np.diff(cuts), len(cuts) - 2
    if last == 0:
        return places(n, reach, *sides), cuts
    found = []
    for c, size in enumerate(sizes):
        low = sides[0] if c == 0 else "reflect"
        high = sides[1] if c == last else "reflect"
        own = places(size, reach, low, high) if "wrap" not in (low, high) else np.empty(0, int)
        found.append(np.where(own < 0, -1, own + cuts[c]))
    if sides[0] == "wrap":
        across = places(sizes[last] + sizes[0], reach, "reflect", "reflect")
        across = (across + cuts[last]) % n
        found[last] = across[: sizes[last] + 2 * reach]
        found[0] = across[sizes[last] :]
    return np.concatenate(found), cuts


def inside(n: int, reach: int, sides: tuple[Side, Side]) -> tuple[Array, Array]:
    """Return for each cell of an axis the slice (from, to) of moves that do not lead out of it."""
    cell, moves = np.arange(n), 2 * reach + 1
    low, high = np.full(n, -reach), np.full(n, reach)
    if sides[0] == "zero":
        low = -cell
    if sides[1] == "zero":
        high = n - 1 - cell
    if sides == ("reflect", "zero"):
        low = -n - cell
    if sides == ("zero", "reflect"):
        high = 2 * n - 1 - cell
    return np.clip(low + reach, 0, moves), np.clip(high + reach + 1, 0, moves)


def checked(sides: Sides, ndim: int) -> list[tuple[Side, Side]]:
    """Return the sides of two axes, of which the first is a ring if there is only one.

    Raises
    ------
    ValueError
        When they are not as many as axes, or no sides at all.
    """
    pairs = [tuple(pair) for pair in sides]
    if len(pairs) != ndim or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"expected (low, high) sides for each of {ndim} axes, found {sides!r}")
    found = [_check(pair) for pair in pairs]
    return [("wrap", "wrap"), *found] if ndim == 1 else found


def _check(pair: tuple[Side, ...]) -> tuple[Side, Side]:
    low, high = pair
    for side in pair:
        if side not in get_args(Side):
            raise ValueError(f"a side is 'reflect', 'wrap' or 'zero', not {side!r}")
    if (low == "wrap") != (high == "wrap"):
        raise ValueError(f"an axis wraps on both sides or on none, not ({low!r}, {high!r})")
    return low, high
