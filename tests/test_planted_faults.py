"""Faults planted in one method's run, on halves at an angle behind a wall that opens half-way.

Each fault is carried through the whole machinery and stored in a file of its own; the comparison of
that file with a sound one has to find it, and to find nothing where nothing is wrong. Seeds are
fixed; of fresh ones a sound run of particles would be rejected once in a million.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import ROOT, Done, diffusim

from diffusim.block import Array
from diffusim.methods.walkers import Walkers

SOURCE = ROOT / "scenarios" / "tilted_halves.yaml"
SMALL = ("grid.shape=[32,24]", "times.frames=7", "methods.3.particles=4e5", "expect={}")
# Without the wall particles jump exactly, by the law of their counts.
EVEN = (*SMALL, "propagator.walls=[]", "methods.3.particles=1e6")
WRONG_TIME = "propagator.walls.1.opens=3 h"

FAULTS: Mapping[str, tuple[str, ...]] = {
    "twice the diffusivity": ("propagator.diffusivity={x: 3.4e-9, y: 2.2e-9}",),
    "a per cent more diffusivity": ("propagator.diffusivity={x: 1.717e-9, y: 1.111e-9}",),
    "axes swapped in the medium": ("propagator.diffusivity={x: 1.1e-9, y: 1.7e-9}",),
    # Along x cells would be half as long, along y twice: so many more and fewer are passed.
    "lengths of the axes swapped": ("propagator.diffusivity={x: 6.8e-9, y: 2.75e-10}",),
    "values held at the sides": ("grid.edges={x: {value: 20}}",),
    "transposed": ("initial.angle=60",),
    "mirrored": ("initial.angle=150",),
    "a cell too far": ("initial.through=[51 mm, 24 mm]",),
    "a wall that opens too early": (WRONG_TIME,),
    "a wall that never opens": ("propagator.walls.1.opens=90 day",),
    "a gap that is a cell too wide": (
        "propagator.walls.0.span=[0 mm, 14 mm]",
        "propagator.walls.1.span=[14 mm, 36 mm]",
    ),
}
# Some hundred thousand particles cannot tell these, which takes millions.
SUBTLE = ("a per cent more diffusivity", "a gap that is a cell too wide")


def run(folder: Path, name: str, sets: tuple[str, ...], only: str) -> Path:
    words = [word for each in sets for word in ("--set", each)]
    out = folder / name
    done = diffusim("run", SOURCE, "--out", out, "--only", only, "--no-figures", "-q", *words)
    assert done.code == 0, done
    return out / "tilted_halves" / "run.hdf5"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Sound results of each method, with the references of its limit."""
    folder = tmp_path_factory.mktemp("sound")
    found = {only: run(folder, only, SMALL, only) for only in ("ftcs", "adi", "walkers")}
    return {**found, "even walkers": run(folder, "even", EVEN, "walkers")}


def compared(sound: Path, other: Path, *words: object) -> Done:
    return diffusim("compare", sound, other, *words)


def row_of(done: Done, label: str) -> dict[str, str]:
    """The row of a run of the second file, whose folder names it where the first one has it too."""
    return done.rows.get(f"tilted_halves/{label}") or done.rows[label]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("label", ["ftcs", "adi"])
def test_a_fault_in_a_deterministic_method_is_unexplained(
    fault: str, label: str, sound: dict[str, Path], tmp_path: Path
) -> None:
    done = compared(sound[label], run(tmp_path, "wrong", (*SMALL, *FAULTS[fault]), label))
    assert done.rows[label]["verdict"] == "as predicted"
    assert done.rows["chebyshev"]["verdict"] == "reference"
    assert row_of(done, label)["verdict"] == "unexplained"
    assert done.code == 3


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in SUBTLE])
def test_a_fault_in_particles_is_unexplained(
    fault: str, sound: dict[str, Path], tmp_path: Path
) -> None:
    # A wall that never opens is a whole one, by which particles would jump exactly.
    sets = (*SMALL, *FAULTS[fault], "methods.3.limit=lattice")
    done = compared(sound["walkers"], run(tmp_path, "wrong", sets, "walkers"))
    assert done.rows["walkers"]["verdict"] == "as predicted"
    assert row_of(done, "walkers")["verdict"] == "unexplained"
    assert done.code == 3


def test_where_nothing_is_wrong_nothing_is_found(sound: dict[str, Path], tmp_path: Path) -> None:
    """Other seeds, steps and particles are no fault."""
    again = run(tmp_path, "again", (*SMALL, "seed=6", "methods.3.particles=3e5"), "walkers")
    assert compared(sound["walkers"], again).code == 0
    finer = run(tmp_path, "finer", (*SMALL, "methods.0.dt=20 s"), "ftcs")
    done = compared(sound["ftcs"], finer)
    assert done.code == 0, done
    assert {row["verdict"] for row in done.rows.values()} == {"reference", "as predicted"}


def jumping(at_sides: Callable[[Array, int], Array]) -> Callable[..., Array]:
    """A jump of particles in plain NumPy, which does at the sides what it is told to."""

    def jump(self: Walkers, place: Array, shape: tuple[int, ...], segment: Any) -> Array:
        random = np.random.default_rng([*segment.key])
        found = np.zeros(shape, dtype=np.int64)
        d = segment.propagator.diffusivity
        for axis, (n, h) in enumerate(zip(shape, segment.grid.spacing, strict=True)):
            sigma = np.sqrt(2.0 * (d.x, d.y)[axis] * segment.duration) / h
            place[axis] = at_sides(place[axis] + sigma * random.standard_normal(place.shape[1]), n)
        cells = [np.minimum(x.astype(int), n - 1) for x, n in zip(place, shape, strict=True)]
        np.add.at(found, tuple(cells), 1)
        return found

    return jump


def mirrored(x: Array, n: int) -> Array:
    x = np.abs(x)
    return np.where(x > n, 2 * n - x, x)


clamped = jumping(lambda x, n: np.clip(x, 0, n))
folded = jumping(mirrored)


@pytest.mark.parametrize(("jump", "verdict"), [(clamped, "unexplained"), (folded, "as predicted")])
def test_particles_that_are_clamped_at_the_sides_are_unexplained(
    jump: Callable[..., Array],
    verdict: str,
    sound: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Walkers, "_jump", jump)
        words = [word for each in EVEN for word in ("--set", each)]
        diffusim("run", SOURCE, "--out", tmp_path, "--only", "walkers", *words, "--no-figures")
    done = compared(sound["even walkers"], tmp_path / "tilted_halves" / "run.hdf5")
    assert done.rows["walkers"]["verdict"] == "as predicted"
    assert row_of(done, "walkers")["verdict"] == verdict
    assert done.code == (3 if verdict == "unexplained" else 0)


def test_a_likely_explanation_is_named(tmp_path: Path) -> None:
    early = (*SMALL, "propagator.walls=[]")
    truth = run(tmp_path, "truth", early, "ftcs")
    for fault, words in (
        ("twice the diffusivity", "as though the diffusivity were 2 times as large"),
        ("a per cent more diffusivity", "as though the diffusivity were 1.01 times as large"),
        ("mirrored", "mirrored along x"),
    ):
        wrong = run(tmp_path, fault, (*early, *FAULTS[fault]), "ftcs")
        reason = row_of(compared(truth, wrong), "ftcs")["reason"]
        assert words in reason, (fault, reason)


def test_what_differs_between_the_scenarios_is_told(sound: dict[str, Path], tmp_path: Path) -> None:
    wrong = run(tmp_path, "wrong", (*SMALL, *FAULTS["twice the diffusivity"], WRONG_TIME), "ftcs")
    done = compared(sound["ftcs"], wrong)
    assert "diffusivity.x 1.7e-09 and 3.4e-09 m^2/s" in done.err
    assert "walls.1.opens 21600 and 10800 s" in done.err
    reason = row_of(done, "ftcs")["reason"]
    assert "this one first: diffusivity.x 3.4e-09 and 1.7e-09 m^2/s" in reason
