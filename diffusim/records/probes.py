"""Probes: what is recorded at finer times than frames. One block per kind.

A probe looks at the observed field, u[x, y], in the medium of a segment. What crosses sides and
planes is worked out from that field and the generator of that stretch of time, so it is the flow
that the medium lets through at this very moment; of particles too it is what the law expects of
where they are, not a count of those that crossed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field

from diffusim.block import Array, Block, Invalid, by_kind, listed, with_kind
from diffusim.generator import Generator
from diffusim.grid import Along, Grid
from diffusim.medium.faces import face_of
from diffusim.propagator import Propagator
from diffusim.segment import Segment

Axis = Literal["x", "y", "r", "z", "t"]
Place = Annotated[tuple[Along, ...], Field(min_length=1, max_length=2), listed]

# A place nearer than this to a face, in cells, is on that face.
ON_FACE = 1e-9


class Looking(Block):
    """What all kinds of probes share; ``kind`` tells them apart."""

    model_config = ConfigDict(json_schema_extra=with_kind)

    kind: str

    def problems(self, _grid: Grid, _propagator: Propagator) -> Iterator[Invalid]:
        """Yield what is wrong with it on this grid."""
        return iter(())

    def axes(self, _grid: Grid) -> str:
        """Names of the axes of what it sees, none of a single number."""
        return ""

    def unit(self, field: str, _grid: Grid) -> str:
        """Unit of what it sees, from that of the field."""
        return field

    def words(self, _grid: Grid) -> str:
        """Say what it looks at on this grid."""
        raise NotImplementedError

    def value(self, u: Array, segment: Segment) -> Array:
        """What it sees of a field in the medium of a segment, a number or one for each cell."""
        raise NotImplementedError


class Point(Looking):
    """The cell that holds a point; a point on a face is in the cell above it.

    Parameters
    ----------
    at : tuple of float
        Its place in m, of a series in s, one number for each axis.
    """

    kind: Literal["point"] = "point"
    at: Place

    def problems(self, grid: Grid, _propagator: Propagator) -> Iterator[Invalid]:
        """Yield a place of too few numbers or outside the grid."""
        if len(self.at) != len(grid.shape):
            yield Invalid(f"expected one number for each axis of the grid ({_each(grid)}), "
                          f"found {len(self.at)}", "at")  # fmt: skip
            return
        for axis, place in enumerate(self.at):
            yield from _outside(grid, axis, place, "at", axis)

    def words(self, grid: Grid) -> str:
        """Say which cell it is."""
        cells = self._cell(grid)
        places = [f"{grid.names[k]} = {grid.centres(k)[cells[k]]:.6g} {grid.unit}"
                  for k in grid.axes]  # fmt: skip
        return f"the cell at {', '.join(places)}"

    def value(self, u: Array, segment: Segment) -> Array:
        """The mean value of the cell."""
        return np.asarray(u[self._cell(segment.grid)])

    def _cell(self, grid: Grid) -> tuple[int, ...]:
        return tuple(_cell(grid, axis, place) for axis, place in enumerate(self.at))


class Line(Looking):
    """A row of cells along an axis; on a grid of one axis the whole field.

    Parameters
    ----------
    axis : {"x", "y", "r", "z"}
        The axis along which it runs.
    at : float, optional
        Its place on the other axis in m.
    """

    kind: Literal["line"] = "line"
    axis: Axis
    at: Along | None = None

    def problems(self, grid: Grid, _propagator: Propagator) -> Iterator[Invalid]:
        """Yield an axis that the grid does not have, and a place that is missing or outside."""
        if (fault := _no_axis(grid, self.axis)) is not None:
            yield fault
            return
        others = [axis for axis in grid.axes if grid.names[axis] != self.axis]
        if others and self.at is None:
            yield Invalid(f"a line along {self.axis} lies at some {grid.names[others[0]]}; give "
                          "'at'")  # fmt: skip
        elif self.at is not None and not others:
            yield Invalid("a grid of one axis has one line; leave 'at' out", "at")
        elif self.at is not None:
            yield from _outside(grid, others[0], self.at, "at")

    def axes(self, _grid: Grid) -> str:
        """The axis along which it runs."""
        return self.axis

    def words(self, grid: Grid) -> str:
        """Say which row it is."""
        if len(grid.shape) == 1:
            return f"the cells along {self.axis}"
        other = 1 - grid.axis(self.axis)
        place = grid.centres(other)[_cell(grid, other, self.at or 0.0)]
        return f"the cells along {self.axis} at {grid.names[other]} = {place:.6g} m"

    def value(self, u: Array, segment: Segment) -> Array:
        """The mean values of the cells."""
        grid = segment.grid
        if u.ndim == 1:
            return u
        other = 1 - grid.axis(self.axis)
        return np.asarray(np.take(u, _cell(grid, other, self.at or 0.0), other))


class Total(Looking):
    """The integral of the field over the grid."""

    kind: Literal["total"] = "total"

    def unit(self, field: str, grid: Grid) -> str:
        """Field units times volume."""
        return _content(field, grid)

    def words(self, _grid: Grid) -> str:
        """Say what it is."""
        return "the integral over the grid"

    def value(self, u: Array, segment: Segment) -> Array:
        """The sum over cells of value times volume."""
        return np.asarray(segment.grid.total(u))


class Crossing(Looking):
    """What the probes share that look at what flows."""

    kind: str

    def problems(self, _grid: Grid, propagator: Propagator) -> Iterator[Invalid]:
        """Yield a propagator of which no flow can be told."""
        if not hasattr(propagator, "generator"):
            yield Invalid(
                f"{propagator.called} has no generator, so nothing is known of what flows amid it; "
                "record a point, a line or the total", "kind",
            )  # fmt: skip
        elif propagator.waves:
            yield Invalid(
                "what is recorded of a wave is its density, which does not tell what flows; record "
                "a point, a line or the total", "kind",
            )  # fmt: skip

    def unit(self, field: str, grid: Grid) -> str:
        """Field units times volume per second."""
        return f"{_content(field, grid)}/s"


class Side(Crossing):
    """What comes in through a side, negative where it leaves; zero where the side is closed.

    Parameters
    ----------
    side : str
        Its name: left, right, bottom, top, inner or outer.
    """

    kind: Literal["side"] = "side"
    side: str

    def problems(self, grid: Grid, propagator: Propagator) -> Iterator[Invalid]:
        """Yield a side that the grid does not have."""
        yield from super().problems(grid, propagator)
        found = [(axis, edge) for name, axis, edge in grid.named_sides if name == self.side]
        if not found:
            sides = [name for name, _, edge in grid.named_sides if edge.kind != "periodic"]
            known = f"this grid has {', '.join(sides)}" if sides else "this grid has none"
            yield Invalid(f"there is no side '{self.side}'; {known}", "side")
        elif found[0][1].kind == "periodic":
            name = grid.names[found[0][0]]
            yield Invalid(
                f"the axis {name} is joined to itself, so there is no side '{self.side}'; record a "
                f"plane, {{kind: plane, axis: {name}, at: 0 m}}", "side",
            )  # fmt: skip

    def words(self, _grid: Grid) -> str:
        """Say which side it is."""
        return f"what comes in through the side {self.side}"

    def value(self, u: Array, segment: Segment) -> Array:
        """Take less give u, summed over the side, in field units times volume per s."""
        return np.asarray(_through_side(segment.view("generator"), self.side, u))


class Plane(Crossing):
    """What flows across the nearest plane of faces, in the direction of the axis.

    Parameters
    ----------
    axis : {"x", "y", "r", "z"}
        The axis it stands across.
    at : float
        Its place on that axis in m.
    """

    kind: Literal["plane"] = "plane"
    axis: Axis
    at: Along

    def problems(self, grid: Grid, propagator: Propagator) -> Iterator[Invalid]:
        """Yield an axis that the grid does not have, and a place outside."""
        yield from super().problems(grid, propagator)
        if (fault := _no_axis(grid, self.axis)) is not None:
            yield fault
        else:
            yield from _outside(grid, grid.axis(self.axis), self.at, "at")

    def words(self, grid: Grid) -> str:
        """Say which plane it is."""
        place = grid.faces(grid.axis(self.axis))[self._face(grid)]
        return f"the flow across {self.axis} = {place:.6g} m"

    def value(self, u: Array, segment: Segment) -> Array:
        """Sum over the faces of up u_below - down u_above, in field units times volume per s."""
        grid, generator = segment.grid, segment.view("generator")
        axis, face = grid.axis(self.axis), self._face(grid)
        n = grid.shape[axis]
        if face in (0, n) and not grid.wrap[axis]:
            name = next(name for name, k, _ in grid.named_sides[bool(face) :] if k == axis)
            inward = _through_side(generator, name, u)
            return np.asarray(-inward if face else inward)
        return np.asarray(_through_plane(generator, axis, face, u))

    def _face(self, grid: Grid) -> int:
        return face_of(grid, grid.axis(self.axis), self.at)


def _through_side(generator: Generator, name: str, u: Array) -> float:
    """What comes in through a side: its entry of the ledger, as for one second of this field."""
    rim = next((rim for rim in generator.rims if rim.name == name), None)
    return 0.0 if rim is None else generator.through(rim, u, 1.0)


def _through_plane(generator: Generator, axis: int, face: int, u: Array) -> float:
    n = u.shape[axis]
    up, down, measure = generator.faces[axis]
    below = np.take(u, [(face - 1) % n], axis)
    above = np.take(u, [face % n], axis)
    flux = np.take(up, [face], axis) * below - np.take(down, [face], axis) * above
    across = np.take(generator.volume / measure, [face % n], axis)
    return float(np.sum(flux * across))


# --- places on a grid ---------------------------------------------------------------------------


def _cell(grid: Grid, axis: int, place: float) -> int:
    """The cell that holds a place; on a face the one above it, but for the last face."""
    cells = (place - grid.origin(axis)) / grid.spacing[axis]
    whole = round(cells)
    number = whole if abs(cells - whole) < ON_FACE else int(np.floor(cells))
    return min(number, grid.shape[axis] - 1)


def _outside(grid: Grid, axis: int, place: float, *path: str | int) -> Iterator[Invalid]:
    low, high = grid.faces(axis)[[0, -1]]
    slack = ON_FACE * grid.spacing[axis]
    if not low - slack <= place <= high + slack:
        yield Invalid(
            f"{grid.names[axis]} = {place:.6g} {grid.unit} is outside the grid, which reaches from "
            f"{low:.6g} {grid.unit} to {high:.6g} {grid.unit}", *path,
        )  # fmt: skip


def _no_axis(grid: Grid, name: str) -> Invalid | None:
    try:
        grid.axis(name)
    except ValueError as problem:
        return Invalid(str(problem), "axis")
    return None


def _each(grid: Grid) -> str:
    return ", ".join(grid.names)


def _content(field: str, grid: Grid) -> str:
    """Unit of a field times volume; of a grid without one of the three axes per metre of it."""
    power = {"spherical": 3, "cylindrical": len(grid.shape) + 1}.get(grid.geometry, len(grid.shape))
    volume = grid.unit if power == 1 else f"m^{power}"
    return volume if field.strip() in ("", "1") else f"{field} {volume}"


# --- any of them --------------------------------------------------------------------------------

_ANY = Point | Line | Side | Plane | Total

Probe = Annotated[_ANY, by_kind(_ANY)]
