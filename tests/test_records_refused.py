"""Records that cannot be: each is refused in a sentence, at its place in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from shell import QUIET, SCENARIOS, TINY, diffusim, refused, written

import diffusim as ds
from diffusim import store
from diffusim.block import Invalid
from diffusim.records import Record
from diffusim.scenario import load

RADIAL = """\
grid: {shape: [8], size: [0.008 m], geometry: spherical, edges: {outer: {value: 1.0}}}
propagator: {kind: diffusion, diffusivity: 1.5e-9 m^2/s}
initial: {kind: uniform, value: 0.0}
times: {stop: 1 h, frames: 4}
methods: [ftcs]
"""
RING = """\
grid: {shape: [8, 8], size: [0.008 m, 0.008 m], edges: {x: periodic, y: no-flux}}
propagator: {kind: diffusion, diffusivity: 1.5e-9 m^2/s}
initial: {kind: uniform, value: 1.0}
times: {stop: 1 h, frames: 4}
methods: [ftcs]
"""
KERNEL = """\
grid: {shape: [8, 8], size: [0.008 m, 0.008 m]}
propagator: {kind: kernel, kernel: {kind: gaussian, sigma: 1}, normalise: sum}
initial: {kind: uniform, value: 1.0}
times: {at: [0, 4, 8]}
methods: [stencil]
"""
WAVE = """\
grid: {shape: [16, 16], size: [16 nm, 16 nm]}
propagator: {kind: schroedinger}
field: {name: probability, unit: 1/m^2}
initial: {kind: packet, centre: [8 nm, 8 nm], width: 2 nm, wavelength: 8 nm}
times: {stop: 1 fs, frames: 2}
methods: [chebyshev]
"""


def probe(text: str) -> str:
    return f"record: {{every: 10 min, probes: {{here: {text}}}}}\n"


@pytest.mark.parametrize(
    ("scenario", "record", "words"),
    [
        (TINY, "record: {}\n", ["expected one of 'every', 'times' and 'at' to say when"]),
        (TINY, "record: {every: 1 min, times: 5}\n", ["found every and times"]),
        (TINY, "record: {every: 0 s}\n", ["record.every", "greater than 0"]),
        (TINY, "record: {every: 1 m}\n", ["record.every", "expected a time"]),
        (TINY, "record: {every: 2 h}\n", ["no record until the last frame, at t = 3600 s"]),
        (TINY, "record: {every: 1 ms}\n", ["3.6e+06 record times are more than 1e+06"]),
        (TINY, "record: {times: 1000001}\n", ["record.times", "1000000"]),
        (TINY, "record: {times: 1}\n", ["record.times", "2"]),
        (TINY, "record: {at: [0 s, 2 s, 1 s]}\n", ["record.at", "must grow"]),
        (TINY, "record: {at: []}\n", ["record.at", "must grow"]),
        (TINY, "record: {at: [0 s, 2 h]}\n",
         ["record.at.1", "at t = 7200 s would be later than the last frame, at t = 3600 s"]),
        (TINY, "record: {at: [-1 s]}\n", ["record.at", "greater than or equal to 0"]),
        (TINY, "record: {evry: 1 h}\n", ["unknown key 'evry'", "did you mean 'every'?"]),
        (TINY, "record: {every: 10 min, probes: {}}\n", ["expected a probe at least"]),
        (TINY, "record: {every: 10 min, probes: {Here: {kind: total}}}\n",
         ["record.probes", "'Here' cannot name what is stored"]),
        (TINY, "record: {every: 10 min, probes: {counts: {kind: total}}}\n",
         ["record.probes.counts", "'counts' means something else in the result"]),
        (TINY, "record: {every: 10 min, probes: {x: {kind: total}}}\n", ["'x' means something"]),
        (TINY, "record: {every: 10 min, probes: {concentration: {kind: total}}}\n",
         ["'concentration' means something else"]),
        (TINY + "field: {name: record_salt}\n",
         "record: {every: 10 min, probes: {salt: {kind: total}}}\n",
         ["field.name", "'record_salt' means something else"]),
        (TINY.replace("[ftcs,", "[{kind: ftcs, label: record},"), "record: {every: 10 min}\n",
         ["'record' means something else", "choose another label"]),
        (TINY, probe("{kind: poin}"), ["no kind 'poin'", "did you mean 'point'?"]),
        (TINY, probe("total"), ["expected a mapping with a 'kind'", "side"]),
        (TINY, probe("{kind: total, at: 1 m}"), ["record.probes.here", "unknown key 'at'"]),
        (TINY, probe("{kind: point}"), ["record.probes.here", "missing key 'at'"]),
        (TINY, probe("{kind: point, at: [6 mm]}"),
         ["record.probes.here.at", "one number for each axis of the grid (x, y), found 1"]),
        (TINY, probe("{kind: point, at: [6 mm, 11 mm]}"),
         ["record.probes.here.at.1", "y = 0.011 m is outside the grid, which reaches from 0 m to "
          "0.01 m"]),
        (TINY, probe("{kind: line, axis: x}"), ["a line along x lies at some y; give 'at'"]),
        (TINY, probe("{kind: line, axis: r, at: 1 mm}"), ["no axis 'r'; this grid has x, y"]),
        (TINY, probe("{kind: line, axis: y, at: 13 mm}"), ["x = 0.013 m is outside the grid"]),
        (TINY, probe("{kind: plane, axis: x, at: -1 mm}"), ["x = -0.001 m is outside"]),
        (TINY, probe("{kind: plane, axis: z, at: 1 mm}"), ["there is no axis 'z'"]),
        (TINY, probe("{kind: side, side: outer}"),
         ["there is no side 'outer'; this grid has left, right, bottom, top"]),
        (RING, probe("{kind: side, side: left}"),
         ["the axis x is joined to itself", "{kind: plane, axis: x, at: 0 m}"]),
        (RING, probe("{kind: side, side: inner}"), ["this grid has bottom, top"]),
        (RADIAL, probe("{kind: side, side: left}"), ["this grid has inner, outer"]),
        (RADIAL, probe("{kind: plane, axis: x, at: 1 mm}"), ["no axis 'x'; this grid has r"]),
        (RADIAL, probe("{kind: line, axis: r, at: 1 mm}"), ["has one line; leave 'at' out"]),
        (RADIAL, probe("{kind: point, at: [1 mm, 1 mm]}"), ["each axis of the grid (r), found 2"]),
        (KERNEL, "record: {every: 2, probes: {here: {kind: side, side: left}}}\n",
         ["a kernel has no generator", "record a point, a line or the total"]),
        (KERNEL, "record: {every: 2, probes: {here: {kind: plane, axis: x, at: 1 mm}}}\n",
         ["a kernel has no generator"]),
        (KERNEL, "record: {every: 0.5}\n",
         ["record.every", "record times must be whole", "record 2 of 17 would be at 0.5"]),
        (KERNEL, "record: {times: 4}\n", ["record.times", "would be at 2.66667"]),
        (KERNEL, "record: {at: [0, 1.5]}\n", ["record.at.1", "would be at 1.5"]),
        (KERNEL, "record: {every: 2 s}\n", ["record.every", "without a unit, found '2 s'"]),
        (KERNEL, "record: {at: [0, 3 s]}\n", ["record.at.1", "without a unit, found '3 s'"]),
        (WAVE, "record: {times: 3, probes: {here: {kind: side, side: left}}}\n",
         ["recorded of a wave is its density, which does not tell what flows"]),
        (WAVE, "record: {times: 3, probes: {here: {kind: plane, axis: x, at: 8 nm}}}\n",
         ["recorded of a wave is its density"]),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_is_refused_in_words(
    tmp_path: Path, scenario: str, record: str, words: list[str]
) -> None:
    refused(diffusim("check", written(tmp_path, scenario + record, "bad.yaml")), *words)


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = TINY + (
        "record: {every: 2 h, probes: {a: {kind: side, side: inner}, "
        "b: {kind: point, at: [1 m, 1 m]}}}\n"
    )
    done = diffusim("check", written(tmp_path, text, "bad.yaml"))
    refused(done, "no record until", "no side 'inner'", "x = 1 m", "y = 1 m")


def test_what_is_wrong_from_python_names_its_key() -> None:
    grid = ds.Grid(shape=(8,), size=(0.008,))
    water = ds.Diffusion(diffusivity=1.5e-9)
    u = np.ones(8)
    for record, words in (
        ({"every": 1.0, "probes": {"a": {"kind": "point", "at": 0.1}}}, "record.probes.a.at.0"),
        (Record(at=(20.0,)), "later than the last frame"),
    ):
        with pytest.raises(Invalid, match=words):
            ds.solve(u, water, grid=grid, times=[0.0, 10.0], record=record)
    with pytest.raises(ValidationError, match="expected one of 'every'"):
        ds.solve(u, water, grid=grid, times=[0.0, 10.0], record={})


def test_a_label_and_a_field_called_record_are_fine_where_nothing_is_recorded(
    tmp_path: Path,
) -> None:
    text = TINY.replace("[ftcs,", "[{kind: ftcs, label: record},") + "field: {name: record}\n"
    assert load(written(tmp_path, text))[0].record is None


def test_a_probe_may_be_named_after_an_axis_that_the_grid_does_not_have(tmp_path: Path) -> None:
    text = TINY + "record: {every: 10 min, probes: {r: {kind: total}}}\n"
    done = diffusim("run", written(tmp_path, text), "--out", tmp_path, *QUIET)
    assert done.code == 0
    with store.load(next(tmp_path.glob("*/run.hdf5"))) as stored:
        assert stored.runs["modes"].records["r"].shape == (7,)


# Of the scenarios as they were before anything could be recorded.
BEFORE = {
    "salt_aquarium": "b3cdeca5ca66128d1c9b9e475208ea3cf60f96a54deb283ad37a893b65a86f57",
    "edge_detector": "87d0a6ae89ce77bcb7b22fc147a77ef64b656faf0ee4920cf896f397e408e28f",
    "sphere": "b97e822efb8278dbde85988d14bf84abdc59295d08aa5d3e42fd4982be66b241",
}


def test_results_of_scenarios_without_records_are_recognised_as_before() -> None:
    found = {path.stem: path for path in SCENARIOS}
    assert {name: load(found[name])[0].digest for name in BEFORE} == BEFORE


def test_what_is_recorded_makes_another_scenario(tmp_path: Path) -> None:
    texts = (TINY, TINY + "record: {every: 10 min}\n", TINY + "record: {every: 5 min}\n",
             TINY + probe("{kind: point, at: [1 mm, 1 mm]}"))  # fmt: skip
    digests = {load(written(tmp_path, text))[0].digest for text in texts}
    assert len(digests) == len(texts)


def test_check_tells_what_is_recorded_where_and_when(tmp_path: Path) -> None:
    text = TINY + (
        "record:\n  every: 10 min\n  probes:\n"
        "    at_the_wall: {kind: point, at: [6.2 mm, 1 mm]}\n"
        "    through_wall: {kind: plane, axis: x, at: 6.2 mm}\n    salt: {kind: total}\n"
    )
    out = diffusim("check", written(tmp_path, text)).out
    assert "7 records, the first at 0 s, the last at 1 h" in out
    assert "record at_the_wall: the cell at x = 0.0065 m, y = 0.0015 m (g/L)" in out
    assert "record through_wall: the flow across x = 0.006 m (g/L m^2/s)" in out
    assert "record salt: the integral over the grid (g/L m^2)" in out
    assert "records" not in diffusim("check", written(tmp_path)).out
