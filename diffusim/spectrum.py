"""Transforms and eigenbases: in the right basis a propagator is one multiplication.

A symbol is, per axis, a basis, and a multiplier for any duration. On an even axis the basis is a
cosine or Fourier transform; where walls, layers or edges make an axis differ from place to place it
is the eigenbasis of that axis' own operator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import fft, linalg

from diffusim import kernels
from diffusim.block import Array


class Basis(Protocol):
    """Carries a field into coefficients along one axis and back."""

    def forward(self, u: Array, axis: int) -> Array:
        """Coefficients of a field along an axis."""

    def backward(self, c: Array, axis: int) -> Array:
        """The field with these coefficients."""


class Rest:
    """The basis of an axis along which nothing moves: the cells themselves."""

    def forward(self, u: Array, _axis: int) -> Array:
        """Return the field itself."""
        return u

    backward = forward


class Cosine:
    """The orthonormal cosine transform (DCT-II) of an even axis with no-flux edges."""

    def forward(self, u: Array, axis: int) -> Array:
        """Coefficients of a field along an axis."""
        return np.asarray(fft.dct(u, axis=axis, norm="ortho"))

    def backward(self, c: Array, axis: int) -> Array:
        """The field with these coefficients."""
        return np.asarray(fft.idct(c, axis=axis, norm="ortho"))


class Fourier:
    """The Fourier transform of an even periodic axis."""

    def forward(self, u: Array, axis: int) -> Array:
        """Coefficients of a field along an axis."""
        return np.asarray(fft.fft(u, axis=axis))

    def backward(self, c: Array, axis: int) -> Array:
        """The field with these coefficients."""
        return np.asarray(fft.ifft(c, axis=axis))


@dataclass(frozen=True, eq=False)
class Eigenbasis:
    """A basis given by two matrices: fields to coefficients, and back."""

    there: Array
    back: Array

    def forward(self, u: Array, axis: int) -> Array:
        """Coefficients of a field along an axis."""
        return np.moveaxis(np.tensordot(self.there, u, axes=(1, axis)), 0, axis)

    def backward(self, c: Array, axis: int) -> Array:
        """The field with these coefficients."""
        return np.moveaxis(np.tensordot(self.back, c, axes=(1, axis)), 0, axis)


@dataclass(frozen=True, eq=False)
class Symbol:
    """A propagator as bases and a multiplier.

    Parameters
    ----------
    bases : sequence of Basis
        One per axis.
    multiplier : callable
        From a duration in s to an array that broadcasts against the coefficients.
    fastest : float, optional
        Largest rate of decay in 1/s.
    """

    bases: Sequence[Basis]
    multiplier: Callable[[float], Array]
    fastest: float = 0.0

    def carry(self, u: Array, duration: float) -> Array:
        """Carry a field over a duration: transform, multiply, transform back."""
        if all(isinstance(basis, Rest) for basis in self.bases):
            return u
        c = u
        for axis, basis in enumerate(self.bases):
            c = basis.forward(c, axis)
        c = c * self.multiplier(duration)
        # Complex bases last out: a real field comes back real after the last of them.
        for axis, basis in reversed(list(enumerate(self.bases))):
            c = basis.backward(c, axis)
        return np.ascontiguousarray(c if np.iscomplexobj(u) else np.real(c))


def cosine_angles(n: int) -> Array:
    """Angles of the cosine modes of n cells, pi m / n."""
    return np.pi * np.arange(n) / n


def fourier_angles(n: int) -> Array:
    """Angles of the Fourier modes of n cells, in the order of the transform."""
    return np.asarray(2.0 * np.pi * fft.fftfreq(n))


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


def cosine_modes(parts: Sequence[slice]) -> tuple[Array, Eigenbasis]:
    """Angles (n,) and cosine modes of each compartment on its own."""
    n = parts[-1].stop
    angles, vectors = np.zeros(n), np.zeros((n, n))
    for part in parts:
        length = part.stop - part.start
        angles[part] = cosine_angles(length)
        vectors[part, part] = fft.idct(np.eye(length), axis=0, norm="ortho")
    return angles, Eigenbasis(vectors.T.copy(), vectors)


def own_modes(conductance: Array, measure: Array, wrap: bool) -> tuple[Array, Eigenbasis]:
    """Rates of decay and modes of one axis' own operator, M^-1 K.

    With K = G^T G, G = sqrt(g) times the difference across each face, the rates are the squared
    singular values of G M^-1/2. So small rates are as exact as large ones, and that of what is kept
    is zero, which eigenvalues of K itself would miss by round-off of the fastest.

    Parameters
    ----------
    conductance : array
        Face conductances, shape (n + 1,), in m/s.
    measure : array
        Cell measures along the axis, shape (n,), in m.
    wrap : bool
        Whether the last face is the first.

    References
    ----------
    J. Demmel, W. Kahan, SIAM J. Sci. Stat. Comput. 11 (1990) 873-912.
    """
    n = measure.size
    root = np.sqrt(conductance[:-1] if wrap else conductance[1:-1])
    difference = np.eye(n) - np.roll(np.eye(n), -1, axis=1)
    difference = difference if wrap else difference[1:]
    weight = np.sqrt(measure)
    _, singular, modes = linalg.svd(root[:, None] * difference / weight)
    rates = np.zeros(n)
    rates[: singular.size] = singular**2
    return rates, Eigenbasis(modes * weight, modes.T / weight[:, None])
