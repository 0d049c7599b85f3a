"""Records on their way to disk, in the result, after kills and interruptions, and in figures."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from plot_samples import assert_legible
from shell import LONG, QUIET, TINY, assert_same_arrays, diffusim, start, written
from store_samples import field, header

import diffusim as ds
from diffusim import plots, store
from diffusim.alignment import compare_stored
from diffusim.conduct import carry_out
from diffusim.experiment import prepare
from diffusim.resources import memory_needed, result_size
from diffusim.store import Folder, StoreError
from diffusim.store import journal as journal_module
from diffusim.store.journal import each_entry, segments

RECORD = """\
record:
  every: 7 min
  probes:
    at_the_wall: {kind: point, at: [6.2 mm, 1 mm]}
    middle: {kind: line, axis: x, at: 5 mm}
    through_wall: {kind: plane, axis: x, at: 6 mm}
    through_left: {kind: side, side: left}
    salt: {kind: total}
"""
RECORDED = TINY + RECORD
PROBES = ["at_the_wall", "middle", "through_wall", "through_left", "salt"]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[store.Stored]:
    folder = tmp_path_factory.mktemp("recorded")
    with ds.run(written(folder, RECORDED), folder) as stored:
        yield stored


# --- in the result ------------------------------------------------------------------------------


def test_every_record_of_every_method_comes_back_as_the_loop_took_it(
    done: store.Stored, tmp_path: Path
) -> None:
    assert np.array_equal(done.record_times, 420.0 * np.arange(9))
    experiment = prepare(written(tmp_path, RECORDED))
    assert list(done.runs) == sorted(course.name for course in experiment.courses)
    for course in experiment.courses:
        run = done.runs[course.name]
        frames = list(course.frames(experiment.initial))
        assert list(run.records) == PROBES
        for name, record in run.records.items():
            wanted = np.concatenate([frame.records[name] for frame in frames])
            assert record.shape == wanted.shape
            assert record.shape[0] == 9
            assert record[:].tobytes() == wanted.tobytes()
            assert record[-1].tobytes() == wanted[-1].tobytes()
            assert np.asarray(record[1:7:2]).tobytes() == wanted[1:7:2].tobytes()
        for number, frame in enumerate(frames):
            assert run.frames[number].tobytes() == frame.field.tobytes()
        assert set(run.arrays) <= {"concentration", "counts"}
        assert "records" not in run.facts
    assert store.verify(done.path) == []


def test_records_have_scales_units_and_meanings_of_their_own(done: store.Stored) -> None:
    with h5py.File(done.path) as file:
        assert file["record"].attrs["units"] == "s"
        group = file["ftcs"]
        found = {
            name: (
                [[scale.name for scale in dim.values()] for dim in group[f"record_{name}"].dims],
                group[f"record_{name}"].attrs["units"],
            )
            for name in PROBES
        }
        assert group["record_salt"].attrs["long_name"] == "the integral over the grid"
        assert group["record_salt"].fletcher32
        assert group.attrs["records"] == 9
    assert found == {
        "at_the_wall": ([["/record"]], "g/L"),
        "middle": ([["/record"], ["/x"]], "g/L"),
        "through_wall": ([["/record"]], "g/L m^2/s"),
        "through_left": ([["/record"]], "g/L m^2/s"),
        "salt": ([["/record"]], "g/L m^2"),
    }


def test_records_of_channels_have_them_before_their_axes(tmp_path: Path) -> None:
    np.save(tmp_path / "two.npy", np.random.default_rng(1).random((2, 12, 10)))
    text = RECORDED.replace("{kind: halves, axis: x, values: [35.0, 0.0]}",
                            "{kind: array, path: two.npy}")  # fmt: skip
    with ds.run(written(tmp_path, text), tmp_path) as stored:
        run = stored.runs["modes"]
        assert run.records["salt"].shape == (9, 2)
        assert run.records["middle"].shape == (9, 2, 12)
        wanted = run.frames[-1].sum(axis=(1, 2)) * 1e-6
        np.testing.assert_allclose(run.records["salt"][-1], wanted, rtol=1e-13, atol=0)
        dims = stored.file["modes/record_middle"].dims
        assert [[scale.name for scale in dim.values()] for dim in dims] == [
            ["/record"], ["/channel"], ["/x"],
        ]  # fmt: skip
        assert_legible(plots.records(stored, compare_stored([stored])))


def test_applications_are_counted_in_records_too(tmp_path: Path) -> None:
    text = """\
grid: {shape: [8, 8], size: [0.008 m, 0.008 m]}
propagator: {kind: kernel, kernel: {kind: gaussian, sigma: 1}, normalise: sum}
initial: {kind: uniform, value: 1.0}
times: {at: [0, 4, 8]}
record: {every: 1}
methods: [stencil]
"""
    with ds.run(written(tmp_path, text), tmp_path) as stored:
        assert np.array_equal(stored.record_times, np.arange(9))
        assert stored.file["record"].attrs["units"] == "1"
        np.testing.assert_allclose(stored.runs["stencil"].records["total"][:], 64e-6, rtol=1e-13)


def test_a_result_without_records_has_none(tmp_path: Path) -> None:
    with ds.run(written(tmp_path), tmp_path) as stored:
        assert stored.record_times is None
        assert dict(stored.runs["ftcs"].records) == {}
        assert "record" not in stored.file
        assert plots.records(stored, compare_stored([stored])) is None


def test_a_changed_record_does_not_go_unnoticed(done: store.Stored, tmp_path: Path) -> None:
    path = tmp_path / "run.hdf5"
    for name in ("ftcs/record_salt", "walkers/record_middle", "record"):
        path.write_bytes(done.path.read_bytes())
        with h5py.File(path, "r+") as file:
            data = file[name]
            data[1] = data[1] + 1e-9
        assert [name in problem for problem in store.verify(path)] == [True]


def test_a_file_with_other_records_than_it_says_is_refused(
    done: store.Stored, tmp_path: Path
) -> None:
    path = tmp_path / "run.hdf5"
    path.write_bytes(done.path.read_bytes())
    with h5py.File(path, "r+") as file:
        file["ftcs"].attrs["records"] = np.int64(10)
    with pytest.raises(StoreError, match=r"has 9 records \(10 written\) for 9 times"):
        store.load(path)


@pytest.mark.proof
def test_xarray_opens_records_through_both_engines(done: store.Stored, tmp_path: Path) -> None:
    site = str(tmp_path / "site")
    packages = ["xarray", "h5netcdf", "netCDF4", "h5py"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", site, *packages]
    subprocess.run(pip, check=True, capture_output=True)
    script = """if True:
        import sys
        import xarray
        for engine in ("h5netcdf", "netcdf4"):
            root = xarray.open_dataset(sys.argv[1], engine=engine)
            assert root.record.units == "s" and root.record.size == 9, root
            run = xarray.open_dataset(sys.argv[1], engine=engine, group="ftcs")
            assert run.record_middle.dims == ("record", "x"), run
            assert run.record_salt.units == "g/L m^2" and run.record_salt.dims == ("record",)
            tree = xarray.open_datatree(sys.argv[1], engine=engine)
            assert tree["ftcs"].record_salt.sel(record=840.0).size == 1, tree
            run.to_netcdf(sys.argv[2] + engine)
    """
    environment = {**os.environ, "PYTHONPATH": site}
    words = [sys.executable, "-c", script, str(done.path), str(tmp_path / "again")]
    subprocess.run(words, check=True, env=environment)


# --- in the journal -----------------------------------------------------------------------------

COUNTS = (1, 0, 3, 2, 0)


def recorded(index: int) -> dict[str, np.ndarray]:
    """What was recorded before a frame, in numbers that tell which frame that is."""
    values = 100.0 * index + np.arange(COUNTS[index])
    return {"salt": values, "line": values[:, None] + np.zeros(6)}


def filled(folder: Folder, stop: int = 5, **options: Any) -> store.Journal:
    journal = folder.journal("a")
    for i in range(journal.frames, stop):
        journal.append({"concentration": field(i)}, {"u": field(i)}, {}, recorded(i), **options)
    return journal


TIMES = np.arange(float(sum(COUNTS)))
TOLD = {"salt": {"axes": [], "units": "kg", "long_name": "salt"},
        "line": {"axes": ["x"], "units": "g/L", "long_name": "a line"}}  # fmt: skip


def wanted(name: str, stop: int = 5) -> np.ndarray:
    return np.concatenate([recorded(i)[name] for i in range(stop)])


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("together", [1, 2, 5])
def test_frames_bring_as_many_records_as_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int, compress: bool
) -> None:
    """However frames are gathered into segments, records follow each other without a gap."""
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", together * 8 * 24)
    with Folder.open(tmp_path, "d1", compress=compress) as folder:
        journal = filled(folder)
        journal.flush()
        entries = [entry for path in segments(journal.folder) for entry in each_entry(path)]
        assert [entry.frame for entry in entries] == [0, 1, 2, 3, 4]
        assert [len(entry.records["salt"]) for entry in entries] == list(COUNTS)
        path = folder.publish(header(record_times=TIMES, extra={"probes": TOLD}), {"a": {}})
    with store.load(path) as stored:
        for name, record in stored.runs["a"].records.items():
            assert record[:].tobytes() == wanted(name).tobytes()
        assert stored.record_times.tobytes() == TIMES.tobytes()
    assert store.verify(path) == []


def test_an_unfinished_run_has_the_records_up_to_its_last_frame(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        filled(folder, 3)
        path = folder.publish(
            header(record_times=TIMES, extra={"probes": TOLD}), {"a": {}, "b": {}}
        )
    with store.load(path) as stored:
        assert np.array_equal(stored.runs["a"].records["salt"][:], wanted("salt", 3))
        assert dict(stored.runs["b"].records) == {}
        with pytest.raises(IndexError, match="there is no record 4: the run has 4"):
            stored.runs["a"].records["salt"][4]
    with h5py.File(path) as file:
        assert np.isnan(file["a/record_line"][4:]).all()
    assert store.verify(path) == []


def test_a_damaged_record_ends_what_can_be_gone_on_from(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        for stop in (2, 4, 5):
            filled(folder, stop).flush()
        second = segments(folder.journal("a").folder)[1]
    with h5py.File(second, "r+") as file:  # HDF5's own checksum fits then
        file["records/line"][1, 3] += 1e-9
    with pytest.raises(StoreError, match=r"record before frame 2 \(line\) in .* is damaged"):
        list(each_entry(second))
    with Folder.open(tmp_path, "d1", resume=True) as folder:
        found = folder.journal("a")
        assert (found.frames, found.discarded) == (0, 2)
        assert segments(found.folder) == []


def test_records_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        journal = filled(folder, 1)
        uneven = {"salt": np.zeros(2), "line": np.zeros((1, 6))}
        with pytest.raises(ValueError, match="as often as the others"):
            journal.append({"concentration": field(1)}, {}, {}, uneven)
        for odd in ({}, {"salt": np.zeros(2)}, {**recorded(2), "line": np.zeros((3, 7))}):
            with pytest.raises(ValueError, match="frame 1 of a"):
                journal.append({"concentration": field(1)}, {}, {}, odd)
        journal.append({"concentration": field(1)}, {}, {}, recorded(2))
        too_few = header(record_times=TIMES[:3], extra={"probes": TOLD})
        with pytest.raises(StoreError, match="a has 4 records for 3 record times"):
            folder.publish(too_few, {"a": {}})
        assert journal.frames == 2


# --- stopped and gone on with -------------------------------------------------------------------


class Stopped(Exception):
    """What ends a run in these tests."""


def test_a_run_stopped_at_any_frame_goes_on_to_the_same_records(
    done: store.Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = prepare(written(tmp_path, RECORDED))
    append = store.Journal.append
    # In every course, and before every frame of one.
    for stop in range(1, 4 * len(experiment.courses), 3):
        left = [stop]

        def counting(journal: store.Journal, *rest: Any, left: list[int] = left) -> None:
            if left[0] == 0:
                raise Stopped
            left[0] -= 1
            append(journal, *rest)

        out = tmp_path / str(stop)
        with monkeypatch.context() as patch:
            patch.setattr(store.Journal, "append", counting)
            with pytest.raises(Stopped):
                carry_out(experiment, out)
        outcome = carry_out(experiment, out, resume=True)
        assert_same_arrays(outcome.path, done.path)


def test_a_recording_run_killed_at_some_moment_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """The moment is the machine's; the claim holds for every one, so there is no false alarm."""
    source = written(tmp_path, LONG + RECORD.replace("7 min", "13 h"), "long.yaml")
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert diffusim("run", source, "--out", whole, *QUIET).code == 0
    with start("run", source, "--out", out, *QUIET) as process:
        deadline = time.monotonic() + 60
        while not any(out.rglob("0*.hdf5")) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.kill()
    assert diffusim("run", source, "--out", out, *QUIET, "--resume").code == 0
    assert_same_arrays(out / "long" / "run.hdf5", whole / "long" / "run.hdf5")


# --- what it takes, and figures -----------------------------------------------------------------


def test_the_size_told_counts_records(tmp_path: Path) -> None:
    plain, recording = (
        prepare(written(tmp_path, text)).courses
        for text in (TINY, TINY + RECORD.replace("7 min", "1 s"))
    )
    one = 8 * (4 + 12)
    assert len(plain) == len(recording)
    assert result_size(recording) - result_size(plain) == len(plain) * one * 3601
    assert memory_needed(recording) > memory_needed(plain) + len(plain) * 3600 * 512


def test_what_was_recorded_is_drawn_with_units_on_every_axis(done: store.Stored) -> None:
    figure = plots.records(done, compare_stored([done]))
    panels = {axes.get_title().split("\n")[0]: axes for axes in figure.axes}
    assert set(PROBES) <= set(panels)
    assert [panels[name].get_ylabel().replace("\n", " ") for name in PROBES] == [
        "concentration (g/L)", "x (cm)", "rate (10⁻⁷ g/L m²/s)", "rate (g/L m²/s)",
        "total of concentration (10⁻³ g/L m²)",
    ]  # fmt: skip
    assert {panels[name].get_xlabel() for name in PROBES} == {"time (h)"}
    salt = panels["through_wall"]
    modes = done.runs["modes"].records["through_wall"][:] / 1e-7
    assert len(salt.lines) == 3
    assert any(np.allclose(line.get_ydata(), modes, rtol=1e-12, atol=0) for line in salt.lines)
    mesh = panels["middle"].collections[0].get_array()
    assert np.array_equal(mesh, done.runs["modes"].records["middle"][:].T)
    assert_legible(figure)
