"""Writing a dataset: who makes which shard, what happens when one of them dies, and the end of it.

Workers are those of any `concurrent.futures.Executor`. They write their own shards and return small
records, so nothing large comes back, and what they write does not depend on who they are. At most a
few tasks are on their way at any time, whatever the number of trajectories.
"""

from __future__ import annotations

import time as clock
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from diffusim import atomic
from diffusim.atomic import StoreError
from diffusim.dataset import crew
from diffusim.dataset.folder import begun, finished, locked, log, make_room, sweep
from diffusim.dataset.gathering import all_there, gather
from diffusim.dataset.planning import Job, planned
from diffusim.dataset.recipe import Recipe
from diffusim.dataset.shards import Done, Failed, made_shards, make_shards

TRIES = 2
# So many in a row, with no shard finished in between, are no accident.
MOST_DEATHS = 6
# A task lasts about so long; it is made of whole shards, one being written while the next is
# computed, and of no more than leaves some tasks for everybody.
TASK_SECONDS, MOST_SHARDS, ROUNDS = 10.0, 8, 3


class PartlyDone(Exception):
    """Some shards could not be made; the others are there, and --resume tries again."""


class Reporter(Protocol):
    """Whom to tell how far a dataset has come."""

    def advance(self, standing: Standing) -> None:
        """Take note of a shard more."""

    def note(self, text: str) -> None:
        """Say something that the user should know."""


class Silent:
    """A reporter that says nothing."""

    def advance(self, _standing: Standing) -> None:
        """Say nothing."""

    def note(self, _text: str) -> None:
        """Say nothing."""


@dataclass
class Standing:
    """How far a dataset has come: trajectories and bytes made now, kept from before, in all."""

    total: int
    made: int = 0
    kept: int = 0
    size: int = 0
    began: float = field(default_factory=clock.perf_counter)
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return clock.perf_counter() - self.began

    @property
    def done(self) -> float:
        """The fraction that is there."""
        return (self.made + self.kept) / max(1, self.total)

    def take(self, done: Done) -> None:
        """Count a shard."""
        count = len(done.record.seeds)
        self.made, self.kept = self.made + count * (not done.kept), self.kept + count * done.kept
        self.size += 0 if done.kept else done.record.size
        for name, seconds in done.seconds.items():
            self.parts[name] = self.parts.get(name, 0.0) + seconds


@dataclass(frozen=True, eq=False)
class Written:
    """What `write` left: the folder, whether it is a whole dataset, and where the time went."""

    folder: Path
    whole: bool
    standing: Standing


def write(
    recipe: Recipe,
    out: Path | str = "outputs",
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    scheduler: str | None = None,
    shard: tuple[int, int] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> Written:
    """Make a dataset, or those of its shards that are missing.

    Parameters
    ----------
    recipe : Recipe
        Of what it is made.
    out : path
        Folder in which the dataset gets a folder of its own.
    workers : int, optional
        Processes; default as many as there are processors for this one. One is this process.
    executor : Executor, optional
        Who works instead; it must see the same folders.
    scheduler : str, optional
        Address or file of a scheduler of Dask, whose workers do it.
    shard : (i, N), optional
        Make every N-th shard only, from the i-th on, counted from 1; whoever comes last gathers.
    resume : bool
        Keep whole shards of the same recipe and make the others.
    overwrite : bool
        Replace another dataset, or one that is unfinished.
    reporter : Reporter, optional
        Whom to tell how far it has come.

    Raises
    ------
    Occupied
        There is a dataset already, or somebody else writes there.
    StoreError
        The system refuses; shards that were whole stay.
    PartlyDone
        Some shards could not be made in two tries.
    """
    reporter = reporter or Silent()
    job = planned(recipe, Path(out).absolute() / recipe.name)
    numbers = range(len(job.division)) if shard is None else _part(len(job.division), *shard)
    atomic.make_folder(job.folder)
    with locked(job.folder, shard):
        standing = Standing(sum(len(job.division[number].indices) for number in numbers))
        if finished(job, resume=resume or shard is not None, overwrite=overwrite):
            reporter.note("this dataset is finished; nothing was left to do")
            return Written(job.folder, True, standing)
        known = begun(job, resume=resume or shard is not None, overwrite=overwrite)
        make_room(job, numbers, known)
        if shard is None:
            sweep(job)
        with ExitStack() as stack:
            if shard is None:  # others may be at work on other hosts, and their files are not ours
                stack.callback(_tidy, job)
            most = workers or crew.processors()
            hands = crew.gathered(
                stack, job, reporter.note, min(most, len(numbers)), executor, scheduler
            )
            log(job.folder, f"begun with {hands.words}, shards {_shards_in_words(numbers)}")
            failed = _carry_out(job, numbers, hands, known, standing, reporter)
        spent = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in standing.parts.items())
        log(job.folder, f"{standing.made} trajectories made, {standing.kept} kept, "
             f"{standing.size} bytes in {standing.seconds:.2f} s ({spent})")  # fmt: skip
        if failed:
            raise PartlyDone(_partly(job, failed))
        whole = shard is None or all_there(job)
        if whole:
            gather(job, shard is not None)
            log(job.folder, "finished")
        return Written(job.folder, whole, standing)


def _tidy(job: Job) -> None:
    with suppress(StoreError):
        sweep(job)


def _part(count: int, i: int, n: int) -> range:
    if not 1 <= i <= n:
        raise StoreError(f"There is no part {i} of {n}; parts are numbered from 1 to {n}.")
    return range(i - 1, count, n)


def _shards_in_words(numbers: range) -> str:
    return f"{len(numbers)} from {numbers.start} by {numbers.step}"


def _partly(job: Job, failed: Mapping[int, str]) -> str:
    number, reason = next(iter(failed.items()))
    count = "1 shard" if len(failed) == 1 else f"{len(failed)} shards"
    return (
        f"{count} could not be made in {TRIES} tries; {job.division[number].file}: {reason}; all "
        "others are whole, and --resume tries again"
    )


# --- the work -----------------------------------------------------------------------------------


def _carry_out(
    job: Job, numbers: range, hands: crew.Hands, known: bool, standing: Standing,
    reporter: Reporter,
) -> dict[int, str]:  # fmt: skip
    """Have all shards made; return those that could not be, with the reason."""
    work = _Work(numbers, known, hands)

    def take(found: Done | Failed) -> None:
        if isinstance(found, Done):
            standing.take(found)
            work.observe(found)
            reporter.advance(standing)
            return
        work.retry([found.number], found.reason)
        log(job.folder, f"{job.division[found.number].file}: {found.reason}")

    if hands.executor is None:
        while (task := work.next()) is not None:
            for found in made_shards(job, task, work.known):
                take(found)
        return work.failed
    running: dict[Future[Any], Sequence[int]] = {}
    deaths = 0
    try:
        while True:
            # A suspect goes alone, so that it is known who is to blame when a worker dies again.
            room = 1 if work.suspects else 2 * hands.count
            while len(running) < room and (task := work.next()) is not None:
                running[hands.executor.submit(make_shards, job, task, work.known)] = task
            if not running:
                return work.failed
            over, _ = wait(running, return_when=FIRST_COMPLETED)
            broken = False
            for future in over:
                task = running.pop(future)
                try:
                    for found in future.result():
                        take(found)
                except BrokenExecutor:
                    broken = True
                    work.retry(task, "a worker died")
            deaths = deaths + 1 if broken else 0
            if deaths == MOST_DEATHS:
                raise StoreError(
                    "Workers die again and again before they finish a shard, perhaps of too little "
                    "memory; take fewer of them (--workers 1) and go on with --resume."
                )
            if broken:
                for task in running.values():
                    work.retry(task, "a worker died")
                running.clear()
                reporter.note("a worker died; its shards are made again")
                log(job.folder, "a worker died")
                hands.renew()
    finally:
        for future in running:
            future.cancel()


class _Work:
    """The shards that are still to be made, in tasks; those that failed once come again, alone."""

    def __init__(self, numbers: range, known: bool, hands: crew.Hands) -> None:
        self._numbers, self._next, self._hands = numbers, 0, hands
        # Alone there is nobody to share with, and nothing to wait for.
        self._size = 1 if hands.executor is not None else len(numbers)
        self._tries: dict[int, int] = {}
        self.suspects: deque[int] = deque()
        self.failed: dict[int, str] = {}
        self.known = known

    def next(self) -> Sequence[int] | None:
        """Return the shards of the next task, or None when there are no more."""
        if self.suspects:
            return (self.suspects.popleft(),)
        left = len(self._numbers) - self._next
        share = max(1, left // (ROUNDS * self._hands.count)) if self._hands.executor else left
        start, self._next = self._next, self._next + min(self._size, share)
        return self._numbers[start : self._next] or None

    def observe(self, done: Done) -> None:
        """Learn from a shard how many make up a task."""
        spent = sum(done.seconds.values())
        if spent > 0.0 and self._hands.executor is not None:
            self._size = max(1, min(MOST_SHARDS, round(TASK_SECONDS / spent)))

    def retry(self, numbers: Sequence[int], reason: str) -> None:
        """Have shards made again, or give those up that were tried often enough."""
        # Some shards of a task may lie on the disk already.
        self.known = True
        for number in numbers:
            self._tries[number] = self._tries.get(number, 0) + 1
            if self._tries[number] < TRIES:
                self.suspects.append(number)
            else:
                self.failed[number] = reason
