"""A recipe is proven before anything is computed: every path, every bound, and some draws."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffusim import reading, runs
from diffusim.block import Invalid, Unsupported
from diffusim.dataset.draws import (
    TAKEN,
    Draw,
    Parameter,
    meanings,
    names,
    seed_of,
    with_values,
    word_of,
)  # fmt: skip
from diffusim.dataset.leaves import found, numbers, unit_of
from diffusim.dataset.starts import start_of
from diffusim.experiment import beginning_of
from diffusim.methods import Method
from diffusim.reading import Document, Problem, ScenarioError, placed
from diffusim.scenario import Scenario, explained, load, validated
from diffusim.variation.distributions import Distribution, si
from diffusim.variation.keys import Dataset

# Values of one key that are tried out, and problems of one key that are told.
TRIED, TOLD = 16, 3
# Options beyond this number are not made beforehand where they are numbers.
MOST_MADE = 256

_FIXED = {
    "times": "all trajectories have the same frames",
    "methods": "all trajectories are computed by dataset.method",
    "reference": "all trajectories are computed by dataset.method",
    "field": "all trajectories have one field",
    "dataset": "it says what varies",
    "title": "it changes nothing in a trajectory",
    "expect": "it changes nothing in a trajectory",
    "diffusim": "it is the version of the format",
}


def proven(source: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a scenario, prove everything that varies, and return the parts of its recipe.

    Raises
    ------
    ScenarioError
        With what is wrong, each with file, line and the path of its key.
    """
    scenario, document = load(source, overrides)
    dataset = scenario.dataset
    if dataset is None:
        message = "missing key 'dataset', which says how many trajectories there are"
        raise explained([Invalid(message)], document)
    if problems := [Invalid(p.message, "dataset", *p.path) for p in _fixed(dataset)]:
        raise explained(problems, document)
    method, check = _methods(scenario, dataset)
    proof = _Proof(scenario, dataset, document, method)
    draws = proof.draws()
    keys = [draw.steps for draw in draws if draw.told]
    taken = {*TAKEN, scenario.field.name}
    parameters = [
        Parameter(name, draw.path, *_sort(proof, draw))
        for name, draw in zip(names(keys, taken), (d for d in draws if d.told), strict=True)
    ]
    plain = {key: proof.written.value[key] for key in proof.recast(draws)}
    draws = [proof.unmade(draw) if draw.steps[0] in plain else draw for draw in draws]
    constants = _constants(proof.template, draws, {*taken, *(p.name for p in parameters)})
    return {
        "name": document.source.stem, "text": _text(document), "values": document.value,
        "scenario": scenario.model_copy(update={"dataset": None}), "dataset": dataset,
        "method": method, "check": check, "parameters": tuple(parameters),
        "constants": constants, "_draws": tuple(draws), "_template": proof.template,
        "_plain": plain, "_folder": document.source.resolve().parent,
    }  # fmt: skip


def _text(document: Document) -> str:
    """The text of the file, or what became of it by bases and overrides; JSON is YAML."""
    if reading.value(document.text, document.source.name) == document.value:
        return document.text
    lines = (
        f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in document.value.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _fixed(dataset: Dataset) -> Iterator[Invalid]:
    """Yield which keys must be the same in all trajectories, and why."""
    for key, (place, _) in dataset.keys.items():
        first, *rest = key.split(".")
        if not all(key.split(".")):
            yield Invalid("expected the path of a key, such as propagator.diffusivity", *place)
        elif first in _FIXED:
            yield Invalid(f"'{first}' does not vary: {_FIXED[first]}", *place)
        elif first == "grid" and (not rest or rest[0] != "edges"):
            message = "the grid does not vary, but for its edges: all trajectories have one shape"
            yield Invalid(f"{message} and size", *place)


def _methods(scenario: Scenario, dataset: Dataset) -> tuple[Method, Method | None]:
    """The method that computes and the one that checks."""
    labels = {method.name: method for method in scenario.methods}
    if isinstance(scenario.reference, Method):
        labels[scenario.reference.name] = scenario.reference

    def named(method: Any) -> Any:
        return labels.get(method) or Method.read(method) if isinstance(method, str) else method

    exact = [m for m in scenario.methods if m.order is None and not m.statistical]
    default = scenario.reference or [*exact, *scenario.methods][0]
    return named(dataset.method or default), named(dataset.check)


def _sort(proof: _Proof, draw: Draw) -> tuple[str, tuple[str, ...]]:
    """Unit and meanings of a parameter."""
    if draw.coded:
        return "", meanings(proof.raw(draw))
    written = draw.law.tried if isinstance(draw.law, Distribution) else ()
    return unit_of(proof.template, draw.steps, written), ()


def _constants(
    template: Scenario, draws: Sequence[Draw], taken: set[str]
) -> dict[str, tuple[float, str]]:
    varied = [tuple(draw.steps) for draw in draws]
    if ("propagator",) in varied:
        return {}
    kept = [
        (path, value, unit)
        for path, value, unit in numbers(template, ("propagator",))
        if not any(path[: len(steps)] == steps for steps in varied)
    ]
    own = names([path for path, _, _ in kept], taken)
    return {name: (value, unit) for name, (_, value, unit) in zip(own, kept, strict=True)}


class _Proof:
    """A scenario into which values are put, with the places of the keys that said so."""

    def __init__(
        self, scenario: Scenario, dataset: Dataset, document: Document, method: Method
    ) -> None:
        self.scenario, self.dataset, self.method = scenario, dataset, method
        self.document = document
        self.laws = {key: law for key, (_, law) in dataset.keys.items()}
        self.places = {
            key: document.where(("dataset", *place)) for key, (place, _) in dataset.keys.items()
        }
        strides = dataset.sweep.strides() if dataset.sweep is not None else {}
        # In the scenario's order, not in that of splits or of what is swept.
        self.bare = [Draw(key, law, strides.get(key, 1)) for key, law in self.laws.items()]
        self.written = placed(document, "dataset", None, document.where(("dataset",)))
        seed = seed_of(scenario.seed, next(iter(dataset.counts)), 0)
        try:
            # What is tried of one key is tried beside what others are, as they may belong together.
            written = self._put(seed, 0)
            self.template = validated(written)
        except ScenarioError as error:
            raise ScenarioError([*error.problems, *self._alone()]) from None
        self.written = written
        self._examine(self.template, self.written)

    # --- values as they are written -------------------------------------------------------------

    def raw(self, draw: Draw) -> tuple[Any, ...]:
        law = draw.law
        return (law.options or ()) if isinstance(law, Distribution) else ()

    def unmade(self, draw: Draw) -> Draw:
        """The draw with its options as they are written."""
        return replace(draw, options=self.raw(draw), model=None)

    def _value(self, draw: Draw, seed: int, place: int) -> Any:
        """What a key is in a trajectory, as it could have been written."""
        if not isinstance(draw.law, Distribution):
            return seed
        word = word_of(seed, draw.path) if draw.law.random else 0
        if options := self.raw(draw):
            return options[draw.law.place(word, place // draw.stride)]
        return draw.law.number(word)

    def _put(self, seed: int, place: int) -> Document:
        document = self.written
        for draw in self.bare:
            value = self._value(draw, seed, place)
            document = placed(document, draw.path, value, self.places[draw.path])
        return document

    def _alone(self) -> Iterator[Problem]:
        """Yield what is wrong with keys by themselves, each at its own place."""
        for draw in self.bare:
            tried = draw.law.tried if isinstance(draw.law, Distribution) else (0,)
            for value in tried[:TRIED]:
                try:
                    validated(placed(self.written, draw.path, value, self.places[draw.path]))
                except ScenarioError as error:
                    own = [p for p in error.problems if p.where == self.places[draw.path]]
                    yield from own
                    if own:
                        break

    # --- values tried ---------------------------------------------------------------------------

    def draws(self) -> list[Draw]:
        """Try every key, and return what it is in each trajectory."""
        problems, draws = list[Problem](), list[Draw]()
        for draw in self.bare:
            try:
                draws.append(self._tried(draw))
            except ScenarioError as error:
                problems += error.problems
        if problems:
            raise ScenarioError(problems)
        return draws

    def _tried(self, draw: Draw) -> Draw:
        if not isinstance(draw.law, Distribution):
            return draw
        options = self.raw(draw)
        if not options:
            for value in draw.law.tried:
                self._made(draw, value, examine=True)
            return replace(draw, model=self._model(draw))
        plain = len(options) > MOST_MADE and all(isinstance(o, int | float | str) for o in options)
        every = -(-len(options) // TRIED)
        made = [
            self._made(draw, value, examine=number % every == 0)
            for number, value in enumerate(options)
            if not plain or number % every == 0
        ]
        if plain and all(_is_number(one) for one in made):
            kind = type(made[0])
            made = [kind(si(option)[0]) for option in options]
        elif plain:
            made = [self._made(draw, value, examine=False) for value in options]
        numbers_ = [one[0] if isinstance(one, tuple) and len(one) == 1 else one for one in made]
        coded = not all(_is_number(one) for one in numbers_)
        codes = range(len(made)) if coded else numbers_
        return replace(draw, options=tuple(made), codes=tuple(map(float, codes)), coded=coded)

    def _model(self, draw: Draw) -> type | None:
        try:
            return type(found(self.template, draw.steps))
        except LookupError:
            return None

    def _made(self, draw: Draw, value: Any, examine: bool) -> Any:
        """What a scenario holds when a value is written at a path."""
        document = placed(self.written, draw.path, value, self.places[draw.path])
        scenario = self._checked(document, draw, value)
        if examine:
            self._examine(scenario, document, draw, value)
        try:
            return found(scenario, draw.steps)
        except LookupError:
            return si(value)[0] if isinstance(value, int | float) else value

    def _checked(self, document: Document, draw: Draw, value: Any) -> Scenario:
        try:
            return validated(document)
        except ScenarioError as error:
            raise _with(error, draw, value, self.places[draw.path]) from None

    def _examine(
        self, scenario: Scenario, document: Document, draw: Draw | None = None, value: Any = None
    ) -> None:
        """Refuse a scenario whose field cannot be made or carried, or has another form."""
        try:
            self._carried(scenario)
        except Invalid as problem:
            error = explained([problem], document)
        except Unsupported as reason:
            error = explained([Invalid(str(reason), "dataset", "method")], self.document)
        else:
            return
        if draw is None:
            raise error
        raise _with(error, draw, value, self.places[draw.path])

    def _carried(self, scenario: Scenario) -> None:
        grid, propagator = scenario.grid, scenario.propagator
        sides = [side.kind for _, _, side in grid.named_sides]
        if sides != [side.kind for _, _, side in self.template.grid.named_sides]:
            raise Invalid("the sides of all trajectories are of the same kinds", "grid", "edges")
        if propagator.clock != self.template.propagator.clock:
            raise Invalid("all trajectories count time in the same way", "propagator")
        u = start_of(scenario)
        runs.plan(self.method, propagator, grid, scenario.frame_times, traits=runs.traits_of(u),
                  seed=scenario.seed, beginning=beginning_of(scenario, u))  # fmt: skip

    # --- several values together ----------------------------------------------------------------

    def recast(self, draws: Sequence[Draw]) -> set[str]:
        """Validate some trajectories; return which keys are kept in another form than written.

        A copy of the template with other leaves would not be the same as what is validated.

        Raises
        ------
        ScenarioError
            When one of them is wrong.
        """
        found = set[str]()
        for split, count in self.dataset.counts.items():
            for place in {0, 1 % count, count - 1}:
                seed = seed_of(self.scenario.seed, split, place)
                document = self._put(seed, place)
                scenario = validated(document)
                self._examine(scenario, document)
                for key in {draw.steps[0] for draw in draws}:
                    own = [draw for draw in draws if draw.steps[0] == key]
                    values = [(draw.steps, draw.drawn(seed, place)[0]) for draw in own]
                    try:
                        copy = with_values(self.template, values)
                    except LookupError:
                        found.add(key)
                    else:
                        found |= {key} if getattr(copy, key) != getattr(scenario, key) else set()
        return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _with(error: ScenarioError, draw: Draw, value: Any, where: str) -> ScenarioError:
    """Say with which value something is wrong, where it is told elsewhere."""
    return ScenarioError(
        problem
        if problem.where == where
        else Problem(where, problem.path, f"{problem.message} (with {draw.path}: {value})")
        for problem in error.problems[:TOLD]
    )
