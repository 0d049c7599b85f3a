"""The comparison of stored runs: gaps from the analytic solution, ranking, and what is printed."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare_samples import TIMES, Ticking, as_json, beside_a_truth, ran
from shell import TINY, Done, diffusim, refused

import diffusim as ds
from diffusim import comparison, store
from diffusim.alignment import compare_stored
from diffusim.comparison import Row
from diffusim.verdicts import AS_PREDICTED, NOT_JUDGED, UNEXPLAINED, Series, judge_gap, judge_ratio


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ran(tmp_path_factory.mktemp("tiny"), "tiny")


# --- a truth of another limit -------------------------------------------------------------------


def test_every_run_stands_apart_from_the_analytic_solution_as_predicted(tiny: Path) -> None:
    with store.load(tiny) as stored:
        table = ds.compare(stored)
    assert any(note.startswith("exact: a step") for note in table.notes)
    assert "exact" not in [row.label for row in table.rows]
    assert {row.gap.reference for row in table.rows} == {"exact"}
    assert {row.gap.verdict for row in table.rows} == {AS_PREDICTED}
    gap = table["modes"].gap
    assert 1e-4 < gap.l2 < 1e-1
    assert gap.l2 == pytest.approx(gap.expected, rel=0.1, abs=0)
    assert table["modes"].verdict == "reference"
    # Steps and cells err in opposite ways here: what is left is less than either.
    assert table["ftcs"].gap.l2 < gap.l2


def test_a_run_against_another_limit_is_held_against_its_truncation_too(tiny: Path) -> None:
    done = diffusim("compare", tiny, "--reference", "exact")
    assert done.code == 0, done
    assert {row["gap reference"] for row in done.rows.values()} == {"exact"}
    assert done.rows["ftcs"]["reference"] == "modes"
    done = diffusim("compare", tiny, "--reference", "modes-cell-to-cell")
    assert done.rows["walkers"]["reference"] == "modes-cell-to-cell"
    assert done.rows["ftcs"]["gap reference"] == "modes-cell-to-cell"
    assert done.rows["ftcs"]["gap verdict"] == "as predicted"


def test_another_diffusivity_is_not_what_truncation_explains(tiny: Path, tmp_path: Path) -> None:
    """Ten per cent are 1e-2, where the cells leave 4e-3."""
    wrong = ran(tmp_path, "wrong", "propagator.diffusivity=1.65e-9")
    done = diffusim("compare", tiny, wrong, "--reference", "exact")
    assert done.rows["wrong/modes"]["gap verdict"] == "unexplained"
    assert done.rows["modes"]["gap verdict"] == "as predicted"
    assert done.code == 3


def test_a_run_without_a_reference_of_its_limit_is_judged_by_the_gap() -> None:
    """Its distance in the last frame is 4e-3."""
    told = {"prediction": "bound", "predicted": [1e-15] * 4}
    good = beside_a_truth(1.0, [None, 1e-3, 2e-3, 4e-3], **told)["run"]
    assert (good.verdict, good.ratio) == (AS_PREDICTED, pytest.approx(1.0, rel=1e-6, abs=0))
    assert "against truth" in good.reason
    bad = beside_a_truth(1.0, [None, 1e-3, 2e-3, 1e-3], **told)["run"]
    assert bad.verdict == UNEXPLAINED
    assert not good.within(1e-3)
    assert good.within(5e-3)
    for reason in ("it takes long", [None] * 4):
        assert beside_a_truth(1.0, reason, **told)["run"].verdict == NOT_JUDGED
    assert beside_a_truth(1.0, [4e-3] * 4)["run"].verdict == NOT_JUDGED


def test_two_errors_of_known_size_may_add_up_or_cancel_and_no_more() -> None:
    told = {"prediction": "estimate", "predicted": [0.0, 3e-3, 3e-3, 3e-3]}
    # Each may be half or twice what is predicted of it: of 3 thousandths and 0.2 at least
    # 3 / 2 - 2 * 0.2 are left, and at most 2 (3 + 0.2) come together.
    for other, thousandths, verdict in (
        (0.2, 1.0, UNEXPLAINED), (0.2, 1.2, AS_PREDICTED), (0.2, 6.3, AS_PREDICTED),
        (0.2, 6.5, UNEXPLAINED), (2.0, 0.01, AS_PREDICTED), (2.0, 9.9, AS_PREDICTED),
        (2.0, 10.1, UNEXPLAINED), (20.0, 3.9, UNEXPLAINED), (20.0, 4.1, AS_PREDICTED),
    ):  # fmt: skip
        truncation = [None, None, None, 1e-3 * other]
        row = beside_a_truth(thousandths / 4.0, truncation, **told)["run"]
        assert row.gap.verdict == verdict, (other, thousandths)
        assert row.gap.expected == pytest.approx(1e-3 * (3 + other), rel=1e-6, abs=0)


def test_of_a_bound_nothing_needs_to_be_left() -> None:
    """Of 2 thousandths and a bound of 0.3, 2 / 2 - 2 * 0.3 are left; a bound alone leaves none."""
    for bound, other, thousandths, verdict in (
        (0.3, 2.0, 0.3, UNEXPLAINED), (0.3, 2.0, 0.5, AS_PREDICTED), (30.0, 2.0, 0.1, AS_PREDICTED),
    ):  # fmt: skip
        told = {"prediction": "bound", "predicted": [1e-3 * bound] * 4}
        truncation = [None, None, None, 1e-3 * other]
        row = beside_a_truth(thousandths / 4.0, truncation, **told)["run"]
        assert row.gap.verdict == verdict, (bound, thousandths)


def test_two_errors_of_a_run_that_nearly_cancel_are_as_predicted(tmp_path: Path) -> None:
    """Explicit steps come within 1e-10 of the smooth truth, where 2.5e-8 and 1.6e-8 cancel."""
    text = """\
title: two held sides
grid: {shape: [3, 5], size: [0.01, 0.02], edges: {left: {value: 3}, right: {value: 3}}}
propagator: {kind: diffusion, diffusivity: 1e-9}
initial: {kind: uniform, value: 1}
times: {stop: 194368.8990262771, frames: 2}
methods: [auto, ftcs, adi]
"""
    found = as_json(ran(tmp_path, "held", text=text))["rows"]
    gap = next(row["gap"] for row in found if row["label"] == "ftcs")
    assert gap["l2"] < 0.01 * gap["expected"]
    assert gap["verdict"] == AS_PREDICTED


def test_an_error_that_is_no_number_is_never_as_predicted() -> None:
    series = Series(l2=[0.0, float("nan"), 1e-3], predicted=[0.0, 1e-3, 1e-3])
    assert judge_ratio(series, "estimate")[0] == UNEXPLAINED
    assert judge_gap(series, [0.0, 1e-3, 1e-3])[0] == UNEXPLAINED


# --- what must not pass unseen ------------------------------------------------------------------


def test_a_small_field_is_judged_like_any_other(tiny: Path, tmp_path: Path) -> None:
    """Everything is below 4e-9: nothing absolute would see a fault of half of it."""
    values = "initial.values=[35.0e-10, 0.0]"
    small = ran(tmp_path, "small", values)
    wrong = ran(tmp_path, "wrong", values, "propagator.diffusivity=3e-9")
    plain, same = as_json(tiny)["rows"], as_json(small)["rows"]
    for one, other in zip(plain, same, strict=True):
        assert other["l2"] == pytest.approx(one["l2"], rel=1e-6, abs=1e-12)
        assert other["verdict"] == one["verdict"]
    done = diffusim("compare", small, wrong)
    assert done.rows["wrong/ftcs"]["verdict"] == "unexplained"
    assert done.code == 3
    assert diffusim("compare", small, "--tolerance", "1e-3").code == 3


def test_a_wave_beside_a_diffusion_is_told_to_be_one(tiny: Path, tmp_path: Path) -> None:
    wave = TINY.replace("kind: diffusion", "kind: schroedinger").replace("title: tiny", "title: w")
    lines = [
        line for line in wave.splitlines() if "diffusivity" not in line and "walls" not in line
    ]
    text = "\n".join(lines).replace(
        "{kind: halves, axis: x, values: [35.0, 0.0]}",
        "{kind: packet, centre: [6 mm, 5 mm], width: [1 mm, 1 mm], wavelength: 4 mm}",
    ).replace("[ftcs, modes, {kind: walkers, particles: 1e4}]", "[modes, chebyshev]")  # fmt: skip
    found = ran(tmp_path, "wave", text=text)
    done = diffusim("compare", tiny, found)
    assert "propagator diffusion and schroedinger" in done.err
    assert done.rows["wave/modes"]["verdict"] == "unexplained"
    assert (
        "this one first: propagator schroedinger and diffusion" in done.rows["wave/modes"]["reason"]
    )
    assert done.code == 3


# --- what is likely wrong -----------------------------------------------------------------------


def bumps(shape: tuple[int, int] = (24, 24), at: tuple[int, int] = (9, 13)) -> np.ndarray:
    x, y = (np.arange(n) + 0.5 for n in shape)
    return np.exp(-((x[:, None] - at[0]) ** 2) / 18 - ((y[None, :] - at[1]) ** 2) / 8)


@pytest.mark.parametrize(
    ("turned", "words"),
    [
        (lambda u: np.roll(u, 1, 0), "shifted by whole cells, +1 along x"),
        (
            lambda u: np.roll(u, (2, -1), (0, 1)),
            "shifted by whole cells, +2 along x and -1 along y",
        ),
        (lambda u: u.T, "transposed"),
        (lambda u: u[::-1], "mirrored along x"),
        (lambda u: 1.5 * u, "multiplied by 1.5"),
    ],
)
def test_a_simple_fault_is_named(turned: Any, words: str) -> None:
    row = unexplained(bumps(), turned(bumps()))
    assert words in row.reason


def test_lost_content_is_named_by_how_much(tmp_path: Path) -> None:
    row = unexplained(bumps(), 0.95 * bumps(), total=float(bumps().sum()))
    assert "as though 5 % of the content were lost" in row.reason


def test_what_no_simple_fault_explains_gets_no_explanation() -> None:
    noise = np.random.default_rng(4).random((24, 24))
    assert "looks" not in unexplained(bumps(), bumps() + noise).reason
    assert "looks" not in unexplained(bumps(), np.roll(bumps(), 1, 0) + 0.05 * noise).reason


def unexplained(r: np.ndarray, u: np.ndarray, **facts: Any) -> Row:
    """The row of a run that differs in its last frame."""
    told = {"limit": "lattice", "statistical": False, "prediction": "estimate"}
    law = Ticking("law", [r, r], **told)
    run = Ticking("run", [r, u], predicted=[0.0, 1e-6], **told, **facts)
    row = comparison.compare([law, run], TIMES[:2], reference="law")["run"]
    assert row.verdict == UNEXPLAINED
    return row


# --- work and precision -------------------------------------------------------------------------


def test_the_cheapest_run_is_told_for_each_decade_of_error() -> None:
    def run(label: str, error: float, seconds: float, **facts: Any) -> Ticking:
        told = {"limit": "lattice", "statistical": False, "seconds": seconds, **facts}
        return Ticking(label, [np.full(4, 1.0 + error)], **told)

    runs = [
        run("truth", 0.0, 9.0, predicted=[1e-13]),
        run("rough", 3e-3, 0.1),
        run("fine", 2e-6, 1.5),
        run("slow", 3e-6, 4.0),
        run("worse", 2e-2, 0.2),
        run("extra", 0.0, 0.01),
        Ticking("timeless", [np.full(4, 1.0)], limit="lattice"),
    ]
    names = {r.label for r in runs} - {"extra"}
    table = comparison.compare(runs, [1.0], reference="truth", ranked=names)
    found = [(rank.error, rank.label, rank.seconds) for rank in table.ranking]
    assert found == [
        (pytest.approx(1e-2, rel=1e-6, abs=0), "rough", 0.1),
        (pytest.approx(1e-5, rel=1e-6, abs=0), "fine", 1.5),
        (pytest.approx(1e-13, rel=1e-6, abs=0), "truth", 9.0),
    ]
    assert table.ranking[1].reached == pytest.approx(2e-6, rel=1e-6, abs=0)
    assert table.cheapest == (
        "cheapest to 1e-02: rough 0.1 s; to 1e-05: fine 1.5 s; below, to 1e-13: truth 9 s "
        "(against the reference of its own limit)"
    )
    assert table.cheapest in str(table)


def test_where_all_stand_beside_one_truth_errors_are_distances_from_it(tiny: Path) -> None:
    with store.load(tiny) as stored:
        table = compare_stored([stored])
    assert table.ranked_against == "exact"
    assert "modes-cell-to-cell" not in {rank.label for rank in table.ranking}
    for rank in table.ranking:
        assert rank.reached == table[rank.label].gap.l2 <= rank.error
    assert "against exact, as predicted" in str(table)


# --- what is printed ----------------------------------------------------------------------------


def test_csv_and_json_hold_every_number(tiny: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(diffusim("compare", tiny, "--format", "csv").out)))
    found = as_json(tiny)
    for row, full in zip(rows, found["rows"], strict=True):
        for name in ("h1", "variation", "negative", "steps"):
            assert float(row[name]) == full[name]
        for name in ("transport", "displacement"):
            assert {axis: float(row[f"{name}_{axis}"]) for axis in "xy"} == full[name]
        assert float(row["bands_4-8"]) == full["bands"]["4-8"]
        assert float(row["gap_l2"]) == full["gap"]["l2"]
        assert row["gap_reference"] == full["gap"]["reference"] == "exact"
    assert found["ranking"][0].keys() == {"error", "label", "seconds", "reached"}
    assert found["ranked_against"] == "exact"
    assert found["notes"][0].startswith("exact:")


def test_notes_and_ranking_go_to_the_log_and_leave_the_table_alone(tiny: Path) -> None:
    done: Done = diffusim("compare", tiny)
    assert "cheapest to" in done.err
    assert "exact: a step" in done.err
    assert len({len(line.split("\t")) for line in done.out.splitlines()}) == 1


def test_a_reference_that_is_not_there_is_refused_with_those_that_are(tiny: Path) -> None:
    refused(diffusim("compare", tiny, "--reference", "nope"), "'nope'", "ftcs", "exact")
