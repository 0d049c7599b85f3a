"""Runs that are killed, stopped by signals or out of disk, and what can be made of them."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shell import (
    COMMAND,
    LONG,
    QUIET,
    assert_same_arrays,
    diffusim,
    refused,
    results_in,
    start,
    written,
)

from diffusim.interrupts import Interrupted, Signals

PUBLISHED = ["long/metrics.json", "long/run.hdf5"]


class Whole:
    """The scenario, its uninterrupted result, and how long that took in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.source = written(folder, LONG, "long.yaml")
        self.path = folder / "whole" / "long" / "run.hdf5"
        began = time.perf_counter()
        with start(*self.words(folder / "whole")) as process:
            assert process.wait() == 0
        self.seconds = time.perf_counter() - began

    def words(self, out: Path) -> tuple[object, ...]:
        return ("run", self.source, "--out", out, *QUIET)

    def resumed(self, out: Path) -> None:
        """Go on with what is there; the result must be the uninterrupted one to the last bit."""
        done = diffusim(*self.words(out), "--resume")
        assert done.code == 0, done
        assert "Traceback" not in done.err
        assert results_in(out) == PUBLISHED
        assert_same_arrays(out / "long" / "run.hdf5", self.path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole(tmp_path_factory.mktemp("whole"))


# --- kill -9 ------------------------------------------------------------------------------------


def kills(whole: Whole, folder: Path, count: int, seed: int) -> int:
    """Kill runs at random moments, resume and compare each; return how many left frames."""
    chance = random.Random(seed)
    halfway = 0
    for number in range(count):
        out = folder / str(number)
        with start(*whole.words(out)) as process:
            # Until then there is but the start of the interpreter.
            time.sleep(chance.uniform(0.4, 1.0) * whole.seconds)
            process.kill()
        if (out / "long" / "run.hdf5").exists():
            assert process.returncode in (0, -signal.SIGKILL)
        halfway += any(out.rglob("0*.hdf5"))
        whole.resumed(out)
    return halfway


def test_a_run_killed_at_any_moment_goes_on_to_the_same_bits(whole: Whole, tmp_path: Path) -> None:
    kills(whole, tmp_path, 2, seed=1)


@pytest.mark.proof
def test_twenty_five_runs_killed_at_random_moments_go_on_to_the_same_bits(
    whole: Whole, tmp_path: Path, figure: Callable[..., None]
) -> None:
    halfway = kills(whole, tmp_path, 25, seed=2)
    figure("runs killed and resumed to the same bits", 25, limit="of 25")
    figure("of these, killed with frames on the disk", halfway, limit=">= 5")
    assert halfway >= 5


@pytest.mark.proof
def test_a_run_killed_again_and_again_arrives_at_the_same_bits(
    whole: Whole, tmp_path: Path
) -> None:
    seen = set()
    for place in ("segments/modes/0*.hdf5", "segments/ftcs/0*.hdf5", "segments/walkers"):
        with start(*whole.words(tmp_path), "--resume") as process:
            wait_for(process, tmp_path, place)
            process.kill()
        seen |= {path.parent.name for path in tmp_path.rglob("0*.hdf5")}
    assert {"modes", "ftcs"} <= seen
    whole.resumed(tmp_path)


@pytest.fixture(scope="module")
def halted(whole: Whole, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves that is killed amid ftcs, with frames on the disk; to be copied."""
    out = tmp_path_factory.mktemp("halted")
    with start(*whole.words(out)) as process:
        wait_for(process, out, "segments/ftcs/0*.hdf5")
        process.kill()
    return out


def test_a_run_killed_between_its_publishing_and_its_clearing_up_is_cleared_up(
    whole: Whole, halted: Path, tmp_path: Path
) -> None:
    out, left = tmp_path / "out", tmp_path / "left"
    shutil.copytree(halted, out)
    shutil.copytree(out / "long" / "segments", left)
    whole.resumed(out)
    left.rename(out / "long" / "segments")
    whole.resumed(out)


def test_leftovers_are_not_resumed_by_another_version_and_dropped_without_resume(
    whole: Whole, halted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(halted, out)
    edited = (*whole.words(out), "--resume", "--set", "seed=8")
    refused(diffusim(*edited), "another version of this scenario", "--resume")
    done = diffusim(*whole.words(out))
    assert done.code == 0
    assert "were dropped; --resume would have gone on" in done.err
    assert_same_arrays(out / "long" / "run.hdf5", whole.path)


# --- SIGINT and SIGTERM -------------------------------------------------------------------------

# What is in the results' folder when a phase has begun.
PHASES = {
    "loading": "run.lock",
    "ftcs": "segments/ftcs",
    "walkers": "segments/walkers",
    "writing": ".run.hdf5.tmp-*",
}


def wait_for(process: subprocess.Popen[str], out: Path, place: str) -> None:
    deadline = time.monotonic() + 60
    while not any(out.glob(f"long/{place}")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def stopped(
    whole: Whole, out: Path, phase: str, number: signal.Signals, after: float = 0.0, times: int = 1
) -> float:
    """Stop a run by a signal in one of its phases; return the seconds it took to end."""
    with start(*whole.words(out)) as process:
        wait_for(process, out, PHASES[phase])
        time.sleep(after)
        began = time.perf_counter()
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.03 if times > 1 else 0.0)
        words, complaints = process.communicate(timeout=60)
    seconds = time.perf_counter() - began
    if phase == "writing" and process.returncode == 0:
        return seconds  # it had just ended
    assert process.returncode == 128 + number, complaints
    name = signal.Signals(number).name
    assert complaints == f"stopped by {name}; frames up to now are kept, --resume goes on\n"
    assert words == ""
    assert results_in(out) == [path for path in results_in(out) if "/segments/" in path]
    assert seconds < 2.0
    return seconds


@pytest.mark.parametrize(
    ("phase", "number"),
    [
        ("loading", signal.SIGINT),
        ("ftcs", signal.SIGTERM),
        ("writing", signal.SIGTERM),
    ],
)
def test_a_signal_ends_a_run_at_once_and_the_run_goes_on_to_the_same_bits(
    phase: str, number: signal.Signals, whole: Whole, tmp_path: Path
) -> None:
    stopped(whole, tmp_path, phase, number)
    whole.resumed(tmp_path)


def test_signals_that_follow_the_first_do_not_disturb_the_saving(
    whole: Whole, tmp_path: Path
) -> None:
    stopped(whole, tmp_path, "walkers", signal.SIGINT, after=0.1, times=4)
    assert any(tmp_path.rglob("segments/ftcs/0*.hdf5"))
    whole.resumed(tmp_path)


def stopped_compiling(whole: Whole, out: Path, after: float) -> float:
    """Stop a run that must compile its loops anew; return the seconds it took to end."""
    env = {**os.environ, "DIFFUSIM_CACHE": str(out / "cache")}
    with start(*whole.words(out), env=env) as process:
        wait_for(process, out, "run.lock")
        time.sleep(after)
        began = time.perf_counter()
        process.terminate()
        _, complaints = process.communicate(timeout=60)
    seconds = time.perf_counter() - began
    assert process.returncode == 128 + signal.SIGTERM, complaints
    assert complaints == "stopped by SIGTERM; frames up to now are kept, --resume goes on\n"
    return seconds


def test_a_signal_ends_the_compilation_of_the_loops(whole: Whole, tmp_path: Path) -> None:
    assert stopped_compiling(whole, tmp_path, 0.5) < 2.0
    whole.resumed(tmp_path)


@pytest.mark.proof
def test_fifteen_signals_amid_compilation_end_it_within_two_seconds_and_without_a_crash(
    whole: Whole, tmp_path: Path, figure: Callable[..., None]
) -> None:
    """One in seventy crashed in LLVM when the interpreter ended in order afterwards."""
    chance = random.Random(4)
    longest = 0.0
    for number in range(15):
        out = tmp_path / str(number)
        longest = max(longest, stopped_compiling(whole, out, chance.uniform(0.2, 0.9)))
    figure("signals amid compilation: longest time to the end", longest, "s", "< 2")
    assert longest < 2.0


@pytest.mark.proof
def test_twenty_signals_at_random_moments_end_runs_within_two_seconds(
    whole: Whole, tmp_path: Path, figure: Callable[..., None]
) -> None:
    chance = random.Random(3)
    longest = 0.0
    for number in range(20):
        out = tmp_path / str(number)
        which = chance.choice([signal.SIGINT, signal.SIGTERM])
        phase = chance.choice(["loading", "ftcs", "walkers"])
        longest = max(longest, stopped(whole, out, phase, which, chance.uniform(0.0, 0.15)))
        if number % 4 == 0:
            whole.resumed(out)
    figure("signals: longest time to the end of a run", longest, "s", "< 2")


@pytest.fixture
def handlers() -> Iterator[None]:
    """Give signals back the handlers they had."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


def interrupted(work: Callable[[], None]) -> int:
    """The number of the signal that ends some work."""
    try:
        with Signals():
            work()
    except Interrupted as signalled:
        return signalled.number
    return 0


class Dying:
    """Something that gets a signal just while the garbage collector calls it."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.usefixtures("handlers")
def test_a_signal_amid_a_callback_of_the_garbage_collector_is_not_lost(
    capfd: pytest.CaptureFixture[str],
) -> None:
    thing: list[Dying] = [Dying()]

    def lose_it() -> None:
        thing.clear()
        time.sleep(10)
        thing.append(Dying())

    began = time.perf_counter()
    assert interrupted(lose_it) == signal.SIGTERM
    assert thing == []
    assert time.perf_counter() - began < 2.0
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("handlers")
def test_a_signal_that_a_bare_except_swallows_is_not_lost() -> None:
    reached: list[str] = []

    def swallow_it() -> None:
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGINT)
        reached.append("swallowed")
        time.sleep(10)
        reached.append("over")

    assert interrupted(swallow_it) == signal.SIGINT
    assert reached == ["swallowed"]


@pytest.mark.usefixtures("handlers")
def test_a_second_signal_does_not_disturb_what_the_first_one_set_off() -> None:
    reached: list[str] = []

    def save_on_the_way() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            time.sleep(0.3)  # longer than it takes to raise a lost one again
            reached.append("saved")

    assert interrupted(save_on_the_way) == signal.SIGINT
    assert reached == ["saved"]


def test_handlers_are_as_before_where_no_signal_came() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


# --- a full disk --------------------------------------------------------------------------------


def test_a_file_that_cannot_grow_is_a_sentence_and_the_run_goes_on_elsewhere(
    whole: Whole, tmp_path: Path
) -> None:
    """Like a full disk, for whoever may not mount one: no file above two megabytes."""
    limited = ["sh", "-c", 'ulimit -f 4000; exec "$@"', "sh", COMMAND]
    done = subprocess.run(
        [*limited, *map(str, whole.words(tmp_path))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "ulimit -f" in done.stderr
    assert all("/segments/" in path and ".tmp" not in path for path in results_in(tmp_path))
    whole.resumed(tmp_path)
