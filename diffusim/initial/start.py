"""What all kinds of initial fields share."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict

from diffusim.block import Array, Block, listed, with_kind
from diffusim.grid import Grid

Key = tuple[int, int]
Pair = Annotated[tuple[float, float], listed]


def key_of_part(key: Key, number: int) -> Key:
    """The key of one of several starts within another, apart from its own and from each other."""
    words = np.random.SeedSequence(key, spawn_key=(number,)).generate_state(2, np.uint64)
    return int(words[0]), int(words[1])


class Start(Block):
    """What all kinds of initial fields share; ``kind`` tells them apart."""

    model_config = ConfigDict(json_schema_extra=with_kind)

    def field(self, grid: Grid, key: Key) -> Array:
        """Return the mean value of each cell, u[x, y], in the field's unit.

        Of several channels these come first, u[channel, x, y].

        Parameters
        ----------
        grid : Grid
            Where.
        key : tuple of int
            Two words that decide what is random.

        Raises
        ------
        Invalid
            When this start cannot be made on this grid, with the key that is to blame.
        """
        means = np.asarray(self._means(grid, key))
        channels = means.shape[:1] if means.ndim > len(grid.shape) else ()
        dtype = complex if np.iscomplexobj(means) else float
        return np.array(np.broadcast_to(means, (*channels, *grid.shape)), dtype=dtype)

    def names(self, channels: int) -> tuple[str, ...]:
        """Names of so many channels of this start, numbers where it knows none."""
        return tuple(str(number + 1) for number in range(channels))

    def _means(self, grid: Grid, key: Key) -> Any:
        raise NotImplementedError
