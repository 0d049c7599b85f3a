"""What is stored comes back bit by bit, in a layout that other readers understand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from store_samples import (
    FRAMES,
    SHAPE,
    field,
    fill,
    header,
    leftovers,
    published,
)

from diffusim.store import (
    RESULT,
    Folder,
    Header,
    StoreError,
    digest_of,
    load,
    verify,
)
from diffusim.store import journal as journal_module

pytestmark = pytest.mark.child

Figure = Callable[..., None]


@pytest.mark.parametrize("compress", [False, True])
def test_frames_and_header_come_back_bit_by_bit(tmp_path: Path, compress: bool) -> None:
    path = published(tmp_path / "salt", compress)
    assert leftovers(tmp_path / "salt") == [RESULT]
    with load(path) as stored:
        for entry in fields(Header):
            wanted, found = getattr(header(), entry.name), getattr(stored, entry.name)
            if entry.name in {"centres", "faces"}:
                assert [a.tobytes() for a in found] == [a.tobytes() for a in wanted]
            elif entry.name == "times":
                assert found.tobytes() == wanted.tobytes()
            else:
                assert found == wanted
        for run in stored.runs.values():
            assert len(run.frames) == FRAMES
            assert run.times.tobytes() == header().times.tobytes()
            for i in range(FRAMES):
                assert run.frames[i].tobytes() == field(i).tobytes()
                assert run.frames[i - FRAMES].tobytes() == field(i).tobytes()
                assert run.counts[i].dtype == np.int64
                assert (run.counts[i] == 2**63 - 1 - i).all()
            assert np.asarray(run.frames).tobytes() == run.array("concentration").tobytes()
            assert [u.tobytes() for u in run.frames[1:4:2]] == [field(i).tobytes() for i in (1, 3)]
    assert list(stored.runs) == ["ftcs", "modes"]
    assert digest_of(path) == "d1"
    assert verify(path) == []


def test_attributes_of_a_run_come_back_as_they_were(tmp_path: Path) -> None:
    facts: dict[str, Any] = {
        "seconds": 0.1,
        "steps": 12_345,
        "large": 2**70,
        "limit": "lattice",
        "empty": "",
        "odd": "a\0b",
        "yes": True,
        "nothing": None,
        "options": {"dt": [0.1, 1e-300], "name": "ä"},
    }
    given = {**facts, "numpy": np.float64(0.3), "count": np.int64(7), "flag": np.bool_(False)}
    with Folder.open(tmp_path, "d1") as folder:
        fill(folder.journal("a"))
        path = folder.publish(header(), {"a": given})
    with load(path) as stored:
        found = dict(stored.runs["a"].facts)
    assert found == {**facts, "numpy": 0.3, "count": 7, "flag": False}
    assert {name: type(found[name]) for name in facts} == {k: type(v) for k, v in facts.items()}


ODD = {
    "nan": np.array([0x7FF8DEADBEEF0001, 0xFFF0000000000001], np.uint64).view(np.float64),
    "integer": np.array([-(2**63), 2**63 - 1]),
    "complex": np.array([[complex(np.nan, -0.0), 1e-320j]]),
    "boolean": np.array([True, False, True]),
    "number": np.array(7.5),
    "single": np.array([1e-45, -0.0], np.float32),
    "swapped": np.arange(3, dtype=">i4"),
    "nothing": np.zeros((0, 3)),
    "strided": np.arange(12.0).reshape(3, 4).T[::2],
}


def test_state_of_every_dtype_comes_back_bit_by_bit(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        folder.journal("a").append(ODD, ODD, {"n": 3, "x": 0.1, "nan": float("nan")})
    with Folder.open(tmp_path, "d1", resume=True) as folder:
        found = folder.journal("a")
        assert (found.frames, folder.discarded) == (1, 0)
        assert found.facts["n"] == 3
        assert found.facts["x"] == 0.1
        assert np.isnan(found.facts["nan"])
        assert found.state is not None
        assert found.state.keys() == ODD.keys()
        for name, array in ODD.items():
            assert found.state[name].dtype == array.dtype
            assert found.state[name].shape == array.shape
            assert found.state[name].tobytes() == array.tobytes()
        path = folder.publish(header(), {"a": {}})
    with load(path) as stored:
        for name, array in ODD.items():
            frame = stored.runs["a"].arrays[name][0]
            assert (frame.dtype, frame.shape) == (array.dtype, array.shape)
            assert frame.tobytes() == array.tobytes()
    assert verify(path) == []


def test_the_journal_copies_what_it_is_given(tmp_path: Path) -> None:
    u, facts = np.zeros(3), {"list": [1]}
    with Folder.open(tmp_path, "d1") as folder:
        journal = folder.journal("a")
        journal.append({"u": u}, {"u": u}, facts)
        u += 1
        facts["list"].append(2)
        journal.flush()
        assert journal.state is not None
        assert (journal.state["u"] == 0).all()
        assert journal.facts == {"list": [1]}


def test_frames_are_flushed_by_size_and_by_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 4 * 8 * 10)
    with Folder.open(tmp_path, "d1", clock=lambda: now[0]) as folder:
        journal = folder.journal("a")
        seen = []
        for tick in (0.0, 1.0, 2.0, 2.0, 3.9, 4.1, 4.1):
            now[0] = tick
            journal.append({"u": np.zeros(10)}, {}, {})
            seen.append((journal.frames, journal.pending))
    assert seen == [(0, 1), (0, 2), (0, 3), (4, 0), (4, 1), (6, 0), (6, 1)]
    assert journal.frames == 7


def test_two_states_at_most_lie_on_the_disk(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        journal = folder.journal("a")
        for i in range(1, 6):
            journal.append({"u": np.zeros(2)}, {"u": np.zeros(2)}, {})
            journal.flush()
            assert len(list(journal.folder.glob("checkpoint-*"))) == min(i, 2)


def test_frames_of_another_shape_or_of_no_numbers_are_refused(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        journal = folder.journal("a")
        journal.append({"u": np.zeros(2)}, {}, {})
        for arrays in ({"u": np.zeros(3)}, {"v": np.zeros(2)}, {"u": np.zeros(2, np.float32)}):
            with pytest.raises(ValueError, match="frame 1 of a"):
                journal.append(arrays, {}, {})
        for odd in (np.array([None]), np.array(["x"]), np.array([1], "M8[s]")):
            with pytest.raises(ValueError, match="only takes numbers"):
                journal.append({"u": odd}, {}, {})
        assert journal.pending == 1


def test_unwritten_frames_read_as_missing_and_are_not_counted(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        fill(folder.journal("half"), 2)
        path = folder.publish(header(), {"half": {}, "none": {"error": "refused"}})
    with load(path) as stored:
        assert len(stored.runs["half"].frames) == len(stored.runs["half"].times) == 2
        assert dict(stored.runs["none"].facts) == {"error": "refused"}
        with pytest.raises(StoreError, match="holds no 'concentration'"):
            stored.runs["none"].frames[0]
        with pytest.raises(IndexError, match="has 2"):
            stored.runs["half"].frames[2]
    with h5py.File(path) as file:
        assert np.isnan(file["half/concentration"][2:]).all()
        assert (file["half/counts"][2:] == -1).all()
    assert verify(path) == []


def test_every_axis_has_a_name_so_that_xarray_invents_none(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        journal = folder.journal("a")
        arrays = {
            "concentration": np.zeros(SHAPE),
            "channels": np.zeros((3, *SHAPE)),
            "mass": np.array(1.0),
            "accounts": np.zeros(4),
        }
        journal.append(arrays, {}, {})
        path = folder.publish(header(), {"a": {}})
    with h5py.File(path) as file:
        names = {
            name: [[scale.name for scale in dim.values()] for dim in file["a"][name].dims]
            for name in arrays
        }
        assert file["a/concentration"].chunks == (1, *SHAPE)
        assert file["a/concentration"].fletcher32
        assert file["a/concentration"].attrs["units"] == "g/L"
        assert file.attrs["Conventions"] == "CF-1.11"
    assert names == {
        "concentration": [["/time"], ["/x"], ["/y"]],
        "channels": [["/time"], ["/a/channels_0"], ["/x"], ["/y"]],
        "mass": [["/time"]],
        "accounts": [["/time"], ["/a/accounts_0"]],
    }


@pytest.mark.proof
def test_xarray_opens_a_result_through_both_engines(tmp_path: Path) -> None:
    path = published(tmp_path / "salt")
    packages = ["xarray", "h5netcdf", "netCDF4", "h5py"]
    site = str(tmp_path / "site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", site, *packages]
    subprocess.run(pip, check=True, capture_output=True)
    script = """if True:
        import sys
        import xarray
        for engine in ("h5netcdf", "netcdf4"):
            root = xarray.open_dataset(sys.argv[1], engine=engine)
            assert root.x.units == "m" and root.time.size == 5, root
            run = xarray.open_dataset(sys.argv[1], engine=engine, group="ftcs")
            assert run.concentration.dims == ("time", "x", "y"), run
            assert run.counts.dtype == "int64" and run.counts.dims == ("time", "x", "y")
            tree = xarray.open_datatree(sys.argv[1], engine=engine)
            assert tree["ftcs"].concentration.sel(x=1.5).y.size == 4, tree
            run.to_netcdf(sys.argv[1] + engine)
    """
    environment = {**os.environ, "PYTHONPATH": site}
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, env=environment)


@pytest.mark.proof
def test_publishing_needs_little_memory_and_a_time_that_is_told(
    tmp_path: Path, figure: Figure
) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        for label in "abcd":
            for i in range(61):
                u = np.full((256, 256), float(i))
                folder.journal(label).append({"concentration": u}, {"u": u}, {})
    # A process that starts small: the peak of a child is at least that of its parent at its birth.
    script = """if True:
        import resource, sys, time
        import numpy as np
        from diffusim.store import Folder, Header
        n, c = 256, np.arange(256) + 0.5
        header = Header(
            "t", "concentration", "1", (n, n), (c, c), np.arange(61.0), "", "{}", "d1", 1, {}
        )
        with Folder.open(sys.argv[1], "d1", resume=True) as out:
            start = time.perf_counter()
            out.publish(header, dict.fromkeys("abcd", {}))
            print(time.perf_counter() - start)
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    """
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, mebibytes = map(float, done.stdout.split())
    figure("publishing 4 methods x 61 frames x 512 KiB", round(seconds, 2), "s")
    figure("peak memory of publishing 122 MiB", round(mebibytes), "MiB", "< 100")
    assert mebibytes < 100
