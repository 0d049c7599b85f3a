"""Several masks, one after the other: the type of the key that holds them, and their product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from diffusim.block import Array, Invalid, by_kind
from diffusim.filters.masks import (
    Butterworth,
    DiffusionMask,
    Direction,
    Disc,
    GaussianMask,
    Largest,
    Mask,
    Ring,
)
from diffusim.filters.waves import modes_of_corner
from diffusim.grid import Grid
from diffusim.spectrum import of_modes

_ANY = Disc | Ring | GaussianMask | Butterworth | Direction | DiffusionMask | Largest
AnyMask = Annotated[_ANY, by_kind(_ANY)]


class _OneOrSeveral:
    """Adds to the schema of a list what may stand for it: its only entry."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = handler(schema)
        return {"anyOf": [found["items"], found]}


def _several(value: Any) -> Any:
    # A least length would be told beside every slip within.
    if isinstance(value, list | tuple) and not value:
        raise ValueError("expected one mask at least")
    return tuple(value) if isinstance(value, list | tuple) else (value,)


Masks = Annotated[tuple[AnyMask, ...], BeforeValidator(_several), _OneOrSeveral()]


def even(masks: Sequence[Mask], grid: Grid) -> bool:
    """Return whether waves that are mirrored along one axis fare alike."""
    return all(mask.even(grid) for mask in masks)


def corner(masks: Sequence[Mask], grid: Grid) -> Array:
    """Return what several even masks multiply the waves of a grid's rings by that run upwards.

    Raises
    ------
    Invalid
        When one of them is none on this grid, with its number and the path of its key.
    """
    return _product(masks, lambda mask: mask.corner(grid))


def multiplier(masks: Sequence[Mask], grid: Grid) -> Array:
    """Return what several masks, one after the other, multiply each wave of a grid's rings by.

    Raises
    ------
    Invalid
        When one of them is none on this grid, with its number and the path of its key.
    """
    return _product(masks, lambda mask: mask.multiplier(grid))


def factors(masks: Sequence[Mask], grid: Grid) -> Array:
    """Return what several masks multiply each mode of a grid by.

    In the order of `diffusim.spectrum.coefficients`; errors are those of `multiplier`.
    """
    if even(masks, grid):
        return modes_of_corner(corner(masks, grid), grid)
    return of_modes(multiplier(masks, grid), grid)


def _product(masks: Sequence[Mask], read: Callable[[Mask], Array]) -> Array:
    product: Array | None = None
    for number, mask in enumerate(masks):
        try:
            part = read(mask)
        except Invalid as problem:
            raise Invalid(problem.message, number, *problem.path) from None
        product = part if product is None else product * part
    assert product is not None
    return product
