"""Nothing is overwritten unasked, one writer at a time, and no name leads elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_samples import (
    FRAMES,
    append,
    child,
    dead_process,
    field,
    fill,
    header,
    leftovers,
    plain_header,
    published,
    temporaries,
)

from diffusim.store import (
    RESULT,
    Folder,
    Occupied,
    StoreError,
    digest_of,
    load,
    verify,
    write_bytes,
    write_text,
)


def test_a_result_of_another_scenario_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = published(tmp_path)
    old = path.read_bytes()
    with pytest.raises(Occupied, match=r"»gelöst«.*--overwrite"):
        Folder.open(tmp_path, "d2")
    with Folder.open(tmp_path, "d2", overwrite=True) as folder:
        assert not folder.finished
        assert path.read_bytes() == old
        folder.publish(header(digest="d2"), {})
    assert digest_of(path) == "d2"
    assert leftovers(tmp_path) == [RESULT]


def test_a_result_of_the_same_scenario_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = published(tmp_path)
    with Folder.open(tmp_path, "d1") as folder:
        assert folder.finished
        fill(folder.journal("ftcs"), 1)
        folder.journal("ftcs").flush()
        assert verify(path) == []
        folder.publish(header(), {"ftcs": {}})
    with load(path) as stored:
        assert len(stored.runs["ftcs"].frames) == 1


def test_a_foreign_file_in_the_place_of_the_result_is_kept(tmp_path: Path) -> None:
    (tmp_path / RESULT).write_text("my notes")
    with pytest.raises(Occupied, match="cannot be read"):
        Folder.open(tmp_path, "d1")
    assert (tmp_path / RESULT).read_text() == "my notes"
    with Folder.open(tmp_path, "d1", overwrite=True) as folder:
        assert not folder.finished


def test_leftover_frames_are_dropped_and_counted_or_resumed(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        fill(folder.journal("a"), 3)
        fill(folder.journal("b"), 2)
    with pytest.raises(Occupied, match="another version of this scenario"):
        Folder.open(tmp_path, "d2", resume=True)
    with Folder.open(tmp_path, "d1", resume=True) as folder:
        assert (folder.journal("a").frames, folder.journal("b").frames) == (3, 2)
        fill(folder.journal("a"), 4, start=3)
    with Folder.open(tmp_path, "d2") as folder:
        assert folder.discarded == 6
        assert folder.journal("a").frames == 0
        assert folder.journal("a").state is None


def test_publishing_one_method_keeps_the_frames_of_the_others(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        fill(folder.journal("a"))
        fill(folder.journal("b"), 2)
        folder.publish(header(), {"a": {}})
    with Folder.open(tmp_path, "d1", resume=True) as folder:
        assert folder.journal("b").frames == 2


def test_damaged_leftovers_are_gone_back_behind(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        for stop in (2, 3, 5):
            fill(folder.journal("a"), stop, start=folder.journal("a").frames)
            folder.journal("a").flush()
    place = tmp_path / "segments" / "a"

    def reopened() -> tuple[int, int, int]:
        with Folder.open(tmp_path, "d1", resume=True) as folder:
            journal = folder.journal("a")
            state = journal.state or {"u": np.zeros(0)}
            if journal.frames:
                assert state["u"].tobytes() == field(journal.frames - 1).tobytes()
            return journal.frames, journal.discarded, len(list(place.glob("0*.hdf5")))

    last = place / "000003.hdf5"
    data = bytearray(last.read_bytes())
    spot = data.find(field(4).tobytes())
    assert spot > 0
    data[spot + 40] ^= 1
    last.write_bytes(data)
    assert reopened() == (3, 0, 2)
    (place / "checkpoint-000003.hdf5").write_bytes(b"")
    assert reopened() == (0, 3, 0)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "/etc/x", ".hidden", "x.", "NUL", "com1.txt", "a" * 101, "a\0b",
     "a\nb", "ü", "a\\b", "x y"],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="cannot name a file"):
        write_text(tmp_path, name, "x")
    with (
        Folder.open(tmp_path / "run", "d1") as folder,
        pytest.raises(StoreError, match="method label"),
    ):
        folder.journal(name)
    assert leftovers(tmp_path) == ["run"]


def test_labels_that_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        folder.journal("ftcs")
        with pytest.raises(StoreError, match="only in case"):
            folder.journal("FTCS")


def test_a_symbolic_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("old")
    (tmp_path / "metrics.json").symlink_to(tmp_path / "precious")
    write_bytes(tmp_path, "metrics.json", b"new")
    assert (tmp_path / "precious").read_text() == "old"
    assert (tmp_path / "metrics.json").read_text() == "new"


def test_a_label_with_the_name_of_an_axis_is_one_sentence(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        fill(folder.journal("time"))
        with pytest.raises(StoreError, match="'time' is taken"):
            folder.publish(header(), {"time": {}})
        assert folder.journal("time").frames == FRAMES


def test_more_frames_than_times_are_refused(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as folder:
        fill(folder.journal("a"), FRAMES + 1)
        with pytest.raises(StoreError, match="the scenario has 5"):
            folder.publish(header(), {"a": {}})


def test_the_store_comes_without_the_heavy_packages() -> None:
    script = "import sys, diffusim.store; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert {"numba", "scipy", "pydantic", "matplotlib"} & set(done.stdout.split()) == set()


CONTENDER = """if True:
    import sys, time
    from diffusim.store import Folder, Occupied

    sys.stdin.readline()
    start = time.monotonic()
    try:
        with Folder.open(sys.argv[1], "d1") as folder:
            print("mine", flush=True)
            sys.stdin.readline()
    except Occupied:
        print("taken" if time.monotonic() - start < 1 else "late", flush=True)
"""


def write_lock(folder: Path, **changes: Any) -> None:
    with Folder.open(folder, "d1") as out:
        mine = json.loads((folder / "run.lock").read_text())
        assert mine["pid"] == os.getpid()
        assert out.path == folder
    (folder / "run.lock").write_text(json.dumps({**mine, **changes}))


def test_a_second_writer_is_refused_at_once_and_the_first_unharmed(tmp_path: Path) -> None:
    with Folder.open(tmp_path, "d1") as first:
        append(first.journal("a"), 2)
        first.journal("a").flush()
        start = time.monotonic()
        for _ in range(10):
            with pytest.raises(Occupied, match=f"Process {os.getpid()} is writing"):
                Folder.open(tmp_path, "d1", overwrite=True)
        assert time.monotonic() - start < 1
        append(first.journal("a"), 4)
        first.publish(plain_header(4), {"a": {}})
    assert verify(tmp_path / RESULT) == []


def test_of_many_that_find_a_stale_lock_one_gets_it(tmp_path: Path) -> None:
    write_lock(tmp_path, pid=dead_process())
    processes = [child(CONTENDER, tmp_path) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = []
    for process in processes:
        assert process.stdout is not None
        answers.append(process.stdout.readline())
    for process in processes:
        process.communicate()
    assert sorted(answers) == ["mine\n", "taken\n", "taken\n", "taken\n"]
    assert not (tmp_path / "run.lock").exists()


def test_a_lock_is_stale_only_if_its_process_is_surely_gone(tmp_path: Path) -> None:
    write_lock(tmp_path, started="another boot/1")
    with Folder.open(tmp_path, "d1"):
        pass
    write_lock(tmp_path, started="unknown")
    with pytest.raises(Occupied, match="is writing"):
        Folder.open(tmp_path, "d1")
    (tmp_path / "run.lock").unlink()
    write_lock(tmp_path, host="elsewhere", pid=dead_process())
    with pytest.raises(Occupied, match=r"on host elsewhere .* delete .*run\.lock"):
        Folder.open(tmp_path, "d1")
    (tmp_path / "run.lock").write_text("")
    with pytest.raises(Occupied, match="does not say whose it is"):
        Folder.open(tmp_path, "d1")
    long_ago = time.time() - 60
    os.utime(tmp_path / "run.lock", (long_ago, long_ago))
    with Folder.open(tmp_path, "d1"):
        pass
    assert not (tmp_path / "run.lock").exists()


def test_temporary_files_of_the_dead_are_removed_and_those_of_the_living_kept(
    tmp_path: Path,
) -> None:
    with Folder.open(tmp_path, "d1") as out:
        append(out.journal("a"), 1)
    living = f".x.tmp-{os.getppid()}-00000000"
    dead = f".x.tmp-{dead_process()}-00000000"
    for place in (tmp_path, tmp_path / "segments", tmp_path / "segments" / "a"):
        (place / living).touch()
        (place / dead).touch()
    (tmp_path / dead.replace(".x", ".y")).mkdir()
    (tmp_path / ".hidden").touch()
    with Folder.open(tmp_path, "d1", resume=True) as out:
        assert out.journal("a").frames == 1
    assert {path.name for path in tmp_path.rglob(".*")} == {living, ".hidden"}
    assert len(temporaries(tmp_path)) == 3


@pytest.mark.parametrize("system", ["can drop pages", "cannot"])
def test_what_need_not_stay_in_memory_is_on_the_disk_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    dropped: list[int] = []
    if system == "cannot":
        monkeypatch.delattr(os, "posix_fadvise", raising=False)
    elif hasattr(os, "posix_fadvise"):
        drop = os.posix_fadvise

        def watched(descriptor: int, *which: int) -> None:
            dropped.append(descriptor)
            drop(descriptor, *which)

        monkeypatch.setattr(os, "posix_fadvise", watched)
    data = np.random.default_rng(1).bytes(3_000_001)
    write_bytes(tmp_path, "stays.bin", data)
    assert not dropped
    write_bytes(tmp_path, "goes.bin", data, cached=False)
    assert len(dropped) == (system == "can drop pages" and hasattr(os, "posix_fadvise"))
    assert {path.name for path in tmp_path.iterdir()} == {"stays.bin", "goes.bin"}
    assert (tmp_path / "goes.bin").read_bytes() == (tmp_path / "stays.bin").read_bytes() == data
