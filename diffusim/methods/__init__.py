"""Methods, one file each; the file's name is the word in YAML. What they are made of is here."""

from diffusim.lattice import (
    GENERATOR,
    KERNEL,
    MOST_STEPS,
    ROUND_OFF,
    SLICE,
    STEPS_PER_AGE,
    Adaptive,
    Applying,
    Balance,
    Balanced,
    Jumping,
    OnLattice,
    Stepping,
    slices,
)
from diffusim.method import ANY_START, Method, Plan, Prediction, offered, refusal

__all__ = [
    "ANY_START",
    "GENERATOR",
    "KERNEL",
    "MOST_STEPS",
    "ROUND_OFF",
    "SLICE",
    "STEPS_PER_AGE",
    "Adaptive",
    "Applying",
    "Balance",
    "Balanced",
    "Jumping",
    "Method",
    "OnLattice",
    "Plan",
    "Prediction",
    "Stepping",
    "offered",
    "refusal",
    "slices",
]
