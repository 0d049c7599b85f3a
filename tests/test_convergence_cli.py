"""``diffusim converge``: a table, every point, and a picture."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from plot_samples import assert_legible
from shell import TINY, diffusim, refused, written

from diffusim import convergence, style
from diffusim.convergence import Convergence, Point, Series
from diffusim.plots.convergence import convergence as drawn
from diffusim.plots.convergence import draw_convergence

FEW = ("--refine", "particles", "--to", "1e4", "-q")


def chance(label: str, shift: float, seed: int, largest: int = 7) -> Series:
    """Points as independent particles leave them."""
    rng = np.random.default_rng(seed)
    numbers = 10.0 ** np.arange(2, largest, 0.5)
    points = [
        Point(float(n), f"{n:.7g}", float(shift * n**-0.5 * np.exp(rng.normal(0, 0.08))),
              float(shift * n**-0.5), float(rng.random()), float(rng.random()), 1)
        for n in numbers for _ in range(4)
    ]  # fmt: skip
    return Series(label, "lattice", "modes", -0.5, points, -0.4996, -0.5027, -0.4965, 0.8, 0.4)


def stepped(label: str, order: float, longest: float) -> Series:
    """Points of a method of an order, the coarsest of them not used."""
    points = [Point(longest / 2**k, f"{k}", 1e-3 / 2 ** (order * k), 1e-3 / 2 ** (order * k))
              for k in range(7)]  # fmt: skip
    points[0] = replace(points[0], error=2e-3, used=False)
    return Series(label, "lattice", "modes", order, points, order, order - 0.01, order + 0.01)


# --- on standard output -------------------------------------------------------------------------


def test_a_table_a_row_for_each_number_and_a_verdict_for_each_method(tmp_path: Path) -> None:
    out = tmp_path / "made" / "p.png"
    done = diffusim("converge", written(tmp_path), *FEW, "--out", out)
    assert done.code == 0, done
    head, *lines = done.out.splitlines()
    assert head.split("\t") == ["label", "particles", "error", "expected", "ratio", "p"]
    rows = [line.split("\t") for line in lines[:-1]]
    assert [row[1] for row in rows] == ["100", "316", "1000", "3162", "10000"]
    for _, _, error, expected, ratio, p in rows:
        assert float(error) / float(expected) == pytest.approx(float(ratio), rel=2e-3)
        assert 0.0 <= float(p) <= 1.0
    pattern = r"walkers: slope -0\.\d+ \+- 0\.\d+ \(95 %\), N\^-1/2 expected: compatible \(p = "
    assert re.match(pattern, lines[-1])
    assert "all chi-squares together p = " in lines[-1]
    assert done.err.splitlines() == [str(out.with_suffix(".csv")), str(out)]


def test_the_same_points_come_as_csv_as_json_and_as_a_file(tmp_path: Path) -> None:
    source, out = written(tmp_path), tmp_path / "p.png"
    words = ("converge", source, *FEW, "--out", out, "--repeats", 2, "--no-figure", "--format")
    text = diffusim(*words, "csv").out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 10
    assert out.with_suffix(".csv").read_text(encoding="utf-8") == text
    assert not out.exists()
    found = json.loads(diffusim(*words, "json").out)
    assert (found["refine"], found["title"]) == ("particles", "tiny")
    (series,) = found["series"]
    assert series["low"] < series["slope"] < series["high"]
    for row, point in zip(rows, series["points"], strict=True):
        assert row["label"] == "walkers"
        assert float(row["value"]) == point["value"]
        assert float(row["error"]) == point["error"]
        assert int(row["seed"]) == point["seed"]


def test_steps_and_cells_have_columns_of_their_own(tmp_path: Path) -> None:
    source = written(tmp_path)
    words = ("converge", source, "-q", "--no-figure", "--out", tmp_path / "x.png", "--refine")
    steps = diffusim(*words, "dt").out.splitlines()
    assert steps[0].split("\t") == ["label", "longest step", "error", "expected", "ratio"]
    assert re.match(r"ftcs: order (0\.99|1\.0)", steps[-1])
    sets = ("--set", "grid.shape=[16, 8]", "--set", "grid.size=[16 mm, 8 mm]",
            "--set", "propagator.walls.0.at=8 mm")  # fmt: skip
    cells = diffusim(*words, "grid", *sets).out.splitlines()
    assert cells[0].split("\t") == ["label", "cells", "error"]
    assert cells[1].split("\t")[:2] == ["modes", "16 x 8"]
    assert re.match(r"modes: order (1\.9|2\.0)", cells[-1])


def test_files_go_to_the_scenarios_folder_if_nobody_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert diffusim("converge", written(tmp_path), *FEW).code == 0
    folder = tmp_path / "outputs" / "tiny"
    names = ["converge-particles.csv", "converge-particles.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    # The folder is that of the scenario's results, which are still welcome there.
    assert diffusim("run", tmp_path / "tiny.yaml", "--only", "ftcs", "--no-figures").code == 0


def test_what_chance_cannot_explain_ends_with_three(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Convergence("t", "particles", [replace(chance("w", 1.0, 1), p_pooled=1e-9)])
    monkeypatch.setattr(convergence, "converge", lambda *_a, **_k: wrong)
    done = diffusim("converge", written(tmp_path), *FEW, "--out", tmp_path / "p.png")
    assert done.code == 3
    assert "all chi-squares together p = 1e-09" in done.out
    assert "NOT compatible" in replace(wrong.series[0], p_slope=1e-7).verdict


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--refine", "particles", "--method", "ftcs"], "has particles to refine"),
        (["--refine", "dt", "--method", "modes"], "takes steps to refine"),
        (["--refine", "particles", "--method", "nope"], "'nope'"),
        (["--refine", "particles", "--from", "1e5", "--to", "1e3"], "--from must be less"),
        (["--refine", "dt", "--to", "a while"], "--to: expected a time"),
        (["--refine", "dt", "--repeats", "3"], "--repeats is for particles"),
        (["--refine", "time"], "'time'"),
        ([], "--refine"),
        (["--refine", "dt", "--set", "initial.values=[-1, 0]"], "walkers"),
        (["--refine", "dt", "--out", "x.jpg"], "'x.png', not 'x.jpg'"),
        (["--refine", "dt", "--out", "a b.png"], "cannot name a file"),
    ],
)
def test_nonsense_is_refused_in_a_sentence_with_code_2(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(diffusim("converge", written(tmp_path), *words), told)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_method_that_cannot_carry_the_medium_is_refused_in_words(tmp_path: Path) -> None:
    medium = TINY.replace("1.5e-9 m^2/s", "1.5e-9 m^2/s\n  source: 1e-3")
    source = written(tmp_path, medium.replace("reference: modes\n", ""))
    words = ("--refine", "particles", "--method", "walkers", "--out", tmp_path / "p.png")
    done = diffusim("converge", source, *words, "--set", "initial.values=[-1, 0]")
    refused(done, "methods.2", "walkers cannot")


def test_a_picture_and_its_table_replace_their_own_kind_and_nothing_else(tmp_path: Path) -> None:
    source, out = written(tmp_path), tmp_path / "p.png"
    words = ("converge", source, *FEW, "--to", "1e3", "--repeats", 1, "--out", out)
    assert [diffusim(*words).code for _ in range(2)] == [0, 0]
    Image.new("L", (3, 3)).save(out)
    kept = out.read_bytes()
    refused(diffusim(*words), "here already")
    assert out.read_bytes() == kept
    out.unlink()
    out.with_suffix(".csv").write_text("mine,1\n", encoding="utf-8")
    refused(diffusim(*words), "here already", "p.csv")
    assert out.with_suffix(".csv").read_text(encoding="utf-8") == "mine,1\n"


# --- pictures -----------------------------------------------------------------------------------

STUDIES = {
    "one crowd": Convergence("One", "particles", [chance("walkers", 2.0, 1)]),
    "three crowds": Convergence(
        "Three methods by chance, under a title that is long enough to be broken into two lines",
        "particles",
        [chance("walkers", 2.0, 1), chance("collapse", 0.3, 2, 15), chance("x" * 60, 9.0, 3, 4)],
    ),
    "no counts": Convergence(
        "Without counts", "particles",
        [replace(s, points=[replace(p, p_cells=None, p_blocks=None) for p in s.points])
         for s in [chance("walkers", 2.0, 1)]],
    ),
    "no errors": Convergence(
        "Nothing", "particles",
        [replace(s, slope=None, low=None, high=None,
                 points=[replace(p, error=0.0, expected=0.0) for p in s.points])
         for s in [chance("walkers", 2.0, 1)]],
    ),
    "one order": Convergence("One order", "dt", [stepped("ftcs", 1.0, 10.0)]),
    "three orders": Convergence(
        "Orders", "dt",
        [stepped("ftcs", 1.0, 10.0), stepped("rkl2", 2.0, 900.0), stepped("adi", 2.0, 700.0)],
    ),
    "cells": Convergence("Cells", "grid", [stepped("modes", 2.0, 0.004)]),
}  # fmt: skip


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_a_legible_picture(name: str) -> None:
    assert_legible(drawn(STUDIES[name]))


def test_the_picture_shows_points_powers_and_what_was_expected(tmp_path: Path) -> None:
    figure = drawn(STUDIES["three crowds"])
    errors, chances = figure.axes
    (legend,) = figure.legends
    words = [text.get_text() for text in legend.get_texts()]
    assert "walkers: slope \N{MINUS SIGN}0.4996 ± 0.0031" in words
    assert {"expected noise", "p by cells", "p by blocks"} <= set(words)
    assert errors.get_xlabel() == ""
    assert chances.get_xlabel() == "particles"
    assert chances.get_ylabel() == "p-value"
    colours = {line.get_color() for line in errors.lines}
    assert {style.colour(place) for place in range(3)} <= colours
    path = draw_convergence(STUDIES["three crowds"], tmp_path / "deep" / "p.png")
    with Image.open(path) as picture:
        assert picture.info["Title"] == convergence.TITLE
        assert min(picture.size) > 800
        assert np.ptp(np.asarray(picture.convert("L"))) > 200


def test_the_same_study_gives_the_same_picture(tmp_path: Path) -> None:
    one, two = (draw_convergence(STUDIES["cells"], tmp_path / f"{n}.png") for n in "ab")
    assert one.read_bytes() == two.read_bytes()


def test_the_triangle_stands_clear_of_every_line() -> None:
    for study in STUDIES.values():
        axes = drawn(study).axes[0]
        lines = [axes.transData.transform(line.get_xydata()) for line in axes.lines]
        for patch in axes.patches:
            box = patch.get_window_extent()
            for line in lines:
                fine = np.linspace(0, len(line) - 1, 200)
                x, y = (np.interp(fine, np.arange(len(line)), line[:, k]) for k in (0, 1))
                inside = (box.x0 < x) & (x < box.x1) & (box.y0 < y) & (y < box.y1)
                assert not np.any(inside)


def in_one_cell(folder: Path, propagator: str) -> Path:
    """A start that fills one of nine cells."""
    text = f"""
        grid: {{shape: [9], size: [9 nm]}}
        propagator: {propagator}
        initial: {{kind: patches, patches: [{{x: [4 nm, 5 nm], value: 1.0}}]}}
        times: {{at: [1 ps]}}
        methods: [modes]
    """
    return written(folder, text)


def test_of_a_start_in_one_cell_it_is_said_that_finer_cells_keep_its_width(tmp_path: Path) -> None:
    walk = in_one_cell(tmp_path, "{kind: diffusion, diffusivity: 1e-7 m^2/s}")
    told = diffusim("converge", str(walk), "--refine", "grid", "--no-figure", "-q",
                    "--out", str(tmp_path / "one.png")).out  # fmt: skip
    assert "the start fills a single cell of this grid along x" in told
    assert "start fills" not in diffusim(
        "converge", str(walk), "--refine", "grid", "--no-figure", "-q",
        "--out", str(tmp_path / "two.png"), "--set", "initial.patches.0.x=[3 nm, 5 nm]",
    ).out  # fmt: skip


def test_a_wave_that_starts_in_one_cell_is_not_refined(tmp_path: Path) -> None:
    wave = in_one_cell(tmp_path, "{kind: schroedinger}")
    refused(diffusim("converge", str(wave), "--refine", "grid", "--no-figure", "-q"),
            "a wave that starts in a single cell is not one wave of space")  # fmt: skip
