"""The picture of a template: where it is found, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from plot_samples import assert_legible

from diffusim import match as matching
from diffusim import store
from diffusim.alignment import compare_stored
from diffusim.comparison import Comparison
from diffusim.conduct import run
from diffusim.plots import PICTURES, fields, fourier, match
from diffusim.report.embedded import CAPTIONS

PLANE = """
title: A corner among noise
grid: {shape: [40, 30], size: [80 mm, 60 mm], edges: EDGES}
propagator: {kind: template, template: TEMPLATE}
field: {name: brightness, unit: "1"}
initial: {kind: array, path: u.npy}
times: {at: WHEN}
methods: [fourier, stencil]
"""
CORNER = "[[1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]]"
LINE = (("[40, 30]", "[60]"), ("[80 mm, 60 mm]", "[120 mm]"), ("TEMPLATE", "[0, 1, 2, 1, 1, 0]"))

KERNEL = ("{kind: template, template: TEMPLATE}", "{kind: kernel, kernel: box, normalise: sum}")


@contextmanager
def opened(folder: Path, u: np.ndarray, *changes: tuple[str, str]) -> Iterator[Any]:
    text = PLANE
    for old, new in (*changes, ("EDGES", "no-flux"), ("TEMPLATE", CORNER), ("WHEN", "[0, 1]")):
        text = text.replace(old, new)
    np.save(folder / "u.npy", u)
    (folder / "tiny.yaml").write_text(text)
    with run(folder / "tiny.yaml", folder / "out") as stored:
        yield stored, compare_stored([stored])


def crowd(shape: tuple[int, ...] = (40, 30)) -> np.ndarray:
    """Noise, a pale copy of the template with its lowest cell at (21, 9), and a bright sheet."""
    u = 0.05 * np.random.default_rng(1).random(shape)
    pale = np.array([[1, 1, 1], [1, 0, 0], [1, 0, 0], [1, 0, 0]])
    u[21:25, 9:12] += 0.3 * pale
    u[3:12, 17:25] += 2.0
    return u


def drawn(stored: store.Stored, comparison: Comparison) -> Figure:
    figure = match(stored, comparison)
    assert figure is not None
    return figure


def panel(figure: Figure, title: str) -> Axes:
    return next(axes for axes in figure.axes if title in axes.get_title())


def boxes_of(figure: Figure) -> list[Rectangle]:
    """Boxes in the picture, in the order in which they are drawn."""
    return [patch for patch in panel(figure, "The picture").patches
            if isinstance(patch, Rectangle)]  # fmt: skip


def test_the_best_place_is_boxed_first_and_told_in_words(tmp_path: Path) -> None:
    with opened(tmp_path, crowd()) as both:
        figure = drawn(*both)
    boxes = boxes_of(figure)
    # Drawn last, so that it lies on top; an edge is a line of the cells, 0.2 cm wide.
    assert boxes[-1].get_width() == pytest.approx(0.8, rel=1e-12)
    assert boxes[-1].get_height() == pytest.approx(0.6, rel=1e-12)
    assert abs(boxes[-1].get_x() - 4.2) < 0.1
    assert abs(boxes[-1].get_y() - 1.8) < 0.1
    words = figure.get_suptitle()
    assert "the template is found at (4." in words
    assert ") cm: correlation 1.00, " in words
    assert "the next best is 0.9" in words
    assert_legible(figure)


def test_maps_say_that_a_picture_becomes_an_answer_of_which_no_waves_are_drawn(
    tmp_path: Path,
) -> None:
    with opened(tmp_path, crowd()) as both:
        assert fields(*both).axes[-1].get_ylabel() == "brightness, then answer"
        assert fourier(*both) is None


def test_maps_of_a_kernel_say_nothing_of_an_answer(tmp_path: Path) -> None:
    with opened(tmp_path, crowd(), KERNEL) as both:
        assert fields(*both).axes[-1].get_ylabel() == "brightness"
        assert fourier(*both) is not None


def test_what_a_propagator_is_about_is_drawn_and_shown_right_after_the_fields() -> None:
    own = ["fields", "filter", "match", "series", "fourier"]
    assert [picture.__name__ for picture in PICTURES][:5] == own
    assert list(CAPTIONS)[:5] == own


def test_what_does_not_stand_out_is_dashed_and_called_no_match(tmp_path: Path) -> None:
    with opened(tmp_path, crowd()) as both:
        figure = drawn(*both)
    assert [box.get_linestyle() == "solid" for box in boxes_of(figure)] == [False] * 4 + [True]
    told = [text.get_text() for text in panel(figure, "The best places").texts]
    assert told[6::7] == ["", "match", *["no match"] * 4]


def test_where_nothing_stands_out_the_figure_says_so(tmp_path: Path) -> None:
    u = np.sin(np.arange(40)[:, None] * np.arange(30) ** 1.5)
    with opened(tmp_path, u) as both:
        figure = drawn(*both)
    assert not any(box.get_linestyle() == "solid" for box in boxes_of(figure))
    assert "no place stands out: the best, at (" in " ".join(figure.get_suptitle().split())
    assert "nothing in it stands out" in panel(figure, "The picture").get_title()
    assert_legible(figure)


def test_a_box_over_the_end_of_a_ring_goes_on_at_the_other_one(tmp_path: Path) -> None:
    u = np.roll(crowd(), (-22, -9), (0, 1))
    with opened(tmp_path, u, ("EDGES", "periodic")) as both:
        figure = drawn(*both)
    # The best place is drawn last: its box in the middle, then its other parts.
    boxes = [
        (box.get_x(), box.get_y()) for box in boxes_of(figure) if box.get_linestyle() == "solid"
    ]
    left, low = boxes[0]
    assert -0.8 < left < 0.0
    assert boxes[1:] == [pytest.approx((left + 8.0, low), rel=1e-12)]


def test_a_negative_that_stands_out_below_is_marked_and_named(tmp_path: Path) -> None:
    u = 0.05 * np.random.default_rng(1).random((40, 30))
    u[21:25, 9:12] -= [[1, 1, 1], [1, 0, 0], [1, 0, 0], [1, 0, 0]]
    with opened(tmp_path, u) as both:
        figure = drawn(*both)
        axes = panel(figure, "Divided by the contrast")
    assert "in the square a negative" in axes.get_title()
    square = np.array(axes.lines[1].get_xydata()[0]) / 0.2 - 0.5
    assert np.allclose(square, (23, 10), atol=1e-9)
    assert_legible(figure)


def test_both_maps_are_signed_and_ringed_where_they_are_largest(tmp_path: Path) -> None:
    with opened(tmp_path, crowd()) as (stored, comparison):
        figure = drawn(stored, comparison)
        answer = stored.runs["fourier"].frames[1]
        t = stored.runs["fourier"].arrays["template"][0]
    score = matching.correlate(crowd(), t, pad="reflect")
    for title, values in (("answer", answer), ("Divided by", score)):
        axes = panel(figure, title)
        assert np.max(np.abs(axes.images[0].get_array() - values.T)) < 1e-12
        low, high = axes.images[0].get_clim()
        assert -low == high == pytest.approx(np.max(np.abs(values)), rel=1e-12)
        ring = np.array(axes.lines[0].get_xydata()[0]) / 0.2 - 0.5
        assert np.allclose(ring, np.unravel_index(np.argmax(values), values.shape), atol=1e-9)
    assert np.argmax(answer) != np.argmax(score)
    assert np.array_equal(panel(figure, "Template").images[0].get_array(), t.T)


def test_the_list_tells_places_and_scores_from_the_best_down(tmp_path: Path) -> None:
    with opened(tmp_path, crowd()) as (stored, comparison):
        figure = drawn(stored, comparison)
        run, answer = stored.runs["fourier"], stored.runs["fourier"].frames[1]
        t = run.arrays["template"][0]
    found = matching.find(crowd(), t, count=5, pad="reflect")
    texts = [text.get_text() for text in panel(figure, "The best places").texts]
    rows = np.reshape(texts, (6, 7))
    assert rows[0].tolist() == ["", "x (cm)", "y (cm)", "correlation", "times scatter",
                                "linear answer", ""]  # fmt: skip
    scores = [float(text.replace("\N{MINUS SIGN}", "-")) for text in rows[1:, 3]]
    assert np.max(np.abs(np.subtract(scores, [place.score for place in found]))) <= 5e-4
    places = [[float(text) for text in row] for row in rows[1:, 1:3]]
    wanted = [[0.2 * (x + 0.5) for x in place.place] for place in found]
    assert np.max(np.abs(np.subtract(places, wanted))) <= 5.1e-3
    assert float(rows[1, 5]) == pytest.approx(float(answer[23, 10]), abs=5e-4)


@pytest.mark.parametrize(
    ("edges", "pad"),
    [("periodic", "wrap"), ("{x: {value: 0.5}}", "zero"), ("{right: {value: 0.5}}", "zero")],
)
def test_beyond_the_rim_lies_what_the_sides_of_the_grid_say(
    edges: str, pad: Any, tmp_path: Path
) -> None:
    with opened(tmp_path, crowd(), ("EDGES", edges)) as (stored, comparison):
        figure = drawn(stored, comparison)
        t = stored.runs["fourier"].arrays["template"][0]
    u, pads = (crowd() - 0.5, ("zero", "reflect")) if pad == "zero" else (crowd(), (pad, pad))
    score = matching.correlate(u, t, pad=pads)
    shown = panel(figure, "Divided by").images[0].get_array()
    assert np.max(np.abs(shown - score.T)) < 1e-12


def test_on_a_line_the_places_are_bands(tmp_path: Path) -> None:
    u = 0.05 * np.random.default_rng(2).random(60)
    u[33:39] += [0, 1, 2, 1, 1, 0]
    with opened(tmp_path, u, *LINE) as both:
        figure = drawn(*both)
    bands: Any = figure.axes[0].patches
    assert abs(bands[0].get_x() - 6.6) < 0.1
    assert bands[0].get_width() == pytest.approx(1.2, rel=1e-12)
    rows = np.reshape([text.get_text() for text in panel(figure, "The best places").texts], (6, 6))
    # The template fits perfectly, and its middle is between two cells.
    assert float(rows[1, 4]) == pytest.approx(1.0, abs=0.02)
    assert_legible(figure)


def test_without_a_template_or_its_picture_nothing_is_drawn(tmp_path: Path) -> None:
    assert match in PICTURES
    late = ("WHEN", "[1, 2]")
    flat = ("template: TEMPLATE", "template: [[1, 1], [1, 1]], correlation: plain")
    for number, change in enumerate((KERNEL, late, flat)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with opened(folder, crowd(), change) as (stored, comparison):
            assert match(stored, comparison) is None
