"""ftcs: explicit Euler in time, second differences in space, in flux form.

    u <- u + dt L u

First order in time towards exp(t L) u, the lattice limit. While dt <= 1 / max |L_ii| a step is a
matrix of probabilities, so it keeps signs and is stable. At that limit itself the shortest mode
flips sign each step; the default is 0.8 of it.

R. Courant, K. Friedrichs, H. Lewy, Math. Ann. 100 (1928) 32-74.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from pydantic import Field

from diffusim.block import Array, Invalid, Seconds, Unsupported
from diffusim.generator import Generator
from diffusim.methods import ANY_START, SLICE, Method, Plan, Prediction
from diffusim.segment import Segment

SAFE = 0.8
MOST_STEPS = 10**9
# So many steps after an event no mode is left whose error the leading term cannot tell.
FEW = 8


class Ftcs(Method):
    """Explicit steps.

    Parameters
    ----------
    dt : float, optional
        Longest step in s; each segment is divided into equal steps no longer than this.
    """

    needs = ("generator",)
    handles = frozenset({"walls", "uneven"}) | ANY_START
    order = 1
    limit = "lattice"
    positive = True
    fields = 4.0

    dt: Annotated[Seconds, Field(gt=0)] | None = None

    def plan(self, segment: Segment) -> Plan:
        """Equal steps within the positivity limit; refuses a longer dt and more than 10^9 steps."""
        generator: Generator = segment.view("generator")
        if generator.fastest == 0.0:
            return Plan(0, None, 0.0)
        most = 1.0 / generator.fastest
        if self.dt is not None and self.dt > most * (1 + 1e-12):
            raise Invalid(f"dt = {self.dt:.6g} s is beyond the stability limit {most:.6g} s", "dt")
        wanted = segment.duration / (self.dt or SAFE * most)
        if wanted > MOST_STEPS:
            raise Unsupported(f"ftcs would take {wanted:.2g} steps, more than {MOST_STEPS:g}")
        steps = max(1, math.ceil(wanted * (1 - 1e-12)))
        seconds = steps * segment.grid.cells * generator.cost
        return Plan(steps, segment.duration / steps, seconds, most)

    def advance(self, u: Array, segment: Segment) -> Array:
        """Take the planned steps, in slices short enough to be interrupted."""
        steps, dt, seconds, _ = self.plan(segment)
        if dt is None:
            return u
        u, work = np.array(u, order="C"), np.empty(u.shape)
        sweep = segment.view("generator").sweep(dt)
        batch = max(1, int(steps * SLICE / max(seconds, SLICE)))
        for done in range(0, steps, batch):
            sweep.step(u, work, min(batch, steps - done))
            segment.pulse(min(1.0, (done + batch) / steps))
        return u

    def predict(self, before: Prediction | None, reference: Array, segment: Segment) -> Prediction:
        """Leading term of the error, 1/2 t dt L^2 u on the reference's frame, summed over segments.

        Within an epoch the terms of earlier segments are that same field, so only the sum of t dt
        grows; what an earlier epoch left is carried on by the method itself.
        """
        age, steps, old = before.kept if before else (0.0, 0, None)
        generator: Generator = segment.view("generator")
        if segment.opens_epoch and before is not None:
            age, steps, old = 0.0, 0, np.asarray(before.error)
        if old is not None and np.any(old):
            old = self.advance(old, segment)
        plan = self.plan(segment)
        age, steps = age + 0.5 * segment.duration * (plan.dt or 0.0), steps + plan.steps
        error = age * generator.linear(generator.linear(reference))
        sure = steps == 0 or steps >= FEW
        return Prediction(error if old is None else error + old, (age, steps, old), sure)
