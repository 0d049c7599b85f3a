"""Compiled sweeps over all cells: what applies a generator, which never sees a shape."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from diffusim.block import Array


class Sweep:
    """Compiled sweeps over all cells of A = scale L; whoever uses it never sees a shape.

    Parameters
    ----------
    shape : tuple of int
        Shape of the fields.
    wrap : tuple of bool
        Periodicity of the two axes of a loop.
    faces : tuple
        A's faces as loops take them.
    drains, gains : array
        What cells lose as a part, and gain; in any shape that broadcasts.
    along : sequence of array
        The parts of the drains that belong to each axis.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        wrap: tuple[bool, bool],
        faces: tuple[Any, ...],
        drains: Array,
        gains: Array,
        along: Sequence[Array],
    ) -> None:
        from diffusim.loops import sweeps

        # Its arguments follow from what the generator has, which types cannot tell.
        self._loops: Any = sweeps
        self._wrap, self._faces, self._shape = wrap, faces, shape
        self._loss, self._source, self._along = self._field(drains), self._field(gains), along

    @cached_property
    def _losses(self) -> list[Array | None]:
        own = [self._field(drains) for drains in self._along]
        return own if len(own) == 2 else [None, *own]

    def _field(self, values: Array) -> Array | None:
        if not np.any(values):
            return None
        return plane(np.array(np.broadcast_to(values, self._shape)))

    def step(self, u: Array, work: Array, count: int, total: Array | None = None) -> None:
        """Advance ``u`` in place by ``count`` times u <- u + A u + b, adding up what u was."""
        self._loops.step(plane(u), plane(work), None if total is None else plane(total), count,
                         *self._faces, self._loss, self._source, *self._wrap)  # fmt: skip

    def expand(
        self,
        older: Array,
        newer: Array,
        result: Array,
        growth: Array,
        memory: Array,
        weights: Array,
        shares: Array,
        total: Array | None = None,
    ) -> None:
        """Add weighted changes of a three-term recurrence, see `diffusim.loops.sweeps.expand`."""
        three = [plane(v) for v in (older, newer, result)]
        self._loops.expand(*three, None if total is None else plane(total), growth, memory,
                           weights, shares, *self._faces, self._loss, self._source,
                           *self._wrap)  # fmt: skip

    def rate(self, out: Array, u: Array) -> None:
        """Write A u + b into ``out``."""
        self._loops.rate(plane(out), plane(u), *self._faces, self._loss, self._source,
                         *self._wrap)  # fmt: skip

    def correct(self, u: Array, change: Array, first: Array, second: Array) -> None:
        """Add a split implicit step in flux form, see `diffusim.loops.sweeps.correct`."""
        fields = [plane(v) for v in (u, change, first, second)]
        self._loops.correct(*fields, *self._faces, *self._losses, *self._wrap)


def plane(u: Array) -> Array:
    """View a field as the two-dimensional array that loops take; one dimension becomes one row."""
    return u.reshape((1, *u.shape)[-2:])
