"""The cells of stored results, and their frames on larger ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from diffusim.block import Array
from diffusim.comparison import Frames
from diffusim.store import Header


def faces_of(header: Header) -> tuple[Array, ...]:
    """Return the faces along each axis, half way between centres where a file does not tell."""
    if header.faces is not None and len(header.faces) == len(header.shape):
        return header.faces
    return tuple(map(_between, header.centres))


def _between(centres: Array) -> Array:
    if centres.size == 1:
        return np.array([0.0, 2.0 * centres[0]])
    middle = 0.5 * (centres[1:] + centres[:-1])
    first, last = 2.0 * centres[0] - middle[0], 2.0 * centres[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


class Coarsened:
    """Frames brought to larger cells, each when it is asked for; nothing is kept."""

    def __init__(self, frames: Frames, work: Any) -> None:
        self._frames, self._work = frames, work

    def __len__(self) -> int:
        return len(self._frames)  # type: ignore[arg-type]

    def __getitem__(self, number: int) -> Array:
        """Return a frame by its number."""
        return np.asarray(self._work(np.asarray(self._frames[number])))

    def __iter__(self) -> Iterator[Array]:
        return (self[number] for number in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(np.stack(list(self)), dtype=dtype)
