"""What all kinds of initial fields share."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict

from diffusim.block import Array, Block, listed
from diffusim.grid import Grid

Key = tuple[int, int]
Pair = Annotated[tuple[float, float], listed]


def _with_kind(schema: dict[str, Any]) -> None:
    """Demand in a schema the ``kind`` that Python users need not write."""
    schema["required"] = ["kind", *schema.get("required", [])]


class Start(Block):
    """What all kinds of initial fields share; ``kind`` tells them apart."""

    model_config = ConfigDict(json_schema_extra=_with_kind)

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
