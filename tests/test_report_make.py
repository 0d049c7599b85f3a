"""`make proof` sees to it that there is a browser, or says in a sentence that there is none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Stands in for each program: an apt-get that installs, a user who is root, a browser.
STAND_IN = """#!/bin/sh
case "$(basename "$0") $*" in
  "id "*) echo 0 ;;
  "apt-get install"*)
    echo "$*" > installed.txt
    for name in chromium chromedriver; do cp "$0" "tools/$name"; done ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy2(ROOT / "Makefile", tmp_path / "Makefile")
    return tmp_path


def made(folder: Path, *programs: str) -> subprocess.CompletedProcess[str]:
    """Call `make browser` where there are no programs but a few plain ones and these."""
    tools = folder / "tools"
    tools.mkdir()
    for name in ("sh", "make", "env", "cp", "basename"):
        (tools / name).symlink_to(str(shutil.which(name)))
    for name in ("id", *programs):
        (tools / name).write_text(STAND_IN, encoding="utf-8")
        (tools / name).chmod(0o755)
    return subprocess.run([str(tools / "make"), "browser"], cwd=folder, env={"PATH": str(tools)},
                          capture_output=True, text=True, timeout=60, check=False)  # fmt: skip


def test_a_browser_that_is_there_is_left_alone(folder: Path) -> None:
    done = made(folder, "chromium", "chromedriver", "apt-get")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (folder / "installed.txt").exists()


def test_one_that_is_missing_is_installed(folder: Path) -> None:
    done = made(folder, "apt-get")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    installed = (folder / "installed.txt").read_text(encoding="utf-8").split()
    assert installed[-2:] == ["chromium", "chromium-driver"]


def test_where_none_can_be_had_a_sentence_says_so(folder: Path) -> None:
    done = made(folder, "chromium")
    assert done.returncode == 2
    assert "As root: apt-get install chromium chromium-driver" in done.stderr
