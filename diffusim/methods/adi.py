"""adi: alternating directions, implicit along one axis at a time.

    (1 - dt/2 L_x) (1 - dt/2 L_y) d = dt (L u + b),    u <- u + d

Second order in dt and stable at any: each factor is a tridiagonal solve along lines. In this form
steady states are kept. The solved values are put through one flux-form application,
d = dt (L u + b) + dt/2 (L_x d_x + L_y d_y), so the total does not depend on the solver's rounding.
Sides belong to the axis across them, decay to both in equal parts. Limit: lattice.

High modes decay slowly and change sign from step to step when dt is long, so after every event (and
at the start) the first step is two damped half-steps, (1 - dt/2 L_y)^-1 (1 - dt/2 L_x)^-1 each; in
media with flow, sources or outside values the form above with dt/2 on its right-hand side, which
damps all but what is high along both axes. Waves must not be damped: they turn by Cayley's form
along one axis after the other, half a step along x, one along y, half a step along x,

    psi <- (1 + i tau/2 L_k) (1 - i tau/2 L_k)^-1 psi = 2 (1 - i tau/2 L_k)^-1 psi - psi,

which keeps the norm whatever the potential, and is of second order too.

The scheme ``lod`` (locally one-dimensional) takes nothing but damped steps, dt long: first order,
and nothing falls below zero where the start and the sources do not.

J. Douglas, H. H. Rachford, Trans. Am. Math. Soc. 82 (1956) 421-439; R. Rannacher, Numer. Math. 43
(1984) 309-327.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from diffusim.block import Array, Invalid
from diffusim.generator import Generator
from diffusim.methods import Adaptive, OnLattice, Plan
from diffusim.segment import Segment
from diffusim.sweep import Sweep, plane

if TYPE_CHECKING:
    from diffusim.loops.tridiagonal import Lines

# Seconds per cell of a step, measured at 256 x 256 on one 3.7 GHz core, beside one sweep.
SOLVES = 2.2e-9
# And all of a step of a wave, three solves in complex numbers.
TURNS = 16e-9


class Work(NamedTuple):
    """What a step of one length needs, made once: compiled loops, and room to work in."""

    sweep: Sweep
    lines: Sequence[Lines]
    fields: tuple[Array, Array, Array]


class Adi(Adaptive):
    """Alternating-direction implicit steps.

    Parameters
    ----------
    dt : float, optional
        Longest step in s; if not given, 1/64 of the time since the last event at the frame's end.
    scheme : {"douglas", "lod"}
        Second order, or first order and never below zero.
    tolerance : float, optional
        Choose steps so that a segment adds at most this relative error, as estimated.
    """

    order = 2
    fields = 9.0
    handles = OnLattice.handles | {"complex", "absorbing"}

    scheme: Literal["douglas", "lod"] = "douglas"

    @property
    def accuracy(self) -> int:
        """Order in time of the scheme."""
        return 2 if self.scheme == "douglas" else 1

    @property
    def keeps_sign(self) -> bool:
        """Whether nothing falls below zero."""
        return self.scheme == "lod"

    def plan(self, segment: Segment) -> Plan:
        """Equal steps; refuses flow that gathers along an axis faster than a step can follow."""
        generator: Generator = segment.view("generator")
        if generator.resting:
            return Plan(0, None, 0.0)
        steps = self.steps(segment, self.longest(segment))
        dt = segment.duration / steps
        if generator.turn != 1.0 and self.scheme == "lod":
            raise Invalid("lod damps waves; 'douglas' keeps them", "scheme")
        if self.tolerance is None:
            self._must_dominate(generator, self._reach(dt))
        each = SOLVES + 2.0 * generator.cost if generator.turn == 1.0 else TURNS
        seconds = steps * segment.grid.cells * each
        return Plan(steps, dt, seconds)

    def _reach(self, dt: float) -> float:
        """The time in each implicit factor."""
        return dt if self.scheme == "lod" else 0.5 * dt

    def _must_dominate(self, generator: Generator, reach: float) -> None:
        """Each row of the lines must weigh its own cell more than both neighbours together."""
        if generator.still:
            return
        worst = 0.0
        for axis, (up, down, measure) in enumerate(generator.faces):
            low, high = range(generator.shape[axis]), range(1, generator.shape[axis] + 1)
            own = np.take(down, low, axis) + np.take(up, high, axis)
            others = np.take(up, low, axis) + np.take(down, high, axis)
            gathered = (others - own) / measure - generator.drains_along(axis)
            worst = max(worst, float(np.max(gathered)))
        if reach * worst >= 1.0:
            dt = 0.99 / worst * (1.0 if self.scheme == "lod" else 2.0)
            raise Invalid(
                f"the flow (propagator.flow) gathers along an axis within a step; dt = {dt:.3g} s "
                "would do, or poisson", "dt",
            )  # fmt: skip

    # --- steps ----------------------------------------------------------------------------------

    def prepared(self, generator: Generator, dt: float) -> Work:
        """Factors and loops for steps of one length."""
        reach = self._reach(dt)
        self._must_dominate(generator, reach)
        axes, turn = range(len(generator.shape)), generator.turn
        if turn != 1.0:
            parts = [0.5 * dt] * (len(axes) - 1) + [dt]
            lines = [generator.lines(k, 0.5 * turn * part) for k, part in enumerate(parts)]
            room = (np.empty(generator.shape, complex),) * 3
            return Work(generator.sweep(dt), lines, room)
        lines = [generator.lines(axis, reach) for axis in axes]
        fields = tuple(np.empty(generator.shape) for _ in range(3))
        return Work(generator.sweep(2.0 * reach), lines, fields)  # type: ignore[arg-type]

    def take(
        self,
        u: Array,
        generator: Generator,
        work: Work,
        dt: float,
        count: int,
        totals: Sequence[Array],
        *,
        fresh: bool,
    ) -> None:
        """Advance ``u`` in place by equal steps; a fresh field begins with two damped halves."""
        if generator.turn != 1.0:
            for _ in range(count):
                self._turned(u, work)
            return
        if self.scheme == "lod":
            sources = self._source(generator, dt) if np.any(generator.gains) else None
            for _ in range(count):
                self._damped(u, work, sources, totals)
            return
        if fresh:
            for _ in range(2):
                if np.any(generator.gains) or not generator.still:
                    self._delta(u, work, totals, 0.5)
                else:
                    self._damped(u, work, None, totals)
            count -= 1
        for _ in range(count):
            self._delta(u, work, totals, 1.0)

    @staticmethod
    def _turned(u: Array, work: Work) -> None:
        """Turn a wave along x, y and x again; along one axis there is nothing to take apart."""
        solved = work.fields[0]
        for lines in (*work.lines, *work.lines[-2::-1]):
            solved[...] = u
            lines.solve(plane(solved))
            np.subtract(2.0 * solved, u, out=u)

    @staticmethod
    def _source(generator: Generator, dt: float) -> Array:
        return np.array(np.broadcast_to(dt * generator.gains, generator.shape))

    def _delta(self, u: Array, work: Work, totals: Sequence[Array], part: float) -> None:
        change, first, second = work.fields
        work.sweep.rate(change, u)
        if part != 1.0:
            change *= part
        first[...] = change
        self._solve(work, first, second)
        for total, solved in zip(totals, (first, second)[-u.ndim :], strict=False):
            total += part * u + 0.5 * solved
        work.sweep.correct(u, change, first, second)

    def _damped(self, u: Array, work: Work, sources: Array | None, totals: Sequence[Array]) -> None:
        change, first, second = work.fields
        change[...] = 0.0 if sources is None else sources
        np.add(u, change, out=first)
        self._solve(work, first, second)
        for total, solved in zip(totals, (first, second)[-u.ndim :], strict=False):
            total += 0.5 * solved
        work.sweep.correct(u, change, first, second)

    @staticmethod
    def _solve(work: Work, first: Array, second: Array) -> None:
        if len(work.lines) > 1:
            work.lines[0].solve(first)
        second[...] = first
        work.lines[-1].solve(plane(second))

    def weight(self, dt: float) -> float:
        """What the totals have to be multiplied with to be integrals over time."""
        return 2.0 * self._reach(dt)
