"""Kills and interrupts at any moment: what was acknowledged survives.

The chances are drawn with fixed seeds, but the moment of a kill is the machine's: these tests hold
for every moment, so a failure is never a false alarm.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from store_samples import (
    LARGER,
    append,
    assert_sound,
    child,
    field,
    plain_header,
    temporaries,
)

from diffusim import atomic
from diffusim.store import (
    RESULT,
    Folder,
    Journal,
    StoreError,
    load,
    verify,
)

pytestmark = pytest.mark.child
Figure = Callable[..., None]


RUN_FRAMES = 120
MANY_FRAMES = 400

WRITER = """if True:
    import sys
    from store_samples import LARGER, append, plain_header
    from diffusim.store import Folder

    path, frames = sys.argv[1], int(sys.argv[2])
    with Folder.open(path, "d1", resume=True) as folder:
        journal = folder.journal("a")
        print(journal.frames, flush=True)
        for stop in range(journal.frames + 1, frames + 1):
            append(journal, stop)
            if stop % 3 == 0:
                journal.flush()
                print(journal.frames, flush=True)
        folder.publish(plain_header(frames), {"a": {}})
"""
PUBLISHER = """if True:
    import sys
    from store_samples import plain_header
    from diffusim.store import Folder

    with Folder.open(sys.argv[1], "d1", resume=True) as folder:
        print(folder.journal("a").frames, flush=True)
        folder.publish(plain_header(400), {"a": {}})
"""


def killed_while_writing(folder: Path, rng: np.random.Generator) -> bool:
    """Start or resume the writer and kill it at a random moment; False if it was done before."""
    with child(WRITER, folder, RUN_FRAMES) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        rest = process.stdout.read()
    acknowledged = int(([first] + rest.splitlines())[-1])
    if process.returncode == 0 or (folder / RESULT).exists():
        assert verify(folder / RESULT) == []
        return False
    assert process.returncode == -signal.SIGKILL
    assert_sound(folder, acknowledged)
    return True


def many_kills(path: Path, kills: int) -> None:
    rng = np.random.default_rng(kills)
    done = 0
    for run in range(10 * kills):
        folder = path / f"run-{run}"
        while done < kills and killed_while_writing(folder, rng):
            done += 1
        if done == kills:
            break
    with Folder.open(folder, "d1", resume=True) as out:
        append(out.journal("a"), RUN_FRAMES)
        out.publish(plain_header(RUN_FRAMES), {"a": {}})
    for result in path.glob(f"*/{RESULT}"):
        with load(result) as stored:
            frames = stored.runs["a"].frames
            assert [u.tobytes() for u in frames] == [
                field(i, LARGER).tobytes() for i in range(RUN_FRAMES)
            ]
    assert temporaries(folder) == []
    assert done == kills


def test_a_kill_during_writing_loses_no_acknowledged_frame(tmp_path: Path) -> None:
    many_kills(tmp_path, 12)


@pytest.mark.proof
def test_200_kills_during_writing_lose_no_acknowledged_frame(
    tmp_path: Path, figure: Figure
) -> None:
    many_kills(tmp_path, 200)
    figure("kills without an acknowledged frame lost", 200, limit="200")


def kills_during_publishing(path: Path, kills: int) -> int:
    """Kill the publishing run at random moments; return how many kills came before the rename."""
    rng = np.random.default_rng(kills)
    early = 0
    # Moments are drawn from the time that it takes undisturbed on this machine, and a little more;
    # then from a longer one after each kill that came before the rename, and a shorter one after
    # each that came behind, since a busy machine does not keep its speed.
    with Folder.open(path / "undisturbed", "d1") as out:
        append(out.journal("a"), MANY_FRAMES)
    with child(PUBLISHER, path / "undisturbed") as process:
        assert process.stdout is not None
        process.stdout.readline()
        began = time.perf_counter()
        process.stdout.read()
        longest = 1.3 * (time.perf_counter() - began)
    for run in range(kills):
        folder = path / f"run-{run}"
        with Folder.open(folder, "d1") as out:
            append(out.journal("a"), MANY_FRAMES)
        with child(PUBLISHER, folder) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{MANY_FRAMES}\n"
            time.sleep(rng.uniform(0, longest))
            process.kill()
            process.stdout.read()
        if (folder / RESULT).exists():
            longest *= 0.9
            assert verify(folder / RESULT) == []
        else:
            early += 1
            longest *= 1.1
            assert assert_sound(folder, MANY_FRAMES) == MANY_FRAMES
            with Folder.open(folder, "d1", resume=True) as out:
                assert out.journal("a").frames == MANY_FRAMES
                out.publish(plain_header(MANY_FRAMES), {"a": {}})
        with Folder.open(folder, "d1"):
            pass
        assert sorted(entry.name for entry in folder.iterdir()) == [RESULT]
        with load(folder / RESULT) as stored:
            assert len(stored.runs["a"].frames) == MANY_FRAMES
            assert (
                stored.runs["a"].frames[MANY_FRAMES - 1].tobytes()
                == field(MANY_FRAMES - 1, LARGER).tobytes()
            )
    return early


def test_a_kill_during_publishing_leaves_the_frames_or_the_result(tmp_path: Path) -> None:
    kills_during_publishing(tmp_path, 3)


@pytest.mark.proof
def test_40_kills_during_publishing_leave_the_frames_or_the_result(
    tmp_path: Path, figure: Figure
) -> None:
    early = kills_during_publishing(tmp_path, 40)
    assert 0 < early < 40
    figure("kills during publishing, before the rename / in all", f"{early} / 40")


def test_a_death_of_the_writing_child_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(module: str, job: str) -> tuple[str, str]:
        Path(json.loads(job)["path"]).write_bytes(b"half")
        killer = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
        monkeypatch.setattr(sys, "executable", str(script))
        script.write_text(f"#!{python}\n{killer}")
        return original(module, job)

    python, script, original = sys.executable, tmp_path / "python", atomic.in_child
    script.touch(0o755)
    monkeypatch.setattr(atomic, "in_child", crash)
    with Folder.open(tmp_path / "run", "d1") as out:
        append(out.journal("a"), 4)
        with pytest.raises(StoreError, match=r"died \(it was ended by SIGSEGV\).*--resume"):
            out.publish(plain_header(4), {"a": {}})
    assert temporaries(tmp_path) == []
    assert not (tmp_path / "run" / RESULT).exists()
    assert assert_sound(tmp_path / "run", 4) == 4


# ---------------------------------------------------------------- interrupts


def interrupted_at(step: int, journal: Journal) -> bool:
    """Flush with a Ctrl-C before line `step` of the store's own code; False if it ended earlier."""
    left = step

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith(("store/journal.py", "diffusim/atomic.py")):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        journal.flush()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def interrupts_at_every(path: Path, stride: int) -> int:
    count = 0
    for step in range(1, 100_000, stride):
        folder = path / f"run-{step}"
        journal = Journal(folder / "segments" / "a", "d1")
        append(journal, 2)
        journal.flush()
        append(journal, 4)
        if not interrupted_at(step, journal):
            break
        count += 1
        assert assert_sound(folder, journal.frames) in (2, 4)
        append(journal, 5)
        journal.flush()
        assert journal.frames == 5
        assert journal.pending == 0
        assert assert_sound(folder, 5) == 5
        atomic.sweep(journal.folder)  # as the next run does
        assert temporaries(folder) == []
    return count


def test_an_interrupted_flush_loses_and_doubles_nothing(tmp_path: Path) -> None:
    assert interrupts_at_every(tmp_path, 5) > 15


@pytest.mark.proof
def test_a_flush_interrupted_before_any_line_loses_and_doubles_nothing(
    tmp_path: Path, figure: Figure
) -> None:
    count = interrupts_at_every(tmp_path, 1)
    assert count > 75
    figure("interrupts of a flush, one before every line", count)


def test_an_exception_inside_keeps_the_frames_that_were_gathered(tmp_path: Path) -> None:
    def run() -> None:
        with Folder.open(tmp_path, "d1") as out:
            append(out.journal("a"), 3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert assert_sound(tmp_path, 3) == 3
    assert not (tmp_path / "run.lock").exists()
