"""What every study of convergence does: carry a method to the last frame, and the exact one too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from diffusim import experiment, runs
from diffusim.block import Array, Invalid, Unsupported
from diffusim.experiment import Experiment
from diffusim.methods import Method
from diffusim.norms import distance
from diffusim.resources import USABLE, in_words, memory_available, memory_needed
from diffusim.runs import Course, Frame

Tell = Callable[[float], None]
Stage = Callable[[str], Tell]

# Where the user sets no bound, a study ends before it takes longer than about so many seconds.
PATIENCE = 30.0


def course(ready: Experiment, method: Method, seed: int | None = None) -> Course:
    """Plan a method up to the last frame of an experiment, with no frame before it.

    Raises
    ------
    Unsupported, Invalid
        When the method cannot carry this, or not with these options.
    """
    scenario = ready.scenario
    channels = len(ready.channels)
    return runs.plan(
        method, scenario.propagator, scenario.grid, scenario.frame_times[-1:],
        traits=runs.traits_of(ready.initial, channels),
        seed=scenario.seed if seed is None else seed, channels=channels,
        beginning=ready.beginning,
    )  # fmt: skip


def last(planned: Course, u: Array, tell: Tell | None = None) -> Frame:
    """Return the last frame of a course."""
    *_, frame = planned.frames(u, progress=tell)
    return frame


def truth(ready: Experiment, limit: str) -> Course:
    """An exact method that gives this limit, of the kind of the experiment's own reference first.

    Raises
    ------
    Unsupported
        When there is none.
    """
    name = ready.reference or ready.courses[0].name
    first = [c for c in ready.courses if c.name == name]
    found = experiment.reference_of(limit, first, name, lambda method: course(ready, method))
    if found is None:
        raise Unsupported(
            f"no exact method gives the limit {limit} of this scenario, so nothing tells how far "
            "others are from it"
        )
    return found


def error_of(u: Array, exact: Array, volume: float | Array) -> float:
    """Relative L2 error of a field.

    Raises
    ------
    Unsupported
        When nothing is left of the exact field, beside which an error could be told.
    """
    found = distance(u, exact, 2, volume)
    if not np.isfinite(found):
        raise Unsupported("nothing is left of the field in the last frame; choose an earlier end")
    return found


def option(method: Method, **options: Any) -> Method:
    """The same method with other options, checked like those of a scenario.

    Raises
    ------
    Invalid
        When one is out of its range.
    """
    try:
        return type(method).model_validate({**method.model_dump(), **options})
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        key = ".".join(map(str, first["loc"]))
        raise Invalid(f"{method.name}: {key} = {first['input']:.6g}: expected {reason}") from None


def too_large(planned: Course) -> str:
    """Say that a course does not fit into memory, or nothing."""
    need, available = memory_needed([planned]), memory_available()
    if available is None or need <= USABLE * available:
        return ""
    return f"would need {in_words(need)} of memory, {in_words(USABLE * available)} can be used"


def shares(tell: Tell, seconds: Sequence[float]) -> list[Tell]:
    """Divide one progress among pieces of work, by the seconds they are expected to take."""
    whole = np.cumsum([0.0, *(max(s, 1e-6) for s in seconds)])
    ends = (whole / whole[-1]).tolist()

    def part(low: float, high: float) -> Tell:
        return lambda fraction: tell(low + fraction * (high - low))

    return [part(low, high) for low, high in zip(ends, ends[1:], strict=False)]
