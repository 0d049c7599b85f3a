"""Fields brought to larger cells: conservative means, and sums of counts.

A cell's mean is that of the cells in it, by the measure of the overlap: lengths in a box, rings and
shells along a radius.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusim.block import Array, Unsupported
from diffusim.grid import Grid

# Faces nearer to each other than this part of a cell are one.
SAME_FACE = 1e-6
POWERS = {"box": 1, "series": 1, "cylindrical": 2, "spherical": 3}


@dataclass(frozen=True, eq=False)
class Coarsening:
    """How fields of small cells become fields of larger ones, axis by axis.

    Parameters
    ----------
    matrices : tuple
        For each axis a sparse matrix of weights (larger, smaller), None where nothing changes.
    whole : bool
        Whether every small cell lies in one larger cell.
    """

    matrices: tuple[Any, ...]
    whole: bool

    @classmethod
    def between(
        cls, fine: Sequence[Array], coarse: Sequence[Array], geometry: str | None
    ) -> Coarsening:
        """Make it of the faces along each axis; the ends have to agree.

        Raises
        ------
        Unsupported
            When cells lie along a radius and it is not known of what.
        """
        matrices: list[Any] = []
        for axis, (small, large) in enumerate(zip(fine, coarse, strict=True)):
            if small.size == large.size and np.allclose(small, large, rtol=1e-9, atol=0.0):
                matrices.append(None)
                continue
            if geometry is None:
                raise Unsupported("cells along a radius have means where the geometry is told only")
            matrices.append(_weights(small, large, POWERS[geometry] if axis == 0 else 1))
        return cls(tuple(matrices), all(m is None or m.nnz == m.shape[1] for m in matrices))

    @classmethod
    def of(cls, fine: Grid, coarse: Grid) -> Coarsening:
        """Make it of two grids of one box."""
        small, large = ([grid.faces(axis) for axis in grid.axes] for grid in (fine, coarse))
        return cls.between(small, large, fine.geometry)

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return any(matrix is not None for matrix in self.matrices)

    def means(self, u: Array) -> Array:
        """Return the means over larger cells; axes before those of the grid stay."""
        return self._applied(u, lambda matrix: matrix)

    def sums(self, counts: Array) -> Array:
        """Return the sums of counts over larger cells, where each small one lies in one."""
        return self._applied(counts, lambda matrix: (matrix > 0).astype(counts.dtype))

    def deviations(self, deviation: Array) -> Array:
        """Return the standard deviation of means of cells that err independently."""
        return np.asarray(np.sqrt(self._applied(deviation**2, lambda matrix: matrix.power(2))))

    def _applied(self, u: Array, turned: Any) -> Array:
        first = u.ndim - len(self.matrices)
        for axis, matrix in enumerate(self.matrices):
            if matrix is None:
                continue
            front = np.moveaxis(u, first + axis, 0)
            flat = turned(matrix) @ front.reshape(front.shape[0], -1)
            u = np.moveaxis(flat.reshape(-1, *front.shape[1:]), 0, first + axis)
        return np.ascontiguousarray(u)


def _weights(small: Array, large: Array, power: int) -> Any:
    """Part of each larger cell that each small one makes up."""
    from scipy import sparse

    near = small[np.clip(np.searchsorted(small, large), 1, small.size - 1)]
    before = small[np.clip(np.searchsorted(small, large), 1, small.size - 1) - 1]
    near = np.where(np.abs(before - large) < np.abs(near - large), before, near)
    least = SAME_FACE * float(np.min(np.diff(small)))
    large = np.where(np.abs(near - large) <= least, near, large)
    places = np.unique(np.concatenate([small, large]))
    middles = 0.5 * (places[1:] + places[:-1])
    inner = np.clip(np.searchsorted(small, middles) - 1, 0, small.size - 2)
    outer = np.clip(np.searchsorted(large, middles) - 1, 0, large.size - 2)
    parts = np.diff(places**power) / np.diff(large**power)[outer]
    return sparse.csr_matrix((parts, (outer, inner)), (large.size - 1, small.size - 1))
