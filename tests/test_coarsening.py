"""Fields on larger cells: means by the volumes within."""

from __future__ import annotations

import numpy as np
import pytest

from diffusim.coarsening import Coarsening
from diffusim.grid import Grid


def test_averages_are_those_of_the_volumes_within() -> None:
    rng = np.random.default_rng(1)
    fine, coarse = (
        Grid(geometry="cylindrical", shape=shape, size=(3.0, 2.0)) for shape in ((8, 6), (4, 3))
    )
    u = rng.random((2, 8, 6))
    found = Coarsening.of(fine, coarse).means(u)
    assert found.shape == (2, 4, 3)
    for c, i, j in np.ndindex(2, 4, 3):
        r = np.array([fine.centres(0)[2 * i], fine.centres(0)[2 * i + 1]])[:, None]
        four = u[c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        # Rings of equal thickness hold as much as they are far from the axis.
        assert found[c, i, j] == pytest.approx(np.sum(r * four) / np.sum(2 * r), rel=1e-14)
