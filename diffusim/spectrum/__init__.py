"""Fields as sums of waves: transforms, eigenbases and what becomes of waves, and Fourier pictures.

==========  ==================================================================================
bases       per axis a transform or an eigenbasis, in which a propagator is a multiplication
modes       the waves of a grid, a field's coefficients in them, and its power by their length
pictures    the power of a picture's waves, by their length and by their direction
directions  the strongest wave of a picture, and the direction in which it varies most
==========  ==================================================================================
"""

from __future__ import annotations

from diffusim.spectrum.bases import (
    COSINE,
    COSINE4,
    SINE,
    SINE4,
    Basis,
    Eigenbasis,
    Fourier,
    Rest,
    Waves,
    cell_factor,
    compartments,
    lattice_rate,
    own_modes,
    phi1,
    phi2,
    waves_between,
    waves_of_each,
)
from diffusim.spectrum.directions import Orientation, Wave, orientation, strongest_wave
from diffusim.spectrum.modes import (
    Radial,
    Shells,
    coefficients,
    corner_numbers,
    field_of,
    mode_numbers,
    of_modes,
    on_rings,
    radial_power,
    ring_numbers,
    rings,
)
from diffusim.spectrum.pictures import (
    Angular,
    Power,
    angular_power,
    centred_power,
    centred_transform,
    log_power,
    usual_power,
    window_of,
)

__all__ = [
    "COSINE", "COSINE4", "SINE", "SINE4", "Angular", "Basis", "Eigenbasis", "Fourier",
    "Orientation", "Power", "Radial", "Rest", "Shells", "Wave", "Waves", "angular_power",
    "cell_factor", "centred_power", "centred_transform", "coefficients", "compartments",
    "corner_numbers", "field_of",
    "lattice_rate", "log_power", "mode_numbers", "of_modes", "on_rings", "orientation", "own_modes",
    "phi1", "phi2", "radial_power", "ring_numbers", "rings", "strongest_wave", "usual_power",
    "waves_between", "waves_of_each", "window_of",
]  # fmt: skip
