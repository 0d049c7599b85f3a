"""Datasets: thousands of trajectories of one scenario, each a little different."""

from diffusim.dataset.making import Made, trajectories
from diffusim.dataset.recipe import Recipe, Trajectory

__all__ = ["Made", "Recipe", "Trajectory", "trajectories"]
