"""``diffusim explain``: a kernel in numbers, words and a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shell import ROOT, diffusim

from diffusim.explanation import explanation, subject


def test_names_are_listed_without_a_kernel() -> None:
    done = diffusim("explain")
    assert done.code == 0
    assert "edge-detector" in done.out.split()


def test_an_edge_detector_is_told_as_a_density_and_as_a_mask(tmp_path: Path) -> None:
    done = diffusim("explain", "edge-detector", "--out", tmp_path / "edge.png")
    assert done.code == 0, done
    for words in ("99.9 % stay", "equivalent D", "entropy", "likeliest moves   ", "detects edges"):
        assert words in done.out
    with Image.open(tmp_path / "edge.png") as picture:
        assert min(picture.size) > 800
        assert np.ptp(np.asarray(picture.convert("L"))) > 200


def test_numbers_come_as_json(tmp_path: Path) -> None:
    given = "[[0, 0, 0], [0, 1, 3], [0, 0, 0]]"
    done = diffusim("explain", given, "--normalise", "sum", "--no-figure", "--format", "json")
    found = json.loads(done.out)
    assert found["drift"] == [0.75, 0.0]
    assert found["covariance"] == [[0.1875, 0.0], [0.0, 0.0]]
    assert found["moves"][0] == {"by": [1, 0], "probability": 0.75, "words": "right"}


@pytest.mark.parametrize(
    "given",
    ["{kind: gaussian, sigma: 1.2}", "[1, 2, 1]", str(ROOT / "scenarios" / "mystery_kernel.yaml")],
)
def test_mappings_rows_and_scenarios_are_kernels_too(given: str, tmp_path: Path) -> None:
    done = diffusim("explain", given, "--out", tmp_path / "k.png")
    assert done.code == 0, done
    assert "smooths" in done.out
    assert (tmp_path / "k.png").stat().st_size > 10_000


def test_a_file_of_numbers_is_a_kernel(tmp_path: Path) -> None:
    (tmp_path / "wind.csv").write_text("0,0,1\n0,2,0\n0,0,0\n")
    done = diffusim("explain", tmp_path / "wind.csv", "--normalise", "sum", "--no-figure")
    assert "wind: 3 x 3 cells, divided by its sum" in done.out
    assert "drifts by (0.3333, 0.3333)" in done.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sobelx"], "did you mean 'sobel-x'"),
        (["[[1, 2], [3, 4]]"], "odd sizes"),
        (["[[1, 2"], "bracket"),
        (["missing.csv"], "no file"),
        (["edge-detector", "--normalise", "sum"], "softmax"),
        (["box", "--normalise", "none", "--temperature", "2"], "softmax only"),
        (["edge-detector", "--temperature", "-1"], "greater than zero"),
        ([str(ROOT / "scenarios" / "salt_aquarium.yaml")], "not a kernel"),
        (["box", "--image", "nowhere.png"], "no file"),
        (["box", "--out", "box.jpg"], "'box.png', not 'box.jpg'"),
        (["box", "--out", "a box.png"], "cannot name a file"),
        (["{kind: gaussian, sigm: 3}"], "unknown key 'sigm'; did you mean 'sigma'? known here"),
        (["[[1, a, 3]]"], "rows.0.1: expected number"),
    ],
)
def test_nonsense_is_refused_in_a_sentence_with_code_2(words: list[str], told: str) -> None:
    done = diffusim("explain", *words)
    assert done.code == 2, done
    assert told in done.err
    assert "Traceback" not in done.err


def test_a_scenario_tells_how_large_its_cells_are(tmp_path: Path) -> None:
    source = tmp_path / "breeze.yaml"
    source.write_text(
        "grid: {shape: [8, 8], size: [0.016 m, 0.008 m]}\n"
        "propagator: {kind: kernel, kernel: [[0, 1, 0], [1, 4, 1], [0, 1, 0]], normalise: sum}\n"
        "initial: {kind: halves, axis: x, values: [1.0, 0.0]}\n"
        "times: {stop: 4, frames: 3}\n"
        "methods: [stencil]\n",
        encoding="utf-8",
    )
    done = diffusim("explain", source, "--no-figure", "--format", "json")
    found = json.loads(done.out)
    # A quarter of a cell squared is the variance along each axis.
    assert np.asarray(found["covariance"]) == pytest.approx(np.eye(2) / 4, rel=1e-15, abs=1e-16)
    wanted = np.diag([0.125 * 2e-3**2, 0.125 * 1e-3**2])
    assert np.asarray(found["diffusivity"]) == pytest.approx(wanted, rel=1e-14, abs=1e-25)
    assert "5e-07, 0; 0, 1.25e-07] m^2" in diffusim("explain", source, "--no-figure").out


def test_a_picture_replaces_one_of_its_kind_and_nothing_else(tmp_path: Path) -> None:
    ours, foreign, text = (tmp_path / f"{name}.png" for name in ("ours", "foreign", "text"))
    for kernel in ("[1, 2, 1]", "[0, 1, 2]"):
        assert diffusim("explain", kernel, "--out", ours).code == 0
    Image.new("L", (3, 3)).save(foreign)
    text.write_text("mine", encoding="utf-8")
    for path in (foreign, text):
        kept = path.read_bytes()
        done = diffusim("explain", "box", "--out", path)
        assert (done.code, path.read_bytes()) == (2, kept)
        assert "here already" in done.err


def test_a_scenario_in_which_cells_collect_is_told_as_it_moves(tmp_path: Path) -> None:
    source = tmp_path / "wind.yaml"
    source.write_text(
        "grid: {shape: [8, 8], size: [8, 8]}\n"
        "propagator: {kind: kernel, kernel: {kind: shift, by: [2, 0]}, normalise: sum,"
        " applied: correlation}\n"
        "initial: {kind: uniform, value: 1}\ntimes: {stop: 2, frames: 3}\nmethods: [stencil]\n"
    )
    done = diffusim("explain", source, "--out", tmp_path / "wind.png")
    assert done.code == 0, done
    assert "by which cells collect" in done.out
    assert "moves everything by (-2, 0) cells" in done.out
    assert (tmp_path / "wind.png").stat().st_size > 10_000


SHIFTED = {
    "template": ("{shape: [8, 8], size: [8, 8], edges: periodic}",
                 "{kind: template, template: [[1, 0], [0, 0]], correlation: plain, scale: none}",
                 ["3 x 3 cells, as it is, by which cells collect", "moves everything by (1, 0)",
                  "m^2"]),
    "filter": ("{shape: [8, 8], size: [8, 8], edges: periodic}",
               "{kind: filter, mask: {kind: gaussian, wavelength: 4}}",
               ["9 x 9 cells, as it is", "read as a mask"]),
    "average": ("{geometry: series, shape: 9, size: 9, edges: periodic}",
                "{kind: moving-average, weights: [0, 0, 1], side: trailing}",
                ["5 cells, as it is", "moves everything by"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHIFTED)
def test_whatever_is_applied_like_a_kernel_is_told_as_one(name: str, tmp_path: Path) -> None:
    grid, propagator, told = SHIFTED[name]
    source = tmp_path / f"{name}.yaml"
    source.write_text(f"grid: {grid}\npropagator: {propagator}\n"
                      "initial: {kind: uniform, value: 1}\ntimes: {at: [0, 1]}\n"
                      "methods: [stencil]\n")  # fmt: skip
    found = explanation(subject(str(source)))
    for words in told:
        assert words in found
    # Moves along a series are times, of which nothing is told in m.
    assert name != "average" or "m^2" not in found
