"""Initial fields: true cell means, what is random and what decides it, and refusals in words."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import TypeAdapter, ValidationError
from scipy import integrate

from diffusim.block import Array, Block
from diffusim.grid import Grid
from diffusim.initial import Initial

KEY = (12345, 67890)
LINE = Grid(shape=(20,), size=(0.4,))
PLANE = Grid(shape=(12, 9), size=(0.3, 0.18))
RING = Grid(shape=(16, 9), size=(0.32, 0.18), edges={"x": "periodic"})

ADAPTER: TypeAdapter[Any] = TypeAdapter(Initial)

ONE_OF_EACH: dict[str, dict[str, Any]] = {
    "uniform": {"value": 3.5},
    "halves": {"axis": "x", "at": "0.1 m", "values": [35, 0]},
    "blob": {"centre": [0.1, "8 cm"], "width": "2 cm", "amount": 1e-3},
    "cells": {"values": [0, 1], "block": 2},
    "noise": {"mean": 1.0, "deviation": 0.1, "seed": 4},
    "diffused-noise": {"mean": 1.0, "deviation": 0.1, "length": "3 cm"},
    "gaussian-field": {"mean": 1.0, "deviation": 0.1, "length": "3 cm"},
    "blobs": {"count": [2, 5], "widths": ["1 cm", "3 cm"], "peaks": [0.5, 1.0]},
    "discontinuities": {"cuts": 4, "values": [0, 1]},
    "modes": {"mean": 2.0, "terms": [{"amplitude": 1.0, "x": 1}, {"amplitude": 0.5, "y": 2}]},
    "patches": {"background": 1, "patches": [{"x": [0.1, 0.2], "y": [0, "1 dm"], "value": 5}]},
    "image": {"path": "portrait", "values": [35, 0]},
    "image-patch": {"path": "portrait", "part": 0.3, "turned": True},
    "formula": {"expression": "35*exp(-r^2/0.02^2) + x*y"},
    "array": {"path": "u.npy"},
    "packet": {"centre": [0.1, "8 cm"], "width": ["2 cm"], "wavelength": "2 dm"},
    "stripes": {"period": "8 cm", "angle": 37, "values": [0, 1], "profile": "square"},
    "sum": {"of": [{"kind": "uniform", "value": 1}, {"kind": "noise", "mean": 0, "deviation": 1}]},
    "collage": {
        "on": {"kind": "uniform", "value": 0.2}, "noise": 0.1,
        "pieces": [{"path": "portrait", "at": [0.1, "8 cm"], "width": "7 cm", "turn": 30}],
    },
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "u.npy", np.arange(108.0).reshape(12, 9))
    return tmp_path


def read(kind: str, folder: Path | None = None, **keys: Any) -> Any:
    return ADAPTER.validate_python({"kind": kind, **keys}, context={"folder": folder or Path()})


def field(kind: str, grid: Grid = PLANE, key: tuple[int, int] = KEY, **keys: Any) -> Array:
    return read(kind, **keys).field(grid, key)


def faces(grid: Grid, axis: int) -> Array:
    return np.arange(grid.shape[axis] + 1) * grid.spacing[axis]


# --- every kind ---------------------------------------------------------------------------------


def test_every_kind_is_tried_here() -> None:
    with pytest.raises(ValidationError) as caught:
        read("?")
    known = caught.value.errors()[0]["msg"].partition("known: ")[2]
    assert known.split(", ") == list(ONE_OF_EACH)


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_a_field_is_new_contiguous_and_of_the_grids_shape(kind: str, folder: Path) -> None:
    start = read(kind, folder, **ONE_OF_EACH[kind])
    u = start.field(PLANE, KEY)
    assert u.shape == PLANE.shape
    assert u.dtype == (complex if kind == "packet" else np.float64)
    assert u.flags.c_contiguous
    assert u.flags.writeable
    assert np.all(np.isfinite(u))
    again = start.field(PLANE, KEY)
    u[:] = -1.0
    np.testing.assert_array_equal(again, start.field(PLANE, KEY))


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_a_start_written_out_and_read_again_is_the_same(kind: str, folder: Path) -> None:
    start = read(kind, folder, **ONE_OF_EACH[kind])
    assert ADAPTER.validate_python(ADAPTER.dump_python(start), context={"folder": folder}) == start
    written = json.loads(ADAPTER.dump_json(start))
    assert written["kind"] == kind
    assert set(ONE_OF_EACH[kind]) < set(written)


def test_a_field_of_a_model_takes_reads_and_writes_a_start() -> None:
    class Holder(Block):
        initial: Initial

    holder = Holder.model_validate({"initial": {"kind": "uniform", "value": 2}})
    assert holder.model_dump(mode="json") == {"initial": {"kind": "uniform", "value": 2.0}}
    assert Holder(initial=holder.initial) == holder


def test_the_schema_offers_each_kind_by_a_constant_that_is_required() -> None:
    schema = ADAPTER.json_schema()
    choices = [schema["$defs"][c["$ref"].rpartition("/")[2]] for c in schema["anyOf"]]
    assert [c["properties"]["kind"]["const"] for c in choices] == list(ONE_OF_EACH)
    assert all("kind" in c["required"] for c in choices)
    assert all(c["additionalProperties"] is False for c in choices)


# --- halves -------------------------------------------------------------------------------------


def test_halves_are_two_values_and_the_mean_in_the_cell_that_is_cut() -> None:
    u = field("halves", LINE, axis="x", at=0.105, values=[35.0, 1.0])
    assert np.all(u[:5] == 35.0)
    assert np.all(u[6:] == 1.0)
    np.testing.assert_allclose(u[5], 0.25 * 35.0 + 0.75 * 1.0, rtol=1e-13)


@pytest.mark.parametrize("cells", range(129))
def test_a_line_on_a_face_cuts_no_cell_whatever_the_division_rounds_to(cells: int) -> None:
    grid = Grid(shape=(128,), size=(0.128,))
    u = field("halves", grid, axis="x", at=f"{cells} mm", values=[1.0, 0.0])
    np.testing.assert_array_equal(u, np.arange(128) < cells)


def test_halves_stand_in_the_middle_if_not_told_where() -> None:
    np.testing.assert_array_equal(field("halves", axis="y", values=[3.0, 1.0])[0],
                                  [3, 3, 3, 3, 2, 1, 1, 1, 1])  # fmt: skip


@pytest.mark.parametrize(
    ("angle", "axis", "turned"), [(0, "x", 1), (90, "y", 1), (180, "x", -1), (-90, "y", -1)]
)
def test_halves_at_right_angles_are_halves_on_an_axis(angle: float, axis: str, turned: int) -> None:
    u = field("halves", angle=angle, through=[0.11, 0.07], values=[3.0, 1.0])
    at = {"x": 0.11, "y": 0.07}[axis]
    np.testing.assert_allclose(
        u, field("halves", axis=axis, at=at, values=[3.0, 1.0][::turned]), rtol=1e-13
    )


def clipped_area(corners: list[tuple[float, float]], normal: Array, offset: float) -> float:
    """Area of a polygon where normal . p < offset, by Sutherland and Hodgman and the shoelace."""
    kept: list[Array] = []
    for a, b in zip(map(np.array, corners), map(np.array, corners[1:] + corners[:1]), strict=True):
        da, db = normal @ a - offset, normal @ b - offset
        kept += [a] if da <= 0 else []
        kept += [a + (b - a) * (da / (da - db))] if da * db < 0 else []
    if len(kept) < 3:
        return 0.0
    x, y = np.array(kept).T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


@settings(max_examples=60)
@given(st.floats(-360, 360), st.floats(0.0, 0.3), st.floats(0.0, 0.18))
def test_halves_at_an_angle_are_the_areas_of_clipped_cells(
    angle: float, x: float, y: float
) -> None:
    u = field("halves", angle=angle, through=[x, y], values=[1.0, 0.0])
    normal = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
    a, b = faces(PLANE, 0) - x, faces(PLANE, 1) - y
    area = [[clipped_area([(a[i], b[j]), (a[i + 1], b[j]), (a[i + 1], b[j + 1]), (a[i], b[j + 1])],
                          normal, 0.0) for j in range(9)] for i in range(12)]  # fmt: skip
    np.testing.assert_allclose(u, np.array(area) / PLANE.volume, rtol=0, atol=1e-12)


@pytest.mark.parametrize("angle", [1e-9, 0.3, 30.0, 45.0, 89.999999999, 123.4])
def test_halves_at_an_angle_keep_half_the_salt_and_turn_into_themselves(angle: float) -> None:
    u = field("halves", angle=angle, values=[1.0, 0.0])
    np.testing.assert_allclose(u + u[::-1, ::-1], 1.0, rtol=1e-14)
    np.testing.assert_allclose(PLANE.total(u), 0.5 * 0.3 * 0.18, rtol=1e-14)
    np.testing.assert_allclose(
        u, field("halves", angle=angle + 180, values=[0.0, 1.0]), rtol=1e-12, atol=1e-15
    )


# --- blob, modes, patches -----------------------------------------------------------------------


@pytest.mark.parametrize("width", [0.001, 0.004, 0.02, 0.2, 5.0])
def test_a_blob_is_the_integral_of_a_gaussian_over_each_cell(width: float) -> None:
    u = field("blob", LINE, centre=0.13, width=width, amount=2.0)

    def density(x: float) -> float:
        return 2.0 * math.exp(-0.5 * ((x - 0.13) / width) ** 2) / (width * math.sqrt(2 * math.pi))

    for i in (0, 4, 6, 7, 19):
        ends = i * 0.02, (i + 1) * 0.02
        middle = [0.13] if ends[0] < 0.13 < ends[1] else []
        whole, _ = integrate.quad(
            density, *ends, points=middle, epsabs=0.0, epsrel=1e-13, limit=200
        )
        np.testing.assert_allclose(u[i], whole / 0.02, rtol=1e-12, atol=1e-280)


def test_a_blob_in_two_dimensions_has_its_amount_and_its_peak() -> None:
    grid = Grid(shape=(201, 151), size=(2.01, 1.51))
    np.testing.assert_allclose(
        grid.total(field("blob", grid, width=0.08, amount=3.0)), 3.0, rtol=1e-13
    )
    # A mean over a cell lacks h^2 / (24 s^2) of the peak along each axis.
    u = field("blob", grid, width=0.2, peak=3.0)
    np.testing.assert_allclose(u[100, 75], 3.0 * (1 - 2 * 0.01**2 / (24 * 0.2**2)), rtol=1e-6)
    assert u[100, 75] == u.max()


def test_a_blob_far_away_leaves_exact_small_values_and_not_noise() -> None:
    u = field("blob", LINE, centre=0.0, width=0.0125, peak=1.0)
    assert np.all(u > 0.0)
    assert np.all(np.diff(np.log(u)) < 0.0)


def test_modes_are_means_over_cells_of_half_waves_and_on_a_ring_of_waves() -> None:
    terms = [{"amplitude": 2.0, "x": 3, "y": 1}, {"amplitude": -1.0, "x": 1}]
    u = field("modes", RING, mean=5.0, terms=terms)
    x, y = faces(RING, 0), faces(RING, 1)

    def mean(k: float, f: Array) -> Array:
        return np.diff(np.sin(k * f)) / (k * np.diff(f))

    turn = 2 * math.pi / 0.32
    expected = (
        5.0 + 2.0 * np.outer(mean(3 * turn, x), mean(math.pi / 0.18, y)) - mean(turn, x)[:, None]
    )
    np.testing.assert_allclose(u, expected, rtol=1e-12)


def test_patches_cover_what_is_below_them_also_inside_one_cell() -> None:
    patches = [
        {"x": [0.0, 0.025], "value": 4.0},
        {"x": [0.01, 0.015], "y": [0.0, 0.01], "value": 8.0},
        {"x": [0.29, 9.0], "y": [0.17, 9.0], "value": 2.0},
    ]
    u = field("patches", background=1.0, patches=patches)
    expected = np.ones(PLANE.shape)
    expected[0] = 4.0
    expected[0, 0] += (8.0 - 4.0) * (5 / 25) * (10 / 20)
    expected[11, 8] += (2.0 - 1.0) * (10 / 25) * (10 / 20)
    np.testing.assert_allclose(u, expected, rtol=1e-13)
    assert np.all(u[1:11] == 1.0)


@settings(max_examples=40)
@given(st.lists(st.tuples(*[st.integers(0, 40)] * 4, st.integers(-5, 5)), min_size=1, max_size=5))
def test_patches_equal_a_painting_on_a_fine_grid(spans: list[tuple[int, ...]]) -> None:
    spans = [s for s in spans if s[0] < s[1] and s[2] < s[3]]
    patches = [
        {"x": [a / 40, b / 40], "y": [c / 40, d / 40], "value": v} for a, b, c, d, v in spans
    ]
    grid = Grid(shape=(8, 5), size=(1.0, 1.0))
    fine = np.full((40, 40), 0.5)
    for a, b, c, d, v in spans:
        fine[a:b, c:d] = v
    expected = fine.reshape(8, 5, 5, 8).mean((1, 3))
    u = field("patches", grid, background=0.5, patches=patches)
    np.testing.assert_allclose(u, expected, rtol=1e-12, atol=1e-14)


# --- chance -------------------------------------------------------------------------------------

RANDOM: dict[str, dict[str, Any]] = {
    "cells": {"values": [1.0, 2.0]},
    "noise": {"mean": 1.0, "deviation": 0.5},
    "diffused-noise": {"mean": 1.0, "deviation": 0.5, "length": 0.03},
}


@pytest.mark.parametrize("kind", RANDOM)
def test_the_key_alone_decides_what_is_random_unless_there_is_a_seed(kind: str) -> None:
    keys = RANDOM[kind]
    np.testing.assert_array_equal(field(kind, **keys), field(kind, **keys))
    for other in ((12346, 67890), (12345, 67891)):
        assert np.all(field(kind, **keys) != field(kind, key=other, **keys))
    seeded = field(kind, seed=7, **keys)
    np.testing.assert_array_equal(seeded, field(kind, key=(1, 2), seed=7, **keys))
    assert np.all(seeded != field(kind, seed=8, **keys))


def test_random_cells_are_even_between_their_values_and_the_same_in_a_block() -> None:
    """Fixed key. The mean of 4096 even values is off by 5 deviations once in 1.7 million keys."""
    grid = Grid(shape=(190, 190), size=(1.0, 1.0))
    u = field("cells", grid, values=[2.0, 4.0], block=3)
    assert 2.0 <= u.min() < 2.01
    assert 3.99 < u.max() < 4.0
    np.testing.assert_array_equal(u, np.repeat(np.repeat(u[::3, ::3], 3, 0), 3, 1)[:190, :190])
    assert np.unique(u).size == 64 * 64
    assert abs(u[::3, ::3].mean() - 3.0) < 5 * math.sqrt(4 / 12 / 4096)


def test_noise_is_normal_and_white() -> None:
    """Fixed key. Each of 5 numbers of unit deviation beyond 5: once in 350,000 keys."""
    grid = Grid(shape=(128, 128), size=(1.0, 1.0))
    z = (field("noise", grid, mean=3.0, deviation=0.25) - 3.0) / 0.25
    n = z.size
    scores = [
        z.mean() * math.sqrt(n),
        (np.mean(z**2) - 1) * math.sqrt(n / 2),
        np.mean(z**3) * math.sqrt(n / 15),
        np.mean(z[1:] * z[:-1]) * math.sqrt(n),
        np.mean(z[:, 1:] * z[:, :-1]) * math.sqrt(n),
    ]
    assert np.max(np.abs(scores)) < 5


@pytest.mark.parametrize("grid", [LINE, PLANE, RING])
@pytest.mark.parametrize("length", [0.0, 0.02, 0.5, 1e6])
def test_diffused_noise_has_the_stated_mean_and_deviation(grid: Grid, length: float) -> None:
    u = field("diffused-noise", grid, mean=7.0, deviation=0.5, length=length)
    np.testing.assert_allclose([u.mean(), u.std()], [7.0, 0.5], rtol=1e-12)


def test_diffused_noise_remembers_over_its_length() -> None:
    """Correlation at a distance d is exp(-d^2 / (4 length^2)) on a ring.

    Fixed key. The estimates' deviation is at most 0.021: 0.12 is missed once in 10^7 keys.
    """
    grid = Grid(shape=(512, 512), size=(1.0, 1.0), edges="periodic")
    u = field("diffused-noise", grid, mean=0.0, deviation=1.0, length=3 / 512)
    for cells in (0, 2, 3, 6, 12):
        found = np.mean(u * np.roll(u, cells, 0))
        assert abs(found - math.exp(-((cells / 3) ** 2) / 4)) < 0.12


def test_diffused_noise_without_deviation_is_its_mean() -> None:
    grid = Grid(shape=(1,), size=(1.0,))
    assert field("diffused-noise", grid, mean=7.0, deviation=0, length=1.0).tolist() == [7.0]


# --- image, formula, array ----------------------------------------------------------------------


def test_an_image_keeps_its_top_up_and_its_black_and_white(tmp_path: Path) -> None:
    pixels = np.zeros((18, 24), dtype=np.uint8)
    pixels[:2, :2] = 255
    Image.fromarray(pixels).save(tmp_path / "corner.png")
    u = read("image", tmp_path, path="corner.png", values=[35.0, 5.0]).field(PLANE, KEY)
    expected = np.full(PLANE.shape, 35.0)
    expected[0, 8] = 5.0
    np.testing.assert_allclose(u, expected, rtol=1e-6)


def test_an_image_of_sixteen_bits_is_as_bright_as_one_of_eight(tmp_path: Path) -> None:
    deep = np.array([[0, 16384], [32768, 65535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    start = ADAPTER.validate_python({"kind": "image", "path": str(tmp_path / "deep.png")})
    u = start.field(Grid(shape=(2, 2), size=(1.0, 1.0)), (0, 0))
    np.testing.assert_allclose(u, deep[::-1].T / 65535, rtol=1e-6, atol=1e-9)


def test_a_text_holds_a_field_as_it_is_seen_on_the_page_and_a_series_in_a_column(
    tmp_path: Path,
) -> None:
    def read(text: str, **grid: Any) -> list[Any]:
        path = tmp_path / "u.csv"
        path.write_text(text)
        start = ADAPTER.validate_python({"kind": "array", "path": str(path)})
        found: list[Any] = start.field(Grid(**grid), (0, 0)).tolist()
        return found

    box: dict[str, Any] = {"shape": (3, 2), "size": (3.0, 2.0)}
    assert read("1, 2, 3\n4, 5, 6  # below\n", **box) == [[4, 1], [5, 2], [6, 3]]
    series: dict[str, Any] = {"geometry": "series", "shape": 3, "size": 3.0}
    assert read("7\n8\n\n9\n", **series) == read("7 8 9", **series) == [7, 8, 9]
    for text, words in (("1 2\n3\n", "not equally long"), ("1 two 3", "as numbers"),
                        ("1 2", "has shape"), ("1 nan 3", "NaN"), ("", "has shape")):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            read(text, **series)


def test_a_formula_knows_places_and_the_distance_from_the_middle() -> None:
    u = field("formula", expression="10*x + y + 100*(r < 0.02)")
    x, y = (np.arange(12)[:, None] + 0.5) * 0.025, (np.arange(9) + 0.5) * 0.02
    near = np.hypot(x - 0.15, y - 0.09) < 0.02
    np.testing.assert_allclose(u, 10 * x + y + 100 * near, rtol=1e-13)
    np.testing.assert_array_equal(field("formula", expression="7"), np.full(PLANE.shape, 7.0))


def test_an_array_is_taken_as_it_is(folder: Path) -> None:
    u = read("array", folder, path="u.npy").field(PLANE, KEY)
    np.testing.assert_array_equal(u, np.arange(108.0).reshape(12, 9))
