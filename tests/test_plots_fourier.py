"""The figure fourier: spectra lie where their waves are, and what is read off is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from plot_samples import Open, assert_legible, opener, random_fields

import diffusim
from diffusim import plots, style
from diffusim.alignment import compare_stored

N, H = 64, 1e-3
APPLIED = {"clock": "applications"}
KERNEL = {"kind": "kernel", "kernel": "box", "normalise": "sum"}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with opener(tmp_path) as make:
        yield make


def striped(angle: float, period: float) -> np.ndarray:
    place = H * np.arange(N)
    turn = np.radians(angle)
    across = np.cos(turn) * place[:, None] + np.sin(turn) * place
    return 1.0 + 0.5 * np.cos(2.0 * np.pi * across / period)


def scenario(shape: tuple[int, ...] = (N, N), **grid: Any) -> dict[str, Any]:
    size = [n * H for n in shape]
    return {"grid": {"shape": shape, "size": size, **grid}, "propagator": KERNEL}


def drawn(opened: Open, frames: np.ndarray, **changes: Any) -> Figure | None:
    shape = frames.shape[-2:]
    told = {"scenario": scenario(shape), "extra": APPLIED, "size": (N * H, N * H)}
    stored, comparison = opened({"modes": frames}, **(told | changes))
    return plots.fourier(stored, comparison)


def test_two_rings_mark_the_wave_that_stands_out_and_its_period_is_told(opened: Open) -> None:
    noise = 1.0 + 0.1 * random_fields(1, (N, N))[0]
    figure = drawn(opened, np.stack([striped(37.0, 6e-3), noise]), times=np.array([0.0, 3.0]))
    assert figure is not None
    assert_legible(figure)
    before, spectrum, directions, after, quiet, flat = figure.axes[:6]
    assert (before.get_title(), after.get_title()) == ("n = 0", "n = 3")
    assert directions.get_title() == "waves of 6 mm\nacross the stripes: 37.0°"
    assert flat.get_title().startswith("no wave stands out; varies most\nalong ")
    (rings,) = spectrum.lines
    k = 10.0 / 6.0 * np.array([np.cos(np.radians(37.0)), np.sin(np.radians(37.0))])
    np.testing.assert_allclose(rings.get_xydata(), [k, -k], rtol=1e-4)
    assert not quiet.lines
    assert quiet.get_xlabel() == "waves per cm along x"
    assert directions.lines[-1].get_xdata() == pytest.approx([37.0, 37.0], abs=1e-4)


@pytest.mark.parametrize("angle", [37.0, 143.0])
def test_a_bright_point_of_the_spectrum_lies_inside_its_ring(opened: Open, angle: float) -> None:
    figure = drawn(opened, np.stack([striped(angle, 5e-3)] * 2))
    assert figure is not None
    axes = figure.axes[1]
    (image,) = axes.images
    left, right, low, high = image.get_extent()
    i, j = np.unravel_index(int(np.argmax(image.get_array())), (N, N))
    found = low + (i + 0.5) * (high - low) / N, left + (j + 0.5) * (right - left) / N
    places = axes.lines[0].get_xydata()
    away = np.min(np.hypot(places[:, 0] - found[1], places[:, 1] - found[0]))
    # A mode is 1 / 6.4 cm wide.
    assert away < 1.0 / 6.4


def test_the_power_of_stripes_is_highest_in_their_direction(opened: Open) -> None:
    noise = 0.3 * random_fields(1, (N, N))[0]
    figure = drawn(opened, np.stack([striped(110.0, 5e-3) + noise] * 2))
    assert figure is not None
    curve = figure.axes[2].lines[1]
    top = int(np.argmax(curve.get_ydata()))
    assert abs(curve.get_xdata()[top] - 110.0) <= 2.0
    assert figure.axes[2].get_ylabel() == "power beside all directions"


def test_what_has_much_power_in_one_direction_is_marked_there_and_told(opened: Open) -> None:
    edge = np.where(np.arange(N) < N // 2, 0.0, 1.0)[:, None] + np.zeros(N)
    figure = drawn(opened, np.stack([edge, edge.T]))
    assert figure is not None
    for axes, angle in zip(figure.axes[2:6:3], (0.0, 90.0), strict=True):
        curve, mark = axes.lines[1:3]
        top = int(np.argmax(curve.get_ydata()))
        assert curve.get_xdata()[top] == mark.get_xdata()[0] == angle
        times = curve.get_ydata()[top]
        assert times > 8.0
        words = f"no wave stands out; most power\nat {angle:.0f}°: {times:.3g} × the mean"
        assert axes.get_title() == words


def blob(across: float, along: float, angle: float) -> np.ndarray:
    x, y = (axis - 0.5 * (N - 1) for axis in np.ogrid[:N, :N])
    turn = np.radians(angle)
    one, other = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    return np.exp(-0.5 * ((one / across) ** 2 + (other / along) ** 2))


@pytest.mark.parametrize(("along", "weakly"), [(6.6, True), (8.4, False)])
def test_else_the_direction_of_the_gradient_is_told_and_how_sharp_it_is(
    opened: Open, along: float, weakly: bool
) -> None:
    figure = drawn(opened, np.stack([blob(6.0, along, 25.0)] * 2))
    assert figure is not None
    # Smoothed by two cells, mean squares of the gradient are as the inverse variances.
    a, b = 1.0 / (36.0 + 4.0), 1.0 / (along**2 + 4.0)
    sharpness = (a - b) / (a + b)
    assert 0.05 < sharpness < 0.19 if weakly else 0.22 < sharpness < 0.34
    found = re.fullmatch(
        r"no wave stands out; varies most\nalong 25.0°(, weakly)? \(sharpness (.*)\)",
        figure.axes[2].get_title(),
    )
    assert found is not None
    assert bool(found[1]) == weakly
    assert float(found[2]) == pytest.approx(sharpness, rel=0.06)
    assert len(figure.axes[2].lines) == 2


def test_where_no_waves_are_left_no_direction_is_told(opened: Open) -> None:
    noise = 1.0 + 0.1 * random_fields(1, (N, N))[0]
    for last in (np.full((N, N), 0.7), 0.7 + 1e-7 * noise):
        figure = drawn(opened, np.stack([noise, last]))
        assert figure is not None
        fields, spectrum, directions = figure.axes[3:6]
        assert directions.get_title() == "no waves are left"
        assert len(directions.lines) == 1
        assert not spectrum.lines
        assert not fields.texts
    faint = drawn(opened, np.stack([noise, 0.7 + 1e-5 * noise]))
    assert faint is not None
    image = faint.axes[4].images[0]
    assert np.max(image.get_array()) > image.get_clim()[0]
    assert "varies most" in faint.axes[5].get_title()


@pytest.mark.parametrize("angle", [0.0, 37.0, 143.0])
def test_an_arrow_in_the_field_points_along_the_direction(opened: Open, angle: float) -> None:
    figure = drawn(opened, np.stack([striped(angle, 6e-3)] * 2))
    assert figure is not None
    (arrow,) = figure.axes[0].texts
    along = np.array(arrow.xy) - np.array(arrow.xyann)
    assert np.degrees(np.arctan2(along[1], along[0])) % 180.0 == pytest.approx(angle, abs=0.1)
    assert np.all(np.minimum(arrow.xy, arrow.xyann) > 0.0)


def test_a_picture_is_grey_and_other_fields_are_not(opened: Open) -> None:
    frames = np.stack([striped(37.0, 6e-3)] * 2)
    for start, hues in (({"kind": "image"}, "gray"), ({"kind": "noise"}, style.FIELD)):
        figure = drawn(opened, frames, scenario=scenario() | {"initial": start})
        assert figure is not None
        assert figure.axes[0].images[0].get_cmap().name == hues


def test_a_picture_that_varies_along_one_direction_is_said_to(opened: Open) -> None:
    edge = np.where(np.arange(N) < N // 2, 0.0, 1.0)[:, None] + 0.05 * random_fields(1, (N, N))[0]
    figure = drawn(opened, np.stack([edge, edge]))
    assert figure is not None
    assert figure.axes[2].get_title().startswith("no wave stands out; most power\nat 0°: ")


def test_three_channels_are_shown_in_colours_and_their_mean_in_waves(tmp_path: Path) -> None:
    (tmp_path / "striped.yaml").write_text(
        "grid: {shape: [64, 64], size: [64 mm, 64 mm]}\n"
        "propagator: {kind: kernel, kernel: box, normalise: sum}\n"
        "initial:\n"
        "  kind: sum\n"
        "  of:\n"
        "    - {kind: image, path: portrait, channels: rgb}\n"
        "    - {kind: stripes, period: 6 mm, angle: 37, values: [-0.3, 0.3]}\n"
        "times: {at: [0, 1]}\n"
        "methods: [stencil]\n",
        encoding="utf-8",
    )
    with diffusim.run(tmp_path / "striped.yaml", tmp_path) as stored:
        figure = plots.fourier(stored, compare_stored([stored]))
    assert figure is not None
    assert figure.axes[0].images[0].get_array().shape == (N, N, 3)
    assert figure.axes[2].get_title() == "waves of 5.99 mm\nacross the stripes: 37.0°"
    assert_legible(figure)


def test_cells_need_not_be_square(opened: Open) -> None:
    frames = np.stack([random_fields(1, (48, 20))[0]] * 2)
    told = scenario((48, 20)) | {"grid": {"shape": [48, 20], "size": [0.048, 0.04]}}
    figure = drawn(opened, frames, scenario=told, size=(0.048, 0.04))
    assert figure is not None
    assert_legible(figure)
    left, right, low, high = figure.axes[1].images[0].get_extent()
    assert figure.axes[1].get_ylabel() == "waves per mm along y"
    assert right - left == pytest.approx(1.0, rel=1e-9)
    assert high - low == pytest.approx(0.5, rel=1e-9)


def test_one_frame_is_drawn_once(opened: Open) -> None:
    figure = drawn(opened, striped(37.0, 6e-3)[None], times=np.zeros(1))
    assert figure is not None
    assert len([axes for axes in figure.axes if axes.get_title() == "spectrum"]) == 1


NOTHING: dict[str, dict[str, Any]] = {
    "a medium that knows seconds": {
        "extra": {},
        "scenario": scenario() | {"propagator": {"kind": "diffusion"}},
    },
    "the answer of a template": {"scenario": scenario() | {"propagator": {"kind": "template"}}},
    "another grid": {"scenario": scenario((N, N + 1))},
    "rings": {"scenario": scenario(geometry="cylindrical"), "axes": ("r", "z")},
}


@pytest.mark.parametrize("name", NOTHING)
def test_no_waves_are_drawn_of(opened: Open, name: str) -> None:
    assert drawn(opened, random_fields(2, (N, N)), **NOTHING[name]) is None


def test_no_waves_are_drawn_of_what_does_not_vary_or_has_few_cells(opened: Open) -> None:
    assert drawn(opened, np.full((2, N, N), 0.3)) is None
    assert drawn(opened, random_fields(2, (N, 4))) is None
