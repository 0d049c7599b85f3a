"""The decorator of every compiled loop, and a cache of machine code that can do no harm.

Numba's own cache looks at one source file only, so it returns stale results when a helper in
another file changes; it fails on every call while a file in it is damaged, and it refuses to import
where nothing can be written. Here the folder is named by a hash of all sources beside this one,
every file carries its own checksum, and whatever goes wrong means compiling again and nothing
worse.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numba
from numba.core import config
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Loop = TypeVar("Loop", bound="Callable[..., Any]")


def compiled(function: Loop) -> Loop:
    """Compile a loop on its first call, or load its machine code where that was kept.

    The loop releases the interpreter's lock, divides as NumPy does, keeps the order of its
    arithmetic (no fast-math, no contraction to fused operations: results are the same bits on every
    machine) and uses one thread. With ``NUMBA_DISABLE_JIT=1`` the Python function itself is
    returned.
    """
    loop = numba.njit(nogil=True, error_model="numpy")(function)
    if hasattr(loop, "_cache") and (folder := cache_folder()) is not None:
        loop._cache = MachineCode(function, folder)
    return loop  # type: ignore[no-any-return]


def inlined(function: Loop) -> Loop:
    """Compile a piece of the loops in other functions, afresh with each of them.

    Never kept on disk: what is loaded from there is machine code, which can be called but no longer
    be merged with its caller, and an inner loop with a call in it is not turned into vector
    instructions (ten times slower).
    """
    return numba.njit(forceinline=True, nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]


@cache
def cache_folder() -> Path | None:
    """Return the folder of machine code for exactly these sources, or None where there can be none.

    ``DIFFUSIM_CACHE`` names its parent; otherwise that is ``diffusim`` under ``XDG_CACHE_HOME`` or
    ``~/.cache``, and where that cannot be written a folder of this user's own under the temporary
    one. Cached code is unpickled and executed, so a folder that anyone else owns or could write to
    is passed over.
    """
    try:
        version = _hash_of_sources(Path(__file__).parent)
    except OSError:
        return (
            None  # sources that cannot be read, in an archive say, cannot be told from changed ones
        )
    return next((folder for parent in _parents() if (folder := _private(parent / version))), None)


def _parents() -> Iterator[Path]:
    """Yield the places for cached code, best first."""
    if named := os.environ.get("DIFFUSIM_CACHE"):
        yield Path(named)
        return
    if (xdg := Path(os.environ.get("XDG_CACHE_HOME", ""))).is_absolute():
        yield xdg / "diffusim"
    else:
        with suppress(RuntimeError):
            yield Path.home() / ".cache" / "diffusim"
    if hasattr(os, "getuid"):
        yield Path(tempfile.gettempdir()) / f"diffusim-{os.getuid()}"


def _hash_of_sources(folder: Path) -> str:
    digest = hashlib.sha256()
    for source in sorted(folder.glob("*.py")) or [folder / "compiled.py"]:
        text = source.read_bytes()
        digest.update(f"{source.name} {len(text)}\n".encode() + text)
    return digest.hexdigest()[:32]


def _private(folder: Path) -> Path | None:
    """Make the folder if it is missing; return it if nobody else can put code into it."""
    try:
        for place in (folder.parent, folder):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (_safe(folder.parent.stat(), shared=True) and _safe(folder.lstat(), shared=False)):
            return None
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, ValueError):
        return None
    return folder


def _safe(found: os.stat_result, *, shared: bool) -> bool:
    """Tell whether a folder belongs to this user and cannot be written to by others.

    The folder above may be root's, and shared in the way of /tmp, where nobody can replace what
    belongs to another.
    """
    if not stat.S_ISDIR(found.st_mode):
        return False
    if not hasattr(os, "getuid"):
        return True
    if shared:
        open_to_all = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
        return found.st_uid in (os.getuid(), 0) and not open_to_all
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


class MachineCode(NullCache):
    """Machine code of one loop on disk: a file per signature and processor, each with its checksum.

    Both methods take the place of numba's own (0.61 to 0.68 call them alike) and never raise: what
    cannot be read is deleted and compiled again, what cannot be written is not kept.
    """

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._name = f"{Path(function.__code__.co_filename).stem}.{function.__qualname__}"
        self._folder = folder

    @property
    def cache_path(self) -> str:
        """The folder, as numba reports it in ``loop.stats``."""
        return str(self._folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled loop for a signature, or None where it has to be compiled."""
        target_context.refresh()
        path = self._path(sig, target_context.codegen())
        try:
            data = path.read_bytes()
            checksum, code = data[:32], data[32:]
            if checksum == hashlib.sha256(code).digest():
                return CompileResult._rebuild(target_context, *pickle.loads(code))
        except FileNotFoundError:
            return None
        except Exception:  # a pickle can fail in every way there is, and none of them matters here
            pass
        with suppress(OSError):
            path.unlink()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled loop for a signature: a whole file under its final name, or none."""
        if data.lifted or data.library.has_dynamic_globals:
            return
        path = self._path(sig, data.codegen)
        temporary = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        try:
            code = dumps(data._reduce())
            temporary.write_bytes(hashlib.sha256(code).digest() + code)
            temporary.replace(path)
        except (
            Exception
        ):  # a full disk, a lost folder, a numba that reduces otherwise: all harmless
            with suppress(OSError):
                temporary.unlink()

    def _path(self, sig: Any, codegen: Any) -> Path:
        settings = (config.BOUNDSCHECK, config.OPT, config.DEBUGINFO_DEFAULT)
        key = repr((sig, codegen.magic_tuple(), sys.version_info, numba.__version__, settings))
        return self._folder / f"{self._name}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.code"
