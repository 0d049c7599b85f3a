"""Where a balance of the content is kept, and that what is not kept is not told as an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import diffusim

import diffusim as ds
from diffusim.alignment import compare_stored
from diffusim.conduct import carry_out, remarks
from diffusim.conduct import run as conducted
from diffusim.experiment import prepare
from diffusim.plots import history
from diffusim.propagators.autoregression import Autoregression
from diffusim.propagators.kernel import Kernel
from diffusim.propagators.moving_average import MovingAverage
from diffusim.propagators.template import Template
from diffusim.report import beside

SERIES = {"geometry": "series", "shape": 20, "size": 20.0}
BOX = {"shape": [12, 9], "size": [12.0, 9.0]}
EVEN, LEANING = [[1, 2, 1], [0, 2, 0], [1, 2, 1]], [[0, 0, 0], [1, 2, 4], [0, 0, 0]]
MASK = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]


def kernel(weights: Any, how: Any = "sum", applied: Any = None) -> Kernel:
    return Kernel(kernel=np.array(weights, dtype=float), normalise=how, applied=applied)


@pytest.mark.parametrize(
    ("propagator", "grid", "kept"),
    [
        (kernel(EVEN), {**BOX, "edges": "no-flux"}, True),
        (kernel(LEANING), {**BOX, "edges": "no-flux"}, True),
        (kernel(LEANING, applied="correlation"), {**BOX, "edges": "no-flux"}, False),
        (kernel(LEANING, applied="correlation"), {**BOX, "edges": "periodic"}, True),
        (kernel(EVEN, applied="correlation"), {**BOX, "edges": "no-flux"}, True),
        (kernel(MASK, "none"), {**BOX, "edges": "periodic"}, False),
        (kernel(np.array(MASK) + np.array(EVEN) / 10.0, "none"), {**BOX, "edges": "periodic"},
         True),
        (kernel(2 * np.array(EVEN), "none"), {**BOX, "edges": "no-flux"}, False),
        (Template(template=[[1, 2], [3, 5]]), {**BOX, "edges": "periodic"}, False),
        (MovingAverage(weights=[3, 2, 1], side="trailing"), {**SERIES, "edges": "periodic"}, True),
        (MovingAverage(weights=[3, 2, 1], side="trailing"), {**SERIES, "edges": "no-flux"}, False),
        (Autoregression(coefficients=[0.5]), {**SERIES, "edges": "periodic"}, False),
    ],
)  # fmt: skip
def test_a_balance_is_kept_where_the_total_of_any_field_is(
    propagator: Any, grid: dict[str, Any], kept: bool
) -> None:
    cells = ds.Grid.model_validate(grid)
    u = np.random.default_rng(1).normal(size=cells.shape) + 0.3
    after = ds.solve(u, propagator, grid=cells, times=[1], method="stencil").frames[0]
    assert (abs(np.sum(after) - np.sum(u)) < 1e-11) == kept
    assert propagator.keeps(cells) == kept


def test_what_leaves_through_a_side_is_kept_by_its_account_but_for_masks() -> None:
    held = ds.Grid.model_validate({**BOX, "edges": {"left": {"value": 0.5}}})
    assert kernel(EVEN).keeps(held)
    assert not kernel(np.array(MASK) + np.array(EVEN) / 10.0, "none").keeps(held)


ANSWER = """
title: A mask
grid: {shape: [16, 12], size: [16 m, 12 m], edges: periodic}
propagator: {kind: template, template: [[1, 0], [0, 2]]}
initial: {kind: noise, mean: 1, deviation: 0.2}
times: {at: [0, 1]}
methods: [fourier, stencil]
"""


def written(folder: Path, text: str = ANSWER) -> Path:
    path = folder / "mask.yaml"
    path.write_text(text)
    return path


def test_of_a_mask_no_drift_is_told_in_any_table_figure_or_page(tmp_path: Path) -> None:
    done = diffusim("run", written(tmp_path), "--out", tmp_path, "--no-figures")
    assert done.code == 0
    for cells in done.rows.values():
        assert cells["mass drift"] == cells["negative"] == ""
    stored = conducted(tmp_path / "mask.yaml", tmp_path / "again")
    with stored:
        comparison = compare_stored([stored])
        figure = history(stored, comparison)
        assert figure is not None
        assert [axes.get_title() for axes in figure.axes] == [
            "Error against the reference of the same limit"
        ]
    assert {(row.mass_drift, row.negative) for row in comparison.rows} == {(None, None)}
    page = beside(stored.path, comparison).read_text()
    assert "No balance is kept" in page
    assert "unexplained, relative" not in page
    metrics = json.loads((stored.path.parent / "metrics.json").read_text())
    assert {row["mass_drift"] for row in metrics["rows"]} == {None}


def test_of_a_mask_alone_there_is_no_history(tmp_path: Path) -> None:
    with conducted(written(tmp_path, ANSWER.replace(", stencil", "")), tmp_path) as stored:
        assert history(stored, compare_stored([stored])) is None


def test_a_bound_on_a_drift_that_nobody_keeps_is_not_met(tmp_path: Path) -> None:
    text = ANSWER + "expect: {stencil: {l2: 1e-12, mass_drift: 1e-3}}\n"
    with conducted(written(tmp_path, text), tmp_path) as stored:
        row = compare_stored([stored])["stencil"]
    assert row.verdict == "outside expect"
    assert row.reason == "mass_drift is not told, for no balance is kept"


def test_what_a_template_finds_is_told_with_the_result_and_on_its_page(tmp_path: Path) -> None:
    ready = prepare(written(tmp_path))
    outcome = carry_out(ready, tmp_path)
    (words,) = (note for note in outcome.comparison.notes if "place" in note)
    assert words.startswith("no place stands out: the best, at (")
    assert words in list(remarks(ready, outcome.comparison))
    page = beside(outcome.path, outcome.comparison).read_text()
    assert page.count(words[1:]) == 1
    assert page.index(f"N{words[1:]}.") < page.index("Verdicts")
