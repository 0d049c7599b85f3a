"""Scenarios: those that are shipped, and every way to write one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML
from scenario_samples import SHRUNK
from shell import ROOT, SCENARIOS, datasets, diffusim, written

from diffusim.scenario import load

SCHEMA = ROOT / "scenarios" / "diffusim.schema.json"


def ran(folder: Path, source: Path, *sets: str) -> dict[str, dict[str, str]]:
    """Run a scenario and return its table; every verdict must be a good one."""
    words = [word for each in sets for word in ("--set", each)]
    done = diffusim("run", source, "--out", folder / "out", "--no-figures", "-q", *words)
    assert done.code == 0, done
    verdicts = {label: row["verdict"] for label, row in done.rows.items()}
    assert set(verdicts.values()) <= {"as predicted", "reference"}, verdicts
    return done.rows


def field(folder: Path, label: str, name: str = "tiny") -> np.ndarray:
    return datasets(folder / "out" / name / "run.hdf5")[f"{label}/concentration"]


def relative(u: np.ndarray, reference: np.ndarray) -> float:
    return float(np.linalg.norm(u - reference) / np.linalg.norm(reference))


# --- the shipped ones ---------------------------------------------------------------------------


@pytest.mark.parametrize("source", SCENARIOS, ids=lambda path: path.stem)
def test_a_shipped_scenario_runs_in_small_and_ends_as_predicted(
    source: Path, tmp_path: Path
) -> None:
    # Its expectations are of the full grid; verdicts are of any.
    rows = ran(tmp_path, source, *SHRUNK[source.stem], "expect={}")
    assert "reference" in {row["verdict"] for row in rows.values()}
    assert {method.name for method in load(source)[0].methods} <= set(rows)


@pytest.mark.parametrize("source", SCENARIOS, ids=lambda path: path.stem)
def test_a_shipped_scenario_tells_editors_of_its_schema_and_keeps_to_it(source: Path) -> None:
    lines = source.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# yaml-language-server: $schema=./diffusim.schema.json"
    assert list(breaches(YAML(typ="safe").load(source), schema())) == []


@pytest.mark.proof
@pytest.mark.parametrize("source", SCENARIOS, ids=lambda path: path.stem)
def test_a_shipped_scenario_meets_its_own_expectations(
    source: Path, tmp_path: Path, figure: Callable[..., None]
) -> None:
    expect = load(source)[0].model_dump(mode="json", exclude_none=True)["expect"]
    assert expect
    rows = ran(tmp_path, source)
    for label, limits in expect.items():
        for name, most in limits.items():
            value = float(rows[label][name.replace("_", " ")])
            figure(f"{source.stem}: {label} {name}", value, limit=f"<= {most:g}")
            assert value <= most


# --- the schema ---------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "integer": lambda v: _TYPES["number"](v) and v == int(v),
}
_BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda v, bound: not _TYPES["number"](v) or v >= bound,
    "maximum": lambda v, bound: not _TYPES["number"](v) or v <= bound,
    "exclusiveMinimum": lambda v, bound: not _TYPES["number"](v) or v > bound,
    "exclusiveMaximum": lambda v, bound: not _TYPES["number"](v) or v < bound,
    "minItems": lambda v, bound: not isinstance(v, list) or len(v) >= bound,
    "maxItems": lambda v, bound: not isinstance(v, list) or len(v) <= bound,
    "maxLength": lambda v, bound: not isinstance(v, str) or len(v) <= bound,
    "pattern": lambda v, bound: not isinstance(v, str) or re.search(bound, v) is not None,
    "const": lambda v, bound: v == bound,
    "enum": lambda v, bound: v in bound,
    "type": lambda v, bound: _TYPES[bound](v),
    "required": lambda v, bound: not isinstance(v, dict) or set(bound) <= set(v),
}
_INNER = {"properties", "additionalProperties", "propertyNames", "items", "prefixItems"}
_REMARKS = {"title", "description", "default", "$defs", "$schema"}


def breaches(value: Any, rules: Any, whole: dict[str, Any] | None = None) -> Iterator[str]:
    """Yield where a value breaks a schema, by the keywords of 2020-12 that are used here."""
    whole = rules if whole is None else whole
    if isinstance(rules, bool):
        if not rules:
            yield f"{value!r} is not allowed"
        return
    if "$ref" in rules:
        *_, name = rules["$ref"].split("/")
        yield from breaches(value, whole["$defs"][name], whole)
    for word, bound in rules.items():
        if word in _BOUNDS and not _BOUNDS[word](value, bound):
            yield f"{value!r}: {word} {bound}"
    if "anyOf" in rules:
        choices = [list(breaches(value, choice, whole)) for choice in rules["anyOf"]]
        if all(choices):
            yield f"{value!r}: {min(choices, key=len)}"
    if isinstance(value, dict):
        known = rules.get("properties", {})
        for key, inner in value.items():
            yield from breaches(inner, known.get(key, rules.get("additionalProperties", {})), whole)
    if isinstance(value, list):
        first = rules.get("prefixItems", [])
        for number, inner in enumerate(value):
            rule = first[number] if number < len(first) else rules.get("items", {})
            yield from breaches(inner, rule, whole)


def keywords(rules: Any) -> Iterator[str]:
    if not isinstance(rules, dict):
        return
    yield from rules
    for word in ("properties", "$defs"):
        for inner in rules.get(word, {}).values():
            yield from keywords(inner)
    for word in ("additionalProperties", "propertyNames", "items"):
        yield from keywords(rules.get(word))
    for word in ("anyOf", "prefixItems"):
        for inner in rules.get(word, []):
            yield from keywords(inner)


def test_the_schema_beside_the_scenarios_is_the_one_that_the_code_prints() -> None:
    assert diffusim("schema").out == SCHEMA.read_text(encoding="utf-8")


def test_the_schema_is_made_of_standard_keywords_and_resolved_references_only() -> None:
    whole = schema()
    assert whole["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(keywords(whole)) <= {*_BOUNDS, *_INNER, *_REMARKS, "$ref", "anyOf"}
    names = re.findall(r'"\$ref": "([^"]+)"', SCHEMA.read_text(encoding="utf-8"))
    assert names
    assert {name.removeprefix("#/$defs/") for name in names} <= set(whole["$defs"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("grid", {"shap": [3, 3]}),
        ("grid", {"shape": [0, 3], "size": [1, 1]}),
        ("methods", ["ftc"]),
        ("methods", []),
        ("times", {"stop": "1 h", "frames": 1}),
        ("seed", -1),
        ("surplus", 1),
        ("initial", {"kind": "halves", "value": [1, 2]}),
    ],
)
def test_the_schema_tells_an_editor_of_a_slip(key: str, value: Any) -> None:
    scenario = YAML(typ="safe").load(SCENARIOS[-1])
    assert list(breaches({**scenario, key: value}, schema()))


def test_the_schema_allows_a_base_and_a_reference_by_label() -> None:
    assert list(breaches({"base": "other.yaml", "seed": 3}, schema())) == []
    scenario = YAML(typ="safe").load(SCENARIOS[-1])
    labelled = {"methods": [{"kind": "ftcs", "label": "coarse"}], "reference": "coarse"}
    assert list(breaches({**scenario, **labelled}, schema())) == []


# --- every way to write one ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "sets",
    [
        ["grid={shape: 40, size: 4 cm}", "propagator.walls=[{axis: x, at: 2 cm, opens: 1 min}]"],
        ["grid={shape: [33, 17], size: [0.033, 0.034]}", "propagator.walls=[]"],
        ["grid={shape: [15, 21], size: [0.015, 0.021], edges: periodic}", "propagator.walls=[]"],
        ["grid={shape: [9, 8], size: [9 mm, 8 mm], edges: {y: periodic}}", "propagator.walls=[]"],
        ["grid={shape: [1, 17], size: [0.001, 0.017]}", "propagator.walls=[]",
         "initial.axis=y"],
        ["propagator.diffusivity={x: 1e-9, y: 2e-10}"],
        ["times={at: [20 min, 1 h, 90 min]}"],
        ["times={at: 2 h}"],
        ["times={stop: 1 h, frames: 5, spacing: logarithmic}"],
        ["field={name: salinity, unit: kg/m^3}"],
    ],
    ids=["1-D", "odd", "periodic", "mixed edges", "one cell wide", "per axis", "at", "one frame",
         "logarithmic", "field"],
)  # fmt: skip
def test_a_way_to_write_it_goes_through_the_whole_pipeline(sets: list[str], tmp_path: Path) -> None:
    rows = ran(tmp_path, written(tmp_path), *sets)
    assert {"ftcs", "modes", "walkers"} <= set(rows)


def test_frames_are_at_the_times_asked_for_even_if_none_is_at_the_start(tmp_path: Path) -> None:
    ran(tmp_path, written(tmp_path), "times={at: [20 min, 1 h]}")
    arrays = datasets(tmp_path / "out/tiny/run.hdf5")
    assert arrays["time"].tolist() == [1200.0, 3600.0]
    assert arrays["ftcs/concentration"].shape == (2, 12, 10)
    # The start itself is no frame: some salt has passed the wall that was lifted after ten minutes.
    assert arrays["modes/concentration"][0, 6:].max() > 0.1


@pytest.mark.parametrize(
    "rest",
    [
        ["propagator.diffusivity=0"],
        ["propagator.walls=[{every: cell}]"],
        ["propagator.walls=[{every: cell, opens: 2 h}]"],
    ],
    ids=["D = 0", "walled", "lifted after the end"],
)
def test_where_nothing_can_move_every_frame_is_the_start_to_the_last_bit(
    rest: list[str], tmp_path: Path
) -> None:
    noise = "initial={kind: noise, mean: 10, deviation: 1}"
    methods = "methods=[ftcs, modes, chebyshev, {kind: walkers, particles: 1e4}]"
    ran(tmp_path, written(tmp_path), noise, methods, *rest)
    start = field(tmp_path, "modes")[0]
    assert start.std() > 0.5
    for label in ("ftcs", "modes", "chebyshev"):
        assert all(np.array_equal(frame, start) for frame in field(tmp_path, label)), label
    walkers = field(tmp_path, "walkers")
    assert all(np.array_equal(frame, walkers[0]) for frame in walkers)


def test_two_methods_of_one_kind_are_told_apart_by_their_labels(tmp_path: Path) -> None:
    pair = "methods=[{kind: ftcs, label: coarse}, {kind: ftcs, label: fine, dt: 20 s}]"
    rows = ran(tmp_path, written(tmp_path), pair)
    assert {"coarse", "fine", "modes"} == set(rows)
    assert float(rows["fine"]["l2"]) < 0.5 * float(rows["coarse"]["l2"])


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("fine", "fine"),
        ("chebyshev", "chebyshev"),
        ("{kind: modes, label: truth}", "truth"),
    ],
    ids=["label", "word", "mapping"],
)
def test_a_reference_may_be_a_label_a_word_or_a_mapping(
    reference: str, name: str, tmp_path: Path
) -> None:
    methods = "methods=[{kind: ftcs, label: fine, dt: 5 s}, {kind: ftcs, label: coarse}]"
    rows = ran(tmp_path, written(tmp_path), methods, f"reference={reference}")
    assert [label for label, row in rows.items() if row["verdict"] == "reference"] == [name]
    assert rows["coarse"]["reference"] == name


@pytest.mark.parametrize(
    ("methods", "verdicts"),
    [
        ("[ftcs, modes]", {"ftcs": "as predicted", "modes": "reference"}),
        (
            "[ftcs, {kind: ftcs, label: fine, dt: 5 s}]",
            {"ftcs": "as predicted", "fine": "as predicted", "auto-lattice": "reference"},
        ),
        (
            "[{kind: walkers, particles: 1e4}]",
            {"walkers": "as predicted", "gaussian-cell-to-cell": "reference"},
        ),
    ],
    ids=["an exact one", "none exact", "chance alone"],
)
def test_without_a_reference_the_first_exact_method_is_it_or_one_that_is_added(
    methods: str, verdicts: dict[str, str], tmp_path: Path
) -> None:
    sets = ["--set", f"methods={methods}", "--set", "reference=null"]
    out = tmp_path / "out"
    done = diffusim("run", written(tmp_path), "--out", out, "--no-figures", "-q", *sets)
    assert done.code == 0
    assert {label: row["verdict"] for label, row in done.rows.items()} == verdicts


def test_each_limit_gets_a_reference_of_its_own_under_a_label_that_is_free(tmp_path: Path) -> None:
    taken = "methods=[{kind: ftcs, label: modes-cell-to-cell}, {kind: walkers, particles: 1e4}]"
    rows = ran(tmp_path, written(tmp_path), taken)
    assert rows["modes-cell-to-cell"]["verdict"] == "as predicted"
    assert rows["modes-cell-to-cell"]["limit"] == "lattice"
    reference = rows[rows["walkers"]["reference"]]
    assert (reference["limit"], reference["verdict"]) == ("cell-to-cell", "reference")


def test_set_reaches_into_a_method_that_was_written_as_a_bare_word(tmp_path: Path) -> None:
    source = written(tmp_path)
    coarse = ran(tmp_path, source)["ftcs"]["l2"]
    sets = ["--set", "methods.0.dt=10 s", "--overwrite"]
    done = diffusim("run", source, "--out", tmp_path / "out", "--no-figures", "-q", *sets)
    assert done.code == 0
    assert float(done.rows["ftcs"]["l2"]) < 0.2 * float(coarse)


def test_a_scenario_upon_a_base_is_the_base_but_for_its_own_keys(tmp_path: Path) -> None:
    written(tmp_path)
    source = written(tmp_path, "base: tiny.yaml\ntitle: other\ntimes: {frames: 3}\n", "upon.yaml")
    ran(tmp_path, source)
    arrays = datasets(tmp_path / "out/upon/run.hdf5")
    assert arrays["time"].tolist() == [0.0, 1800.0, 3600.0]
    assert arrays["ftcs/concentration"].shape == (3, 12, 10)


STARTS = {
    "uniform": ("{kind: uniform, value: 3}", 3.0),
    "halves": ("{kind: halves, axis: y, values: [4, 2]}", 3.0),
    "slanted": ("{kind: halves, angle: 45, values: [4, 2]}", 3.0),
    "blob": ("{kind: blob, width: 1 mm, peak: 3}", 3 * 2 * np.pi * 1e-6 / 1.2e-4),
    "cells": ("{kind: cells, values: [3, 3]}", 3.0),
    "noise": ("{kind: noise, mean: 3, deviation: 0}", 3.0),
    "diffused-noise": ("{kind: diffused-noise, mean: 3, deviation: 0.1, length: 1 mm}", 3.0),
    "modes": ("{kind: modes, mean: 3, terms: [{amplitude: 1, x: 1}]}", 3.0),
    "patches": ("{kind: patches, background: 2, patches: [{x: [0, 6 mm], value: 4}]}", 3.0),
    "formula": ("{kind: formula, expression: 3 + 0*x}", 3.0),
    "array": ("{kind: array, path: given.npy}", 3.0),
    "image": ("{kind: image, path: given.png, values: [0, 6]}", 6 * 128 / 255),
}


@pytest.mark.parametrize("kind", STARTS)
def test_every_kind_of_start_can_be_carried(kind: str, tmp_path: Path) -> None:
    np.save(tmp_path / "given.npy", np.full((12, 10), 3.0))
    Image.new("L", (24, 20), 128).save(tmp_path / "given.png")
    text, mean = STARTS[kind]
    source = written(tmp_path)
    ran(tmp_path, source, f"initial={text}", "methods=[ftcs]", "times.frames=2")
    # A blob has a little beyond the rim; a random start has a random mean.
    rough = {"blob": 1e-4, "diffused-noise": 0.1}.get(kind, 1e-12)
    np.testing.assert_allclose(field(tmp_path, "ftcs").mean(axis=(1, 2)), mean, rtol=rough, atol=0)


def test_what_the_scenario_expects_and_does_not_get_ends_with_code_three(tmp_path: Path) -> None:
    sets = ["--set", "expect={ftcs: {l2: 1e-9}}"]
    out = tmp_path / "out"
    done = diffusim("run", written(tmp_path), "--out", out, "--no-figures", "-q", *sets)
    assert done.code == 3
    assert done.rows["ftcs"]["verdict"] == "outside expect"
    assert "1e-09" in done.rows["ftcs"]["reason"]
    assert (out / "tiny/run.hdf5").is_file()
