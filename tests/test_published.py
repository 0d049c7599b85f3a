"""Numbers that others have published, or that follow from what they published, met again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import diffusim as ds
from diffusim import exact

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


def test_the_bar_of_nafems_t3_is_36_6_degrees_where_and_when_it_says(
    figure: Callable[..., None],
) -> None:
    """T(0) = 0, T(L) = 100 sin(pi t / 40): The Standard NAFEMS Benchmarks (1990), T3.

    The end's temperature is a table of its means over tenths of a second.
    """
    diffusivity, steps = 35.0 / (7200.0 * 440.5), 320
    edges = np.linspace(0.0, 32.0, steps + 1)
    integral = -100.0 * 40.0 / np.pi * np.cos(np.pi * edges / 40.0)
    table = [[float(t), float(v)] for t, v in zip(edges, np.diff(integral) * 10.0, strict=False)]
    grid = ds.Grid(shape=(256,), size=(0.1,), edges={"left": {"value": 0.0},
                                                     "right": {"value": table}})  # fmt: skip
    bar = ds.Diffusion(diffusivity=diffusivity)
    run = ds.solve(np.zeros(256), bar, grid=grid, times=[32.0], method="chebyshev")
    found = float(np.interp(0.08, grid.centres(0), run.frames[-1]))
    figure("NAFEMS T3", found, unit="degC", limit="36.60 +- 0.01")
    assert found == pytest.approx(36.60311595908, abs=0.01)


def test_the_square_of_sundials_has_its_error(figure: Callable[..., None]) -> None:
    """32 x 32 nodes, 30 x 30 of them free; the largest errors that ``ark_heat2D.out`` prints.

    A node on the side is a whole spacing away from its neighbour, so half of it is put into the
    transfer coefficient. The source is held at its middle value for a thousandth of the time.
    """
    h, k, dt = 1.0 / 31.0, 1.0, 1e-3
    away = {"transfer": 2.0 * k / h, "value": 0.0}
    grid = ds.Grid(shape=(30, 30), size=(30 * h, 30 * h), edges={"x": away, "y": away})
    x = (np.arange(30) + 1.0)[:, None] * h
    y = x.T
    u = exact.manufactured(x, y, 0.0)
    printed = {0.05: 2.452507603e-3, 0.1: 2.889295064e-3, 0.25: 2.061356926e-3, 1.0: 3.297515521e-3}
    recomputed = {0.05: 2.454687e-3, 0.1: 2.894033e-3, 0.25: 2.077149e-3, 1.0: 3.297250e-3}
    for step in range(1000):
        source = exact.manufactured_source(x, y, (step + 0.5) * dt, (k, k))
        plate = ds.Diffusion(diffusivity=k, source=source)
        u = ds.solve(u, plate, grid=grid, times=[dt], method="chebyshev").frames[-1]
        time = round((step + 1) * dt, 9)
        if time in printed:
            error = float(np.max(np.abs(u - exact.manufactured(x, y, time))))
            name = f"SUNDIALS ark_heat2D, largest error at t = {time:g}"
            figure(name, error, limit=f"{printed[time]:.6e} +- 3e-5")
            assert error == pytest.approx(printed[time], abs=3e-5)
            # The source in steps adds 1e-5 at most, and a tenth of that in steps of a tenth.
            assert error == pytest.approx(recomputed[time], abs=1.1e-5)


@pytest.mark.parametrize(
    ("geometry", "body", "uptakes"),
    [("box", "sheet", (0.112837916710, 0.252313252178, 0.356823400452, 0.504087820203)),
     ("cylindrical", "cylinder", (0.215473938179, 0.452120997997, 0.605824193967, 0.782147552543)),
     ("spherical", "sphere", (0.308513750129, 0.606939756679, 0.770478738026, 0.915495566108))],
)  # fmt: skip
def test_bodies_take_up_what_crank_says_through_the_ledger_of_their_rim(
    geometry: str, body: str, uptakes: tuple[float, ...], figure: Callable[..., None]
) -> None:
    """Crank 1975, sections 4.3.2, 5.3.2, 6.3.1, at D t / l^2 of 0.01, 0.05, 0.1 and 0.2."""
    side = "right" if geometry == "box" else "outer"
    grid = ds.Grid(geometry=geometry, shape=(400,), size=(1.0,), edges={side: {"value": 1.0}})
    run = ds.solve(np.zeros(400), ds.Diffusion(diffusivity=1.0), grid=grid,
                   times=[0.01, 0.05, 0.1, 0.2], method="chebyshev")  # fmt: skip
    assert run.accounts is not None
    found = run.accounts[:, 0] / grid.total(np.ones(400))
    worst = float(np.max(np.abs(found / uptakes - 1.0)))
    figure(f"Crank's uptake of a {body}, largest relative error on 400 cells", worst, limit="1e-4")
    assert worst < 1e-4
