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
from diffusim.generator import Generator, plane
from diffusim.methods import SLICE, Method, Plan, Prediction
from diffusim.segment import Segment

SAFE = 0.8
MOST_STEPS = 10**9
# Seconds per cell and step, by the shape of the coefficients, as measured on one 3.7 GHz core.
COST = {"numbers": 0.36e-9, "vectors": 0.5e-9, "fields": 0.65e-9}


class Ftcs(Method):
    """Explicit steps.

    Parameters
    ----------
    dt : float, optional
        Longest step in s; each segment is divided into equal steps no longer than this.
    """

    needs = ("generator",)
    handles = frozenset({"walls", "uneven", "signed"})
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
            raise Unsupported(f"ftcs would take {wanted:.2g} steps; modes or chebyshev need few")
        steps = max(1, math.ceil(wanted * (1 - 1e-12)))
        shape = generator.coefficients(1.0).shape
        seconds = steps * segment.grid.cells * COST[shape]
        return Plan(steps, segment.duration / steps, seconds)

    def advance(self, u: Array, segment: Segment) -> Array:
        """Take the planned steps, in slices short enough to be interrupted."""
        steps, dt, seconds = self.plan(segment)
        if dt is None:
            return u
        u = np.array(u)
        stepper = _Stepper(segment.view("generator"), dt)
        batch = max(1, int(steps * SLICE / max(seconds, SLICE)))
        for done in range(0, steps, batch):
            stepper(u, min(batch, steps - done))
            segment.pulse(min(1.0, (done + batch) / steps))
        return u

    def predict(self, before: Prediction | None, reference: Array, segment: Segment) -> Prediction:
        """Leading term of the error, 1/2 t dt L^2 u on the reference's frame, summed over segments.

        Within an epoch the terms of earlier segments are that same field, so only the sum of t dt
        grows; what an earlier epoch left is carried on by the method itself.
        """
        age, old = before.kept if before else (0.0, None)
        generator: Generator = segment.view("generator")
        if segment.opens_epoch and before is not None:
            age, old = 0.0, np.asarray(before.error)
        if old is not None and np.any(old):
            old = self.advance(old, segment)
        dt = self.plan(segment).dt or 0.0
        age += 0.5 * segment.duration * dt
        error = age * generator.linear(generator.linear(reference))
        return Prediction(error if old is None else error + old, (age, old))


class _Stepper:
    """Steps of one length: the compiled loop with its coefficients and room to work."""

    def __init__(self, generator: Generator, dt: float) -> None:
        from diffusim.loops import sweeps

        shape, self._values = generator.coefficients(dt)
        self._loop = getattr(sweeps, f"step_{shape}")
        self._wrap = generator.plane_wrap
        self._work = np.empty(plane(np.empty(generator.shape)).shape)

    def __call__(self, u: Array, count: int) -> None:
        self._loop(plane(u), self._work, count, *self._values, *self._wrap)
