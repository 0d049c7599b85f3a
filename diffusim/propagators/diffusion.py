"""Diffusion: salt spreading through water at rest, with walls that can be lifted.

du/dt = div(D grad u), no flux through walls. On the grid the conductance of a face is that of
resistances in series, half a cell on each side, so the two-slab steady state is exact; a wall's
resistance is infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BeforeValidator, Field

from diffusim import spectrum
from diffusim.block import (
    Array,
    Block,
    Invalid,
    Metres,
    SquareMetresPerSecond,
    Unsupported,
    listed,
)
from diffusim.files import InputFile, read_array
from diffusim.generator import Faces, Generator
from diffusim.grid import Grid
from diffusim.propagators import Limit, Propagator
from diffusim.propagators.walls import Axis, Walls, closures

Positive = Annotated[SquareMetresPerSecond, Field(ge=0, lt=1e12)]


class PerAxis(Block):
    """A diffusivity for each axis."""

    x: Positive
    y: Positive

    def cells(self, grid: Grid) -> list[Array]:
        """Diffusivity for flow along each axis, in the smallest shape that broadcasts."""
        return [np.full((1,) * len(grid.shape), getattr(self, grid.names[k])) for k in grid.axes]


class Layers(Block):
    """Layers across one axis: ``values[i]`` up to the place ``at[i]``, the last one beyond."""

    kind: Literal["layers"]
    axis: Axis
    at: Annotated[tuple[Metres, ...], listed]
    values: Annotated[tuple[Positive, ...], listed]

    def cells(self, grid: Grid) -> list[Array]:
        """Diffusivity for flow along each axis, in the smallest shape that broadcasts."""
        if len(self.values) != len(self.at) + 1 or list(self.at) != sorted(set(self.at)):
            raise Invalid("layers need growing places 'at' and one value more than places", "at")
        axis = grid.axis(self.axis)
        values = np.array(self.values)[np.searchsorted(self.at, grid.centres(axis), side="right")]
        return [grid.along(axis, values)] * len(grid.shape)


class Map(Block):
    """A diffusivity for each cell, in m^2/s, from a ``.npy`` file of the grid's shape."""

    kind: Literal["map"]
    path: InputFile

    def cells(self, grid: Grid) -> list[Array]:
        """Diffusivity for flow along each axis, in the smallest shape that broadcasts."""
        values = read_array(self.path, grid.shape)
        if np.min(values) < 0:
            raise Invalid(f"'{self.path.name}' holds negative diffusivities", "path")
        return [values] * len(grid.shape)


def _diffusivity(value: Any, info: Any) -> Any:
    """Choose the class by the keys that are there, so that errors speak of one class only."""
    if isinstance(value, dict):
        kinds: dict[str, type[Block]] = {"layers": Layers, "map": Map}
        return kinds.get(value.get("kind", ""), PerAxis).model_validate(value, context=info.context)
    return value


# A dense basis takes the cube of this in work and the square in memory, per axis.
LARGEST_BASIS = 2048


class Medium(NamedTuple):
    """What particles between planes need to know: per axis the diffusivity and the closed faces."""

    diffusivity: tuple[float, ...]
    closed: tuple[Array, ...]


class Diffusion(Propagator):
    """Diffusion of a dissolved substance in water at rest.

    Parameters
    ----------
    diffusivity : float, mapping or array
        D in m^2/s: one number, ``{x:, y:}``, ``{kind: layers, axis:, at:, values:}``, ``{kind: map,
        path:}``, or, from Python, an array of the grid's shape.
    walls : list of walls, optional
        ``{axis:, at:, span:, opens:, closes:}`` or ``{every: cell, region:, opens:, closes:}``.

    References
    ----------
    J. Crank, *The Mathematics of Diffusion*, 2nd ed., Oxford 1975; S. Patankar, *Numerical Heat
    Transfer and Fluid Flow*, 1980, section 4.2-3 (conductances in series).
    """

    diffusivity: Annotated[Positive | PerAxis | Layers | Map, BeforeValidator(_diffusivity)]
    walls: Walls = ()

    def traits(self, _grid: Grid) -> dict[str, str]:
        """Walls and uneven diffusivity, where there are any."""
        found = {}
        if self.walls:
            found["walls"] = "propagator.walls"
        if isinstance(self.diffusivity, Layers | Map):
            found["uneven"] = "propagator.diffusivity"
        return found

    def events(self) -> tuple[float, ...]:
        """Times in s at which a wall is lifted or lowered."""
        return tuple(time for wall in self.walls for time in wall.events())

    def check(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with the diffusivity or a wall on this grid."""
        try:
            self._cells(grid)
        except Invalid as problem:
            yield Invalid(problem.message, "diffusivity", *problem.path)
        except ValueError as failure:
            yield Invalid(str(failure), "diffusivity")
        for number, wall in enumerate(self.walls):
            for fault in wall.problems(grid):
                yield Invalid(fault.message, "walls", number, *fault.path)

    def _cells(self, grid: Grid) -> list[Array]:
        if isinstance(self.diffusivity, float | int):
            number = np.full((1,) * len(grid.shape), float(self.diffusivity))
            return [number] * len(grid.shape)
        return self.diffusivity.cells(grid)

    def generator(self, grid: Grid, time: float) -> Generator:
        """Conductances g = area / (half / D_below + half / D_above), zero at walls."""
        closed = closures(self.walls, grid, time)
        faces = []
        for axis, cells in enumerate(self._cells(grid)):
            measure = grid.along(axis, grid.measure(axis))
            with np.errstate(divide="ignore"):
                half = (
                    np.broadcast_to(0.5 * measure, np.broadcast_shapes(measure.shape, cells.shape))
                    / cells
                )
            ring = np.take(half, np.arange(-1, grid.shape[axis] + 1) % grid.shape[axis], axis)
            below, above = (np.delete(ring, end, axis) for end in (-1, 0))
            conductance = grid.along(axis, grid.area(axis)) / (below + above)
            barred = closed[axis]
            if not grid.wrap[axis] or grid.shape[axis] == 1:
                rim = grid.along(
                    axis, np.isin(np.arange(grid.shape[axis] + 1), (0, grid.shape[axis]))
                )
                barred = barred | rim
            conductance = np.where(barred, 0.0, conductance)
            faces.append(Faces(conductance, conductance, measure))
        return Generator(grid.shape, faces, grid.wrap)

    def medium(self, grid: Grid, time: float) -> Medium:
        """Diffusivity and planes of a medium that is even between full walls.

        Raises
        ------
        Unsupported
            When the diffusivity is uneven, a wall does not span the grid, or one stands inside a
            ring.
        """
        if isinstance(self.diffusivity, Layers | Map):
            raise Unsupported("the diffusivity is uneven (propagator.diffusivity)")
        closed = closures(self.walls, grid, time)
        planes = []
        for axis, barred in enumerate(closed):
            if barred.size != grid.shape[axis] + 1:
                raise Unsupported("a wall spans only part of the grid (propagator.walls)")
            plane = barred.ravel()
            if grid.wrap[axis] and np.any(plane[1:-1]) and not plane[0]:
                raise Unsupported("a wall stands inside a periodic axis (propagator.walls)")
            planes.append(plane | (np.isin(np.arange(plane.size), (0, plane.size - 1))
                                   & (not grid.wrap[axis])))  # fmt: skip
        numbers = tuple(float(cells.flat[0]) for cells in self._cells(grid))
        return Medium(numbers, tuple(planes))

    def symbol(self, grid: Grid, time: float, limit: Limit) -> spectrum.Symbol:
        """Per axis a basis in which diffusion is a multiplication, for one of the three limits.

        Raises
        ------
        Unsupported
            When the medium differs along both axes, or a limit other than the lattice is asked of
            an uneven one.
        """
        generator = self.generator(grid, time)
        if not generator.separable:
            raise Unsupported(
                "the medium differs along both axes (propagator.walls or propagator.diffusivity), "
                "so it has no symbol"
            )
        try:
            medium = self.medium(grid, time)
            axes = [_even_axis(grid, medium, axis, limit) for axis in grid.axes]
        except Unsupported as reason:
            if limit != "lattice":
                raise Unsupported(f"limit {limit} needs an even medium: {reason}") from None
            axes = [_own_axis(grid, generator, axis) for axis in grid.axes]
        bases = [basis for basis, _ in axes]

        def multiplier(duration: float) -> Array:
            product = np.ones((1,) * len(grid.shape))
            for axis, (_, factor) in enumerate(axes):
                product = product * grid.along(axis, factor(duration))
            return product

        return spectrum.Symbol(bases, multiplier)


Factor = Callable[[float], Array]


def _even_axis(
    grid: Grid, medium: Medium, axis: int, limit: Limit
) -> tuple[spectrum.Basis, Factor]:
    n, closed = grid.shape[axis], medium.closed[axis]
    speed = medium.diffusivity[axis] / grid.spacing[axis] ** 2
    parts = spectrum.compartments(closed)
    if len(parts) == n or speed == 0.0:
        return spectrum.Rest(), lambda _duration: np.ones(1)
    if not closed[0]:
        basis: spectrum.Basis = spectrum.Fourier()
        theta = spectrum.fourier_angles(n)
    elif len(parts) == 1:
        basis, theta = spectrum.Cosine(), spectrum.cosine_angles(n)
    else:
        _must_be_short(grid, axis)
        theta, vectors = spectrum.cosine_vectors(parts)
        basis = spectrum.Eigenbasis(vectors)
    if limit == "cell-to-cell":
        return basis, lambda duration: spectrum.cell_factor(theta, 2.0 * speed * duration)
    rate = spectrum.lattice_rate(theta) if limit == "lattice" else theta**2
    return basis, lambda duration: np.exp(-duration * speed * rate)


def _own_axis(grid: Grid, generator: Generator, axis: int) -> tuple[spectrum.Basis, Factor]:
    _must_be_short(grid, axis)
    faces = generator.faces[axis]
    rates, vectors = spectrum.tridiagonal_modes(
        faces.up.ravel(), faces.measure.ravel(), grid.wrap[axis]
    )
    if not np.any(rates):
        return spectrum.Rest(), lambda _duration: np.ones(1)
    return spectrum.Eigenbasis(vectors), lambda duration: np.exp(-duration * rates)


def _must_be_short(grid: Grid, axis: int) -> None:
    if grid.shape[axis] > LARGEST_BASIS:
        raise Unsupported(
            f"axis {grid.names[axis]} is not even and has {grid.shape[axis]} cells; "
            f"its modes are found for {LARGEST_BASIS} at most, chebyshev has no such bound"
        )
