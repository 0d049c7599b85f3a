"""Transforms and eigenbases: in the right basis a propagator is one multiplication.

A symbol is, per axis, a basis, and a multiplier for any duration. On an even axis the basis is a
sine, cosine or Fourier transform; where walls, layers or edges make an axis differ from place to
place it is the eigenbasis of that axis' own operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import fft, linalg

from diffusim import kernels
from diffusim.block import Array

# What an even axis does at its two ends, for the trigonometric bases: open to no flux or held at
# nothing. The numbers are those of the compiled transforms.
COSINE, SINE, COSINE4, SINE4 = 1, 2, 3, 4


class Basis(Protocol):
    """Carries a field into coefficients along one axis and back."""

    def forward(self, u: Array, axis: int) -> Array:
        """Coefficients of a field along an axis."""

    def backward(self, c: Array, axis: int) -> Array:
        """The field with these coefficients."""

    def part(self, kept: Array, n: int) -> tuple[Array, Array, Array]:
        """Matrices there (m, n) and back (n, m) of some modes, and the number of each of them."""


class Rest:
    """The basis of an axis along which nothing moves: the cells themselves."""

    def forward(self, u: Array, _axis: int) -> Array:
        """Return the field itself."""
        return u

    backward = forward

    def part(self, _kept: Array, n: int) -> tuple[Array, Array, Array]:
        """All cells."""
        return np.eye(n), np.eye(n), np.zeros(n, dtype=int)


@dataclass(frozen=True)
class Waves:
    """An orthonormal trigonometric transform of an even axis that is no ring.

    DCT-II between sides without flux, DST-II between sides held at nothing, DCT-IV and DST-IV where
    only the upper or the lower one is held.

    References
    ----------
    G. Strang, "The discrete cosine transform", SIAM Review 41 (1999) 135-147.
    """

    kind: int

    @property
    def _type(self) -> int:
        return 2 if self.kind in (COSINE, SINE) else 4

    def forward(self, u: Array, axis: int) -> Array:
        """Coefficients of a field along an axis."""
        transform = fft.dct if self.kind in (COSINE, COSINE4) else fft.dst
        return np.asarray(transform(u, type=self._type, axis=axis, norm="ortho"))

    def backward(self, c: Array, axis: int) -> Array:
        """The field with these coefficients."""
        transform = fft.idct if self.kind in (COSINE, COSINE4) else fft.idst
        return np.asarray(transform(c, type=self._type, axis=axis, norm="ortho"))

    def angles(self, n: int) -> Array:
        """Angles of the modes of n cells, increasing."""
        first = {COSINE: 0.0, SINE: 1.0}.get(self.kind, 0.5)
        return np.pi * (np.arange(n) + first) / n

    def part(self, kept: Array, n: int) -> tuple[Array, Array, Array]:
        """Some of the modes as matrices."""
        numbers = np.flatnonzero(kept)
        wave = np.cos if self.kind in (COSINE, COSINE4) else np.sin
        there = wave(np.outer(self.angles(n)[numbers], np.arange(n) + 0.5)) * np.sqrt(2.0 / n)
        # The mode that is constant, or changes sign from cell to cell, is longer than the others.
        there[np.isclose(np.abs(np.sin(self.angles(n)[numbers])), 0.0, atol=1e-9)] *= np.sqrt(0.5)
        return there, there.T, numbers


class Fourier:
    """The Fourier transform of an even periodic axis."""

    def forward(self, u: Array, axis: int) -> Array:
        """Coefficients of a field along an axis."""
        return np.asarray(fft.fft(u, axis=axis))

    def backward(self, c: Array, axis: int) -> Array:
        """The field with these coefficients."""
        return np.asarray(fft.ifft(c, axis=axis))

    def angles(self, n: int) -> Array:
        """Angles of the modes of n cells, in the order of the transform."""
        return np.asarray(2.0 * np.pi * fft.fftfreq(n))

    def part(self, kept: Array, n: int) -> tuple[Array, Array, Array]:
        """Cosines and sines of some pairs of modes as matrices."""
        numbers = np.flatnonzero(kept[: n // 2 + 1])
        turns = np.outer(2.0 * np.pi * numbers / n, np.arange(n))
        paired = (numbers > 0) & (2 * numbers < n)
        lengths = np.sqrt((1.0 + paired) / n)
        cosines = np.cos(turns) * lengths[:, None]
        sines = np.sin(turns[paired]) * np.sqrt(2.0 / n)
        there = np.concatenate([cosines, sines])
        return there, there.T, np.concatenate([numbers, numbers[paired]])


@dataclass(frozen=True, eq=False)
class Eigenbasis:
    """A basis given by two matrices: fields to coefficients, and back."""

    there: Array
    back: Array

    def forward(self, u: Array, axis: int) -> Array:
        """Coefficients of a field along an axis."""
        return _along(self.there, u, axis)

    def backward(self, c: Array, axis: int) -> Array:
        """The field with these coefficients."""
        return _along(self.back, c, axis)

    def part(self, kept: Array, _n: int) -> tuple[Array, Array, Array]:
        """Some of the modes."""
        numbers = np.flatnonzero(kept)
        return self.there[numbers], self.back[:, numbers], numbers


def _along(matrix: Array, u: Array, axis: int) -> Array:
    if np.iscomplexobj(u) and not np.iscomplexobj(matrix):
        # As complex numbers the matrix would cost four times as much.
        return _along(matrix, u.real, axis) + 1j * _along(matrix, u.imag, axis)
    return np.asarray(matrix @ u if axis == 0 else u @ matrix.T)


def phi1(z: Array) -> Array:
    """Mean of exp(-s z) over s from 0 to 1, (1 - exp(-z)) / z."""
    safe = np.where(z == 0.0, 1.0, z)
    return np.asarray(np.where(z == 0.0, 1.0, -np.expm1(-safe) / safe))


def phi2(z: Array) -> Array:
    """Integral of s phi1(s z) over s from 0 to 1, (z - 1 + exp(-z)) / z^2."""
    small = np.abs(z) < 0.5
    safe = np.where(small, 1.0, z)
    series = np.zeros(np.shape(z))
    for power in range(16, 1, -1):
        series = (1.0 - np.where(small, z, 0.0) * series) / power
    return np.where(small, series, (safe + np.expm1(-safe)) / safe**2)


def lattice_rate(theta: Array) -> Array:
    """Rate of decay of a mode under the second difference, 2 - 2 cos(theta), in D / h^2."""
    return np.asarray(4.0 * np.sin(0.5 * theta) ** 2)


def cell_factor(theta: Array, variance: float) -> Array:
    """Transfer function of the cell-to-cell density at the angles theta.

    The sum over j of p_j cos(j theta) where the density is narrow; by Poisson's summation the sum
    over all aliases w = theta + 2 pi l of (sin(w / 2) / (w / 2))^2 exp(-variance w^2 / 2) where it
    is wide.

    Parameters
    ----------
    theta : array
        Angles, between -pi and pi.
    variance : float
        In cells squared.
    """
    if variance < 1.0:
        p = kernels.cell_to_cell(variance)
        j = np.arange(p.size) - p.size // 2
        return np.asarray(np.cos(np.outer(theta, j)) @ (p / p.sum()))
    aliases = theta[:, None] + 2.0 * np.pi * np.arange(-3, 4)
    return np.asarray(
        np.sum(np.sinc(aliases / (2.0 * np.pi)) ** 2 * np.exp(-0.5 * variance * aliases**2), axis=1)
    )


def compartments(closed: Array) -> list[slice]:
    """Runs of cells between closed faces; ``closed`` has one entry per face, rims included."""
    ends = np.flatnonzero(np.concatenate([[True], closed[1:-1], [True]]))
    return [slice(int(a), int(b)) for a, b in zip(ends[:-1], ends[1:], strict=True)]


def waves_between(low: bool, high: bool) -> Waves:
    """The transform of an even axis, by whether its lower and its upper side are held."""
    return Waves({(False, False): COSINE, (True, True): SINE,
                  (False, True): COSINE4, (True, False): SINE4}[low, high])  # fmt: skip


def waves_of_each(parts: Sequence[slice], low: bool, high: bool) -> tuple[Array, Eigenbasis]:
    """Angles (n,) and modes of each compartment on its own, the outermost held or not."""
    n = parts[-1].stop
    angles, vectors = np.zeros(n), np.zeros((n, n))
    for part in parts:
        length = part.stop - part.start
        waves = waves_between(low and part.start == 0, high and part.stop == n)
        angles[part] = waves.angles(length)
        vectors[part, part] = waves.part(np.ones(length, dtype=bool), length)[1]
    return angles, Eigenbasis(vectors.T.copy(), vectors)


def own_modes(
    conductance: Array,
    measure: Array,
    wrap: bool,
    gives: tuple[float, float] = (0.0, 0.0),
    loss: Array | None = None,
) -> tuple[Array, Eigenbasis]:
    """Rates of decay and modes of one axis' own operator, M^-1 K.

    With K = G^T G, G = sqrt(g) times the difference across each face, the rates are the squared
    singular values of G M^-1/2. So small rates are as exact as large ones, and that of what is kept
    is zero, which eigenvalues of K itself would miss by round-off of the fastest. What a side or
    decay takes from a cell is one more row of G.

    Parameters
    ----------
    conductance : array
        Face conductances, shape (n + 1,), in m/s.
    measure : array
        Cell measures along the axis, shape (n,), in m.
    wrap : bool
        Whether the last face is the first.
    gives : tuple of float
        What the outermost cells give through their sides, in m/s.
    loss : array, optional
        Rates of decay in the cells, shape (n,), in 1/s.

    References
    ----------
    J. Demmel, W. Kahan, SIAM J. Sci. Stat. Comput. 11 (1990) 873-912.
    """
    n = measure.size
    root = np.sqrt(conductance[:-1] if wrap else conductance[1:-1])
    difference = np.eye(n) - np.roll(np.eye(n), -1, axis=1)
    rows = [root[:, None] * (difference if wrap else difference[1:])]
    rows += [np.sqrt(give) * np.eye(n)[[end]] for end, give in zip((0, -1), gives, strict=True)
             if give > 0.0]  # fmt: skip
    if loss is not None:
        rows.append(np.diag(np.sqrt(loss * measure)))
    weight = np.sqrt(measure)
    _, singular, modes = linalg.svd(np.concatenate(rows) / weight, full_matrices=True)
    # One step of Newton and Schulz: orthonormal to the last bits, so a wave keeps its norm.
    modes = 1.5 * modes - 0.5 * (modes @ modes.T) @ modes
    rates = np.zeros(n)
    rates[: singular.size] = singular[:n] ** 2
    return rates, Eigenbasis(modes * weight, np.ascontiguousarray(modes.T / weight[:, None]))
