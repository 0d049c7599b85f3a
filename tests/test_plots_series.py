"""The figure of a series: its course, the weights, spectra beside their law, correlations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plot_samples import Open, assert_legible, opener, random_fields

import diffusim as ds
from diffusim import plots, series, style
from diffusim.propagators import Propagator

DAY = 86400.0
N = 96
WEEK: Mapping[str, Any] = {"kind": "moving-average", "width": 7 * DAY}
ECHO: Mapping[str, Any] = {"kind": "autoregression", "coefficients": [1.2, -0.5], "back": 1}
BEFORE = {"first": {"value": 0.0}, "last": "no-flux"}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with opener(tmp_path) as make:
        yield make


def told(medium: Mapping[str, Any], edges: Any, shape: int = N) -> dict[str, Any]:
    grid = {"geometry": "series", "shape": [shape], "size": [shape * DAY], "edges": edges}
    return {"grid": grid, "propagator": dict(medium)}


def drawn(
    opened: Open, medium: Mapping[str, Any], edges: Any, times: list[float], mean: float = 0.0
) -> tuple[Figure, np.ndarray]:
    """The figure of what a propagator makes of noise, and the frames it was drawn from."""
    u = mean + np.random.default_rng(8).standard_normal(N)
    scenario = told(medium, edges)
    run = ds.solve(u, Propagator.read(medium), times=times, method="stencil",
                   grid=ds.Grid.model_validate(scenario["grid"]))  # fmt: skip
    stored, comparison = opened({"stencil": run.frames}, times=np.array(times), size=(N * DAY,),
                                axes=("t",), scenario=scenario,
                                extra={"clock": "applications"})  # fmt: skip
    figure = plots.series(stored, comparison)
    assert figure is not None
    return figure, run.frames


def panel(figure: Figure, title: str) -> Axes:
    (found,) = [axes for axes in figure.axes if axes.get_title() == title]
    return found


def lines(axes: Axes, colour: str) -> list[tuple[np.ndarray, np.ndarray]]:
    found = [
        line for line in axes.lines if line.get_color() == colour and len(line.get_xdata()) > 2
    ]
    return [(np.asarray(line.get_xdata()), np.asarray(line.get_ydata())) for line in found]


def words(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []


def test_averages_lie_on_the_series_they_are_of_and_others_below_each_other(opened: Open) -> None:
    figure, frames = drawn(opened, WEEK, "no-flux", [0, 1, 2])
    top = figure.axes[0]
    assert top.get_xlabel() == "t (d)"
    assert len(figure.axes) == 4
    for line, frame in zip(top.lines, frames, strict=True):
        assert np.allclose(line.get_xdata(), np.arange(N) + 0.5, rtol=1e-14, atol=0.0)
        assert np.array_equal(line.get_ydata(), frame)
    figure, frames = drawn(opened, ECHO, BEFORE, [0, 1, 2])
    assert len(figure.axes) == 6
    for axes, frame in zip(figure.axes, frames, strict=False):
        assert np.array_equal(axes.lines[0].get_ydata(), frame)


def test_weights_are_drawn_by_their_lag_in_time_one_line_for_each_filter(opened: Open) -> None:
    figure, _ = drawn(opened, WEEK, "no-flux", [0, 1])
    ((lags, weights),) = lines(panel(figure, "Weights by lag"), style.COLOURS[0])
    assert np.allclose(lags, np.arange(-3, 4), rtol=1e-14, atol=1e-14)
    assert np.allclose(weights, 1.0 / 7.0, rtol=1e-14, atol=0.0)
    figure, _ = drawn(opened, ECHO, BEFORE, [0, 1, 2])
    axes = panel(figure, "Weights by lag")
    ((lags, weights),) = lines(axes, style.COLOURS[1])
    assert (lags.tolist(), weights.tolist()) == ([0.0, 1.0, 2.0], [1.0, -1.2, 0.5])
    assert words(axes) == ["n = 0 to 1", "n = 1 to 2"]


@pytest.mark.parametrize("side", ["trailing", "centred"])
def test_a_trailing_average_weighs_what_was_before(opened: Open, side: str) -> None:
    medium = {"kind": "moving-average", "weights": [3.0, 2.0, 1.0], "side": side}
    figure, _ = drawn(opened, medium, "no-flux", [0, 1])
    ((lags, weights),) = lines(panel(figure, "Weights by lag"), style.COLOURS[0])
    assert lags.tolist() == ([0.0, 1.0, 2.0] if side == "trailing" else [-1.0, 0.0, 1.0])
    assert np.allclose(weights, [1 / 2, 1 / 3, 1 / 6], rtol=1e-14, atol=0.0)


@pytest.mark.parametrize(
    ("medium", "edges", "times"),
    [(WEEK, "no-flux", [0, 1, 2]), (WEEK, "periodic", [2, 3, 5]), (ECHO, "periodic", [0, 1, 2])],
    ids=["mirrors", "ring, later", "out and back"],
)
def test_spectra_are_that_of_the_first_frame_times_the_square_of_the_transfer(
    opened: Open, medium: Mapping[str, Any], edges: str, times: list[float]
) -> None:
    figure, _ = drawn(opened, medium, edges, times, mean=5.0)
    axes = panel(figure, "Spectrum")
    assert axes.get_xlabel() == "period (d)"
    laws = lines(axes, "black")
    for number, (periods, law) in enumerate(laws):
        ((x, found),) = lines(axes, style.COLOURS[number])
        assert np.array_equal(x, periods)
        assert 2.0 < x[-1] < 2.6  # the shortest wave is of two days
        # Of amplitudes, since round-off is a part of the largest of them and not of each.
        assert np.allclose(np.sqrt(found), np.sqrt(law), rtol=1e-11, atol=1e-13)
    assert len(laws) == 2


def test_white_noise_lies_within_its_band_and_what_is_coloured_does_not(opened: Open) -> None:
    figure, frames = drawn(opened, ECHO, BEFORE, [0, 1, 2])
    axes = panel(figure, "Correlation with its own past")
    for hue, frame in zip(("0.62", *style.COLOURS), frames, strict=False):
        ((lags, found),) = lines(axes, hue)
        assert np.allclose(lags, np.arange(1, found.size + 1), rtol=1e-14, atol=0.0)
        wanted = series.autocorrelation(frame, found.size)[1:]
        assert np.allclose(found, wanted, rtol=1e-9, atol=1e-12)
    p = style.number(series.ljung_box(frames[0], 19).p)
    assert words(axes)[::2] == [f"n = 0: p = {p}", f"n = 2: p = {p}"]
    assert words(axes)[1] == "n = 1: p < 10⁻¹²"


def test_a_sum_has_weights_and_no_law_of_a_spectrum(opened: Open) -> None:
    walk = {"kind": "autoregression", "coefficients": [], "differences": 1}
    figure, _ = drawn(opened, walk, BEFORE, [0, 1])
    assert not lines(panel(figure, "Spectrum"), "black")
    ((_, weights),) = lines(panel(figure, "Weights by lag"), style.COLOURS[0])
    assert np.all(weights == 1.0)


def test_where_a_kernel_is_not_told_the_rest_is_drawn(opened: Open) -> None:
    frames = random_fields(2, (N,))
    medium = {"kind": "kernel", "kernel": {"kind": "given", "values": {"sha256": "0"}}}
    stored, comparison = opened({"fourier": frames}, size=(N * DAY,), axes=("t",),
                                times=np.arange(2.0), scenario=told(medium, "no-flux"),
                                extra={"clock": "applications"})  # fmt: skip
    figure = plots.series(stored, comparison)
    assert figure is not None
    (text,) = panel(figure, "Weights by lag").texts
    assert text.get_text() == "the scenario does not tell"
    assert not lines(panel(figure, "Spectrum"), "black")
    assert_legible(figure)


def test_there_is_none_where_the_axis_is_not_time_or_moments_are_few(opened: Open) -> None:
    row = {"grid": {"shape": [N], "size": [1.0]}, "propagator": dict(WEEK)}
    for shape, scenario, axes in ((N, row, ("x",)), (6, told(WEEK, "no-flux", 6), ("t",))):
        frames = random_fields(2, (shape,))
        assert plots.series(*opened({"fourier": frames}, size=(1.0,), axes=axes,
                                    scenario=scenario)) is None  # fmt: skip


@pytest.mark.parametrize(
    ("medium", "edges", "times", "mean"),
    [(WEEK, "no-flux", [0, 1, 5], 40.0), (ECHO, BEFORE, [0, 1, 2], 0.0), (ECHO, BEFORE, [1], 0.0)],
    ids=["average", "out and back", "one frame"],
)
def test_it_is_legible(
    opened: Open, medium: Mapping[str, Any], edges: Any, times: list[float], mean: float
) -> None:
    figure, _ = drawn(opened, medium, edges, times, mean)
    assert_legible(figure)
