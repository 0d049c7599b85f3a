"""From when on and until when the error of the cells is told, and that it is true then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from truncation_samples import D, analytic, carried, medium, scenario, size

from diffusim.scenario import Scenario
from diffusim.truncation import truncation


def told_ratios(given: Scenario) -> list[float | None]:
    """Observed over expected difference to the smooth truth, None where none is expected."""
    told = truncation(given, "lattice", "analytic").fields()
    frames = list(zip(carried(given), analytic(given), told, strict=True))[1:]
    return [None if expected is None else size(u - true) / size(expected)
            for u, true, expected in frames]  # fmt: skip


# Frames are at so many times the time in which a jump spreads over half a cell, h^2 / (8 D), along
# the axis that it lies across.
UNEQUAL: dict[str, tuple[float, dict[str, Any]]] = {
    "a jump along long cells": (
        0.016**2 / (8.0 * D),
        {"grid": {"shape": [96, 12], "size": [0.192, 0.192]},
         "initial": {"kind": "halves", "axis": "y", "values": [35.0, 0.0]}},
    ),
    "a jump along short cells": (
        0.002**2 / (8.0 * D), {"grid": {"shape": [96, 12], "size": [0.192, 0.192]}}
    ),
    "a jump where little spreads": (
        0.004**2 / (8.0 * 1e-12),
        {"propagator": medium(diffusivity={"x": D, "y": 1e-12}),
         "initial": {"kind": "halves", "axis": "y", "values": [35.0, 0.0]}},
    ),
    "a corner along short and long cells": (
        0.016**2 / (8.0 * D),
        {"grid": {"shape": [96, 12], "size": [0.192, 0.192]},
         "initial": {"kind": "patches",
                     "patches": [{"x": [0.096, 0.192], "y": [0.0, 0.096], "value": 2}]}},
    ),
    "a jump that decays": (
        0.004**2 / (8.0 * D), {"propagator": medium(decay=8.0 * D / 0.004**2)}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNEQUAL)
def test_a_jump_has_to_spread_along_the_axes_that_it_lies_across_and_what_decays_does_not_count(
    name: str,
) -> None:
    half, changes = UNEQUAL[name]
    at = [0.0, 0.1 * half, 0.98 * half, 1.02 * half, 2.0 * half, 6.0 * half]
    early, late, *found = told_ratios(scenario(**changes, times={"at": at}))
    assert early is late is None
    assert None not in found
    assert min(map(float, filter(None, found))) > 0.5
    assert max(map(float, filter(None, found))) < 2.0


@pytest.mark.parametrize("edges", [{"left": {"value": 0.0}}, "no-flux"])
def test_of_what_has_died_out_nothing_is_told_from_round_off(edges: Any) -> None:
    start = {"kind": "modes", "mean": 0.0, "terms": [{"amplitude": 1.0, "x": 4}]}
    uniform = {"kind": "uniform", "value": 1.0}
    rate = D * (np.pi * (4.0 if edges == "no-flux" else 0.5) / 0.192) ** 2
    given = scenario(
        grid={"shape": [48], "size": [0.192], "edges": edges},
        initial=start if edges == "no-flux" else uniform,
        times={"at": [0.0, 1.0 / rate, 10.0 / rate, 40.0 / rate, 80.0 / rate]},
    )
    *told, faint, nothing = told_ratios(given)
    assert told == pytest.approx([1.0, 1.0], abs=0.05)
    assert faint is nothing is None
