"""Pictures of waves: amplitudes, energies, and the points where they are found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import StepPatch
from plot_samples import header

import diffusim as ds
from diffusim import store
from diffusim.alignment import compare_stored
from diffusim.comparison import Comparison
from diffusim.conduct import run
from diffusim.plots import fields, history, positions

SCENARIO = """
grid: {shape: SHAPE, size: SIZE}
propagator: {kind: schroedinger, measure: 20000, OBSTACLES}
field: {name: probability, unit: UNIT}
initial: {kind: packet, centre: CENTRE, width: [2 nm], wavelength: 5 nm}
times: {stop: 20 fs, frames: 3}
methods: [chebyshev, {kind: adi, dt: 0.5 fs}]
seed: 1
"""
SCREEN = "obstacles: {kind: boxes, boxes: [{x: [12 nm, 13 nm], y: [0 nm, 10 nm]}]}"


@contextmanager
def opened(folder: Path, plane: bool) -> Iterator[tuple[store.Stored, Comparison]]:
    changes = (("SHAPE", "[24, 16]"), ("SIZE", "[24 nm, 16 nm]"), ("CENTRE", "[8 nm, 8 nm]"),
               ("UNIT", "1/m^2"), ("OBSTACLES", SCREEN))  # fmt: skip
    if not plane:
        changes = (("SHAPE", "[32]"), ("SIZE", "[32 nm]"), ("CENTRE", "[8 nm]"),
                   ("UNIT", "1/m"), (", OBSTACLES", ""))  # fmt: skip
    text = SCENARIO
    for old, new in changes:
        text = text.replace(old, new)
    path = folder / "tiny.yaml"
    path.write_text(text)
    with run(path, folder / "out") as stored:
        yield stored, compare_stored([stored])


@pytest.mark.parametrize("plane", [True, False], ids=["plane", "line"])
def test_fields_of_waves_show_the_root_of_the_probability(plane: bool, tmp_path: Path) -> None:
    with opened(tmp_path, plane) as (stored, comparison):
        figure = fields(stored, comparison)
        seen = np.sqrt(stored.runs["chebyshev"].array("probability"))
    labels = [axes.get_ylabel() for axes in figure.axes]
    unit = "1/m" if plane else "1/m^0.5"
    assert any("root of probability" in label and unit in label for label in labels)
    drawn = [np.asarray(image.get_array()) for axes in figure.axes
             for image in (axes.images if plane else axes.collections)]  # fmt: skip
    if plane:
        assert np.array_equal(drawn[0], seen[0].T)
    else:
        assert any(np.array_equal(np.ravel(one), np.ravel(seen)) for one in drawn)


@pytest.mark.parametrize("plane", [True, False], ids=["plane", "line"])
def test_the_pattern_of_positions_holds_all_that_were_drawn(plane: bool, tmp_path: Path) -> None:
    """Behind a screen only those behind it."""
    with opened(tmp_path, plane) as (stored, comparison):
        figure = positions(stored, comparison)
        counts = stored.runs["chebyshev"].counts
        assert counts is not None
        last = np.asarray(counts[2])
    assert figure is not None
    axes = figure.axes[-1]
    steps = next(patch for patch in axes.patches if isinstance(patch, StepPatch))
    wanted = last[13:].sum(axis=0) if plane else last
    assert np.array_equal(steps.get_data().values, wanted)
    assert "20000 positions" in figure.get_suptitle()
    if plane:
        points = figure.axes[0].lines[0].get_xydata()
        assert len(points) == 6000
        assert np.all((points >= 0.0) & (points <= (24.0, 16.0)))
        assert axes.get_title() == f"{last[13:].sum()} found behind the screen"


def test_the_energy_of_waves_has_a_panel_of_its_own(tmp_path: Path) -> None:
    with opened(tmp_path, plane=False) as (stored, comparison):
        figure = history(stored, comparison)
        energy = stored.runs["adi"].array("energy")
    panel = next(axes for axes in figure.axes if axes.get_title() == "Change of the energy")
    drift = np.abs(energy - energy[0]) / abs(energy[0])
    assert any(np.array_equal(line.get_ydata(), drift) for line in panel.lines)


def test_without_positions_there_is_no_picture_of_them(tmp_path: Path) -> None:
    u = np.ones((2, 4, 3))
    with store.Folder.open(tmp_path, "d") as out:
        for frame in u:
            out.journal("modes").append({"concentration": frame}, {}, {})
        path = out.publish(header((4, 3), np.arange(2.0), reference="modes"),
                           {"modes": {"limit": "lattice"}})  # fmt: skip
    with ds.load(path) as stored:
        assert json.loads(stored.resolved) == {}
        assert positions(stored, compare_stored([stored])) is None
