"""Datasets whose workers, or whose command, die or are stopped at any moment.

Moments are drawn with fixed seeds but are the machine's: these tests hold for every moment, so a
failure is never a false alarm.
"""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dataset_samples import (
    LONG,
    assert_nothing_incomplete,
    contents,
    made,
    scenario,
    shards,
    temporaries,
)
from shell import start

from diffusim.dataset import crew
from diffusim.dataset.engine import write
from diffusim.dataset.recipe import Recipe

Figure = Callable[..., None]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return contents(made(tmp_path_factory.mktemp("long"), LONG))


def kill_workers(folder: Path, wanted: dict[str, str], kills: int, seed: int) -> int:
    """Kill one worker at a random moment of each of some runs; return how many died at work."""
    chance, deaths = random.Random(seed), 0
    original = crew._pool
    for number in range(kills):
        pools: list[Any] = []
        place = folder / str(number)
        place.mkdir()

        def pool(count: int, pools: list[Any] = pools) -> Any:
            pools.append(original(count))
            return pools[-1]

        def killer(pools: list[Any] = pools, place: Path = place) -> None:
            while not shards(place / "salt"):
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.5))
            victims = list((pools[0]._processes or {}).values())
            if victims:
                chance.choice(victims).kill()

        thread = threading.Thread(target=killer)
        thread.start()
        crew._pool = pool
        try:
            assert contents(made(place, LONG, workers=2)) == wanted
        finally:
            crew._pool = original
            thread.join()
        deaths += len(pools) > 1
        assert temporaries(place) == []
    return deaths


def kill_parents(folder: Path, wanted: dict[str, str], kills: int, seed: int) -> int:
    """Kill some commands at random moments, look, and resume; return how many were at work."""
    chance, halfway = random.Random(seed), 0
    source = scenario(folder, LONG)
    for number in range(kills):
        out = folder / str(number)
        words = ("dataset", source, "--out", out, "--workers", "2", "-q")
        with start(*words, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 60
            while not shards(out / "salt") and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 1.0))
            children = descendants(process.pid)
            process.kill()
        assert_gone(children)
        assert_nothing_incomplete(out / "salt", wanted)
        halfway += not (out / "salt" / "manifest.json").exists()
        recipe = Recipe.read(source)
        assert contents(write(recipe, out, resume=True, workers=1).folder) == wanted
        assert temporaries(out) == []
        assert not list(out.rglob("*.lock"))
    return halfway


def descendants(pid: int) -> set[int]:
    table = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True)
    pairs = [tuple(map(int, line.split())) for line in table.stdout.splitlines()]
    found, more = {pid}, True
    while more:
        new = {child for child, parent in pairs if parent in found} - found
        more, found = bool(new), found | new
    return found - {pid}


def assert_gone(pids: set[int]) -> None:
    """Nothing that a command started outlives it for long."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        states = subprocess.run(
            ["ps", "-o", "stat=", "-p", ",".join(map(str, pids or {0}))],
            capture_output=True, text=True,
        ).stdout.split()  # fmt: skip
        if all(state.startswith("Z") for state in states):
            return
        time.sleep(0.05)
    raise AssertionError(f"{len(pids)} processes live on")


def test_a_worker_killed_at_any_moment_costs_nothing_but_time(
    long: dict[str, str], tmp_path: Path
) -> None:
    kill_workers(tmp_path, long, 2, seed=1)


def test_a_command_killed_at_any_moment_goes_on_to_the_same_bytes(
    long: dict[str, str], tmp_path: Path
) -> None:
    kill_parents(tmp_path, long, 2, seed=2)


@pytest.mark.proof
def test_20_workers_killed_at_random_moments(
    long: dict[str, str], tmp_path: Path, figure: Figure
) -> None:
    deaths = kill_workers(tmp_path, long, 20, seed=3)
    figure("kills of a worker of a dataset, of which at work", f"20, {deaths}", limit=">= 5")
    assert deaths >= 5


@pytest.mark.proof
def test_20_commands_killed_at_random_moments(
    long: dict[str, str], tmp_path: Path, figure: Figure
) -> None:
    halfway = kill_parents(tmp_path, long, 20, seed=4)
    figure("kills of a dataset's command, of which at work", f"20, {halfway}", limit=">= 5")
    assert halfway >= 5


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_soon_and_leaves_what_was_whole(
    sent: signal.Signals, long: dict[str, str], tmp_path: Path
) -> None:
    source = scenario(tmp_path, LONG)
    with start("dataset", source, "--out", tmp_path, "--workers", "2") as process:
        deadline = time.monotonic() + 60
        while not shards(tmp_path / "salt") and time.monotonic() < deadline:
            time.sleep(0.01)
        children = descendants(process.pid)
        process.send_signal(sent)
        began = time.monotonic()
        _, err = process.communicate(timeout=30)
        seconds = time.monotonic() - began
    assert process.returncode == 128 + sent
    assert "Traceback" not in err
    assert f"stopped by {sent.name}; shards up to now are kept" in err
    assert seconds < 2.0
    assert_gone(children)
    assert_nothing_incomplete(tmp_path / "salt", long)
    assert temporaries(tmp_path) == []
    assert not (tmp_path / "salt" / "dataset.lock").exists()
