"""Diffusion: salt spreading through water, with walls, obstacles, flow, decay and sources.

du/dt = div(D grad u - v u) - decay u + source. On the grid the conductance of a face is that of
resistances in series, half a cell on each side and a membrane between, so the two-slab steady state
is exact; a wall's resistance is infinite. A flow makes the two numbers of a face differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from diffusim.block import Array, Invalid, Unsupported
from diffusim.generator import Faces, Generator, Rim
from diffusim.grid import Grid
from diffusim.medium import diffusivity as diffusivities
from diffusim.medium import modes
from diffusim.medium.barriers import barred
from diffusim.medium.diffusivity import Diffusivity
from diffusim.medium.modes import Medium
from diffusim.medium.obstacles import DecayInCells, InCells, Obstacles, in_cells
from diffusim.medium.sides import through_side
from diffusim.medium.stirring import Flow, fitted, flows, own_diffusivity
from diffusim.medium.walls import Walls, resistances
from diffusim.propagators import Limit, Propagator
from diffusim.symbol import Symbol

# Flow through a closed face, as a part of the largest, beyond which it is refused.
LEAK = 1e-9


class Diffusion(Propagator):
    """Diffusion of a dissolved substance, at rest or carried by a flow.

    Parameters
    ----------
    diffusivity : float, mapping or array
        D in m^2/s: one number, ``{x:, y:}``, ``{kind: layers, axis:, at:, values:}``, ``{kind: map,
        path:}``, ``{kind: image, path:, values:}``, ``{kind: random, median:, contrast:,
        length:, seed:}``, ``{kind: schedule, at:, values:}`` of any of these, or, from Python, an
        array of the grid's shape.
    walls : list of walls, optional
        ``{axis:, at:, span:}``, ``{every: cell, region:}``, ``{box:}``, ``{line:}`` or ``{random:,
        lengths:, seed:}``, each with ``opens:``, ``closes:`` and ``permeability:``.
    obstacles : mapping or array, optional
        Solid cells: ``{kind: array | image | formula | boxes | random, ...}``.
    flow : mapping or list of mappings, optional
        ``{kind: vortex | shear | channel | double-gyre | uniform | map, ...}`` with ``starts:`` and
        ``stops:``.
    decay : float, formula, map or array, optional
        Rate of decay in 1/s.
    source : float, formula, map or array, optional
        What comes up in the cells, in the field's unit per s.

    References
    ----------
    J. Crank, *The Mathematics of Diffusion*, 2nd ed., Oxford 1975; S. Patankar, *Numerical Heat
    Transfer and Fluid Flow*, 1980, section 4.2-3 (conductances in series).
    """

    diffusivity: Diffusivity
    walls: Walls = ()
    obstacles: Obstacles | None = None
    flow: Flow = ()
    decay: DecayInCells | None = None
    source: InCells | None = None

    def traits(self, grid: Grid) -> dict[str, str]:
        """What makes this medium more than even water in a closed box, each with its key."""
        found = {}
        if self.walls:
            found["walls"] = "propagator.walls"
        if self.obstacles is not None:
            found["walls"] = "propagator.obstacles"
        if diffusivities.uneven(self.diffusivity):
            found["uneven"] = "propagator.diffusivity"
        if self.flow:
            found["flow"] = "propagator.flow"
        if self.decay is not None:
            found["open"] = "propagator.decay"
        if self.source is not None:
            found["affine"] = "propagator.source"
        for name, _, side in grid.named_sides:
            if side.open:
                found["open"] = f"grid.edges.{name}"
            if side.kind == "flux" or (side.open and any(v != 0.0 for _, v in side.table)):
                found["affine"] = f"grid.edges.{name}"
        if grid.radial:
            found["radial"] = "grid.geometry"
        return found

    def accounts(self, grid: Grid) -> tuple[str, ...]:
        """Names of what the ledger of this medium counts; none where it is closed."""
        sides = [name for name, _, side in grid.named_sides
                 if side.kind not in ("no-flux", "periodic")]  # fmt: skip
        decay = ["decay"] * (self.decay is not None)
        return (*sides, *decay, *["source"] * (self.source is not None))

    # --- in the course of time ------------------------------------------------------------------

    def events(self, grid: Grid) -> tuple[float, ...]:
        """Times in s at which the medium really changes.

        A wall on the rim of a closed box, or one that stands in another, changes nothing.
        """
        times = {t for wall in self.walls for t in wall.events()}
        times |= {t for spoon in self.flow for t in spoon.events()}
        times |= {t for _, _, side in grid.named_sides for t in side.events()}
        if isinstance(self.diffusivity, diffusivities.Schedule):
            times |= set(self.diffusivity.at[1:])
        ordered = sorted(time for time in times if time > 0.0)
        if not ordered:
            return ()
        between = [0.5 * (a + b) for a, b in zip(ordered, ordered[1:], strict=False)]
        states = [self._state(grid, time) for time in
                  (0.5 * ordered[0], *between, 2.0 * ordered[-1])]  # fmt: skip
        return tuple(
            time
            for time, before, after in zip(ordered, states, states[1:], strict=False)
            if not _same(before, after)
        )

    def _state(self, grid: Grid, time: float) -> list[Any]:
        """All of the medium that can change, in a form that can be compared."""
        barred = self._resistance(grid, time)
        for axis, pair in enumerate(grid.edges):
            # Nothing crosses a closed side, whatever stands there.
            ends = [grid.shape[axis] * high for high, s in enumerate(pair) if s.kind == "no-flux"]
            rim = grid.along(axis, np.isin(np.arange(grid.shape[axis] + 1), ends))
            barred[axis] = np.where(rim, np.inf, barred[axis])
        spoons = [number for number, spoon in enumerate(self.flow) if spoon.stirs(time)]
        outside = [grid.outside(axis, side, max(time, 0.0)) for _, axis, side in grid.named_sides]
        schedule = self.diffusivity
        turn = schedule.turn(time) if isinstance(schedule, diffusivities.Schedule) else 0
        return [*barred, np.array(spoons), *outside, np.array(turn)]

    def check(self, grid: Grid) -> Iterator[Invalid]:
        """Yield what is wrong with any part of this medium on this grid."""
        if grid.in_time:
            able = ", ".join(self.kernels())
            yield Invalid(
                f"a series has no diffusivity: its axis is time. These carry it: {able}", "kind"
            )
            return
        sound = True
        for key in ("diffusivity", "obstacles", "decay", "source"):
            try:
                self._part(key, grid)
            except Invalid as problem:
                yield Invalid(problem.message, key, *problem.path)
                sound = False
            except ValueError as failure:
                yield Invalid(str(failure), key)
                sound = False
        for number, wall in enumerate(self.walls):
            for fault in wall.problems(grid):
                yield Invalid(fault.message, "walls", number, *fault.path)
                sound = False
        if self.flow and sound:
            yield from self._misled(grid)

    def _part(self, key: str, grid: Grid) -> None:
        """Make one part of the medium, to see whether it can be made."""
        value = getattr(self, key)
        if value is None:
            return
        if key == "obstacles":
            value.solid(grid)
        elif key == "diffusivity":
            if isinstance(value, diffusivities.Schedule):
                value.check()
            for one in diffusivities.in_turn(value):
                diffusivities.in_cells(one, grid)
        elif np.min(in_cells(value, grid)) < 0 and key == "decay":
            raise Invalid("a rate of decay must not be negative; give a source instead")

    def _misled(self, grid: Grid) -> Iterator[Invalid]:
        """Flows that cannot be made here, or that cross what is closed."""
        if grid.radial:
            yield Invalid("flow is for boxes; this grid is radial", "flow")
            return
        for number, spoon in enumerate(self.flow):
            try:
                spoon.through(grid)
            except Invalid as problem:
                yield Invalid(problem.message, "flow", number, *problem.path)
                return
        for start in (0.0, *self.events(grid)):
            moved = flows(self.flow, grid, start)
            if moved is None:
                continue
            for axis, flow in enumerate(moved):
                if grid.wrap[axis] and grid.shape[axis] == 1:
                    continue  # what leaves such a cell enters it at the other end
                crossing = np.abs(np.where(self._shut(grid, start)[axis], flow, 0.0))
                largest = max(float(np.max(np.abs(f))) for f in moved)
                if float(np.max(crossing)) > LEAK * largest:
                    message = (
                        f"it flows across a closed wall, side or obstacle on the axis "
                        f"{grid.names[axis]}; make that side periodic or give it a value, "
                        "or choose a flow that stays inside"
                    )
                    yield Invalid(message, "flow")
                    return

    def notes(self, grid: Grid) -> Iterator[str]:
        """Say how far the flow is resolved by the cells, in every stretch of time it is different.

        Warns where the scheme's own diffusivity exceeds that of the medium.
        """
        if not self.flow:
            return
        worst, ratio = 0.0, 0.0
        for time in (0.0, *self.events(grid)):
            moved = flows(self.flow, grid, time)
            if moved is None:
                continue
            walls = self._resistance(grid, time)
            for axis, (half, flow) in enumerate(zip(self._halves(grid, time), moved, strict=True)):
                below, above = _beside(half, axis, grid.shape[axis])
                moving = np.where(np.isinf(walls[axis]), 0.0, np.abs(flow))
                with np.errstate(invalid="ignore"):
                    # Infinite where something flows and nothing diffuses; 0 x inf is no flow.
                    peclet = np.nan_to_num(moving * (below + above + walls[axis]), posinf=np.inf)
                worst = max(worst, float(np.max(peclet)))
                ratio = max(ratio, float(np.max(own_diffusivity(peclet))))
        warning = ""
        if ratio > 1.0:
            warning = "; it is larger than D: take smaller cells or a slower flow"
        yield (
            f"the largest cell Peclet number is {worst:.3g}, where the scheme has a diffusivity "
            f"of its own of {ratio:.3g} D{warning}"
        )

    def prepare(self, u: Array, grid: Grid) -> Array:
        """Take the field out of solid cells."""
        if self.obstacles is None:
            return u
        return np.where(self.obstacles.solid(grid), 0.0, u)

    # --- views ------------------------------------------------------------------------------------

    def _resistance(self, grid: Grid, time: float) -> list[Array]:
        """Resistance of walls and obstacles on all faces, in s/m, in the smallest shape."""
        return barred(self.walls, self.obstacles, grid, time)

    def _shut(self, grid: Grid, time: float) -> list[Array]:
        """Faces that nothing crosses: walls, obstacles, and sides that are not open or joined."""
        shut = [np.isinf(r) for r in self._resistance(grid, time)]
        for axis, pair in enumerate(grid.edges):
            ends = [end for end, side in zip((0, -1), pair, strict=True)
                    if side.kind in ("no-flux", "flux")]  # fmt: skip
            rim = np.zeros(grid.shape[axis] + 1, dtype=bool)
            rim[ends] = True
            shut[axis] = shut[axis] | grid.along(axis, rim)
        return shut

    def _halves(self, grid: Grid, time: float) -> list[Array]:
        """Resistance of half a cell for flow along each axis, in s/m."""
        cells = diffusivities.in_cells(diffusivities.steady(self.diffusivity, time), grid)
        with np.errstate(divide="ignore"):
            return [
                np.broadcast_to(
                    0.5 * grid.along(axis, np.full(n, h)),
                    np.broadcast_shapes(grid.along(axis, np.zeros(n)).shape, d.shape),
                )
                / d
                for axis, (n, h, d) in enumerate(zip(grid.shape, grid.spacing, cells, strict=True))
            ]

    def generator(self, grid: Grid, time: float) -> Generator:
        """Conductances g = area / (half / D_below + 1 / P + half / D_above), zero at walls."""
        faces, rims = [], list[Rim]()
        moved = flows(self.flow, grid, time)
        walls = self._resistance(grid, time)
        for axis, half in enumerate(self._halves(grid, time)):
            n = grid.shape[axis]
            area = grid.along(axis, grid.area(axis))
            below, above = _beside(half, axis, n)
            conductance = area / (below + above + walls[axis])
            if not grid.wrap[axis]:
                rim = grid.along(axis, np.isin(np.arange(n + 1), (0, n)))
                conductance = np.where(rim, 0.0, conductance)
            if moved is None:
                up = down = conductance
            else:
                shut = np.isinf(walls[axis]) | (conductance == 0.0) & _rim(grid, axis)
                up, down = fitted(conductance, np.where(shut, 0.0, moved[axis] * area))
            faces.append(Faces(up, down, grid.along(axis, grid.measure(axis))))
            for high, side in enumerate(grid.edges[axis]):
                if side.kind in ("no-flux", "periodic"):
                    continue
                end = [-1] if high else [0]
                wall, flow = np.take(walls[axis], end, axis), None
                if moved is not None:
                    flow = np.take(moved[axis], end, axis)
                name = grid.named_sides[2 * axis + high][0]
                give, take = through_side(
                    side, np.take(area, end, axis), np.take(half, end, axis), wall, flow,
                    bool(high), grid.outside(axis, side, time),
                )  # fmt: skip
                rims.append(Rim(name, axis, bool(high), give, take))
        loss = None if self.decay is None else in_cells(self.decay, grid)
        source = None if self.source is None else in_cells(self.source, grid)
        if source is not None and self.obstacles is not None:
            source = np.where(self.obstacles.solid(grid), 0.0, source)
        return Generator(grid.shape, faces, grid.wrap, rims, loss, source)

    def medium(self, grid: Grid, time: float) -> Medium:
        """Diffusivity and planes of a medium that is even between full walls.

        Raises
        ------
        Unsupported
            When the diffusivity is uneven, a wall does not span the grid or lets something through,
            one stands inside a ring, or the grid is radial.
        """
        if diffusivities.uneven(self.diffusivity):
            raise Unsupported("the diffusivity is uneven (propagator.diffusivity)")
        if grid.radial:
            raise Unsupported("the grid is radial (grid.geometry)")
        if flows(self.flow, grid, time) is not None:
            raise Unsupported("the water flows (propagator.flow)")
        planes = []
        for axis, resistance in enumerate(resistances(self.walls, grid, time)):
            if np.any(np.isfinite(resistance) & (resistance > 0.0)):
                raise Unsupported("a membrane lets something through (propagator.walls)")
            barred = np.isinf(resistance)
            if self.obstacles is not None:
                raise Unsupported("there are solid cells (propagator.obstacles)")
            if barred.size != grid.shape[axis] + 1:
                raise Unsupported("a wall spans only part of the grid (propagator.walls)")
            plane = barred.ravel()
            if grid.wrap[axis] and np.any(plane[1:-1]) and not plane[0]:
                raise Unsupported("a wall stands inside a periodic axis (propagator.walls)")
            planes.append(plane | (np.isin(np.arange(plane.size), (0, plane.size - 1))
                                   & (not grid.wrap[axis])))  # fmt: skip
        cells = diffusivities.in_cells(diffusivities.steady(self.diffusivity, time), grid)
        return Medium(tuple(float(d.flat[0]) for d in cells), tuple(planes))

    def symbol(self, grid: Grid, time: float, limit: Limit) -> Symbol:
        """Per axis a basis in which diffusion is a multiplication, for one of the three limits.

        Raises
        ------
        Unsupported
            When the medium differs along both axes, or a limit other than the lattice is asked of
            an uneven one.
        """
        generator = self.generator(grid, time)
        if not generator.still:
            raise Unsupported("the water flows (propagator.flow), so it has no symbol here")
        if not generator.separable:
            raise Unsupported(
                "the medium differs along both axes (propagator.walls or propagator.diffusivity), "
                "so it has no symbol"
            )
        try:
            return modes.symbol(grid, generator, limit)
        except modes.Uneven as problem:
            reason: Unsupported = problem
            try:
                self.medium(grid, time)
            except Unsupported as found:
                reason = found
            raise Unsupported(f"limit {limit} needs an even medium: {reason}") from None


def _same(before: Sequence[Array], after: Sequence[Array]) -> bool:
    return all(map(np.array_equal, before, after))


def _beside(cells: Array, axis: int, n: int) -> tuple[Array, Array]:
    """What the cells below and above each face have; beyond a rim that of the opposite one."""
    ring = np.take(cells, np.arange(-1, n + 1) % n, axis)
    return np.delete(ring, -1, axis), np.delete(ring, 0, axis)


def _rim(grid: Grid, axis: int) -> Array:
    ends = np.isin(np.arange(grid.shape[axis] + 1), (0, grid.shape[axis]))
    return grid.along(axis, ends & (not grid.wrap[axis]))
