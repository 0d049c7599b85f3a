"""Figures show what is stored: where it lies, on which scale, and how far it is off."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import cbook, colors
from matplotlib.figure import Figure
from PIL import Image
from plot_samples import Open, assert_legible, opener, publish, random_fields

import diffusim
from diffusim import plots, store, style
from diffusim.alignment import compare_stored
from diffusim.block import Invalid
from diffusim.plots import shown

FIGURES = (plots.fields, plots.error, plots.profile, plots.across, plots.history, plots.chance,
           plots.radial, plots.spectrum)  # fmt: skip
LONG = "A title $x^2$ for \\frac 5 $ and 塩水 \U0001f9c2\t that goes on and on, " * 3


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with opener(tmp_path) as make:
        yield make


def drawn(figure: Figure) -> np.ndarray:
    """Return the pixels of a figure, from the top down."""
    return np.asarray(Image.open(io.BytesIO(style.png(figure))).convert("RGB"))


def images(figure: Figure) -> list[Any]:
    return [image for axes in figure.axes for image in axes.images]


@pytest.fixture(scope="module")
def salt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("salt")
    (folder / "salt.yaml").write_text(
        "title: Salt\n"
        "grid: {shape: [32, 8], size: [0.32 m, 0.08 m]}\n"
        "propagator: {kind: diffusion, diffusivity: 1.5e-9 m^2/s}\n"
        "initial: {kind: halves, axis: x, values: [35.0, 0.0]}\n"
        "times: {stop: 60 day, frames: 9, spacing: quadratic}\n"
        "methods: [ftcs, modes, {kind: walkers, particles: 1e4}]\n"
        "reference: modes\n",
        encoding="utf-8",
    )
    with diffusim.run(folder / "salt.yaml", folder) as stored:
        return stored.path


# --- files --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures(salt: Path) -> list[Path]:
    """All figures of a result, beside it."""
    return plots.draw(salt)


def test_all_pictures_of_a_scenario_lie_beside_its_result_whole_and_in_full_size(
    salt: Path, pictures: list[Path]
) -> None:
    found = pictures
    names = [path.name for path in found]
    assert {"fields.png", "error.png", "profile.png", "history.png", "chance.png",
            "spectrum.png"} <= set(names)  # fmt: skip
    assert {"across.png", "radial.png", "spread.png", "paths.png"} & set(names) == set()
    drawn_by = {f"{picture.__name__}.png": picture for picture in plots.PICTURES}
    with store.load(salt) as stored:
        comparison = compare_stored([stored])
        for path in found:
            figure = drawn_by[path.name](stored, comparison)
            assert figure is not None
            wanted = tuple(int(inches * style.DPI) for inches in figure.get_size_inches())
            with Image.open(path) as image:
                assert image.format == "PNG"
                assert image.size == wanted
                image.load()
                assert len(set(image.convert("L").get_flattened_data())) > 50
    assert sorted(path.name for path in (salt.parent / "figures").iterdir()) == sorted(names)


def test_of_figures_that_are_asked_for_no_others_are_touched(salt: Path, tmp_path: Path) -> None:
    (tmp_path / "paths.png").write_bytes(b"of somebody else")
    found = plots.draw(salt, tmp_path, only=["spectrum", "history", "spread"])
    assert [path.name for path in found] == ["history.png", "spectrum.png"]
    assert (tmp_path / "paths.png").read_bytes() == b"of somebody else"
    with pytest.raises(Invalid, match="there is no figure 'feilds'.*did you mean 'fields'"):
        plots.draw(salt, tmp_path, only=["feilds"])


def test_drawing_twice_gives_the_same_bytes(
    salt: Path, pictures: list[Path], tmp_path: Path
) -> None:
    first = [path.read_bytes() for path in pictures]
    assert first == [path.read_bytes() for path in plots.draw(salt, tmp_path / "a" / "b")]


def test_a_picture_of_an_earlier_run_does_not_stay(tmp_path: Path) -> None:
    path = publish(tmp_path / "run", {"modes": random_fields()})
    (path.parent / "figures").mkdir()
    (path.parent / "figures" / "error.png").write_bytes(b"old")
    names = [p.name for p in plots.draw(path)]
    assert names == ["fields.png", "profile.png", "across.png", "history.png"]
    assert not (path.parent / "figures" / "error.png").exists()


def test_the_settings_of_the_user_are_neither_used_nor_changed(salt: Path) -> None:
    with store.load(salt) as stored:
        comparison = compare_stored([stored])
        wanted = style.png(plots.history(stored, comparison))
        with mpl.rc_context({"font.size": 30.0, "lines.linewidth": 9.0, "savefig.dpi": 20}):
            before = dict(mpl.rcParams)
            assert style.png(plots.history(stored, comparison)) == wanted
            assert dict(mpl.rcParams) == before


# --- fields -------------------------------------------------------------------------------------


def test_x_runs_to_the_right_and_y_upwards(opened: Open) -> None:
    u = np.zeros((1, 6, 3))
    u[0, 5, 0] = 1.0
    stored, comparison = opened({"modes": u}, size=(0.06, 0.03))
    figure = plots.fields(stored, comparison)
    image = images(figure)[0]
    assert np.array_equal(image.get_array(), u[0].T)
    assert image.origin == "lower"
    assert image.get_extent() == pytest.approx([0, 6, 0, 3])
    assert [figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()] == ["x (cm)", "y (cm)"]
    pixels = drawn(figure)
    bright = (np.array(colors.to_rgb(image.cmap(1.0))) * 255).round()
    for x, y in itertools.product(np.arange(6) + 0.5, np.arange(3) + 0.5):
        column, row = figure.axes[0].transData.transform((x, y))
        is_bright = np.all(np.abs(pixels[-1 - int(row), int(column)] - bright) < 3)
        assert is_bright == (x > 5 and y < 1)


def test_all_fields_share_the_colour_scale_of_the_reference(opened: Open) -> None:
    runs = {"modes": random_fields(), "walkers": 3.0 * random_fields(seed=2) - 1.0}
    stored, comparison = opened(runs)
    figure = plots.fields(stored, comparison)
    limits = {image.get_clim() for image in images(figure)}
    assert limits == {(float(np.min(runs["modes"])), float(np.max(runs["modes"])))}
    assert len(images(figure)) == 8
    assert figure.axes[-1].get_ylabel() == "concentration (g/L)"


def test_a_compact_start_leaves_the_scale_to_what_becomes_of_it(opened: Open) -> None:
    u = np.array([8.0, 4.0, 1.0, 0.5])[:, None, None] * random_fields(1, (6, 5))
    stored, comparison = opened({"modes": u})
    assert {i.get_clim() for i in images(plots.fields(stored, comparison))} == {
        (float(np.min(u)), float(np.max(u[2])))
    }


def test_columns_are_the_first_early_ones_and_the_last_frame() -> None:
    quadratic = 60.0 * 86400.0 * (np.arange(61) / 60) ** 2
    assert shown.moments(quadratic) == [0, 6, 18, 36, 60]
    assert shown.moments(quadratic, 4) == [6, 18, 36, 60]
    assert shown.moments(np.arange(3.0)) == [0, 1, 2]
    assert shown.moments(np.arange(3.0), 4) == [0, 1, 2]
    assert shown.moments(np.arange(9.0), 4) == [1, 2, 3, 8]
    assert shown.moments(np.array([7.0])) == [0]


def test_references_nobody_asked_for_are_not_shown(salt: Path) -> None:
    with store.load(salt) as stored:
        assert set(stored.runs) == {"ftcs", "modes", "walkers", "modes-cell-to-cell"}
        assert [run.label for run in shown.runs(stored)] == ["modes", "ftcs", "walkers"]


def test_a_large_field_is_shown_by_means_of_blocks() -> None:
    u = np.random.default_rng(1).random((2049, 3))
    small = shown.coarse(u)
    assert small.shape == (683, 3)
    assert np.allclose(small[1], u[3:6].mean(axis=0), rtol=1e-14, atol=0)
    assert shown.coarse(u[:1024]) is u[:1024] or np.array_equal(shown.coarse(u[:1024]), u[:1024])
    assert np.allclose(shown.coarse(u[:2048])[-1], u[2046:2048].mean(axis=0), rtol=1e-14, atol=0)


# --- errors -------------------------------------------------------------------------------------


def test_an_end_of_an_axis_that_is_round_off_is_zero(opened: Open) -> None:
    stored, _ = opened({"modes": random_fields()})
    faces = tuple(face + 1e-17 - (0.1 if axis else 0.0) for axis, face in enumerate(stored.faces))
    assert shown.box(replace(stored, faces=faces)).extent[0] == 0.0
    assert shown.box(replace(stored, faces=faces)).extent[3] == 0.0
    assert shown.box(replace(stored, faces=faces)).extent[2] == pytest.approx(-10.0, rel=1e-12)


@pytest.mark.parametrize(("beyond", "extend"), [(1.0 / 600.0, "neither"), (1.0 / 400.0, "max")])
def test_a_colour_bar_has_an_arrow_for_what_is_seen_to_be_beyond(
    opened: Open, beyond: float, extend: str
) -> None:
    u = random_fields()
    stored, comparison = opened({"modes": u, "ftcs": u + beyond * np.ptp(u) * (u == u.max())})
    bar = plots.fields(stored, comparison).axes[-1]._colorbar
    assert bar.extend == extend


def test_the_error_in_a_single_cell_is_a_point(opened: Open) -> None:
    stored, comparison = opened({"modes": np.ones((2, 1)), "ftcs": np.full((2, 1), 2.0)})
    figure = plots.error(stored, comparison)
    assert figure is not None
    assert [line.get_marker() for line in figure.axes[0].lines][-1] == "o"


def test_error_maps_diverge_evenly_about_zero_each_on_its_own_scale(opened: Open) -> None:
    runs = {"modes": random_fields(), "ftcs": random_fields(seed=2), "adi": random_fields(seed=3)}
    stored, comparison = opened(runs)
    figure = plots.error(stored, comparison)
    assert figure is not None
    for image in images(figure):
        low, high = image.get_clim()
        assert low == -high
        assert high == np.max(np.abs(image.get_array()))
        assert image.cmap.name == style.ERROR
    last = [runs[label][-1] - runs["modes"][-1] for label in ("adi", "ftcs")]
    shown_last = [i.get_array() for i in images(figure) if "last" in i.axes.get_title()]
    assert all(np.array_equal(a, b.T) for a, b in zip(shown_last, last, strict=True))


def test_an_error_map_tells_size_reference_and_verdict_and_alarms(opened: Open) -> None:
    u = random_fields(2) + 1.0
    off = u * np.array([1.0, 1.001])[:, None, None]
    facts = {"ftcs": {"prediction": "estimate", "predicted": [0.0, 1e-6]}}
    stored, comparison = opened({"modes": u, "ftcs": off}, facts=facts)
    figure = plots.error(stored, comparison)
    assert figure is not None
    title = figure.axes[0].title
    assert title.get_text().splitlines() == [
        "ftcs minus modes", "last frame, the worst, t = 1 h",
        "relative L2 error 1.0 × 10⁻³, unexplained",
    ]  # fmt: skip
    assert title.get_color() == style.ALARM


# --- histories --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["estimate", "bound"])
def test_history_shows_the_error_beside_the_one_expected_where_theory_tells_it(
    opened: Open, kind: str
) -> None:
    u = random_fields()
    facts = {"ftcs": {"prediction": kind, "predicted": [0.0, None, 3e-3, 4e-3]}}
    stored, comparison = opened({"modes": u, "ftcs": u * 1.001}, facts=facts)
    figure = plots.history(stored, comparison)
    observed, _, expected = (line.get_ydata() for line in figure.axes[1].lines)
    assert np.array_equal(observed, comparison["ftcs"].series.l2)
    assert np.array_equal(expected, [np.nan, np.nan, 3e-3, 4e-3], equal_nan=True)
    assert figure.axes[1].get_yscale() == "log"
    assert figure.axes[0].get_xlabel() == "time (h)"


# --- odd inputs ---------------------------------------------------------------------------------

QUADRATIC = np.arange(6.0) ** 2


def two(shape: tuple[int, ...] = (12, 4), frames: int = 2) -> dict[str, np.ndarray]:
    return {"a": random_fields(frames, shape), "b": random_fields(frames, shape, 2)}


ODD: dict[str, tuple[dict[str, np.ndarray], dict[str, Any]]] = {
    "no error at all": ({"a": random_fields(2), "b": random_fields(2)}, {}),
    "one frame": (two(frames=1), {}),
    "only the start": ({"a": random_fields(1)}, {"times": np.array([0.0])}),
    "one method": ({"a": random_fields()}, {}),
    "a constant": ({"a": np.full((2, 12, 4), 35.0), "b": random_fields(2)}, {}),
    "nothing": ({"a": np.zeros((2, 8, 8)), "b": np.zeros((2, 8, 8))}, {}),
    "no reference field": ({"a": np.zeros((2, 12, 4)), "b": random_fields(2)}, {}),
    "negative": ({"a": -random_fields(2), "b": random_fields(2, seed=2) - 0.5}, {}),
    "tiny": ({"a": 1e-300 * random_fields(2), "b": 2e-300 * random_fields(2)}, {}),
    "huge": ({"a": 1e150 * random_fields(2), "b": 2e150 * random_fields(2)}, {}),
    "one cell": (two((1, 1)), {"faces": None}),
    "narrow": (two((64, 2)), {"size": (9.0, 1e-3)}),
    "tall": (two((2, 64)), {"size": (1e-6, 1e-3)}),
    "a line": ({c: random_fields(6, (40,), ord(c)) for c in "abcde"}, {"times": QUADRATIC}),
    "a line, one frame": (two((5,), 1), {}),
    "words": (
        {"a" * 100: random_fields(), "_b": random_fields(seed=2), "-c.d": random_fields(seed=3)},
        {"title": LONG, "unit": "$x$_%"},
    ),
    "no words": (two(), {"title": "", "unit": ""}),
    "many": ({f"m{i}": random_fields(2, seed=i) for i in range(9)}, {}),
}


# Odd along both axes alike; the second one is drawn as the first one is.
ODD_VALUES = {"no error at all", "no reference field", "negative", "tiny", "huge"}


@pytest.mark.parametrize("name", ODD)
def test_odd_results_are_drawn_without_a_warning_within_the_figure_and_apart(
    opened: Open, name: str
) -> None:
    runs, options = ODD[name]
    stored, comparison = opened(runs, **options)
    for picture in FIGURES:
        if picture is plots.across and name in ODD_VALUES:
            continue
        figure = picture(stored, comparison)
        if figure is not None:
            assert_legible(figure)


# --- words and numbers --------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["$x$", "a $ b $ c", "\\$x\\$", "$\\frac{", "$$", "5 $"])
def test_no_text_of_a_user_is_taken_for_a_formula(text: str) -> None:
    shown_text, is_formula = style.plain(text), cbook.is_math_text(style.plain(text))
    assert is_formula is False
    assert shown_text.replace("\\$", "$") == text


def test_what_the_font_lacks_is_seen_to_be_missing() -> None:
    assert style.plain("a\n\tb\x00 塩 µ") == "a b □ µ"
    assert style.plain("one two three", 8) == "one two\nthree"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(2.5e-7, "250 ns"), (1e-3, "1 ms"), (59.0, "59 s"), (3600.0 * (1 - 1e-13), "1 h"),
     (22320.0, "6.2 h"), (86400.0, "24 h"), (1296000.0, "15 d"), (3.156e9, "100 yr"),
     (1e12, "3.2 × 10⁴ yr")],
)  # fmt: skip
def test_times_read_as_people_say_them(seconds: float, words: str) -> None:
    assert style.duration(seconds) == words


def test_numbers_and_scales_are_short() -> None:
    assert [style.number(v) for v in (0.0, 0.25, 1234.0, 3.24e-4, -5e12)] == [
        "0", "0.25", "1234", "3.2 × 10⁻⁴", "-5.0 × 10¹²",
    ]  # fmt: skip
    assert style.with_unit("dye_mass", "g/L", -4) == "dye mass (10⁻⁴ g/L)"
    assert style.with_unit("part", "1") == "part"
    assert style.with_unit("density", "1/m^2") == "density (1/m²)"
    assert style.with_unit("root", "1/m^0.5") == "root (1/m^0.5)"
    # A line ends before a unit, not inside it.
    assert style.with_unit("total of dye", "g/L m^2/s", -4, 20) == "total of dye\n(10⁻⁴ g/L m²/s)"
    assert style.with_unit("total of dye", "g/L m", -4, 26) == "total of dye (10⁻⁴ g/L m)"
    assert [style.length_unit(v) for v in (0.256, 1.0, 2e-3, 5e-5)] == [
        (1e-2, "cm"), (1.0, "m"), (1e-3, "mm"), (1e-6, "µm"),
    ]  # fmt: skip


@pytest.mark.proof
def test_four_figures_are_drawn_again_in_a_time_that_is_told(
    tmp_path: Path, figure: Callable[..., None]
) -> None:
    frames = {c: random_fields(61, (256, 256), ord(c)) for c in "abc"}
    path = publish(tmp_path / "run", frames, size=(0.256, 0.256))
    first = [picture.read_bytes() for picture in plots.draw(path)]
    start = time.perf_counter()
    again = plots.draw(path)
    seconds = time.perf_counter() - start
    figure("drawing four figures of 3 methods x 61 frames of 256 x 256", seconds, "s")
    assert [picture.read_bytes() for picture in again] == first
