"""The words of a report: verdicts, tables, the ledger, numbers, figures and their sentences."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from plot_samples import assert_legible, header
from report_samples import picture

from diffusim import style
from diffusim.comparison import Comparison, Gap, Rank, Row
from diffusim.plots import shown
from diffusim.plots.colours import table
from diffusim.plots.precision import precision
from diffusim.report import embedded, tables, words
from diffusim.report.shapes import shapes
from diffusim.verdicts import UNEXPLAINED, Series

# --- sentences and tables -----------------------------------------------------------------------


def row(label: str, **changes: Any) -> Row:
    plain: dict[str, Any] = dict.fromkeys(
        ("l1", "l2", "linf", "worst_l2", "worst_time", "mass_drift", "minimum", "maximum"), 0.0
    )
    absent: dict[str, Any] = dict.fromkeys(("expected", "ratio", "p_value", "p_last"))
    texts = {"label": label, "limit": "lattice", "reference": "modes", "reason": "",
             "verdict": "as predicted"}  # fmt: skip
    return Row(**{**plain, **absent, **texts, "seconds": 1.0, "series": Series(), **changes})


def test_one_verdict_is_given_for_all() -> None:
    fine, lost = row("ftcs"), row("walkers", verdict=UNEXPLAINED, reason="p = 0")
    open_ = row("other", verdict="not judged")
    assert words.verdict(Comparison("", [], [fine, fine])) == "All as predicted."
    assert (
        words.verdict(Comparison("", [], [fine, open_])) == "All as predicted; not judged: other."
    )
    led = row("modes", verdict="reference")
    for rows in ([open_], [led], [led, open_]):
        assert words.verdict(Comparison("", [], rows)) == "Nothing could be judged."
    gap = Gap("exact", 0.1, 0.2, 0.3, 0.25, 0.19, 1.05, "as predicted", "", Series())
    assert words.verdict(Comparison("", [], [replace(led, gap=gap)])) == "All as predicted."
    found = words.verdict(Comparison("", [], [fine, lost]))
    assert found == "Not as predicted: walkers (unexplained)."


def test_a_gap_to_another_limit_has_a_line_and_a_voice_in_the_verdict() -> None:
    gap = Gap("exact", 0.1, 0.2, 0.3, 0.25, 0.19, 1.05, UNEXPLAINED, "too <far>", Series())
    comparison = Comparison("", [], [row("ftcs", gap=gap)])
    assert words.verdict(comparison) == "Not as predicted: ftcs (unexplained against exact)."
    shown = tables.verdicts(comparison)
    assert "too &lt;far&gt;" in shown
    assert '<td data-head="L2, worst">0.25</td>' in shown


def test_one_cell_and_one_frame_are_not_spoken_of_as_many() -> None:
    one = words.lead(header((1, 1), np.zeros(1)), Comparison("", [3600.0], []), ["modes"])
    assert "on 1 × 1 cell (30 cm × 10 cm), in one frame at 1 h, by modes." in one


def test_columns_that_hold_nothing_are_left_out() -> None:
    shown = tables.verdicts(Comparison("", [], [row("ftcs", ratio=1.5)]))
    assert "ratio" in shown
    assert "expected" not in shown
    heads = re.findall(r'<th scope="col">([^<]*)</th>', shown)
    assert heads[:2] == ["run", "verdict"]
    assert "seconds" in heads
    untimed = tables.verdicts(Comparison("", [], [row("ftcs", seconds=0.0)]))
    assert "seconds" not in untimed
    assert tables.measures(Comparison("", [], [row("m", verdict="reference")])) == ""


def test_finer_measures_and_the_cheapest_run_are_told_where_they_are_known() -> None:
    fine = row("ftcs", h1=0.25, bands={"<4": 0.5}, transport={"x": 2e-3}, negative=1e-4, steps=7)
    shown = tables.measures(Comparison("", [], [fine]))
    for said in ("0.25", "&lt;4: 0.5", "x: 2 mm", "1 × 10⁻⁴", ">7<"):
        assert said in shown
    ranked = Comparison("", [], [fine], ranking=[Rank(1e-3, "ftcs", 0.5, 2e-4)])
    assert list(words.ranking(ranked)) == [
        "To an error of 0.001: ftcs, 0.5 s (its error is 2 × 10⁻⁴)"
    ]


def test_the_ledger_tells_what_was_there_what_came_in_and_what_is_left() -> None:
    opened_ = row("ftcs", accounts={"left": 2.0, "decay": -0.5}, mass_drift=3e-15)
    runs = {"ftcs": SimpleNamespace(facts={"total": 10.0})}
    plain = header((2, 2), np.zeros(1))
    shown = tables.ledger(plain, runs, Comparison("", [], [opened_]))
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", shown)
    assert cells == ["10", "+2", "−0.5", "11.5", "3 × 10⁻¹⁵"]
    assert "Content in g/L times volume" in shown


def test_a_balance_of_no_number_is_told_in_words() -> None:
    fine, lost = row("ftcs", mass_drift=3e-15), row("walkers", mass_drift=float("nan"))
    for rows in ([fine, lost], [lost, fine]):
        said = words.balance(Comparison("", [], rows))
        assert "at most 3 × 10⁻¹⁵ of all" in said
        assert said.endswith(", where values are numbers.")
    assert "cannot be told" in words.balance(Comparison("", [], [lost]))
    assert "at most 3 × 10⁻¹⁵ of all" in words.balance(Comparison("", [], [fine]))


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0"), (0.02314, "0.0231"), (-4.2e-7, "−4.2 × 10⁻⁷"), (123456.0, "123456"),
     (3e8, "3 × 10⁸"), (float("inf"), "inf"), (None, ""), (float("nan"), "not a number")],
)  # fmt: skip
def test_numbers_are_written_as_people_write_them(value: float | None, said: str) -> None:
    assert words.number(value) == said


# --- figures ------------------------------------------------------------------------------------


def embed(figures: dict[str, bytes | Path]) -> list[embedded.Picture]:
    with ThreadPoolExecutor(1) as threads:
        waiting, _ = embedded.packed(figures, threads)
        return [each.result() for each in waiting]


def test_figures_come_in_the_order_of_the_page_and_lose_no_pixel() -> None:
    drawn = picture(noise=True)
    found = embed({"zebra": drawn, "history": drawn, "fields": drawn})
    assert [each.name for each in found] == ["fields", "history", "zebra"]
    with Image.open(io.BytesIO(found[0].data)) as shown, Image.open(io.BytesIO(drawn)) as whole:
        assert shown.format == "WEBP"
        assert np.array_equal(np.asarray(shown.convert("RGB")), np.asarray(whole))


def test_figures_that_cannot_be_read_are_named_and_take_nothing_else_away(tmp_path: Path) -> None:
    whole = picture(noise=True)
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    found = embed({"fields": b"nothing", "error": tmp_path / "nowhere.png",
                   "history": tmp_path / "half.png", "spread": whole})  # fmt: skip
    shown = embedded.section(found)
    assert shown.count("<img") == 1
    assert "No PNG file that can be read: fields.png, error.png, history.png." in shown


def test_figures_for_which_there_is_no_room_are_named() -> None:
    large = embedded.Picture("fields", "png", bytes(embedded.MOST), (10, 10))
    small = embedded.Picture("history", "png", b"small", (10, 10))
    shown = embedded.section([large, small])
    assert shown.count("<img") == 1
    assert "Too large for this page: fields.png." in shown


def test_the_figures_of_a_run_and_of_its_convergence_are_found(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    told = {"figures/fields.png": "mine", "converge-dt.png": "mine", "other.png": "mine",
            "figures/mine.png": "mine", "figures/error.png": "another", "figures/chance.png": "",
            "converge-grid.png": "another", "converge-particles.png": ""}  # fmt: skip
    for name, digest in told.items():
        (tmp_path / name).write_bytes(style.png(Figure((1, 1)), digest=digest))
    (tmp_path / "figures" / "history.png").write_bytes(b"no picture")
    assert set(embedded.in_folder(tmp_path, "mine")) == {"fields", "converge-dt"}


def test_a_table_of_colours_is_the_map_itself() -> None:
    found = table("viridis")
    assert (found.shape, found.dtype) == ((256, 3), np.uint8)
    assert found[0].tolist() == [68, 1, 84]
    assert found[-1].tolist() == [253, 231, 37]
    # In whole numbers two neighbours may share a colour, and none else.
    steps = [np.flatnonzero(np.all(found == colour, axis=1)) for colour in found]
    assert all(np.ptp(alike) <= 1 for alike in steps)


# --- shapes over the maps -----------------------------------------------------------------------


def test_walls_are_drawn_while_they_are_closed_and_solid_cells_always() -> None:
    scenario = {
        "grid": {"shape": [4, 2], "size": [0.4, 0.2]},
        "propagator": {
            "kind": "diffusion",
            "diffusivity": 1.0,
            "walls": [{"axis": "x", "at": 0.1, "span": [0.0, 0.1], "opens": 5400.0}],
            "obstacles": {"kind": "boxes", "boxes": [{"x": [0.1, 0.3], "y": [0.1, 0.2]}]},
        },
    }
    plain = header((4, 2), np.arange(4) * 3600.0, size=(0.4, 0.2), scenario=scenario)
    found = shapes(plain, [0, 1, 3])
    assert found["walls"] == [("M25,100L25,50", ""), ("", "")]
    assert found["which"] == [0, 0, 1]
    assert found["solid"] == "M25,50H75V0H25z"


def test_where_nothing_stands_no_shape_is_drawn() -> None:
    plain = header((4,), np.arange(2) * 1.0, size=(0.4,))
    assert shapes(plain, [0, 1]) == {"solid": "", "walls": [("", "")], "which": [0, 0]}


# --- work and precision -------------------------------------------------------------------------


def measured() -> Comparison:
    runs = [row("modes", reference="modes"), row("ftcs", l2=1e-3, seconds=2.0, expected=2e-3),
            row("walkers", l2=0.2, seconds=0.5, verdict=UNEXPLAINED),
            row("worse", l2=0.3, seconds=4.0)]  # fmt: skip
    return Comparison("Runs", [0.0], runs, "modes")


def test_work_and_precision_shows_each_run_where_it_is() -> None:
    figure = precision(header((2, 2), np.zeros(1)), measured())
    assert figure is not None
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    points = {(float(line.get_xdata()[0]), float(line.get_ydata()[0]))
              for line in axes.lines if len(line.get_xdata()) == 1}  # fmt: skip
    assert points == {(2.0, 1e-3), (2.0, 2e-3), (0.5, 0.2), (4.0, 0.3)}
    front = next(line for line in axes.lines if line.get_drawstyle() == "steps-post")
    assert list(front.get_xdata()) == [0.5, 2.0]
    assert [text.get_text() for text in axes.texts] == [UNEXPLAINED]
    assert_legible(figure)


def test_work_and_precision_needs_two_runs_with_an_error() -> None:
    plain = header((2, 2), np.zeros(1))
    assert precision(plain, Comparison("", [], [row("m"), row("f", l2=1.0)])) is None


def test_a_run_has_one_colour_in_every_picture() -> None:
    methods = [{"kind": "ftcs"}, {"kind": "modes"}, {"kind": "walkers"}]
    stored = header((2, 2), np.zeros(1), scenario={"methods": methods}, reference="modes")
    given = ["ftcs", "modes", "walkers", "modes-cell-to-cell"]
    ordered = ["modes", "ftcs", "walkers", "modes-cell-to-cell"]
    assert shown.places(stored, given) == {label: place for place, label in enumerate(ordered)}
