"""An experiment: a scenario made ready, its initial field made and every method planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from diffusim import runs
from diffusim.block import Array, Invalid, Unsupported
from diffusim.channels import channels_of
from diffusim.methods import ANALYTIC, Beginning, Method
from diffusim.reading import Document, Path_, Problem, ScenarioError
from diffusim.resources import USABLE, in_words, memory_at_least, memory_available, memory_needed
from diffusim.runs import Course
from diffusim.scenario import Scenario, explained, load

# A reference that nobody asked for may take so many seconds, or as long as all that was asked for.
PATIENCE = 10.0


@dataclass(frozen=True, eq=False)
class Experiment:
    """A scenario with its initial field made and every method planned.

    Parameters
    ----------
    scenario, document
        What was read, and where each key stood.
    initial : array
        The initial field; of several channels, these along a first axis.
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

    def notes(self) -> Iterator[str]:
        """Say what a user should know of the medium, and of the methods on it."""
        yield from self.scenario.propagator.notes(self.scenario.grid)
        for course in self.courses:
            yield from course.method.notes(self.initial, self.scenario.grid)

    @property
    def beginning(self) -> Beginning:
        """What methods may know of the start."""
        return beginning_of(self.scenario, self.initial)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, none where the field has no such axis."""
        count = channels_of(self.initial, self.scenario.grid)
        return self.scenario.initial.names(count) if count else ()


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
    _must_name_a_folder(document)
    # Refused before the first field is made.
    _must_fit(document, memory_at_least(scenario.methods, scenario.grid))
    try:
        initial = scenario.start()
    except Invalid as problem:
        raise explained([problem], document) from None
    scenario, places = _chosen(scenario, document, only)
    courses, roles, reference_name = _plan(scenario, document, initial, places)
    _must_fit(document, memory_needed(courses))
    return Experiment(scenario, document, initial, courses, reference_name, roles)


def check_together(sources: Sequence[Path], overrides: Sequence[str] = ()) -> None:
    """Check several scenarios before the first is run, so that a slip in the last is told at once.

    Raises
    ------
    ScenarioError
        With everything that is wrong in any of them, or when two would share a folder.
    """
    problems: list[Problem] = []
    names = dict[str, Path]()
    for source in sources:
        try:
            _, document = load(source, overrides)
        except ScenarioError as error:
            problems += error.problems
            continue
        twin = names.setdefault(source.stem.casefold(), source)
        if twin is not source:
            message = f"its results would replace those of {twin}; rename one or run them apart"
            problems += explained([Invalid(message)], document).problems
    if problems:
        raise ScenarioError(problems)


def _must_name_a_folder(document: Document) -> None:
    name = document.source.stem
    if name.startswith(".") or not name.isprintable():
        message = "results get a folder of this file's name, which cannot name one; rename the file"
        raise explained([Invalid(message)], document)


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


def beginning_of(scenario: Scenario, initial: Array) -> Beginning:
    """Return what a method may know of a start of a scenario."""
    channels = channels_of(initial, scenario.grid)
    told = scenario.model_dump(mode="json", include={"grid", "propagator", "initial"})
    return Beginning(runs.contents_of(initial, scenario.grid, channels), told)


def _plan(
    scenario: Scenario, document: Document, initial: Array, places: Sequence[int]
) -> tuple[list[Course], dict[str, str], str | None]:
    channels = channels_of(initial, scenario.grid)
    traits, times = runs.traits_of(initial, channels), scenario.frame_times
    beginning = beginning_of(scenario, initial)

    def course(method: Method) -> Course:
        return runs.plan(method, scenario.propagator, scenario.grid, times,
                        traits=traits, seed=scenario.seed, channels=channels,
                        beginning=beginning, record=scenario.record)  # fmt: skip

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
        name = _chosen_reference(courses, roles, course)
    else:
        roles.setdefault(name, "reference")
    limits = {c.method.limit for c in courses if c.name == name}
    for limit in sorted({str(c.method.limit) for c in courses} - limits):
        own = [c.name for c in courses if c.method.limit == limit and _is_exact(c.method)]
        # There is one analytic solution, and nothing to hold it against but itself. Where it is the
        # reference, an exact method that is asked for anyway is the one of its limit.
        if own and ANALYTIC in (limit, *limits):
            roles.setdefault(own[0], "reference")
        elif name and (added := reference_of(limit, courses, name, course)) is not None:
            courses.append(added)
            roles[added.name] = "reference"
    return courses, roles, name


def _chosen_reference(
    courses: list[Course], roles: dict[str, str], course: Callable[[Method], Course]
) -> str | None:
    """Choose a reference where the scenario names none, and add it if it is not there yet.

    Methods that are not exact themselves get an exact one beside them, so that each of them tells
    what error it has. An analytic solution is one only where there is nothing else, since none has
    its limit.
    """
    smooth = [c for c in courses if c.method.limit == ANALYTIC]
    plain = [c for c in courses if not c.method.statistical and c not in smooth]
    drawn = [c for c in courses if c.method.statistical]
    exact = [c for c in plain if _is_exact(c.method)]
    if exact:
        roles[exact[0].name] = "reference"
        return exact[0].name
    for first in [*plain, *drawn][:1]:
        added = reference_of(first.method.limit, courses, "", course)
        # What is drawn by chance is judged by a law, not by another draw, whatever that takes.
        if added is not None and (first in drawn or _is_cheap(added, courses)):
            courses.append(added)
            roles[added.name] = "reference"
            return added.name
    if plain:
        # Nothing can be judged by a method that is not exact itself, unless the scenario says so.
        return plain[0].name
    if smooth:
        roles[smooth[0].name] = "reference"
        return smooth[0].name
    return None


def reference_of(
    limit: str, courses: list[Course], name: str, course: Callable[[Method], Course]
) -> Course | None:
    """An exact method that gives this limit: the reference's own kind first, then any other."""
    first = [type(c.method) for c in courses if c.name == name]
    taken = {c.name.casefold() for c in courses}
    others = [kind for _, kind in Method.everyone() if not isinstance(kind, Unsupported)]
    for kind in [*first, *others]:
        if not _is_exact(kind) or getattr(kind, "limit", "") == ANALYTIC:
            continue
        label = f"{kind.word}-{limit}"
        while label in taken:
            label += "-reference"
        options = {"limit": limit} if "limit" in kind.model_fields else {}
        try:
            found = course(kind.model_validate({"label": label, **options}))
        except (Unsupported, Invalid, ValidationError):
            continue
        if found.method.limit == limit:
            return found
    return None


def _is_cheap(added: Course, courses: Sequence[Course]) -> bool:
    """Whether a reference that nobody asked for takes no longer than what it stands beside."""
    return added.seconds <= max(PATIENCE, sum(course.seconds for course in courses))


def _is_exact(method: Method | type[Method]) -> bool:
    return method.order is None and not method.statistical


def _must_fit(document: Document, need: int) -> None:
    available = memory_available()
    if available is not None and need > USABLE * available:
        message = (
            f"this would need {in_words(need)} of memory, {in_words(USABLE * available)} can be "
            "used; take fewer cells or particles"
        )
        raise explained([Invalid(message, "grid", "shape")], document)
