"""What the tests of propagators along a series share: grids of days, noise, and one way to run."""

from __future__ import annotations

from typing import Any

import numpy as np

import diffusim as ds
from diffusim.block import Array

DAY = 86400.0
MIRRORS, RING = "no-flux", "periodic"
NOTHING_BEFORE: dict[str, Any] = {"first": {"value": 0}}


def grid(n: int, edges: Any = MIRRORS) -> ds.Grid:
    return ds.Grid(geometry="series", shape=n, size=n * DAY, edges=edges)


def noise(n: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).standard_normal(n)


def applied(u: Array, propagator: Any, edges: Any, times: list[float], method: str) -> Array:
    return ds.solve(u, propagator, grid=grid(u.shape[-1], edges), times=times, method=method).frames
