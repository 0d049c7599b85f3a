"""What lies in a dataset's folder: what is made good, what is left alone, who may write there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dataset_samples import SALT, contents, made, scenario, shards
from shell import diffusim, refused

from diffusim import atomic
from diffusim.atomic import Lock, Occupied, StoreError
from diffusim.dataset.engine import write
from diffusim.dataset.recipe import Recipe

OTHER = SALT.replace("seed: 3", "seed: 4")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return contents(made(tmp_path_factory.mktemp("whole")))


# --- resuming what is finished ------------------------------------------------------------------


def test_resuming_makes_a_damaged_shard_of_a_finished_dataset_again(
    whole: dict[str, str], tmp_path: Path
) -> None:
    folder = made(tmp_path)
    damaged, *others = shards(folder)
    times = {path: path.stat().st_mtime_ns for path in others}
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    made(tmp_path, resume=True)
    assert contents(folder) == whole
    assert {path: path.stat().st_mtime_ns for path in others} == times


@pytest.mark.parametrize("change", ["gone", "other"])
@pytest.mark.parametrize("name", ["stats.yaml", "README.md"])
def test_resuming_restores_statistics_and_card(
    name: str, change: str, whole: dict[str, str], tmp_path: Path
) -> None:
    folder = made(tmp_path)
    if change == "gone":
        (folder / name).unlink()
    else:
        (folder / name).write_text("something else")
    times = {path: path.stat().st_mtime_ns for path in shards(folder)}
    made(tmp_path, resume=True)
    assert contents(folder) == whole
    assert {path: path.stat().st_mtime_ns for path in shards(folder)} == times


def test_resuming_makes_shards_that_the_manifest_leaves_out(
    whole: dict[str, str], tmp_path: Path
) -> None:
    folder = made(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["shards"][2]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    made(tmp_path, resume=True)
    assert contents(folder) == whole
    manifest["shards"] = []
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="it names no shards"):
        made(tmp_path, resume=True)


def test_a_part_makes_its_damaged_shard_again_and_does_not_vouch_for_others(
    whole: dict[str, str], tmp_path: Path
) -> None:
    folder = made(tmp_path)
    for path in shards(folder)[:2]:
        path.write_bytes(b"damaged")
    recipe = Recipe.read(scenario(tmp_path))
    parts = [write(recipe, tmp_path, shard=(i, 2), workers=1) for i in (1, 2)]
    assert [part.whole for part in parts] == [False, True]
    assert contents(folder) == whole


def test_records_left_by_a_command_killed_at_its_very_end_are_cleared_up(
    whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "retire", lambda folder: None)
        folder = made(tmp_path)
    assert (folder / "records").exists()
    made(tmp_path, resume=True)
    assert contents(folder) == whole
    assert not (folder / "records").exists()


def test_a_licence_in_the_card_is_no_damage_and_stays(tmp_path: Path) -> None:
    folder = made(tmp_path)
    card = folder / "README.md"
    text = card.read_text().partition("## Licence\n")[0] + "## Licence\n\nCC BY 4.0\n"
    card.write_text(text)
    assert diffusim("dataset", "verify", folder, "-q").code == 0
    shards(folder)[0].unlink()
    made(tmp_path, resume=True)
    assert card.read_text() == text
    card.write_text(text.replace("16 trajectories", "17 trajectories"))
    done = diffusim("dataset", "verify", folder, "-q")
    assert (done.code, "README.md is not what was written" in done.out) == (3, True)


# --- what is not ours ---------------------------------------------------------------------------


FOREIGN = ("README.md", "stats.yaml", "data/mine", "records/mine", "records/recipe.json", "records")


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("flag", [None, "resume", "overwrite"])
def test_what_belongs_to_no_dataset_is_left_alone(
    name: str, flag: str | None, tmp_path: Path
) -> None:
    mine = tmp_path / "salt" / name
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(Occupied, match=f"holds {name.partition('/')[0]}, which .* --out"):
        made(tmp_path, **({flag: True} if flag else {}))
    assert contents(tmp_path / "salt").keys() == {name}
    assert mine.read_text() == "mine"


def test_a_part_too_leaves_alone_what_belongs_to_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "salt").mkdir()
    (tmp_path / "salt" / "README.md").write_text("mine")
    with pytest.raises(Occupied, match=r"holds README\.md"):
        made(tmp_path, shard=(1, 2))


def test_a_manifest_of_something_else_keeps_all_from_being_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "salt"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "mine").write_text("mine")
    (folder / "manifest.json").write_text('{"name": "a page"}')
    before = contents(folder)
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(StoreError, match="damaged or no manifest"):
            made(tmp_path, **options)
    assert contents(folder) == before


def test_other_files_beside_a_dataset_stay_and_an_empty_folder_of_records_is_nothing(
    whole: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "salt" / "records").mkdir(parents=True)
    (tmp_path / "salt" / "notes.txt").write_text("mine")
    found = contents(made(tmp_path))
    assert found.keys() - whole.keys() == {"notes.txt"}
    assert whole.items() <= found.items()


@pytest.mark.parametrize("call", range(2))
def test_replacing_that_was_interrupted_goes_on(
    call: int, whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted as the data go, and as the records do, which are the last."""
    folder = made(tmp_path, OTHER)
    original, calls = atomic.retire, [0]

    def retire(path: Path) -> None:
        calls[0] += 1
        if calls[0] > call:
            raise KeyboardInterrupt
        original(path)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "retire", retire)
        with pytest.raises(KeyboardInterrupt):
            made(tmp_path, overwrite=True)
    assert not (folder / "manifest.json").exists()
    with pytest.raises(Occupied, match="--overwrite"):
        made(tmp_path)
    made(tmp_path, overwrite=True)
    assert contents(folder) == whole


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_dataset_interrupted_at_its_very_beginning_goes_on(
    call: int, whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = atomic.make_folder, [0]

    def make_folder(path: Path) -> None:
        calls[0] += 1
        if calls[0] > call:
            raise KeyboardInterrupt
        original(path)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "make_folder", make_folder)
        with pytest.raises(KeyboardInterrupt):
            made(tmp_path)
    assert contents(made(tmp_path, resume=True)) == whole


# --- who writes there ---------------------------------------------------------------------------


@pytest.mark.parametrize("shard", [None, (1, 2)])
def test_of_two_who_come_at_once_one_sees_the_other(
    shard: tuple[int, int] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other takes its lock at the last moment before this one has its own."""
    original = Lock.take
    name = "dataset-2-of-2.lock" if shard is None else "dataset.lock"

    def take(self: Lock) -> None:
        original(Lock(self.path.with_name(name)))
        original(self)

    recipe = Recipe.read(scenario(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(Lock, "take", take)
        with pytest.raises(Occupied, match="is writing to"):
            write(recipe, tmp_path, workers=1, shard=shard)
    assert [path.name for path in (tmp_path / "salt").iterdir()] == [name]


# --- the command --------------------------------------------------------------------------------


def test_what_is_not_ours_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "salt").mkdir()
    (tmp_path / "salt" / "README.md").write_text("mine")
    words = ("dataset", scenario(tmp_path), "--out", tmp_path, "--workers", "1", "-q")
    refused(diffusim(*words, "--overwrite"), "belongs to no dataset", "--out")
