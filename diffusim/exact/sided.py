"""One value between sides that are held, exchange with the outside or are heated."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from diffusim.block import Array, Unsupported
from diffusim.edges import Edge
from diffusim.exact.balls import sphere
from diffusim.exact.discs import disc
from diffusim.exact.slabs import exchange, heated
from diffusim.exact.spreading import Found, Values
from diffusim.grid import Grid

_SLAB = "Crank 1975, sections 4.3.1 and 4.3.6; Carslaw and Jaeger 1959, sections 3.4 and 3.11"
_BODIES = {
    "cylindrical": ("a disc", disc, "Crank 1975, section 5.3.2"),
    "spherical": ("a sphere", sphere, "Crank 1975, section 6.3.1"),
}

# What is left of an excess of one along an axis, at a time in s.
Left = Callable[[float], Array]


def between_sides(
    start: Values, grid: Grid, diffusivity: Sequence[float], rates: tuple[float, float]
) -> Found:
    """Return what becomes of one value between sides that let something through.

    Parameters
    ----------
    start : mapping
        The scenario's ``initial``.
    diffusivity : sequence of float
        Along each axis, in m^2/s.
    rates : (float, float)
        Decay in 1/s and source, the same everywhere.

    Raises
    ------
    Unsupported
        When the start is another, or the sides do what no solution here is known for.
    """
    if start.get("kind") != "uniform":
        raise Unsupported("between open sides only one value is known as a start (initial.kind)")
    sides = [side for _, _, side in grid.named_sides if side.kind not in ("no-flux", "periodic")]
    if rates[1]:
        raise Unsupported("a source between open sides is not known (propagator.source)")
    if any(len(side.table) > 1 or isinstance(side.table[0][1], str) for side in sides):
        raise Unsupported("what is beyond a side changes in time or along it (grid.edges)")
    if rates[0] and any(_outside(side) != 0.0 for side in sides):
        raise Unsupported("decay is known beside an empty outside only (propagator.decay)")
    value = float(start["value"])
    found = _between(value, grid, diffusivity, sides)

    def means(t: float) -> Array:
        # The value itself, of which series and products are off by round-off, zero included.
        return found.means(t) if t > 0.0 else np.full(grid.shape, value)

    return found._replace(means=means)


def _between(
    value: float, grid: Grid, diffusivity: Sequence[float], sides: Sequence[Edge]
) -> Found:
    if any(side.kind == "flux" for side in sides):
        return _heated(value, grid, diffusivity, sides)
    outside = {_outside(side) for side in sides}
    open_axes = sorted({axis for _, axis, side in grid.named_sides if side in sides})
    if len(outside) == 1:
        return _product(value, outside.pop(), grid, diffusivity, open_axes)
    if len(open_axes) > 1:
        raise Unsupported("the values beyond the sides of two axes are not the same (grid.edges)")
    return _slab(value, grid, diffusivity[open_axes[0]], open_axes[0])


def _outside(side: Edge) -> float:
    return float(side.table[0][1])


def _transfer(side: Edge) -> float:
    """How much a side lets through per difference, in m/s: all of it where it is held."""
    if side.kind == "value":
        return math.inf
    return float(side.transfer) if side.transfer is not None else 0.0


def _slab(value: float, grid: Grid, diffusivity: float, axis: int) -> Found:
    low, high = grid.edges[axis]
    transfer = _transfer(low), _transfer(high)
    outside = _outside(low), _outside(high)

    def means(t: float) -> Array:
        return grid.along(axis, exchange(grid.centres(axis), t, diffusivity, grid.size[axis],
                                         transfer, outside, value,
                                         cell=grid.spacing[axis]))  # fmt: skip

    return Found(_named(grid, axis), _SLAB, means)


def _named(grid: Grid, axis: int) -> str:
    kinds = [side.kind for side in grid.edges[axis]]
    words = {"value": "held", "transfer": "leaky", "no-flux": "closed"}
    low, high = (words[kind] for kind in kinds)
    if low == high:
        return f"a slab with two {low} sides"
    return f"a slab with a {low} and a {high} side"


def _product(
    value: float, outside: float, grid: Grid, diffusivity: Sequence[float], axes: Sequence[int]
) -> Found:
    """Beside one outside value what is left of the excess is a product over the axes."""
    factors: list[tuple[int, Left]] = []
    names, sources = [], []
    for axis in axes:
        name, source, left = _left(grid, diffusivity[axis], axis)
        factors.append((axis, left))
        names.append(name)
        sources.append(source)

    def means(t: float) -> Array:
        product = np.full((1,) * len(grid.shape), value - outside)
        for axis, left in factors:
            product = product * grid.along(axis, left(t))
        return outside + product

    return Found(" times ".join(names), "; ".join(dict.fromkeys(sources)), means)


def _left(grid: Grid, diffusivity: float, axis: int) -> tuple[str, str, Left]:
    x, cell, length = grid.centres(axis), grid.spacing[axis], grid.size[axis]
    low, high = grid.edges[axis]
    if axis == 0 and grid.radial:
        if grid.inner or high.kind != "value":
            raise Unsupported("of discs and spheres only whole ones with a held rim are known "
                              "(grid.edges)")  # fmt: skip
        name, body, source = _BODIES[grid.geometry]
        return (f"{name} with a held rim", source,
                lambda t: body(x, t, diffusivity, length, 0.0, 1.0, cell=cell))  # fmt: skip
    transfer = _transfer(low), _transfer(high)
    return (_named(grid, axis), _SLAB,
            lambda t: exchange(x, t, diffusivity, length, transfer, (0.0, 0.0), 1.0,
                               cell=cell))  # fmt: skip


def _heated(value: float, grid: Grid, diffusivity: Sequence[float], sides: Sequence[Edge]) -> Found:
    """A steady flux through one or both ends of an axis, each as if the other were closed."""
    axes = {axis for _, axis, side in grid.named_sides if side.kind == "flux"}
    axis = min(axes)
    if any(side.kind != "flux" for side in sides) or len(axes) > 1 or axis == 0 and grid.radial:
        raise Unsupported("a flux is known through the ends of one axis alone (grid.edges)")
    if diffusivity[axis] == 0.0:
        raise Unsupported("what nothing spreads from a heated side is not known")
    x, d, cell, length = grid.centres(axis), diffusivity[axis], grid.spacing[axis], grid.size[axis]
    low, high = (_outside(side) for side in grid.edges[axis])

    def means(t: float) -> Array:
        through = value + heated(x, t, d, length, high, cell=cell)
        return grid.along(axis, through + heated(length - x, t, d, length, low, cell=cell))

    return Found("a slab heated by a steady flux", "Carslaw and Jaeger 1959, section 3.8", means)
