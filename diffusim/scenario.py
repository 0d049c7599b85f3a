"""The scenario: one YAML file that says what is carried, where, how and when."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

import numpy as np
from pydantic import Field, ValidationError, ValidationInfo, WrapValidator, model_validator
from pydantic.fields import FieldInfo

from diffusim import reading
from diffusim.atomic import StoreError, safe_name
from diffusim.block import (
    Array,
    Block,
    Integer,
    Invalid,
    Member,
    OneOf,
    Seconds,
    Unsupported,
    listed,
)
from diffusim.channels import channels_of, each
from diffusim.grid import EVERY_AXIS, Grid
from diffusim.initial import Initial
from diffusim.methods import Method
from diffusim.propagators import Propagator
from diffusim.reading import Document, Path_, ScenarioError
from diffusim.records import Record
from diffusim.segment import random_key
from diffusim.variation.keys import Dataset

MOST_FRAMES = 10**6
# What is stored beside the field.
BESIDE = ("counts", "accounts", "weight", "paths", "deviation", "energy", "psi")
# Beyond it and its inverse, squares and their sums leave the range of numbers.
SMALLEST = 1e-100


class Substance(Block):
    """What the field is called, and its unit."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")] = "concentration"
    unit: Annotated[str, Field(max_length=32)] = "g/L"

    @model_validator(mode="after")
    def _no_axis(self) -> Self:
        if self.name in (*EVERY_AXIS, *BESIDE, "time", "channel"):
            message = f"'{self.name}' means something else in the result; choose another name"
            raise ValueError(message)
        return self


def _of_grid(value: Any, handler: Any, info: ValidationInfo) -> Any:
    """Of the field of a series, what is not said is 'value' without a unit, and no salt."""
    said = value.model_dump(exclude_unset=True) if isinstance(value, Substance) else value
    if getattr(info.data.get("grid"), "in_time", False) and isinstance(said, Mapping):
        value = {"name": "value", "unit": "1", **said}
    return handler(value)


class Times(Block):
    """When frames are taken: ``{stop, frames, spacing}`` from zero on, or ``{at: [...]}``.

    With quadratic spacing the first frames lie close together, so a sharp beginning is seen. Where
    the propagator is applied a whole number of times, times are numbers of applications.
    """

    stop: Annotated[Seconds, Field(gt=0, le=1e12)] | None = None
    frames: Annotated[Integer, Field(ge=2, le=MOST_FRAMES)] | None = None
    spacing: Literal["linear", "quadratic", "logarithmic"] = "linear"
    at: Annotated[tuple[Annotated[Seconds, Field(ge=0)], ...], listed] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.at is not None:
            if {"stop", "frames", "spacing"} & self.model_fields_set:
                raise ValueError("give either 'stop' and 'frames' or a list 'at', not both")
            if len(self.at) == 0 or any(b <= a for a, b in zip(self.at, self.at[1:], strict=False)):
                raise ValueError("the times in 'at' must grow")
            if self.at[-1] == 0.0:
                raise ValueError("the last time in 'at' must be later than zero")
        elif self.stop is None or self.frames is None:
            raise ValueError("expected 'stop' and 'frames', or a list 'at'")
        elif self.spacing == "logarithmic" and self.frames < 3:
            raise ValueError("logarithmic spacing needs 3 frames at least")
        return self

    def resolved(self) -> Array:
        """Frame times in s, or in applications."""
        if self.at is not None or self.stop is None or self.frames is None:
            return np.array(self.at, dtype=float)
        if self.spacing == "logarithmic":
            # From zero, then evenly in log t over three decades up to the end.
            return self.stop * np.concatenate([[0.0], np.geomspace(1e-3, 1.0, self.frames - 1)])
        power = 2 if self.spacing == "quadratic" else 1
        # Multiplied first, so that times that are whole numbers come out as whole numbers.
        numbers = np.arange(self.frames, dtype=float)
        return self.stop * numbers**power / float(self.frames - 1) ** power


Bound = Annotated[float, Field(gt=0)]


class Expected(Block):
    """Largest errors a scenario allows one of its methods, relative to the reference."""

    l1: Bound | None = None
    l2: Bound | None = None
    linf: Bound | None = None
    worst_l2: Bound | None = None
    mass_drift: Bound | None = None


def _misnamed(label: str, *path: str | int) -> Iterator[Invalid]:
    """A label names a folder of frames, and a group beside the axes in the result."""
    if label in (*EVERY_AXIS, *(f"{name}_faces" for name in EVERY_AXIS), "time", "channel"):
        yield Invalid(f"'{label}' means something else in the result; choose another label", *path)
    try:
        safe_name(label, "The label")
    except StoreError as problem:
        yield Invalid(str(problem), *path)


def _reference(value: Any, handler: Any, info: ValidationInfo) -> Any:
    """A label of one of the methods stands for that one; anything else is a method of its own."""
    labels = [method.name for method in info.data.get("methods", ())]
    if isinstance(value, str) and value not in [*labels, *Method.words()]:
        near = difflib.get_close_matches(value, [*labels, *Method.words()], 1)
        guess = f" did you mean '{near[0]}'?" if near else ""
        raise Invalid(
            f"there is no '{value}' here;{guess} expected one of the methods of this scenario "
            f"({', '.join(labels)}) or another one: {', '.join(Method.words())}"
        )
    return value if value is None or value in labels else handler(value)


class Scenario(Block):
    """A whole scenario; its fields are the top-level keys of the YAML file."""

    diffusim: Literal[1] = 1
    title: Annotated[str, Field(max_length=200)] = "Untitled"
    grid: Grid
    propagator: Annotated[Propagator, OneOf(Propagator)]
    field: Annotated[Substance, WrapValidator(_of_grid), Field(validate_default=True)] = Substance()
    initial: Initial
    times: Times
    record: Record | None = None
    methods: Annotated[tuple[Annotated[Method, OneOf(Method)], ...], Field(min_length=1), listed]
    reference: Annotated[Method | str | None, OneOf(Method), WrapValidator(_reference)] = None
    seed: Annotated[Integer, Field(ge=0, lt=2**63)] = 0
    expect: dict[str, Expected] = Field(default_factory=dict)
    dataset: Dataset | None = None

    @property
    def digest(self) -> str:
        """Hash of everything that decides the frames."""
        # A scenario without records is the one it was before there were any.
        unsaid = {"record"} if self.record is None else set()
        content = self.model_dump(mode="json", exclude={"title", "expect", "dataset", *unsaid})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def frame_times(self) -> Array:
        """Frame times by the propagator's clock, exactly whole where it counts applications."""
        return self.propagator.counted(self.times.resolved())

    def initial_field(self) -> Array:
        """Make the initial field; several channels come along a first axis.

        Raises
        ------
        Invalid
            When it cannot be made on this grid.
        """
        key = random_key(self.seed, "initial", 0)
        try:
            u = self.initial.field(self.grid, key)
        except Invalid as problem:
            raise Invalid(problem.message, "initial", *problem.path) from None
        except ValueError as problem:
            raise Invalid(str(problem), "initial") from None
        largest = float(np.max(np.abs(u)))
        if largest and not SMALLEST <= largest <= 1.0 / SMALLEST:
            raise Invalid(
                f"its largest value is {largest:.3g}; expected {SMALLEST:g} to {1 / SMALLEST:g}, "
                "which can be squared and added up", "initial",
            )  # fmt: skip
        return u

    def start(self) -> Array:
        """Make the initial field as the propagator carries it.

        Raises
        ------
        Invalid
            When it cannot be made on this grid, or is nothing that the propagator carries.
        """
        u = self.initial_field()
        if np.iscomplexobj(u) and not self.propagator.waves:
            message = f"this start is a wave, which {self.propagator.word} does not carry"
            raise Invalid(message, "initial", "kind")
        channels = channels_of(u, self.grid)
        return each(lambda one: self.propagator.prepare(one, self.grid), u, channels)

    def problems(self) -> Iterator[Invalid]:
        """Yield what is wrong beyond single keys, so far as it shows without computing anything."""
        for problem in self.propagator.check(self.grid):
            yield Invalid(problem.message, "propagator", *problem.path)
        try:
            _ = self.frame_times
        except Invalid as problem:
            key = ("frames",) if self.times.at is None else ("at", *problem.path)
            yield Invalid(problem.message, "times", *key)
        yield from self._of_records()
        labels = [method.name for method in self.methods]
        for number, label in enumerate(labels):
            if label.casefold() in map(str.casefold, labels[:number]):
                yield Invalid(
                    f"two methods are called '{label}'; give one of them a 'label' of its own",
                    "methods", number,
                )  # fmt: skip
            yield from _misnamed(label, "methods", number, "label")
        if isinstance(self.reference, Method):
            name = self.reference.name
            yield from _misnamed(name, "reference", "label")
            if name.casefold() in map(str.casefold, labels):
                yield Invalid(f"'{name}' is the label of another method", "reference")
        named = {*labels, *([self.reference.name] if isinstance(self.reference, Method) else ())}
        for label in self.expect:
            if label not in named:
                yield Invalid(f"there is no method '{label}' here", "expect", label)
        if self.dataset is not None:
            for fault in self.dataset.problems(named):
                yield Invalid(fault.message, "dataset", *fault.path)

    def _of_records(self) -> Iterator[Invalid]:
        """What is wrong with records: on this grid, or beside what else is stored."""
        if self.record is None:
            return
        try:
            frames = self.frame_times
        except Invalid:
            frames = None  # told already
        for problem in self.record.problems(self.propagator, self.grid, frames):
            yield Invalid(problem.message, "record", *problem.path)
        for name in self.record.probes:
            if name in (*self.grid.names, *BESIDE, "time", "channel", "record", self.field.name):
                yield Invalid(
                    f"'{name}' means something else in the result; choose another name",
                    "record", "probes", name,
                )  # fmt: skip
        if self.field.name in ("record", *(f"record_{name}" for name in self.record.probes)):
            yield Invalid(
                f"'{self.field.name}' means something else in a result with records; choose "
                "another name", "field", "name",
            )  # fmt: skip
        if "record" in [method.name for method in self.methods]:
            yield Invalid(
                "'record' means something else in a result with records; choose another label",
                "methods",
            )  # fmt: skip


# --- for editors --------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """Return the JSON Schema of scenario files, methods of plug-ins included."""
    described: dict[str, Any] = _in_standard_words(Scenario.model_json_schema())
    described["anyOf"] = [{"required": described.pop("required")}, {"required": ["base"]}]
    properties = described["properties"]
    properties["base"] = {"type": "string", "description": "file to start from"}
    properties["reference"]["anyOf"] += [{"type": "string"}, {"type": "null"}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}


def _in_standard_words(value: Any) -> Any:
    # Pydantic writes bounds of numbers that are converted first under its own words.
    words = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
    if isinstance(value, dict):
        return {words.get(key, key): _in_standard_words(inner) for key, inner in value.items()}
    return [_in_standard_words(inner) for inner in value] if isinstance(value, list) else value


# --- from a file --------------------------------------------------------------------------------


def load(source: Path, overrides: Sequence[str] = ()) -> tuple[Scenario, Document]:
    """Read and check a scenario file, without computing anything.

    Raises
    ------
    ScenarioError
        With everything that is wrong, each with file, line, column and the path of its key.
    """
    document = reading.read(Path(source), overrides)
    return validated(document), document


def validated(document: Document) -> Scenario:
    """Check a scenario that was read, without computing anything.

    Raises
    ------
    ScenarioError
        With everything that is wrong, each with file, line, column and the path of its key.
    """
    try:
        folder = document.source.resolve().parent
        grid = document.value.get("grid")
        geometry = grid.get("geometry", "box") if isinstance(grid, Mapping) else None
        context = {"folder": folder, "geometry": geometry}
        scenario = Scenario.model_validate(document.value, context=context)
    except ValidationError as error:
        raise reading.explain(error, document, _known_keys(document)) from None
    if problems := [*_units_of_counts(scenario, document.value), *scenario.problems()]:
        raise explained(problems, document)
    return scenario


def _units_of_counts(scenario: Scenario, value: Any) -> Iterator[Invalid]:
    """Numbers of applications that were given a unit, which the model sees no more."""
    if scenario.propagator.clock == "seconds":
        return
    places: dict[Path_, Any] = {}
    for key in ("times", "record"):
        given = value.get(key) or {}
        at = given.get("at")
        places |= {(key, word): given.get(word) for word in ("stop", "every", "at")}
        places |= {(key, "at", i): one for i, one in enumerate(at)} if isinstance(at, list) else {}
    for path, text in places.items():
        if isinstance(text, str) and any(map(str.isalpha, text.lower().replace("e", ""))):
            yield Invalid(
                f"{scenario.propagator.called} is applied a whole number of times; expected how "
                f"many times, without a unit, found '{text}'",
                *path,
            )  # fmt: skip


def explained(problems: Sequence[Invalid], document: Document) -> ScenarioError:
    """Give problems their places in the file they came from."""
    return reading.explain(problems, document, _known_keys(document))


def _known_keys(document: Document) -> Callable[[Path_], Sequence[str]]:
    """From the path of a block to the keys that may stand there."""

    def known(path: Path_) -> Sequence[str]:
        value: Any = document.value
        types: list[Any] = [Scenario]
        for step in path:
            if isinstance(step, str):
                blocks = [block for kind in types for block in _blocks(kind, value)]
                inner = [get_args(kind)[1] for kind in types if get_origin(kind) is dict]
                types = inner or [
                    _typed(b.model_fields[step]) for b in blocks if step in b.model_fields
                ]
            value = _inside(value, step)
        found = [block for kind in types for block in _blocks(kind, value)]
        words = [] if isinstance(value, list) else [
            word for block in found for word in (["kind"] if issubclass(block, Member) else [])
            + list(block.model_fields)
        ]  # fmt: skip
        return list(dict.fromkeys(words))

    return known


def _inside(value: Any, step: str | int) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


def _typed(field: FieldInfo) -> Any:
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _blocks(kind: Any, value: Any) -> list[type[Block]]:
    """Blocks that a type allows here, by the value's own ``kind`` where it has one."""
    word = value.get("kind") if isinstance(value, Mapping) else None
    if isinstance(kind, type) and issubclass(kind, Block):
        own = kind.model_fields.get("kind")
        return [kind] if own is None or word in (None, *get_args(own.annotation)) else []
    if get_origin(kind) is Annotated:
        mark = next((m for m in kind.__metadata__ if isinstance(m, OneOf)), None)
        if mark is not None:
            try:
                return [mark.family.find(word)] if isinstance(word, str) else []
            except Unsupported:
                return []
    return [block for part in get_args(kind) for block in _blocks(part, value)]
