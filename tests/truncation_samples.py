"""Scenarios whose cells err by a known part, carried, and their smooth truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from diffusim.block import Array
from diffusim.exact.matching import solution_of
from diffusim.methods import Method
from diffusim.runs import plan
from diffusim.scenario import Scenario

D = 1.5e-9
DAY = 86400.0


def scenario(**changes: Any) -> Scenario:
    """The salt aquarium on coarser cells, with other keys."""
    plain: dict[str, Any] = {
        "grid": {"shape": [48, 48], "size": [0.192, 0.192]},
        "propagator": {"kind": "diffusion", "diffusivity": D},
        "initial": {"kind": "halves", "axis": "x", "values": [35.0, 0.0]},
        "times": {"stop": 60 * DAY, "frames": 7, "spacing": "quadratic"},
        "methods": [{"kind": "auto"}],
    }
    return Scenario.model_validate({**plain, **changes})


def medium(**keys: Any) -> dict[str, Any]:
    return {"kind": "diffusion", "diffusivity": D, **keys}


def carried(given: Scenario, method: Any = "auto", faster: float = 1.0) -> list[Array]:
    propagator = given.propagator
    if faster != 1.0:
        propagator = propagator.model_copy(update={"diffusivity": faster * D})
    course = plan(Method.read(method), propagator, given.grid, given.frame_times)
    return [frame.field for frame in course.frames(given.initial_field())]


def size(field: Array | None) -> float:
    assert field is not None
    return float(np.linalg.norm(field))


def analytic(given: Scenario) -> Iterator[Array]:
    solution = solution_of(given.model_dump(mode="json"))
    return (solution(float(time)) for time in given.frame_times)
