"""An experiment: a scenario made ready, carried out with every method, stored and compared."""

from __future__ import annotations

import json
import platform
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import ValidationError

from diffusim import comparison, runs, store
from diffusim.block import Array, Invalid, Unsupported
from diffusim.comparison import Comparison, Trajectory
from diffusim.methods import Method
from diffusim.reading import Document, Path_
from diffusim.resources import USABLE, in_words, memory_available, memory_needed
from diffusim.runs import Course
from diffusim.scenario import Scenario, explained, load

class Reporter(Protocol):
    """Whom to tell how far a run has come."""

    def stage(self, name: str) -> Callable[[float], None]:
        """Begin a part of the work; the fraction done goes to what is returned."""

    def note(self, text: str) -> None:
        """Say something that the user should know."""


class Silent:
    """A reporter that says nothing."""

    def stage(self, _name: str) -> Callable[[float], None]:
        """Begin a part of the work."""
        return lambda _fraction: None

    def note(self, _text: str) -> None:
        """Say nothing."""


@dataclass(frozen=True, eq=False)
class Experiment:
    """A scenario with its initial field made and every method planned.

    Parameters
    ----------
    scenario, document
        What was read, and where each key stood.
    initial : array
        The initial field.
    courses : list of Course
        One per method, the reference among them, and one per further limit that needs a reference.
    reference : str or None
        Name of the reference.
    roles : dict
        Which courses were added as references only.
    """

    scenario: Scenario
    document: Document
    initial: Array
    courses: list[Course]
    reference: str | None
    roles: Mapping[str, str]

    @property
    def name(self) -> str:
        """Name of the scenario's file, and of the folder of its results."""
        return self.document.source.stem


# --- making ready -------------------------------------------------------------------------------


def prepare(source: Path, overrides: Sequence[str] = (), only: Sequence[str] = ()) -> Experiment:
    """Read a scenario, make its initial field and plan every method, refusing whatever cannot be.

    Parameters
    ----------
    overrides : sequence of str
        ``"a.b=c"``, as on the command line.
    only : sequence of str
        Labels of the methods to keep; default all.

    Raises
    ------
    ScenarioError
        With everything that is wrong.
    """
    scenario, document = load(source, overrides)
    # What the fields of any method need at least; refused before the first of them is made.
    _must_fit(document, 8 * 4 * scenario.grid.cells)
    try:
        initial = scenario.initial_field()
    except Invalid as problem:
        raise explained([problem], document) from None
    scenario, places = _chosen(scenario, document, only)
    courses, roles, reference_name = _plan(scenario, document, initial, places)
    _must_fit(document, memory_needed(courses))
    return Experiment(scenario, document, initial, courses, reference_name, roles)


def _chosen(
    scenario: Scenario, document: Document, only: Sequence[str]
) -> tuple[Scenario, list[int]]:
    """The scenario with some of its methods only, and where these stood in the file."""
    labels = [method.name for method in scenario.methods]
    if unknown := [name for name in only if name not in labels]:
        message = f"there is no method '{unknown[0]}' here; there are {', '.join(labels)}"
        raise explained([Invalid(message, "methods")], document)
    places = [i for i, label in enumerate(labels) if not only or label in only]
    reference = scenario.reference
    if isinstance(reference, str) and labels.index(reference) not in places:
        reference = scenario.methods[labels.index(reference)]
    kept = tuple(scenario.methods[i] for i in places)
    return scenario.model_copy(update={"methods": kept, "reference": reference}), places


def _plan(
    scenario: Scenario, document: Document, initial: Array, places: Sequence[int]
) -> tuple[list[Course], dict[str, str], str | None]:
    traits, times = runs.traits_of(initial), scenario.times.resolved()

    def course(method: Method) -> Course:
        return runs.plan(method, scenario.propagator, scenario.grid, times,
                        traits=traits, seed=scenario.seed)  # fmt: skip

    courses, problems, roles = [], [], dict[str, str]()
    wanted: list[tuple[Method, Path_]] = [
        (method, ("methods", i)) for i, method in zip(places, scenario.methods, strict=True)
    ]
    reference = scenario.reference
    if isinstance(reference, Method):
        wanted.append((reference, ("reference",)))
        roles[reference.name] = "reference"
    for method, path in wanted:
        try:
            courses.append(course(method))
        except Unsupported as reason:
            problems.append(Invalid(str(reason), *path))
        except Invalid as problem:
            problems.append(Invalid(problem.message, *path, *problem.path))
    if problems:
        raise explained(problems, document)
    name = reference.name if isinstance(reference, Method) else reference
    if name is None:
        name = next((c.name for c in courses if not c.method.statistical), None)
    else:
        roles.setdefault(name, "reference")
    limits = {c.method.limit for c in courses if c.name == name}
    for limit in sorted({c.method.limit for c in courses} - limits):
        if name is not None and (added := _reference_of(limit, courses, name, course)) is not None:
            courses.append(added)
            roles[added.name] = "reference"
    return courses, roles, name


def _reference_of(
    limit: str, courses: list[Course], name: str, course: Callable[[Method], Course]
) -> Course | None:
    """An exact method that gives this limit: the reference's own kind first, then any other."""
    first = next(c.method for c in courses if c.name == name)
    others = [kind for _, kind in Method.everyone() if not isinstance(kind, Unsupported)]
    for kind in [type(first), *others]:
        if "limit" not in kind.model_fields or kind.statistical:
            continue
        try:
            return course(kind.model_validate({"limit": limit, "label": f"{kind.word}-{limit}"}))
        except (Unsupported, Invalid, ValidationError):
            continue
    return None


def _must_fit(document: Document, need: int) -> None:
    available = memory_available()
    if available is not None and need > USABLE * available:
        message = (
            f"this would need {in_words(need)} of memory, {in_words(USABLE * available)} can be "
            "used; take fewer cells or particles"
        )
        raise explained([Invalid(message, "grid", "shape")], document)


# --- carrying out -------------------------------------------------------------------------------


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
    scenario, digest = experiment.scenario, experiment.scenario.digest
    with store.Folder.open(Path(out) / experiment.name, digest, overwrite, resume) as folder:
        if folder.discarded:
            reporter.note(
                f"{folder.discarded} frames of an interrupted run were dropped; "
                "--resume would have gone on from them"
            )
        if resume and folder.finished:
            reporter.note("this run is finished; nothing was left to do")
            return _compared(folder.path, parts)
        with parts("loading loops"):
            for course in experiment.courses:
                course.warm(experiment.initial)
        # The reference goes first: the errors that theory expects are formed on its frames.
        courses = sorted(experiment.courses, key=lambda c: experiment.roles.get(c.name, "z"))
        facts = {}
        for course in courses:
            journal = folder.journal(course.name)
            with parts(course.name) as progress:
                seconds = _record(course, experiment, journal, progress)
            facts[course.name] = {**course.method.facts(), "steps": course.steps,
                                  "seconds": seconds, "statistical": course.method.statistical}  # fmt: skip
        with parts("predicting"):
            for course in courses:
                facts[course.name] |= _predicted(course, experiment, folder)
        with parts("writing"):
            facts = {c.name: facts[c.name] for c in experiment.courses}
            for name, role in experiment.roles.items():
                facts[name]["role"] = role
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
    course: Course, experiment: Experiment, journal: store.Journal, progress: Callable[[float], None]
) -> float:
    """Run a method from where its journal stops; return its own seconds, earlier sittings included."""
    done, seconds = journal.frames, float(journal.facts.get("seconds", 0.0))
    if done == len(course.times):
        return seconds
    state = runs.revived(course.begin(experiment.initial), journal.state) if journal.state else None
    name = experiment.scenario.field.name
    for frame in course.frames(experiment.initial, done, state, progress):
        seconds += frame.seconds
        arrays = {name: frame.field}
        if frame.counts is not None:
            arrays["counts"] = frame.counts
        journal.append(arrays, runs.taken_apart(frame.state), {"seconds": seconds})
    journal.flush()
    return seconds


def _predicted(course: Course, experiment: Experiment, folder: store.Folder) -> dict[str, Any]:
    """The relative error that theory expects in each frame, formed on the frames of the reference."""
    if course.name == experiment.reference or experiment.reference is None:
        return {}
    name = experiment.scenario.field.name
    limit = course.method.limit
    kept = [c.name for c in experiment.courses if experiment.roles.get(c.name) and c.method.limit == limit]
    partner = experiment.reference if experiment.reference in kept else next(iter(kept), None)
    if partner is None:
        return {}
    first, second = ((arrays[name] for arrays in folder.journal(partner).read()) for _ in range(2))
    numbers, kind = [], "bound"
    for expected, u in zip(course.predictions(experiment.initial, first), second, strict=True):
        if expected is None:
            return {}
        error = np.asarray(expected.error)
        if error.ndim:
            kind = "estimate"
            size = float(np.linalg.norm(u))
            numbers.append(float(np.linalg.norm(error)) / size if size else 0.0)
        else:
            numbers.append(float(error))
    return {"prediction": kind, "predicted": numbers}


def _header(experiment: Experiment, digest: str) -> store.Header:
    scenario = experiment.scenario
    grid = scenario.grid
    return store.Header(
        title=scenario.title, name=scenario.field.name, unit=scenario.field.unit,
        shape=grid.shape, centres=tuple(grid.centres(k) for k in grid.axes),
        faces=tuple(grid.faces(k) for k in grid.axes), times=scenario.times.resolved(),
        scenario=experiment.document.text, resolved=scenario.model_dump_json(), digest=digest,
        seed=scenario.seed, versions=versions(), reference=experiment.reference,
    )  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of everything that could change a bit of a result."""
    packages = ("diffusim", "numpy", "scipy", "numba", "h5py")
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    return {**{name: version(name) for name in packages}, **machine}


def _compared(folder: Path, parts: _Parts) -> Outcome:
    path = folder / store.RESULT
    with parts("comparing"), store.load(path) as stored:
        table = compare_stored([stored])
        text = json.dumps({**table.as_dict(), "seconds": parts.seconds}, indent=1)
        store.write_text(folder, "metrics.json", text + "\n")
    return Outcome(path, table, parts.seconds)


def compare_stored(results: Sequence[store.Stored], reference: str | None = None) -> Comparison:
    """Compare the runs of one or more results on the same grid at the same times.

    Labels that occur in several results get the name of the result's folder before them.

    Raises
    ------
    Unsupported
        When grids or times differ.
    """
    first = results[0]
    found: list[Trajectory] = []
    for stored in results:
        same = stored.shape == first.shape and np.array_equal(stored.times, first.times)
        if not same or any(not np.allclose(a, b, rtol=1e-12, atol=0)
                           for a, b in zip(stored.centres, first.centres, strict=True)):  # fmt: skip
            raise Unsupported(f"{stored.path} and {first.path} differ in grid or frame times")
        for label, one in stored.runs.items():
            taken = label in {r.label for r in found}
            found.append(replace(one, label=f"{stored.path.parent.name}/{label}") if taken else one)
    return comparison.compare(
        found, first.times, reference=reference or first.reference, title=first.title,
        expect={k: {n: v for n, v in e.items() if v is not None}
                for k, e in json.loads(first.resolved).get("expect", {}).items()},
    )  # fmt: skip


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

    Raises
    ------
    Unsupported
        When grids or times differ, or there is no run of the reference's name.
    """
    return compare_stored(results, reference)
