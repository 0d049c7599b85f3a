"""Initial fields that cannot be: each is refused in words, with the path of the key to blame."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from diffusim.block import Invalid
from diffusim.grid import Grid
from diffusim.initial import Initial

LINE = Grid(shape=(20,), size=(0.4,))
PLANE = Grid(shape=(12, 9), size=(0.3, 0.18))
TIME = Grid(geometry="series", shape=(9,), size=(9.0,))

ADAPTER: TypeAdapter[Any] = TypeAdapter(Initial)


def refusal(value: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python(value, context={"folder": Path()})
    return caught.value


def halves(**keys: Any) -> dict[str, Any]:
    return {"kind": "halves", "values": [1, 0], **keys}


def patch(**keys: Any) -> dict[str, Any]:
    return {"kind": "patches", "patches": [{"value": 1, **keys}]}


def formula(expression: str) -> dict[str, Any]:
    return {"kind": "formula", "expression": expression}


WRONG: dict[str, tuple[Any, str]] = {
    "no mapping": ("halves", "expected a mapping with a 'kind', one of: uniform, halves"),
    "no kind": ({"value": 1.0}, "expected a mapping with a 'kind'"),
    "a kind misspelt": ({"kind": "halfs"}, "did you mean 'halves'?"),
    "a kind that is a list": ({"kind": []}, "there is no kind '[]' here"),
    "an unknown key": ({"kind": "uniform", "value": 1, "colour": 2}, "colour"),
    "a missing key": ({"kind": "uniform"}, "Field required"),
    "text for a number": ({"kind": "uniform", "value": "1"}, "valid number"),
    "not a number": ({"kind": "uniform", "value": math.nan}, "finite number"),
    "no axis": (halves(), "either 'axis'"),
    "no axis in time": (halves(), "of a series t"),
    "axis and angle": (halves(axis="x", angle=1), "either 'axis'"),
    "angle and at": (halves(angle=1, at=0.1), "goes with"),
    "axis and through": (halves(axis="x", through=[0, 0]), "goes with"),
    "one value": (halves(axis="x", values=[1]), "values"),
    "a time for a length": (halves(axis="x", at="1 s"), "a length"),
    "amount and peak": ({"kind": "blob", "width": 1, "amount": 1, "peak": 1}, "either 'amount'"),
    "no amount": ({"kind": "blob", "width": 1}, "either 'amount'"),
    "no width": ({"kind": "blob", "width": 0, "peak": 1}, "greater than 0"),
    "a deviation below zero": ({"kind": "noise", "mean": 0, "deviation": -1}, "greater than or"),
    "half a block": ({"kind": "cells", "values": [0, 1], "block": 0.5}, "integer"),
    "a wrong term": ({"kind": "modes", "terms": [{"amplitude": 1, "z": 1}]}, "terms.0.z"),
    "a wrong patch": ({"kind": "patches", "patches": [{"x": [0]}]}, "patches.0.value"),
    "no such file": ({"kind": "array", "path": "nowhere.npy"}, "there is no file"),
    "a wrong formula": ({"kind": "formula", "expression": "2*q"}, "'q' is not known"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_no_grid_can_mend_is_refused_on_reading(name: str) -> None:
    value, message = WRONG[name]
    assert message in str(refusal(value))


def test_a_refused_key_is_named_by_its_own_path_without_the_class() -> None:
    class Holder(BaseModel):
        initial: Initial

    with pytest.raises(ValidationError) as caught:
        Holder.model_validate({"initial": {"kind": "patches", "patches": [{"value": "a"}]}})
    assert [error["loc"] for error in caught.value.errors()] == [("initial", "patches", 0, "value")]


UNFIT: dict[str, tuple[Grid, dict[str, Any], str, tuple[str | int, ...]]] = {
    "no such axis": (LINE, halves(axis="y"), "no axis 'y'", ("axis",)),
    "modes in time": (TIME, {"kind": "modes", "terms": []}, "for boxes", ("kind",)),
    "patches in time": (TIME, patch(x=[0, 1]), "formula of t", ("kind",)),
    "a packet in time": (
        TIME,
        {"kind": "packet", "centre": [1, 2], "width": 2},
        "in a box",
        ("kind",),
    ),
    "a packet on rings": (
        Grid(shape=(9,), size=(1.0,), geometry="cylindrical"),
        {"kind": "packet", "centre": 1, "width": 2},
        "radial",
        ("kind",),
    ),
    "an angle on a line": (LINE, halves(angle=5), "two dimensions", ("angle",)),
    "at outside": (LINE, halves(axis="x", at=0.5), "outside", ("at",)),
    "through a line": (PLANE, halves(angle=5, through=0.1), "expected 2", ("through",)),
    "a centre in 2-D": (
        LINE,
        {"kind": "blob", "centre": [1, 1], "width": 1, "peak": 1},
        "expected 1 number",
        ("centre",),
    ),
    "values turned": (LINE, {"kind": "cells", "values": [1, 0]}, "the lower value", ("values",)),
    "a mode along y": (
        LINE,
        {"kind": "modes", "terms": [{"amplitude": 1, "y": 1}]},
        "no axis 'y'",
        ("terms", 0, "y"),
    ),
    "a patch along y": (LINE, patch(y=[0, 1]), "no axis 'y'", ("patches", 0, "y")),
    "a patch that shrinks": (PLANE, patch(x=[0.2, 0.1]), "must grow", ("patches", 0, "x")),
    "a patch outside": (PLANE, patch(x=[3, 4]), "outside", ("patches", 0, "x")),
    "an image on a line": (LINE, {"kind": "image", "path": "portrait"}, "two dim", ("path",)),
    "y on a line": (LINE, formula("x+y"), "'y' has no value", ("expression",)),
    "t at the start": (PLANE, formula("t"), "'t' has no value", ("expression",)),
    "an infinite formula": (PLANE, formula("1/0"), "not a finite number", ("expression",)),
    "one cell with a deviation": (
        Grid(shape=(1,), size=(1.0,)),
        {"kind": "diffused-noise", "mean": 0, "deviation": 1, "length": 1},
        "single cell",
        ("deviation",),
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_this_grid_cannot_hold_is_refused_with_the_key_to_blame(name: str) -> None:
    grid, value, message, path = UNFIT[name]
    with pytest.raises(Invalid, match=message) as caught:
        ADAPTER.validate_python(value).field(grid, (1, 2))
    assert caught.value.path == path


@pytest.mark.parametrize(
    "value",
    [
        {"kind": "modes", "terms": [{"amplitude": 1, "t": 3}]},
        patch(t=[0, "1 day"]),
        {"kind": "packet", "centre": "1 day", "width": "2 day"},
    ],
)
def test_in_a_series_what_lies_in_space_is_refused_before_its_keys(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python(value, context={"folder": Path(), "geometry": "series"})
    (error,) = caught.value.errors()
    assert (*error["loc"], *error["ctx"]["error"].path) == ("kind",)


@pytest.mark.filterwarnings("error")
def test_what_is_larger_than_any_number_is_left_to_be_refused_and_warns_of_nothing() -> None:
    huge = {"kind": "uniform", "value": 1e308}
    piece = {"path": "portrait", "at": [0.1, 0.1], "width": 0.1}
    for value in (
        {"kind": "sum", "of": [huge, huge]},
        {"kind": "collage", "on": huge, "noise": 1e308, "pieces": [piece]},
        {"kind": "collage", "on": huge, "values": [-1e308, 1e308], "pieces": [piece]},
    ):
        u = ADAPTER.validate_python(value, context={"folder": Path()}).field(PLANE, (1, 2))
        assert not np.all(np.isfinite(u))


def test_an_array_of_another_shape_is_refused_with_both_shapes(tmp_path: Path) -> None:
    np.save(tmp_path / "u.npy", np.zeros((12, 9)))
    start = ADAPTER.validate_python(
        {"kind": "array", "path": "u.npy"}, context={"folder": tmp_path}
    )
    with pytest.raises(Invalid, match=r"shape \(12, 9\), the grid has \(20,\)") as caught:
        start.field(LINE, (1, 2))
    assert caught.value.path == ("path",)
