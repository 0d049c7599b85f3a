"""What a comparison must not call wrong, and what it must not let pass: noise, gaps, bad files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from compare_samples import Ticking, as_json, beside_a_truth, ran
from shell import diffusim, refused

from diffusim import comparison, store
from diffusim.alignment import compare_stored
from diffusim.comparison import Comparison
from diffusim.verdicts import AS_PREDICTED, NOT_JUDGED, UNEXPLAINED

HALVES = """\
title: halves
grid: {shape: [40, 24], size: [0.040 m, 0.024 m]}
propagator: {kind: diffusion, diffusivity: 1e-9 m^2/s}
initial: {kind: halves, axis: x, values: [35, 0]}
times: {stop: 20000 s, frames: 5}
methods: [modes]
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ran(tmp_path_factory.mktemp("tiny"), "tiny")


def elsewhere(path: Path, like: Path, change: Any = np.array, **told: Any) -> Path:
    """A file of the same layout with the modes of another, which were changed."""
    with h5py.File(like) as ours, h5py.File(path, "w") as file:
        for name in ("time", "x", "y"):
            file[name] = told.pop(name, ours[name][...])
        file["theirs/concentration"] = change(ours["modes/concentration"][...])
        file["theirs"].attrs.update(told)
    return path


def compared(*paths: Path, reference: str | None = None) -> Comparison:
    results = [store.load(path) for path in paths]
    try:
        return compare_stored(results, reference)
    finally:
        for result in results:
            result.close()


# --- noise beside a truth -----------------------------------------------------------------------


def test_noise_and_truncation_combine_as_squares() -> None:
    told = {"statistical": True, "predicted": [None, None, None, 3e-3]}
    row = beside_a_truth(1.25, [None, None, None, 4e-3], 64, **told)["run"]
    assert row.gap.expected == pytest.approx(5e-3, rel=1e-6, abs=0)
    assert row.gap.ratio == pytest.approx(1.0, rel=1e-6, abs=0)
    assert row.gap.verdict == AS_PREDICTED


def test_noise_beside_a_truth_is_held_to_as_much_as_its_cells_can_tell() -> None:
    """Of 20 cells, 2.2 times the noise comes once in thousands, of 400 never; less is no fault."""
    told = {"statistical": True, "predicted": [None, None, None, 4e-3]}
    for cells, times, verdict in (
        (8, 2.2, NOT_JUDGED), (8, 0.1, NOT_JUDGED), (20, 2.2, AS_PREDICTED), (20, 4.0, UNEXPLAINED),
        (20, 0.1, AS_PREDICTED), (400, 1.9, AS_PREDICTED), (400, 2.2, UNEXPLAINED),
    ):  # fmt: skip
        gap = beside_a_truth(times, [None, None, None, 0.0], cells, **told)["run"].gap
        assert gap.verdict == verdict, (cells, times)
    told["predicted"] = [None, None, None, 0.6]
    gap = beside_a_truth(1.0, [None, None, None, 0.0], 400, **told)["run"].gap
    assert gap.verdict == NOT_JUDGED
    assert "noise is too large" in gap.reason


def test_particles_in_a_few_cells_are_judged_by_their_counts_alone(tmp_path: Path) -> None:
    """Of these eight seeds three leave less than half of the noise, and none is wrong."""
    text = """\
title: four cells
grid: {shape: [4], size: [0.004 m]}
propagator: {kind: diffusion, diffusivity: 1e-9 m^2/s}
initial: {kind: uniform, value: 1}
times: {stop: 3000 s, frames: 2}
methods: [modes, {kind: walkers, particles: 1e3}, {kind: collapse, particles: 1e3}]
"""
    for seed in (2, 3, 6):
        rows = as_json(ran(tmp_path, f"four-{seed}", f"seed={seed}", text=text))["rows"]
        assert [row["verdict"] for row in rows[1:3]] == [AS_PREDICTED] * 2
        assert {row["gap"]["verdict"] for row in rows[1:3]} == {NOT_JUDGED}


@pytest.mark.parametrize(
    "lines",
    [
        "grid: {geometry: spherical, shape: 30, size: 3 mm, edges: {outer: {value: 0.0}}}\n"
        "times: {stop: 6000 s, frames: 4}",
        "grid: {shape: 32, size: 0.032, edges: {left: {value: 0}, right: {value: 0}}}\n"
        "times: {stop: 3e6 s, frames: 4}",
    ],
    ids=["sphere", "slab"],
)
def test_a_body_that_nearly_no_particle_is_left_in_is_no_fault(lines: str, tmp_path: Path) -> None:
    text = f"""\
title: emptied
{lines}
propagator: {{kind: diffusion, diffusivity: 1.5e-9}}
initial: {{kind: uniform, value: 1}}
methods: [{{kind: walkers, particles: 1e4}}]
"""
    row = as_json(ran(tmp_path, "emptied", text=text))["rows"][0]
    assert row["verdict"] == AS_PREDICTED
    assert row["gap"]["verdict"] in (AS_PREDICTED, NOT_JUDGED)
    assert row["expected"] > 0.5


# --- grids that cut each other's cells ----------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
def test_what_cut_cells_err_by_is_not_predicted(reverse: bool, tmp_path: Path) -> None:
    """It is seven times as much as what their number makes of the truth."""
    paths = [ran(tmp_path, "plain", text=HALVES),
             ran(tmp_path, "odd", "grid.shape=[60,36]", text=HALVES)]  # fmt: skip
    found = compared(*(paths[::-1] if reverse else paths))
    assert found.sound
    plain, odd = ("plain/modes", "modes") if reverse else ("modes", "odd/modes")
    assert found[plain].gap.verdict == AS_PREDICTED
    assert found[odd].gap.verdict == NOT_JUDGED
    assert "cells are cut" in found[odd].gap.reason


# --- values and times that are no numbers -------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_unexplained_wherever_it_stands(
    bad: float, tiny: Path, tmp_path: Path
) -> None:
    def spoiled(u: np.ndarray) -> np.ndarray:
        u[2, 3, 3] = bad
        return u

    theirs = elsewhere(tmp_path / "theirs.hdf5", tiny, spoiled)
    for files in ([theirs], [tiny, theirs], [theirs, tiny]):
        done = diffusim("compare", *files)
        assert done.rows["theirs"]["verdict"] == "unexplained"
        assert "no numbers" in done.rows["theirs"]["reason"]
        assert done.code == 3
        assert diffusim("compare", *files, "--tolerance", "1e9").code == 3
    row = replace(compared(theirs)["theirs"], verdict="reference")
    assert not row.within(1e9)
    assert replace(row, worst_l2=0.0).within(0.0)


def test_a_time_that_is_no_number_is_said_to_be_none(tiny: Path, tmp_path: Path) -> None:
    for bad in (np.nan, np.inf):
        times = np.array([0.0, 1200.0, bad, 3600.0])
        theirs = elsewhere(tmp_path / "theirs.hdf5", tiny, time=times)
        for files in ([theirs], [tiny, theirs]):
            done = diffusim("compare", *files)
            refused(done, "theirs.hdf5", "one of its frame times is no number", code=1)


# --- runs of which theory tells nothing ---------------------------------------------------------


def test_runs_that_are_not_judged_are_named_with_what_would_judge_them(
    tiny: Path, tmp_path: Path
) -> None:
    for change in (np.zeros_like, lambda u: 1.01 * u):
        theirs = elsewhere(tmp_path / "theirs.hdf5", tiny, change, limit="lattice")
        done = diffusim("compare", tiny, theirs)
        assert done.code == 0, done
        assert "not judged: theirs; --tolerance" in done.err
        done = diffusim("compare", tiny, theirs, "--tolerance", "9e-3")
        assert done.code == 3
        assert "not judged:" not in done.err
    assert "not judged:" not in diffusim("compare", tiny).err


def test_what_differs_is_told_of_a_run_that_is_not_judged(tmp_path: Path) -> None:
    text = HALVES.replace("[modes]", "[{kind: collapse, particles: 1e4}]\nreference: collapse")
    one, same, two = (
        ran(tmp_path, name, *sets, text=text)
        for name, sets in (("one", ()), ("same", ()), ("two", ("propagator.diffusivity=2e-9",)))
    )
    row = compared(one, two)["two/collapse"]
    assert row.verdict == NOT_JUDGED
    assert (
        "drawn by chance itself; the scenarios differ, this one first: diffusivity 2e-09 and"
        in (row.reason)
    )
    assert "differ" not in compared(one, same)["same/collapse"].reason


def test_a_reference_drawn_by_chance_gives_way_to_one_that_is_not(tmp_path: Path) -> None:
    text = HALVES.replace("[modes]", "[ftcs, modes, {kind: collapse, particles: 1e4}]")
    path = ran(tmp_path, "drawn", text=text)
    done = diffusim("compare", path, "--reference", "collapse")
    assert done.rows["ftcs"]["reference"] == "modes"
    assert {row["verdict"] for row in done.rows.values()} == {"as predicted", "reference"}
    assert "collapse is drawn by chance, so runs of its limit are held against modes" in done.err
    assert "drawn by chance" not in diffusim("compare", path).err


# --- work and precision -------------------------------------------------------------------------


def test_the_analytic_solution_among_the_runs_is_the_truth_of_the_ranking(tmp_path: Path) -> None:
    found = compared(ran(tmp_path, "with", text=HALVES.replace("[modes]", "[ftcs, modes, exact]")))
    assert found.ranked_against == "exact"
    for rank in found.ranking:
        row = found[rank.label]
        assert rank.reached == (row.gap.l2 if rank.label != "exact" else rank.reached)
    # Modes on cells are not nearer to it than the cells let them be.
    assert [rank.label for rank in found.ranking if rank.error < 1e-4] == ["exact"]
    path = ran(tmp_path, "two", text=HALVES.replace("[modes]", "[modes, exact]"))
    assert compared(path).ranked_against == "exact"


def test_a_reference_that_promises_nothing_is_not_ranked() -> None:
    def run(label: str, **facts: Any) -> Ticking:
        return Ticking(label, [np.ones(4)], limit="lattice", seconds=1.0, **facts)

    for told in ({}, {"predicted": []}, {"predicted": [None]}):
        assert comparison.compare([run("alone", **told)], [1.0]).ranking == []
        both = comparison.compare([run("alone", **told), run("copy")], [1.0])
        assert {rank.label for rank in both.ranking} == {"copy"}
    found = comparison.compare([run("alone", predicted=[1e-5])], [1.0]).ranking
    assert [rank.error for rank in found] == [pytest.approx(1e-5, rel=1e-6, abs=0)]


# --- what is typed ------------------------------------------------------------------------------


def test_a_folder_is_refused_with_the_result_in_it_if_there_is_one(tiny: Path) -> None:
    refused(diffusim("compare", tiny.parent), f"is a folder; the result in it is {tiny}.")
    done = diffusim("compare", tiny.parent.parent)
    refused(done, "is a folder; there is no run.hdf5 in it")
    assert "the result in it" not in done.err


@pytest.mark.parametrize("word", ["nan", "-1", "-1e-9"])
def test_a_tolerance_is_a_number_that_is_not_negative(word: str, tiny: Path) -> None:
    refused(diffusim("compare", tiny, "--tolerance", word), "--tolerance")


def test_notes_do_not_tell_where_the_files_are_kept(tiny: Path, tmp_path: Path) -> None:
    fine = ran(tmp_path, "fine", "grid.shape=[24,20]", "propagator.diffusivity=2e-9")
    (tmp_path / "again").mkdir()
    other = ran(tmp_path / "again", "fine", "grid.shape=[24,20]")
    found = compared(tiny, fine, other)
    assert any(note.startswith("tiny/run.hdf5 and fine/run.hdf5 differ") for note in found.notes)
    assert any(note.startswith("fine/run.hdf5 (2): 24 x 20") for note in found.notes)
    assert str(tmp_path) not in json.dumps(found.as_dict())
