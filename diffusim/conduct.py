"""Conducting an experiment: every method run, its frames stored, published and compared."""

from __future__ import annotations

import json
import math
import platform
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from diffusim import norms, pictures, runs, store
from diffusim.alignment import compare_stored
from diffusim.atomic import require_space
from diffusim.block import Array
from diffusim.comparison import Comparison
from diffusim.experiment import Experiment, prepare
from diffusim.resources import result_size
from diffusim.runs import Course


class Reporter(Protocol):
    """Whom to tell how far a run has come."""

    def stage(self, name: str) -> Callable[[float], None]:
        """Begin a part of the work; the fraction done goes to what is returned."""

    def note(self, text: str) -> None:
        """Say something that the user should know."""

    def frame(self, name: str, time: float, field: Array) -> None:
        """Take a frame of the run of this name, as it was just computed."""


class Silent:
    """A reporter that says nothing."""

    def stage(self, _name: str) -> Callable[[float], None]:
        """Begin a part of the work."""
        return lambda _fraction: None

    def note(self, _text: str) -> None:
        """Say nothing."""

    def frame(self, _name: str, _time: float, _field: Array) -> None:
        """Show nothing."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an experiment left: the file, the comparison, and where the time went."""

    path: Path
    comparison: Comparison
    parts: dict[str, float]


def carry_out(
    experiment: Experiment,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> Outcome:
    """Run every method, frames going to disk as they come, then publish and compare.

    Parameters
    ----------
    out : Path
        Folder in which the scenario gets a folder of its own.
    resume : bool
        Go on where an interrupted run of the same scenario stopped, if there is one.
    overwrite : bool
        Replace a finished result of another scenario.

    Raises
    ------
    store.StoreError
        When the disk refuses, or another scenario's result would be lost.
    runs.Diverged
        When a field is no longer finite.
    """
    reporter = reporter or Silent()
    parts = _Parts(reporter)
    digest = experiment.scenario.digest
    with store.Folder.open(Path(out) / experiment.name, digest, overwrite, resume) as folder:
        if folder.discarded:
            reporter.note(
                f"{folder.discarded} frames of an interrupted run were dropped; "
                "--resume would have gone on from them"
            )
        if resume and folder.finished:
            reporter.note("this run is finished; nothing was left to do")
            return _compared(folder.path, parts)
        if not resume:
            # Frames exist twice for a moment, in segments and in the result.
            require_space(folder.path, 2 * result_size(experiment.courses))
        with parts("loading loops"):
            for course in experiment.courses:
                course.warm(experiment.initial)
        # The reference goes first: the errors that theory expects are formed on its frames.
        courses = sorted(experiment.courses, key=lambda c: experiment.roles.get(c.name, "z"))
        facts = {}
        for course in courses:
            journal = folder.journal(course.name)
            with parts(course.name) as progress:
                seconds = _record(course, experiment, journal, progress, reporter)
            seen = experiment.scenario.propagator.observe(experiment.initial, course.grid)
            total = float(np.sum(seen * course.grid.volume))
            of_medium = experiment.scenario.propagator.facts(experiment.initial, course.grid)
            facts[course.name] = {**course.facts(), **of_medium, "seconds": seconds, "total": total}
        with parts("predicting"):
            for course in courses:
                facts[course.name] |= _predicted(course, experiment, folder)
        with parts("writing"):
            facts = {c.name: facts[c.name] for c in experiment.courses}
            for name, role in experiment.roles.items():
                facts[name]["role"] = role
            pictures.remove_from(folder.path)
            folder.publish(_header(experiment, digest), facts)
        return _compared(folder.path, parts)


class _Parts:
    """Where the time went, by the name of the part."""

    def __init__(self, reporter: Reporter) -> None:
        self.seconds: dict[str, float] = {}
        self._reporter = reporter

    @contextmanager
    def __call__(self, name: str) -> Iterator[Callable[[float], None]]:
        started = clock.perf_counter()
        progress = self._reporter.stage(name)
        yield progress
        progress(1.0)
        self.seconds[name] = clock.perf_counter() - started


def _record(
    course: Course,
    experiment: Experiment,
    journal: store.Journal,
    progress: Callable[[float], None],
    reporter: Reporter,
) -> float:
    """Run a method from where its journal stops; return the seconds it took in all sittings."""
    done, seconds = journal.frames, float(journal.facts.get("seconds", 0.0))
    if done == len(course.times):
        return seconds
    state = runs.revived(course.begin(experiment.initial), journal.state) if journal.state else None
    name = experiment.scenario.field.name
    for frame in course.frames(experiment.initial, done, state, progress):
        seconds += frame.seconds
        arrays = {name: frame.field, **frame.extras}
        reached = runs.taken_apart(frame.state)
        journal.append(arrays, reached, {"seconds": seconds}, frame.records)
        reporter.frame(course.name, frame.time, frame.field)
    journal.flush()
    return seconds


def _predicted(course: Course, experiment: Experiment, folder: store.Folder) -> dict[str, Any]:
    """Relative error that theory expects in each frame, formed on frames of the reference."""
    if experiment.reference is None:
        return {}
    name = experiment.scenario.field.name
    limit = course.method.limit
    kept = [
        c.name
        for c in experiment.courses
        if experiment.roles.get(c.name) and c.method.limit == limit
    ]
    partner = experiment.reference if experiment.reference in kept else next(iter(kept), None)
    if course.name in kept:
        partner = course.name  # what it promises of itself, which others are owed beside their own
    if partner is None:
        return {}
    first, second = ((arrays[name] for arrays in folder.journal(partner).read()) for _ in range(2))
    own = (arrays[name] for arrays in folder.journal(course.name).read())
    numbers: list[float | None] = []
    kind = "bound"
    for expected, u in zip(course.predictions(experiment.initial, first, own), second, strict=True):
        if expected is None:
            return {}
        error = np.asarray(expected.error)
        if not expected.sure:
            kind = "estimate"
            numbers.append(None)
        elif error.ndim:
            kind = "estimate"
            numbers.append(norms.relative(error, u, 2, experiment.scenario.grid.volume))
        else:
            numbers.append(float(error))
    return {"prediction": kind, "predicted": numbers}


def _header(experiment: Experiment, digest: str) -> store.Header:
    scenario = experiment.scenario
    grid, recording = scenario.grid, experiment.courses[0].recording
    found = list(scenario.propagator.finds(experiment.initial, grid))
    return store.Header(
        title=scenario.title, name=scenario.field.name, unit=scenario.field.unit,
        shape=grid.shape, axes=tuple(grid.names), centres=tuple(grid.centres(k) for k in grid.axes),
        faces=tuple(grid.faces(k) for k in grid.axes), times=scenario.frame_times,
        scenario=experiment.document.text, resolved=scenario.model_dump_json(), digest=digest,
        seed=scenario.seed, versions=versions(), reference=experiment.reference,
        extra={"order": [course.name for course in experiment.courses],
               "notes": list(experiment.notes()),
               **({"found": found} if found else {}),
               "clock": scenario.propagator.clock,
               **({"probes": recording.described(scenario.field.unit)} if recording else {}),
               **({"channels": list(experiment.channels)} if experiment.channels else {})},
        record_times=recording.times if recording else None,
    )  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of everything that could change a bit of a result."""
    packages = ("diffusim", "numpy", "scipy", "numba", "h5py")
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    return {**{name: version(name) for name in packages}, **machine}


def remarks(experiment: Experiment, comparison: Comparison) -> Iterator[str]:
    """Say what belongs under the table: what the medium is like, what went through its sides."""
    scenario = experiment.scenario
    yield from dict.fromkeys([*experiment.notes(), *comparison.notes])
    row = next((row for row in comparison.rows if row.accounts), None)
    if row is not None:
        through = ", ".join(f"{name} {amount:+.6g}" for name, amount in row.accounts.items())
        worst = max(row.mass_drift for row in comparison.rows if row.mass_drift is not None)
        yield (
            f"came in until the end ({row.label}, {scenario.field.unit} times volume): {through}; "
            f"the balances close to {worst:.1g}"
        )


def _compared(folder: Path, parts: _Parts) -> Outcome:
    path = folder / store.RESULT
    with parts("comparing"), store.load(path) as stored:
        table = compare_stored([stored])
        facts = {label: _numbers(run.facts) for label, run in stored.runs.items()}
        told = {**table.as_dict(), "facts": facts, "seconds": parts.seconds}
        text = json.dumps(told, indent=1)
        store.write_text(folder, "metrics.json", text + "\n")
    return Outcome(path, table, parts.seconds)


def _numbers(facts: Mapping[str, Any]) -> dict[str, float]:
    """Those facts of a run that are finite numbers, as JSON can hold them."""
    numbers = {name: fact for name, fact in facts.items()
               if isinstance(fact, int | float) and not isinstance(fact, bool)}  # fmt: skip
    return {name: number for name, number in numbers.items() if math.isfinite(number)}


# --- the same from Python -----------------------------------------------------------------------


def run(
    scenario: Path | str,
    out: Path | str = "outputs",
    *,
    overrides: Sequence[str] = (),
    only: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
) -> store.Stored:
    """Carry out a scenario file and return its stored result, as ``diffusim run`` does.

    Parameters
    ----------
    scenario : path
        The YAML file.
    out : path
        Folder in which the scenario gets a folder of its own.
    overrides : sequence of str
        ``"a.b=c"``, as after ``--set``.
    only : sequence of str
        Labels of the methods to run.
    resume, overwrite : bool
        Go on with an interrupted run; replace another scenario's result.

    Raises
    ------
    ScenarioError
        With everything that is wrong in the scenario.
    StoreError
        When the disk refuses, or another scenario's result would be lost.
    """
    ready = prepare(Path(scenario), overrides, only)
    return store.load(carry_out(ready, Path(out), resume=resume, overwrite=overwrite).path)


def compare(*results: store.Stored, reference: str | None = None) -> Comparison:
    """Compare stored results, as ``diffusim compare`` does.

    Parameters
    ----------
    results : Stored
        What ``run`` and ``load`` return. Frames at times that all have are compared; of one box cut
        into different cells, means over the larger ones.
    reference : str, optional
        Label of the run to compare with, or ``exact`` for the analytic solution; that of the first
        result's own scenario if not given.

    Raises
    ------
    Unsupported
        When boxes, axes, channels or clocks differ, no time but the start is common to all, or
        there is no run of the reference's name.
    """
    return compare_stored(results, reference)
