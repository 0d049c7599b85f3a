"""Numbers that others have published, or that follow from what they published, met again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import diffusim as ds

pytestmark = pytest.mark.proof


def spread_error(cells: int) -> float:
    """L1 error of a Gaussian on 12 lengths, D = 1/4, from t = 0.5 to 2.5, height 1e-6.

    The case of Athena++ (regression test ``diffusion/scalar_diffusion``): J. Stone et al.,
    ApJS 249 (2020) 4.
    """
    grid = ds.Grid(shape=(cells,), size=(12.0,), edges="periodic")
    x = grid.centres(0) - 6.0

    def gaussian(t: float) -> np.ndarray:
        return 1e-6 * np.exp(-(x**2) / t) / np.sqrt(np.pi * t)

    run = ds.solve(gaussian(0.5), ds.Diffusion(diffusivity=0.25), grid=grid, times=[2.0])
    return float(np.sum(np.abs(run.frames[-1] - gaussian(2.5))) * grid.spacing[0])


def test_the_gaussian_of_athena_converges_as_its_authors_demand(
    figure: Callable[..., None],
) -> None:
    coarse, fine = spread_error(256), spread_error(512)
    slope = float(np.log2(fine / coarse))
    figure("Athena++ scalar diffusion, L1 at 256 cells", coarse, limit="1.6422e-10")
    figure("Athena++ scalar diffusion, L1 at 512 cells", fine, limit="4.1105e-11")
    figure("Athena++ scalar diffusion, slope", slope, limit="<= -1.99")
    assert coarse == pytest.approx(1.6422e-10, rel=1e-4, abs=0)
    assert fine == pytest.approx(4.1105e-11, rel=1e-4, abs=0)
    assert slope <= -1.99


@pytest.mark.parametrize(
    ("cells", "expected"), [(64, 3.6922e-3), (128, 9.4608e-4), (256, 2.3794e-4)]
)
def test_the_pulse_of_castro_has_the_error_of_the_five_point_stencil(
    cells: int, expected: float, figure: Callable[..., None]
) -> None:
    """A pulse of height 1 on 1, D = 1, from t = 1e-3 to 2e-3 in a unit square.

    The case of Castro (``Exec/unit_tests/diffusion_test``): A. Almgren et al., ApJ 715 (2010) 1221.
    """
    grid = ds.Grid(shape=(cells, cells), size=(1.0, 1.0))
    x, y = grid.centres(0)[:, None] - 0.5, grid.centres(1)[None, :] - 0.5

    def pulse(t: float) -> np.ndarray:
        return 1.0 + 1e-3 / t * np.exp(-(x**2 + y**2) / (4.0 * t))

    run = ds.solve(pulse(1e-3), ds.Diffusion(diffusivity=1.0), grid=grid, times=[1e-3])
    error = float(np.max(np.abs(run.frames[-1] - pulse(2e-3))))
    figure(f"Castro pulse, largest error at {cells}^2", error, limit=f"{expected:.4e}")
    assert error == pytest.approx(expected, rel=1e-4, abs=0)


def test_half_the_salt_of_a_step_has_crossed_as_crank_says(figure: Callable[..., None]) -> None:
    """Two joined half spaces: what has crossed is c0 sqrt(D t / pi) per area (Crank 1975, 2.14)."""
    diffusivity, time = 1.5e-9, 3 * 86400.0
    grid = ds.Grid(shape=(2048,), size=(0.256,))
    u = np.where(grid.centres(0) < 0.128, 35.0, 0.0)
    run = ds.solve(u, ds.Diffusion(diffusivity=diffusivity), grid=grid, times=[time])
    crossed = float(np.sum(run.frames[-1][1024:]) * grid.spacing[0])
    expected = 35.0 * np.sqrt(diffusivity * time / np.pi)
    figure("salt across a step after 3 days, relative error", abs(crossed / expected - 1))
    assert crossed == pytest.approx(expected, rel=1e-4, abs=0)
