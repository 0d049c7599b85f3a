"""Fields as sums of waves: transforms, eigenbases and what becomes of waves, and Fourier pictures.

==========  ==================================================================================
bases       per axis a transform or an eigenbasis, in which a propagator is a multiplication
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
from diffusim.spectrum.pictures import (
    Angular,
    Power,
    Radial,
    angular_power,
    centred_power,
    centred_transform,
    log_power,
    radial_power,
    usual_power,
    whitened_spectrum,
    window_of,
)

__all__ = [
    "COSINE", "COSINE4", "SINE", "SINE4", "Angular", "Basis", "Eigenbasis", "Fourier",
    "Orientation", "Power", "Radial", "Rest", "Wave", "Waves", "angular_power", "cell_factor",
    "centred_power", "centred_transform", "compartments", "lattice_rate", "log_power",
    "orientation", "own_modes", "phi1", "phi2", "radial_power", "strongest_wave", "usual_power",
    "waves_between", "waves_of_each", "whitened_spectrum", "window_of",
]  # fmt: skip
