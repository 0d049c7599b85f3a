"""The table of methods, and methods that come from other packages through entry points."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from shell import QUIET, Done, diffusim, shell, written

from diffusim.block import Unsupported
from diffusim.methods import Method
from diffusim.propagators import Propagator

HALVED = '''\
import math
from diffusim.methods import Method


class Halved(Method):
    """Explicit steps of half the limit."""

    needs = ("generator",)
    handles = frozenset({"walls", "uneven", "signed"})
    order = 1
    limit = "lattice"

    def advance(self, u, segment):
        generator = segment.view("generator")
        steps = math.ceil(2 * segment.duration * generator.fastest)
        for _ in range(steps):
            u = u + segment.duration / steps * generator.rate(u)
        return u
'''
BROKEN = {
    "raises": 'raise RuntimeError("half\\nbaked")\n',
    "syntax": "def (:\n",
    "empty": "x = 3\n",
    "leaves": "import sys\nsys.exit(7)\n",
    "missing": None,
}


def installed(folder: Path, modules: dict[str, str | None]) -> dict[str, str]:
    """Make a package with one entry point per module, installed as pip would leave it."""
    package, info = folder / "somebodys", folder / "somebodys-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").touch()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys\nVersion: 1.0\n")
    lines = [f"{name} = somebodys.{name}" for name in modules]
    (info / "entry_points.txt").write_text("\n".join(["[diffusim.methods]", *lines, ""]))
    for name, code in modules.items():
        if code is not None:
            (package / f"{name}.py").write_text(code, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def cells(text: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line.strip()]


def test_the_table_of_methods_says_what_the_code_says() -> None:
    done = diffusim("methods")
    assert done.code == 0
    above, below = done.out.split("\n\n")
    head, *rows = cells(above)
    assert head == Method.words()
    assert [row[0] for row in rows] == Propagator.words()
    for word, *views in rows:
        kind = Propagator.find(word)
        for method, view in zip(head, views, strict=True):
            found = Method.find(method)
            able = kind.always <= found.handles
            shared = [need for need in found.needs if able and hasattr(kind, need)]
            assert view == (shared[0] if shared else "-")
    for word, order, limit, *_ in cells(below)[1:]:
        method = Method.find(word)
        assert order == ("N^-1/2" if method.statistical else str(method.order or "exact"))
        assert limit.split()[0] in (str(getattr(method, "limit", "")), "lattice", "auto")


def test_a_method_of_another_package_is_in_the_table_and_runs_in_a_scenario(
    tmp_path: Path,
) -> None:
    env = installed(tmp_path / "lib", {"halved": HALVED})
    table = shell("methods", env=env)
    assert "halved" in cells(table.out)[0]
    source = written(tmp_path)
    words = ("run", source, "--out", tmp_path / "out", "--set", "methods=[ftcs, halved]", *QUIET)
    done = shell(*words, env=env)
    assert done.code == 0, done
    rows = done.rows
    assert float(rows["halved"]["l2"]) < float(rows["ftcs"]["l2"])


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which every package of others is broken in its own way, but for one."""
    return installed(tmp_path_factory.mktemp("lib"), {**BROKEN, "halved": HALVED})


def well(done: Done) -> str:
    assert "Traceback" not in done.err
    assert "unforeseen" not in done.err
    return done.out + done.err


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_package_is_a_sentence_to_who_asks_for_it(
    name: str, others: dict[str, str], tmp_path: Path
) -> None:
    words = ("run", written(tmp_path), "--out", tmp_path / "out", *QUIET)
    done = shell(*words, "--set", f"methods=[{name}]", env=others)
    assert done.code == 2, done
    assert len(well(done).splitlines()) == 1
    assert f"somebodys.{name}" in done.err
    assert not (tmp_path / "out").exists()


def test_broken_packages_do_not_disturb_who_does_not_ask_for_them(
    others: dict[str, str], tmp_path: Path
) -> None:
    source = written(tmp_path)
    assert shell("--help", env=others).code == 0
    for words in (["methods"], ["schema"], ["check", source]):
        done = shell(*words, env=others)
        assert done.code == 0, done
        assert "halved" in well(done)
        if words == ["methods"]:
            assert [name for name in BROKEN if f"somebodys.{name}" not in done.out] == []
    done = shell("run", source, "--out", tmp_path / "out", *QUIET, env=others)
    assert done.code == 0, done
    assert well(done)


def test_a_word_that_two_packages_claim_stays_with_diffusim(tmp_path: Path) -> None:
    env = installed(tmp_path / "lib", {"ftcs": HALVED.replace("Halved", "Ftcs")})
    done = shell("run", written(tmp_path), "--out", tmp_path / "out", *QUIET, env=env)
    assert done.code == 0, done
    assert done.out == diffusim("compare", tmp_path / "out" / "tiny" / "run.hdf5").out
    assert not isinstance(Method.find("ftcs"), Unsupported)
