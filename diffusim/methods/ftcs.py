"""ftcs: explicit Euler in time, second differences in space, in flux form.

    u <- u + dt (L u + b)

First order in time towards exp(t L) u, the lattice limit. While dt <= 1 / max |L_ii| a step is a
matrix of probabilities, so it keeps signs and is stable. At that limit itself the shortest mode
flips sign each step; the default is 0.8 of it.

R. Courant, K. Friedrichs, H. Lewy, Math. Ann. 100 (1928) 32-74.
"""

from __future__ import annotations

import numpy as np

from diffusim.block import Array, Invalid
from diffusim.generator import Generator
from diffusim.methods import OnLattice, Plan, Prediction, Stepping, slices
from diffusim.segment import Segment

# Parts of the limit, and of the time of decay, that a default step takes.
SAFE, SAFE_DECAY = 0.8, 0.05
# So many steps after an event no mode is left whose error the leading term cannot tell.
FEW = 8
# The leading term tells the error while it is no larger than this, beside the field, and the next
# term no larger beside it.
SMALL = 0.5
# Relative round-off of a reference, of which two derivatives make much.
ROUNDING = 1e-14


class Ftcs(OnLattice, Stepping):
    """Explicit steps.

    Parameters
    ----------
    dt : float, optional
        Longest step in s; each segment is divided into equal steps no longer than this.
    """

    order = 1
    positive = True
    fields = 4.0

    def plan(self, segment: Segment) -> Plan:
        """Equal steps within the positivity limit; refuses a longer dt and more than 10^9 steps."""
        generator: Generator = segment.view("generator")
        if generator.resting:
            return Plan(0, None, 0.0)
        most = 1.0 / generator.fastest if generator.fastest else segment.duration
        if self.dt is not None and self.dt > most * (1 + 1e-12):
            raise Invalid(f"dt = {self.dt:.6g} s is beyond the stability limit {most:.6g} s", "dt")
        lossy = 0.0 if generator.loss is None else float(np.max(np.abs(generator.loss)))
        own = min(SAFE * most, SAFE_DECAY / lossy) if lossy else SAFE * most
        steps = self.steps(segment, self.dt or own)
        seconds = steps * segment.grid.cells * generator.cost
        return Plan(steps, segment.duration / steps, seconds, most)

    def finer(self) -> None:
        """Nothing: `predict` knows the leading term of the error."""

    def carry(self, u: Array, segment: Segment, *, integrate: bool) -> tuple[Array, list[Array]]:
        """Take the planned steps, in slices short enough to be interrupted."""
        steps, dt, seconds, _ = self.plan(segment)
        total = np.zeros(u.shape) if integrate else None
        if dt is not None:
            u, work = np.array(u, order="C"), np.empty(u.shape)
            sweep = segment.view("generator").sweep(dt)
            for first, last in slices(steps, seconds):
                sweep.step(u, work, last - first, total)
                segment.pulse(last / steps)
        return u, [] if total is None else [(dt or 0.0) * total] * u.ndim

    def predict(self, before: Prediction | None, reference: Array, segment: Segment) -> Prediction:
        """Leading term of the error, 1/2 t dt L (L u + b) on the reference's frame, summed up.

        Within an epoch the terms of earlier segments are that same field, so only the sum of t dt
        grows; what an earlier epoch left is carried on by the method itself.
        """
        age, steps, old = before.kept if before else (0.0, 0, None)
        generator: Generator = segment.view("generator")
        if segment.opens_epoch and before is not None:
            age, steps, old = 0.0, 0, np.asarray(before.error)
        if old is not None and np.any(old):
            old = self._decayed(old, segment)
        plan = self.plan(segment)
        age, steps = age + 0.5 * segment.duration * (plan.dt or 0.0), steps + plan.steps
        error = age * generator.linear(generator.rate(reference))
        sure = (steps == 0 or steps >= FEW) and self._tells(error, reference, generator, plan, age)
        return Prediction(error if old is None else error + old, (age, steps, old), sure)

    @staticmethod
    def _tells(
        error: Array, reference: Array, generator: Generator, plan: Plan, age: float
    ) -> bool:
        """Whether the leading term stands out, between round-off and where later terms matter."""
        size, whole = float(np.linalg.norm(error)), float(np.linalg.norm(reference))
        if size == 0.0:
            return True
        following = (plan.dt or 0.0) * float(np.linalg.norm(generator.linear(error)))
        noise = age * ROUNDING * generator.fastest**2 * whole
        return size > noise and following <= SMALL * size and size <= SMALL * whole

    def _decayed(self, error: Array, segment: Segment) -> Array:
        """What is left of an error at the end of a segment: sources do not feed it."""
        zero = np.zeros(error.shape)
        carried = self.carry(error, segment, integrate=False)[0]
        generator: Generator = segment.view("generator")
        if not np.any(generator.gains):
            return carried
        return np.asarray(carried - self.carry(zero, segment, integrate=False)[0])
