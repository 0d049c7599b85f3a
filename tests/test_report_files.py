"""The files beside a result: a page holds its own figures only, and a run outlives what fails."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from report_samples import Page, picture
from shell import diffusim

from diffusim import pictures
from diffusim.report.embedded import CAPTIONS

SMALL = (
    "title: Small\ngrid: {shape: [8, 6], size: [8 m, 6 m]}\n"
    "propagator: {kind: diffusion, diffusivity: 1 m^2/s}\n"
    "initial: {kind: halves, axis: x, values: [1.0, 0.0]}\n"
    "times: {stop: 2 s, frames: 3}\nmethods: [ftcs, modes]\nreference: modes\n"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "small"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results with its page and figures; to be copied."""
    place = tmp_path_factory.mktemp("finished")
    (place / "small.yaml").write_text(SMALL, encoding="utf-8")
    assert diffusim("run", place / "small.yaml", "--out", place / "out", "-q").code == 0
    return place / "out"


def shown(page: Path) -> set[str]:
    """The captions of the figures in a page."""
    return {str(a["alt"]) for tag, a in Page(page).elements if tag == "img"}


def test_figures_that_fail_leave_table_verdict_and_page(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "figures").write_text("mine", encoding="utf-8")
    done = diffusim("run", source, "--out", folder.parent, "-q")
    assert done.code == 1
    assert "as predicted" in done.out
    assert "not all figures are drawn: " in done.err
    assert f"results in {folder}" in done.err
    assert Page(folder / "report.html").data["runs"]
    assert (folder / "figures").read_text(encoding="utf-8") == "mine"


def test_a_page_that_fails_leaves_table_and_verdict_and_a_run_out_of_tolerance_says_so(
    source: Path, folder: Path
) -> None:
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("mine", encoding="utf-8")
    done = diffusim("run", source, "--out", folder.parent, "-q")
    assert done.code == 1
    assert "as predicted" in done.out
    assert "no report is written: " in done.err
    assert (folder / "report.html").read_text(encoding="utf-8") == "mine"
    # What the verdict says weighs more.
    source.write_text(SMALL + "expect: {ftcs: {worst_l2: 1e-9}}\n", encoding="utf-8")
    assert diffusim("run", source, "--out", folder.parent, "-q", "--overwrite").code == 3


def test_only_figures_that_this_run_drew_are_in_its_page(source: Path, folder: Path) -> None:
    figures = folder / "figures"
    figures.mkdir(parents=True)
    for name in ("figures/chance", "figures/paths", "figures/mine", "converge-dt"):
        (folder / f"{name}.png").write_bytes(picture())
    (figures / "damaged.png").write_bytes(b"no picture")
    assert diffusim("run", source, "--out", folder.parent, "-q").code == 0
    found = shown(folder / "report.html")
    assert CAPTIONS["fields"] in found
    assert not found & {CAPTIONS[name] for name in ("chance", "paths", "converge-dt")}
    assert "mine" not in " ".join(found)


def test_a_result_that_is_replaced_takes_its_page_and_figures_along(
    source: Path, folder: Path, finished: Path
) -> None:
    shutil.copytree(finished, folder.parent)
    assert pictures.title_of(folder / "figures" / "fields.png") == pictures.FIGURE
    (folder / "figures" / "mine.png").write_bytes(picture())
    other = ["--set", "initial.values=[2.0, 0.0]", "--overwrite", "--no-figures", "-q"]
    assert diffusim("run", source, "--out", folder.parent, *other).code == 0
    assert not (folder / "report.html").exists()
    assert [path.name for path in (folder / "figures").iterdir()] == ["mine.png"]
    # What is no report stays, whatever its name.
    (folder / "report.html").write_text("mine", encoding="utf-8")
    diffusim("run", source, "--out", folder.parent, "--overwrite", "--no-figures", "-q")
    assert (folder / "report.html").read_text(encoding="utf-8") == "mine"


def test_a_study_says_how_it_gets_into_the_page_of_its_run_and_into_no_other(
    source: Path, folder: Path, finished: Path
) -> None:
    shutil.copytree(finished, folder.parent)
    study = ["converge", source, "--refine", "dt", "--out", folder / "converge-dt.png", "-q"]
    done = diffusim(*study)
    said = "the page of the run with this picture in it: "
    (line,) = [line for line in done.err.splitlines() if line.startswith(said)]
    assert CAPTIONS["converge-dt"] not in shown(folder / "report.html")
    assert diffusim(*shlex.split(line.removeprefix(f"{said}diffusim "))).code == 0
    assert {CAPTIONS[name] for name in ("converge-dt", "fields")} <= shown(folder / "report.html")
    other = diffusim(*study, "--set", "initial.values=[2.0, 0.0]")
    assert said not in other.err
    assert diffusim("compare", folder / "run.hdf5", "--report", folder / "report.html").code == 0
    assert CAPTIONS["converge-dt"] not in shown(folder / "report.html")


def test_a_page_that_cannot_be_replaced_is_told_before_anything_is_read(tmp_path: Path) -> None:
    page, result = tmp_path / "page.html", tmp_path / "run.hdf5"
    page.write_text("mine", encoding="utf-8")
    result.write_bytes(b"no result")
    done = diffusim("compare", result, "--report", page)
    assert done.code == 2
    assert "is no report of diffusim" in done.err
