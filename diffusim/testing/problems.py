"""Problems in plain numbers, from which oracle and package each make what they need."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.grid import Grid
from diffusim.propagators import Propagator

ALWAYS = (-math.inf, math.inf)


class Barrier(NamedTuple):
    """A wall on a face of an axis, beside cells ``span`` of the other, closed from when to when."""

    axis: int
    face: int
    span: tuple[int, int] | None = None
    closed: tuple[float, float] = ALWAYS


class Cage(NamedTuple):
    """Walls round every cell of a region, from which to which cell along each axis."""

    region: tuple[tuple[int, int], ...]
    closed: tuple[float, float] = ALWAYS


class Layered(NamedTuple):
    """Diffusivities between faces of one axis."""

    axis: int
    faces: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Problem:
    """A medium, a start and frame times in plain numbers.

    Parameters
    ----------
    diffusivity : float, tuple of float, Layered or array
        In m^2/s: one for all, one per axis, layers, or one per cell.
    barriers : tuple of Barrier or Cage
        Walls, on face numbers.
    times : tuple of float
        Frame times in s.
    """

    name: str
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    times: tuple[float, ...]
    periodic: tuple[bool, ...] = (False, False)
    diffusivity: Any = 1.5e-9
    barriers: tuple[Barrier | Cage, ...] = ()

    @property
    def grid(self) -> Grid:
        """The package's grid."""
        size = tuple(n * h for n, h in zip(self.shape, self.spacing, strict=True))
        names = Grid.names[: len(size)]
        edges = {name: "periodic" for name, wrap in zip(names, self.periodic, strict=False) if wrap}
        return Grid(shape=self.shape, size=size, edges=edges)  # type: ignore[arg-type]

    def propagator(self, folder: Path) -> Propagator:
        """The package's diffusion in this medium; a map of diffusivities goes through a file."""
        written: Any = self.diffusivity
        if isinstance(written, Layered):
            places = [face * self.spacing[written.axis] for face in written.faces]
            written = {"kind": "layers", "axis": "xy"[written.axis], "at": places,
                       "values": list(written.values)}  # fmt: skip
        elif isinstance(written, tuple):
            written = dict(zip("xy", written, strict=True))
        elif isinstance(written, np.ndarray):
            np.save(folder / "map.npy", written)
            written = {"kind": "map", "path": folder / "map.npy"}
        walls = [self._wall(barrier) for barrier in self.barriers]
        return Propagator.find("diffusion").model_validate({"diffusivity": written, "walls": walls})

    def _wall(self, barrier: Barrier | Cage) -> dict[str, Any]:
        since, until = barrier.closed
        wall: dict[str, Any] = {} if math.isinf(until) else {"opens": until}
        wall |= {} if math.isinf(since) else {"closes": since}
        if isinstance(barrier, Cage):
            region = {"xy"[k]: [place * self.spacing[k] for place in ends]
                      for k, ends in enumerate(barrier.region)}  # fmt: skip
            return {**wall, "every": "cell", "region": region}
        if barrier.span is not None:
            wall["span"] = [place * self.spacing[1 - barrier.axis] for place in barrier.span]
        return {**wall, "axis": "xy"[barrier.axis], "at": barrier.face * self.spacing[barrier.axis]}

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

    @property
    def events(self) -> list[float]:
        """When a wall is lifted or lowered."""
        return [time for barrier in self.barriers for time in barrier.closed if math.isfinite(time)]

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
        turn = self._turned(lambda cells: np.flip(cells, axis))
        return replace(self, barriers=tuple(turned), diffusivity=turn)

    def transposed(self) -> Problem:
        """The same problem with its two axes exchanged."""
        turned = tuple(b._replace(region=b.region[::-1]) if isinstance(b, Cage)
                       else b._replace(axis=1 - b.axis) for b in self.barriers)  # fmt: skip
        return replace(self, shape=self.shape[::-1], spacing=self.spacing[::-1],
                       periodic=self.periodic[::-1], barriers=turned,
                       diffusivity=self._turned(np.transpose))  # fmt: skip

    def _turned(self, turn: Callable[[Array], Array]) -> Any:
        if self.uneven:
            return np.ascontiguousarray(turn(self.cells(0)))
        if isinstance(self.diffusivity, tuple) and turn is np.transpose:
            return self.diffusivity[::-1]
        return self.diffusivity

    @property
    def uneven(self) -> bool:
        """Whether the diffusivity differs from cell to cell."""
        return isinstance(self.diffusivity, Layered | np.ndarray)

    def cells(self, axis: int) -> Array:
        """Diffusivity of every cell for flow along an axis."""
        given = self.diffusivity
        if isinstance(given, Layered):
            layer = np.zeros(self.shape[given.axis], dtype=int)
            for face in given.faces:
                layer[face:] += 1
            along = [-1 if k == given.axis else 1 for k in range(len(self.shape))]
            given = np.array(given.values)[layer].reshape(along)
        own = given[axis] if isinstance(given, tuple) else given
        return np.array(np.broadcast_to(own, self.shape), dtype=float)


def problems() -> list[Problem]:
    """Return the media, shapes and events that a method is tried on; walls move at 300 s."""
    h, w = (1e-3, 1e-3), (1e-3, 1.4e-3)
    times = (0.0, 180.0, 180.6, 600.0)
    lifted, lowered = (-math.inf, 300.0), (300.0, math.inf)
    uneven = 1.5e-9 * (0.2 + np.random.default_rng(5).random((6, 5)))
    uneven[2, 1:3] = 0.0
    return [
        Problem("even", (8, 6), h, times),
        Problem("cells that are not square, prime numbers of them", (7, 5), w, times),
        Problem("a wall across", (7, 5), w, times, barriers=(Barrier(0, 3),)),
        Problem("walls across both axes", (6, 5), w, times,
                barriers=(Barrier(0, 2), Barrier(1, 4))),
        Problem("a wall with a gap", (6, 5), w, times, barriers=(Barrier(1, 2, (1, 4)),)),
        Problem("a wall lifted half-way", (7, 5), w, times,
                barriers=(Barrier(0, 3, None, lifted),)),
        Problem("a wall lowered half-way", (6, 5), w, times,
                barriers=(Barrier(1, 3, None, lowered),)),
        Problem("a gap opened half-way", (6, 4), w, times,
                barriers=(Barrier(0, 3, (0, 1)), Barrier(0, 3, (1, 4), lifted))),
        Problem("every cell walled", (5, 4), w, times, barriers=(Cage(((0, 5), (0, 4))),)),
        Problem("every cell walled until half-way", (5, 4), w, times,
                barriers=(Cage(((0, 5), (0, 4)), lifted),)),
        Problem("cells of a region walled until half-way", (6, 5), w, times,
                barriers=(Cage(((1, 4), (2, 5)), lifted),)),
        Problem("uneven, with obstacles", (6, 5), w, times, diffusivity=uneven),
        Problem("layers", (6, 5), w, times, diffusivity=Layered(1, (2, 3), (2e-9, 5e-10, 1e-9))),
        Problem("layers in one dimension", (9,), (1e-3,), times, (False,),
                Layered(0, (4,), (2e-9, 3e-10))),
        Problem("uneven rings", (6, 5), w, times, (True, True), diffusivity=uneven),
        Problem("two layers closed to a ring", (2,), (1e-3,), times, (True,),
                Layered(0, (1,), (2e-9, 3e-10))),
        Problem("periodic along x", (7, 5), w, times, (True, False)),
        Problem("periodic along both", (5, 6), w, times, (True, True)),
        Problem("a ring cut by a wall", (7, 4), w, times, (True, False), barriers=(Barrier(0, 2),)),
        Problem("a ring walled at its seam until half-way", (5, 6), w, times, (True, True),
                barriers=(Barrier(1, 6, None, lifted),)),
        Problem("a ring walled at part of its seam", (6, 4), w, times, (True, False),
                barriers=(Barrier(0, 0, (1, 3)),)),
        Problem("one dimension", (5,), (1e-3,), times, (False,)),
        Problem("a ring in one dimension", (5,), (1e-3,), times, (True,)),
        Problem("one cell wide", (1, 6), w, times),
        Problem("one cell high, periodic along both", (6, 1), w, times, (True, True)),
        Problem("a ring of two cells", (2, 3), w, times, (True, False)),
        Problem("a single cell", (1, 1), w, times, (True, False)),
        Problem("a diffusivity for each axis", (6, 5), w, times, diffusivity=(2e-9, 7e-10)),
        Problem("nothing moves along y", (6, 5), w, times, diffusivity=(2e-9, 0.0)),
        Problem("nothing moves", (4, 3), w, times, diffusivity=0.0),
        Problem("frames that miss zero and meet an event", (6, 5), w,
                (110.7, 400.0 / 3.0, 300.0, 611.3),
                barriers=(Barrier(0, 3, None, lifted),)),
    ]  # fmt: skip
