"""What ``check`` and ``methods`` say: what a scenario means, what it takes, who could carry it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from diffusim import runs
from diffusim.block import Invalid, Unsupported
from diffusim.experiment import Experiment
from diffusim.methods import Method, offered
from diffusim.propagators import Propagator
from diffusim.quantities import duration
from diffusim.resources import in_words, memory_available, memory_needed, result_size
from diffusim.runs import Course

_TIMES = (
    (86400.0, "day"),
    (3600.0, "h"),
    (60.0, "min"),
    (1.0, "s"),
    (1e-3, "ms"),
    (1e-6, "us"),
    (1e-9, "ns"),
    (1e-12, "ps"),
    (1e-15, "fs"),
)


def advice(experiment: Experiment) -> str:
    """Everything that ``diffusim check`` prints: resolved values, limits, cost, who suits."""
    content = experiment.scenario.model_dump(mode="json")
    return "\n".join(
        [
            experiment.scenario.title,
            *("", "In SI units:", *_indented(_resolved(content, experiment.document.value))),
            *("", *_space_and_time(experiment)),
            *("", "Methods:", *_indented(_methods(experiment))),
            *("", "Others that could, and why not the rest:", *_indented(_others(experiment))),
        ]
    )


def _indented(lines: Iterator[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _space_and_time(experiment: Experiment) -> Iterator[str]:
    grid, times = experiment.scenario.grid, experiment.scenario.frame_times
    propagator = experiment.scenario.propagator
    cells = f"cells of {' x '.join(f'{h:.6g} {grid.unit}' for h in grid.spacing)}"
    if grid.in_time:
        cells = f"steps of {duration(grid.spacing[0])}"
    yield (
        f"{grid.cells} {cells}; {len(times)} frames, "
        f"the first {_when(propagator, times[0])}, the last {_when(propagator, times[-1])}"
    )
    if names := experiment.channels:
        count = f"{len(names)} channels" if len(names) > 1 else "1 channel"
        yield f"{count}, each carried by itself: {', '.join(names)}"
    yield from _records(experiment)
    yield from experiment.notes()
    events = _events(experiment.courses[0])
    if not events:
        yield "the medium stays the same throughout"
        return
    yield f"the medium changes {', '.join(_when(propagator, event) for event in events)}"
    if any(course.method.limit == "cell-to-cell" for course in experiment.courses):
        yield (
            "at each change cell-to-cell methods place everything anew within its cell, "
            "which adds a sixth of a cell squared to the variance"
        )


def _records(experiment: Experiment) -> Iterator[str]:
    """Say when something is recorded, and what each probe comes to on this grid."""
    recording = experiment.courses[0].recording
    if recording is None:
        return
    propagator, times = experiment.scenario.propagator, recording.times
    yield (
        f"{len(times)} records, the first {_when(propagator, times[0])}, the last "
        f"{_when(propagator, times[-1])}, so that steps divide shorter stretches"
    )
    for name, told in recording.described(experiment.scenario.field.unit).items():
        yield f"record {name}: {told['long_name']} ({told['units']})"


def _methods(experiment: Experiment) -> Iterator[str]:
    for course in experiment.courses:
        role = " (reference)" if experiment.roles.get(course.name) else ""
        yield f"{course.name}{role}: limit {course.method.limit}, {_cost(course)}"
    need, have = memory_needed(experiment.courses), memory_available()
    room = f", {in_words(have)} available" if have is not None else ""
    size = in_words(result_size(experiment.courses))
    yield f"memory at most {in_words(need)}{room}; result about {size}"


def _resolved(value: Any, written: Any, path: str = "") -> Iterator[str]:
    """Lines ``key: value`` with dotted keys, values that were not given left out.

    What kind a block is comes first. A list of one that was written without brackets has no numbers
    in its keys, so that they can be set as they are told.
    """
    told: Any = written if isinstance(written, Mapping) else {}
    if isinstance(value, Mapping):
        for key in sorted(value, key=lambda key: key != "kind"):
            yield from _resolved(value[key], told.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        for number, inner in enumerate(value):
            if told and len(value) == 1:
                yield from _resolved(inner, written, path)
                continue
            own = written[number] if isinstance(written, list) and number < len(written) else None
            yield from _resolved(inner, own, f"{path}.{number}")
    elif value not in (None, [], {}):
        yield f"{path}: {value}"


def _events(course: Course) -> list[float]:
    return sorted({segment.since for segment in course.segments if segment.epoch > 0})


def _cost(course: Course) -> str:
    if course.method.chooses_steps:
        return "steps as its tolerance asks, so the time is not known beforehand"
    steps = [plan for plan in course.plans if plan.dt is not None]
    pace = course.method.pace
    parts = [f"{course.steps} {pace}{'' if course.steps == 1 else 's'}"]
    parts[0] += " in each channel" if course.channels > 1 else ""
    if steps:
        longest = max(plan.dt for plan in steps if plan.dt is not None)
        parts.append(f"the longest {in_time(longest)}")
        limits = [plan.longest for plan in steps if plan.longest is not None]
        parts.append(f"limit {in_time(min(limits))}" if limits else "no limit")
    parts.append(f"about {in_time(max(course.seconds, 1e-3))}")
    return ", ".join(parts)


def _others(experiment: Experiment) -> Iterator[str]:
    scenario = experiment.scenario
    used = {course.method.word for course in experiment.courses}
    channels = len(experiment.channels)
    traits = runs.traits_of(experiment.initial, channels)
    for word, kind in Method.everyone():
        if word in used:
            continue
        if isinstance(kind, Unsupported):
            yield f"{word}: no, {kind}"
            continue
        try:
            course = runs.plan(
                kind(), scenario.propagator, scenario.grid, scenario.frame_times,
                traits=traits, seed=scenario.seed, channels=channels,
                beginning=experiment.beginning,
                record=scenario.record,
            )  # fmt: skip
        except ValidationError:
            yield f"{word}: it has options that must be given"
        except (Unsupported, Invalid) as reason:
            yield f"{word}: no, {reason}"
        else:
            yield f"{word}: yes, limit {course.method.limit}, {_cost(course)}"


def table_of_methods() -> str:
    """Propagators by methods: the view a method would take, or a dash."""
    kinds = list(Method.everyone())
    head = ["", *(word for word, _ in kinds)]
    rows = [head]
    for word, propagator in Propagator.everyone():
        if isinstance(propagator, Unsupported):
            rows.append([word, str(propagator)])
            continue
        views = offered(propagator)
        row = [word]
        for _, kind in kinds:
            able = not isinstance(kind, Unsupported) and propagator.always <= kind.handles
            shared = [v for v in kind.needs if v in views] if able else []  # type: ignore[union-attr]
            row.append(shared[0] if shared else "-")
        rows.append(row)
    lines = _aligned(rows)
    lines += ["", *_aligned([["method", "order", "limit", "carries"], *_facts(kinds)])]
    return "\n".join(lines)


def _facts(kinds: list[tuple[str, type[Method] | Unsupported]]) -> Iterator[list[str]]:
    for word, kind in kinds:
        if isinstance(kind, Unsupported):
            yield [word, "", "", str(kind)]
            continue
        field = kind.model_fields.get("limit")
        limit = f"{field.default} (an option)" if field is not None else str(kind.limit)
        order = "N^-1/2" if kind.statistical else str(kind.order or "exact")
        yield [word, order, limit, ", ".join(sorted(kind.handles))]


def _aligned(rows: list[list[str]]) -> list[str]:
    width = max(map(len, rows))
    full = [row + [""] * (width - len(row)) for row in rows]
    widths = [max(len(row[k]) for row in full) for k in range(width)]
    return [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in full
    ]


def _when(propagator: Propagator, time: float) -> str:
    if propagator.clock == "seconds":
        return f"at {in_time(time)}"
    return propagator.moment(time)


def in_time(seconds: float) -> str:
    """Say a time as people do.

    Examples
    --------
    >>> in_time(90000.0), in_time(0.25), in_time(0.0)
    ('1.042 day', '250 ms', '0 s')
    """
    size, unit = next(((s, u) for s, u in _TIMES if abs(seconds) >= s), _TIMES[3])
    value = seconds / size
    return f"{value:.4g} {unit}" if math.isfinite(value) else f"{value} s"
