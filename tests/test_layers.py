"""The rules of the house that a machine can check: layers, style, types, sizes, words."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "diffusim"
TEXTS = (
    "*.py",
    "*.md",
    "*.toml",
    "*.yaml",
    "*.yml",
    "*.cff",
    "Makefile",
    "constraints.txt",
    ".ci/run",
)
IGNORED = {".git", ".venv", "outputs", "build", "dist"}


def ours(path: Path) -> bool:
    return not IGNORED & set(path.relative_to(ROOT).parts)


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if ours(path))


PACKAGE_SOURCES = sources(PACKAGE)
ALL_SOURCES = [
    path for name in ("diffusim", "tests", "benchmarks") for path in sources(ROOT / name)
]


# Not on import: every process that collects the tests would read all sources.
@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, node: ast.AST | None = None) -> str:
    line = f":{node.lineno}" if node is not None else ""
    return path.relative_to(ROOT).as_posix() + line


def nodes(paths: list[Path], *kinds: type[ast.AST]) -> Iterator[tuple[Path, ast.AST]]:
    return (
        (path, node) for path in paths for node in ast.walk(tree(path)) if isinstance(node, kinds)
    )


def functions(paths: list[Path]) -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return nodes(paths, ast.FunctionDef, ast.AsyncFunctionDef)


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def imported(paths: list[Path]) -> Iterator[tuple[Path, ast.stmt, str]]:
    """Yield what is imported, as dotted names; ``from a import b`` counts as ``a.b``."""
    for path, node in nodes(paths, ast.Import, ast.ImportFrom):
        prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            yield path, node, prefix + alias.name


def assert_passes(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_point_down_the_layers_and_heavy_packages_have_one_door() -> None:
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    assert_passes("-c", lint, "--no-cache", "--no-logo")


def test_ruff_finds_nothing_to_complain_about() -> None:
    assert_passes("-m", "ruff", "check", "--no-cache", ".")


def test_every_file_is_formatted() -> None:
    assert_passes("-m", "ruff", "format", "--no-cache", "--check", ".")


def test_mypy_accepts_the_types_of_the_package() -> None:
    assert_passes("-m", "mypy")


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {place(path): len(path.read_bytes().splitlines()) for path in ALL_SOURCES}
    assert lengths
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_no_function_body_is_longer_than_60_lines_and_half_are_12_at_most() -> None:
    lengths = {place(path, node): body_lines(node) for path, node in functions(PACKAGE_SOURCES)}
    assert {name: length for name, length in lengths.items() if length > 60} == {}
    assert statistics.median(lengths.values()) <= 12


def test_no_class_is_named_after_nothing() -> None:
    empty = re.compile(r"(Manager|Helper|Base|Factory)$|^(Base|Abstract)")
    classes = list(nodes(ALL_SOURCES, ast.ClassDef))
    assert classes
    assert [place(path, node) for path, node in classes if empty.search(node.name)] == []


def test_no_module_is_named_after_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "core", "base", "misc"}
    assert [place(path) for path in PACKAGE_SOURCES if path.stem in empty] == []


def test_time_is_cut_into_segments_by_the_one_time_loop_only() -> None:
    users = {
        place(path) for path, _, name in imported(PACKAGE_SOURCES) if name == "diffusim.segment.cut"
    }
    users |= {
        place(path)
        for path, node in nodes(PACKAGE_SOURCES, ast.Attribute)
        if node.attr == "cut" and ast.unparse(node.value).endswith("segment")
    }
    assert users <= {"diffusim/runs.py"}


def test_no_method_knows_of_frames_or_of_events() -> None:
    foreign = {"frames", "opens", "closes", "events", "cut"}
    found = [
        place(path, node)
        for path, node in nodes(sources(PACKAGE / "methods"), ast.Name, ast.Attribute, ast.arg)
        if foreign & {getattr(node, name, "") for name in ("id", "attr", "arg")}
    ]
    assert found == []


def is_compiled(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {ast.unparse(mark).split("(")[0].split(".")[-1] for mark in function.decorator_list}
    return bool(names & {"compiled", "njit", "jit", "vectorize", "guvectorize"})


def test_compiled_functions_stand_at_module_level_in_loops() -> None:
    compiled = [(path, node) for path, node in functions(PACKAGE_SOURCES) if is_compiled(node)]
    assert compiled
    assert [place(*both) for both in compiled if both[1] not in tree(both[0]).body] == []
    assert {path.parent.name for path, _ in compiled} == {"loops"}


def test_compiled_functions_neither_raise_nor_print() -> None:
    found = [
        place(path, inner)
        for path, node in functions(PACKAGE_SOURCES)
        if is_compiled(node)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Raise | ast.Assert | ast.Try | ast.With)
        or (isinstance(inner, ast.Name) and inner.id == "print")
    ]
    assert found == []


@pytest.mark.parametrize(
    "module", ["random", "matplotlib.pyplot", "pylab", "scipy.stats", "scipy.signal"]
)
def test_the_package_does_without(module: str) -> None:
    found = [
        place(path, node)
        for path, node, name in imported(PACKAGE_SOURCES)
        if name == module or name.startswith(module + ".")
    ]
    assert found == []


def test_nothing_from_outside_is_evaluated_or_unpickled_unseen() -> None:
    found = [
        place(path, node)
        for path, node in nodes(PACKAGE_SOURCES, ast.Call)
        if isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}
    ]
    assert found == []
    # The cache of machine code is pickled; who may write to its folder is checked there.
    unpickling = {place(path) for path, _, name in imported(PACKAGE_SOURCES) if name == "pickle"}
    assert unpickling <= {"diffusim/loops/compiled.py"}


def test_no_test_is_skipped() -> None:
    shy = {"skip", "skipif", "importorskip", "xfail"}
    found = [
        place(path, node)
        for path, node in nodes(sources(ROOT / "tests"), ast.Attribute)
        if node.attr in shy and ast.unparse(node.value).startswith("pytest")
    ]
    assert found == []


def test_no_text_names_a_folder_of_one_machine() -> None:
    somewhere = re.compile(r"(?<![\w.~])/(?:home|root|work|Users)/\w")
    texts = {path for pattern in TEXTS for path in ROOT.rglob(pattern)}
    texts = {path for path in texts if path.is_file() and ours(path)}
    assert len(texts) > 10
    found = [
        f"{place(path)}:{number}"
        for path in sorted(texts)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if somewhere.search(line)
    ]
    assert found == []
