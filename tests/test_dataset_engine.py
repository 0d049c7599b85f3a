"""Whoever makes a dataset, whatever lies there before, whatever fails: the bytes are the same."""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
from dataset_samples import (
    SALT,
    assert_nothing_incomplete,
    contents,
    made,
    scenario,
    shards,
    temporaries,
)
from store_samples import dead_process

from diffusim.atomic import Lock, Occupied, StoreError
from diffusim.dataset import crew
from diffusim.dataset.engine import PartlyDone, write
from diffusim.dataset.making import Maker
from diffusim.dataset.recipe import Recipe


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return contents(made(tmp_path_factory.mktemp("whole")))


class Shuffled(Executor):
    """One thread that takes what waits in random order."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Any, tuple[Any, ...]]] = []
        self.most, self.open, self.over = 0, 0, False
        self._chance = random.Random(1)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.open += 1
        self.most = max(self.most, self.open)
        self.waiting.append((future, fn, args))
        return future

    def _work(self) -> None:
        while not self.over:
            time.sleep(0.005)
            if self.waiting:
                future, fn, args = self.waiting.pop(self._chance.randrange(len(self.waiting)))
                result = fn(*args)
                self.open -= 1
                future.set_result(result)


# --- the same bytes -----------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [2, 4])
def test_processes_write_the_same_bytes_as_this_one(
    workers: int, whole: dict[str, str], tmp_path: Path
) -> None:
    assert contents(made(tmp_path, workers=workers)) == whole


def test_threads_write_the_same_bytes(whole: dict[str, str], tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as threads:
        assert contents(made(tmp_path, executor=threads)) == whole


def test_order_does_not_matter_and_few_tasks_are_on_their_way(
    whole: dict[str, str], tmp_path: Path
) -> None:
    executor = Shuffled()
    assert contents(made(tmp_path, executor=executor, workers=2)) == whole
    executor.over = True
    assert 1 < executor.most <= 4


def test_parts_together_are_the_whole_in_any_order(whole: dict[str, str], tmp_path: Path) -> None:
    recipe = Recipe.read(scenario(tmp_path))
    written = [write(recipe, tmp_path, shard=(i, 3), workers=1) for i in (2, 3, 1)]
    assert [each.whole for each in written] == [False, False, True]
    assert contents(tmp_path / "salt") == whole


def test_a_part_makes_its_own_shards_only(tmp_path: Path) -> None:
    recipe = Recipe.read(scenario(tmp_path))
    folder = write(recipe, tmp_path, shard=(2, 3), workers=1).folder
    assert [path.stem for path in shards(folder)] == ["train-00001", "valid-00000"]
    assert not (folder / "manifest.json").exists()


def test_missing_parts_are_made_by_resuming(whole: dict[str, str], tmp_path: Path) -> None:
    recipe = Recipe.read(scenario(tmp_path))
    write(recipe, tmp_path, shard=(2, 3), workers=1)
    written = write(recipe, tmp_path, resume=True, workers=1)
    assert contents(written.folder) == whole
    assert (written.standing.kept, written.standing.made) == (6, 10)


def test_no_byte_knows_the_time_the_place_or_the_host(
    whole: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder = made(tmp_path / "elsewhere")
    assert contents(folder) == whole
    host = os.uname().nodename.encode()
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "dataset.log":
            data = path.read_bytes()
            assert str(tmp_path).encode() not in data
            assert len(host) < 4 or host not in data


# --- what lies there already --------------------------------------------------------------------


def test_a_dataset_that_is_there_is_refused_and_stays(tmp_path: Path) -> None:
    folder = made(tmp_path)
    before = contents(folder)
    with pytest.raises(Occupied, match="this dataset; use --overwrite"):
        made(tmp_path)
    with pytest.raises(Occupied, match="another version"):
        made(tmp_path, SALT.replace("seed: 3", "seed: 4"), resume=True)
    assert contents(folder) == before


def test_overwriting_replaces_all_of_another_dataset(whole: dict[str, str], tmp_path: Path) -> None:
    made(tmp_path, SALT.replace("train: 11", "train: 31").replace("seed: 3", "seed: 4"))
    assert contents(made(tmp_path, overwrite=True)) == whole


def test_resuming_a_finished_dataset_does_nothing(whole: dict[str, str], tmp_path: Path) -> None:
    folder = made(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in shards(folder)}
    made(tmp_path, resume=True)
    assert {path: path.stat().st_mtime_ns for path in shards(folder)} == times
    assert contents(folder) == whole


def test_resuming_makes_a_lost_shard_again_and_keeps_the_others(
    whole: dict[str, str], tmp_path: Path
) -> None:
    folder = made(tmp_path)
    lost, *others = shards(folder)
    times = {path: path.stat().st_mtime_ns for path in others}
    lost.unlink()
    made(tmp_path, resume=True)
    assert contents(folder) == whole
    assert {path: path.stat().st_mtime_ns for path in others} == times


def test_a_damaged_shard_of_an_unfinished_dataset_is_made_again(
    whole: dict[str, str], tmp_path: Path
) -> None:
    recipe = Recipe.read(scenario(tmp_path))
    folder = write(recipe, tmp_path, shard=(1, 2), workers=1).folder
    damaged = shards(folder)[0]
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    write(recipe, tmp_path, resume=True, workers=1)
    assert contents(folder) == whole


def test_an_unfinished_dataset_is_neither_overwritten_nor_mixed_with_another(
    tmp_path: Path,
) -> None:
    write(Recipe.read(scenario(tmp_path)), tmp_path, shard=(1, 2), workers=1)
    with pytest.raises(Occupied, match="unfinished; use --resume"):
        made(tmp_path)
    with pytest.raises(Occupied, match="another version of this scenario"):
        made(tmp_path, SALT.replace("seed: 3", "seed: 4"), resume=True)


def test_a_second_writer_is_refused_and_the_parts_of_others_are_not(
    whole: dict[str, str], tmp_path: Path
) -> None:
    recipe = Recipe.read(scenario(tmp_path))
    (tmp_path / "salt").mkdir()
    lock = Lock(tmp_path / "salt" / "dataset.lock")
    lock.take()
    for options in ({}, {"shard": (1, 2)}):
        with pytest.raises(Occupied, match="is writing to"):
            write(recipe, tmp_path, workers=1, **options)  # type: ignore[arg-type]
    lock.release()
    lock = Lock(tmp_path / "salt" / "dataset-1-of-2.lock")
    lock.take()
    for options in ({}, {"shard": (1, 2)}):
        with pytest.raises(Occupied, match="is writing to"):
            write(recipe, tmp_path, workers=1, **options)  # type: ignore[arg-type]
    write(recipe, tmp_path, workers=1, shard=(2, 2))
    lock.release()
    write(recipe, tmp_path, workers=1, shard=(1, 2))
    assert contents(tmp_path / "salt") == whole


# --- what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize("call", [3, 9, 16])
def test_a_full_disk_is_one_sentence_and_what_was_whole_stays(
    call: int, whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = os.fsync, [0]

    def full(descriptor: int) -> None:
        calls[0] += 1
        if calls[0] > call:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="the disk .* is full"):
            made(tmp_path)
    folder = tmp_path / "salt"
    assert_nothing_incomplete(folder, whole)
    assert not (folder / "dataset.lock").exists()
    assert contents(made(tmp_path, resume=True)) == whole
    assert temporaries(folder) == []


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    recipe = Recipe.read(scenario(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="a file stands where a folder is needed"):
        write(recipe, tmp_path / "file", workers=1)


def test_a_trajectory_that_cannot_be_made_costs_its_shard_and_no_other(
    whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, tries = Maker.make, [0]

    def failing(self: Maker, index: int, out: Any = None) -> Any:
        tries[0] += index == 4
        if index == 4:
            raise ArithmeticError("a planted fault")
        return original(self, index, out)

    with monkeypatch.context() as patch:
        patch.setattr(Maker, "make", failing)
        with pytest.raises(PartlyDone, match=r"train-00001\.hdf5.*a planted fault.*--resume"):
            made(tmp_path)
    assert tries[0] == 2
    folder = tmp_path / "salt"
    assert len(shards(folder)) == 5
    assert_nothing_incomplete(folder, whole)
    assert contents(made(tmp_path, resume=True)) == whole


class Deadly(Executor):
    """A pool that breaks, with all that is on its way, when it is given one of some shards."""

    fatal: tuple[int, ...] = ()
    born = 0

    def __init__(self, count: int) -> None:
        self._waiting: list[tuple[Future[Any], Any, tuple[Any, ...]]] = []
        self._lock = threading.Lock()

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.append((future, fn, args))
        threading.Timer(0.05, self._work).start()
        return future

    def _work(self) -> None:
        with self._lock:
            taken, self._waiting = self._waiting, []
            broken = any({*args[1]} & {*self.fatal} for _, _, args in taken)
            for future, fn, args in taken:
                if broken:
                    future.set_exception(BrokenProcessPool("died"))
                else:
                    future.set_result(fn(*args))


def test_a_shard_that_kills_its_worker_twice_is_given_up_alone(
    whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pool(count: int) -> Deadly:
        Deadly.born += 1
        return Deadly(count)

    with monkeypatch.context() as patch:
        patch.setattr(crew, "_pool", pool)
        patch.setattr(Deadly, "fatal", (2,))
        patch.setattr(Deadly, "born", 0)
        with pytest.raises(PartlyDone, match="1 shard .*train-00002.hdf5: a worker died"):
            made(tmp_path, workers=2)
        assert Deadly.born == 3
    assert len(shards(tmp_path / "salt")) == 5
    assert_nothing_incomplete(tmp_path / "salt", whole)
    assert contents(made(tmp_path, resume=True)) == whole


def test_what_killed_workers_left_is_cleared_up_whatever_ends_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "salt" / "data" / "train" / f".x.hdf5.tmp-{dead_process()}-0123abcd"

    def pool(_count: int) -> Executor:
        left.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(crew, "_pool", pool)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, workers=2)
    assert not left.exists()
    assert not (tmp_path / "salt" / "dataset.lock").exists()


def test_workers_that_always_die_end_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_pool", Deadly)
    monkeypatch.setattr(Deadly, "fatal", tuple(range(100)))
    with pytest.raises(StoreError, match="die again and again"):
        made(tmp_path, workers=2)
