"""Atomic files, the lock of a run folder and errors in words: all of the store that needs no HDF5.

A file appears under its name only when it is complete and on the disk: it is written under a
temporary name in the same folder, fsynced, renamed, and the folder is fsynced. A rename without
the fsync before it may leave an empty file after a power failure (Pillai et al., "All file
systems are not created equal", OSDI 2014).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)(\..*)?", re.IGNORECASE)
_TEMPORARY = re.compile(r"\..+\.tmp-(\d+)-[0-9a-f]{8}")
_UNKNOWN = "unknown"
_EMPTY_LOCK_SECONDS = 10.0


class StoreError(Exception):
    """Something could not be written or read; the message is one sentence for the user."""


class Occupied(StoreError):
    """Going on would overwrite the result of another scenario, or somebody else is writing."""


def safe_name(name: str, what: str = "The name") -> str:
    """Return `name` if it can name a file on every system.

    Raises
    ------
    StoreError
        Unless it is 1 to 100 of A-Z a-z 0-9 . _ - without a dot at either end, and no device name.
    """
    if not _NAME.fullmatch(name) or name.endswith(".") or _RESERVED.fullmatch(name):
        raise StoreError(
            f"{what} {name[:120]!r} cannot name a file: use 1 to 100 of the characters "
            "A-Z a-z 0-9 . _ - with no dot at either end, and no device name such as NUL."
        )
    return name


@contextlib.contextmanager
def in_words(doing: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` raised inside into a `StoreError` of one sentence."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{doing} {path} failed: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return (
                "the disk (or your quota on it) is full; free some space or choose another folder."
            )
        case errno.EFBIG:
            return "the file is larger than this file system or `ulimit -f` allows."
        case errno.EACCES | errno.EPERM:
            return "you may not write there; change the permissions or choose another folder."
        case errno.EROFS:
            return "the file system is read-only; choose another folder."
        case errno.ENOENT:
            return "a folder on the way does not exist."
        case errno.ENAMETOOLONG:
            return "the path is too long for this file system; choose a shorter one."
        case errno.ENOTDIR | errno.EEXIST | errno.EISDIR:
            return "a file stands where a folder is needed, or the other way round."
        case _:
            return f"{error.strerror or error}."


def temporary_beside(path: Path) -> Path:
    """Return a new hidden name in the folder of `path` that tells which process made it."""
    return path.with_name(f".{path.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")


def sync_folder(folder: Path) -> None:
    """Bring the names in `folder` to the disk (a no-op where folders cannot be opened)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create `folder` and those above it, each name brought to the disk."""
    with in_words("Creating the folder", folder):
        missing = [part for part in (folder, *folder.parents) if not part.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for part in missing:
            sync_folder(part.parent)


def rename_into_place(temporary: Path, target: Path) -> None:
    """Give the finished and fsynced `temporary` its name, replacing what had it."""
    temporary.replace(target)
    sync_folder(target.parent)


def write_bytes(folder: Path, name: str, data: bytes, *, cached: bool = True) -> Path:
    """Write `data` as `folder`/`name` so that no reader and no crash ever meets half of it.

    Parameters
    ----------
    folder : Path
        Where.
    name : str
        A plain name.
    data : bytes
        All of the file.
    cached : bool
        Whether it may stay in the system's memory once it is on the disk. What is larger than that
        memory, taken all together, need not: its pages then serve the next file.

    Returns
    -------
    Path
        The file, which is on the disk by then.

    Raises
    ------
    StoreError
        The name is not a plain one, or the system refuses; the old file is then untouched.
    """
    target = Path(folder) / safe_name(name)
    temporary = temporary_beside(target)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with in_words("Writing", target):
        try:
            descriptor = os.open(temporary, flags, 0o644)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
                if not cached and hasattr(os, "posix_fadvise"):
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
            rename_into_place(temporary, target)
        finally:
            discard(temporary)
    return target


def write_text(folder: Path, name: str, text: str) -> Path:
    """Write `text` as UTF-8 by the rule of `write_bytes`."""
    return write_bytes(folder, name, text.encode("utf-8"))


def discard(path: Path) -> None:
    """Remove a file if it is there; one that cannot be removed is left for the next sweep."""
    with contextlib.suppress(OSError):
        path.unlink()


def retire(folder: Path) -> None:
    """Remove a folder whole: it leaves its name in one step, then it is emptied."""
    with in_words("Removing", folder):
        grave = temporary_beside(folder)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(grave)
            shutil.rmtree(grave, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what writers that live no longer left under temporary names (hold the lock)."""
    with in_words("Cleaning", folder):
        for entry in list(folder.iterdir()):
            found = _TEMPORARY.fullmatch(entry.name)
            # A container gives every run the same number, so our own says nothing about life.
            if found and (int(found[1]) == os.getpid() or started(int(found[1])) is None):
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    discard(entry)


def require_space(folder: Path, need: int) -> None:
    """Raise `StoreError` unless the disk of `folder` has 1.1 times `need` bytes free."""
    with in_words("Measuring the free space of", folder):
        free = shutil.disk_usage(folder).free
    if free < 1.1 * need:
        raise StoreError(
            f"{folder} needs {1.1 * need / 1e6:.0f} MB and its disk has {free / 1e6:.0f} MB free; "
            "free some space and go on with --resume (the frames are kept)."
        )


def started(pid: int) -> str | None:
    """Tell when process `pid` started; None if none lives, "unknown" where it cannot be told."""
    if sys.platform == "win32":
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, pid)
        if not handle:
            return None
        ctypes.windll.kernel32.CloseHandle(handle)
        return _UNKNOWN
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:
        pass
    try:
        # The name of the program, in brackets, may hold spaces and brackets itself.
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _UNKNOWN
    return None if state[0] in "ZX" else f"{boot}/{state[19]}"


class Lock:
    """The file that says who writes in a folder: process number, host, start of the process.

    It is stale only if its process is dead on this host, or another one has its number by now.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        mine = {"pid": os.getpid(), "host": platform.node(), "started": started(os.getpid())}
        self._text = json.dumps(mine)

    def take(self) -> None:
        """Take the lock or raise `Occupied`."""
        with in_words("Locking", self.path):
            for _ in range(100):
                try:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
                    descriptor = os.open(self.path, flags, 0o644)
                except FileExistsError:
                    self._remove_if_stale()
                    continue
                try:
                    os.write(descriptor, self._text.encode())
                except OSError:
                    discard(self.path)
                    raise
                finally:
                    os.close(descriptor)
                return
        raise Occupied(f"{self.path} keeps changing hands; wait for the other runs to end.")

    def must_be_free(self) -> None:
        """Raise `Occupied` if somebody who lives has it; one of somebody dead is removed."""
        with in_words("Reading", self.path):
            self._remove_if_stale()

    def release(self) -> None:
        """Give the lock back if it is still ours."""
        with contextlib.suppress(OSError):
            if self.path.read_text() == self._text:
                self.path.unlink()

    def _remove_if_stale(self) -> None:
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            _hold(file.fileno())
            # Two runs may find the same stale lock: the slower one must not remove the new one.
            try:
                if not os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                    return
            except FileNotFoundError:
                return
            objection = self._objection(
                file.read(4096), time.time() - os.fstat(file.fileno()).st_mtime
            )
            if objection:
                raise Occupied(objection)
            self.path.unlink(missing_ok=True)

    def _objection(self, text: bytes, age: float) -> str:
        """Why the lock with this text must stand; empty if it is stale."""
        by_hand = f"if that run is surely over, delete {self.path}"
        try:
            owner = json.loads(text)
            pid, host, start = int(owner["pid"]), str(owner["host"]), owner["started"]
        except (ValueError, TypeError, KeyError):
            # A writer may have been killed between creating its lock and filling it.
            if not text and age > _EMPTY_LOCK_SECONDS:
                return ""
            return f"{self.path} does not say whose it is; {by_hand}."
        if host != platform.node():
            return f"Process {pid} on host {host} writes to {self.path.parent}; {by_hand}."
        now = started(pid)
        if now is None or (_UNKNOWN not in (now, start) and now != start):
            return ""
        return (
            f"Process {pid} is writing to {self.path.parent}; wait for it or choose another folder "
            f"with --out ({by_hand})."
        )


def _hold(descriptor: int) -> None:
    if sys.platform != "win32":
        import fcntl

        with contextlib.suppress(OSError):  # file systems without flock: the check alone must do
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def in_child(module: str, job: str) -> tuple[str, str]:
    """Run `python -m module` with `job` on its standard input, out of reach of Ctrl-C.

    Returns
    -------
    tuple
        What it printed, and why it failed: empty if it did not.
    """
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-P", "-m", module],
        input=job,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **one, "PYTHONPATH": os.pathsep.join(paths)},
        start_new_session=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout, ""
    if done.returncode < 0:
        with contextlib.suppress(ValueError):
            return "", f"it was ended by {signal.Signals(-done.returncode).name}"
    lines = done.stderr.strip().splitlines()
    return "", lines[-1] if lines else f"it ended with code {done.returncode}"
