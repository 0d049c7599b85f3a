"""Initial fields: what is in the cells at time zero.

One block per kind; ``Initial`` is the type of a key that holds any of them, by its ``kind``. Their
``field(grid, key)`` is the mean value of each cell, and what is random in it comes from the key
alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, ValidationInfo

from diffusim.block import Invalid
from diffusim.initial.chance import DiffusedNoise, GaussianField, Noise, RandomCells
from diffusim.initial.given import Expression, Picture, Stored
from diffusim.initial.scattered import Blobs, Discontinuities, ImagePatch
from diffusim.initial.shapes import Blob, Halves, Modes, Patch, Patches, Term, Uniform
from diffusim.initial.start import Start
from diffusim.initial.wave import Packet

__all__ = [
    "Blob", "Blobs", "DiffusedNoise", "Discontinuities", "Expression", "GaussianField", "Halves",
    "ImagePatch", "Initial", "Modes", "Noise", "Packet", "Patch", "Patches", "Picture",
    "RandomCells", "Start", "Stored", "Term", "Uniform",
]  # fmt: skip

_ANY = (
    Uniform | Halves | Blob | RandomCells | Noise | DiffusedNoise | GaussianField
    | Blobs | Discontinuities | Modes | Patches | Picture | ImagePatch | Expression | Stored
    | Packet
)  # fmt: skip
_KINDS: dict[str, type[Start]] = {
    kind.model_fields["kind"].default: kind for kind in get_args(_ANY)
}


def _by_kind(value: Any, info: ValidationInfo) -> Any:
    """Choose the class by ``kind``, so that errors speak of one class only."""
    if isinstance(value, Start):
        return value
    known = ", ".join(_KINDS)
    word = value.get("kind") if isinstance(value, Mapping) else None
    if word is None:
        raise Invalid(f"expected a mapping with a 'kind', one of: {known}")
    if not isinstance(word, str) or word not in _KINDS:
        near = difflib.get_close_matches(str(word), _KINDS, 1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise Invalid(f"there is no kind '{word}' here; {hint}known: {known}", "kind")
    return _KINDS[word].model_validate(dict(value), context=info.context)


Initial = Annotated[_ANY, BeforeValidator(_by_kind)]
