"""Results brought together: times, cells, boxes, and files that other programs wrote."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from shell import TINY, diffusim, refused, written

from diffusim import store
from diffusim.alignment import align, compare_stored
from diffusim.alignment.cells import Coarsened
from diffusim.alignment.times import common
from diffusim.block import Array, Unsupported
from diffusim.coarsening import Coarsening
from diffusim.verdicts import AS_PREDICTED, NOT_JUDGED


def ran(folder: Path, name: str, *sets: str, text: str = TINY) -> Path:
    words = [word for each in sets for word in ("--set", each)]
    source = written(folder, text, f"{name}.yaml")
    done = diffusim("run", source, "--out", folder, "--no-figures", "-q", *words)
    assert done.code == 0, done
    return folder / name / "run.hdf5"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ran(tmp_path_factory.mktemp("tiny"), "tiny")


def elsewhere(path: Path, like: Path, **changes: Any) -> Path:
    """A file of the same layout by plain h5py: scales, and one run with a copy of a field."""
    with h5py.File(like) as ours, h5py.File(path, "w") as file:
        for name in ("time", "x", "y"):
            file[name] = changes.get(name, ours[name][...])
        file["theirs/concentration"] = changes.get("u", ours["ftcs/concentration"][...])
    return path


# --- files from elsewhere -----------------------------------------------------------------------


def test_a_file_that_knows_nothing_but_the_layout_is_compared(tiny: Path, tmp_path: Path) -> None:
    theirs = elsewhere(tmp_path / "theirs.hdf5", tiny)
    done = diffusim("compare", tiny, theirs)
    assert done.code == 0, done
    row, ours = done.rows["theirs"], done.rows["ftcs"]
    assert [row[n] for n in ("l1", "l2", "h1")] == [ours[n] for n in ("l1", "l2", "h1")]
    assert row["verdict"] == "not judged"
    assert "does not tell its limit" in row["reason"]
    assert done.rows["ftcs"]["verdict"] == "as predicted"
    assert diffusim("compare", theirs).code == 0
    assert diffusim("compare", tiny, theirs, "--tolerance", "1e-9").code == 3
    assert diffusim("compare", tiny, theirs, "--reference", "theirs").code == 0


def test_a_frame_that_is_no_number_is_beyond_every_tolerance(tiny: Path, tmp_path: Path) -> None:
    with store.load(tiny) as stored:
        u = stored.runs["ftcs"].frames[:]
    u[1, 3, 3] = np.nan
    theirs = elsewhere(tmp_path / "theirs.hdf5", tiny, u=u)
    assert diffusim("compare", tiny, theirs, "--tolerance", "1e9").code == 3
    assert diffusim("compare", tiny, "--tolerance", "1e9").code == 0


def test_a_file_without_times_axes_or_a_field_is_refused_in_words(
    tiny: Path, tmp_path: Path
) -> None:
    for name, missing in (("a", "time"), ("b", "x"), ("c", "theirs")):
        path = elsewhere(tmp_path / f"{name}.hdf5", tiny)
        with h5py.File(path, "r+") as file:
            del file[missing]
        refused(diffusim("compare", path), "not a result of diffusim", code=1)
    path = elsewhere(tmp_path / "d.hdf5", tiny, u=np.zeros((4, 3, 3)))
    refused(diffusim("compare", path), "holds no field", "(time, x, y)", code=1)
    refused(diffusim("compare", tmp_path / "gone.hdf5"), "there is no file", "gone.hdf5")


# --- times --------------------------------------------------------------------------------------


def test_frames_at_common_times_are_compared_and_it_says_how_many(
    tiny: Path, tmp_path: Path
) -> None:
    often = ran(tmp_path, "often", "times.frames=13")
    done = diffusim("compare", tiny, often)
    assert done.code == 0, done
    assert "compared at 4 common times of 4 and 13" in done.err
    assert {row["verdict"] for row in done.rows.values()} <= {"as predicted", "reference"}
    with store.load(tiny) as one, store.load(often) as two:
        aligned = align([two, one])
        assert aligned.header.times.tolist() == [0.0, 1200.0, 2400.0, 3600.0]
        run = aligned.runs["ftcs"]
        assert np.array_equal(run.frames[2], two.runs["ftcs"].frames[8])
        assert run.facts["predicted"][2] == two.runs["ftcs"].facts["predicted"][8]
        assert run.counts is None
        assert np.array_equal(aligned.runs["walkers"].counts[1], two.runs["walkers"].counts[4])


def test_times_are_common_to_round_off_and_no_further() -> None:
    times = np.array([0.0, 1.0, 2.0, 3.0])
    assert common({"a": times, "b": times * (1 + 1e-13)}) == [[0, 1, 2, 3]] * 2
    assert common({"a": times, "b": np.array([1.0, 1.5, 3.0])}) == [[1, 3], [0, 2]]
    with pytest.raises(Unsupported, match="no frame at the same time but the start"):
        common({"a": times, "b": np.array([0.0, *times[1:] * (1 + 1e-11)])})


def test_without_a_common_time_it_is_said_what_each_has(tiny: Path, tmp_path: Path) -> None:
    other = ran(tmp_path, "other", "times={at: [0, 7 min, 11 min]}")
    done = diffusim("compare", tiny, other)
    refused(done, "0, 420, 660 s", "0, 1200, 2400, 3600 s", "Run one of them again")


def test_a_run_that_was_not_finished_is_compared_as_far_as_it_came(
    tiny: Path, tmp_path: Path
) -> None:
    path = tmp_path / "short.hdf5"
    path.write_bytes(tiny.read_bytes())
    with h5py.File(path, "r+") as file:
        file["ftcs"].attrs["frames"] = 3
    with store.load(path) as stored:
        found = compare_stored([stored])
    assert found.times == [0.0, 1200.0, 2400.0]
    assert found["ftcs"].verdict == AS_PREDICTED
    assert found.notes[0] == "compared at 3 common times of 3 and 4"


# --- cells --------------------------------------------------------------------------------------


def slow_means(u: Array, small: Array, large: Array, power: int) -> Array:
    """Means along one axis, by the overlap of each pair of cells."""
    found = np.zeros(large.size - 1)
    for i, j in itertools.product(range(large.size - 1), range(small.size - 1)):
        low, high = max(large[i], small[j]), min(large[i + 1], small[j + 1])
        if high > low:
            found[i] += u[j] * (high**power - low**power)
    return found / np.diff(large**power)


@pytest.mark.parametrize(("geometry", "power"), [("box", 1), ("cylindrical", 2), ("spherical", 3)])
@pytest.mark.parametrize("few", [4, 5, 8, 12])
def test_means_over_larger_cells_are_those_of_the_overlaps(
    few: int, geometry: str, power: int
) -> None:
    small, large = np.linspace(0.002, 0.014, 13), np.linspace(0.002, 0.014, few + 1)
    u = np.random.default_rng(1).random(12)
    work = Coarsening.between([small], [large], geometry)
    assert work.whole == (12 % few == 0)
    assert work.changes == (few != 12)
    wanted = slow_means(u, small, large, power)
    assert work.means(u) == pytest.approx(wanted, rel=1e-12, abs=0)
    content = np.sum(work.means(u) * np.diff(large**power))
    assert content == pytest.approx(float(np.sum(u * np.diff(small**power))), rel=1e-13, abs=0)
    assert work.means(np.ones(12)) == pytest.approx(np.ones(few), rel=1e-13, abs=0)


def test_blocks_of_both_axes_are_averaged_channels_and_all() -> None:
    fine = [np.linspace(0, 1, 13), np.linspace(0, 2, 9)]
    work = Coarsening.between(fine, [fine[0][::3], fine[1][::2]], "box")
    u = np.random.default_rng(2).random((3, 12, 8))
    blocks = u.reshape(3, 4, 3, 4, 2)
    assert work.means(u) == pytest.approx(blocks.mean(axis=(2, 4)), rel=1e-13, abs=0)
    counts = (1000 * u).astype(np.int64)
    summed = work.sums(counts)
    assert summed.dtype == np.int64
    assert np.array_equal(summed, counts.reshape(3, 4, 3, 4, 2).sum(axis=(2, 4)))
    deviations = np.sqrt((blocks**2).sum(axis=(2, 4))) / 6
    assert work.deviations(u) == pytest.approx(deviations, rel=1e-12, abs=0)


def test_a_frame_is_averaged_when_it_is_asked_for_and_not_kept() -> None:
    asked: list[int] = []

    class Reading:
        def __getitem__(self, number: int) -> Array:
            asked.append(number)
            return np.full(4, float(number))

    frames = Coarsened(Reading(), lambda u: u[:2] + 1.0)
    assert asked == []
    assert frames[3].tolist() == [4.0, 4.0]
    assert frames[3].tolist() == [4.0, 4.0]
    assert asked == [3, 3]


FINE = ("grid.shape=[24,20]", "methods.2.particles=4e4")


@pytest.mark.parametrize("reverse", [False, True])
def test_grids_of_one_box_are_brought_to_the_larger_cells(
    reverse: bool, tiny: Path, tmp_path: Path
) -> None:
    """Two exact runs differ by the truncation of the coarse one, less a quarter of it."""
    fine = ran(tmp_path, "fine", *FINE)
    files = [fine, tiny] if reverse else [tiny, fine]
    done = diffusim("compare", *files)
    assert done.code == 0, done
    assert "\nfine/run.hdf5: 24 x 20 cells averaged to 12 x 10" in f"\n{done.err}"
    assert {row["verdict"] for row in done.rows.values()} <= {"as predicted", "reference"}
    with store.load(files[0]) as one, store.load(files[1]) as two:
        aligned = align([one, two])
        table = compare_stored([one, two], reference="modes")
        assert aligned.header.shape == (12, 10)
        finer = two if two.shape == (24, 20) else one
        name = "modes" if reverse else "fine/modes"
        u = finer.runs["modes"].frames[3].reshape(12, 2, 10, 2).mean(axis=(1, 3))
        assert aligned.runs[name].frames[3] == pytest.approx(u, rel=1e-13, abs=0)
        name = name.replace("modes", "walkers")
        counts = finer.runs["walkers"].counts[3].reshape(12, 2, 10, 2).sum(axis=(1, 3))
        assert np.array_equal(aligned.runs[name].counts[3], counts)
    gap = table["tiny/modes" if reverse else "fine/modes"].gap
    assert (gap.reference, gap.verdict) == ("modes", AS_PREDICTED)
    assert gap.ratio == pytest.approx(1.0, rel=0.1)


def test_cells_that_are_cut_are_shared_out_and_counts_left_out(tiny: Path, tmp_path: Path) -> None:
    odd = ran(tmp_path, "odd", "grid.shape=[18,10]")
    done = diffusim("compare", tiny, odd)
    assert "taken as even, and counts are left out" in done.err
    assert done.rows["odd/walkers"]["verdict"] == "not judged"
    with store.load(tiny) as one, store.load(odd) as two:
        aligned = align([one, two])
        run, raw = aligned.runs["odd/modes"], two.runs["modes"]
        assert run.frames[2].shape == (12, 10)
        wanted = raw.frames[2].sum() / 180
        assert run.frames[2].mean() == pytest.approx(wanted, rel=1e-13, abs=0)
        assert aligned.runs["odd/walkers"].counts is None


def test_radial_grids_are_averaged_by_rings(tmp_path: Path) -> None:
    text = """\
title: disc
grid: {geometry: cylindrical, shape: 20, size: 5 mm, edges: {outer: {value: 0.0}}}
propagator: {kind: diffusion, diffusivity: 1e-9}
initial: {kind: uniform, value: 1.0}
times: {stop: 30 min, frames: 4}
methods: [{kind: rkl2}, chebyshev]
reference: chebyshev
"""
    coarse = ran(tmp_path, "coarse", text=text)
    fine = ran(tmp_path, "fine", "grid.shape=40", text=text)
    with store.load(coarse) as one, store.load(fine) as two:
        table = compare_stored([one, two])
        rings = two.runs["chebyshev"].frames[3] * np.diff(two.faces[0] ** 2)
        wanted = rings.reshape(20, 2).sum(axis=1) / np.diff(one.faces[0] ** 2)
        found = align([one, two]).runs["fine/chebyshev"].frames[3]
    assert found == pytest.approx(wanted, rel=1e-13, abs=0)
    assert {row.gap.reference for row in table.rows} == {"exact"}
    assert {row.gap.verdict for row in table.rows} == {AS_PREDICTED}
    assert all(row.bands == {} for row in table.rows)


# --- what cannot be brought together ------------------------------------------------------------


def test_boxes_clocks_and_channels_that_differ_are_refused_in_words(
    tiny: Path, tmp_path: Path
) -> None:
    longer = ran(tmp_path, "longer", "grid.size=[0.012, 0.011]")
    refused(diffusim("compare", tiny, longer), "along y", "0.01 m", "0.011 m", "whatever their")
    line = ran(tmp_path, "line", "grid={shape: 12, size: 0.012}")
    refused(diffusim("compare", tiny, line), "their axes are x and x, y")
    kernel = """\
title: kernel
grid: {shape: [12, 10], size: [0.012, 0.010]}
propagator: {kind: kernel, kernel: [[1, 2, 1], [2, 4, 2], [1, 2, 1]], normalise: sum}
initial: {kind: halves, axis: x, values: [1, 0]}
times: {at: [0, 1, 2]}
methods: [stencil]
"""
    applied = ran(tmp_path, "applied", text=kernel)
    refused(diffusim("compare", tiny, applied), "in applications, the other in seconds")
    np.save(tmp_path / "three.npy", np.random.default_rng(3).random((3, 12, 10)))
    three = ran(tmp_path, "three", "initial={kind: array, path: three.npy}", "propagator.walls=[]")
    refused(diffusim("compare", tiny, three), "they have 3 and no channels")


def test_one_result_alone_is_its_own_header_and_its_own_runs(tiny: Path) -> None:
    with store.load(tiny) as stored:
        aligned = align([stored])
        assert aligned.header is stored
        assert list(aligned.runs) == ["ftcs", "modes", "walkers", "modes-cell-to-cell"]
        assert all(aligned.runs[label] is run for label, run in stored.runs.items())
        assert aligned.notes == []


def test_a_result_compared_with_itself_is_exactly_zero_away(tiny: Path) -> None:
    with store.load(tiny) as one, store.load(tiny) as two:
        table = compare_stored([one, two])
    again = table["tiny/modes"]
    assert again.verdict in (AS_PREDICTED, NOT_JUDGED)
    assert (again.l1, again.l2, again.linf, again.worst_l2, again.h1) == (0.0,) * 5
    assert again.variation == 0.0
    for parts in (again.bands, again.transport, again.displacement):
        assert parts
        assert set(parts.values()) == {0.0}
