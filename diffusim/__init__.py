"""diffusim: a field carried forward in time by its propagator, in every way physics knows.

Names are imported when they are first used, so that ``import diffusim`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffusim.block import Invalid as Invalid
    from diffusim.block import Unsupported as Unsupported
    from diffusim.conduct import compare as compare
    from diffusim.conduct import run as run
    from diffusim.grid import Grid as Grid
    from diffusim.medium.walls import CellWalls as CellWalls
    from diffusim.medium.walls import Wall as Wall
    from diffusim.propagators.autoregression import Autoregression as Autoregression
    from diffusim.propagators.diffusion import Diffusion as Diffusion
    from diffusim.propagators.filter import Filter as Filter
    from diffusim.propagators.kernel import Kernel as Kernel
    from diffusim.propagators.moving_average import MovingAverage as MovingAverage
    from diffusim.propagators.schroedinger import Schroedinger as Schroedinger
    from diffusim.propagators.template import Template as Template
    from diffusim.solving import Run as Run
    from diffusim.solving import solve as solve
    from diffusim.store import load as load

_PLACES = {
    "Grid": "grid",
    "Diffusion": "propagators.diffusion",
    "Kernel": "propagators.kernel",
    "Filter": "propagators.filter",
    "Template": "propagators.template",
    "MovingAverage": "propagators.moving_average",
    "Autoregression": "propagators.autoregression",
    "Schroedinger": "propagators.schroedinger",
    "Wall": "medium.walls",
    "CellWalls": "medium.walls",
    "Run": "solving",
    "solve": "solving",
    "run": "conduct",
    "compare": "conduct",
    "load": "store",
    "Invalid": "block",
    "Unsupported": "block",
}
__all__ = [*_PLACES, "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("diffusim")
    if name not in _PLACES:
        raise AttributeError(f"module 'diffusim' has no attribute '{name}'")
    return getattr(importlib.import_module(f"diffusim.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
