"""Propagators, one file each; its name is the word in YAML. What they are made of is here."""

from diffusim.propagator import WHOLE, Clock, Limit, Propagator, applications
from diffusim.shifts import Applied, Shifting

__all__ = ["WHOLE", "Applied", "Clock", "Limit", "Propagator", "Shifting", "applications"]
