"""Compiled code kept on disk: used again when nothing changed, harmless whatever befalls it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from diffusim.loops import compiled, particles, random, sweeps

SOURCES = Path(compiled.__file__).parent
DIGEST = """
import hashlib, numpy as np
from diffusim.loops import hops, particles, random, sweeps
u, work, key = np.linspace(0, 1, 99).reshape(9, 11) ** 3, np.empty((9, 11)), (1, 2)
nothing = None, None, None, None
sweeps.step(u, work, None, 5, 0.2, None, 0.1, None, *nothing, True, False)
older, newer, result, total = u.copy(), u + 1, 1 * u, 0 * u
first, second = np.pad(u, ((0, 1), (0, 0))) / 9, np.pad(u, ((0, 0), (1, 0))) / 8
inverses = np.arange(1.0, 10), np.arange(2.0, 13) / 7
medium = first, first / 2, second, second / 3, *inverses, u / 7, u / 6, False, True
factors = np.array([1.0, 0.5, 0.2]), np.array([0.0, 1.0, -0.5]), np.ones(3), np.full(3, 0.3)
sweeps.expand(older, newer, result, total, *factors, *medium)
z, position, cell = np.empty((2, 300)), np.empty((2, 300)), np.empty(300, np.int64)
counts = np.zeros((9, 11), np.int64)
random.normals(z, 7, *key)
cumulative = np.arange(1, 100) / 99
particles.place(position, 0, *key, cumulative, counts)
planes = [np.zeros(9), np.full(9, 9.0), np.zeros(11), np.full(11, 11.0)]
particles.jump(position, 0, *key, 1.0, 20.0, *planes, True, False, counts)
particles.draw_cells(cell, 0, *key, cumulative, counts)
limits = np.tile((np.arange(1, 5) * 2.0**29.9).astype(np.uint32), (99, 1))
hops.hop(cell, 0, *key, 3.0, 40.0, np.linspace(0.1, 1, 10), limits, True, True, counts)
results = b"".join(a.tobytes() for a in (u, result, total, z, position, cell, counts))
print(hashlib.sha256(results).hexdigest())
"""


def triple(x):
    return 3 * x


def run(code: str, **settings: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCES.parents[1]), **settings}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Let loops that are decorated from here on keep their code in a folder of this test's own."""
    monkeypatch.setattr(compiled, "cache_folder", lambda: tmp_path)
    return tmp_path


def hits(loop) -> int:
    return sum(loop.stats.cache_hits.values())


def test_a_loop_is_compiled_once_and_then_loaded(folder):
    first, second = compiled.compiled(triple), compiled.compiled(triple)
    assert (first(5), hits(first)) == (15, 0)
    assert (second(5), hits(second)) == (15, 1)
    assert (second(0.5), hits(second)) == (1.5, 1)
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:],
        lambda data: b"rubbish" * 1000,
    ],
)
def test_a_damaged_file_is_compiled_anew_and_healed(folder, damage):
    compiled.compiled(triple)(5)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    second, third = compiled.compiled(triple), compiled.compiled(triple)
    assert (second(5), hits(second)) == (15, 0)
    assert (third(5), hits(third)) == (15, 1)


def test_a_cache_that_cannot_be_written_or_read_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "below", tmp_path / "missing"):
        monkeypatch.setattr(compiled, "cache_folder", lambda place=place: place)
        loop = compiled.compiled(triple)
        assert (loop(5), hits(loop)) == (15, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_code_that_refers_to_another_processor_is_not_looked_up(folder):
    loop = compiled.compiled(triple)
    loop(5)

    class Codegen:
        def magic_tuple(self):
            return ("triple", "another", "processor")

    cache, (signature,) = loop._cache, loop.signatures
    names = {
        cache._path(signature, codegen).name for codegen in (Codegen(), loop.targetctx.codegen())
    }
    assert len(names) == 2
    assert {path.name for path in folder.iterdir()} < names


def test_the_folder_is_named_by_all_sources(tmp_path):
    shutil.copytree(SOURCES, tmp_path / "loops", ignore=shutil.ignore_patterns("__pycache__"))
    name = compiled._hash_of_sources(tmp_path / "loops")
    assert name == compiled._hash_of_sources(SOURCES)
    with pytest.raises(OSError, match="compiled.py"):
        compiled._hash_of_sources(tmp_path / "nothing")
    for source in (tmp_path / "loops").glob("*.py"):
        text = source.read_bytes()
        source.write_bytes(text + b"\n")
        assert compiled._hash_of_sources(tmp_path / "loops") != name
        source.write_bytes(text)


def test_a_changed_helper_changes_the_result(tmp_path):
    """Numba's own cache would go on returning 63."""
    package = tmp_path / "small"
    package.mkdir()
    shutil.copy(SOURCES / "compiled.py", package)
    (package / "__init__.py").touch()
    (package / "loop.py").write_text(
        "from small.compiled import compiled\nfrom small.helper import help\n"
        "@compiled\ndef loop(x):\n    return help(x)\n"
    )
    helper = "from small.compiled import inlined\n@inlined\ndef help(x):\n    return {} * x\n"
    settings = {"PYTHONPATH": str(tmp_path), "DIFFUSIM_CACHE": str(tmp_path / "cache")}
    for factor, known in ((3, 0), (4, 0), (3, 1)):
        (package / "helper.py").write_text(helper.format(factor))
        shutil.rmtree(package / "__pycache__", ignore_errors=True)
        code = "from small.loop import loop; print(loop(21), sum(loop.stats.cache_hits.values()))"
        assert run(code, **settings) == f"{21 * factor} {known}"
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_folder_that_others_can_write_to_is_passed_over(tmp_path):
    good = tmp_path / "good" / "hash"
    assert compiled._private(good) == good
    assert stat.S_IMODE(good.stat().st_mode) == 0o700
    for mode in (0o770, 0o707, 0o777):
        good.chmod(mode)
        assert compiled._private(good) is None
    good.chmod(0o700)
    good.parent.chmod(0o777)
    assert compiled._private(good) is None
    good.parent.chmod(0o1777)
    assert compiled._private(good) == good
    link = tmp_path / "link"
    link.symlink_to(good)
    assert compiled._private(link) is None
    (tmp_path / "file").touch()
    assert compiled._private(tmp_path / "file") is None
    assert compiled._private(tmp_path / "file" / "hash") is None


def test_the_places_for_code_are_the_named_one_or_the_users_own(monkeypatch):
    monkeypatch.setenv("DIFFUSIM_CACHE", "/named")
    assert list(compiled._parents()) == [Path("/named")]
    monkeypatch.setenv("DIFFUSIM_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path("/xdg").absolute()))
    assert next(compiled._parents()) == Path("/xdg").absolute() / "diffusim"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert next(compiled._parents()) == Path.home() / ".cache" / "diffusim"


def test_the_loops_work_with_every_cached_file_cut_off_and_with_no_cache_at_all(tmp_path):
    code = (
        "import numpy as np\nfrom diffusim.loops import sweeps\nu = np.eye(3)\n"
        "given = 0.25, None, 0.25, None, None, None, None, None, False, True\n"
        "sweeps.step(u, u.copy(), None, 3, *given)\nprint(u.tolist())"
    )
    answer = run(code, DIFFUSIM_CACHE=str(tmp_path / "cache"))
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[:1000])
    assert run(code, DIFFUSIM_CACHE=str(tmp_path / "cache")) == answer
    assert run(code, DIFFUSIM_CACHE=str(files[0] / "no folder")) == answer


def test_numbas_own_settings_are_left_alone(tmp_path):
    own = tmp_path / "numba"
    code = (
        "import numpy as np, numba\nfrom diffusim.loops import random\n"
        "random.uniforms(np.empty((2, 3)), 0, 1, 2)\nprint(numba.config.CACHE_DIR)"
    )
    settings = {"DIFFUSIM_CACHE": str(tmp_path / "ours"), "NUMBA_CACHE_DIR": str(own)}
    assert run(code, **settings) == str(own)
    assert not own.exists()


def test_importing_the_package_alone_loads_no_numba():
    assert run("import sys, diffusim.loops; print('numba' in sys.modules)") == "False"


@pytest.mark.parametrize("module", [particles, random, sweeps])
def test_kept_loops_are_called_from_python_only(module: ModuleType):
    """Loaded code cannot be merged with its caller: what loops call is compiled with them."""
    loops = {k: v for k, v in vars(module).items() if hasattr(v, "py_func")}
    kept = {k for k, v in loops.items() if isinstance(v._cache, compiled.MachineCode)}
    called = {name for loop in loops.values() for name in loop.py_func.__code__.co_names}
    assert kept
    assert set(loops) - kept
    assert not kept & called


def test_interpreted_loops_give_the_same_bits():
    assert run(DIGEST, NUMBA_DISABLE_JIT="1") == run(DIGEST)


@pytest.mark.proof
def test_loops_for_any_processor_give_the_same_bits(tmp_path):
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    assert run(DIGEST, DIFFUSIM_CACHE=str(tmp_path), **plain) == run(DIGEST)


@pytest.mark.proof
def test_no_loop_reads_or_writes_beyond_its_arrays(tmp_path):
    settings = {"NUMBA_BOUNDSCHECK": "1", "DIFFUSIM_CACHE": str(tmp_path)}
    files = [
        Path(__file__).with_name(name) for name in ("test_loops.py", "test_loops_particles.py")
    ]
    options = ["-q", "-p", "no:cacheprovider", "-m", "interpreted", *map(str, files)]
    assert " passed" in run(f"import pytest, sys; sys.exit(pytest.main({options!r}))", **settings)


def test_loops_leave_the_interpreter_free_and_do_no_fast_math():
    loops = [vars(module) for module in (particles, random, sweeps)]
    loops = [loop for names in loops for loop in names.values() if hasattr(loop, "py_func")]
    assert all(loop.targetoptions["nogil"] for loop in loops)
    assert not any(loop.targetoptions.get("fastmath") for loop in loops)
    assert not any(loop.targetoptions.get("parallel") for loop in loops)
