"""The figure of a series: its course, the weights, spectra beside their law, correlations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from plot_samples import Open, assert_legible, opener, random_fields

import diffusim as ds
from diffusim import plots, series, style
from diffusim.plots import ahead
from diffusim.propagators import Propagator

DAY = 86400.0
N = 96
WEEK: Mapping[str, Any] = {"kind": "moving-average", "width": 7 * DAY}
WALK: Mapping[str, Any] = {"kind": "autoregression", "coefficients": [], "differences": 1}
NOISE: Mapping[str, Any] = {"kind": "noise", "mean": 2.0, "deviation": 1.5}
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
    opened: Open,
    medium: Mapping[str, Any],
    edges: Any,
    times: list[float],
    mean: Any = 0.0,
    **more: Any,
) -> tuple[Figure, np.ndarray]:
    """The figure of what a propagator makes of noise, and the frames it was drawn from."""
    u = mean + np.random.default_rng(8).standard_normal(N)
    scenario = {**told(medium, edges), **more}
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


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


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


def test_the_law_of_a_spectrum_is_drawn_of_one_sum_and_not_of_sums_of_sums(opened: Open) -> None:
    figure, _ = drawn(opened, WALK, BEFORE, [0, 1, 2])
    axes = panel(figure, "Spectrum")
    ((periods, law),) = lines(axes, "black")
    ((_, start),) = lines(axes, "0.62")
    # A mean over a band lies between what is in the middle of its neighbours.
    multiplied, middles = law / start, 1.0 / (4.0 * np.sin(np.pi / periods) ** 2)
    assert np.all(multiplied[1:-1] < middles[:-2])
    assert np.all(multiplied[1:-1] > middles[2:])
    ((_, weights),) = lines(panel(figure, "Weights by lag"), style.COLOURS[0])
    assert np.all(weights == 1.0)


def fills(axes: Axes, colour: str) -> list[np.ndarray]:
    """Low and high at the times of each filled band."""
    found = [
        patch for patch in axes.collections if to_hex(patch.get_facecolor()[0]) == colour.lower()
    ]
    edges = [patch.get_paths()[0].vertices for patch in found]
    return [np.array([(x, np.min(v[v[:, 0] == x, 1]), np.max(v[v[:, 0] == x, 1]))
                      for x in np.unique(v[:, 0])]) for v in edges]  # fmt: skip


def test_a_walk_of_noise_lies_in_a_band_that_widens_as_the_root_of_time(opened: Open) -> None:
    figure, _ = drawn(opened, WALK, BEFORE, [0, 1], initial=NOISE)
    (start,), (walk,) = (fills(axes, style.COLOURS[5]) for axes in figure.axes[:2])
    assert np.allclose(start[:, 1:], [2.0 - 1.96 * 1.5, 2.0 + 1.96 * 1.5], rtol=1e-12, atol=0.0)
    t = np.arange(1, N + 1)
    wanted = [2.0 * t + sign * 1.96 * 1.5 * np.sqrt(t) for sign in (-1, 1)]
    assert np.allclose(walk[:, 1:].T, wanted, rtol=1e-12, atol=1e-12)
    assert "95 % of such series, at each time" in legend_of(figure)
    figure, _ = drawn(opened, ECHO, "periodic", [0, 1], initial=NOISE)
    (ring,) = fills(figure.axes[1], style.COLOURS[5])
    deviation = 1.5 * np.sqrt(series.autocovariance([1.2, -0.5], [], 1.0, 0)[0])
    middle = 2.0 / (1.0 - 1.2 + 0.5)
    assert np.allclose(ring[:, 1], middle - 1.96 * deviation, rtol=1e-9, atol=0.0)
    assert np.allclose(ring[:, 2], middle + 1.96 * deviation, rtol=1e-9, atol=0.0)


def test_where_the_law_of_the_start_is_not_known_there_is_no_band(opened: Open) -> None:
    for initial in ({"kind": "uniform", "value": 1.0}, {}):
        figure, _ = drawn(opened, WALK, BEFORE, [0, 1], initial=initial)
        assert not any(fills(axes, style.COLOURS[5]) for axes in figure.axes)
        assert not any("such series" in text for text in legend_of(figure))


def test_a_forecast_goes_on_from_the_end_of_an_autoregression(opened: Open) -> None:
    figure, frames = drawn(opened, WALK, BEFORE, [0, 1])
    (fan,) = fills(figure.axes[1], style.COLOURS[2])
    variance = float(np.mean(np.diff(frames[1]) ** 2))
    h = np.arange(N // 6 + 1)
    half = 1.959963984540054 * np.sqrt(variance * h)
    assert np.allclose(fan[:, 0], N - 0.5 + h, rtol=1e-12, atol=0.0)
    assert np.allclose(fan[:, 1], frames[1][-1] - half, rtol=1e-9, atol=1e-12)
    assert np.allclose(fan[:, 2], frames[1][-1] + half, rtol=1e-9, atol=1e-12)
    assert "forecast, 95 %: ARIMA(0, 1, 0) fitted by diffusim.series" in legend_of(figure)
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim() == (0.0, N + N // 6)
    figure, frames = drawn(opened, {**ECHO, "back": 9}, BEFORE, [0, 1])
    ahead = series.forecast(frames[1], series.best_order(frames[1], 12), N // 6)
    (fan,) = fills(figure.axes[1], style.COLOURS[2])
    assert np.allclose(fan[1:, 1:].T, [ahead.low, ahead.high], rtol=1e-9, atol=1e-12)


def test_of_white_noise_and_averages_nothing_is_forecast(opened: Open) -> None:
    for medium, edges, times in (
        (ECHO, BEFORE, [0, 1, 2]), ({**WALK, "back": 1}, BEFORE, [0, 1, 2]),
        (WEEK, "no-flux", [0, 1]),
    ):  # fmt: skip
        figure, _ = drawn(opened, medium, edges, times)
        assert not any("forecast" in text for text in legend_of(figure))
        assert figure.axes[0].get_xlim() == (0.0, N)


def test_a_sum_of_shocks_that_have_a_mean_drifts_on() -> None:
    walk = np.cumsum(1.0 + np.random.default_rng(1).standard_normal(200))
    found = ahead.outlook(walk, 1)
    assert found is not None
    assert found.process.mean == pytest.approx(np.mean(np.diff(walk)), rel=1e-12)
    assert np.diff(found.forecast.mean)[-1] == pytest.approx(found.process.mean, rel=1e-9)
    none = ahead.outlook(np.cumsum(np.random.default_rng(1).standard_normal(200)), 1)
    assert none is not None
    assert none.process.mean == 0.0
    assert ahead.outlook(walk, 5) is ahead.outlook(np.ones(30), 0) is None


def test_scales_are_shared_unless_a_line_would_be_flat(opened: Open) -> None:
    figure, frames = drawn(opened, ECHO, BEFORE, [0, 1, 2])
    low, high = np.min(frames), np.max(frames)
    for axes in figure.axes[:3]:
        bottom, top = axes.get_ylim()
        assert bottom < low < high < top
    figure, frames = drawn(opened, WALK, BEFORE, [0, 1, 2])
    for axes, frame in zip(figure.axes[:2], frames, strict=False):
        assert np.ptp(frame) < np.ptp(axes.get_ylim()) < 1.2 * np.ptp(frame)


def test_a_series_that_comes_back_is_dashed_over_the_first(opened: Open) -> None:
    figure, _ = drawn(opened, ECHO, BEFORE, [0, 1, 2])
    axes = panel(figure, "Correlation with its own past")
    looks = [line.get_linestyle() for line in axes.lines if len(line.get_xdata()) > 2]
    assert looks == ["-", "-", "--"]
    figure, _ = drawn(opened, ECHO, BEFORE, [0, 1])
    axes = panel(figure, "Correlation with its own past")
    assert {line.get_linestyle() for line in axes.lines} == {"-"}


def test_of_a_trend_no_p_is_told(opened: Open) -> None:
    trend = 30.0 * np.linspace(0.0, 1.0, N)
    for extra, told in ((0.0, True), (trend, False)):
        figure, _ = drawn(opened, WEEK, "no-flux", [0, 1], mean=extra)
        assert bool(words(panel(figure, "Correlation with its own past"))) == told


def test_the_law_is_called_exact_on_a_ring_where_ends_bend_it(opened: Open) -> None:
    for medium, edges, bent in (
        (WEEK, "no-flux", False), ({**WEEK, "side": "trailing"}, "no-flux", True),
        ({**WEEK, "side": "trailing"}, "periodic", False), (ECHO, BEFORE, True),
    ):  # fmt: skip
        figure, _ = drawn(opened, medium, edges, [0, 1])
        (text,) = [text for text in legend_of(figure) if "transfer" in text]
        assert text.endswith("(exact on a ring)") == bent


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
    [(WEEK, "no-flux", [0, 1, 5], 40.0), (ECHO, BEFORE, [0, 1, 2], 0.0), (ECHO, BEFORE, [1], 0.0),
     (WALK, BEFORE, [0, 1], 0.0)],
    ids=["average", "out and back", "one frame", "walk"],
)  # fmt: skip
def test_it_is_legible(
    opened: Open, medium: Mapping[str, Any], edges: Any, times: list[float], mean: float
) -> None:
    figure, _ = drawn(opened, medium, edges, times, mean, initial=NOISE)
    assert_legible(figure)
