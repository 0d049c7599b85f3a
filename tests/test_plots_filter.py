"""The picture of a filter: its mask, its kernel, what it does, and at what price."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from plot_samples import assert_legible, header

import diffusim as ds
from diffusim import store, style
from diffusim.block import Array
from diffusim.files import named_file, read_image
from diffusim.filters import curve
from diffusim.plots import PICTURES
from diffusim.plots.filter import filter as picture
from diffusim.propagators.filter import Filter

DISC = {"kind": "disc", "wavelength": "8 mm"}
SMOOTH = {"kind": "gaussian", "sigma": "3 mm"}


def drawn(
    folder: Path, mask: Any, *, edges: str = "no-flux",
    shape: tuple[int, ...] = (32, 24), channels: tuple[str, ...] = (), image: str = "portrait",
    start: dict[str, Any] | None = None,
) -> tuple[Figure, Array, Array]:  # fmt: skip
    """The figure of one application, and the fields before and after it."""
    size = tuple(1e-3 * n for n in shape)
    grid = ds.Grid(shape=shape, size=size, edges=edges)
    # As of any scenario that names files, what is stored has their fingerprints only.
    filter_ = Filter.model_validate({"mask": mask}, context={"folder": folder})
    u = np.zeros(shape)
    u[5:12] = 1.0
    if len(shape) == 2:
        u = read_image(named_file(image, folder), shape, colours=bool(channels))
    one = [ds.solve(v, filter_, grid=grid, times=[1], method="modes").frames[0]
           for v in (u if channels else u[None])]  # fmt: skip
    after = np.array(one) if channels else one[0]
    scenario = {
        "grid": grid.model_dump(mode="json"),
        "propagator": {"kind": "filter", **filter_.model_dump(mode="json")},
        "initial": start or {"kind": "patches" if len(shape) == 1 else "image"},
    }
    told = header(shape, np.array([0.0, 1.0]), size=size, scenario=scenario, reference="modes",
                  extra={"clock": "applications", "channels": list(channels)})  # fmt: skip
    run = SimpleNamespace(label="modes", frames=np.array([u, after]),
                          facts={"channels": len(channels)})  # fmt: skip
    stored: Any = InMemory(told, {"modes": run})
    figure = picture(stored, compare_nothing)
    assert figure is not None
    return figure, u, after


class InMemory:
    """A result that is not stored: what its header says, and its runs."""

    def __init__(self, told: store.Header, runs: dict[str, Any]) -> None:
        self.told, self.runs = told, runs

    def __getattr__(self, name: str) -> Any:
        return getattr(self.told, name)


# The picture of a filter compares nothing.
compare_nothing: Any = None


def panel(figure: Figure, words: str) -> Axes:
    return next(axes for axes in figure.axes if words in axes.get_title())


def shown_in(axes: Axes) -> Array:
    return np.asarray(axes.images[0].get_array()).T


def test_mask_kernel_fields_and_price_are_those_of_the_run(tmp_path: Path) -> None:
    figure, before, after = drawn(tmp_path, DISC)
    grid = ds.Grid(shape=(32, 24), size=(0.032, 0.024))
    disc = Filter(mask={"kind": "disc", "wavelength": 0.008})
    assert_legible(figure)
    mask = panel(figure, "Mask")
    # Within 1.6 times the 0.125 waves per mm that are kept.
    inside = [np.abs(np.fft.fftshift(np.fft.fftfreq(2 * n))) <= 0.2 for n in (32, 24)]
    whole = np.fft.fftshift(disc.multiplier(grid))
    assert np.array_equal(shown_in(mask), whole[np.ix_(*inside)])
    assert "waves per mm" in mask.get_xlabel()
    weights = shown_in(panel(figure, "kernel"))
    kernel = 100.0 * disc.kernel_on(grid) / np.max(disc.kernel_on(grid))
    cut = [slice((m - n) // 2, (m + n) // 2)
           for m, n in zip(kernel.shape, weights.shape, strict=True)]  # fmt: skip
    assert np.allclose(weights, kernel[tuple(cut)], rtol=1e-12, atol=1e-12)
    assert f"lowest weight \N{MINUS SIGN}{-np.min(kernel):.3g} %" in panel(
        figure, "A cut").get_title()  # fmt: skip
    assert np.array_equal(shown_in(panel(figure, "Before, n = 0")), before)
    assert np.array_equal(shown_in(panel(figure, "After, n = 1")), after)
    price = panel(figure, "part of its waves")
    star = next(line for line in price.lines if line.get_marker() == "*")
    kept = np.count_nonzero(disc.multiplier(grid)[:32, :24])
    noise = 10.0 * np.log10(np.ptp(before) ** 2 / np.mean((after - before) ** 2))
    assert star.get_xdata() == pytest.approx([100.0 * kept / 768], rel=1e-12)
    assert star.get_ydata() == pytest.approx([noise], rel=1e-9)
    # The star lies on the curve of discs.
    assert curve(before, [kept / 768], grid).disc.psnr == pytest.approx([noise], rel=1e-9)
    assert str(star.get_label()) == f"this filter: {noise:.3g} dB, {100 * kept / 768:.3g} %"
    assert f"peak {np.ptp(before):.2g}" in price.get_ylabel()


@pytest.mark.parametrize(
    ("mask", "compresses"),
    [(DISC, True), ({"kind": "largest", "keep": 0.1, "path": "portrait"}, True), (SMOOTH, False),
     ({**DISC, "passes": "high"}, False), ([DISC, SMOOTH], False),
     ({"kind": "direction", "angle": 37, "width": 3, "passes": "stop"}, False)],
)  # fmt: skip
def test_only_a_compression_has_a_price(tmp_path: Path, mask: Any, compresses: bool) -> None:
    figure, _, _ = drawn(tmp_path, mask, edges="periodic")
    price = panel(figure, "The start told by a part of its waves")
    assert any(line.get_marker() == "*" for line in price.lines) == compresses
    assert len(price.lines) == 2 + compresses


@pytest.mark.parametrize(
    ("start", "grey"),
    [({"kind": "image"}, True), ({"kind": "sum", "of": [{"kind": "image"}]}, True),
     ({"kind": "sum", "of": [{"kind": "noise"}, {"kind": "sum", "of": [{"kind": "image"}]}]}, True),
     ({"kind": "sum", "of": [{"kind": "noise"}]}, False), ({"kind": "noise"}, False)],
)  # fmt: skip
def test_a_picture_is_grey_also_as_a_part_of_a_sum(
    tmp_path: Path, start: dict[str, Any], grey: bool
) -> None:
    figure, _, _ = drawn(tmp_path, DISC, start=start)
    assert panel(figure, "Before").images[0].get_cmap().name == ("gray" if grey else style.FIELD)


def test_of_a_kernel_that_is_a_point_the_rest_is_shown(tmp_path: Path) -> None:
    """The weights beside the middle fill the scale of colours, near the middle."""
    mask = {"kind": "direction", "angle": 37, "width": 5, "passes": "stop"}
    figure, _, _ = drawn(tmp_path, mask, edges="periodic", shape=(64, 64))
    kernel = panel(figure, "kernel")
    weights = shown_in(kernel)
    middle = tuple(n // 2 for n in weights.shape)
    beside = np.delete(np.abs(weights).ravel(), np.ravel_multi_index(middle, weights.shape))
    low, high = kernel.images[0].get_clim()
    assert -low == high == pytest.approx(0.4 * np.max(beside), rel=1e-9)
    # A part of the picture that is seen, not a line on grey.
    assert np.mean(beside > 0.1 * high) > 0.3
    assert weights.shape == (25, 25)


def test_both_curves_are_those_of_compression(tmp_path: Path) -> None:
    figure, before, _ = drawn(tmp_path, SMOOTH, edges="periodic")
    grid = ds.Grid(shape=(32, 24), size=(0.032, 0.024), edges="periodic")
    price = panel(figure, "part of its waves")
    for rule, words in (("disc", "a disc"), ("largest", "largest coefficients")):
        line = next(line for line in price.lines if words in str(line.get_label()))
        ratios = np.asarray(line.get_xdata()) / 100.0
        wanted = getattr(curve(before, ratios, grid), rule)
        assert np.allclose(line.get_ydata(), wanted.psnr, rtol=1e-9, atol=0)
        assert len(ratios) > 20
    assert "no weight below 0" in panel(figure, "A cut").get_title()


def test_a_field_without_its_mean_has_a_scale_of_its_own_and_a_lonely_middle_is_cut_off(
    tmp_path: Path,
) -> None:
    figure, _, after = drawn(tmp_path, {**SMOOTH, "passes": "high"})
    image = panel(figure, "After").images[0]
    most = np.max(np.abs(after))
    assert image.get_clim() == (-most, most)
    cut = panel(figure, "A cut")
    assert max(cut.get_ylim()) < 20.0
    assert any("not shown" in text.get_text() for text in cut.texts)


def test_a_slanted_mask_has_two_cuts(tmp_path: Path) -> None:
    mask = {"kind": "direction", "angle": 37, "width": 15}
    figure, _, _ = drawn(tmp_path, mask, edges="periodic")
    labels = {line.get_label() for line in panel(figure, "A cut").lines}
    assert {"along x", "along y"} <= labels


def test_on_a_line_the_mask_and_both_fields_are_lines(tmp_path: Path) -> None:
    figure, before, after = drawn(tmp_path, DISC, shape=(32,))
    assert_legible(figure)
    lines = panel(figure, "Before and after").lines
    assert np.array_equal(lines[0].get_ydata(), before)
    assert np.array_equal(lines[1].get_ydata(), after)
    mask = panel(figure, "Mask").lines[0]
    assert np.array_equal(mask.get_ydata(), mask.get_xdata() <= 1 / 8 + 1e-12)


def test_colours_are_shown_as_such(tmp_path: Path) -> None:
    figure, _, after = drawn(tmp_path, DISC, channels=("red", "green", "blue"))
    assert_legible(figure)
    assert shown_in(panel(figure, "After")).shape == after.shape
    assert panel(figure, "mean over channels")


def test_the_largest_of_an_image_that_is_not_here_are_read_off_the_frames(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (24, 32), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "own.png")
    mask = {"kind": "largest", "keep": 0.1, "path": "portrait"}
    known, _, _ = drawn(tmp_path, mask)
    assert "keeps 77 of 768 modes" in known.get_suptitle()
    own = {**mask, "path": "own.png"}
    figure, _, _ = drawn(tmp_path, own, image="own.png", edges="periodic")
    assert "read off the frames" in figure.get_suptitle()
    grid = ds.Grid(shape=(32, 24), size=(0.032, 0.024), edges="periodic")
    known_mask = Filter(mask={**mask, "path": tmp_path / "own.png"})
    whole = np.fft.fftshift(known_mask.multiplier(grid))
    assert np.allclose(shown_in(panel(figure, "Mask")), whole, rtol=0, atol=1e-6)


def test_what_is_no_filter_has_no_such_picture() -> None:
    plain = {"grid": {"shape": [8], "size": [0.008]},
             "propagator": {"kind": "diffusion", "diffusivity": 1e-9}}  # fmt: skip
    told = header((8,), np.array([0.0, 1.0]), size=(0.008,), scenario=plain, reference="modes")
    stored: Any = InMemory(told, {})
    assert picture(stored, compare_nothing) is None
    assert picture in PICTURES
