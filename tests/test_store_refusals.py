"""Full disks and other refusals of the system: one sentence, the old file, no crumbs."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_samples import (
    append,
    assert_sound,
    plain_header,
    temporaries,
)

from diffusim import atomic
from diffusim.store import (
    RESULT,
    Folder,
    Journal,
    StoreError,
    verify,
    write_bytes,
    write_text,
)

pytestmark = pytest.mark.child
Figure = Callable[..., None]


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 2 MiB: a real one where mounting is allowed, else one that `os.write` pretends."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "diffusim-test", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        write = os.write

        def limited(descriptor: int, data: Any) -> int:
            used = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
            if used + len(data) > 2 * 2**20:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(descriptor, data)

        monkeypatch.setattr(os, "write", limited)
    yield folder
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


def write_until_full(place: Path, rng: np.random.Generator, journals: list[Journal]) -> None:
    with Folder.open(place, "d1") as out:
        journals.append(out.journal("a"))
        for stop in np.cumsum(rng.integers(1, 40, size=1000)):
            append(journals[-1], int(stop))
            journals[-1].flush()


def fill_the_disk(folder: Path, times: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    journals: list[Journal] = []
    for run in range(times):
        place = folder / f"run-{run}"
        write_text(folder, "metrics.json", f"{run}")
        with pytest.raises(StoreError, match=r"is full; free some space"):
            write_until_full(place, rng, journals)
        journal = journals[-1]
        assert temporaries(folder) == []
        assert journal.frames > 0
        assert assert_sound(place, journal.frames) == journal.frames
        with pytest.raises(StoreError, match=r"is full|MB free"):
            write_bytes(folder, "metrics.json", bytes(2 * 2**20))
        assert (folder / "metrics.json").read_text() == f"{run}"
        assert temporaries(folder) == []
        with Folder.open(place, "d1") as out:
            assert out.discarded == journal.frames


def test_a_full_disk_is_one_sentence_and_costs_no_acknowledged_frame(small_disk: Path) -> None:
    fill_the_disk(small_disk, 3, seed=3)


@pytest.mark.proof
def test_30_full_disks_cost_no_acknowledged_frame(small_disk: Path, figure: Figure) -> None:
    fill_the_disk(small_disk, 30, seed=30)
    figure("full disks without an acknowledged frame lost", 30, limit="30")


def test_publishing_without_space_keeps_frames_and_the_older_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Folder.open(tmp_path, "d1") as out:
        append(out.journal("a"), 1)
        out.publish(plain_header(1), {"a": {}})
    old = (tmp_path / RESULT).read_bytes()
    with Folder.open(tmp_path, "d1") as out:
        append(out.journal("a"), 60)
        out.journal("a").flush()
        usage = type("Usage", (), {"free": 1_100_000})()
        with monkeypatch.context() as patch:
            patch.setattr(atomic.shutil, "disk_usage", lambda path: usage)
            with pytest.raises(StoreError, match=r"needs \d+ MB and its disk has 1 MB free"):
                out.publish(plain_header(60), {"a": {}})
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
        try:
            with pytest.raises(StoreError, match=r"Writing .*run\.hdf5 failed: .*--resume"):
                out.publish(plain_header(60), {"a": {}})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (tmp_path / RESULT).read_bytes() == old
        assert temporaries(tmp_path) == []
        assert assert_sound(tmp_path, 60) == 60
        out.publish(plain_header(60), {"a": {}})
    assert verify(tmp_path / RESULT) == []


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "is full"),
        (errno.EDQUOT, "quota"),
        (errno.EFBIG, "ulimit"),
        (errno.EACCES, "may not write"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_every_refusal_is_one_sentence_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, sentence: str
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(number, os.strerror(number))

    write_text(tmp_path, "metrics.json", "old")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(StoreError, match=sentence) as caught:
            write_text(tmp_path, "metrics.json", "new")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "metrics.json") in str(caught.value)
    assert os.listdir(tmp_path) == ["metrics.json"]  # noqa: PTH208
    assert (tmp_path / "metrics.json").read_text() == "old"


def test_places_that_cannot_hold_a_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="a folder on the way does not exist"):
        write_text(tmp_path / "none", "metrics.json", "x")
    with pytest.raises(StoreError, match="a file stands where a folder is needed"):
        Folder.open(tmp_path / "file", "d1")
    with pytest.raises(StoreError, match="a file stands where a folder is needed"):
        Folder.open(tmp_path / "file" / "run", "d1")
    with pytest.raises(StoreError, match="path is too long"):
        Folder.open(tmp_path / ("x" * 300), "d1")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real = {name: getattr(os, name) for name in ("open", "write", "fsync", "replace")}
    names: dict[int, str] = {}

    def opened(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        descriptor: int = real["open"](path, flags, mode, **options)
        names[descriptor] = "folder" if Path(path).is_dir() else "file"
        if names[descriptor] == "file":
            assert flags & os.O_EXCL
            assert flags & os.O_NOFOLLOW
            assert mode == 0o644
        return descriptor

    def written(descriptor: int, data: Any) -> int:
        calls.append("write")
        return int(real["write"](descriptor, data))

    def synced(descriptor: int) -> None:
        calls.append(f"fsync {names[descriptor]}")
        real["fsync"](descriptor)

    def replaced(source: Any, target: Any) -> None:
        calls.append(f"replace {Path(target).name}")
        real["replace"](source, target)

    journal = Journal(tmp_path / "segments" / "a", "d1")
    append(journal, 2)
    for name, double in {
        "open": opened, "write": written, "fsync": synced, "replace": replaced
    }.items():  # fmt: skip
        monkeypatch.setattr(os, name, double)
    journal.flush()
    protocol = ["write", "fsync file", "replace {}", "fsync folder"]
    assert calls == [
        step.format(name) for name in ("checkpoint-000002.hdf5", "000000.hdf5") for step in protocol
    ]
