"""What known schemes give exactly on dense matrices, in the forms in which they were published."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffusim.block import Array
from diffusim.testing.trial import Plain, Split


def euler(matrix: Array, b: Array, u: Array, steps: int, dt: float) -> Array:
    """Explicit Euler, u <- u + dt (L u + b).

    Parameters
    ----------
    matrix, b, u : array
        L in 1/s, (N, N), and b and the field, (N,) each.
    steps : int
        How many.
    dt : float
        Their length in s.
    """
    return _repeated(np.eye(u.size + 1) + dt * _joined(matrix, b), u, steps)


def legendre(stages: int) -> Plain:
    """RKL2 with a number of stages, by the recurrence in which it was published.

    Y_0 = u,  Y_1 = Y_0 + m~_1 dt M Y_0,  and for j from 2 to s
    Y_j = m_j Y_j-1 + n_j Y_j-2 + (1 - m_j - n_j) Y_0 + m~_j dt M Y_j-1 + g~_j dt M Y_0.

    References
    ----------
    C. D. Meyer, D. S. Balsara, T. D. Aslam, J. Comput. Phys. 257 (2014) 594-626, eqs. 16-18.
    """

    def scheme(matrix: Array, b: Array, u: Array, steps: int, dt: float) -> Array:
        slope, one = dt * _joined(matrix, b), np.eye(u.size + 1)
        weights = [
            1 / 3,
            1 / 3,
            *((j * j + j - 2) / (2 * j * (j + 1)) for j in range(2, stages + 1)),
        ]
        w = 4.0 / (stages * stages + stages - 2)
        older, newer = one, np.asarray(one + weights[1] * w * slope)
        for j in range(2, stages + 1):
            m = (2 * j - 1) / j * weights[j] / weights[j - 1]
            n = -(j - 1) / j * weights[j] / weights[j - 2]
            rise = m * w
            still = -(1.0 - weights[j - 1]) * rise
            older, newer = newer, (m * newer + n * older + (1.0 - m - n) * one
                                   + rise * slope @ newer + still * slope)  # fmt: skip
        return _repeated(newer, u, steps)

    return scheme


def _douglas(
    parts: Sequence[Array], b: Array, u: Array, steps: int, dt: float, fresh: bool, still: bool
) -> Array:
    matrix = np.asarray(sum(parts))
    solve = _one_after_another(parts, 0.5 * dt)
    if fresh:
        for _ in range(2):
            u = u + solve @ (0.5 * dt * (matrix @ u + b)) if np.any(b) or not still else solve @ u
    for _ in range(steps - fresh):
        u = u + solve @ (dt * (matrix @ u + b))
    return u


def _lod(
    parts: Sequence[Array], b: Array, u: Array, steps: int, dt: float, fresh: bool, still: bool
) -> Array:
    solve = _one_after_another(parts, dt)
    for _ in range(steps):
        u = solve @ (u + dt * b)
    return u


# (1 - dt/2 L_x) (1 - dt/2 L_y) d = dt (L u + b), u <- u + d; the first step after an event is two
# damped half-steps.
douglas = Split(_douglas)
# (1 - dt L_x) (1 - dt L_y) u' = u + dt b.
lod = Split(_lod, steady=False)


def _one_after_another(parts: Sequence[Array], reach: float) -> Array:
    """Return the inverse of (1 - reach L_x) (1 - reach L_y)."""
    found: Array = np.eye(len(parts[0]))
    for part in parts:
        found = np.asarray(np.linalg.solve(np.eye(len(part)) - reach * part, found))
    return found


def _joined(matrix: Array, b: Array) -> Array:
    """Return the matrix of the linear equation that (u, 1) obeys."""
    joined = np.zeros((b.size + 1, b.size + 1))
    joined[:-1, :-1], joined[:-1, -1] = matrix, b
    return joined


def _repeated(step: Array, u: Array, steps: int) -> Array:
    return np.asarray(np.linalg.matrix_power(step, steps) @ np.append(u, 1.0))[:-1]
