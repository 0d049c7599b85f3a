"""Initial fields: what is in the cells at time zero.

One block per kind; ``Initial`` is the type of a key that holds any of them, by its ``kind``. Their
``field(grid, key)`` is the mean value of each cell, and what is random in it comes from the key
alone.
"""

from __future__ import annotations

from typing import Annotated

from diffusim.block import by_kind
from diffusim.initial.chance import DiffusedNoise, GaussianField, Noise, RandomCells
from diffusim.initial.collage import Collage
from diffusim.initial.given import Expression, Picture, Stored
from diffusim.initial.scattered import Blobs, Discontinuities, ImagePatch
from diffusim.initial.shapes import Blob, Halves, Modes, Patch, Patches, Term, Uniform
from diffusim.initial.start import Start
from diffusim.initial.stripes import Stripes
from diffusim.initial.sums import Sum, parts
from diffusim.initial.wave import Packet

__all__ = [
    "Blob", "Blobs", "Collage", "DiffusedNoise", "Discontinuities", "Expression", "GaussianField",
    "Halves", "ImagePatch", "Initial", "Modes", "Noise", "Packet", "Patch", "Patches", "Picture",
    "RandomCells", "Start", "Stored", "Stripes", "Sum", "Term", "Uniform",
    "parts",
]  # fmt: skip

_ANY = (
    Uniform | Halves | Blob | RandomCells | Noise | DiffusedNoise | GaussianField
    | Blobs | Discontinuities | Modes | Patches | Picture | ImagePatch | Expression | Stored
    | Packet | Stripes | Sum | Collage
)  # fmt: skip

Initial = Annotated[_ANY, by_kind(_ANY)]
# A sum may hold any start, a sum too, and pieces may be laid on any.
Sum.model_rebuild(_types_namespace={"Initial": Initial})
Collage.model_rebuild(_types_namespace={"Initial": Initial})
