"""How a trajectory begins."""

from __future__ import annotations

from diffusim.block import Array, Invalid
from diffusim.channels import channels_of
from diffusim.scenario import Scenario


def start_of(scenario: Scenario) -> Array:
    """Return the initial field of a trajectory, of the shape of its grid.

    Of many choices not all were tried beforehand, so this is looked at for every trajectory.

    Raises
    ------
    Invalid
        When it cannot be made, its propagator does not carry it, or it has several channels.
    """
    u = scenario.start()
    if channels_of(u, scenario.grid):
        raise Invalid("a dataset takes fields of a single channel", "initial")
    return u
