"""Kernels: probability densities as arrays, odd in size, that sum to one.

A kernel says where what is in one cell now will be later. Convolved with a field it gives the
expectation, drawn from it gives chance.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from diffusim.block import Array

# Beyond this many standard deviations a Gaussian holds less than 1e-19 of its mass.
REACH = 9.2


def sampled(variance: float) -> Array:
    """Gaussian sampled at cell centres, p_j ~ exp(-j^2 / (2 variance)), made to sum to one.

    Below a standard deviation of one cell its variance is wrong (by 14 % at half a cell): use
    ``lattice``.

    Parameters
    ----------
    variance : float
        In cells squared.
    """
    j = _places(variance)
    p = np.exp(-(j**2) / (2.0 * variance)) if variance > 0 else (j == 0).astype(float)
    return np.asarray(p / p.sum())


def lattice(variance: float) -> Array:
    """Density of a random walk in continuous time on the cells, p_j = exp(-v) I_j(v).

    It is exp(t L) of the second difference, and a semigroup: variances add exactly.

    Parameters
    ----------
    variance : float
        2 D t / h^2, in cells squared.

    References
    ----------
    T. Lindeberg, "Scale-space for discrete signals", IEEE PAMI 12 (1990) 234-254.
    """
    # Its tails fall more slowly than a Gaussian's where the variance is small.
    half = int(np.ceil(REACH * np.sqrt(variance) + 24))
    return np.asarray(special.ive(np.abs(np.arange(-half, half + 1)), variance))


def cell_to_cell(variance: float) -> Array:
    """Probability that a particle that starts uniformly in its cell is found j cells away.

    p_j = F(j + 1) - 2 F(j) + F(j - 1), with F the twice integrated Gaussian,
    F(z) = z Phi(z / s) + s phi(z / s).

    Parameters
    ----------
    variance : float
        s^2 = 2 D t / h^2, in cells squared.
    """
    s = np.sqrt(variance)
    if s == 0.0:
        return np.array([1.0])
    half = int(np.ceil(REACH * s + 2))
    # Only the part of F beside the ramp max(z, 0) is differenced, so nothing large cancels.
    z = np.abs(np.arange(-half - 1, half + 2)) / s
    bump = s * (np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) - z * special.ndtr(-z))
    p = np.diff(bump, 2)
    p[half] += 1.0
    p = np.maximum(p, 0.0)
    return np.asarray(p / p.sum())


def explicit_step(r: float) -> Array:
    """One explicit time step as a kernel: r on both sides, 1 - 2 r in the middle.

    It is a density while r = D dt / h^2 <= 1/2, which is where the step stops being stable.
    """
    return np.array([r, 1.0 - 2.0 * r, r])


def _places(variance: float) -> Array:
    half = int(np.ceil(REACH * np.sqrt(variance) + 1))
    return np.arange(-half, half + 1)
