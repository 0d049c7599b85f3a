"""A sum of starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import model_validator

from diffusim.block import Invalid, listed
from diffusim.grid import Grid
from diffusim.initial.start import Key, Start, key_of_part

if TYPE_CHECKING:
    from diffusim.initial import Initial


class Sum(Start):
    """What several starts hold together, cell by cell.

    What is random is keyed apart, so two noises of a sum are independent. A start of one field goes
    to every channel of one that has several.

    Parameters
    ----------
    of : list
        The starts, each a mapping with its ``kind``.
    """

    kind: Literal["sum"] = "sum"
    of: Annotated[tuple[Initial, ...], listed]

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.of:
            raise Invalid("expected one start at least", "of")
        return self

    def names(self, channels: int) -> tuple[str, ...]:
        """Names of the channels: those that one of the starts knows."""
        plain = super().names(channels)
        known = (start.names(channels) for start in self.of)
        return next((names for names in known if names != plain), plain)

    # What overflows is refused as a start, in words.
    @np.errstate(over="ignore", invalid="ignore")
    def _means(self, grid: Grid, key: Key) -> Any:
        total: Any = 0.0
        kinds, channels = set(), 1
        for number, start in enumerate(self.of):
            try:
                u = start.field(grid, key_of_part(key, number))
            except Invalid as problem:
                raise Invalid(problem.message, "of", number, *problem.path) from None
            kinds.add(np.iscomplexobj(u))
            if len(kinds) > 1:
                raise Invalid("a wave and a field that is none cannot be added", "of", number)
            own = len(u) if u.ndim > len(grid.shape) else 1
            if 1 not in (own, channels) and own != channels:
                raise Invalid(
                    f"has {own} channels, those before it {channels}; give as many, or one",
                    "of", number,
                )  # fmt: skip
            channels = max(own, channels)
            total = total + u
        return total


def parts(start: Start) -> tuple[Start, ...]:
    """Return the starts that a sum is made of, also of sums within it; of any other, itself."""
    if not isinstance(start, Sum):
        return (start,)
    return tuple(part for one in start.of for part in parts(one))
