"""chebyshev: exp(t L) u as a series of Chebyshev polynomials of L, to a tolerance.

    exp(t L) = sum over k of c_k T_k(1 + L / s),    s = max |L_ii|,

with the coefficients of exp(z (x - 1)), z = t s, by a cosine transform. About sqrt(2 z log(1 /
tolerance)) applications of L reach the tolerance; one minus the sum of the coefficients is added to
c_0, so the total is kept to round-off. Limit: lattice.

H. Tal-Ezer, R. Kosloff, J. Chem. Phys. 81 (1984) 3967-3971.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy import fft

from diffusim.block import Array, Unsupported
from diffusim.generator import Generator
from diffusim.methods import ANY_START, ROUND_OFF, SLICE, Method, Plan, Prediction
from diffusim.segment import Segment

MOST_TERMS = 10**7
# A term of the series costs so many explicit steps.
TERM = 1.6


class Chebyshev(Method):
    """Chebyshev expansion of the exact lattice propagator.

    Parameters
    ----------
    tolerance : float
        Largest sum of the coefficients left out, relative to the field.
    """

    needs = ("generator",)
    handles = frozenset({"walls", "uneven"}) | ANY_START
    limit = "lattice"
    fields = 6.0

    tolerance: Annotated[float, Field(ge=1e-15, le=0.1)] = 1e-12

    def plan(self, segment: Segment) -> Plan:
        """Terms needed to reach the tolerance; refuses more than 10^7."""
        generator: Generator = segment.view("generator")
        z = generator.fastest * segment.duration
        if z == 0.0:
            return Plan(0, None, 0.0)
        terms = _terms_at_most(z, self.tolerance)
        if terms > MOST_TERMS:
            raise Unsupported(f"chebyshev would take {terms:.2g} terms, more than {MOST_TERMS:g}")
        return Plan(terms, None, terms * segment.grid.cells * TERM * generator.cost)

    def advance(self, u: Array, segment: Segment) -> Array:
        """Sum the series, in slices short enough to be interrupted."""
        steps, _, seconds, _ = self.plan(segment)
        if steps == 0:
            return u
        generator: Generator = segment.view("generator")
        weights = exponential_weights(generator.fastest * segment.duration, self.tolerance)
        older, newer = np.array(u, order="C"), np.array(u, order="C")
        generator.sweep(1.0 / generator.fastest).step(newer, np.empty(u.shape), 1)
        total = weights[0] * older + weights[1] * newer
        doubled = generator.sweep(2.0 / generator.fastest)
        batch = max(1, int(steps * SLICE / max(seconds, SLICE)))
        for done in range(2, weights.size, batch):
            doubled.expand(older, newer, total, weights[done : done + batch], 2.0, -1.0)
            segment.pulse(min(1.0, (done + batch) / weights.size))
        # What rests, rests to the last bit: the weights sum to one only within their rounding.
        return np.asarray(np.where(generator.leaving > 0.0, total, u))

    def predict(self, before: Prediction | None, _reference: Array, segment: Segment) -> Prediction:
        """Tolerances of the segments so far, and round-off of as many terms."""
        rounding = 1e-16 * self.plan(segment).steps
        return Prediction(
            (float(before.error) if before else ROUND_OFF) + self.tolerance + rounding
        )


def exponential_weights(z: float, tolerance: float) -> Array:
    """Chebyshev coefficients of exp(z (x - 1)) on [-1, 1].

    Those left out sum to at most the tolerance. The sum of all is one to the last bits, since the
    remainder is added to the first of them.
    """
    count = _terms_at_most(z, 1e-17)
    half = 0.5 * np.pi * (np.arange(count) + 0.5) / count
    # x - 1 as -2 sin^2 of half the angle: as a difference it would lose z times the round-off.
    weights = fft.dct(np.exp(-2.0 * z * np.sin(half) ** 2), type=2) / count
    weights[0] *= 0.5
    left_out = np.cumsum(np.abs(weights[::-1]))[::-1]
    keep = max(3, int(np.count_nonzero(left_out > tolerance)))
    weights = np.asarray(weights[:keep])
    weights[0] += 1.0 - math.fsum(weights)
    return weights


def _terms_at_most(z: float, tolerance: float) -> int:
    """Terms that surely suffice: c_k falls as exp(-k^2 / (2 z)), and faster once k > z."""
    log = math.log(1.0 / tolerance) + 4.0
    return math.ceil(math.sqrt(2.0 * z * log) + log) + 8
