"""Random starts: their spectra, deviations and shapes, and that finer cells change none of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from diffusim.block import Array, Invalid
from diffusim.grid import Grid
from diffusim.initial import Initial

ADAPTER: TypeAdapter[Any] = TypeAdapter(Initial)
SPECTRA: dict[str, dict[str, Any]] = {
    "gaussian": {"length": 0.05},
    "exponential": {"spectrum": "exponential", "length": 0.05},
    "power": {"spectrum": "power", "exponent": 3.0},
    "long along x": {"length": [0.2, 0.04]},
}


def box(n: int = 48, edges: Any = "no-flux", dimensions: int = 2) -> Grid:
    return Grid(shape=(n,) * dimensions, size=(1.0,) * dimensions, edges=edges)


def field(kind: str, grid: Grid, number: int = 0, **keys: Any) -> Array:
    return ADAPTER.validate_python({"kind": kind, **keys}).field(grid, (number, 99))


def fields(kind: str, grid: Grid, many: int, **keys: Any) -> Array:
    return np.array([field(kind, grid, number, **keys) for number in range(many)])


def coarser(u: Array) -> Array:
    n = u.shape[0] // 2
    return u.reshape(n, 2, n, 2).mean((1, 3)) if u.ndim == 2 else u.reshape(n, 2).mean(1)


# --- Gaussian fields ----------------------------------------------------------------------------


def density(
    grid: Grid, spectrum: str = "gaussian", length: Any = 0.0, exponent: float = 0.0
) -> Array:
    """Spectral density of each mode, normalised to a variance of one a cell, from its formula."""
    waves = [2 * math.pi * np.fft.fftfreq(n, h) if ring else math.pi * np.arange(n) / (n * h)
             for n, h, ring in zip(grid.shape, grid.spacing, grid.wrap, strict=True)]  # fmt: skip
    lengths = length if isinstance(length, list) else [length] * len(waves)
    k = np.meshgrid(*waves, indexing="ij")
    square = sum((a * b) ** 2 for a, b in zip(k, lengths, strict=True))
    if spectrum == "power":
        plain = np.sqrt(sum(a**2 for a in k))
        found = np.zeros(grid.shape)
        found[plain > 0] = plain[plain > 0] ** -exponent
    elif spectrum == "gaussian":
        found = np.exp(-square / 2)
    else:
        found = (1 + square) ** (-(len(waves) + 1) / 2)
    return found * grid.cells / found.sum()


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("edges", ["no-flux", "periodic"])
def test_a_gaussian_field_has_the_deviation_that_was_asked_for_on_the_average(
    edges: str, name: str
) -> None:
    """Mean square over cells, averaged over 300 fields; beyond 5 deviations once in 1.7 million."""
    grid = box(edges=edges)
    u = fields("gaussian-field", grid, 300, mean=2.0, deviation=0.5, **SPECTRA[name])
    found = np.mean((u - 2.0) ** 2) / 0.25
    # A sum of squares of independent normal numbers of these variances.
    spread = math.sqrt(2 * np.sum(density(grid, **SPECTRA[name]) ** 2) / grid.cells**2 / 300)
    assert abs(found - 1.0) < 5 * spread
    assert spread < 0.1


@pytest.mark.parametrize("name", SPECTRA)
def test_the_power_of_each_wave_is_its_spectral_density(name: str) -> None:
    """Powers over what they should be are exponential: means of rings of them are normal enough.

    Twelve bands, each beyond 5 deviations once in a million.
    """
    grid, count = box(edges="periodic"), 100
    u = fields("gaussian-field", grid, count, **SPECTRA[name])
    power = np.mean(np.abs(np.fft.fft2(u)) ** 2, axis=0) / grid.cells
    law = density(grid, **SPECTRA[name])
    half = np.zeros(grid.shape, dtype=bool)
    # A wave and its mirror image are one number; what is as weak as round-off tells nothing.
    half[1:24, :] = law[1:24, :] > 1e-12 * law.max()
    assert np.count_nonzero(half) > 100
    for band in np.array_split(np.argsort(law[half]), 12):
        ratio = np.mean(power[half][band] / law[half][band])
        assert abs(ratio - 1.0) < 5 / math.sqrt(count * band.size)


def test_values_go_together_as_the_length_says_however_fine_the_cells() -> None:
    """At distances of 0, 1, 2 lengths; beyond 5 deviations once in a million for each of six."""
    for n in (40, 80):
        u = fields("gaussian-field", box(n, "periodic"), 120, length=0.05)
        for lengths in (0, 1, 2):
            shift = lengths * n // 20
            each = np.mean(u * np.roll(u, shift, 1), axis=(1, 2))
            law = math.exp(-(lengths**2) / 2)
            assert abs(each.mean() - law) < 5 * each.std() / math.sqrt(120)
            assert each.std() / math.sqrt(120) < 0.02


def test_rough_values_go_together_exponentially() -> None:
    """Once in a million: 5 deviations and 2 % for what the cells cannot show of a rough field."""
    u = fields("gaussian-field", box(96, "periodic"), 150, spectrum="exponential", length=0.0625)
    for cells in (6, 12):
        each = np.mean(u * np.roll(u, cells, 2), axis=(1, 2))
        assert abs(each.mean() - math.exp(-cells / 6)) < 5 * each.std() / math.sqrt(150) + 0.02


def test_a_power_spectrum_keeps_its_mean_and_others_vary_in_theirs() -> None:
    grid = box()
    exact = field("gaussian-field", grid, mean=3.0, spectrum="power", exponent=2.0)
    np.testing.assert_allclose(exact.mean(), 3.0, rtol=1e-13)
    assert abs(field("gaussian-field", grid, mean=3.0, length=0.3).mean() - 3.0) > 1e-3


def test_waves_are_even_at_closed_sides_and_round_on_rings() -> None:
    """The slope at a closed side falls as the cells do; that across a seam is like any other."""
    u = field("gaussian-field", box(64, {"x": "periodic"}), length=0.1)
    inside = np.sqrt(np.mean(np.diff(u, axis=0) ** 2))
    assert 0.3 < np.sqrt(np.mean((u[0] - u[-1]) ** 2)) / inside < 3.0
    beside = np.mean((u[:, 1] - u[:, 0]) ** 2) / np.mean(np.diff(u, axis=1) ** 2)
    assert beside < 0.1


def test_bounds_move_what_is_beyond_and_nothing_else() -> None:
    grid = box()
    free = field("gaussian-field", grid, mean=1.0, deviation=0.5, length=0.1)
    cut = field("gaussian-field", grid, mean=1.0, deviation=0.5, length=0.1, bounds=[0.5, 1.5])
    np.testing.assert_array_equal(cut, np.clip(free, 0.5, 1.5))
    assert cut.min() == 0.5 < 1.5 == cut.max()


def test_a_gaussian_field_on_a_line_has_its_deviation_too() -> None:
    """The mean square of 400 fields; beyond 5 deviations once in 1.7 million."""
    grid = box(64, dimensions=1)
    u = fields("gaussian-field", grid, 400, spectrum="exponential", length=0.1)
    law = density(grid, "exponential", 0.1)
    assert abs(np.mean(u**2) - 1.0) < 5 * math.sqrt(2 * np.sum(law**2) / 64**2 / 400)


# --- blobs --------------------------------------------------------------------------------------


def test_blobs_on_a_ring_hold_what_so_many_gaussians_hold() -> None:
    grid = box(48, "periodic")
    u = field("blobs", grid, count=7, widths=0.03, peaks=2.0, background=0.5)
    np.testing.assert_allclose(grid.total(u), 0.5 + 7 * 2.0 * 2 * math.pi * 0.03**2, rtol=1e-12)


@pytest.mark.parametrize("edges", ["no-flux", "periodic", {"y": "periodic"}])
def test_blobs_are_the_same_on_finer_cells(edges: Any) -> None:
    keys = {"count": [3, 9], "widths": [0.02, 0.3], "peaks": [-1.0, 1.0]}
    for number in range(5):
        fine = field("blobs", box(64, edges), number, **keys)
        np.testing.assert_allclose(
            coarser(fine), field("blobs", box(32, edges), number, **keys), rtol=0, atol=1e-12
        )


def test_a_single_blob_is_the_blob_at_its_place() -> None:
    grid = Grid(shape=(60, 40), size=(0.6, 0.4))
    inside = 0
    for number in range(20):
        u = field("blobs", grid, number, count=1, widths="15 mm", peaks=1.5)
        centre = [np.sum(u * x) / np.sum(u) for x in (grid.centres(0)[:, None], grid.centres(1))]
        if all(0.12 < c < size - 0.12 for c, size in zip(centre, grid.size, strict=True)):
            blob = field("blob", grid, centre=centre, width="15 mm", peak=1.5)
            np.testing.assert_allclose(u, blob, rtol=0, atol=1e-12)
            inside += 1
    assert inside > 2


def test_numbers_widths_and_heights_of_blobs_are_even_between_their_ends() -> None:
    """300 fields on a line; five deviations of a mean are missed once in 1.7 million."""
    grid = box(256, "periodic", 1)
    u = fields("blobs", grid, 300, count=[1, 3], widths=0.02, peaks=[1.0, 2.0])
    blobs = np.sum(u, axis=1) / 256 / (0.02 * math.sqrt(2 * math.pi))
    # Two blobs of 1.5 on the average; variance of a sum of a random number of random parts.
    spread = math.sqrt(2 / 12 + 1.5**2 * 2 / 3)
    assert abs(blobs.mean() - 3.0) < 5 * spread / math.sqrt(300)
    assert blobs.min() < 1.2
    assert blobs.max() > 5.0


# --- discontinuities ----------------------------------------------------------------------------


def test_cuts_part_the_plane_into_one_region_more_of_values_between_the_ends() -> None:
    for cuts in (1, 5, 12):
        u = field("discontinuities", box(256), cuts, cuts=cuts, values=[2.0, 5.0])
        values, counts = np.unique(u.round(12), return_counts=True)
        whole = values[counts > 20]
        assert cuts // 2 < whole.size <= cuts + 1
        assert 2.0 <= u.min() < u.max() <= 5.0
        assert counts[counts > 20].sum() > 0.9 * u.size


def test_cuts_are_the_same_on_finer_cells_but_where_they_meet() -> None:
    for number in range(4):
        fine = field("discontinuities", box(128), number, cuts=7, values=[0, 1])
        coarse = field("discontinuities", box(64), number, cuts=7, values=[0, 1])
        away = np.abs(coarser(fine) - coarse)
        assert np.count_nonzero(away > 1e-12) < 0.02 * away.size
        assert away.max() < 0.2


def test_cuts_of_a_line_are_points_and_means_where_they_fall() -> None:
    fine = field("discontinuities", box(400, dimensions=1), cuts=3, values=[0, 1])
    assert np.unique(fine.round(12)).size in range(4, 8)
    coarse = field("discontinuities", box(200, dimensions=1), cuts=3, values=[0, 1])
    np.testing.assert_allclose(coarser(fine), coarse, rtol=0, atol=1e-12)


# --- parts of an image --------------------------------------------------------------------------


@pytest.fixture
def slope(tmp_path: Path) -> Path:
    """An image whose grey value grows from left to right, 200 pixels wide and 100 high."""
    pixels = np.broadcast_to(np.arange(200, dtype=np.uint8), (100, 200))
    Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / "slope.png")
    return tmp_path / "slope.png"


def test_the_largest_part_of_an_image_of_the_grids_form_is_the_image() -> None:
    grid = Grid(shape=(51, 60), size=(1.0, 1.0))
    whole = field("image", grid, path="portrait")
    np.testing.assert_allclose(field("image-patch", grid, path="portrait", part=1.0)[:, 1:-1],
                               whole[:, 1:-1], rtol=0, atol=0.5)  # fmt: skip
    part = field("image-patch", grid, path="portrait", part=1.0)
    assert np.corrcoef(part.ravel(), whole.ravel())[0, 1] > 0.95


def test_parts_of_an_image_come_from_anywhere_in_it_unscaled(slope: Path) -> None:
    """Forty places even between 0 and 1: none in a tenth at an end once in 30 thousand."""
    grid = box(25)
    parts = fields("image-patch", grid, 40, path=str(slope), part=0.25, values=[0.0, 255.0])
    np.testing.assert_allclose(np.diff(parts, axis=1), 1.0, rtol=0, atol=0.05)
    # 25 pixels of 200: the left end is anywhere from 0 to 175.
    left = parts[:, 0, 0]
    assert -0.5 < left.min() < 0.2 * 175
    assert 0.8 * 175 < left.max() < 176


def test_parts_are_turned_to_either_side_if_they_may(slope: Path) -> None:
    """Forty draws: all alike once in 10^12."""
    parts = fields("image-patch", box(25), 40, path=str(slope), part=0.25, turned=True)
    grow = parts[:, -1, 0] > parts[:, 0, 0]
    assert 0 < np.count_nonzero(grow) < 40


# --- refusals -----------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no length": ({"kind": "gaussian-field"}, "needs 'length'"),
    "no exponent": ({"kind": "gaussian-field", "spectrum": "power"}, "needs 'exponent'"),
    "a length of a power": (
        {"kind": "gaussian-field", "spectrum": "power", "exponent": 2, "length": 1},
        "has no 'length'",
    ),
    "a length of zero": ({"kind": "gaussian-field", "length": 0}, "greater than 0"),
    "no part": ({"kind": "image-patch", "path": "portrait", "part": 0}, "greater than 0"),
    "no cut": ({"kind": "discontinuities", "cuts": 0, "values": [0, 1]}, "greater than or equal"),
    "half a blob": ({"kind": "blobs", "count": 0.5, "widths": 1}, "valid integer"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_no_grid_can_mend_is_refused_on_reading(name: str) -> None:
    value, words = WRONG[name]
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python(value)
    assert words in str(caught.value)


CYLINDER = Grid(geometry="cylindrical", shape=(8, 8), size=(1.0, 1.0))
LINE = box(8, dimensions=1)


@pytest.mark.parametrize(
    ("grid", "keys", "words", "path"),
    [
        (box(8), {"kind": "gaussian-field", "length": 0.1}, "less than a cell", ("length",)),
        (LINE, {"kind": "gaussian-field", "length": [1, 1]}, "one length or 1", ("length",)),
        (box(1), {"kind": "gaussian-field", "spectrum": "power", "exponent": 2}, "no waves",
         ("spectrum",)),
        (box(8), {"kind": "gaussian-field", "length": 1, "bounds": [1, 0]}, "lower", ("bounds",)),
        (CYLINDER, {"kind": "blobs", "count": 1, "widths": 1}, "for boxes", ("kind",)),
        (box(8), {"kind": "blobs", "count": [2, 1], "widths": 1}, "lower end", ("count",)),
        (box(8), {"kind": "blobs", "count": 1, "widths": [2, 1]}, "lower end", ("widths",)),
        (CYLINDER, {"kind": "discontinuities", "cuts": 1, "values": [0, 1]}, "boxes", ("kind",)),
        (box(8), {"kind": "discontinuities", "cuts": 1, "values": [1, 0]}, "lower", ("values",)),
        (LINE, {"kind": "image-patch", "path": "portrait"}, "two dimensions", ("path",)),
    ],
)  # fmt: skip
def test_what_a_grid_cannot_hold_is_refused_with_the_key_to_blame(
    grid: Grid, keys: dict[str, Any], words: str, path: tuple[str, ...]
) -> None:
    start = ADAPTER.validate_python(keys)
    with pytest.raises(Invalid) as caught:
        start.field(grid, (1, 2))
    assert words in caught.value.message
    assert caught.value.path == path
