"""The command line: sentences instead of tracebacks, exit codes, and folders of results."""

from __future__ import annotations

import math
import os
import pickle
import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from shell import (
    LONG,
    QUIET,
    TINY,
    diffusim,
    python,
    refused,
    results_in,
    start,
    written,
)

# --- scenarios that cannot be used --------------------------------------------------------------

FIVE = """\
grid: {shape: [32, 32], size: [0.032 m, 3 s]}
propagator: {kind: diffusion, diffusivity: 1.5e-9 m^2/s, wals: []}
initial: {kind: halvs, axis: x, values: [35.0, 0.0]}
times: {stop: 60 day, frames: 61, spacing: cubic}
methods: [ftcs, modess]
"""


def test_five_slips_are_told_at_once_each_with_its_place_its_key_and_the_nearest_word(
    tmp_path: Path,
) -> None:
    source = written(tmp_path, FIVE)
    done = diffusim("run", source, "--out", tmp_path / "out")
    refused(done)
    assert not (tmp_path / "out").exists()
    lines = [line.removeprefix(f"{source}:") for line in done.err.splitlines()]
    assert [re.match(r"(\d+:\d+): ([\w.]+): ", line).groups() for line in lines] == [
        ("1:41", "grid.size.1"),
        ("2:58", "propagator.wals"),
        ("3:17", "initial.kind"),
        ("4:44", "times.spacing"),
        ("5:17", "methods.1"),
    ]
    assert "did you mean 'walls'?" in lines[1]
    assert "did you mean 'halves'?" in lines[2]
    assert "'quadratic'" in lines[3]
    assert "did you mean 'modes'?" in lines[4]


REFUSED: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "one label twice": (["methods=[ftcs, ftcs]"], ["methods.1", "'label'"]),
    "labels alike": (["methods=[ftcs, {kind: modes, label: FTCS}]"], ["methods.1", "'label'"]),
    "label of an axis": (["methods=[{kind: ftcs, label: x_faces}]"], ["methods.0", "another"]),
    "label of a device": (["methods=[{kind: ftcs, label: NUL}]"], ["methods.0", "device"]),
    "label of a path": (["methods=[{kind: ftcs, label: ../a}]"], ["methods.0.label"]),
    "wall off a face": (["propagator.walls.0.at=0.0063"], ["0.006 m and 0.007 m"]),
    "wall outside": (["propagator.walls.0.at=1 m"], ["outside the grid", "0.012 m"]),
    "step too long": (["methods.0.dt=1 h"], ["methods.0.dt", "limit", "3600 s"]),
    "no cells": (["grid.shape=[0, 3]"], ["grid.shape.0", "greater than or equal to 1"]),
    "half a cell": (["grid.shape=[1.5, 3]"], ["grid.shape.0", "whole number"]),
    "three axes": (["grid.shape=[3, 3, 3]"], ["grid.shape"]),
    "axes that differ": (["grid.shape=[3]"], ["shape has 1 axes but size has 2"]),
    "far too many cells": (["grid.shape=[1e9, 1]"], ["grid.shape.0", "16384"]),
    "no equals sign": (["grid"], ["key.path=value"]),
    "no key": (["=3"], ["key.path=value"]),
    "empty step": (["a..b=3"], ["key.path=value"]),
    "unknown key": (["a.b=3"], ["unknown key 'a'", "known here"]),
    "no such entry": (["methods.9.dt=3"], ["3 entries from 0 on"]),
    "broken YAML": (["grid.shape=[32"], ["bracket"]),
    "NaN in times": (["times={at: [0, .nan]}"], ["no finite number"]),
    "NaN as text": (["times={at: [0, nan]}"], ["times.at.1"]),
    "times that do not grow": (["times={at: [3, 3]}"], ["must grow"]),
    "no times": (["times={at: []}"], ["times"]),
    "time zero alone": (["times={at: [0]}"], ["later than zero"]),
    "negative time": (["times={at: [-1, 2]}"], ["times.at.0"]),
    "two ways of times": (["times={at: 3, stop: 2}"], ["not both"]),
    "one frame from zero": (["times.frames=1"], ["times.frames"]),
    "expect nobody": (["expect={nope: {l2: 1}}"], ["expect.nope", "no method 'nope'"]),
    "expect nothing known": (["expect={ftcs: {l3: 1}}"], ["expect.ftcs.l3", "worst_l2"]),
    "reference nobody": (["reference=nope"], ["'nope'", "ftcs", "chebyshev"]),
    "reference is a list": (["reference=[1]"], ["reference"]),
    "below zero with walkers": (["initial.values=[-35, 0]"], ["methods.2", "-35", "chebyshev"]),
    "empty with walkers": (["initial.values=[0, 0]"], ["methods.2", "zero everywhere"]),
    "too large to square": (["initial.values=[1e300, 0]"], ["initial", "1e+300"]),
    "too small to square": (["initial.values=[1e-300, 0]"], ["initial", "1e-300"]),
    "formula that calls": (["initial={kind: formula, expression: '__import__(1)'}"],
                           ["initial.expression", "__import__"]),
    "formula that reaches": (["initial={kind: formula, expression: 'x.__class__'}"],
                             ["initial.expression"]),
    "formula without end": (["initial={kind: formula, expression: '9**9**9**9'}"],
                            ["initial.expression", "finite"]),
    "formula with a pole": (["initial={kind: formula, expression: '1/(x-x)'}"],
                            ["initial.expression", "finite"]),
    "no methods": (["methods=[]"], ["methods"]),
    "modes of what has none": (["propagator.walls=[{axis: x, at: 0.006, span: [0, 0.002]}]"],
                               ["methods.1", "both axes"]),
    "field named like an axis": (["field.name=x"], ["field", "another name"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_words_before_anything_is_computed(
    case: str, tmp_path: Path
) -> None:
    sets, words = REFUSED[case]
    out = tmp_path / "out"
    options = [word for each in sets for word in ("--set", each)]
    refused(diffusim("run", written(tmp_path), "--out", out, *options), *words)
    assert not out.exists()


def test_a_scenario_that_is_no_scenario_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)))
    (tmp_path / "list.yaml").write_text("- 1\n", encoding="utf-8")
    (tmp_path / "empty.yaml").write_text("", encoding="utf-8")
    (tmp_path / "bomb.yaml").write_text("a: &a [1]\nb: [*a, *a]\n", encoding="utf-8")
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, word in {
        "missing.yaml": "No such file",
        ".": "folder",
        "binary.yaml": "not allowed",
        "list.yaml": "mapping",
        "empty.yaml": "mapping",
        "bomb.yaml": "anchors",
        "pipe.yaml": "pipe",
    }.items():
        for verb in ("run", "check"):
            refused(diffusim(verb, tmp_path / name), word)


def test_a_file_that_holds_no_field_is_refused_in_words(tmp_path: Path) -> None:
    np.save(tmp_path / "shape.npy", np.zeros((3, 3)))
    np.save(tmp_path / "nan.npy", np.full((12, 10), np.nan))
    np.save(tmp_path / "complex.npy", np.full((12, 10), 1j))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "pickled.npy").write_bytes(pickle.dumps([1, 2, 3]))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "complex.npy").read_bytes()[:400])
    (tmp_path / "text.png").write_text("no image", encoding="utf-8")
    (tmp_path / "empty.png").touch()
    source = written(tmp_path)
    for kind, name, word in [
        ("array", "shape.npy", "(3, 3)"),
        ("array", "nan.npy", "NaN"),
        ("array", "complex.npy", "real numbers"),
        ("array", "objects.npy", ".npy"),
        ("array", "pickled.npy", ".npy"),
        ("array", "cut.npy", ".npy"),
        ("array", "nowhere.npy", "no file"),
        ("array", ".", "no file"),
        ("image", "text.png", "PNG or JPEG"),
        ("image", "empty.png", "PNG or JPEG"),
        ("image", "shape.npy", "PNG or JPEG"),
    ]:
        start = f"initial={{kind: {kind}, path: {name}}}"
        refused(diffusim("run", source, "--set", start), "initial.path", word)


def test_unknown_labels_verbs_and_options_are_refused_in_words(tmp_path: Path) -> None:
    source = written(tmp_path)
    out = ("--out", tmp_path / "out")
    refused(diffusim("run", source, *out, "--only", "nope"), "'nope'", "ftcs, modes, walkers")
    refused(diffusim("run", source, *out, "--only", "ftcs", "--only", "nope"), "'nope'")
    refused(diffusim("run"), "SCENARIOS")
    refused(diffusim("frob"), "frob")
    refused(diffusim("new", "nope"), "nope", "salt_aquarium")
    assert not (tmp_path / "out").exists()


def test_a_scenario_that_starts_from_another_comes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    diffusim("new", "milk_and_coffee_unstirred")
    assert {path.name for path in tmp_path.glob("*.yaml")} == {
        "milk_and_coffee.yaml", "milk_and_coffee_unstirred.yaml"
    }  # fmt: skip
    assert diffusim("check", "milk_and_coffee_unstirred.yaml").code == 0


FAR_TOO_LARGE = """
import resource, sys, time
from pathlib import Path
from diffusim import cli
began = time.perf_counter()
try:
    cli.main(sys.argv[1:])
except SystemExit as end:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if (status := Path("/proc/self/status")).exists():
        # Of this program alone: the other figure counts the process that it was started from.
        own = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        peak = float(own[0].split()[1]) / 1024
    print(end.code, time.perf_counter() - began, peak)
"""


def test_what_cannot_fit_into_memory_is_refused_as_soon_as_a_small_one_is_checked(
    tmp_path: Path,
) -> None:
    sets = ["--set", "grid.shape=[1e4, 1e4]", "--set", "methods.2.particles=1e10"]
    sets += ["--set", "propagator.walls=[]"]
    words = ["run", written(tmp_path), "--out", tmp_path / "out", *sets]
    # Three attempts in turns, since the machine may be busy with something else for a second.
    tries, small, fastest, checked = [], [], math.inf, 0.0
    while len(tries) < 3 and fastest >= 1.5 * checked:
        tries.append(python(FAR_TOO_LARGE, *words).split())
        small.append(python(FAR_TOO_LARGE, "check", written(tmp_path)).split()[-2:])
        fastest = min(float(seconds) for _, seconds, _ in tries)
        checked = min(float(seconds) for seconds, _ in small)
    assert {code for code, _, _ in tries} == {"2"}
    assert fastest < 1.5 * checked
    assert max(float(peak) for _, _, peak in tries) < 200
    assert not (tmp_path / "out").exists()


def test_several_scenarios_are_read_before_the_first_is_run(tmp_path: Path) -> None:
    good, bad = written(tmp_path), written(tmp_path, FIVE, "bad.yaml")
    (tmp_path / "other").mkdir()
    twin = written(tmp_path / "other")
    out = tmp_path / "out"
    refused(diffusim("run", good, bad, "--out", out), "bad.yaml:5:17")
    refused(diffusim("run", good, twin, "--out", out), "would replace those of")
    assert not out.exists()


def test_several_scenarios_run_one_after_the_other(tmp_path: Path) -> None:
    names = ["a.yaml", "b.yaml"]
    sources = [written(tmp_path, TINY, name) for name in names]
    done = diffusim("run", *sources, "--out", tmp_path / "out", "--only", "ftcs", *QUIET)
    assert done.code == 0
    assert done.out.count("ftcs") == 2
    assert results_in(tmp_path / "out") == [
        f"{name}/{file}" for name in "ab" for file in ("metrics.json", "run.hdf5")
    ]


# --- what is unforeseen -------------------------------------------------------------------------


def test_an_unforeseen_failure_is_a_sentence_that_says_how_to_see_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_anything: object) -> None:
        raise KeyError("gone\nastray")

    monkeypatch.setattr("diffusim.advice.advice", broken)
    source = written(tmp_path)
    done = diffusim("check", source)
    assert (done.code, done.out) == (1, "")
    assert len(done.err.splitlines()) == 1
    assert "KeyError" in done.err
    assert "gone" in done.err
    assert "DIFFUSIM_TRACEBACK=1" in done.err
    monkeypatch.setenv("DIFFUSIM_TRACEBACK", "1")
    with pytest.raises(KeyError):
        diffusim("check", source)


# --- folders ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["..yaml", "...yaml", ".yaml", ".hidden.yaml", "new\nline.yaml"])
def test_a_file_whose_name_cannot_name_a_folder_of_results_is_refused(
    name: str, tmp_path: Path
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    source = written(inside, TINY, name)
    out = tmp_path / "chosen" / "folder"
    refused(diffusim("run", source, "--out", out, *QUIET), "rename the file")
    assert not out.parent.exists()
    assert results_in(tmp_path) == []


@pytest.mark.parametrize("name", ["a b.yaml", "ü.yml", "-x.yaml", "a[1].yaml", "~.yaml", "plain"])
def test_results_stay_in_the_chosen_folder_whatever_the_file_is_called(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    source = written(inside, TINY, name)
    out = tmp_path / "chosen"
    done = diffusim("run", "--out", out, "--only", "ftcs", *QUIET, "--", source.name)
    assert done.code == 0, done
    found = [f"chosen/{source.stem}/{file}" for file in ("metrics.json", "run.hdf5")]
    assert results_in(tmp_path) == found
    assert sorted(path.name for path in inside.iterdir()) == [name]


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    source = written(tmp_path)
    file = written(tmp_path, "", "file")
    for out in (file, file / "below", Path("/proc/nowhere")):
        refused(diffusim("run", source, "--out", out), "Creating the folder", code=1)
    assert file.read_bytes() == b""


def test_a_result_is_replaced_by_its_own_scenario_and_by_another_only_if_told(
    tmp_path: Path,
) -> None:
    source, out = written(tmp_path), tmp_path / "out"
    words = ("run", source, "--out", out, "--only", "ftcs", *QUIET)
    assert diffusim(*words).code == 0
    path = out / "tiny" / "run.hdf5"
    first = path.stat().st_ino, path.read_bytes()
    other = diffusim(*words, "--set", "propagator.diffusivity=2e-9")
    refused(other, "--overwrite", "--out", "tiny")
    refused(diffusim(*words, "--set", "seed=2", "--resume"), "--overwrite")
    assert (path.stat().st_ino, path.read_bytes()) == first
    # A title decides no frame.
    assert diffusim(*words, "--set", "title=same").code == 0
    assert path.stat().st_ino != first[0]
    assert diffusim(*words, "--set", "propagator.diffusivity=2e-9", "--overwrite").code == 0
    assert results_in(out) == ["tiny/metrics.json", "tiny/run.hdf5"]


def test_a_finished_run_has_nothing_left_to_resume(tmp_path: Path) -> None:
    words = ("run", written(tmp_path), "--out", tmp_path / "out", "--no-figures")
    first = diffusim(*words, "--resume")
    path = tmp_path / "out" / "tiny" / "run.hdf5"
    made = path.stat().st_mtime_ns
    second = diffusim(*words, "--resume")
    assert (first.code, second.code) == (0, 0)
    assert "nothing was left to do" in second.err
    assert second.out == first.out
    assert path.stat().st_mtime_ns == made


def test_only_runs_what_it_names_and_the_reference_it_is_judged_by(tmp_path: Path) -> None:
    words = ("run", written(tmp_path), "--out", tmp_path / "out", *QUIET)
    done = diffusim(*words, "--only", "ftcs")
    assert {label: row["verdict"] for label, row in done.rows.items()} == {
        "ftcs": "as predicted",
        "modes": "reference",
    }


def test_two_runs_at_once_do_not_share_a_folder(tmp_path: Path) -> None:
    words = ("run", written(tmp_path, LONG, "long.yaml"), "--out", tmp_path / "out", *QUIET)
    with start(*words) as first:
        lock = tmp_path / "out" / "long" / "run.lock"
        while not lock.exists():
            assert first.poll() is None, first.communicate()
            time.sleep(0.01)
        refused(diffusim(*words), f"Process {first.pid} is writing", "--out")
        first.kill()
    assert first.returncode == -9
