"""Stripes, turned images and sums of starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from diffusim.block import Array, Invalid
from diffusim.grid import Grid
from diffusim.initial import Initial, Sum, parts
from diffusim.spectrum import orientation, strongest_wave

KEY = (12345, 67890)
ADAPTER: TypeAdapter[Any] = TypeAdapter(Initial)
PLANE = Grid(shape=(24, 15), size=(0.24, 0.3))
SQUARE = Grid(shape=(32, 32), size=(1.0, 1.0))
FINE = 3000


def field(grid: Grid = PLANE, folder: Path | None = None, **keys: Any) -> Array:
    start = ADAPTER.validate_python(keys, context={"folder": folder or Path()})
    return np.asarray(start.field(grid, KEY))


def stripes(grid: Grid = PLANE, **keys: Any) -> Array:
    return field(grid, **({"kind": "stripes", "values": [0.0, 1.0]} | keys))


# --- stripes ------------------------------------------------------------------------------------


def primitive(s: Array, profile: str) -> Array:
    """The integral of a wave between -1 and 1 of period one, from 0 to s."""
    if profile == "sine":
        return (1.0 - np.cos(2.0 * np.pi * s)) / (2.0 * np.pi)
    part = s % 1.0
    return np.asarray(np.minimum(part, 1.0 - part))


@pytest.mark.parametrize("profile", ["sine", "square"])
@pytest.mark.parametrize("angle", [0.0, 37.0, 90.0, 45.0, -20.0, 123.0, 200.0, 1e-3])
def test_every_cell_holds_the_mean_of_its_stripes(profile: str, angle: float) -> None:
    """Integrated along one axis, and summed at 3000 points along the other."""
    u = stripes(profile=profile, angle=angle, period=0.0461, values=[-1.0, 3.0],
                through=[0.013, 0.027])  # fmt: skip
    c, s = np.cos(np.radians(angle)) / 0.0461, np.sin(np.radians(angle)) / 0.0461
    x, y = PLANE.centres(0)[:, None, None] - 0.013, PLANE.centres(1)[:, None] - 0.027
    h, k = PLANE.spacing
    if abs(c) < abs(s):
        x, y, h, k, c, s = y, x, k, h, s, c
    points = y + k * ((np.arange(FINE) + 0.5) / FINE - 0.5)
    ends = (primitive(c * (x + side * h) + s * points, profile) for side in (0.5, -0.5))
    wanted = 1.0 + 2.0 * np.mean(np.subtract(*ends), axis=-1) / (c * h)
    np.testing.assert_allclose(u, wanted, rtol=0, atol=2e-6)


@pytest.mark.parametrize("period", [1.42, 1.5, 1.9])
def test_a_cell_may_hold_more_than_one_edge_of_a_square_stripe(period: float) -> None:
    grid = Grid(shape=(7, 5), size=(7.0, 5.0))
    u = stripes(grid, profile="square", angle=45.0, period=period, through=[0.3, 0.1])
    c = np.sqrt(0.5) / period
    points = (np.arange(FINE) + 0.5) / FINE
    s = c * (np.arange(5)[:, None] + points - 0.1)
    ends = (primitive(c * (np.arange(7)[:, None, None] + side - 0.3) + s, "square")
            for side in (1.0, 0.0))  # fmt: skip
    wanted = 0.5 + 0.5 * np.mean(np.subtract(*ends), axis=-1) / c
    np.testing.assert_allclose(u, wanted, rtol=0, atol=2e-6)


def test_stripes_of_no_angle_stand_upright_and_begin_in_the_corner() -> None:
    u = stripes(Grid(shape=(8, 3), size=(8.0, 3.0)), period=4.0, profile="square")
    np.testing.assert_array_equal(u, np.tile([[1.0], [1.0], [0.0], [0.0]], (2, 3)))


@pytest.mark.parametrize("profile", ["sine", "square"])
def test_stripes_turned_by_a_right_angle_are_those_of_the_other_axis(profile: str) -> None:
    keys = {"period": 0.17, "profile": profile, "through": [0.1, 0.1]}
    np.testing.assert_allclose(
        stripes(SQUARE, angle=90, **keys), stripes(SQUARE, **keys).T, rtol=1e-12
    )


@pytest.mark.parametrize("angle", [0.0, 17.0, 37.0, 90.0, 143.0])
@pytest.mark.parametrize("profile", ["sine", "square"])
def test_angle_and_period_are_read_off_the_spectrum(profile: str, angle: float) -> None:
    grid = Grid(shape=(100, 60), size=(0.2, 0.18))
    found = orientation(stripes(grid, period="16 mm", angle=angle, profile=profile), grid.spacing)
    assert found.wave is not None
    assert abs((found.angle - angle + 90.0) % 180.0 - 90.0) < 0.05
    assert found.wave.period == pytest.approx(0.016, rel=2e-3)


def test_stripes_of_two_cells_are_every_other_cell() -> None:
    grid = Grid(shape=(30, 9), size=(0.3, 0.09))
    u = stripes(grid, period=0.02, profile="square")
    np.testing.assert_allclose(u[::2], 1.0, rtol=1e-12)
    np.testing.assert_allclose(u[1::2], 0.0, rtol=0, atol=1e-12)
    # The mean of half a period of a sine is 2 / pi of its amplitude.
    np.testing.assert_allclose(stripes(grid, period=0.02)[::2], 0.5 + 1.0 / np.pi, rtol=1e-12)


def test_on_a_line_stripes_are_a_wave_along_it() -> None:
    line = Grid(shape=(40,), size=(1.0,))
    ends = np.cos(2.0 * np.pi * np.arange(41) / 40 / 0.2)
    wanted = 0.5 + 0.5 * (ends[:-1] - ends[1:]) * 0.2 * 40 / (2.0 * np.pi)
    np.testing.assert_allclose(stripes(line, period=0.2), wanted, rtol=0, atol=1e-13)
    with pytest.raises(Invalid, match="stripes at an angle need two dimensions"):
        stripes(line, period=0.2, angle=1.0)


REFUSED: dict[str, tuple[Grid, dict[str, Any], str, str]] = {
    "less than two cells": (PLANE, {"period": 0.019}, "period",
                            r"along x a period is 1.9 cells, of which it takes two"),
    "less than two cells upwards": (PLANE, {"period": 0.03, "angle": 90}, "period",
                                    r"along y a period is 1.5 cells"),
    "rings": (Grid(shape=(8,), size=(1.0,), geometry="cylindrical"), {"period": 0.5}, "kind",
              "stripes are for boxes"),
    "a point with one number": (PLANE, {"period": 0.1, "through": [0.1]}, "through",
                                r"expected 2 number\(s\), one per axis, found 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_stripes_are_refused_where_there_are_none(name: str) -> None:
    grid, keys, path, message = REFUSED[name]
    with pytest.raises(Invalid, match=message) as caught:
        stripes(grid, **keys)
    assert caught.value.path == (path,)


# --- turned images ------------------------------------------------------------------------------


def portrait(grid: Grid = SQUARE, **keys: Any) -> Array:
    return field(grid, **({"kind": "image", "path": "portrait"} | keys))


def test_an_image_turned_by_right_angles_has_its_cells_elsewhere() -> None:
    """Left of the upright one's top is the top of one that is turned by 90 degrees."""
    for turns in (1, 2, 3, -1):
        turned, upright = portrait(turn=90.0 * turns), portrait()
        # As arrays x comes first: from x to y is anticlockwise as it is seen.
        np.testing.assert_allclose(turned, np.rot90(upright, turns), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(portrait(turn=360), portrait())


@pytest.mark.parametrize("size", [(1.0, 1.0), (1.0, 0.8)])
def test_what_is_on_the_right_is_turned_upwards_anticlockwise(
    tmp_path: Path, size: tuple[float, float]
) -> None:
    pixels = np.zeros((200, 200), dtype=np.uint8)
    pixels[90:110, 130:150] = 255
    Image.fromarray(pixels).save(tmp_path / "spot.png")
    grid = Grid(shape=(100, 100), size=size)
    u = field(grid, tmp_path, kind="image", path="spot.png", turn=37)
    x, y = (np.sum(u * place) / np.sum(u) for place in grid.places().values())
    away = 0.2 * size[0]
    assert x == pytest.approx(0.5 * size[0] + away * np.cos(np.radians(37.0)), abs=1e-4)
    assert y == pytest.approx(0.5 * size[1] + away * np.sin(np.radians(37.0)), abs=1e-4)


def test_a_turned_image_keeps_to_its_black_and_white_and_fills_its_corners(tmp_path: Path) -> None:
    u = portrait(turn=37, values=[2.0, 5.0])
    assert 2.0 <= u.min() < 2.2
    assert 4.5 < u.max() <= 5.0
    Image.fromarray(np.full((40, 40), 255, dtype=np.uint8)).save(tmp_path / "white.png")
    white = field(SQUARE, tmp_path, kind="image", path="white.png", turn=37)
    np.testing.assert_allclose(white, 1.0, rtol=1e-6)


def test_each_colour_of_an_image_is_turned() -> None:
    u = portrait(turn=20, channels="rgb")
    assert u.shape == (3, 32, 32)
    upright = portrait(channels="rgb")
    inside = np.hypot(*(place - 0.5 for place in SQUARE.places().values())) < 0.5
    for turned, one in zip(u, upright, strict=True):
        assert np.mean(turned[inside]) == pytest.approx(np.mean(one[inside]), abs=0.01)
    assert np.ptp(np.mean(u, axis=(1, 2))) > 0.01


# --- sums ---------------------------------------------------------------------------------------

NOISE = {"kind": "noise", "mean": 0.0, "deviation": 1.0}
WAVE = {"kind": "stripes", "period": 0.1, "values": [-1, 1]}


def test_a_sum_is_the_sum_of_its_starts_cell_by_cell() -> None:
    halves = {"kind": "halves", "axis": "x", "values": [1, 3]}
    inner = {"kind": "sum", "of": [halves, {"kind": "uniform", "value": 4}]}
    u = field(kind="sum", of=[WAVE, inner])
    wanted = field(**WAVE) + field(**halves) + 4.0
    np.testing.assert_allclose(u, wanted, rtol=1e-13)
    np.testing.assert_array_equal(field(kind="sum", of=[WAVE]), field(**WAVE))


def test_noises_of_a_sum_are_independent_and_follow_from_its_key() -> None:
    """The sum of two squares is off by 6 deviations, 0.13 of 2, once in 10^9 keys."""
    grid = Grid(shape=(64, 64), size=(1.0, 1.0))
    both = field(grid, kind="sum", of=[NOISE, NOISE])
    assert np.var(both) == pytest.approx(2.0, rel=0.133)
    np.testing.assert_array_equal(both, field(grid, kind="sum", of=[NOISE, NOISE]))
    nested = field(grid, kind="sum", of=[NOISE, {"kind": "sum", "of": [NOISE]}])
    assert np.var(nested) == pytest.approx(2.0, rel=0.133)
    assert np.all(nested != both)
    seeded = NOISE | {"seed": 3}
    np.testing.assert_array_equal(
        field(grid, kind="sum", of=[seeded, seeded]), 2.0 * field(grid, **seeded)
    )


def test_one_field_is_added_to_every_channel() -> None:
    picture = {"kind": "image", "path": "portrait", "channels": "rgb"}
    u = field(kind="sum", of=[WAVE, picture])
    np.testing.assert_allclose(u, field(**picture) + field(**WAVE), rtol=1e-12, atol=1e-15)
    assert ADAPTER.validate_python({"kind": "sum", "of": [WAVE, picture]}).names(3) == (
        "red", "green", "blue",
    )  # fmt: skip
    assert ADAPTER.validate_python({"kind": "sum", "of": [WAVE]}).names(2) == ("1", "2")


def test_waves_can_be_added_to_waves_only(tmp_path: Path) -> None:
    packet = {"kind": "packet", "centre": [0.1, 0.15], "width": 0.02, "wavelength": 0.05}
    assert np.iscomplexobj(field(kind="sum", of=[packet, packet]))
    with pytest.raises(Invalid, match="a wave and a field that is none cannot be added") as caught:
        field(kind="sum", of=[packet, WAVE])
    assert caught.value.path == ("of", 1)
    np.save(tmp_path / "two.npy", np.ones((2, 24, 15)))
    picture = {"kind": "image", "path": "portrait", "channels": "rgb"}
    with pytest.raises(Invalid, match="has 2 channels, those before it 3; give as many, or one"):
        field(PLANE, tmp_path, kind="sum", of=[picture, {"kind": "array", "path": "two.npy"}])


def test_what_is_wrong_with_a_part_is_told_with_its_place() -> None:
    with pytest.raises(Invalid, match="a period is") as caught:
        field(kind="sum", of=[NOISE, {"kind": "sum", "of": [WAVE | {"period": 0.001}]}])
    assert caught.value.path == ("of", 1, "of", 0, "period")
    with pytest.raises(ValidationError) as read:
        field(kind="sum", of=[NOISE, {"kind": "sum", "of": [{"kind": "uniform", "valu": 1}]}])
    assert ("of", 1, "of", 0, "valu") in [error["loc"] for error in read.value.errors()]
    with pytest.raises(ValidationError, match="expected one start at least"):
        field(kind="sum", of=[])


def test_the_parts_of_a_sum_are_its_starts_also_within_sums() -> None:
    made = ADAPTER.validate_python({"kind": "sum", "of": [NOISE, {"kind": "sum", "of": [WAVE]}]})
    assert isinstance(made, Sum)
    assert [part.kind for part in parts(made)] == ["noise", "stripes"]
    assert parts(made.of[0]) == (made.of[0],)


def test_stripes_on_a_portrait_stand_out_at_their_angle_and_period() -> None:
    grid = Grid(shape=(256, 256), size=(0.256, 0.256))
    striped = {"kind": "stripes", "period": "6 mm", "angle": 37, "values": [-0.15, 0.15]}
    found = strongest_wave(
        field(grid, kind="sum", of=[{"kind": "image", "path": "portrait"}, striped]), grid.spacing
    )
    assert found is not None
    assert found.stands_out
    assert found.angle == pytest.approx(37.0, abs=0.1)
    assert found.period == pytest.approx(6e-3, rel=1e-3)
