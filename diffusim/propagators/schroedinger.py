"""Schroedinger: a particle's wave, spreading through boxes, slits and potentials.

    i hbar dpsi/dt = -hbar^2 / (2 m) laplacian psi + V psi

is diffusion turned by i: with D = hbar / (2 m) and L = D laplacian - V / hbar it reads
dpsi/dt = i L psi. The same generator, on the same cells, is carried by the same methods; only where
diffusion decays, a wave turns. What is looked at is the probability density |psi|^2.

Walls and solid cells are hard: psi is zero on them. At the sides of the grid ``no-flux`` mirrors,
``periodic`` joins, ``{value: 0}`` is a hard wall.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from diffusim.block import Array, Integer, Invalid, Kilograms, Unsupported
from diffusim.generator import Faces, Generator, Rim
from diffusim.grid import Grid
from diffusim.medium import modes
from diffusim.medium.barriers import barred
from diffusim.medium.obstacles import Obstacles
from diffusim.medium.potential import HBAR, Absorbing, Potential, several
from diffusim.medium.walls import Walls
from diffusim.propagators import Limit, Propagator
from diffusim.symbol import Symbol

ELECTRON = 9.1093837139e-31
# Positions drawn in a frame.
MOST_SHOTS = 10**15
# Norm that is missing by more than round-off.
LOST = 1e-9


class Schroedinger(Propagator):
    """The wave of one particle.

    Parameters
    ----------
    mass : float
        In kg; that of an electron if not given.
    potential : list of mappings, optional
        ``{height: 0.2 eV, shape: "(x > 1e-8)*(x < 1.1e-8)"}``: an energy times a formula of the
        place; several add up.
    walls, obstacles : optional
        As for diffusion, but hard: psi is zero on them.
    absorbing : mapping, optional
        ``{width: 5e-9 m, sides: [right], strength: 1e15 1/s}``: a layer in which waves fade.
    time : {"real", "imaginary"}
        In imaginary time a wave diffuses, and what is left is the state of least energy.
    measure : int, optional
        How many positions are drawn in every frame by Born's rule.
    phase : bool
        Whether psi itself is stored beside |psi|^2.

    References
    ----------
    D. J. Griffiths, D. F. Schroeter, *Introduction to Quantum Mechanics*, 3rd ed., Cambridge 2018;
    absorbing layers: R. Kosloff, D. Kosloff, J. Comput. Phys. 63 (1986) 363-376.
    """

    always: ClassVar[frozenset[str]] = frozenset({"complex"})
    waves: ClassVar[bool] = True

    mass: Annotated[Kilograms, Field(gt=0)] = ELECTRON
    potential: Annotated[tuple[Potential, ...], BeforeValidator(several)] = ()
    walls: Walls = ()
    obstacles: Obstacles | None = None
    absorbing: Absorbing | None = None
    time: Literal["real", "imaginary"] = "real"
    measure: Annotated[Integer, Field(ge=1, le=MOST_SHOTS)] | None = None
    phase: bool = False

    @property
    def dispersion(self) -> float:
        """D = hbar / (2 m) in m^2/s, what a diffusivity is to salt."""
        return HBAR / (2.0 * self.mass)

    @property
    def turn(self) -> complex:
        """What the generator is turned by: i, or 1 in imaginary time."""
        return 1j if self.time == "real" else 1.0

    @property
    def beside(self) -> int:
        """Fields stored with every frame: counts of positions, and psi, twice as long."""
        return (self.measure is not None) + 2 * self.phase

    def traits(self, grid: Grid) -> dict[str, str]:
        """What makes this more than a wave in an empty box, each with its key."""
        found = {"complex": "propagator.kind"} if self.time == "real" else {}
        if self.walls:
            found["walls"] = "propagator.walls"
        if self.obstacles is not None:
            found["walls"] = "propagator.obstacles"
        if self.absorbing is not None:
            found["absorbing"] = "propagator.absorbing"
        if grid.radial:
            found["radial"] = "grid.geometry"
        return found

    def events(self, grid: Grid) -> tuple[float, ...]:
        """Times in s at which a wall is lifted or lowered."""
        times = sorted({t for wall in self.walls for t in wall.events() if t > 0.0})
        between = [0.5 * (a + b) for a, b in zip([0.0, *times], times, strict=False)]
        after = [*between[1:], 2.0 * times[-1]] if times else []
        return tuple(
            time for time, a, b in zip(times, between, after, strict=True)
            if not all(map(np.array_equal, *(barred(self.walls, None, grid, t) for t in (a, b))))
        )  # fmt: skip

    def check(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with any part of this on this grid."""
        if grid.in_time:
            able = ", ".join(self.kernels())
            yield Invalid(
                f"a series holds no wave: its axis is time. These carry it: {able}", "kind"
            )
            return
        for name, axis, side in grid.named_sides:
            zero = side.kind == "value" and not side.events() and not np.any(
                grid.outside(axis, side, 0.0))  # fmt: skip
            if side.kind not in ("no-flux", "periodic") and not zero:
                yield Invalid(
                    f"the side {name} (grid.edges.{name}) would be a source of waves; make it "
                    "no-flux (a mirror), periodic, or {value: 0}, a hard wall", "kind",
                )  # fmt: skip
        for number, wall in enumerate(self.walls):
            if wall.permeability:
                yield Invalid("a wave has no membranes; give a potential", "walls", number)
            for fault in wall.problems(grid):
                yield Invalid(fault.message, "walls", number, *fault.path)
        layers: list[tuple[Potential | Absorbing, tuple[str | int, ...]]] = [
            (part, ("potential", number)) for number, part in enumerate(self.potential)
        ]
        layers += [(self.absorbing, ("absorbing",))] if self.absorbing is not None else []
        for layer, path in layers:
            try:
                layer.in_cells(grid, self.dispersion)
            except Invalid as problem:
                yield Invalid(problem.message, *path, *problem.path)
        if self.time == "imaginary" and self.absorbing is not None:
            yield Invalid("in imaginary time nothing arrives that could be absorbed", "absorbing")
        if self.obstacles is not None:
            try:
                self.obstacles.solid(grid)
            except ValueError as problem:
                yield Invalid(str(problem), "obstacles")

    # --- from a start to a wave, and back to what is seen -----------------------------------------

    def prepare(self, u: Array, grid: Grid) -> Array:
        """Make a wave of a start, of norm one.

        A complex start is psi, a real one |psi|^2; but in imaginary time, where no phase is needed,
        it is psi.

        Raises
        ------
        Invalid
            When a density has values below zero, or nothing is left outside solid cells.
        """
        if self.time == "imaginary":
            if np.iscomplexobj(u):
                raise Invalid("in imaginary time a start has no phase; take a blob", "initial")
        elif not np.iscomplexobj(u):
            if np.min(u) < 0.0:
                raise Invalid("a probability density has no values below zero", "initial")
            u = np.sqrt(u).astype(complex)
        if self.obstacles is not None:
            u = np.where(self.obstacles.solid(grid), 0.0, u)
        norm = grid.total(np.abs(u) ** 2)
        if norm == 0.0:
            raise Invalid("the wave is zero everywhere", "initial")
        # A wave that has norm one keeps its bits.
        return u if abs(norm - 1.0) < 1e-14 else np.asarray(u / np.sqrt(norm))

    def observe(self, u: Array, _grid: Grid) -> Array:
        """The probability density |psi|^2."""
        return np.asarray(u.real**2 + u.imag**2)

    def tells(self, u: Array, segment: Any, key: tuple[int, int]) -> dict[str, Array]:
        """Energy <psi|H|psi> / <psi|psi> in J; positions drawn, and psi, where asked for."""
        generator: Generator = segment.view("generator")
        volume = np.broadcast_to(generator.volume, u.shape)
        content = self.observe(u, segment.grid) * volume
        left = float(np.sum(content))
        whole = float(np.sum((np.conj(u) * generator.linear(u)).real * volume))
        found = {"energy": np.array(-HBAR * whole / left if left else 0.0)}
        if self.measure is not None:
            # What has been absorbed is found nowhere; in imaginary time the norm means nothing.
            gone = max(0.0, 1.0 - left) if self.time == "real" else 0.0
            found["counts"] = _drawn(content, gone if gone > LOST else 0.0, self.measure, key)
        return {**found, "psi": u} if self.phase else found

    # --- views ------------------------------------------------------------------------------------

    def _levels(self, grid: Grid) -> Array:
        """V / hbar in 1/s, less i times the rate at which waves are absorbed."""
        shape = (1,) * len(grid.shape)
        levels: Array = np.zeros(shape)
        for part in self.potential:
            levels = levels + part.in_cells(grid, self.dispersion)
        if self.absorbing is not None:
            levels = levels - 1j * self.absorbing.in_cells(grid, self.dispersion)
        return levels

    def generator(self, grid: Grid, time: float) -> Generator:
        """L = D laplacian - V / hbar, turned by i; hard walls are a loss in the cells beside."""
        faces, rims, hard = [], list[Rim](), np.zeros((1,) * len(grid.shape))
        walls = barred(self.walls, self.obstacles, grid, time)
        for axis, n in enumerate(grid.shape):
            area = grid.along(axis, grid.area(axis))
            measure = grid.along(axis, grid.measure(axis))
            open_ = area * self.dispersion / grid.spacing[axis]
            shut = np.isinf(walls[axis])
            ends = grid.along(axis, np.isin(np.arange(n + 1), (0, n)) & (not grid.wrap[axis]))
            conductance = np.where(shut | ends, 0.0, open_)
            faces.append(Faces(conductance, conductance, measure))
            lost = np.where(shut & ~(ends | (n == 1)), 2.0 * open_, 0.0)
            low, high = (np.delete(lost, end, axis) for end in (-1, 0))
            hard = hard + (low + high) / measure
            for upper, side in enumerate(grid.edges[axis]):
                if side.kind == "value":
                    give = 2.0 * np.take(open_, [-1 if upper else 0], axis)
                    name = grid.named_sides[2 * axis + upper][0]
                    rims.append(Rim(name, axis, bool(upper), give, np.zeros_like(give)))
        if self.obstacles is not None:
            hard = np.where(self.obstacles.solid(grid), 0.0, hard)
        loss = hard + self._levels(grid)
        return Generator(grid.shape, faces, grid.wrap, rims, loss if np.any(loss) else None,
                         turn=self.turn)  # fmt: skip

    def symbol(self, grid: Grid, time: float, limit: Limit) -> Symbol:
        """Per axis a basis in which every mode turns by itself.

        Raises
        ------
        Unsupported
            When potential or walls do not add up along the axes, something absorbs, or the limit is
            that of particles.
        """
        generator = self.generator(grid, time)
        if not generator.separable or self.absorbing is not None:
            raise Unsupported("the medium differs along both axes (propagator.walls or "
                              "propagator.obstacles), so it has no symbol")  # fmt: skip
        try:
            return modes.symbol(grid, generator, limit)
        except modes.Uneven:
            raise Unsupported(
                f"limit {limit} needs an empty box, without walls, obstacles and potential; "
                "the method wave takes a potential in this limit"
            ) from None

    def split(self, grid: Grid, time: float, limit: Limit) -> tuple[Array, Symbol]:
        """V / hbar - i absorbed in each cell, and the symbol of the free wave.

        Raises
        ------
        Unsupported
            When there are walls or solid cells inside, which a free wave does not see.
        """
        if self.walls or self.obstacles is not None:
            raise Unsupported("a free wave sees no walls inside (propagator.walls or obstacles); "
                              "give a high potential instead")  # fmt: skip
        free = replace(self.generator(grid, time), loss=None)
        return self._levels(grid), modes.symbol(grid, free, limit)


def _drawn(content: Array, gone: float, shots: int, key: tuple[int, int]) -> Array:
    """Counts of positions drawn independently by what is in each cell, and what is in none."""
    from diffusim.loops import counts

    found = np.zeros(content.size + 1, dtype=np.int64)
    counts.throw(shots, np.append(content, gone), *key, found)
    return found[:-1].reshape(content.shape)
