"""Shapes over the maps: what is solid, and the walls that are closed at each moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from diffusim import store
from diffusim.block import Array
from diffusim.plots import outlines, shown

# Maps are so wide and high in the coordinates of the shapes, whose y goes downwards.
WIDTH = 100.0


def shapes(header: store.Header, numbers: Sequence[int]) -> dict[str, Any]:
    """Return shapes as paths of SVG.

    Parameters
    ----------
    numbers : sequence of int
        The frames that are shown.

    Returns
    -------
    dict
        ``solid``, one path; ``walls``, pairs of paths of those that let nothing through and of the
        others; and ``which`` of these pairs belongs to each frame.
    """
    known: dict[tuple[str, str], int] = {}
    which = []
    for number in numbers:
        found = outlines.outline(header, float(header.times[number]))
        pair = _lines(header, found.tight), _lines(header, found.leaky)
        which.append(known.setdefault(pair, len(known)))
    return {"solid": _cells(shown.solid(header)), "walls": list(known), "which": which}


def _lines(header: store.Header, lines: Array) -> str:
    """Straight lines in m, shape (n, 2, 2), as a path."""
    if not len(lines) or header.faces is None:
        return ""
    low = np.array([faces[0] for faces in header.faces])
    high = np.array([faces[-1] for faces in header.faces])
    part = WIDTH * (lines - low) / (high - low)
    part[..., 1] = WIDTH - part[..., 1]
    return "".join(f"M{_pair(a)}L{_pair(b)}" for a, b in part.tolist())


def _cells(solid: Array | None) -> str:
    """Solid cells as a path, those in a row along x joined to one bar."""
    if solid is None or solid.ndim != 2:
        return ""
    width, height = (WIDTH / n for n in solid.shape)
    rows = np.pad(solid.T, ((0, 0), (1, 1))).astype(np.int8)
    edges = np.diff(rows, axis=1)
    starts, ends = (np.argwhere(edges == sign) for sign in (1, -1))
    bars = zip(starts.tolist(), ends.tolist(), strict=True)
    return "".join(
        f"M{_pair((a * width, WIDTH - y * height))}H{_short(b * width)}"
        f"V{_short(WIDTH - (y + 1) * height)}H{_short(a * width)}z"
        for (y, a), (_, b) in bars
    )


def _pair(place: Iterable[float]) -> str:
    return ",".join(map(_short, place))


def _short(value: float) -> str:
    return f"{value:.6g}"
