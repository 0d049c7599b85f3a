"""Diffusion: salt spreading through water at rest, with walls that can be lifted.

du/dt = div(D grad u), no flux through walls. On the grid the conductance of a face is that of
resistances in series, half a cell on each side, so the two-slab steady state is exact; a wall's
resistance is infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

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
from diffusim.propagators.walls import Axis, Walls, closures, off_face

Positive = Annotated[SquareMetresPerSecond, Field(ge=0, lt=1e12)]


class PerAxis(Block):
    """A diffusivity for each axis."""

    x: Positive
    y: Positive | None = None

    def cells(self, grid: Grid) -> list[Array]:
        """Diffusivity for flow along each axis, in the smallest shape that broadcasts."""
        numbers = [self.x, self.y][: len(grid.shape)]
        if None in numbers:
            raise Invalid("expected a diffusivity along y as well", "y")
        return [np.full((1,) * len(grid.shape), number) for number in numbers]


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
        for number, place in enumerate(self.at):
            for problem in off_face(grid, axis, place, "at", number):
                raise problem
        values = np.array(self.values)[np.searchsorted(self.at, grid.centres(axis), side="right")]
        return [grid.along(axis, values)] * len(grid.shape)


class Given(Block):
    """A diffusivity for each cell, in m^2/s, given from Python as an array."""

    values: Annotated[
        Array, PlainSerializer(lambda values: sha256(values.tobytes()).hexdigest()),
        WithJsonSchema({"type": "array"}),
    ]  # fmt: skip

    def cells(self, grid: Grid) -> list[Array]:
        """Diffusivity for flow along each axis, in the smallest shape that broadcasts."""
        values = np.array(self.values, dtype=float)
        if values.shape != grid.shape or not np.all(np.isfinite(values)) or np.min(values) < 0:
            raise Invalid(f"expected an array of shape {grid.shape}, finite and not negative")
        return [values] * len(grid.shape)


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
    if isinstance(value, np.ndarray):
        return Given(values=value)
    if isinstance(value, dict):
        kinds: dict[str, type[Block]] = {"layers": Layers, "map": Map}
        return kinds.get(value.get("kind", ""), PerAxis).model_validate(value, context=info.context)
    return value


# A dense basis takes the cube of this in work and the square in memory, per axis.
LARGEST_BASIS = 1024


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

    diffusivity: Annotated[
        Positive | PerAxis | Layers | Map | SkipJsonSchema[Given], BeforeValidator(_diffusivity)
    ]
    walls: Walls = ()

    def traits(self, _grid: Grid) -> dict[str, str]:
        """Walls and uneven diffusivity, where there are any."""
        found = {}
        if self.walls:
            found["walls"] = "propagator.walls"
        if isinstance(self.diffusivity, Layers | Map | Given):
            found["uneven"] = "propagator.diffusivity"
        return found

    def events(self, grid: Grid) -> tuple[float, ...]:
        """Times in s at which a wall is lifted or lowered and another face is closed than before.

        A wall on the rim of a closed box, or one that stands in another, changes nothing.
        """
        times = sorted({time for wall in self.walls for time in wall.events()})
        if not times:
            return ()
        between = [0.5 * (a + b) for a, b in zip(times, times[1:], strict=False)]
        amid = [times[0] - 1.0, *between, times[-1] + 1.0]
        states = [self._barred(grid, time) for time in amid]
        return tuple(
            time
            for time, before, after in zip(times, states, states[1:], strict=False)
            if not all(map(np.array_equal, before, after))
        )

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

    def _barred(self, grid: Grid, time: float) -> list[Array]:
        """Faces that nothing crosses: closed walls and the rim, unless it is joined."""
        barred = closures(self.walls, grid, time)
        for axis, n in enumerate(grid.shape):
            if not grid.wrap[axis] or n == 1:
                barred[axis] = barred[axis] | grid.along(axis, np.isin(np.arange(n + 1), (0, n)))
        return barred

    def generator(self, grid: Grid, time: float) -> Generator:
        """Conductances g = area / (half / D_below + half / D_above), zero at walls."""
        barred = self._barred(grid, time)
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
            conductance = np.where(barred[axis], 0.0, conductance)
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
        if isinstance(self.diffusivity, Layers | Map | Given):
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
        if not generator.symmetric or not generator.separable:
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

        return spectrum.Symbol(bases, multiplier, generator.fastest)


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
        theta, basis = spectrum.cosine_modes(parts)
    if limit == "cell-to-cell":
        return basis, lambda duration: spectrum.cell_factor(theta, 2.0 * speed * duration)
    rate = spectrum.lattice_rate(theta) if limit == "lattice" else theta**2
    return basis, lambda duration: np.exp(-duration * speed * rate)


def _own_axis(grid: Grid, generator: Generator, axis: int) -> tuple[spectrum.Basis, Factor]:
    faces = generator.faces[axis]
    if not np.any(faces.up):
        return spectrum.Rest(), lambda _duration: np.ones(1)
    _must_be_short(grid, axis)
    rates, basis = spectrum.own_modes(faces.up.ravel(), faces.measure.ravel(), grid.wrap[axis])
    return basis, lambda duration: np.exp(-duration * rates)


def _must_be_short(grid: Grid, axis: int) -> None:
    if grid.shape[axis] > LARGEST_BASIS:
        raise Unsupported(
            f"axis {grid.names[axis]} is not even and has {grid.shape[axis]} cells; "
            f"its modes are found for {LARGEST_BASIS} at most"
        )
