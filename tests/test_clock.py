"""Propagators that are applied a whole number of times: their clock counts applications."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from plot_samples import assert_legible, opener, random_fields
from store_samples import header

import diffusim as ds
from diffusim import advice, plots, runs, store
from diffusim.alignment import compare_stored
from diffusim.block import Array, Invalid, Unsupported
from diffusim.experiment import prepare
from diffusim.grid import Grid
from diffusim.methods import Method
from diffusim.propagators import Propagator
from diffusim.reading import ScenarioError
from diffusim.segment import Segment

GRID = Grid(shape=(6, 4), size=(0.06, 0.04))
SCENARIO = """\
title: Sharing
grid: {shape: [6, 4], size: [0.06 m, 0.04 m]}
propagator: {kind: sharing}
initial: {kind: halves, axis: x, values: [35.0, 0.0]}
times: {stop: 8, frames: 9}
methods: [shares, {kind: shares, label: again}]
"""


def _shared(_self: Propagator, _grid: Grid, _time: float = 0.0) -> float:
    return 0.25


def _apply(_self: Method, u: Array, segment: Segment) -> Array:
    """Each cell gives a quarter of what it has to the next one along x, round the ring."""
    assert segment.duration.is_integer()
    share = segment.view("share")
    for _ in range(int(segment.duration)):
        u = (1.0 - share) * u + share * np.roll(u, 1, axis=0)
    return u


@pytest.fixture(autouse=True)
def _sharing() -> Iterator[None]:
    families: list[Any] = [Propagator, Method]
    for family in families:
        family.words()  # found now, so that they are known when the test is over
    known = [dict(family.members) for family in families]
    own: dict[str, Any] = {"__module__": __name__, "__annotations__": {}}
    type("Sharing", (Propagator,),
         {**own, "word": "sharing", "clock": "applications", "share": _shared})  # fmt: skip
    type("Shares", (Method,),
         {**own, "word": "shares", "needs": ("share",), "limit": "lattice", "advance": _apply,
          "handles": frozenset({"signed", "empty"})})  # fmt: skip
    yield
    for family, before in zip(families, known, strict=True):
        family.members.clear()
        family.members.update(before)


def sharing() -> Propagator:
    return Propagator.find("sharing")()


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    text = SCENARIO
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "s.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def start() -> Array:
    return np.random.default_rng(4).random(GRID.shape)


def test_every_frame_is_after_so_many_applications() -> None:
    u = start()
    run = ds.solve(u, sharing(), grid=GRID, times=[0, 1, 4, 9], method="shares")
    expected = [u]
    for _ in range(9):
        expected.append(0.75 * expected[-1] + 0.25 * np.roll(expected[-1], 1, axis=0))
    assert np.array_equal(run.frames, np.stack([expected[n] for n in (0, 1, 4, 9)]))


def test_the_rounding_of_a_division_is_taken_out_of_numbers_of_applications() -> None:
    nearly = [0.1 * 30, 7.0 * (1.0 + 1e-15)]
    assert nearly != [3.0, 7.0]
    course = runs.plan(Method.find("shares")(), sharing(), GRID, nearly)
    assert course.times.tolist() == [3.0, 7.0]
    assert [segment.duration for segment in course.segments] == [3.0, 4.0]


def test_times_in_seconds_stay_as_they_are() -> None:
    times = np.array([0.1 * 3, 0.7])
    assert ds.Diffusion(diffusivity=1.0).counted(times) is times


@pytest.mark.parametrize("times", [[0.0, 2.5], [1.0 + 2e-9], [0.5]])
def test_parts_of_an_application_are_refused_in_words(times: list[float]) -> None:
    with pytest.raises(Invalid, match="frame times must be whole: a sharing is applied a whole"):
        runs.plan(Method.find("shares")(), sharing(), GRID, times)
    with pytest.raises(Invalid, match="whole number of times"):
        ds.solve(start(), sharing(), grid=GRID, times=times, method="shares")


@pytest.mark.parametrize(
    ("times", "where", "sentence"),
    [
        ("{stop: 8, frames: 4}", "times.frames:", "frame 2 of 4 would be at 2.66667"),
        ("{at: [0, 1, 2.5]}", "times.at.2:", "frame 3 of 3 would be at 2.5"),
        ("{stop: 8, frames: 9, spacing: quadratic}", "times.frames:", "would be at 0.125"),
        ("{stop: 8 s, frames: 9}", "times.stop:", "without a unit, found '8 s'"),
        ("{at: [0, 1 day]}", "times.at.1:", "without a unit, found '1 day'"),
        ("{at: 4 min}", "times.at:", "without a unit, found '4 min'"),
    ],
)
def test_a_scenario_that_cannot_be_counted_is_refused_where_it_says_so(
    tmp_path: Path, times: str, where: str, sentence: str
) -> None:
    source = written(tmp_path, ("{stop: 8, frames: 9}", times))
    with pytest.raises(ScenarioError) as caught:
        prepare(source)
    told = str(caught.value).splitlines()
    assert any(f" {where}" in line and sentence in line for line in told)
    assert all("s.yaml:5:" in line for line in told)


@pytest.mark.parametrize(
    "times", ["{at: [0, 1, 4]}", "{at: ['0', '1e1']}", "{stop: 4.0, frames: 3}"]
)
def test_whole_numbers_are_taken_however_they_are_written(tmp_path: Path, times: str) -> None:
    found = prepare(written(tmp_path, ("{stop: 8, frames: 9}", times))).scenario.frame_times
    assert np.array_equal(found, np.rint(found))


def test_check_counts_applications(tmp_path: Path) -> None:
    words = advice.advice(prepare(written(tmp_path)))
    assert "9 frames, the first after 0 applications, the last after 8 applications" in words


def test_loops_are_loaded_by_a_whole_application() -> None:
    # The method itself refuses any other.
    runs.plan(Method.find("shares")(), sharing(), GRID, [5.0]).warm(start())


def test_what_is_no_longer_finite_is_told_by_the_number_of_applications() -> None:
    course = runs.plan(Method.find("shares")(), sharing(), GRID, [1.0, 4.0])
    u = np.full(GRID.shape, np.inf)
    with pytest.raises(runs.Diverged, match="no longer finite after 1 application$"):
        list(course.frames(u))


def test_the_result_says_what_its_times_count_and_figures_show_it(tmp_path: Path) -> None:
    with ds.run(written(tmp_path), tmp_path) as stored:
        assert stored.clock == "applications"
        assert stored.times.tolist() == list(range(9))
        time = stored.file["time"]
        assert (time.attrs["units"], time.attrs["long_name"]) == ("1", "applications")
        comparison = compare_stored([stored])
        fields = plots.fields(stored, comparison)
        assert [axes.get_title() for axes in fields.axes[:5]] == [
            f"n = {n}" for n in (0, 1, 2, 3, 8)
        ]
        history = plots.history(stored, comparison)
        assert history.axes[0].get_xlabel() == "applications"
        ticks = history.axes[0].get_xticks()
        assert np.array_equal(ticks, np.rint(ticks))
        assert_legible(history)


def test_in_one_dimension_applications_run_upwards(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"times": np.arange(4.0), "extra": {"clock": "applications"}}
    with opener(tmp_path) as opened:
        stored, comparison = opened({"a": random_fields(4, (12,))}, size=(0.3,), **changes)
        axes = plots.fields(stored, comparison).axes[0]
        assert axes.get_ylabel() == "applications"
        assert np.array_equal(axes.get_yticks(), np.rint(axes.get_yticks()))


def test_a_result_that_names_no_clock_is_in_seconds(tmp_path: Path) -> None:
    assert header(extra={}).clock == "seconds"
    with opener(tmp_path) as opened:
        stored, _ = opened({"a": random_fields()})
        assert stored.clock == "seconds"
        assert stored.file["time"].attrs["units"] == "s"


def test_an_unknown_clock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no clock 'moons'"):
        header(extra={"clock": "moons"})
    with opener(tmp_path) as opened:
        path = opened({"a": random_fields()}, extra={"clock": "seconds"})[0].path
    with h5py.File(path, "r+") as file:
        file.attrs["extra"] = json.dumps({"clock": "moons"})
    with pytest.raises(store.StoreError, match="no clock 'moons'"):
        store.load(path)


def test_applications_are_not_compared_with_seconds(tmp_path: Path) -> None:
    with opener(tmp_path) as opened:
        one = opened({"a": random_fields()}, times=np.arange(4.0))[0]
        other = opened({"a": random_fields()}, times=np.arange(4.0),
                       extra={"clock": "applications"})[0]  # fmt: skip
        with pytest.raises(Unsupported, match="in applications, the other in seconds"):
            compare_stored([one, other])


def test_numbers_of_applications_are_words_people_say() -> None:
    words = [sharing().moment(n) for n in (0.0, 1.0, 4.0, 1e6)]
    assert words == ["after 0 applications", "after 1 application", "after 4 applications",
                     "after 1000000 applications"]  # fmt: skip
    assert ds.Diffusion(diffusivity=1.0).moment(math.pi) == "at t = 3.14159 s"
