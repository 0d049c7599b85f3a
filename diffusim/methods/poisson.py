"""poisson: exp(t L) as Poisson-many applications of the transition matrix P = 1 + L / s.

    exp(t L) = sum over k of w_k P^k,    w_k = exp(-z) z^k / k!,    z = t s,    s = max |L_ii|.

P is a matrix of probabilities, so nothing falls below zero; the error is the Poisson tail that is
left out, known beforehand; and it takes whatever a generator can express, flow included. Sources
and outside values make P affine, and change nothing else. Summed by changes with the tails
W_k = w_k + w_k+1 + ..., u(t) = u + sum over k >= 1 of W_k (P^k - P^k-1) u, what rests, rests to the
last bit. It takes z + 6 sqrt(z) applications, as many as explicit steps of first order.
Limit: lattice.

A. Jensen, Skand. Aktuarietidskr. 36 (1953) 87-91; W. K. Grassmann, Comput. Oper. Res. 4 (1977)
47-53.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy import special

from diffusim.block import Array, Unsupported
from diffusim.generator import Generator
from diffusim.methods import ROUND_OFF, OnLattice, Plan, Prediction, slices
from diffusim.segment import Segment

MOST_TERMS = 10**8
TERM = 1.4


class Poisson(OnLattice):
    """Poisson-weighted powers of the transition matrix.

    Parameters
    ----------
    tolerance : float
        Largest Poisson tail left out, relative to the field. In an open medium, whose balance has
        to close, none is left out.
    """

    positive = True
    fields = 5.0

    tolerance: Annotated[float, Field(ge=1e-15, le=0.1)] = 1e-12

    def plan(self, segment: Segment) -> Plan:
        """Terms needed to reach the tolerance; refuses more than 10^8."""
        generator: Generator = segment.view("generator")
        if generator.loss is not None and np.min(generator.loss) < 0.0:
            raise Unsupported(
                "what lies in a potential below zero (propagator.potential) grows, and no matrix "
                "of probabilities does; chebyshev carries it"
            )
        if generator.resting:
            return Plan(0, None, 0.0)
        terms = _last(generator.fastest * segment.duration, self._tolerance(generator))
        if terms > MOST_TERMS:
            raise Unsupported(f"poisson would take {terms:.2g} terms, more than {MOST_TERMS:g}")
        return Plan(terms, None, terms * segment.grid.cells * TERM * generator.cost)

    def _tolerance(self, generator: Generator) -> float:
        """The tolerance, or round-off where a balance has to close."""
        return self.tolerance if generator.closed else 1e-17

    def carry(self, u: Array, segment: Segment, *, integrate: bool) -> tuple[Array, list[Array]]:
        """Sum the powers, in slices short enough to be interrupted."""
        steps, _, seconds, _ = self.plan(segment)
        generator: Generator = segment.view("generator")
        if steps == 0:
            return u, [segment.duration * u] * u.ndim if integrate else []
        # Any rate will do where nothing but a source acts.
        fastest = generator.fastest or 1.0 / segment.duration
        tails = poisson_tails(fastest * segment.duration, self._tolerance(generator))
        older, newer = np.array(u, order="C"), np.array(u, order="C")
        result, total = np.array(u, order="C"), np.zeros(u.shape) if integrate else None
        sweep = generator.sweep(1.0 / fastest)
        for first, last in slices(tails.size, seconds):
            part = tails[first:last]
            sweep.expand(older, newer, result, np.ones(part.size), np.zeros(part.size), part,
                         part / fastest, total)  # fmt: skip
            segment.pulse(last / tails.size)
        return result, [] if total is None else [total] * u.ndim

    def predict(self, before: Prediction | None, _reference: Array, segment: Segment) -> Prediction:
        """Tails of the segments so far, and round-off of as many terms."""
        rounding = 1e-16 * math.sqrt(1.0 + self.plan(segment).steps)
        return Prediction(
            (float(before.error) if before else ROUND_OFF) + self.tolerance + rounding
        )


def poisson_tails(mean: float, tolerance: float) -> Array:
    """Chances of at least k jumps, k = 1, 2, ..., until at most the tolerance is left out.

    All of them together sum to the mean, by which a source acts for the whole duration.
    """
    return np.asarray(special.gammainc(np.arange(1, _last(mean, tolerance) + 1), mean))


def _last(mean: float, tolerance: float) -> int:
    """Number of jumps beyond which at most the tolerance, and next to no mean, is left."""
    deviations = math.sqrt(2.0 * math.log(1.0 / tolerance))
    last = math.ceil(mean + (deviations + 1.0) * math.sqrt(mean) + deviations**2)
    return max(2, last)
