"""What the command line says, and where: tables, streams, terminals."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from shell import QUIET, SCENARIOS, TINY, diffusim, refused, shell, start, written

from diffusim import terminal
from diffusim.cli import main

COLOUR = r"\x1b\[[0-9;]*3[0-7]"


TITLE = "[/red] [bold]x"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished result that tests may read."""
    folder = tmp_path_factory.mktemp("finished")
    source = written(folder, TINY.replace("title: tiny", f"title: '{TITLE}'"))
    assert diffusim("run", source, "--out", folder, *QUIET).code == 0
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


@pytest.mark.parametrize("verb", ["schema", "new"], ids=["of much", "of little"])
def test_a_reader_that_goes_away_is_no_traceback(verb: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = shell(verb, stdout=writer)
    finally:
        os.close(writer)
    assert done.err == ""
    assert done.code in (0, 1)


CLOSED = """
import sys
from diffusim.cli import main
for style in ("table", "csv", "json"):
    try:
        main(["compare", sys.argv[1], "--format", style])
    except SystemExit as end:
        print("ended with", end.code, file=sys.stderr)
"""


def test_a_closed_output_is_no_traceback(result: Path) -> None:
    words = shlex.join([sys.executable, "-c", CLOSED, str(result)])
    done = subprocess.run(f"{words} >&-", shell=True, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0
    assert done.stderr.count("ended with 0\n") == 3
    assert "Traceback" not in done.stderr
    assert "unforeseen" not in done.stderr


def test_an_output_that_cannot_be_written_to_is_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = shell("new", stdout=full)
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


@pytest.fixture(scope="module")
def shown(result: Path) -> str:
    """What a terminal shows of a comparison."""
    return on_a_terminal("compare", result)


def test_the_table_can_be_read_on_a_terminal_of_eighty_columns(result: Path, shown: str) -> None:
    lines = [line.strip() for line in re.sub(r"\x1b\[[\d;]*m|\r", "", shown).splitlines()]
    assert max(map(len, lines)) <= 80
    row = next(line for line in lines if line.startswith("ftcs "))
    assert diffusim("compare", result).rows["ftcs"]["l2"] in row.split()
    assert "ftcs: as predicted (error is 1 x predicted)" in lines


def test_a_title_in_square_brackets_is_a_title_and_not_a_colour(shown: str) -> None:
    assert TITLE in shown


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


# --- how far it is ------------------------------------------------------------------------------


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a fifth of a second pass whenever somebody looks at the clock of the progress."""
    passed = itertools.count(0.0, 0.2)
    monkeypatch.setattr(terminal, "clock", SimpleNamespace(perf_counter=lambda: next(passed)))


FRAMES = ("--no-figures", "--only", "walkers", "--set", "times.frames=21")


@pytest.fixture
def on_screens(
    slow: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, str]]:
    """What a slow run shows on two streams that say they are terminals."""

    def run(**env: str) -> tuple[str, str]:
        monkeypatch.delenv("NO_COLOR", raising=False)
        for name, value in {"TERM": "xterm", "COLUMNS": "80", **env}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stdout", out := Screen())
        monkeypatch.setattr(sys, "stderr", err := Screen())
        with pytest.raises(SystemExit) as end:
            main(["run", str(written(tmp_path)), "--out", str(tmp_path / "out"), *FRAMES])
        assert end.value.code == 0
        return out.getvalue(), err.getvalue()

    return run


def test_a_bar_appears_on_a_terminal_for_what_takes_over_a_second(
    on_screens: Callable[..., tuple[str, str]],
) -> None:
    _, told = on_screens()
    assert re.search(r"walkers\W.*\d+%", told)
    assert re.search(COLOUR, told)


def test_colours_are_left_out_where_they_are_not_wanted(
    on_screens: Callable[..., tuple[str, str]],
) -> None:
    table, told = on_screens(NO_COLOR="1")
    assert re.search(r"walkers\W.*\d+%", told)
    assert not re.search(COLOUR, table + told)


def test_a_terminal_that_knows_no_codes_is_sent_none(
    on_screens: Callable[..., tuple[str, str]],
) -> None:
    table, told = on_screens(TERM="dumb")
    assert "\x1b" not in table + told


@pytest.mark.usefixtures("slow")
def test_elsewhere_a_line_is_told_per_tenth(tmp_path: Path) -> None:
    done = diffusim("run", written(tmp_path), "--out", tmp_path / "out", *FRAMES)
    assert done.code == 0
    told = [int(m[1]) for m in re.finditer(r"^walkers: (\d+) %, \d+ s left$", done.err, re.M)]
    assert len(told) > 5
    assert told == sorted(set(told))
    assert all(part % 10 == 0 for part in told)
    assert "\x1b" not in done.err + done.out


def test_nothing_is_told_of_how_far_it_is_for_what_is_short(tmp_path: Path) -> None:
    short = diffusim("run", written(tmp_path), "--out", tmp_path / "out", "--no-figures")
    assert "%" not in short.err
