"""What a kernel does, in numbers: drift, spread, entropy, transfer function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from diffusim.block import Array
from diffusim.kernels import densities
from diffusim.kernels.words import move_in_words, reading

ANGLES = 65
# Beside the sum of absolute values, what counts as zero.
ZERO = 1e-12


class Move(NamedTuple):
    """A move in cells, how likely it is, and what people call it."""

    by: tuple[int, ...]
    probability: float
    words: str


class Extreme(NamedTuple):
    """Where a transfer function is largest or smallest: its magnitude, and the angles per cell."""

    magnitude: float
    angles: tuple[float, ...]


def offsets(kernel: Array) -> list[Array]:
    """Return the moves along each axis that a kernel's weights stand for, in cells."""
    return [np.arange(n) - n // 2 for n in kernel.shape]


def transfer(kernel: Array, points: int = ANGLES) -> tuple[Array, Array]:
    """Return the transfer function of a kernel, K(theta) = sum_d k(d) exp(-i theta . d).

    Waves exp(i theta . x) of an unbounded field come out of a convolution multiplied by it.

    Parameters
    ----------
    kernel : array
        k[x, y] or k[x].
    points : int
        How many angles per axis, from -pi to pi; with an odd number zero is one of them.

    Returns
    -------
    theta : array
        The angles in radians per cell, alike for both axes.
    values : array
        K[theta_x, theta_y], complex.
    """
    half = np.pi * np.arange(points // 2 + 1) / (points // 2)
    theta = np.concatenate([-half[:0:-1], half])
    values = kernel.astype(complex)
    for axis, places in enumerate(offsets(kernel)):
        waves = np.exp(-1j * np.outer(theta, places))
        values = np.moveaxis(np.tensordot(waves, values, (1, axis)), 0, axis)
    return theta, values


@dataclass(frozen=True, eq=False)
class Character:
    """What one application of a kernel does.

    Moments are those of densities; for a mask they are None. With p_d the probability of the move
    d: drift m = sum d p_d, covariance C = sum (d - m)(d - m)^T p_d, diffusivity C / 2 per
    application, entropy -sum p_d log2 p_d in bits.

    Parameters
    ----------
    kernel : array
        k[x, y] or k[x], odd in size.
    spacing : tuple of float, optional
        Size of a cell along each axis in m.
    """

    kernel: Array
    spacing: tuple[float, ...] | None = None

    @cached_property
    def density(self) -> bool:
        """Whether no weight is negative and all sum to one."""
        return densities.is_density(self.kernel)

    @cached_property
    def total(self) -> float:
        """Sum of all weights: what a field of ones becomes."""
        total = math.fsum(self.kernel.ravel())
        return 0.0 if abs(total) <= ZERO * self.absolute else total

    @cached_property
    def absolute(self) -> float:
        """Sum of absolute weights: the largest value that a field within -1 and 1 can take."""
        return math.fsum(np.abs(self.kernel).ravel())

    @property
    def signed(self) -> bool:
        """Whether any weight is negative."""
        return bool(np.min(self.kernel) < 0.0)

    @property
    def parity(self) -> str:
        """``even`` or ``odd`` under a turn by 180 degrees, or ``neither``."""
        turned = self.kernel[(slice(None, None, -1),) * self.kernel.ndim]
        slack = ZERO * self.absolute
        if np.all(np.abs(self.kernel - turned) <= slack):
            return "even"
        return "odd" if np.all(np.abs(self.kernel + turned) <= slack) else "neither"

    # --- moments ------------------------------------------------------------------------------

    @cached_property
    def slope(self) -> Array:
        """First moments sum d k_d: by how much a mask weighs the slope of a field, per cell."""
        found = [
            float(np.sum(self._marginal(axis) * d)) for axis, d in enumerate(offsets(self.kernel))
        ]
        return np.array([0.0 if abs(m) <= ZERO * self._longest else m for m in found])

    @cached_property
    def curvature(self) -> Array:
        """Second moments sum d d^T k_d / 2: by how much a mask weighs second derivatives."""
        places = offsets(self.kernel)
        found = np.diag([0.5 * float(np.sum(self._marginal(axis) * d**2))
                         for axis, d in enumerate(places)])  # fmt: skip
        if len(places) == 2:
            found[0, 1] = found[1, 0] = 0.5 * float(places[0] @ self.kernel @ places[1])
        found[np.abs(found) <= ZERO * self._longest**2] = 0.0
        return found

    def _marginal(self, axis: int) -> Array:
        others = tuple(k for k in range(self.kernel.ndim) if k != axis)
        return np.asarray(np.sum(self.kernel, others))

    @property
    def _longest(self) -> float:
        return self.absolute * float(max(self.kernel.shape))

    @property
    def drift(self) -> Array | None:
        """Mean move in cells."""
        return self.slope if self.density else None

    @cached_property
    def covariance(self) -> Array | None:
        """Covariance matrix of the moves, in cells squared."""
        if not self.density:
            return None
        found = 2.0 * self.curvature - np.outer(self.slope, self.slope)
        found[np.abs(found) <= ZERO * float(np.max(np.abs(self.curvature)))] = 0.0
        return np.asarray(found)

    @property
    def diffusivity(self) -> Array | None:
        """Diffusivity tensor C / 2, in cells squared per application, or in m^2 with a spacing."""
        if self.covariance is None:
            return None
        h = np.ones(self.kernel.ndim) if self.spacing is None else np.array(self.spacing)
        return np.asarray(0.5 * self.covariance * np.outer(h, h))

    @cached_property
    def spreads(self) -> tuple[float, ...] | None:
        """Standard deviations along the principal axes in cells, the largest first."""
        if self.covariance is None:
            return None
        found = np.linalg.eigvalsh(self.covariance)[::-1]
        # Of a line that is no axis, the smaller one is round-off.
        return tuple(float(np.sqrt(v)) if v > ZERO * found[0] else 0.0 for v in found)

    @cached_property
    def angle(self) -> float | None:
        """Direction of the largest spread in degrees from the x axis, from -90 (left out) to 90.

        None where all directions are alike.
        """
        if self.spreads is None or len(self.spreads) == 1:
            return None
        large, small = self.spreads
        if large - small <= 1e-9 * large:
            return None
        assert self.covariance is not None
        across, difference = 2.0 * self.covariance[0, 1], np.diff(np.diag(self.covariance))[0]
        return math.degrees(0.5 * math.atan2(across, -difference))

    # --- information --------------------------------------------------------------------------

    @cached_property
    def entropy(self) -> float | None:
        """Bits that one needs to tell which move was made."""
        if not self.density:
            return None
        p = self.kernel[self.kernel > 0.0]
        return max(0.0, -math.fsum(p * np.log2(p)))

    @property
    def most_entropy(self) -> float:
        """The largest entropy that a kernel of this size can have, in bits."""
        return math.log2(self.kernel.size)

    @property
    def places(self) -> float | None:
        """Among how many equally likely moves the choice would be as open, 2^entropy."""
        return None if self.entropy is None else 2.0**self.entropy

    @property
    def stays(self) -> float:
        """Weight of the centre."""
        return float(self.kernel[tuple(n // 2 for n in self.kernel.shape)])

    def moves(self, count: int = 5) -> list[Move]:
        """Return the likeliest moves of a density, of equal ones the shortest first."""
        if not self.density:
            return []
        places = np.stack(np.meshgrid(*offsets(self.kernel), indexing="ij"), -1)
        flat = places.reshape(-1, self.kernel.ndim)
        p = self.kernel.ravel()
        order = np.lexsort([np.sum(flat**2, 1), -p])[:count]
        found = [(tuple(map(int, flat[k])), float(p[k])) for k in order if p[k] > 0.0]
        return [Move(by, probability, move_in_words(by)) for by, probability in found]

    @cached_property
    def likeness(self) -> dict[str, float]:
        """Part of the mass that lies elsewhere than in Gaussians of the same drift and covariance.

        The total variation distance, sum |p - q| / 2. ``lattice``: to the product of the densities
        of random walks, where both axes are independent and the drift is a whole move.
        ``sampled``: to the values of the smooth curve at the cells. What cannot be said is absent.
        """
        if self.covariance is None or self.drift is None or self.spreads is None:
            return {}
        drift, whole = self.drift, np.rint(self.drift)
        apart = not np.any(self.covariance - np.diag(np.diag(self.covariance)))
        found = {}
        if apart:
            variances = np.diag(self.covariance)
            if float(np.max(np.abs(drift - whole))) <= 1e-9:
                found["lattice"] = self._far_from(
                    [_placed(densities.lattice(float(v)), d - int(m))
                     for v, d, m in zip(variances, offsets(self.kernel), whole, strict=True)]
                )  # fmt: skip
            found["sampled"] = self._far_from(
                [_curve(d - m, float(v))
                 for v, d, m in zip(variances, offsets(self.kernel), drift, strict=True)]
            )  # fmt: skip
        elif self.spreads[-1] >= 0.7:
            found["sampled"] = self._elsewhere(self._tilted(self.covariance, drift))
        return found

    def _far_from(self, parts: Sequence[Array]) -> float:
        return self._elsewhere(parts[0] if len(parts) == 1 else np.multiply.outer(*parts))

    def _elsewhere(self, other: Array) -> float:
        # What the other density holds beyond this kernel's cells lies elsewhere in any case.
        beyond = max(0.0, 1.0 - float(np.sum(other)))
        return 0.5 * (float(np.sum(np.abs(self.kernel - other))) + beyond)

    def _tilted(self, covariance: Array, drift: Array) -> Array:
        x, y = (d - m for d, m in zip(offsets(self.kernel), drift, strict=True))
        (a, b), (_, c) = np.linalg.inv(covariance)
        exponent = a * x[:, None] ** 2 + 2.0 * b * np.multiply.outer(x, y) + c * y**2
        # Its values at all cells sum to one to 1e-4 from this spread on.
        size = 2.0 * np.pi * math.sqrt(float(np.linalg.det(covariance)))
        return np.asarray(np.exp(-0.5 * exponent) / size)

    # --- waves --------------------------------------------------------------------------------

    @cached_property
    def waves(self) -> tuple[Array, Array]:
        """Angles and transfer function, as `transfer` gives them."""
        return transfer(self.kernel)

    @property
    def largest(self) -> Extreme:
        """Where the transfer function is largest in magnitude."""
        return self._extreme(1.0)

    @property
    def smallest(self) -> Extreme:
        """Where the transfer function is smallest in magnitude."""
        return self._extreme(-1.0)

    def _extreme(self, sign: float) -> Extreme:
        theta, values = self.waves
        # Round-off must not decide: among equal ones the longest wave counts, then positive angles.
        size = np.round(sign * np.abs(values) / (self.absolute or 1.0), 12)
        places = np.argwhere(size == np.max(size))[::-1]
        place = tuple(places[np.argmin(np.sum((places - len(theta) // 2) ** 2, 1))])
        found = float(np.abs(values[place]))
        angles = tuple(float(theta[k]) for k in place)
        return Extreme(0.0 if found <= ZERO * self.absolute else found, angles)

    @property
    def alternating(self) -> dict[str, float]:
        """Magnitude for waves that change sign from cell to cell, along x, y and both."""
        _, values = self.waves
        middle = len(values) // 2
        if self.kernel.ndim == 1:
            found = {"x": float(abs(values[0]))}
        else:
            found = {"x": float(abs(values[0, middle])), "y": float(abs(values[middle, 0])),
                     "xy": float(abs(values[0, 0]))}  # fmt: skip
        return {k: 0.0 if size <= ZERO * self.absolute else size for k, size in found.items()}

    # --- words --------------------------------------------------------------------------------

    def reading(self, mask: Character | None = None) -> list[str]:
        """Say what the kernel does, in short sentences; see `diffusim.kernels.words.reading`."""
        return reading(self, mask)

    def as_dict(self) -> dict[str, Any]:
        """Return all numbers as plain values, moments of a mask as None."""
        plain = {name: None if value is None else np.asarray(value).tolist()
                 for name in ("drift", "covariance", "diffusivity", "spreads")
                 for value in [getattr(self, name)]}  # fmt: skip
        return {
            "shape": list(self.kernel.shape),
            "spacing": None if self.spacing is None else list(self.spacing),
            "density": self.density, "sum": self.total, "absolute_sum": self.absolute,
            "minimum": float(np.min(self.kernel)), "maximum": float(np.max(self.kernel)),
            "parity": self.parity, **plain, "angle": self.angle, "entropy": self.entropy,
            "most_entropy": self.most_entropy, "places": self.places,
            "moves": [move._asdict() for move in self.moves()], "likeness": self.likeness,
            "transfer": {"zero": abs(self.total), "alternating": self.alternating,
                         "largest": self.largest._asdict(), "smallest": self.smallest._asdict()},
        }  # fmt: skip


def _placed(density: Array, places: Array) -> Array:
    """Values of a density at some places, zero beyond it."""
    reach = density.size // 2
    inside = np.abs(places) <= reach
    return np.asarray(np.where(inside, density[np.where(inside, places + reach, 0)], 0.0))


def _curve(places: Array, variance: float) -> Array:
    """Values of a Gaussian at some places, made to sum to one over all places like them."""
    if variance == 0.0:
        return np.asarray(np.abs(places) <= 1e-9, dtype=float)
    reach = int(np.ceil(densities.REACH * np.sqrt(variance) + 1))
    everywhere = np.arange(-reach, reach + 1) + (places[0] - np.rint(places[0]))
    whole = float(np.sum(np.exp(-(everywhere**2) / (2.0 * variance))))
    return np.asarray(np.exp(-(places**2) / (2.0 * variance)) / whole)
