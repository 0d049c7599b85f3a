"""The modes of a grid: their numbers, shells of them, and two figures that show the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plot_samples import Open, opener

from diffusim import plots, style
from diffusim.grid import Grid
from diffusim.plots import shown
from diffusim.spectrum import Shells, coefficients, mode_numbers, of_modes, on_rings, radial_power

DAY = 86400.0
GRIDS: dict[str, dict[str, Any]] = {
    "mirrors": {"shape": (40, 30), "size": (40.0, 45.0)},
    "a ring": {"shape": (40, 30), "size": (40.0, 45.0), "edges": "periodic"},
    "long": {"shape": (7, 300), "size": (7.0, 300.0)},
    "a long ring": {"shape": (300, 7), "size": (300.0, 7.0), "edges": "periodic"},
    "both": {"shape": (12, 9), "size": (1.0, 3.0), "edges": {"y": "periodic"}},
    "a line": {"shape": (64,), "size": (64.0,)},
    "a series": {"geometry": "series", "shape": (64,), "size": (64.0,)},
    "a series that comes round": {
        "geometry": "series", "shape": (33,), "size": (33.0,), "edges": "periodic"},
}  # fmt: skip


def grid_of(name: str) -> Grid:
    return Grid.model_validate(GRIDS[name])


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with opener(tmp_path) as make:
        yield make


@pytest.mark.parametrize("name", GRIDS)
def test_every_mode_but_the_mean_belongs_to_one_shell(name: str) -> None:
    grid = grid_of(name)
    u = np.random.default_rng(1).standard_normal(grid.shape) + 5.0
    found = radial_power(u, grid)
    assert np.sum(found.modes) == grid.cells - 1
    assert np.sum(found.modes * found.power) == pytest.approx(
        np.sum((u - np.mean(u)) ** 2), rel=1e-12
    )
    assert np.all(np.diff(found.lengths) < 0.0)


@pytest.mark.parametrize("name", GRIDS)
def test_a_shell_holds_waves_of_much_the_same_length(name: str) -> None:
    """No wider than one mode at first, of a series three, then by a factor of 1.12."""
    grid = grid_of(name)
    numbers = np.sqrt(sum((k**2 for k in mode_numbers(grid)), np.zeros(grid.shape)))
    thin = (3.0 if grid.in_time else 1.0) * np.min(numbers[numbers > 0.0])
    shells = Shells(grid)
    # Which shell a mode is in is seen from the mean of nothing but that mode.
    ends = []
    for mode in np.flatnonzero(numbers.ravel()):
        alone = np.zeros(grid.cells)
        alone[mode] = 1.0
        (place,) = np.flatnonzero(shells.means(alone))
        ends.append((place, numbers.ravel()[mode]))
    for place in range(shells.modes.size):
        inside = [number for other, number in ends if other == place]
        assert max(inside) <= min(inside) + max(thin, 0.12 * min(inside)) * (1.0 + 1e-9)
        assert shells.lengths[place] == pytest.approx(1.0 / np.mean(inside), rel=1e-12)
        assert shells.modes[place] == len(inside)
    if name == "a series":
        assert shells.modes[:3].tolist() == [3, 3, 3]
    if name == "a line":
        assert shells.modes[:3].tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", GRIDS)
def test_modes_on_rings_and_back_are_the_same(name: str) -> None:
    grid = grid_of(name)
    modes = np.random.default_rng(2).random(grid.shape)
    assert np.array_equal(of_modes(on_rings(modes, grid), grid), modes)


@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
@pytest.mark.parametrize("count", [96, 1460])
def test_the_figures_series_and_spectrum_show_the_same_points(
    opened: Open, edges: str, count: int
) -> None:
    u = np.random.default_rng(3).standard_normal(count)
    told = {
        "grid": {"geometry": "series", "shape": [count], "size": [count * DAY], "edges": edges},
        "propagator": {"kind": "moving-average", "width": 7 * DAY},
    }
    stored, comparison = opened({"stencil": u[None]}, times=np.zeros(1), size=(count * DAY,),
                                axes=("t",), scenario=told,
                                extra={"clock": "applications"})  # fmt: skip
    series, spectrum = plots.series(stored, comparison), plots.spectrum(stored, comparison)
    assert series is not None
    assert spectrum is not None
    (one,) = [axes for axes in series.axes if axes.get_title() == "Spectrum"]
    other = spectrum.axes[0]
    assert one.get_xlabel() == other.get_xlabel() == "period (d)"
    assert one.get_ylabel() == other.get_ylabel()
    assert np.array_equal(one.lines[0].get_xydata(), other.lines[0].get_xydata())
    grid = Grid.model_validate(told["grid"])
    first = np.abs(coefficients(u, grid).ravel()) ** 2
    longest = first[1:4] if edges == "no-flux" else first[[1, 2, 3, -1, -2, -3]]
    assert other.lines[0].get_ydata()[0] == pytest.approx(np.mean(longest), rel=1e-12)


@pytest.mark.parametrize(
    ("shape", "size", "unit"),
    [((256, 256), 0.256, "cm"), ((64, 64), 0.064, "cm"), ((32, 24), 0.032, "mm")],
)
def test_waves_are_counted_in_a_unit_between_cells_and_box(
    opened: Open, shape: tuple[int, int], size: float, unit: str
) -> None:
    wide = size, size * shape[1] / shape[0]
    told = {"grid": {"shape": shape, "size": wide},
            "propagator": {"kind": "diffusion", "diffusivity": 1e-9}}  # fmt: skip
    stored, _ = opened({"modes": np.ones((1, *shape))}, times=np.zeros(1), size=wide,
                       scenario=told)  # fmt: skip
    assert shown.wave_unit(stored) == (style.length_unit({"cm": 0.01, "mm": 1e-3}[unit])[0], unit)
