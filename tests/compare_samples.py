"""Runs to compare: of the command line, and in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from shell import TINY, diffusim, written

from diffusim import comparison

TIMES = [0.0, 1.0, 2.0, 4.0]


def ran(folder: Path, name: str, *sets: str, text: str = TINY, code: int = 0) -> Path:
    """Run a scenario and return its result."""
    words = [word for each in sets for word in ("--set", each)]
    source = written(folder, text, f"{name}.yaml")
    done = diffusim("run", source, "--out", folder, "--no-figures", "-q", *words)
    assert done.code == code, done
    return folder / name / "run.hdf5"


def as_json(*words: object) -> dict[str, Any]:
    """What a comparison prints as JSON."""
    return json.loads(diffusim("compare", *words, "--format", "json").out)


class Ticking:
    """A run in memory that says of itself what it is told to."""

    def __init__(self, label: str, fields: Any, **facts: Any) -> None:
        self.label, self.frames, self.facts = label, [np.asarray(u) for u in fields], facts
        self.counts = self.accounts = None
        self.arrays: dict[str, Any] = {}


def ramp(factor: float = 1.0, cells: int = 9) -> list[np.ndarray]:
    """A ramp that grows by so many thousandths of itself a second."""
    return [np.linspace(1.0, 2.0, cells) * (1.0 + factor * 1e-3 * t) for t in TIMES]


def beside_a_truth(
    factor: float, truncation: Any, cells: int = 9, **facts: Any
) -> comparison.Comparison:
    truth = Ticking("truth", ramp(0.0, cells), limit="analytic", role="reference")
    told = {"limit": "lattice", "statistical": False, **facts}
    run = Ticking("run", ramp(factor, cells), **told)
    return comparison.compare([run], TIMES, reference="truth", truths=[truth],
                              truncation=lambda *_: truncation)  # fmt: skip
