"""Whitening: samples turned and scaled so that their covariance is the identity.

Samples stand in rows, what was measured in columns. With the singular values and vectors of what
the samples differ from their mean, X = U S V^T sqrt(n - 1), the whitened samples are

    X V S^-1          (pca: along the principal directions, the widest first), or
    X V S^-1 V^T      (zca: turned back, of all whitened samples those closest to the samples).

The covariance itself is not formed: the least spread that is told from round-off is then 1e-16 of
the largest one, not its root.

References
----------
A. Kessy, A. Lewin, K. Strimmer, Am. Stat. 72 (2018) 309-314; A. J. Bell, T. J. Sejnowski, Vision
Research 37 (1997) 3327-3338 (zca).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import linalg

from diffusim.block import Array

Kind = Literal["pca", "zca"]
# A direction with less than this part of the largest spread is taken to have none.
FLOOR = 1e-10
# What a column differs from its mean by round-off, beside its largest number.
ROUND_OFF = 16.0 * float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Whitening:
    """A linear map that whitens samples, and what is known of it.

    Parameters
    ----------
    kind : {"pca", "zca"}
        Whether whitened samples lie along the principal directions or are turned back.
    mean, scale : array
        What is taken off each column and what it is then divided by, shape (columns,).
    directions : array
        The principal directions in rows, orthonormal, shape (rank, columns).
    deviations : array
        Standard deviation along each of them, the largest first, shape (rank,).
    polish : array
        What the round-off of the two steps before is mended with, nearly the identity, shape (rank,
        rank).
    condition : float
        The largest deviation over the smallest one of all directions, infinite where one of them
        has none. The numbers of a whitened sample are off by the rounding of its own, times this.
    """

    kind: Kind
    mean: Array
    scale: Array
    directions: Array
    deviations: Array
    polish: Array
    condition: float

    @property
    def rank(self) -> int:
        """How many directions are whitened; the others are left out."""
        return self.deviations.size

    def apply(self, samples: Array) -> Array:
        """Whiten samples in rows, these or others; pca gives as many columns as the rank."""
        white = self._along((samples - self.mean) / self.scale) @ self.polish
        return np.asarray(white @ self.directions if self.kind == "zca" else white)

    def undo(self, white: Array) -> Array:
        """Return the samples that were whitened, but for what lay along directions left out."""
        along = white @ self.directions.T if self.kind == "zca" else white
        spread = linalg.solve(self.polish, np.transpose(along), assume_a="sym").T * self.deviations
        return np.asarray(spread @ self.directions * self.scale + self.mean)

    def _along(self, centred: Array) -> Array:
        return np.asarray(centred @ self.directions.T / self.deviations)


def centre(samples: Array) -> tuple[Array, Array]:
    """Return samples less the mean of each column, and these means.

    A column that does not vary, but for round-off, is nothing less its mean.

    Raises
    ------
    ValueError
        When they are not two rows of finite real numbers at least.
    """
    if np.iscomplexobj(samples):
        raise ValueError(
            "expected real numbers, found complex ones; give real and imaginary part as columns"
        )
    found = np.asarray(samples, dtype=float)
    if found.ndim != 2 or found.shape[0] < 2 or found.shape[1] < 1:
        raise ValueError(f"expected two samples in rows at least, found shape {found.shape}")
    if not np.all(np.isfinite(found)):
        raise ValueError("expected finite numbers, found NaN or infinite ones")
    mean = np.mean(found, axis=0)
    # Of many samples the first mean is off by the round-off of a long sum.
    mean = mean + np.mean(found - mean, axis=0)
    centred = found - mean
    varies = np.max(np.abs(centred), axis=0) > ROUND_OFF * np.max(np.abs(found), axis=0)
    return np.where(varies, centred, 0.0), mean


def scale(samples: Array) -> tuple[Array, Array]:
    """Return samples over the standard deviation of each column, and these deviations.

    The deviations are about the mean, with n - 1 below; a column that does not vary stays as it is.
    """
    centred, _ = centre(samples)
    deviations = np.sqrt(np.sum(centred**2, axis=0) / (len(centred) - 1))
    deviations[deviations == 0.0] = 1.0
    return np.asarray(samples) / deviations, deviations


def covariance(samples: Array) -> Array:
    """Return the covariance of columns, with n - 1 below."""
    centred, _ = centre(samples)
    return np.asarray(centred.T @ centred / (len(centred) - 1))


def whitening(
    samples: Array,
    kind: Kind = "pca",
    *,
    scaled: bool = False,
    floor: float = FLOOR,
    leave_out: bool = False,
) -> Whitening:
    """Return the map that whitens samples: their covariance becomes the identity.

    Parameters
    ----------
    samples : array
        In rows, shape (n, columns).
    kind : {"pca", "zca"}
        Along the principal directions, or turned back.
    scaled : bool
        Whether each column is divided by its deviation first, so that units do not matter.
    floor : float
        The part of the largest deviation that a direction needs to be whitened, from 0 up to 1.
    leave_out : bool
        Whether directions below the floor are left out, and the covariance is the identity on the
        others only, instead of being refused.

    Raises
    ------
    ValueError
        When there is no such kind or floor, or no spread, or directions have too little of it and
        are not left out.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"expected 'pca' or 'zca' as the kind of whitening, found {kind!r}")
    if not 0.0 <= floor < 1.0:
        raise ValueError(
            f"expected as the floor a part of the largest spread, from 0 up to 1, found {floor!r}"
        )
    centred, mean = centre(samples)
    unit = scale(centred)[1] if scaled else np.ones(mean.size)
    n, columns = centred.shape
    _, singular, vectors = linalg.svd(centred / unit, full_matrices=False)
    deviations = singular / np.sqrt(n - 1)
    if not deviations[0] > 0.0:
        raise ValueError("the samples are all alike; what has no spread cannot be whitened")
    kept = deviations > floor * deviations[0]
    least = deviations[-1] if singular.size == columns else 0.0
    condition = float(deviations[0] / least) if least > 0.0 else float("inf")
    missing = columns - int(np.sum(kept))
    if missing and not leave_out:
        raise ValueError(
            f"{missing} of {columns} directions have less than {floor:g} of the largest spread "
            f"(condition {condition:.2g}, {n} samples); leave them out (leave_out=True), scale the "
            "columns (scaled=True) or bring more samples"
        )
    rows = vectors[kept]
    # Their signs are free: the largest part of each direction shall be positive.
    largest = np.take_along_axis(rows, np.argmax(np.abs(rows), axis=1)[:, None], axis=1)
    made = Whitening("pca", mean, unit, rows * np.sign(largest), deviations[kept],
                     np.eye(len(rows)), condition)  # fmt: skip
    values, turned = linalg.eigh(covariance(made.apply(np.asarray(samples, dtype=float))))
    polish = turned / np.sqrt(values) @ turned.T
    return Whitening(kind, mean, unit, made.directions, made.deviations, polish, condition)
