"""What the README shows is what a user gets."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from shell import ROOT, diffusim

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Run by CI on fresh machines, since they install.
LEFT_TO_CI = ("make ", "python -m venv", ".venv/bin/python -m pip ")
# The same command in small: on a coarser grid, with fewer particles and frames.
SMALL = {
    "salt_aquarium": ["grid.shape=[32,32]", "times.frames=4", "methods.2.particles=1e4"],
    "half_open_wall": ["grid.shape=[64,64]", "times.frames=4"],
    "image_aquarium": ["grid.shape=[32,32]", "times.frames=25"],
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Commands in the README's shell blocks, without their remarks, in order."""
    lines = [
        line.split("  #")[0].split(" #")[0].strip() for b in blocks("sh") for line in b.splitlines()
    ]
    return [line for line in lines if line and not line.startswith(LEFT_TO_CI)]


def in_small(words: list[str], figures: bool = True) -> list[str]:
    """Shrink a run; nothing else takes long."""
    scenario = next((Path(word).stem for word in words if word.endswith(".yaml")), None)
    if words[0] != "run" or scenario is None:
        return words
    sets = [word for each in (*SMALL[scenario], "expect={}") for word in ("--set", each)]
    return [*words, *sets, *([] if figures else ["--no-figures"])]


def test_every_command_in_the_readme_does_what_it_is_shown_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    monkeypatch.chdir(tmp_path)
    found = commands()
    verbs = set()
    for line in found:
        program, *words = shlex.split(line)
        assert Path(program).name == "diffusim", line
        # One run is enough to see that figures are drawn.
        done = diffusim(*in_small(words, figures="run" not in verbs))
        assert done.code == 0, (line, done)
        assert done.out, line
        verbs.add(words[0])
    assert {"run", "check", "compare", "converge", "show", "methods", "schema", "new"} <= verbs


def test_the_readme_shows_every_verb_that_there_is() -> None:
    listed = diffusim("--help").out.split("Commands:")[1]
    verbs = re.findall(r"^  (\w+)", listed, re.MULTILINE)
    assert verbs
    assert [verb for verb in verbs if f"diffusim {verb}" not in README] == []


def test_the_scenario_in_the_readme_is_the_shipped_one() -> None:
    text, *_ = blocks("yaml")
    yaml = YAML(typ="safe")
    shown = yaml.load(text)
    shipped = yaml.load((ROOT / "scenarios" / "salt_aquarium.yaml").read_text(encoding="utf-8"))
    # The README leaves out a default and the expectations.
    assert shipped.pop("expect")
    assert shipped.pop("field") == {"name": "concentration", "unit": "g/L"}
    assert shown == shipped


def test_the_kernel_in_the_readme_is_the_shipped_one() -> None:
    _, text, _ = blocks("yaml")
    yaml = YAML(typ="safe")
    shipped = yaml.load((ROOT / "scenarios" / "edge_detector.yaml").read_text(encoding="utf-8"))
    shown = yaml.load(text)
    assert {"propagator", "times", "methods"} == set(shown)
    assert {key: shipped[key] for key in shown} == shown


def test_the_two_slits_in_the_readme_are_the_shipped_ones() -> None:
    *_, text = blocks("yaml")
    yaml = YAML(typ="safe")
    shipped = yaml.load((ROOT / "scenarios" / "double_slit.yaml").read_text(encoding="utf-8"))
    shown = yaml.load(text)
    assert {"propagator", "initial", "methods"} == set(shown)
    assert {key: shipped[key] for key in shown} == shown


def test_the_python_in_the_readme_runs_as_it_stands(tmp_path: Path) -> None:
    code = "".join(blocks("python"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    solved, fitted = done.stdout.splitlines()
    mean, steps = solved.split()
    assert float(mean) == pytest.approx(17.5, rel=1e-12)
    assert int(steps) > 0
    # Four standard errors of coefficients from 400 values, and an interval's lower end.
    first, second, low = (float(word) for word in re.findall(r"-?\d+\.\d*", fitted))
    assert abs(first - 1.2) < 0.18
    assert abs(second + 0.5) < 0.18
    assert low < 0.0


def test_every_file_that_the_readme_names_is_there() -> None:
    named = re.findall(r"`((?:docs|scenarios|[A-Z]+)[\w/]*\.\w+)`", README)
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_table_of_methods_in_the_readme_names_each_method_once() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    found = diffusim("methods").out.splitlines()[0].split()
    assert sorted(rows) == sorted(found)


def test_the_exit_codes_in_the_readme_are_those_of_the_code() -> None:
    from diffusim import cli

    sentence = re.search(r"Exit codes: (.*?)\.\n", README, re.DOTALL)[1]
    codes = [int(number) for number in re.findall(r"\b\d+\b", sentence)]
    own = [cli.FAILED, cli.INVALID, cli.OUT_OF_TOLERANCE, cli.PARTLY_DONE]
    assert codes == [0, *own, 130, 143]


def test_the_method_shown_in_the_design_keeps_the_contract() -> None:
    from diffusim.methods import Method
    from diffusim.testing import contract

    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    shown = re.search(r"^```python\n(.*?)^```$", design, re.MULTILINE | re.DOTALL)
    assert shown is not None
    names = {"__name__": "halved"}
    exec(compile(shown[1], "design.md", "exec", dont_inherit=True), names)
    try:
        kept = contract(names["Halved"])
    finally:
        del Method.members["halved"]
    assert "keeps the contract" in kept.values()
