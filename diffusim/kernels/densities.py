"""Probability densities as arrays, odd in size, that sum to one; and kernels made into such."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from scipy import special

from diffusim.block import Array, Invalid

How = Literal["softmax", "sum", "none"]

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
    reach = int(np.ceil(REACH * np.sqrt(variance) + 24))
    return np.asarray(special.ive(np.abs(np.arange(-reach, reach + 1)), variance))


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
    reach = int(np.ceil(REACH * s + 2))
    # Only the part of F beside the ramp max(z, 0) is differenced, so nothing large cancels.
    z = np.abs(np.arange(-reach - 1, reach + 2)) / s
    bump = s * (np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) - z * special.ndtr(-z))
    p = np.diff(bump, 2)
    p[reach] += 1.0
    p = np.maximum(p, 0.0)
    return np.asarray(p / p.sum())


def explicit_step(r: float) -> Array:
    """One explicit time step as a kernel: r on both sides, 1 - 2 r in the middle.

    It is a density while r = D dt / h^2 <= 1/2, which is where the step stops being stable.
    """
    return np.array([r, 1.0 - 2.0 * r, r])


# --- parts of densities -------------------------------------------------------------------------


def half(density: Array) -> Array:
    """Return the weights w_0 .. w_r of a symmetric density of one dimension, from its centre on.

    Parameters
    ----------
    density : array
        p_-r .. p_r with p_-j = p_j to the last bit.

    Raises
    ------
    ValueError
        When it has another form, or is not symmetric.
    """
    if density.ndim != 1 or density.size % 2 == 0 or not np.array_equal(density, density[::-1]):
        raise ValueError("expected a symmetric density of one dimension and odd size")
    return np.array(density[density.size // 2 :])


def truncated(density: Array, tolerance: float) -> tuple[Array, float]:
    """Return the narrowest symmetric part of a density that leaves out next to nothing.

    The mass left out, e = sum_|j|>r p_j, is at most the tolerance, and so is the part of the
    variance left out, sum_|j|>r j^2 p_j / sum j^2 p_j. What is missing to one goes to the centre,
    where it moves nothing: drift and symmetry stay, and the variance loses that part only.

    Parameters
    ----------
    density : array
        p_-r .. p_r, of one dimension.
    tolerance : float
        From 0 on, below 1.

    Returns
    -------
    array
        The part, which sums to one.
    float
        The mass e left out. The two densities differ by 2 e in the sum of absolute differences,
        so fields convolved with them differ by 2 e at most, relative to the field, in the norms
        L1, L2 and Linf (Young's inequality).
    """
    reach = density.size // 2
    j = np.arange(reach + 1)
    sides = density[reach:] + density[reach::-1]
    # Added from the outside inwards, small numbers first, so that no digits of a tail are lost.
    beyond = np.append(np.cumsum(sides[:0:-1])[::-1], 0.0)
    spread = np.append(np.cumsum((j**2 * sides)[:0:-1])[::-1], 0.0)
    enough = (beyond <= tolerance) & (spread <= tolerance * spread[0])
    least = int(np.argmax(enough))
    part = np.array(density[reach - least : reach + least + 1])
    part[least] += 1.0 - math.fsum(part)
    return part, float(beyond[least])


# --- any kernel as a density --------------------------------------------------------------------


def is_density(kernel: Array) -> bool:
    """Return whether no weight is negative and all sum to one, to 1e-12."""
    return bool(np.min(kernel) >= 0.0 and abs(float(np.sum(kernel)) - 1.0) <= 1e-12)


def collecting(kernel: Array, applied: str | None = None) -> bool:
    """Return whether cells collect by a kernel: as ``applied`` says, else where it is a mask."""
    return applied == "correlation" if applied else not is_density(kernel)


def as_it_moves(kernel: Array, collects: bool) -> Array:
    """Return the kernel whose drift and sign are those of what happens.

    What is said of a density holds where cells send, and of a mask where they collect; the other
    way round it holds for the flipped kernel, as far as the sides are away.
    """
    return np.flip(kernel) if collects == is_density(kernel) else kernel


def normalise(kernel: Array, how: How = "softmax", temperature: float = 1.0) -> Array:
    """Make a kernel a density, or leave it as it is.

    softmax: p_d = exp(k_d / T) / sum exp(k / T), the density that weighs the kernel's values most
    at a given entropy (Boltzmann's law with energies -k). sum: p_d = k_d / sum k. none: k itself.

    Parameters
    ----------
    kernel : array
        Finite weights of any sign and size.
    how : {"softmax", "sum", "none"}
        By what rule.
    temperature : float
        T in units of the kernel's values, for softmax only: towards zero the largest values take
        all, towards infinity all places become alike.

    Raises
    ------
    Invalid
        When the rule is unknown or does not work for this kernel, in words that name one that does.

    Examples
    --------
    >>> normalise(np.array([1.0, 2.0, 1.0]), "sum")
    array([0.25, 0.5 , 0.25])
    """
    k = np.array(kernel, dtype=float)
    if how not in get_args(How):
        raise Invalid(f"there is no rule '{how}'; known: {', '.join(get_args(How))}", "normalise")
    if not np.all(np.isfinite(k)):
        raise Invalid("a kernel's values must be finite", "kernel")
    if not (temperature > 0.0 and math.isfinite(temperature)):
        raise Invalid("a temperature must be finite and greater than zero", "temperature")
    if how != "softmax" and temperature != 1.0:
        raise Invalid(f"a temperature means something for softmax only, not for {how}",
                      "temperature")  # fmt: skip
    if how == "none":
        return k
    return _softmax(k, temperature) if how == "softmax" else _divided(k)


def _softmax(k: Array, temperature: float) -> Array:
    # The largest exponent is zero, so nothing overflows but what ends as zero weight anyway.
    with np.errstate(over="ignore", under="ignore"):
        weights = np.exp((k - np.max(k)) / temperature)
        return np.asarray(weights / np.sum(weights))


def _divided(k: Array) -> Array:
    largest = float(np.max(np.abs(k))) or 1.0
    k = k / largest
    total = math.fsum(k.ravel())
    if abs(total) <= 1e-12 * math.fsum(np.abs(k).ravel()):
        raise Invalid(
            "the kernel's values add up to zero, so they cannot be divided by their sum; "
            "softmax makes a density of any kernel, none takes it as it is", "normalise",
        )  # fmt: skip
    return np.asarray(k / total)


def _places(variance: float) -> Array:
    reach = int(np.ceil(REACH * np.sqrt(variance) + 1))
    return np.arange(-reach, reach + 1)
