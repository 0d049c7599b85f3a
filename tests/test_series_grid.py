"""A series as a grid: its axis is time, from the scenario to the stored result and its pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pydantic import ValidationError
from shell import diffusim

import diffusim as ds
from diffusim import store
from diffusim.alignment import compare_stored
from diffusim.block import Invalid, Unsupported
from diffusim.coarsening import Coarsening
from diffusim.dataset.recipe import Recipe
from diffusim.initial import Blob, DiffusedNoise, Expression, Halves, Modes, Patches, Start, Stored
from diffusim.reading import ScenarioError
from diffusim.scenario import load

DAY = 86400.0
SERIES = """\
title: some days
grid: {geometry: series, shape: 24, size: 24 day}
propagator: {kind: moving-average, width: 3 day}
field: {name: price, unit: ct/L}
initial: {kind: blob, centre: 8 day, width: 2 day, peak: 1.0}
times: {at: [0, 1, 2]}
record: {every: 1, probes: {tenth: {kind: point, at: [9.5 day]}, all: {kind: total}}}
methods: [stencil, fourier]
reference: stencil
"""


def days(n: int, **more: Any) -> ds.Grid:
    return ds.Grid(geometry="series", shape=n, size=f"{n} day", **more)


def along(kind: type[Start], **options: Any) -> Start:
    """A start of a scenario whose grid is a series."""
    return kind.model_validate(options, context={"geometry": "series"})


def scenario(folder: Path, text: str = SERIES) -> Path:
    (folder / "days.yaml").write_text(text, encoding="utf-8")
    return folder / "days.yaml"


# --- the grid -----------------------------------------------------------------------------------


def test_the_axis_of_a_series_is_time() -> None:
    grid = days(730)
    assert (grid.names, grid.unit, grid.radial) == ("t", "s", False)
    assert grid.spacing == (DAY,)
    assert [name for name, *_ in grid.named_sides] == ["first", "last"]
    assert grid.centres(0)[[0, -1]].tolist() == [0.5 * DAY, 729.5 * DAY]
    assert grid.total(np.ones(730)) == 730 * DAY
    assert ds.Grid(shape=3, size="3 mm").unit == "m"
    assert ds.Grid(shape=3, size="3 mm", geometry="spherical").unit == "m"


def test_what_is_written_of_a_series_reads_as_the_same_series() -> None:
    for edges in ("no-flux", "periodic", {"first": {"value": 0}}, {"t": {"value": 1.5}}):
        grid = days(12, edges=edges)
        assert ds.Grid.model_validate(json.loads(grid.model_dump_json())) == grid


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"geometry": "series", "shape": 3, "size": "3 m"}, "expected a time .* found '3 m'"),
        ({"shape": 3, "size": "3 day"}, "expected a length .* found '3 day'"),
        ({"geometry": "spherical", "shape": 3, "size": "3 day"}, "expected a length"),
        ({"geometry": "series", "shape": [3, 3], "size": [1.0, 1.0]}, "a series has one axis, t"),
        ({"geometry": "series", "shape": 3, "size": 3.0, "inner": 1.0}, "has an inner radius"),
        ({"geometry": "series", "shape": 3, "size": 3.0, "edges": {"left": "no-flux"}},
         "this grid has t, first, last"),
        ({"shape": 3, "size": 3.0, "edges": {"first": "no-flux"}}, "this grid has x, left, right"),
    ],
)  # fmt: skip
def test_what_is_no_series_is_refused_in_words(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ds.Grid(**options)


def test_salt_and_waves_have_no_series_and_say_what_has() -> None:
    grid = days(6)
    for propagator in (ds.Diffusion(diffusivity=1.0), ds.Schroedinger()):
        with pytest.raises(Invalid, match="its axis is time. These carry it: autoregression"):
            ds.solve(np.ones(6), propagator, grid=grid, times=[1.0], method="chebyshev")


def test_a_kernel_carries_a_series_as_it_carries_a_row() -> None:
    u = np.random.default_rng(3).standard_normal(30)
    smooth = ds.Kernel(kernel=[1, 2, 1], normalise="sum")
    frames = [ds.solve(u, smooth, grid=grid, times=[4], method="modes").frames
              for grid in (days(30), ds.Grid(shape=30, size=1.0))]  # fmt: skip
    assert np.array_equal(*frames)


def test_series_of_other_steps_are_brought_together_by_means() -> None:
    u = np.random.default_rng(4).standard_normal(30)
    found = Coarsening.of(days(30), ds.Grid(geometry="series", shape=10, size=30 * DAY)).means(u)
    assert np.allclose(found, u.reshape(10, 3).mean(axis=1), rtol=1e-14, atol=1e-15)


# --- starts -------------------------------------------------------------------------------------


def test_starts_lie_in_a_series_as_in_a_row_of_as_many_cells() -> None:
    row = ds.Grid(shape=20, size=20 * DAY)
    starts = (
        along(Blob, centre="7 day", width="2 day", peak=3.0),
        along(DiffusedNoise, mean=1.0, deviation=2.0, length="3 day"),
    )
    for start in starts:
        assert np.array_equal(start.field(days(20), (1, 2)), start.field(row, (1, 2)))
    step = along(Halves, axis="t", at="5.5 day", values=[4, 2]).field(days(20), (1, 2))
    assert step.tolist() == [4.0] * 5 + [3.0] + [2.0] * 14


def test_a_formula_of_a_series_is_of_t() -> None:
    grid = days(5)
    found = Expression(expression="2 + t/86400").field(grid, (1, 2))
    assert np.allclose(found, 2.5 + np.arange(5), rtol=1e-15, atol=0.0)
    for name in ("x", "r"):
        with pytest.raises(Invalid, match=f"'{name}' has no value here; .* one: t$"):
            Expression(expression=name).field(grid, (1, 2))


def test_an_array_is_a_series_as_it_stands(tmp_path: Path) -> None:
    values = np.array([1.0, 4.0, 9.0])
    np.save(tmp_path / "u.npy", values)
    found = Stored.model_validate({"path": "u.npy"}, context={"folder": tmp_path})
    assert np.array_equal(found.field(days(3), (1, 2)), values)


def test_starts_of_boxes_are_refused_in_words() -> None:
    rectangles = Patches(patches=({"x": (0.0, 1.0), "value": 2.0},))
    waves = Modes(terms=({"x": 2, "amplitude": 1.0},))
    for start, words in ((rectangles, "rectangles have no place in a series"),
                         (waves, "cosine modes are for boxes")):  # fmt: skip
        with pytest.raises(Invalid, match=words):
            start.field(days(6), (1, 2))


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("size: 24 day", "size: 24 m", "grid.size", "expected a time"),
        ("width: 2 day", "width: 2 m", "initial.width", "expected a time"),
        ("centre: 8 day", "centre: 8 m", "initial.centre", "expected a time"),
        ("width: 3 day", "width: 3 m", "propagator.width", "expected a time"),
        ("at: [9.5 day]", "at: [9.5 m]", "record.probes.tenth.at", "expected a time"),
        ("at: [9.5 day]", "at: [25 day]", "record.probes.tenth.at", "from 0 s to 2.0736e+06 s"),
        ("geometry: series, ", "", "initial.width", "expected a length"),
    ],
)
def test_a_scenario_takes_times_along_a_series_and_lengths_elsewhere(
    tmp_path: Path, old: str, new: str, place: str, words: str
) -> None:
    assert old in SERIES
    with pytest.raises(ScenarioError) as refused:
        load(scenario(tmp_path, SERIES.replace(old, new)))
    assert any(place in line and words in line for line in str(refused.value).splitlines())


def test_the_field_of_a_series_is_a_value_unless_it_has_a_name(tmp_path: Path) -> None:
    said = "field: {name: price, unit: ct/L}"
    for field, name, unit in (
        (said, "price", "ct/L"),
        ("", "value", "1"),
        ("field: {unit: ct/L}", "value", "ct/L"),
        ("field: {name: concentration, unit: g/L}", "concentration", "g/L"),
    ):
        found, _ = load(scenario(tmp_path, SERIES.replace(said, field)))
        assert (found.field.name, found.field.unit) == (name, unit)
    row = SERIES.replace("geometry: series, ", "").replace(" day", " mm").replace(said, "")
    assert load(scenario(tmp_path, row))[0].field.name == "concentration"
    with pytest.raises(ScenarioError, match="field.nam: unknown key"):
        load(scenario(tmp_path, SERIES.replace(said, "field: {nam: price}")))


# --- from run to page ---------------------------------------------------------------------------


def test_a_series_runs_is_stored_compared_and_reported_in_its_own_unit(tmp_path: Path) -> None:
    source, out = scenario(tmp_path), tmp_path / "out"
    done = diffusim("run", source, "--out", out, "--no-figures", "-q")
    assert done.code == 0, done
    assert done.rows["fourier"]["verdict"] == "as predicted"
    assert done.rows["fourier"]["transport"].startswith("t ")
    result = out / "days" / "run.hdf5"
    with h5py.File(result) as file:
        assert {file[name].attrs["units"] for name in ("t", "t_faces")} == {"s"}
        assert file["t"][:].tolist() == [(day + 0.5) * DAY for day in range(24)]
        assert [scale.name for scale in file["stencil/price"].dims[1].values()] == ["/t"]
        assert file["stencil/record_all"].attrs["units"] == "ct/L s"
        assert file["stencil/record_tenth"].attrs["long_name"] == "the cell at t = 820800 s"
        frames, tenth = file["stencil/price"][:], file["stencil/record_tenth"][:]
    assert tenth.tolist() == frames[:, 9].tolist()
    assert np.allclose(frames[1][1:-1], (frames[0][:-2] + frames[0][1:-1] + frames[0][2:]) / 3.0,
                       rtol=1e-14, atol=1e-17)  # fmt: skip
    assert diffusim("compare", result, "--report", tmp_path / "page.html").code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "on 24 cells (24 d), from 0 applications" in page
    assert "t to the right from 0 to 24 d, and applications upwards" in page
    checked = diffusim("check", source)
    assert "24 steps of 24 h; 3 frames" in checked.out


def test_the_medium_changes_after_applications_and_not_at_seconds(tmp_path: Path) -> None:
    echo = "{kind: autoregression, coefficients: [0.5], back: 1}"
    text = SERIES.replace("{kind: moving-average, width: 3 day}", echo)
    text = text.replace("size: 24 day", "size: 24 day, edges: {first: {value: 0}}")
    checked = diffusim("check", scenario(tmp_path, text))
    assert checked.code == 0, checked
    assert "the medium changes after 1 application\n" in checked.out


def test_a_series_and_a_row_are_not_compared(tmp_path: Path) -> None:
    (tmp_path / "row").mkdir()
    row = SERIES.replace("geometry: series, ", "").replace(" day", " mm")
    for folder, text in ((tmp_path, SERIES), (tmp_path / "row", row)):
        source = scenario(folder, text)
        assert diffusim("run", source, "--out", folder, "--no-figures", "-q").code == 0
    results = [folder / "days" / "run.hdf5" for folder in (tmp_path, tmp_path / "row")]
    with (
        store.load(results[0]) as one,
        store.load(results[1]) as other,
        pytest.raises(Unsupported, match="their axes are x and t"),
    ):
        compare_stored([one, other])


def test_what_varies_along_a_series_is_stored_in_seconds(tmp_path: Path) -> None:
    vary = "dataset:\n  trajectories: 4\n  vary:\n    propagator.width: {uniform: [2 day, 5 day]}\n"
    vary += "    initial.centre: {uniform: [5 day, 9 day]}\n"
    path = tmp_path / "many.yaml"
    path.write_text(SERIES + vary)
    units = {parameter.name: parameter.unit for parameter in Recipe.read(path).parameters}
    assert set(units.values()) == {"s"}
    assert len(units) == 2


def test_a_wrong_unit_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(SERIES.replace("size: 24 day", "size: 24 m").replace("[9.5 day]", "[9.5 kg]"))
    with pytest.raises(ScenarioError) as found:
        load(path)
    assert [problem.path for problem in found.value.problems] == [
        "grid.size", "record.probes.tenth.at.0"]  # fmt: skip


def test_a_copy_with_other_coefficients_carries_by_these() -> None:
    u, grid = np.eye(8)[0], days(8, edges={"first": {"value": 0}})
    half = ds.Autoregression(coefficients=(0.5,))
    for a, propagator in ((0.5, half), (0.1, half.model_copy(update={"coefficients": (0.1,)}))):
        run = ds.solve(u, propagator, grid=grid, times=[1], method="stencil")
        np.testing.assert_allclose(run.frames[-1], a ** np.arange(8), rtol=1e-12, atol=0)
    assert half == ds.Autoregression(coefficients=(0.5,)) != propagator
    assert hash(half) == hash(ds.Autoregression(coefficients=(0.5,)))
