"""What the command line says, and where: tables, streams, terminals."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from shell import COMMAND, LONG, QUIET, SCENARIOS, TINY, diffusim, refused, shell, start, written


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished result that tests may read."""
    folder = tmp_path_factory.mktemp("finished")
    assert diffusim("run", written(folder), "--out", folder, *QUIET).code == 0
    return folder / "tiny" / "run.hdf5"


# --- streams ------------------------------------------------------------------------------------


def test_the_table_alone_goes_to_standard_output_and_all_else_to_standard_error(
    tmp_path: Path,
) -> None:
    done = diffusim("run", written(tmp_path), "--out", tmp_path / "out", "--no-figures")
    assert done.code == 0
    cells = [line.split("\t") for line in done.out.splitlines()]
    assert len({len(row) for row in cells}) == 1
    assert cells[0][0] == "label"
    assert [row[0] for row in cells[1:]] == ["ftcs", "modes", "walkers", "modes-cell-to-cell"]
    assert f"results in {tmp_path / 'out' / 'tiny'}" in done.err
    assert "s in all" in done.err


def test_compare_prints_the_same_numbers_as_text_csv_and_json(result: Path) -> None:
    table = diffusim("compare", result).rows
    rows = list(csv.DictReader(io.StringIO(diffusim("compare", result, "--format", "csv").out)))
    found = json.loads(diffusim("compare", result, "--format", "json").out)
    assert [row["label"] for row in rows] == list(table)
    for row, full in zip(rows, found["rows"], strict=True):
        assert row["verdict"] == full["verdict"] == table[row["label"]]["verdict"]
        assert float(row["worst_l2"]) == full["worst_l2"]
        assert f"{full['worst_l2']:.3g}" == table[row["label"]]["worst l2"]
    metrics = json.loads((result.parent / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["rows"] == found["rows"]


@pytest.mark.parametrize(("tolerance", "code"), [("1", 0), ("1e-9", 3), ("nan", 2), ("x", 2)])
def test_compare_ends_with_three_beyond_the_tolerance(
    tolerance: str, code: int, result: Path
) -> None:
    assert diffusim("compare", result, "--tolerance", tolerance).code == code


def test_compare_refuses_in_words_what_cannot_be_compared(result: Path, tmp_path: Path) -> None:
    other = written(tmp_path, TINY.replace("0.010 m]", "0.011 m]"), "other.yaml")
    assert diffusim("run", other, "--out", tmp_path, "--only", "ftcs", *QUIET).code == 0
    refused(
        diffusim("compare", result, tmp_path / "other" / "run.hdf5"), "along y", "0.011 m", "boxes"
    )
    refused(diffusim("compare", result, "--reference", "nope"), "'nope'", "ftcs")
    refused(diffusim("compare", tmp_path / "gone.hdf5"), "no file")
    refused(diffusim("compare", other), "no file of diffusim", code=1)
    refused(diffusim("compare", result.parent), "is a folder", "run.hdf5")
    refused(diffusim("show", other), "no file of diffusim", code=1)


def test_new_copies_a_shipped_scenario_and_never_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [path.stem for path in SCENARIOS]
    assert diffusim("new").out.split() == names
    for path in SCENARIOS:
        assert diffusim("new", path.stem).out == f"{path.name}\n"
        assert Path(path.name).read_bytes() == path.read_bytes()
    Path(f"{names[0]}.yaml").write_text("mine", encoding="utf-8")
    refused(diffusim("new", f"{names[0]}.yaml"), "is here already")
    assert Path(f"{names[0]}.yaml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("verb", ["schema", "methods", "new"])
def test_a_reader_that_goes_away_is_no_traceback(verb: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = shell(verb, stdout=writer)
    finally:
        os.close(writer)
    assert done.err == ""
    assert done.code in (0, 1)


def test_a_closed_output_is_no_traceback(result: Path) -> None:
    for style in ("table", "csv", "json"):
        words = shlex.join([COMMAND, "compare", str(result), "--format", style])
        done = subprocess.run(f"{words} >&-", shell=True, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0
        assert "Traceback" not in done.stderr
        assert "unforeseen" not in done.stderr


def test_an_output_that_cannot_be_written_to_is_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = shell("methods", stdout=full)
    assert done.code == 1
    assert done.err == "the system refuses: No space left on device\n"


# --- a terminal ---------------------------------------------------------------------------------


def on_a_terminal(*words: object, columns: int = 80, **env: str) -> str:
    """Run a command on a pseudo-terminal and return all that it shows."""
    master, slave = os.openpty()
    with start(
        *words, stdin=slave, stdout=slave, stderr=slave,
        env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm", **env},
    ) as process:  # fmt: skip
        os.close(slave)
        shown = b""
        # The end of a pseudo-terminal is an error on Linux.
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
    os.close(master)
    assert process.returncode == 0, shown
    return shown.decode("utf-8")


def test_the_table_can_be_read_on_a_terminal_of_eighty_columns(result: Path) -> None:
    shown = re.sub(r"\x1b\[[\d;]*m|\r", "", on_a_terminal("compare", result))
    lines = [line.strip() for line in shown.splitlines()]
    assert max(map(len, lines)) <= 80
    row = next(line for line in lines if line.startswith("ftcs "))
    assert diffusim("compare", result).rows["ftcs"]["l2"] in row.split()
    assert "ftcs: as predicted (error is 1 x predicted)" in lines


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_colours_are_left_out_where_they_are_not_wanted(env: dict[str, str], result: Path) -> None:
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", on_a_terminal("compare", result, **env))


def test_a_title_in_square_brackets_is_a_title_and_not_a_colour(tmp_path: Path) -> None:
    source = written(tmp_path, TINY.replace("title: tiny", "title: '[/red] [bold]x'"))
    assert diffusim("run", source, "--out", tmp_path, "--only", "ftcs", *QUIET).code == 0
    shown = on_a_terminal("compare", tmp_path / "tiny" / "run.hdf5")
    assert "[/red] [bold]x" in shown


def test_a_bar_appears_on_a_terminal_for_what_takes_over_a_second(tmp_path: Path) -> None:
    source = written(tmp_path, LONG, "long.yaml")
    words = ("run", source, "--out", tmp_path / "out", "--no-figures", "--only", "walkers")
    slow = ("--set", "methods.1.limit=lattice", "--set", "times={stop: 2 day, frames: 20}")
    shown = on_a_terminal(*words, *slow)
    assert re.search(r"walkers\W.*\d+%", shown)
    assert "\x1b[" in shown


def test_elsewhere_a_line_is_told_per_tenth_and_nothing_for_what_is_short(
    tmp_path: Path,
) -> None:
    source = written(tmp_path, LONG, "long.yaml")
    words = ("run", source, "--out", tmp_path / "out", "--no-figures", "--only", "walkers")
    slow = ("--set", "methods.1.limit=lattice", "--set", "times={stop: 2 day, frames: 20}")
    done = shell(*words, *slow)
    assert done.code == 0
    told = [int(m[1]) for m in re.finditer(r"^walkers: (\d+) %, \d+ s left$", done.err, re.M)]
    assert told
    assert told == sorted(set(told))
    assert all(part % 10 == 0 for part in told)
    assert "\x1b" not in done.err + done.out
    short = diffusim("run", written(tmp_path), "--out", tmp_path / "out", "--no-figures")
    assert "%" not in short.err
