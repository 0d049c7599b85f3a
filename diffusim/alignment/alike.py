"""Which results can be compared at all, and in which space."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from diffusim import store
from diffusim.alignment.cells import faces_of
from diffusim.block import Array, Unsupported
from diffusim.coarsening import POWERS
from diffusim.comparison import Space
from diffusim.grid import Grid
from diffusim.quantities import axis_unit

# Ends of boxes that are nearer to each other than this part of the box are one.
SAME_END = 1e-9


def must_be_alike(stored: store.Stored, first: store.Stored) -> None:
    """Refuse what no averaging brings together.

    Raises
    ------
    Unsupported
        When boxes, axes, channels or clocks differ, with both.
    """
    both = f"{stored.path} and {first.path}"
    if stored.clock != first.clock:
        raise Unsupported(
            f"{both} cannot be compared: one counts its times in {stored.clock}, the other in "
            f"{first.clock}"
        )
    if len(stored.channels) != len(first.channels):
        raise Unsupported(
            f"{both} cannot be compared: they have {len(stored.channels) or 'no'} and "
            f"{len(first.channels) or 'no'} channels"
        )
    kinds = [each.plain.get("grid") for each in (stored, first)]
    geometries = [k.get("geometry", "box") for k in kinds if isinstance(k, dict)]
    if stored.axes != first.axes or len(set(geometries)) > 1:
        axes = [", ".join(each.axes) for each in (stored, first)]
        raise Unsupported(
            f"{both} cannot be compared: their axes are {axes[0]} and {axes[1]}"
            + (f", of geometry {' and '.join(geometries)}" if len(set(geometries)) > 1 else "")
        )
    for name, mine, other in zip(stored.axes, faces_of(stored), faces_of(first), strict=True):
        ends, unit = [(float(f[0]), float(f[-1])) for f in (mine, other)], axis_unit(name)
        apart = max(abs(a - b) for a, b in zip(*ends, strict=True))
        if not apart <= SAME_END * abs(ends[0][1] - ends[0][0]):
            raise Unsupported(
                f"{both} cannot be compared: along {name} they reach from {ends[0][0]:g} to "
                f"{ends[0][1]:g} {unit} and from {ends[1][0]:g} to {ends[1][1]:g} {unit}; results "
                "can be compared whose boxes are one, whatever their cells"
            )


def geometry_of(header: store.Header) -> str | None:
    """Return the geometry of a result's grid; None of a lone radius, which may be of either."""
    grid = header.plain.get("grid")
    if isinstance(grid, dict) and (told := str(grid.get("geometry", "box"))) in POWERS:
        return told
    if "r" not in header.axes:
        return "box"
    return "cylindrical" if "z" in header.axes else None


def space_of(header: store.Header) -> Space:
    """Return where the cells of a result are, as far as it tells."""
    try:
        grid = Grid.model_validate(header.plain["grid"])
    except (ValueError, KeyError, TypeError):
        grid = None
    if grid is not None and grid.shape == header.shape:
        return Space(header.centres, header.axes, grid.volume, grid.wrap, not grid.radial)
    geometry, faces = geometry_of(header), faces_of(header)
    wrap = (False,) * len(faces) if grid is None else grid.wrap
    if geometry is None:
        return Space(header.centres, header.axes, 1.0, wrap, False)
    powers = [POWERS[geometry], *[1] * len(faces)]
    measures = [np.diff(f**power) for f, power in zip(faces, powers, strict=False)]
    even = POWERS[geometry] == 1 and all(map(_even, measures))
    volume = math.prod(float(m[0]) for m in measures) if even else _product(measures)
    return Space(header.centres, header.axes, volume, wrap, even)


def _even(widths: Array) -> bool:
    return bool(np.allclose(widths, np.mean(widths), rtol=1e-6, atol=0.0))


def _product(measures: Sequence[Array]) -> Array:
    found = np.ones((1,) * len(measures))
    for axis, measure in enumerate(measures):
        shape = [1] * len(measures)
        shape[axis] = -1
        found = found * measure.reshape(shape)
    return found
