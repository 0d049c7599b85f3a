"""Profiles against the analytic solution, where there is one, and against the noise of chance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from plot_samples import Open, header, opener, random_fields

from diffusim import plots
from diffusim.exact.matching import solution_of
from diffusim.plots.shown import analytic


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with opener(tmp_path) as make:
        yield make


def test_the_analytic_solution_drawn_is_that_of_the_scenario_on_its_own_grid() -> None:
    given: dict[str, Any] = {
        "grid": {"shape": [60, 40], "size": [0.3, 0.1]},
        "propagator": {"kind": "diffusion", "diffusivity": 1e-6},
        "initial": {"kind": "halves", "axis": "x", "values": [35.0, 1.0]},
    }
    found = analytic(header((60, 40), np.zeros(1), scenario=given))
    assert found is not None
    assert np.array_equal(found(500.0), solution_of(given)(500.0))
    assert analytic(header((61, 40), np.zeros(1), scenario=given)) is None


def test_a_profile_is_the_mean_over_y_of_what_depends_on_x_and_a_row_of_the_rest(
    opened: Open,
) -> None:
    along_x = np.broadcast_to(np.arange(6.0)[:, None], (2, 6, 3))
    cases = [
        (along_x, "Profile along x, mean over y", np.arange(6.0)),
        (np.swapaxes(along_x, 1, 2), "Profile along y, mean over x", np.arange(6.0)),
        (random_fields(2, (6, 3)), "Profile along x, row of cells at y = 5 cm", None),
    ]
    for u, words, values in cases:
        stored, comparison = opened({"modes": u})
        figure = plots.profile(stored, comparison)
        assert figure.get_suptitle().splitlines()[-1] == words
        line = figure.axes[0].lines[0].get_ydata()
        assert np.array_equal(line, u[0, :, 1] if values is None else values)


def test_the_noise_band_holds_what_chance_leaves_in_it(opened: Open) -> None:
    """Two deviations hold 95.4 % of 2000 cells; outside 93.5 to 97.3 % chance ends once in 10^4."""
    n, particles = 2000, 2_000_000
    law = np.linspace(1.0, 3.0, n)
    counts = np.random.default_rng(4).multinomial(particles, law / law.sum())
    worth = law.sum() / particles
    stored, comparison = opened(
        {"modes": law[None], "walkers": (worth * counts)[None]}, counts={"walkers": counts[None]},
        size=(1.0,), times=np.array([5.0]),
    )  # fmt: skip
    axes = plots.profile(stored, comparison).axes[-1]
    band = next(c for c in axes.collections if isinstance(c, PolyCollection))
    half = np.abs(band.get_paths()[0].vertices[1 : n + 1, 1])
    expected = particles * law / law.sum()
    wanted = 2.0 * worth * np.sqrt(expected * (1.0 - expected / particles))
    assert np.allclose(half, wanted, rtol=1e-12, atol=0)
    apart = axes.lines[0].get_ydata()
    assert 0.935 < np.mean(np.abs(apart) < half) < 0.973


def test_profiles_along_both_axes_run_through_what_varies_and_behind_a_screen(
    opened: Open,
) -> None:
    x, y = np.arange(40)[:, None] + 0.5, np.arange(24)[None, :] + 0.5
    drop = np.exp(-((x - 8.0) ** 2 + (y - 19.0) ** 2) / 8.0)
    stored, comparison = opened({"modes": np.stack([drop, 0.5 * drop])}, size=(0.4, 0.24))
    for picture, axis in ((plots.profile, 0), (plots.across, 1)):
        figure = picture(stored, comparison)
        assert figure is not None
        middle = np.exp(-((x.ravel() - 8.0) ** 2) / 8.0) if axis == 0 else np.exp(
            -((y.ravel() - 19.0) ** 2) / 8.0
        )  # fmt: skip
        line = figure.axes[0].lines[0].get_ydata()
        assert np.max(line) > 0.6
        assert np.allclose(line / np.max(line), middle / np.max(middle), rtol=1e-12, atol=0)
    even = np.broadcast_to(np.arange(6.0)[:, None], (2, 6, 3))
    assert plots.across(*opened({"modes": even})) is None


def test_a_column_stands_behind_a_screen_where_there_is_one(opened: Open) -> None:
    x, y = np.arange(40)[:, None] + 0.5, np.arange(24)[None, :] + 0.5
    before = 5.0 * np.cos(y) * np.exp(-((x - 12.0) ** 2))
    behind = np.cos(2.0 * y) * np.exp(-((x - 33.0) ** 2))
    early = 3.0 * np.cos(y) * np.exp(-((x - 23.0) ** 2))
    screen = {"kind": "boxes", "boxes": [{"x": [0.2, 0.21], "y": [0.0, 0.2]}]}
    given = {"grid": {"shape": [40, 24], "size": [0.4, 0.24]},
             "propagator": {"kind": "diffusion", "obstacles": screen}}  # fmt: skip
    stored, comparison = opened(
        {"modes": np.stack([before + early + 9.0, before + behind + 9.0])},
        size=(0.4, 0.24),
        scenario=given,
    )
    figure = plots.across(stored, comparison)
    assert figure is not None
    assert 32.0 < float(figure.get_suptitle().split("x = ")[1].split(" ")[0]) < 34.0


def test_walls_that_cross_a_profile_are_upright_lines_while_they_are_closed(opened: Open) -> None:
    wall = {"axis": "x", "at": 0.15, "opens": 5000.0}
    given = {"grid": {"shape": [12, 4], "size": [0.3, 0.1]},
             "propagator": {"kind": "diffusion", "walls": [wall]}}  # fmt: skip
    stored, comparison = opened({"modes": random_fields(3)}, scenario=given)
    figure = plots.profile(stored, comparison)
    ends = [[line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2]
            for axes in figure.axes]  # fmt: skip
    upright = [[round(x[0], 9) for x in of_panel if x[0] == x[1]] for of_panel in ends]
    assert upright == [[15.0], [15.0], []]
    assert "wall" in [text.get_text() for text in figure.legends[0].get_texts()]
