"""chebyshev: exp(t L) u as a series of Chebyshev polynomials of L, to a tolerance.

    exp(t L) = sum over k of c_k T_k(X),    X = 1 + L / s,    s = max |L_ii|,

with the coefficients of exp(z (x - 1)), z = t s, by a cosine transform. About sqrt(2 z log(1 /
tolerance)) applications of L reach the tolerance. Sources and outside values b make X affine, which
the recurrence T_k+1 = 2 X T_k - T_k-1 carries unchanged because T_k(1) = 1. Summed by changes, with
C_k = c_k + c_k+1 + ...,

    u(t) = u + sum over k >= 1 of C_k (T_k - T_k-1) u,

what rests, rests to the last bit, steady states are kept, and the total is kept to round-off.
Waves, exp(i t L), have the coefficients of exp(i z (x - 1)), some z + 12 z^(1/3) of them, and the
same recurrence. Limit: lattice. The spectrum of L must be real, so it carries no flow and nothing
that absorbs waves.

H. Tal-Ezer, R. Kosloff, J. Chem. Phys. 81 (1984) 3967-3971.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy import fft

from diffusim.block import Array, Unsupported
from diffusim.generator import Generator
from diffusim.methods import ANY_START, GENERATOR, ROUND_OFF, OnLattice, Plan, Prediction, slices
from diffusim.segment import Segment

MOST_TERMS = 10**7
# A term of the series costs so many explicit steps.
TERM, TERM_OF_WAVES = 1.6, 12.0


class Chebyshev(OnLattice):
    """Chebyshev expansion of the exact lattice propagator.

    Parameters
    ----------
    tolerance : float
        Largest sum of the coefficients left out, relative to the field. In an open medium, whose
        balance has to close, none are left out, nor of waves, whose last terms fall so fast.
    """

    handles = (GENERATOR - {"flow"}) | ANY_START | {"complex"}
    fields = 6.0

    tolerance: Annotated[float, Field(ge=1e-15, le=0.1)] = 1e-12

    def plan(self, segment: Segment) -> Plan:
        """Terms needed to reach the tolerance; refuses more than 10^7."""
        generator: Generator = segment.view("generator")
        if generator.resting:
            return Plan(0, None, 0.0)
        z = _raised(generator)[0].fastest * segment.duration
        terms = _terms_at_most(z, self._tolerance(generator), generator.turn)
        if terms > MOST_TERMS:
            raise Unsupported(f"chebyshev would take {terms:.2g} terms, more than {MOST_TERMS:g}")
        term = TERM if generator.turn == 1.0 else TERM_OF_WAVES
        return Plan(terms, None, terms * segment.grid.cells * term * generator.cost)

    def _tolerance(self, generator: Generator) -> float:
        """The tolerance, or round-off where a balance has to close or a norm is to be kept."""
        return self.tolerance if generator.closed and generator.turn == 1.0 else 1e-17

    def carry(self, u: Array, segment: Segment, *, integrate: bool) -> tuple[Array, list[Array]]:
        """Sum the series, in slices short enough to be interrupted."""
        steps, _, seconds, _ = self.plan(segment)
        generator: Generator = segment.view("generator")
        if steps == 0:
            return u, [segment.duration * u] * u.ndim if integrate else []
        generator, lowest = _raised(generator)
        phase = complex(np.exp(-generator.turn * lowest * segment.duration))
        # Any rate will do where nothing but a source acts.
        fastest = generator.fastest or 1.0 / segment.duration
        z = fastest * segment.duration
        weights = exponential_weights(z, self._tolerance(generator), generator.turn)
        count = weights.size - 1
        shares = np.zeros(count)
        if integrate:
            shares = quotient_weights(z, count, lowest / fastest) / fastest
        tails = np.cumsum(weights[:0:-1])[::-1].copy()
        older, newer = np.array(u, order="C"), np.array(u, order="C")
        result, total = np.array(u, order="C"), np.zeros(u.shape) if integrate else None
        growth, memory = np.full(tails.size, 2.0), np.ones(tails.size)
        growth[0], memory[0] = 1.0, 0.0
        sweep = generator.sweep(1.0 / fastest)
        for first, last in slices(tails.size, seconds):
            part = slice(first, last)
            sweep.expand(older, newer, result, growth[part], memory[part], tails[part],
                         shares[part], total)  # fmt: skip
            segment.pulse(last / tails.size)
        if lowest:
            result = (phase.real if generator.turn == 1.0 else phase) * result
        return result, [] if total is None else [total] * u.ndim

    def predict(self, before: Prediction | None, _reference: Array, segment: Segment) -> Prediction:
        """Tolerances of the segments so far, and round-off of as many terms."""
        rounding = 1e-16 * self.plan(segment).steps
        return Prediction(
            (float(before.error) if before else ROUND_OFF) + self.tolerance + rounding
        )


def _raised(generator: Generator) -> tuple[Generator, float]:
    """The generator without the loss that all cells have, and that loss in 1/s.

    Below zero it would leave the interval; above it, what is left out of the series would be a part
    of the start, and not of what has decayed since. What comes in has not decayed as long.
    """
    lowest = 0.0 if generator.loss is None else float(np.min(generator.loss))
    kept = lowest > 0.0 and (generator.turn != 1.0 or np.any(generator.gains))
    if generator.loss is None or lowest == 0.0 or kept:
        return generator, 0.0
    return replace(generator, loss=generator.loss - lowest), lowest


def exponential_weights(z: float, tolerance: float, turn: complex = 1.0) -> Array:
    """Chebyshev coefficients of exp(turn z (x - 1)) on [-1, 1].

    Those left out sum to at most the tolerance. The sum of all is one to the last bits, since the
    remainder is added to the first of them.
    """
    count = _terms_at_most(z, 1e-17, turn)
    half = 0.5 * np.pi * (np.arange(count) + 0.5) / count
    # x - 1 as -2 sin^2 of half the angle: as a difference it would lose z times the round-off.
    weights = fft.dct(np.exp(-2.0 * turn * z * np.sin(half) ** 2), type=2) / count
    weights[0] *= 0.5
    left_out = np.cumsum(np.abs(weights[::-1]))[::-1]
    keep = max(3, int(np.count_nonzero(left_out > tolerance)))
    weights = np.asarray(weights[:keep])
    left = 1.0 - math.fsum(np.real(weights))
    weights[0] += left if turn == 1.0 else complex(left, -math.fsum(np.imag(weights)))
    return weights


def quotient_weights(z: float, count: int, lost: float = 0.0) -> Array:
    """Chebyshev coefficients of (exp(z (x - 1 - lost)) - 1) / (x - 1 - lost), the first ``count``.

    With z the duration times the fastest rate, that is z times the mean of exp(t L) over the
    duration; ``lost`` is a loss that L leaves out, beside the fastest rate.
    """
    many = max(_terms_at_most(z, 1e-17), count)
    half = 0.5 * np.pi * (np.arange(many) + 0.5) / many
    below = -2.0 * np.sin(half) ** 2 - lost
    means = np.expm1(z * below) / np.where(below == 0.0, 1.0, below)
    weights = fft.dct(np.where(below == 0.0, z, means), type=2) / many
    weights[0] *= 0.5
    return np.asarray(weights[:count])


def _terms_at_most(z: float, tolerance: float, turn: complex = 1.0) -> int:
    """Terms that surely suffice: c_k falls as exp(-k^2 / (2 z)), and faster once k > z.

    For waves they are Bessel functions J_k(z), which fall as an Airy function beyond k = z.
    """
    log = math.log(1.0 / tolerance) + 4.0
    if turn != 1.0:
        beyond: float = (1.5 * log) ** (2.0 / 3.0) * (0.5 * z) ** (1.0 / 3.0)
        return math.ceil(z + beyond + log) + 8
    return math.ceil(math.sqrt(2.0 * z * log) + log) + 8
