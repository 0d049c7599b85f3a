"""Problems in plain numbers, from which oracle and package each make what they need."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.grid import Grid
from diffusim.propagators import Propagator

ALWAYS = (-math.inf, math.inf)
AXES = {"box": "xy", "cylindrical": "rz", "spherical": "r"}
SIDES = {"x": ("left", "right"), "y": ("bottom", "top"), "r": ("inner", "outer"),
         "z": ("bottom", "top")}  # fmt: skip


class Barrier(NamedTuple):
    """A wall on a face of an axis, beside cells ``span`` of the other, closed from when to when.

    With a permeability in m/s it is a membrane.
    """

    axis: int
    face: int
    span: tuple[int, int] | None = None
    closed: tuple[float, float] = ALWAYS
    permeability: float = 0.0


class Cage(NamedTuple):
    """Walls round every cell of a region, from which to which cell along each axis."""

    region: tuple[tuple[int, int], ...]
    closed: tuple[float, float] = ALWAYS
    permeability: float = 0.0


class Layered(NamedTuple):
    """Diffusivities between faces of one axis."""

    axis: int
    faces: tuple[int, ...]
    values: tuple[float, ...]


class Scheduled(NamedTuple):
    """Diffusivities in turn, each from its time on; the first time is zero."""

    times: tuple[float, ...]
    values: tuple[Any, ...]


Along = float | tuple[float, ...]


class Side(NamedTuple):
    """An open side: a value held on it, a flux into the grid, or a transfer to a value outside.

    Parameters
    ----------
    kind : {"value", "flux", "transfer"}
        What it does.
    table : tuple of (float, float or tuple of float)
        From which time on which number holds: one for the whole side, or one for each cell along
        it. Those that differ along a side are multiples of a power of two, so that a formula that
        says the same is exact.
    transfer : float
        Transfer coefficient in m/s.
    """

    kind: Literal["value", "flux", "transfer"]
    table: tuple[tuple[float, Along], ...]
    transfer: float = math.inf

    def at(self, time: float) -> Along:
        """Return what holds at a time."""
        return [number for start, number in self.table if start <= max(time, 0.0)][-1]

    def reversed(self) -> Side:
        """The same, told from the other end of the side."""
        table = tuple((start, number[::-1] if isinstance(number, tuple) else number)
                      for start, number in self.table)  # fmt: skip
        return self._replace(table=table)


@dataclass(frozen=True, eq=False)
class Problem:
    """A medium, a start and frame times in plain numbers.

    Parameters
    ----------
    diffusivity : float, tuple of float, Layered, array or Scheduled
        In m^2/s: one for all, one per axis, layers, one per cell, or any of these in turn.
    barriers : tuple of Barrier or Cage
        Walls and membranes, on face numbers.
    times : tuple of float
        Frame times in s.
    sides : mapping
        Open sides, by the number of their axis and 0 for its low end or 1 for its high one.
    solid : array of bool, optional
        Cells that are obstacles.
    decay, source : float or array, optional
        In 1/s, and in field units per s.
    stream : array, optional
        Stream function on the corners of the cells, in m^2/s.
    drift : tuple of float, optional
        A velocity that is the same everywhere, in m/s.
    stirred : tuple of float
        From when to when the water flows.
    geometry, inner
        Box, cylindrical or spherical, and the radius in m at which the latter two begin.
    """

    name: str
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    times: tuple[float, ...]
    periodic: tuple[bool, ...] = (False, False)
    diffusivity: Any = 1.5e-9
    barriers: tuple[Barrier | Cage, ...] = ()
    sides: Mapping[tuple[int, int], Side] = field(default_factory=dict)
    solid: Array | None = None
    decay: float | Array | None = None
    source: float | Array | None = None
    stream: Array | None = None
    drift: tuple[float, ...] | None = None
    stirred: tuple[float, float] = ALWAYS
    geometry: Literal["box", "cylindrical", "spherical"] = "box"
    inner: float = 0.0

    # --- the package's objects --------------------------------------------------------------------

    @property
    def axes(self) -> str:
        """Names of the axes, a letter each."""
        return AXES[self.geometry][: len(self.shape)]

    @property
    def grid(self) -> Grid:
        """The package's grid."""
        size = tuple(n * h for n, h in zip(self.shape, self.spacing, strict=True))
        edges: dict[str, Any] = {}
        for axis, name in enumerate(self.axes):
            if self.periodic[axis]:
                edges[name] = "periodic"
            for end, side in enumerate(SIDES[name]):
                if (axis, end) in self.sides:
                    edges[side] = self._edge(axis, self.sides[axis, end])
        return Grid(shape=self.shape, size=size, edges=edges, geometry=self.geometry,  # type: ignore[arg-type]
                    inner=self.inner)  # fmt: skip

    def _edge(self, axis: int, side: Side) -> dict[str, Any]:
        table = [[start, self._formula(axis, number)] for start, number in side.table]
        written: Any = table if len(table) > 1 else table[0][1]
        if side.kind == "transfer":
            return {"transfer": side.transfer, "value": written}
        return {side.kind: written}

    def _formula(self, axis: int, numbers: Along) -> float | str:
        """One number for each cell along a side, as a formula of the place: a sum of steps."""
        if not isinstance(numbers, tuple):
            return numbers
        other = 1 - axis
        steps = [f"({after - before!r})*({self.axes[other]} > {self._place(other, face)!r})"
                 for face, (before, after) in enumerate(zip(numbers, numbers[1:], strict=False), 1)
                 if after != before]  # fmt: skip
        return " + ".join([f"{numbers[0]!r}", *steps])

    def _place(self, axis: int, face: int) -> float:
        return face * self.spacing[axis] + (self.inner if axis == 0 else 0.0)

    def propagator(self, folder: Path) -> Propagator:
        """The package's diffusion in this medium; arrays go through files in a folder."""
        written: dict[str, Any] = {"diffusivity": self._written(self.diffusivity, folder, 0)}
        written["walls"] = [self._wall(barrier) for barrier in self.barriers]
        if self.solid is not None:
            path = _saved(folder, "solid", self.solid.astype(float))["path"]
            written["obstacles"] = {"kind": "array", "path": path}
        for name, rate in (("decay", self.decay), ("source", self.source)):
            if rate is not None:
                written[name] = _saved(folder, name, rate) if np.ndim(rate) else rate
        since, until = self.stirred
        window = {} if math.isinf(since) else {"starts": since}
        window |= {} if math.isinf(until) else {"stops": until}
        flow: list[dict[str, Any]] = []
        if self.stream is not None:
            flow.append({**_saved(folder, "stream", self.stream), **window})
        if self.drift is not None:
            flow.append({"kind": "uniform", "velocity": list(self.drift), **window})
        return Propagator.find("diffusion").model_validate({**written, "flow": flow})

    def _written(self, given: Any, folder: Path, number: int) -> Any:
        if isinstance(given, Scheduled):
            values = [self._written(v, folder, k) for k, v in enumerate(given.values)]
            return {"kind": "schedule", "at": list(given.times), "values": values}
        if isinstance(given, Layered):
            places = [self._place(given.axis, face) for face in given.faces]
            return {"kind": "layers", "axis": self.axes[given.axis], "at": places,
                    "values": list(given.values)}  # fmt: skip
        if isinstance(given, tuple):
            return dict(zip(self.axes, given, strict=True))
        return _saved(folder, f"map{number}", given) if isinstance(given, np.ndarray) else given

    def _wall(self, barrier: Barrier | Cage) -> dict[str, Any]:
        since, until = barrier.closed
        wall: dict[str, Any] = {} if math.isinf(until) else {"opens": until}
        wall |= {} if math.isinf(since) else {"closes": since}
        wall |= {"permeability": barrier.permeability} if barrier.permeability else {}
        if isinstance(barrier, Cage):
            region = {self.axes[k]: [self._place(k, place) for place in ends]
                      for k, ends in enumerate(barrier.region)}  # fmt: skip
            return {**wall, "every": "cell", "region": region}
        if barrier.span is not None:
            wall["span"] = [self._place(1 - barrier.axis, place) for place in barrier.span]
        return {**wall, "axis": self.axes[barrier.axis],
                "at": self._place(barrier.axis, barrier.face)}  # fmt: skip

    # --- starts -----------------------------------------------------------------------------------

    def field(self, seed: int = 1) -> Array:
        """A rough start, cell by cell at random, some cells empty."""
        u = np.random.default_rng(seed).random(self.shape) + 0.2
        u.ravel()[2::5] = 0.0
        return u

    def smooth(self, finer: int = 1) -> Array:
        """A smooth start sampled at cell centres, also on a finer grid."""
        u = np.ones((1,) * len(self.shape))
        for axis, n in enumerate(self.shape):
            x = (np.arange(n * finer) + 0.5) / (n * finer)
            turn = 2.0 * np.pi if self.periodic[axis] else np.pi
            wave = 1.0 + 0.4 * np.cos(turn * x) + 0.3 * np.cos(2.0 * turn * x)
            wave += 0.2 * np.sin(turn * x) if self.periodic[axis] else 0.0
            along = [-1 if k == axis else 1 for k in range(u.ndim)]
            u = u * (wave if n > 1 else np.ones(finer)).reshape(along)
        return u

    def wet(self, u: Array) -> Array:
        """The start without what stands in solid cells."""
        return u if self.solid is None else np.where(self.solid, 0.0, u)

    # --- what is known of it ----------------------------------------------------------------------

    @property
    def events(self) -> list[float]:
        """When the medium changes."""
        times = [time for barrier in self.barriers for time in barrier.closed]
        times += [start for side in self.sides.values() for start, _ in side.table[1:]]
        if self.flows:
            times += self.stirred
        if isinstance(self.diffusivity, Scheduled):
            times += self.diffusivity.times[1:]
        return [time for time in times if math.isfinite(time)]

    @property
    def flows(self) -> bool:
        """Whether the water moves at any time."""
        return self.stream is not None or self.drift is not None

    def flowing(self, time: float) -> bool:
        """Whether the water moves at a time."""
        return self.flows and self.stirred[0] <= time < self.stirred[1]

    @property
    def affine(self) -> bool:
        """Whether something comes in that does not depend on what is inside."""
        taken = any(np.any(number) for side in self.sides.values() for _, number in side.table)
        return taken or self.source is not None

    @property
    def accounts(self) -> tuple[str, ...]:
        """Names of what a ledger counts: the open sides in order, then decay and source."""
        names = [SIDES[name][end] for axis, name in enumerate(self.axes) for end in (0, 1)
                 if (axis, end) in self.sides]  # fmt: skip
        names += [] if self.decay is None else ["decay"]
        return (*names, *([] if self.source is None else ["source"]))

    @property
    def gives(self) -> bool:
        """Whether all that comes in is at or above zero, so that no field has to fall below it."""
        given = [number for side in self.sides.values() for _, number in side.table]
        given += [] if self.source is None else [self.source]  # type: ignore[list-item]
        return all(np.min(number) >= 0.0 for number in given)

    @property
    def uneven(self) -> bool:
        """Whether the diffusivity differs from cell to cell."""
        given = self.diffusivity
        several = given.values if isinstance(given, Scheduled) else (given,)
        return any(isinstance(value, Layered | np.ndarray) for value in several)

    def cells(self, axis: int, time: float = 0.0) -> Array:
        """Diffusivity of every cell for flow along an axis."""
        return self._cells(self.diffusivity, axis, time)

    def _cells(self, given: Any, axis: int, time: float = 0.0) -> Array:
        if isinstance(given, Scheduled):
            latest = sum(start <= max(time, 0.0) for start in given.times) - 1
            given = given.values[latest]
        if isinstance(given, Layered):
            layer = np.zeros(self.shape[given.axis], dtype=int)
            for face in given.faces:
                layer[face:] += 1
            along = [-1 if k == given.axis else 1 for k in range(len(self.shape))]
            given = np.array(given.values)[layer].reshape(along)
        own = given[axis] if isinstance(given, tuple) else given
        return np.array(np.broadcast_to(own, self.shape), dtype=float)

    # --- flipped and transposed -------------------------------------------------------------------

    @property
    def mirrors(self) -> list[int]:
        """The axes that can be turned round: all but a radius."""
        return [axis for axis, name in enumerate(self.axes) if name != "r"]

    @property
    def transposes(self) -> bool:
        """Whether its two axes can be exchanged."""
        return self.axes == "xy"

    def flipped(self, axis: int) -> Problem:
        """The same problem with one axis turned round."""
        n = self.shape[axis]
        turned: list[Barrier | Cage] = []
        for barrier in self.barriers:
            if isinstance(barrier, Cage):
                region = tuple((n - b, n - a) if k == axis else (a, b)
                               for k, (a, b) in enumerate(barrier.region))  # fmt: skip
                turned.append(barrier._replace(region=region))
            elif barrier.axis == axis:
                turned.append(barrier._replace(face=n - barrier.face))
            else:
                span = barrier.span and (n - barrier.span[1], n - barrier.span[0])
                turned.append(barrier._replace(span=span))
        sides = {(k, 1 - end if k == axis else end): side if k == axis else side.reversed()
                 for (k, end), side in self.sides.items()}  # fmt: skip
        drift = self.drift and tuple(-v if k == axis else v for k, v in enumerate(self.drift))
        return replace(self._turned(lambda cells: np.flip(cells, axis)), barriers=tuple(turned),
                       sides=sides, drift=drift)  # fmt: skip

    def transposed(self) -> Problem:
        """The same problem with its two axes exchanged."""
        turned = tuple(b._replace(region=b.region[::-1]) if isinstance(b, Cage)
                       else b._replace(axis=1 - b.axis) for b in self.barriers)  # fmt: skip
        sides = {(1 - axis, end): side for (axis, end), side in self.sides.items()}
        return replace(self._turned(np.transpose), shape=self.shape[::-1],
                       spacing=self.spacing[::-1], periodic=self.periodic[::-1], barriers=turned,
                       sides=sides, drift=self.drift and self.drift[::-1])  # fmt: skip

    def _turned(self, turn: Callable[[Array], Array]) -> Problem:
        """All that is an array turned; a stream function changes its sign as well."""

        def cells(given: Any) -> Any:
            return np.ascontiguousarray(turn(given)) if isinstance(given, np.ndarray) else given

        def diffusivity(given: Any) -> Any:
            if isinstance(given, Scheduled):
                return given._replace(values=tuple(map(diffusivity, given.values)))
            if isinstance(given, Layered):
                return cells(self._cells(given, 0))
            if isinstance(given, tuple) and turn is np.transpose:
                return given[::-1]
            return cells(given)

        return replace(
            self,
            diffusivity=diffusivity(self.diffusivity),
            solid=cells(self.solid),
            decay=cells(self.decay),
            source=cells(self.source),
            stream=None if self.stream is None else -cells(self.stream),
        )


def _saved(folder: Path, name: str, values: Any) -> dict[str, Any]:
    path = folder / f"{name}.npy"
    np.save(path, values)
    return {"kind": "map", "path": path}
