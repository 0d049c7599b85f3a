"""Analytic solutions of the diffusion equation, at points or as means of cells.

- closed or joined axis: `gaussian`, `step`, `interval`, `blob`, `cut_blob`, `mode`,
  `decaying_mode`;
- ends that are held, exchange or are heated: `half_space`, `slab`, `slab_mode`, `exchange`,
  `heated`, `parabola`;
- two layers and a membrane: `layers_flux`, `layers_steady`, `layers_rate`, `layers_mode`;
- round bodies: `disc`, `disc_mode`, `ring_mode`, `ring_steady`, `sphere`, `sphere_mode`, `uptake`;
- flow: `carried_blob`, `carried_mode`, `drift_steady`, `channel_diffusivity`, `channel_variance`;
- cases that others have published numbers for: `oscillating`, `manufactured`,
  `manufactured_source`.

References
----------
J. Crank, *The Mathematics of Diffusion*, 2nd ed., Oxford 1975; H. S. Carslaw and J. C. Jaeger,
*Conduction of Heat in Solids*, 2nd ed., Oxford 1959.
"""

from __future__ import annotations

from diffusim.exact.axis import Ends, blob, gaussian, mode, step
from diffusim.exact.balls import sphere, sphere_mode
from diffusim.exact.benchmarks import manufactured, manufactured_source, oscillating
from diffusim.exact.bodies import Body, uptake
from diffusim.exact.cut import cut_blob, interval
from diffusim.exact.discs import Rim, disc, disc_mode, ring_mode, ring_steady
from diffusim.exact.flow import (
    carried_blob,
    carried_mode,
    channel_diffusivity,
    channel_variance,
    drift_steady,
)
from diffusim.exact.layers import layers_flux, layers_mode, layers_rate, layers_steady
from diffusim.exact.slabs import exchange, half_space, heated, slab, slab_mode
from diffusim.exact.sources import decaying_mode, parabola

__all__ = [
    "Body",
    "Ends",
    "Rim",
    "blob",
    "carried_blob",
    "carried_mode",
    "channel_diffusivity",
    "channel_variance",
    "cut_blob",
    "decaying_mode",
    "disc",
    "disc_mode",
    "drift_steady",
    "exchange",
    "gaussian",
    "half_space",
    "heated",
    "interval",
    "layers_flux",
    "layers_mode",
    "layers_rate",
    "layers_steady",
    "manufactured",
    "manufactured_source",
    "mode",
    "oscillating",
    "parabola",
    "ring_mode",
    "ring_steady",
    "slab",
    "slab_mode",
    "sphere",
    "sphere_mode",
    "step",
    "uptake",
]
