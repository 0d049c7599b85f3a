"""What ``diffusim check`` says, and how true it is: cost, memory, limits, who else could."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shell import COMMAND, SCENARIOS, diffusim, refused, results_in, written

from diffusim import Diffusion, Grid
from diffusim.experiment import prepare
from diffusim.resources import memory_needed

MIB = 2**20
SALT, HALF, IMAGE = (
    next(path for path in SCENARIOS if path.stem == stem)
    for stem in ("salt_aquarium", "half_open_wall", "image_aquarium")
)
AQUARIUMS = [SALT, HALF, IMAGE]
FINE = ["grid.shape=[1024,1024]", "times={stop: 1 day, frames: 5}", "expect={}"]


def options(sets: list[str]) -> list[str]:
    return [word for each in sets for word in ("--set", each)]


def test_check_tells_values_in_si_limits_cost_and_who_else_could(tmp_path: Path) -> None:
    done = diffusim("check", written(tmp_path))
    assert (done.code, done.err) == (0, "")
    for line in (
        "  propagator.walls.0.opens: 600.0",
        "  propagator.diffusivity: 1.5e-09",
        "  grid.size: [0.012, 0.01]",
        "  times.stop: 3600.0",
        "the medium changes at 10 min",
        "  ftcs: limit lattice, ",
        "  modes (reference): limit lattice, ",
        "  modes-cell-to-cell (reference): limit cell-to-cell, ",
        "  walkers: limit cell-to-cell, ",
        "  chebyshev: yes, limit lattice, ",
    ):
        assert f"\n{line}" in done.out
    # 1 / (2 D / dx^2 + 2 D / dy^2), and eight tenths of it at most.
    assert re.search(r"ftcs: .* the longest 2\.\d+ min, limit 2\.778 min, about", done.out)
    assert results_in(tmp_path) == []


def test_check_says_why_the_others_could_not(tmp_path: Path) -> None:
    sets = ["propagator.walls=[{axis: x, at: 6 mm, span: [0, 2 mm]}]", "initial.values=[-1, 1]"]
    sets += ["methods=[ftcs]", "reference=null"]
    done = diffusim("check", written(tmp_path), *options(sets))
    assert done.code == 0
    assert re.search(r"\n  modes: no, .*both axes", done.out)
    assert re.search(r"\n  walkers: no, .*below zero", done.out)


def test_check_refuses_what_run_refuses(tmp_path: Path) -> None:
    source = written(tmp_path)
    for sets in (["methods.0.dt=1 h"], ["propagator.walls.0.at=0.0063"], ["seed=-1"]):
        words = diffusim("check", source, *options(sets))
        refused(words)
        run = diffusim("run", source, "--out", tmp_path / "out", *options(sets))
        assert (run.code, run.err) == (words.code, words.err)


# --- time ---------------------------------------------------------------------------------------


def pace() -> float:
    """How much longer this machine takes now than the one that costs were measured on."""
    generator = Diffusion(diffusivity=1e-9).generator(Grid(shape=(256, 256), size=(1.0, 1.0)), 0.0)
    sweep = generator.sweep(0.2 / generator.fastest)
    u, work, used = np.ones((256, 256)), np.empty((256, 256)), []
    for _ in range(7):
        began = time.process_time()
        sweep.step(u, work, 200)
        used.append(time.process_time() - began)
    return sorted(used)[3] / (200 * 256**2 * generator.cost)


def costs(source: Path, sets: list[str], least: float) -> list[tuple[str, float, float]]:
    """Expected and used processor seconds of every method that takes so many of them."""
    ready, slower = prepare(source, sets), pace()
    found = []
    for course in ready.courses:
        course.warm(ready.initial)
        began = time.process_time()
        for _frame in course.frames(ready.initial):
            pass
        used = time.process_time() - began
        if max(used / slower, course.seconds) > least:
            found.append((course.name, course.seconds, used / slower))
    return found


# Enough particles to take half a second.
FEWER = {
    HALF: ["times.frames=13", "methods.1.particles=3e4"],
    IMAGE: ["methods.1.particles=3e5"],
}


@pytest.mark.parametrize("source", AQUARIUMS, ids=lambda path: path.stem)
def test_the_time_told_is_within_a_factor_three_of_the_time_used(source: Path) -> None:
    sets = FEWER.get(source, [])
    found = costs(source, sets, 0.1)
    assert found
    assert [each for each in found if not 1 / 3 < each[1] / each[2] < 3] == []


@pytest.mark.proof
def test_the_time_told_is_within_a_factor_three_on_a_fine_grid(
    figure: Callable[..., None],
) -> None:
    found = costs(SALT, [*FINE, "methods=[ftcs, chebyshev, modes, walkers]"], 0.5)
    assert {"ftcs", "chebyshev"} <= {name for name, *_ in found}
    for name, told, used in found:
        figure(f"time told over time used, {name} on 1024^2", told / used, limit="1/3 to 3")
        assert 1 / 3 < told / used < 3


# --- memory -------------------------------------------------------------------------------------


# A child's peak is at least its parent's at its birth, so a small process stands between.
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def peak(source: Path, out: Path, sets: list[str]) -> float:
    """Peak resident bytes of a run, figures included, and of its children."""
    words = [COMMAND, "run", source, "--out", out, "-q", *options(sets)]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)


def close(told: float, used: float) -> bool:
    return abs(told - used) <= max(0.2 * used, 50 * MIB)


def test_the_memory_told_is_that_of_the_plans_and_is_printed(tmp_path: Path) -> None:
    source = written(tmp_path)
    told = memory_needed(prepare(source).courses) / MIB
    found = re.search(r"memory at most ([\d.]+) MiB, ", diffusim("check", source).out)
    assert float(found[1]) == pytest.approx(told, rel=0, abs=0.05)


def test_the_memory_told_grows_with_cells_frames_and_particles(tmp_path: Path) -> None:
    source = written(tmp_path)

    def told(*sets: str) -> float:
        return memory_needed(prepare(source, ["propagator.walls=[]", *sets]).courses)

    for sets, least in (
        (["grid.shape=[2048, 2048]"], 200 * MIB),
        (["methods.2.particles=1e7"], 500 * MIB),
        # What a small run takes to draw its figures is more than what this one computes with.
        (["grid.shape=[512, 512]", "times.frames=100"], 60 * MIB),
    ):
        assert told(*sets) > told() + least


MEMORY: dict[str, tuple[Path, list[str]]] = {
    "salt aquarium": (SALT, []),
    "half open wall": (HALF, []),
    "image aquarium": (IMAGE, []),
    "ftcs on 1024^2": (SALT, [*FINE, "methods=[ftcs]", "reference=ftcs"]),
    "chebyshev on 1024^2": (SALT, [*FINE, "methods=[chebyshev]", "reference=chebyshev"]),
    "modes on 1024^2": (SALT, [*FINE, "methods=[modes]"]),
    "four methods on 1024^2": (SALT, [*FINE, "methods=[ftcs, chebyshev, modes, walkers]"]),
    "1e7 walkers": (
        SALT,
        ["times.frames=5", "methods=[{kind: walkers, particles: 1e7}]", "expect={}"],
    ),
}


def test_the_memory_told_is_that_of_a_run(tmp_path: Path) -> None:
    source = written(tmp_path)
    told = memory_needed(prepare(source).courses)
    used = peak(source, tmp_path, [])
    assert close(told, used), (told / MIB, used / MIB)


@pytest.mark.proof
@pytest.mark.parametrize("case", MEMORY)
def test_the_memory_told_is_within_a_fifth_or_fifty_megabytes_of_the_memory_used(
    case: str, tmp_path: Path, figure: Callable[..., None]
) -> None:
    source, sets = MEMORY[case]
    told, used = memory_needed(prepare(source, sets).courses), peak(source, tmp_path, sets)
    figure(f"memory told over memory used, {case}", told / used, limit="within 20 % or 50 MiB")
    assert close(told, used), (told / MIB, used / MIB)


def test_the_size_told_of_the_result_is_the_size_of_the_result(tmp_path: Path) -> None:
    sets = ["grid.shape=[96, 80]", "times.frames=40"]
    source = written(tmp_path)
    found = re.search(r"result about ([\d.]+) MiB", diffusim("check", source, *options(sets)).out)
    done = diffusim("run", source, "--out", tmp_path / "out", "--no-figures", *options(sets))
    assert done.code == 0
    size = (tmp_path / "out" / "tiny" / "run.hdf5").stat().st_size / MIB
    assert float(found[1]) == pytest.approx(size, rel=0.1, abs=0)
    assert json.loads((tmp_path / "out/tiny/metrics.json").read_text(encoding="utf-8"))["rows"]
