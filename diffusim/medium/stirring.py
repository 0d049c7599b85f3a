"""Flow: spoons that stir a medium, each a stream function on the corners of the cells.

The velocities are v_x = d psi / dy and v_y = - d psi / dx, so what passes a face is the difference
of psi between its two ends, and the flow out of every cell is zero to round-off. On a face of
conductance g, p = velocity x area / g, the field flows as

    F = g (B(-p) u_below - B(p) u_above),    B(x) = x / (exp(x) - 1),

which is exact for a steady profile between two cell centres: linear, positive at any velocity, and
second order while the cell Peclet number p is below about 3. Above it the scheme has a diffusivity
of its own, D (p/2 coth(p/2) - 1).

D. L. Scharfetter and H. K. Gummel, IEEE Trans. Electron Devices 16 (1969) 64-77.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from diffusim.block import (
    Array,
    Block,
    Invalid,
    Metres,
    MetresPerSecond,
    Seconds,
    by_kind,
    listed,
)
from diffusim.files import InputFile, read_array
from diffusim.grid import Grid

Speed = Annotated[MetresPerSecond, Field(gt=-1e12, lt=1e12)]
Place = Annotated[tuple[Metres, Metres], listed]


class Spoon(Block):
    """What all flows share: when they start and stop.

    Parameters
    ----------
    starts, stops : float, optional
        In s; from the beginning, and for ever, if not given.
    """

    starts: Annotated[Seconds, Field(ge=0)] = 0.0
    stops: Seconds | None = None

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.stops is not None and self.stops <= self.starts:
            raise Invalid("it stops before it starts", "stops")
        return self

    def stirs(self, time: float) -> bool:
        """Whether it moves at a time in s."""
        return self.starts <= time and (self.stops is None or time < self.stops)

    def events(self) -> tuple[float, ...]:
        """Times in s at which it starts or stops."""
        return tuple(t for t in (self.starts, self.stops) if t)

    def stream(self, grid: Grid) -> Array:
        """Return psi on the corners of the cells, shape (nx + 1, ny + 1), in m^2/s."""
        raise NotImplementedError

    def through(self, grid: Grid) -> list[Array]:
        """Return velocity times area on the faces of each axis, in the smallest shape."""
        if len(grid.shape) != 2:
            raise Invalid("this flow needs two dimensions; on one axis give kind: uniform")
        psi = self.stream(grid)
        lengths = grid.spacing[::-1]
        flows = [np.diff(psi, axis=1) / lengths[0], -np.diff(psi, axis=0) / lengths[1]]
        return [_smallest(flow, axis) for axis, flow in enumerate(flows)]


def _smallest(flow: Array, axis: int) -> Array:
    first = np.take(flow, [0], 1 - axis)
    return first if np.all(flow == first) else flow


def _corners(grid: Grid) -> tuple[Array, Array]:
    return grid.along(0, grid.faces(0)), grid.along(1, grid.faces(1))


class Vortex(Spoon):
    """A round vortex, at rest outside the largest circle that fits the tank.

    v(d) = speed d / R exp((1 - d^2 / R^2) / 2) at a distance d from its centre.

    Parameters
    ----------
    centre : tuple of float, optional
        In m; the middle if not given.
    radius : float
        Distance R of the largest speed from the centre, in m.
    speed : float
        The largest speed in m/s, anticlockwise if positive.
    """

    kind: Literal["vortex"]
    centre: Place | None = None
    radius: Annotated[Metres, Field(gt=0)]
    speed: Speed

    def stream(self, grid: Grid) -> Array:
        """Return psi on the corners of the cells."""
        centre = self.centre or tuple(0.5 * size for size in grid.size)
        square = np.zeros((1, 1))
        nearest = np.inf
        for axis, place in enumerate(_corners(grid)):
            if not 0.0 <= centre[axis] <= grid.size[axis]:
                raise Invalid(f"{centre[axis]:g} m lies outside the grid", "centre", axis)
            away = np.abs(place - centre[axis])
            room = min(centre[axis], grid.size[axis] - centre[axis])
            if grid.wrap[axis]:
                away = np.minimum(away, grid.size[axis] - away)
                room = 0.5 * grid.size[axis]
            square, nearest = square + away**2, min(nearest, room)
        # Cut off along the streamline that touches the nearest side, so that nothing crosses it.
        inside = np.exp(0.5 - 0.5 * square / self.radius**2)
        rim = np.exp(0.5 - 0.5 * (nearest / self.radius) ** 2)
        psi = self.speed * self.radius * np.maximum(inside - rim, 0.0)
        return np.where(square < (1.0 - 1e-12) * nearest**2, psi, 0.0)


class Shear(Spoon):
    """Layers that slide on each other: from -speed on one side to speed on the other.

    Parameters
    ----------
    axis : {"x", "y"}
        The axis along which it flows.
    speed : float
        In m/s.
    """

    kind: Literal["shear"]
    axis: Literal["x", "y"] = "x"
    speed: Speed

    def stream(self, grid: Grid) -> Array:
        """Return psi on the corners of the cells."""
        along = grid.axis(self.axis)
        place = _corners(grid)[1 - along] / grid.size[1 - along]
        psi = self.speed * grid.size[1 - along] * (place**2 - place)
        return np.broadcast_to(psi if along == 0 else -psi, _corner_shape(grid))


class Channel(Spoon):
    """Poiseuille's parabola between two sides, v = 4 speed s (1 - s), s from 0 to 1 across.

    Parameters
    ----------
    axis : {"x", "y"}
        The axis along which it flows.
    speed : float
        The largest speed, in the middle, in m/s; two thirds of it are the mean.
    """

    kind: Literal["channel"]
    axis: Literal["x", "y"] = "x"
    speed: Speed

    def stream(self, grid: Grid) -> Array:
        """Return psi on the corners of the cells."""
        along = grid.axis(self.axis)
        s = _corners(grid)[1 - along] / grid.size[1 - along]
        psi = 4.0 * self.speed * grid.size[1 - along] * (0.5 * s**2 - s**3 / 3.0)
        return np.broadcast_to(psi if along == 0 else -psi, _corner_shape(grid))


class DoubleGyre(Spoon):
    """Two gyres beside each other that turn against each other, psi ~ sin(2 pi x/L) sin(pi y/H).

    Parameters
    ----------
    axis : {"x", "y"}
        The axis along which they lie beside each other.
    speed : float
        The largest speed in m/s; positive turns the first gyre anticlockwise.
    """

    kind: Literal["double-gyre"]
    axis: Literal["x", "y"] = "x"
    speed: Speed

    def stream(self, grid: Grid) -> Array:
        """Return psi on the corners of the cells."""
        beside = grid.axis(self.axis)
        s, t = (place / size for place, size in zip(_corners(grid), grid.size, strict=True))
        waves = (2.0, 1.0) if beside == 0 else (1.0, 2.0)
        # Written so that it is zero on the sides, and not by round-off only.
        psi = _sine(waves[0], s) * _sine(waves[1], t)
        steepest = max(np.pi * w / size for w, size in zip(waves, grid.size, strict=True))
        return np.asarray(self.speed / steepest * psi)


class Uniform(Spoon):
    """The same velocity everywhere, along axes that are periodic or have values at their ends.

    Parameters
    ----------
    velocity : tuple of float
        In m/s, one number per axis.
    """

    kind: Literal["uniform"]
    velocity: Annotated[tuple[Speed, ...], Field(min_length=1, max_length=2), listed]

    def through(self, grid: Grid) -> list[Array]:
        """Return velocity times area on the faces of each axis, in the smallest shape."""
        if len(self.velocity) != len(grid.shape):
            raise Invalid(f"expected {len(grid.shape)} number(s), one per axis", "velocity")
        return [np.full(grid.along(axis, grid.faces(axis)).shape, v)
                for axis, v in enumerate(self.velocity)]  # fmt: skip


class StreamMap(Spoon):
    """A stream function on the corners of the cells, in m^2/s, from a ``.npy`` file."""

    kind: Literal["map"]
    path: InputFile

    def stream(self, grid: Grid) -> Array:
        """Return psi on the corners of the cells."""
        try:
            return read_array(self.path, _corner_shape(grid), "the corners of its cells have")
        except ValueError as problem:
            raise Invalid(str(problem), "path") from None


def _corner_shape(grid: Grid) -> tuple[int, ...]:
    return tuple(n + 1 for n in grid.shape)


def _sine(halves: float, s: Array) -> Array:
    """sin(pi halves s) for s from 0 to 1, zero at both ends to the last bit."""
    return np.where((s <= 0.0) | (s >= 1.0), 0.0, np.sin(np.pi * halves * s))


def _several(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


_ANY = Vortex | Shear | Channel | DoubleGyre | Uniform | StreamMap
AnySpoon = Annotated[_ANY, by_kind(_ANY)]
Flow = Annotated[tuple[AnySpoon, ...], BeforeValidator(_several)]


def flows(spoons: Sequence[Spoon], grid: Grid, time: float) -> list[Array] | None:
    """Return velocity times area on the faces of each axis at a time, None where all is at rest."""
    found: list[Array] | None = None
    for spoon in spoons:
        if spoon.stirs(time):
            own = spoon.through(grid)
            found = own if found is None else [a + b for a, b in zip(found, own, strict=True)]
    return found


def bernoulli(x: Array) -> Array:
    """B(x) = x / (exp(x) - 1), with B(0) = 1."""
    x = np.asarray(x, dtype=float)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return np.where(np.abs(x) < 1e-10, 1.0 - 0.5 * x, x / np.expm1(x))


def fitted(conductance: Array, flow: Array) -> tuple[Array, Array]:
    """Return the two numbers on each face: up = g B(-p) and down = g B(p), p = flow / g.

    Their difference is the flow itself to round-off; where g is zero all that is left is upwind.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(conductance > 0.0, flow / conductance, 0.0)
    up, down = conductance * bernoulli(-p), conductance * bernoulli(p)
    barren = conductance == 0.0
    up = np.where(barren, np.maximum(flow, 0.0), up)
    return up, np.where(barren, np.maximum(-flow, 0.0), down)


def own_diffusivity(peclet: Array) -> Array:
    """What the fitted faces add to the diffusivity, in its own measure: p/2 coth(p/2) - 1."""
    half = 0.5 * np.maximum(np.abs(peclet), 1e-4)
    return np.where(np.abs(peclet) < 1e-4, 0.0, half / np.tanh(half) - 1.0)
