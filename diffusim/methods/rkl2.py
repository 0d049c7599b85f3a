"""rkl2: super steps of Runge, Kutta and Legendre, second order and explicit.

    u <- (1 - b) u + b P_s(1 + w dt L) u,    b = (s^2 + s - 2) / (2 s (s + 1)),
    w = 4 / (s^2 + s - 2),

with P_s the Legendre polynomial, by its recurrence. A step of s stages is stable while
dt <= (s^2 + s - 2) / (4 max |L_ii|): ten stages reach 27 explicit steps far. Written in changes,
what rests, rests to the last bit; sources and outside values make L affine, which the recurrence
carries unchanged because P_k(1) = 1. Limit: lattice, second order in dt.

With flow the rates are complex. They lie in an ellipse, half as high as the flow through a cell per
its volume; a step is taken only where the polynomial is at most one on all of it.

C. D. Meyer, D. S. Balsara, T. D. Aslam, J. Comput. Phys. 257 (2014) 594-626.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from diffusim.block import Array, Integer, Invalid, Unsupported
from diffusim.generator import Generator
from diffusim.methods import Adaptive, Plan
from diffusim.segment import Segment
from diffusim.sweep import Sweep

LEAST_STAGES, MOST_STAGES = 3, 999
STAGE = 1.7
# How far above one the polynomial may be by round-off.
SLACK = 1e-9


class Work(NamedTuple):
    """What a step of one length needs, made once: compiled loops, coefficients, room."""

    sweep: Sweep
    coefficients: tuple[Array, Array, Array, Array]
    fields: tuple[Array, Array]


class Rkl2(Adaptive):
    """Runge-Kutta-Legendre super steps.

    Parameters
    ----------
    dt : float, optional
        Longest step in s; if not given, 1/64 of the time since the last event at the frame's end.
    stages : int, optional
        Stages of every step; if not given, as few as are stable, which may differ from step
        length to step length: fix them to see the order.
    """

    order = 2
    fields = 7.0

    stages: Annotated[Integer, Field(ge=3, le=MOST_STAGES)] | None = None

    def plan(self, segment: Segment) -> Plan:
        """Equal steps with as many stages as are stable; refuses what none can cover."""
        generator: Generator = segment.view("generator")
        if generator.resting:
            return Plan(0, None, 0.0)
        steps = self.steps(segment, self.longest(segment))
        dt = segment.duration / steps
        if self.tolerance is not None:
            return Plan(
                steps, dt, steps * LEAST_STAGES * segment.grid.cells * STAGE * generator.cost
            )
        stages = self._stages(generator, dt * self._division)
        # With stages of its own choice there is a step for any number of them.
        fixed = self.stages is not None and generator.fastest > 0.0
        most = _reach(stages) / generator.fastest if fixed else None
        seconds = steps * stages * segment.grid.cells * STAGE * generator.cost
        return Plan(steps, dt, seconds, most)

    def _stages(self, generator: Generator, dt: float) -> int:
        wave = 0.0 if generator.still else turning(generator)
        if self.stages is not None:
            if not covers(self.stages, dt * generator.fastest, dt * wave):
                reach = _reach(self.stages) / max(generator.fastest, 1e-300)
                raise Invalid(
                    f"{self.stages} stages do not cover steps of {dt:.6g} s; they reach "
                    f"{reach:.6g} s at rest, and less with flow", "stages",
                )  # fmt: skip
            return self.stages
        least = max(
            LEAST_STAGES, math.ceil(0.5 * (math.sqrt(9.0 + 16.0 * dt * generator.fastest) - 1.0))
        )
        # Odd numbers damp the shortest waves; more stages than at rest cover some flow as well.
        for stages in range(least | 1, 4 * (least | 1) + 1, 2):
            if stages <= MOST_STAGES and covers(stages, dt * generator.fastest, dt * wave):
                return stages
        if least > MOST_STAGES or wave == 0.0:
            reach = 0.999 * _reach(MOST_STAGES) / generator.fastest
            raise Invalid(
                f"a step of {dt:.6g} s needs more than {MOST_STAGES} stages; "
                f"dt = {reach:.3g} s would do", "dt",
            )  # fmt: skip
        raise Unsupported(
            f"the flow (propagator.flow) is too fast for rkl2 with steps of {dt:.6g} s; "
            f"dt = {1.0 / generator.fastest:.3g} s would do, or ftcs, poisson or adi"
        )

    def prepared(self, generator: Generator, dt: float) -> Work:
        """Coefficients and loops for steps of one length."""
        coefficients = recurrence(self._stages(generator, dt * self._division))
        fields = np.empty(generator.shape), np.empty(generator.shape)
        return Work(generator.sweep(dt), coefficients, fields)

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
        """Advance ``u`` in place by equal steps."""
        older, newer = work.fields
        total = totals[0] if totals else None
        for _ in range(count):
            older[...] = newer[...] = u
            work.sweep.expand(older, newer, u, *work.coefficients, total)
        for other in totals[1:]:
            other[...] = total


def recurrence(stages: int) -> tuple[Array, Array, Array, Array]:
    """Coefficients of a step as a series of changes of the Legendre recurrence.

    y_k = y_k-1 + memory_k (y_k-1 - y_k-2) + growth_k (dt L y_k-1), the step being
    u + weight (sum of all changes); ``shares`` weigh the y_k-1 in its integral over time, in dt.
    """
    k = np.arange(1, stages + 1)
    w = 4.0 / (stages**2 + stages - 2.0)
    growth, memory = (2.0 * k - 1.0) / k * w, (k - 1.0) / k
    weight = (stages**2 + stages - 2.0) / (2.0 * stages * (stages + 1.0))
    # A change of stage k is inherited by those after it; what it leaves in the end is found from
    # the last stage backwards.
    inherited = np.ones(stages + 1)
    for j in range(stages - 1, 0, -1):
        inherited[j] = 1.0 + memory[j] * inherited[j + 1]
    shares = weight * growth * inherited[1:]
    return growth, memory, np.full(stages, weight), shares


def _reach(stages: int) -> float:
    """Longest stable step in units of the longest explicit one."""
    return 0.25 * (stages**2 + stages - 2.0)


def turning(generator: Generator) -> float:
    """Bound of the imaginary parts of the rates, in 1/s: what the flow alone would do.

    Half the sum, over a cell's faces, of the difference of the two numbers, by Gershgorin on the
    antisymmetric part of L.
    """
    total = np.zeros((1,) * len(generator.shape))
    for axis, (up, down, measure) in enumerate(generator.faces):
        skew = np.abs(up - down)
        n = generator.shape[axis]
        low, high = np.take(skew, range(n), axis), np.take(skew, range(1, n + 1), axis)
        total = total + 0.5 * (low + high) / measure
    return float(np.max(total))


def covers(stages: int, fastest: float, wave: float) -> bool:
    """Whether the polynomial is at most one on all rates: dt times the ellipse they lie in.

    The ellipse reaches from 0 to -2 ``fastest`` and is ``wave`` high.
    """
    if fastest > _reach(stages) * (1 + 1e-12):
        return False
    if wave == 0.0:
        return True
    angle = np.pi * (1.0 + np.concatenate([np.linspace(0, 1, 400), np.geomspace(1e-6, 1, 400)]))
    z = fastest * (np.cos(angle) - 1.0) + 1j * wave * np.sin(angle)
    growth, memory, weights, _ = recurrence(stages)
    older = newer = np.ones(z.size, dtype=complex)
    for g, m in zip(growth, memory, strict=True):
        older, newer = newer, newer + m * (newer - older) + g * z * newer
    return bool(np.max(np.abs(1.0 + weights[0] * (newer - 1.0))) <= 1.0 + SLACK)
