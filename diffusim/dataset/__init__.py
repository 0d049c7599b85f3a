"""Datasets: thousands of trajectories of one scenario, each a little different."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffusim.dataset.making import Made as Made
    from diffusim.dataset.making import trajectories as trajectories
    from diffusim.dataset.recipe import Recipe as Recipe
    from diffusim.dataset.recipe import Trajectory as Trajectory

# Looked up when asked for: the process that forks workers is started before these are loaded.
_PLACES = {"Made": "making", "Recipe": "recipe", "Trajectory": "recipe", "trajectories": "making"}
__all__ = [*_PLACES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'diffusim.dataset' has no attribute '{name}'")
    return getattr(importlib.import_module(f"diffusim.dataset.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
