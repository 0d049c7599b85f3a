"""Collages and cuttings: where pieces lie, how they are turned, and what they cover."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from diffusim.block import Array, Invalid
from diffusim.grid import Grid
from diffusim.initial import Initial
from diffusim.initial.cuttings import Cutting

KEY = (5, 6)
ADAPTER: TypeAdapter[Any] = TypeAdapter(Initial)
GREY = {"kind": "uniform", "value": 0.25}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image of 8 x 6 pixels, all different, and one that is white at the upper left."""
    pixels = (np.arange(48, dtype=np.uint8) * 5).reshape(6, 8)
    Image.fromarray(pixels).save(tmp_path / "steps.png")
    corner = np.zeros((4, 4), dtype=np.uint8)
    corner[:2, :2] = 255
    Image.fromarray(corner).save(tmp_path / "corner.png")
    return tmp_path


def collage(folder: Path, *pieces: dict[str, Any], edges: Any = "no-flux", **keys: Any) -> Array:
    start = ADAPTER.validate_python(
        {"kind": "collage", "on": GREY, **keys, "pieces": list(pieces)}, context={"folder": folder}
    )
    grid = Grid(shape=(20, 16), size=(20.0, 16.0), edges=edges)
    return np.asarray(start.field(grid, keys.get("key", KEY)))


def piece(path: str = "corner.png", **keys: Any) -> dict[str, Any]:
    return {"path": path, "at": [10.0, 8.0], "width": 8.0, **keys}


def test_a_piece_lies_where_it_is_put_and_nothing_else_changes(folder: Path) -> None:
    u = collage(folder, piece())
    there = np.zeros(u.shape, dtype=bool)
    there[6:14, 4:12] = True
    assert np.array_equal(u[~there], np.full(np.sum(~there), 0.25))
    # White at the upper left, black elsewhere, and linear between the middles of pixels.
    assert np.all(u[6:8, 10:12] == 1.0)
    assert np.all(u[12:14, 4:6] == 0.0)


def test_cells_are_means_of_the_pixels_between_which_it_is_linear(folder: Path) -> None:
    """Steps that are a plane, so that a linear image has its value at the middle of each cell."""
    cut = {"x": [0.25, 0.75], "y": [1 / 3, 5 / 6]}
    u = collage(folder, piece("steps.png", cut=cut, width=8.0))
    x, y = np.arange(8)[:, None], np.arange(6)
    value = (
        5.0 * (2.0 + (x + 0.5) / 2.0 - 0.5) + 40.0 * (5.0 - (2.0 + (y + 0.5) / 2.0 - 0.5))
    ) / 255
    assert np.max(np.abs(u[6:14, 5:11] - value)) < 1e-6


TURNS: dict[str, tuple[dict[str, Any], int]] = {
    "upright": ({}, 0), "quarter": ({"turn": 90}, 1), "half": ({"turn": 180}, 2),
    "back": ({"turn": -90}, 3), "flipped": ({"flipped": True}, 3),
    "flipped and turned": ({"flipped": True, "turn": 90}, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", TURNS)
def test_a_piece_is_flipped_and_then_turned_anticlockwise(name: str, folder: Path) -> None:
    keys, corner = TURNS[name]
    u = collage(folder, piece(**keys))
    corners = [u[6, 11], u[6, 4], u[13, 4], u[13, 11]]  # upper left, and on anticlockwise
    assert np.argmax(corners) == corner
    assert corners[corner] == 1.0


def test_a_turned_piece_covers_the_same_area_and_parts_of_cells(folder: Path) -> None:
    for turn in (0.0, 30.0, 45.0, 77.0):
        u = collage(folder, piece(turn=turn, contrast=0.0, brightness=0.5))
        covered = (u - 0.25) / 0.75
        # Cells are sampled four times along each axis.
        assert abs(np.sum(covered) - 64.0) < 0.1
        assert np.all((covered > -1e-12) & (covered < 1.0 + 1e-12))
    assert np.any((covered > 0.1) & (covered < 0.9))


def test_half_a_cell_is_half_the_piece(folder: Path) -> None:
    u = collage(folder, piece(at=[10.5, 8.0], contrast=0.0, brightness=0.5))
    assert np.allclose(u[6, 4:12], 0.5 * (1.0 + 0.25), rtol=1e-12, atol=0)
    assert np.all(u[7:14, 4:12] == 1.0)


def test_contrast_is_about_middle_grey_and_a_negative_is_minus_one(folder: Path) -> None:
    plain, negative = collage(folder, piece()), collage(folder, piece(contrast=-1))
    inside = np.s_[6:14, 4:12]
    assert np.allclose(plain[inside] + negative[inside], 1.0, rtol=1e-12, atol=0)
    pale = collage(folder, piece(contrast=0.5, brightness=0.1))
    assert np.allclose(pale[inside], 0.35 + 0.5 * plain[inside], rtol=1e-12, atol=0)
    salt = collage(folder, piece(), values=[35.0, 5.0])
    assert np.allclose(salt[inside], 35.0 - 30.0 * plain[inside], rtol=1e-12, atol=0)


def test_later_pieces_lie_on_earlier_ones(folder: Path) -> None:
    white, black = piece(contrast=0, brightness=0.5), piece(contrast=0, brightness=-0.5, width=4.0)
    over, under = collage(folder, white, black), collage(folder, black, white)
    assert np.all(over[8:12, 6:10] == 0.0)
    assert over[6, 4] == 1.0
    assert np.all(under[6:14, 4:12] == 1.0)


def test_pieces_come_round_a_ring_and_are_cut_off_at_a_rim(folder: Path) -> None:
    middle = collage(folder, piece(), edges="periodic")
    round_ = collage(folder, piece(at=[0.0, 8.0]), edges="periodic")
    assert np.array_equal(round_, np.roll(middle, -10, axis=0))
    cut = collage(folder, piece(at=[0.0, 8.0]))
    assert np.array_equal(cut[:4], round_[:4])
    assert np.all(cut[4:] == 0.25)
    assert np.all(collage(folder, piece(at=[-30.0, 8.0])) == 0.25)


def test_the_noise_is_of_the_key_and_apart_from_that_of_the_start(folder: Path) -> None:
    """Fixed key. Deviation of 320 values: off by 5 of its own deviations once in 10^6 keys."""
    bare = collage(folder, piece())
    noisy = collage(folder, piece(), noise=0.1)
    added = noisy - bare
    assert abs(np.std(added) / 0.1 - 1.0) < 5.0 / np.sqrt(2 * added.size)
    assert np.array_equal(noisy, collage(folder, piece(), noise=0.1))
    assert np.all(noisy != collage(folder, piece(), noise=0.1, seed=3))
    below = {"kind": "noise", "mean": 0.0, "deviation": 0.1}
    both = collage(folder, piece(width=0.5), noise=0.1, on=below)
    assert abs(np.std(both) / (0.1 * np.sqrt(2.0)) - 1.0) < 5.0 / np.sqrt(2 * added.size)


def test_a_start_may_lie_below_any_start_a_collage_too(folder: Path) -> None:
    below = {"kind": "collage", "on": GREY, "pieces": [piece(width=4.0, contrast=0)]}
    u = collage(folder, piece(at=[4.0, 4.0], width=2.0, contrast=0), on=below)
    assert u[10, 8] == 0.5
    assert u[4, 4] == 0.5
    assert u[0, 0] == 0.25


@pytest.mark.parametrize(
    ("pieces", "path"),
    [
        ([piece(cut={"x": [0.6, 0.4]})], ("pieces", 0, "cut", "x")),
        ([piece(), piece(width=0.0)], ("pieces", 1, "width")),
        ([], ("pieces",)),
        ([piece(path="nowhere.png")], ("pieces", 0, "path")),
    ],
)
def test_what_is_no_piece_is_refused_at_its_key(
    pieces: list[Any], path: tuple[Any, ...], folder: Path
) -> None:
    with pytest.raises(ValidationError) as caught:
        collage(folder, *pieces)
    (error,) = caught.value.errors()
    problem = error.get("ctx", {}).get("error")
    own = problem.path if isinstance(problem, Invalid) else ()
    assert (*error["loc"], *own) == path


@pytest.mark.parametrize(
    ("change", "words", "path"),
    [
        ({"shape": (20,), "size": (20.0,)}, "two dimensions", ("pieces",)),
        ({"edges": "periodic", "shape": (5, 5), "size": (5.0, 5.0)}, "onto itself",
         ("pieces", 0, "width")),
    ],
)  # fmt: skip
def test_what_cannot_be_laid_on_a_grid_is_refused_in_words(
    change: dict[str, Any], words: str, path: tuple[Any, ...], folder: Path
) -> None:
    grid = Grid(**{"shape": (20, 16), "size": (20.0, 16.0), **change})
    start = ADAPTER.validate_python({"kind": "collage", "on": GREY, "pieces": [piece()]},
                                    context={"folder": folder})  # fmt: skip
    with pytest.raises(Invalid, match=words) as caught:
        start.field(grid, KEY)
    assert caught.value.path == path


def test_what_is_no_image_and_starts_of_several_fields_are_refused(folder: Path) -> None:
    (folder / "text.png").write_text("no image")
    with pytest.raises(Invalid, match="not a PNG or JPEG image") as caught:
        collage(folder, piece(), piece("text.png"))
    assert caught.value.path == ("pieces", 1, "path")
    with pytest.raises(Invalid, match="one real field") as caught:
        collage(folder, piece(), on={"kind": "image", "path": "portrait", "channels": "rgb"})
    assert caught.value.path == ("on",)


def test_a_cutting_has_the_proportions_of_its_pixels(folder: Path) -> None:
    cutting = Cutting.model_validate(
        {"path": "steps.png", "cut": {"x": [0.0, 0.5], "y": [0.0, 1.0]}, "width": "4 cm"},
        context={"folder": folder},
    )
    assert cutting.size(cutting.pixels()) == pytest.approx((0.04, 0.06), rel=1e-14)
    assert cutting.pixels()[0, 5] == 0.0
    assert cutting.pixels()[7, 0] == pytest.approx(47 * 5 / 255, rel=1e-7)
